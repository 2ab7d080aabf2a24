"""An experiment that has ended ships what it names as its winner: to everybody, whatever a profile holds."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import settings
from jsonschema import Draft7Validator

sys.path.insert(0, str(Path(__file__).parent))  # tests are not a package

from ended_experiment import FOOT, HERO, any_winners_and_holdings, define, sound

from singer_program.definitions.faults import DefinitionError
from tap_experiments.commands import commands
from tap_experiments.definitions import preregistration
from tap_experiments.definitions.model import PropertyFormat, Status
from tap_experiments.definitions.schema import json_schema
from tap_experiments.language.engine import Compiled
from tap_experiments.project import load
from tap_experiments.templating.proof import held_properties, hostile, prove

VALIDATOR = Draft7Validator(json_schema())


def faults(root: Path) -> list[str]:
    """What is refused, without the file's name."""
    try:
        sound(root)
    except DefinitionError as error:
        return [str(fault).partition(": ")[2] for fault in error.faults]
    return []


def agrees_with_schema(root: Path) -> bool:
    return not list(VALIDATOR.iter_errors(json.loads((root / "spring" / "experiment.yml").read_text())))


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("cleanup", [None, False, True])
@pytest.mark.parametrize("winner", [None, "bold"])
def test_a_winner_goes_with_an_end_and_a_cleanup_with_a_winner(
    tmp_path: Path, status: Status, winner: str | None, *, cleanup: bool | None
) -> None:
    """Each combination: what is not refused says what profiles and template become."""
    keys = {"winner": winner, "cleanup": cleanup}
    root = define(
        tmp_path, {"hero": HERO}, status=status, **{key: value for key, value in keys.items() if value is not None}
    )
    found = faults(root)
    if winner and status is not Status.ENDED:
        assert found == [
            f"winner: is named in an experiment that is {status}; set `status: ended`, or remove it",
        ]
    elif cleanup is not None and not winner:
        [fault] = found
        assert fault.startswith(
            "cleanup: has no place without `winner`; remove it: without a winner, profiles hold "
        )
    else:
        assert found == []
        experiment, template = sound(root)
        assert experiment.is_shipped == (winner is not None)
        assert experiment.is_cleaned_up == bool(cleanup)
        assert ("lf_assignments" in (template.html or "")) != experiment.is_shipped
    assert agrees_with_schema(root) == (not found)


def test_what_else_is_wrong_is_told_beside_it(tmp_path: Path) -> None:
    """A slot without a control or without arms has no winner either; all of it is said at once."""
    root = define(tmp_path, {"hero": HERO, "foot": FOOT}, winner="bold")
    definition = json.loads((root / "spring" / "experiment.yml").read_text())
    del definition["slots"]["hero"]["arms"]["plain"]["control"]
    definition["slots"]["foot"]["arms"] = {}
    (root / "spring" / "experiment.yml").write_text(json.dumps(definition))
    assert {"slots.hero.arms", "slots.foot.arms", "winner"} <= {found.partition(":")[0] for found in faults(root)}
    definition["winner"] = {"foot": "short"}
    (root / "spring" / "experiment.yml").write_text(json.dumps(definition))
    assert "winner: names no arm of the slot `hero`; add one of `plain`, `bold`, `loud`" in faults(root)


@pytest.mark.parametrize(
    ("slots", "winner", "expected"),
    [
        (
            {"hero": HERO},
            "bolt",
            ["winner: `bolt` is no arm of the slot `hero`; use one of `plain`, `bold`, `loud`"],
        ),
        ({"hero": HERO}, "", ["winner: is blank; give a text"]),
        ({"hero": HERO}, ["bold"], ["winner: is not text; give text"]),
        (
            {"hero": HERO, "foot": FOOT},
            "bold",
            ["winner: is one arm for 2 slots; name one for each, as in {hero: plain, foot: short}"],
        ),
        (
            {"hero": HERO, "foot": FOOT},
            {"hero": "bold"},
            ["winner: names no arm of the slot `foot`; add one of `short`, `long`"],
        ),
        (
            {"hero": HERO, "foot": FOOT},
            {"hero": "long", "foot": "long"},
            ["winner.hero: `long` is no arm of the slot `hero`; use one of `plain`, `bold`, `loud`"],
        ),
        (
            {"hero": HERO},
            {"hero": "bold", "her": "bold"},
            ["winner.her: is no slot of this experiment; did you mean `hero`?"],
        ),
    ],
)
def test_a_winner_is_an_arm_of_its_slot(
    tmp_path: Path, slots: dict[str, dict[str, str]], winner: object, expected: list[str]
) -> None:
    assert faults(define(tmp_path, slots, winner=winner)) == expected


