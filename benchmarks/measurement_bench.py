"""Times the measurement by the dbt project: events of an experiment's profiles, in a DuckDB file.

First everything, from the raw events to the verdict; then an hour later, with 1 in 2,000 events more. Times are
those of the whole job without dbt's own start; memory is that of the whole process. The exit status is
1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
from figures import Bar, Row, table

TRANSFORM = Path(__file__).parents[1] / "transform"
MILLION = 1_000_000
GB = 1_000_000_000
WITHIN = Bar(1)
FIRST = 180.0
"""Seconds allowed for fifty million events of a million assigned profiles."""
HOUR = 30.0
"""Seconds allowed for the hour after."""
MEMORY = 8.0
"""GB allowed."""
PER_PROFILE = 50
"""Events of a profile in the 90 days before the send and the 5 days after it."""
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes; `getrusage(2)`."""

_DEFINITION = """
insert into klaviyo_raw.metrics (id, name, integration) values
    ('MetRcv', 'Received Email', '{"key": "klaviyo"}'), ('MetOpn', 'Opened Email', '{"key": "klaviyo"}'),
    ('MetClk', 'Clicked Email', '{"key": "klaviyo"}'), ('MetOrd', 'Placed Order', '{"key": "shopify"}'),
    ('MetUns', 'Unsubscribed from Email Marketing', '{"key": "klaviyo"}'),
    ('MetSee', 'Viewed Product', '{"key": "api"}');
insert into klaviyo_raw.definition_snapshots values ('experiments', '2026-11-09 07:00:00', 1);
insert into klaviyo_raw.experiments (
    experiment_key, version, status, channel, audience_type, audience, traffic_bp, holdout_bp, global_holdout_bp,
    global_holdout_version, unit_hash, assignment_method, balance_tries, balance_days, audience_conditions,
    preregistration_sha256, primary_metric, attribution_window_days, property_format, campaign_message_ids,
    defined_at
)
values (
    'spring_hero', 1, 'live', 'email', 'segment', 'Everybody', 10000, 0, 0, 1, 'md5', 'hash', 1, 90, '[]',
    repeat('1', 64), 'revenue', 5, 'list', '["MsgSpring"]', '2026-11-09 07:00:00'
);
insert into klaviyo_raw.experiment_arms
    (experiment_key, slot_key, arm_key, position, is_control, allocation, weight_bp, html, defined_at)
select
    'spring_hero', slot_key, arm_key, position, position = 0, 'equal', 5000, '<p>' || arm_key || '</p>',
    '2026-11-09 07:00:00'
from (values ('hero'), ('footer')) as slots (slot_key),
    (values ('control', 0), ('bold', 1)) as arms (arm_key, position);
"""
_LEDGER = """
insert into marts.fct_assignments
    (experiment_key, experiment_version, slot_key, arm_key, profile_id, bucket, assigned_at, status, reason,
    preregistration_sha256)
select
    'spring_hero', 1, slot_key, case when (n // step) % 2 = 0 then 'control' else 'bold' end,
    '01' || upper(substr(md5('unit-' || n), 1, 24)), 0, timestamp '2026-11-01 00:00:00', 'assigned', '',
    repeat('1', 64)
from range({people}) as numbers (n), (values ('hero', 1), ('footer', 2)) as slots (slot_key, step);
"""
# Of the 50 events of a profile, 45 lie before the send and are of other messages. They are in the order in which
# they occurred, as the tap lands them; the stride visits every profile before it comes back to the first.
_EVENTS = """
insert into klaviyo_raw.events (id, datetime, event_properties, profile_id, metric_id)
select
    'event-' || {start} || '-' || n,
    timestamp '{begin}' + to_microseconds(cast({seconds} * 1000000.0 * n / {events} as bigint)),
    case metric
        when 'MetOrd' then '{{"$value": ' || (n % 90 + 10) || ', "Items": ["a shoe"]}}'
        when 'MetClk'
            then '{{"$message": "{message}", "URL": "https://shop.example/?lf_cid=spring_hero.hero.'
                || case when (n * 7919 % {people}) % 2 = 0 then 'control' else 'bold' end || '"}}'
        when 'MetSee' then '{{"Product": "a shoe", "URL": "https://shop.example/shoe"}}'
        else '{{"$message": "{message}", "Campaign Name": "Spring", "machine_open": ' || (n % 3 = 0) || '}}'
    end,
    '01' || upper(substr(md5('unit-' || (n * 7919 % {people})), 1, 24)),
    metric
from (
    select
        n,
        case
            when n % 100 < 35 then 'MetRcv' when n % 100 < 70 then 'MetOpn' when n % 100 < 76 then 'MetClk'
            when n % 100 < 80 then 'MetOrd' when n % 1000 = 999 then 'MetUns' else 'MetSee'
        end as metric
    from range({events}) as numbers (n)
);
"""


