"""Decodes the bytes of a page to records, and of a row only what the tap must understand.

Keys, times, related ids and the cursor become Python values. Everything else goes from the answer to the output as
the bytes it came in: decoding and encoding it is where a tap spends most of its time otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from tap_klaviyo_engagement.times import normalised

if TYPE_CHECKING:
    from klaviyo_wire.jsonapi import Json

Record = dict[str, Any]
"""A record: column → JSON value, or `msgspec.Raw`, which stands for one."""

_NULL = msgspec.Raw(b"null")


class Unreadable(Exception):  # noqa: N818 - said of a row
    """A value that must be understood cannot be; the message says which."""


class _Reference(msgspec.Struct, gc=False):
    id: str | None = None


class _Relationship(msgspec.Struct, gc=False):
    data: _Reference | list[Any] | None = None


class _Links(msgspec.Struct):
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing: its rows, the address of the next page, and how many bytes it came in."""

    rows: Sequence[Any]
    following: str | None
    size: int


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
    ) -> None:
        self._resource = resource
        self._hidden = cursor if cursor is not None and cursor not in columns else None
        wanted = [*columns, self._hidden] if self._hidden else list(columns)
        self._wanted = frozenset(wanted)
        self._has_id = "id" in wanted
        self._times = [name for name in wanted if name in times or name == cursor]
        self._sources = {name: path for name, path in (sources or {}).items() if name in wanted}
        names = {f"{name.replace('-', '_')}_id": name for name in relationships}
        self._related = {column: name for column, name in names.items() if column in wanted}
        self._plain = [name for name in wanted if name not in {"id", *self._related, *self._sources}]
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
        fields = {f"_{position}": name for position, name in enumerate(self._related.values())}
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
        document = msgspec.defstruct("Document", [("data", rows), ("links", _Links | list[Any] | None, None)])
        self._empty = attributes()
        self._relationship_fields = dict(zip(self._related, fields, strict=True))
        self._row: msgspec.json.Decoder[Any] = msgspec.json.Decoder(row)
        self._document: msgspec.json.Decoder[Any] = msgspec.json.Decoder(document)
        self._identity: Callable[[Record], Any] = itemgetter(*keys, *([cursor] if cursor else []))
        self._cursor = cursor

    def page(self, body: bytes) -> Page:
        """A page, decoded as far as the rows.

        Raises:
            ValueError: the body is not JSON, not a list of resources, or has a row that is no resource.
        """
        try:
            document = self._document.decode(_line(body))
        except msgspec.ValidationError:
            raise
        except ValueError:
            document = self._document.decode(_rewritten(body))
        links = document.links
        return Page(document.data, links.next if isinstance(links, _Links) else None, len(body))

    def row(self, resource: Mapping[str, Any]) -> Any:  # noqa: ANN401 - made at run time
        """A row out of a document that was read otherwise.

        Raises:
            Unreadable: it is no resource.
        """
        try:
            return self._row.decode(msgspec.json.encode(resource))
        except ValueError as error:
            msg = f"Klaviyo sent a row that is not a {self._resource} resource"
            raise Unreadable(msg) from error

    def record(self, row: Any, constants: Mapping[str, Any]) -> Record:  # noqa: ANN401
        """A row as a record, with what is no part of the row; a cursor that is not a column is in it too.

        Raises:
            Unreadable: a time cannot be read. It is not guessed at, and the row is not dropped.
        """
        attributes = self._empty if not row.attributes or isinstance(row.attributes, list) else row.attributes
        record: Record = {"id": row.id} if self._has_id else {}
        # `attributes` has the plain columns first, so the deep ones behind them are left out.
        record.update(zip(self._plain, msgspec.structs.astuple(attributes), strict=False))
        for column, field in self._relationship_fields.items():
            relationship = getattr(row.relationships, field, None)
            data = getattr(relationship, "data", None)
            record[column] = data.id if isinstance(data, _Reference) else None
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
                    msg = (
                        f"`{name}` of {self._resource} {row.id} is not a time that can be read. "
                        "Deselect the column to go on without it, and report what the API answers there"
                    )
                    raise Unreadable(msg) from error
        return record

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


_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
"""Its escape, behind any number of escaped backslashes."""


def decode(body: bytes) -> Any:  # noqa: ANN401 - whatever the JSON says
    """A JSON body as values that can be written as UTF-8.

    Raises:
        ValueError: the body is not JSON.
    """
    try:
        return msgspec.json.decode(body)
    except ValueError:
        return msgspec.json.decode(_rewritten(body))


def without_nul(body: bytes) -> bytes:
    """A JSON body with U+FFFD for the character NUL, however deep: it stands in JSON as an escape only."""
    return _NUL.sub(rb"\1\\ufffd", body) if rb"\u0000" in body else body


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