@settings(max_examples=25, deadline=None)
@any_winners_and_holdings
def test_everybody_sees_the_winners_whatever_they_hold(
    hero: str, foot: str, held: dict[str, str], property_format: PropertyFormat
) -> None:
    """Of two slots, in all parts: the contents as they were written, nothing asked, no mark in a link."""
    with tempfile.TemporaryDirectory() as folder:
        root = define(Path(folder), {"hero": HERO, "foot": FOOT}, winner={"hero": hero, "foot": foot})
        experiment, template = sound(root, property_format)
    expected = f"<hero>{HERO[hero]}</hero><foot>{FOOT[foot]}</foot>".replace("{{ first_name }}", "Ada")
    people = [held_properties("spring", held, property_format), {}]
    people += [properties for _, properties in hostile(experiment, property_format)]
    for part in (template.html, template.text, template.subject):
        assert part is not None
        assert "lookup" not in part
        assert "lf_cid" not in part
    for person in people:
        context = {"person": person, "first_name": "Ada"}
        shown = [Compiled(part or "").render(context) for part in (template.html, template.text, template.subject)]
        assert shown[0].startswith(expected)
        assert shown[1].startswith(expected)
        assert shown[2] == f"A {hero} mail A {foot} mail"


def test_the_proof_finds_a_template_that_still_asks(tmp_path: Path) -> None:
    """One that was generated before the end shows the winner to its own arm alone."""
    root = define(tmp_path, {"hero": HERO})
    _, before = sound(root)
    experiment, after = sound(define(tmp_path, {"hero": HERO}, winner="bold"))
    assert prove(experiment, after, PropertyFormat.LIST) == []
    [found] = prove(experiment, before, PropertyFormat.LIST)
    assert "does not show hero.bold to " in str(found)
    assert before.sha256 != after.sha256


def test_lint_and_preview_know_a_winner(tmp_path: Path) -> None:
    """No link need carry a mark any more, and one rendering is all there is to see."""
    silent = {arm: f"<h1>{arm}</h1>" for arm in HERO}
    root = define(tmp_path / "set", {"hero": silent}, winner="loud")
    for command, expected in (
        ("lint", "1 experiment, 3 arms: sound, 0 warnings"),
        ("preview", "lf_spring, and what every profile is shown"),
    ):
        options = ["--output", str(tmp_path / "seen")] if command == "preview" else []
        done = CliRunner().invoke(commands, [command, "--path", str(root), *options])
        assert (done.exit_code, expected in done.output) == (0, True), done.output
    seen = sorted(file.name for file in (tmp_path / "seen" / "spring" / "arms").iterdir())
    assert seen == ["hero.loud.html", "hero.loud.subject.txt", "hero.loud.txt"]


def test_a_winner_breaks_no_promise_and_the_next_version_begins_anew(tmp_path: Path) -> None:
    """Locked live, ended with a winner, raised: the promise holds all along, and version 2 asks for its lock."""
    root = define(tmp_path, {"hero": HERO}, status="live")
    promised = preregistration.lock_text(sound(root)[0])
    (root / "spring" / preregistration.LOCK).write_text(promised)
    for changes in ({}, {"winner": "bold"}, {"winner": "bold", "cleanup": True}, {"winner": "bold", "version": 2}):
        define(tmp_path, {"hero": HERO}, **changes)
        [(experiment, _)] = load(root, PropertyFormat.LIST).pairs
        assert preregistration.lock_text(experiment) == promised or experiment.version == 2
    define(tmp_path, {"hero": HERO}, version=2, status="live", winner="bold")
    assert [found.split(":")[0] for found in faults(root)] == ["winner"]
    define(tmp_path, {"hero": HERO}, version=2, status="live")
    with pytest.raises(DefinitionError, match="its version 2 is not locked"):
        load(root, PropertyFormat.LIST)
    assert "lf_assignments" in (sound(root)[1].html or "")


def test_sms_ships_its_text(tmp_path: Path) -> None:
    root = define(tmp_path, {"hero": {"plain": "Hello", "bold": "HELLO"}}, winner="bold", channel="sms")
    definition = json.loads((root / "spring" / "experiment.yml").read_text())
    definition["template"] = {"name": "lf_spring", "text": "template.txt"}
    for arm in definition["slots"]["hero"]["arms"].values():
        arm["content"] = arm.pop("text")
        del arm["subject"]
    (root / "spring" / "experiment.yml").write_text(json.dumps(definition))
    (root / "spring" / "template.txt").write_text('[[ slot("hero") ]]!')
    _, template = sound(root)
    assert (template.html, template.text) == (None, "HELLO!")
