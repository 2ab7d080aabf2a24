"""Exposures are read from a DuckDB file, or any warehouse by dbt: never more than a part of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from exposure_export.hours import HOUR, Window
from exposure_export.manifest import Source
from exposure_export.rows import READ, read_batch, vars_of
from singer_program.errors import ProgramError
from singer_program.warehouse import DuckDB, Printed, printed_by_dbt, said_by_dbt, value_told

TABLE = "fct_exposures"
CONTENTS = "fct_exposure_contents"
_CONTENT = ("copy_id", "subject", "html", "text")
_BATCH = 4_096
"""Rows of a record batch."""
_NOT_BUILT = "is not there: build it with `dbt build --selector exposures`"


class Piece(NamedTuple):
    """What is read at once: whole hours, or a part of the rows of one.

    Attributes:
        hours: The hours.
        part: Which part, from 0.
        parts: Of how many.
    """

    hours: tuple[datetime, ...]
    part: int = 0
    parts: int = 1


class Exposures(Protocol):
    """Reads exposures. Everything that goes wrong in the warehouse is a `ProgramError` with a remedy."""

    def hours(self, window: Window) -> Mapping[datetime, Source]:
        """What the table says of each hour that it has rows of."""

    def contents(self) -> Mapping[str, str]:
        """What stands in `vars`, by `copy_id`."""

    def batches(self, hours: Mapping[datetime, Source]) -> Iterator[Any]:
        """The rows of some hours as record batches with the columns `READ`, one hour after the other.

        Args:
            hours: What the table said of each.
        """


def pieces(hours: Mapping[datetime, Source], most: int, *, is_divided: bool) -> Iterator[Piece]:
    """Hours in an order of which each piece holds so many rows at most.

    Args:
        hours: What the table said of each.
        most: Rows of a piece.
        is_divided: Whether an hour with more of them is read in parts; else it is a piece by itself.
    """
    taken: list[datetime] = []
    rows = 0
    for hour in sorted(hours):
        if taken and rows + hours[hour].rows > most:
            yield Piece(tuple(taken))
            taken, rows = [], 0
        if is_divided and hours[hour].rows > most:
            parts = -(-hours[hour].rows // most)
            yield from (Piece((hour,), part, parts) for part in range(parts))
            continue
        taken.append(hour)
        rows += hours[hour].rows
    if taken:
        yield Piece(tuple(taken))


def _contents(rows: Iterable[Sequence[Any]]) -> Mapping[str, str]:
    return {copy_id: vars_of(*parts) for copy_id, *parts in rows}


class OfDuckDB:
    """Exposures in a DuckDB file.

    Args:
        database: The file.

    Raises:
        ProgramError: they are not there.
    """

    _ROWS = 1_000_000
    """Of a piece, which is sorted; what does not fit into memory is put beside the file."""

    def __init__(self, database: DuckDB) -> None:
        self._database = database
        tables = database.tables()
        for table, columns in ((TABLE, {*READ, "row_hash", "exposed_in_hour"}), (CONTENTS, {*_CONTENT})):
            if not columns <= tables.get(table, frozenset()):
                message = f"`{table}` {_NOT_BUILT}"
                raise ProgramError(message)
        self._place = database.place(TABLE)

    def hours(self, window: Window) -> Mapping[datetime, Source]:
        """See `Exposures`."""
        start = f" AND exposed_at >= {_timestamp(window.start)}" if window.start else ""
        query = (
            f"SELECT exposed_in_hour, count(*), cast(sum(row_hash) AS bigint) FROM {self._place}"  # noqa: S608
            f" WHERE exposed_at < {_timestamp(window.end)}{start} GROUP BY exposed_in_hour"
        )
        found: dict[datetime, Source] = {}
        for batch in self._database.batches(query):
            for hour, rows, total in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                found[hour.replace(tzinfo=UTC)] = Source(rows, total)
        return found

    def contents(self) -> Mapping[str, str]:
        """See `Exposures`."""
        return _contents(self._database.read(CONTENTS, _CONTENT))

    def batches(self, hours: Mapping[datetime, Source]) -> Iterator[Any]:
        """See `Exposures`."""
        listed = ", ".join("CAST(attrs AS varchar) AS attrs" if name == "attrs" else name for name in READ)
        for piece in pieces(hours, self._ROWS, is_divided=False):
            # Two conditions: by the first, days that are not asked for are not even read.
            first, end = _timestamp(piece.hours[0]), _timestamp(piece.hours[-1] + HOUR)
            query = (
                f"SELECT {listed} FROM {self._place}"  # noqa: S608
                f" WHERE exposed_at >= {first} AND exposed_at < {end}"
                f" AND exposed_in_hour IN ({', '.join(map(_timestamp, piece.hours))})"
                " ORDER BY exposed_at, exposure_id"
            )
            yield from self._database.batches(query, _BATCH)


class OfDbt:
    """Exposures in whatever warehouse dbt's target is.

    Args:
        program: The command `dbt`.
        project: The folder of the project.
    """

    _ROWS = 100_000
    """Of a piece, which dbt holds as a whole."""

    def __init__(self, program: Path, project: Path) -> None:
        self._program, self._project = program, project

    def hours(self, window: Window) -> Mapping[datetime, Source]:
        """See `Exposures`."""
        start = _moment(window.start) if window.start else None
        said = self._say("print_exposure_hours", {"start": start, "end": _moment(window.end)})
        return {
            (hour if hour.tzinfo else hour.replace(tzinfo=UTC)): Source(int(rows), int(total))
            for hour, rows, total in said
        }

    def contents(self) -> Mapping[str, str]:
        """See `Exposures`."""
        printed = Printed(printed_by_dbt(self._program, self._project, [CONTENTS]))
        if not {*_CONTENT} <= printed.tables().get(CONTENTS, frozenset()):
            message = f"`{CONTENTS}` {_NOT_BUILT}"
            raise ProgramError(message)
        return _contents(printed.read(CONTENTS, _CONTENT))

    def batches(self, hours: Mapping[datetime, Source]) -> Iterator[Any]:
        """See `Exposures`."""
        asked = [
            {"hours": [_moment(hour) for hour in piece.hours], "part": piece.part, "parts": piece.parts}
            for piece in pieces(hours, self._ROWS, is_divided=True)
        ]
        if not asked:
            return
        rows: list[tuple[Any, ...]] = []
        for row in self._say("print_exposures", {"pieces": asked, "columns": list(READ)}):
            rows.append(tuple(row))
            if len(rows) == _BATCH:
                yield read_batch(rows)
                rows = []
        yield read_batch(rows)

    def _say(self, operation: str, arguments: Mapping[str, object]) -> Iterator[Sequence[Any]]:
        """The rows of the lines that an operation prints."""
        for line in said_by_dbt(self._program, self._project, operation, arguments):
            if not line.startswith(b'{"exposures":'):  # what else dbt has to say
                continue
            for row in msgspec.json.decode(line)["exposures"]:
                yield [value_told(value) for value in row]


def _moment(hour: datetime) -> str:
    return hour.strftime("%Y-%m-%d %H:%M:%S")


def _timestamp(hour: datetime) -> str:
    return f"TIMESTAMP '{_moment(hour)}'"
