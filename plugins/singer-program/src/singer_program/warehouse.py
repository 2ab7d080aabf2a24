"""What dbt built is read from a DuckDB file, or any warehouse by way of dbt. Needs the extra `warehouse`."""

from __future__ import annotations

import json
import subprocess
import tempfile
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol, Self

import duckdb

from singer_program.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

Row = tuple[Any, ...]


class Warehouse(Protocol):
    """The tables of results and definitions. Everything a warehouse raises is a `ProgramError` with a remedy."""

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
        memory: What DuckDB may hold, as it writes sizes: of what it read, it would keep most of what the machine
            has. What is sorted beyond that is put beside the file.

    Raises:
        ProgramError: If there is no such file, or it cannot be opened.
    """

    def __init__(
        self, path: Path, schema: str, definitions: str = "staging", *, memory: str | None = None
    ) -> None:
        if not path.is_file() or not path.stat().st_size:  # empty: whoever was making it was killed
            message = f"there is no warehouse `{path}`; name the DuckDB file, or build it first"
            raise ProgramError(message)
        self._path, self._schemas = path, (definitions.lower(), schema.lower())
        self._schema_of: dict[str, str] = {}
        try:
            self._connection = duckdb.connect(str(path), read_only=True)
            # DuckDB would draw the progress of a long query on standard output.
            self._connection.execute("SET enable_progress_bar = false")
            if memory is not None:
                self._connection.execute("SET memory_limit = ?", [memory])
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
        return self._fetch(f"SELECT {listed} FROM {self.place(table)}")  # noqa: S608  quoted

    def place(self, table: str) -> str:
        """A table that `tables` gave, as SQL writes it."""
        return f"{_quoted(self._schema_of[table])}.{_quoted(table)}"

    def batches(self, query: str, rows: int = 50_000) -> Iterator[Any]:
        """The answer to a query as record batches of Arrow, of so many rows at most; it is never held as a whole.

        Args:
            query: The query, with its values in it: with parameters, DuckDB would hold the answer.
            rows: Of a batch.

        Raises:
            ProgramError: If the query fails.
        """
        try:
            yield from self._connection.sql(query).to_arrow_reader(rows)
        except duckdb.Error as error:
            raise self._failed(error) from error

    def _fetch(self, query: str, *values: str) -> list[Row]:
        try:
            return self._connection.execute(query, values).fetchall()
        except duckdb.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: duckdb.Error) -> ProgramError:
        busy = "Could not set lock" in str(error)
        remedy = (
            "another process is writing it, wait for it" if busy else "it is no sound DuckDB file of this version"
        )
        return ProgramError(f"`{self._path}` cannot be read; {remedy} ({str(error).splitlines()[0]})")


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
        return [tuple(value_told(row[place]) for place in chosen) for row in self._tables[table]["rows"]]


def printed_by_dbt(program: Path, project: Path, models: Iterable[str]) -> list[bytes]:
    """Have dbt print the rows of models.

    Args:
        program: The command `dbt`. Its target and its secrets are those of the environment.
        project: The folder of the project, with its profiles.yml.
        models: Names; those that are not built are left out.

    Raises:
        ProgramError: If dbt cannot be run, or fails.
    """
    return list(said_by_dbt(program, project, "print_results", {"models": sorted(models)}))


def said_by_dbt(program: Path, project: Path, operation: str, arguments: Mapping[str, object]) -> Iterator[bytes]:
    """Have dbt run an operation, and take the lines that it prints as they come.

    Args:
        program: The command `dbt`. Its target and its secrets are those of the environment.
        project: The folder of the project, with its profiles.yml.
        operation: The macro.
        arguments: Of the macro.

    Raises:
        ProgramError: If dbt cannot be run, or fails, which may be after some of the lines. No line that is a JSON
            object is told: it may hold what was asked for.
    """
    folders = ("--project-dir", str(project), "--profiles-dir", str(project))
    command = (str(program), "--quiet", "run-operation", operation, "--args", json.dumps(arguments), *folders)
    last = b""
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)  # noqa: S603 - no shell
        except OSError as error:
            message = f"`{program}` cannot be run: {error.strerror}; name the command of dbt"
            raise ProgramError(message) from error
        with process:
            try:
                for line in process.stdout or ():
                    last = line if line.strip() and not line.lstrip().startswith(b"{") else last
                    yield line
            except BaseException:
                process.kill()  # nobody takes what it would say
                raise
        if process.returncode:
            errors.seek(0)
            said = [line.strip() for line in (last + errors.read()).decode(errors="replace").splitlines()]
            reason = next((line for line in reversed(said) if line), f"it ended with {process.returncode}")
            message = f"dbt cannot read the warehouse: {reason}; try its connection with `{program} debug`"
            raise ProgramError(message)


def _table_of(line: bytes) -> Mapping[str, Any] | None:
    """The table that a line tells of; none of a line with something else that dbt had to say."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.keys() >= {"table", "columns", "rows"} else None


def value_told(told: Any) -> Any:  # noqa: ANN401  whatever the warehouse holds
    """A value as the macro `lf_told_value` writes it."""
    match told:
        case {"number": text}:
            return int(text) if text.removeprefix("-").isdecimal() else float(text)
        case {"time": text}:
            return datetime.fromisoformat(text) if len(text) > len("2026-01-31") else date.fromisoformat(text)
        case _:
            return told


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
