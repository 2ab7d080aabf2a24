"""The log of what was done with people's data: lines are only added, and each holds the hash of the one before.

So a line that was altered, taken out, put in or moved shows. That the newest lines were cut off shows only to who
knows a hash that the log ended with: `log verify` prints it, to be kept elsewhere, and the tap keeps it in its
state. No line holds an identifier: people stand in it as keyed hashes, those of the lists.

A program that is killed may leave the beginning of a line at the end. The next line takes its place, and holds it.
A log that is broken for good is put aside, and one that goes on from a line of it begins with a line that says so.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from singer_program.errors import ProgramError
from singer_program.line_file import tail
from singer_program.people_list import line_of
from singer_program.private import replace_file, sync_folder

if TYPE_CHECKING:
    from singer_program.identifiers import Identifier

Json = dict[str, Any]
BEGINNING = "0" * 64
"""What the first line names as the hash before it."""
PREVIOUS, HASH = "previous", "hash"
MENDED = "mended"
"""What a line did that stands where an append was interrupted; its `what` is what stood there."""
RENEWED = "begun anew"
"""What the first line of a log did that goes on from one that was put aside: its `count` is how many lines that
had, its `previous` the hash of the last of them, its `what` the SHA-256 of that file."""
_SHOWN = 16
_ALTERED = "was altered, or is no line of this log"


class Entry(NamedTuple):
    """What was done.

    Attributes:
        did: Such as `read`, `exported`, `erased`, `looked for: unseen`.
        source: What it was done to: `klaviyo`, `warehouse`, a list, a plugin of the pipeline.
        number: How many rows or identifiers.
        people: About whom.
        because: The request, statement or purpose.
        what: Which part of the source, such as a stream or a table.
        request: The name of the request that it answers.
        action: What it is to that request, as `privacy_actions` has it.
        acted_at: When it was done, if not when it is told.
    """

    did: str
    source: str
    number: int
    people: tuple[Identifier, ...] = ()
    because: str | None = None
    what: str | None = None
    request: str | None = None
    action: str | None = None
    acted_at: datetime | None = None


class Checked(NamedTuple):
    """A log that is whole.

    Attributes:
        lines: How many it has, with those of a log that it goes on from.
        last: The hash that it ends with.
    """

    lines: int
    last: str


class Place(NamedTuple):
    """A line, by its number and its hash; 0 is before the first."""

    line: int
    hash: str


@dataclass(frozen=True)
class ProcessingLog:
    """A file of lines, one JSON object each.

    Attributes:
        path: The file; made with the first line.
        key: Of the hashes of people; without one they are left out.
        run: What every line that is added names as the run that did it.
    """

    path: Path
    key: str | None = None
    run: str | None = None

    def append(self, *entries: Entry, now: datetime) -> None:
        """Add lines, on disk before this returns: all of them, or none.

        The last line that is there must be whole; `ready` looks at all of them.

        Raises:
            ProgramError: they cannot be written, or the last line was altered: one after it would prove nothing.
        """
        if not entries:
            return
        with self._held() as descriptor:
            end, last, cut = tail(descriptor)
            before = self._end_of(last)
            content = b""
            for each in [*_mended(cut), *entries]:
                line, before = self._line(each, before, now)
                content += line
            try:
                # Where a line was cut off, the first of these is longer than what is left of it.
                _write(descriptor, content, end)
                os.fsync(descriptor)
                if last is None:
                    sync_folder(self.path.absolute().parent)
            except OSError:
                _write(descriptor, cut, end)
                os.ftruncate(descriptor, end + len(cut))
                raise

    def end(self) -> str:
        """The hash that the log ends with, by a look at its last whole line alone.

        Raises:
            ProgramError: that line was altered, or the log cannot be written.
        """
        if not self.path.exists():
            return BEGINNING
        with self._held() as descriptor:
            return self._end_of(tail(descriptor).last)

    def ready(self) -> None:
        """See that a line can follow, before anything is done that would have to be told.

        Raises:
            ProgramError: the log is broken.
        """
        if self.path.exists():
            self._check(self._content(), may_be_cut=True)

    def renew(self, because: str, now: datetime, after: Place | None = None) -> Path | None:
        """Put a broken log aside, and begin one that goes on from a line of it.

        Nobody finds none meanwhile, and who was about to add a line adds it to the new one.

        Args:
            because: Why, as found out.
            now: This moment.
            after: The last line that counts, as the warehouse or a state has it; None: the last that is whole by
                itself.

        Returns:
            Where the old one is; None where there was none.

        Raises:
            ProgramError: the log is whole, or there is none and no line to go on from; or it cannot be written.
        """
        is_there = self.path.exists()
        if not is_there and after is None:
            message = (
                "there is no log: the first line begins one; to go on from another, say from which line, `--after`"
            )
            raise ProgramError(message)
        if is_there and after is None and self._is_whole():
            message = f"the log {str(self.path)!r} is whole: it goes on by itself"
            raise ProgramError(message)
        with self._held() as descriptor:
            old = _whole_file(descriptor)
            number, before = after or _last_place(old)
            digest = f"sha256:{hashlib.sha256(old).hexdigest()}" if is_there else None
            line, _ = self._line(Entry(RENEWED, "log", number, because=because, what=digest), before, now)
            aside = self.path.with_name(f"{self.path.name}.{now:%Y%m%dT%H%M%S%f}") if is_there else None
            if aside is not None:
                os.link(self.path, aside)
            replace_file(self.path, [line.decode().removesuffix("\n")])
        return aside

    def _is_whole(self) -> bool:
        try:
            self._check(self._content(), may_be_cut=True)
        except ProgramError:
            return False
        return True

    def check(self, expected: str | None = None) -> Checked:
        """See that no line was altered, taken out, put in or moved.

        Args:
            expected: The hash of a line that must be in it, as an earlier look told.

        Raises:
            ProgramError: one was, or the log cannot be read; the number of the line is told.
        """
        return self._check(self._content(), expected)

    def entries(
        self,
        people: Sequence[Identifier] = (),
        source: str | None = None,
        request: str | None = None,
        expected: str | None = None,
    ) -> Iterator[Json]:
        """The lines, about any of some people, one source or one request alone if asked; each with its `line`.

        Args:
            people: About any of them alone.
            source: Of it alone.
            request: About it alone.
            expected: The hash of a line that must be in it.

        Raises:
            ProgramError: the log is broken, or has no key by which a person could be found.
        """
        content = self._content()
        self._check(content, expected, may_be_cut=True)
        if people and self.key is None:
            message = "lines about a person are found by `forgotten_key`: set it"
            raise ProgramError(message)
        wanted = {*self.hashes(people)}
        lines = content.split(b"\n")[:-1]
        for number, line in enumerate(lines, _begins_after(lines).line + 1):
            entry = _entry(line)
            if (
                entry is not None
                and (not wanted or wanted & {*entry["people"]})
                and source in {None, entry["source"]}
                and request in {None, entry.get("request")}
            ):
                yield {"line": number, **entry}

    def hashes(self, people: Sequence[Identifier]) -> list[str]:
        """What people stand in the log as, sorted; nothing without a key."""
        return [] if self.key is None else sorted({line_of(self.key, each)[:_SHOWN] for each in people})

    def actions(self, request: str) -> list[tuple[str, datetime]]:
        """What was done about a request, and when; nothing where there is no log yet.

        Raises:
            ProgramError: the log is broken.
        """
        if not self.path.exists():
            return []
        return [
            (entry["action"], acted_at(entry))
            for entry in self.entries(request=request)
            if entry.get("action") is not None
        ]

    def names_all(self, people: Sequence[Identifier], request: str) -> bool:
        """Whether all of some people stand in lines about a request.

        Raises:
            ProgramError: the log is broken.
        """
        if self.key is None or not self.path.exists():
            return False
        known = {each for entry in self.entries(request=request) for each in entry["people"]}
        return {*self.hashes(people)} <= known

    def _end_of(self, last: bytes | None) -> str:
        if last is None:
            return BEGINNING
        if (entry := _entry(last)) is None:
            raise self._broken(None, _ALTERED)
        return str(entry[HASH])

    def _line(self, entry: Entry, before: str, now: datetime) -> tuple[bytes, str]:
        said = {
            "time": _iso(now),
            "run": _plain(self.run),
            "did": entry.did,
            "source": entry.source,
            "what": _plain(entry.what),
            "count": entry.number,
            "people": self.hashes(entry.people),
            "because": _plain(entry.because),
            "request": _plain(entry.request),
            "action": entry.action,
            "acted_at": entry.acted_at and _iso(entry.acted_at),
            PREVIOUS: before,
        }
        own = _hash(said)
        return _encoded({**said, HASH: own}) + b"\n", own

    def _content(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)  # who adds a line is done with it
                return file.read()
        except OSError as error:
            message = (
                f"the log {str(self.path)!r} cannot be read ({error.strerror}): correct the setting `log_path`"
            )
            raise ProgramError(message) from error

    def _check(self, content: bytes, expected: str | None = None, *, may_be_cut: bool = False) -> Checked:
        *lines, cut = content.split(b"\n")
        first, before = _begins_after(lines)
        seen = {BEGINNING, before}
        for number, line in enumerate(lines, first + 1):
            entry = _entry(line)
            if entry is None:
                raise self._broken(number, _ALTERED)
            if entry.get(PREVIOUS) != before:
                what = "does not follow the one before it: lines are missing, or were put in"
                raise self._broken(number, what)
            before = entry[HASH]
            seen.add(before)
        if expected is not None and expected not in seen:
            raise self._broken(first + len(lines) + 1, f"is missing: none has the hash {expected!r}")
        if cut and not may_be_cut:
            message = (
                f"the log {str(self.path)!r}: line {first + len(lines) + 1:,} is cut off: a program was killed "
                "while it wrote, or somebody cut it. The next line that is added takes its place, and holds what "
                "is left"
            )
            raise ProgramError(message)
        return Checked(first + len(lines), before)

    def _broken(self, number: int | None, what: str) -> ProgramError:
        which = "the last line" if number is None else f"line {number:,}"
        return ProgramError(
            f"the log {str(self.path)!r}: {which} {what}. Keep the file as it is, and find out "
            "by a copy out of a backup what stood there, and who wrote to it. A file that cannot be put back is "
            "left behind by `subject-requests log renew`"
        )

    @contextmanager
    def _held(self) -> Iterator[int]:
        try:
            descriptor = self._locked()
            try:
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            message = (
                f"the log {str(self.path)!r} cannot be written ({error.strerror}): make room, or correct the "
                "setting `log_path`"
            )
            raise ProgramError(message) from error

    def _locked(self) -> int:
        """The file, opened, and nobody else's; not one that was put aside while this waited."""
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if self.path.exists() and os.path.samestat(os.fstat(descriptor), self.path.stat()):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)


