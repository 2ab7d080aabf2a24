"""Decodes the bytes of a page to records, and of a row only what the tap must understand.

Keys, times, related ids and the cursor become Python values. Everything else goes from the answer to the output as
the bytes it came in: decoding and encoding it is where a tap spends most of its time otherwise.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from singer_program.json_members import members
from tap_klaviyo_engagement.errors import Unreadable
from tap_klaviyo_engagement.extraction.inclusions import column_of
from tap_klaviyo_engagement.times import normalised

if TYPE_CHECKING:
    from klaviyo_wire.jsonapi import Json
    from tap_klaviyo_engagement.extraction.inclusions import Inclusion

Record = dict[str, Any]
"""A record: column → JSON value, or `msgspec.Raw`, which stands for one."""

_NULL = msgspec.Raw(b"null")
_LONGEST_ID = 100
NOTHING_INCLUDED: Mapping[str, Json] = MappingProxyType({})


class _Reference(msgspec.Struct, gc=False):
    id: str | None = None


class _Relationship(msgspec.Struct, gc=False):
    data: _Reference | list[Any] | None = None


class _Included(msgspec.Struct, gc=False):
    id: str
    relationships: dict[str, _Relationship | list[Any] | None] | list[Any] | None = None


class _Links(msgspec.Struct):
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing: its rows, the address of the next page, how many bytes it came in, what is no row.

    `included` has by id, as `Inclusion` has them, the resources that came with the rows.
    """

    rows: Sequence[Any]
    following: str | None
    size: int
    unreadable: Sequence[Unreadable] = ()
    included: Mapping[str, Json] = field(default_factory=dict)


