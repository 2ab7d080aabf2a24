"""Streams whose rows arrive late: a run emits everything it was not told of before, and only that.

1. The days of the lookback are surveyed (ids and times only) and compared with what was emitted (`lookback`).
2. The spans that hold unseen rows are read, and of them only the unseen rows emitted.
3. From where the run before ended, everything is new.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Self

from typing_extensions import override

from tap_klaviyo_engagement.client import Batch, KlaviyoStream, Listing, Record, Unit
from tap_klaviyo_engagement.lookback import Memory, Sketch, digest
from tap_klaviyo_engagement.times import iso, moment, second
from tap_klaviyo_engagement.windows import Bookmark, Window

EMITTED = "emitted"
"""Where the stream's state holds its memory."""

GAP = 1_000
"""Two unseen rows with fewer seen ones between them are read in one span: that is one page."""


@dataclass
class _Day:
    """What is listed of one day."""

    digests: array[int] = field(default_factory=lambda: array("Q"))
    times: list[str] = field(default_factory=list)


class LateStream(KlaviyoStream):
    """A stream whose rows, once written, never change, but may appear behind the bookmark."""

    lookback: ClassVar[str]
    """The setting that says how far behind the bookmark rows may appear."""

    windowed = True

    @override
    def batches(self) -> Iterator[list[Record]]:
        self.memory = self._remembered()
        self._open: list[tuple[str, int]] = []
        if self.start():
            yield from self.past(self.newcomers())
        self.known()
        yield from self.late()
        yield from super().batches()

    @override
    def start(self) -> datetime | None:
        bounds = [self.run.settings.start_date] if self.from_start_date else []
        if self.memory.through:
            bounds.append(moment(self.memory.through))
        elif stored := self.stored_bookmark():
            bounds.append(moment(stored) - self._lookback)
        return max(filter(None, bounds), default=None)

    @property
    def _lookback(self) -> timedelta:
        span: timedelta = getattr(self.run.settings, self.lookback)
        return span

    def _remembered(self) -> Memory:
        """What the runs before emitted; nothing where that cannot be known: then it is emitted again."""
        memory = Memory.load(self.stream_state.get(EMITTED)) if self.incremental else None
        known = (
            memory is not None
            and memory.bookmark == self._bookmark
            and memory.through <= iso(self.run.now() + timedelta(seconds=1))
        )
        return memory if memory and known else Memory()

    @property
    def _bookmark(self) -> str:
        """The bookmark as the state has it."""
        return str(self.stream_state.get("replication_key_value") or "")

    # What is read for the first time

    def newcomers(self) -> Sequence[Listing]:
        """Listings chosen for this run whose past the runs before did not read."""
        return ()

    def known(self) -> None:
        """From now on the past of the chosen listings counts as read, up to where this run begins."""

    def past(self, listings: Sequence[Listing]) -> Iterator[list[Record]]:
        """Emit what the runs before would have emitted of these listings."""
        begin = self.run.settings.start_date if self.from_start_date else None
        end = min(self.start() or self.run.limit, self.run.limit)
        if not listings or (begin and begin >= end):
            return
        for unit, batch in self.read(self.units_of(listings, Window(begin, second(end)))):
            if batch is not None:
                self.observe(unit, batch)
                yield batch.records
            else:
                self.forget()
        self.store()
        yield []

    # What was emitted

    @override
    def observe(self, unit: Unit, batch: Batch) -> None:
        """Remember the batch; of what was emitted when it still lay ahead, nothing is emitted again."""
        digests = [digest(record["id"]) for record in batch.records]
        self.remember(unit, batch.cursors, digests)
        if self.memory.ahead:
            kept = [
                record
                for record, each in zip(batch.records, digests, strict=True)
                if each not in self.memory.ahead
            ]
            batch.records[:] = kept

    def remember(self, unit: Unit, cursors: Sequence[str | None], digests: Sequence[int]) -> None:
        """Rows are being emitted. Those of a window without end wait until it is known how far it was read."""
        days: dict[str, list[int]] = {}
        for cursor, each in zip(cursors, digests, strict=True):
            if cursor is not None and unit.window.end is None:
                self._open.append((cursor, each))
            elif cursor is not None:
                days.setdefault(cursor[:10], []).append(each)
        for day, some in days.items():
            self.memory.emitted(day).add(some)

    @override
    def complete(self, unit: Unit) -> None:
        if not unit.last:
            return
        memory = self.memory
        if not memory.through:
            memory.since = iso(unit.window.start) if unit.window.start else ""
        if unit.window.end:
            memory.through = iso(unit.window.end)
        else:
            now = iso(second(self.run.now()))
            past = max((cursor for cursor, _ in self._open if cursor <= now), default="")
            after = iso(second(moment(past)) + timedelta(seconds=1)) if past else ""
            memory.through = max(memory.through, after, iso(unit.window.start) if unit.window.start else "")
        ahead = []
        for cursor, each in self._open:
            if cursor < memory.through:
                memory.emitted(cursor[:10]).add([each])
            else:
                ahead.append((cursor, each))
        self._open = ahead
        if unit.window.end is None:
            memory.remember_ahead(each for _, each in ahead)
            self._open = []
        self.store()

    def store(self) -> None:
        """What was emitted so far is for the next run to know."""
        self.forget()
        if self.memory.through and self.incremental:
            self.memory.bookmark = self._bookmark
            self.stream_state[EMITTED] = self.memory.dump()

    def forget(self) -> None:
        """Drop what the lookback of the next run does not reach."""
        if bookmark := self.stored_bookmark():
            self.memory.forget(iso(moment(bookmark) - self._lookback))

    # What arrived late

    def late(self) -> Iterator[list[Record]]:
        """Emit what appeared behind `through` since the run before, day by day."""
        window, stored = self._surveyed(), self.stored_bookmark()
        if window is None:
            return
        bookmark = Bookmark(stored, iso(self.run.limit))
        for name, listed in self.survey(window):
            for cursor in listed.times:
                bookmark.saw(cursor)
            unseen = self.memory.emitted(name).unseen(listed.digests)
            if unseen is None:
                self.logger.warning(
                    "events of %s differ too much from what was emitted: all are emitted again", name
                )
                unseen = set(listed.digests)
                self.memory.days[name] = Sketch()
            if unseen:
                emitted: set[int] = set()
                for start, end in _spans(listed, unseen):
                    span = Window(start, self._bound(end))
                    for _, batch in self.read(self.units_of(self.chosen, span)):
                        records = self._only(unseen, batch) if batch else []
                        emitted.update(digest(record["id"]) for record in records)
                        yield records
                    if span.end is None:  # the later ones lie in it
                        break
                self.memory.emitted(name).add(emitted)
                self.store()
                yield []
        bookmark.complete()
        self.store_bookmark(bookmark.value)
        self.store()

    def _surveyed(self) -> Window | None:
        """Where rows may have appeared: whole days of the lookback of which it is known what was emitted."""
        if not self.memory.through:
            return None
        starts = [moment(self.memory.since)] if self.memory.since else []
        if stored := self.stored_bookmark():
            starts.append((moment(stored) - self._lookback).replace(hour=0, minute=0, second=0, microsecond=0))
        if self.from_start_date and self.run.settings.start_date:
            starts.append(second(self.run.settings.start_date))
        start, end = max(starts, default=None), moment(self.memory.through)
        return Window(start, self._bound(end)) if start is None or start < end else None

    def _bound(self, end: datetime) -> datetime | None:
        """An upper bound that Klaviyo takes; None: what lies beyond the one that is meant is sorted out here."""
        return end if end <= self.run.limit else None

    def survey(self, window: Window) -> Iterator[tuple[str, _Day]]:
        """What is listed of each day that has anything, in order: digests and times."""
        days: dict[str, _Day] = {}
        same: dict[str, str] = {}  # thousands share a second: one text for all of them
        reader = self.narrowed("id", self.cursor or "")
        for unit, batch in reader.read(self.units_of(self.chosen, window)):
            if batch is not None:
                for record, cursor in zip(batch.records, batch.cursors, strict=True):
                    if cursor is not None and cursor < self.memory.through:
                        day = days.setdefault(cursor[:10], _Day())
                        day.digests.append(digest(record["id"]))
                        day.times.append(same.setdefault(cursor, cursor))
            elif unit.last and unit.window.end:
                for name in sorted(name for name in days if name < iso(unit.window.end)[:10]):
                    yield name, days.pop(name)
                same.clear()
        yield from sorted(days.items())

    def narrowed(self, *columns: str) -> Self:
        """The same stream, reading these columns only."""
        other = copy(self)
        other.__dict__.pop("shape", None)
        other.columns = columns
        return other

    def _only(self, unseen: Collection[int], batch: Batch) -> list[Record]:
        return [record for record in batch.records if digest(record["id"]) in unseen]


def _spans(listed: _Day, unseen: Collection[int]) -> Iterator[tuple[datetime, datetime]]:
    """Half-open intervals that hold every unseen row, and not many others."""
    rows = sorted(zip(listed.times, listed.digests, strict=True))
    places = [place for place, (_, each) in enumerate(rows) if each in unseen]
    first = last = places[0]
    for place in [*places[1:], len(rows) + GAP]:
        if place - last >= GAP:
            yield second(moment(rows[first][0])), second(moment(rows[last][0])) + timedelta(seconds=1)
            first = place
        last = place
