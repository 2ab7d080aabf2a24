"""The base class of all streams, `KlaviyoStream`, and the only module that knows what the SDK wants of a stream.

The SDK handles records one by one. That path is taken only where stream maps or flattening need it; otherwise the
batches that a stream reads are written as they are.
"""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from singer_sdk import Stream
from singer_sdk import typing as th
from singer_sdk.exceptions import AbortedSyncFailedException, AbortedSyncPausedException
from singer_sdk.helpers._catalog import pop_deselected_record_properties
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib import RecordMessage
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from klaviyo_wire.errors import ConfigurationError, KlaviyoError, MissingScope
from tap_klaviyo_engagement.emission.column_rules import NO_RULES
from tap_klaviyo_engagement.emission.emitter import Emitter
from tap_klaviyo_engagement.emission.message_writer import MessageWriter
from tap_klaviyo_engagement.emission.progress import Progress, TimeRead
from tap_klaviyo_engagement.errors import MissingSetting, Unreadable, concerns_all, told, unexpected
from tap_klaviyo_engagement.extraction.record_decoder import Record, plain
from tap_klaviyo_engagement.state.bookmarks import BookmarkStore
from tap_klaviyo_engagement.state.owner import claim

if TYPE_CHECKING:
    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context
    from singer_sdk.singerlib import Catalog

    from klaviyo_wire.jsonapi import Json
    from tap_klaviyo_engagement.run_context import RunContext

OPEN = th.CustomType({"type": ["object", "null"]})
"""An object whose keys are the account's or Klaviyo's to choose: passed on as it is, whatever it holds."""

Rhythm = Literal[
    "events",
    "profiles",
    "groups",
    "account",
    "sweep",
    "webhooks",
    "refusals",
    "reports",
    "counts",
    "shop",
    "content",
    "devices",
    "objects",
    "brand",
    "billing",
]
"""How often a stream is worth reading; the pipeline has a plugin `tap-klaviyo-<rhythm>` for each."""

TEXT_OR_NUMBER = th.CustomType({"type": ["string", "number", "null"]})
"""A value that Klaviyo gives now as text, now as a number."""


def open_with(*parts: th.Property[Any]) -> th.CustomType:
    """An `OPEN` object some of whose keys are known: with `flattening_enabled` these are columns of their own.

    Args:
        parts: The known keys; none of them may be required.
    """
    return th.CustomType({**OPEN.type_dict, "properties": th.PropertiesList(*parts).to_dict()["properties"]})


def pairs(resource: str, related: str) -> Json:
    """The schema of a stream that tells which resources are related to which.

    Args:
        resource: JSON:API type of what is listed.
        related: Of what it names.
    """
    return th.PropertiesList(
        *(
            th.Property(f"{each}_id", th.StringType, required=True, description=f"{each.capitalize()} id")
            for each in (resource, related)
        ),
        th.Property("snapshot_at", th.DateTimeType, description="When the reading that saw it began"),
    ).to_dict()


