"""What the SDK reads of a tap's state has the shape that it takes on trust: others may have edited it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REMEDY = "give the state that a run of this tap wrote, or none to read everything anew"


def fault_of(state: Mapping[str, Any] | None) -> str | None:
    """What is wrong with a state whose streams cannot be looked at; None of one that is sound."""
    bookmarks = (state or {}).get("bookmarks", {})
    if not isinstance(bookmarks, dict):
        return f"the `bookmarks` of the state are {kind_of(bookmarks)} and no object: {REMEDY}"
    if odd := [(name, value) for name, value in bookmarks.items() if not isinstance(value, dict)]:
        told = ", ".join(f"`{name}` is {kind_of(value)}" for name, value in odd)
        return f"the state of a stream is an object, and here {told}: {REMEDY}"
    for name, value in bookmarks.items():
        if fault := _fault_of_stream(value):
            return f"the state of the stream `{name}` {fault}: {REMEDY}"
    return None


def next_run(told: object, now: str) -> dict[str, Any]:
    """Which of the runs that went on from each other one is.

    A tap writes it into the state of a stream, as `extraction`. A loader that keeps the greatest number beside its
    rows can tell whether it holds what the next run takes for loaded: `target-duckdb` does.

    Args:
        told: What the state says of the run before.
        now: When this run began: of the first one, by which the others are told from others' runs.
    """
    match told:
        case {"begun": str(begun), "run": int(run)}:
            return {"begun": begun, "run": run + 1}
    return {"begun": now, "run": 1}


def kind_of(value: object) -> str:
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


def _fault_of_stream(state: Mapping[str, Any]) -> str | None:
    """What the SDK's cleaning of `progress_markers` would fail at, in the stream and its partitions."""
    markers = state.get("progress_markers", {})
    if not isinstance(markers, dict):
        return f"has {kind_of(markers)} as `progress_markers`, and no object"
    partitions = state.get("partitions", [])
    if not isinstance(partitions, list):
        return f"has {kind_of(partitions)} as `partitions`, and no list"
    for each in partitions:
        if not isinstance(each, dict):
            return f"has {kind_of(each)} among its `partitions`, and no object"
        for name, value in (
            ("context", each.get("context")),
            ("progress_markers", each.get("progress_markers", {})),
        ):
            if not isinstance(value, dict):
                return f"has {kind_of(value)} as `{name}` of a partition, and no object"
    return None
