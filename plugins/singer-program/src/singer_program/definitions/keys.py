"""The schema of a definition: its keys are declared once, for the reader, the README's table and editors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from singer_program.definitions.yaml_values import KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from enum import StrEnum

    from singer_program.definitions.yaml_values import Value


NAME = {"type": "string", "pattern": f"^{KEY.pattern}$"}
TEXT = {"type": "string", "pattern": r"\S"}
MEMBER = r"[\w$][\w $-]{0,99}"
"""The names of members of a JSON object that every warehouse can look up without quoting."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a mapping: its name, what it means, and the JSON Schema of its value."""

    name: str
    meaning: str
    schema: Mapping[str, Any]
    required: bool = False
    default: str = ""


def mapping(keys: Iterable[Key], **more: object) -> dict[str, Any]:
    """JSON Schema of a mapping that has these keys and no others."""
    keys = list(keys)
    properties = {key.name: {"description": key.meaning, **key.schema} for key in keys}
    required = [key.name for key in keys if key.required]
    return {
        "type": "object",
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
        **more,
    }


def read_mapping(value: Value, keys: Iterable[Key], replaced: Mapping[str, str] | None = None) -> dict[str, Value]:
    """Read a mapping that has these keys and no others; see `Value.fields`."""
    keys = list(keys)
    required = [key.name for key in keys if key.required]
    return value.fields(required, [key.name for key in keys if not key.required], replaced)


def keyed_by_names(schema: Mapping[str, Any], at_least: int) -> dict[str, Any]:
    """JSON Schema of a mapping whose keys the author chooses."""
    return {
        "type": "object",
        "propertyNames": NAME,
        "additionalProperties": dict(schema),
        "minProperties": at_least,
    }


def one_of(options: type[StrEnum]) -> dict[str, Any]:
    """JSON Schema of a word of a list."""
    return {"enum": [option.value for option in options]}


def whole(lowest: int, highest: int) -> dict[str, Any]:
    """JSON Schema of a whole number within bounds, both inclusive."""
    return {"type": "integer", "minimum": lowest, "maximum": highest}
