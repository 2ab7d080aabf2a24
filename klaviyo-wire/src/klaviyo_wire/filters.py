"""Klaviyo's filter grammar: `op(field,value)`, combined with commas (and); strings quoted, datetimes bare.

Source: the API overview's filtering page; which operator a field allows is in `endpoints.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

Scalar = str | bool | int | float | datetime

_SECOND_SECOND = datetime.min.replace(tzinfo=UTC) + timedelta(seconds=1)
"""There is nothing a second before the first moment."""


class Operator(StrEnum):
    """Filter operators, spelled as Klaviyo spells them."""

    EQUALS = "equals"
    LESS_THAN = "less-than"
    LESS_OR_EQUAL = "less-or-equal"
    GREATER_THAN = "greater-than"
    GREATER_OR_EQUAL = "greater-or-equal"
    CONTAINS = "contains"
    STARTS_WITH = "starts-with"
    ENDS_WITH = "ends-with"
    ANY = "any"
    CONTAINS_ANY = "contains-any"
    HAS = "has"

    def __call__(self, field: str, value: Scalar | Iterable[Scalar] | None = None) -> str:
        """The expression, not yet percent-encoded.

        Raises:
            ValueError: `value` is absent for an operator that needs one, or present for `has`.
        """
        if (value is None) != (self is Operator.HAS):
            msg = f"{self}({field}) {'takes no' if self is Operator.HAS else 'needs a'} value"
            raise ValueError(msg)
        if value is None:
            return f"{self}({field})"
        if isinstance(value, Scalar):
            return f"{self}({field},{_literal(value)})"
        return f"{self}({field},[{','.join(_literal(item) for item in value)}])"


def since(field: str, moment: datetime, allowed: frozenset[Operator]) -> str:
    """Lower bound that keeps every row at `moment`, whatever the endpoint allows.

    Klaviyo's cursors have whole seconds, so where only the exclusive operator exists the bound steps back
    one second; the rows of that second come again and are removed by key.
    """
    if Operator.GREATER_OR_EQUAL in allowed:
        return Operator.GREATER_OR_EQUAL(field, moment)
    return Operator.GREATER_THAN(field, max(_floor(moment), _SECOND_SECOND) - timedelta(seconds=1))


def before(field: str, moment: datetime) -> str:
    """Exclusive upper bound; every endpoint with a range filter allows it."""
    return Operator.LESS_THAN(field, moment)


def all_of(*expressions: str) -> str:
    """Conjunction of the expressions; empty ones are left out."""
    return ",".join(expression for expression in expressions if expression)


def _floor(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _literal(value: Scalar) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            # Z, never +00:00: an unencoded plus is read as a space and empties the result
            # (klaviyo-api-python issue 3).
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case str():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        case _:
            return repr(value)
