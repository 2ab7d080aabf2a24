"""How a record declares the table that holds it: its key, its columns, its indexes, and what is counted of it.

    class Form(Struct, frozen=True, kw_only=True):
        table: ClassVar = Table("forms")

        id: Key[str]
        name: Column[str]
        version_ids: list[str] = field(default_factory=list)

A column is what requests filter, sort or join by. A record with other fields too is kept whole beside its columns,
as JSON. From this `state/repository.py` makes the table, writes records to it and reads them.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

T = TypeVar("T")


class Part(enum.Enum):
    """What a field is in its table."""

    KEY = enum.auto()
    COLUMN = enum.auto()


Key = Annotated[T, Part.KEY]
"""A field that tells records apart; several together are one key."""
Column = Annotated[T, Part.COLUMN]
"""A field that requests filter, sort or join by."""


@dataclass(frozen=True)
class Table:
    """Where records of a kind are kept.

    Attributes:
        name: of the table.
        derived: further columns, each text that is worked out from the record.
        indexes: the columns of each index, as SQL.
        unique: the same of what no two rows share.
        counts: what `/sandbox/counts` tells, by its name there: how many rows meet an SQL condition. By default
            all rows, under the table's name.
        made_by_hand: whether a part of the store makes the table, and reads and writes it, in a way of its own.
    """

    name: str
    derived: Mapping[str, Callable[[Any], str]] = field(default_factory=dict)
    indexes: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()
    counts: Mapping[str, str] | None = None
    made_by_hand: bool = False

    @property
    def counted(self) -> Mapping[str, str]:
        """What is counted: SQL conditions by name."""
        return {self.name: "true"} if self.counts is None else self.counts


class ColumnType(NamedTuple):
    """A column of a record: the type of its values other than None, and whether there can be None."""

    name: str
    type: type
    nullable: bool
    is_key: bool

    @property
    def sql(self) -> str:
        """The type as SQLite knows it: whole numbers are never floats, and times are text in order of time."""
        if issubclass(self.type, int):
            return "integer"
        if self.type is float:
            return "real"
        return "text"


@cache
def columns_of(kind: type[Struct]) -> tuple[ColumnType, ...]:
    """The columns of a record, in the order of its fields.

    Raises:
        TypeError: a column is of a type that no column can hold.
    """
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for name in kind.__struct_fields__:
        hint = hints[name]
        if get_origin(hint) is Annotated and isinstance(hint.__metadata__[0], Part):
            base, nullable = _base(hint.__origin__)
            if not issubclass(base, str | int | float | datetime):
                msg = f"{kind.__name__}.{name} cannot be a column: it is neither text nor a number nor a time"
                raise TypeError(msg)
            found.append(ColumnType(name, base, nullable, hint.__metadata__[0] is Part.KEY))
    return tuple(found)


def _base(hint: Any) -> tuple[type, bool]:  # noqa: ANN401 - a type of whatever form
    """The type in a hint, and whether None is one of its values."""
    if get_origin(hint) in {Union, types.UnionType}:
        (inner,) = (each for each in get_args(hint) if each is not type(None))
        return _base(inner)[0], True
    if get_origin(hint) is Literal:
        return type(get_args(hint)[0]), False
    return hint, False
