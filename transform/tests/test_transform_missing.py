"""What a job creates before its first model: raw tables and columns that nobody has loaded yet."""

from __future__ import annotations

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
