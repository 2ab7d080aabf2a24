"""Snowflake's dialect, run: `fakesnow` serves a connection of Snowflake's connector and answers it by DuckDB.

What is seen is that each statement, with what dbt wraps around it, is one that Snowflake's grammar and fakesnow's
translation know, and what rows that gives; not how Snowflake itself computes. What fakesnow lacks
is made up for here from Snowflake's documentation.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from sqlglot import exp
from transform_engines import Engine, Table
from typing_extensions import override

NAME = "KLAVIYO"
"""What the open database is called: as Snowflake holds a name without quotes."""

FUNCTIONS = """
-- A part of a document by a key that is an expression; fakesnow takes a literal.
lf_pointer(key) as '/' || replace(replace(cast(key as varchar), '~', '~0'), '/', '~1');
lf_get(document, key) as json_extract(cast(document as json), lf_pointer(key));
lf_get_text(document, key) as json_extract_string(cast(document as json), lf_pointer(key));
-- The value if it is an array, else null.
as_array(value) as case when json_type(to_json(value)) = 'ARRAY' then to_json(value) end;
lf_sorted_set(value) as to_json(list_sort(list_distinct(list_transform(
    cast(value as json[]), lambda element: coalesce(element, cast('null' as json))
))));
-- An object has its keys in order.
lf_to_json(value) as case json_type(to_json(value))
    when 'OBJECT' then cast(to_json(map_from_entries(list_sort(map_entries(
        cast(to_json(value) as map(varchar, json))
    )))) as varchar)
    else cast(to_json(value) as varchar)
end;
-- Aggregates leave nulls out.
lf_array_agg(value) as to_json(list(value order by value) filter (where value is not null));
lf_object_agg(key, value) as to_json(map_from_entries(
    list(struct_pack(k := key, v := to_json(value)) order by key)
    filter (where key is not null and value is not null)
))
"""
"""What fakesnow lacks, in DuckDB's SQL; made anew in each connection."""


def _supplement(node: exp.Expr) -> exp.Expr:
    """An expression of Snowflake's that fakesnow does not translate, as one that it hands on to `FUNCTIONS`."""

    def call(function: str, *given: exp.Expr) -> exp.Expr:
        return exp.Anonymous(this=function, expressions=[each.transform(_supplement) for each in given])

    match node:
        case exp.ToNumber() if set(node.text("format")) == {"X"}:
            digits = exp.DPipe(this=exp.Literal.string("0x"), expression=node.this.transform(_supplement))
            node = exp.cast(digits, "bigint")
        case exp.Cast() if isinstance(node.this, exp.GetExtract) and node.to.is_type(*exp.DataType.TEXT_TYPES):
            node = call("lf_get_text", node.this.this, node.this.expression)
        case exp.GetExtract():
            node = call("lf_get", node.this, node.expression)
        case exp.JSONFormat():
            node = call("lf_to_json", node.this)
        case exp.WithinGroup() if isinstance(node.this, exp.ArrayAgg):
            node = call("lf_array_agg", node.this.this)
        case exp.ObjectAgg():
            node = call("lf_object_agg", node.this, node.expression)
        case exp.Create() if (properties := node.args.get("properties")) is not None:
            # DuckDB has temporary tables in no schema of a database. dbt drops its own when it is done.
            kept = [each for each in properties.expressions if not isinstance(each, exp.TemporaryProperty)]
            properties.set("expressions", kept)
        case _ if type(node).__name__ in _SORTED and isinstance(node.this, exp.ArrayDistinct):
            node = call("lf_sorted_set", node.this.this)
    return node


_SORTED = ("ArraySort", "SortArray")
"""What two releases of sqlglot call one function."""


