"""Reads the files of a stream, one after the other, oldest first, and says what became of each."""

from __future__ import annotations

import io
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from singer_program.errors import one_line
from tap_klaviyo_files.faults import FileError, RowError
from tap_klaviyo_files.formats import PARQUET, UNREADABLE, Bytes, Rows, opened
from tap_klaviyo_files.formats.parquet_rows import ParquetRows
from tap_klaviyo_files.ledger import Digest, Ledger, digest_of

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from singer_program.people_list import PeopleLists
    from tap_klaviyo_files.formats.row import Columns
    from tap_klaviyo_files.places import Found, Place
    from tap_klaviyo_files.rejects import Rejects
    from tap_klaviyo_files.settings import Source
    from tap_klaviyo_files.streams.kind import Build, Kind, Metrics, Record

_BATCH = 1_000
_BUFFER = 1 << 20
CHECKPOINT: list[Record] = []
"""A batch without records: all that came before it is emitted, and the state says so."""

Snapshots = dict[str, list[Any]]
"""Of each group: when its newest file was written, in seconds since 1970, and how many members it had."""


@dataclass
class Reading:
    """The reading of one stream in a run.

    Args:
        kind: The stream.
        places: The entries of the setting, each with where its files are.
        ledger: The files that were read.
        metrics: Takes the metrics that rows name.
        snapshots: Of members: the newest of each group; written in place.
        rejects: Takes rows that cannot be read.
        forgotten: Who asked to be forgotten.
        settle_seconds: How long a file must have been left alone.
        now: The wall clock.
        log: Takes lines for people.
    """

    kind: Kind
    places: Callable[[], Iterator[tuple[Source, Place, str]]]
    ledger: Ledger
    metrics: Metrics
    snapshots: Snapshots
    rejects: Rejects
    forgotten: PeopleLists | None
    settle_seconds: float
    now: Callable[[], datetime]
    log: logging.Logger
    faults: list[str] = field(default_factory=list)
    """What was not read, and why: a line each."""

    def batches(self) -> Iterator[list[Record]]:
        """The records of all files. When the next batch is asked for, the one before counts as emitted.

        Raises:
            ProgramError: nothing can go on.
        """
        listed: set[str] = set()
        left = 0
        for source, place, path in self.places():
            for found in self._files(place, path):
                listed.add(found.url)
                if place.grows and self._may_be_written(found):
                    left += 1
                    continue
                try:
                    yield from self._file(source, place, found)
                except FileError as error:
                    self.faults.append(f"{found.url}: {one_line(str(error))}")
                except UNREADABLE as error:
                    self.faults.append(f"{found.url}: it cannot be read to its end: {_reason(error)}")
        if left:
            told = "%s: %s files were changed less than %s seconds ago and are left to the next run"
            self.log.info(told, self.kind.name, f"{left:,}", f"{self.settle_seconds:g}")
        if not self.faults:  # what could not be listed is not known to be gone
            self.ledger.forget(listed)

    def _files(self, place: Place, path: str) -> list[Found]:
        try:
            files = place.files(path)
        except FileNotFoundError:
            fault = "there is no such file or folder: look at the setting `files`"
        except OSError as error:
            fault = f"it cannot be listed: {_reason(error)}"
        else:
            if not files:
                self.log.info("%s: there is no file at %s%s", self.kind.name, place.prefix, path)
            return files
        self.faults.append(f"{place.prefix}{path}: {fault}")
        return []

    def _may_be_written(self, found: Found) -> bool:
        """Whether it was changed just now; a clock that is ahead of ours says nothing."""
        known = self.ledger.entry(found.url)
        if known is not None and (known.size, known.modified) == (found.size, found.modified):
            return False
        return abs(self.now().timestamp() - found.modified) < self.settle_seconds

    def _file(self, source: Source, place: Place, found: Found) -> Iterator[list[Record]]:
        known = self.ledger.entry(found.url)
        if not found.size or (known and (known.size, known.modified) == (found.size, found.modified)):
            return
        if self.ledger.may_hold(found.size):
            with place.opened(found.path) as file:
                digest = digest_of(file)
            if same := self.ledger.same_as(found.size, digest):
                if known is None or known.digest != digest:  # else it was only touched
                    self.log.info("%s: %s holds what %s held, and is skipped", self.kind.name, found.url, same)
                self.ledger.take(found, digest, known.rows if known else 0)
                yield CHECKPOINT
                return
        before = 0
        if known:
            grown = False
            if found.size > known.size:
                with place.opened(found.path) as file:
                    grown = digest_of(file, known.size) == known.digest
            if grown and known.rows and not self.kind.group:
                before = known.rows
                told = "%s: %s has grown: what follows row %s is read"
                self.log.info(told, self.kind.name, found.url, f"{before:,}")
            else:
                what = "has grown" if grown else "was replaced"
                self.log.warning("%s: %s %s, and is read whole", self.kind.name, found.url, what)
        yield from self._rows(source, place, found, before)

    def _rows(self, source: Source, place: Place, found: Found, before: int) -> Iterator[list[Record]]:
        """Everything after the first rows."""
        with place.opened(found.path) as raw:
            digest = Digest(raw.read)
            file: Bytes = io.BufferedReader(_Raw(digest), _BUFFER)
            if not file.peek(len(PARQUET)).startswith(PARQUET):
                told = _FileReading(self, source, found, before)
                yield from told.batches(opened(file, source.text))
                yield from self._end(place, found, digest.up_to(), told)
                return
            whole = digest.up_to()
        with place.seekable(found.path) as seekable:
            told = _FileReading(self, source, found, before=0)
            yield from told.batches(ParquetRows(seekable))
            yield from self._end(place, found, whole, told)

    def _end(self, place: Place, found: Found, digest: str, told: _FileReading) -> Iterator[list[Record]]:
        """All rows are emitted: it counts as read, unless it is another by now."""
        try:
            now = place.look(found)
        except FileNotFoundError:  # whoever moves files away may do so while they are read
            now = found
        if (now.size, now.modified) != (found.size, found.modified):
            self.log.warning(
                "%s: %s changed while it was read: the next run reads it again", self.kind.name, found.url
            )
            return
        self.ledger.take(found, digest, told.final_rows)
        self._take_snapshots(told)
        self.log.info("%s: %s", self.kind.name, told.summary())
        yield CHECKPOINT

    def _take_snapshots(self, told: _FileReading) -> None:
        """A file of members is a snapshot, unless a row of it could not be read: who is missing counts as gone."""
        if self.kind.group is None:
            return
        if told.put_aside:
            self.log.warning(
                "%s: %s makes no snapshot, since %s rows of it were put aside",
                self.kind.name,
                told.found.url,
                f"{told.put_aside:,}",
            )
            return
        counts = told.members
        if told.source.group:
            counts.setdefault(told.source.group, 0)
        for group, count in counts.items():
            if not self.is_older(group, told.found):
                self.snapshots[group] = [told.found.modified, count]

    def is_older(self, group: object, found: Found) -> bool:
        """Whether a newer file of the group was read."""
        newest = self.snapshots.get(str(group))
        return newest is not None and bool(newest[0] > found.modified)


