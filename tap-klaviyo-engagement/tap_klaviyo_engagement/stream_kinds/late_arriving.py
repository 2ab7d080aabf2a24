"""Streams whose rows may arrive late: dated before the bookmark, though no earlier run could see them.

The API shows when a row happened, never when it arrived. A run emits what no run before it emitted, in this order:

1. The days of the lookback are listed again, ids and times only, and compared with the ids that were emitted
   (`state/emitted_ids.py`). Only stretches of time that hold missing rows are read, and only those rows emitted.
2. From where the run before ended, everything is new.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from tap_klaviyo_engagement.extraction.windows import Window
from tap_klaviyo_engagement.state.bookmarks import Bookmark
from tap_klaviyo_engagement.state.emitted_ids import EmittedIds, Sketch, digest
from tap_klaviyo_engagement.state.shapes import texts, texts_by_name
from tap_klaviyo_engagement.stream_kinds.listed_stream import Batch, End, ListedStream
from tap_klaviyo_engagement.times import earlier, iso, moment, second

if TYPE_CHECKING:
    from tap_klaviyo_engagement.extraction.record_decoder import Record
    from tap_klaviyo_engagement.extraction.slices import Listing, StreamSlice

EMITTED = "emitted"
"""Where the stream's state holds the ids that were emitted."""

GAP = 1_000
"""Two missing rows with fewer others between them are read in one stretch: so many are one page."""


@dataclass
class _ListedDay:
    """The rows that are listed of one day."""

    digests: array[int] = field(default_factory=lambda: array("Q"))
    times: list[str] = field(default_factory=list)


