"""What is read from a state has the shape that was written: others may have edited it, or passed their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tap_klaviyo_engagement.errors import StreamFault

Json = dict[str, Any]
_REMEDY = "give the state that a run of this tap wrote, or none to read everything anew"


def fault_of(state: Json | None) -> str | None:
    """What is wrong with a state whose streams cannot be looked at; None of one that is sound."""
    bookmarks = (state or {}).get("bookmarks", {})
    if not isinstance(bookmarks, dict):
        return f"the `bookmarks` of the state are {_kind(bookmarks)} and no object: {_REMEDY}"
    if odd := [(name, value) for name, value in bookmarks.items() if not isinstance(value, dict)]:
        told = ", ".join(f"`{name}` is {_kind(value)}" for name, value in odd)
        return f"the state of a stream is an object, and here {told}: {_REMEDY}"
    return None


def texts(stream_state: Mapping[str, Any], name: str) -> list[str] | None:
    """A list of texts; None where there is none.

    Raises:
        StreamFault: it is something else.
    """
    value = stream_state.get(name)
    if value is None or _is_texts(value):
        return value
    msg = f"the state has {_kind(value)} as `{name}` of this stream, and no list of texts: {_REMEDY}"
    raise StreamFault(msg)


def texts_by_name(stream_state: Mapping[str, Any], name: str) -> dict[str, list[str]]:
    """Lists of texts by text; empty where there are none.

    Raises:
        StreamFault: it is something else.
    """
    value = stream_state.get(name) or {}
    if isinstance(value, dict) and all(map(_is_texts, value.values())):
        return dict(value)
    msg = f"the state has {_kind(value)} as `{name}` of this stream, and no object with lists of texts: {_REMEDY}"
    raise StreamFault(msg)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _kind(value: object) -> str:
    """What a JSON value is; never the value, which may be somebody's."""
    kinds = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return kinds.get(type(value), "null")