class RecordDecoder:
    """How the rows of one resource become records.

    Args:
        resource: JSON:API type of the rows.
        columns: The columns of a record.
        times: Those that hold times, to be normalised.
        keys: Those by which rows are told apart.
        cursor: The column that windows and bookmarks go by; if it is not among the columns, it is only looked at.
        relationships: To-one relationships that become `<name>_id`.
        sources: Columns that lie deeper than an attribute: column → path, which begins at an attribute or `id`.
        inclusions: Columns made of resources that come included.
    """

    def __init__(  # noqa: PLR0913
        self,
        resource: str,
        columns: Collection[str],
        *,
        times: Collection[str] = (),
        keys: Collection[str] = (),
        cursor: str | None = None,
        relationships: Sequence[str] = (),
        sources: Mapping[str, tuple[str, ...]] | None = None,
        inclusions: Mapping[str, Inclusion] | None = None,
    ) -> None:
        self._resource = resource
        self._hidden = cursor if cursor is not None and cursor not in columns else None
        wanted = [*columns, self._hidden] if self._hidden else list(columns)
        self._wanted = frozenset(wanted)
        self._has_id = "id" in wanted
        self._times = [name for name in wanted if name in times or name == cursor]
        self._sources = {name: path for name, path in (sources or {}).items() if name in wanted}
        names = {column_of(name): name for name in relationships}
        self._related = {column: name for column, name in names.items() if column in wanted}
        self._inclusions = {column: each for column, each in (inclusions or {}).items() if column in wanted}
        others = {"id", *self._related, *self._sources, *self._inclusions}
        self._plain = [name for name in wanted if name not in others]
        deep = {path[0] for path in self._sources.values()} - {"id"}
        understood = {*self._times, *keys, *deep}
        attributes = msgspec.defstruct(
            "Attributes",
            [
                (name, Any, None) if name in understood else (name, msgspec.Raw, _NULL)
                for name in dict.fromkeys([*self._plain, *sorted(deep)])
            ],
            gc=False,
        )
        linked = {**self._related, **{column: each.relationship for column, each in self._inclusions.items()}}
        fields = {f"_{position}": name for position, name in enumerate(linked.values())}
        related = msgspec.defstruct(
            "Relationships",
            [(name, _Relationship | list[Any] | None, None) for name in fields],
            rename=fields,
            gc=False,
        )
        row = msgspec.defstruct(
            "Row",
            [
                ("id", str),
                ("attributes", attributes | list[Any] | None, None),
                ("relationships", related | list[Any] | None, None),
            ],
            gc=False,
        )
        rows: Any = list[row]  # type: ignore[valid-type]  # made at run time
        document = msgspec.defstruct(
            "Document",
            [
                ("data", rows),
                ("links", _Links | list[Any] | None, None),
                *([("included", list[_Included] | None, None)] if self._inclusions else []),
            ],
        )
        self._empty = attributes()
        columns_of_fields = dict(zip(linked, fields, strict=True))
        self._relationship_fields = {column: columns_of_fields[column] for column in self._related}
        self._inclusion_fields = {column: columns_of_fields[column] for column in self._inclusions}
        self._included: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Included)
        self._row: msgspec.json.Decoder[Any] = msgspec.json.Decoder(row)
        self._links: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Links | list[Any] | None)
        self._document: msgspec.json.Decoder[Any] = msgspec.json.Decoder(document)
        self._identity: Callable[[Record], Any] = itemgetter(*keys, *([cursor] if cursor else []))
        self._cursor = cursor

    def page(self, body: bytes) -> Page:
        """A page, decoded as far as the rows; one that is none costs no other.

        Raises:
            ValueError: the body is not a list of resources, or was cut.
        """
        try:
            document = self._document.decode(_line(body))
        except (ValueError, RecursionError):
            return self._page_of_rows(body)
        links = document.links
        following = links.next if isinstance(links, _Links) else None
        included = self._included_of(document.included or ()) if self._inclusions else {}
        return Page(document.data, following, len(body), included=included)

    def _page_of_rows(self, body: bytes) -> Page:
        parts = members(body)
        rows, unreadable = _each(parts.get("data"), self._row.decode, self._resource)
        told = parts.get("links")
        links = self._links.decode(_line(told)) if isinstance(told, bytes) else None
        included: list[Any] = []
        if self._inclusions and "included" in parts:
            included, faults = _each(parts["included"], self._included.decode, "JSON:API")
            unreadable += faults
        following = links.next if isinstance(links, _Links) else None
        return Page(rows, following, len(body), unreadable, self._included_of(included))

    def _included_of(self, resources: Iterable[_Included]) -> dict[str, Json]:
        """The included resources as objects, by id."""
        keys = {key: name for each in self._inclusions.values() for key, name in each.keys.items()}
        found: dict[str, Json] = {}
        for resource in resources:
            related = resource.relationships if isinstance(resource.relationships, dict) else {}
            found[resource.id] = {"id": resource.id} | {
                key: _one_id(related.get(name)) for key, name in keys.items()
            }
        return found

    def row(self, resource: Mapping[str, Any]) -> Any:  # noqa: ANN401 - made at run time
        """A row out of a document that was read otherwise.

        Raises:
            Unreadable: it is no resource.
        """
        try:
            return self._row.decode(msgspec.json.encode(resource))
        except (ValueError, RecursionError) as error:
            raise _no_resource(self._resource, resource, error) from error

    def record(
        self,
        row: Any,  # noqa: ANN401
        constants: Mapping[str, Any],
        included: Mapping[str, Json] = NOTHING_INCLUDED,
    ) -> Record:
        """A row as a record, with what is no part of the row; a cursor that is not a column is in it too.

        Args:
            row: As a page has it.
            constants: What is no part of it.
            included: What came with the page.

        Raises:
            Unreadable: a time cannot be read. It is not guessed at.
        """
        attributes = self._empty if not row.attributes or isinstance(row.attributes, list) else row.attributes
        record: Record = {"id": row.id} if self._has_id else {}
        # `attributes` has the plain columns first, so the deep ones behind them are left out.
        record.update(zip(self._plain, msgspec.structs.astuple(attributes), strict=False))
        for column, field_name in self._relationship_fields.items():
            relationship = getattr(row.relationships, field_name, None)
            data = getattr(relationship, "data", None)
            record[column] = data.id if isinstance(data, _Reference) else None
        for column, field_name in self._inclusion_fields.items():
            data = getattr(getattr(row.relationships, field_name, None), "data", None)
            ids = [each.get("id") for each in data if isinstance(each, dict)] if isinstance(data, list) else []
            nothing = dict.fromkeys(self._inclusions[column].keys)
            record[column] = [included.get(each, {"id": each} | nothing) for each in ids if isinstance(each, str)]
        for column, path in self._sources.items():
            record[column] = row.id if path == ("id",) else _dig(getattr(attributes, path[0]), path[1:])
        if constants:
            record.update((name, value) for name, value in constants.items() if name in self._wanted)
        for name in self._times:
            value = record[name]
            if value is not None:
                try:
                    record[name] = normalised(value)
                except (ValueError, TypeError, AttributeError) as error:
                    raise self._untimely(name, row.id) from error
        return record

    def _untimely(self, name: str, key: str) -> Unreadable:
        remedy = f"deselect the column `{name}` to read the row without it"
        if name == self._cursor:
            remedy = (
                f"the stream goes by `{name}`, so it is read even if it is deselected: correct the row in Klaviyo"
            )
        return Unreadable(
            f"`{name}` of {self._resource} {key} is not a time that can be read",
            id=key,
            code="unreadable_time",
            remedy=f"{remedy}, or report what the API answers there",
        )

    def identity(self, record: Record) -> int:
        """Tells rows apart: by key and cursor value, so that a row that changed while it was read comes again.

        A 64-bit hash, valid in this process only. As text, the identities of a window took most of a run's memory.
        """
        return hash(self._identity(record))

    def cursor(self, record: Record) -> str | None:
        """The cursor value of a record, which loses it if it is not a column."""
        if self._cursor is None:
            return None
        value: str | None = record.pop(self._hidden) if self._hidden else record[self._cursor]
        return value


