"""The rejects file read back: once, whatever became of the file, and without whom it is about."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from singer_sdk.testing import get_tap_test_class

from singer_program.errors import ProgramError
from target_klaviyo_profiles.rejects_tap import TapKlaviyoRejects

Json = dict[str, Any]
ADDRESS = "ada.lovelace@mail.example.net"
SAMPLE = Path(__file__).parent / "data_files" / "rejects.jsonl"
TestTapKlaviyoRejects = get_tap_test_class(TapKlaviyoRejects, config={"rejects_path": str(SAMPLE)})


def line(second: int = 0, **more: object) -> str:
    told = {
        "stream": "events",
        "key": {"event": "sha256:80305c9b"},
        "record": 7,
        "code": "invalid",
        "detail": "`time` is not valid",
        "pointer": "/time",
        "remedy": "Correct it.",
        "job": None,
        "time": f"2026-11-01T12:{second // 60:02}:{second % 60:02}+00:00",
        "about": {"metric": "Placed Order", "unique_id": "shop:1001"},
    }
    return json.dumps(told | more)


def written(path: Path, lines: Iterable[str], end: str = "\n") -> Path:
    path.write_text("\n".join(lines) + end)
    return path


def read(path: Path, state: Json | None = None) -> tuple[list[Json], Json]:
    """The rows of a run, and the state that it leaves."""
    tap = TapKlaviyoRejects(config={"rejects_path": str(path)}, state=state)
    stdout = io.TextIOWrapper(io.BytesIO())
    with redirect_stdout(stdout):
        tap.sync_all()
    stdout.flush()
    messages = [json.loads(each) for each in stdout.buffer.getvalue().splitlines()]
    rows = [each["record"] for each in messages if each["type"] == "RECORD"]
    states = [each["value"] for each in messages if each["type"] == "STATE"]
    return rows, states[-1]


def test_a_line_is_a_row(tmp_path: Path) -> None:
    (row,), _ = read(written(tmp_path / "rejects.jsonl", [line()]))
    assert row.pop("refusal_id")
    assert row == {
        "refused_at": "2026-11-01T12:00:00+00:00",
        "stream": "events",
        "record": 7,
        "key_kind": "event",
        "metric": "Placed Order",
        "unique_id": "shop:1001",
        "code": "invalid",
        "detail": "`time` is not valid",
        "pointer": "/time",
        "remedy": "Correct it.",
        "job": None,
        "file": "rejects.jsonl",
    }


def test_what_the_target_writes_is_read(
    load: Callable[..., Any], messages: Callable[..., list[Json]], tmp_path: Path
) -> None:
    """Of events that it refuses itself, of one that Klaviyo refuses, and of a profile."""
    record = {"metric": "Placed Order", "time": "2026-10-01T12:00:00+00:00", "email": ADDRESS}
    events = [
        {**record, "unique_id": "shop:1", "time": "2029-01-01T00:00:00+00:00"},
        {**record, "unique_id": f"{ADDRESS}:2", "value_currency": "coins"},
        {**record, "unique_id": "shop:3", "properties": {"": "the sandbox takes no such name"}},
        {**record, "unique_id": "shop:4"},
    ]
    profiles = messages([{"email": "no address"}])
    load([*messages(events, stream="events"), *profiles], rejects_include_record=False)
    path = tmp_path / "rejects.jsonl"
    rows, _ = read(path)
    assert [(row["stream"], row["code"], row["metric"], row["unique_id"]) for row in rows] == [
        ("events", "time_out_of_range", "Placed Order", "shop:1"),
        ("events", "invalid_value", "Placed Order", "<email>:2"),
        ("profiles", "invalid_email", None, None),
        ("events", "invalid", "Placed Order", "shop:3"),
    ]
    assert ADDRESS not in path.read_text()


def test_nothing_says_whom_a_row_is_about(tmp_path: Path) -> None:
    """Also of a file that holds records, by `rejects_include_record`."""
    told = line(
        key={"email": ADDRESS},
        detail=f"`{ADDRESS}` is not valid",
        pointer=f"/{ADDRESS}",
        about={"metric": f"Quiz of {ADDRESS}", "unique_id": "+4915112345678"},
        given={"email": ADDRESS},
    )
    (row,), _ = read(written(tmp_path / "rejects.jsonl", [told]))
    assert ADDRESS not in json.dumps(row)
    assert "4915112345678" not in json.dumps(row)
    assert row["key_kind"] == "email"


def test_a_run_goes_on_from_the_one_before(tmp_path: Path) -> None:
    """From an hour before the newest: what comes twice has the same id."""
    path = written(tmp_path / "rejects.jsonl", [line(0), line(1200)])
    first, state = read(path)
    assert state["bookmarks"]["refused_records"]["replication_key_value"] == "2026-11-01T12:20:00+00:00"
    with path.open("a") as file:
        file.write(line(5400, code="late").replace("T12:90", "T13:30") + "\n")
    second, state = read(path, state)
    assert [row["code"] for row in second] == ["invalid", "invalid", "late"]
    assert [row["refusal_id"] for row in second[:2]] == [row["refusal_id"] for row in first]
    third, state = read(path, state)
    assert [row["code"] for row in third] == ["late"]
    assert read(path, state)[0] == third


def test_a_file_that_was_put_aside_is_read_with_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    first, state = read(written(path, [line(0), line(1)]))
    path.replace(tmp_path / "rejects.1.jsonl")
    written(tmp_path / "rejects.2.jsonl", [line(0, code="older")])
    written(tmp_path / "rejects.old.jsonl", ["not of ours"])
    written(path, [line(2)])
    second, _ = read(path, state)
    assert [row["file"] for row in second] == [
        "rejects.2.jsonl",
        "rejects.1.jsonl",
        "rejects.1.jsonl",
        "rejects.jsonl",
    ]
    assert {row["refusal_id"] for row in first} < {row["refusal_id"] for row in second}


def test_there_is_none_before_the_first_refusal(tmp_path: Path) -> None:
    assert read(tmp_path / "rejects.jsonl")[0] == []


def test_a_line_that_is_not_whole_waits(tmp_path: Path) -> None:
    path = written(tmp_path / "rejects.jsonl", [line(0), line(1)], end="")
    rows, state = read(path)
    assert len(rows) == 1
    with path.open("a") as file:
        file.write("\n")
    assert len(read(path, state)[0]) == 2


def test_what_is_no_refusal_is_told_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cut = line()[:40]
    path = written(tmp_path / "rejects.jsonl", [cut, "[]", line(), '{"stream": "a", "time": "soon"}', "\x00"])
    with caplog.at_level(logging.WARNING):
        rows, _ = read(path)
    assert len(rows) == 1
    assert caplog.messages == [f"{path}: 3 lines are none of refused records, such as line 2; they are left out"]


def test_a_file_that_cannot_be_read_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "rejects.jsonl").mkdir()
    with pytest.raises(ProgramError, match="of the setting `rejects_path`"):
        read(tmp_path / "rejects.jsonl")


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.sampled_from(
            ["stream", "key", "record", "code", "detail", "pointer", "remedy", "job", "about", "time"]
        ),
        st.none()
        | st.integers()
        | st.text(max_size=8)
        | st.lists(st.none(), max_size=1)
        | st.dictionaries(st.text(max_size=3), st.none() | st.text(max_size=3), max_size=2),
    )
)
def test_whatever_a_line_says_it_costs_no_other(tmp_path_factory: pytest.TempPathFactory, more: Json) -> None:
    path = tmp_path_factory.mktemp("any") / "rejects.jsonl"
    rows, _ = read(written(path, [line(1), line(2, **more), line(3)]))
    assert {row["refused_at"][17:19] for row in rows} >= {"01", "03"}
