from __future__ import annotations

import gzip
import io
import json
import logging
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from file_runs import NOW, Read, Run, put
from jsonschema import Draft202012Validator
from singer_sdk.testing import get_tap_test_class

from singer_program.errors import ProgramError
from singer_program.identifiers import compared
from singer_program.people_list import line_of
from tap_klaviyo_files import formats, ledger, reading
from tap_klaviyo_files.streams.kind import Metrics
from tap_klaviyo_files.tap import TapKlaviyoFiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_klaviyo_files.formats import Bytes, Rows, TextFormat

SAMPLE = Path(__file__).parent / "data_files"
TestTapKlaviyoFiles = get_tap_test_class(
    TapKlaviyoFiles,
    config={
        "files": [
            {"path": str(SAMPLE / "events.csv"), "stream": "events"},
            {"path": str(SAMPLE / "list.csv"), "stream": "profiles"},
            {"path": str(SAMPLE / "list.csv"), "stream": "list_memberships", "list_id": "Li1"},
            {"path": str(SAMPLE / "list.csv"), "stream": "segment_memberships", "segment_id": "Se1"},
        ],
        "settle_seconds": 0,
    },
)
HEAD = "Event ID,Timestamp,Metric ID,Klaviyo ID\n"


def rows(*numbers: int) -> str:
    return "".join(f"e{n},2026-11-0{n} 00:00:00,Met{n},p{n}\n" for n in numbers)


def ids(records: list[dict[str, Any]]) -> list[str]:
    return [record["id"] for record in records]


# What a file becomes.


def test_events_are_those_of_the_other_tap(folder: Path, read: Read) -> None:
    put(folder / "a.csv", (SAMPLE / "events.csv").read_bytes())
    run = read()
    assert not run.faults
    first, *_ = run.records("events")
    assert first == {
        "id": "7qWkC6JPz7g",
        "datetime": "2026-11-03T08:15:00Z",
        "timestamp": int(datetime(2026, 11, 3, 8, 15, tzinfo=UTC).timestamp()),
        "uuid": None,
        "event_properties": {
            "$message": "01JMESSAGE",
            "URL": "https://shop.example/?lf_cid=spring.hero.b",
            "note": "two\nlines",
            "Recipient": "ada@example.com",
            "$value": 12.50,
            "$value_currency": "EUR",
        },
        "profile_id": "01HPROFILE",
        "metric_id": "klaviyo:Clicked Email",
    }
    assert run.records("metrics") == [
        {"id": "klaviyo:Clicked Email", "name": "Clicked Email", "integration": {"key": "klaviyo"}},
        {"id": "shopify:Placed Order", "name": "Placed Order", "integration": {"key": "shopify"}},
    ]


def test_records_are_what_their_schemas_say(read: Read) -> None:
    files = [
        {"path": str(SAMPLE / "events.csv"), "stream": "events"},
        {"path": str(SAMPLE / "list.csv"), "stream": "profiles"},
        {"path": str(SAMPLE / "list.csv"), "stream": "list_memberships", "list_id": "Li1"},
        {"path": str(SAMPLE / "list.csv"), "stream": "segment_memberships", "segment_id": "Se1"},
    ]
    run = read(files, settle_seconds=0)
    schemas = {each["stream"]: each for each in run.messages if each["type"] == "SCHEMA"}
    assert list(schemas) == [
        "events", "list_memberships", "profiles", "segment_memberships", "membership_snapshots", "metrics",
    ]  # fmt: skip
    for name, told in schemas.items():
        validator = Draft202012Validator(told["schema"])
        assert run.records(name)
        for record in run.records(name):
            validator.validate(record)
            assert set(record) == set(told["schema"]["properties"])


def test_every_format_becomes_the_same_records(folder: Path, read: Read) -> None:
    table = [
        {
            "id": f"e{n}",
            "time": f"2026-11-0{n} 00:00:00",
            "metric_id": "Met",
            "profile_id": "p",
            "properties": {"n": n},
        }
        for n in (1, 2)
    ]
    text = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(table), text)
    lines = "".join(json.dumps(row) + "\n" for row in table)
    table_of_texts = [{**row, "properties": json.dumps(row["properties"]).replace('"', '""')} for row in table]
    body = "id;time;metric_id;profile_id;properties\n" + "".join(
        ";".join(f'"{cell}"' for cell in row.values()) + "\n" for row in table_of_texts
    )
    found = []
    for name, content in (("a", text.getvalue()), ("b", lines), ("c", body), ("d", gzip.compress(body.encode()))):
        put(folder / name / "events", content)
        run = read([{"path": str(folder / name), "stream": "events"}])
        assert not run.faults
        found.append(run.records("events"))
    assert found[0] == found[1] == found[2] == found[3]
    assert [record["event_properties"] for record in found[0]] == [{"n": 1}, {"n": 2}]


