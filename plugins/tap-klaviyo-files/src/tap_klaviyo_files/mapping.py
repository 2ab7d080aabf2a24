"""Which column of a file is which column of a stream: by the setting `columns`, else by names that are common."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_klaviyo_files.faults import FileError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BLANKS = re.compile(r"[\s_-]+")
_PATH = re.compile(r"""(?:event_properties|properties|attributes)(?:\.(.+)|\[(['"])(.+)\2\])""", re.IGNORECASE)
_SHOWN = 60
"""Columns of a header that are told."""


@dataclass(frozen=True)
class Field:
    """Something that rows of a stream are made of.

    Attributes:
        name: By which the setting `columns` names it.
        aliases: What columns that hold it are commonly called; compared without case, blanks, `_` and `-`.
    """

    name: str
    aliases: Sequence[str] = ()

    @property
    def known(self) -> frozenset[str]:
        """The aliases as they are compared."""
        return frozenset(_plain(each) for each in (self.name, *self.aliases))


@dataclass(frozen=True)
class Layout:
    """The columns of a file.

    Attributes:
        places: Positions by the names of fields, of those that there are.
        rest: The other columns: names of properties, with their positions.
    """

    places: Mapping[str, int]
    rest: Sequence[tuple[str, int]] = field(default_factory=tuple)

    def place(self, name: str) -> int:
        """The position of a field; -1 without one."""
        return self.places.get(name, -1)


def layout(
    header: Sequence[str], fields: Sequence[Field], chosen: Mapping[str, str], needed: Sequence[Sequence[str]]
) -> Layout:
    """Find the columns of a file.

    Args:
        header: Their names.
        fields: What to look for; of several columns that could be one, the first of its aliases counts.
        chosen: Names of columns by names of fields: the setting `columns`.
        needed: Groups of fields, of each of which one must be there.

    Raises:
        FileError: one is missing; the header is told, and what to write.
    """
    names = [field.name for field in fields]
    if unknown := [name for name in chosen if name not in names]:
        fault = f"the setting `columns` names {unknown[0]!r}: there are {', '.join(names)}"
        raise FileError(fault)
    if absent := [column for column in chosen.values() if column not in header]:
        fault = f"the setting `columns` names the column {absent[0]!r}, which it does not have; {_told(header)}"
        raise FileError(fault)
    places = {name: header.index(column) for name, column in chosen.items()}
    taken = set(places.values())
    plain = {position: _plain(name) for position, name in enumerate(header)}
    for each in fields:
        if each.name in places:
            continue
        for alias in (each.name, *each.aliases):
            found = next((at for at, name in plain.items() if name == _plain(alias) and at not in taken), None)
            if found is not None:
                places[each.name] = found
                taken.add(found)
                break
    for group in needed:
        if not any(name in places for name in group):
            fault = (
                f"no column is known to hold {' or '.join(f'`{name}`' for name in group)}; {_told(header)}. Write "
                f'into its entry of the setting `files`: "columns": {{"{group[0]}": "<name of the column>"}}'
            )
            raise FileError(fault)
    rest = [(_property(name), at) for at, name in enumerate(header) if at not in taken and name]
    return Layout(places, rest)


def _property(name: str) -> str:
    """The property that a column is: `event_properties.URL`, `properties['URL']` and `URL` are one."""
    found = _PATH.fullmatch(name)
    return name if found is None else found[1] or found[3]


def _plain(name: str) -> str:
    return _BLANKS.sub("", name).lower()


def _told(header: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in header[:_SHOWN])
    more = f" and {len(header) - _SHOWN} more" if len(header) > _SHOWN else ""
    return f"its columns are {shown}{more}"
