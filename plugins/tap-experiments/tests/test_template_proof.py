"""No template leaves that shows somebody another arm's content."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from singer_program.definitions.faults import DefinitionError
from tap_experiments.definitions.model import Experiment, PropertyFormat
from tap_experiments.language.engine import Compiled
from tap_experiments.language.links import decorate_html, decorate_text
from tap_experiments.language.sample_profiles import SAMPLE_PROFILES
from tap_experiments.project import load
from tap_experiments.templating import checks
from tap_experiments.templating.generation import Template, generate
from tap_experiments.templating.proof import held_properties, prove, samples

SUBJECT = "Spring is here"


def define(root: Path, contents: dict[str, Any], **changes: object) -> Path:
    """The experiment `spring`: slot → arm → what it shows in each part; the first arm is the control."""
    folder = root / "spring"
    folder.mkdir()
    slots: dict[str, Any] = {}
    for slot, arms in contents.items():
        keys: dict[str, dict[str, Any]] = {}
        for arm, shown in arms.items():
            keys[arm] = {"control": True} if not keys else {}
            for part, extension in (("content", "html"), ("text", "txt")):
                if part in shown:
                    (folder / f"{slot}.{arm}.{extension}").write_text(shown[part], encoding="utf-8")
                    keys[arm][part] = f"{slot}.{arm}.{extension}"
            if "subject" in shown:
                keys[arm]["subject"] = shown["subject"]
        slots[slot] = {"arms": keys, "allocation": "equal"}
    in_html = [slot for slot, arms in contents.items() if "content" in next(iter(arms.values()))]
    in_text = [slot for slot, arms in contents.items() if "text" in next(iter(arms.values()))]
    in_subject = [slot for slot, arms in contents.items() if "subject" in next(iter(arms.values()))]
    template = {"name": "lf_spring", "html": "template.html", "subject": SUBJECT}
    body = "".join(f'<{slot}>[[ slot("{slot}") ]]</{slot}>' for slot in in_html)
    (folder / "template.html").write_text(f"<html>{body}{{% unsubscribe %}}</html>")
    if in_text:
        template["text"] = "template.txt"
        (folder / "template.txt").write_text(
            "".join(f'[[ slot("{slot}") ]]' for slot in in_text) + "{% unsubscribe %}"
        )
    if in_subject:
        template["subject"] = " ".join(f'[[ slot("{slot}") ]]' for slot in in_subject)
    definition = {
        "key": "spring", "version": 1, "status": "draft", "description": "Which?", "channel": "email",
        "audience": {"list": "L"}, "primary_metric": "clicked", "attribution_window_days": 5,
        "slots": slots, "template": template, **changes,
    }  # fmt: skip
    (folder / "experiment.yml").write_text(json.dumps(definition, ensure_ascii=False))
    return root


def sound(root: Path, property_format: PropertyFormat = PropertyFormat.LIST) -> tuple[Experiment, Template]:
    [pair] = load(root, property_format).pairs
    return pair


def shown(source: str | None, arms: dict[str, str], property_format: PropertyFormat = PropertyFormat.LIST) -> str:
    assert source is not None
    return Compiled(source).render(
        {"person": held_properties("spring", arms, property_format), "first_name": "Ada"}
    )


TWO = {
    "hero": {
        "plain": {"content": "<h1>Plain</h1>", "text": "plain\n", "subject": "Spring, calmly"},
        "bold": {
            "content": '<h1>BOLD</h1><a href="https://x.io/">x</a>',
            "text": "BOLD\n",
            "subject": "Spring. NOW!",
        },
    }
}


@pytest.mark.parametrize("property_format", PropertyFormat)
def test_every_part_shows_the_arm(tmp_path: Path, property_format: PropertyFormat) -> None:
    _, template = sound(define(tmp_path, TWO), property_format)
    for arms, words in [({"hero": "bold"}, "BOLD"), ({"hero": "plain"}, "lain"), ({}, "lain")]:
        assert f"<h1>{'P' if words == 'lain' else ''}{words}</h1>" in shown(template.html, arms, property_format)
        assert words in shown(template.text, arms, property_format)
    assert shown(template.subject, {"hero": "bold"}, property_format) == "Spring. NOW!"
    assert shown(template.subject, {}, property_format) == "Spring, calmly"


def test_a_slot_may_stand_in_the_subject_only(tmp_path: Path) -> None:
    arms = {"calm": {"subject": "It's {{ first_name|default:'spring' }}"}, "loud": {"subject": 'Spring 🌷 "now"'}}
    contents = {"line": arms, "hero": {"a": {"content": "A"}, "b": {"content": "B"}}}
    experiment, template = sound(define(tmp_path, contents, campaign_message_ids=["M1"]))
    assert [slot.subject_only for slot in experiment.slots] == [True, False]
    assert shown(template.subject, {"line": "loud"}) == 'Spring 🌷 "now"'
    assert shown(template.subject, {}) == "It's Ada"
    assert "spring:line" not in (template.html or "")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"bold": {"content": "B"}}, "slots.hero.arms.bold.subject: is missing"),
        ({"bold": {"content": "B", "subject": "a\nb"}}, "slots.hero.arms.bold.subject: is not one line"),
        ({"bold": {"content": "B", "subject": "{% if a %}"}}, "slots.hero.arms.bold.subject: `{% if a %}` is not"),
        ({"bold": {"content": "B", "subject": '[[ slot("x") ]]'}}, "slots.hero.arms.bold.subject: holds `[[`"),
    ],
)
def test_a_subject_is_checked_like_a_content(tmp_path: Path, change: dict[str, Any], fault: str) -> None:
    arms = {"plain": {"content": "A", "subject": "a"}, **change}
    with pytest.raises(DefinitionError) as error:
        load(define(tmp_path, {"hero": arms}), PropertyFormat.LIST)
    assert any(fault in str(each) for each in error.value.faults), error.value.faults


@pytest.mark.parametrize("subject", ["No slot", None])
def test_subjects_need_their_place(tmp_path: Path, subject: str | None) -> None:
    define(
        tmp_path,
        TWO,
        template={"name": "n", "html": "template.html", "text": "template.txt"}
        | ({"subject": subject} if subject else {}),
    )
    with pytest.raises(DefinitionError, match=r"template\.subject: (never places the slot `hero`|is missing)"):
        load(tmp_path, PropertyFormat.LIST)


BROKEN = {
    "another arm": ("'spring:hero:bold' in", "'spring:hero:plain' in"),
    "a lost else": ("{% else %}", "{% elif 0 %}"),
    "a changed content": ("<h1>BOLD", "<h1>Bold"),
    "a space too many": ("{% endif %}", "{% endif %} "),
}


@pytest.mark.parametrize(("old", "new"), BROKEN.values(), ids=BROKEN)
def test_a_template_that_shows_something_else_does_not_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    experiment, template = sound(define(tmp_path, TWO))
    assert prove(experiment, template, PropertyFormat.LIST) == []
    assert template.html is not None
    assert old in template.html

    def broken(experiment: Experiment, property_format: PropertyFormat) -> Template:
        template = generate(experiment, property_format)
        return replace(template, html=(template.html or "").replace(old, new, 1))

    monkeypatch.setattr(checks, "generate", broken)
    with pytest.raises(DefinitionError, match=r"experiment\.yml:1: template\.html: does not show hero\.") as error:
        load(tmp_path, PropertyFormat.LIST)
    assert len(error.value.faults) == 1


def test_what_the_engine_cannot_read_does_not_leave(tmp_path: Path) -> None:
    arms = {"a": {"content": "{{ first_name|default }}"}, "b": {"content": "B"}}
    with pytest.raises(DefinitionError, match=r"template\.html: cannot be rendered: .*default"):
        load(define(tmp_path, {"hero": arms}), PropertyFormat.LIST)


def test_what_only_klaviyo_knows_can_be_proven(tmp_path: Path) -> None:
    content = (
        "{% catalog item_id='7' integration='x' %}{{ catalog_item.title|default:'' }}{% endcatalog %}"
        "{% coupon_code 'SPRING' %}{{ first_name|trim_slash|default:'x' }}{% today '%Y' as year %}"
    )
    experiment, template = sound(define(tmp_path, {"hero": {"a": {"content": content}, "b": {"content": "B"}}}))
    assert "[coupon_code 'SPRING']" in shown(template.html, {"hero": "a"})
    assert "coupon" not in shown(template.html, {"hero": "b"})
    assert prove(experiment, template, PropertyFormat.LIST) == []


def test_many_slots_are_proven_without_all_combinations(tmp_path: Path) -> None:
    contents = {f"s{number}": {"a": {"content": "A"}, "b": {"content": "B"}} for number in range(8)}
    experiment, _ = sound(define(tmp_path, contents))
    found = list(samples(experiment, PropertyFormat.LIST))
    assert len(found) < 70
    assert {(slot, arm) for sample in found for slot, arm in sample.arms.items()} == {
        (slot, arm) for slot in contents for arm in ("a", "b", "fb")
    }


PIECES = st.sampled_from([
    "word ", "\n", "  ", "<p>same for all of them, and long enough to be worth it</p>\n", "<b>x</b>", "<br>",
    '<a href="https://x.io/p?q=1">y</a>', "<a href='http://x.io'>z</a>", "🌷 “Grüße” ", "it's ", '"q" ', "&amp;",
    "{{ person|lookup:'City'|default:'here' }}", "{% if yes %}1{% else %}2{% endif %}", "{# c #}", "}", "%}", "#}",
    "{% for t in person.t %}{{ t }}{% empty %}none{% endfor %}", "{% verbatim %}{{ x }}{% endverbatim %}", "{ ",
    "<tr><td>", "</td></tr></table>", "<style>a{b:c}</style>", "</div>", "<div>", "<table>", "{{ first_name }}",
])  # fmt: skip
ARMS = st.sampled_from(["bold", "bold2", "bol", "b", "plain", "plainer", "x_y"])
CONTENT = st.lists(PIECES, min_size=1, max_size=8).map("".join).filter(str.strip)


@settings(deadline=None)
@given(
    contents=st.dictionaries(
        st.sampled_from(["hero", "hero2", "cta"]),
        st.dictionaries(ARMS, CONTENT, min_size=2, max_size=4),
        min_size=1,
        max_size=2,
    ),
    person=st.sampled_from(SAMPLE_PROFILES),
    property_format=st.sampled_from(PropertyFormat),
)
def test_a_profile_is_shown_its_arms_and_nothing_of_another(
    contents: dict[str, dict[str, str]], person: dict[str, Any], property_format: PropertyFormat
) -> None:
    """For random contents: byte for byte what the content says, links marked, in HTML and text."""
    parts = {slot: {arm: {"content": c, "text": c} for arm, c in arms.items()} for slot, arms in contents.items()}
    with tempfile.TemporaryDirectory() as folder:
        try:
            _, template = sound(define(Path(folder), parts), property_format)
        except DefinitionError as error:
            assert "does not show" not in str(error)  # noqa: PT017  whether it is refused is not what is tested
            event("refused")
            return
    event("accepted")
    assert template.html
    assert template.text
    html, text = Compiled(template.html), Compiled(template.text)
    control = {slot: next(iter(arms)) for slot, arms in contents.items()}
    held: list[dict[str, str]] = [{}, *({slot: arm} for slot, arms in contents.items() for arm in arms)]
    for arms in held:
        context = {"person": {**person, **held_properties("spring", arms, property_format)}, "yes": True, **person}
        wanted, lines = [], []
        for slot in contents:
            content = contents[slot][arms.get(slot, control[slot])]
            lf_cid = f"spring.{slot}.{arms.get(slot, 'fb')}"
            wanted.append(f"<{slot}>{Compiled(decorate_html(content, lf_cid).content).render(context)}</{slot}>")
            lines.append(Compiled(decorate_text(content, lf_cid).content).render(context))
        assert html.render(context).startswith(f"<html>{''.join(wanted)}[unsubscribe]")
        assert text.render(context) == f"{''.join(lines)}[unsubscribe]"
