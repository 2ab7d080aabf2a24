"""Rows of an earlier version stay in the marts, and say nothing of this one."""

from __future__ import annotations

import pytest
from transform_project import Row, Warehouse

MARTS = ("results", "guardrails", "srm", "verdicts", "daily", "interactions", "funnel")
TABLES = [*(f"fct_experiment_{mart}" for mart in MARTS), "fct_allocations_next"]
"""What outlives its version, because nothing of it is computed again once the version is raised."""
BETWEEN = ("path:models/intermediate/verdicts", "path:models/intermediate/allocation")
"""What reads those marts, and is read by them."""
ABOVE = "int_allocations_proposed+,config.materialized:view"
"""The views that PostgreSQL drops with the table that is built anew."""
PLACE = {
    *("experiment_key", "slot_key", "arm_key", "other_slot_key", "other_arm_key", "metric", "primary_metric"),
    *("analysis", "attribution", "stage", "stage_index", "day", "is_control", "is_primary", "is_decisive"),
    *("control_arm", "challenger_arm", "estimator", "thresholds"),
}
"""Columns that say where a row belongs: with them, a join that does not name the version finds it."""
LOUD: Row = {
    "experiment_version": 0,
    "state": "blocked",
    "verdict": "invalid_srm",
    "rule": "srm_alarm",
    "winning_arm": None,
    "p_value": 1e-12,
    "p_value_holm": 1e-12,
}


def shout(name: str, value: object) -> object:
    """What would be noticed wherever it came to."""
    if name in PLACE or name in LOUD:
        return LOUD.get(name, value)
    if isinstance(value, bool) or name.startswith(("is_", "has_")):
        return True
    return 77_777 if isinstance(value, int | float) else value


def written(row: Row) -> Row:
    """A row as it is landed: a day is its text."""
    return {name: str(value) if name == "day" else value for name, value in row.items()}


def compared(value: object) -> object:
    """Without the last digits, in which a sum depends on the order of its parts."""
    return f"{value + 0.0:.9g}" if isinstance(value, float) else value


@pytest.fixture(scope="module")
def earlier_and_not(built: Warehouse) -> tuple[Warehouse, Warehouse]:
    """Measured over marts that hold an earlier version, all of it alarms and harm, and over marts that do not."""
    guarded = built.copy()
    experiments = guarded.rows("select * from klaviyo_raw.experiments")
    guardrails = {"unsubscribed": 0.1, "complained": 0.05, "bounced": 0.5}
    guarded.land("experiments", [{**row, "guardrails": guardrails} for row in experiments])
    guarded.dbt("run", "--selector", "measure")
    with_earlier, without = guarded.copy(), guarded.copy()
    for table in TABLES:
        rows = with_earlier.rows(f"select * from marts.{table}")  # noqa: S608
        assert rows, f"{table} is empty: nothing would be seen"
        loud = [{name: shout(name, value) for name, value in row.items()} for row in rows]
        with_earlier.land(table, map(written, [*rows, *loud]), schema="marts")
    for warehouse in (with_earlier, without):
        warehouse.dbt("run", "--select", *TABLES, *BETWEEN, ABOVE)
    return with_earlier, without


@pytest.mark.parametrize("table", TABLES)
def test_a_version_is_measured_as_if_there_had_been_no_other(
    earlier_and_not: tuple[Warehouse, Warehouse], table: str
) -> None:
    with_earlier, without = earlier_and_not

    def current(warehouse: Warehouse) -> list[str]:
        rows = warehouse.rows(f"select * from marts.{table} where experiment_version > 0")  # noqa: S608
        return sorted(str(sorted((name, compared(value)) for name, value in row.items())) for row in rows)

    assert current(with_earlier) == current(without)
    assert current(without)


@pytest.mark.parametrize("table", TABLES)
def test_an_earlier_version_keeps_what_was_measured_last(
    earlier_and_not: tuple[Warehouse, Warehouse], table: str
) -> None:
    with_earlier, without = earlier_and_not
    kept = with_earlier.rows(f"select * from marts.{table} where experiment_version = 0")  # noqa: S608
    assert len(kept) == len(without.rows(f"select * from marts.{table}"))  # noqa: S608
