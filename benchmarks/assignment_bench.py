"""Measures the assignment by the dbt project: profiles of a segment, two slots, into the ledger of a DuckDB file.

First everybody, then a day on which 1 % more have joined. Times are those of the ledger's model, beside dbt's own start;
memory is that of the whole process, dbt included. The exit status is 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
from figures import Bar, Row, table

TRANSFORM = Path(__file__).parents[1] / "transform"
MILLION = 1_000_000
GB = 1_000_000_000
WITHIN = Bar(1)
LINEAR = Bar(1.3)
FIRST = 20.0
"""Seconds allowed for ten million profiles, two slots."""
DAY = 3.0
"""Seconds allowed for the day after."""
MEMORY = 4.0
"""GB allowed."""
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes; `getrusage(2)`."""

_WORLD = """
insert into klaviyo_raw.profiles (id, email, created, updated, properties)
select
    '01' || upper(substr(md5('unit-' || n), 1, 24)), n || '@shop.example', now(), now(), '{{"company_id": "Cmp"}}'
from range({first}, {last}) as numbers (n);
insert into klaviyo_raw.segment_memberships (segment_id, profile_id, joined_group_at, snapshot_at)
select 'SegAll', '01' || upper(substr(md5('unit-' || n), 1, 24)), now(), '2026-11-09 07:00:00'
from range({first}, {last}) as numbers (n);
"""
_DEFINITION = """
insert into klaviyo_raw.segments (id, name) values ('SegAll', 'Everybody');
insert into klaviyo_raw.membership_snapshots values ('segment', 'SegAll', '2026-11-09 07:00:00', 0);
insert into klaviyo_raw.definition_snapshots values ('experiments', '2026-11-09 07:00:00', 1);
insert into klaviyo_raw.experiments (
    experiment_key, version, status, audience_type, audience, traffic_bp, holdout_bp, global_holdout_bp,
    global_holdout_version, unit_hash, assignment_method, balance_tries, balance_days, audience_conditions, preregistration_sha256, primary_metric,
    attribution_window_days, property_format, defined_at
)
values (
    'spring_hero', 1, 'live', 'segment', 'Everybody', 10000, 0, 0, 1, 'md5', 'hash', 1, 90, '[]', repeat('1', 64),
    'clicked', 5, 'list', '2026-11-09 07:00:00'
);
insert into klaviyo_raw.experiment_arms
    (experiment_key, slot_key, arm_key, position, is_control, allocation, weight_bp, defined_at)
select 'spring_hero', slot_key, arm_key, position, position = 0, 'equal', 5000, '2026-11-09 07:00:00'
from (values ('hero'), ('footer')) as slots (slot_key),
    (values ('control', 0), ('bold', 1)) as arms (arm_key, position);
"""


def dbt(warehouse: Path, *arguments: str) -> dict[str, Any]:
    """Run dbt in a process of its own: seconds of the ledger's model, and bytes of memory at most."""
    target = warehouse.parent / "target"
    command = [str(Path(sys.executable).parent / "dbt"), *arguments, "--quiet", "--target-path", str(target)]
    command += [
        "--project-dir",
        str(TRANSFORM),
        "--profiles-dir",
        str(TRANSFORM),
        "--log-path",
        str(warehouse.parent),
    ]
    process = subprocess.Popen(command, env={**os.environ, "KLAVIYO_LOOP_WAREHOUSE": str(warehouse)})  # noqa: S603
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(process.returncode)
    results = json.loads((target / "run_results.json").read_text())["results"]
    seconds = {result["unique_id"].split(".")[-1]: result["execution_time"] for result in results}
    return {
        "seconds": seconds.get("fct_assignments", 0.0),
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * _MAXRSS_UNIT,
    }


def measure(people: int, folder: Path) -> dict[str, Any]:
    """Assign `people` profiles, then 1 % more."""
    warehouse = folder / f"assignment_{people}.duckdb"
    dbt(
        warehouse, "build", "--select", "+fct_assignments", "--exclude-resource-type", "test", "unit_test"
    )  # empty
    with duckdb.connect(warehouse) as connection:
        connection.execute(_DEFINITION)
        connection.execute(_WORLD.format(first=0, last=people))
    first = dbt(warehouse, "run", "--select", "fct_assignments")
    with duckdb.connect(warehouse) as connection:
        connection.execute(_WORLD.format(first=people, last=people + people // 100))
    day = dbt(warehouse, "run", "--select", "fct_assignments")
    with duckdb.connect(warehouse) as connection:
        counted = connection.execute("select count(*) from marts.fct_assignments").fetchone()
    if counted != (2 * (people + people // 100),):
        message = f"{counted} rows in the ledger"
        raise SystemExit(message)
    warehouse.unlink()
    return {"first": first, "day": day}


def rows(sizes: list[int], folder: Path) -> Iterator[Row]:
    """One row per figure."""
    smallest: float | None = None
    for people in sizes:
        measured = measure(people, folder)
        name = f"assign {people:,}"
        bar = WITHIN if people == 10 * MILLION else None
        first, day = measured["first"], measured["day"]
        yield Row(name, "everybody", first["seconds"], "s", FIRST, "allowed", bar)
        yield Row(name, "the day after, 1 % new", day["seconds"], "s", DAY, "allowed", bar)
        yield Row(name, "processor time, dbt included", first["cpu"], "s")
        yield Row(name, "processor time of the day after", day["cpu"], "s")
        yield Row(name, "memory", max(first["peak"], day["peak"]) / GB, "GB", MEMORY, "allowed", WITHIN)
        each = first["seconds"] / people * MILLION
        smallest = smallest or each
        yield Row(name, "seconds per million", each, "s", smallest, "smallest size", LINEAR)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sizes", nargs="*", type=float, default=[1, 3, 10], help="millions of profiles (default: 1 3 10)"
    )
    sizes = [int(size * MILLION) for size in parser.parse_args().sizes]
    with tempfile.TemporaryDirectory() as folder:
        found = list(rows(sizes, Path(folder)))
    print(table(found))
    return int(any(row.met is False for row in found))


if __name__ == "__main__":
    sys.exit(main())