@dataclass(frozen=True)
class Period:
    """A stretch of time and what happened in it."""

    name: str
    begin: str
    seconds: int
    number: int
    message: str

    def events(self, people: int) -> str:
        """SQL that lands them."""
        return _EVENTS.format(
            start=f"'{self.name}'",
            begin=self.begin,
            seconds=self.seconds,
            events=self.number,
            message=self.message,
            people=people,
        )


def measure(warehouse: Path) -> dict[str, float]:
    """Run the job in a process of its own, held to two cores: its seconds, and bytes of memory at most."""
    target = warehouse.parent / "target"
    command = [
        str(Path(sys.executable).parent / "dbt"),
        *("run", "--selector", "measure", "--quiet"),
        *("--project-dir", str(TRANSFORM), "--profiles-dir", str(TRANSFORM)),
        *("--target-path", str(target), "--log-path", str(warehouse.parent)),
        *("--vars", json.dumps({"as_of": "2026-11-09 08:00:00"})),
    ]
    process = subprocess.Popen(command, env={**os.environ, "KLAVIYO_LOOP_WAREHOUSE": str(warehouse)})  # noqa: S603
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(process.returncode)
    found = json.loads((target / "run_results.json").read_text())
    slowest = sorted(found["results"], key=lambda result: -result["execution_time"])[:5]
    for result in slowest:
        print(f"  {result['unique_id'].split('.')[-1]:<32} {result['execution_time']:8.1f} s", file=sys.stderr)
    return {
        "seconds": found["elapsed_time"],
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * _MAXRSS_UNIT,
    }


def rows(people: int, folder: Path) -> Iterator[Row]:
    """One row per figure."""
    warehouse = folder / f"measurement_{people}.duckdb"
    events = people * PER_PROFILE
    subprocess.run(  # noqa: S603
        [
            str(Path(sys.executable).parent / "dbt"),
            *("build", "--selector", "assign", "--exclude-resource-type", "test", "unit_test", "--quiet"),
            *("--project-dir", str(TRANSFORM), "--profiles-dir", str(TRANSFORM)),
            *("--target-path", str(folder / "target"), "--log-path", str(folder)),
        ],
        check=True,
        env={**os.environ, "KLAVIYO_LOOP_WAREHOUSE": str(warehouse)},
    )
    begun = time.monotonic()
    with duckdb.connect(warehouse) as connection:
        connection.execute(_DEFINITION)
        connection.execute(_LEDGER.format(people=people))
        connection.execute(
            Period("before", "2026-08-04", 89 * 86_400, events * 9 // 10, "MsgEarlier").events(people)
        )
        connection.execute(Period("after", "2026-11-02", 5 * 86_400, events // 10, "MsgSpring").events(people))
    print(f"  {events:,} events made in {time.monotonic() - begun:.0f} s", file=sys.stderr)
    first = measure(warehouse)
    with duckdb.connect(warehouse) as connection:
        connection.execute(Period("hour", "2026-11-07", 3_600, events // 2_000, "MsgSpring").events(people))
    hour = measure(warehouse)
    with duckdb.connect(warehouse) as connection:
        counted = connection.execute(
            "select sum(units), sum(received) > 0 from marts.fct_experiment_results where is_decisive"
        ).fetchone()
    if counted != (2 * people, True):
        message = f"{counted}: units of two slots, and whether anybody received"
        raise SystemExit(message)
    name = f"measure {events:,} events"
    bar = WITHIN if people == MILLION else None
    yield Row(name, "everything", first["seconds"], "s", FIRST, "allowed", bar)
    yield Row(name, "an hour later", hour["seconds"], "s", HOUR, "allowed", bar)
    yield Row(name, "processor time, dbt included", first["cpu"], "s")
    yield Row(name, "processor time of the hour", hour["cpu"], "s")
    yield Row(name, "memory", max(first["peak"], hour["peak"]) / GB, "GB", MEMORY, "allowed", bar)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sizes", nargs="*", type=float, default=[1], help="millions of profiles, 50 events each (default: 1)"
    )
    sizes = [int(size * MILLION) for size in parser.parse_args().sizes]
    with tempfile.TemporaryDirectory() as folder:
        found = [row for size in sizes for row in rows(size, Path(folder))]
    print(table(found))
    return int(any(row.met is False for row in found))


if __name__ == "__main__":
    sys.exit(main())
