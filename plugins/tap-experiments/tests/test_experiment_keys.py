"""Every key of a definition: what is read of it, and what is refused."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from singer_program.definitions.faults import DefinitionError
from tap_experiments.definitions.model import Channel, Method, PropertyFormat
from tap_experiments.project import Project, load

EVERY_KEY = Path(__file__).parent / "every_key"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The experiment with every key, as a draft that a test may spoil."""
    folder = Path(shutil.copytree(EVERY_KEY, tmp_path / "set")) / "every_key"
    change(folder, "status: live", "status: draft")
    (folder / "preregistration.lock").unlink()
    return folder


def change(folder: Path, old: str, new: str) -> None:
    definition = folder / "experiment.yml"
    text = definition.read_text()
    assert old in text
    definition.write_text(text.replace(old, new, 1))


def sound(folder: Path) -> Project:
    return load(folder.parent, PropertyFormat.LIST)


def faults(folder: Path) -> list[str]:
    """The faults, without the folder's name."""
    with pytest.raises(DefinitionError) as error:
        sound(folder)
    return [str(fault).replace(f"{folder.parent}/", "") for fault in error.value.faults]


def test_what_is_left_out_has_a_neutral_value(folder: Path) -> None:
    for line in (
        "traffic: 80\n",
        "layer: {name: promo, from: 0, to: 50}\n",
        "holdout: 2.5\n",
        "group: everything\n",
        "unit_hash: growthbook_v2\n",
        "assignment: hash\n",
        "secondary_metrics: [ordered, clicked]\n",
        "guardrails: {unsubscribed: 0.2, complained: 0}\n",
        "planned_stop: 2026-12-31\n",
        "decision: always\n",
        "dimensions: [country, {property: plan}, {segment: VIPs}, tenure]\n",
        "minimum_detectable_effect: 10\n",
    ):
        change(folder, line, "")
    [(experiment, _)] = sound(folder).pairs
    assert (experiment.traffic_bp, experiment.layer, experiment.holdout_bp, experiment.group) == (
        10_000,
        None,
        0,
        None,
    )
    assert (experiment.unit_hash, experiment.assignment) == ("md5", "hash")
    assert (experiment.balance_tries, experiment.balance_days) == (1, 0)
    assert (experiment.secondary_metrics, experiment.planned_stop) == ((), None)
    assert experiment.decision == "always"
    assert experiment.dimensions == ()
    assert experiment.minimum_detectable_effect is None
    assert experiment.guardrails == {"unsubscribed": 0.1, "complained": 0.05, "bounced": 0.5}


def test_dates_are_days_quoted_or_not(folder: Path) -> None:
    change(folder, "planned_stop: 2026-12-31", "planned_stop: '2028-02-29'")
    [(experiment, _)] = sound(folder).pairs
    assert experiment.planned_stop == date(2028, 2, 29)


def test_one_look_takes_a_day(folder: Path) -> None:
    change(folder, "decision: always", "decision: fixed")
    [(experiment, _)] = sound(folder).pairs
    assert experiment.decision == "fixed"
    change(folder, "planned_stop: 2026-12-31\n", "")
    [found] = faults(folder)
    assert found.endswith("39: decision: is `fixed` without a day; give `planned_stop`, the day of the one test")


def test_no_guardrails_by_an_empty_mapping(folder: Path) -> None:
    change(folder, "{unsubscribed: 0.2, complained: 0}", "{}")
    [(experiment, _)] = sound(folder).pairs
    assert experiment.guardrails == {}


def test_thompson_without_accept_leaves_the_weights_to_the_warehouse(folder: Path) -> None:
    change(folder, "{floor: 10, half_life_days: 60, at_most: 5000}, accept: {small: 45.5, large: 54.5}", "{}")
    change(folder, "group: everything\n", "balance: {tries: 2}\n")
    [(experiment, _)] = sound(folder).pairs
    slot = experiment.slots[1]
    assert [arm.weight_bp for arm in slot.arms] == [None, None]
    assert slot.method is Method.THOMPSON
    assert slot.thompson is not None
    assert (slot.thompson.floor_bp, slot.thompson.half_life_days, slot.thompson.at_most) == (500, 90, 100_000)
    assert (experiment.balance_tries, experiment.balance_days) == (2, 90)


