"""What a person's own rows say of other people: it is taken out before they are handed out.

Somebody else is who has another e-mail address, or whom a profile of the warehouse has by id, own id or number.

- An address is withheld in any text, also in a URL; a number or an id is where a member is nothing else.
- Beside a member that names them, so is what begins alike: `friend_name` beside `friend_email`.
- An object within a document that names them, and not the person, is withheld whole. Of `event_properties` and
  `properties` themselves, which also say what happened, only names are.

A name in free text is like any other word: nobody can tell it here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from singer_program.identifiers import Identifier, compared, kind_named, named_in

Json = dict[str, Any]
WITHHELD = "(withheld: somebody else's)"
"""What stands in the place of what was taken out."""
_WHOLE = frozenset({"event_properties", "properties"})
_ADDRESS = re.compile(
    r"((?:%(?!2[bB]|40)[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[nrtbf])*)"
    r"((?:[\w.!$*^`{|}~'+-]|%2[bB])+(?:@|%40)(?!\d+x\.)(?:[\w-]+\.)+[^\W\d_][\w-]*)"
)
"""One in a text or a URL, and what stands before it by its number; not `logo@2x.png`, nor `library@1.2.3`."""
_NAMES = re.compile(r"\$?(?:(?:first|last|full|given|family|sur|nick)[_\s-]?)?name", re.IGNORECASE)
_OF_SOMEBODY = re.compile(
    r"(.+?)[_\s.-]*(?:e-?mail(?:[_\s-]*address)?|mail|phone(?:[_\s-]*number)?|profile[_\s-]*id|external[_\s-]*id|id)",
    re.IGNORECASE,
)


class Others:
    """Takes out of rows what is somebody else's.

    Args:
        own: Whatever the person is known by, numbers of a household too.
        others: Who else is known to be somebody.
    """

    def __init__(self, own: Collection[Identifier], others: Collection[Identifier] = ()) -> None:
        self._own = frozenset(own)
        self._addresses = {each.value for each in own if each.kind == "email"}
        self._others = frozenset(others) - self._own
        self._taken = 0

    def without(self, rows: Iterable[Json]) -> tuple[list[Json], int]:
        """The rows, and how many values of them are withheld."""
        self._taken = 0
        left = [self._row(row) for row in rows]
        return left, self._taken

    def _row(self, row: Json) -> Json:
        theirs = self._theirs(row, names=False)
        return {
            name: self._withheld() if name in theirs else self._value(value, is_whole=name in _WHOLE)
            for name, value in row.items()
        }

    def _value(self, value: object, *, is_whole: bool = False) -> object:
        """A value without others; a whole document is never withheld as such."""
        if isinstance(value, Mapping):
            return self._object(value, is_whole=is_whole)
        if isinstance(value, list | tuple):
            return [self._value(each) for each in value]
        return self._text(value, is_whole=is_whole) if isinstance(value, str) else value

    def _object(self, held: Mapping[str, object], *, is_whole: bool) -> object:
        theirs = self._theirs(held, names=True)
        if theirs and not is_whole and not any(self._is_own(*each) for each in held.items()):
            return self._withheld()
        return {
            self._text(name): self._withheld() if name in theirs else self._value(value)
            for name, value in held.items()
        }

    def _text(self, text: str, *, is_whole: bool = False) -> str:
        if text[:1] in {"{", "["}:
            try:
                document = json.loads(text)
            except (ValueError, RecursionError):
                document = None
            if document is not None:
                before = self._taken
                left = self._value(document, is_whole=is_whole)
                return text if self._taken == before else json.dumps(left, ensure_ascii=False)
        return _ADDRESS.sub(self._address, text) if "@" in text or "%40" in text else text

    def _address(self, match: re.Match[str]) -> str:
        before, address = match.groups()
        return match[0] if self._is_own_address(address) else before + self._withheld()

    def _is_own_address(self, text: str) -> bool:
        return unquote(text).strip(".'").lower() in self._addresses

    def _theirs(self, held: Mapping[str, object], *, names: bool) -> set[str]:
        """The members that are somebody else's, as far as members say whose they are.

        Args:
            held: A row or object.
            names: Whether names are, too, where nothing in it names the person.
        """
        theirs = {name for name, value in held.items() if self._names_another(name, value)}
        if not theirs:
            return theirs
        own = {name for name, value in held.items() if self._is_own(name, value)}
        beginnings = {*map(_beginning, theirs)} - {*map(_beginning, own)} - {""}
        for name, value in held.items():
            is_name = names and not own and _NAMES.fullmatch(name) is not None
            if value is not None and (is_name or any(_begins(name, each) for each in beginnings)):
                theirs.add(name)
        return theirs - own

    def _names_another(self, name: str, value: object) -> bool:
        identifier = _identifier(name, value)
        if identifier is None or identifier in self._own:
            return False
        is_address = _ADDRESS.fullmatch(identifier.value) is not None
        return identifier in self._others or (is_address and not self._is_own_address(identifier.value))

    def _is_own(self, name: str, value: object) -> bool:
        identifier = _identifier(name, value)
        return identifier is not None and (identifier in self._own or self._is_own_address(identifier.value))

    def _withheld(self) -> str:
        self._taken += 1
        return WITHHELD


def to_be_known(rows: Iterable[Json]) -> set[Identifier]:
    """Ids and numbers in rows that may be somebody's: a row's own `id` names the row."""
    return {
        compared(*found.identifier)
        for row in rows
        for found in named_in(row)
        if found.identifier.kind != "email" and found.member != "id"
    }


def _identifier(name: str, value: object) -> Identifier | None:
    kind = kind_named(name)
    if kind is None or isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        return None
    return compared(kind, str(value))


def _beginning(name: str) -> str:
    """What stands before the part of a member's name that says what it is: `friend` of `friend_email`."""
    found = _OF_SOMEBODY.fullmatch(name)
    return found[1].lower() if found else ""


def _begins(name: str, beginning: str) -> bool:
    """Whether a name begins with a word, and not with another one that is longer."""
    return name.lower().startswith(beginning) and not name[len(beginning) : len(beginning) + 1].islower()
