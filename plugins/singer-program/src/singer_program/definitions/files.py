"""The files a definition names: texts of sensible size, inside their folder."""

from __future__ import annotations

import hashlib
import os
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from singer_program.definitions.faults import Fault
from singer_program.definitions.yaml_values import did_you_mean

MAX_FILE_BYTES = 1_000_000
"""Far above what a mail client shows (Gmail cuts at about 102 KB), far below Klaviyo's 5 MB for a request."""

Stamp = tuple[int, ...]
"""What tells a file that was changed from the one that was read."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text, decoded, without byte order mark, every line break a line feed."""

    file: str
    """The file's name in messages."""
    text: str
    first_line: int = 1
    """Where the text begins in the file."""

    def line(self, offset: int) -> int:
        """Line of an offset, from 1."""
        return bisect_left(_line_breaks(self.text), offset) + self.first_line


@lru_cache(maxsize=8)
def _line_breaks(text: str) -> list[int]:
    """Where a text's lines end: a thousand faults of one file ask for it."""
    return [match.start() for match in re.finditer("\n", text)]


class UnreadableError(Exception):
    """A file cannot be used: what is wrong with it, what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(problem)


def sha256(text: str) -> str:
    """Hex digest of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def read(folder: Path, name: str) -> str:
    """The text of a file inside a folder.

    Raises:
        UnreadableError: If there is no such file in it, or it is not a text of sensible size.
    """
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            problem = f"`{name}` lies outside its folder"
            raise UnreadableError(problem, "keep all a definition names in its own folder, without symlinks")
        if not path.is_file():
            problem = f"`{name}` is not a file of this folder"
            raise UnreadableError(problem, _similar_file(folder, name))
        with path.open("rb") as file:
            _note(path, os.fstat(file.fileno()))
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, RuntimeError, ValueError) as error:  # a loop of symlinks, a NUL in the name
        problem = f"`{name}` cannot be read: {getattr(error, 'strerror', None) or error}"
        raise UnreadableError(problem, "name a readable file") from error
    if len(data) > MAX_FILE_BYTES:
        problem = f"`{name}` is larger than {MAX_FILE_BYTES:,} bytes"
        raise UnreadableError(problem, "shorten it: neither a definition nor a message needs as much")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"`{name}` is not UTF-8: byte {data[error.start]:#04x} at offset {error.start}"
        raise UnreadableError(problem, "save it as UTF-8") from error
    if "\0" in text:
        problem = f"`{name}` holds a NUL character"
        raise UnreadableError(problem, "remove it")
    return text.replace("\r\n", "\n").replace("\r", "\n")


_noted: ContextVar[dict[Path, Stamp] | None] = ContextVar("files", default=None)


@contextmanager
def watched(what: str) -> Iterator[Callable[[], list[Fault]]]:
    """Note which files are read; what is given tells a fault of each that was changed, renamed or removed since.

    Half of what is saved while it is read would be of before, half of after.
    """
    own: dict[Path, Stamp] = {}
    token = _noted.set(own)

    def changed() -> list[Fault]:
        problem = f"was changed while the {what} were read"
        paths = sorted(path for path, stamp in own.items() if _stamp_of(path) != stamp)
        return [Fault(str(path), 0, "", problem, "run again when all is saved") for path in paths]

    try:
        yield changed
    finally:
        _noted.reset(token)


def _note(path: Path, status: os.stat_result) -> None:
    noted = _noted.get()
    if noted is not None:
        noted.setdefault(path, _stamp(status))


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _stamp_of(path: Path) -> Stamp | None:
    try:
        return _stamp(path.stat())
    except OSError:
        return None


def _similar_file(folder: Path, name: str) -> str:
    """The remedy for a name that is no file of the folder."""
    files = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]
    return did_you_mean(name, files) if files else "add it"
