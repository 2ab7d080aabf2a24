"""The catalogue of outcome metrics: what it lets a definition name, and what is wrong with a catalogue."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from singer_program.definitions.faults import DefinitionError
from tap_experiments.cli import main
from tap_experiments.definitions.model import PropertyFormat
from tap_experiments.definitions.outcome_metrics import PACKAGED, SEED, Catalogue, read_catalogue
from tap_experiments.definitions.preregistration import LOCK, preregistration
from tap_experiments.definitions.schema import json_schema
from tap_experiments.project import Project, load

EVERY_KEY = Path(__file__).parent / "every_key"
ROOT = Path(__file__).parents[3]
ROWS = PACKAGED.read_text()
TAIL = ",none,none,none,none,false,none,false,all,Title,noun,verb,none\n"
"""Columns of a new row from the numerator on."""
NEW = (
    f"booked,20,share,increase,booked,any,none,false,14{TAIL}"
    f"returned,21,share,decrease,refunded,any,none,false,attribution{TAIL}"
)


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """The catalogue with two rows more: one with a window of its own, one that shall decrease."""
    path = tmp_path / "metrics.csv"
    path.write_text(ROWS + NEW)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The experiment with every key, as a draft that a test may change."""
    folder = Path(shutil.copytree(EVERY_KEY, tmp_path / "set")) / "every_key"
    change(folder, "status: live", "status: draft")
    (folder / LOCK).unlink()
    return folder


def change(folder: Path, old: str, new: str) -> None:
    definition = folder / "experiment.yml"
    text = definition.read_text()
    assert old in text
    definition.write_text(text.replace(old, new, 1))


def read(folder: Path, path: Path | None = None, *, locking: bool = False) -> Project:
    return load(folder.parent, PropertyFormat.LIST, read_catalogue(path), locking=locking)


def faults(folder: Path, path: Path | None = None) -> list[str]:
    """The faults, without the folder's name."""
    with pytest.raises(DefinitionError) as error:
        read(folder, path)
    return [str(fault).replace(f"{folder.parent}/every_key/", "") for fault in error.value.faults]


def test_the_package_holds_the_projects_catalogue() -> None:
    assert (ROOT / SEED).read_text() == ROWS
    catalogue = read_catalogue(PACKAGED)
    # A row more may be added: these are the parts that the first rows can play.
    assert [name for name in catalogue.primary if name in FIRST] == ["opened", "clicked", "ordered", "revenue"]
    guardrails = {"unsubscribed": 0.1, "complained": 0.05, "bounced": 0.5}
    assert [name for name in catalogue.guardrails if name in FIRST] == [*guardrails]
    assert {name: catalogue.default_guardrails.get(name) for name in FIRST} == {
        name: guardrails.get(name) for name in FIRST
    }


FIRST = (
    "received", "opened", "opened_all", "clicked", "clicked_all", "ordered", "revenue", "revenue_per_order",
    "unsubscribed", "complained", "bounced",
)  # fmt: skip


def test_the_projects_own_catalogue_goes_before_that_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "booked" not in read_catalogue().metrics
    (tmp_path / SEED).parent.mkdir(parents=True)
    (tmp_path / SEED).write_text(ROWS + NEW)
    assert "booked" in read_catalogue().metrics
    assert "booked" not in read_catalogue(PACKAGED).metrics


def test_a_row_more_may_be_named(folder: Path, catalogue: Path) -> None:
    change(folder, "primary_metric: revenue", "primary_metric: booked")
    change(folder, "[ordered, clicked]", "[{metric: ordered, window_days: 30}, clicked]")
    change(folder, "complained: 0}", "returned: {margin: 1.5, window_days: 21}}")
    [(experiment, _)] = read(folder, catalogue).pairs
    assert experiment.primary_metric == "booked"
    assert experiment.secondary_metrics == ("ordered", "clicked")
    assert experiment.guardrails == {"unsubscribed": 0.2, "returned": 1.5}
    assert experiment.metric_windows == {"booked": 14, "ordered": 30, "returned": 21}
    promise = preregistration(experiment)
    assert promise["primary_metric"] == {"metric": "booked", "window_days": 14}
    assert promise["secondary_metrics"] == ["clicked", {"metric": "ordered", "window_days": 30}]
    assert promise["guardrails"] == {"unsubscribed": 0.2, "returned": {"margin": 1.5, "window_days": 21}}


