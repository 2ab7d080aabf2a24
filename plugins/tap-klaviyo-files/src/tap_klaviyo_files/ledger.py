"""Which files were read, by content: kept in the state of a stream, which they bound in size."""

from __future__ import annotations

from hashlib import blake2b
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from singer_program.errors import ProgramError
from singer_program.state import REMEDY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tap_klaviyo_files.places import Found

MOST = 20_000
"""Files that are there and read: about 2 MB of state."""
MOST_GONE = 1_000
"""Files of which the content is remembered after they are gone: they may come again under another name."""
_BLOCK = 1 << 20
_DIGEST_BYTES = 16


class Read(NamedTuple):
    """A file that was read to its end.

    Attributes:
        size: Bytes.
        modified: Seconds since 1970.
        digest: Of the bytes.
        rows: How many of its rows are final if it grows; 0 if none are.
    """

    size: int
    modified: float
    digest: str
    rows: int


class Ledger:
    """The files that were read.

    Args:
        state: By address; written in place.

    Raises:
        ProgramError: the state has another shape.
    """

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state
        for told in state.values():
            match told:
                case [int(), int() | float(), str(), int()]:
                    pass
                case _:
                    message = f"the state does not say of files what this tap writes of them: {REMEDY}"
                    raise ProgramError(message)
        self._by_digest = {(told[0], told[2]): url for url, told in state.items()}
        self._sizes = {told[0] for told in state.values()}

    def entry(self, url: str) -> Read | None:
        """What is known of an address."""
        told = self._state.get(url)
        return None if told is None else Read(*told)

    def may_hold(self, size: int) -> bool:
        """Whether a file of this size was read: if not, none of this content was."""
        return size in self._sizes

    def same_as(self, size: int, digest: str) -> str | None:
        """The address at which this content was read."""
        return self._by_digest.get((size, digest))

    def take(self, found: Found, digest: str, rows: int) -> None:
        """Take a file that was read to its end."""
        self._state[found.url] = list(Read(found.size, found.modified, digest, rows))
        self._by_digest[found.size, digest] = found.url
        self._sizes.add(found.size)

    def forget(self, listed: Collection[str]) -> None:
        """Forget the oldest of the files that are gone.

        Args:
            listed: The addresses that there are.

        Raises:
            ProgramError: too many are there.
        """
        if len(listed) > MOST:
            message = (
                f"the setting `files` finds {len(listed):,} files for one stream, and {MOST:,} can be remembered: "
                "move away those that were read, or narrow the paths"
            )
            raise ProgramError(message)
        gone = [url for url in self._state if url not in listed]
        gone.sort(key=lambda url: self._state[url][1], reverse=True)
        for url in gone[MOST_GONE:]:
            del self._state[url]


class Digest:
    """The digest of bytes that are read, and their number.

    Args:
        read: Gives the next bytes, at most as many as it is asked for.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._hash = blake2b(digest_size=_DIGEST_BYTES)
        self.size = 0

    def read(self, size: int) -> bytes:
        """The next bytes."""
        data = self._read(size)
        self._hash.update(data)
        self.size += len(data)
        return data

    def up_to(self, size: int | None = None) -> str:
        """The digest of everything up to a number of bytes, or to the end, which is read as far as it was not."""
        while (left := _BLOCK if size is None else min(_BLOCK, size - self.size)) and self.read(left):
            pass
        return self._hash.hexdigest()


def digest_of(file: IO[bytes], size: int | None = None) -> str:
    """The digest of a file, or of so many bytes at its beginning."""
    return Digest(file.read).up_to(size)
