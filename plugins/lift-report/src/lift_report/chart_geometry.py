"""Where intervals, bars, curves and ticks stand in their drawings, in per cent of the width and height."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from lift_report import formatting, labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lift_report.outcome_metrics import Measure
    from lift_report.results import Experiment, Report, Slot
    from lift_report.tables import (
        Day,
        Guardrail,
        Holdout,
        Interaction,
        Level,
        NextWeight,
        Play,
        Result,
        SinceReceipt,
        Stage,
        Weight,
    )

_MARGIN = 0.06
_FEW, _MANY = 3, 5
_DAY_TICKS = 6
_COLOURS = 6


_LEAST, _NOTHING = 1e-12, 0.01
"""Differences below the first are none; the second is the scale of nothing at all."""
_Interval = tuple[float | None, float | None, float | None]


@dataclass(frozen=True, slots=True)
class Scale:
    """A stretch of figures on an axis of 100 per cent."""

    low: float
    high: float
    count: int = _MANY
    """At most so many steps between ticks."""

    @classmethod
    def around(cls, values: Iterable[float | None], margin: float = _MARGIN, count: int = _MANY) -> Scale:
        """A scale that holds zero and all values, with a margin."""
        known = [0.0, *(value for value in values if value is not None)]
        low, high = min(known), max(known)
        if high - low < _LEAST:
            low, high = -_NOTHING, _NOTHING
        room = (high - low) * margin
        return cls(low - room, high + room, count)

    def place(self, value: float) -> float:
        """Where a figure stands; one beyond the scale, at its end."""
        part = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(part, 0.0), 1.0), 3)

    @property
    def step(self) -> float:
        """Between two ticks: 1, 2 or 5 times a power of ten."""
        rough = (self.high - self.low) / self.count
        power = 10.0 ** math.floor(math.log10(rough))
        steps = [factor * power for factor in (0.5, 1, 2, 5, 10)]
        index = next((index for index, step in enumerate(steps) if step >= rough), len(steps) - 1)
        # One less, if zero would be the only tick.
        return steps[index] if steps[index] <= max(self.high, -self.low) else steps[max(index - 1, 0)]

    @property
    def ticks(self) -> tuple[float, ...]:
        """Round figures from end to end, zero among them."""
        step = self.step
        return tuple(i * step for i in range(math.ceil(self.low / step), math.floor(self.high / step) + 1))


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale as it is drawn: the place of zero, and ticks with what is written at them."""

    scale: Scale
    zero: float
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Span:
    """An interval as it is drawn; an end that is unknown is none.

    Attributes:
        tone: `good` or `bad` if it clears zero, else `open`.
        said: What it shows, in words.
    """

    low: float | None
    point: float | None
    high: float | None
    tone: str
    said: str


@dataclass(frozen=True, slots=True)
class Mark:
    """An arm in the picture of a metric.

    Attributes:
        bar: Length of the bar that shows its mean.
        adjusted: The interval after adjustment for what was known before; none without one.
    """

    result: Result
    bar: float
    span: Span
    adjusted: Span | None


@dataclass(frozen=True, slots=True)
class Forest:
    """The picture of a metric: a mark for each arm on a common axis."""

    measure: Measure
    axis: Axis
    marks: tuple[Mark, ...]

    @property
    def is_compared(self) -> bool:
        """Whether anything is drawn on the axis."""
        return any(mark.span.point is not None for mark in self.marks)

    @property
    def is_measured(self) -> bool:
        """Whether any arm has a rate."""
        return any(mark.result.mean is not None for mark in self.marks)

    @property
    def is_adjusted(self) -> bool:
        """Whether any arm has an adjusted interval."""
        return any(mark.adjusted for mark in self.marks)

    @property
    def foremost(self) -> Mark:
        """The arm that is furthest ahead of the control; the control if nothing is compared."""
        sign = -1 if self.measure.fewer_is_better else 1
        return max(
            self.marks,
            key=lambda mark: -math.inf if mark.result.difference is None else sign * mark.result.difference,
        )


def forest(slot: Slot, metric: str, *, is_small: bool = False) -> Forest | None:
    """The picture of a metric of a slot; none if it was not measured. A small one has fewer ticks."""
    results = slot.of(metric)
    if not results:
        return None
    measure = slot.measure(metric)
    ends = (
        *map(_ends, results),
        *((row.cuped_low, row.cuped_difference, row.cuped_high) for row in results),
    )
    scale = Scale.around((end for three in ends for end in three), count=_FEW if is_small else _MANY)
    largest = max((row.mean or 0 for row in results), default=0) or 1

    def mark(row: Result) -> Mark:
        adjusted = (row.cuped_low, row.cuped_difference, row.cuped_high)
        return Mark(
            row,
            bar=_length(row.mean, largest),
            span=_span(scale, measure, row.arm_key, _ends(row)),
            adjusted=None if None in adjusted else _span(scale, measure, f"{row.arm_key}, adjusted", adjusted),
        )

    return Forest(measure, _axis(scale, measure.tick), tuple(map(mark, results)))


