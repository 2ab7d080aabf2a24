"""The version after a shipped winner: it is the control, and shown to whoever holds an arm of before."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # tests are not a package

from ended_experiment import FOOT, HERO, any_winners_and_holdings, define, sound

from tap_experiments.cli import main
from tap_experiments.commands import commands
from tap_experiments.definitions.iteration import iteration, written
from tap_experiments.definitions.model import Method, PropertyFormat, Status
from tap_experiments.language.engine import Compiled
from tap_experiments.templating.proof import held_properties

if TYPE_CHECKING:
    from collections.abc import Callable


def say(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Runs `tap-experiments`: its code, and what it said."""
    monkeypatch.setattr(sys, "argv", ["tap-experiments", *arguments])
    code = main()
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    return code, out or err


@pytest.fixture
def iterate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs `tap-experiments iterate` on the experiments of the folder."""
    return lambda key="spring": say(monkeypatch, capfd, "iterate", key, "--path", str(tmp_path))


COMMENTED = """\
# What we want to know.
key: spring
version: 4      # the fourth
status: ended
winner: bold    # as the figures say
cleanup: true
description: 'Which: this or that?'
channel: email
audience:
  list: 'NO'
  where:
    - {field: location.country, in: ["NO", SE]}   # not a boolean
primary_metric: clicked
planned_stop: 2026-01-01
decision: fixed
campaign_message_ids: [01ABC]
attribution_window_days: 5
slots:
  # The first thing seen.
  hero:
    arms:
      plain: {content: hero.plain.html, control: true}
      bold:
        content: hero.bold.html
      loud: {content: hero.loud.html}
    allocation: {manual: {plain: 20, bold: 50, loud: 30}}
template: {name: lf_spring, html: template.html}
"""
NEXT = """\
# What we want to know.
key: spring
version: 5      # the fourth
status: draft
description: 'Which: this or that?'
channel: email
audience:
  list: 'NO'
  where:
    - {field: location.country, in: ["NO", SE]}   # not a boolean
primary_metric: clicked
attribution_window_days: 5
slots:
  # The first thing seen.
  hero:
    arms:
      bold:
        content: hero.bold.html
        control: true
      challenger_v5:
        content: hero_challenger_v5.html
    allocation: equal
