"""JSON lines: an object a line."""

from __future__ import annotations

import codecs
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tap_klaviyo_files.faults import RowError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from tap_klaviyo_files.formats.row import Columns, Row

_decoder = msgspec.json.Decoder(float_hook=Decimal)


class JsonRows:
    """The rows of a file of JSON lines.

    Args:
        file: Its bytes.
    """

    def __init__(self, file: io.BufferedReader[Any]) -> None:
        self._file = file
        self.whole = True

    def __iter__(self) -> Iterator[Row]:
        """Each row."""
        known: Columns = ()
        for line, text in enumerate(self._file, 1):
            self.whole = text.endswith(b"\n")
            body = text.removeprefix(codecs.BOM_UTF8).strip()
            if not body:
                continue
            try:
                found = _decoder.decode(body)
            except (ValueError, RecursionError):
                found = None
            if not isinstance(found, dict):
                fault = "it is no JSON object"
                yield (
                    line,
                    known,
                    RowError(fault, code="json", remedy="mend the line, or have the file written anew"),
                )
                continue
            columns = tuple(found)
            known = known if columns == known else columns
            yield line, known, list(found.values())
