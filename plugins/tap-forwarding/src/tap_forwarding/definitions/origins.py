"""Reads where a value comes from: a path, a list of paths, a constant, or a mapping that says more."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import yaml

from singer_program.definitions.keys import read_mapping
from tap_forwarding.definitions import schema
from tap_forwarding.definitions.model import Origin, Personal, ValueType
from tap_forwarding.definitions.paths import OF_AN_EVENT, OF_AN_ITEM, read_paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from singer_program.definitions.yaml_values import Value
    from tap_forwarding.definitions.paths import Root

ITSELF = ""
"""The name of what becomes of an item, where it is one value and no object."""
_MAX_NAME = 255


def read_origin(value: Value, roots: Sequence[Root] = OF_AN_EVENT, *, is_item: bool = False) -> Origin:
    """Where a value comes from; without paths and constant after a fault.

    Args:
        value: The value of the key.
        roots: What its paths may begin with.
        is_item: Whether it stands below `each`, which has no `each` of its own.
    """
    if not value.is_mapping:
        return Origin(paths=read_paths(value, roots))
    fields = read_mapping(value, schema.ITEM_ORIGIN if is_item else schema.ORIGIN)
    constant, origin = fields["constant"], fields["from"]
    if constant.given == origin.given:
        problem = "has both `from` and `constant`" if constant.given else "has neither `from` nor `constant`"
        value.fault(problem, "write `{from: properties.name}` or `{constant: EUR}`")
    if constant.given:
        for name in set(fields) - {"constant", "from"}:
            if fields[name].given:
                fields[name].fault(
                    "has no place beside `constant`", "remove it, and write the constant as it shall be"
                )
        return Origin(constant=read_constant(constant))
    kind = fields["type"].choice(ValueType) if fields["type"].given else None
    personal = fields["personal"].choice(Personal) if fields["personal"].given else None
    each: Mapping[str, Origin] = {}
    if not is_item and fields["each"].given:
        each = _items(fields["each"])
        if kind is not ValueType.LIST:
            fields["each"].fault("is of no list", "add `type: list`")
        if personal:
            fields["personal"].fault("has no place beside `each`", "say it of what each item becomes")
    elif personal and kind in {ValueType.LIST, ValueType.NUMBER, ValueType.BOOLEAN, ValueType.TIME}:
        fields["personal"].fault(f"is of a {kind}", "only texts are hashed and masked: leave `type` out")
    return Origin(read_paths(origin, roots), None, kind, personal, each)


def read_origins(value: Value, roots: Sequence[Root] = OF_AN_EVENT) -> dict[str, Origin]:
    """A mapping of names in Klaviyo to where each value comes from."""
    origins: dict[str, Origin] = {}
    for name, each in value.entries().items():
        if len(name) > _MAX_NAME:
            each.fault(f"has a name of more than {_MAX_NAME} characters", "shorten it")
        elif name.startswith("$"):
            remedy = "`$value` is the key `value`, `$event_id` is `unique_id`; who it is stands in `who`"
            each.fault("is one of Klaviyo's own names", remedy)
        origins[name] = read_origin(each, roots)
    return origins


def read_amount(value: Value, roots: Sequence[Root]) -> Origin | None:
    """A path, a list of paths, or `{constant: …}`."""
    if not value.given:
        return None
    if not value.is_mapping:
        return Origin(paths=read_paths(value, roots))
    return Origin(constant=read_constant(value.fields([schema.CONSTANT.name])["constant"]))


def read_constant(value: Value) -> str | None:
    """A scalar as JSON text; none after a fault. What is in quotes is a text."""
    if not value.given:
        return None
    scalar = value.scalar()
    return str(scalar) if isinstance(scalar, Decimal) else json.dumps(scalar, ensure_ascii=False)


def _items(value: Value) -> Mapping[str, Origin]:
    if isinstance(value.node, yaml.MappingNode):
        return {name: read_origin(each, OF_AN_ITEM, is_item=True) for name, each in value.entries().items()}
    return {ITSELF: Origin(paths=read_paths(value, OF_AN_ITEM))}
