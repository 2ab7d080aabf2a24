"""The generic test `integrity`: every kind of violation is found, and named."""

from __future__ import annotations

import json

import pytest
from transform_project import Row, Warehouse

ROWS = """(
    select 'a' as id, 1 as position, 'live' as status, 5 as share, 'x' as label
    union all
    select 'b' as id, 1 as position, 'live' as status, 5 as share, 'x' as label
    union all
    select 'b' as id, 2 as position, 'ended' as status, 5 as share, 'x' as label
    {more}
) as given_rows"""

ARGUMENTS = {
    "key": ["id", "position"],
    "not_null": ["label"],
    "accepted_values": {"status": ["live", "ended", "it's over"]},
    "checks": {"share_in_range": "share between 0 and 10"},
}


def found(warehouse: Warehouse, more: str, arguments: Row) -> list[Row]:
    model = json.dumps(ROWS.format(more=f"union all select {more}" if more else ""))
    inline = f"{{{{ test_integrity({model}, **{json.dumps(arguments)}) }}}}"
    (result,) = warehouse.dbt("compile", "--inline", inline).results
    return warehouse.rows(result["node"]["compiled_code"])


def test_rows_without_a_fault_pass(first_run: Warehouse) -> None:
    assert found(first_run, "", ARGUMENTS) == []
    assert found(first_run, "'c', 1, null, 0, ''", ARGUMENTS) == []
    assert found(first_run, "'c', 1, 'it''s over', 10, 'x'", ARGUMENTS) == []


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("'a', 1, 'live', 5, 'y'", "the key is not unique"),
        ("null, 1, 'live', 5, 'x'", "id is null"),
        ("'c', null, 'live', 5, 'x'", "position is null"),
        ("'c', 1, 'live', 5, null", "label is null"),
        ("'c', 1, 'paused', 5, 'x'", "status has a value that is not accepted"),
        ("'c', 1, 'live', 11, 'x'", "share_in_range is false"),
        ("'c', 1, 'live', null, 'x'", "share_in_range is false"),
    ],
)
def test_each_kind_of_violation_is_found_with_its_key(first_run: Warehouse, row: str, problem: str) -> None:
    (fault,) = found(first_run, row, ARGUMENTS)
    told = {name: str(value) for name, value in fault.items() if value is not None}
    assert told.pop("problem") == problem
    assert told.pop("row_count") == ("2" if problem == "the key is not unique" else "1")
    key = dict(zip(("id", "position"), (each.strip("'") for each in row.split(", ")[:2]), strict=True))
    assert told == {name: value for name, value in key.items() if value != "null"}


def test_a_key_may_be_an_expression(first_run: Warehouse) -> None:
    (fault,) = found(first_run, "'A', 1, 'live', 5, 'x'", {"key": ["lower(id)", "position"]})
    assert fault["problem"] == "the key is not unique"


def test_a_failing_test_says_which_row_and_what_of_it(first_run: Warehouse) -> None:
    warehouse = first_run.copy()
    row = {"experiment_key": "spring", "experiment_version": 1, "slot_key": "hero", "arm_key": "bold"}
    warehouse.land("fct_allocations", [row, row], schema="marts")
    with pytest.raises(AssertionError, match=r"integrity found .*arm_key = bold, .*the key is not unique"):
        warehouse.dbt("test", "--select", "fct_allocations_integrity")
