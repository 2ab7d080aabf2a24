"""Measures how a million statements of consent are reconciled with what Klaviyo tells, in a DuckDB file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
from figures import Bar, Benchmark, Row, Scale
from harness import NotMeasured, dbt

MILLION = 1_000_000
GB = 1_000_000_000
WHO = ("fct_consent_log", "int_consent_held", "int_consent_statements", "int_consent_decided", "fct_consent")
"""What an answer to who may be written to is built of, views aside."""
REST = (
    "fct_consent_conflicts",
    "fct_consent_history",
    "int_people_withdrawn",
    "int_consent_due",
    "int_suppressions_due",
    "pub_klaviyo_subscriptions",
    "pub_klaviyo_suppressions",
    "fct_consent_published",
)
WITHIN = Bar(1)

_LANDED = """
insert into klaviyo_raw.metrics (id, name, integration) values
    ('Uns', 'Unsubscribed from Email Marketing', '{{"object": "integration", "key": "klaviyo"}}');
insert into klaviyo_raw.profiles (id, email, created, updated, properties, subscriptions)
select
    'P' || n, n || '@shop.example', timestamp '2026-01-01', timestamp '2026-11-01', '{{}}',
    '{{"email":{{"marketing":{{"consent":"'
    || case n % 3 when 0 then 'SUBSCRIBED' when 1 then 'UNSUBSCRIBED' else 'NEVER_SUBSCRIBED' end
    || '","consent_timestamp":"2026-10-01T00:00:00+00:00","last_updated":"2026-10-01T00:00:00+00:00",'
    || '"method":"API",'
    || '"suppression":[],"list_suppressions":[]}}}},"sms":null,"whatsapp":null}}'
from range({people} // 2) as numbers (n);
insert into klaviyo_raw.events (id, metric_id, profile_id, datetime, event_properties)
select 'E' || n, 'Uns', 'P' || (n * 7 % ({people} // 2)), timestamp '2026-10-15' + to_seconds(n), '{{}}'
from range({people} // 10) as numbers (n);
insert into klaviyo_raw.consent_statements
    (statement_id, channel, consent, email, source, method, proof, stated_at, received_at)
select
    's' || n, 'email', case when n // 7 % 5 < 3 then 'given' else 'withdrawn' end,
    n % {people} || '@Shop.example', 'footer',
    case n // 3 % 4 when 0 then 'CSV import' when 1 then 'default' else 'box' end,
    '{{"form_id": "F", "form_version": "3", "text": "I agree"}}',
    timestamp '2026-11-01' + to_seconds(n % 600000), timestamp '2026-11-08 07:00:00'
from range({statements}) as numbers (n);
"""
_AT = '{as_of: "2026-11-09 08:00:00"}'


def consent(scale: Scale) -> Iterator[Row]:
    """1,000,000 statements of half as many people, half of whom Klaviyo has, with 50,000 of its events."""
    statements = scale.of(MILLION)
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Path(folder) / "klaviyo.duckdb"
        seeds = ("consent_metrics", "consent_methods")
        built = [*(f"+{name}" for name in (*WHO, *REST)), *seeds]
        dbt(warehouse, "build", "--select", *built, "--exclude-resource-type", "test", "unit_test")
        with duckdb.connect(warehouse) as connection:
            connection.execute(_LANDED.format(statements=statements, people=statements // 2))
        who = dbt(warehouse, "run", "--select", *WHO, "--vars", _AT)
        rest = dbt(warehouse, "run", "--select", *REST, "--vars", _AT)
        _check(warehouse, statements // 2)
    what = f"{statements:,} statements"
    yield Row("consent", f"{what}: who may be written to", who.elapsed, "s", 10, "allowed", WITHIN)
    yield Row("consent", "conflicts, history, and what Klaviyo does not know", rest.elapsed, "s")
    yield Row("consent", "processor time, dbt's too", who.cpu_seconds + rest.cpu_seconds, "s")
    yield Row("consent", "most memory", max(who.peak, rest.peak) / GB, "GB")


def _check(warehouse: Path, people: int) -> None:
    """See that it was done.

    Raises:
        NotMeasured: somebody is missing, or nothing was found to send.
    """
    with duckdb.connect(warehouse) as connection:
        [(rows,)] = connection.execute("select count(*) from marts.fct_consent").fetchall()
        [(sent,)] = connection.execute("select count(*) from publish.pub_klaviyo_subscriptions").fetchall()
    if rows != people or not sent:
        msg = f"{rows} of {people} people are decided of, and {sent} subscriptions published"
        raise NotMeasured(msg)


BENCHMARKS: Mapping[str, Benchmark] = {"consent": consent}
