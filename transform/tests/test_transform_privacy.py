"""What was done about requests, and with data, is seen by the next build of the job `privacy`."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

import pytest
from transform_engines import chosen_among
from transform_project import Project, Row, Warehouse

from singer_program.identifiers import compared
from subject_requests.processing_log import Entry, ProcessingLog
from subject_requests.tap import TapSubjectRequests

ON_ENGINES = chosen_among("duckdb", "postgres")
ADA = compared("email", "ada@shop.example")
NOW = datetime(2026, 11, 9, 7, tzinfo=UTC)


class Loaded:
    """What the tap gives and a loader keeps by its keys, run after run."""

    def __init__(self, warehouse: Warehouse, path: Path) -> None:
        self.warehouse = warehouse
        self.path = path
        self.state: Row = {}
        self.rows: dict[str, dict[tuple[str, ...], Row]] = {"processing_log": {}, "privacy_actions": {}}

    def read(self) -> int:
        """Read what is new; how many lines of the log that were."""
        out = io.BytesIO()
        with redirect_stdout(io.TextIOWrapper(out, write_through=True)) as text:
            TapSubjectRequests(config={"log_path": str(self.path)}, state=self.state).sync_all()
            text.detach()
        messages = [json.loads(line) for line in out.getvalue().splitlines()]
        keys = {each["stream"]: each["key_properties"] for each in messages if each["type"] == "SCHEMA"}
        for each in messages:
            if each["type"] == "RECORD":
                row, stream = each["record"], each["stream"]
                self.rows[stream][tuple(row[name] for name in keys[stream])] = {
                    name: value.removesuffix("+00:00") if name.endswith("_at") and value else value
                    for name, value in row.items()
                }
        self.state = [each["value"] for each in messages if each["type"] == "STATE"][-1]
        for stream, rows in self.rows.items():
            self.warehouse.land(stream, rows.values())
        return sum(each["type"] == "RECORD" and each["stream"] == "processing_log" for each in messages)


def test_what_was_done_is_seen_and_kept(project: Project, tmp_path: Path) -> None:
    warehouse = Warehouse.empty(project)
    warehouse.dbt("run", "--select", "stg_inbox__privacy_requests", "stg_inbox__processing_log")  # the raw tables
    request = {
        "request_id": "r1",
        "kind": "deletion",
        "received_at": "2026-11-01 00:00:00",
        "email": "ada@x.example",
    }
    warehouse.land("privacy_requests", [request])
    loaded = Loaded(warehouse, tmp_path / "processing.jsonl")
    log = ProcessingLog(loaded.path, "a key that no test would guess, of 32", "prod pipeline 2026-11-09T07:00:00Z")
    log.append(Entry("read", "tap-klaviyo-events", 12, because="Newsletter", what="events"), now=NOW)
    log.append(Entry("listed", "forgotten", 1, (ADA,), None, request="r1", action="forgotten"), now=NOW)
    assert loaded.read() == 2

    def states() -> list[tuple[str, ...]]:
        warehouse.dbt("build", "--selector", "privacy")
        return warehouse.query("select state from marts.fct_privacy_requests")

    assert states() == [("forgotten",)]
    columns = "line_number, did, place, what, purpose, row_count, request_id, action"
    lines = f"select {columns} from marts.fct_processing_log order by line_number"  # noqa: S608
    first = [
        (1, "read", "tap-klaviyo-events", "events", "Newsletter", 12, None, None),
        (2, "listed", "forgotten", None, None, 1, "r1", "forgotten"),
    ]
    assert warehouse.query(lines) == first
    [hashed] = log.hashes([ADA])
    about = f"select line_number from marts.fct_processing_log where cast(people as text) like '%{hashed}%'"  # noqa: S608
    assert warehouse.query(about) == [(2,)]

    # Only what is new is read and added; and of a deletion, whatever is done moves its state.
    log.append(Entry("erased", "warehouse", 3, (ADA,), None, request="r1", action="erased"), now=NOW)
    assert loaded.read() == 1
    assert states() == [("erased",)]
    assert warehouse.query(lines)[:2] == first
    assert len(warehouse.query(lines)) == 3

    # The file is written anew, from its first line: without the state of the tap, that shows here.
    loaded.path.unlink()
    log.append(Entry("read", "tap-klaviyo-events", 11, because="Newsletter", what="events"), now=NOW)
    loaded.state = {}
    assert loaded.read() == 1
    with pytest.raises(AssertionError, match="assert_processing_log_chained"):
        states()