def test_properties_may_have_a_column_each(folder: Path, read: Read) -> None:
    head = (
        "$event_id,time,Metric,$kid,event_properties,event_properties.URL,properties['a.b'],$value,empty,Items\n"
    )
    put(
        folder / "a.csv",
        head + 'x1,2026-11-01,Active on Site,p1,"{""in"": 1, ""URL"": ""no""}",yes,7,,,"[1, 2]"\n',
    )
    [record] = read().records("events")
    assert record["event_properties"] == {"in": 1, "URL": "yes", "a.b": "7", "Items": [1, 2], "$event_id": "x1"}
    assert record["metric_id"] == "api:Active on Site"


def test_a_mapping_is_written_where_names_are_not_known(folder: Path, read: Read) -> None:
    put(folder / "a.csv", "wann,was,wer\n2026-11-01 12:00:00,Opened Email,p1\n")
    run = read()
    [fault] = run.faults
    assert "`datetime`" in fault
    assert "'wann', 'was', 'wer'" in fault
    assert '"columns": {"datetime": "<name of the column>"}' in fault
    assert run.records("events") == []
    source = {
        "path": str(folder),
        "stream": "events",
        "columns": {"datetime": "wann", "metric": "was", "profile_id": "wer"},
        "metric_ids": {"Opened Email": "UWPTdp"},
        "timezone": "Europe/Berlin",
    }
    run = read([source], run.state)
    assert not run.faults, "it was not read before"
    [record] = run.records("events")
    assert (record["datetime"], record["metric_id"], record["profile_id"]) == (
        "2026-11-01T11:00:00Z",
        "UWPTdp",
        "p1",
    )
    assert run.records("metrics") == [
        {"id": "UWPTdp", "name": "Opened Email", "integration": {"key": "klaviyo"}},
    ]


@pytest.mark.parametrize(
    ("columns", "told"),
    [({"datum": "wann"}, "'datum'"), ({"datetime": "wo"}, "'wo', which it does not have; its columns are 'wann'")],
    ids=["field", "column"],
)
def test_a_mapping_that_fits_nothing_is_told(columns: dict[str, str], told: str, folder: Path, read: Read) -> None:
    put(folder / "a.csv", "wann,metric,kid\n2026-11-01 12:00:00,Opened Email,p1\n")
    [fault] = read([{"path": str(folder), "stream": "events", "columns": columns}]).faults
    assert told in fault


def test_lines_of_json_need_not_have_the_same_columns(folder: Path, read: Read, rejects: Path) -> None:
    lines = [
        {"id": "1", "timestamp": 1_764_500_000, "metric_id": "M", "profile_id": "p", "a": 1},
        {"profile_id": "p", "event_properties": {"b": None}, "id": "2", "datetime": "2026-11-01", "metric": "M"},
        {"nothing": "of", "use": 1},
    ]
    put(folder / "a.jsonl", "\n".join(map(json.dumps, lines)))
    run = read()
    assert [record["event_properties"] for record in run.records("events")] == [{"a": 1}, {"b": None}]
    [line] = [json.loads(each) for each in rejects.read_text().splitlines()]
    assert line["key"]["line"] == 3
    assert "'nothing', 'use'" in line["detail"]


def test_all_rows_of_a_file_may_be_of_one_metric(folder: Path, read: Read) -> None:
    put(folder / "a.csv", "id,time,kid\n1,2026-11-01,p\n")
    source = {"path": str(folder), "stream": "events", "metric": "Placed Order", "integration": "shopify"}
    assert read([source]).records("events")[0]["metric_id"] == "shopify:Placed Order"


# Ids.


