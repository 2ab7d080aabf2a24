"""A file of what was refused: a JSON line each, readable by its owner alone, on disk when it is said to be."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from singer_program.errors import ProgramError
from singer_program.line_file import append


class RejectsFile:
    """Appends lines to a file; the first one makes it.

    Runs append to it one after the other, or several at once: a line is written whole. One that a full disk cut in
    an earlier run spoils no other.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: list[bytes] = []
        self._descriptor: int | None = None

    @property
    def waiting(self) -> int:
        """Lines that are not written yet."""
        return len(self._lines)

    def fault(self) -> str:
        """Why there cannot be such a file, in a sentence that names the setting; empty if there can."""
        folder = self.path.absolute().parent
        if self.path.is_dir():
            fault = "is a folder"
        elif not folder.is_dir():
            fault = f"is in a folder that does not exist ({folder})"
        else:
            return ""
        return f"the setting `rejects_path`, {str(self.path)!r}, {fault}: name a file in an existing folder"

    def append(self, line: Mapping[str, object]) -> None:
        """Take a line, which is written by `sync`."""
        self._lines.append(json.dumps(line).encode() + b"\n")

    def put(self, line: Mapping[str, object]) -> None:
        """Return when a line is on disk; the folder is made for the first one, its owner's alone.

        Raises:
            OSError: there can be no such folder.
            ProgramError: the file cannot be written.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.append(line)
        self.sync()

    def sync(self) -> None:
        """Return when everything taken is on disk.

        Raises:
            ProgramError: it cannot be.
        """
        if not self._lines:
            return
        try:
            append(self._opened(), b"".join(self._lines))
        except OSError as error:
            msg = (
                f"cannot write refused records to {str(self.path)!r} ({error.strerror}): "
                "make room, or point the setting `rejects_path` elsewhere"
            )
            raise ProgramError(msg) from error
        self._lines.clear()

    def close(self) -> None:
        """Put everything on disk and close the file.

        Raises:
            ProgramError: it cannot be.
        """
        self.sync()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _opened(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        return self._descriptor
