"""A file that does not hold what the tap takes for loaded is noticed before anything is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
from loading import SCHEMA, load, record, schema

from target_duckdb.extractions import Extraction, extractions, lacking
from target_duckdb.warehouse import WarehouseError

Json = dict[str, Any]
EVENTS = schema("events", {"id": {"type": "string"}})


def _state(run: int, *, begun: str = "2026-11-20", account: str | None = "A", stream: str = "events") -> Json:
    told: Json = {"extraction": {"begun": begun, "run": run}}
    return {"type": "STATE", "value": {"bookmarks": {stream: told | ({"account": account} if account else {})}}}


def _run(path: Path, run: int, key: str, **told: Any) -> list[bytes]:  # noqa: ANN401
    state = _state(run, **told)
    return load(path, [state, EVENTS, record("events", id=key), state], at_a_time=1).states


def _ids(path: Path) -> set[str]:
    with duckdb.connect(path) as file:
        return {key for (key,) in file.execute(f"select id from {SCHEMA}.events").fetchall()}  # noqa: S608


def test_runs_that_go_on_from_each_other_are_loaded(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for run in (1, 2, 3, 3, 4):  # the third one was killed, and came again
        assert json.loads(_run(path, run, str(run))[-1]) == _state(run)["value"]
    assert _ids(path) == {"1", "2", "3", "4"}


def test_a_file_that_was_deleted_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    _run(path, 1, "1")
    path.unlink()
    with pytest.raises(
        WarehouseError, match=r"does not hold what the tap takes for loaded of events.*Remove the state"
    ):
        _run(path, 2, "2")
    with pytest.raises(duckdb.Error):
        _ids(path)
    _run(path, 1, "1", begun="2026-11-21")
    _run(path, 2, "2", begun="2026-11-21")
    assert _ids(path) == {"1", "2"}


def test_an_older_copy_is_noticed(tmp_path: Path) -> None:
    path, copy = tmp_path / "file", tmp_path / "copy"
    _run(path, 1, "1")
    shutil.copy(path, copy)
    _run(path, 2, "2")
    shutil.copy(copy, path)
    with pytest.raises(WarehouseError, match="older copy"):
        _run(path, 3, "3")
    assert _run(path, 2, "2"), "the run that the copy lacks may come again"


def test_no_state_is_passed_on_by_a_refused_run(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with pytest.raises(WarehouseError):
        load(tmp_path / "file", [_state(2)])
    assert capfdbinary.readouterr().out == b""


def test_another_account_does_not_get_into_the_file(tmp_path: Path) -> None:
    """Though its state is new, and says of nothing that it was loaded."""
    path = tmp_path / "file"
    _run(path, 1, "1")
    with pytest.raises(WarehouseError, match="holds rows of the account A, and the tap reads B"):
        _run(path, 1, "2", begun="2026-11-21", account="B", stream="profiles")
    assert _ids(path) == {"1"}


def test_an_account_that_is_not_told_is_no_other_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    _run(path, 1, "1", account=None)
    _run(path, 2, "2", account="A")
    _run(path, 3, "3", account=None)
    assert _ids(path) == {"1", "2", "3"}


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        [],
        {},
        {"bookmarks": None},
        {"bookmarks": {"events": None}},
        {"bookmarks": {"events": {"replication_key_value": 7}}},
        {"bookmarks": {"events": {"extraction": {"begun": "x"}}}},
        {"bookmarks": {"events": {"extraction": {"begun": 1, "run": 2}}}},
    ],
    ids=repr,
)
def test_a_tap_that_tells_nothing_is_loaded(value: object, tmp_path: Path) -> None:
    assert extractions(json.dumps(value).encode()) == {}
    loaded = load(tmp_path / "file", [{"type": "STATE", "value": value}, EVENTS, record("events", id="1")])
    assert _ids(tmp_path / "file") == {"1"}
    assert loaded.rejects == {}


def test_which_streams_are_lacking() -> None:
    told = {"a": Extraction("x", 1, None), "b": Extraction("x", 2, None), "c": Extraction("x", 5, None)}
    assert lacking(told, {}) == ["b", "c"]
    assert lacking(told, {("b", "x"): 1, ("c", "x"): 9}) == []
    assert lacking(told, {("b", "y"): 1, ("c", "x"): 3}) == ["b", "c"]
