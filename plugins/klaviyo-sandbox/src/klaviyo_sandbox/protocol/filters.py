"""Klaviyo's filter grammar, read strictly.

    filter     = expression *( "," expression )
    expression = "and(" filter ")" / operator "(" field [ "," value ] ")"
    value      = text / number / "true" / "false" / datetime / "[" [ literal *( "," literal ) ] "]"

Text is quoted with `"` or `'`; inside, a backslash escapes the quote and itself. A datetime is bare RFC 3339 with
an offset. There is no `or`. Spaces are allowed after commas, and inside a field's name (`Bot Click`).
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import NoReturn

from msgspec.structs import replace

from klaviyo_sandbox.model.errors import Refusal, refuse
from klaviyo_wire.endpoints import Filter, Value
from klaviyo_wire.filters import Operator

MOST_VALUES = 100
"""Klaviyo does not say how many values `any` takes; a page holds this many."""

_OF_LISTS = {Operator.ANY, Operator.CONTAINS_ANY}

Literal = str | bool | int | float | datetime
"""What a filter compares with. A whole number is an `int`: a `float` is exact only up to 2**53."""

_NAME = re.compile(r"[A-Za-z_][\w.\-]*")
_FIELD = re.compile(r"[A-Za-z_$][\w.\-]*( [A-Za-z][\w\-]*)*")
_BARE = re.compile(r"[^,()\[\]\"']+")
_NUMBERS = {Value.NUMBER: re.compile(r"-?\d+(\.\d+)?"), Value.INTEGER: re.compile(r"-?\d+")}
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?")


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. `values` has one entry, several for `any`, none for `has`."""

    operator: Operator
    field: str
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class _Bare:
    """A literal without quotes; what it may be depends on the field."""

    text: str


_Written = str | _Bare


def parse(text: str, allowed: tuple[Filter, ...], zone: tzinfo | None = None) -> list[Condition]:
    """The conditions of a `filter` parameter, checked against what the endpoint allows.

    Args:
        text: the parameter.
        allowed: what can be filtered by, and how.
        zone: of datetimes without an offset; None: those are refused.

    Raises:
        Refusal: the text is not of the grammar, or names a field, operator or value the endpoint does not take.
    """
    reader = _Reader(text)
    by_field = {each.field: each for each in allowed}
    return [_checked(expression, by_field, zone) for expression in reader.filter()]


def parse_in_body(
    text: str, allowed: tuple[Filter, ...], pointer: str, zone: tzinfo | None = None
) -> list[Condition]:
    """As `parse`, for a filter that stands in the body, at `pointer`.

    Raises:
        Refusal: as `parse`; it names the place in the body.
    """
    try:
        return parse(text, allowed, zone)
    except Refusal as refusal:
        source = {"pointer": pointer}
        raise Refusal(refusal.status, [replace(each, source=source) for each in refusal.problems]) from None


def _refuse(detail: str) -> NoReturn:
    refuse(detail, parameter="filter")


@dataclass(frozen=True, slots=True)
class _Expression:
    operator: str
    field: str
    value: _Written | list[_Written] | None


class _Reader:
    """Recursive descent over the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def filter(self) -> list[_Expression]:
        """The whole text."""
        expressions = self._expressions()
        if self._at != len(self._text):
            self._unexpected()
        return expressions

    def _expressions(self) -> list[_Expression]:
        expressions = self._expression()
        while self._take(","):
            expressions += self._expression()
        return expressions

    def _expression(self) -> list[_Expression]:
        operator = self._match(_NAME)
        self._expect("(")
        if operator == "and":
            inner = self._expressions()
            self._expect(")")
            return inner
        field = self._match(_FIELD)
        value = self._value() if self._take(",") else None
        self._expect(")")
        return [_Expression(operator, field, value)]

    def _value(self) -> _Written | list[_Written]:
        if not self._take("["):
            return self._literal()
        values: list[_Written] = []
        if self._take("]"):
            return values
        values.append(self._literal())
        while self._take(","):
            values.append(self._literal())
        self._expect("]")
        return values

    def _literal(self) -> _Written:
        for quote in ('"', "'"):
            if self._text.startswith(quote, self._at):
                return self._quoted(quote)
        return _Bare(self._match(_BARE))

    def _quoted(self, quote: str) -> str:
        self._at += 1
        found: list[str] = []
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character == quote:
                return "".join(found)
            if character == "\\":
                if self._text[self._at : self._at + 1] not in {quote, "\\"}:
                    self._unexpected()
                character = self._text[self._at]
                self._at += 1
            found.append(character)
        return self._unexpected()

    def _take(self, character: str) -> bool:
        if not self._text.startswith(character, self._at):
            return False
        self._at += 1
        while character == "," and self._text.startswith(" ", self._at):
            self._at += 1
        return True

    def _expect(self, character: str) -> None:
        if not self._take(character):
            self._unexpected()

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            self._unexpected()
        self._at = match.end()
        return match.group()

    def _unexpected(self) -> NoReturn:
        _refuse(f"Invalid filter provided: unexpected input at position {self._at}.")


def _checked(expression: _Expression, allowed: dict[str, Filter], zone: tzinfo | None) -> Condition:
    name, field = expression.operator, expression.field
    if name not in set(Operator):
        _refuse(f"'{name}' is not a filter operator.")
    operator = Operator(name)
    if field not in allowed:
        _refuse(f"'{field}' is not a filterable field.  Filterable fields are {','.join(sorted(allowed))}")
    spec = allowed[field]
    if operator not in spec.operators:
        # The double space is Klaviyo's (recorded for campaigns).
        operators = ",".join(sorted(spec.operators))
        _refuse(f"'{name}' is not an allowed filter operator for {field}.  Allowed operators are {operators}")
    return Condition(operator, field, _values(operator, expression, spec.value, zone))


def _values(operator: Operator, expression: _Expression, kind: Value, zone: tzinfo | None) -> tuple[Literal, ...]:
    written = expression.value
    if operator is Operator.HAS:
        if written is not None:
            _refuse(f"'has' takes no value ({expression.field}).")
        return ()
    if written is None:
        _refuse(f"'{operator}' needs a value ({expression.field}).")
    if operator in _OF_LISTS:
        if not isinstance(written, list) or not 1 <= len(written) <= MOST_VALUES:
            _refuse(f"'{operator}' needs a list of 1 to {MOST_VALUES} values ({expression.field}).")
        return tuple(_literal(each, kind, expression.field, zone) for each in written)
    if isinstance(written, list):
        _refuse(f"'{operator}' takes one value, not a list ({expression.field}).")
    return (_literal(written, kind, expression.field, zone),)


def _literal(written: _Written, kind: Value, field: str, zone: tzinfo | None) -> Literal:
    if isinstance(written, str):
        if kind is Value.STRING:
            return written
    elif kind is Value.BOOLEAN and written.text in {"true", "false"}:
        return written.text == "true"
    elif kind in _NUMBERS and _NUMBERS[kind].fullmatch(written.text):
        with suppress(ValueError):  # Python reads at most 4,300 digits
            return float(written.text) if "." in written.text else int(written.text)
    elif kind is Value.DATETIME and _DATETIME.fullmatch(written.text):
        with suppress(ValueError):
            moment = datetime.fromisoformat(written.text)
            if moment.tzinfo or zone:
                return moment if moment.tzinfo else moment.replace(tzinfo=zone)
    shown = written if isinstance(written, str) else written.text
    _refuse(f"'{shown}' is not a valid {kind} value for {field}.")
