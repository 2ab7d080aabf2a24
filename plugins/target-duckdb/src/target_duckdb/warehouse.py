"""The DuckDB file: its tables follow the streams, and what is written is committed whole or not at all.

Names go into the statements by `quoted`, values as parameters or in a registered table.
"""
# ruff: noqa: S608

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from singer_program.errors import ProgramError, one_line
from target_duckdb.columns import Kind, Layout, column_names, folded
from target_duckdb.extractions import Extraction, lacking
from target_duckdb.new_file import made
from target_duckdb.rows import EXTRACTED

Tell = Callable[[str], None]
Refuse = Callable[[str, str, str], None]
"""Takes the stream of a row that is refused, its key, and the reason."""

MEMORY = "384MB"
"""What DuckDB may take: rows that wait and Python's own come on top."""
EXTRACTED_AT, BATCHED_AT = "_sdc_extracted_at", "_sdc_batched_at"
EXTRACTIONS = "_sdc_extractions"
"""The table of the runs that are loaded."""
_OWN = (EXTRACTED_AT, BATCHED_AT)
_LOCKED = "Could not set lock"
_RETRY = 0.1
_STAGE = "stage"
_NUMBER = "n"
"""The column of the stage that numbers the rows."""
_INTEGERS = {f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")}


class WarehouseError(ProgramError):
    """The file cannot be written as it must be; the message tells what to do."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one stream under one layout: column n is its property n, the last one when a row was extracted."""

    layout: Layout
    batches: Sequence[pa.RecordBatch]


@dataclass(frozen=True, slots=True)
class Cast:
    """How a value that waits becomes one of its column.

    Attributes:
        expression: In SQL.
        unfit: Tells a value that does not, which makes the expression fail.
        changed: Tells a value that would silently become another.
        reason: Why such a value is refused.
    """

    expression: str
    unfit: str = ""
    changed: str = ""
    reason: str = ""


class Warehouse:
    """A DuckDB file that nobody else writes meanwhile."""

    def __init__(self, path: str, schema: str, lock_timeout: float, *, tell: Tell, refuse: Refuse) -> None:
        """Open the file, and make it if there is none.

        Args:
            path: The file.
            schema: Of its tables.
            lock_timeout: Seconds to wait for another process that has the file open.
            tell: Takes a line about what is waited for.
            refuse: Takes rows that cannot be held.

        Raises:
            WarehouseError: It cannot be opened.
        """
        self._path = path
        self._schema = schema
        self._refuse = refuse
        self._connection = _connected(path, lock_timeout, tell)
        with self._faults():
            self._connection.execute(f"SET memory_limit = '{MEMORY}'")
            self._connection.execute("SET enable_progress_bar = false")  # it would be drawn between STATE messages
            self._connection.execute("SET TimeZone = 'UTC'")
            self._connection.execute("SET preserve_insertion_order = false")
            self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")

    def interrupt(self) -> None:
        """End the statement that another thread runs, if there is one."""
        self._connection.interrupt()

    def close(self) -> None:
        """Close the file."""
        with suppress(duckdb.Error):
            self._connection.close()

    def check(self, told: Mapping[str, Extraction]) -> None:
        """Refuse a run that goes on from others of which the file holds nothing, or of another account.

        Args:
            told: What its STATE says, by stream.

        Raises:
            WarehouseError: It is such a run; nothing of it is loaded.
        """
        with self._faults():
            self._connection.execute(
                f"CREATE TABLE IF NOT EXISTS {self._extractions} (stream VARCHAR, begun VARCHAR, run BIGINT,"
                " account VARCHAR, PRIMARY KEY (stream, begun))"
            )
            rows = self._connection.execute(
                f"SELECT stream, begun, run, account FROM {self._extractions}"
            ).fetchall()
        others = {account for *_, account in rows if account is not None}
        mine = {each.account for each in told.values() if each.account is not None}
        if others and mine - others:
            message = (
                f"`{self._path}` holds rows of the account {' and '.join(sorted(others))}, and the tap"
                f" reads {' and '.join(sorted(mine))}: give that account a file of its own (setting `path`);"
                " nothing was loaded"
            )
            raise WarehouseError(message)
        if missing := lacking(told, {(stream, begun): run for stream, begun, run, _ in rows}):
            message = (
                f"`{self._path}` does not hold what the tap takes for loaded of {', '.join(missing)}: it"
                " was deleted, or put back to an older copy, while the state was kept. Remove the state, so that"
                " all is read anew (`meltano state clear`, or a run with `--full-refresh`), or put the file back;"
                " nothing was loaded"
            )
            raise WarehouseError(message)

    def remember(self, told: Mapping[str, Extraction]) -> None:
        """Keep which runs are loaded; called when their rows are committed.

        Raises:
            WarehouseError: It cannot be written.
        """
        values = [(stream, each.begun, each.run, each.account) for stream, each in told.items()]
        with self._faults():
            self._connection.executemany(f"INSERT OR REPLACE INTO {self._extractions} VALUES (?, ?, ?, ?)", values)

    @property
    def _extractions(self) -> str:
        return f"{quoted(self._schema)}.{quoted(EXTRACTIONS)}"

    def write(self, parts: Sequence[Rows]) -> None:
        """Commit rows of several streams together: a row replaces that of its key, a later one an earlier.

        A table is made, and given columns, before; that much stays if the rows are not committed.

        Raises:
            WarehouseError: They cannot be written, or a table cannot follow its stream; none of them is.
        """
        with self._faults():
            tables = [(self._table(rows.layout), rows) for rows in parts]
            loads = [
                (table, self._without(table.changed, table, _staged(rows)))
                for table, rows in tables
                if rows.batches
            ]
            try:
                self._commit(loads)
            except (duckdb.DataError, duckdb.InvalidInputException):
                fit = [(table, self._without(table.unfit, table, stage)) for table, stage in loads]
                if all(one.num_rows == other.num_rows for (_, one), (_, other) in zip(loads, fit, strict=True)):
                    raise
                self._commit(fit)

    def _commit(self, loads: Sequence[tuple[_Table, pa.Table]]) -> None:
        batched = datetime.now(UTC).replace(tzinfo=None)
        self._connection.execute("BEGIN TRANSACTION")
        try:
            for table, stage in loads:
                self._upsert(table, stage, batched)
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(duckdb.Error):
                self._connection.execute("ROLLBACK")
            raise

    def _upsert(self, table: _Table, stage: pa.Table, batched: datetime) -> None:
        with self._registered(stage):
            rows = self._last_of_each_key(table, stage)
        with self._registered(rows):
            if table.keys and self._rows(f"SELECT 1 FROM {table.name} LIMIT 1"):
                chosen = ", ".join(f"{cast.expression} AS k{n}" for n, (_, cast) in enumerate(table.keys))
                same = " AND ".join(f"held.{quoted(name)} = given.k{n}" for n, (name, _) in enumerate(table.keys))
                self._connection.execute(
                    f"DELETE FROM {table.name} AS held"
                    f" USING (SELECT DISTINCT {chosen} FROM {_STAGE}) AS given WHERE {same}"
                )
            names = ", ".join(quoted(name) for name, _ in table.columns)
            values = ", ".join(cast.expression for _, cast in table.columns)
            self._connection.execute(
                f"INSERT INTO {table.name} ({names}, {quoted(BATCHED_AT)}) SELECT {values}, ? FROM {_STAGE}",
                [batched],
            )

    def _last_of_each_key(self, table: _Table, stage: pa.Table) -> pa.Table:
        """The rows of the stage, of each key the last one; without a key, all."""
        if not table.keys:
            return stage
        keys = ", ".join(cast.expression for _, cast in table.keys)
        [(distinct,)] = self._rows(f"SELECT count(*) FROM (SELECT DISTINCT {keys} FROM {_STAGE})")
        if distinct == stage.num_rows:
            return stage
        kept = self._rows(f"SELECT max({_NUMBER}) FROM {_STAGE} GROUP BY {keys} ORDER BY 1")
        return stage.take(pa.array([number for (number,) in kept]))

    def _without(self, faults: Sequence[tuple[str, str]], table: _Table, stage: pa.Table) -> pa.Table:
        """The rows of the stage that have none of the faults; every other one is refused."""
        refused: dict[int, str] = {}
        for condition, reason in faults:
            with self._registered(stage):
                found = self._rows(f"SELECT {_NUMBER} FROM {_STAGE} WHERE {condition} ORDER BY 1")
            refused |= {number: reason for (number,) in found if number not in refused}
        if not refused:
            return stage
        numbers = sorted(refused)
        keys = stage.take(pa.array(numbers)).select([f"c{n}" for n, _ in table.key_names]).to_pylist()
        names = [name for _, name in table.key_names]
        for number, values in zip(numbers, keys, strict=True):
            key = json.dumps(dict(zip(names, values.values(), strict=True)))[:200] if names else ""
            self._refuse(table.stream, f"key {key}" if key else "no key", refused[number])
        left = [number for number in range(stage.num_rows) if number not in refused]
        return _numbered(stage.drop_columns([_NUMBER]).take(pa.array(left, pa.int64())))

    def _table(self, layout: Layout) -> _Table:
        """The table of a stream, made or changed so that it holds what the layout declares.

        Raises:
            WarehouseError: It cannot.
        """
        found = self._rows(
            "SELECT table_name, column_name, data_type FROM duckdb_columns()"
            " WHERE database_name = current_database()"
            f" AND {_sql_folded('schema_name')} = ? AND {_sql_folded('table_name')} = ? ORDER BY column_index",
            folded(self._schema),
            folded(layout.stream),
        )
        table = f"{quoted(self._schema)}.{quoted(found[0][0] if found else layout.stream)}"
        held = {name: kind for _, name, kind in found}
        names = column_names([each.name for each in layout.properties], list(held), _OWN)
        columns = {names[each.name]: each for each in layout.properties}
        wanted = {name: each.kind.value for name, each in columns.items()} | dict.fromkeys(_OWN, Kind.TIME.value)
        if not held:
            columns_sql = ", ".join(
                f"{quoted(name)} {kind}{_STORED.get(kind, '')}" for name, kind in wanted.items()
            )
            self._connection.execute(f"CREATE TABLE {table} ({columns_sql})")
            held = wanted
        own = {folded(name) for name in held}
        for name, kind in wanted.items():
            if name not in held and folded(name) not in own:
                self._connection.execute(f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {kind}")
                held[name] = kind
        for name, each in columns.items():
            held[name] = self._widened(table, layout.stream, name, held[name], each.kind)
        casts = {name: cast_of(f"c{n}", each.kind, held[name]) for n, (name, each) in enumerate(columns.items())}
        numbers = {each.name: n for n, each in enumerate(layout.properties)}
        return _Table(
            stream=layout.stream,
            name=table,
            columns=[*casts.items(), (EXTRACTED_AT, _EXTRACTED)],
            keys=[(names[key], casts[names[key]]) for key in layout.keys],
            key_names=[(numbers[key], key) for key in layout.keys],
            unfit=[
                (cast.unfit, f"`{each.name}` {cast.reason}")
                for cast, each in zip(casts.values(), columns.values(), strict=True)
                if cast.unfit
            ],
            changed=[
                (cast.changed, f"`{each.name}` {cast.reason}")
                for cast, each in zip(casts.values(), columns.values(), strict=True)
                if cast.changed
            ],
        )

    def _widened(self, table: str, stream: str, name: str, held: str, kind: Kind) -> str:
        """The type of a column once it can hold what its property declares.

        Raises:
            WarehouseError: No type holds that, and everything the column holds already.
        """
        if (held, kind) in _HELD_AS_IT_IS:
            return held
        column, wanted = quoted(name), kind.value
        whole = held in _INTEGERS or held == Kind.INTEGER
        using = {
            Kind.INTEGER: column if whole else "",
            Kind.NUMBER: column if whole or held == "FLOAT" else "",
            Kind.TEXT: f"CAST({column} AS VARCHAR)" if whole else "",
            Kind.JSON: f"to_json({column})" if whole or held in {*_SCALARS, "FLOAT"} else "",
        }.get(kind, "")
        if using and whole and kind is Kind.NUMBER:
            back = f"TRY_CAST(CAST({column} AS DOUBLE) AS HUGEINT)"
            if self._rows(
                f"SELECT 1 FROM {table} WHERE {back} IS DISTINCT FROM {column} AND {column} IS NOT NULL LIMIT 1"
            ):
                using = ""
        if not using:
            message = (
                f"the stream `{stream}` now declares {_TOLD[kind]} in the column `{name}`, which holds {held}: no"
                f" value is changed to fit. Correct the tap, or rename the column of {table} and read it anew"
            )
            raise WarehouseError(message)
        self._connection.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET DATA TYPE {wanted} USING {using}")
        return wanted

    @contextmanager
    def _registered(self, stage: pa.Table) -> Iterator[None]:
        self._connection.register(_STAGE, stage)
        try:
            yield
        finally:
            with suppress(duckdb.Error):
                self._connection.unregister(_STAGE)

    def _rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, parameters or None).fetchall()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Tell an error of DuckDB in one line, with what to do."""
        try:
            yield
        except duckdb.Error as error:
            message = f"`{self._path}` cannot be written: {_remedy(error)} ({_first_line(error)})"
            raise WarehouseError(message) from error


@dataclass(frozen=True, slots=True)
class _Table:
    """A table, and how the rows of its stream become its rows.

    Attributes:
        stream: The stream.
        name: The table in SQL.
        columns: Each column, and what goes into it.
        keys: Those that identify a row.
        key_names: The number of each property of the key, and its name.
        unfit: Conditions under which a row cannot be held, and why.
        changed: Conditions under which a row would be changed, and why.
    """

    stream: str
    name: str
    columns: Sequence[tuple[str, Cast]]
    keys: Sequence[tuple[str, Cast]]
    key_names: Sequence[tuple[int, str]]
    unfit: Sequence[tuple[str, str]]
    changed: Sequence[tuple[str, str]]


_STORED = {Kind.JSON.value: " USING COMPRESSION zstd"}
"""How documents are kept: in half the room of DuckDB's choice, written in less time and read in the same."""
_SCALARS = (Kind.TEXT.value, Kind.INTEGER.value, Kind.NUMBER.value, Kind.BOOLEAN.value)
_WITH_ZONE = "TIMESTAMP WITH TIME ZONE"
_HELD_AS_IT_IS = {
    *((kind.value, kind) for kind in Kind),
    *((Kind.JSON.value, kind) for kind in Kind),
    (Kind.NUMBER.value, Kind.INTEGER),
    (_WITH_ZONE, Kind.TIME),
}
"""Types of columns with what they hold without being changed."""
_TOLD = {
    Kind.TEXT: "texts",
    Kind.JSON: "documents, or values of several types,",
    Kind.INTEGER: "whole numbers",
    Kind.NUMBER: "numbers",
    Kind.BOOLEAN: "booleans",
    Kind.TIME: "times",
}


def cast_of(value: str, kind: Kind, held: str) -> Cast:
    """How a value becomes one of a column.

    Args:
        value: The value in SQL.
        kind: What it is.
        held: The column's type, one that holds it.
    """
    if kind is Kind.TIME and held != Kind.JSON:
        # By way of a time with a zone: the cast of a text to TIMESTAMP ignores the zone in it.
        timed = f"TRY_CAST({value} AS {_WITH_ZONE})"
        cast = f"CAST(CAST({value} AS {_WITH_ZONE}) AS {held})"
        return Cast(cast, f"{value} IS NOT NULL AND {timed} IS NULL", reason="is a time that does not exist")
    if kind is Kind.JSON:
        unfit = f"{value} IS NOT NULL AND TRY_CAST({value} AS JSON) IS NULL"
        return Cast(
            f"CAST({value} AS JSON)", unfit, reason="is JSON that DuckDB cannot read; let the tap write it as text"
        )
    if kind is Kind.INTEGER:
        whole = f"TRY_CAST({value} AS HUGEINT)"
        unfit = f"{value} IS NOT NULL AND {whole} IS NULL"
        reason = (
            "is beyond the range of whole numbers, or of those that a DOUBLE holds; let the tap declare a string"
        )
        if held == Kind.NUMBER:
            back = f"TRY_CAST(TRY_CAST({whole} AS DOUBLE) AS HUGEINT)"
            changed = f"{value} IS NOT NULL AND {back} IS DISTINCT FROM {whole}"
            return Cast(f"CAST(CAST({value} AS HUGEINT) AS DOUBLE)", unfit, changed, reason)
        cast = f"CAST({value} AS HUGEINT)"
        return Cast(f"to_json({cast})" if held == Kind.JSON else cast, unfit, reason=reason)
    return Cast(f"to_json({value})" if held == Kind.JSON else value)


_EXTRACTED = Cast(f"CAST(TRY_CAST({EXTRACTED} AS {_WITH_ZONE}) AS TIMESTAMP)")


def _staged(rows: Rows) -> pa.Table:
    """The rows as one table, with a number each.

    Whole numbers are texts in a batch that has some of more than 64 bits, and then in all of the table.
    """
    schemas = [batch.schema for batch in rows.batches]
    texts = [n for n in range(len(schemas[0])) if len({schema.types[n] for schema in schemas}) > 1]
    schema = schemas[0]
    for n in texts:
        schema = schema.set(n, pa.field(schema.names[n], pa.string()))
    table = pa.concat_tables([pa.table(batch).cast(schema) for batch in rows.batches]) if texts else None
    return _numbered(pa.Table.from_batches(rows.batches) if table is None else table)


def _numbered(table: pa.Table) -> pa.Table:
    return table.append_column(_NUMBER, pa.array(range(table.num_rows), pa.int64()))


def quoted(identifier: str) -> str:
    """An identifier in SQL."""
    return '"' + identifier.replace('"', '""') + '"'


_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"


def _sql_folded(column: str) -> str:
    """A name in the catalogue as `folded` makes it."""
    return f"translate({column}, '{_UPPER}', '{_LOWER}')"


def _connected(path: str, patience: float, tell: Tell) -> duckdb.DuckDBPyConnection:
    """A connection to the file, once no other process has it open.

    Raises:
        WarehouseError: There is none.
    """
    until = time.monotonic() + patience
    told = False
    while True:
        ready = True
        try:
            ready = made(path)
            return duckdb.connect(path)
        except (duckdb.Error, OSError) as error:
            if ready and _LOCKED not in str(error):
                message = f"setting `path`: `{path}` cannot be opened: {_remedy(error)} ({_first_line(error)})"
                raise WarehouseError(message) from error
            if time.monotonic() >= until:
                message = (
                    f"`{path}` is still open in {_holder(error)} after {patience:g} s (setting `lock_timeout`):"
                    " wait until that has ended, or end it, and run this again; nothing was loaded"
                )
                raise WarehouseError(message) from error
            if not told:
                tell(f"`{path}` is open in {_holder(error)}: waiting up to {patience:g} s for it to be closed")
                told = True
        time.sleep(_RETRY)


def _holder(error: Exception) -> str:
    found = re.search(r"held in (.*? \(PID \d+\))", str(error))
    return found[1] if found else "another process"


def _first_line(error: Exception) -> str:
    return one_line(str(error).splitlines()[0])[:300]


_REMEDIES: Mapping[str, str] = {
    "No space left": "the disk is full; make room and run this again",
    "Disk quota": "the disk quota is used up; make room and run this again",
    "File too large": "the file may not grow any further; raise the limit and run this again",
    "Out of Memory": "the rows need more memory than is allowed; lower `batch_bytes`",
    "No such file or directory": "its folder does not exist; make it, or correct the setting `path`",
    "Permission denied": "make the file and its folder writable",
    "newer version": "it was written by a newer DuckDB; install that version",
    "not a valid DuckDB": "it is no DuckDB file; correct the setting `path`",
}


def _remedy(error: Exception) -> str:
    return next((told for part, told in _REMEDIES.items() if part in str(error)), "see what DuckDB says")