@dataclass(frozen=True, slots=True)
class Curve:
    """How the difference of an arm came about, day by day, of the calendar or since the receipt.

    Attributes:
        line: Path of the differences, in a box of 100 by 100.
        band: Path around the intervals.
        last: Where the last day stands: from the left, and from the top the interval's upper end, the difference
            and the lower end.
    """

    arm: str
    days: tuple[Day | SinceReceipt, ...]
    line: str
    band: str
    last: tuple[float, float | None, float, float | None]
    tone: str
    said: str


@dataclass(frozen=True, slots=True)
class Curves:
    """The curves of all arms, on common axes."""

    measure: Measure
    zero: float
    ticks: tuple[tuple[float, str], ...]
    days: tuple[tuple[float, str], ...]
    curves: tuple[Curve, ...]


def curves(slot: Slot) -> Curves | None:
    """The pictures of the days of a slot; none of a single day, which is no curve."""
    by_arm = {arm: rows for arm, rows in _days(slot).items() if len(rows) > 1}
    if not by_arm:
        return None
    first = min(rows[0].day for rows in by_arm.values())
    return _curves(
        slot,
        by_arm,
        lambda row: (row.day - first).days,
        lambda offset: formatting.day(first + timedelta(offset)),
        lambda offset: formatting.day(first + timedelta(offset)).rsplit(" ", 1)[0],
    )


def first_days(slot: Slot) -> tuple[Day, ...]:
    """The one day of each arm that has no more than that."""
    return tuple(rows[0] for rows in _days(slot).values() if len(rows) == 1)


def _days(slot: Slot) -> dict[str, list[Day]]:
    by_arm: dict[str, list[Day]] = defaultdict(list)
    for row in slot.days:
        if _is_drawn(slot, row):
            by_arm[row.arm_key].append(row)
    return by_arm


def since_receipt(slot: Slot) -> Curves | None:
    """The pictures of the days since the receipt; none of a single day, which is no curve."""
    by_arm: dict[str, list[SinceReceipt]] = defaultdict(list)
    for row in slot.since:
        if _is_drawn(slot, row):
            by_arm[row.arm_key].append(row)
    several = {arm: rows for arm, rows in by_arm.items() if len(rows) > 1}
    if not several:
        return None
    return _curves(slot, several, lambda row: row.day, lambda offset: f"day {offset} since the receipt", str)


_Dated = TypeVar("_Dated", bound="Day | SinceReceipt")


def _is_drawn(slot: Slot, row: Day | SinceReceipt) -> bool:
    return row.difference is not None and row.arm_key != slot.control and row.metric == slot.verdict.primary_metric


def _curves(
    slot: Slot,
    by_arm: Mapping[str, list[_Dated]],
    offset: Callable[[_Dated], int],
    name: Callable[[int], str],
    tick: Callable[[int], str],
) -> Curves:
    """Curves over days that are counted from the first one: how many after it, and what one is called."""
    measure = slot.measure(slot.verdict.primary_metric)
    length = max(offset(rows[-1]) for rows in by_arm.values())
    scale = _of_days(by_arm.values())

    def across(days: int) -> float:
        return round(100 * days / length, 3) if length else 50.0

    def down(value: float) -> float:
        return round(100 - scale.place(value), 3)

    def curve(arm: str, rows: list[_Dated]) -> Curve:
        points = [(across(offset(row)), down(row.difference or 0)) for row in rows]
        banded = [row for row in rows if row.interval_low is not None and row.interval_high is not None]
        upper = [(across(offset(row)), down(row.interval_high or 0)) for row in banded]
        lower = [(across(offset(row)), down(row.interval_low or 0)) for row in banded]
        end = rows[-1]
        return Curve(
            arm,
            tuple(rows),
            line=_path(points),
            band=f"{_path([*upper, *reversed(lower)])}Z" if len(banded) > 1 else "",
            last=(
                points[-1][0],
                None if end.interval_high is None else down(end.interval_high),
                points[-1][1],
                None if end.interval_low is None else down(end.interval_low),
            ),
            tone=measure.tone(end.interval_low, end.interval_high),
            said=f"{arm} on {name(offset(end))}: {measure.change(end.difference)}, "
            f"interval {measure.span(end.interval_low, end.interval_high)}",
        )

    every = max(1, math.ceil((length + 1) / _DAY_TICKS))
    return Curves(
        measure,
        zero=down(0),
        ticks=tuple((down(value), measure.tick(value, scale.step)) for value in scale.ticks),
        days=tuple((across(days), tick(days)) for days in range(0, length + 1, every)),
        curves=tuple(curve(arm, by_arm[arm]) for arm in by_arm),
    )


