"""Measures the measurement by the dbt project: events of an experiment's profiles, in a DuckDB file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
from figures import Bar, Benchmark, Row, Scale
from harness import NotMeasured, beside_idle, dbt, idle

MILLION = 1_000_000
GB = 1_000_000_000
WITHIN = Bar(1)
FIRST_SECONDS = 70.0
"""Allowed for fifty million events of a million assigned profiles."""
HOUR_SECONDS = 8.0
"""Allowed for the hour after, beside what a run takes in which nothing was landed."""
MEMORY = 4.0
"""GB allowed."""
WAREHOUSE_MEMORY = "3GB"
"""Of it for DuckDB, which else keeps what it has read while there is room. The rest is dbt and uncounted."""
SIZES = (MILLION // 10, MILLION)
"""Assigned profiles: an hour is to cost what it brings, whatever was before it."""
HOUR_EVENTS = 60_000
PER_PROFILE = 50
"""Events of a profile in the 90 days before the send and the 5 days after it."""
NOW = ("--vars", '{"as_of": "2026-11-09 08:00:00"}')
"""In every run: dbt parses the project anew where a variable changes."""
JOB = ("build", "--selector", "measure", "--exclude-resource-type", "test", *NOW)
_MEASURED = """
select sum(units), sum(received) > 0, sum(converted) > 0
from marts.fct_experiment_results
where is_decisive
"""

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
    (experiment_key, experiment_version, slot_key, arm_key, profile_id, rule_id, bucket, assigned_at)
select
    'spring_hero', 1, slot_key, case when (n // step) % 2 = 0 then 'control' else 'bold' end,
    '01' || upper(substr(md5('unit-' || n), 1, 24)), 0, 0, timestamp '2026-11-01 00:00:00'
from range({people}) as numbers (n), (values ('hero', 1), ('footer', 2)) as slots (slot_key, step);
"""
# Of the 50 events of a profile, 45 lie before the send and are of other messages. They are in the order in which
# they occurred, as the tap lands them; the stride visits every profile before it comes back to the first. In each
# round a profile has another kind of event, so that recipients open, click and order.
_EVENTS = """
insert into klaviyo_raw.events (id, datetime, event_properties, profile_id, metric_id, _sdc_batched_at)
select
    'event-' || {start} || '-' || n,
    timestamp '{begin}' + to_microseconds(cast({seconds} * 1000000.0 * n / {events} as bigint)),
    case metric
        when 'MetOrd' then '{{"$value": ' || (n % 90 + 10) || ', "Items": ["a shoe"]}}'
        when 'MetClk'
            then '{{"$message": "{message}", "URL": "https://shop.example/?lf_cid={experiment}.hero.'
                || case when (n * 7919 % {people}) % 2 = 0 then 'control' else 'bold' end || '"}}'
        when 'MetSee' then '{{"Product": "a shoe", "URL": "https://shop.example/shoe"}}'
        else '{{"$message": "{message}", "Campaign Name": "Spring", "machine_open": ' || (n % 3 = 0) || '}}'
    end,
    '01' || upper(substr(md5('unit-' || (n * 7919 % {people})), 1, 24)),
    metric,
    timestamp '{landed}'
from (
    select
        n,
        case
            when kind < 35 then 'MetRcv' when kind < 70 then 'MetOpn' when kind < 76 then 'MetClk'
            when kind < 80 then 'MetOrd' when kind = 99 and n % 10 = 0 then 'MetUns' else 'MetSee'
        end as metric
    from (select n, (n + 37 * (n // {people})) % 100 as kind from range({events}) as numbers (n)) as kinds
);
"""


@dataclass(frozen=True)
class Period:
    """A stretch of time, and the message of which its events are, with the experiment that its links name."""

    name: str
    begin: str
    seconds: int
    message: str
    experiment: str
    landed: str
    """When a loader landed them."""

    def events(self, people: int, number: int) -> str:
        """SQL that lands so many."""
        return _EVENTS.format(
            start=f"'{self.name}'",
            begin=self.begin,
            seconds=self.seconds,
            events=number,
            message=self.message,
            experiment=self.experiment,
            people=people,
            landed=self.landed,
        )


BEFORE = Period("before", "2026-08-04", 89 * 86_400, "MsgEarlier", "winter_hero", "2026-11-09 05:00:00")
AFTER = Period("after", "2026-11-02", 5 * 86_400, "MsgSpring", "spring_hero", "2026-11-09 06:00:00")
HOUR = Period("hour", "2026-11-07", 3_600, "MsgSpring", "spring_hero", "2026-11-09 07:50:00")


def measure(scale: Scale) -> Iterator[Row]:
    """Assigned profiles with 50 events each, from raw rows to the verdict; then an hour later."""
    for size in SIZES if scale.part == 1 else SIZES[:1]:
        yield from _measure(scale.of(size), scale.of(HOUR_EVENTS))


def _measure(people: int, hour_events: int) -> Iterator[Row]:
    events = people * PER_PROFILE
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Path(folder) / "klaviyo.duckdb"
        dbt(warehouse, "build", "--selector", "assign", "--exclude-resource-type", "test", "unit_test", *NOW)
        with duckdb.connect(warehouse) as connection:
            connection.execute(_DEFINITION)
        without = idle(warehouse, lambda: dbt(warehouse, *JOB, memory=WAREHOUSE_MEMORY))
        with duckdb.connect(warehouse) as connection:
            connection.execute(_LEDGER.format(people=people))
            connection.execute(BEFORE.events(people, events * 9 // 10))
            connection.execute(AFTER.events(people, events // 10))
        first = dbt(warehouse, *JOB, memory=WAREHOUSE_MEMORY)
        with duckdb.connect(warehouse) as connection:
            connection.execute(HOUR.events(people, hour_events))
        hour = dbt(warehouse, *JOB, memory=WAREHOUSE_MEMORY)
        with duckdb.connect(warehouse) as connection:
            found = connection.execute(_MEASURED).fetchone()
    wanted = (2 * people, True, True)
    if found != wanted:
        msg = f"{found}, and not {wanted}: units of two slots, whether anybody received, and ordered"
        raise NotMeasured(msg)
    size = f"{events:,} events"
    yield Row("measure", size, first.elapsed, "s", FIRST_SECONDS, "allowed", WITHIN)
    yield Row("measure", f"{size}: processor time, dbt's too", first.cpu_seconds, "s")
    for name, seconds in sorted(first.seconds.items(), key=lambda model: -model[1])[:3]:
        yield Row("measure", f"{size}: of it {name}", seconds, "s")
    later = f"{size}: an hour of {hour_events:,} more"
    yield from beside_idle("measure", later, hour, without, HOUR_SECONDS)
    yield Row("measure", f"{size}: most memory", max(first.peak, hour.peak) / GB, "GB", MEMORY, "allowed", WITHIN)


BENCHMARKS: Mapping[str, Benchmark] = {"measure": measure}
