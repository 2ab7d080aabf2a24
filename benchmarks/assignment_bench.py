"""Measures the assignment by the dbt project: a segment and two slots, into the ledger of a DuckDB file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
from figures import Bar, Benchmark, Row, Scale
from harness import DbtRun, NotMeasured, dbt

MILLION = 1_000_000
GB = 1_000_000_000
BUILT = (
    "int_experiment_audiences",
    "int_assignment_rules",
    "int_profiles_targeted",
    "int_salt_tries",
    "int_slot_sets",
    "fct_assignment_rules",
    "fct_assignments",
)
"""The tables that read the ledger or the audience; the others are views, or hold a few rows of the definitions."""
NAME = "klaviyo.duckdb"
"""Of every file: the views in it name it, and dbt parses the project anew where a path changes."""
WITHIN = Bar(1)
LINEAR = Bar(1.3)

_DEFINITION = """
insert into klaviyo_raw.segments (id, name) values ('SegAll', 'Everybody');
insert into klaviyo_raw.membership_snapshots values ('segment', 'SegAll', '2026-11-09 07:00:00', 0);
insert into klaviyo_raw.definition_snapshots (name, experiments, defined_at)
values ('experiments', 1, '2026-11-09 07:00:00');
insert into klaviyo_raw.experiments (
    experiment_key, version, status, audience_type, audience, traffic_bp, holdout_bp, global_holdout_bp,
    global_holdout_version, unit_hash, assignment_method, balance_tries, balance_days, audience_conditions,
    preregistration_sha256, primary_metric, attribution_window_days, property_format, defined_at
)
values (
    'spring_hero', 1, 'live', 'segment', 'Everybody', 10000, 0, 0, 1, 'md5', 'hash', 1, 0, '[]', repeat('1', 64),
    'clicked', 5, 'list', '2026-11-09 07:00:00'
);
insert into klaviyo_raw.experiment_arms
    (experiment_key, slot_key, arm_key, position, is_control, allocation, weight_bp, defined_at)
select 'spring_hero', slot_key, arm_key, position, position = 0, 'equal', 5000, '2026-11-09 07:00:00'
from (values ('hero'), ('footer')) as slots (slot_key),
    (values ('control', 0), ('bold', 1)) as arms (arm_key, position);
"""
_PROFILES = """
insert into klaviyo_raw.profiles (id, email, created, updated, properties)
select
    '01' || upper(substr(md5('unit-' || n), 1, 24)), n || '@shop.example', now(), now(), '{{"company_id": "Cmp"}}'
from range({first}, {last}) as numbers (n);
insert into klaviyo_raw.segment_memberships (segment_id, profile_id, joined_group_at, snapshot_at)
select 'SegAll', '01' || upper(substr(md5('unit-' || n), 1, 24)), now(), '2026-11-09 07:00:00'
from range({first}, {last}) as numbers (n);
"""


def assign(scale: Scale) -> Iterator[Row]:
    """1, 3 and 10 million profiles, two slots; then a day on which 1 % more have joined."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse, empty = Path(folder) / NAME, Path(folder) / "empty.duckdb"
        dbt(warehouse, "build", "--select", "+fct_assignments", "--exclude-resource-type", "test", "unit_test")
        shutil.move(warehouse, empty)
        least: float | None = None
        for millions in (1, 3, 10) if scale.part == 1 else (1, 10):  # each is a start of dbt
            people = scale.of(millions * MILLION)
            whole = millions == 10  # noqa: PLR2004
            shutil.copy(empty, warehouse)
            first = _assigned(warehouse, 0, people)
            name = f"{people:,} profiles"
            yield Row(
                "assign", name, _ledger(first), "s", 12 if whole else None, "allowed", WITHIN if whole else None
            )
            each = _ledger(first) / millions
            least = each if least is None else least
            yield Row("assign", f"{name}: each million", each, "s", least, "at the smallest", LINEAR)
            if whole:
                yield Row("assign", f"{name}: processor time, dbt's too", first.cpu_seconds, "s")
                day = _assigned(warehouse, people, people + people // 100)
                yield Row("assign", "1 % more, the day after", _ledger(day), "s", 2, "allowed", WITHIN)
                yield Row("assign", "the same: processor time, dbt's too", day.cpu_seconds, "s")
                yield Row("assign", "most memory", max(first.peak, day.peak) / GB, "GB", 4, "allowed", WITHIN)
            warehouse.unlink()


def _ledger(run: DbtRun) -> float:
    """Seconds of the ledger's model and what it reads."""
    return sum(run.seconds[name] for name in BUILT)


BENCHMARKS: Mapping[str, Benchmark] = {"assign": assign}


def _assigned(warehouse: Path, first: int, last: int) -> DbtRun:
    """Let people join, and assign them.

    Raises:
        NotMeasured: not everybody is in the ledger.
    """
    with duckdb.connect(warehouse) as connection:
        if not first:
            connection.execute(_DEFINITION)
        connection.execute(_PROFILES.format(first=first, last=last))
    took = dbt(warehouse, "run", "--select", *BUILT)
    with duckdb.connect(warehouse) as connection:
        rows = connection.execute("select count(*) from marts.fct_assignments").fetchall()[0][0]
    if rows != 2 * last:
        msg = f"{rows} rows in the ledger, for {last} profiles and two slots"
        raise NotMeasured(msg)
    return took
