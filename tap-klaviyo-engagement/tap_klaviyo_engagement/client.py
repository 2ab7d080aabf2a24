"""The base of all streams. The only module that knows the SDK's hooks.

A stream declares; this module reads. A stream is read in units, one listing within one window of time each. Many
are read at once, they are emitted in order, and a bookmark moves only when all before it is complete:

- windows are half-open on whole seconds and leave no gap; a window that turns out to be long is divided;
- a row outside its window is left to the window that holds it, a row met again in a window is dropped by key and
  cursor value; the order of rows is not trusted, nor is any count;
- the bookmark is the greatest cursor value emitted that is at least `MARGIN` older than the run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Stream
from singer_sdk import typing as th
from singer_sdk.exceptions import AbortedSyncFailedException, AbortedSyncPausedException
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import RecordMessage
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from klaviyo_wire.endpoints import ENDPOINTS, Endpoint
from klaviyo_wire.errors import (
    ConfigurationError,
    CursorExpired,
    KlaviyoError,
    MissingScope,
    NotFound,
    Unreachable,
)
from klaviyo_wire.filters import Operator, all_of, before, since
from klaviyo_wire.jsonapi import Json, included, resources
from tap_klaviyo_engagement import windows
from tap_klaviyo_engagement.output import Output
from tap_klaviyo_engagement.progress import Progress
from tap_klaviyo_engagement.reading import Divided, Reader
from tap_klaviyo_engagement.run import MARGIN, Run, StreamFault
from tap_klaviyo_engagement.settings import CONCURRENCY, choose
from tap_klaviyo_engagement.shape import Page, Record, Shape, Unreadable, plain
from tap_klaviyo_engagement.times import iso, moment, normalised
from tap_klaviyo_engagement.windows import Bookmark, Window

if TYPE_CHECKING:
    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context
    from singer_sdk.singerlib import Catalog

__all__ = [
    "MARGIN",
    "NO_BOUNDS",
    "OPEN",
    "Batch",
    "ComposedStream",
    "Json",
    "KlaviyoStream",
    "Listing",
    "NotFound",
    "Operator",
    "Record",
    "Run",
    "StreamFault",
    "Unit",
    "Window",
    "concerns_all",
    "included",
    "iso",
    "moment",
    "resources",
]

OPEN = th.CustomType({"type": ["object", "null"]})
"""An object whose keys are the account's or Klaviyo's to choose: passed on as it is, whatever it holds."""

RESTARTS = 3
"""How often one window is read again because its page cursor expired."""

LARGE_PAGE = 1_000
"""Rows of a page that is a megabyte or so."""

NO_BOUNDS = Window()

_LATEST = "~"  # sorts after every normalised time

STEP = timedelta(days=30)
"""How much of the past is read of every listing before the bookmark moves, where a stream has several."""

STATE_RECORDS = 10_000
STATE_SECONDS = 5.0
"""A state that says something new is written after so many records, or so long after the one before."""


@dataclass(frozen=True)
class Listing:
    """One of the listings that make up a stream: what to ask for, and what its rows hold beside attributes."""

    filter: str = ""
    path: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unit:
    """What is read at a time: one listing within one window.

    `last` says that with it everything before the end of its window is read; `sole` that it is the only listing
    there, so that the parts it is divided into are last as well.
    """

    listing: Listing
    window: Window = NO_BOUNDS
    sole: bool = True
    last: bool = True
    whole: bool = True
    """Whether it is no part of another."""
    met: frozenset[int] = frozenset()
    """The identities of the rows that were given before it became a part, its own and others'."""

    def divided(self, parts: Sequence[Window], given: Iterable[int]) -> list[Unit]:
        """The unit in windows that cover its own, none of which gives again what was given."""
        final, met = len(parts) - 1, self.met.union(given)
        return [
            replace(self, window=window, last=self.last and (self.sole or position == final), whole=False, met=met)
            for position, window in enumerate(parts)
        ]


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one unit with their cursor values, and how many bytes they came in."""

    records: list[Record]
    cursors: list[str | None]
    size: int = 0


class KlaviyoStream(Stream):
    """A stream as a declaration: what is listed, which columns its records have, how they are told apart.

    `name`, `primary_keys`, `replication_key` and `schema` are the SDK's. Facts about the endpoint (page size,
    filter operators, scopes, sparse fields, revision) are not declared: they come from `klaviyo_wire.endpoints`.
    """

    name: str
    primary_keys: Sequence[str] = ()
    replication_key: str | None = None
    operation: ClassVar[str]
    """Key of the operation that is listed; empty if the stream makes no request."""
    parent: ClassVar[str] = ""
    """Operation that lists what the listed operation is about, where that takes an id in its path."""
    resource: ClassVar[str]
    """JSON:API type of the rows, by which sparse fields are named."""
    relationships: ClassVar[tuple[str, ...]] = ()
    """To-one relationships that become `<name>_id` columns."""
    sources: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Columns that lie deeper than, or are named otherwise than, an attribute: column → path in the attributes."""
    optional: ClassVar[Mapping[str, str]] = {}
    """Columns that exist only while a setting is on: column → setting."""
    listings: ClassVar[tuple[Listing, ...]] = (Listing(),)
    """The listings that make up the stream."""
    windowed: ClassVar[bool] = False
    """Whether the stream may be long enough to be read in several windows of time."""
    sliced_by: ClassVar[str | None] = None
    """The column that windows go by in a stream without replication key."""
    from_start_date: ClassVar[bool] = False
    """Whether `start_date` applies. It does not where rows describe what later events and profiles refer to."""

    def __init__(self, tap: Tap, run: Run) -> None:
        """Bind the stream to a tap and its run."""
        super().__init__(tap)
        absent = {column for column, setting in self.optional.items() if not run.config.get(setting)}
        self.schema = {  # type: ignore[misc]  # a property in the SDK, an attribute in its streams
            **self.schema,
            "properties": {name: kind for name, kind in self.schema["properties"].items() if name not in absent},
        }
        self.run = run
        self.cursor = self.replication_key or self.sliced_by
        """The column that windows and bookmarks go by, whatever a catalog says about replication."""

    # What a stream may override, when data will not do

    @cached_property
    def chosen(self) -> tuple[Listing, ...]:
        """The listings to read in this run."""
        return self.listings

    def units(self) -> Iterable[Unit]:
        """What to read in this run, in the order in which it is emitted."""
        return self.units_of(self.chosen, Window(self.start()))

    def fetch(self, unit: Unit) -> Iterator[Batch]:
        """Read a unit, each row once, though its page cursor may expire half-way. Called in other threads.

        Raises:
            Divided: the unit is long; its parts give what it did not.
            StreamFault: the cursor expired again and again, or a row cannot be read.
        """
        seen: set[int] = set()
        for _ in range(RESTARTS):
            try:
                yield from self.attempt(unit, seen)
            except CursorExpired:
                self.logger.warning("%s: the page cursor expired; reading the window again", self.name)
            else:
                return
        msg = f"the page cursor expired {RESTARTS} times within one window"
        raise StreamFault(msg)

    def attempt(self, unit: Unit, seen: set[int]) -> Iterator[Batch]:
        """Read a unit once.

        Args:
            unit: What to read.
            seen: The identities of its rows that were given before; grows.

        Raises:
            CursorExpired: the unit is to be read again from its start.
            Divided: the unit is long; its parts give what it did not.
        """
        given = frozenset(seen)
        first, last = _LATEST, ""
        pages = self.pages(self.shape, unit.listing, self.params(unit.listing, unit.window))
        for count, page in enumerate(pages, start=1):
            batch = self.batch(unit, (self._record(row, unit.listing) for row in page.rows), seen, page.size)
            times = [cursor for cursor in batch.cursors if cursor is not None]
            first, last = min([first, *times]), max([last, *times])
            # Rows may come denser than at first. The parts then begin with what was given already, since the order
            # of rows is not trusted.
            again = count >= windows.LOOK_AGAIN and count & (count - 1) == 0
            look = again or count == 1 or (unit.whole and count == windows.UNKNOWN)
            found = self._windows(unit, first, last, count) if look and page.following and last else []
            if found and count == 1:
                raise Divided(unit.divided(found, given))
            yield batch
            if found:
                raise Divided(unit.divided(found, seen))

    def observe(self, unit: Unit, batch: Batch) -> None:
        """A batch is about to be emitted; rows may still be taken out of it."""

    def complete(self, unit: Unit) -> None:
        """Everything of a unit was emitted, and of those before it."""

    # Reading

    @cached_property
    def endpoint(self) -> Endpoint:
        """What Klaviyo documents about the listing."""
        return ENDPOINTS[self.operation]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The selected columns."""
        return tuple(name for name in self.effective_schema["properties"] if self.mask["properties", name])

    @cached_property
    def shape(self) -> Shape:
        """How rows become records."""
        kinds = self.schema["properties"]
        return Shape(
            self.resource,
            self.columns,
            times=[name for name in self.columns if kinds.get(name, {}).get("format") == "date-time"],
            keys=self.primary_keys,
            cursor=self.cursor,
            relationships=self.relationships,
            sources=self.sources,
        )

    @cached_property
    def workers(self) -> int:
        """How many units are read at once: no more than requests may leave in a second.

        Unless it is set, half as many where pages are large: more of those come faster than one processor writes
        them, and each is held in memory meanwhile.
        """
        if not self.operation:
            return 1
        limits = self.endpoint.limits_for(self.params(self.listings[0], NO_BOUNDS))
        size = (self.endpoint.page and self.endpoint.page.maximum) or 1
        most = CONCURRENCY // 2 if size >= LARGE_PAGE else CONCURRENCY
        return min(self.run.settings.concurrency or most, limits.burst)

    def batches(self) -> Iterator[list[Record]]:
        """Every record of this run. When the next batch is asked for, the one before may count as emitted."""
        bookmark = Bookmark(self.stored_bookmark(), iso(self.run.limit))
        for unit, batch in self.read(self.units()):
            if batch is not None:
                self.observe(unit, batch)
                for cursor in batch.cursors:
                    bookmark.saw(cursor)
                yield batch.records
                continue
            if unit.last and self.replication_key:
                bookmark.complete()
                self.store_bookmark(bookmark.value)
            self.complete(unit)
            yield []

    def read(self, units: Iterable[Unit]) -> Iterator[tuple[Unit, Batch | None]]:
        """The batches of units, in order; after the last one of each, the unit with None."""
        # A snapshot is read by a time that moves: what moves while it is read is found in the window without end.
        moving = self.replication_key is None
        _ = self.run.client, self.shape  # made once, before there are threads
        reader: Reader[Unit, Batch] = Reader(
            self.fetch,
            workers=self.workers,
            alone=lambda unit: moving and unit.window.start is not None and unit.window.end is None,
        )
        for unit, batch in reader.pages(units):
            self._note(unit, batch)
            yield unit, batch

    def units_of(self, listings: Sequence[Listing], window: Window) -> Iterator[Unit]:
        """Listings within a window: at once if it is one, else in steps, so that the bookmark can move."""
        steps = [window]
        if len(listings) > 1 and self.windowed:
            begin = window.start or self.earliest(listings) or self.run.limit
            end = window.end or self.run.limit
            edges = [begin + STEP * step for step in range(1, int((end - begin) / STEP) + 1)]
            steps = [Window(*pair) for pair in zip([window.start, *edges], [*edges, window.end], strict=True)]
        for each in steps:
            for listing in listings:
                yield Unit(listing, each, sole=len(listings) == 1, last=listing is listings[-1])

    def start(self) -> datetime | None:
        """Where this run begins; None: with the oldest row."""
        stored = self.stored_bookmark()
        starts = [moment(stored)] if stored else []
        if self.from_start_date and self.run.settings.start_date:
            starts.append(self.run.settings.start_date)
        return max(starts, default=None)

    def earliest(self, listings: Iterable[Listing]) -> datetime | None:
        """A first moment to begin at, None when there are no rows.

        It only sizes windows: the first one is open below, so a wrong answer costs requests and no rows.
        """
        found = []
        for listing in listings:
            params = self.params(listing, NO_BOUNDS) | {"page[size]": "1"}
            page = next(self.pages(self.shape, listing, params))
            found += [self.shape.cursor(self._record(row, listing)) for row in page.rows]
        return min(map(moment, filter(None, found)), default=None)

    def pages(self, shape: Shape, listing: Listing, params: Mapping[str, str]) -> Iterator[Page]:
        """The pages of a listing."""
        link = lambda page: page.following  # noqa: E731 - too short for a name
        return self.run.client.follow(self.operation, shape.page, link, path=listing.path, params=params)

    def batch(self, unit: Unit, records: Iterable[Record], seen: set[int], size: int) -> Batch:
        """Those records of a unit that belong to its window and were not met in it before.

        Args:
            unit: What is read.
            records: As `shape` makes them.
            seen: The identities met so far; grows.
            size: Bytes they came in.
        """
        window = unit.window
        start, end = window.texts
        batch = Batch([], [], size)
        for record in records:
            identity, cursor = self.shape.identity(record), self.shape.cursor(record)
            met = identity in seen or identity in unit.met
            if met or (cursor is not None and (cursor < start or (end and cursor >= end))):
                continue
            seen.add(identity)
            batch.records.append(record)
            batch.cursors.append(cursor)
        return batch

    def _windows(self, unit: Unit, first: str, last: str, read: int) -> list[Window]:
        """The windows that a unit is better read in, by the times on the pages read of it; none if it is not."""
        if not self.windowed:
            return []
        least = 16 if unit.whole and read == windows.UNKNOWN else 1
        times = moment(first), moment(last)
        size = (self.endpoint.page and self.endpoint.page.maximum) or 1
        now = self.run.limit
        found = windows.parts(unit.window, *times, now=now, read=read, least=least, page_size=size)
        return found if len(found) > 1 else []

    def rows(self, listing: Listing, window: Window = NO_BOUNDS) -> Iterator[Record]:
        """The records of a listing, one after the other."""
        for page in self.pages(self.shape, listing, self.params(listing, window)):
            for row in page.rows:
                yield self._record(row, listing)

    def params(self, listing: Listing, window: Window = NO_BOUNDS) -> dict[str, str]:
        """Query parameters of a listing's first page: only the selected columns are asked for."""
        wanted = {*self.columns, *filter(None, [self.cursor])}
        deep = {self.sources[name][0] for name in self.columns if name in self.sources}
        extra = [name for name in self.endpoint.additional_fields.get(self.resource, ()) if name in wanted]
        fields = (self.endpoint.fields[self.resource] - {"id", *extra}) & {*wanted, *deep}
        bounds = all_of(listing.filter, *self.bounds(window))
        params = {f"fields[{self.resource}]": ",".join(sorted(fields)) or "id"}
        if extra:
            params[f"additional-fields[{self.resource}]"] = ",".join(extra)
        if bounds:
            params["filter"] = bounds
        if self.cursor in self.endpoint.sort:
            params["sort"] = self.cursor
        if self.endpoint.page and self.endpoint.page.maximum:
            params["page[size]"] = str(self.endpoint.page.maximum)
        return params

    def bounds(self, window: Window) -> Iterator[str]:
        """The window as filters, as far as it has bounds."""
        if self.cursor and window.start:
            operators = next(entry.operators for entry in self.endpoint.filters if entry.field == self.cursor)
            yield since(self.cursor, window.start, operators)
        if self.cursor and window.end:
            yield before(self.cursor, window.end)

    def record(self, resource: Json, listing: Listing) -> Record:
        """A resource of a document as a record: the selected columns, attributes lifted, times normalised.

        Raises:
            StreamFault: the resource is not one, or a time cannot be read. It is not guessed at, and not dropped.
        """
        try:
            row = self.shape.row(resource)
        except Unreadable as error:
            raise StreamFault(str(error)) from error
        return self._record(row, listing)

    def _record(self, row: Any, listing: Listing) -> Record:  # noqa: ANN401 - made at run time
        try:
            return self.shape.record(row, listing.columns)
        except Unreadable as error:
            raise StreamFault(str(error)) from error

    def names(self, operation: str, resource: str) -> dict[str, str]:
        """Names by id of everything an operation lists."""
        page = ENDPOINTS[operation].page
        params = {f"fields[{resource}]": "name"}
        if page and page.maximum:
            params["page[size]"] = str(page.maximum)
        return {
            row["id"]: str((row.get("attributes") or {}).get("name"))
            for document in self.run.client.pages(operation, params=params)
            for row in resources(document)
        }

    def ids(self, setting: str, operation: str, resource: str) -> list[str]:
        """Ids of what a setting chooses among everything an operation lists.

        Raises:
            StreamFault: the setting names something that does not exist.
        """
        return self.chosen_from(setting, getattr(self.run.settings, setting), self.names(operation, resource))

    def chosen_from(self, setting: str, wanted: tuple[str, ...], existing: Mapping[str, str]) -> list[str]:
        """Ids of what a setting chooses among `existing` (name by id).

        Raises:
            StreamFault: the setting names something that does not exist.
        """
        try:
            return choose(wanted, existing)
        except LookupError as error:
            msg = f"the setting `{setting}` {error.args[0]}"
            raise StreamFault(msg) from error

    def probe(self) -> str:
        """Find out with a request or two whether the key can read the stream; why it was not tried, if it was not.

        Raises:
            KlaviyoError: it cannot.
        """
        if not self.operation:
            return "it makes no request"
        listed = self.parent or self.operation
        first = self.run.probed(listed, _smallest(ENDPOINTS[listed], self.listings[0].filter))
        if not self.parent:
            return ""
        for row in resources(first)[:1]:
            self.run.client.call(self.operation, path={"id": row["id"]}, params=_smallest(self.endpoint, ""))
            return ""
        return "there is nothing yet to ask about"

    # Emission

    @override
    def get_records(self, context: Context | None) -> Iterator[Json]:
        """The records one by one, for the SDK's own path."""
        for records in self.batches():
            yield from map(plain, records)

    @override
    def _generate_record_messages(self, record: Json) -> Generator[RecordMessage, None, None]:
        """Apply stream maps only: `record` has the selected columns, as the schema says."""
        now = self.run.now()
        for stream_map in self.stream_maps:
            mapped = stream_map.transform(record)
            if mapped is not None:
                yield RecordMessage(stream=stream_map.stream_alias, record=mapped, time_extracted=now)

    @cached_property
    def progress(self) -> Progress:
        """How far the stream is."""
        quota = lambda: self.run.client.remaining(self.operation) if self.operation else None  # noqa: E731
        return Progress(self.name, time.monotonic, self.logger.info, quota)

    def _note(self, unit: Unit, batch: Batch | None) -> None:
        """Follow how much of the time is read, and how much was read of it."""
        if batch is not None and self._begun is None:
            self._begun = unit.window.start or moment(next(filter(None, batch.cursors), iso(self.run.limit)))
        if batch is None and self._begun and unit.last and unit.window.end:
            span = max(self.run.limit - self._begun, timedelta(seconds=1))
            self.progress.done = min(1.0, (unit.window.end - self._begun) / span)

    _begun: datetime | None = None

    def _emit(self, writer: Output) -> None:
        """Write every record, many at a time, and the state whenever it is due."""
        written, told = 0, time.monotonic()
        for records in self.batches():
            if records:
                extracted = self.run.now().isoformat().replace("+00:00", "Z")  # as the SDK writes it
                writer.write_records(self.name, records, extracted=extracted)
            self.progress.add(len(records))
            written += len(records)
            due = written >= STATE_RECORDS or time.monotonic() - told >= STATE_SECONDS
            if not records and due:
                self._tap.state_writer.write_state(self.tap_state)
                written, told = 0, time.monotonic()
        self._tap.state_writer.write_state(self.tap_state)

    # State: the SDK's bookmarks follow single rows, ours follow complete windows

    def stored_bookmark(self) -> str | None:
        """The bookmark of the run before, normalised.

        One beyond `Run.limit` (written by another tap, or with a clock that was ahead) is brought back to it: that
        costs a second reading and loses nothing.

        Raises:
            StreamFault: the state holds something else than a time.
        """
        state = self.stream_state
        value = state.get("replication_key_value") if state.get("replication_key") == self.cursor else None
        if value is None or not self.replication_key or not self.incremental:
            return None
        try:
            return min(normalised(value), iso(self.run.limit))
        except (ValueError, TypeError, AttributeError) as error:
            msg = f"the state has {value!r} as its bookmark, which is not a time"
            raise StreamFault(msg) from error

    def store_bookmark(self, value: str | None) -> None:
        """The next run begins here."""
        if value is not None and self.incremental:
            self.stream_state.update(replication_key=self.cursor, replication_key_value=value)

    @property
    def incremental(self) -> bool:
        """Whether the run before counts; a catalog may say that it does not."""
        return self.replication_method == REPLICATION_INCREMENTAL

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        own = self.replication_key
        super().apply_catalog(catalog)
        if self.replication_key not in {None, own}:
            msg = f"the catalog replicates `{self.name}` by `{self.replication_key}`: only `{own}` can be"
            raise ConfigurationError(msg)

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """None: `Bookmark` has the limit."""

    @override
    def _write_starting_replication_value(self, context: Context | None) -> None:
        """Write nothing: `start` knows where to begin."""

    @override
    def _increment_stream_state(self, latest_record: Json, *, context: Context | None = None) -> None:
        """Write nothing: `store_bookmark` does, once a window is complete."""

    # Failure: one stream's is not the others'

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Json, Any, Any]:
        """Emit the records; what stops this stream is told in one line, and the next stream goes on.

        Raises:
            SystemExit: no stream can succeed.
        """
        try:
            _ = self.progress  # it measures from here
            writer = self._tap.message_writer
            if isinstance(writer, Output) and self._as_read:
                self._emit(writer)
            else:
                yield from super()._sync_records(context, write_messages=write_messages)
            self.progress.end()
        except KlaviyoError as error:
            if concerns_all(error):
                self.logger.log(logging.ERROR, "%s", error)
                raise SystemExit(1) from error
            kept = " and keeps its bookmark" if self.replication_key else ""
            self.logger.log(logging.ERROR, "%s stopped%s: %s", self.name, kept, error)
            self.run.failed[self.name] = str(error)
        except (AbortedSyncFailedException, AbortedSyncPausedException):
            self.logger.info("%s can be read", self.name)  # a run that was asked for a few records only

    @property
    def _as_read(self) -> bool:
        """Whether records are written as they were read: no stream map, no flattening, no end after a few."""
        mapped = any(type(each) is not SameRecordTransform or each.flattening_enabled for each in self.stream_maps)
        return not mapped and self.ABORT_AT_RECORD_COUNT is None


class ComposedStream(KlaviyoStream):
    """A stream whose rows are put together from several operations."""

    def compose(self, unit: Unit) -> Iterator[Record]:
        """The rows of a unit, made by `record`. Called in other threads."""
        raise NotImplementedError

    @override
    def attempt(self, unit: Unit, seen: set[int]) -> Iterator[Batch]:
        records = self.compose(unit)
        anywhere = replace(unit, window=NO_BOUNDS)  # a row may have changed in a way that its cursor does not show
        while some := list(islice(records, 100)):
            yield self.batch(anywhere, some, seen, 0)


def concerns_all(error: KlaviyoError) -> bool:
    """Whether no stream can succeed: the key, the host or a setting is wrong."""
    return isinstance(error, ConfigurationError | Unreachable) and not isinstance(error, MissingScope)


def _smallest(endpoint: Endpoint, required: str) -> dict[str, str]:
    """Parameters of the cheapest request to a listing."""
    params = {"page[size]": "1"} if endpoint.page and endpoint.page.maximum else {}
    return params | ({"filter": required} if endpoint.filter_required else {})
