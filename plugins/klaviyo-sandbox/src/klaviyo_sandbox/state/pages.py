"""Keyset pages: one SQL statement per page, from where the last one ended.

A page is sorted by one key and, among equal keys, by id, so that rows with one timestamp are neither lost nor
repeated. It is a position, not a snapshot: rows that arrive behind it are missed, rows that move ahead of it come
again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from math import inf
from typing import TYPE_CHECKING, Generic

from typing_extensions import override

from klaviyo_sandbox.model import times
from klaviyo_sandbox.state.repository import R, layout_of, quoted
from klaviyo_wire.filters import Operator

if TYPE_CHECKING:
    from klaviyo_sandbox.model.tables import ColumnType
    from klaviyo_sandbox.protocol.filters import Condition, Literal
    from klaviyo_sandbox.protocol.queries import Key, Query
    from klaviyo_sandbox.state.database import Row
    from klaviyo_sandbox.state.store import Store

Values = list[object]

_COMPARISONS = {
    Operator.EQUALS: "=",
    Operator.GREATER_THAN: ">",
    Operator.GREATER_OR_EQUAL: ">=",
    Operator.LESS_THAN: "<",
    Operator.LESS_OR_EQUAL: "<=",
}
_LARGEST = 2**63 - 1  # the largest whole number of SQLite
_LOWER = {Operator.GREATER_THAN, Operator.GREATER_OR_EQUAL}
_UPPER = {Operator.LESS_THAN, Operator.LESS_OR_EQUAL}


class Kind(Enum):
    """How a column holds the moments that filters compare it with; other values are compared as they are."""

    SECONDS = auto()
    """As whole seconds since the epoch."""
    MICROSECONDS = auto()
    """As text in order of time."""


@dataclass(frozen=True, slots=True)
class Column:
    """The SQL that a filter compares with."""

    sql: str
    kind: Kind = Kind.SECONDS

    def condition(self, condition: Condition, values: Values) -> str:
        """The condition in SQL; its values are appended to `values`."""
        if condition.operator is Operator.HAS:
            return f"{self.sql} is not null"
        if condition.operator is Operator.ENDS_WITH:
            values += condition.values * 2
            return f"substr({self.sql}, length({self.sql}) - length(?) + 1) = ?"
        values += [self._stored(value) for value in condition.values]
        if condition.operator is Operator.ANY:
            return f"{self.sql} in ({', '.join('?' * len(condition.values))})"
        if condition.operator is Operator.CONTAINS:
            return f"instr({self.sql}, ?) > 0"
        if condition.operator is Operator.STARTS_WITH:
            return f"instr({self.sql}, ?) = 1"
        return f"{self.sql} {_COMPARISONS[condition.operator]} ?"

    def _stored(self, value: Literal) -> object:
        if isinstance(value, datetime):
            return value.timestamp() if self.kind is Kind.SECONDS else times.micros(value)
        if isinstance(value, int) and abs(value) > _LARGEST:
            return inf if value > 0 else -inf  # beyond whatever a column holds, and too large to be bound
        return value


@dataclass(frozen=True, slots=True)
class Nothing(Column):
    """A filter that no row passes: Klaviyo takes it, and the sandbox holds nothing it could find."""

    sql: str = "false"

    @override
    def condition(self, condition: Condition, values: Values) -> str:
        return self.sql


@dataclass(frozen=True, slots=True)
class Ignored(Column):
    """A filter that Klaviyo takes and does not apply (recorded)."""

    sql: str = "true"

    @override
    def condition(self, condition: Condition, values: Values) -> str:
        return self.sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A collection that can be read in pages.

    `columns` are selected; the key a page is sorted by and `id` come after them.
    """

    source: str
    columns: str
    id: str
    filters: Mapping[str, Column] = field(default_factory=dict)
    sorts: Mapping[str, str] = field(default_factory=dict)
    default_sort: str | None = None
    """None: by id."""
    where: str = "true"

    def page(
        self,
        store: Store,
        query: Query,
        owner: Sequence[object] = (),
        *,
        more: Callable[[Values], str] | None = None,
    ) -> Page:
        """The page that the query asks for.

        Args:
            store: where to read.
            query: conditions on the names in `filters`, a sort among `sorts`, and where to go on.
            owner: values of the placeholders in `where`.
            more: a condition that is no single column's; it appends its own values.
        """
        values: Values = list(owner)
        clauses = [self.where]
        clauses += [
            self.filters[each.field].condition(each, values)
            for each in query.conditions
            if not self._passed(each, query)
        ]
        if more is not None:
            clauses.append(more(values))
        name = query.sort or self.default_sort
        key = self.sorts[name] if name else self.id
        direction, beyond = ("desc", "<") if query.descending else ("asc", ">")
        if query.after is not None:
            clauses.append(f"({key}, {self.id}) {beyond} (?, ?)")
            values += [query.after.key, query.after.id]
        rows = store.read(
            f"select {self.columns}, {key}, {self.id} from {self.source}"  # noqa: S608
            f" where {' and '.join(clauses)}"
            f" order by {key} {direction}, {self.id} {direction} limit ?",
            [*values, query.size + 1],
        )
        return Page(rows[: query.size], more=len(rows) > query.size)

    def _passed(self, condition: Condition, query: Query) -> bool:
        """Whether all that lies beyond the last page meets a condition: a bound on the sort key, passed before.

        The database would begin every page at that bound, and not where the last one ended.
        """
        key = query.sort and self.sorts[query.sort]
        bounds = _UPPER if query.descending else _LOWER
        return (
            query.after is not None and condition.operator in bounds and self.filters[condition.field].sql == key
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordListing(Listing, Generic[R]):
    """The records of one kind, in pages."""

    read: Callable[[Row], R]

    def records(self, page: Page) -> list[R]:
        """The records of a page."""
        return [self.read(row) for row in page.rows]


def listing_of(
    kind: type[R],
    *,
    where: str = "true",
    filters: Mapping[str, Column] | None = None,
    sorts: Mapping[str, str] | None = None,
) -> RecordListing[R]:
    """The records of a kind, filtered and sorted by any of their columns.

    Which of them a request may name is in the endpoint table.

    Args:
        kind: of record.
        where: which of them; `?` stands for a value of the owner's.
        filters: those that are not a column of the name.
        sorts: the same, as SQL.
    """
    layout = layout_of(kind)
    columns = layout.columns
    return RecordListing(
        source=quoted(layout.table.name),
        columns=layout.selected,
        id=quoted("id"),
        where=where,
        filters={each.name: Column(quoted(each.name), _kind(each)) for each in columns} | dict(filters or {}),
        sorts={each.name: _sort_key(each) for each in columns} | dict(sorts or {}),
        read=layout.record,
    )


def _kind(column: ColumnType) -> Kind:
    """How a column holds moments: as text, or as whole seconds."""
    return Kind.MICROSECONDS if column.type is datetime else Kind.SECONDS


def _sort_key(column: ColumnType) -> str:
    """A column as the key of pages, which is never null."""
    name = quoted(column.name)
    return f"coalesce({name}, '')" if column.nullable else name


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one page. The last two columns are the sort key and the id."""

    rows: list[Row]
    more: bool

    @classmethod
    def of(cls, found: Mapping[str, object], size: int, after: str | None) -> Page:
        """A page of what was worked out in memory: by its id, each row the value, no sort key, and the id."""
        rest = sorted(key for key in found if after is None or key > after)
        return cls([(found[key], None, key) for key in rest[:size]], more=len(rest) > size)

    def next_link(self, query: Query, base: str) -> str | None:
        """The next page's address; None on the last."""
        if not self.more:
            return None
        key: Key = self.rows[-1][-2]
        return query.link(base, key, self.rows[-1][-1])
