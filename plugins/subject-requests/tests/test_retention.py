"""What is older than the controller's file says is deleted, and told; what cannot be obeyed is an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from people_warehouse import execute

from subject_requests.controller import Retention
from subject_requests.retention import rules
from subject_requests.warehouse import Table

Runs = Callable[..., Any]
HEAD = "name: Shop Ltd\ncontact: privacy@shop.example\nretention:\n"
MADE = (
    "CREATE SCHEMA klaviyo_raw",
    "CREATE SCHEMA marts",
    "CREATE TABLE klaviyo_raw.events (id varchar, datetime timestamp)",
    "CREATE TABLE klaviyo_raw.pushed_events (id varchar, datetime timestamp with time zone)",
    "CREATE TABLE klaviyo_raw.calls (id varchar, called_on date)",
    "CREATE TABLE marts.fct_daily (day date)",
    *(
        f"INSERT INTO klaviyo_raw.{table} VALUES ('old', '2001-01-01'), ('new', '2999-01-01'), ('unknown', NULL)"  # noqa: S608
        for table in ("events", "pushed_events", "calls")
    ),
)


@pytest.fixture(params=["duckdb", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    held = str(tmp_path / "w.duckdb") if request.param == "duckdb" else request.getfixturevalue("database")()
    execute(held, *MADE)
    return str(held)


def _ids(place: str, table: str) -> list[str]:
    return [key for (key,) in execute(place, f"SELECT id FROM klaviyo_raw.{table} ORDER BY id")]  # noqa: S608


def test_what_is_too_old_is_deleted_and_told(place: str, run: Runs, tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text(
        f"{HEAD}- {{data: Events, months: 25}}\n- {{data: klaviyo_raw.calls, column: called_on, days: 30}}\n"
        "- {data: Deliveries, days: 7}\n"
    )
    settings = {"warehouse": place, "controller_path": "c.yml"}
    unlogged = run("retention", **settings)
    assert unlogged.status == 1
    assert "`log_path` is needed" in unlogged.err
    settings["log_path"] = "log.jsonl"
    tried = run("retention", "--dry-run", **settings)
    assert tried.status == 0, tried.err
    assert tried.out.count(": 1 rows before") == 3
    assert "for `klaviyo-inbox prune`" in tried.out
    assert not (tmp_path / "log.jsonl").exists()
    tables = ("events", "pushed_events", "calls")
    assert [_ids(place, each) for each in tables] == [["new", "old", "unknown"]] * 3
    assert run("retention", **settings).status == 0
    assert [_ids(place, each) for each in tables] == [["new", "unknown"]] * 3
    told = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(each["source"], each["what"], each["count"]) for each in told if each["did"] == "erased"] == [
        ("warehouse", f"klaviyo_raw.{each}", 1) for each in tables
    ]
    assert told[0]["because"] == "retention: Events, 25 months"
    # A second run finds nothing, and tells nothing.
    assert run("retention", **settings).status == 0
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == len(told)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("{data: phone calls, days: 3}", "c.yml at `retention[0].data`: there is no category 'phone calls'"),
        ("{data: orders, days: 3}", "c.yml at `retention[0].data`: the warehouse has no table 'orders'"),
        (
            "{data: klaviyo_raw.calls, days: 3}",
            "c.yml at `retention[0].column`: klaviyo_raw.calls has no column ''",
        ),
        ("{data: events, days: 3, column: id}", "c.yml at `retention[0].column`"),
        ("{data: marts.fct_daily, days: 3, column: day}", "is a view, or made by dbt"),
        ("{data: events}", "c.yml, line 4 at `retention[0]`: give `days` or `months`"),
        ("{data: events, days: 3, months: 4}", "c.yml, line 4 at `retention[0]`: give `days` or `months`"),
    ],
)
def test_what_cannot_be_obeyed_is_an_error(rule: str, told: str, run: Runs, tmp_path: Path) -> None:
    held = str(tmp_path / "w.duckdb")
    execute(held, *MADE)
    (tmp_path / "c.yml").write_text(f"{HEAD}- {rule}\n")
    done = run("retention", warehouse=held, controller_path="c.yml", log_path="log.jsonl")
    assert done.status == 1
    assert told in done.err
    assert "old" in _ids(held, "events")


def test_months_are_those_of_the_calendar() -> None:
    table = Table("klaviyo_raw", "orders", {"occurred_at": "timestamp"})
    now = datetime(2026, 3, 31, 12, tzinfo=UTC)
    for months, before in ((1, "2026-02-28"), (3, "2025-12-31"), (25, "2024-02-29")):
        [old] = rules([Retention("orders", months=months)], Path("c.yml"), [table], now)
        assert old.before.date().isoformat() == before


def test_refused_rows_that_are_too_old_are_taken_out_of_their_files(run: Runs, tmp_path: Path) -> None:
    held = str(tmp_path / "w.duckdb")
    execute(held, *MADE)
    (tmp_path / "c.yml").write_text(f"{HEAD}- {{data: refused rows, days: 30}}\n")
    lines = ['{"time": "2001-01-01T00:00:00+00:00"}', '{"time": "2999-01-01T00:00:00+00:00"}', '{"key": 1}']
    (tmp_path / "rejects.jsonl").write_text("".join(f"{line}\n" for line in lines))
    settings = {
        "warehouse": held,
        "controller_path": "c.yml",
        "log_path": "log.jsonl",
        "rejects_paths": '["rejects.jsonl", "none.jsonl"]',
    }
    tried = run("retention", "--dry-run", **settings)
    assert tried.status == 0, tried.err
    assert tried.out.startswith("rejects.jsonl: 1 rows before")
    assert (tmp_path / "rejects.jsonl").read_text().splitlines() == lines
    done = run("retention", **settings)
    assert done.out == tried.out.replace("would be ", "")
    assert (tmp_path / "rejects.jsonl").read_text().splitlines() == lines[1:]
    told = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(each["did"], each["what"], each["count"]) for each in told] == [
        ("erasing", "rejects.jsonl", 1),
        ("erased", "rejects.jsonl", 1),
    ]
    assert run("retention", **settings).out.startswith("rejects.jsonl: 0 rows")