def test_an_event_without_id_has_the_same_one_in_every_file(folder: Path, read: Read) -> None:
    put(folder / "a.csv", "time,metric,kid,x,y\n2026-11-01 00:00:00,M,p,1,\n2026-11-01 00:00:01,M,p,1,\n")
    put(folder / "b.csv", "y,x,kid,metric,timestamp\n,1,p,M,1793491200\n,2,p,M,1793491200\n")
    first, second, again, other = ids(read().records("events"))
    assert first == again, "whatever the order of columns and the form of the time"
    assert len({first, second, other}) == 3
    assert first.startswith("file-")


def test_the_unique_id_of_the_writer_counts_with_metric_and_profile(folder: Path, read: Read) -> None:
    put(
        folder / "a.csv",
        "time,metric,kid,$event_id,x\n"
        "2026-11-01 00:00:00,M,p,1001,a\n2026-11-02 00:00:00,M,p,1001,b\n"
        "2026-11-01 00:00:00,N,p,1001,a\n2026-11-01 00:00:00,M,q,1001,a\n",
    )
    found = ids(read().records("events"))
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_an_id_is_kept_and_else_the_uuid_is_one(folder: Path, read: Read) -> None:
    put(folder / "a.csv", "id,uuid,time,metric,kid\nE1,u1,2026-11-01,M,p\n,u2,2026-11-01,M,p\n")
    assert [(record["id"], record["uuid"]) for record in read().records("events")] == [("E1", "u1"), ("u2", "u2")]


# Once, by content.


def test_a_file_is_read_once(folder: Path, read: Read) -> None:
    put(folder / "a.csv", HEAD + rows(1, 2))
    run = read()
    assert ids(run.records("events")) == ["e1", "e2"]
    again = read(state=run.state)
    assert again.records("events") == []
    assert again.state["bookmarks"]["events"]["files"] == run.state["bookmarks"]["events"]["files"]
    assert again.records("metrics") == run.records("metrics")


