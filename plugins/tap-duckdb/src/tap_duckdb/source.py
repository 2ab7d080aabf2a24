"""The DuckDB file: which tables it offers, and their rows."""

from __future__ import annotations

from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

from singer_program.errors import ProgramError
from tap_duckdb.types import JsonType, UnsupportedTypeError, json_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from duckdb import DuckDBPyConnection

T = TypeVar("T")

BATCH = 5_000
"""Rows held at a time; DuckDB streams the rest."""

_LOOK_UP = 0.1
"""Seconds after which a signal is handled that came while a query was waited for."""

_EXTRACTIONS = "_sdc_extractions"
"""The table in which `target-duckdb` keeps whose rows it has loaded."""


class SourceError(ProgramError):
    """The file cannot be read as the settings say; the message tells what to do."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    type: JsonType
    is_nullable: bool
    sql_type: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]

    def known_by(self, key: tuple[str, ...]) -> Table:
        """The same with this primary key, whose columns are then never null.

        Raises:
            SourceError: it has no such column.
        """
        names = [column.name for column in self.columns]
        if not key or not set(key) <= set(names):
            table = f"{self.schema}.{self.name}"
            message = f"setting `keys`: name some of the columns of {table}, which are {', '.join(names)}"
            raise SourceError(message)
        columns = (
            replace(column, is_nullable=column.is_nullable and column.name not in key) for column in self.columns
        )
        return replace(self, columns=tuple(columns), primary_key=key)

    def grown_by(self, name: str) -> Table:
        """The same with a column by which its rows are told from those that are added later; it is never null.

        Raises:
            SourceError: it has no such column.
        """
        names = [column.name for column in self.columns]
        if name not in names:
            table = f"{self.schema}.{self.name}"
            message = f"setting `bookmarks`: name one column of {table}, which has {', '.join(names)}"
            raise SourceError(message)
        columns = (
            replace(column, is_nullable=False) if column.name == name else column for column in self.columns
        )
        return replace(self, columns=tuple(columns))

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of a row."""
        properties = {
            column.name: column.type.nullable() if column.is_nullable else column.type.schema
            for column in self.columns
        }
        required = [column.name for column in self.columns if not column.is_nullable]
        return {"type": "object", "properties": properties, "required": required}


