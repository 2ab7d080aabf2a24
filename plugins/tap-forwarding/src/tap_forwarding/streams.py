"""The streams: what is emitted, one declaration each, presets filled in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from singer_program.definitions.streams import DefinitionStream
from tap_forwarding.definitions.model import EventType
from tap_forwarding.definitions.paths import MAX_KEYS, Path, Root

if TYPE_CHECKING:
    from singer_sdk import Tap
    from singer_sdk.helpers.types import Record

    from tap_forwarding.definitions.model import Definition, Origin, Rule
    from tap_forwarding.project import Project

_TEXT = th.StringType(nullable=False)
_INTEGER = th.IntegerType(nullable=False)
_BOOLEAN = th.BooleanType(nullable=False)
_TEXT_OR_NULL = th.StringType(nullable=True)
_INTEGER_OR_NULL = th.IntegerType(nullable=True)
_TEXTS = th.ArrayType(_TEXT, nullable=False)
_OBJECT = th.ObjectType(additional_properties=True, nullable=False)
_OF_THE_FILE = 0
"""The number of a rule that is none: what is said of the whole file."""


def _keys(prefix: str = "") -> tuple[th.Property[Any], ...]:
    """The columns of a path: a key each, since not every warehouse looks a list of them up."""
    said = ("Of a document: the key", *["The key in what stands there"] * (MAX_KEYS - 1))
    return tuple(
        th.Property(f"{prefix}key_{number}", _TEXT_OR_NULL, description=text)
        for number, text in enumerate(said, 1)
    )


class ForwardingStream(DefinitionStream):
    """A view of the definitions of a folder."""

    snapshot = "forwarding_snapshots"

    def __init__(self, tap: Tap, project: Project) -> None:
        self._project = project
        super().__init__(tap)


class ForwardingDefinitions(ForwardingStream):
    """One record per file."""

    name = "forwarding_definitions"
    primary_keys: ClassVar[Sequence[str]] = ("definition_key",)
    properties: ClassVar[tuple[th.Property[Any], ...]] = (
        th.Property("definition_key", _TEXT, required=True, description="Name of the file"),
        th.Property("status", _TEXT, required=True, description="draft or live"),
        th.Property("description", _TEXT, required=True, description="What is forwarded, and why"),
        th.Property("source_preset", _TEXT_OR_NULL, description="Whose columns they are"),
        th.Property("source_table", _TEXT_OR_NULL, description="The receiver's table; then `relation` is empty"),
        th.Property("relation", _TEXTS, required=True, description="Schema and table, or database, schema, table"),
        th.Property(
            "columns", _OBJECT, required=True, description="Our column to the list of those it is made of"
        ),
        th.Property("source_event", _TEXT_OR_NULL, description="Name of all events, where no column has it"),
        th.Property("source_type", _TEXT_OR_NULL, description="Type of all events, where no column has it"),
        th.Property(
            "layout", _TEXT, required=True, description="Properties are members of `documents`, or `columns`"
        ),
        th.Property(
            "property_columns",
            _TEXTS,
            required=True,
            description="With the layout `columns`: those that are asked for; there may be others, or fewer",
        ),
        th.Property(
            "stitch_days", _INTEGER, required=True, description="How far back a visitor's events are theirs"
        ),
        th.Property(
            "asks_no_consent", _BOOLEAN, required=True, description="The file says there is nothing to ask"
        ),
        th.Property(
            "consent_missing", _TEXT, required=True, description="allow, strip or drop, if no check speaks"
        ),
        th.Property("keeps_bots", _BOOLEAN, required=True, description="What machines do is sent too"),
        th.Property("bot_words", _TEXTS, required=True, description="Of user agents, in small letters"),
        th.Property(
            "bot_networks",
            th.ArrayType(_OBJECT, nullable=False),
            required=True,
            description="`network`, and its `first` and `last` address as numbers",
        ),
        th.Property("bot_per_minute", _INTEGER_OR_NULL, description="More of one visitor are a machine's"),
        th.Property("max_age_hours", _INTEGER, required=True, description="How old an event may be"),
        th.Property("older", _TEXT, required=True, description="drop or backfill: what becomes of an older one"),
        th.Property("definition_sha256", _TEXT, required=True, description="Of the file and its presets"),
    )

    @override
    def rows(self) -> Iterable[Record]:
        for each in self._project.definitions:
            source, bots = each.source, each.bots
            yield {
                "definition_key": each.key,
                "status": each.status.value,
                "description": each.description,
                "source_preset": source.preset,
                "source_table": source.table,
                "relation": [*source.relation],
                "columns": {name: [*columns] for name, columns in source.columns.items()},
                "source_event": source.event,
                "source_type": source.type.value if source.type else None,
                "layout": "documents" if source.has_documents else "columns",
                "property_columns": [] if source.has_documents else _columns_asked_for(each),
                "stitch_days": each.stitch_days,
                "asks_no_consent": each.asks_no_consent,
                "consent_missing": each.missing.value,
                "keeps_bots": bots.kept,
                "bot_words": [*bots.user_agents],
                "bot_networks": [
                    {"network": network.text, "first": network.first, "last": network.last}
                    for network in bots.networks
                ],
                "bot_per_minute": bots.per_minute,
                "max_age_hours": each.max_age_hours,
                "older": each.older.value,
                "definition_sha256": each.sha256,
            }


class ForwardingRules(ForwardingStream):
    """One record per name of events and metric, those of presets included, and one per name that is ignored."""

    name = "forwarding_rules"
    primary_keys: ClassVar[Sequence[str]] = ("definition_key", "rule")
    properties: ClassVar[tuple[th.Property[Any], ...]] = (
        th.Property("definition_key", _TEXT, required=True),
        th.Property("rule", _INTEGER, required=True, description="Its number, from 1"),
        th.Property("event", _TEXT_OR_NULL, description="Name in the source; null: of any name"),
        th.Property("type", _TEXT, required=True, description="track, page, screen, identify or group"),
        th.Property("metric", _TEXT_OR_NULL, description="Name in Klaviyo; null: known, and not sent"),
        th.Property("per_root", _TEXT_OR_NULL, description="Where the list is whose items become events"),
        *_keys("per_"),
        th.Property("keeps_all", _BOOLEAN, required=True, description="Every property is sent but `without`"),
        th.Property("without", _TEXTS, required=True, description="Properties that are not sent"),
        th.Property("preset", _TEXT_OR_NULL, description="The preset that says it; null: the file"),
        th.Property("line", _INTEGER, required=True, description="Where it stands in the file"),
    )

    @override
    def rows(self) -> Iterable[Record]:
        for definition in self._project.definitions:
            for number, rule in _numbered(definition):
                yield {
                    "definition_key": definition.key,
                    "rule": number,
                    "event": rule.event,
                    "type": rule.type.value,
                    "metric": rule.metric,
                    **_way(definition, rule.per, "per_"),
                    "keeps_all": rule.keeps_all,
                    "without": [*rule.without],
                    "preset": rule.preset,
                    "line": rule.line,
                }
            for number, event in enumerate(definition.ignored, len(definition.rules) + 1):
                yield {
                    "definition_key": definition.key,
                    "rule": number,
                    "event": event,
                    "type": EventType.TRACK.value,
                    "metric": None,
                    **_way(definition, None, "per_"),
                    "keeps_all": False,
                    "without": [],
                    "preset": None,
                    "line": 0,
                }


class ForwardingValues(ForwardingStream):
    """One record per place at which a value is looked for, and per constant."""

    name = "forwarding_values"
    primary_keys: ClassVar[Sequence[str]] = (
        "definition_key",
        "rule",
        "use",
        "parent",
        "name",
        "part",
        "alternative",
    )
    properties: ClassVar[tuple[th.Property[Any], ...]] = (
        th.Property("definition_key", _TEXT, required=True),
        th.Property("rule", _INTEGER, required=True, description="Number of the rule; 0: of the whole file"),
        th.Property(
            "use",
            _TEXT,
            required=True,
            description="property, item (of the list `parent`), value, currency, unique_id, identifier or contact",
        ),
        th.Property("parent", _TEXT, required=True, description="Of an item the property it is in, else empty"),
        th.Property("name", _TEXT, required=True, description="Of the property; empty: the item itself"),
        th.Property(
            "part",
            _INTEGER,
            required=True,
            description="Of a `unique_id` its place, of an identifier its place in the precedence; else 0",
        ),
        th.Property("alternative", _INTEGER, required=True, description="The lowest that holds something counts"),
        th.Property("root", _TEXT_OR_NULL, description="The column or document it is in; null of a constant"),
        *_keys(),
        th.Property("times_root", _TEXT_OR_NULL, description="By what it is multiplied, if by anything"),
        *_keys("times_"),
        th.Property("constant", _TEXT_OR_NULL, description="What it always is, as JSON text"),
        th.Property("value_type", _TEXT_OR_NULL, description="text, number, boolean, time or list; null: as sent"),
        th.Property("personal", _TEXT_OR_NULL, description="hash or mask; null: all of it"),
    )

    @override
    def rows(self) -> Iterable[Record]:
        for definition in self._project.definitions:
            for rule, use, parent, name, part, row in _values(definition):
                yield {
                    "definition_key": definition.key,
                    "rule": rule,
                    "use": use,
                    "parent": parent,
                    "name": name,
                    "part": part,
                    **row,
                }


class ForwardingConsentChecks(ForwardingStream):
    """One record per place in which a person's choice may stand."""

    name = "forwarding_consent_checks"
    primary_keys: ClassVar[Sequence[str]] = ("definition_key", "check_number")
    properties: ClassVar[tuple[th.Property[Any], ...]] = (
        th.Property("definition_key", _TEXT, required=True),
        th.Property("check_number", _INTEGER, required=True, description="Its number, from 1"),
        th.Property("scheme", _TEXT, required=True, description="How it is written down"),
        th.Property("root", _TEXT_OR_NULL, description="The document it is in; null of `klaviyo`"),
        *_keys(),
        th.Property(
            "needed", _TEXTS, required=True, description="What must all be granted; of `klaviyo` a channel"
        ),
        th.Property("vendor", _INTEGER_OR_NULL, description="Of `tcf`: who must be allowed besides"),
        th.Property(
            "denied", _TEXT, required=True, description="strip or drop: what becomes of the event otherwise"
        ),
    )

    @override
    def rows(self) -> Iterable[Record]:
        for definition in self._project.definitions:
            for number, check in enumerate(definition.checks, 1):
                yield {
                    "definition_key": definition.key,
                    "check_number": number,
                    "scheme": check.scheme.value,
                    **_way(definition, check.path),
                    "needed": [*check.needed],
                    "vendor": check.vendor,
                    "denied": check.denied.value,
                }


