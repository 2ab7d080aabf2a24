"""JSON values made fit to send: without nulls, without numbers that JSON does not have."""

from __future__ import annotations

import math
from typing import Any

Json = dict[str, Any]


class Unsendable(ValueError):  # noqa: N818 - it says what the value is
    """A value that JSON cannot carry; the message says which, as the rest of a sentence about the field."""


def without_nulls(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The value without its nulls, at every depth; None only for null itself.

    Klaviyo says that a bulk import ignores null; another vendor saw it clear fields. So null is never sent, not
    even inside an array.

    Raises:
        Unsendable: the value holds NaN or an infinity.
        RecursionError: it is nested deeper than Python can follow.
    """
    # Types are compared, and texts need no call, because most of the time of a record is spent here.
    kind = type(value)
    if kind is dict:
        return {
            name: inner if type(inner) is str else without_nulls(inner)
            for name, inner in value.items()
            if inner is not None
        }
    if kind is list:
        return [inner if type(inner) is str else without_nulls(inner) for inner in value if inner is not None]
    if kind is float and not math.isfinite(value):
        msg = f"holds {value}, which JSON does not have"
        raise Unsendable(msg)
    return value
