"""Query strings, checked against the endpoint table; and the links that lead to the next page.

Decoding is a web form's, as at Klaviyo: an unencoded `+` is a space.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from klaviyo_sandbox.model.errors import expired_cursor, refuse
from klaviyo_sandbox.protocol import filters
from klaviyo_wire.endpoints import Endpoint, Value
from klaviyo_wire.filters import Operator

if TYPE_CHECKING:
    from klaviyo_sandbox.protocol.filters import Condition

Key = str | int | None
"""What a page is sorted by, as the database holds it."""

METRICS_PER_PAGE = 200
_UPPER_BOUNDS = {Operator.LESS_THAN, Operator.LESS_OR_EQUAL}


class Position(msgspec.Struct, frozen=True, array_like=True):
    """The last row of a page: its sort key, its id, and a digest of the request that it belongs to."""

    key: Key
    id: str
    request: int


@dataclass(frozen=True, slots=True)
class Query:
    """What a request asks for."""

    path: str = ""
    parameters: Sequence[tuple[str, str]] = ()
    """As sent and decoded, without the cursor."""
    body: bytes = b""
    """What else says what is asked for, where reading is a POST."""
    cursor: str = "page[cursor]"
    """The parameter that leads to the next page."""
    conditions: Sequence[Condition] = ()
    sort: str | None = None
    descending: bool = False
    include: frozenset[str] = frozenset()
    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)
    additional: Mapping[str, frozenset[str]] = field(default_factory=dict)
    size: int = METRICS_PER_PAGE
    after: Position | None = None

    def values_of(self, name: str) -> tuple[filters.Literal, ...] | None:
        """The values of the conditions on a field; None without any."""
        found = [each for each in self.conditions if each.field == name]
        return tuple(value for each in found for value in each.values) if found else None

    def link(self, base: str, key: Key = None, last_id: str | None = None) -> str:
        """This request's address, or, given the last row of its page, that of the next page."""
        parameters = list(self.parameters)
        if last_id is not None:
            parameters.append((self.cursor, _encode(Position(key, last_id, self._digest()))))
        query = urlencode(parameters, quote_via=quote, safe="")
        return f"{base}{quote(self.path)}{'?' if query else ''}{query}"

    def position(self, cursor: str) -> Position:
        """Where a cursor that this request's link gave goes on.

        Raises:
            Refusal: it is none, or another request's.
        """
        try:
            position = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=="), type=Position)
        except (binascii.Error, UnicodeEncodeError, ValueError, msgspec.DecodeError):
            raise expired_cursor() from None
        if position.request != self._digest():
            refuse(
                "The cursor belongs to a request with other parameters; keep them the same from page to page.",
                parameter="page_cursor",
            )
        return position

    def _digest(self) -> int:
        return zlib.crc32(msgspec.json.encode([self.path, *sorted(self.parameters)]) + self.body)


def pairs(query_string: str) -> list[tuple[str, str]]:
    """Decoded parameters.

    Raises:
        Refusal: the text is not percent-encoded UTF-8, or a parameter comes twice.
    """
    try:
        decoded = parse_qsl(query_string, keep_blank_values=True, errors="strict")
    except ValueError:
        refuse("The query string is not percent-encoded UTF-8.", parameter="query")
    names = [name for name, _ in decoded]
    for name in names:
        if names.count(name) > 1:
            refuse(f"'{name}' is given more than once.", parameter=_written(name))
    return decoded


