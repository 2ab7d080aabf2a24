"""How Klaviyo writes time: ISO 8601 with `+00:00`, whole seconds or microseconds."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

_DAY = 86_400


def seconds(timestamp: int) -> str:
    """`2026-09-04T13:38:55+00:00`."""
    day, second = divmod(timestamp, _DAY)
    return _day(day) + _time(second)


# A page holds hundreds of timestamps; there are few days, and no more times than a day has seconds.


@cache
def _day(day: int) -> str:
    return datetime.fromtimestamp(day * _DAY, UTC).date().isoformat()


@cache
def _time(second: int) -> str:
    return f"T{second // 3_600:02}:{second // 60 % 60:02}:{second % 60:02}+00:00"


def maybe_seconds(timestamp: int | None) -> str | None:
    """As `seconds`; None stays None."""
    return None if timestamp is None else seconds(timestamp)


def micros(moment: datetime) -> str:
    """`2026-09-04T13:38:55.123456+00:00`; always 32 characters, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def maybe_micros(moment: datetime | None) -> str | None:
    """As `micros`; None stays None."""
    return None if moment is None else micros(moment)


def parse(text: str) -> datetime:
    """The moment in a text this module wrote."""
    return datetime.fromisoformat(text)


def maybe_parse(text: str | None) -> datetime | None:
    """As `parse`; None stays None."""
    return None if text is None else parse(text)
