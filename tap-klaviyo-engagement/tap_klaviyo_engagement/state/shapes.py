"""What is read from a state has the shape that was written: others may have edited it, or passed their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tap_klaviyo_engagement.errors import StreamFault

_REMEDY = "give the state that a run of this tap wrote, or none to read everything anew"


def texts(stream_state: Mapping[str, Any], name: str) -> list[str] | None:
    """A list of texts; None where there is none.

    Raises:
        StreamFault: it is something else.
    """
    value = stream_state.get(name)
    if value is None or _is_texts(value):
        return value
    msg = f"what the state has as `{name}` of this stream is no list of texts: {_REMEDY}"
    raise StreamFault(msg)


def texts_by_name(stream_state: Mapping[str, Any], name: str) -> dict[str, list[str]]:
    """Lists of texts by text; empty where there are none.

    Raises:
        StreamFault: it is something else.
    """
    value = stream_state.get(name) or {}
    if isinstance(value, dict) and all(map(_is_texts, value.values())):
        return dict(value)
    msg = f"what the state has as `{name}` of this stream is no object with lists of texts: {_REMEDY}"
    raise StreamFault(msg)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
