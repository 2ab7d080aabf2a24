"""The streams as the SDK wants them."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from typing_extensions import override

from singer_program.writer import MessageWriter
from tap_klaviyo_files.ledger import Ledger
from tap_klaviyo_files.reading import Reading, Snapshots
from tap_klaviyo_files.streams.kind import METRICS, SNAPSHOTS, Kind, Metrics, Record
from tap_klaviyo_files.values import iso, since_1970

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context

    from tap_klaviyo_files.run_context import RunContext

FILES, NAMED, NEWEST = "files", "metrics", "snapshots"
"""Where the state of a stream holds the files that were read, the metrics they name, and the newest snapshots."""
_STATE_SECONDS = 5.0
"""STATE holds every file that was read: it is written so long after the one before, and at the end."""


class FileStream(Stream):
    """Rows of files."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # they are made by the schema

    def __init__(self, tap: Tap, run: RunContext, kind: Kind) -> None:
        super().__init__(tap, name=kind.name, schema=kind.schema())
        self.primary_keys = tuple(kind.keys)
        self.kind = kind
        self.run = run

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """The records one by one, for the SDK's own path: stream maps, flattening, parts that are not selected."""
        for batch in self._batches():
            for record in batch:
                yield {
                    name: iso(value) if isinstance(value, datetime) else value for name, value in record.items()
                }

    @override
    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        writer = self._tap.message_writer
        if not isinstance(writer, MessageWriter) or not self._emitted_as_read:
            yield from super()._sync_records(context, write_messages=write_messages)
            return
        last = time.monotonic()
        for batch in self._batches():
            if batch:
                writer.write_records(self.name, batch, extracted=iso(self.run.now()))
            elif time.monotonic() - last >= _STATE_SECONDS:
                self._write_state_message()
                last = time.monotonic()
        self._write_state_message()

    @property
    def _emitted_as_read(self) -> bool:
        """Whether records are written as they were read: whole, without stream map or flattening."""
        mapped = any(type(each) is not SameRecordTransform or each.flattening_enabled for each in self.stream_maps)
        return not mapped and all(self.mask.values()) and self.ABORT_AT_RECORD_COUNT is None

    def _batches(self) -> Iterator[list[Record]]:
        reading = Reading(
            self.kind,
            lambda: self.run.places(self.name),
            self.ledger(),
            Metrics(self.stream_state.setdefault(NAMED, {})),
            self.stream_state.setdefault(NEWEST, {}),
            self.run.rejects,
            self.run.forgotten,
            self.config["settle_seconds"],
            self.run.now,
            self.logger,
            self.run.faults,
        )
        yield from reading.batches()

    def ledger(self) -> Ledger:
        """The files that were read.

        Raises:
            ProgramError: the state has another shape.
        """
        return Ledger(self.stream_state.setdefault(FILES, {}))


class TellingStream(Stream):
    """What other streams learnt of their files, in this run and those before: few rows, told in every run."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    def __init__(
        self, tap: Tap, run: RunContext, name: str, keys: tuple[str, ...], columns: dict[str, Any]
    ) -> None:
        super().__init__(tap, name=name, schema={"type": "object", "properties": columns, "required": list(keys)})
        self.primary_keys = keys
        self.run = run

    def told(self, stream: str, what: str) -> dict[str, Any]:
        """What the state of a stream says, also where this run did not read it."""
        found: dict[str, Any] = self.tap_state.get("bookmarks", {}).get(stream, {}).get(what, {})
        return found


class MetricStream(TellingStream):
    """The metrics that files of events name."""

    def __init__(self, tap: Tap, run: RunContext) -> None:
        super().__init__(tap, run, "metrics", ("id",), dict(METRICS))

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        for metric_id, (name, integration) in self.told("events", NAMED).items():
            yield {"id": metric_id, "name": name, "integration": {"key": integration}}


class SnapshotStream(TellingStream):
    """When the newest file of each list and segment was written: whoever has an older `snapshot_at` has left."""

    def __init__(self, tap: Tap, run: RunContext) -> None:
        super().__init__(tap, run, "membership_snapshots", ("group_type", "group_id"), dict(SNAPSHOTS))

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        for group_type in ("list", "segment"):
            snapshots: Snapshots = self.told(f"{group_type}_memberships", NEWEST)
            for group_id, (modified, members) in snapshots.items():
                yield {
                    "group_type": group_type,
                    "group_id": group_id,
                    "snapshot_at": iso(since_1970(modified)),
                    "member_count": members,
                }