class KlaviyoStream(Stream):
    """A stream: name, keys and schema as in any Singer tap, and the batches of records that a run reads of it.

    `name`, `primary_keys`, `replication_key` and `schema` are the SDK's.
    """

    name: str
    primary_keys: Sequence[str] = ()
    replication_key: str | None = None
    operation: ClassVar[str]
    """Key in `klaviyo_wire.endpoints` of the operation that gives the rows; empty: they come of other streams."""
    parent: ClassVar[str] = ""
    """Operation that lists what the stream's operation takes an id of; empty where it takes none."""
    rhythm: ClassVar[Rhythm]
    """With which others it is read. One that makes no request has none: it is read with those that it tells of."""
    leaves_snapshots: ClassVar[bool] = False
    """Whether `membership_snapshots` tells when the stream was read whole; with `tells_ids` it does anyway."""
    about_people: ClassVar[Literal["by columns", "by anything"] | None] = None
    """Whether rows are about people, without those who asked to be forgotten, and what of a row says who it is.

    Memberships and sweeps are not: they hold ids alone, and a reading with a row less would count as incomplete.
    """
    optional: ClassVar[Mapping[str, str]] = {}
    """Columns that exist only while a setting is on: column → setting."""
    sliced_by: ClassVar[str | None] = None
    """The column that windows of time go by in a stream without replication key."""

    CHECKPOINT: ClassVar[list[Record]] = []
    """A batch without records: all that came before it is emitted, and the state says so."""

    def __init__(self, tap: Tap, run: RunContext) -> None:
        """Bind the stream to a tap and its run."""
        super().__init__(tap)
        absent = {column for column, setting in self.optional.items() if not run.config.get(setting)}
        as_declared = bool(run.config.get("flattening_enabled"))
        self.rules = run.column_rules.get(self.name, NO_RULES)
        declared = self.rules.schema(self.schema)
        self.schema = {  # type: ignore[misc]  # a property in the SDK, an attribute in its streams
            **declared,
            "properties": {
                name: kind if as_declared else _without_parts(kind)
                for name, kind in declared["properties"].items()
                if name not in absent
            },
        }
        self.run = run
        self.cursor = self.replication_key or self.sliced_by
        """The column that windows and bookmarks go by, whatever a catalog says about replication."""

    @abstractmethod
    def batches(self) -> Iterator[list[Record]]:
        """Every record of this run.

        When the next batch is asked for, the one before may count as emitted. STATE is written at a `CHECKPOINT`.
        """

    def probe(self) -> str:
        """Find out with a request or two whether the key can read the stream; why it was not tried, if it was not.

        Raises:
            KlaviyoError: it cannot.
        """
        return "it makes no request"

    def names(self, operation: str, resource: str) -> dict[str, str]:
        """Names by id of everything an operation lists; see `NameLookup.names`."""
        reading = self.run.begin_reading()

        def put_aside(fault: Unreadable) -> None:
            reading.complete = False
            self.put_aside(fault, {})

        found = self.run.name_lookup.names(operation, resource, put_aside)
        reading.ids.update(found)
        self.run.named[operation] = reading
        return found

    @property
    def selected_streams(self) -> list[KlaviyoStream]:
        """The streams that are read in this run, in the order in which they are."""
        return [each for each in self._tap.streams.values() if isinstance(each, KlaviyoStream) and each.selected]

    def put_aside(self, fault: Unreadable, columns: Mapping[str, Any]) -> None:
        """Put a row aside that cannot be read. Called in other threads, too.

        Args:
            fault: What is wrong with it.
            columns: Columns of the row that are known.

        Raises:
            StreamFault: there are too many of them.
        """
        key = {name: str(columns[name]) for name in self.primary_keys if name in columns}
        self.run.rejects.put_aside(self.name, {**key, "id": fault.id} if fault.id else key, fault)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The selected columns."""
        return tuple(name for name in self.effective_schema["properties"] if self.mask["properties", name])

    @property
    def asked_for(self) -> bool:
        """Whether somebody wants this stream in particular.

        Meltano selects every stream there is where a project has no `select`: then nobody chose one that is not
        selected by default. Whoever leaves out a single stream has chosen the others.
        """
        return self.selected_by_default or not all(each.selected for each in self._tap.streams.values())

    @property
    def incremental(self) -> bool:
        """Whether the run before counts; a catalog may say that it does not."""
        return self.replication_method == REPLICATION_INCREMENTAL

    @property
    def keeps_state(self) -> bool:
        """Whether this run leaves something for the next one."""
        return bool(self.replication_key) and self.incremental

    def claim_state(self) -> None:
        """Write into the stream's state whose it is, and which run goes on from it."""
        claim(self.stream_state, self.run.account, self.run.now())

    @cached_property
    def bookmarks(self) -> BookmarkStore:
        """Where the bookmark is kept between runs."""
        return BookmarkStore(self.stream_state, self.cursor, self.run.limit, lambda: self.keeps_state)

    @cached_property
    def progress(self) -> Progress:
        """How far the stream is."""
        quota = lambda: self.run.client.remaining(self.operation) if self.operation else None  # noqa: E731
        return Progress(self.name, time.monotonic, self.logger.info, quota, TimeRead(self.run.limit))

    # The SDK's hooks. tests/test_sdk_hooks.py says of each why it is overridden.

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[Json, Any, Any]:
        """Emit the records; what stops this stream is told in one line, and the next stream goes on.

        Raises:
            SystemExit: no stream can succeed.
        """
        try:
            progress = self.progress  # it measures from here
            writer = self._tap.message_writer
            if isinstance(writer, MessageWriter) and self._emitted_as_read:
                state = lambda: self._tap.state_writer.write_state(self.tap_state)  # noqa: E731
                Emitter(self.name, writer, state, progress, self.run.now).emit(self._written())
            else:
                yield from super()._sync_records(context, write_messages=write_messages)
            progress.end(self.run.rejects.counts[self.name])
        except KlaviyoError as error:
            if concerns_all(error):
                self.logger.log(logging.ERROR, "%s", told(error))
                raise SystemExit(1) from error
            if isinstance(error, MissingScope | MissingSetting) and not self.asked_for:
                self._left_out(error)
            else:
                self._stopped(error)
        except (AbortedSyncFailedException, AbortedSyncPausedException):
            self.logger.info("%s can be read", self.name)  # a run that was asked for a few records only
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no reason to leave the other streams unread
            self._stopped(unexpected(error))

    def _written(self) -> Iterator[list[Record]]:
        """The batches as they are written: nobody who asked to be forgotten, and nothing that is to be hashed."""
        if not self.rules:
            yield from self._remembered()
            return
        for records in self._remembered():
            yield [self.rules.apply(record) for record in records]

    def _remembered(self) -> Iterator[list[Record]]:
        """The batches without the records of people who asked to be forgotten."""
        people = self.run.forgotten if self.about_people else None
        if people is None:
            yield from self.batches()
            return
        left_out = 0
        for records in self.batches():
            kept = [record for record in records if people.about(self._naming(record)) is None]
            left_out += len(records) - len(kept)
            if kept or not records:  # none at all says that all before is emitted, which is not meant
                yield kept
        if left_out:
            self.logger.info("%s: %s records are of people who asked to be forgotten", self.name, f"{left_out:,}")

    def _naming(self, record: Record) -> Json:
        """The part of a record that says whom it is about: a property may be somebody else's address."""
        row = plain(record)
        if self.about_people == "by anything":
            return row
        return {name: value for name, value in row.items() if not isinstance(value, dict | list)}

    def _stopped(self, error: KlaviyoError) -> None:
        kept = " and keeps its bookmark" if self.replication_key else ""
        self.logger.log(logging.ERROR, "%s stopped%s: %s", self.name, kept, told(error))
        self.run.failed[self.name] = told(error)

    def _left_out(self, error: KlaviyoError) -> None:
        self.logger.warning(
            "%s is left out, since every stream is selected and none was chosen: %s. Deselect it, or provide that",
            self.name,
            told(error),
        )
        self.run.left_out.add(self.name)

    @cached_property
    def _without_some_parts(self) -> bool:
        """Whether parts of a selected object are deselected."""
        return any(
            not selected and len(breadcrumb) > len(("properties", "column")) and self.mask[breadcrumb[:2]]
            for breadcrumb, selected in self.mask.items()
        )

    @property
    def _emitted_as_read(self) -> bool:
        """Whether records are written as they were read: whole, all of them, without stream map or flattening."""
        if self._without_some_parts:
            return False
        mapped = any(type(each) is not SameRecordTransform or each.flattening_enabled for each in self.stream_maps)
        return not mapped and self.ABORT_AT_RECORD_COUNT is None

    @override
    def get_records(self, context: Context | None) -> Iterator[Json]:
        """The records one by one, for the SDK's own path."""
        for records in self._written():
            yield from map(plain, records)

    @override
    def _generate_record_messages(self, record: Json) -> Generator[RecordMessage, None, None]:
        """Apply stream maps only: `record` has the selected columns, as the schema says."""
        now = self.run.now()
        if self._without_some_parts:
            pop_deselected_record_properties(record, self.schema, self.mask)
        for stream_map in self.stream_maps:
            mapped = stream_map.transform(record)
            if mapped is not None:
                yield RecordMessage(stream=stream_map.stream_alias, record=mapped, time_extracted=now)

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Take a catalog's selection; a replication key other than the stream's own is refused.

        Raises:
            ConfigurationError: the catalog names one.
        """
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
        """Write nothing: the stream reads its own bookmark."""

    @override
    def _increment_stream_state(self, latest_record: Json, *, context: Context | None = None) -> None:
        """Write nothing: the bookmark is stored once a window is complete."""


def _without_parts(kind: Mapping[str, Any]) -> Mapping[str, Any]:
    """The type of a column as it is without flattening: an object is one value."""
    return {key: value for key, value in kind.items() if key != "properties"}
