"""Reads `forwarding/<name>.yml` into a definition, and reports every fault of it.

A set of definitions is either whole and sound or refused with every fault found in it: half a set of rules must
never reach the warehouse, and an author should need one run to learn all that is wrong.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from singer_program.definitions.files import UnreadableError, read, sha256
from singer_program.definitions.keys import read_mapping
from singer_program.definitions.yaml_values import Document, Value, did_you_mean
from tap_forwarding.definitions import presets, schema
from tap_forwarding.definitions.consent import read_consent
from tap_forwarding.definitions.machines import read_bots
from tap_forwarding.definitions.model import (
    Definition,
    Identifier,
    Older,
    Origin,
    Source,
    Status,
)
from tap_forwarding.definitions.origins import read_origin, read_origins
from tap_forwarding.definitions.paths import Path, Root, read_paths
from tap_forwarding.definitions.rules import names, read_rules
from tap_forwarding.definitions.sources import PresetSource, read_preset_source, read_source

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable, Mapping

    from singer_program.definitions.faults import Fault
    from tap_forwarding.definitions.model import Rule

SUFFIX = ".yml"


def read_definitions(root: pathlib.Path) -> tuple[list[Definition], list[Fault]]:
    """The sound definitions of a folder, ordered by name, and every fault of the others.

    Files whose name begins with `.` or `_`, and those that are no YAML, are left out.
    """
    definitions: list[Definition] = []
    folder = Document(str(root))
    try:
        entries = sorted(root.iterdir())
    except OSError as error:
        folder.fault(f"cannot be read: {error.strerror}", "give the setting `path` the folder of definitions")
        return [], folder.faults
    faults = folder.faults
    for entry in entries:
        if entry.name.startswith((".", "_")):
            continue
        document = Document(f"{root}/{entry.name}")
        if entry.suffix == SUFFIX:
            definition = _definition(document, root, entry.name)
            if definition and not document.faults:
                definitions.append(definition)
        elif entry.is_dir():
            document.fault("is not read", f"move its files to {root}/<name>{SUFFIX}")
        elif entry.suffix == ".yaml":
            document.fault("is not read", f"call it {entry.stem}{SUFFIX}")
        faults += document.faults
    return definitions, faults


@cache
def preset_rules(name: str) -> tuple[Rule, ...]:
    """The rules of a preset.

    Raises:
        ValueError: the preset has faults.
    """
    document = Document(f"{name}{SUFFIX}")
    fields = document.root(presets.text_of("events", name)).fields(["description", "events"])
    rules = read_rules(fields["events"], preset=name)
    if document.faults:
        raise ValueError(document.faults)
    return rules


@cache
def preset_source(name: str) -> PresetSource:
    """The columns of a preset, and where it names people.

    Raises:
        ValueError: the preset has faults.
    """
    document = Document(f"{name}{SUFFIX}")
    keys = ["table", "event", "type"]
    fields = document.root(presets.text_of("sources", name)).fields(["description", "columns", "who"], keys)
    source = read_preset_source(name, fields)
    identifiers = _identifiers(read_mapping(fields["who"], schema.WHO))
    if document.faults:
        raise ValueError(document.faults)
    return PresetSource(source, identifiers)


def _definition(document: Document, root: pathlib.Path, name: str) -> Definition | None:
    try:
        text = read(root, name)
    except UnreadableError as error:
        document.fault(error.problem, error.remedy)
        return None
    content = document.root(text)
    if not content.is_mapping:
        content.entries()  # says so
        return None
    fields = read_mapping(content, schema.ROOT)
    key = fields["name"].key()
    if key and f"{key}{SUFFIX}" != name:
        fields["name"].fault(f"is `{key}` in the file `{name}`", "give both the same name")
    used = _presets(fields["presets"])
    own = read_rules(fields["events"]) if fields["events"].given else ()
    if not used and not fields["events"].given and not fields["presets"].given:
        fields["events"].fault("is missing", "name the events that shall be sent, or `presets`")
    source = read_source(fields["from"], preset_source)
    ignored = names(fields["ignore"]) if fields["ignore"].given else ()
    for rule in own:
        if rule.event in ignored:
            fields["ignore"].fault(f"names `{rule.event}`, of which `events` says what becomes", "remove one")
    identifiers, precedence, stitch_days = _who(fields["who"], source)
    contact = _contact(fields["contact"])
    checks, asks_no_consent, missing = read_consent(fields["consent"])
    age = read_mapping(fields["age"], schema.AGE)
    definition = Definition(
        key=key,
        status=fields["status"].choice(Status),
        description=fields["description"].text(),
        source=source,
        rules=(*own, *_of_presets(used, own, ignored, fields["presets"].line)),
        ignored=ignored,
        identifiers=identifiers,
        precedence=precedence,
        stitch_days=stitch_days,
        contact=contact,
        checks=checks,
        asks_no_consent=asks_no_consent,
        missing=missing,
        bots=read_bots(fields["bots"]),
        max_age_hours=_integer(age["hours"], 1, schema.MAX_AGE_HOURS, schema.DEFAULT_AGE_HOURS),
        older=age["older"].choice(Older) if age["older"].given else Older.DROP,
        file=document.file,
        sha256=sha256("\0".join((text, *(presets.text_of("events", each) for each in used)))),
    )
    if stitch_days and Identifier.ANONYMOUS_ID not in identifiers:
        fields["who"].fault("stitches visitors it has no id of", "add `anonymous_id`, or remove `stitch_days`")
    if not document.faults:
        _check_columns(fields["from"], definition)
    return definition


def _presets(value: Value) -> list[str]:
    """The names of presets, each once."""
    used: list[str] = []
    for each in value.sequence():
        name = each.one_of(presets.event_presets(), lambda word: did_you_mean(word, presets.event_presets()))
        if name in used:
            each.fault(f"names `{name}` again", "remove it")
        elif name:
            used.append(name)
    return used


def _of_presets(used: Iterable[str], own: Iterable[Rule], ignored: tuple[str, ...], line: int) -> Iterable[Rule]:
    """The presets' rules for events of which nothing was said before: by the file, or by a preset before."""
    said = {rule.source for rule in own}
    for name in used:
        rules = [rule for rule in preset_rules(name) if rule.source not in said and rule.event not in ignored]
        said |= {rule.source for rule in rules}
        yield from (rule.standing_at(line) for rule in rules)


