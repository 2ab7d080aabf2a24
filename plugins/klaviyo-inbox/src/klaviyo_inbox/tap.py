"""The tap: what the receiver has stored, by number."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream
from singer_sdk import typing as th
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.helpers.types import Context, Record
from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL
from typing_extensions import override

from klaviyo_inbox import moments, records
from klaviyo_inbox.records import RECEIVED, SEQUENCE, STREAMS, decoded
from klaviyo_inbox.sources import SOURCES
from klaviyo_inbox.store import open_for_reading
from singer_program.errors import ProgramError
from singer_program.people_list import PeopleLists, forgotten
from singer_program.plugin import ProgramTap, run_plugin
from singer_program.state import REMEDY, kind_of, next_run

if TYPE_CHECKING:
    from klaviyo_inbox.store.base import State, Store

STORE = "store"
"""Where a stream's state says which store its bookmark is of."""
EXTRACTION = "extraction"
"""Where it says when the first of the runs that went on from each other began, and the number of this one: by it
`target-duckdb` knows whether the warehouse holds what came before."""
_BOOKMARK = "replication_key_value"
_OWN_WORDS = frozenset(source.stream.name for source in SOURCES if source.own_word)
"""Streams in which people speak for themselves: what they say is passed on, whoever was forgotten."""


class InboxStream(Stream):
    """The records of one stream."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # they were made by the schema
    replication_key = SEQUENCE
    is_sorted = True

    def __init__(self, tap: TapKlaviyoInbox, stream: records.Stream) -> None:
        super().__init__(tap, name=stream.name, schema=stream.json_schema())
        self.primary_keys = stream.keys
        self._inbox = tap

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        held = self._inbox.held
        after = int(self.get_starting_replication_key_value(context) or 0)
        people = None if self.name in _OWN_WORDS else self._inbox.forgotten
        left_out = 0
        for sequence, received_at, record in self._inbox.store.records(self.name, after, held.newest):
            row = decoded(record)
            if people is not None and people.about(row) is not None:
                left_out += 1
                continue
            yield {**row, RECEIVED: received_at, SEQUENCE: sequence}
        if left_out:
            self.logger.info("%s: %s records are of people who asked to be forgotten", self.name, f"{left_out:,}")
        if self.replication_method == REPLICATION_INCREMENTAL:
            # There is nothing more of this stream up to there: one of which little comes would stay far behind.
            self.stream_state.update({"replication_key": SEQUENCE, _BOOKMARK: held.newest})


class TapKlaviyoInbox(ProgramTap):
    """What `klaviyo-inbox` has received."""

    name = "tap-klaviyo-inbox"
    package_name = "klaviyo-inbox"
    config_jsonschema = th.PropertiesList(
        th.Property(
            "store",
            th.StringType,
            required=True,
            secret=True,
            title="Store",
            description="Where the receiver keeps deliveries: its setting `store`",
        ),
        th.Property(
            "forgotten_path",
            th.StringType,
            title="People who asked to be forgotten",
            description="Their list, a keyed hash a line, as the receiver has it: what was kept before they were"
            " on it is not passed on, but what they say themselves. A list that cannot be read ends the run",
        ),
        th.Property(
            "forgotten_key",
            th.StringType,
            secret=True,
            title="Key of the list",
            description="Key of the hashes of that list",
        ),
    ).to_dict()

    @override
    def discover_streams(self) -> list[Stream]:
        return [InboxStream(self, stream) for stream in STREAMS.values()]

    @cached_property
    def store(self) -> Store:
        """The store.

        Raises:
            StoreError: there is none.
        """
        return open_for_reading(self.config["store"])

    @cached_property
    def forgotten(self) -> PeopleLists | None:
        """Who asked to be forgotten; None where nobody has.

        Raises:
            ProgramError: it is not known who.
        """
        return forgotten(self.config)

    @cached_property
    def held(self) -> State:
        """What the store held when the run began: no stream reads beyond it."""
        return self.store.state()

    @override
    def _set_compatible_replication_methods(self) -> None:
        """Look whose the bookmarks are: what the state holds now is written before the first record.

        Raises:
            ProgramError: a bookmark is none.
        """
        super()._set_compatible_replication_methods()
        _ = self.forgotten  # told before anything is written
        states = [
            stream.stream_state
            for stream in self.streams.values()
            if stream.selected and stream.replication_method == REPLICATION_INCREMENTAL
        ]
        for state in states:
            after = state.get(_BOOKMARK)
            if after is not None and type(after) is not int:
                message = f"the state has {kind_of(after)} as a bookmark, and no whole number: {REMEDY}"
                raise ProgramError(message)
            claim(state, self.held, moments.now())
        read = min((state.get(_BOOKMARK) or 0 for state in states), default=0)
        if read < self.held.removed:
            self.logger.warning(
                "what was received up to number %s was removed by the receiver's `retention_days`, and runs before"
                " had read up to %s: let the tap run more often, or raise `retention_days`",
                self.held.removed,
                read,
            )


def claim(state: dict[str, Any], held: State, now: datetime) -> None:
    """Make a stream's state one of this store, and count the run.

    The numbers of a store that was made anew, or put back to an older copy, are not those that the bookmark goes
    by: all that it holds is read then.

    Args:
        state: The stream's; written in place.
        held: What the store holds.
        now: When the run began.
    """
    if state.get(STORE) != held.identity or (state.get(_BOOKMARK) or 0) > held.newest:
        for name in (_BOOKMARK, "replication_key", EXTRACTION):
            state.pop(name, None)
        state[STORE] = held.identity
    state[EXTRACTION] = next_run(state.get(EXTRACTION), moments.iso(now))


def main() -> int:
    """Run the tap with the arguments of the process; returns the exit status."""
    return run_plugin(TapKlaviyoInbox)
