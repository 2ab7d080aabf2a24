"""Writes consent strings bit by bit, by the specifications and by nothing of the decoder."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Pairs = Sequence[tuple[int, int]]


def base64url(bits: str) -> str:
    """Six bits a letter, filled up with zeros."""
    whole = bits.ljust(-(-len(bits) // 6) * 6, "0")
    return "".join(LETTERS[int(whole[place : place + 6], 2)] for place in range(0, len(whole), 6))


def number(value: int, width: int) -> str:
    return format(value, f"0{width}b")


def field(numbers: Iterable[int], width: int) -> str:
    chosen = {*numbers}
    return "".join("1" if each in chosen else "0" for each in range(1, width + 1))


def code(text: str) -> str:
    return "".join(number(ord(letter) - ord("A"), 6) for letter in text)


def moment(when: datetime) -> str:
    return number(round((when - EPOCH) / timedelta(milliseconds=100)), 36)


def entries(ranges: Pairs) -> str:
    written = "".join(
        "0" + number(first, 16) if first == last else "1" + number(first, 16) + number(last, 16)
        for first, last in ranges
    )
    return number(len(ranges), 12) + written


def vendors(ids: Iterable[int], *, as_ranges: bool) -> str:
    chosen = sorted(ids)
    largest = chosen[-1] if chosen else 0
    listed = entries([(each, each) for each in chosen]) if as_ranges else field(chosen, largest)
    return number(largest, 16) + str(int(as_ranges)) + listed


def core(  # noqa: PLR0913 - a field each
    *,
    version: int = 2,
    policy: int = 5,
    made: datetime = datetime(2026, 11, 3, tzinfo=UTC),
    features: Iterable[int] = (),
    purposes: Iterable[int] = (),
    interests: Iterable[int] = (),
    country: str = "DE",
    consents: str | None = None,
    interest_vendors: str | None = None,
    restrictions: Sequence[tuple[int, int, Pairs]] = (),
) -> str:
    """The first segment of a TC string."""
    nobody = vendors((), as_ranges=False)
    told = "".join(
        number(purpose, 6) + number(kind, 2) + entries(ranges) for purpose, kind, ranges in restrictions
    )
    return base64url(
        number(version, 6) + moment(made) + moment(made) + number(300, 12) + number(4, 12) + number(1, 6)
        + code("EN") + number(120, 12) + number(policy, 6) + "10"
        + field(features, 12) + field(purposes, 24) + field(interests, 24) + "0" + code(country)
        + (nobody if consents is None else consents) + (nobody if interest_vendors is None else interest_vendors)
        + number(len(restrictions), 12) + told
    )  # fmt: skip


def fibonacci(value: int) -> str:
    """Zeckendorf's sum, the smallest first, and a one at its end."""
    numbers = [1, 2]
    while numbers[-1] <= value:
        numbers.append(numbers[-1] + numbers[-2])
    bits = ""
    for each in reversed([known for known in numbers if known <= value]):
        bits = ("1" if each <= value else "0") + bits
        value -= each if each <= value else 0
    return f"{bits}1"


def header(ids: Sequence[int], *, kind: int = 3, version: int = 1) -> str:
    """The head of a GPP string."""
    distances = [after - before for before, after in zip([0, *ids], ids, strict=False)]
    return base64url(
        number(kind, 6) + number(version, 6) + number(len(ids), 12)
        + "".join(f"0{fibonacci(distance)}" for distance in distances)
    )  # fmt: skip
