"""Columns that are hashed or left out before a row is written, so that personal data lands nowhere.

A rule names a column (`email`: in every stream that has it), one stream's (`profiles.email`), or what lies in a
column that holds an object (`event_properties.Address.email`, `profiles.properties.Nickname`).

A hash is `hex(HMAC-SHA256(key, text))`; of a number, `true` or `false` the text is its JSON. Null stays null. In
an object or a list each value is hashed, and keys are not.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from klaviyo_wire.errors import ConfigurationError

if TYPE_CHECKING:
    from klaviyo_wire.jsonapi import Json

SHORTEST_KEY = 32
"""Characters of the key: addresses and numbers are easily guessed, so the key must not be."""

_HASH: Json = {"type": ["string", "null"]}
_NESTED = frozenset({"object", "array"})

Path = tuple[str, ...]
Record = dict[str, Any]


class Declared(NamedTuple):
    """What rules can name of a stream: its columns, and those of them that nothing may be done to."""

    columns: Collection[str]
    needed: Collection[str]
    """Keys, and what it is read by."""


@dataclass(frozen=True)
class ColumnRules:
    """What becomes of the rows of one stream.

    Args:
        hashed: What is hashed, each a path that begins with a column.
        left_out: What is left out.
        key: That of the hashes.
    """

    hashed: tuple[Path, ...] = ()
    left_out: tuple[Path, ...] = ()
    key: bytes = field(default=b"", repr=False)

    def schema(self, schema: Json) -> Json:
        """The schema of rows to which the rules were applied."""
        properties = dict(schema["properties"])
        for column in self._columns:
            if (column,) in self.left_out:
                properties.pop(column, None)
            elif column in properties:
                kind = properties[column]
                for path in self.left_out:
                    kind = _edited(kind, path[1:], lambda _: None) if path[0] == column else kind
                for path in self.hashed:
                    kind = _edited(kind, path[1:], _hashed_kind) if path[0] == column else kind
                properties[column] = kind
        return {**schema, "properties": properties}

    def apply(self, record: Record) -> Record:
        """A record as it is written; the one given stays as it is."""
        written = dict(record)
        for column in self._columns:
            if column not in written:
                continue
            value = written.pop(column)
            value = msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
            if (column,) in self.left_out:
                continue
            for path in self.left_out:
                value = _changed(value, path[1:], None) if path[0] == column else value
            for path in self.hashed:
                value = _changed(value, path[1:], self._digests) if path[0] == column else value
            written[column] = value
        return {name: written[name] for name in record if name in written}

    @property
    def _columns(self) -> list[str]:
        return list(dict.fromkeys(path[0] for path in (*self.left_out, *self.hashed)))

    def _digests(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        """A value hashed, or everything within it."""
        if value is None:
            return None
        if isinstance(value, dict):
            return {name: self._digests(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._digests(each) for each in value]
        text = value.encode() if isinstance(value, str) else msgspec.json.encode(value)
        return hmac.digest(self.key, text, "sha256").hex()

    def __bool__(self) -> bool:
        return bool(self.hashed or self.left_out)


NO_RULES = ColumnRules()


def rules_of(config: Mapping[str, Any], streams: Mapping[str, Declared]) -> dict[str, ColumnRules]:
    """The rules of a configuration, by stream; a stream without any is not there.

    Args:
        config: Has `hash`, `leave_out` and `hashing_key`.
        streams: All that there are, by name.

    Raises:
        ConfigurationError: a rule names nothing, or what a stream needs; or there is no good key.
    """
    hashed, left_out = (list(_parsed(config, setting, streams)) for setting in ("hash", "leave_out"))
    key = str(config.get("hashing_key") or "")
    if hashed and len(key) < SHORTEST_KEY:
        what = f"has fewer than {SHORTEST_KEY} characters" if key else "is missing"
        msg = f"the setting `hashing_key` {what}: give a long random text, and the same one in every run"
        raise ConfigurationError(msg)
    if both := sorted({".".join(rule) for rule in hashed} & {".".join(rule) for rule in left_out}):
        msg = f"the settings `hash` and `leave_out` both name {both[0]}: remove it from one of them"
        raise ConfigurationError(msg)
    rules = {}
    for stream in dict.fromkeys(rule[0] for rule in (*hashed, *left_out)):
        of_stream = [tuple(rule[1:] for rule in each if rule[0] == stream) for each in (hashed, left_out)]
        rules[stream] = ColumnRules(of_stream[0], of_stream[1], key.encode())
    return rules


def _parsed(config: Mapping[str, Any], setting: str, streams: Mapping[str, Declared]) -> Iterator[Path]:
    """The rules of a setting, each a stream and a path in its rows."""
    for text in dict.fromkeys(config.get(setting) or ()):
        steps = tuple(text.split("."))
        named = steps[0] in streams and len(steps) > 1
        path = steps[1:] if named else steps
        found = [steps[0]] if named else list(streams)
        found = [stream for stream in found if path[0] in streams[stream].columns]
        if not found:
            raise ConfigurationError(_unknown(setting, text, path[0], streams, steps[0] if named else ""))
        if needing := [stream for stream in found if path[0] in streams[stream].needed]:
            others = [stream for stream in found if stream not in needing]
            remedy = f"name the others, such as {others[0]}.{'.'.join(path)}" if others else "remove it"
            msg = (
                f"the setting `{setting}` names {text}, which {' and '.join(needing)} cannot do without: {remedy}"
            )
            raise ConfigurationError(msg)
        yield from ((stream, *path) for stream in found)


def _unknown(setting: str, text: str, column: str, streams: Mapping[str, Declared], stream: str) -> str:
    """That a rule names nothing, with what may be meant."""
    columns = streams[stream].columns if stream else {name for each in streams.values() for name in each.columns}
    near = get_close_matches(column, sorted(columns), n=1)
    which = f"{stream} has no column" if stream else "no stream has a column"
    meant = f"; did you mean {near[0]}?" if near else ""
    return f"the setting `{setting}` names {text!r}, but {which} {column!r}{meant}"


def _changed(value: Any, path: Path, change: Callable[[Any], Any] | None) -> Any:  # noqa: ANN401 - JSON
    """A value in which what lies at a path is changed, or is not there any more; lists are gone through.

    A key may have dots in it.
    """
    if not path:
        return change(value) if change else None
    if isinstance(value, list):
        return [_changed(each, path, change) for each in value]
    if not isinstance(value, dict):
        return value
    result = dict(value)
    for length in range(1, len(path) + 1):
        name, rest = ".".join(path[:length]), path[length:]
        if name not in result:
            continue
        if rest or change:
            result[name] = _changed(result[name], rest, change)
        else:
            del result[name]
    return result


def _hashed_kind(kind: Json) -> Json:
    """The type of a hashed value: a text; an object or a list stays one, of texts."""
    if not _NESTED & set(kind.get("type", ())):
        return {**{name: kind[name] for name in ("description",) if name in kind}, **_HASH}
    inner = {}
    if "properties" in kind:
        inner["properties"] = {name: _hashed_kind(each) for name, each in kind["properties"].items()}
    if "items" in kind:
        inner["items"] = _hashed_kind(kind["items"])
    return {**kind, **inner}


def _edited(kind: Json, path: Path, edit: Callable[[Json], Json | None]) -> Json:
    """A type in which that of a known part is another, or is not there any more."""
    if not path:
        return edit(kind) or kind
    parts = kind.get("properties", {})
    if path[0] not in parts:
        return kind
    rest = {name: each for name, each in parts.items() if name != path[0]}
    edited: Sequence[tuple[str, Json]] = ()
    if len(path) > 1:
        edited = [(path[0], _edited(parts[path[0]], path[1:], edit))]
    elif (other := edit(parts[path[0]])) is not None:
        edited = [(path[0], other)]
    return {**kind, "properties": {**rest, **dict(edited)}}