def _of_days(arms: Iterable[Sequence[Day | SinceReceipt]]) -> Scale:
    """A scale on which the end can be read: the first days' intervals, which are huge, are cut by its ends."""
    arms = list(arms)
    ends = Scale.around((v for rows in arms for v in _ends(rows[-1])), margin=0)
    room = (ends.high - ends.low) / 2
    everything = Scale.around((v for rows in arms for row in rows for v in _ends(row)), margin=0)
    return Scale.around([max(everything.low, ends.low - room), min(everything.high, ends.high + room)])


def _ends(row: Day | SinceReceipt | Result | Guardrail | Interaction | Holdout | Level) -> _Interval:
    return row.interval_low, row.difference, row.interval_high


@dataclass(frozen=True, slots=True)
class Step:
    """A stage of the funnel: for each arm its row and the length of its bar."""

    stage: str
    bars: tuple[tuple[Stage, float], ...]


def funnel(slot: Slot) -> tuple[Step, ...]:
    """The stages from assigned to ordered; bars in per cent of each arm's assigned profiles."""
    by_stage: dict[str, list[Stage]] = defaultdict(list)
    for row in slot.stages:
        by_stage[row.stage].append(row)
    return tuple(
        Step(stage, tuple((row, _length(row.share, 1)) for row in rows)) for stage, rows in by_stage.items()
    )


@dataclass(frozen=True, slots=True)
class Limit:
    """A guardrail: the interval of a difference against zero and a margin."""

    guardrail: Guardrail
    span: Span
    margin: float | None


@dataclass(frozen=True, slots=True)
class Limits:
    """The guardrails of a metric on a common axis."""

    measure: Measure
    axis: Axis
    limits: tuple[Limit, ...]

    @property
    def is_measured(self) -> bool:
        """Whether any arm is compared with the limit."""
        return any(limit.span.point is not None for limit in self.limits)


def limits(slot: Slot) -> tuple[Limits, ...]:
    """The guardrails of a slot, by metric."""
    by_metric: dict[str, list[Guardrail]] = defaultdict(list)
    for row in slot.guardrails:
        by_metric[row.metric].append(row)

    def picture(metric: str, rows: list[Guardrail]) -> Limits:
        measure = slot.measure(metric)
        scale = Scale.around(
            (v for row in rows for v in (*_ends(row), row.margin)),
            count=_FEW,
        )

        def limit(row: Guardrail) -> Limit:
            span = _span(scale, measure, row.arm_key, _ends(row))
            coloured = Span(span.low, span.point, span.high, labels.guardrail_tone(row.state), span.said)
            return Limit(row, coloured, None if row.margin is None else scale.place(row.margin))

        return Limits(measure, _axis(scale, measure.tick), tuple(map(limit, rows)))

    return tuple(picture(metric, rows) for metric, rows in by_metric.items())


@dataclass(frozen=True, slots=True)
class Bar:
    """A split: for each arm its row, where its part begins, how long it is, and its colour."""

    weights: tuple[tuple[Weight | NextWeight, float, float, int], ...]


def bar(slot: Slot, weights: Sequence[Weight | NextWeight]) -> Bar:
    """A split as a bar of parts."""
    whole = sum(max(row.weight_bp, 0) for row in weights) or 1
    parts, begin = [], 0
    for row in weights:
        size = max(row.weight_bp, 0)
        parts.append((row, round(100 * begin / whole, 3), round(100 * size / whole, 3), colour(slot, row.arm_key)))
        begin += size
    return Bar(tuple(parts))


def colour(slot: Slot, arm: str) -> int:
    """Which colour an arm has: 0 is the control's; more arms than colours share them."""
    challengers = [other for other in slot.arms if other != slot.control]
    return 0 if arm == slot.control or arm not in challengers else 1 + challengers.index(arm) % _COLOURS


@dataclass(frozen=True, slots=True)
class Pairs:
    """The interactions of an experiment by a metric, on a common axis."""

    measure: Measure
    axis: Axis
    pairs: tuple[tuple[Interaction, Span], ...]


def pairs(experiment: Experiment) -> tuple[Pairs, ...]:
    """The interactions of an experiment, by metric."""
    by_metric: dict[str, list[Interaction]] = defaultdict(list)
    for row in experiment.interactions:
        by_metric[row.metric].append(row)
    found = []
    for metric, group in by_metric.items():
        measure = experiment.catalogue.measure(metric, currency=experiment.currency)
        scale = Scale.around(v for row in group for v in _ends(row))
        spans = (
            _span(
                scale,
                measure,
                f"{row.arm_key} with {row.other_arm_key}",
                _ends(row),
            )
            for row in group
        )
        marked = tuple(
            (row, span if row.is_flagged else Span(span.low, span.point, span.high, "open", span.said))
            for row, span in zip(group, spans, strict=True)
        )
        found.append(Pairs(measure, _axis(scale, measure.tick), marked))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Holdouts:
    """What the messages earned at all by a metric, on a common axis."""

    measure: Measure
    axis: Axis
    holdouts: tuple[tuple[Holdout, Span], ...]