class _FileReading:
    """The rows of one file on their way.

    Args:
        reading: That of the stream.
        source: The file's entry in the settings.
        found: The file.
        before: Rows that were emitted by a run before.
    """

    def __init__(self, reading: Reading, source: Source, found: Found, before: int) -> None:
        self.source = source
        self.found = found
        self.put_aside = 0
        self.members: Counter[str] = Counter()
        self.final_rows = 0
        self._reading = reading
        self._before = before
        self._emitted = self._older = self._of_forgotten = 0
        self._began = time.monotonic()

    def batches(self, rows: Rows) -> Iterator[list[Record]]:
        """Its records.

        Raises:
            FileError: it cannot be read to its end, or too many of its rows cannot.
            ProgramError: what is put aside cannot be written.
        """
        group = f"{self._reading.kind.group}_id" if self._reading.kind.group else None
        people = None if group else self._reading.forgotten
        batch: list[Record] = []
        for record, who in self._records(rows):
            if people is not None and people.about(who) is not None:
                self._of_forgotten += 1
                continue
            if group:
                if self._reading.is_older(record[group], self.found):
                    self._older += 1
                    continue
                self.members[record[group]] += 1
            batch.append(record)
            if len(batch) >= _BATCH:
                self._emitted += len(batch)
                yield batch
                batch = []
        if batch:
            self._emitted += len(batch)
            yield batch

    def _records(self, rows: Rows) -> Iterator[tuple[Record, Record]]:
        """Each record, and whom it is about."""
        layouts = _Layouts(self._reading, self.source, self.found)
        known: Columns | None = None
        build: Build | None = None
        count = 0
        for line, columns, cells in rows:
            count += 1
            if count <= self._before:
                continue
            try:
                if isinstance(cells, RowError):
                    raise cells
                if build is None or columns is not known:
                    build = layouts.build(columns)
                    known = columns
                built = build(cells)
            except RowError as error:
                self.put_aside += 1
                name, url = self._reading.kind.name, self.found.url
                self._reading.rejects.put_aside(name, url, line, error, self.put_aside)
                continue
            yield built
        self.final_rows = 0 if self.put_aside else count - (not rows.whole)

    def summary(self) -> str:
        """What became of it, in a line."""
        seconds = time.monotonic() - self._began
        parts = [f"{self.found.url}: {self._emitted:,} rows in {seconds:.1f} s"]
        if self.put_aside:
            parts.append(f"{self.put_aside:,} were put aside, see {str(self._reading.rejects.path)!r}")
        if self._of_forgotten:
            parts.append(f"{self._of_forgotten:,} are of people who asked to be forgotten")
        if self._older:
            parts.append(f"{self._older:,} are older than what was read of their {self._reading.kind.group}")
        return "; ".join(parts)


class _Layouts:
    """What makes records of rows, by the columns that they have: lines of JSON need not have the same.

    Args:
        reading: That of the stream.
        source: The file's entry in the settings.
        found: The file.
    """

    _MOST = 1_000

    def __init__(self, reading: Reading, source: Source, found: Found) -> None:
        self._reading = reading
        self._source = source
        self._found = found
        self._builds: dict[Columns, Build] = {}

    def build(self, columns: Columns) -> Build:
        """What makes records of rows of these columns.

        Raises:
            FileError: they are the first, and cannot be mapped.
            RowError: they cannot be mapped.
        """
        build = self._builds.get(columns)
        if build is None:
            build = self._made(columns)
            if len(self._builds) < self._MOST:
                self._builds[columns] = build
        return build

    def _made(self, columns: Columns) -> Build:
        try:
            return self._reading.kind.build(columns, self._source, self._reading.metrics, self._found.modified)
        except FileError as error:
            if not self._builds:
                raise
            raise RowError(str(error), code="columns", remedy="mend the row") from None


class _Raw(io.RawIOBase):
    """Bytes on their way through a digest."""

    def __init__(self, digest: Digest) -> None:
        self._digest = digest

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        data = self._digest.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _reason(error: BaseException) -> str:
    """What the system says; what libraries say may hold anything."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return f"{type(error).__name__}: it is damaged, or still being written"