def test_a_file_that_was_touched_or_renamed_or_came_twice_is_not_read_again(
    folder: Path, read: Read, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    put(folder / "a.csv", HEAD + rows(1, 2))
    put(folder / "b.csv", HEAD + rows(1, 2), hours_ago=0.5)
    run = read()
    assert ids(run.records("events")) == ["e1", "e2"]
    assert f"{folder}/b.csv holds what {folder}/a.csv held, and is skipped" in caplog.text
    put(folder / "a.csv", HEAD + rows(1, 2), hours_ago=0.2)
    (folder / "b.csv").rename(folder / "c.csv")
    caplog.clear()
    run = read(state=run.state)
    assert run.records("events") == []
    assert "c.csv holds what" in caplog.text
    assert "a.csv" not in caplog.text.replace("c.csv holds what " + str(folder) + "/a.csv", "")
    caplog.clear()
    assert read(state=run.state).records("events") == []
    assert "holds" not in caplog.text, "told once"


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_of_a_file_that_grew_the_new_rows_are_read(
    pack: Callable[[bytes], bytes], folder: Path, read: Read, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    put(folder / "a.csv", pack((HEAD + rows(1, 2)).encode()))
    run = read()
    put(folder / "a.csv", (folder / "a.csv").read_bytes() + pack(rows(3, 4).encode()), hours_ago=0.5)
    run = read(state=run.state)
    assert ids(run.records("events")) == ["e3", "e4"]
    assert "a.csv has grown: what follows row 2 is read" in caplog.text
    assert read(state=run.state).records("events") == []


def test_a_row_that_had_no_end_is_read_again_when_the_file_grew(folder: Path, read: Read) -> None:
    put(folder / "a.csv", HEAD + rows(1) + "e2,2026-11-02 00:00:00,Met2,p")
    run = read()
    assert [record["profile_id"] for record in run.records("events")] == ["p1", "p"]
    put(folder / "a.csv", HEAD + rows(1, 2, 3), hours_ago=0.5)
    run = read(state=run.state)
    assert [record["profile_id"] for record in run.records("events")] == ["p2", "p3"]


def test_a_file_that_grew_is_read_whole_if_a_row_of_it_was_put_aside(folder: Path, read: Read) -> None:
    put(folder / "a.csv", HEAD + rows(1) + 'e2,"2026-11-02 00:00:00,Met2,p\n')
    run = read()
    assert ids(run.records("events")) == ["e1"]
    put(folder / "a.csv", HEAD + rows(1) + 'e2,"2026-11-02 00:00:00,Met2,p\n' + rows(3), hours_ago=0.5)
    assert ids(read(state=run.state).records("events")) == ["e1", "e3"]


@pytest.mark.parametrize("body", [rows(1, 9), rows(1), rows(3, 4, 5)], ids=["other", "smaller", "larger"])
def test_a_file_that_was_replaced_is_read_whole(
    body: str, folder: Path, read: Read, caplog: pytest.LogCaptureFixture
) -> None:
    put(folder / "a.csv", HEAD + rows(1, 2))
    run = read()
    put(folder / "a.csv", HEAD + body, hours_ago=0.5)
    assert ids(read(state=run.state).records("events")) == [line.split(",")[0] for line in body.splitlines()]
    assert "a.csv was replaced, and is read whole" in caplog.text


def test_a_file_that_is_still_being_written_is_left_to_the_next_run(
    folder: Path, read: Read, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for name in ("new.csv", "a.csv.tmp", "b.csv.part", ".hidden.csv", "_temporary/d.csv", "e.csv~", "F.FILEPART"):
        put(folder / name, HEAD + rows(1), hours_ago=0.001 if name == "new.csv" else 1)
    put(folder / "empty.csv", "")
    put(folder / "clock.csv", HEAD + rows(2), hours_ago=-24)
    run = read()
    assert ids(run.records("events")) == ["e2"], "a clock that is a day ahead says nothing of this minute"
    assert "1 files were changed less than 60 seconds ago" in caplog.text
    put(folder / "new.csv", HEAD + rows(1))
    assert ids(read(state=run.state).records("events")) == ["e1"]


def test_a_file_that_changed_while_it_was_read_is_read_again(
    folder: Path, read: Read, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(folder / "a.csv", HEAD + rows(1, 2))
    whole = formats.opened

    def while_reading(file: Bytes, how: TextFormat) -> Rows:
        put(folder / "a.csv", HEAD + rows(1, 2, 3), hours_ago=0.5)
        return whole(file, how)

    monkeypatch.setattr(reading, "opened", while_reading)
    run = read()
    assert "a.csv changed while it was read: the next run reads it again" in caplog.text
    assert run.state["bookmarks"]["events"]["files"] == {}
    monkeypatch.undo()
    assert ids(read(state=run.state).records("events")) == ["e1", "e2", "e3"]


def test_files_are_read_oldest_first(folder: Path, read: Read) -> None:
    put(folder / "a.csv", HEAD + rows(1), hours_ago=1)
    put(folder / "sub" / "b.csv", HEAD + rows(2), hours_ago=2)
    put(folder / "c.txt", HEAD + rows(3), hours_ago=3)
    assert ids(read().records("events")) == ["e3", "e2", "e1"]
    pattern = [{"path": str(folder / "**" / "*.csv"), "stream": "events"}]
    assert ids(read(pattern).records("events")) == ["e2", "e1"]
    one = [{"path": str(folder / "a.csv"), "stream": "events"}]
    assert ids(read(one).records("events")) == ["e1"]


def test_state_is_bounded(folder: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MOST_GONE", 2)
    monkeypatch.setattr(ledger, "MOST", 3)
    state = None
    for n in range(1, 7):
        put(folder / "now.csv", HEAD + rows(n), hours_ago=7 - n).rename(folder / f"{n}.csv")
        run = read(state=state)
        assert ids(run.records("events")) == [f"e{n}"]
        state = run.state
        (folder / f"{n}.csv").unlink()
    assert state is not None
    assert [Path(url).name for url in state["bookmarks"]["events"]["files"]] == ["4.csv", "5.csv", "6.csv"]
    for n in range(4):
        put(folder / f"{n}.csv", HEAD + rows(n))
    with pytest.raises(ProgramError, match="finds 4 files for one stream, and 3 can be remembered"):
        read()


# Rows that cannot be read.


def test_a_bad_row_costs_itself_and_holds_no_value_in_the_log(
    folder: Path, read: Read, rejects: Path, caplog: pytest.LogCaptureFixture
) -> None:
    body = rows(1) + "e2,31/12/2026,Met,secret-person\n" + 'e3,2026-11-01,,"secret-\nperson"\n' + rows(4)
    put(folder / "a.csv", HEAD + body)
    run = read()
    assert not run.faults
    assert ids(run.records("events")) == ["e1", "e4"]
    told = [json.loads(line) for line in rejects.read_text().splitlines()]
    url = str(folder / "a.csv")
    assert [(each["key"], each["code"], each["stream"]) for each in told] == [
        ({"file": url, "line": 3}, "datetime", "events"),
        ({"file": url, "line": 4}, "metric", "events"),
    ]
    assert all(each["detail"] and each["remedy"] and each["time"] for each in told)
    assert "line 3 is put aside: the column 'Timestamp' holds no moment that is known" in caplog.text
    for text in (caplog.text, rejects.read_text()):
        assert "secret" not in text
        assert "31/12" not in text
    assert rejects.stat().st_mode & 0o077 == 0
    assert rejects.parent.stat().st_mode & 0o077 == 0


def test_too_many_bad_rows_leave_the_file_unread(folder: Path, read: Read) -> None:
    put(folder / "a.csv", HEAD + rows(1) + "e2,soon,Met,p\n" * 2 + rows(3))
    put(folder / "b.csv", HEAD + rows(4), hours_ago=0.5)
    run = read(max_rejects=1)
    assert ids(run.records("events")) == ["e4"]
    [fault] = run.faults
    assert "That makes 2 rows that cannot be read, and the setting `max_rejects` allows 1" in fault
    assert [Path(url).name for url in run.state["bookmarks"]["events"]["files"]] == ["b.csv"]
    again = read(state=run.state, max_rejects=2)
    assert ids(again.records("events")) == ["e1", "e3"]


def test_a_damaged_file_stops_no_other(folder: Path, read: Read) -> None:
    put(folder / "a.csv.gz", gzip.compress((HEAD + rows(1) * 999).encode())[:-9])
    put(folder / "b.csv", HEAD + rows(4), hours_ago=0.5)
    put(folder / "c.zip", b"PK\x03\x04...", hours_ago=0.4)
    run = read()
    assert ids(run.records("events"))[-1] == "e4"
    assert [fault.split(": ")[0].rpartition("/")[2] for fault in run.faults] == ["a.csv.gz", "c.zip"]
    assert [Path(url).name for url in run.state["bookmarks"]["events"]["files"]] == ["b.csv"]


def test_a_column_of_the_wrong_kind_is_not_taken_for_metrics(
    folder: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Metrics, "MOST", 3)
    put(folder / "a.csv", "id,time,metric,kid\n" + "".join(f"{n},2026-11-01,Order {n},p\n" for n in range(4)))
    [fault] = read(max_rejects=0).faults
    assert "there are more than 3 metrics" in fault


# State and kills.


def test_state_passes_a_file_only_after_its_last_row(folder: Path, read: Read) -> None:
    put(folder / "a.csv", HEAD + "".join(rows(1) for _ in range(2_500)))
    put(folder / "b.csv", HEAD + rows(2), hours_ago=0.5)
    run = read()
    seen = 0
    for message in run.messages:
        if message["type"] == "RECORD" and message["stream"] == "events":
            seen += 1
        elif message["type"] == "STATE":
            held = len(message["value"]["bookmarks"]["events"]["files"])
            assert seen == {0: 0, 1: 2_500, 2: 2_501}[held]


def test_a_kill_amid_a_file_leads_to_another_reading(folder: Path, tmp_path: Path) -> None:
    put(folder / "a.csv", HEAD + rows(1))
    put(folder / "b.csv", HEAD + "".join(rows(2) for _ in range(20_000)), hours_ago=0.5)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"files": [{"path": str(folder), "stream": "events"}], "settle_seconds": 0}))
    command = [sys.executable, "-m", "tap_klaviyo_files", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=tmp_path) as process:  # noqa: S603
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(1_000)]
        process.send_signal(signal.SIGTERM)
        lines += process.stdout.readlines()
    assert process.returncode == 128 + signal.SIGTERM
    found = [json.loads(line) for line in lines if line.endswith(b"\n")]
    states = [each["value"]["bookmarks"]["events"]["files"] for each in found if each["type"] == "STATE"]
    assert all(not any(url.endswith("b.csv") for url in state) for state in states)
    assert any(each["type"] == "RECORD" and each["record"]["id"] == "e2" for each in found)


def test_the_runs_that_went_on_from_each_other_are_counted(folder: Path, read: Read) -> None:
    put(folder / "a.csv", HEAD + rows(1))
    run = read()
    assert run.states[0]["bookmarks"]["events"]["extraction"] == {"begun": NOW.isoformat(), "run": 1}
    assert read(state=run.state).state["bookmarks"]["events"]["extraction"] == {"begun": NOW.isoformat(), "run": 2}


@pytest.mark.parametrize("files", [{"a": 1}, {"a": [1, 2, 3]}, {"a": [1, 2.5, "x", "y"]}], ids=repr)
def test_a_state_of_another_shape_is_told(files: object, folder: Path, read: Read) -> None:
    put(folder / "a.csv", HEAD + rows(1))
    with pytest.raises(ProgramError, match="give the state that a run of this tap wrote"):
        read(state={"bookmarks": {"events": {"files": files}}})


# People and groups.


def test_a_list_export_becomes_profiles_and_members(folder: Path, read: Read) -> None:
    put(folder / "list.csv", (SAMPLE / "list.csv").read_bytes())
    path = str(folder / "list.csv")
    files = [
        {"path": path, "stream": "profiles"},
        {"path": path, "stream": "list_memberships", "list_id": "Li1"},
    ]
    run = read(files)
    assert not run.faults
    ada, bob = run.records("profiles")
    assert {name: value for name, value in ada.items() if value is not None} == {
        "id": "01HADA",
        "email": "ada@example.com",
        "phone_number": "+4930123",
        "first_name": "Ada",
        "created": "2024-02-01T10:00:00Z",
        "last_event_date": "2026-11-29T00:00:00Z",
        "updated": "2026-11-30T11:00:00Z",
        "location": {"address1": "Weg 1\nHof", "city": "Berlin", "region": "BE", "zip": "01067"},
        "properties": {
            "Email Marketing Consent": "SUBSCRIBED",
            "Email Marketing Consent Timestamp": "2024-02-01 10:00:00",
            "Date Added": "2024-02-03 09:00:00",
            "Favourite Colour": "grün",
            "lf_assignments": ["a:b:c"],
        },
    }
    assert (bob["email"], bob["location"], bob["properties"]) == (
        None,
        {},
        {"Email Marketing Consent": "UNSUBSCRIBED"},
    )
    assert run.records("list_memberships") == [
        {
            "list_id": "Li1",
            "profile_id": "01HADA",
            "joined_group_at": "2024-02-03T09:00:00Z",
            "snapshot_at": "2026-11-30T11:00:00Z",
        },
        {"list_id": "Li1", "profile_id": "01HBOB", "joined_group_at": None, "snapshot_at": "2026-11-30T11:00:00Z"},
    ]
    assert run.records("membership_snapshots") == [
        {"group_type": "list", "group_id": "Li1", "snapshot_at": "2026-11-30T11:00:00+00:00", "member_count": 2}
    ]


MEMBERS = "list_id,profile_id\n"


def members(folder: Path) -> list[dict[str, Any]]:
    return [{"path": str(folder), "stream": "list_memberships"}]


def snapshots(run: Run) -> dict[str, tuple[str, int]]:
    return {
        each["group_id"]: (each["snapshot_at"][:13], each["member_count"])
        for each in run.records("membership_snapshots")
    }


def test_the_newest_file_of_a_list_counts_whenever_it_comes(folder: Path, read: Read) -> None:
    put(folder / "new.csv", MEMBERS + "L1,p1\nL2,p2\n", hours_ago=2)
    run = read(members(folder))
    assert snapshots(run) == {"L1": ("2026-11-30T10", 1), "L2": ("2026-11-30T10", 1)}
    put(folder / "old.csv", MEMBERS + "L1,p1\nL1,gone\nL3,p3\n", hours_ago=5)
    run = read(members(folder), run.state)
    assert [record["profile_id"] for record in run.records("list_memberships")] == ["p3"], "L1 is known better"
    assert snapshots(run) == {
        "L1": ("2026-11-30T10", 1),
        "L2": ("2026-11-30T10", 1),
        "L3": ("2026-11-30T07", 1),
    }


def test_a_file_of_members_that_grew_is_read_whole(folder: Path, read: Read) -> None:
    put(folder / "a.csv", MEMBERS + "L1,p1\n", hours_ago=2)
    run = read(members(folder))
    put(folder / "a.csv", MEMBERS + "L1,p1\nL1,p2\n", hours_ago=1)
    run = read(members(folder), run.state)
    assert [record["profile_id"] for record in run.records("list_memberships")] == ["p1", "p2"]
    assert snapshots(run) == {"L1": ("2026-11-30T11", 2)}


def test_a_file_of_members_with_a_bad_row_makes_nobody_leave(folder: Path, read: Read) -> None:
    put(folder / "a.csv", MEMBERS + "L1,p1\nL1,\n,p3\n")
    run = read(members(folder))
    assert len(run.records("list_memberships")) == 1
    assert snapshots(run) == {}


def test_a_list_without_members_is_told(folder: Path, read: Read) -> None:
    put(folder / "a.csv", "Klaviyo ID\n")
    run = read([{"path": str(folder), "stream": "segment_memberships", "segment_id": "S1"}])
    assert run.records("membership_snapshots") == [
        {"group_type": "segment", "group_id": "S1", "snapshot_at": "2026-11-30T11:00:00+00:00", "member_count": 0}
    ]


def test_rows_of_people_who_asked_to_be_forgotten_are_not_passed_on(
    folder: Path, read: Read, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    key = "k" * 32
    told = tmp_path / "forgotten"
    told.write_text("".join(line_of(key, compared(*each)) + "\n" for each in (("email", "a@x.com"), ("id", "p2"))))
    put(
        folder / "a.csv",
        "id,time,metric,kid,email\n1,2026-11-01,M,,A@x.com\n2,2026-11-01,M,p2,\n3,2026-11-01,M,p3,\n",
    )
    run = read(forgotten_path=str(told), forgotten_key=key)
    assert ids(run.records("events")) == ["3"]
    assert "2 are of people who asked to be forgotten" in caplog.text
    told.unlink()
    with pytest.raises(ProgramError, match="nobody is on it"):
        read(forgotten_path=str(told), forgotten_key=key)


# The SDK's own path.


def test_stream_maps_see_texts_and_nothing_is_read_twice(folder: Path, read: Read) -> None:
    put(folder / "a.csv", HEAD + rows(1, 2))
    maps = {"events": {"day": "datetime[:10]", "__else__": None, "id": "id"}}
    run = read(stream_maps=maps)
    assert run.records("events") == [
        {"id": "e1", "day": "2026-11-01"},
        {"id": "e2", "day": "2026-11-02"},
    ]
    assert read(state=run.state, stream_maps=maps).records("events") == []


# The command.


def command(tmp_path: Path, config: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"settle_seconds": 0, **config}))
    words = [sys.executable, "-m", "tap_klaviyo_files", "--config", str(path)]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ})  # noqa: S603


