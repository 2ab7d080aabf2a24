"""Parquet, a few thousand rows of a row group at a time."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from tap_klaviyo_files.faults import FileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_klaviyo_files.formats.row import Row

_ROWS = 5_000


class ParquetRows:
    """The rows of a Parquet file.

    Args:
        file: Its bytes, which can be read anywhere.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.whole = True

    def __iter__(self) -> Iterator[Row]:
        """Each row.

        Raises:
            FileError: the rest cannot be read.
        """
        number = 0
        try:
            file = pq.ParquetFile(self._file)
            columns = tuple(file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=_ROWS):
                cells = [_in_microseconds(column).to_pylist() for column in batch.columns]
                for number, row in enumerate(zip(*cells, strict=True), number + 1):  # noqa: B020 - counted on
                    yield number, columns, row
        except (pa.ArrowException, OSError, ValueError) as error:
            fault = f"it cannot be read as Parquet after row {number:,} ({type(error).__name__}): it is damaged"
            raise FileError(fault) from error


def _in_microseconds(column: pa.Array) -> pa.Array:
    """Python's moments have no nanoseconds."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column
