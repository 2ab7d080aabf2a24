"""How much a template may ask for, so that no definition keeps a run from ending or fills its memory.

What can be counted is counted, so that a text is judged alike everywhere: tags, nesting, steps, characters.
Processor time is limited beside that, far above what any message needs, for what nobody has thought of.
"""

from __future__ import annotations

import math
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

MAX_TAGS = 5_000
"""Of Klaviyo's language, in a file."""
MAX_SEARCH = 20_000_000
"""Openings that nothing closes times the longest line: Django looks for the end of each."""
MAX_NESTING = 50
"""Blocks inside one another."""
MAX_MARKUPS = 20_000
"""HTML tags and comments in a file."""
MAX_DEPTH = 200
"""HTML elements inside one another."""
MAX_STEPS = 100_000
"""Tags, texts and rounds of loops that one rendering takes."""
MAX_RENDERED = 5_000_000
"""Characters of one rendering, above what Klaviyo takes in a request."""
MAX_VALUE = 100_000
"""Characters or items that a filter or function takes or gives."""
MAX_NUMBER = 10_000
"""A filter's or function's width, count or digits."""
RENDER_SECONDS = 5.0
EXPERIMENT_SECONDS = 30.0

SIZING = {
    **dict.fromkeys(("%", "**", "format", "range"), 0),
    **dict.fromkeys(
        ("center", "expandtabs", "floatformat", "indent", "ljust", "rjust", "stringformat", "zfill"), 1
    ),
}
"""What makes as much as a number in its values says, and from which of them on."""

REMEDY = "simplify it: no message needs that much"
TOO_SLOW = f"takes more than {EXPERIMENT_SECONDS:g} seconds of processor time to check"
TOO_SLOW_TO_RENDER = f"takes more than {RENDER_SECONDS:g} seconds of processor time to render"
_NUMBER = re.compile(r"\d+")
_TICK = 0.1


class LimitError(ValueError):
    """A template asks for more than is allowed; the message says of what.

    Attributes:
        line: Of the template, from 1; 0 if it is not known.
    """

    def __init__(self, problem: str, line: int = 0) -> None:
        super().__init__(problem)
        self.line = line


class TooSlowError(BaseException):
    """Something took too much processor time. No `Exception`: what renders a template catches those."""


def is_limit(error: Exception) -> bool:
    """Whether something was too much, rather than wrong."""
    return isinstance(error, LimitError | MemoryError | RecursionError)


def reason(error: Exception) -> str:
    """What is told of an error."""
    kinds = {RecursionError: "it is nested too deeply", MemoryError: "it needs too much memory"}
    return kinds.get(type(error), str(error))


class Budget:
    """What one rendering may still use."""

    def __init__(self) -> None:
        self._steps = MAX_STEPS
        self._characters = MAX_RENDERED
        self._end = time.process_time() + RENDER_SECONDS
        self.line = 0
        """Where the rendering is."""

    def spend(self, steps: int, characters: int = 0) -> None:
        """Take from it.

        Raises:
            LimitError: nothing is left.
        """
        self._steps -= steps
        self._characters -= characters
        if self._steps < 0:
            problem = f"takes more than {MAX_STEPS:,} steps to render"
        elif self._characters < 0:
            problem = f"renders to more than {MAX_RENDERED:,} characters"
        elif time.process_time() > self._end:
            problem = TOO_SLOW_TO_RENDER
        else:
            return
        raise LimitError(problem, self.line)


_current: ContextVar[Budget | None] = ContextVar("budget", default=None)


@contextmanager
def budget() -> Iterator[Budget]:
    """What the rendering inside may use; `bounded` functions take from it."""
    own = Budget()
    token = _current.set(own)
    try:
        yield own
    finally:
        _current.reset(token)


def bounded(name: str, function: Callable[..., Any], *values: Any, **named: Any) -> Any:  # noqa: ANN401
    """Call a filter or function of a template with values of sensible size only.

    Raises:
        LimitError: a number, a value or the result is too large.
    """
    own = _current.get()
    if own:
        own.spend(1)
    line = own.line if own else 0
    given = [*values, *named.values()]
    sizes = [size(value) for value in given]
    # Of two values, as by `join`, one may be put between all of the other.
    if max(sizes, default=0) > MAX_VALUE or math.prod(max(each, 1) for each in sizes) > MAX_RENDERED:
        problem = f"`{name}` is given more than {MAX_VALUE:,} characters"
        raise LimitError(problem, line)
    if name in SIZING and any(_is_large(value) for value in given[SIZING[name] :]):
        problem = f"`{name}` is given a number above {MAX_NUMBER:,}"
        raise LimitError(problem, line)
    result = function(*values, **named)
    if size(result) > MAX_VALUE:
        problem = f"`{name}` gives more than {MAX_VALUE:,} characters"
        raise LimitError(problem, line)
    return result


def size(value: object) -> int:
    """Characters or items, or the digits of a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value.bit_length() // 3
    try:
        return len(value)  # type: ignore[arg-type]
    except TypeError:
        return 1


def _is_large(value: object) -> bool:
    """Whether a width or count, also one inside a format, is larger than any message needs."""
    if isinstance(value, float | int):
        return abs(value) > MAX_NUMBER
    return isinstance(value, str) and any(
        len(digits) > len(str(MAX_NUMBER)) or int(digits) > MAX_NUMBER for digits in _NUMBER.findall(value)
    )


@contextmanager
def processor_time(seconds: float = EXPERIMENT_SECONDS) -> Iterator[None]:
    """End what is done inside when it has used this much; where there are no signals, as in a thread, do not.

    Raises:
        TooSlowError: it has.
    """
    if threading.current_thread() is not threading.main_thread():  # Python handles signals nowhere else
        yield
        return

    def stop(*_: object) -> None:
        raise TooSlowError

    before = signal.signal(signal.SIGVTALRM, stop)
    # Again and again: the first may fall where it is swallowed.
    outer, interval = signal.setitimer(signal.ITIMER_VIRTUAL, seconds, _TICK)
    try:
        yield
    finally:
        left, _ = signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        if outer:
            signal.setitimer(signal.ITIMER_VIRTUAL, max(outer - seconds + left, _TICK), interval)
