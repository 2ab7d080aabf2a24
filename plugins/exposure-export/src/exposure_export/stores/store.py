"""What a place must be able to do: few things, each of which is done whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from singer_program.errors import ProgramError


class Store(Protocol):
    """A folder on disk or in a bucket. Paths are below it, with `/` between; a failure is a `ProgramError`.

    Attributes:
        address: As it is told.
        unfinished: A folder on disk in which files are made; what a run that was killed left there is removed when
            the store is held.
    """

    address: str
    unfinished: Path

    def held(self) -> AbstractContextManager[None]:
        """While this lasts, nobody else writes.

        Raises:
            ProgramError: somebody does.
        """

    def folders(self, path: str) -> list[str]:
        """Names of the folders in one; none where there is no such folder."""

    def files(self, path: str) -> Mapping[str, int]:
        """Paths and sizes of all files below a folder; none where there is no such folder."""

    def read(self, path: str) -> bytes:
        """A small file."""

    def put(self, path: str, made: Path) -> None:
        """Put a file that was made in `unfinished` in its place: readers see what was there before, or all."""

    def remove(self, path: str) -> None:
        """Remove a file; one that is gone already is no fault."""

    def prune(self, path: str) -> None:
        """Remove a folder, and those above it, as far as they hold nothing."""


@contextmanager
def told(address: str, what: str) -> Iterator[None]:
    """While this lasts, an error of the system is one that a person can mend.

    Args:
        address: The store.
        what: What cannot be done there.
    """
    try:
        yield
    except OSError as error:
        message = f"{address} cannot be {what}: {error.strerror or error}"
        raise ProgramError(message) from error
