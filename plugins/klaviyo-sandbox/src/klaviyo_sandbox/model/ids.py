"""Identifiers shaped like Klaviyo's, from a seeded generator, so that one seed gives one world."""

from __future__ import annotations

from random import Random

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = [first + second for first in _BASE62 for second in _BASE62]
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CROCKFORD_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]

# 100-nanosecond steps between the UUID epoch (1582-10-15) and 1970-01-01.
_UUID_EPOCH = 0x01B21DD213814000


COMPANY_ID = "AbC123"
"""The account of seed 0."""


def account(seed: int) -> str:
    """Of the account of a seed."""
    return COMPANY_ID if seed == 0 else short(Random(f"{seed}:account"))  # noqa: S311 - no secret


def ulid(rng: Random, at: float) -> str:
    """26 characters, as profiles, campaigns and messages have them; sorts by `at` (seconds) to the millisecond."""
    value = (int(at * 1000) << 80) | rng.getrandbits(80)
    pairs = [_CROCKFORD_PAIRS[(value >> shift) & 0x3FF] for shift in range(120, -1, -10)]
    return "".join(pairs)


def short(rng: Random) -> str:
    """6 characters, as lists, segments, metrics and templates have them; starts with a capital."""
    choose = rng.randrange
    return _BASE62[10 + choose(26)] + _BASE62[choose(62)] + _PAIRS[choose(3844)] + _PAIRS[choose(3844)]


def event(rng: Random) -> str:
    """11 characters, as events have them; says nothing about time."""
    value = rng.getrandbits(64)
    parts = []
    for _ in range(5):
        value, pair = divmod(value, 3844)
        parts.append(_PAIRS[pair])
    return "7" + "".join(parts)


def event_uuid(rng: Random, timestamp: int) -> str:
    """An event's `uuid`: version-1 shaped, and the time inside is the time of occurrence."""
    ticks = timestamp * 10_000_000 + _UUID_EPOCH
    node = rng.getrandbits(48)
    return f"{ticks & 0xFFFFFFFF:08x}-{ticks >> 32 & 0xFFFF:04x}-1{ticks >> 48 & 0x0FFF:03x}-8001-{node:012x}"