class Snowflake(Engine):
    """In this process. Its databases are files of DuckDB, of which the open one is attached."""

    name = "snowflake"

    def __init__(self, folder: Path) -> None:
        fakesnow = pytest.importorskip("fakesnow", reason="Snowflake's stand-in comes with the package fakesnow")
        cursor = importlib.import_module("fakesnow.cursor").FakeSnowflakeCursor
        connection = importlib.import_module("fakesnow.conn").FakeSnowflakeConnection
        variables = importlib.import_module("fakesnow.variables").Variables
        begin, transform = connection.__init__, cursor._transform

        def begun(self: Any, duckdb: Any, *given: Any, **named: Any) -> None:  # noqa: ANN401
            begin(self, duckdb, *given, **named)
            for function in re.sub(r"^--.*", "", FUNCTIONS, flags=re.MULTILINE).split(";\n"):
                duckdb.execute(f"create or replace temporary macro {function}")

        def transformed(self: Any, statement: exp.Expr, params: Any) -> exp.Expr:  # noqa: ANN401
            return transform(self, statement.transform(_supplement), params)  # type: ignore[no-any-return]

        self.folder = folder
        self.databases = 0
        self.opened: str | None = None
        self.served = fakesnow.instance.FakeSnow(
            create_database_on_connect=False, create_schema_on_connect=False, db_path=folder
        )
        self.patches = contextlib.ExitStack()
        for target, name, replacement in (
            (connection, "__init__", begun),
            (cursor, "_transform", transformed),
            # It looks for `$name` inside literals as well, where Snowflake sees none.
            (variables, "inline_variables", lambda _, sql: sql),
            (importlib.import_module("snowflake.connector"), "connect", self.served.connect),
        ):
            self.patches.enter_context(mock.patch.object(target, name, replacement))
        logging.getLogger("sqlglot").setLevel(logging.ERROR)  # else it names each clause that DuckDB lacks
        # GrowthBook's hash is an expression some thousand levels deep.
        self.depth = sys.getrecursionlimit()
        sys.setrecursionlimit(20_000)

    @override
    def environment(self) -> dict[str, str]:
        return {f"KLAVIYO_LOOP_SNOWFLAKE_{part}": "fakesnow" for part in ("ACCOUNT", "USER", "PASSWORD")}

    @override
    def create(self, copied_from: str | None = None) -> str:
        self.databases += 1
        database = str(self.databases)
        if copied_from is not None:
            self._put_back()
            shutil.copy(self._file(copied_from), self._file(database))
        return database

    @override
    def open_database(self, database: str) -> None:
        if self.opened == database:
            return
        self._put_back()
        if self._file(database).exists():
            self.served.duck_conn.execute(f"attach '{self._file(database)}' as {NAME}")
        else:
            self.served.connect().cursor().execute(f"create database {NAME}")
        self.opened = database

    @override
    def execute(self, database: str, sql: str) -> Table:
        self.open_database(database)
        cursor = self.served.connect(NAME).cursor()
        cursor.execute(sql)
        return [column.name.lower() for column in cursor.description], [tuple(row) for row in cursor.fetchall()]

    @override
    def replace(self, database: str, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.open_database(database)
        held = self.served.duck_conn.execute(f"describe {NAME}.{table}").fetchall()
        names = {name.lower(): name for name, *_ in held}
        read = ", ".join(f'"{name}": "{kind}"' for name, kind, *_ in held)
        text = json.dumps([{names[name]: value for name, value in row.items()} for row in rows])
        self.served.duck_conn.execute(f"delete from {NAME}.{table}")  # noqa: S608
        self.served.duck_conn.execute(
            f"insert into {NAME}.{table} select unnest(from_json(?, '[{{{read}}}]'), recursive := true)", [text]
        )

    @override
    def release(self) -> None:
        """dbt closes its connections itself."""

    @override
    def close(self) -> None:
        self.patches.close()
        self.served.duck_conn.close()
        sys.setrecursionlimit(self.depth)

    def _file(self, database: str) -> Path:
        return self.folder / f"{database}.duckdb"

    def _put_back(self) -> None:
        if self.opened is not None:
            self.served.duck_conn.execute(f"detach {NAME}")
            made = self.folder / f"{NAME}.db"
            if made.exists():  # fakesnow names the file of a new database
                made.rename(self._file(self.opened))
            self.opened = None
