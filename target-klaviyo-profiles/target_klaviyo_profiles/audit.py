"""The record of deletions: every request for one and what Klaviyo answered, a JSON line each, on disk first.

Addresses and numbers are hashed, whoever named the file: it outlives what was deleted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from singer_program import line_file
from singer_program.errors import ProgramError
from target_klaviyo_profiles.errors import OutputError

if TYPE_CHECKING:
    from target_klaviyo_profiles.identifiers import Key

DEFAULT_NAME = "target-klaviyo-profiles-deletions.jsonl"
ASKING, ACCEPTED, NOT_THERE, REFUSED = "asking", "accepted", "not there", "refused: "
"""What is said of a deletion; `REFUSED` is followed by Klaviyo's code."""
_BEGINNING = b'{"time": '
"""Of every line."""


class Line(NamedTuple):
    """A line about a deletion that answers a request of somebody.

    Attributes:
        request_id: The request, as the record named it.
        identifier: The kind of identifier by which was deleted.
        said: What became of it.
        at: When.
    """

    request_id: str
    identifier: str
    said: str
    at: datetime


def append(path: Path, key: Key, request_id: str | None, said: str, now: datetime) -> None:
    """Write down what is said of a deletion, on disk before this returns.

    Raises:
        OutputError: the file cannot be written; then nothing is asked for, either.
    """
    kind, value = key.masked()
    line = {"time": now.isoformat(timespec="milliseconds"), "profile": {kind: value}, "deletion": said}
    if request_id is not None:
        line["request"] = request_id
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            line_file.append(descriptor, json.dumps(line).encode() + b"\n")
        finally:
            os.close(descriptor)
    except OSError as error:
        msg = (
            f"cannot write the record of deletions to {str(path)!r} ({error.strerror}): "
            "make room, or point the setting `audit_path` elsewhere"
        )
        raise OutputError(msg) from error


def answered(path: Path) -> Iterator[Line]:
    """What was said of deletions that name the request which they answer; nothing where there is no file yet.

    The part of a line that a machine died over is passed over: its deletion is asked for again.

    Raises:
        ProgramError: the file cannot be read, or another line is none of these.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    except OSError as error:
        msg = f"cannot read the record of deletions {str(path)!r} ({error.strerror}): give this user the right to"
        raise ProgramError(msg) from error
    for number, text in enumerate(lines, 1):
        try:
            found = _line(text)
        except json.JSONDecodeError:
            if text.startswith(_BEGINNING) or _BEGINNING.startswith(text):
                continue
            raise _unreadable(path, number) from None
        except (ValueError, TypeError, KeyError, AttributeError, StopIteration):
            raise _unreadable(path, number) from None
        if found is not None:
            yield found


def _unreadable(path: Path, number: int) -> ProgramError:
    return ProgramError(
        f"{str(path)!r}, line {number:,}, is no line of the record of deletions: point the setting `audit_path` "
        "to that of the target, or put the file back from its copy"
    )


def _line(text: bytes) -> Line | None:
    line = json.loads(text)
    kind, said, at = next(iter(line["profile"])), line["deletion"], datetime.fromisoformat(line["time"])
    if at.tzinfo is None or not isinstance(said, str):
        raise ValueError
    request_id = line.get("request")
    return None if request_id is None else Line(str(request_id), kind, said, at)
