"""Reads one slice page by page: each row once, and in parts if the slice turns out to be long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from klaviyo_wire.errors import CursorExpired
from tap_klaviyo_engagement.errors import StreamFault, Unreadable
from tap_klaviyo_engagement.extraction import windows
from tap_klaviyo_engagement.extraction.concurrent_reader import Divided
from tap_klaviyo_engagement.extraction.slices import NO_BOUNDS, Batch, Listing, StreamSlice
from tap_klaviyo_engagement.extraction.windows import Window
from tap_klaviyo_engagement.times import moment

if TYPE_CHECKING:
    from klaviyo_wire.client import Client
    from klaviyo_wire.endpoints import Endpoint
    from klaviyo_wire.jsonapi import Json
    from tap_klaviyo_engagement.extraction.record_decoder import Page, Record, RecordDecoder

RESTARTS = 3
"""How often a slice is read again because its page cursor expired."""


@dataclass(frozen=True)
class SliceReader:
    """Reads slices of one stream.

    Args:
        client: The request loop.
        endpoint: What is listed.
        decoder: Makes the records.
        params: Query parameters of a listing within a window.
        divides: Whether a long slice is divided into several windows of time.
        now: Until when rows are expected in a window without end.
        put_aside: Takes a row of a listing that cannot be read. Called in other threads.
    """

    client: Client
    endpoint: Endpoint
    decoder: RecordDecoder
    params: Callable[[Listing, Window], Mapping[str, str]]
    divides: bool
    now: datetime
    put_aside: Callable[[Unreadable, Listing], None]

    def read(self, stream_slice: StreamSlice, seen: set[int]) -> Iterator[Batch]:
        """The batches of a slice, one for each page.

        Args:
            stream_slice: What is read.
            seen: The identities of its rows that were given before; grows.

        Raises:
            CursorExpired: the slice is to be read again from its start.
            Divided: the slice is long; its parts give what it did not.
            StreamFault: too many rows cannot be read.
        """
        outlook, sample = stream_slice.outlook, None
        if outlook and stream_slice.uncut:
            raise Divided(stream_slice.divided(outlook.next(stream_slice.window, self.now), set(), outlook))
        given = frozenset(seen)
        listing, extent = stream_slice.listing, windows.Extent()
        pages = self.pages(listing, self.params(listing, stream_slice.window))
        for count, page in enumerate(pages, start=1):
            batch = self.batch(stream_slice, self.records(page, listing), seen, page.size)
            extent.add(batch.cursors, len(page.rows))
            # A window without rows counts: after a burst, the windows have to become longer again.
            if outlook and (
                extent.last or (not page.following and stream_slice.window.start and stream_slice.window.end)
            ):
                sample = sample or outlook.sample()
                sample.read = extent.rows, self._seconds(stream_slice.window, extent, more=bool(page.following))
            parts: list[StreamSlice] = []
            # The density of rows may change on the way, so a long slice is looked at more than once.
            if page.following and extent.last:
                if parts := self._rest(stream_slice, extent):
                    yield batch.before(parts[0].window)
                    raise Divided(parts)
                again = count >= windows.LOOK_AGAIN and count & (count - 1) == 0
                if again or (stream_slice.whole and count in {1, windows.FIRST_CUT}):
                    parts = self._parts(stream_slice, extent, given if count == 1 else seen)
            if parts and count == 1:
                raise Divided(parts)
            yield batch
            if parts:
                raise Divided(parts)

    def _rest(self, stream_slice: StreamSlice, extent: windows.Extent) -> list[StreamSlice]:
        """What is left of a slice of which everything before was read, if others had better read it too."""
        shared = stream_slice.outlook is not None and stream_slice.shared()  # a short listing is not worth it
        found = self.divides and extent.rest(stream_slice.window, now=self.now, shared=shared)
        if not found:
            return []
        rest, seconds = found
        assert rest.start is not None  # noqa: S101 - rows were read before it
        if stream_slice.outlook:
            parts = windows.halves(rest, seconds, self.now, even=shared)
            return stream_slice.within(parts) if len(parts) > 1 else []
        rows = windows.PAGES_WANTED * self._page_size
        outlook = windows.Outlook(rows)
        outlook.sample().read = rows, seconds
        outlook.longest = ((rest.end or self.now) - rest.start).total_seconds() / windows.LEAST_PARTS
        return [stream_slice.to_be_cut(rest, outlook)]

    @property
    def _page_size(self) -> int:
        return (self.endpoint.page and self.endpoint.page.maximum) or 1

    def _parts(
        self, stream_slice: StreamSlice, extent: windows.Extent, given: AbstractSet[int]
    ) -> list[StreamSlice]:
        """What a slice is better read in, by the times on the pages read of it; nothing if it is not.

        The order of rows is not trusted: the first part begins where the slice began, and drops what was given.
        """
        if not self.divides:
            return []
        read = extent.pages
        unsure = stream_slice.whole and read == windows.FIRST_CUT
        found = windows.parts(
            stream_slice.window,
            moment(extent.first),
            moment(extent.last),
            now=self.now,
            read=read,
            least=windows.LEAST_PARTS if unsure else 1,
        )
        if len(found) < 2:  # noqa: PLR2004 - one is itself
            return []
        head, rest = found[0], Window(found[0].end, stream_slice.window.end)
        outlook = windows.Outlook(windows.PAGES_WANTED * self._page_size)
        outlook.sample().read = read * self._page_size, self._seconds(stream_slice.window, extent, more=True)
        assert head.end is not None  # noqa: S101 - others follow
        least = windows.LEAST_PARTS if unsure else windows.LEAST_PARTS // 2
        outlook.longest = ((rest.end or self.now) - head.end).total_seconds() / least
        return stream_slice.divided([head, rest], given, outlook)

    @staticmethod
    def _seconds(window: Window, extent: windows.Extent, *, more: bool) -> float:
        """How long the time is that all rows were read of: up to the last row, or the end if there are no more."""
        start = window.start or moment(extent.first)
        end = moment(extent.last) if more or window.end is None else window.end
        return max((end - start).total_seconds(), 1.0)

    def batch(self, stream_slice: StreamSlice, records: Iterable[Record], seen: set[int], size: int = 0) -> Batch:
        """Those records of a slice that lie in its window and were not given before.

        Args:
            stream_slice: What is read.
            records: As the decoder makes them.
            seen: The identities given so far; grows.
            size: Bytes they came in.
        """
        start, end = stream_slice.window.texts
        identity_of, cursor_of, before = self.decoder.identity, self.decoder.cursor, stream_slice.given
        batch = Batch([], [], size)
        for record in records:
            identity, cursor = identity_of(record), cursor_of(record)
            outside = cursor is not None and (cursor < start or (end and cursor >= end))
            if outside or identity in seen or identity in before:
                continue
            seen.add(identity)
            batch.records.append(record)
            batch.cursors.append(cursor)
        return batch

    def pages(self, listing: Listing, params: Mapping[str, str]) -> Iterator[Page]:
        """The pages of a listing."""
        link = lambda page: page.following  # noqa: E731 - too short for a name
        return self.client.follow(self.endpoint.key, self.decoder.page, link, path=listing.path, params=params)

    def records(self, page: Page, listing: Listing) -> Iterator[Record]:
        """The records of a page; a row that cannot be read is put aside."""
        for fault in page.unreadable:
            self.put_aside(fault, listing)
        record_of, constants = self.decoder.record, listing.columns
        for row in page.rows:
            try:
                record = record_of(row, constants, page.included)
            except Unreadable as fault:
                self.put_aside(fault, listing)
            else:
                yield record

    def rows(self, listing: Listing) -> Iterator[Record]:
        """The records of a whole listing, one after the other; a row that cannot be read is put aside."""
        for page in self.pages(listing, self.params(listing, NO_BOUNDS)):
            yield from self.records(page, listing)

    def record(self, resource: Json, listing: Listing) -> Record:
        """A resource of a document as a record: the selected columns, attributes lifted, times normalised.

        Raises:
            Unreadable: the resource is not one, or a time in it cannot be read.
        """
        return self.decoder.record(self.decoder.row(resource), listing.columns)

    def earliest(self, listings: Iterable[Listing]) -> datetime | None:
        """A moment at which rows may begin, None when there are none.

        It only sizes windows: the first one is open below, so a wrong answer costs requests and no rows.
        """
        found: list[str | None] = []
        for listing in listings:
            page = next(self.pages(listing, {**self.params(listing, NO_BOUNDS), "page[size]": "1"}))
            found += map(self.decoder.cursor, self.records(page, listing))
        return min(map(moment, filter(None, found)), default=None)


Unit = TypeVar("Unit")
Part = TypeVar("Part")


def restarting(
    read: Callable[[Unit, set[int]], Iterator[Part]], unit: Unit, warn: Callable[[], None]
) -> Iterator[Part]:
    """Read a slice, each row once, though its page cursor may expire half-way.

    Args:
        read: Reads it once; see `SliceReader.read`.
        unit: What is read.
        warn: Called when it is read again.

    Raises:
        Divided: as `read`.
        StreamFault: as `read`, or the cursor expired again and again.
    """
    seen: set[int] = set()
    for _ in range(RESTARTS):
        try:
            yield from read(unit, seen)
        except CursorExpired:
            warn()
        else:
            return
    msg = f"the page cursor expired {RESTARTS} times within one window"
    raise StreamFault(msg)
