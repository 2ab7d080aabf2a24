"""The base of all streams, and what the streams of one run share. The only module that knows the SDK's hooks.

A stream declares; this module reads. Every incremental stream is read window by window (in one window, if it is
short or its endpoint has no upper bound), and a bookmark moves only when a window is complete:

- the lower bound is inclusive, rows met again are dropped by key and cursor value;
- the order of rows is not trusted, nor is any count;
- the bookmark is the greatest cursor value emitted that is at least `MARGIN` older than the run.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, partial
from importlib.metadata import version
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import requests
from singer_sdk import Stream
from singer_sdk import typing as th
from singer_sdk.exceptions import AbortedSyncFailedException, AbortedSyncPausedException
from singer_sdk.singerlib import RecordMessage
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from klaviyo_wire.auth import ApiKey
from klaviyo_wire.client import Client, Transport
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
from klaviyo_wire.jsonapi import included, lift, resources
from klaviyo_wire.ratelimit import Governor
from tap_klaviyo_engagement.settings import Settings, choose
from tap_klaviyo_engagement.times import iso, moment, normalised, second
from tap_klaviyo_engagement.windows import Bookmark, Seen, Window, Windows

if TYPE_CHECKING:
    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog

__all__ = [
    "MARGIN",
    "OPEN",
    "Json",
    "KlaviyoStream",
    "Listing",
    "NotFound",
    "Operator",
    "Run",
    "Seen",
    "StreamFault",
    "Window",
    "included",
    "iso",
    "moment",
    "resources",
]

Json = dict[str, Any]

OPEN = th.CustomType({"type": ["object", "null"]})
"""An object whose keys are the account's or Klaviyo's to choose: passed on as it is, whatever it holds."""

MARGIN = timedelta(minutes=5)
"""How much older than the run a row must be to move a bookmark.

