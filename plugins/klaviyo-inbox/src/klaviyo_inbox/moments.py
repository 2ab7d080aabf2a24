"""Moments as they are written here: ISO 8601 in UTC, which as texts sort as the moments do."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def iso(at: datetime) -> str:
    """An aware moment as text."""
    return at.astimezone(UTC).isoformat()


def read(text: str) -> datetime:
    """The moment that a text stands for, in UTC; without an offset it is taken as UTC.

    Raises:
        ValueError: the text is no date and time, or one outside the years 1 to 9999.
    """
    moment = datetime.fromisoformat(text.strip())
    if len(text.strip()) <= len("2026-11-29"):
        msg = "a day, and no moment"
        raise ValueError(msg)
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        msg = "outside the years 1 to 9999"
        raise ValueError(msg) from None


def read_iso(value: object) -> str | None:
    """A moment written anew; None of what is none. A number is seconds since 1970, with a fraction or without."""
    try:
        if isinstance(value, str):
            return iso(read(value))
        if value is None or isinstance(value, bool):
            return None
        return iso(datetime.fromtimestamp(float(value), UTC))  # type: ignore[arg-type]  # what is no number raises
    except (ValueError, TypeError, OverflowError, OSError):
        return None
