"""Who was shown what reaches files through dbt, on every warehouse."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from transform_project import NOW, Warehouse, World

from exposure_export import source
from exposure_export.export import Outcome, export
from exposure_export.source import Exposures, OfDbt, OfDuckDB
from exposure_export.stores.disk import Disk
from singer_program.warehouse import DuckDB

ZOE, GONE = "Zoë-名前", "legacy"
LATER = NOW + timedelta(hours=5)


def _receipts(profiles: Mapping[str, float]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"again-{profile}",
            "profile_id": profile,
            "metric_id": "MetRcv",
            "datetime": NOW + timedelta(hours=hours),
            "event_properties": {"$message": "MsgSpring"},
        }
        for profile, hours in profiles.items()
    ]


def _export(exposures: Exposures, root: Path) -> Outcome:
    return export(exposures, Disk(root, 0o600), None, lambda: LATER.replace(tzinfo=UTC))


def _row(row: Mapping[str, Any]) -> str:
    return str(row["exposure_id"])


def _read(root: Path) -> dict[str, list[dict[str, Any]]]:
    return {
        path.parent.relative_to(root).as_posix(): sorted(pq.ParquetFile(path).read().to_pylist(), key=_row)
        for path in root.glob("*/*/*/*/*.parquet")
    }


def test_the_files_say_who_received_which_arm_and_follow_the_table(
    warehouse: Warehouse, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody in the small world received before they were assigned; some receive once more."""

    def said(_: Path, __: Path, operation: str, arguments: Mapping[str, object]) -> Iterator[bytes]:
        lines = warehouse.dbt("run-operation", operation, "--args", json.dumps(arguments)).said
        return (line.encode() for line in lines)

    def printed(program: Path, project: Path, models: Iterable[str]) -> list[bytes]:
        return list(said(program, project, "print_results", {"models": list(models)}))

    monkeypatch.setattr(source, "said_by_dbt", said)
    monkeypatch.setattr(source, "printed_by_dbt", printed)
    monkeypatch.setattr(OfDbt, "_ROWS", 5)  # an hour in parts, too
    exposures = OfDbt(Path("dbt"), Path())

    ids = [profile["id"] for profile in world.profiles]
    again = {**dict.fromkeys(ids[:4], 1.0), ZOE: 1.5, "a'b\"c": 2.0, GONE: 2.0}
    world.events += _receipts(again)
    world.flow_requests = [
        {
            "request_id": "r",
            "experiment_key": "spring",
            "profile_id": ZOE,
            "tracking_id": "007",
            "attrs": {"größe": "名"},
            "received_at": NOW,
        }
    ]
    world.land(warehouse)
    warehouse.as_of = LATER
    warehouse.dbt("run", "--selector", "exposures")
    outcome = _export(exposures, tmp_path / "dbt")
    assert (len(outcome.written), outcome.rows, outcome.faults) == (2, 2 * len(again), [])
    found = _read(tmp_path / "dbt")
    ledger = warehouse.query(
        "select profile_id, slot_key, arm_key from marts.fct_assignments where experiment_key = 'spring'"
    )
    arms = {(profile, slot): arm for profile, slot, arm in ledger}
    assert {
        (row["user_id"], row["slot"], row["arm"], hour): row["event_timestamp"]
        for hour, rows in found.items()
        for row in rows
    } == {
        (profile, slot, arms[profile, slot], f"2026/11/09/{9 if hours < 2 else 10:02}"): (
            NOW + timedelta(hours=hours)
        ).replace(tzinfo=UTC)
        for profile, hours in again.items()
        for slot in ("hero", "footer")
    }
    asked = {
        row["user_id"]: (row["tracking_id"], json.loads(row["attrs"] or "null")) for row in found["2026/11/09/09"]
    }
    assert asked == {**dict.fromkeys(ids[:4], (None, None)), ZOE: ("007", {"größe": "名"})}
    contents = warehouse.query("select copy_id, arm_key from marts.fct_exposure_contents")
    assert {(row["copy_id"], row["arm"]) for rows in found.values() for row in rows} <= set(contents)
    assert all("body" in json.loads(row["vars"]) for rows in found.values() for row in rows)
    assert _export(exposures, tmp_path / "dbt").written == [], "nothing has changed"

    if warehouse.project.engine.name == "spark":
        files = f"parquet.`{tmp_path / 'dbt'}/*/*/*/*/*.parquet`"
        columns, shown = warehouse.project.engine.execute(warehouse.database, f"select * from {files}")  # noqa: S608
        rows = [
            row | {"event_timestamp": row["event_timestamp"].replace(tzinfo=None)}
            for row in chain(*found.values())
        ]
        assert sorted((dict(zip(columns, row, strict=True)) for row in shown), key=_row) == sorted(rows, key=_row)

    if warehouse.project.engine.name == "duckdb":
        with DuckDB(Path(warehouse.database), "marts") as database:
            _export(OfDuckDB(database), tmp_path / "file")
            assert _read(tmp_path / "file") == found
            assert _export(OfDuckDB(database), tmp_path / "dbt").written == [], "both ways say the same of an hour"

    world.read_whole("profiles", [each for each in ids if each != GONE], NOW + timedelta(hours=3))
    world.land(warehouse)
    warehouse.dbt("run", "--select", "int_resource_readings", "int_profiles_gone", "fct_exposures")
    outcome = _export(exposures, tmp_path / "dbt")
    assert [f"{hour:%H}" for hour in outcome.written] == ["10"], "a profile that is gone changes its hour"
    left = {row["user_id"] for rows in _read(tmp_path / "dbt").values() for row in rows}
    assert left == again.keys() - {GONE}
