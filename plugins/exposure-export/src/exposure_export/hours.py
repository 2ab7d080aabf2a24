"""Hours of UTC: their folders, and a range of them as somebody asks for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from singer_program.errors import ProgramError

HOUR = timedelta(hours=1)
_FOLDER = re.compile(r"(\d{4})/(\d{2})/(\d{2})/(\d{2})")


class Window(NamedTuple):
    """Some hours in a row, each named by its beginning in UTC.

    Attributes:
        start: The first one; None: the first there is.
        end: The first that is not of them any more.
    """

    start: datetime | None
    end: datetime

    def holds(self, hour: datetime) -> bool:
        """Whether an hour is one of them."""
        return hour < self.end and (self.start is None or self.start <= hour)

    def holds_some_of(self, year: int, month: int | None = None) -> bool:
        """Whether an hour of a month, or of a year, is one of them."""
        first = datetime(year, month or 1, 1, tzinfo=UTC)
        if first >= self.end:
            return False
        last = (year, month or 12)
        return self.start is None or last >= (self.start.year, self.start.month)


def hour_of(moment: datetime) -> datetime:
    """The beginning of the hour that a moment is in."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def folder_of(hour: datetime) -> str:
    """The folder of an hour, `YYYY/MM/DD/HH`."""
    return f"{hour.year:04}/{hour.month:02}/{hour.day:02}/{hour.hour:02}"


def hour_in(folder: str) -> datetime | None:
    """The hour of a folder; None where it is that of none."""
    found = _FOLDER.fullmatch(folder)
    try:
        return datetime(*map(int, found.groups()), tzinfo=UTC) if found else None  # type: ignore[arg-type,misc]
    except ValueError:
        return None


def text_of(hour: datetime) -> str:
    """An hour in ISO 8601."""
    return hour.strftime("%Y-%m-%dT%H:%M:%SZ")


def asked_for(first: str | None, until: str | None, now: datetime) -> Window | None:
    """The range that somebody asks for; None where they ask for none.

    Args:
        first: The first hour, in ISO 8601: a date is its midnight, and what names no offset is of UTC.
        until: The first hour that is not asked for any more, likewise; None: the one that has not ended yet.
        now: The wall clock.

    Raises:
        ProgramError: there are no such hours, or not all of them have ended.
    """
    if first is None:
        if until is not None:
            message = "give --from, too: the first hour of the range"
            raise ProgramError(message)
        return None
    start = _hour(first, "--from")
    end = hour_of(now) if until is None else _hour(until, "--to")
    if end > hour_of(now):
        ended = text_of(hour_of(now))
        message = f"--to is {text_of(end)}, and hours from {ended} on have not ended: name an earlier one"
        raise ProgramError(message)
    if start >= end:
        message = (
            f"there is no hour from {text_of(start)} to {text_of(end)}: --to is the first hour that is left out"
        )
        raise ProgramError(message)
    return Window(start, end)


def _hour(text: str, option: str) -> datetime:
    try:
        told = datetime.fromisoformat(text.strip())
        moment = (told if told.tzinfo else told.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"{option} is {text!r}: name an hour as 2026-11-02T08:00 or a day as 2026-11-02"
        raise ProgramError(message) from None
    if moment != hour_of(moment):
        whole = text_of(hour_of(moment))
        message = f"{option} is {text!r}, which is within an hour of UTC: name a whole one, such as {whole}"
        raise ProgramError(message)
    return moment


def in_a_row(hours: Iterable[datetime]) -> str:
    """Some hours as they are told: the first and the last of them."""
    told = sorted(hours)
    return text_of(told[0]) if len(told) == 1 else f"{text_of(told[0])} to {text_of(told[-1])}"
