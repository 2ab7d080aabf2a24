"""The rejects file: one JSON line per refused record, safe on disk before any STATE covers the record."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from klaviyo_wire.redaction import redact
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
        self._buffered: list[bytes] = []
        self._descriptor: int | None = None
        self.has_written = False
        """Whether records of this run are in the file."""
        folder = self.path.absolute().parent
        if self.path.is_dir() or not folder.is_dir():
            fault = "is a folder" if self.path.is_dir() else f"is in a folder that does not exist ({folder})"
            msg = f"the setting `rejects_path`, {str(self.path)!r}, {fault}: name a file in an existing folder"
            raise ConfigurationError(msg)

    def write(
        self,
        stream: str,
        key: Key | None,
        reason: Reason,
        *,
        record: int | None = None,
        given: Mapping[str, object] | None = None,
    ) -> None:
        """Append one refused record.

        Args:
            stream: Its stream.
            key: What it is known by, if it says.
            reason: Why it was refused.
            record: Its number among the stream's records of this run, counted from 1, where that is known.
            given: The record, where it was refused before anything was sent.

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
        if self._plain:
            line["given"] = _readable(reason.sent if given is None else given)
        self._buffered.append(json.dumps(line).encode() + b"\n")
        if len(self._buffered) == _MAX_BUFFERED:
            self.sync()

    def sync(self) -> None:
        """Return when everything written is on disk.

        Raises:
            OutputError: it cannot be.
        """
        if not self._buffered:
            return
        try:
            descriptor = self._opened()
            rest = memoryview(b"".join(self._buffered))
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        except OSError as error:
            msg = (
                f"cannot write refused records to {str(self.path)!r} ({error.strerror}): "
                "make room, or point the setting `rejects_path` elsewhere"
            )
            raise OutputError(msg) from error
        self._buffered.clear()
        self.has_written = True

    def close(self) -> None:
        """Put everything on disk and close the file.

        Raises:
            OutputError: it cannot be.
        """
        self.sync()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _opened(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            end = os.lseek(self._descriptor, 0, os.SEEK_END)
            if end and os.pread(self._descriptor, 1, end - 1) != b"\n":
                self._buffered.insert(0, b"\n")  # the disk was full in the middle of a line
        return self._descriptor


def _readable(record: object) -> object:
    """A record as JSON; as text where it holds what JSON does not have, which may be why it was refused."""
    if isinstance(record, bytes):
        return json.loads(record)
    try:
        json.dumps(record, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return "(not JSON)"
    return record
