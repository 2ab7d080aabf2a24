"""Formats, by what a file begins with: CSV, JSON lines, Parquet; each plain or compressed, but Parquet."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, cast

import pyarrow as pa  # type: ignore[import-untyped]

from tap_klaviyo_files.faults import FileError
from tap_klaviyo_files.formats.csv_rows import CsvRows
from tap_klaviyo_files.formats.json_rows import JsonRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_klaviyo_files.formats.row import Row

LONGEST_MAGIC = 6
PARQUET = b"PAR1"
_BLOCK = 1 << 20

_COMPRESSIONS: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {
    b"\x1f\x8b": lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file)),
    b"BZh": lambda file: cast("IO[bytes]", bz2.BZ2File(file)),
    b"\xfd7zXZ\x00": lambda file: cast("IO[bytes]", lzma.LZMAFile(file)),  # noqa: SIM115 - the reader closes it
    b"\x28\xb5\x2f\xfd": lambda file: _by_arrow(file, "zstd"),
    b"\x04\x22\x4d\x18": lambda file: _by_arrow(file, "lz4"),
}
"""How a file is unpacked, by its first bytes: names say less, and servers rename."""
_REFUSED = {b"PK": "a zip archive", b"\xd0\xcf\x11": "an Excel workbook", b"%PDF": "a PDF"}
UNREADABLE = (OSError, EOFError, lzma.LZMAError, pa.ArrowException)
"""What the libraries say of a file that is damaged or cut."""


Bytes: TypeAlias = "io.BufferedReader[Any]"
"""A file that can be looked into before it is read."""


class Rows(Protocol):
    """The rows of a file, in order."""

    whole: bool
    """After the last row: whether it had its end. One that is still being written may have none."""

    def __iter__(self) -> Iterator[Row]:
        """Each row.

        Raises:
            FileError: the rest cannot be read.
        """
        ...


class TextFormat(NamedTuple):
    """How a text is to be read where it does not say so itself."""

    encoding: str = "utf-8"
    delimiter: str | None = None


def opened(file: Bytes, how: TextFormat) -> Rows:
    """The rows of a file of text, unpacked.

    Args:
        file: At its beginning.
        how: What settings say of it.

    Raises:
        FileError: it is in no format that is known.
    """
    start = file.peek(LONGEST_MAGIC)[:LONGEST_MAGIC]
    for magic, what in _REFUSED.items():
        if start.startswith(magic):
            fault = f"it is {what}: give CSV, JSON lines or Parquet; of compressions gzip, bzip2, xz, zstd or lz4"
            raise FileError(fault)
    unpack = next((unpack for magic, unpack in _COMPRESSIONS.items() if start.startswith(magic)), None)
    try:
        text: Bytes = file if unpack is None else io.BufferedReader(cast("io.RawIOBase", unpack(file)), _BLOCK)
        start = text.peek(_BLOCK)[:_BLOCK]
    except UNREADABLE as error:
        fault = f"it cannot be unpacked ({type(error).__name__}): it is damaged, or still being written"
        raise FileError(fault) from error
    if start.startswith(PARQUET):
        fault = "it is a compressed Parquet file: Parquet is compressed within itself, so unpack it"
        raise FileError(fault)
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return JsonRows(text)
    return CsvRows(text, how.encoding, how.delimiter)


def _by_arrow(file: IO[bytes], codec: str) -> IO[bytes]:
    return cast("IO[bytes]", pa.CompressedInputStream(pa.PythonFile(file, mode="r"), codec))
