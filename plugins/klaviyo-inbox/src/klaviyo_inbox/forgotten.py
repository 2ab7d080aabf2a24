"""People who asked to be forgotten: what is pushed of them is answered like any other, and not kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from klaviyo_inbox.records import decoded
from singer_program.errors import ProgramError
from singer_program.people_list import PeopleLists, open_to_others, read_list

if TYPE_CHECKING:
    from klaviyo_inbox.delivery import Parcel
    from klaviyo_inbox.settings import InboxSettings
    from klaviyo_inbox.source import Source

PATH = "forgotten_path"
"""The setting."""


class UnknownPeopleError(ProgramError):
    """The list cannot be read any more: of nobody is it known whether they were forgotten, so nothing is kept."""


class Sifted(NamedTuple):
    """What is left of a parcel, and how many of its items and dead letters were of somebody who was forgotten."""

    parcel: Parcel
    items: int
    dead_letters: int


class Forgotten:
    """The list, read again when its file has changed.

    Args:
        path: The file; None: nobody was forgotten.
        key: Of its hashes.

    Raises:
        ProgramError: it cannot be read.
    """

    def __init__(self, path: Path | None, key: str | None) -> None:
        self._path = path
        self._key = key or ""
        self._stamp = self._stamp_now()
        self._fault: str | None = None
        self._lists = self._read()

    @classmethod
    def of(cls, settings: InboxSettings) -> Forgotten:
        """As the settings name it.

        Raises:
            ProgramError: it cannot be read.
        """
        path = settings.forgotten_path
        return cls(Path(path) if path else None, settings.forgotten_key)

    @property
    def warning(self) -> str | None:
        """What should be told of the file."""
        if self._path is None or not open_to_others(self._path):
            return None
        return f"the list of `{PATH}` can be read by others than its owner: chmod 600"

    def refresh(self) -> None:
        """Read the list again if its file has changed, which takes a second of a million lines; any thread may.

        One that cannot be read is told by `sift`, until it can.
        """
        stamp = self._stamp_now()
        if stamp == self._stamp and self._fault is None:
            return
        try:
            self._lists = self._read()
        except ProgramError as error:
            self._fault = str(error)
        else:
            self._stamp, self._fault = stamp, None

    def sift(self, source: Source, parcel: Parcel) -> Sifted:
        """The parcel without the parts that are about somebody who was forgotten; where people speak, all of it.

        Of what becomes no record, any mention counts: it serves nobody.

        Raises:
            UnknownPeopleError: it is not known who was.
        """
        if source.own_word:
            return Sifted(parcel, 0, 0)
        self._see_known()
        if self._lists is None:
            return Sifted(parcel, 0, 0)
        items = tuple(each for each in parcel.items if not self.is_about(each.record))
        dead = tuple(each for each in parcel.dead_letters if not self.is_mentioned(each.body))
        return Sifted(
            parcel.with_parts(items, dead), len(parcel.items) - len(items), len(parcel.dead_letters) - len(dead)
        )

    def is_about(self, record: bytes) -> bool:
        """Whether a record is about somebody who was forgotten.

        Raises:
            UnknownPeopleError: it is not known who was.
        """
        self._see_known()
        return self._lists is not None and self._lists.about(decoded(record)) is not None

    def is_mentioned(self, body: bytes) -> bool:
        """Whether what becomes no record mentions somebody who was forgotten.

        Raises:
            UnknownPeopleError: it is not known who was.
        """
        self._see_known()
        text = body.decode(errors="replace")
        return self._lists is not None and self._lists.mentioned({"body": text}) is not None

    def _see_known(self) -> None:
        if self._fault is not None:
            raise UnknownPeopleError(self._fault)

    def _read(self) -> PeopleLists | None:
        return None if self._path is None else PeopleLists(self._key, {"forgotten": read_list(self._path, PATH)})

    def _stamp_now(self) -> tuple[int, int, int] | None:
        """What changes with the file; None where that is not known, or there is none."""
        try:
            stat = self._path.stat() if self._path else None
        except OSError:
            return None
        return stat and (stat.st_mtime_ns, stat.st_size, stat.st_ino)