def decode(body: bytes) -> Any:  # noqa: ANN401 - whatever the JSON says
    """A JSON body as values that can be written as UTF-8.

    Raises:
        ValueError: the body is not JSON.
    """
    try:
        try:
            return msgspec.json.decode(body)
        except ValueError:
            return msgspec.json.decode(_rewritten(body))
    except RecursionError:
        msg = "it is nested too deeply to be read"
        raise ValueError(msg) from None


@dataclass(frozen=True, slots=True)
class Document:
    """A page of a listing as JSON: `value` has the resources that can be read, `unreadable` what ails others."""

    value: Json
    unreadable: Sequence[Unreadable]


def read_document(body: bytes) -> Document:
    """A page of a listing with whatever it includes: each has an id and attributes, which are an object.

    Raises:
        ValueError: the body is not a list of resources, or was cut.
    """
    unreadable: list[Unreadable] = []
    try:
        value = decode(body)
    except ValueError:
        parts = members(body)
        links = parts.get("links")
        value = {"links": decode(links)} if isinstance(links, bytes) else {}
        for name in ("data", "included"):
            if name in parts:
                value[name], faults = _each(parts[name], msgspec.json.decode, "JSON:API")
                unreadable += faults
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        msg = "no list of resources"
        raise ValueError(msg)  # noqa: TRY004 - as JSON that is malformed
    for name in ("data", "included"):
        resources = []
        for each in value.get(name) or ():
            if fault := _shape_fault(each):
                unreadable.append(fault)
            else:
                resources.append(each | {"attributes": each.get("attributes") or {}})
        value[name] = resources
    return Document(value, unreadable)


class NoNumber:
    """Stands in a report for what is no JSON number: NaN, and what lies beyond all bounds."""

    def __init__(self, _text: str) -> None:
        """Made of the text that stands there, which is not kept."""


def read_report(body: bytes) -> Json:
    """A document whose numbers may be none.

    Raises:
        ValueError: the body is not a JSON object.
    """
    try:
        value = decode(body)
    except ValueError:
        try:
            value = json.loads(body, parse_constant=NoNumber, parse_float=_float)
        except RecursionError:
            raise ValueError from None
    if not isinstance(value, dict):
        msg = "JSON that is not a document"
        raise ValueError(msg)  # noqa: TRY004 - as JSON that is malformed
    return value


def _float(text: str) -> float | NoNumber:
    number = float(text)
    return number if math.isfinite(number) else NoNumber(text)