def acted_at(entry: Json) -> datetime:
    """When what a line tells of was done."""
    return datetime.fromisoformat(entry.get("acted_at") or entry["time"])


def _entry(line: bytes) -> Json | None:
    """What a line says, if it is as it was written, to the byte, and says what was hashed."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or _encoded(entry) != line:
        return None
    said = {name: value for name, value in entry.items() if name != HASH}
    return entry if entry.get(HASH) == _hash(said) else None


def _begins_after(lines: Sequence[bytes]) -> Place:
    """The line that the first one follows: none, or the last of a log that was put aside."""
    entry = _entry(lines[0]) if lines else None
    number = entry.get("count") if entry is not None and entry.get("did") == RENEWED else None
    return Place(number, str(entry[PREVIOUS])) if entry and isinstance(number, int) else Place(0, BEGINNING)


def _last_place(content: bytes) -> Place:
    """The last line of a log that is as it was written, whatever became of others."""
    lines = content.split(b"\n")
    first = _begins_after(lines).line
    for number in range(len(lines), 0, -1):
        if (entry := _entry(lines[number - 1])) is not None:
            return Place(first + number, str(entry[HASH]))
    return Place(0, BEGINNING)


def _whole_file(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0)


def _encoded(entry: Json) -> bytes:
    return json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace")


def _mended(cut: bytes) -> list[Entry]:
    """The line that stands in the place of one that was cut off."""
    left = cut.decode("utf-8", "replace").replace("\0", "\ufffd")
    return [Entry(MENDED, "log", len(cut), what=left)] if cut else []


def _write(descriptor: int, content: bytes, place: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, place)
        content, place = content[written:], place + written


def _hash(said: Json) -> str:
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _plain(text: str | None) -> str | None:
    """A text that every program and warehouse can hold."""
    return text and text.encode("utf-8", "replace").decode()