def _integer(value: Value, lowest: int, highest: int, default: int) -> int:
    return value.integer(lowest, highest) if value.given else default


def _identifiers(fields: Mapping[str, Value]) -> dict[Identifier, tuple[Path, ...]]:
    return {identifier: read_paths(fields[identifier]) for identifier in Identifier if fields[identifier].given}


def _who(
    value: Value, source: Source
) -> tuple[Mapping[Identifier, tuple[Path, ...]], tuple[Identifier, ...], int]:
    """Where each identifier is looked for, which is chosen first, and how far back a visitor is stitched."""
    fields = read_mapping(value, schema.WHO)
    identifiers: Mapping[Identifier, tuple[Path, ...]] = _identifiers(fields)
    if not identifiers and source.preset:
        identifiers = preset_source(source.preset).identifiers
    elif not identifiers and not any(each.given for each in fields.values() if each.path.endswith("_id")):
        value.fault("names nobody", "say where a person is named, such as `external_id: user_id`")
    first: list[Identifier] = []
    for each in fields["precedence"].sequence():
        identifier = each.choice(Identifier)
        if identifier in first:
            each.fault(f"names `{identifier}` again", "remove it")
        elif identifiers and identifier not in identifiers:
            each.fault(f"names `{identifier}`, which is looked for nowhere", f"add `{identifier}` to `who`")
        first.append(identifier)
    order = dict.fromkeys((*first, *Identifier))
    days = _integer(fields["stitch_days"], 0, schema.MAX_STITCH_DAYS, 0)
    return identifiers, tuple(each for each in order if each in identifiers), days


def _contact(value: Value) -> Mapping[str, Origin]:
    """What is written to the profile, `location.…` and `properties.…` by their paths."""
    fields = read_mapping(value, schema.CONTACT)
    location, own = fields.pop("location"), fields.pop("properties")
    found = {name: each for name, each in fields.items() if each.given}
    if location.given:
        parts = read_mapping(location, schema.LOCATION_KEYS)
        found |= {f"location.{name}": each for name, each in parts.items() if each.given}
    contact = {name: read_origin(each) for name, each in found.items()}
    return contact | {f"properties.{name}": each for name, each in read_origins(own).items()}


def _check_columns(value: Value, definition: Definition) -> None:
    """Report a root that the source does not have."""
    source = definition.source
    columns = {
        Root.USER_ID: "user_id",
        Root.ANONYMOUS_ID: "anonymous_id",
        **({Root.CONTEXT: "context"} if source.has_documents else {}),
    }
    asked = {path.root for path in definition.own_paths()}
    for root, column in columns.items():
        if root in asked and column not in source.columns:
            value.fault(f"has no column for `{root}`, which is asked for", f"add `columns: {{{column}: …}}`")
