"""Where the results are read from. Another warehouse is another class with these two methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self

import duckdb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

Row = tuple[Any, ...]


class ReportError(Exception):
    """The results cannot be read; the message tells what to do."""


class Warehouse(Protocol):
    """Tables of one schema. Everything a warehouse raises is a `ReportError` with a remedy."""

    def tables(self) -> Mapping[str, frozenset[str]]:
        """The columns of each table of the schema, in lower case."""

    def read(self, table: str, columns: Sequence[str]) -> list[Row]:
        """All rows of a table, in any order; only names that `tables` gave."""


class DuckDB:
    """A DuckDB file. Others may read it at the same time.

    Raises:
        ReportError: If there is no such file, or it cannot be opened.
    """

    def __init__(self, path: Path, schema: str) -> None:
        if not path.is_file():
            message = f"there is no warehouse `{path}`; give the DuckDB file with --warehouse, or build it first"
            raise ReportError(message)
        self._path, self._schema = path, schema
        try:
            self._connection = duckdb.connect(str(path), read_only=True)
            # DuckDB would draw the progress of a long query on standard output.
            self._connection.execute("SET enable_progress_bar = false")
        except duckdb.Error as error:
            raise self._failed(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def tables(self) -> Mapping[str, frozenset[str]]:
        """See `Warehouse`."""
        found: dict[str, set[str]] = {}
        for table, column in self._fetch(
            "SELECT lower(table_name), lower(column_name) FROM information_schema.columns"
            " WHERE lower(table_schema) = lower(?)",
            self._schema,
        ):
            found.setdefault(table, set()).add(column)
        return {table: frozenset(columns) for table, columns in found.items()}

    def read(self, table: str, columns: Sequence[str]) -> list[Row]:
        """See `Warehouse`."""
        listed = ", ".join(map(_quoted, columns))
        return self._fetch(f"SELECT {listed} FROM {_quoted(self._schema)}.{_quoted(table)}")  # noqa: S608  quoted

    def _fetch(self, query: str, *values: str) -> list[Row]:
        try:
            return self._connection.execute(query, values).fetchall()
        except duckdb.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: duckdb.Error) -> ReportError:
        busy = "Could not set lock" in str(error)
        remedy = (
            "another process is writing it, wait for it" if busy else "it is no sound DuckDB file of this version"
        )
        return ReportError(f"`{self._path}` cannot be read; {remedy} ({str(error).splitlines()[0]})")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
