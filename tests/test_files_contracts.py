"""What comes out of files is what the tap of the API gives: columns, keys and types, and a loader takes it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest

from tap_klaviyo_engagement.streams import STREAMS as OF_THE_API
from tap_klaviyo_files.streams import KINDS
from tap_klaviyo_files.streams.events import integration_of
from tap_klaviyo_files.streams.kind import METRICS, SNAPSHOTS

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "plugins" / "tap-klaviyo-files" / "tests" / "data_files"
API = {stream.name: stream for stream in OF_THE_API}
COLUMNS: dict[str, tuple[tuple[str, ...], Any]] = {
    **{name: (tuple(kind.keys), kind.columns) for name, kind in KINDS.items()},
    "metrics": (("id",), METRICS),
    "membership_snapshots": (("group_type", "group_id"), SNAPSHOTS),
}


def _type(schema: dict[str, Any]) -> tuple[set[str], str | None]:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {*kinds} - {"null"}, schema.get("format")


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_and_keys_are_those_of_the_api(name: str) -> None:
    keys, columns = COLUMNS[name]
    declared = cast("dict[str, Any]", API[name].schema)["properties"]
    assert keys == tuple(API[name].primary_keys)
    for column, schema in columns.items():
        assert _type(schema) == _type(declared[column]), column
    # What a file cannot tell stays out: other columns of the table keep what is known.
    left_out = {"events": {"attributions"}, "profiles": {"subscriptions"}, "metrics": {"created", "updated"}}
    assert set(declared) - set(columns) == left_out.get(name, set())


def test_metrics_of_klaviyo_are_known_by_their_names() -> None:
    with (ROOT / "transform" / "seeds" / "metric_roles.csv").open() as file:
        roles = list(csv.DictReader(file))
    assert {integration_of(row["metric_name"]) for row in roles if row["integration_key"] == "klaviyo"} == {
        "klaviyo"
    }
    assert {integration_of(row["metric_name"]) for row in roles if row["integration_key"] != "klaviyo"} == {"api"}


def test_a_loader_takes_them_and_what_is_read_again_changes_nothing(tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    files = [
        {"path": str(SAMPLE / "events.csv"), "stream": "events"},
        {"path": str(SAMPLE / "list.csv"), "stream": "profiles"},
        {"path": str(SAMPLE / "list.csv"), "stream": "list_memberships", "list_id": "Li1"},
    ]
    (tmp_path / "tap.json").write_text(json.dumps({"files": files, "settle_seconds": 0}))
    (tmp_path / "target.json").write_text(json.dumps({"path": str(warehouse)}))
    told = []
    for _ in range(2):
        read = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "tap_klaviyo_files", "--config", str(tmp_path / "tap.json")],
            capture_output=True,
            check=True,
            cwd=tmp_path,
        )
        subprocess.run(  # noqa: S603
            [sys.executable, "-m", "target_duckdb", "--config", str(tmp_path / "target.json")],
            input=read.stdout,
            capture_output=True,
            check=True,
        )
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            told.append(
                connection.execute("""
                    select id, datetime, profile_id, metrics.name, event_properties ->> '$."$value"'
                    from klaviyo_raw.events join (select id as metric, name from klaviyo_raw.metrics) as metrics
                    on events.metric_id = metrics.metric order by id
                """).fetchall()
            )
            assert connection.execute("select count(*) from klaviyo_raw.list_memberships").fetchone() == (2,)
    assert told[0] == told[1]
    assert [(row[0], *row[2:]) for row in told[0]] == [
        ("7qWkC6JPz7g", "01HPROFILE", "Clicked Email", "12.5"),
        ("8rXlD7KQa8h", "01HPROFILE", "Placed Order", "99"),
    ]
