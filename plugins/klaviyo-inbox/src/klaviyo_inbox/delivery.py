"""What came in one request, and what it is divided into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

PATH = "path"
"""The parameter of every delivery that says which path of its source was called."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request whose sender is known.

    Attributes:
        body: As JSON text that can go on: no NUL, no half of a surrogate pair.
        received_at: When it came, in UTC.
        parameters: What the path names.
        headers: By lower-case name; those a source needs to understand the body.
    """

    body: bytes
    received_at: datetime
    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class Item(NamedTuple):
    """A part of a delivery that becomes a record.

    Attributes:
        key: What tells it from every other of its source: one that comes again is the same.
        record: A JSON object with the columns of the source's stream, without `received_at` and `_seq`.
    """

    key: str
    record: bytes


class DeadLetter(NamedTuple):
    """A part of a delivery that becomes none.

    Attributes:
        reason: Why, and where; holds nothing of the body.
        body: A body of the same source that holds this part alone.
    """

    reason: str
    body: bytes


class RefusedError(Exception):
    """The delivery is not from who it says, or not meant for now: it is answered 401, and nothing is kept.

    Its text holds nothing of the delivery.
    """


class UnusableError(Exception):
    """A delivery, or a part of one, cannot become a record: it is put away. Its text holds nothing of the body."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one delivery is in the store.

    Attributes:
        source: The name of its source.
        stream: The stream that its items are records of.
        delivery: What came.
        items: What becomes a record.
        dead_letters: What does not.
    """

    source: str
    stream: str
    delivery: Delivery
    items: tuple[Item, ...]
    dead_letters: tuple[DeadLetter, ...]

    def with_parts(self, items: tuple[Item, ...], dead_letters: tuple[DeadLetter, ...]) -> Parcel:
        """The same with other parts."""
        return replace(self, items=items, dead_letters=dead_letters)


def parcel(source: str, stream: str, delivery: Delivery, parts: Iterable[Item | DeadLetter]) -> Parcel:
    """The parts of a delivery, sorted."""
    items: list[Item] = []
    dead_letters: list[DeadLetter] = []
    for part in parts:
        if isinstance(part, Item):
            items.append(part)
        else:
            dead_letters.append(part)
    return Parcel(source, stream, delivery, tuple(items), tuple(dead_letters))


class Receipt(NamedTuple):
    """What became of a parcel: how many parts are stored, were there already, and are put away."""

    stored: int
    duplicates: int
    put_away: int
