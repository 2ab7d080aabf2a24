"""Measures forwarding by the dbt project: an hour of a site's events over those of weeks, in a DuckDB file."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
from figures import Benchmark, Row, Scale
from harness import BIN, DbtRun, NotMeasured, beside_idle, dbt, idle

MILLION = 1_000_000
GB = 1_000_000_000
PAST = (5 * MILLION, 50 * MILLION)
"""Events before the hour, each in the ledger: an hour is to cost what it brings, whatever was before it."""
HOUR_EVENTS = 60_000
HOUR_SECONDS = 10.0
"""Allowed for the hour, beside what a run takes in which nothing was received."""
FIRST, SECOND = '{as_of: "2026-11-09 08:00:00"}', '{as_of: "2026-11-09 09:00:00"}'

_DEFINITION = """\
name: shop
status: live
description: What the site tells
from: {preset: inbox}
presets: [klaviyo]
events:
  - event: Product Viewed
    metric: Viewed Product
    keep: [sku, price]
    properties: {ProductName: properties.name}
  - event: Order Completed
    metric: Placed Order
    value: properties.revenue
    unique_id: "{properties.order_id}"
consent:
  checks: [{scheme: segment, categories: [marketing]}]
"""
_ACCOUNT = """
insert into klaviyo_raw.metrics (id, name, integration) values
    ('See', 'Viewed Product', '{{"object": "integration", "key": "api"}}'),
    ('Plc', 'Placed Order', '{{"object": "integration", "key": "api"}}');
insert into klaviyo_raw.profiles (id, email, created, updated, properties)
select 'P' || n, n || '@shop.example', timestamp '2026-01-01', timestamp '2026-11-01', '{{}}'
from range({people}) as numbers (n);
"""
_EVENTS = """
insert into klaviyo_raw.site_events (
    message_id, user_id, anonymous_id, type, event, properties, context, occurred_at, received_at
)
select
    'm' || n, null, 'visitor-' || n % {people}, 'track',
    case when n % 10 < 7 then 'Product Viewed' when n % 10 = 7 then 'Order Completed' else 'Scrolled' end,
    case when n % 10 = 7 then '{{"order_id": "O' || n || '", "revenue": ' || n % 200 || '.5}}'
    else '{{"name": "Shoe ' || n % 500 || '", "sku": "S' || n % 500 || '", "price": 49.5, '
        || '"url": "https://shop.example/"}}' end,
    '{{"ip": "198.51.100.' || n % 250 || '", "userAgent": "Mozilla/5.0 (X11; Linux x86_64)", '
    || '"traits": {{"email": "' || n % {people} || '@shop.example"}}, '
    || '"consent": {{"categoryPreferences": {{"marketing": '
    || case when n % 20 = 0 then 'false' else 'true' end || '}}}}}}',
    timestamp '{since}' + to_microseconds({step} * (n - {first})),
    timestamp '{since}' + to_microseconds({step} * (n - {first}))
from range({first}, {last}) as numbers (n);
"""
_LEDGER = """
insert into marts.fct_forwarding (
    match_ref, event_ref, definition_key, message_id, unique_id, type, event, metric, decision, former_decision,
    consent_decided_by, event_key, sent_key, visitor_digest, definition_sha256, is_backfill, is_open,
    closes_decided_at, occurred_at, received_at, decided_at
)
with

definitions as (select max(definition_sha256) as definition_sha256 from klaviyo_raw.forwarding_definitions),

events as (
    select
        *,
        case event
            when 'Product Viewed' then 'Viewed Product' when 'Order Completed' then 'Placed Order'
        end as metric,
        date_trunc('hour', received_at) + to_hours(1) as decided_at
    from klaviyo_raw.site_events
),

steps (decision, former_decision, is_open, hours) as (
    values ('forwarded', null, true, 0), ('delivered', 'forwarded', false, 1)
)

select
    'shop:' || message_id || '#' || coalesce(metric, ''), 'shop:' || message_id, 'shop', message_id, message_id,
    'track', event, metric, case when metric is null then 'unnamed' else steps.decision end, steps.former_decision,
    'segment (1)', md5('event' || message_id), md5('sent' || message_id), md5(anonymous_id), definition_sha256,
    false, metric is not null and steps.is_open, case when not steps.is_open then decided_at end, occurred_at,
    received_at, decided_at + to_hours(steps.hours)