def test_values_of_a_condition_are_texts_as_written(folder: Path) -> None:
    """`NO` is Norway, whatever YAML 1.1 says."""
    change(folder, "in: [SE, NO]", "in: [no, 1.50, true, '', x]")
    assert faults(folder) == ["every_key/experiment.yml:9: audience.where[0].in[3]: is blank; give a text"]
    change(folder, "'', x", "'x y'")
    [(experiment, _)] = sound(folder).pairs
    assert experiment.conditions[0].values == ("no", "1.50", "true", "x y")


WHERE = {
    "unknown field": ("location.country", "locaton.country", "9: audience.where[0].field: `locaton.country` is n"),
    "unknown place": ("location.country", "location.land", "9: audience.where[0].field: `location.land` is no fi"),
    "bare field": ("location.country", "country", "9: audience.where[0].field: `country` is no field of a profil"),
    "nested property": ("properties.tier", "properties.a.b", "10: audience.where[1].field: `properties.a.b` name"),
    "quoted property": ("properties.tier", "\"properties.a'b\"", "10: audience.where[1].field: `properties.a'b` "),
    "no property": ("properties.tier", "properties.", "10: audience.where[1].field: `properties.` names no prope"),
    "no operator": (", in: [SE, NO]", "", "9: audience.where[0]: has 0 operators; give one of `in`, `not_in`"),
    "two operators": ("in: [SE, NO]", "in: [SE], exists: true", "9: audience.where[0]: has 2 operators; give one"),
    "unknown operator": ("in: [SE, NO]", "is: [SE], exists: true", "9: audience.where[0].is: is an unknown key; "),
    "no field": ("field: location.country, ", "", "9: audience.where[0].field: is missing; add it"),
    "no list": ("in: [SE, NO]", "in: SE", "9: audience.where[0].in: is not a list; write"),
    "empty list": ("in: [SE, NO]", "in: []", "9: audience.where[0].in: is an empty list; name at least one value"),
    "null in a list": ("in: [SE, NO]", "in: [~]", "9: audience.where[0].in[0]: is empty; give a value"),
    "mapping in a list": ("in: [SE, NO]", "in: [{a: b}]", "9: audience.where[0].in[0]: is not a text, a number o"),
    "no number": ("at_least: 18", "at_least: adult", "11: audience.where[2].at_least: `adult` is not a number; w"),
    "quoted number": ("at_least: 18", "at_least: '18'", "11: audience.where[2].at_least: `18` is not a number"),
    "odd number": ("at_least: 18", "at_least: 1e3", "11: audience.where[2].at_least: `1e3` is not a number"),
    "no date": ("since: 2026-01-01", "since: 2026-02-30", "12: audience.where[3].since: `2026-02-30` is not a da"),
    "week date": ("since: 2026-01-01", "since: 2026-W01-1", "12: audience.where[3].since: `2026-W01-1` is not a "),
    "moment": ("2026-01-01", "2026-01-01T00:00:00", "12: audience.where[3].since: `2026-01-01T00:00:00` is not a"),
    "order of a date": ("since: 2026-01-01", "at_least: 3", "12: audience.where[3].at_least: does not compare `c"),
    "date of a text": ("field: created", "field: locale", "12: audience.where[3].since: does not compare `locale"),
    "list of a place": ("location.country", "location.latitude", "9: audience.where[0].in: does not compare `loc"),
    "no boolean": ("exists: true", "exists: yes", "13: audience.where[4].exists: `yes` is not true or false"),
    "no mapping": ("{field: phone_number, exists: true}", "phone", "13: audience.where[4]: is not a mapping"),
}  # fmt: skip

