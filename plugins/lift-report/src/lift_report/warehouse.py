"""Where the results are read from: a DuckDB file, or any warehouse by way of dbt."""

from __future__ import annotations

import json
import subprocess
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol, Self

import duckdb

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

Row = tuple[Any, ...]


class ReportError(Exception):
    """The results cannot be read; the message tells what to do."""


class Warehouse(Protocol):
    """The tables of results and definitions. Everything a warehouse raises is a `ReportError` with a remedy."""

    def tables(self) -> Mapping[str, frozenset[str]]:
        """The columns of each table, in lower case."""

    def read(self, table: str, columns: Sequence[str]) -> list[Row]:
        """All rows of a table, in any order; only names that `tables` gave."""


class DuckDB:
    """A DuckDB file. Others may read it at the same time.

    Args:
        path: Of the file.
        schema: Of the results.
        definitions: The schema of the definitions. A table that both schemas have is that of the results.

    Raises:
        ReportError: If there is no such file, or it cannot be opened.
    """

    def __init__(self, path: Path, schema: str, definitions: str = "staging") -> None:
        if not path.is_file() or not path.stat().st_size:  # empty: whoever was making it was killed
            message = f"there is no warehouse `{path}`; give the DuckDB file with --warehouse, or build it first"
            raise ReportError(message)
        self._path, self._schemas = path, (definitions.lower(), schema.lower())
        self._schema_of: dict[str, str] = {}
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
        found: dict[tuple[str, str], set[str]] = {}
        for schema, table, column in self._fetch(
            "SELECT lower(table_schema), lower(table_name), lower(column_name) FROM information_schema.columns"
            " WHERE lower(table_schema) IN (?, ?)",
            *self._schemas,
        ):
            found.setdefault((schema, table), set()).add(column)
        in_order = sorted(found, key=lambda place: (self._schemas.index(place[0]), place[1]))
        self._schema_of = {table: schema for schema, table in in_order}
        return {table: frozenset(found[schema, table]) for table, schema in self._schema_of.items()}

    def read(self, table: str, columns: Sequence[str]) -> list[Row]:
        """See `Warehouse`."""
        listed = ", ".join(map(_quoted, columns))
        place = f"{_quoted(self._schema_of[table])}.{_quoted(table)}"
        return self._fetch(f"SELECT {listed} FROM {place}")  # noqa: S608  quoted

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


class Printed:
    """What the macro `print_results` of the dbt project printed, from whatever warehouse its target is."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._tables = {table["table"]: table for line in lines if (table := _table_of(line)) is not None}

    def tables(self) -> Mapping[str, frozenset[str]]:
        """See `Warehouse`."""
        return {name: frozenset(map(str.lower, table["columns"])) for name, table in self._tables.items()}

    def read(self, table: str, columns: Sequence[str]) -> list[Row]:
        """See `Warehouse`."""
        places = {column.lower(): place for place, column in enumerate(self._tables[table]["columns"])}
        chosen = [places[column] for column in columns]
        return [tuple(_value(row[place]) for place in chosen) for row in self._tables[table]["rows"]]


def printed_by_dbt(program: Path, project: Path, models: Iterable[str]) -> list[bytes]:
    """Have dbt print the rows of models.

    Args:
        program: The command `dbt`. Its target and its secrets are those of the environment.
        project: The folder of the project, with its profiles.yml.
        models: Names; those that are not built are left out.

    Raises:
        ReportError: If dbt cannot be run, or fails.
    """
    asked = json.dumps({"models": sorted(models)})
    folders = ("--project-dir", str(project), "--profiles-dir", str(project))
    command = (str(program), "--quiet", "run-operation", "print_results", "--args", asked, *folders)
    try:
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - no shell
    except OSError as error:
        message = f"`{program}` cannot be run: {error.strerror}; give the command of dbt with --dbt"
        raise ReportError(message) from error
    if done.returncode:
        said = [line.strip() for line in (done.stdout + done.stderr).decode(errors="replace").splitlines()]
        reason = next((line for line in reversed(said) if line), f"it ended with {done.returncode}")
        message = f"dbt cannot read the results: {reason}; try its connection with `{program} debug`"
        raise ReportError(message)
    return done.stdout.splitlines()


def _table_of(line: bytes) -> Mapping[str, Any] | None:
    """The table that a line tells of; none of a line with something else that dbt had to say."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.keys() >= {"table", "columns", "rows"} else None


def _value(told: Any) -> Any:  # noqa: ANN401  whatever the warehouse holds
    match told:
        case {"number": text}:
            return int(text) if text.removeprefix("-").isdecimal() else float(text)
        case {"time": text}:
            return datetime.fromisoformat(text) if len(text) > len("2026-01-31") else date.fromisoformat(text)
        case _:
            return told


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
