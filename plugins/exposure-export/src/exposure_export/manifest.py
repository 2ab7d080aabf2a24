"""What is written beside an hour's file: what it holds, and what it was made of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from singer_program.errors import ProgramError

MANIFEST = "_manifest.json"
DATA = "exposures.parquet"
_FORMAT = 1


class File(msgspec.Struct, frozen=True):
    """A file as it is whole.

    Attributes:
        name: Within the hour's folder.
        rows: Rows in it.
        bytes: Its size.
        sha256: Of its bytes, in hexadecimal digits.
    """

    name: str
    rows: int
    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, rows: int) -> File:
        """The file at a path on disk, as it will be called."""
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        return cls(DATA, rows, path.stat().st_size, digest)


class Source(msgspec.Struct, frozen=True):
    """What the table said of an hour. Where it says the same, the hour is as it was.

    Attributes:
        rows: Rows in it.
        sum: Of the hashes of its rows.
        lists: Digest of the lists of people whose rows are left out; None without.
    """

    rows: int
    sum: int
    lists: str | None = None


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """Of an hour.

    Attributes:
        hour: Its beginning.
        exported_at: When this was written.
        files: What the folder holds: one file, or none yet.
        next: While the hour is replaced, what may be there instead of `files`; null in it: nothing. Else empty.
        source: Of what `files` were made.
        format: Of this text.
    """

    hour: str
    exported_at: str
    files: Sequence[File] = ()
    next: Sequence[File | None] = ()
    source: Source | None = None
    format: int = _FORMAT

    def text(self) -> bytes:
        """As it is written."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


class _Numbered(msgspec.Struct):
    format: int


def read_manifest(text: bytes, where: str) -> Manifest | None:
    """The manifest in a text; None where it is none, and the hour is to be written anew.

    Raises:
        ProgramError: it is of a later version of this program.
    """
    try:
        if msgspec.json.decode(text, type=_Numbered).format > _FORMAT:
            message = (
                f"{where} was written by a later version of exposure-export: use that one, or another destination"
            )
            raise ProgramError(message)
        return msgspec.json.decode(text, type=Manifest)
    except msgspec.MsgspecError:
        return None