def _shape_fault(resource: object) -> Unreadable | None:
    if not isinstance(resource, dict) or not isinstance(resource.get("id"), str):
        return _no_resource("JSON:API", resource)
    related = resource.get("relationships") or {}
    parts = [resource.get("attributes"), related, *(related.values() if isinstance(related, dict) else ())]
    return None if all(isinstance(each or {}, dict) for each in parts) else _no_resource("JSON:API", resource)


def _no_resource(kind: str, row: object, error: Exception | None = None) -> Unreadable:
    key = row.get("id") if isinstance(row, dict) else None
    return Unreadable(
        f"Klaviyo sent a row that is not a {kind} resource" + (f": {error}" if error else ""),
        id=key if isinstance(key, str) else None,
        code="no_resource",
        remedy="report what the API answers there",
    )


def _each(
    rows: bytes | Sequence[bytes] | None, decode_row: Callable[[bytes], Any], kind: str
) -> tuple[list[Any], list[Unreadable]]:
    """Rows, decoded one by one; and what is said of those that cannot be.

    Raises:
        ValueError: they are no list.
    """
    if rows is None or isinstance(rows, bytes):
        msg = "no list of resources"
        raise ValueError(msg)
    read, unreadable = [], []
    for row in rows:
        try:
            read.append(_decoded(row, decode_row))
        except (ValueError, RecursionError) as error:
            code, reason = _what_is_wrong(error)
            key = _id_of(row)
            named = f"{kind} {key}" if key else f"a {kind} resource that tells no id"
            remedy = "correct it in Klaviyo, or report what the API answers there"
            unreadable.append(Unreadable(f"{named} {reason}", id=key, code=code, remedy=remedy, mark=hash(row)))
    return read, unreadable


def _decoded(row: bytes, decode_row: Callable[[bytes], Any]) -> Any:  # noqa: ANN401 - what the decoder makes
    try:
        return decode_row(_line(row))
    except msgspec.ValidationError:
        raise
    except ValueError as error:
        try:
            return decode_row(_rewritten(row))
        except msgspec.ValidationError:
            raise
        except ValueError:
            raise error from None  # it tells which byte


def _id_of(row: bytes) -> str | None:
    """The id that a row tells, though it cannot be decoded; None if it does not."""
    try:
        told = members(row).get("id")
    except ValueError:
        return None
    if not isinstance(told, bytes) or not told.strip().startswith(b'"'):
        return None
    text = told.strip()[1:-1].decode(errors="replace")
    return "".join(each if each.isprintable() else "\ufffd" for each in text)[:_LONGEST_ID]


def _what_is_wrong(error: Exception) -> tuple[str, str]:
    """A word and a sentence for why a row cannot be decoded; these errors hold no value of it."""
    match error:
        case RecursionError():
            return "nested_too_deeply", "is nested too deeply to be read"
        case UnicodeDecodeError():
            return "invalid_utf8", f"is not UTF-8 (byte {error.start + 1} of the row)"
        case msgspec.ValidationError():
            return "no_resource", f"is not what a resource must be: {error}"
        case _:
            return "invalid_json", f"is not JSON: {error}"


def _one_id(relationship: _Relationship | list[Any] | None) -> str | None:
    data = relationship.data if isinstance(relationship, _Relationship) else None
    return data.id if isinstance(data, _Reference) else None


def plain(record: Record) -> Json:
    """A record without `msgspec.Raw`."""
    values: Json = msgspec.json.decode(msgspec.json.encode(record))
    return values


def _line(body: bytes) -> bytes:
    """A body whose parts can go on as they are: valid UTF-8, on one line.

    Raises:
        ValueError: it is not JSON, or cannot.
    """
    if not body.isascii():
        body.decode()
    return msgspec.json.format(body, indent=-1) if b"\n" in body or b"\r" in body else body


def _rewritten(body: bytes) -> bytes:
    """A JSON body written anew, on one line, as text that can be encoded.

    Half of a surrogate pair (an emoji that some system cut in two) is valid JSON but not text: it becomes U+FFFD.

    Raises:
        ValueError: the body is not JSON.
    """
    text = json.dumps(json.loads(body), ensure_ascii=False)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _dig(value: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
