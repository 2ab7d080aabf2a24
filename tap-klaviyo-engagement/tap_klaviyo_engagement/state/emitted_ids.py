"""The ids that were emitted in the last days, in bounded space: what tells a late event from one emitted before.

Events arrive late, and the API does not say when one arrived. So the days behind the bookmark are listed again
(ids only) and compared with what was emitted. Of each day the state keeps a `Sketch` of its ids:

- up to `EXACT` ids, their 64-bit digests: any difference is found exactly;
- beyond, an invertible Bloom lookup table of `CELLS` cells, the same 48 KB: the *difference* to what is listed now
  is found exactly up to about three quarters of the cells (3,000 late events in one day, between two runs). A day
  that differs by more is emitted again whole: nothing is lost, and a loader that upserts does not notice.

So the state holds at most 48 KB (64 KB as text) per day of the lookback, whatever the account sends.
Nothing here does I/O.
"""

from __future__ import annotations

import base64
import zlib
from array import array
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Any

from tap_klaviyo_engagement.times import iso, moment

EXACT = 6_000
CELLS = 4_095
_TABLES = 3
_ROWS = CELLS // _TABLES
_BITS = 64 // _TABLES
_MODULUS = 1 << 16
_ONE = (1, _MODULUS - 1)
_MIX = 0x9E3779B97F4A7C15
"""An odd number without pattern: the golden ratio's first 64 bits."""


def digest(identity: str) -> int:
    """64 bits that stand for an id: among a million ids, a new one is taken for an old one once in 10^13 times."""
    return int.from_bytes(blake2b(identity.encode(), digest_size=8).digest(), "big")


class Sketch:
    """A set of digests, in bounded space."""

    def __init__(self, digests: Iterable[int] = ()) -> None:
        self._ids: set[int] | None = set()
        self._counts = array("H")
        self._checks = array("H")
        self._sums = array("Q")
        self._text = ""
        self.add(digests)

    def add(self, digests: Iterable[int]) -> None:
        """Add digests that are not in the set yet."""
        self._text = ""
        if self._ids is not None:
            self._ids.update(digests)
            if len(self._ids) <= EXACT:
                return
            digests, self._ids = self._ids, None
            self._counts, self._checks = array("H", bytes(2 * CELLS)), array("H", bytes(2 * CELLS))
            self._sums = array("Q", bytes(8 * CELLS))
        for each in digests:
            self._put(each, 1)

    def _put(self, each: int, sign: int) -> None:
        check = _check(each)
        for cell in _cells(each):
            self._counts[cell] = (self._counts[cell] + sign) % _MODULUS
            self._checks[cell] ^= check
            self._sums[cell] ^= each

    def unseen(self, listed: Collection[int]) -> set[int] | None:
        """Those of the listed digests that are not in the set; None if it differs too much to tell."""
        if self._ids is not None:
            return set(listed) - self._ids
        rest = Sketch()
        rest._ids = None
        rest._counts, rest._checks, rest._sums = self._counts[:], self._checks[:], self._sums[:]
        for each in listed:
            rest._put(each, -1)
        return rest._peeled(set(listed))

    def _peeled(self, listed: Collection[int]) -> set[int] | None:
        """Decode the table by peeling: a cell that holds one digest names it, and without it other cells hold one.

        The table is empty afterwards. A cell in which several digests cancel out to a count of one is told by its
        check. No digest is taken out twice, so the loop ends, and the result is exact or None.
        """
        new: set[int] = set()
        gone: set[int] = set()
        todo = list(range(CELLS))
        while todo:
            cell = todo.pop()
            each = self._sums[cell]
            if self._counts[cell] not in _ONE or self._checks[cell] != _check(each) or cell not in _cells(each):
                continue
            found, sign = (gone, -1) if self._counts[cell] == 1 else (new, 1)
            if each in new or each in gone or (found is gone) == (each in listed):
                return None
            found.add(each)
            self._put(each, sign)
            todo.extend(_cells(each))
        return None if any(self._counts) or any(self._checks) or any(self._sums) else new

    def ids(self) -> set[int]:
        """The digests, of a set of at most `EXACT`.

        Raises:
            ValueError: there are more.
        """
        if self._ids is None:
            msg = "the set is a table"
            raise ValueError(msg)
        return self._ids

    def dump(self) -> str:
        """The set as text."""
        if not self._text:
            exact = self._ids is not None
            table = b"".join(part.tobytes() for part in (self._counts, self._checks, self._sums))
            raw = array("Q", sorted(self._ids or ())) if exact else table
            self._text = "et"[not exact] + base64.b64encode(zlib.compress(raw, 1)).decode()
        return self._text

    @classmethod
    def load(cls, text: str) -> Sketch:
        """The set that was dumped.

        Raises:
            ValueError: the text is not a dump.
        """
        sketch, raw = cls(), _unpacked(text[1:])
        if text[:1] == "e":
            sketch._ids = set(array("Q", raw))
        elif text[:1] == "t" and len(raw) == 12 * CELLS:
            sketch._ids = None
            sketch._counts, sketch._checks = array("H", raw[: 2 * CELLS]), array("H", raw[2 * CELLS : 4 * CELLS])
            sketch._sums = array("Q", raw[4 * CELLS :])
        else:
            msg = "not a sketch"
            raise ValueError(msg)
        return sketch