def test_what_could_not_be_read_is_told_at_the_end_in_a_line_each(folder: Path, tmp_path: Path) -> None:
    put(folder / "a.csv", "x,y\n1,2\n")
    put(folder / "b.csv", HEAD + rows(1))
    done = command(
        tmp_path,
        {
            "files": [
                {"path": str(folder), "stream": "events"},
                {"path": str(tmp_path / "nowhere"), "stream": "events"},
            ]
        },
    )
    assert done.returncode == 1
    assert '"e1"' in done.stdout
    last = done.stderr.splitlines()[-2:]
    assert "no column is known to hold `datetime`" in last[0]
    assert "nowhere: there is no such file or folder" in last[1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"path": "ftp://x/y", "stream": "events"}, "`ftp://`"),
        ({"path": "sftp://me:hunter2@host/y", "stream": "events"}, "a path with a password in it"),
        ({"path": "x", "stream": "orders"}, "orders"),
        ({"path": "x", "stream": "events", "timezone": "Mars"}, "'Mars'"),
        ({"path": "x", "stream": "events", "delimiter": "||"}, "single character"),
        ({"path": "x", "stream": "events", "list_id": "L"}, "`list_id`, which the stream `events` does not know"),
        ({"path": "x", "stream": "events", "sparte": "L"}, "sparte"),
        ({"path": "s3://b/y", "stream": "events"}, "go together"),
    ],
    ids=["scheme", "password", "stream", "zone", "delimiter", "key", "unknown", "s3"],
)
def test_wrong_settings_are_told_in_a_line(entry: dict[str, str], told: str, read: Read) -> None:
    try:
        faults = read([entry], s3_access_key_id="AKX").faults
    except Exception as error:  # noqa: BLE001 - by the settings' schema, or by the tap
        faults = [str(error) + "".join(getattr(error, "errors", ()))]
    assert told in "".join(faults)
    assert "hunter2" not in "".join(faults)
