"""Reads `dimensions`: by what the effects on the primary metric are shown, beside the whole."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from singer_program.definitions.keys import MEMBER, read_mapping
from singer_program.definitions.yaml_values import did_you_mean
from tap_experiments.definitions import schema
from tap_experiments.definitions.model import Dimension, DimensionKind

if TYPE_CHECKING:
    from singer_program.definitions.yaml_values import Value

_PROPERTY = re.compile(MEMBER)
_OWN = "lf_"


def read_dimensions(value: Value) -> tuple[Dimension, ...]:
    """The dimensions in the order of the file."""
    items = value.sequence()
    if len(items) > schema.MAX_DIMENSIONS:
        remedy = "keep those that you would act on: every level more makes all of them harder to tell apart"
        value.fault(f"has {len(items)}, more than {schema.MAX_DIMENSIONS}", remedy)
    found: list[Dimension] = []
    for item in items:
        dimension = _dimension(item)
        if dimension is None:
            continue
        if dimension in found:
            item.fault(f"names `{dimension.label}` again", "remove it: each dimension is shown once")
        found.append(dimension)
    return tuple(found)


def _dimension(value: Value) -> Dimension | None:
    """One dimension; none after a fault."""
    if not value.is_mapping:
        word = value.one_of(schema.PLAIN_DIMENSIONS, _remedy)
        return Dimension(DimensionKind(word)) if word else None
    fields = read_mapping(value, schema.DIMENSION)
    given = [kind for kind in DimensionKind if kind in fields and fields[kind].given]
    if len(given) != 1:
        value.fault(
            "names no single dimension",
            "write `{property: name}`, `{segment: name or id}` or `{list: name or id}`",
        )
        return None
    [kind] = given
    name = fields[kind].text()
    if kind is DimensionKind.PROPERTY and name.strip():
        _check_property(fields[kind], name)
    return Dimension(kind, name) if name.strip() else None


def _check_property(value: Value, name: str) -> None:
    if not _PROPERTY.fullmatch(name):
        remedy = "use letters, digits, spaces, `_`, `-` and `$`; nested values are out of reach"
        value.fault(f"`{name}` names no property that can be looked up", remedy)
    elif name.startswith(_OWN):
        value.fault(
            f"`{name}` is written by experiments themselves",
            "choose a property that no experiment can change",
        )


def _remedy(word: str) -> str:
    """A property is no word of its own."""
    if word in {kind.value for kind in DimensionKind}:
        return f"write `{{{word}: name}}`"
    near = did_you_mean(word, schema.PLAIN_DIMENSIONS)
    return f"{near.removesuffix('?')}? of a property write `{{property: {word}}}`"