template: {name: lf_spring, html: template.html}
"""


def commented(root: Path) -> Path:
    """The definition as a person writes it; returns it."""
    define(root, {"hero": HERO})
    definition = root / "spring" / "experiment.yml"
    definition.write_text(COMMENTED)
    (root / "spring" / "template.html").write_text('[[ slot("hero") ]]{% unsubscribe %}')
    return definition


def test_the_rest_of_a_definition_stays_as_its_author_wrote_it(
    tmp_path: Path, iterate: Callable[..., tuple[int, str]]
) -> None:
    definition = commented(tmp_path)
    code, said = iterate()
    assert code == 0, said
    assert definition.read_text() == NEXT
    folder = tmp_path / "spring"
    assert (folder / "hero_challenger_v5.html").read_text() == HERO["bold"]
    assert (folder / "hero.plain.html").read_text() == HERO["plain"]
    assert said.splitlines() == [
        f"{definition}: a draft of version 5; the control is `bold`, against `challenger_v5`",
        f"{folder / 'hero_challenger_v5.html'}: shows what the control shows; write here what is to be tried",
        "taken out, since they were of version 4: winner, cleanup, planned_stop, decision, campaign_message_ids",
        "Then `make preview`, `status: live` and `make preregister`.",
    ]
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_a_challenger_that_wins_is_the_control_of_the_one_after(
    tmp_path: Path, iterate: Callable[..., tuple[int, str]]
) -> None:
    """Three versions on end; no arm has the name of an earlier one that lost."""
    define(tmp_path, {"hero": HERO}, winner="bold")
    definition = tmp_path / "spring" / "experiment.yml"
    seen = [{"plain", "bold", "loud"}]
    for version in (2, 3, 4):
        assert iterate()[0] == 0
        ((experiment, _),) = [sound(tmp_path)]
        [slot] = experiment.slots
        seen.append({arm.key for arm in slot.arms})
        assert experiment.version == version
        assert not (seen[-1] - {slot.control.key}) & set().union(*seen[:-1])
        found = yaml.safe_load(definition.read_text())
        definition.write_text(json.dumps({**found, "status": "ended", "winner": f"challenger_v{version}"}))
    assert seen[-1] == {"challenger_v3", "challenger_v4"}


@pytest.mark.parametrize("winner", ["plain", "challenger_v2"])
def test_a_challenger_is_not_called_as_an_arm_that_was_named_by_hand(
    tmp_path: Path, iterate: Callable[..., tuple[int, str]], winner: str
) -> None:
    define(tmp_path, {"hero": {"plain": HERO["plain"], "challenger_v2": HERO["bold"]}}, winner=winner)
    code, said = iterate()
    assert code == 0, said
    [slot] = sound(tmp_path)[0].slots
    assert {arm.key: arm.is_control for arm in slot.arms} == {winner: True, "challenger_v2_b": False}


@settings(max_examples=25, deadline=None)
@any_winners_and_holdings
def test_whoever_holds_an_arm_of_before_sees_the_control(
    hero: str, foot: str, held: dict[str, str], property_format: PropertyFormat
) -> None:
    """In every slot and part, whichever arms won: nobody is shown a challenger by an assignment of before."""
    with tempfile.TemporaryDirectory() as folder:
        root = define(Path(folder), {"hero": HERO, "foot": FOOT}, winner={"hero": hero, "foot": foot})
        before, _ = sound(root, property_format)
        found = iteration(root, before)
        with written(root, before, found):
            experiment, template = sound(root, property_format)
    assert (experiment.version, experiment.status) == (2, Status.DRAFT)
    assert [slot.control.key for slot in experiment.slots] == [hero, foot]
    assert [[arm.key for arm in slot.arms] for slot in experiment.slots] == [
        [hero, "challenger_v2"],
        [foot, "challenger_v2"],
    ]
    for properties in ({}, held_properties("spring", held, property_format)):
        context = {"person": properties, "first_name": "Ada"}
        assert Compiled(template.subject or "").render(context) == f"A {hero} mail A {foot} mail"
        shown = Compiled(template.html or "").render(context)
        for contents, winner in ((HERO, hero), (FOOT, foot)):
            begins = {arm: content.replace("{{ first_name }}", "Ada")[:9] for arm, content in contents.items()}
            assert {arm: text in shown for arm, text in begins.items()} == {arm: arm == winner for arm in contents}


def test_a_snippet_gets_the_challenger_beside_its_arms(
    tmp_path: Path, iterate: Callable[..., tuple[int, str]]
) -> None:
    """And what the warehouse allots goes on being allotted by it, from no shares that name an arm of before."""
    define(tmp_path, {"hero": HERO})
    definition = tmp_path / "spring" / "experiment.yml"
    found = yaml.safe_load(definition.read_text())
    for arm, content in FOOT.items():
        (tmp_path / "_snippets" / "foot").mkdir(parents=True, exist_ok=True)
        for suffix in ("html", "txt"):
            (tmp_path / "_snippets" / "foot" / f"{arm}.{suffix}").write_text(content)
    found["slots"]["foot"] = {
        "snippet": "foot", "arms": {"short": {"control": True}, "long": {}},
        "allocation": {"thompson": {"floor": 10}, "accept": {"short": 40, "long": 60}},
    }  # fmt: skip
    found["winner"] = {"hero": "loud", "foot": "long"}
    for suffix in ("html", "txt"):
        place = tmp_path / "spring" / f"template.{suffix}"
        place.write_text(place.read_text().replace("{% unsub", '[[ slot("foot") ]]{% unsub'))
    definition.write_text(yaml.safe_dump(found, sort_keys=False))
    assert iterate()[0] == 0
    experiment, _ = sound(tmp_path)
    foot = next(slot for slot in experiment.slots if slot.key == "foot")
    assert [(arm.key, arm.is_control) for arm in foot.arms] == [("long", True), ("challenger_v2", False)]
    assert (foot.method, foot.thompson and foot.thompson.floor_bp) == (Method.THOMPSON, 1000)
    for suffix in ("html", "txt"):
        assert (tmp_path / "_snippets" / "foot" / f"challenger_v2.{suffix}").read_text() == FOOT["long"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"status": "live"}, "and spring is live; set `status: ended` and `winner`"),
        ({}, "and spring has ended without one; set `status: ended` and `winner`"),
    ],
)
def test_without_a_winner_there_is_nothing_to_iterate(
    tmp_path: Path, iterate: Callable[..., tuple[int, str]], changes: dict[str, Any], told: str
) -> None:
    root = define(tmp_path, {"hero": HERO}, **changes)
    if changes:
        assert say_lock(root)
    before = (root / "spring" / "experiment.yml").read_bytes()
    code, said = iterate()
    assert (code, told in said) == (1, True), said
    assert (root / "spring" / "experiment.yml").read_bytes() == before


def say_lock(root: Path) -> bool:
    """Locks what is live, as its author would."""
    return CliRunner().invoke(commands, ["lock", "--path", str(root)]).exit_code == 0


def test_an_unknown_experiment_is_told_with_those_there_are(
    tmp_path: Path, iterate: Callable[..., tuple[int, str]]
) -> None:
    define(tmp_path, {"hero": HERO}, winner="bold")
    assert iterate("sprig") == (1, f"{tmp_path} holds no experiment `sprig`; there are spring\n")


def test_a_file_of_that_name_is_not_overwritten(tmp_path: Path, iterate: Callable[..., tuple[int, str]]) -> None:
    root = define(tmp_path, {"hero": HERO}, winner="bold")
    mine = root / "spring" / "hero_challenger_v2.txt"
    mine.write_text("mine")
    before = {path: path.read_bytes() for path in (root / "spring").iterdir()}
    code, said = iterate()
    assert (code, said) == (1, f"{mine} exists already; move it away, it would be overwritten\n")
    assert {path: path.read_bytes() for path in (root / "spring").iterdir()} == before


def test_what_would_not_be_sound_is_not_left_behind(
    tmp_path: Path, iterate: Callable[..., tuple[int, str]]
) -> None:
    """Another experiment of its group gives other arms: the definition is refused, and all is as it was."""
    root = define(tmp_path, {"hero": HERO}, winner="bold", group="both")
    (root / "spring").rename(root / "autumn")
    definition = root / "autumn" / "experiment.yml"
    found = json.loads(definition.read_text())
    del found["winner"]
    found |= {"key": "autumn", "status": "draft", "template": found["template"] | {"name": "lf_autumn"}}
    definition.write_text(json.dumps(found))
    define(tmp_path, {"hero": HERO}, winner="bold", group="both")
    before = {path: path.read_bytes() for path in (root / "spring").iterdir()}
    code, said = iterate()
    assert code == 1
    assert "both" in said
    assert {path: path.read_bytes() for path in (root / "spring").iterdir()} == before
