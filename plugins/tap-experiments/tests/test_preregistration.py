"""What was promised before the start is held to."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from singer_program.definitions.faults import DefinitionError
from tap_experiments.cli import main
from tap_experiments.definitions.model import PropertyFormat
from tap_experiments.definitions.preregistration import LOCK, digest, preregistration
from tap_experiments.project import load

EVERY_KEY = Path(__file__).parent / "every_key"
FILE = "set/every_key/experiment.yml"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The live and locked experiment with every key, as `set/every_key` of the current folder."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(EVERY_KEY, tmp_path / "set")) / "every_key"


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[[], tuple[int, str]]:
    """Runs `tap-experiments lock`: its code, and what it said."""

    def lock() -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["tap-experiments", "lock", "--path", "set"])
        code = main()
        out, err = capfd.readouterr()
        return code, out or err

    return lock


def change(folder: Path, old: str, new: str) -> None:
    definition = folder / "experiment.yml"
    assert old in definition.read_text()
    definition.write_text(definition.read_text().replace(old, new, 1))


def faults() -> list[str]:
    with pytest.raises(DefinitionError) as error:
        load(Path("set"), PropertyFormat.LIST)
    return [str(fault) for fault in error.value.faults]


def test_the_hash_is_that_of_canonical_json(folder: Path) -> None:
    [(experiment, _)] = load(folder.parent, PropertyFormat.LIST).pairs
    canonical = (
        '{"attribution_window_days":7,"dimensions":["country","property:plan","segment:VIPs","tenure"],'
        '"guardrails":{"complained":0.0,"unsubscribed":0.2},"key":"every_key",'
        '"minimum_detectable_effect":0.1,"planned_stop":"2026-12-31","primary_metric":"revenue",'
        '"secondary_metrics":["clicked","ordered"],"version":3}'
    )
    assert digest(preregistration(experiment)) == hashlib.sha256(canonical.encode()).hexdigest()
    assert json.loads((folder / LOCK).read_text()) == {
        "sha256": hashlib.sha256(canonical.encode()).hexdigest(),
        "preregistration": json.loads(canonical),
    }


CHANGES = {
    "primary": ("revenue", "opened", "20: primary_metric: is `opened`, but was `revenue` when the version began"),
    "secondary": ("[ordered, clicked]", "[ordered]", '21: secondary_metrics: is `["ordered"]`, but was `["cli'),
    "guardrail": (
        "complained: 0",
        "complained: 1",
        '22: guardrails: is `{"unsubscribed": 0.2, "complained": 1.0}`',
    ),
    "stop": ("2026-12-31", "2027-12-31", "23: planned_stop: is `2027-12-31`, but was `2026-12-31` when"),
    "no stop": ("planned_stop: 2026-12-31\n", "", ": planned_stop: is not given, but was `2026-12-31` when"),
    "effect": ("effect: 10", "effect: 5", "24: minimum_detectable_effect: is `0.05`, but was `0.1` when"),
    "decision": ("decision: always", "decision: fixed", "40: decision: is `fixed`, but was "),
    "dimension": (
        "{property: plan}, ", "",
        '41: dimensions: is `["country", "segment:VIPs", "tenure"]`, but was `["country", "property:plan"',
    ),
    "no dimension": (
        "dimensions: [country, {property: plan}, {segment: VIPs}, tenure]\n", "",
        ": dimensions: is not given, but was",
    ),
    "window": ("days: 7", "days: 8", "25: attribution_window_days: is `8`, but was `7` when the version began"),
}  # fmt: skip


@pytest.mark.parametrize("status", ["live", "ended"])
@pytest.mark.parametrize(("old", "new", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_changed_promise_is_refused(folder: Path, status: str, old: str, new: str, expected: str) -> None:
    change(folder, "status: live", f"status: {status}")
    change(folder, old, new)
    [found] = faults()
    assert found.removeprefix(FILE).removeprefix(":").startswith(expected.removeprefix(":"))
    assert found.endswith(
        "; change it back, or set `version` to 4 and run `make preregister` (`tap-experiments lock`)"
    )


def test_one_look_is_a_promise_that_cannot_be_taken_back(
    folder: Path, lock: Callable[[], tuple[int, str]]
) -> None:
    change(folder, "decision: always", "decision: fixed")
    change(folder, "version: 3", "version: 4")
    assert lock()[0] == 0
    assert json.loads((folder / LOCK).read_text())["preregistration"]["decision"] == "fixed"
    change(folder, "decision: fixed", "decision: always")
    [found] = faults()
    assert "decision: is not given, but was `fixed` when the version began; change it back" in found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[ordered, clicked]", "[clicked, ordered]"),
        ("[country, {property: plan}", "[{property: plan}, country"),
        ("unsubscribed: 0.2, complained: 0", "complained: 0, unsubscribed: 0.20"),
        ("traffic: 80", "traffic: 100"),
        ("{plain: 70, bold: 30}", "{plain: 60, bold: 40}"),
        ("status: live", "status: ended"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_promises_the_same_is_no_change(folder: Path, old: str, new: str) -> None:
    change(folder, old, new)
    load(Path("set"), PropertyFormat.LIST)


def test_a_draft_may_change(folder: Path) -> None:
    change(folder, "status: live", "status: draft")
    change(folder, "days: 7", "days: 8")
    load(Path("set"), PropertyFormat.LIST)


def test_a_live_experiment_is_locked_by_the_command(folder: Path, lock: Callable[[], tuple[int, str]]) -> None:
    before = (folder / LOCK).read_bytes()
    (folder / LOCK).unlink()
    [found] = faults()
    assert found == (
        f"{FILE}:3: status: is live, but its version 3 is not locked; "
        "run `make preregister` (`tap-experiments lock`) and commit the preregistration.lock it writes"
    )
    assert lock() == (0, "set/every_key/preregistration.lock: version 3 is locked; commit it\n")
    assert (folder / LOCK).read_bytes() == before
    load(Path("set"), PropertyFormat.LIST)
    assert lock() == (0, "every live experiment is locked\n")


@pytest.mark.parametrize("status", ["draft", "ended"])
def test_only_live_experiments_are_locked(folder: Path, lock: Callable[[], tuple[int, str]], status: str) -> None:
    (folder / LOCK).unlink()
    change(folder, "status: live", f"status: {status}")
    load(Path("set"), PropertyFormat.LIST)
    assert lock() == (0, "every live experiment is locked\n")
    assert not (folder / LOCK).exists()


def test_a_new_version_promises_anew(folder: Path, lock: Callable[[], tuple[int, str]]) -> None:
    change(folder, "days: 7", "days: 8")
    code, said = lock()
    assert code == 1
    assert "25: attribution_window_days: is `8`, but was `7`" in said
    change(folder, "version: 3", "version: 4")
    assert ["its version 4 is not locked" in line for line in faults()] == [True]
    assert lock()[0] == 0
    load(Path("set"), PropertyFormat.LIST)
    change(folder, "version: 4", "version: 3")
    [found] = faults()
    assert found == f"{FILE}:2: version: is 3, but version 4 has begun; restore it, or raise it to 5"


def test_nothing_is_locked_while_anything_is_wrong(folder: Path, lock: Callable[[], tuple[int, str]]) -> None:
    (folder / LOCK).unlink()
    (folder.parent / "half").mkdir()
    assert lock()[0] == 1
    assert not (folder / LOCK).exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is not a lock"),
        ("[]", "is not a lock"),
        ("[" * 100_000, "is not a lock"),
        ('{"sha256": "0", "preregistration": {"version": "x"}}', "is not a lock"),
        ('{"sha256": "0", "preregistration": {"version": 3}}', "sha256: does not belong to the pre-registration"),
    ],
)
def test_a_lock_that_was_edited(folder: Path, text: str, problem: str) -> None:
    (folder / LOCK).write_text(text)
    [found] = faults()
    assert found.startswith(f"set/every_key/preregistration.lock: {problem}")
    assert found.endswith("; restore the file that `make preregister` (`tap-experiments lock`) wrote")