OTHERS = {
    "layer order": ("from: 0, to: 50", "from: 50, to: 50", "15: layer.to: is not above `from`; give"),
    "layer bounds": ("to: 50", "to: 101", "15: layer.to: `101` is not a percentage from 0 to 100"),
    "layer name": ("name: promo", "name: Promo", "15: layer.name: `Promo` cannot be used as a name"),
    "layer key": ("to: 50}", "till: 50}", "15: layer.till: is an unknown key; use one of"),
    "holdout": ("holdout: 2.5", "holdout: 100", "16: holdout: leaves nobody to send to; hold out less than 100"),
    "group": ("group: everything", "group: a b", "17: group: `a b` cannot be used as a name"),
    "unit hash": ("growthbook_v2", "growthbook", "18: unit_hash: `growthbook` is not known here; did you mean `g"),
    "assignment": ("assignment: hash", "assignment: qota", "19: assignment: `qota` is not known here; did you me"),
    "one try": ("group: everything", "balance: {tries: 1}", "17: balance.tries: `1` is not a whole number from 2"),
    "many tries": ("group: everything", "balance: {tries: 201}", "17: balance.tries: `201` is not a whole number"),
    "metric twice": ("[ordered, clicked]", "[ordered, ordered]", "21: secondary_metrics[1]: names `ordered` agai"),
    "primary again": ("[ordered, clicked]", "[revenue]", "21: secondary_metrics[0]: names `revenue` again; remov"),
    "unknown metric": ("[ordered, clicked]", "[orderd]", "21: secondary_metrics[0]: `orderd` is not known here; "),
    "guardrail name": ("complained: 0", "complaind: 0", "22: guardrails.complaind: is an unknown key; did you me"),
    "guardrail margin": ("complained: 0", "complained: -1", "22: guardrails.complained: `-1` is not a percentage"),
    "unknown decision": ("decision: always", "decision: often", "40: decision: `often` is not known here; use"),
    "unknown dimension": ("[country,", "[county,", "41: dimensions[0]: `county` is not known here; did you mean "),
    "bare property": ("[country,", "[plan,", "41: dimensions[0]: `plan` is not known here; use one of `coun"),
    "bare segment": ("[country,", "[segment,", "41: dimensions[0]: `segment` is not known here; write `{seg"),
    "dimension twice": ("[country,", "[tenure,", "41: dimensions[3]: names `tenure` again; remove it"),
    "two in one": ("{property: plan}", "{property: plan, list: x}", "41: dimensions[1]: names no single dimens"),
    "unknown kind": ("{property: plan}", "{props: plan}", "41: dimensions[1].props: is an unknown key; "),
    "nested": ("{property: plan}", "{property: a.b}", "41: dimensions[1].property: `a.b` names no property that"),
    "own": ("{property: plan}", "{property: lf_x}", "41: dimensions[1].property: `lf_x` is written by experi"),
    "blank name": ("{segment: VIPs}", "{segment: ' '}", "41: dimensions[2].segment: is blank; give a text"),
    "many dimensions": (
        "[country, {property: plan}", "[country" + "".join(f", {{property: p{n}}}" for n in range(8)),
        "41: dimensions: has 11, more than 10; keep those that you would act on",
    ),
    "no list of dimensions": (
        "[country, {property: plan}, {segment: VIPs}, tenure]", "country", "41: dimensions: is not a list; write ",
    ),
    "no day": ("2026-12-31", "2026-13-31", "23: planned_stop: `2026-13-31` is not a date; write year, month and"),
    "no effect": ("effect: 10", "effect: 0", "24: minimum_detectable_effect: is zero; give the smallest"),
    "large effect": ("effect: 10", "effect: 1001", "24: minimum_detectable_effect: `1001` is not a percentage"),
    "subject lines": ('"Hello {{ first_name|default:\'there\' }}"', '"a\\nb"', "39: template.subject: is not one"),
    "subject slot": ('"Hello {{ first_name|default:\'there\' }}"', "'[[ slot(1) ]]'", "39: template.subject: p"),
    "subject tag": ('"Hello {{ first_name|default:\'there\' }}"', "'{% if %'", "39: template.subject: `{%` is no"),
    "blank subject": ('"Hello {{ first_name|default:\'there\' }}"', "' '", "39: template.subject: is blank; give"),
    "no html": ("html: template.html, ", "", "39: template.html: is missing; add it: an e-mail shows HTML"),
}  # fmt: skip

