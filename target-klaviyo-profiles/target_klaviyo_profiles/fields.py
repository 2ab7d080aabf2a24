"""What a record's fields are declared as, and how their values are brought to the declared kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Kind(StrEnum):
    """What the value of a record's field is."""

    TEXT = "text"
    """A string; a whole number is taken as its digits, since warehouses keep ids as numbers."""
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    """ISO 8601 text; without an offset it counts as UTC. Given to the sink with an offset: `…T12:00:00+00:00`."""
    OBJECT = "object"
    TEXTS = "array of text"


PLAIN_TYPES: Mapping[Kind, type] = {Kind.TEXT: str, Kind.NUMBER: int, Kind.BOOLEAN: bool}
"""The Python type whose every value is good for a field of the kind, without a look inside."""

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
    """
    if kind is _OBJECT and type(value) is dict:  # nearly every record has one, and `match` takes longer
        return value
    match kind, value:
        case (Kind.TEXT, str()) | (Kind.BOOLEAN, bool()):
            return value
        case Kind.TEXT, int() if not isinstance(value, bool):
            return str(value)
        case (Kind.NUMBER, int() | float()) if not isinstance(value, bool):
            return value
        case Kind.TIME, str():
            return _with_offset(value)
        case Kind.TEXTS, list() if all(isinstance(each, str) for each in value):
            return value
    msg = f"is {_TYPE_NAMES.get(type(value), type(value).__name__)}: it must be {kind}"
    raise TypeError(msg)


def _with_offset(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        msg = "is not a time as in ISO 8601"
        raise TypeError(msg) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