def read(
    endpoint: Endpoint, path: str, parameters: Sequence[tuple[str, str]], now: datetime, body: bytes = b""
) -> Query:
    """The query of a request to this endpoint.

    Raises:
        Refusal: a parameter is unknown here, or its value is not what the endpoint takes.
    """
    given = dict(parameters)
    for name in given:
        if not _known(endpoint, name):
            refuse(
                f"'{_written(name)}' is not a valid field for the resource '{resource_of(endpoint.path)}'",
                parameter=_written(name),
            )
    sort, descending = _sort(endpoint, given)
    cursor = (endpoint.page and endpoint.page.cursor) or "page_cursor"
    query = Query(
        path=path,
        parameters=[(name, value) for name, value in parameters if name != cursor],
        body=body,
        cursor=cursor,
        conditions=_conditions(endpoint, given, now),
        sort=sort,
        descending=descending,
        include=_names(given, "include", frozenset(endpoint.include)),
        fields={kind: _names(given, f"fields[{kind}]", known) for kind, known in _asked(given, endpoint.fields)},
        additional={
            kind: _names(given, f"additional-fields[{kind}]", frozenset(known))
            for kind, known in endpoint.additional_fields.items()
        },
        size=_size(endpoint, given),
    )
    return replace(query, after=query.position(given[cursor])) if cursor in given else query


def resource_of(path: str) -> str:
    """The resource type a path template ends in: `/api/lists/{id}/profiles` → `profile`."""
    return [part for part in path.split("/") if not part.startswith("{")][-1].removesuffix("s")


def _known(endpoint: Endpoint, name: str) -> bool:
    simple = {
        "filter": bool(endpoint.filters),
        "sort": bool(endpoint.sort),
        "include": bool(endpoint.include),
        "page[size]": endpoint.page is not None and endpoint.page.maximum is not None,
    }
    if name in simple:
        return simple[name]
    if endpoint.page is not None and name == endpoint.page.cursor:
        return True
    head, _, rest = name.partition("[")
    known = {"fields": endpoint.fields, "additional-fields": endpoint.additional_fields}.get(head, {})
    return rest.endswith("]") and rest[:-1] in known


def _asked(given: Mapping[str, str], known: Mapping[str, frozenset[str]]) -> list[tuple[str, frozenset[str]]]:
    return [(kind, names) for kind, names in known.items() if f"fields[{kind}]" in given]


def _written(name: str) -> str:
    """A parameter as Klaviyo's messages write it: `page[size]` → `page_size`."""
    return name.replace("[", "_").replace("]", "")


def _names(given: Mapping[str, str], name: str, known: frozenset[str]) -> frozenset[str]:
    if name not in given:
        return frozenset()
    asked = given[name].split(",")
    for each in asked:
        if each not in known:
            refuse(
                f"'{each}' is not a valid value for '{name}'.  Valid values are {','.join(sorted(known))}",
                parameter=_written(name),
            )
    return frozenset(asked)


def _sort(endpoint: Endpoint, given: Mapping[str, str]) -> tuple[str | None, bool]:
    if "sort" not in given:
        return None, False
    name = given["sort"].removeprefix("-")
    if name not in endpoint.sort:
        refuse(
            f"'{name}' is not a sortable field.  Sortable fields are {','.join(endpoint.sort)}", parameter="sort"
        )
    return name, given["sort"].startswith("-")


def _conditions(endpoint: Endpoint, given: Mapping[str, str], now: datetime) -> list[Condition]:
    if "filter" not in given:
        if endpoint.filter_required:
            refuse("A filter is required.", parameter="filter")
        return []
    conditions = filters.parse(given["filter"], endpoint.filters)
    kinds = {each.field: each.value for each in endpoint.filters}
    for each in conditions:
        if kinds[each.field] is not Value.DATETIME or each.operator not in _UPPER_BOUNDS:
            continue
        # Connectors stay seconds behind now because such bounds can be refused; here they always are.
        if any(isinstance(value, datetime) and value > now for value in each.values):
            refuse(f"The upper bound of {each.field} is in the future.", parameter="filter")
    return conditions


def _size(endpoint: Endpoint, given: Mapping[str, str]) -> int:
    page = endpoint.page
    if page is None or page.maximum is None:
        return METRICS_PER_PAGE
    text = given.get("page[size]")
    if text is None:
        return page.default or page.maximum
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= page.maximum):
        refuse(f"Page size must be an integer between 1 and {page.maximum}.", parameter="page_size")
    return int(text)


def _encode(position: Position) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")