ALLOCATION = {
    "old key": (
        "allocation: {manual: {plain: 70, bold: 30}}", "split: {plain: 70, bold: 30}",
        "32: slots.hero.split: is called `allocation` now; write `allocation: {manual: {plain: 70, bold: 30}}`",
    ),
    "old word": (
        "allocation: {manual: {plain: 70, bold: 30}}", "split: equal",
        "32: slots.hero.split: is called `allocation` now; write `allocation: equal`",
    ),
    "bare shares": (
        "{manual: {plain: 70, bold: 30}}", "{plain: 70, bold: 30}",
        "32: slots.hero.allocation: gives shares without saying how they are meant; write `{manual: {plain: …, bo",
    ),
    "two methods": (
        "{manual: {plain: 70, bold: 30}}", "{manual: {plain: 70, bold: 30}, thompson: {}}",
        "32: slots.hero.allocation: names no single method; write `equal`, `{manual: {…}}` or `{thompson: {}}`",
    ),
    "unknown method": ("{thompson:", "{thomson:", "38: slots.button.allocation.thomson: is an unknown key; did y"),
    "list": ("{manual: {plain: 70, bold: 30}}", "[70, 30]", "32: slots.hero.allocation: is neither `equal` nor a"),
    "accepted by hand": (
        "{manual: {plain: 70, bold: 30}}", "{manual: {plain: 70, bold: 30}, accept: {plain: 70, bold: 30}}",
        "32: slots.hero.allocation.accept: has no place beside `manual`; remove it",
    ),
    "accept sum": ("small: 45.5", "small: 45", "38: slots.button.allocation.accept: sums to 99.5, not to 100"),
    "floor": ("floor: 10", "floor: 50.01", "38: slots.button.allocation.thompson.floor: of 50.01 per cent is mor"),
    "half life": ("days: 60", "days: 0", "38: slots.button.allocation.thompson.half_life_days: `0` is not a whol"),
    "at most": ("at_most: 5000", "at_most: 0", "38: slots.button.allocation.thompson.at_most: `0` is not a whole"),
    "thompson key": ("floor: 10", "flor: 10", "38: slots.button.allocation.thompson.flor: is an unknown key; did"),
}  # fmt: skip

SNIPPET = {
    "file beside it": (
        "large: {}", "large: {content: bold.html}",
        "37: slots.button.arms.large.content: has no place beside the snippet `button`; remove it: the snippet ho",
    ),
    "unknown snippet": (
        "snippet: button", "snippet: buton",
        "34: slots.button.snippet: `buton` is no folder of _snippets; restore the folder, which is in use here, o",
    ),
    "way out": ("snippet: button", "snippet: ../x", "34: slots.button.snippet: `../x` cannot be used as a name"),
    "no file": ("content: plain.html, ", "", "30: slots.hero.arms.plain.content: is missing; add it, or bind the"),
}  # fmt: skip

CASES = {**WHERE, **OTHERS, **ALLOCATION, **SNIPPET}


@pytest.mark.parametrize(("old", "new", "expected"), CASES.values(), ids=CASES)
def test_a_key_is_refused_where_it_stands(folder: Path, old: str, new: str, expected: str) -> None:
    change(folder, old, new)
    found = faults(folder)
    assert any(line.startswith(f"every_key/experiment.yml:{expected}") for line in found), found
    assert all("; " in line for line in found)


def test_unknown_arms_are_not_accepted(folder: Path) -> None:
    change(folder, "accept: {small: 45.5, large: 54.5}", "accept: {small: 45.5, larg: 54.5}")
    assert [line.partition(": ")[2] for line in faults(folder)] == [
        "slots.button.allocation.accept: gives the arm `large` no share; add it, in per cent",
        "slots.button.allocation.accept.larg: is no arm of this slot; did you mean `large`?",
    ]


def test_a_snippet_in_use_cannot_be_deleted(folder: Path) -> None:
    library = folder.parent / "_snippets"
    (library / "button" / "large.html").unlink()
    [found] = faults(folder)
    assert found == (
        "every_key/experiment.yml:37: slots.button.arms.large: has no large.html in the snippet `button`; "
        "restore or write _snippets/button/large.html, or remove the arm"
    )
    shutil.rmtree(library)
    [found] = faults(folder)
    assert found.startswith(
        "every_key/experiment.yml:34: slots.button.snippet: `button` is no folder of _snippets;"
    )


def test_a_blank_snippet_is_named_by_its_own_file(folder: Path) -> None:
    (folder.parent / "_snippets" / "button" / "small.txt").write_text("\n")
    [found] = faults(folder)
    assert found.startswith("_snippets/button/small.txt:1: slots.button.arms.small: is blank")


