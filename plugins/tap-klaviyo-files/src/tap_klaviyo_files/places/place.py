"""A file system of fsspec, of which files are listed and read and nothing is ever written or removed."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

_MAGIC = re.compile(r"[*?\[]")
_UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".inprogress", ".swp", "~")
"""How names end of files that are still being written."""


class Found(NamedTuple):
    """A file as it was listed.

    Attributes:
        url: Its address, by which it is told and remembered: no user and no password is in it.
        path: Its path on the file system.
        size: Bytes.
        modified: Seconds since 1970, by the clock of the file system.
    """

    url: str
    path: str
    size: int
    modified: float


@dataclass(frozen=True)
class Place:
    """A file system.

    Args:
        fs: It, as fsspec has it.
        prefix: What comes before its paths in an address.
        open_raw: Opens a path to be read from its beginning to its end; without it as fsspec does.
        grows: Whether a file may be seen while it is still being written.
        close: Ends the connection.
    """

    fs: AbstractFileSystem
    prefix: str
    open_raw: Callable[[str], IO[bytes]] | None = None
    grows: bool = True
    close: Callable[[], object] = lambda: None

    def files(self, path: str) -> list[Found]:
        """The files of a path, oldest first: of a file itself, of a folder all, of a pattern those that match.

        Hidden ones and those that by their names are unfinished are left out.

        Raises:
            FileNotFoundError: there is nothing of that path, which is no pattern.
            OSError: it cannot be listed.
        """
        if _MAGIC.search(path):
            listed = self.fs.glob(path, detail=True)
        else:
            info = self.fs.info(path)
            listed = {info["name"]: info} if info["type"] == "file" else self.fs.find(path, detail=True)
        found = [self._found(info) for info in cast("dict[str, Any]", listed).values() if info["type"] == "file"]
        base = len(_MAGIC.split(path, maxsplit=1)[0].rpartition("/")[0])  # what a user names may be hidden
        kept = [each for each in found if not _is_unfinished(each.path[base:])]
        return sorted(kept, key=lambda each: (each.modified, each.url))

    def look(self, found: Found) -> Found:
        """The file as it is now.

        Raises:
            OSError: it is gone, or cannot be seen.
        """
        self.fs.invalidate_cache()
        return self._found(self.fs.info(found.path))

    def opened(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """A file, to be read from its beginning to its end.

        Raises:
            OSError: it cannot be read.
        """
        return self.open_raw(path) if self.open_raw else self.seekable(path)

    def seekable(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """A file that can be read anywhere.

        Raises:
            OSError: it cannot be read.
        """
        return cast("AbstractContextManager[IO[bytes]]", self.fs.open(path, "rb"))

    def _found(self, info: dict[str, Any]) -> Found:
        modified = info.get("mtime")
        if isinstance(modified, datetime):
            modified = (modified if modified.tzinfo else modified.replace(tzinfo=UTC)).timestamp()
        return Found(f"{self.prefix}{info['name']}", info["name"], int(info["size"] or 0), float(modified or 0))


def _is_unfinished(path: str) -> bool:
    parts = [part for part in path.split("/") if part]
    return any(part.startswith((".", "_temporary")) for part in parts) or path.lower().endswith(_UNFINISHED)


class Windows(io.RawIOBase):
    """A file read in large parts, one after the other.

    Args:
        parts: Its parts, in order.
        close: Called at the end.
    """

    def __init__(self, parts: Iterator[bytes], close: Callable[[], object]) -> None:
        self._parts = parts
        self._close = close
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a buffer, as io has it
        """Fill a buffer, or less; 0 at the end."""
        if not self._left:
            self._left = memoryview(next(self._parts, b""))
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._close()
        super().close()
