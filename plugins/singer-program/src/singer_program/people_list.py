"""Lists of people as keyed hashes, one a line: whom nothing is written about, without saying who they are.

A line is `hex(HMAC-SHA256(key, "<kind>:<value>"))`, with kinds and values as in `identifiers`. Who has the list
and not the key learns nothing from it; who has both can only ask about people whom they know. Needs the extra
`people`.
"""

from __future__ import annotations

import hmac
import re
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from singer_program.errors import ProgramError
from singer_program.identifiers import Found, Identifier, mentioned_in, named_in
from singer_program.private import OTHERS

SHORTEST_KEY = 32
"""Characters of the key: what is hashed is easily guessed, so the key must not be."""

_LINE = re.compile(rb"[0-9a-fA-F]{64}")
_DIGITS = 16
"""Of a line, what is compared and may be shown."""
_LONGEST_LINE = 100


class Listed(NamedTuple):
    """That somebody is on a list: its name, the member of the record that says who, and the line's beginning."""

    name: str
    member: str
    line: str


class PeopleList:
    """A list in memory: 8 bytes a line, in which a million is looked through in a microsecond.

    The first 64 bits of a hash are compared: of 10^13 questions to a list of a million, one is answered wrongly.

    Args:
        lines: The beginnings of the lines, as numbers.
    """

    def __init__(self, lines: Iterable[int] = ()) -> None:
        self._lines = array("Q", sorted(set(lines)))

    def __len__(self) -> int:
        return len(self._lines)

    def holds(self, digest: bytes) -> bool:
        """Whether a hash is on it."""
        line = int.from_bytes(digest[: _DIGITS // 2])
        place = bisect_left(self._lines, line)
        return place < len(self._lines) and self._lines[place] == line


class PeopleLists:
    """Lists of one key, by their names: an identifier is hashed once for all of them.

    Args:
        key: That of the hashes.
        lists: The lists; where somebody is on several, the first is told.
    """

    def __init__(self, key: str, lists: Mapping[str, PeopleList]) -> None:
        self._key = key.encode()
        self._lists = {name: each for name, each in lists.items() if len(each)}

    def about(self, record: Mapping[str, object]) -> Listed | None:
        """Whether a record is about somebody who is on one: `identifiers.named_in`."""
        return self._first(named_in(record), ())

    def mentioned(self, record: Mapping[str, object], apart_from: Collection[str] = ()) -> Listed | None:
        """Whether somebody who is on one is mentioned anywhere in a record: `identifiers.mentioned_in`.

        Args:
            record: The record.
            apart_from: Names of lists that do not count.
        """
        return self._first(mentioned_in(record), apart_from)

    def _first(self, found: Iterable[Found], apart_from: Collection[str]) -> Listed | None:
        lists = [(name, each) for name, each in self._lists.items() if name not in apart_from]
        if not lists:
            return None
        listed: dict[str, Listed] = {}
        for member, identifier in found:
            digest = _digest(self._key, identifier)
            for name, each in lists:
                if name not in listed and each.holds(digest):
                    listed[name] = Listed(name, member, digest.hex()[:_DIGITS])
                    if name == lists[0][0]:
                        return listed[name]
        return next((listed[name] for name, _ in lists if name in listed), None)


def line_of(key: str, identifier: Identifier) -> str:
    """The line of an identifier, without its end."""
    return _digest(key.encode(), identifier).hex()


def _digest(key: bytes, identifier: Identifier) -> bytes:
    return hmac.digest(key, f"{identifier.kind}:{identifier.value}".encode("utf-8", "surrogatepass"), "sha256")


def key_fault(setting: str, key: str) -> str | None:
    """What is wrong with a key, in a sentence that does not hold it."""
    if len(key) >= SHORTEST_KEY and key == key.strip():
        return None
    return (
        f"the setting `{setting}` has fewer than {SHORTEST_KEY} characters, or blanks around it: give it the key "
        "that the list was made with; a new one is made by `openssl rand -hex 32`"
    )


def settings_faults(setting: str, key: str | None, paths: Mapping[str, object]) -> list[str]:
    """What is wrong with the settings of lists: a list without the key, a key without a list, or a weak one.

    Args:
        setting: The name of that of the key.
        key: Its value.
        paths: The settings that name lists.
    """
    given = [name for name, path in paths.items() if path]
    names = " or ".join(f"`{name}`" for name in paths)
    if key is None:
        return [
            f"the setting `{name}` needs `{setting}`, the key of its hashes: set both, or none" for name in given
        ]
    if not given:
        return [f"the setting `{setting}` is the key of a list that is not named: set {names}, too, or none"]
    return [fault] if (fault := key_fault(setting, key)) else []


def read_list(path: Path, setting: str) -> PeopleList:
    """The list in a file. Blank lines are passed over; a file without a line is a list of nobody.

    Args:
        path: The file.
        setting: The name of the setting that gave the path, for what is said of it.

    Raises:
        ProgramError: it cannot be read, or a line is no hash: who is on it is not known then.
    """
    where = f"the setting `{setting}`, {str(path)!r}"
    lines = array("Q")
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), 1):
                if (text := line.strip()) and _LINE.fullmatch(text) is None:
                    msg = (
                        f"{where}: line {number:,} is not the hash of anybody (64 hexadecimal digits): put the "
                        "list back from its copy, or take that line out; nothing is done while it is not known "
                        "who is on it"
                    )
                    raise ProgramError(msg)
                if text:
                    lines.append(int(text[:_DIGITS], 16))
    except OSError as error:
        msg = (
            f"{where}, cannot be read ({error.strerror}): give this user the right to, or put the list where the "
            "setting says; where nobody is on it, it is an empty file"
        )
        raise ProgramError(msg) from error
    return PeopleList(lines)


def forgotten(config: Mapping[str, object]) -> PeopleLists | None:
    """The list of people who asked to be forgotten, by the settings `forgotten_path` and `forgotten_key`.

    Args:
        config: The settings of a program that reads people; None, or an empty text, is none.

    Returns:
        The list, of the name `forgotten`; None where the settings name none, or nobody is on it.

    Raises:
        ProgramError: it is not known who is on it, so that nothing may be read.
    """
    path, key = config.get("forgotten_path") or None, config.get("forgotten_key") or None
    if faults := settings_faults("forgotten_key", None if key is None else str(key), {"forgotten_path": path}):
        raise ProgramError(*faults)
    if path is None or key is None:
        return None
    people = read_list(Path(str(path)), "forgotten_path")
    return PeopleLists(str(key), {"forgotten": people}) if len(people) else None


def open_to_others(path: Path) -> bool:
    """Whether others than its owner can read a list, which should be told; False where that is not known."""
    try:
        return bool(path.stat().st_mode & OTHERS)
    except OSError:
        return False
