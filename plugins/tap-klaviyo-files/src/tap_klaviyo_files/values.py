"""Values of cells: moments, numbers, and JSON in a text."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal
from typing import Any

import msgspec

from tap_klaviyo_files.faults import RowError

Cell = Any
"""A text, or what JSON or Parquet has in its place; None and an empty text are none."""


class NoMomentError(ValueError):
    """A cell is no moment; what it is is not told."""


_US = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?: ?([AaPp])[Mm])?)?"
)
_SECONDS = re.compile(r"-?\d{9,10}(?:\.\d+)?")
_MILLISECONDS = re.compile(r"\d{12,13}")
_ZONE = re.compile(r"\s*(?:UTC|GMT|Z)$|\s+(?=[+-]\d{2}:?\d{2}$)")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")
_TWO_DIGITS = 100
_PLAIN = len("2026-11-30 13:34:08")
_HALF_A_DAY = 12

_decoder = msgspec.json.Decoder(float_hook=Decimal)


def moment(cell: Cell, zone: tzinfo) -> datetime:
    """The moment that a cell stands for, in UTC.

    The forms are those that Klaviyo documents: ISO 8601, with a blank or `T`; month first, `09/15/2021 13:34[:08]`
    or with two digits of the year; seconds since 1970. A day is its midnight.

    Args:
        cell: The cell.
        zone: Where the clock hung, if the cell does not say so.

    Raises:
        NoMomentError: it is none, or one outside the years 1 to 9999.
    """
    try:
        if zone is UTC and isinstance(cell, str) and len(cell) == _PLAIN and cell[4] == "-":  # nearly all of them
            return datetime.fromisoformat(f"{cell}+00:00")
        found = _moment(cell)
        if found.tzinfo is None:
            found = found.replace(tzinfo=zone)
        return found if found.tzinfo is UTC else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise NoMomentError from None


def _moment(cell: Cell) -> datetime:
    if isinstance(cell, str):
        return _written(cell.strip())
    if isinstance(cell, datetime):
        return cell
    if isinstance(cell, date):
        return datetime.combine(cell, time())
    if isinstance(cell, int | float | Decimal) and not isinstance(cell, bool):
        return _written(f"{cell:f}" if isinstance(cell, Decimal) else str(cell))
    raise ValueError


def _written(text: str) -> datetime:
    if text[4:5] == "-":
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return datetime.fromisoformat(_ZONE.sub(lambda found: "+00:00" if found.group().strip() else "", text))
    if found := _US.fullmatch(text):
        return _month_first(found)
    if _SECONDS.fullmatch(text):
        return since_1970(float(text))
    if _MILLISECONDS.fullmatch(text):
        return since_1970(int(text) / 1000)
    raise ValueError


def _month_first(found: re.Match[str]) -> datetime:
    month, day, year, hour, minute, second = (int(each or 0) for each in found.groups()[:6])
    if half := found[7]:
        if not 1 <= hour <= _HALF_A_DAY:
            raise ValueError
        hour = hour % _HALF_A_DAY + (_HALF_A_DAY if half in "Pp" else 0)
    return datetime(2000 + year if year < _TWO_DIGITS else year, month, day, hour, minute, second)  # noqa: DTZ001 - its zone comes later


def since_1970(seconds: float) -> datetime:
    """The moment so many seconds after the beginning of 1970.

    Raises:
        ValueError: it is outside the years 1 to 9999.
    """
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError):
        raise ValueError from None


def iso(at: datetime) -> str:
    """A moment as the tap of the API writes it."""
    return at.isoformat()


def text(cell: Cell) -> str | None:
    """A cell as a text without blanks around it; None of an empty one."""
    if cell is None:
        return None
    if isinstance(cell, str):
        return cell.strip() or None
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return msgspec.json.encode(cell).decode() if isinstance(cell, dict | list | bool) else str(cell)


def number(cell: Cell) -> Any:  # noqa: ANN401 - JSON
    """A cell as a number with all its digits; one that is none stays as it is."""
    if isinstance(cell, str) and _NUMBER.fullmatch(stripped := cell.strip()):
        return Decimal(stripped)
    return cell


def parsed(cell: Cell) -> Any:  # noqa: ANN401 - JSON
    """A cell of a column that is one property: JSON of an object or list is taken as such, another text stays."""
    if isinstance(cell, str) and cell[0] in "{[" and cell[-1] in "}]":
        try:
            return _decoder.decode(cell)
        except (ValueError, RecursionError):
            return cell
    return cell


def members(cell: Cell, column: str) -> dict[str, Any]:
    """The members of a cell that holds an object, or JSON of one; an empty cell has none.

    Raises:
        RowError: it holds something else.
    """
    found = cell
    if isinstance(cell, str):
        if not cell.strip():
            return {}
        try:
            found = _decoder.decode(cell)
        except (ValueError, RecursionError):
            found = cell
        if isinstance(found, dict):
            return found
    if found is None:
        return {}
    if isinstance(found, list) and all(isinstance(each, tuple) for each in found):  # a map of Parquet
        found = dict(found)
    if isinstance(found, dict):
        return {str(name): value for name, value in found.items()}
    fault = f"the column {column!r} holds no JSON object"
    raise RowError(fault, code="properties", remedy="mend the row, or name another column for it in `columns`")
