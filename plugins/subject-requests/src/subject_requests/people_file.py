"""Keeps the lists of people about whom nothing is written: lines are added, and taken out, by identifier.

Who adds and who takes out wait for each other. A line is on disk before it is said to be on the list; a file from
which lines are taken is replaced whole.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from singer_program.errors import ProgramError
from singer_program.people_list import line_of, read_list
from singer_program.private import replace_file

if TYPE_CHECKING:
    from singer_program.identifiers import Identifier


@dataclass(frozen=True)
class PeopleFile:
    """A list that is kept.

    Attributes:
        path: Its file; made with the first line.
        setting: The name of the setting that says where it is.
        key: That of its hashes.
    """

    path: Path
    setting: str
    key: str

    def missing(self, people: Iterable[Identifier]) -> list[Identifier]:
        """Those that are not on the list.

        Raises:
            ProgramError: it cannot be read.
        """
        with _held(self.path, self.setting):
            lines = {each.lower() for each in _lines(self.path, self.setting)}
        return [each for each in people if line_of(self.key, each) not in lines]

    def add(self, people: Iterable[Identifier]) -> int:
        """Put identifiers on the list; how many were not on it before.

        Raises:
            ProgramError: it cannot be read or written; then nothing has been added.
        """
        with _held(self.path, self.setting):
            before = _lines(self.path, self.setting) if self.path.exists() else []
            known = {each.lower() for each in before}
            lines = dict.fromkeys(line_of(self.key, each) for each in people)
            new = [line for line in lines if line not in known]
            if new or not self.path.exists():
                replace_file(self.path, [*before, *new])
        return len(new)

    def remove(self, people: Iterable[Identifier]) -> int:
        """Take identifiers off the list; how many were on it.

        Raises:
            ProgramError: it cannot be read or written; then it is as it was.
        """
        with _held(self.path, self.setting):
            before = _lines(self.path, self.setting)
            theirs = {line_of(self.key, each) for each in people}
            gone = sorted({each.lower() for each in before} & theirs)
            if gone:
                replace_file(self.path, [each for each in before if each.lower() not in theirs])
        return len(gone)


def _lines(path: Path, setting: str) -> list[str]:
    read_list(path, setting)  # a line that is no hash is told, with its number, and nothing is done
    return path.read_text(encoding="utf-8").split()


@contextmanager
def _held(path: Path, setting: str) -> Iterator[None]:
    """While this lasts, nobody else changes the list."""
    try:
        descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
    except OSError as error:
        message = (
            f"the list of the setting `{setting}`, {str(path)!r}, cannot be kept ({error.strerror}): see that its "
            "folder exists, has room, and that this user may write there"
        )
        raise ProgramError(message) from error
