"""Reads `from`: where the events lie, and what their columns are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from singer_program.definitions.keys import read_mapping
from singer_program.definitions.yaml_values import did_you_mean
from tap_forwarding.definitions import schema
from tap_forwarding.definitions.model import EventType, Identifier, Source
from tap_forwarding.definitions.presets import source_presets
from tap_forwarding.definitions.rules import names

if TYPE_CHECKING:
    from singer_program.definitions.yaml_values import Value
    from tap_forwarding.definitions.paths import Path

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,127}")
"""Names that need no quotes in any warehouse; such names alone can be written into a query as they are."""
_SCHEMA_AND_NAME, _WITH_DATABASE = 2, 3


_NOTHING = Source(preset=None, table=None, relation=(), columns={}, event=None, type=None)


@dataclass(frozen=True, slots=True)
class PresetSource:
    """What a preset says: columns, and where a person is named."""

    source: Source
    identifiers: Mapping[Identifier, tuple[Path, ...]]


def read_preset_source(name: str, fields: Mapping[str, Value]) -> Source:
    """The columns of a preset."""
    return Source(
        preset=name,
        table=fields["table"].text() or None if fields["table"].given else None,
        relation=(),
        columns=_columns(fields["columns"]),
        event=fields["event"].text() if fields["event"].given else None,
        type=fields["type"].choice(EventType) if fields["type"].given else None,
    )


def read_source(value: Value, preset_source: Callable[[str], PresetSource]) -> Source:
    """Where a file's events lie.

    Args:
        value: The value of `from`.
        preset_source: Gives what a preset says.
    """
    fields = read_mapping(value, schema.SOURCE)
    preset = _preset(fields["preset"])
    before = preset_source(preset).source if preset else _NOTHING
    own = _columns(fields["columns"])
    relation = _relation(fields["relation"])
    if value.is_mapping and not before.table and not fields["relation"].given:
        fields["relation"].fault("is missing", "name the table, such as `analytics.tracks`")
    if before.table and not fields["relation"].given:
        _check_receivers(fields)
    event = fields["event"].text() if fields["event"].given else None
    kind = fields["type"].choice(EventType) if fields["type"].given else None
    said = {name for name, of_all in (("event", event), ("type", kind)) if of_all}
    for name in said & own.keys():
        fields[name].fault("is given beside a column for it", "remove one")
    columns = {name: each for name, each in {**before.columns, **own}.items() if name not in said}
    if value.is_mapping and bool(preset) == fields["preset"].given:
        _check_columns(fields["columns"], columns, has_event=bool(event))
    return Source(
        preset=preset or None,
        table=None if relation else before.table,
        relation=relation,
        columns=columns,
        event=event,
        type=None if "type" in columns else kind or before.type or EventType.TRACK,
    )


def _preset(value: Value) -> str:
    known = source_presets()
    return value.one_of(known, lambda word: did_you_mean(word, known)) if value.given else ""


def _check_receivers(fields: Mapping[str, Value]) -> None:
    """Report what is said of the receiver's own table: it has the columns that it has."""
    for name in ("columns", "event", "type"):
        if fields[name].given:
            remedy = "remove it, or name a table of yours by `relation`"
            fields[name].fault("is said of the receiver's own table, whose columns are known", remedy)


def _check_columns(value: Value, columns: Mapping[str, tuple[str, ...]], *, has_event: bool) -> None:
    """Report what an event cannot do without."""
    for name in schema.REQUIRED_COLUMNS:
        if name not in columns:
            value.fault(f"lack `{name}`", f"add `{name}: <its column there>`")
    if "event" not in columns and not has_event:
        value.fault("lack `event`", "add it, or name the one event by `from.event`")
    if "context" in columns and "properties" not in columns:
        value.fault("have a document for `context` and none for `properties`", "add `properties`")


def _relation(value: Value) -> tuple[str, ...]:
    if not value.given:
        return ()
    text = value.text()
    parts = text.split(".")
    if not _SCHEMA_AND_NAME <= len(parts) <= _WITH_DATABASE or not all(map(_NAME.fullmatch, parts)):
        if text.strip():
            remedy = "write `schema.name` or `database.schema.name`, of letters, digits and underscores"
            value.fault(f"`{text}` is no table that can be read", remedy)
        return ()
    return tuple(parts)


def _columns(value: Value) -> dict[str, tuple[str, ...]]:
    columns: dict[str, tuple[str, ...]] = {}
    for name, each in value.fields([], schema.COLUMNS).items():
        if not each.given:
            continue
        given = names(each) if each.is_list else (each.text(),)
        if len(given) > 1 and name != "message_id":
            each.fault("is a list", "name one column; only `message_id` may be made of several")
        for column in given:
            if column.strip() and not _NAME.fullmatch(column):
                remedy = (
                    "use letters, digits and underscores, or give the relation a view in which it is called so"
                )
                each.fault(f"`{column}` is no column that every warehouse can read", remedy)
        columns[name] = given
    return columns
