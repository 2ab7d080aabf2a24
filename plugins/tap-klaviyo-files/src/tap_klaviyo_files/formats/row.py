"""A row as every format gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tap_klaviyo_files.faults import RowError

Columns = tuple[str, ...]
"""Names of cells: one object for all rows of which they are the same, wherever that is known."""

Row = tuple[int, Columns, Sequence[Any] | RowError]
"""The line that a row begins in, the first being 1 (in Parquet its number); its columns; and its cells, as many,
or what is wrong with it. A plain tuple: there are millions of them."""
