"""A stream's properties as columns: which type each has, and what it is called."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a column holds; the value is DuckDB's name of the type."""

    TEXT = "VARCHAR"
    JSON = "JSON"
    INTEGER = "HUGEINT"
    NUMBER = "DOUBLE"
    BOOLEAN = "BOOLEAN"
    TIME = "TIMESTAMP"


@dataclass(frozen=True, slots=True)
class Property:
    """A property of a stream, and what it holds."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Layout:
    """What a SCHEMA message says of a stream."""

    stream: str
    properties: tuple[Property, ...]
    keys: tuple[str, ...]


def layout_of(stream: str, schema: Mapping[str, Any], keys: Collection[str]) -> Layout:
    """The layout of a stream.

    Args:
        stream: Its name.
        schema: The JSON Schema of its records.
        keys: The names of the properties that identify a record; a key that is no property is taken as a text.
    """
    declared = schema.get("properties")
    properties = declared if isinstance(declared, Mapping) else {}
    kinds = {name: kind_of(each) for name, each in properties.items()}
    kinds |= {name: Kind.TEXT for name in keys if name not in kinds}
    return Layout(stream, tuple(Property(name, kind) for name, kind in kinds.items()), tuple(keys))


_OF_ONE_TYPE = {
    "string": Kind.TEXT,
    "integer": Kind.INTEGER,
    "number": Kind.NUMBER,
    "boolean": Kind.BOOLEAN,
}


def kind_of(schema: object) -> Kind:
    """What a column of this JSON Schema holds: of several types, or of one that is not told, any JSON value."""
    types, formats = set(_types(schema)), set(_formats(schema))
    types.discard("null")
    if types == {"integer", "number"}:
        return Kind.NUMBER
    if len(types) != 1:
        return Kind.JSON
    kind = _OF_ONE_TYPE.get(types.pop(), Kind.JSON)
    return Kind.TIME if kind is Kind.TEXT and formats == {"date-time"} else kind


def _branches(schema: object) -> Iterator[Mapping[str, Any]]:
    """The schema itself, or those of which one applies."""
    if not isinstance(schema, Mapping):
        yield {}
        return
    branches = [branch for name in ("anyOf", "oneOf") for branch in schema.get(name) or ()]
    if "type" in schema or not branches:
        yield schema
    for branch in branches:
        yield from _branches(branch)


def _types(schema: object) -> Iterator[str]:
    for branch in _branches(schema):
        told = branch.get("type")
        # A branch without a type may be any value.
        yield from ([told] if isinstance(told, str) else told if isinstance(told, list) else ["object", "array"])


def _formats(schema: object) -> Iterator[str]:
    for branch in _branches(schema):
        if branch.get("type") != "null":
            yield str(branch.get("format"))


def folded(name: str) -> str:
    """A name as DuckDB compares it: only the letters A to Z have a case."""
    return "".join(chr(ord(char) + 32) if "A" <= char <= "Z" else char for char in name)


def column_names(properties: Collection[str], held: Collection[str], reserved: Collection[str]) -> dict[str, str]:
    """What the column of each property is called: as the property, if it can be.

    DuckDB holds one column of names that differ only by case. The first of such properties has it, or the one
    whose name is exactly that of the column; another is called by its name and a hash of it, so that it is the
    same column in every run. So is a property without a name, and one called like a column of the loader's own.

    Args:
        properties: Names of the properties, in their order.
        held: Names of the columns that the table has.
        reserved: Names of the loader's own columns.
    """
    columns = {folded(name): name for name in held}
    taken = {folded(name) for name in reserved} | {""}
    names: dict[str, str] = {}
    for name in sorted(properties, key=lambda name: name not in held):  # stable: their order is kept otherwise
        marked = marked_name(name)
        free = folded(name) not in taken and marked not in columns
        names[name] = columns.get(folded(name), name) if free else marked
        taken.add(folded(names[name]))
    return {name: names[name] for name in properties}


def marked_name(name: str) -> str:
    """A name and a hash of it, which no two names share."""
    return f"{name}__{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
