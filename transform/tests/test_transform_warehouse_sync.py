"""Klaviyo's own warehouse sync, read instead of what the tap lands: the same rows, and nothing changed there."""

from __future__ import annotations

from typing import Any

import pytest
from transform_engines import chosen_engines
from transform_project import Outcome, Project, Warehouse

ON_ENGINES = [name for name in chosen_engines() if name in {"duckdb", "postgres"}]
"""Spark's text and moments are those of its raw tables."""

SYNC = {"klaviyo_source": "warehouse_sync"}
READS = ("stg_klaviyo__events", "stg_klaviyo__metrics", "stg_klaviyo__profiles")
CLASSIFIES = ("run", "--select", *READS, "int_metric_roles", "int_events_classified")
LANDED = {
    "klaviyo_event": """
        select
            id, profile_id, metric_id, datetime at time zone 'UTC' as datetime,
            cast(event_properties as varchar) as event_properties
        from klaviyo_raw.events
    """,
    "klaviyo_metric": """
        select
            id, name,
            case integration ->> 'key' when 'klaviyo' then 'Klaviyo' when 'shopify' then 'Shopify' else 'API' end
                as integration_name
        from klaviyo_raw.metrics
    """,
    "klaviyo_profile": """
        select id, email, first_name, cast(properties as varchar) as properties, created, false as deleted
        from klaviyo_raw.profiles
    """,
}
"""What the sync lands of the same account: moments with a zone, JSON as text, integrations by their name."""
NEEDED = {
    "klaviyo_event": ("id", "profile_id", "metric_id", "datetime", "event_properties"),
    "klaviyo_metric": ("id", "name", "integration_name"),
    "klaviyo_profile": ("id",),
}


def _execute(warehouse: Warehouse, *statements: str) -> None:
    for statement in statements:
        warehouse.project.engine.execute(warehouse.database, statement)


def _read(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    """What measurement reads of Klaviyo, but for when it was landed."""
    columns = {
        "staging.stg_klaviyo__events": "event_id, profile_id, metric_id, unique_id, message_id, cid, url, value,"
        " is_machine_open, is_bot_click, occurred_at",
        "staging.stg_klaviyo__metrics": "metric_id, metric_name, integration_key",
        "staging.stg_klaviyo__profiles": "profile_id, email, created_at",
        "intermediate.int_metric_roles": "metric_id, role",
        "intermediate.int_events_classified": "*",
    }
    return {
        table: sorted(map(_plain, warehouse.query(f"select {asked} from {table}")))  # noqa: S608
        for table, asked in columns.items()
    }


def _plain(row: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(map(str, row))


def _theirs(warehouse: Warehouse) -> list[tuple[str, ...]]:
    """Tables and columns of the sync, and how many rows each table has."""
    held = warehouse.query(
        "select table_name, column_name, data_type from information_schema.columns"
        " where table_schema = 'klaviyo_sync'"
    )
    counted = [(table, *warehouse.query(f"select count(*) from klaviyo_sync.{table}")[0]) for table in LANDED]  # noqa: S608
    return sorted(map(_plain, [*held, *counted]))


@pytest.fixture
def synced(warehouse: Warehouse) -> Warehouse:
    """The small world as the sync lands it; the tap has landed nothing."""
    _execute(warehouse, "create schema klaviyo_sync")
    _execute(warehouse, *(f"create table klaviyo_sync.{table} as {select}" for table, select in LANDED.items()))
    for table in ("events", "metrics", "profiles"):
        warehouse.delete(f"klaviyo_raw.{table}")
    return warehouse


def _classify(warehouse: Warehouse, *options: str) -> Outcome:
    return warehouse.dbt(*CLASSIFIES, *options, **SYNC)


def test_the_same_account_gives_the_same_rows(synced: Warehouse, built: Warehouse) -> None:
    """And late events are found without a word of when anything landed."""
    before = _theirs(synced)
    outcome = _classify(synced, "--full-refresh")
    assert _read(synced) == _read(built)
    assert _theirs(synced) == before
    (warned,) = [each for each in outcome.warnings if "Read as null" in each]
    assert all(
        f"klaviyo_sync.klaviyo_profile.{name}" in warned for name in ("phone_number", "subscriptions", "updated")
    )
    assert ".email" not in warned
    assert ".deleted" not in warned

    late = (
        "select id || '-late', profile_id, metric_id, datetime, event_properties from klaviyo_sync.klaviyo_event"
    )
    _execute(
        synced,
        f"insert into klaviyo_sync.klaviyo_event {late} where metric_id = 'MetClk'",
        "update klaviyo_sync.klaviyo_profile set deleted = true where id = 'legacy'",
    )
    clicks = "select count(*) from intermediate.int_events_classified where role = 'clicked'"
    were = synced.query(clicks)[0][0]
    _classify(synced)
    assert synced.query(clicks)[0][0] == 2 * were > 0
    gone = "select count(*) from staging.stg_klaviyo__profiles where profile_id = 'legacy'"
    assert synced.query(gone) == [(0,)]


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("klaviyo_event", "no klaviyo_sync.klaviyo_event."),
        ("integration_name", "no klaviyo_sync.klaviyo_metric.integration_name."),
    ],
)
def test_what_cannot_be_done_without_ends_the_command_and_is_named(
    project: Project, missing: str, named: str
) -> None:
    warehouse = Warehouse.empty(project)
    _execute(warehouse, "create schema klaviyo_sync")
    for table, columns in NEEDED.items():
        held = ", ".join(f"{each} varchar" for each in columns if each != missing)
        if table != missing:
            _execute(warehouse, f"create table klaviyo_sync.{table} ({held})")
    with pytest.raises(Exception, match="`klaviyo_source` is warehouse_sync, and there is") as caught:
        warehouse.dbt("run-operation", "lf_tell_other_loader", **SYNC)
    assert named in str(caught.value)
    assert "`raw_schemas`" in str(caught.value)


def test_a_shape_that_is_not_known_is_refused(project: Project) -> None:
    with pytest.raises(Exception, match="give it tap or warehouse_sync"):
        Warehouse.empty(project).dbt("run-operation", "lf_tell_other_loader", klaviyo_source="elsewhere")