class LateArrivingStream(ListedStream):
    """A stream whose rows, once written, never change, but may appear behind the bookmark."""

    lookback: ClassVar[str]
    """The setting that says how far behind the bookmark rows may appear."""

    windowed = True
    in_order = False  # its rows never change

    @override
    def batches(self) -> Iterator[list[Record]]:
        self.emitted = self._load_emitted()
        self._undated: list[tuple[str, int]] = []
        if self.start():
            yield from self.backfill(self.unread_listings())
        self.mark_listings_read()
        yield from self.late_arrivals()
        yield from super().batches()

    @override
    def start(self) -> datetime | None:
        bounds = [self.run.settings.start_date] if self.from_start_date else []
        if self.emitted.through:
            bounds.append(moment(self.emitted.through))
        elif stored := self.bookmarks.load():
            bounds.append(earlier(moment(stored), self._lookback))
        return max(filter(None, bounds), default=None)

    @property
    def _lookback(self) -> timedelta:
        span: timedelta = getattr(self.run.settings, self.lookback)
        return span

    def _load_emitted(self) -> EmittedIds:
        """The ids that the runs before emitted; none where that cannot be known: then all is emitted again."""
        emitted = EmittedIds.load(self.stream_state.get(EMITTED)) if self.incremental else None
        known = (
            emitted is not None
            and emitted.bookmark == self._bookmark
            and emitted.through <= iso(self.run.now() + timedelta(seconds=1))
        )
        return emitted if emitted and known else EmittedIds()

    def kept_texts(self, name: str) -> list[str] | None:
        """What the run before kept under a name in the stream's state.

        Raises:
            StreamFault: something else stands there.
        """
        return texts(self.stream_state, name)

    def kept_texts_by_name(self, name: str) -> dict[str, list[str]]:
        """The same, of lists by name.

        Raises:
            StreamFault: something else stands there.
        """
        return texts_by_name(self.stream_state, name)

    @property
    def _bookmark(self) -> str:
        """The bookmark as the state has it."""
        return str(self.stream_state.get("replication_key_value") or "")

    # Listings that are new to the run

    def unread_listings(self) -> Sequence[Listing]:
        """Listings chosen for this run that the runs before did not read."""
        return ()

    def mark_listings_read(self) -> None:
        """From now on the chosen listings count as read, up to where this run begins."""

    def backfill(self, listings: Sequence[Listing]) -> Iterator[list[Record]]:
        """Emit what the runs before would have emitted of these listings."""
        begin = self.run.settings.start_date if self.from_start_date else None
        end = min(self.start() or self.run.limit, self.run.limit)
        if not listings or (begin and begin >= end):
            return
        for _, batch in self.emission(self.slices_of(listings, Window(begin, second(end)))):
            if batch is not None:
                yield batch.records
            else:
                self._forget()
        self.store_emitted()
        yield self.CHECKPOINT

    # Which ids were emitted

    @override
    def before_emission(self, stream_slice: StreamSlice, batch: Batch) -> Callable[[], None]:
        """Rows that were emitted while they were still dated ahead are taken out of the batch.

        It is remembered in its turn: until then the state says nothing of what lies so far ahead.
        """
        digests = array("Q", (digest(record["id"]) for record in batch.records))
        days, undated = self._by_day(stream_slice, batch.cursors, digests)
        if self.emitted.ahead:
            batch.records[:] = [
                record
                for record, each in zip(batch.records, digests, strict=True)
                if each not in self.emitted.ahead
            ]
        return partial(self._remember, days, undated)

    @staticmethod
    def _by_day(
        stream_slice: StreamSlice, cursors: Sequence[str | None], digests: Iterable[int]
    ) -> tuple[dict[str, array[int]], list[tuple[str, int]]]:
        """Rows by day, and those of a window without end: only when that is complete is it known up to which time.

        Args:
            stream_slice: What they were read of.
            cursors: Their times.
            digests: Of their ids.
        """
        days: dict[str, array[int]] = {}
        undated: list[tuple[str, int]] = []
        for cursor, each in zip(cursors, digests, strict=True):
            if cursor is not None and stream_slice.window.end is None:
                undated.append((cursor, each))
            elif cursor is not None:
                days.setdefault(cursor[:10], array("Q")).append(each)
        return days, undated

    def _remember(self, days: Mapping[str, Iterable[int]], undated: Iterable[tuple[str, int]]) -> None:
        """Add rows to the emitted ids; those of a window without end wait until it is complete."""
        for day, some in days.items():
            self.emitted.of_day(day).add(some)
        self._undated.extend(undated)

    @override
    def slice_complete(self, stream_slice: StreamSlice) -> None:
        if not stream_slice.ends_window:
            return
        emitted, window = self.emitted, stream_slice.window
        start = iso(window.start) if window.start else ""
        if not emitted.through:
            emitted.since = start
        if window.end:
            emitted.through = iso(window.end)
        else:
            now = iso(second(self.run.now()))
            newest = max((cursor for cursor, _ in self._undated if cursor <= now), default="")
            after = iso(second(moment(newest)) + timedelta(seconds=1)) if newest else ""
            emitted.through = max(emitted.through, after, start)
        ahead = []
        for cursor, each in self._undated:
            if cursor < emitted.through:
                emitted.of_day(cursor[:10]).add([each])
            else:
                ahead.append((cursor, each))
        self._undated = ahead
        if window.end is None:
            emitted.remember_ahead(each for _, each in ahead)
            self._undated = []
        self.store_emitted()

    def store_emitted(self) -> None:
        """Leave the emitted ids for the next run."""
        self._forget()
        if self.emitted.through and self.incremental:
            self.emitted.bookmark = self._bookmark
            self.stream_state[EMITTED] = self.emitted.dump()

    def _forget(self) -> None:
        """Drop the days that the lookback of the next run does not reach."""
        if bookmark := self.bookmarks.load():
            self.emitted.forget(iso(earlier(moment(bookmark), self._lookback)))

    # Late arrivals

    def late_arrivals(self) -> Iterator[list[Record]]:
        """Emit what appeared before `EmittedIds.through` since the run before, day by day."""
        window, stored = self._lookback_window(), self.bookmarks.load()
        if window is None:
            return
        bookmark = Bookmark(stored, iso(self.run.limit))
        for day, listed in self._listed_days(window):
            bookmark.saw(listed.times)
            missing = self.emitted.of_day(day).unseen(listed.digests)
            if missing is None:
                self.logger.warning(
                    "events of %s differ too much from what was emitted: all are emitted again", day
                )
                missing = set(listed.digests)
                self.emitted.days[day] = Sketch()
            if missing:
                added: set[int] = set()
                for start, end in _stretches(listed, missing):
                    stretch = Window(start, self._upper_bound(end))
                    for _, batch in self.read(self.slices_of(self.chosen_listings, stretch)):
                        if isinstance(batch, End):
                            continue
                        found = [each for each in batch.records if digest(each["id"]) in missing]
                        added.update(digest(record["id"]) for record in found)
                        yield found
                    if stretch.end is None:  # the later ones lie in it
                        break
                self.emitted.of_day(day).add(added)
                self.store_emitted()
                yield self.CHECKPOINT
        bookmark.complete()
        self.bookmarks.store(bookmark.value)
        self.store_emitted()

    def _lookback_window(self) -> Window | None:
        """Where rows may have appeared: whole days of the lookback of which it is known what was emitted."""
        if not self.emitted.through:
            return None
        starts = [moment(self.emitted.since)] if self.emitted.since else []
        if stored := self.bookmarks.load():
            starts.append(
                earlier(moment(stored), self._lookback).replace(hour=0, minute=0, second=0, microsecond=0)
            )
        if self.from_start_date and self.run.settings.start_date:
            starts.append(second(self.run.settings.start_date))
        start, end = max(starts, default=None), moment(self.emitted.through)
        return Window(start, self._upper_bound(end)) if start is None or start < end else None

    def _upper_bound(self, end: datetime) -> datetime | None:
        """The end of a window, or None where Klaviyo may refuse it: then rows beyond it are left out here."""
        return end if end <= self.run.limit else None

    def _listed_days(self, window: Window) -> Iterator[tuple[str, _ListedDay]]:
        """What is listed of each day that has anything, in order of days: digests of ids, and times."""
        columns = ("id", self.cursor or "")
        reader = self.reader_of(columns, self.query(columns).params)
        slices = self.slices_of(self.chosen_listings, window)
        days: dict[str, _ListedDay] = {}
        same: dict[str, str] = {}  # thousands share a second: one text for all of them
        for stream_slice, batch in self.read(slices, reader):
            if isinstance(batch, Batch):
                for record, cursor in zip(batch.records, batch.cursors, strict=True):
                    if cursor is not None and cursor < self.emitted.through:
                        day = days.setdefault(cursor[:10], _ListedDay())
                        day.digests.append(digest(record["id"]))
                        day.times.append(same.setdefault(cursor, cursor))
            elif batch is End.COMPLETE and stream_slice.ends_window and stream_slice.window.end:
                for name in sorted(name for name in days if name < iso(stream_slice.window.end)[:10]):
                    yield name, days.pop(name)
                same.clear()
        yield from sorted(days.items())


def _stretches(listed: _ListedDay, missing: Collection[int]) -> Iterator[tuple[datetime, datetime]]:
    """Half-open intervals that hold every missing row, and not many others."""
    rows = sorted(zip(listed.times, listed.digests, strict=True))
    places = [place for place, (_, each) in enumerate(rows) if each in missing]
    first = last = places[0]
    for place in [*places[1:], len(rows) + GAP]:
        if place - last >= GAP:
            yield second(moment(rows[first][0])), second(moment(rows[last][0])) + timedelta(seconds=1)
            first = place
        last = place
