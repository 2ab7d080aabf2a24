"""What a line of Singer messages says of itself before it is decoded; without the SDK, which is slow to import."""

from __future__ import annotations

import re

import msgspec

_RECORD = re.compile(rb'\s*\{\s*"type"\s*:\s*"RECORD"\s*,\s*"stream"\s*:\s*("(?:[^"\\]|\\.)*")\s*,')
"""The beginning of a RECORD message, as nearly every tap writes it."""


def record_stream(line: bytes) -> str | None:
    """The stream of a line that begins as a RECORD, whatever follows; None of any other line."""
    found = _RECORD.match(line)
    try:
        return None if found is None else msgspec.json.decode(found[1], type=str)
    except msgspec.DecodeError:
        return None
