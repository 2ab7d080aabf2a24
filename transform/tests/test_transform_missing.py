"""What a job creates before its first model: raw tables and columns that nobody has loaded yet."""

from __future__ import annotations

import pytest
from dbt_common.exceptions import DbtBaseException
from transform_engines import chosen_engines
from transform_project import Warehouse

ON_ENGINES = [name for name in chosen_engines() if name in {"duckdb", "postgres"}]
"""Spark cannot drop a column."""


def _columns(warehouse: Warehouse) -> set[tuple[str, ...]]:
    return {
        tuple(map(str, row))
        for row in warehouse.query(
            "select table_name, column_name from information_schema.columns where table_schema = 'klaviyo_raw'"
        )
    }


def test_a_column_that_is_gone_is_added_again_and_alone(first_run: Warehouse) -> None:
    """By itself: where a table is created too, its creation ends the same transaction."""
    warehouse = first_run.copy()
    before = _columns(warehouse)
    warehouse.project.engine.execute(warehouse.database, "drop view staging.stg_klaviyo__lists cascade")
    warehouse.project.engine.execute(warehouse.database, "alter table klaviyo_raw.lists drop column created")
    assert before - _columns(warehouse) == {("lists", "created")}
    warehouse.dbt("run", "--select", "stg_klaviyo__lists")
    assert _columns(warehouse) == before


def test_a_table_that_is_gone_is_created_again(first_run: Warehouse) -> None:
    warehouse = first_run.copy()
    before = _columns(warehouse)
    warehouse.project.engine.execute(warehouse.database, "drop table klaviyo_raw.lists cascade")
    assert {table for table, _ in before - _columns(warehouse)} == {"lists"}
    warehouse.dbt("run", "--select", "stg_klaviyo__lists")
    assert _columns(warehouse) == before


def test_a_raw_table_that_is_a_view_is_read_and_never_altered(first_run: Warehouse) -> None:
    """Of PostgreSQL's materialized views, too, the columns are known."""
    warehouse = first_run.copy()
    kind = "view" if warehouse.project.engine.name == "duckdb" else "materialized view"

    def execute(*statements: str) -> None:
        for statement in statements:
            warehouse.project.engine.execute(warehouse.database, statement)

    execute(
        "alter table klaviyo_raw.lists rename to landed",
        f"create {kind} klaviyo_raw.lists as select * from klaviyo_raw.landed",  # noqa: S608
    )
    warehouse.dbt("run", "--select", "stg_klaviyo__lists")
    execute(
        "drop view staging.stg_klaviyo__lists cascade",
        f"drop {kind} klaviyo_raw.lists",
        f"create {kind} klaviyo_raw.lists as select id, name from klaviyo_raw.landed",  # noqa: S608
    )
    remedy = "lists.* is no table, so it is not given what it lacks: .*created.*`create_raw_tables` to false"
    with pytest.raises((AssertionError, DbtBaseException), match=remedy):
        warehouse.dbt("run", "--select", "stg_klaviyo__lists")
    warehouse.dbt("run", "--select", "stg_klaviyo__lists", create_raw_tables=False)
    assert warehouse.query("select count(created_at) from staging.stg_klaviyo__lists") == [(0,)]
