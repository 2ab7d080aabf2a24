"""What a record's fields are declared as, and how their values are brought to the declared kind."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from target_klaviyo_profiles.values import Unsendable, without_nulls


class Kind(StrEnum):
    """What the value of a record's field is."""

    TEXT = "text"
    """A string; a whole number is taken as its digits, since warehouses keep ids as numbers, also as floats."""
    NUMBER = "number"
    """A number, or a text that is one in JSON: a CSV file has no other, and some warehouses give decimals so."""
    BOOLEAN = "boolean"
    """true or false, or either as text."""
    TIME = "time"
    """ISO 8601 text; without an offset it counts as UTC. Given to the sink with an offset: `…T12:00:00+00:00`."""
    OBJECT = "object"
    """An object, or its JSON as text: many warehouses have no type for objects."""
    TEXTS = "array of text"
    """An array of strings, or its JSON as text."""


PLAIN_TYPES: Mapping[Kind, type] = {Kind.TEXT: str, Kind.NUMBER: int, Kind.BOOLEAN: bool}
"""The Python type whose every value is good for a field of the kind, without a look inside."""

_NUMBER = re.compile(r"-?\d{1,400}(\.\d+)?([eE][+-]?\d{1,4})?", re.ASCII)
"""A text that is a number; Python would also take `1_0`, `nan` and the digits of other scripts."""
_TRUTH = {"true": True, "false": False}
_EXACT = 2**53
"""From here on a float no longer tells a whole number from the next: an id would be another one's."""

_OBJECT = Kind.OBJECT
"""Members of an enumeration are looked up slowly."""

_TYPE_NAMES = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "text",
    list: "an array",
    dict: "an object",
}


@dataclass(frozen=True)
class Field:
    """A field that records of a sink may have.

    Attributes:
        name: Its name in the record.
        kind: What its value is.
        description: What it says, for the README.
        required: Whether a record without it, or with blank text in it, is refused (`missing_field`).
        choices: All that a text may be, in upper or lower case; empty where any text will do. The sink refuses the
            others (`invalid_value`); tests over all sinks make their records from it, and check the refusal.
    """

    name: str
    kind: Kind
    description: str
    required: bool = False
    choices: tuple[str, ...] = ()


def coerced(kind: Kind, value: object) -> object:
    """The value as one of the kind.

    Raises:
        TypeError: it is not of the kind; the message is the rest of a sentence about the field.
        Unsendable: it is JSON text in which a value is none that JSON has.
        RecursionError: it is JSON text that is nested too deeply.
    """
    if kind is _OBJECT and type(value) is dict:  # nearly every record has one, and `match` takes longer
        return value
    if isinstance(value, str):
        return _from_text(kind, value)
    match kind, value:
        case Kind.BOOLEAN, bool():
            return value
        case Kind.TEXT, int() | float() if _tells_whole_number(value):
            return str(int(value))
        case (Kind.NUMBER, int() | float()) if not isinstance(value, bool):
            return value
        case Kind.TEXTS, list() if all(isinstance(each, str) for each in value):
            return value
    msg = f"is {_TYPE_NAMES.get(type(value), type(value).__name__)}: it must be {kind}"
    raise TypeError(msg)


def _from_text(kind: Kind, text: str) -> object:
    match kind:
        case Kind.TIME:
            return _with_offset(text)
        case Kind.NUMBER:
            return _number(text)
        case Kind.OBJECT | Kind.TEXTS:
            return coerced(kind, _parsed(kind, text))
        case Kind.BOOLEAN:
            return _truth(text)
    return text


def _tells_whole_number(value: float) -> bool:
    if isinstance(value, float):
        return value.is_integer() and abs(value) < _EXACT
    return not isinstance(value, bool)


def _truth(text: str) -> bool:
    value = _TRUTH.get(text.strip().lower())
    if value is None:
        msg = "is text that is neither `true` nor `false`"
        raise TypeError(msg)
    return value


def _number(text: str) -> int | float:
    stripped = text.strip()
    if found := _NUMBER.fullmatch(stripped):
        value = float(stripped) if found[1] or found[2] else int(stripped)
        if math.isfinite(value):
            return value
    msg = "is text that is no number"
    raise TypeError(msg)


def _parsed(kind: Kind, text: str) -> object:
    """What a JSON text says, without its nulls; never a text, which would be parsed again."""
    try:
        value = without_nulls(json.loads(text))
    except Unsendable:
        raise
    except ValueError:
        value = text
    if value is None or isinstance(value, str):
        msg = f"is text that is not the JSON of an {kind}"
        raise TypeError(msg)
    return value


def _with_offset(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        msg = "is not a time as in ISO 8601"
        raise TypeError(msg) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
