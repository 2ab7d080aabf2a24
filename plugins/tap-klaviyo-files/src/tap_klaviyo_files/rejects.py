"""Rows that cannot be read: each is put aside and named in a file, and the others go on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from singer_program.errors import ProgramError
from singer_program.rejects_file import RejectsFile
from tap_klaviyo_files.faults import FileError, RowError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

_log = logging.getLogger(__name__)

TOLD = 10
"""Rows of a file that are told one by one in the log."""


class Rejects:
    """What was put aside. A line is on disk before the rows after it are handed on, so before any STATE.

    A line names the row by file and line, and holds no value of it.

    Args:
        path: The file; made, and its folder, for the first row.
        most: How many rows of a file may be put aside.
        now: The wall clock.
    """

    def __init__(self, path: Path, most: int, now: Callable[[], datetime]) -> None:
        self.path = path
        self._most = most
        self._now = now
        self._file = RejectsFile(path)

    def put_aside(self, stream: str, url: str, line: int, fault: RowError, count: int) -> None:
        """Put a row aside.

        Args:
            stream: Its stream.
            url: Its file.
            line: Its line.
            fault: Why it cannot be read.
            count: How many of the file that makes.

        Raises:
            FileError: there are too many of them.
            ProgramError: it cannot be named in the file.
        """
        told = {
            "stream": stream,
            "key": {"file": url, "line": line},
            "code": fault.code,
            "detail": str(fault),
            "remedy": fault.remedy,
            "time": self._now().isoformat(timespec="seconds"),
        }
        try:
            self._file.put(told)
        except OSError as error:
            message = f"a row that cannot be read could not be named in {str(self.path)!r}: {error.strerror}"
            raise ProgramError(message) from error
        if count > self._most:
            message = (
                f"line {line:,}: {fault}. That makes {count:,} rows that cannot be read, and the setting "
                f"`max_rejects` allows {self._most:,}: {fault.remedy}, or raise the setting. They are named in "
                f"{str(self.path)!r}"
            )
            raise FileError(message)
        if count <= TOLD:
            _log.warning("%s: %s, line %s is put aside: %s; %s", stream, url, f"{line:,}", fault, fault.remedy)
