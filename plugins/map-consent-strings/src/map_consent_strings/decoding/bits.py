"""Bits out of the base64 in which the strings are written."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta

from map_consent_strings.decoding.choices import Ranges, UndecodableError

_ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
_SIX = {ord(letter): format(value, "06b") for value, letter in enumerate(_ALPHABET)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COUNT, _VENDOR = 12, 16
"""Bits of the number of a list's entries, and of a vendor's id."""
_END_OF_FIBONACCI = "11"


class Bits:
    """Reads one value after the other; what is read beyond the end makes the string an undecodable one."""

    def __init__(self, text: str) -> None:
        """Take the bits of a text.

        Args:
            text: base64 with `-` and `_`, with or without `=` at its end.

        Raises:
            UndecodableError: it is something else.
        """
        letters = text.rstrip("=")
        if not letters:
            message = "a part of it is empty"
            raise UndecodableError(message)
        if set(letters) - {*_ALPHABET}:
            message = "it has characters that are not of base64url"
            raise UndecodableError(message)
        self._bits = letters.translate(_SIX)
        self._place = 0

    def integer(self, width: int) -> int:
        """A whole number of so many bits."""
        return int(self._take(width), 2)

    def flag(self) -> bool:
        """A bit."""
        return self._take(1) == "1"

    def numbers(self, width: int) -> tuple[int, ...]:
        """Which bits are set of so many, counted from 1."""
        return tuple(number for number, bit in enumerate(self._take(width), 1) if bit == "1")

    def letters(self, count: int) -> str | None:
        """Capital letters, six bits each; none, if one of them is none."""
        values = [self.integer(6) for _ in range(count)]
        if any(value >= len(string.ascii_uppercase) for value in values):
            return None
        return "".join(string.ascii_uppercase[value] for value in values)

    def moment(self) -> datetime:
        """A time, kept as tenths of a second since 1970."""
        return _EPOCH + timedelta(milliseconds=100 * self.integer(36))

    def vendors(self) -> Ranges:
        """The ids of vendors: a bit for each up to the largest, or a list of ranges.

        Raises:
            UndecodableError: a range is none, or has an id beyond the largest.
        """
        largest = self.integer(_VENDOR)
        if not self.flag():
            return merged([(number, number) for number in self.numbers(largest)])
        ranges = self.ranges()
        if ranges and ranges[-1][1] > largest:
            message = "it names a vendor beyond the largest that it says it names"
            raise UndecodableError(message)
        return ranges

    def ranges(self) -> Ranges:
        """A list of ids and ranges of ids, in any order.

        Raises:
            UndecodableError: a range ends before it begins, or an id is 0.
        """
        found = []
        for _ in range(self.integer(_COUNT)):
            is_range = self.flag()
            first = self.integer(_VENDOR)
            last = self.integer(_VENDOR) if is_range else first
            if not 0 < first <= last:
                message = "it has a range of vendors that is none"
                raise UndecodableError(message)
            found.append((first, last))
        return merged(found)

    def fibonacci_ids(self, largest: int) -> tuple[int, ...]:
        """A list of ids and ranges of ids in ascending order, as distances in Fibonacci coding.

        Raises:
            UndecodableError: one is larger than can be.
        """
        found: list[int] = []
        last = 0
        for _ in range(self.integer(_COUNT)):
            is_range = self.flag()
            first = last + self._fibonacci(largest)
            last = first + self._fibonacci(largest) if is_range else first
            if last > largest:
                message = "it names a section that no specification has"
                raise UndecodableError(message)
            found += range(first, last + 1)
        return tuple(found)

    def _fibonacci(self, largest: int) -> int:
        """A number as the sum of Fibonacci's, the smallest first, up to two bits that are set."""
        end = self._bits.find(_END_OF_FIBONACCI, self._place)
        if end < 0:
            message = "it ends too early"
            raise UndecodableError(message)
        total, one, two = 0, 1, 2
        for bit in self._take(end + len(_END_OF_FIBONACCI) - self._place)[:-1]:
            total += one if bit == "1" else 0
            if one > largest:
                message = "it names a section that no specification has"
                raise UndecodableError(message)
            one, two = two, one + two
        return total

    def left(self) -> int:
        """How many bits are not read yet."""
        return len(self._bits) - self._place

    def end(self) -> None:
        """See that nothing follows but what fills the last letters up.

        Raises:
            UndecodableError: something does.
        """
        if "1" in self._bits[self._place :]:
            message = "it goes on after its last field"
            raise UndecodableError(message)

    def _take(self, width: int) -> str:
        taken = self._bits[self._place : self._place + width]
        if len(taken) < width:
            message = "it ends too early"
            raise UndecodableError(message)
        self._place += width
        return taken


def merged(ranges: list[tuple[int, int]]) -> Ranges:
    """The same numbers in ascending ranges, as few as there can be."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)
