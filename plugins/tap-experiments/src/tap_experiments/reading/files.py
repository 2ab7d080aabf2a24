"""The files a definition names: texts of sensible size, inside their folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_experiments.reading.yaml_values import did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILE_BYTES = 1_000_000
"""Far above what a mail client shows (Gmail cuts at about 102 KB), far below Klaviyo's 5 MB for a request."""


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
        return self.text.count("\n", 0, offset) + self.first_line


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
            problem = f"`{name}` lies outside the experiment's folder"
            raise UnreadableError(problem, "keep all an experiment shows in its own folder, without symlinks")
        if not path.is_file():
            problem = f"`{name}` is not a file of this folder"
            raise UnreadableError(problem, _similar_file(folder, name))
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, RuntimeError, ValueError) as error:  # a loop of symlinks, a NUL in the name
        problem = f"`{name}` cannot be read: {getattr(error, 'strerror', None) or error}"
        raise UnreadableError(problem, "name a readable file") from error
    if len(data) > MAX_FILE_BYTES:
        problem = f"`{name}` is larger than {MAX_FILE_BYTES:,} bytes"
        raise UnreadableError(problem, "shorten it: mail clients cut messages far earlier")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"`{name}` is not UTF-8: byte {data[error.start]:#04x} at offset {error.start}"
        raise UnreadableError(problem, "save it as UTF-8") from error
    if "\0" in text:
        problem = f"`{name}` holds a NUL character"
        raise UnreadableError(problem, "remove it")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _similar_file(folder: Path, name: str) -> str:
    """The remedy for a name that is no file of the folder."""
    files = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]
    return did_you_mean(name, files) if files else "add it"
