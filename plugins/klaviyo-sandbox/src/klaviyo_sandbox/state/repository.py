"""Records of every kind, kept and found as their declarations say (`model/tables.py`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec

from klaviyo_sandbox.model import records, times
from klaviyo_sandbox.model.tables import ColumnType, Table, columns_of
from klaviyo_sandbox.state.database import Database, Row, marks

Clash = str
_encode = msgspec.json.encode


class Record(Protocol):
    """A struct of `model/records.py` that declares a table."""

    table: ClassVar[Table]
    __struct_fields__: ClassVar[tuple[str, ...]]


R = TypeVar("R", bound=Record)


class Layout(Generic[R]):
    """How records of one kind are written to their table and read from it."""

    def __init__(self, kind: type[R]) -> None:
        self.kind = kind
        self.table = kind.table
        self.columns = columns_of(kind)
        self.only_columns = len(self.columns) == len(kind.__struct_fields__)
        """Whether the columns are the whole record; otherwise it is kept beside them, as JSON."""
        self.selected = ", ".join(quoted(each.name) for each in self.columns) if self.only_columns else "record"
        """What to select of the table to read a record."""
        self._name = quoted(self.table.name)
        self._decoder = msgspec.json.Decoder(kind)
        self._readers = [(each.name, _reader(each)) for each in self.columns]

    @property
    def schema(self) -> str:
        """The statements that make the table."""
        keys = [quoted(each.name) for each in self.columns if each.is_key]
        lines = [f"{quoted(each.name)} {each.sql}{'' if each.nullable else ' not null'}" for each in self.columns]
        lines += [f"{quoted(name)} text not null" for name in self.table.derived]
        if not self.only_columns:
            lines.append("record blob not null")
        if keys:
            lines.append(f"primary key ({', '.join(keys)})")
        ending = "without rowid" if len(keys) > 1 else ""
        statements = [f"create table {self._name} ({', '.join(lines)}) {ending}"]
        for place, indexed in enumerate((*self.table.unique, *self.table.indexes)):
            unique = "unique " if place < len(self.table.unique) else ""
            statements.append(f"create {unique}index {self.table.name}_{place} on {self._name} ({indexed})")
        return ";\n".join(statements) + ";\n"

    def row(self, record: R) -> Row:
        """A record as a row of all columns."""
        values = [getattr(record, each.name) for each in self.columns]
        values = [times.micros(each) if isinstance(each, datetime) else each for each in values]
        values += [derive(record) for derive in self.table.derived.values()]
        return tuple(values) if self.only_columns else (*values, _encode(record))

    def record(self, row: Sequence[Any]) -> R:
        """The record in a row that begins with what is `selected`."""
        if not self.only_columns:
            return self._decoder.decode(row[0])
        values = {
            name: value if read is None or value is None else read(value)
            for (name, read), value in zip(self._readers, row, strict=False)
        }
        return self.kind(**values)


class Repository(Database):
    """Writes and finds records of every kind."""

    def __init__(self) -> None:
        super().__init__()
        for kind in KINDS:
            if not kind.table.made_by_hand:
                self._connection.executescript(layout_of(kind).schema)

    def add(self, added: Iterable[R], *, clash: Clash = "abort") -> int:
        """Insert records of one kind. Answers how many came in.

        Raises:
            sqlite3.IntegrityError: a key is taken, and `clash` is `abort`; nothing is inserted.
        """
        remaining = iter(added)
        first = next(remaining, None)
        if first is None:
            return 0
        layout = layout_of(type(first))

        def rows() -> Iterator[Row]:
            yield layout.row(first)
            yield from map(layout.row, remaining)

        return self.insert(quoted(layout.table.name), rows(), clash=clash)

    def put(self, record: Record) -> None:
        """Insert a record, or replace the one of its key."""
        self.add([record], clash="replace")

    def get(self, kind: type[R], record_id: str) -> R | None:
        """The record of this id."""
        return self.first(kind, "id = ?", [record_id])

    def get_all(self, kind: type[R], ids: Sequence[str]) -> list[R]:
        """Those of these records that exist."""
        return self.find(kind, f"id in ({marks(len(ids))})", ids)

    def first(self, kind: type[R], where: str, values: Sequence[object] = ()) -> R | None:
        """The first record that meets a condition."""
        return next(iter(self.find(kind, f"{where} limit 1", values)), None)

    def find(self, kind: type[R], where: str = "true", values: Sequence[object] = ()) -> list[R]:
        """The records that meet a condition; an order may follow it."""
        layout = layout_of(kind)
        sql = f"select {layout.selected} from {quoted(layout.table.name)} where {where}"  # noqa: S608
        return [layout.record(row) for row in self.read(sql, values)]

    def delete(self, kind: type[Record], record_id: str) -> None:
        """Remove the record of this id."""
        self.write(f"delete from {quoted(kind.table.name)} where id = ?", [[record_id]])  # noqa: S608

    def counts(self) -> dict[str, int]:
        """How many rows there are of what the declarations count."""
        return {
            name: self.read(f"select count(*) from {quoted(kind.table.name)} where {where}")[0][0]  # noqa: S608
            for kind in KINDS
            for name, where in kind.table.counted.items()
        }


@cache
def layout_of(kind: type[R]) -> Layout[R]:
    """How records of this kind are kept."""
    return Layout(kind)


def quoted(name: str) -> str:
    """A name as SQL; a field may be called `default`."""
    return f'"{name}"'


def _reader(column: ColumnType) -> Callable[[Any], Any] | None:
    """What turns a column's value into the field's; None where they are the same."""
    if column.type is datetime:
        return times.parse
    if column.type is bool or issubclass(column.type, Enum):
        return column.type
    return None


KINDS: tuple[type[Record], ...] = tuple(
    each for each in vars(records).values() if isinstance(each, type) and hasattr(each, "table")
)
"""Every kind of record that declares a table."""
