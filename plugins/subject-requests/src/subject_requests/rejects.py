"""Files of refused rows, as target and tap write them: the lines about a person.

A line is theirs if its `key` is one of their identifiers, or the SHA-256 of one, as the target writes addresses
and numbers; or if the record that was `given` names them and nobody else by an address.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from singer_program.errors import ProgramError
from singer_program.identifiers import compared, kind_named, named_in
from singer_program.private import replace_file

if TYPE_CHECKING:
    from pathlib import Path

    from subject_requests.person import Person

Json = dict[str, Any]


def read(path: Path, person: Person) -> tuple[list[Json], int]:
    """The lines about a person, and how many of others mention them.

    Raises:
        ProgramError: the file cannot be read: what it would hold is not known.
    """
    values = {*person.spelled, *(each.value for each in person.identifiers)}
    hashes = {f"sha256:{hashlib.sha256(each.encode('utf-8', 'replace')).hexdigest()}" for each in values}
    rows: list[Json] = []
    mentions = 0
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                found = _about(_parsed(line, path, number), person, hashes)
                if found is None:
                    mentions += 1
                elif found:
                    rows.append(json.loads(line))
    except (OSError, UnicodeError) as error:
        message = (
            f"{str(path)!r} of the setting `rejects_paths` cannot be read ({type(error).__name__}): give this "
            "user the right to, or correct the setting"
        )
        raise ProgramError(message) from error
    return rows, mentions


def forget(path: Path, before: datetime, *, keep: bool = False) -> int:
    """Take the lines out of a file that are older, while nobody writes to it; how many those are.

    Args:
        path: The file; one that is not there holds nothing.
        before: What is older goes; a line without a time stays.
        keep: Only count.

    Raises:
        ProgramError: the file cannot be read or written; then it is as it was.
    """
    if not path.exists() or not path.stat().st_size:
        return 0
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        left = [line for number, line in enumerate(lines, 1) if not _is_older(_parsed(line, path, number), before)]
        if len(left) < len(lines) and not keep:
            replace_file(path, left)
    except (OSError, UnicodeError) as error:
        message = (
            f"{str(path)!r} of the setting `rejects_paths` cannot be changed ({type(error).__name__}): give this "
            "user the right to, or correct the setting"
        )
        raise ProgramError(message) from error
    return len(lines) - len(left)


def _is_older(row: Json, before: datetime) -> bool:
    try:
        moment = datetime.fromisoformat(str(row.get("time")))
    except ValueError:
        return False
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) < before


def _parsed(line: str, path: Path, number: int) -> Json:
    try:
        row = json.loads(line)
    except ValueError:
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
