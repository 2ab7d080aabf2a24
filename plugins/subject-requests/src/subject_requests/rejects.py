"""Files of refused rows, as target and tap write them: the lines about a person.

A line is theirs if its `key` is one of their identifiers, or the SHA-256 of one, as the target writes addresses
and numbers; or if the record that was `given` names them and nobody else by an address.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from singer_program.errors import ProgramError
from singer_program.identifiers import compared, kind_named, named_in
from singer_program.private import remove_unfinished, replace_file
from subject_requests.mentions import pattern_of
from subject_requests.moments import moment_in

if TYPE_CHECKING:
    from pathlib import Path

    from subject_requests.person import Person

Json = dict[str, Any]


def read(path: Path, person: Person) -> tuple[list[Json], int]:
    """The lines about a person, and how many of others mention them.

    Raises:
        ProgramError: the file cannot be read: what it would hold is not known.
    """
    hashes = _hashes(person)
    rows: list[Json] = []
    mentions = 0
    cut = pattern_of(person.identifiers, may_be_longer=True)
    with _told(path, "read"):
        for number, line in enumerate(_lines(path), 1):
            row = _parsed(line, path, number)
            found = (None if cut.search(line) else False) if row is None else _about(row, person, hashes)
            if found is None:
                mentions += 1
            elif found and row is not None:
                rows.append(row)
    return rows, mentions


def erase(
    path: Path, person: Person, without: Callable[[object], object], *, keep: bool = False
) -> tuple[int, int]:
    """Take the lines about a person out of a file, while nobody writes to it; and what names them, out of others.

    Args:
        path: The file; one that is not there holds nothing.
        person: Who is erased.
        without: A value of any shape without what names the person.
        keep: Only count.

    Returns:
        How many lines are about them, and how many of others mention them.

    Raises:
        ProgramError: the file cannot be read or written; then it is as it was.
    """
    if not keep:
        _forget_unfinished(path)
    if not path.exists() or not path.stat().st_size:
        return 0, 0
    cut = pattern_of(person.identifiers, may_be_longer=True)
    hashes = _hashes(person)
    left: list[str] = []
    changed = 0
    with _told(path, "changed"):
        lines = _lines(path)
        for number, line in enumerate(lines, 1):
            row = _parsed(line, path, number)
            if cut.search(line) is not None if row is None else _about(row, person, hashes):
                continue
            of_others = without(row)
            changed += of_others != row
            left.append(line if of_others == row else json.dumps(of_others))
        if (changed or len(left) < len(lines)) and not keep:
            replace_file(path, left)
    return len(lines) - len(left), changed


def forget(path: Path, before: datetime, *, keep: bool = False) -> int:
    """Take the lines out of a file that are older, while nobody writes to it; how many those are.

    Args:
        path: The file; one that is not there holds nothing.
        before: What is older goes; a line without a time stays.
        keep: Only count.

    Raises:
        ProgramError: the file cannot be read or written; then it is as it was.
    """
    if not keep:
        _forget_unfinished(path)
    if not path.exists() or not path.stat().st_size:
        return 0
    with _told(path, "changed"):
        lines = _lines(path)
        left = [line for number, line in enumerate(lines, 1) if not _is_older(_parsed(line, path, number), before)]
        if len(left) < len(lines) and not keep:
            replace_file(path, left)
    return len(lines) - len(left)


def _forget_unfinished(path: Path) -> None:
    """Whoever was killed while a file was written anew left a copy, which is no file of refused rows."""
    with _told(path, "changed"):
        remove_unfinished(path)


@contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeError) as error:
        message = (
            f"{str(path)!r} of the setting `rejects_paths` cannot be {what} ({type(error).__name__}): give this "
            "user the right to, or correct the setting"
        )
        raise ProgramError(message) from error


def _lines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return text.removesuffix("\n").split("\n") if text else []


def _hashes(person: Person) -> set[str]:
    values = {*person.spelled, *(each.value for each in person.identifiers)}
    return {f"sha256:{hashlib.sha256(each.encode('utf-8', 'replace')).hexdigest()}" for each in values}


def _is_older(row: Json | None, before: datetime) -> bool:
    """Whether a line is; when one that was cut off was written, nobody knows."""
    moment = moment_in((row or {}).get("time"))
    return moment is not None and moment < before


def _parsed(line: str, path: Path, number: int) -> Json | None:
    """What a line says; None of one that a crash or a full disk cut off.

    Raises:
        ProgramError: it is no line of such a file: what it would say is not known.
    """
    if not line:
        return None
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        if line.startswith("{"):
            return None
        row = None
    if not isinstance(row, dict):
        message = (
            f"{str(path)!r} of the setting `rejects_paths`: line {number:,} is no JSON object: see what it was"
        )
        raise ProgramError(message)
    return row


def _about(row: Json, person: Person, hashes: set[str]) -> bool | None:
    """Whether a line is theirs; None if it is of others and mentions them."""
    theirs = {*person.identifiers}
    key = row.get("key")
    for name, value in key.items() if isinstance(key, dict) else ():
        kind = kind_named(name)
        if (
            isinstance(value, str)
            and value.strip()
            and kind
            and (value in hashes or compared(kind, value) in theirs)
        ):
            return True
    given = row.get("given")
    named = {each.identifier for each in named_in(given)} if isinstance(given, dict) else set()
    if not named & theirs:
        return False
    return None if any(each.kind == "email" for each in named - theirs) else True