class ForwardingSnapshots(ForwardingStream):
    """One record, emitted last: rows older than it belong to definitions that no longer exist."""

    name = ForwardingStream.snapshot
    primary_keys: ClassVar[Sequence[str]] = ("name",)
    properties: ClassVar[tuple[th.Property[Any], ...]] = (
        th.Property("name", _TEXT, required=True, description="Always `forwarding`"),
        th.Property("definitions", _INTEGER, required=True, description="How many files there are"),
    )

    @override
    def rows(self) -> Iterable[Record]:
        self.remember()
        yield {"name": "forwarding", "definitions": len(self._project.definitions)}


STREAMS: tuple[type[ForwardingStream], ...] = (
    ForwardingDefinitions,
    ForwardingRules,
    ForwardingValues,
    ForwardingConsentChecks,
    ForwardingSnapshots,
)
"""In the order they are emitted."""

_NO_KEYS: tuple[None, ...] = (None,) * MAX_KEYS
_Place = tuple[int, str, str, str, int, Mapping[str, object]]
"""Rule, use, parent, name and part of a value, and the columns that say where it is."""


def _numbered(definition: Definition) -> Iterable[tuple[int, Rule]]:
    return enumerate(definition.rules, 1)


def _way(definition: Definition, path: Path | None, prefix: str = "") -> Mapping[str, object]:
    """The columns of a path; all null without one."""
    found = path.as_column() if path and not definition.source.has_documents else path
    keys: tuple[str | None, ...] = (*found.keys, *_NO_KEYS)[:MAX_KEYS] if found else _NO_KEYS
    named = {f"{prefix}key_{number}": key for number, key in enumerate(keys, 1)}
    return {f"{prefix}root": found.root.value if found else None, **named}