def test_without_the_row_it_may_not(folder: Path) -> None:
    change(folder, "primary_metric: revenue", "primary_metric: booked")
    [found] = faults(folder, PACKAGED)
    assert found.startswith("experiment.yml:20: primary_metric: `booked` is not known here; use one of `opened`, ")
    assert found.endswith(f". A new one is a row of {PACKAGED}")


PROMISES = {
    "window of a secondary metric": ("window_days: 30", "window_days: 29", "21: secondary_metrics: is `"),
    "no window": ("{metric: ordered, window_days: 30}", "ordered", '21: secondary_metrics: is `["clicked", "orde'),
    "window of a guardrail": ("window_days: 21", "window_days: 22", "22: guardrails: is `"),
}


@pytest.mark.parametrize(("old", "new", "expected"), PROMISES.values(), ids=PROMISES)
def test_a_window_is_a_promise(folder: Path, catalogue: Path, old: str, new: str, expected: str) -> None:
    change(folder, "status: draft", "status: live")
    change(folder, "[ordered, clicked]", "[{metric: ordered, window_days: 30}, clicked]")
    change(folder, "complained: 0}", "returned: {margin: 1.5, window_days: 21}}")
    lock = ["lock", "--path", str(folder.parent), "--outcome-metrics", str(catalogue)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tap-experiments", *lock])
        assert main() == 0
    read(folder, catalogue)
    change(folder, old, new)
    [found] = faults(folder, catalogue)
    assert found.startswith(f"experiment.yml:{expected}")
    assert "when the version began" in found


def test_the_catalogues_own_window_is_a_promise_too(folder: Path, catalogue: Path) -> None:
    change(folder, "primary_metric: revenue", "primary_metric: booked")
    [(before, _)] = read(folder, catalogue).pairs
    catalogue.write_text(catalogue.read_text().replace("any,none,false,14", "any,none,false,15"))
    [(after, _)] = read(folder, catalogue).pairs
    assert preregistration(before) != preregistration(after)


PRIMARY, SECONDARY, GUARDRAIL = "primary_metric: revenue", "[ordered, clicked]", "complained: 0"
NOT_BY_DAYS = "is not counted by days; remove it, or name a metric that"
REFUSED = {
    "decrease as primary": (PRIMARY, "primary_metric: unsubscribed", "20: primary_metric: `unsubscribed` is not"),
    "machines as primary": (PRIMARY, "primary_metric: opened_all", "20: primary_metric: `opened_all` is not kno"),
    "ratio as primary": (PRIMARY, "primary_metric: revenue_per_order", "20: primary_metric: `revenue_per_order`"),
    "increase as guardrail": (GUARDRAIL, "clicked: 0", "22: guardrails.clicked: is an unknown key; "),
    "no margin": (GUARDRAIL, "complained: {}", "22: guardrails.complained.margin: is missing; add it"),
    "no name": (SECONDARY, "[{window_days: 3}]", "21: secondary_metrics[0].metric: is missing; add it"),
    "unknown name": (SECONDARY, "[{metric: orderd}]", "21: secondary_metrics[0].metric: `orderd` is not known"),
    "unknown key": (SECONDARY, "[{metric: ordered, days: 3}]", "21: secondary_metrics[0].days: is an unknown key"),
    "no day": (SECONDARY, "[{metric: ordered, window_days: 0}]", "21: secondary_metrics[0].window_days: `0` is n"),
    "a list": (SECONDARY, "[[ordered]]", "21: secondary_metrics[0]: is not a word"),
    "twice": (SECONDARY, "[ordered, {metric: ordered}]", "21: secondary_metrics[1]: names `ordered` again"),
    "window of what is in the message": (
        SECONDARY,
        "[{metric: clicked, window_days: 3}]",
        f"21: secondary_metrics[0].window_days: `clicked` {NOT_BY_DAYS}",
    ),
    "window of a ratio": (
        SECONDARY,
        "[{metric: revenue_per_order, window_days: 3}]",
        f"21: secondary_metrics[0].window_days: `revenue_per_order` {NOT_BY_DAYS}",
    ),
    "window of a guardrail in the message": (
        GUARDRAIL,
        "complained: {margin: 0, window_days: 3}",
        f"22: guardrails.complained.window_days: `complained` {NOT_BY_DAYS}",
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_a_definition_may_not_say(folder: Path, old: str, new: str, expected: str) -> None:
    change(folder, old, new)
    [found] = faults(folder)
    assert found.startswith(f"experiment.yml:{expected}")


def test_one_metric_has_one_window(folder: Path, catalogue: Path) -> None:
    change(folder, "[ordered, clicked]", "[{metric: returned, window_days: 7}]")
    change(folder, "complained: 0}", "returned: {margin: 1, window_days: 8}}")
    [found] = faults(folder, catalogue)
    problem = "is 8, but `returned` counts for 7 days above; give it one window"
    assert found == f"experiment.yml:22: guardrails.returned.window_days: {problem}"
    change(folder, "{margin: 1, window_days: 8}", "1")
    [(experiment, _)] = read(folder, catalogue).pairs
    assert experiment.metric_windows == {"returned": 7}


KEYS: dict[str, Callable[[str], dict[str, Any]]] = {
    "primary_metric": lambda name: {"primary_metric": name, "secondary_metrics": []},
    "secondary_metrics": lambda name: {
        "primary_metric": "opened" if name == "clicked" else "clicked",
        "secondary_metrics": [name],
    },
    "guardrails": lambda name: {"guardrails": {name: 1}},
}


@pytest.mark.parametrize("name", [*read_catalogue(PACKAGED).names, "booked", "returned", "nothing"])
@pytest.mark.parametrize("key", KEYS)
def test_editors_and_reader_agree_on_every_name(folder: Path, catalogue: Path, key: str, name: str) -> None:
    definition = yaml.safe_load((folder / "experiment.yml").read_text()) | KEYS[key](name)
    definition["audience"] = {"list": "Newsletter"}  # YAML's dates are no JSON
    definition["planned_stop"] = "2026-12-31"
    (folder / "experiment.yml").write_text(json.dumps(definition))
    validator = jsonschema.Draft7Validator(json_schema(read_catalogue(catalogue)))
    accepted = not list(validator.iter_errors(definition))
    if accepted:
        read(folder, catalogue)
    else:
        [found] = faults(folder, catalogue)
        assert name in found


def catalogue_faults(path: Path, text: str) -> list[str]:
    path.write_text(text)
    with pytest.raises(DefinitionError) as error:
        read_catalogue(path)
    return [str(fault).removeprefix(f"{path}") for fault in error.value.faults]


WRONG = {
    "name": ("clicked,4", "Clicked,4", ":5: metric: `Clicked` cannot be used as a name; use 1 to 40"),
    "name twice": ("ordered,6", "opened,6", ":7: metric: names `opened` again; give every row a name of its own"),
    "kind": ("4,share", "4,shar", ":5: kind: `shar` is not known here; did you mean `share`?"),
    "direction": ("5,share,increase", "5,share,down", ":6: direction: `down` is not known here; use one of"),
    "machines": ("opened,any,none,false", "opened,any,none,no", ":3: counts_machines: `no` is not true or false"),
    "window": ("value,refunded,false,attribution", "value,refunded,false,0", ":8: time_window: `0` is no time to"),
    "window's words": (
        "any,none,false,message",
        "any,none,false,messages",
        ":3: time_window: `messages` is no time",
    ),
    "margin": (",0.05,", ",5 %,", ":11: margin: `5 %` is not a percentage; write percentage points from 0 to 100"),
    "margin of no number": (",0.05,", ",nan,", ":11: margin: `nan` is not a percentage; write percentage points"),
    "margin of a goal": (
        "clicked,none,false",
        "clicked,0.1,false",
        ":5: margin: is 0.1, but `clicked` can be no gua",
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_catalogue(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in ROWS
    [found] = catalogue_faults(tmp_path / "metrics.csv", ROWS.replace(old, new, 1))
    assert found.startswith(expected)


def test_a_catalogue_without_columns_or_rows(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    assert catalogue_faults(path, ROWS.replace("margin", "margins"))[0].startswith(
        ":1: margin: is no column of the f"
    )
    assert len(catalogue_faults(path, "")) == 8
    assert catalogue_faults(path, ROWS.splitlines()[0]) == [":1: names no outcome metric; add a row"]


def test_a_catalogue_that_is_not_there(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        missing = str(tmp_path / "nowhere.csv")
        patch.setattr(sys, "argv", ["tap-experiments", "schema", "--outcome-metrics", missing])
        assert main() == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(
        f"{missing}: `nowhere.csv` is not a file of this folder; give the setting `outcome_metrics`"
    )
    assert len(err.splitlines()) == 1


def test_every_row_of_a_catalogue_keeps_its_place(catalogue: Path) -> None:
    found: Catalogue = read_catalogue(catalogue)
    assert found.names == [line.split(",")[0] for line in catalogue.read_text().splitlines()[1:]]
