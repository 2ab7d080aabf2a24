"""Klaviyo's times: read leniently, written in one form (normalised).

The API writes whole seconds for most resources and microseconds for some, and has been seen with a space instead
of `T` and with `Z`. A normalised time is `2026-09-04T13:38:55+00:00`, with six decimals if it has a fraction. Such
texts sort as the moments they stand for: `+` sorts before `.`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pendulum

_WHOLE = len("2026-09-04T13:38:55+00:00")
_FIRST = datetime.min.replace(tzinfo=UTC)


def moment(text: str) -> datetime:
    """The moment a text stands for, in UTC; without an offset it is taken as UTC.

    Raises:
        ValueError: the text is not a date and time, or one that lies outside the years 1 to 9999 in UTC.
    """
    try:
        try:
            read = datetime.fromisoformat(text.strip())
        except ValueError:
            lenient = pendulum.parse(text.strip(), strict=False, exact=True)
            if not isinstance(lenient, pendulum.DateTime):  # a time of day, a duration, an interval
                raise
            read = lenient
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except OverflowError as error:
        msg = "outside the years 1 to 9999"
        raise ValueError(msg) from error


def iso(at: datetime) -> str:
    """The normalised text of an aware moment."""
    return at.astimezone(UTC).isoformat()


def normalised(text: str) -> str:
    """A time as Klaviyo wrote it, normalised.

    Raises:
        ValueError: the text is not a date and time.
    """
    if len(text) == _WHOLE and text[10] == "T" and text.endswith("+00:00"):
        datetime.fromisoformat(text)
        return text  # as it was: the form of nearly all of them
    return iso(moment(text))


def earlier(at: datetime, span: timedelta) -> datetime:
    """The moment so long before another one, or the first one there is."""
    return at - span if at - _FIRST > span else _FIRST


def second(at: datetime) -> datetime:
    """The moment, without its fraction of a second."""
    return at.replace(microsecond=0)