What was written lately may not be readable yet: delays of up to three minutes were recorded (a bulk import, a
historical subscription), and this machine's clock need not be Klaviyo's. Younger rows come again next time.
"""

RESTARTS = 3
"""How often one window is read again because its page cursor expired."""


class StreamFault(KlaviyoError):  # noqa: N818 - named for what it is to the run: one stream cannot finish
    """This stream cannot finish; the others can."""


@dataclass
class Run:
    """What the streams of one run share.

    Args:
        config: The tap's configuration.
        now: The wall clock, UTC.
        sleep: Waits for a number of seconds.
    """

    config: Mapping[str, Any]
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    failed: dict[str, str] = field(default_factory=dict)
    """Why each stream that could not finish could not."""
    snapshots: list[Json] = field(default_factory=list)
    """Rows of `membership_snapshots`: the groups read completely so far."""

    def __post_init__(self) -> None:
        """The run starts."""
        self.limit = second(self.now() - MARGIN)
        """No bookmark and no upper bound lies after it."""

    @cached_property
    def settings(self) -> Settings:
        """The settings; discovery does without.

        Raises:
            ConfigurationError: a setting makes no sense.
        """
        return Settings.of(self.config)

    @cached_property
    def client(self) -> Client:
        """The one request loop of the process.

        Raises:
            ConfigurationError: a setting makes no sense.
        """
        settings = self.settings
        return Client(
            ApiKey(settings.api_key),
            Governor(time.monotonic, share=settings.rate_limit_share),
            Transport(requests.Session(), self.sleep, timeout=(10.0, settings.request_timeout)),
            api_url=settings.api_url,
            revision=settings.revision,
            user_agent=f"tap-klaviyo-engagement/{version('tap-klaviyo-engagement')}",
            decode=decode,
        )


def decode(body: bytes) -> Any:  # noqa: ANN401 - whatever the JSON says
    """A JSON body as values that can be written as UTF-8.

    Half of a surrogate pair (an emoji that some system cut in two) is valid JSON but not text: it becomes U+FFFD.

    Raises:
        ValueError: the body is not JSON.
    """
    try:
        return msgspec.json.decode(body)
    except ValueError:
        text = json.dumps(json.loads(body), ensure_ascii=False)
        return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


@dataclass(frozen=True)
class Listing:
    """One of the listings that make up a stream: what to ask for, and what its rows hold beside attributes."""

    filter: str = ""
    path: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)


class KlaviyoStream(Stream):
    """A stream as a declaration: what is listed, which columns its records have, how they are told apart.

    `name`, `primary_keys`, `replication_key` and `schema` are the SDK's. Facts about the endpoint (page size,
    filter operators, scopes, sparse fields) are not declared: they come from `klaviyo_wire.endpoints`.
    """

    name: str
    primary_keys: Sequence[str] = ()
    replication_key: str | None = None
    operation: ClassVar[str]
    """Klaviyo's id of the operation that is listed; empty if the stream makes no request."""
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
    """Whether the stream is long enough to be read, and checkpointed, in windows of time."""
    from_start_date: ClassVar[bool] = False
    """Whether `start_date` applies. It does not where rows describe what later events and profiles refer to."""
    lookback: ClassVar[str | None] = None
    """The setting that says how far behind its bookmark the stream is read again."""

    STATE_MSG_FREQUENCY = 1_000  # the state holds complete windows only, so it may be written at any time

    def __init__(self, tap: Tap, run: Run) -> None:
        """Bind the stream to a tap and its run."""
        super().__init__(tap)
        absent = {column for column, setting in self.optional.items() if not run.config.get(setting)}
        self.schema = {  # type: ignore[misc]  # a property in the SDK, an attribute in its streams
            **self.schema,
            "properties": {name: kind for name, kind in self.schema["properties"].items() if name not in absent},
        }
        self.run = run
        self.cursor = self.replication_key
        """The column that windows and bookmarks go by, whatever a catalog says about replication."""

    # What a stream may override, when data will not do

    @cached_property
    def chosen(self) -> tuple[Listing, ...]:
        """The listings to read in this run."""
        return self.listings

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
    def times(self) -> tuple[str, ...]:
        """Those of the selected columns that hold times."""
        kinds = self.schema["properties"]
        return tuple(name for name in self.columns if kinds.get(name, {}).get("format") == "date-time")

    @cached_property
    def identity(self) -> Callable[[Json], Any]:
        """Tells rows apart: by key and cursor value, so that a row that changed while it was read comes again."""
        return itemgetter(*self.primary_keys, *filter(None, [self.cursor]))

    @override
    def get_records(self, context: Context | None) -> Iterator[Record]:
        """Emit window after window, and move the bookmark after each."""
        bookmark = Bookmark(self.stored_bookmark(), iso(self.run.limit))
        windows = self.windows(bookmark.value)
        seen = Seen()
        for window in windows:
            rows = 0
            for record in self.once(seen, partial(self.window_rows, window)):
                if self.cursor:
                    bookmark.saw(record[self.cursor])
                rows += 1
                yield record
            seen.turn()
            windows.held(rows)
            bookmark.complete()
            self.store_bookmark(bookmark.value)

    def windows(self, bookmark: str | None) -> Windows:
        """The windows to read, from a bookmark on."""
        starts = []
        if bookmark:
            back = getattr(self.run.settings, self.lookback) if self.lookback else timedelta()
            starts.append(moment(bookmark) - back)
        if self.from_start_date and self.run.settings.start_date:
            starts.append(self.run.settings.start_date)
        start = max(starts, default=None)
        begin = (start or self.earliest()) if self.windowed else None
        return Windows(start, begin or self.run.limit, self.run.limit)

    def earliest(self) -> datetime | None:
        """A first moment to begin at, None when there are no rows.

        It only sizes windows: the first one is open below, so a wrong answer costs requests and no rows.
        """
        found = []
        for listing in self.chosen:
            params = self.params(listing, Window()) | {"page[size]": "1"}
            page = next(self.run.client.pages(self.operation, path=listing.path, params=params))
            found += [self.record(row, listing)[self.cursor] for row in resources(page) if self.cursor]
        return min(map(moment, filter(None, found)), default=None)

    def window_rows(self, window: Window) -> Iterator[Json]:
        """The records of a window, as Klaviyo lists them."""
        for listing in self.chosen:
            yield from self.rows(listing, window)

    def rows(self, listing: Listing, window: Window) -> Iterator[Json]:
        """The records of one listing."""
        params = self.params(listing, window)
        for document in self.run.client.pages(self.operation, path=listing.path, params=params):
            for resource in resources(document):
                yield self.record(resource, listing)

    def once(self, seen: Seen, read: Callable[[], Iterator[Json]]) -> Iterator[Json]:
        """The records of a listing, each once, though its page cursor may expire half-way.

        Raises:
            StreamFault: it expired again and again.
        """
        for _ in range(RESTARTS):
            try:
                for record in read():
                    if seen.is_new(self.identity(record)):
                        yield record
            except CursorExpired:
                self.logger.warning("%s: the page cursor expired; reading the window again", self.name)
            else:
                return
        msg = f"the page cursor expired {RESTARTS} times within one window"
        raise StreamFault(msg)

    def params(self, listing: Listing, window: Window) -> dict[str, str]:
        """Query parameters of a listing's first page: only the selected columns are asked for."""
        deep = {self.sources[name][0] for name in self.columns if name in self.sources}
        extra = [name for name in self.endpoint.additional_fields.get(self.resource, ()) if name in self.columns]
        fields = (self.endpoint.fields[self.resource] - {"id", *extra}) & {*self.columns, *deep}
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

    def record(self, resource: Json, listing: Listing) -> Json:
        """A resource as a record: the selected columns, attributes lifted, times normalised.

        Raises:
            StreamFault: the resource is not one, or a time cannot be read. It is not guessed at, and not dropped.
        """
        try:
            lifted = lift(resource, self.relationships) | dict(listing.columns)
            for column, path in self.sources.items():
                lifted[column] = _dig(lifted, path)
        except (KeyError, TypeError, AttributeError) as error:
            msg = f"Klaviyo sent a row that is not a {self.resource} resource"
            raise StreamFault(msg) from error
        record = {name: lifted.get(name) for name in self.columns}
        for name in self.times:
            if (value := record[name]) is not None:
                try:
                    record[name] = normalised(value)
                except (ValueError, TypeError, AttributeError) as error:
                    msg = (
                        f"`{name}` of {self.resource} {lifted['id']} is not a time that can be read. "
                        "Deselect the column to go on without it, and report what the API answers there"
                    )
                    raise StreamFault(msg) from error
        return record

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
        try:
            return choose(getattr(self.run.settings, setting), self.names(operation, resource))
        except LookupError as error:
            msg = f"the setting `{setting}` {error.args[0]}"
            raise StreamFault(msg) from error

    @override
    def _generate_record_messages(self, record: Record) -> Generator[RecordMessage, None, None]:
        """Apply stream maps only: `record` has the selected columns, as the schema says; that halves the time."""
        now = self.run.now()
        for stream_map in self.stream_maps:
            mapped = stream_map.transform(record)
            if mapped is not None:
                yield RecordMessage(stream=stream_map.stream_alias, record=mapped, time_extracted=now)

    # State: the SDK's bookmarks follow single rows, ours follow complete windows

    def stored_bookmark(self) -> str | None:
        """The bookmark of the run before, normalised.

        Raises:
            StreamFault: the state holds something else than a time.
        """
        state = self.stream_state
        value = state.get("replication_key_value") if state.get("replication_key") == self.cursor else None
        if value is None or self.replication_method != REPLICATION_INCREMENTAL:
            return None
        try:
            return normalised(value)
        except (ValueError, TypeError, AttributeError) as error:
            msg = f"the state has {value!r} as its bookmark, which is not a time"
            raise StreamFault(msg) from error

    def store_bookmark(self, value: str | None) -> None:
        """The next run begins here."""
        if value is not None and self.replication_method == REPLICATION_INCREMENTAL:
            self.stream_state.update(replication_key=self.cursor, replication_key_value=value)

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        super().apply_catalog(catalog)
        if self.replication_key not in {None, self.cursor}:
            msg = f"the catalog replicates `{self.name}` by `{self.replication_key}`: only `{self.cursor}` can be"
            raise ConfigurationError(msg)

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """None: `Bookmark` has the limit."""

    @override
    def _write_starting_replication_value(self, context: Context | None) -> None:
        """Write nothing: `windows` knows where to start."""

    @override
    def _increment_stream_state(self, latest_record: Record, *, context: Context | None = None) -> None:
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
            yield from super()._sync_records(context, write_messages=write_messages)
        except KlaviyoError as error:
            if isinstance(error, ConfigurationError | Unreachable) and not isinstance(error, MissingScope):
                self.logger.log(logging.ERROR, "%s", error)
                raise SystemExit(1) from error
            kept = " and keeps its bookmark" if self.cursor else ""
            self.logger.log(logging.ERROR, "%s stopped%s: %s", self.name, kept, error)
            self.run.failed[self.name] = str(error)
        except (AbortedSyncFailedException, AbortedSyncPausedException):
            self.logger.info("%s can be read", self.name)  # `--test` has seen its record


def _dig(value: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
