"""Streams that are a listing of the API, the usual kind: read in slices, many at once.

Their slices are emitted in order, or, where rows never change, as they come.

A bookmark moves only when all before it is complete:

- windows are half-open on whole seconds and leave no gap; a window that turns out to be long is divided;
- a row outside its window is left to the window that holds it, a row met again in a window is dropped by key and
  cursor value; no count is trusted, and the order of rows only where every row of some pages kept it;
- the bookmark is the greatest cursor value emitted that is at least `MARGIN` older than the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property, partial
from typing import Any, ClassVar

from typing_extensions import override

from klaviyo_wire.endpoints import ENDPOINTS, Endpoint
from klaviyo_wire.errors import NotFound, Refused
from klaviyo_wire.filters import Operator
from klaviyo_wire.jsonapi import Json, included, resources
from tap_klaviyo_engagement.client import OPEN, TEXT_OR_NUMBER, KlaviyoStream, open_with
from tap_klaviyo_engagement.errors import StreamFault, Unreadable
from tap_klaviyo_engagement.extraction.concurrent_reader import ConcurrentReader, End
from tap_klaviyo_engagement.extraction.documents import NO_PARAMS, documents
from tap_klaviyo_engagement.extraction.inclusions import Inclusion
from tap_klaviyo_engagement.extraction.query import ListingQuery
from tap_klaviyo_engagement.extraction.record_decoder import Record, RecordDecoder
from tap_klaviyo_engagement.extraction.slice_reader import SliceReader, restarting
from tap_klaviyo_engagement.extraction.slices import NO_BOUNDS, Batch, Listing, StreamSlice, slices_of, steps
from tap_klaviyo_engagement.extraction.whole_reading import IdListing, WholeReading
from tap_klaviyo_engagement.extraction.windows import Window
from tap_klaviyo_engagement.state.bookmarks import Bookmark
from tap_klaviyo_engagement.state.reading_times import BEGAN, later
from tap_klaviyo_engagement.times import earlier, iso, moment

__all__ = [  # what a declaration may need
    "NO_BOUNDS",
    "OPEN",
    "TEXT_OR_NUMBER",
    "Batch",
    "End",
    "IdListing",
    "Inclusion",
    "Json",
    "KlaviyoStream",
    "ListedStream",
    "Listing",
    "NotFound",
    "Operator",
    "Record",
    "Refused",
    "StreamFault",
    "StreamSlice",
    "Unreadable",
    "Window",
    "earlier",
    "included",
    "iso",
    "moment",
    "open_with",
    "resources",
]


def _without_end(stream_slice: StreamSlice) -> bool:
    """Whether it is the last of several windows, which has no end; what is still to be cut is none."""
    window = stream_slice.window
    return window.start is not None and window.end is None and not stream_slice.uncut


class ListedStream(KlaviyoStream):
    """A stream as a declaration: what is listed, which columns its records have, how they are told apart.

    Facts about the endpoint (page size, filter operators, scopes, sparse fields, revision) are not declared: they
    come from `klaviyo_wire.endpoints`.
    """

    resource: ClassVar[str]
    """JSON:API type of the rows, by which sparse fields are named."""
    relationships: ClassVar[tuple[str, ...]] = ()
    """To-one relationships that become `<name>_id` columns."""
    sources: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Columns that lie deeper than, or are named otherwise than, an attribute: column → path in the attributes."""
    inclusions: ClassVar[Mapping[str, Inclusion]] = {}
    """Columns made of resources that come included with the rows: column → what is asked for."""
    given_columns: ClassVar[tuple[str, ...]] = ()
    """Columns that no row holds: what the stream asks about, given by `Listing.columns` in each run."""
    listings: ClassVar[tuple[Listing, ...]] = (Listing(),)
    """The listings that make up the stream."""
    windowed: ClassVar[bool] = False
    """Whether the stream may be long enough to be read in several windows of time."""
    in_order: ClassVar[bool] = True
    """Whether windows are emitted in order. Where a row may change they have to be: the newest must win."""
    from_start_date: ClassVar[bool] = False
    """Whether `start_date` applies. It does not where rows describe what later events and profiles refer to."""
    tells_ids: ClassVar[bool] = False
    """Whether `resource_ids` tells which of its resources there are; see `id_listing`."""

    # What a stream may override where data does not say it

    @property
    def id_listing(self) -> IdListing | None:
        """Where all ids are listed; None: the stream itself meets them, and `whole_reading` has them."""
        return IdListing(self.operation, self.resource, self.listings) if self.replication_key else None

    @cached_property
    def chosen_listings(self) -> tuple[Listing, ...]:
        """The listings to read in this run."""
        return self.listings

    def slices(self) -> Iterable[StreamSlice]:
        """What to read in this run, in the order in which it is emitted."""
        return self.slices_of(self.chosen_listings, Window(self.start()))

    def params(self, listing: Listing, window: Window = NO_BOUNDS) -> dict[str, str]:
        """Query parameters of a listing's first page: only the selected columns are asked for."""
        return self.query(self.columns).params(listing, window)

    def read_slice(self, stream_slice: StreamSlice, seen: set[int]) -> Iterator[Batch]:
        """Read a slice once; see `SliceReader.read`. Called in other threads."""
        return self.reader.read(stream_slice, seen)

    def before_emission(self, stream_slice: StreamSlice, batch: Batch) -> Callable[[], None] | None:
        """A batch is about to be emitted; records may still be taken out of it.

        What it returns is called when everything before the batch was emitted as well, before `slice_complete`.
        """

    def slice_complete(self, stream_slice: StreamSlice) -> None:
        """Everything of a slice was emitted, and of those before it."""

    def start(self) -> datetime | None:
        """Where this run begins; None: with the oldest row."""
        stored = self.bookmarks.load()
        starts = [moment(stored)] if stored else []
        if self.from_start_date and self.run.settings.start_date:
            starts.append(self.run.settings.start_date)
        return max(starts, default=None)

    @cached_property
    def whole_reading(self) -> WholeReading:
        """What this run of the stream has met so far; it begins with the first use."""
        return self.run.begin_reading()

    @override
    def put_aside(self, fault: Unreadable, columns: Mapping[str, Any]) -> None:
        self.whole_reading.complete = False  # what is not met would count as gone
        super().put_aside(fault, columns)

    def note_deleted(self, what: str, key: str) -> None:
        """Something was deleted since it was listed: what is not met of it must not count as gone by itself."""
        self.logger.warning("The %s %s was deleted while it was read", what, key)
        self.whole_reading.complete = False

    def reading_begins(self) -> str:
        """The moment that a reading of everything there is begins, later than that of every reading before."""
        warn = partial(self.logger.warning, "%s was read at %s: this machine's clock is or was wrong", self.name)
        began = later(self.run.now(), self.stream_state.get(BEGAN), warn)
        self.stream_state[BEGAN] = began
        return began

    # Who does the work

    @cached_property
    def endpoint(self) -> Endpoint:
        """What Klaviyo documents about the listing."""
        return ENDPOINTS[self.operation]

    def query(self, columns: Sequence[str]) -> ListingQuery:
        """What asks for some columns."""
        return ListingQuery(self.endpoint, self.resource, columns, self.cursor, self.sources, self.inclusions)

    def decoder(self, columns: Sequence[str]) -> RecordDecoder:
        """What makes records of some columns."""
        kinds = self.schema["properties"]
        return RecordDecoder(
            self.resource,
            columns,
            times=[name for name in columns if kinds.get(name, {}).get("format") == "date-time"],
            keys=self.primary_keys,
            cursor=self.cursor,
            relationships=self.relationships,
            sources=self.sources,
            inclusions=self.inclusions,
        )

    def reader_of(
        self, columns: Sequence[str], params: Callable[[Listing, Window], Mapping[str, str]]
    ) -> SliceReader:
        """What reads slices of some columns."""
        decoder = self.decoder(columns)
        put_aside = lambda fault, listing: self.put_aside(fault, listing.columns)  # noqa: E731 - too short for a name
        return SliceReader(
            self.run.client, self.endpoint, decoder, params, self.windowed, self.run.limit, put_aside
        )

    @cached_property
    def reader(self) -> SliceReader:
        """What reads slices of the selected columns."""
        return self.reader_of(self.columns, self.params)

    @cached_property
    def workers(self) -> int:
        """How many slices are read at once: no more than requests may leave in a second."""
        limits = self.endpoint.limits_for(self.params(self.listings[0], NO_BOUNDS))
        rows = (self.endpoint.page and self.endpoint.page.maximum) or 1
        return min(self.run.settings.concurrency_of(rows), limits.burst)

    # Reading

    def documents(
        self, operation: str, *, path: Mapping[str, str] = NO_PARAMS, params: Mapping[str, str] = NO_PARAMS
    ) -> Iterator[Json]:
        """The documents of a listing; a resource in them that is none is put aside."""
        put_aside = lambda fault: self.put_aside(fault, {})  # noqa: E731 - too short for a name
        return documents(self.run.client, operation, put_aside, path=path, params=params)

    @override
    def batches(self) -> Iterator[list[Record]]:
        bookmark = Bookmark(self.bookmarks.load(), iso(self.run.limit))
        reading, meets_all = self.whole_reading, self.tells_ids and self.id_listing is None
        for stream_slice, batch in self.emission(self.slices(), bookmark):
            if batch is not None:
                if meets_all:
                    reading.ids.update(record["id"] for record in batch.records)
                yield batch.records
                continue
            if stream_slice.ends_window and self.replication_key:
                bookmark.complete()
                self.bookmarks.store(bookmark.value)
            self.slice_complete(stream_slice)
            yield self.CHECKPOINT
        if meets_all:
            self.run.whole_readings[self.name] = reading

    def emission(
        self, slices: Iterable[StreamSlice], bookmark: Bookmark | None = None
    ) -> Iterator[tuple[StreamSlice, Batch | None]]:
        """What is emitted of slices, batch by batch; once all of a slice and those before is, the slice with None.

        Args:
            slices: What is read.
            bookmark: Is shown the cursor values, in the order of the slices.
        """
        waiting: dict[StreamSlice, list[Callable[[], None]]] = {}
        for stream_slice, batch in self.read(slices):
            if isinstance(batch, Batch):
                then = waiting.setdefault(stream_slice, [])
                if (remember := self.before_emission(stream_slice, batch)) is not None:
                    then.append(remember)
                if bookmark is not None and (highest := bookmark.highest(batch.cursors)):
                    then.append(partial(bookmark.saw, (highest,)))
                yield stream_slice, batch
                continue
            for act in waiting.pop(stream_slice, ()):
                act()
            if batch is End.COMPLETE:
                yield stream_slice, None

    def read(
        self, slices: Iterable[StreamSlice], reader: SliceReader | None = None
    ) -> Iterator[tuple[StreamSlice, Batch | End]]:
        """The batches of slices, and after the last one of each its end; see `ConcurrentReader.pages`.

        Args:
            slices: What is read.
            reader: Reads it instead of `read_slice`.
        """
        read_slice = reader.read if reader else self.read_slice
        time_read = self.progress.time_read.afresh() if reader else self.progress.time_read
        _ = self.reader  # made once, before there are threads
        warn = partial(self.logger.warning, "%s: the page cursor expired; reading the window again", self.name)
        # A snapshot is read by a time that moves: what moves while it is read is found in the window without end.
        moving = self.replication_key is None
        # Of others, limits and not workers decide how long they take: parts would only cost requests.
        shared = lambda: not self.in_order and concurrent.has_idle_workers()  # noqa: E731 - too short for a name
        concurrent: ConcurrentReader[StreamSlice, Batch] = ConcurrentReader(
            lambda each: restarting(read_slice, replace(each, shared=shared), warn),
            workers=self.workers,
            alone=lambda each: moving and _without_end(each),
            in_order=self.in_order,
        )
        for stream_slice, batch in concurrent.pages(slices):
            window = stream_slice.window
            if isinstance(batch, Batch) and not time_read.begun:
                first = next(filter(None, batch.cursors), None)
                time_read.begin(window.start or (moment(first) if first else self.run.limit))
            if batch is End.COMPLETE and time_read.begun and stream_slice.ends_window and window.end:
                self.progress.done = time_read.part(window.end)
            yield stream_slice, batch

    def slices_of(self, listings: Sequence[Listing], window: Window) -> Iterator[StreamSlice]:
        """Listings within a window: at once if it is one, else in steps, so that the bookmark can move."""
        windows = [window]
        if len(listings) > 1 and self.windowed:
            begin = window.start or self.reader.earliest(listings) or self.run.limit
            windows = steps(window, begin, window.end or self.run.limit)
        yield from slices_of(listings, windows)

    def record(self, resource: Json, listing: Listing) -> Record:
        """A resource of a document as a record; see `SliceReader.record`.

        Raises:
            Unreadable: it cannot be one.
        """
        return self.reader.record(resource, listing)

    @override
    def probe(self) -> str:
        return self.run.connection_test.listing(self.operation, self.parent, self.listings[0].filter)
