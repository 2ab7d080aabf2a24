"""DuckDB's types as JSON Schema, and their Python values as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date, datetime, time

    from duckdb.sqltypes import DuckDBPyType


class UnsupportedTypeError(Exception):
    """JSON has nothing for values of this type."""


@dataclass(frozen=True, slots=True)
class JsonType:
    """How the values of a type become JSON.

    Attributes:
        schema: JSON Schema of a value that is not null.
        convert: Makes a value that is not null one that msgspec writes as the schema says; none if it is one.
    """

    schema: dict[str, Any]
    convert: Callable[[Any], Any] | None = None

    def nullable(self) -> dict[str, Any]:
        """The schema with null."""
        kinds = self.schema["type"]
        return {**self.schema, "type": [*(kinds if isinstance(kinds, list) else [kinds]), "null"]}


def json_type(duckdb_type: DuckDBPyType) -> JsonType:
    """What a DuckDB type becomes.

    Raises:
        UnsupportedTypeError: If JSON has no such value (BLOB, BIT, INTERVAL, UNION …).
    """
    kind = str(duckdb_type.id)
    if str(duckdb_type) == "JSON":
        return _JSON
    if kind in _SCALARS:
        return _SCALARS[kind]
    if kind in {"list", "array"}:
        return _list(json_type(_children(duckdb_type)[0][1]))
    if kind == "struct":
        return _struct({name: json_type(child) for name, child in _children(duckdb_type)})
    if kind == "map":
        (_, key), (_, value) = _children(duckdb_type)
        if str(key.id) in _MAP_KEYS:
            return _map(json_type(value))
    raise UnsupportedTypeError(str(duckdb_type))


def _children(duckdb_type: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    return cast("list[tuple[str, DuckDBPyType]]", duckdb_type.children)


def _isoformat(value: date | datetime | time | str) -> str:
    if isinstance(value, str):  # what duckdb gives where Python has no such date
        message = f"{value} lies outside the years 1 to 9999"
        raise ValueError(message)  # noqa: TRY004  the type is right, the value is not
    return value.isoformat()


def _utc(value: datetime | str) -> str:
    return f"{_isoformat(value)}+00:00"


def _list(item: JsonType) -> JsonType:
    schema = {"type": "array", "items": item.nullable()}
    convert = item.convert
    if convert is None:
        return JsonType(schema)

    def convert_list(values: Iterable[Any]) -> list[Any]:
        return [None if value is None else convert(value) for value in values]

    return JsonType(schema, convert_list)


def _struct(fields: dict[str, JsonType]) -> JsonType:
    schema = {"type": "object", "properties": {name: field.nullable() for name, field in fields.items()}}
    converters = {name: field.convert for name, field in fields.items() if field.convert}

    def convert_struct(values: dict[str, Any]) -> dict[str, Any]:
        for name, convert in converters.items():
            if values[name] is not None:
                values[name] = convert(values[name])
        return values

    return JsonType(schema, convert_struct if converters else None)


def _map(value: JsonType) -> JsonType:
    convert = value.convert or (lambda element: element)

    def convert_map(values: dict[Any, Any]) -> dict[str, Any]:
        return {str(key): None if element is None else convert(element) for key, element in values.items()}

    return JsonType({"type": "object", "additionalProperties": value.nullable()}, convert_map)


_INTEGERS = {
    *("tinyint", "smallint", "integer", "bigint", "hugeint"),
    *("utinyint", "usmallint", "uinteger", "ubigint", "uhugeint"),
}
_TIMESTAMP = JsonType({"type": "string", "format": "date-time"}, _utc)
_SCALARS = {
    "varchar": JsonType({"type": "string"}),
    "enum": JsonType({"type": "string"}),
    "uuid": JsonType({"type": "string", "format": "uuid"}, str),
    "boolean": JsonType({"type": "boolean"}),
    "date": JsonType({"type": "string", "format": "date"}, _isoformat),
    "time": JsonType({"type": "string", "format": "time"}, _isoformat),
    "timestamp with time zone": JsonType({"type": "string", "format": "date-time"}, _isoformat),
    **dict.fromkeys(("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"), _TIMESTAMP),
    **dict.fromkeys(_INTEGERS, JsonType({"type": "integer"})),
    **dict.fromkeys(("decimal", "double", "float"), JsonType({"type": "number"})),
}
_JSON = JsonType({"type": ["object", "array", "string", "number", "integer", "boolean"]}, msgspec.json.decode)
_MAP_KEYS = {"varchar", "enum", "uuid", *_INTEGERS}
