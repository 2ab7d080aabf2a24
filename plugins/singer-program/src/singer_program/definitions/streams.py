"""Definitions as Singer records: what is read whole in each run, and how a warehouse tells that some are gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Stream
from singer_sdk import typing as th
from typing_extensions import override

from singer_program.plugin import ProgramTap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record

DEFINED_AT = "defined_at"
"""The column, and where the state holds when the run before began."""


class DefinitionStream(Stream):
    """A view of the definitions; all records of a run carry the same `defined_at`, the start of the run.

    No loader deletes rows. So a tap's last stream, which `snapshot` names, has one record: rows of the others with
    an older `defined_at` belong to definitions that no longer exist. It says when the run was, by `remember`.
    """

    properties: ClassVar[tuple[th.Property[Any], ...]]
    snapshot: ClassVar[str] = "definition_snapshots"

    def __init__(self, tap: Tap) -> None:
        defined_at = th.Property(
            DEFINED_AT,
            th.DateTimeType(nullable=False),
            required=True,
            description="Start of the run that read it; later than that of every run before",
        )
        super().__init__(tap, schema=th.PropertiesList(*self.properties, defined_at).to_dict())

    def rows(self) -> Iterable[Record]:
        """The stream's records without `defined_at`."""
        raise NotImplementedError

    def defined_at(self) -> str:
        """The start of the run, or just after that of the run before, where the clock was set back meanwhile.

        Otherwise the rows of a definition that was deleted since would be later than the snapshot.
        """
        started = datetime.fromtimestamp(self._tap.initialized_at / 1000, UTC)
        marks = self._tap.state.get("bookmarks") or {}
        try:
            before = datetime.fromisoformat(marks[self.snapshot][DEFINED_AT])
            started = max(started, before + timedelta(milliseconds=1))
        except (KeyError, TypeError, ValueError, OverflowError):
            pass
        return started.isoformat(timespec="milliseconds")

    def remember(self) -> None:
        """Let the state tell the run after this one when this one began."""
        self.stream_state[DEFINED_AT] = self.defined_at()

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        defined_at = self.defined_at()
        for row in self.rows():
            yield {**row, DEFINED_AT: defined_at}


class DefinitionTap(ProgramTap):
    """A tap of definitions: its streams are read in the order in which they are declared, the snapshot last."""

    dynamic_catalog = True  # discovery reads the definitions too, so it needs sound settings
    declared: ClassVar[tuple[type[DefinitionStream], ...]]

    @property
    @override
    def streams(self) -> dict[str, Stream]:
        """The streams in the order of `declared`; the SDK would sort them by name."""
        order: list[type[Stream]] = [*self.declared]
        return dict(sorted(super().streams.items(), key=lambda item: order.index(type(item[1]))))