def _columns_asked_for(definition: Definition) -> list[str]:
    """The columns of properties, and of members of the context, which are called `context_…`."""
    paths = {path for rule in definition.rules for path in rule.paths()} | {*definition.own_paths()}
    ways = {(path.root.value, path.as_column().keys[0]) for path in paths if path.keys}
    kept = {("properties", name) for rule in definition.rules for name in rule.keep}
    return sorted(key if root == "properties" else f"context_{key}" for root, key in ways | kept if root != "item")


def _values(definition: Definition) -> Iterator[_Place]:
    for identifier, paths in definition.identifiers.items():
        for row in _alternatives(definition, paths):
            yield _OF_THE_FILE, "identifier", "", identifier.value, definition.precedence.index(identifier), row
    for name, origin in definition.contact.items():
        yield from _of_origin(definition, _OF_THE_FILE, "contact", name, origin)
    for number, rule in _numbered(definition):
        yield from _of_rule(definition, number, rule)


def _of_rule(definition: Definition, number: int, rule: Rule) -> Iterator[_Place]:
    for name in rule.keep:
        for row in _alternatives(definition, [Path(Root.PROPERTIES, (name,))]):
            yield number, "property", "", name, 0, row
    for name, origin in rule.properties.items():
        yield from _of_origin(definition, number, "property", name, origin)
    for use, amount in (("value", rule.value), ("currency", rule.currency)):
        if amount:
            yield from _of_origin(definition, number, use, "", amount)
    for place, part in enumerate(rule.unique_id):
        if part.text:
            yield (
                number,
                "unique_id",
                "",
                "",
                place,
                _constant(definition, json.dumps(part.text, ensure_ascii=False)),
            )
        for row in _alternatives(definition, part.paths):
            yield number, "unique_id", "", "", place, row


def _of_origin(definition: Definition, rule: int, use: str, name: str, origin: Origin) -> Iterator[_Place]:
    told = {
        "value_type": origin.type.value if origin.type else None,
        "personal": origin.personal.value if origin.personal else None,
    }
    if origin.constant is not None:
        yield rule, use, "", name, 0, _constant(definition, origin.constant)
    for row in _alternatives(definition, origin.paths):
        yield rule, use, "", name, 0, {**row, **told}
    for member, each in origin.each.items():
        for _, _, _, _, _, row in _of_origin(definition, rule, "item", member, each):
            yield rule, "item", name, member, 0, row


def _alternatives(definition: Definition, paths: Iterable[Path]) -> Iterator[Mapping[str, object]]:
    for number, path in enumerate(paths):
        yield {
            "alternative": number,
            **_way(definition, path),
            **_way(definition, path.times, "times_"),
            "constant": None,
            "value_type": None,
            "personal": None,
        }


def _constant(definition: Definition, text: str) -> Mapping[str, object]:
    return {
        "alternative": 0,
        **_way(definition, None),
        **_way(definition, None, "times_"),
        "constant": text,
        "value_type": None,
        "personal": None,
    }
