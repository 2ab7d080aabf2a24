"""The log of what was done with people's data: lines are only added, and each holds the hash of the one before.

So a line that was altered, taken out or put in between shows. That the newest lines were cut off shows only to who
knows the hash that the log ended with: `log verify` prints it, to be kept elsewhere. No line holds an identifier:
people stand in it as keyed hashes, those of the lists.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from singer_program.errors import ProgramError
from singer_program.people_list import line_of

if TYPE_CHECKING:
    from singer_program.identifiers import Identifier

Json = dict[str, Any]
BEGINNING = "0" * 64
"""What the first line names as the hash before it."""
PREVIOUS, HASH = "previous", "hash"
_SHOWN = 16


class Entry(NamedTuple):
    """What was done.

    Attributes:
        did: Such as `exported`, `verified`, `added to forgotten`.
        source: What it was done to: `klaviyo`, `warehouse`, a list.
        number: How many rows or identifiers.
        people: About whom.
        because: The request, statement or purpose.
    """

    did: str
    source: str
    number: int
    people: tuple[Identifier, ...]
    because: str | None


class Checked(NamedTuple):
    """A log that is whole: how many lines it has, and the hash that it ends with."""

    lines: int
    last: str


@dataclass(frozen=True)
class ProcessingLog:
    """A file of lines, one JSON object each.

    Attributes:
        path: The file; made with the first line.
        key: Of the hashes of people; without one they are left out.
    """

    path: Path
    key: str | None

    def append(self, entry: Entry, now: datetime) -> None:
        """Add a line, on disk before this returns.

        Raises:
            ProgramError: it cannot be written, or the log is broken: a line after that would prove nothing.
        """
        with self._held() as descriptor:
            content = _content(descriptor)
            before = self._check(content).last
            people = [] if self.key is None else [line_of(self.key, each)[:_SHOWN] for each in entry.people]
            said = {
                "time": now.isoformat(timespec="milliseconds"),
                "did": entry.did,
                "source": entry.source,
                "count": entry.number,
                "people": sorted(people),
                "because": entry.because,
                PREVIOUS: before,
            }
            line = json.dumps({**said, HASH: _hash(said)}, ensure_ascii=False).encode() + b"\n"
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, len(content))  # a part of a line would break the chain
                raise

    def ready(self) -> None:
        """See that a line can follow, before anything is done that would have to be told.

        Raises:
            ProgramError: the log is broken.
        """
        if self.path.exists():
            self.check()

    def check(self, expected: str | None = None) -> Checked:
        """See that no line was altered, taken out or put in.

        Args:
            expected: The hash of a line that must be in it, as an earlier look told.

        Raises:
            ProgramError: one was, or the log cannot be read; the number of the line is told.
        """
        try:
            content = self.path.read_bytes()
        except OSError as error:
            message = (
                f"the log {str(self.path)!r} cannot be read ({error.strerror}): correct the setting `log_path`"
            )
            raise ProgramError(message) from error
        return self._check(content, expected)

    def entries(self, people: Sequence[Identifier] = (), source: str | None = None) -> Iterator[Json]:
        """The lines, about any of some people, or one source, alone if asked.

        Raises:
            ProgramError: the log is broken, or has no key by which a person could be found.
        """
        self.check()
        if people and self.key is None:
            message = "lines about a person are found by `forgotten_key`: set it"
            raise ProgramError(message)
        wanted = {line_of(self.key or "", each)[:_SHOWN] for each in people}
        for line in self.path.read_bytes().splitlines():
            entry: Json = json.loads(line)
            if (not wanted or wanted & {*entry["people"]}) and source in {None, entry["source"]}:
                yield entry

    def _check(self, content: bytes, expected: str | None = None) -> Checked:
        before, seen = BEGINNING, {BEGINNING}
        number = 0
        for number, line in enumerate(content.splitlines(keepends=True), 1):
            entry = _entry(line)
            if entry is None or entry.get(HASH) != _hash({k: v for k, v in entry.items() if k != HASH}):
                raise self._broken(number, "was altered, or is no line of this log")
            if entry.get(PREVIOUS) != before:
                raise self._broken(number, "does not follow the one before it: lines are missing, or were put in")
            before = entry[HASH]
            seen.add(before)
        if expected is not None and expected not in seen:
            raise self._broken(number + 1, f"is missing: none has the hash {expected!r}")
        return Checked(number, before)

    def _broken(self, number: int, what: str) -> ProgramError:
        return ProgramError(
            f"the log {str(self.path)!r}: line {number:,} {what}. Keep the file as it is, and find out "
            "by a copy out of a backup what stood there, and who wrote to it"
        )

    @contextmanager
    def _held(self) -> Iterator[int]:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            message = (
                f"the log {str(self.path)!r} cannot be written ({error.strerror}): make room, or correct the "
                "setting `log_path`"
            )
            raise ProgramError(message) from error


def _content(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    content = b""
    while len(content) < size and (piece := os.pread(descriptor, size - len(content), len(content))):
        content += piece
    return content


def _entry(line: bytes) -> Json | None:
    try:
        entry = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _hash(said: Json) -> str:
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