from events
inner join steps on events.metric is not null or steps.is_open
cross join definitions
where decided_at <= timestamp '2026-11-09 06:00:00';
"""
_SHOWN = """
insert into klaviyo_raw.events (id, metric_id, profile_id, datetime, event_properties)
select
    'K' || unique_id, case metric when 'Viewed Product' then 'See' else 'Plc' end,
    'P' || split_part(email, '@', 1), date_trunc('second', "time"), '{"$event_id": "' || unique_id || '"}'
from publish.pub_klaviyo_events;
"""
_DECIDED = """
select decision, count(*)
from marts.fct_forwarding
where decided_at = timestamp '2026-11-09 09:00:00'
group by decision
"""


def forwarding(scale: Scale) -> Iterator[Row]:
    """An hour of 60,000 events of a site, decided over 5 and over 50 million that the ledger has."""
    for past in PAST if scale.part == 1 else PAST[:1]:
        yield from _forwarding(scale.of(past), scale.of(HOUR_EVENTS))


def _forwarding(past: int, hour: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Path(folder) / "klaviyo.duckdb"
        _define(Path(folder), warehouse)
        _run(warehouse, FIRST)
        without = idle(warehouse, lambda: _run(warehouse, SECOND))
        people, step = max(past // 50, 1), 35 * 24 * 3_600_000_000 // past
        with duckdb.connect(warehouse) as connection:
            connection.execute(_ACCOUNT.format(people=people))
            connection.execute(
                _EVENTS.format(people=people, first=0, last=past, step=step, since="2026-10-05 07:00:00")
            )
            connection.execute(_LEDGER)
        _land(warehouse, people, past, hour, "2026-11-09 07:00:00")
        before = _run(warehouse, FIRST)
        with duckdb.connect(warehouse) as connection:
            connection.execute(_SHOWN)
        _land(warehouse, people, past + hour, hour, "2026-11-09 08:00:00")
        took = _run(warehouse, SECOND)
        with duckdb.connect(warehouse) as connection:
            decided = dict(connection.execute(_DECIDED).fetchall())
            [(sent,)] = connection.execute("select count(*) from publish.pub_klaviyo_events").fetchall()
    if sum(decided.values()) - decided.get("delivered", 0) != hour or decided.get("forwarded", 0) != sent:
        msg = f"of {hour} events {decided} were decided, and {sent} are to be sent"
        raise NotMeasured(msg)
    if decided.get("delivered", 0) < hour // 2:
        msg = f"{decided.get('delivered', 0)} of the hour before are known to have come"
        raise NotMeasured(msg)
    what = f"an hour of {hour:,} over {past:,} events"
    yield from beside_idle("forwarding", what, took, without, HOUR_SECONDS)
    yield Row("forwarding", f"{what}: most memory", max(before.peak, took.peak) / GB, "GB")


def _define(folder: Path, warehouse: Path) -> None:
    """Load the rules as a pipeline does: by the tap and the loader."""
    rules = folder / "forwarding"
    rules.mkdir()
    (rules / "shop.yml").write_text(_DEFINITION, encoding="utf-8")
    tap, target = folder / "tap.json", folder / "target.json"
    tap.write_text(json.dumps({"path": str(rules)}), encoding="utf-8")
    target.write_text(
        json.dumps({"path": str(warehouse), "default_target_schema": "klaviyo_raw"}), encoding="utf-8"
    )
    told = subprocess.run(  # noqa: S603
        [str(BIN / "tap-forwarding"), "--config", str(tap)], capture_output=True, check=True
    )
    subprocess.run(  # noqa: S603
        [str(BIN / "target-duckdb"), "--config", str(target)], input=told.stdout, capture_output=True, check=True
    )


def _land(warehouse: Path, people: int, first: int, hour: int, since: str) -> None:
    with duckdb.connect(warehouse) as connection:
        step = 3_600_000_000 // hour
        connection.execute(_EVENTS.format(people=people, first=first, last=first + hour, step=step, since=since))


def _run(warehouse: Path, at: str) -> DbtRun:
    return dbt(warehouse, "build", "--selector", "forwarding", "--exclude-resource-type", "test", "--vars", at)


BENCHMARKS: Mapping[str, Benchmark] = {"forwarding": forwarding}
