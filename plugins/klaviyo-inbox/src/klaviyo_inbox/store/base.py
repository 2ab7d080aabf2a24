"""What a store does, whatever it is kept in: a queue of records by number, and what was put away.

Numbers grow in the order in which records can be read: who has read up to one never finds another below it. A part
that was stored before is known by its key for as long as it is kept.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from klaviyo_inbox import moments
from singer_program.errors import ProgramError

if TYPE_CHECKING:
    from klaviyo_inbox.delivery import Delivery, Parcel, Receipt

VERSION = 1
"""Of the tables; another one is refused."""


class StoreError(ProgramError):
    """The store cannot be used now: what came is to be sent again later, and somebody has to look."""


class StoreFullError(StoreError):
    """There is no more room."""


class StoredRecord(NamedTuple):
    """A record by its number."""

    sequence: int
    received_at: str
    record: bytes


class StoredDeadLetter(NamedTuple):
    """What was put away.

    Attributes:
        number: By which it is named.
        source: The name of its source.
        received_at: When its delivery came.
        reason: Why it is no record.
        size: Bytes of its body.
    """

    number: int
    source: str
    received_at: str
    reason: str
    size: int


class State(NamedTuple):
    """What a store holds.

    Attributes:
        identity: Tells it from every other store, and from itself made anew.
        newest: The greatest number there is, or was; 0 of none.
        removed: The greatest number that was removed for its age.
        dead_letters: How many were put away.
        size: Bytes.
    """

    identity: str
    newest: int
    removed: int
    dead_letters: int
    size: int


class Removed(NamedTuple):
    """What is too old, by number."""

    records: int
    dead_letters: int


PRUNED_AT_ONCE = 5_000
"""Records that are removed in one go: as long who writes waits."""


class Store(ABC):
    """A store. Of one that is open, methods are called by one thread at a time, any of them."""

    @abstractmethod
    def append(self, parcels: Sequence[Parcel]) -> list[Receipt]:
        """Keep what came; on disk when this returns, all of it or nothing.

        Raises:
            StoreError: nothing is kept.
        """

    @abstractmethod
    def probe(self) -> None:
        """Write something, to see whether deliveries could be kept.

        Raises:
            StoreError: they could not.
        """

    @abstractmethod
    def state(self) -> State:
        """What the store holds.

        Raises:
            StoreError: it cannot be read.
        """

    @abstractmethod
    def records(self, stream: str, after: int, upto: int) -> Iterator[StoredRecord]:
        """The records of a stream whose numbers lie above one and not above another, by number.

        Raises:
            StoreError: they cannot be read.
        """

    @abstractmethod
    def dead_letters(self) -> Iterator[StoredDeadLetter]:
        """What was put away, the oldest first.

        Raises:
            StoreError: it cannot be read.
        """

    @abstractmethod
    def dead_delivery(self, number: int) -> Delivery | None:
        """A dead letter as it came; None if there is none of the number.

        Raises:
            StoreError: it cannot be read.
        """

    @abstractmethod
    def settle(self, number: int, parcel: Parcel | None) -> Receipt:
        """Put what has become of a dead letter in its place; nothing, to forget it.

        Raises:
            StoreError: it stays as it is.
        """

    @abstractmethod
    def remove(self, sequences: Sequence[int], dead_letters: Sequence[int]) -> None:
        """Remove records and dead letters by their numbers, of any age; what was removed before is passed over.

        Raises:
            StoreError: nothing is removed.
        """

    @abstractmethod
    def prunable(self, before: datetime) -> Removed:
        """How much `prune` would remove in all; nothing is.

        Raises:
            StoreError: it cannot be read.
        """

    @abstractmethod
    def prune(self, before: datetime, at_most: int) -> Removed:
        """Remove what was received before a moment, by number, up to the first record that was not.

        Args:
            before: The moment.
            at_most: So many records, so that nobody who writes has to wait for long.

        Returns:
            What was removed; as many records as `at_most`: there may be more.

        Raises:
            StoreError: nothing is removed.
        """

    def prune_all(self, before: datetime) -> Removed:
        """Remove all that `prunable` counts, a little at a time.

        Raises:
            StoreError: what was removed until then is.
        """
        records = dead_letters = 0
        last = PRUNED_AT_ONCE
        while last == PRUNED_AT_ONCE:
            last, dead = self.prune(before, PRUNED_AT_ONCE)
            records += last
            dead_letters += dead
        return Removed(records, dead_letters)

    @abstractmethod
    def close(self) -> None:
        """Close it."""


def key_of(source: str, key: str) -> bytes:
    """By which an item is known again: 16 bytes, which tell nothing of the key."""
    return _digest(source.encode(), key.encode())


def dead_key_of(source: str, body: bytes) -> bytes:
    """By which a dead letter is known again."""
    return _digest(source.encode(), body)


def _digest(*parts: bytes) -> bytes:
    return hashlib.blake2b(b"\0".join(parts), digest_size=16).digest()


def item_rows(parcel: Parcel) -> list[tuple[bytes, str, str, bytes]]:
    """The items of a parcel: key, stream, when received, record."""
    received_at = moments.iso(parcel.delivery.received_at)
    return [(key_of(parcel.source, item.key), parcel.stream, received_at, item.record) for item in parcel.items]


def dead_rows(parcel: Parcel) -> list[tuple[bytes, str, str, str, str, bytes]]:
    """The dead letters of a parcel: key, source, when received, reason, parameters of the path, body."""
    received_at = moments.iso(parcel.delivery.received_at)
    parameters = json.dumps(dict(parcel.delivery.parameters))
    return [
        (dead_key_of(parcel.source, each.body), parcel.source, received_at, each.reason, parameters, each.body)
        for each in parcel.dead_letters
    ]


def full(max_bytes: int) -> StoreFullError:
    """The error of a store that is as large as it may be."""
    message = (
        f"the store has reached `max_store_bytes` ({max_bytes:,}): let the tap read it and remove what was read"
        " with `klaviyo-inbox prune`, or give it more"
    )
    return StoreFullError(message)
