"""A run: which hours have changed, and what takes their place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from exposure_export.folder import Folder
from exposure_export.hours import Window, hour_of, in_a_row, text_of
from exposure_export.manifest import DATA, Source
from exposure_export.rows import by_hour, without, written

if TYPE_CHECKING:
    from exposure_export.source import Exposures
    from exposure_export.stores import Store

_ROW_GROUP = 65_536
_DICTIONARY_BYTES = 64 << 20
"""Of a column's distinct values: as far as these go, each is written once. Contents are long, and few."""


class LeftOut(NamedTuple):
    """People whose rows are left out.

    Attributes:
        holds: Whether a profile is one of them.
        digest: What tells these lists from others.
    """

    holds: Callable[[str], bool]
    digest: str


@dataclass
class Outcome:
    """What a run did.

    Attributes:
        written: Hours whose file is new.
        removed: Hours that had become empty.
        kept: Hours that were as they should be.
        rows: Rows of what was written.
        faults: What could not be done: a line each.
    """

    written: list[datetime] = field(default_factory=list)
    removed: list[datetime] = field(default_factory=list)
    kept: int = 0
    rows: int = 0
    faults: list[str] = field(default_factory=list)

    def as_text(self, address: str) -> str:
        """In a line."""
        parts = [f"{self.rows} rows of {len(self.written)} hours written"]
        parts[0] += f" ({in_a_row(self.written)})" if self.written else ""
        parts += [f"{len(self.removed)} hours removed ({in_a_row(self.removed)})"] if self.removed else []
        return f"{', '.join([*parts, f'{self.kept} as they were'])}: {address}"

    def as_json(self, address: str) -> str:
        """As a JSON object."""
        told = {
            "destination": address,
            "written": [text_of(hour) for hour in self.written],
            "removed": [text_of(hour) for hour in self.removed],
            "kept": self.kept,
            "rows": self.rows,
        }
        return msgspec.json.encode(told).decode()


def export(
    exposures: Exposures,
    store: Store,
    asked: Window | timedelta | None,
    now: Callable[[], datetime],
    left_out: LeftOut | None = None,
) -> Outcome:
    """Make the hours of a store what the table says of them. Hours that have not ended are left alone.

    Args:
        exposures: The table.
        store: The store.
        asked: Some hours: they are written anew, whatever is there. A time, or None: hours so long before now, or
            all, are compared with what the table says, and those that differ are written. In a store that has no
            hour yet, all are.
        now: The wall clock.
        left_out: Whose rows are not written.

    Raises:
        ProgramError: the warehouse or the store cannot be read or written. Each hour is as before, or new.
    """
    outcome = Outcome()
    with store.held():
        folder = Folder(store, now)
        window = asked if isinstance(asked, Window) else _compared(folder, asked, now())
        digest = left_out.digest if left_out else None
        told = {
            hour: msgspec.structs.replace(each, lists=digest) for hour, each in exposures.hours(window).items()
        }
        held = folder.hours(window)
        is_current = {hour: hour in held and held[hour].is_of(source) for hour, source in told.items()}
        due = {hour: told[hour] for hour in told if window is asked or not is_current[hour]}
        outcome.kept = len(told) - len(due)
        empty = set(held) - set(told)
        for each in _made(exposures, due, store.unfinished / DATA, left_out):
            if each.read != due[each.hour].rows:
                outcome.faults.append(
                    f"{text_of(each.hour)} is left as it was: the table changed while it was read; run this again"
                    " while no job builds it"
                )
            elif each.rows:
                folder.replace(each.hour, each.path, each.rows, due[each.hour])
                outcome.written.append(each.hour)
                outcome.rows += each.rows
            else:
                empty |= {each.hour} & set(held)
        for hour in sorted(empty):
            folder.remove(hour)
            outcome.removed.append(hour)
    return outcome


def _compared(folder: Folder, look_back: timedelta | None, now: datetime) -> Window:
    end = hour_of(now)
    return Window(None if look_back is None or folder.is_empty() else end - look_back, end)


class _Made(NamedTuple):
    """An hour that was read.

    Attributes:
        hour: The hour.
        path: Its file, which the next hour's takes the place of; there is none where it has no rows.
        read: Rows that the table had of it.
        rows: Rows in the file.
    """

    hour: datetime
    path: Path
    read: int
    rows: int


def _made(
    exposures: Exposures, due: Mapping[datetime, Source], path: Path, left_out: LeftOut | None
) -> Iterator[_Made]:
    """The files of some hours, one after the other, and then those hours that nothing was read of."""
    if not due:
        return
    contents = exposures.contents()
    read = (part for batch in exposures.batches(due) for part in by_hour(batch))
    missing = set(due)
    for hour, parts in groupby(read, itemgetter(0)):
        missing.remove(hour)
        counted = _Counted(part for _, part in parts)
        kept = (without(part, left_out.holds) for part in counted) if left_out else counted
        yield _Made(hour, path, rows=_write(path, kept, contents), read=counted.rows)
    for hour in sorted(missing):
        yield _Made(hour, path, 0, 0)


class _Counted:
    """Record batches, and how many rows have gone by."""

    def __init__(self, batches: Iterator[Any]) -> None:
        self.rows = 0
        self._batches = batches

    def __iter__(self) -> Iterator[Any]:
        for batch in self._batches:
            self.rows += batch.num_rows
            yield batch


def _write(path: Path, batches: Iterable[Any], contents: Mapping[str, str]) -> int:
    """Make a file of record batches, if they hold any row; returns the number of rows."""
    rows = 0
    with ExitStack() as open_files:
        writer = None
        for group in _groups(batches):
            table = written(group, contents)
            if writer is None:
                writer = open_files.enter_context(
                    pq.ParquetWriter(
                        path,
                        table.schema,
                        compression="zstd",
                        store_schema=False,  # readers see texts, not how they were held here
                        dictionary_pagesize_limit=_DICTIONARY_BYTES,
                    )
                )
            writer.write_table(table, row_group_size=_ROW_GROUP)
            rows += table.num_rows
    return rows


def _groups(batches: Iterable[Any]) -> Iterator[list[Any]]:
    """Record batches in groups of `_ROW_GROUP` rows, wherever they began and ended."""
    group: list[Any] = []
    room = _ROW_GROUP
    for batch in batches:
        rest = batch
        while rest.num_rows >= room:
            yield [*group, rest.slice(0, room)]
            rest, group, room = rest.slice(room), [], _ROW_GROUP
        if rest.num_rows:
            group.append(rest)
            room -= rest.num_rows
    if group:
        yield group
