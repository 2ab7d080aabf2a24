"""A warehouse that an older version of the project built is built upon, and loses nothing."""

from __future__ import annotations

import pytest
from transform_engines import chosen_among
from transform_project import Row, Warehouse

ON_ENGINES = chosen_among("duckdb", "postgres")
"""A table on Spark cannot keep a column that its model no longer has: see the README, Another warehouse."""

VERDICTS = ("path:models/intermediate/verdicts", "fct_experiment_verdicts", "fct_allocations_next")
ADDED = {
    "fct_experiment_verdicts": {
        *("control_arm", "challenger_arm", "srm_stage", "rendered", "crossovers", "least_received", "converted"),
        *("effect", "has_several_challengers", "is_not_yet_safe", "blocking_metric", "blocking_low"),
        *("blocking_margin", "decision", "corrected_lift"),
        *("money_metric", "money_effect", "money_low", "money_high"),
        *("blocked_arms", "first_blocked_arm", "runner_up_arm", "runner_up_p_value", "is_told_apart", "is_mature"),
        *("least_expected_conversions", "shipped_arm", "shipped_by"),
    },
    "fct_allocations_next": {"rule", "best_arm", "best_chance", "has_harmful_arm", "floor_bp"},
}
"""The columns that came when the sentences left, and since; before, there were `reason` and `words`."""


def make_older(warehouse: Warehouse, table: str, sentences: str) -> None:
    """Give a table the shape that it had, with its rows, and a row of an experiment that is gone."""
    [row] = warehouse.rows(f"select * from marts.{table} limit 1")  # noqa: S608
    kept = [name for name in row if name not in ADDED[table]]
    listed = ", ".join(kept)
    gone = ", ".join("'gone'" if name == "experiment_key" else name for name in kept)
    source = f"select {listed}, {sentences} from marts.{table}"  # noqa: S608
    one = f"select {gone}, {sentences} from (select * from marts.{table} limit 1) as one"  # noqa: S608
    warehouse.query(f"create table marts.older as {source} union all {one}")
    warehouse.query(f"drop table marts.{table}")
    warehouse.query(f"alter table marts.older rename to {table}")


def of_gone(warehouse: Warehouse, table: str) -> Row:
    [row] = warehouse.rows(f"select * from marts.{table} where experiment_key = 'gone'")  # noqa: S608
    return row


@pytest.fixture
def older(warehouse: Warehouse) -> Warehouse:
    make_older(warehouse, "fct_experiment_verdicts", "'Why it was so.' as reason, 'What it meant.' as words")
    make_older(warehouse, "fct_allocations_next", "'Why it was so.' as reason")
    return warehouse


def test_the_tables_of_before_get_the_new_columns_and_keep_their_rows(older: Warehouse) -> None:
    before = {table: of_gone(older, table) for table in ADDED}
    for _ in range(2):
        older.dbt("run", "--select", *VERDICTS)
        for table, added in ADDED.items():
            kept = of_gone(older, table)
            assert {name: kept[name] for name in before[table]} == before[table]
            assert set(kept) - set(before[table]) == added
            assert {kept[name] for name in added} == {None}
    judged = older.rows("select * from marts.fct_experiment_verdicts where experiment_key = 'spring'")
    assert {row["slot_key"] for row in judged} == {"hero", "footer"}
    assert {row["control_arm"] for row in judged} == {"control"}
    assert {(row["reason"], row["words"]) for row in judged} == {(None, None)}
    shares = older.rows("select * from marts.fct_allocations_next where experiment_key = 'spring'")
    assert {row["rule"] for row in shares} == {"kept_too_early"}
