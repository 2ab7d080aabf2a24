"""The report reads the results through dbt, on every warehouse."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from transform_project import Warehouse

from lift_report.page import render
from lift_report.results import read
from lift_report.tables import TABLES
from singer_program.warehouse import DuckDB, Printed


@pytest.fixture
def printed(built: Warehouse) -> Printed:
    asked = {"models": [table.TABLE for table in TABLES]}
    said = built.dbt("run-operation", "print_results", "--args", json.dumps(asked)).said
    return Printed(line.encode() for line in said)


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Each engine's client has its own kinds of numbers and times, and writes documents in its own way."""
    if isinstance(value, str) and value.startswith(("[", "{")):
        with suppress(ValueError):  # a template may begin so
            return json.loads(value)
    if isinstance(value, Decimal):
        return float(value)
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def test_every_value_comes_as_it_is(built: Warehouse, printed: Printed) -> None:
    tables = printed.tables()
    schemas = {table.TABLE: "staging" if table.IS_DEFINED else "marts" for table in TABLES}
    assert set(tables) == set(schemas)
    for table, columns in tables.items():
        names = sorted(columns)
        rows = built.query(f"select {', '.join(names)} from {schemas[table]}.{table}")  # noqa: S608
        held = [tuple(map(_plain, row)) for row in rows]
        told = [tuple(map(_plain, row)) for row in printed.read(table, names)]
        assert sorted(map(repr, told)) == sorted(map(repr, held)), table


def test_the_page_is_the_same_as_from_the_file(built: Warehouse, printed: Printed) -> None:
    page = render(read(printed))
    assert "spring" in page
    if built.project.engine.name == "duckdb":
        with DuckDB(Path(built.database), "marts") as warehouse:
            assert render(read(warehouse)) == page