def test_a_snippet_has_texts_for_all_arms_or_none(folder: Path) -> None:
    button = folder.parent / "_snippets" / "button"
    (button / "small.txt").unlink()
    [found] = faults(folder)
    assert "has no small.txt in the snippet `button`" in found
    (button / "large.txt").unlink()
    [found] = faults(folder)
    assert found.startswith(
        "every_key/template.txt: template.text: places the slot `button`, whose arms have no text"
    )
    (folder / "template.txt").write_text('[[ slot("hero") ]]')
    [(experiment, _)] = sound(folder).pairs
    assert [arm.text for arm in experiment.slots[1].arms] == [None, None]


def test_a_snippets_text_is_left_alone_where_there_is_no_text_part(folder: Path) -> None:
    change(folder, ", text: template.txt", "")
    for arm in ("plain", "bold"):
        change(folder, f", text: {arm}.txt", "")
    [(experiment, _)] = sound(folder).pairs
    assert [arm.text for arm in experiment.slots[1].arms] == [None, None]


def test_the_definition_hash_covers_snippets(folder: Path) -> None:
    [(before, _)] = sound(folder).pairs
    with (folder.parent / "_snippets" / "button" / "large.html").open("a") as file:
        file.write("\n")
    [(after, _)] = sound(folder).pairs
    assert before.sha256 != after.sha256


def text_only(folder: Path, channel: str) -> None:
    """Make a text message of the experiment."""
    change(folder, "channel: email", f"channel: {channel}")
    for arm in ("plain", "bold"):
        change(folder, f"content: {arm}.html, text: {arm}.txt", f"content: {arm}.txt")
    change(folder, "html: template.html, text", "text")
    change(folder, ", subject: \"Hello {{ first_name|default:'there' }}\"", "")


@pytest.mark.parametrize("channel", ["sms", "push"])
def test_a_channel_that_knows_only_text(folder: Path, channel: str) -> None:
    text_only(folder, channel)
    [(experiment, template)] = sound(folder).pairs
    assert experiment.channel is Channel(channel)
    assert template.html is None
    assert template.text is not None
    assert template.text.startswith(
        "{% if 'every_key:hero:bold' in person|lookup:'lf_assignments' %}"
        "BOLD: https://shop.example/a?lf_cid=every_key.hero.bold\n{% elif"
    )
    assert "LARGE: https://shop.example/b?lf_cid=every_key.button.large" in template.text
    assert template.warnings == ()


def test_a_template_without_anything_lacks_name_and_content(folder: Path) -> None:
    definition = (folder / "experiment.yml").read_text()
    change(folder, definition[definition.index("template:") :], "template: {}\n")
    for arm in ("plain", "bold"):
        change(folder, f", text: {arm}.txt", "")
    assert [line.partition(": ")[2].split(";")[0] for line in faults(folder)] == [
        "template.html: is missing",
        "template.name: is missing",
    ]


def test_a_text_message_has_no_other_part(folder: Path) -> None:
    change(folder, "channel: email", "channel: sms")
    assert [line.split(";")[0].partition(": ")[2] for line in faults(folder)] == [
        "slots.hero.arms.plain.text: has no place",
        "slots.hero.arms.bold.text: has no place",
        "template.html: has no place",
        "template.subject: has no place",
    ]


def test_a_text_message_needs_its_text_and_every_slot_in_it(folder: Path) -> None:
    text_only(folder, "sms")
    (folder / "template.txt").write_text('[[ slot("hero") ]]')
    [found] = faults(folder)
    assert found.startswith("every_key/template.txt: template.text: never places the slot `button`")
    change(folder, ", text: template.txt", "")
    [found] = faults(folder)
    assert found.startswith(
        "every_key/experiment.yml:39: template.text: is missing; add it: the channel knows only"
    )


def test_nobody_measures_whether_an_sms_was_opened(folder: Path) -> None:
    text_only(folder, "sms")
    change(folder, "[ordered, clicked]", "[opened]")
    [found] = faults(folder)
    assert found.startswith("every_key/experiment.yml:21: secondary_metrics[0]: is not measured for `sms`")


def test_a_text_message_without_links_is_warned_of(folder: Path) -> None:
    text_only(folder, "push")
    change(folder, "campaign_message_ids: [01ABC]\n", "")
    for arm in ("plain", "bold"):
        (folder / f"{arm}.txt").write_text(arm)
    for arm in ("small", "large"):
        (folder.parent / "_snippets" / "button" / f"{arm}.txt").write_text(arm)
    [warning] = sound(folder).warnings
    assert "no arm holds a link that can carry lf_cid" in warning
