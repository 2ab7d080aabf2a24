"""JSON values of any kind made fit to send, without nulls and NaN; what a field is declared as is in `fields`."""

from __future__ import annotations

import math
from typing import Any

Json = dict[str, Any]


_LEAVES = frozenset({str, int, bool})
"""Types of values that hold no null and no NaN."""


class Unsendable(ValueError):  # noqa: N818 - it says what the value is
    """A value that JSON cannot carry; the message says which, as the rest of a sentence about the field."""


def without_nulls(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The value without its nulls, at every depth; None only for null itself. Itself where it has none.

    Klaviyo says that a bulk import ignores null; another vendor saw it clear fields. So null is never sent, not
    even inside an array.

    Raises:
        Unsendable: the value holds NaN or an infinity.
        RecursionError: it is nested deeper than Python can follow.
    """
    # Types are compared, and leaves need no call, because much of the time of a record is spent here.
    kind = type(value)
    if kind is dict:
        if _LEAVES.issuperset(map(type, value.values())):
            return value
        return {
            name: inner if type(inner) in _LEAVES else without_nulls(inner)
            for name, inner in value.items()
            if inner is not None
        }
    if kind is list:
        if _LEAVES.issuperset(map(type, value)):
            return value
        return [inner if type(inner) in _LEAVES else without_nulls(inner) for inner in value if inner is not None]
    if kind is float and not math.isfinite(value):
        msg = f"holds {value}, which JSON does not have"
        raise Unsendable(msg)
    return value
