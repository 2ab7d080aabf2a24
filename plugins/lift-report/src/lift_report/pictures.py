"""Where things stand in the pictures, in per cent of their width."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lift_report.words import FEWER_IS_BETTER, MONEY

if TYPE_CHECKING:
    from lift_report.results import Result, Slot

_MARGIN = 0.06
_TICKS = 6


@dataclass(frozen=True, slots=True)
class Mark:
    """An arm in the picture of a metric.

    Attributes:
        bar: Length of the bar that shows its mean.
        low: Left end of the interval of its difference, as `point` and `high`; none if there is none.
        tone: `good` or `bad` if the interval clears zero, else `open`.
    """

    result: Result
    bar: float
    low: float | None
    point: float | None
    high: float | None
    tone: str


@dataclass(frozen=True, slots=True)
class Plot:
    """The picture of a metric: a mark for each arm on a common axis.

    Attributes:
        zero: Where no difference stands.
        ticks: Places of the axis with their values.
    """

    metric: str
    is_primary: bool
    marks: tuple[Mark, ...]
    zero: float
    ticks: tuple[tuple[float, float], ...]

    @property
    def foremost(self) -> Mark:
        """The arm that is furthest ahead of the control; the control if nothing is compared."""
        return max(self.marks, key=lambda mark: -math.inf if mark.point is None else mark.point)


@dataclass(frozen=True, slots=True)
class Size:
    """How many profiles an arm got, and how many of them received a message; bars on the scale of the largest."""

    arm: str
    assigned: int
    received: int
    assigned_bar: float
    received_bar: float


def plots(slot: Slot) -> list[Plot]:
    """The pictures of a slot, the primary metric's first."""
    return [
        _plot(metric, results, is_primary=metric == slot.primary_metric) for metric, results in slot.by_metric()
    ]


def sizes(slot: Slot) -> list[Size]:
    """The arms' sizes, the control first."""
    received = {result.arm: result.received for result in slot.results}
    arms = list(dict.fromkeys([*received, *sorted(slot.assigned)]))
    largest = max([1, *slot.assigned.values(), *received.values()])
    return [
        Size(
            arm,
            slot.assigned.get(arm, 0),
            received.get(arm, 0),
            100 * slot.assigned.get(arm, 0) / largest,
            100 * received.get(arm, 0) / largest,
        )
        for arm in arms
    ]


def _plot(metric: str, results: list[Result], *, is_primary: bool) -> Plot:
    ends = [
        0.0,
        *(end for result in results for end in (result.low, result.difference, result.high) if end is not None),
    ]
    low, high = min(ends), max(ends)
    width = high - low or 1.0
    low, width = low - _MARGIN * width, width * (1 + 2 * _MARGIN)
    largest = max((result.mean or 0 for result in results), default=0) or 1

    def place(value: float) -> float:
        return round(100 * (value - low) / width, 3)

    def mark(result: Result) -> Mark:
        return Mark(
            result,
            bar=round(100 * max(result.mean or 0, 0) / largest, 3),
            low=None if result.low is None else place(result.low),
            point=None if result.difference is None else place(result.difference),
            high=None if result.high is None else place(result.high),
            tone=_tone(result, metric),
        )

    has_axis = len(ends) > 1
    return Plot(
        metric,
        is_primary,
        tuple(mark(result) for result in results),
        place(0),
        tuple((place(value), value) for value in _ticks(low, low + width)) if has_axis else (),
    )


def _tone(result: Result, metric: str) -> str:
    if result.low is None or result.high is None or result.low <= 0 <= result.high:
        return "open"
    return "good" if (result.low > 0) != (metric in FEWER_IS_BETTER) else "bad"


def _ticks(low: float, high: float) -> list[float]:
    """Round values between two ends, zero among them."""
    rough = (high - low) / _TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [index * step for index in range(math.ceil(low / step), math.floor(high / step) + 1)]


def tick_label(value: float, metric: str) -> str:
    """The value of a tick: percentage points, or an amount."""
    number = value if metric in MONEY else 100 * value
    text = f"{number:.6g}"
    return f"+{text}" if number > 0 else text.replace("-", "\N{MINUS SIGN}")