def _cells(each: int) -> tuple[int, int, int]:
    return each % _ROWS, _ROWS + (each >> _BITS) % _ROWS, 2 * _ROWS + (each >> 2 * _BITS) % _ROWS


def _check(each: int) -> int:
    """16 check bits of a digest: those of several digests, XORed, are not those of the digests' XOR."""
    return (each * _MIX >> 48) % _MODULUS


def _unpacked(text: str) -> bytes:
    try:
        return zlib.decompress(base64.b64decode(text, validate=True))
    except zlib.error as error:
        raise ValueError(str(error)) from error


@dataclass
class EmittedIds:
    """What was emitted from `since` until `through`, day by day (UTC), and what is dated ahead of it.

    Texts are normalised times; `since` is empty if no day was forgotten. On a day between them that has no sketch,
    nothing was emitted. `bookmark` is the stream's bookmark when this was stored: if the state has another
    one, somebody set it by hand and wants everything from there again.
    """

    since: str = ""
    through: str = ""
    bookmark: str = ""
    days: dict[str, Sketch] = field(default_factory=dict)
    ahead: set[int] = field(default_factory=set)

    def of_day(self, day: str) -> Sketch:
        """The ids that were emitted of a day (`2026-11-20`); grows as it is added to."""
        return self.days.setdefault(day, Sketch())

    def forget(self, before: str) -> None:
        """Drop the days that ended before a time: from now on nothing is known of them."""
        for day in [day for day in self.days if day < before[:10]]:
            del self.days[day]
        self.since = max(self.since, f"{before[:10]}T00:00:00+00:00")

    def remember_ahead(self, digests: Iterable[int]) -> None:
        """Keep the ids of emitted rows that are dated `through` or later, at most `EXACT` of them."""
        self.ahead = set(islice(digests, EXACT))

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "since": self.since,
            "through": self.through,
            "bookmark": self.bookmark,
            "days": {day: sketch.dump() for day, sketch in self.days.items()},
            "ahead": Sketch(self.ahead).dump(),
        }

    @classmethod
    def load(cls, dumped: object) -> EmittedIds | None:
        """From JSON; None if it is not what `dump` wrote: then nothing is known to be emitted."""
        match dumped:
            case {
                "since": str(since),
                "through": str(through),
                "bookmark": str(bookmark),
                "days": dict(days),
                "ahead": str(ahead),
            }:
                try:
                    sketches = {day: Sketch.load(text) for day, text in days.items()}
                    begun = iso(moment(since)) if since else ""
                    return cls(begun, iso(moment(through)), bookmark, sketches, Sketch.load(ahead).ids())
                except (ValueError, TypeError, OverflowError):
                    return None
        return None
