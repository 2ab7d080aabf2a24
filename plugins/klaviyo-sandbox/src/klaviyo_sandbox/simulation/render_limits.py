"""How much a template may ask of the sandbox: a request is answered soon and within bounds, whatever it holds.

`tap-experiments` bounds what it renders as well. The two share no code: its templates are proven against the
sandbox, so neither may know the other.
"""

from __future__ import annotations

import functools
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.template import Context  # type: ignore[import-untyped]
from django.template.base import Node, NodeList  # type: ignore[import-untyped]
from django.template.defaulttags import ForNode  # type: ignore[import-untyped]

MAX_TAGS = 10_000
"""Tags, variables and comments of a template."""
MAX_CODE = 500_000
"""Characters inside them."""
MAX_SEARCH = 20_000_000
"""Openings that nothing closes times the length of their line: Django looks for the end of each."""
MAX_STEPS = 100_000
"""Tags, texts, filters and rounds of loops of one rendering."""
MAX_RENDERED = 5_000_000
"""Characters of one rendering: no request to Klaviyo may have more."""
MAX_VALUE = 100_000
"""Characters and items that a filter takes or gives."""
MAX_NUMBER = 10_000
"""Of a filter's argument that says how long the result is."""
RENDER_SECONDS = 2.0
"""Processor time of one rendering."""

_SIZING = {"center", "floatformat", "ljust", "rjust", "stringformat"}
_KINDS = (("{%", "%}"), ("{{", "}}"), ("{#", "#}"))
_DIGITS = re.compile(r"\d+")
_TOKEN = re.compile(r"{[{%].*?[}%]}")


class LimitError(ValueError):
    """A template asks for more than is allowed; the message says of what."""


class Budget:
    """What one rendering may still use."""

    def __init__(self) -> None:
        self._steps = MAX_STEPS
        self._characters = MAX_RENDERED
        self._end = time.thread_time() + RENDER_SECONDS

    def spend(self, steps: int, characters: int = 0) -> None:
        """Take from it.

        Raises:
            LimitError: nothing is left.
        """
        self._steps -= steps
        self._characters -= characters
        if self._steps < 0:
            msg = f"The template takes more than {MAX_STEPS:,} steps to render."
            raise LimitError(msg)
        if self._characters < 0:
            msg = f"The template renders to more than {MAX_RENDERED:,} characters."
            raise LimitError(msg)
        if time.thread_time() > self._end:
            msg = f"The template takes more than {RENDER_SECONDS:g} seconds of processor time to render."
            raise LimitError(msg)


_current: ContextVar[Budget] = ContextVar("budget")


@contextmanager
def budget() -> Iterator[None]:
    """What is rendered inside takes from a budget of its own."""
    token = _current.set(Budget())
    try:
        yield
    finally:
        _current.reset(token)


def check_source(source: str) -> None:
    """Refuse a template that could not be read in a moment.

    Raises:
        LimitError: it is one.
    """
    if sum(source.count(start) for start, _ in _KINDS) > MAX_TAGS:
        msg = f"The template has more than {MAX_TAGS:,} tags."
        raise LimitError(msg)
    for line in source.split("\n"):
        unclosed = sum(line.count(start, line.rfind(end) + 1) for start, end in _KINDS)
        if unclosed * len(line) > MAX_SEARCH:
            msg = f"A line of the template has {unclosed:,} openings of tags that nothing closes."
            raise LimitError(msg)
    if sum(len(found.group()) for found in _TOKEN.finditer(source)) > MAX_CODE:
        msg = f"The tags of the template have more than {MAX_CODE:,} characters."
        raise LimitError(msg)


def meter(nodes: NodeList) -> None:
    """Let each node take what it renders from the budget, and a loop each of its rounds."""
    for node in nodes.get_nodes_by_type(Node):
        _meter(node)


def _meter(node: Node) -> None:
    render = node.render_annotated

    def metered(context: Context) -> Any:  # noqa: ANN401 - Django is untyped
        own = _current.get()
        own.spend(1)
        text = render(context)
        own.spend(0, len(text))
        return text

    node.render_annotated = metered
    if isinstance(node, ForNode):
        node.sequence = _Rounds(node.sequence)


class _Rounds:
    """What a loop goes over: each item is a step."""

    def __init__(self, expression: Any) -> None:  # noqa: ANN401 - Django is untyped
        self._expression = expression

    def resolve(self, context: Context, ignore_failures: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002
        items = self._expression.resolve(context, ignore_failures)
        _current.get().spend(len(items) if hasattr(items, "__len__") else 1)
        return items


def bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that takes and gives values of sensible size only; what Django has noted of it stays."""

    @functools.wraps(function)
    def limited(*values: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever a context holds
        _current.get().spend(1)
        sizes = [_size(value) for value in values]
        # Of two values, as by `join`, one may be put between all of the other.
        if max(sizes, default=0) > MAX_VALUE or math.prod(max(size, 1) for size in sizes) > MAX_RENDERED:
            msg = f"The filter '{name}' is given more than {MAX_VALUE:,} characters."
            raise LimitError(msg)
        if name in _SIZING and any(_is_large(value) for value in values[1:]):
            msg = f"The filter '{name}' is given a number above {MAX_NUMBER:,}."
            raise LimitError(msg)
        result = function(*values, **named)
        if _size(result) > MAX_VALUE:
            msg = f"The filter '{name}' gives more than {MAX_VALUE:,} characters."
            raise LimitError(msg)
        return result

    return limited


def _size(value: object) -> int:
    """Characters and items of a value, at every depth, until it is too many; of a whole number its digits."""
    found, left = 0, [value]
    while left and found <= MAX_VALUE:
        each = left.pop()
        if isinstance(each, int) and not isinstance(each, bool):
            found += each.bit_length() // 3
        elif isinstance(each, Mapping):
            found += len(each)
            left += each.keys()
            left += each.values()
        elif isinstance(each, list | tuple):
            found += len(each)
            left += each
        else:
            found += len(each) if isinstance(each, str) else 1
    return found


def _is_large(value: object) -> bool:
    """Whether a width or count, also one inside a format, is larger than any message needs."""
    if isinstance(value, float | int):
        return abs(value) > MAX_NUMBER
    return any(
        len(digits) > len(str(MAX_NUMBER)) or int(digits) > MAX_NUMBER for digits in _DIGITS.findall(str(value))
    )
