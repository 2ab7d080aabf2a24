"""A warehouse that lost events gets exactly those back, under Meltano, against a sandbox."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from klaviyo_sandbox import Sandbox

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package

from pipeline import Run, progress, rehearsal, run_job  # noqa: E402
from project import JobFailed  # noqa: E402
from reconcile import export, reconcile, said  # noqa: E402


@dataclass
class Warehouse:
    """A DuckDB file that Meltano fills from a sandbox."""

    sandbox: Sandbox
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        chosen = {"TAP_KLAVIYO_ENGAGEMENT_METRICS": '["Received Email", "Opened Email", "Placed Order"]'}
        return rehearsal(self.home, self.sandbox.url, self.sandbox.api_key) | chosen

    def load(self) -> None:
        run_job("events", "demo", self.home / "log.jsonl", tell=progress, extra=self.environment)

    def reconcile(self) -> Run:
        return reconcile(self.home, "demo", self.home / "log.jsonl", extra=self.environment)

    def query(self, sql: str, values: list[Any] | None = None) -> list[Any]:
        with duckdb.connect(str(self.home / "klaviyo.duckdb")) as warehouse:
            rows: list[Any] = warehouse.execute(sql, values or []).fetchall()
            return rows


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    with Sandbox(profiles=60, events=900, segments=1, seed=8) as sandbox:
        warehouse = Warehouse(sandbox, tmp_path_factory.mktemp("warehouse"))
        warehouse.load()
        yield warehouse


def test_deleted_rows_come_back_and_nothing_else_is_read(warehouse: Warehouse) -> None:
    whole = warehouse.query(
        "select * exclude (_sdc_extracted_at, _sdc_batched_at) from klaviyo_raw.events order by id"
    )
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    oldest = yesterday - timedelta(days=20)
    lost = warehouse.query(
        "select metric_id, cast(datetime as date), count(*) from klaviyo_raw.events"
        " where cast(datetime as date) between ? and ? group by all order by all limit 3",
        [oldest, yesterday],
    )
    assert len(lost) == 3
    for metric, day, _ in lost:
        warehouse.query(
            "delete from klaviyo_raw.events where metric_id = ? and cast(datetime as date) = ?", [metric, day]
        )
    before = warehouse.sandbox.requests["get_events 200"]
    run = warehouse.reconcile()
    found = warehouse.query(
        "select * exclude (_sdc_extracted_at, _sdc_batched_at) from klaviyo_raw.events order by id"
    )
    assert found == whole
    assert warehouse.sandbox.requests["get_events 200"] - before == len(lost)
    header, *rows, summary = said(run)
    assert header.split() == ["metric", "id", "day", "Klaviyo", "warehouse", "difference"]
    assert sorted((row.split()[-5], row.split()[-4]) for row in rows) == sorted(
        (metric, str(day)) for metric, day, _ in lost
    )
    assert "3 of" in summary


def test_a_warehouse_that_is_whole_is_left_alone_and_so_is_the_bookmark(warehouse: Warehouse) -> None:
    before = warehouse.sandbox.requests["get_events 200"]
    assert said(warehouse.reconcile())[0].split("| ")[-1].startswith("0 of")
    assert warehouse.sandbox.requests["get_events 200"] == before
    events = warehouse.query("select count(*) from klaviyo_raw.events")
    warehouse.load()
    assert warehouse.query("select count(*) from klaviyo_raw.events") == events
    assert warehouse.sandbox.requests["get_events 200"] - before < 20, "the main tap goes on from its bookmark"


def test_without_a_warehouse_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match="run the pipeline first"):
        export(tmp_path / "klaviyo.duckdb", tmp_path / "counts.csv")
    (tmp_path / "klaviyo.duckdb").touch()  # a killed process leaves it
    with pytest.raises(JobFailed, match="run the pipeline first"):
        export(tmp_path / "klaviyo.duckdb", tmp_path / "counts.csv")
    (tmp_path / "klaviyo.duckdb").unlink()
    with duckdb.connect(str(tmp_path / "klaviyo.duckdb")) as empty:
        empty.execute("create schema klaviyo_raw")
    with pytest.raises(JobFailed, match="cannot count the events"):
        export(tmp_path / "klaviyo.duckdb", tmp_path / "counts.csv")
