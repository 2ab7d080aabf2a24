"""Somebody is erased: results stay, nobody is assigned anew, and after the next build no table knows them."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import duckdb
import pytest
from transform_project import Project, Warehouse, small_world

from subject_requests.cli import main

ON_ENGINES = ["duckdb"]
"""How rows are erased is tested by the program itself, on PostgreSQL too; here, what the project makes of it."""
WHO = "01" + "7".zfill(24)
MEASURED = (
    "fct_experiment_results",
    "fct_experiment_srm",
    "fct_experiment_dimensions",
    "fct_experiment_funnel",
    "fct_experiment_daily",
    "fct_assignment_runs",
)


def _measured(warehouse: Warehouse) -> dict[str, list[str]]:
    """The rows of every result, apart from when they were made, and from the order in which numbers were added."""
    return {
        name: sorted(
            json.dumps({key: _rounded(value) for key, value in row.items() if key != "computed_at"}, default=str)
            for row in warehouse.rows(f"select * from marts.{name}")  # noqa: S608
        )
        for name in MEASURED
    }


def _rounded(value: object) -> object:
    return float(f"{value:.9g}") if isinstance(value, float) else value


def _mentions(database: str, texts: tuple[str, ...]) -> list[str]:
    """Tables and views with one of some texts anywhere."""
    with closing(duckdb.connect(database, read_only=True)) as file:
        places = file.execute(
            "select table_schema || '.' || table_name from information_schema.tables"
            " where table_schema not in ('information_schema', 'pg_catalog')"
        ).fetchall()
        return [
            place
            for (place,) in places
            for text in texts
            if file.execute(f"select 1 from {place} t where contains(cast(t as varchar), ?)", [text]).fetchall()  # noqa: S608
        ]


def _erase(warehouse: Warehouse, email: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    given: dict[str, Any] = {
        "warehouse": warehouse.database,
        "forgotten_path": tmp_path / "forgotten.txt",
        "forgotten_key": "a key that no test would guess, of 32",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"SUBJECT_REQUESTS_{name.upper()}", str(value))
    out, err = io.StringIO(), io.StringIO()
    for words in (("forget", "--only-given"), ("erase", "--still-at-klaviyo", "--verified-at", "2026-11-01")):
        monkeypatch.setattr(sys, "argv", ["subject-requests", *words, "--email", email, "--because", "request 1"])
        with redirect_stdout(out), redirect_stderr(err):
            status = main()
        assert status == 0, err.getvalue()
    return out.getvalue()


@pytest.mark.long
def test_results_stay_and_nobody_is_assigned_anew(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    warehouse, world = Warehouse.empty(project), small_world(60)
    email = next(row["email"] for row in world.profiles if row["id"] == WHO)
    for event in world.events:  # of this world an event's id names its profile
        event["id"] = hashlib.sha256(event["id"].encode()).hexdigest()
    warehouse.dbt("run", "--select", "stg_klaviyo__events")  # the raw tables
    world.land(warehouse)
    warehouse.dbt("build", "--exclude-resource-type", "unit_test", "test")
    before = _measured(warehouse)
    assert all(before.values())
    assignments = "select experiment_key, slot_key, arm_key, bucket, profile_id from marts.fct_assignments"
    ledger = warehouse.query(assignments)
    theirs = sum(row[-1] == WHO for row in ledger)
    assert theirs > 0

    told = _erase(warehouse, email, monkeypatch, tmp_path)
    assert f"marts.fct_assignments: {theirs} kept under a hash" in told
    # Whole, and not from what was kept; with every test of the data, so also that of the ledger.
    warehouse.dbt("build", "--full-refresh", "--exclude-resource-type", "unit_test")
    assert _mentions(warehouse.database, (WHO, f" {email}", f"'{email}", f'"{email}')) == []
    measured = _measured(warehouse)
    for name, rows in before.items():
        assert [each for each in measured[name] if each not in rows] == [], name
        assert measured[name] == rows
    after = warehouse.query(assignments)
    assert sorted(row[:-1] for row in after) == sorted(row[:-1] for row in ledger)
    assert {row for row in ledger if row[-1] != WHO} < {*after}