class Source:
    """A DuckDB file, open for reading only, in one transaction from the first look to the last row."""

    def __init__(self, path: str) -> None:
        if not Path(path).is_file():
            message = f"setting `path`: there is no file `{path}`; give it the DuckDB file, or build that first"
            raise SourceError(message)
        try:
            self._connection: DuckDBPyConnection = duckdb.connect(path, read_only=True)
            # DuckDB would draw the progress of a long query on standard output, between the records.
            self._connection.execute("SET enable_progress_bar = false")
            self._connection.execute("SET TimeZone = 'UTC'")
            self._connection.execute("BEGIN TRANSACTION")
        except duckdb.Error as error:
            message = f"setting `path`: `{path}` cannot be opened; {_remedy(error)} ({_first_line(error)})"
            raise SourceError(message) from error
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        # A daemon: a signal amid the start of any other leaves a process that waits for it for ever.
        Thread(target=self._work, name="query", daemon=True).start()

    def tables(self, schema: str, prefix: str) -> list[Table]:
        """The tables and views of a schema whose names begin with the prefix, and go on behind it.

        Raises:
            SourceError: If there is none, or one has a column that JSON cannot hold.
        """
        names = [
            name
            for (name,) in self._rows(
                "SELECT table_name FROM information_schema.tables"
                " WHERE table_catalog = current_database() AND table_schema = ? ORDER BY table_name",
                schema,
            )
        ]
        chosen = [name for name in names if name.startswith(prefix) and name != prefix]
        if chosen:
            return [self._table(schema, name) for name in chosen]
        if names:
            found = _listed(names)
            message = f"setting `prefix`: no table of the schema `{schema}` begins with `{prefix}`; it has {found}"
        else:
            schemas = [
                name
                for (name,) in self._rows(
                    "SELECT DISTINCT table_schema FROM information_schema.tables"
                    " WHERE table_catalog = current_database() ORDER BY 1"
                )
            ]
            found = _listed(schemas)
            message = f"setting `schema`: no table stands in a schema `{schema}`; schemas with tables: {found}"
        raise SourceError(message)

    def accounts(self) -> list[str]:
        """The accounts whose rows the file holds, as far as `target-duckdb`, which loaded them, was told.

        Raises:
            SourceError: If that cannot be read.
        """
        schemas = self._rows(
            "SELECT table_schema FROM information_schema.columns WHERE table_catalog = current_database()"
            " AND table_name = ? AND column_name = 'account'",
            _EXTRACTIONS,
        )
        try:
            found = {
                account
                for (schema,) in schemas
                for (account,) in self._rows(
                    f"SELECT DISTINCT account FROM {_quoted(schema)}.{_quoted(_EXTRACTIONS)}"  # noqa: S608  quoted
                    " WHERE account IS NOT NULL"
                )
            }
        except duckdb.Error as error:
            message = f"whose rows the file holds cannot be read: {_first_line(error)}"
            raise SourceError(message) from error
        return sorted(map(str, found))

    def rows(
        self, table: Table, columns: Sequence[Column], growing: str | None = None, after: object = None
    ) -> Iterator[dict[str, Any]]:
        """The rows of a table, in the order of its primary key if it has one, as values that msgspec writes.

        Args:
            table: Which.
            columns: Of them.
            growing: The column that later rows have more of; the rows come in its order.
            after: Only rows with more than this in it, where it is not None.

        Raises:
            SourceError: If the rows cannot be read, or a value cannot be written.
        """
        names = [column.name for column in columns]
        converters = [(column.name, column.type.convert) for column in columns if column.type.convert]
        selected = ", ".join(map(_quoted, names)) or "NULL"
        ordered = [*([growing] if growing else []), *table.primary_key]
        order = f" ORDER BY {', '.join(map(_quoted, ordered))}" if ordered else ""
        place = f"{_quoted(table.schema)}.{_quoted(table.name)}"
        condition, values_given = "", []
        if growing is not None and after is not None:
            [sql_type] = [column.sql_type for column in table.columns if column.name == growing]
            condition, values_given = f" WHERE {_quoted(growing)} > CAST(? AS {sql_type})", [str(after)]
        query = f"SELECT {selected} FROM {place}{condition}{order}"  # noqa: S608  quoted
        try:
            if growing is not None:
                self._refuse_null(place, growing)
            result = self._ended_by_a_signal(lambda: self._connection.execute(query, values_given))
            while batch := self._ended_by_a_signal(lambda: result.fetchmany(BATCH)):
                for values in batch:
                    row = dict(zip(names, values, strict=False))
                    for name, convert in converters:
                        if row[name] is not None:
                            row[name] = convert(row[name])
                    yield row
        except duckdb.Error as error:
            message = f"{table.schema}.{table.name} cannot be read: {_first_line(error)}"
            raise SourceError(message) from error
        except ValueError as error:
            message = f"{table.schema}.{table.name}.{name} has a value that cannot be written as JSON: {error}"
            raise SourceError(message) from error

    def _refuse_null(self, place: str, name: str) -> None:
        [(count,)] = self._rows(f"SELECT count(*) FROM {place} WHERE {_quoted(name)} IS NULL")  # noqa: S608  quoted
        if count:
            message = f"setting `bookmarks`: `{name}` is null in {count} rows of {place}, which would be lost"
            raise SourceError(message)

    def _ended_by_a_signal(self, call: Callable[[], T]) -> T:
        """What a call that may take long returns.

        In a thread of its own: while the main thread is in a query, DuckDB 2.0.1 lets no handler of a signal run.
        """
        answer: Future[T] = Future()

        def settle() -> None:
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(call())
                except BaseException as error:  # noqa: BLE001 - it is raised where the answer is waited for
                    answer.set_exception(error)

        try:
            self._calls.put(settle)
            # Looked up now and then: no signal that comes just before a wait begins ends it.
            while not wait([answer], _LOOK_UP).done:
                pass
        except (SystemExit, KeyboardInterrupt):
            # Again and again: a query that is about to begin does not know that it was interrupted.
            while not (answer.cancel() or answer.done()):
                self._connection.interrupt()
                wait([answer], _LOOK_UP)
            raise
        return answer.result()

    def _work(self) -> None:
        while True:
            self._calls.get()()

    def _table(self, schema: str, name: str) -> Table:
        nullable = dict(
            self._rows(
                "SELECT column_name, is_nullable = 'YES' FROM information_schema.columns"
                " WHERE table_catalog = current_database() AND table_schema = ? AND table_name = ?",
                schema,
                name,
            )
        )
        keys = self._rows(
            "SELECT constraint_column_names FROM duckdb_constraints() WHERE database_name = current_database()"
            " AND schema_name = ? AND table_name = ? AND constraint_type = 'PRIMARY KEY'",
            schema,
            name,
        )
        try:
            relation = self._connection.sql(f"FROM {_quoted(schema)}.{_quoted(name)}")
        except duckdb.Error as error:  # a view whose tables are gone
            message = f"{schema}.{name} cannot be read: {_first_line(error)}"
            raise SourceError(message) from error
        columns = []
        for column, duckdb_type in zip(relation.columns, relation.types, strict=True):
            try:
                columns.append(Column(column, json_type(duckdb_type), nullable[column], str(duckdb_type)))
            except UnsupportedTypeError as error:
                message = (
                    f"{schema}.{name}.{column} is a {duckdb_type}, and JSON cannot hold {error} values; "
                    "cast it in the model, for example to VARCHAR"
                )
                raise SourceError(message) from error
        return Table(schema, name, tuple(columns), tuple(keys[0][0]) if keys else ())

    def _rows(self, query: str, *parameters: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, parameters).fetchall()


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]


def _remedy(error: duckdb.Error) -> str:
    message = str(error)
    if "Could not set lock" in message:
        return "another process is writing it: wait for it, or end it"
    if "Permission denied" in message:
        return "make it readable"
    return f"it is damaged or was not written by DuckDB {duckdb.__version__}: build it again"
