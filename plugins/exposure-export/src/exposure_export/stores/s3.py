"""A path in a bucket. An object appears when it is whole, and takes the place of the one before at once."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import fs

from exposure_export.stores.store import told
from singer_program.errors import ProgramError

_LEASES = "_running"


class Bucket:
    """See `Store`.

    Args:
        system: The file system, a `pyarrow.fs.S3FileSystem`.
        path: The bucket and the path in it.
        work: The folder on disk in which files are made.
        lease: Seconds after which a run that says nothing is taken for dead.
    """

    def __init__(self, system: Any, path: str, work: Path, lease: float) -> None:  # noqa: ANN401 - no types
        self.address = f"s3://{path}"
        # One for each destination: what lies there belongs to who holds it.
        self.unfinished = work / hashlib.sha256(path.encode()).hexdigest()[:16]
        self._system = system
        self._root = path
        self._lease = lease

    @contextmanager
    def held(self) -> Iterator[None]:
        """See `Store`.

        Each run puts an object of its own there and looks then who else has: of two, the one that looks later sees
        the other. It is put anew while the run lasts, so that one that was killed is known by its age, by the
        clock of the store.
        """
        name = f"{_LEASES}/{secrets.token_hex(8)}"
        with told(self.address, "written"):
            self._write(name, b"")
        done = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(name, done), daemon=True)
        try:
            self._look_for_others(name)
            renewing.start()
            with told(str(self.unfinished), "written"):
                self._clear()
                self.unfinished.mkdir(mode=0o700, parents=True)
            yield
        finally:
            done.set()
            if renewing.is_alive():
                renewing.join()
            self._clear()
            with suppress(ProgramError):  # it grows old
                self.remove(name)

    def _look_for_others(self, name: str) -> None:
        with told(self.address, "read"):
            found = {info.base_name: info.mtime for info in self._listed(_LEASES, recursive=False) if info.is_file}
        own = found.pop(name.rpartition("/")[2], None)
        if own is None:
            message = f"{self.address} does not show what was just written to it: nothing is exported"
            raise ProgramError(message)
        for other, written in found.items():
            if (own - written).total_seconds() < self._lease:
                message = (
                    f"another export is writing to {self.address}: wait until it has ended; if it was killed, wait"
                    f" {self._lease:.0f} seconds, or remove {self.address}/{_LEASES}/{other}"
                )
                raise ProgramError(message)
            self.remove(f"{_LEASES}/{other}")

    def _renew(self, name: str, done: threading.Event) -> None:
        while not done.wait(self._lease / 5):
            with suppress(OSError):  # the next one may come through
                self._write(name, b"")

    def _clear(self) -> None:
        with suppress(FileNotFoundError):
            shutil.rmtree(self.unfinished)

    def folders(self, path: str) -> list[str]:
        """See `Store`."""
        with told(self.address, "read"):
            listed = self._listed(path, recursive=False)
            return [info.base_name for info in listed if info.type is fs.FileType.Directory]

    def files(self, path: str) -> Mapping[str, int]:
        """See `Store`."""
        with told(self.address, "read"):
            listed = self._listed(path, recursive=True)
            return {info.path.removeprefix(f"{self._root}/"): info.size for info in listed if info.is_file}

    def _listed(self, path: str, *, recursive: bool) -> list[Any]:
        where = self._path(path)
        found: list[Any] = self._system.get_file_info(
            fs.FileSelector(where, allow_not_found=True, recursive=recursive)
        )
        return found

    def read(self, path: str) -> bytes:
        """See `Store`."""
        with told(self.address, "read"), self._system.open_input_file(self._path(path)) as content:
            found: bytes = content.read()
            return found

    def put(self, path: str, made: Path) -> None:
        """See `Store`."""
        with told(self.address, "written"), pa.memory_map(str(made)) as content:
            self._write(path, content.read_buffer())

    def _write(self, path: str, content: Any) -> None:  # noqa: ANN401 - bytes, or a buffer of Arrow
        """In one call: between two of them a signal may end the run, and the object would be closed as it is."""
        with self._system.open_output_stream(self._path(path), compression=None) as target:
            target.write(content)

    def remove(self, path: str) -> None:
        """See `Store`."""
        with told(self.address, "written"), suppress(FileNotFoundError):
            self._system.delete_file(self._path(path))

    def prune(self, path: str) -> None:
        """See `Store`. Folders are objects that end in `/`, which the library makes when it removes a file."""
        with told(self.address, "written"):
            while path and not self._listed(path, recursive=False):
                with suppress(FileNotFoundError):
                    self._system.delete_dir(self._path(path))
                path = path.rpartition("/")[0]

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root