def holdouts(report: Report) -> tuple[Holdouts, ...]:
    """The comparisons with who is held out, by metric and currency."""
    groups: dict[tuple[str, str | None], list[Holdout]] = defaultdict(list)
    for row in report.holdouts:
        if row.difference is not None:
            groups[row.metric, row.currency].append(row)
    found = []
    for (metric, currency), group in groups.items():
        measure = report.catalogue.measure(metric, currency=currency)
        scale = Scale.around(v for row in group for v in _ends(row))
        spans = (_span(scale, measure, labels.holdout_name(row), _ends(row)) for row in group)
        found.append(Holdouts(measure, _axis(scale, measure.tick), tuple(zip(group, spans, strict=True))))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Group:
    """Those of one level: who they are, and how a challenger does among them.

    Attributes:
        control: The control among them; none where it has nobody.
        span: Coloured where it is told apart after the adjustment, and nowhere else.
    """

    level: Level
    control: Level | None
    span: Span


@dataclass(frozen=True, slots=True)
class Groups:
    """For whom a slot worked, by dimension, on one axis with the results of everybody."""

    measure: Measure
    axis: Axis
    everybody: tuple[tuple[Result, Span], ...]
    dimensions: tuple[tuple[str, tuple[Group, ...]], ...]


def groups(slot: Slot) -> Groups | None:
    """The levels of a slot; none where the definition names no dimension, or nothing is compared yet."""
    challengers = [row for row in slot.levels if not row.is_control and row.units]
    if not any(row.difference is not None for row in challengers):
        return None
    measure = slot.measure(slot.verdict.primary_metric)
    everybody = [row for row in slot.primary if row.difference is not None]
    scale = Scale.around(v for ends in (*map(_ends, challengers), *map(_ends, everybody)) for v in ends)
    controls = {(row.dimension, row.level_kind, row.level): row for row in slot.levels if row.is_control}
    by_dimension: dict[str, list[Group]] = defaultdict(list)
    for row in challengers:
        key = (row.dimension, row.level_kind, row.level)
        title = f"{row.arm_key}, {labels.level_name(row)}"
        span = _span(scale, measure, title, _ends(row))
        tone = ("bad" if (row.difference or 0) < 0 else "good") if row.is_told_apart else "open"
        control = controls.get(key)
        coloured = Span(span.low, span.point, span.high, tone, span.said)
        by_dimension[row.dimension].append(Group(row, control if control and control.units else None, coloured))
    return Groups(
        measure,
        _axis(scale, measure.tick),
        tuple((row, _span(scale, measure, f"{row.arm_key}, everybody", _ends(row))) for row in everybody),
        tuple((dimension, tuple(rows)) for dimension, rows in by_dimension.items()),
    )


@dataclass(frozen=True, slots=True)
class Plays:
    """The playbook on a common axis of relative changes."""

    axis: Axis
    plays: tuple[tuple[Play, Span], ...]


def plays(report: Report) -> Plays | None:
    """What the playbook knows; none before anything was compared."""
    known = [row for row in report.plays if row.pooled_lift is not None]
    if not known:
        return None
    scale = Scale.around(v for row in known for v in (row.pooled_low, row.pooled_lift, row.pooled_high))

    def span(row: Play) -> Span:
        low, point, high = row.pooled_low, row.pooled_lift, row.pooled_high
        said = f"{row.attribute} {row.value}: {formatting.relative(point)}, {formatting.relative_span(low, high)}"
        return Span(*_places(scale, (low, point, high)), labels.play_tone(row), said)

    return Plays(_axis(scale, formatting.relative_tick), tuple((row, span(row)) for row in known))


def _axis(scale: Scale, write: Callable[[float, float], str]) -> Axis:
    step = scale.step
    return Axis(scale, scale.place(0), tuple((scale.place(value), write(value, step)) for value in scale.ticks))


def _span(scale: Scale, measure: Measure, name: str, interval: _Interval) -> Span:
    low, point, high = interval
    said = f"{name}: {measure.change(point)}, interval {measure.span(low, high)}"
    return Span(*_places(scale, interval), measure.tone(low, high), said)


def _places(scale: Scale, interval: _Interval) -> _Interval:
    at_low, at_point, at_high = (None if value is None else scale.place(value) for value in interval)
    return (at_low, at_point, at_high) if None not in (at_low, at_high) else (None, at_point, None)


def _length(value: float | None, whole: float) -> float:
    return round(100 * min(max((value or 0) / whole, 0.0), 1.0), 3)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in points)
