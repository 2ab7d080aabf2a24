"""The rejects file: one JSON line per refused record, safe on disk before any STATE covers the record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from klaviyo_wire.redaction import redact
from singer_program.errors import ProgramError
from singer_program.rejects_file import RejectsFile
from target_klaviyo_profiles.errors import ConfigurationError, OutputError

if TYPE_CHECKING:
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.rows import Reason

_MAX_BUFFERED = 1_000
"""Lines in memory before they are written without being asked for."""


class Rejects:
    """Appends refused records to a file that only its owner can read; the first one makes it.

    Args:
        path: The file.
        now: The present moment, UTC.
        personal: Whether it may hold personal data. If not, e-mail addresses and phone numbers are hashed or
            masked, and records are left out.

    Raises:
        ConfigurationError: there cannot be such a file.
    """

    def __init__(self, path: Path, now: Callable[[], datetime], *, personal: bool) -> None:
        self.path = path
        self._plain = personal
        self._now = now
        self._file = RejectsFile(path)
        self.has_written = False
        """Whether records of this run are in the file."""
        if fault := self._file.fault():
            raise ConfigurationError(fault)

    def write(  # noqa: PLR0913 - what is known of a refusal
        self,
        stream: str,
        key: Key | None,
        reason: Reason,
        *,
        record: int | None = None,
        given: Mapping[str, object] | None = None,
        about: Mapping[str, str] | None = None,
    ) -> None:
        """Append one refused record.

        Args:
            stream: Its stream.
            key: What it is known by, if it says.
            reason: Why it was refused.
            record: Its number among the stream's records of this run, counted from 1, where that is known.
            given: The record, where it was refused before anything was sent.
            about: Which one it is, without whom it is about.

        Raises:
            OutputError: the file cannot be written.
        """
        shown = key if key is None or self._plain else key.masked()
        line: dict[str, object] = {
            "stream": stream,
            "key": None if shown is None else {shown.kind: shown.value},
            "record": record,
            "code": reason.code,
            "detail": reason.detail if self._plain else redact(reason.detail),
            "pointer": reason.pointer if self._plain or reason.pointer is None else redact(reason.pointer),
            "remedy": reason.remedy,
            "job": reason.job,
            "time": self._now().isoformat(timespec="seconds"),
        }
        if about and not reason.anonymous:
            line["about"] = {name: text if self._plain else redact(text) for name, text in about.items()}
        if self._plain and not reason.anonymous:
            line["given"] = _readable(reason.sent if given is None else given)
        self._file.append(line)
        if self._file.waiting == _MAX_BUFFERED:
            self.sync()

    def sync(self) -> None:
        """Return when everything written is on disk.

        Raises:
            OutputError: it cannot be.
        """
        if not self._file.waiting:
            return
        with _output_errors():
            self._file.sync()
        self.has_written = True

    def close(self) -> None:
        """Put everything on disk and close the file.

        Raises:
            OutputError: it cannot be.
        """
        self.sync()
        with _output_errors():
            self._file.close()


@contextmanager
def _output_errors() -> Iterator[None]:
    try:
        yield
    except ProgramError as error:
        raise OutputError(str(error)) from error


def _readable(record: object) -> object:
    """A record as JSON; as text where it holds what JSON does not have, which may be why it was refused."""
    if isinstance(record, bytes):
        return json.loads(record)
    try:
        json.dumps(record, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return "(not JSON)"
    return record
