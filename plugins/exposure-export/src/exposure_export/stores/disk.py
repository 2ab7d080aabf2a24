"""A folder on disk. A file appears by being renamed, once it is on disk whole."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from exposure_export.stores.store import told
from singer_program.errors import ProgramError
from singer_program.private import sync_folder

_LOCK = "_lock"
_UNFINISHED = "_unfinished"


class Disk:
    """See `Store`.

    Args:
        root: The folder; made if there is none.
        file_mode: Of the files.
    """

    def __init__(self, root: Path, file_mode: int) -> None:
        self.address = str(root)
        self.unfinished = root / _UNFINISHED
        self._root = root
        self._file_mode = file_mode
        self._folder_mode = file_mode | 0o100 | (file_mode & 0o444) >> 2

    @contextmanager
    def held(self) -> Iterator[None]:
        """See `Store`. A run that was killed holds nothing any more."""
        with told(self.address, "written"):
            self._make(self._root)
            descriptor = os.open(self._root / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = f"another export is writing to {self.address}: wait until it has ended"
                raise ProgramError(message) from None
            with told(self.address, "written"):
                self._clear()
                self.unfinished.mkdir(mode=0o700)
            try:
                yield
            finally:
                self._clear()
        finally:
            os.close(descriptor)

    def _clear(self) -> None:
        with suppress(FileNotFoundError):
            shutil.rmtree(self.unfinished)

    def folders(self, path: str) -> list[str]:
        """See `Store`."""
        with told(self.address, "read"), suppress(FileNotFoundError), os.scandir(self._root / path) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        return []

    def files(self, path: str) -> Mapping[str, int]:
        """See `Store`."""
        found = {}
        with told(self.address, "read"):
            for folder, _, names in os.walk(self._root / path, onerror=_unless_gone):
                for name in names:
                    file = Path(folder, name)
                    found[file.relative_to(self._root).as_posix()] = file.lstat().st_size
        return found

    def read(self, path: str) -> bytes:
        """See `Store`."""
        with told(self.address, "read"):
            return (self._root / path).read_bytes()

    def put(self, path: str, made: Path) -> None:
        """See `Store`."""
        with told(self.address, "written"):
            target = self._root / path
            self._make(target.parent)
            made.chmod(self._file_mode)
            with made.open("rb") as content:
                os.fsync(content.fileno())
            made.replace(target)
            sync_folder(target.parent)

    def remove(self, path: str) -> None:
        """See `Store`."""
        with told(self.address, "written"):
            (self._root / path).unlink(missing_ok=True)

    def prune(self, path: str) -> None:
        """See `Store`."""
        folder = self._root / path
        while folder != self._root:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:  # somebody has a file of theirs there
                return
            folder = folder.parent

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        if not folder.parent.is_dir():
            self._make(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(self._folder_mode)
        sync_folder(folder.parent)


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
