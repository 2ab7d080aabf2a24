"""Which figures of a slot the page shows, and in which order; their sentences are in `sentences`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lift_report import formatting, labels, sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lift_report.chart_geometry import Forest
    from lift_report.results import Experiment, Report, Slot
    from lift_report.tables import Result

_WITH_MACHINES = "_all"
"""How the key of a metric ends that counts machines as well as people; without it is the one of people."""
_DELIVERY = "received"
"""A stage of the funnel that is measured, and no outcome of a content."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure that is told first."""

    label: str
    figure: str
    note: str


def page_title(report: Report) -> str:
    """The verdict, if there is one only."""
    if len(report.slots) == 1:
        experiment, slot = report.slots[0]
        return f"{experiment.key}: {labels.verdict_title(slot)}"
    return "Experiment results"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the index."""

    experiment: Experiment
    slot: Slot
    anchor: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """A part of the index: slots that are equally far.

    Attributes:
        tally: How many they are, in words.
        is_open: Whether it is unfolded from the start.
    """

    key: str
    tone: str
    title: str
    tally: str
    entries: tuple[Entry, ...]
    is_open: bool


def index(report: Report) -> tuple[Shelf, ...]:
    """All slots by how far they are. What needs somebody comes first; long lists of what is over are folded."""
    by_key: dict[str, list[Entry]] = defaultdict(list)
    for number, experiment in enumerate(report.experiments, 1):
        for place, slot in enumerate(experiment.slots, 1):
            by_key[_shelf(slot)].append(Entry(experiment, slot, f"e{number}s{place}"))
    return tuple(
        Shelf(
            key,
            tone,
            title,
            f"{len(by_key[key])} {one if len(by_key[key]) == 1 else many}",
            tuple(by_key[key]),
            is_open=key not in {"decided", "ended"} or len(by_key[key]) <= _SHORT,
        )
        for key, tone, title, one, many in _SHELVES
        if by_key[key]
    )


def folded(shelves: Sequence[Shelf]) -> frozenset[str]:
    """The slots, by their anchors, of which the page shows the verdict and folds the rest."""
    return frozenset(entry.anchor for shelf in shelves if not shelf.is_open for entry in shelf.entries)


_SHORT = 12
_SHELVES = (
    ("look", "bad", "Needs a look", "needs a look", "need a look"),
    ("running", "open", "Running", "running", "running"),
    ("decided", "good", "Decided", "decided", "decided"),
    ("ended", "open", "Ended without a winner", "ended without a winner", "ended without a winner"),
)
"""Key, tone, title, and what is said of one and of several."""


def _shelf(slot: Slot) -> str:
    tone = labels.verdict_tone(slot)
    if tone in {"bad", "good"}:
        return "look" if tone == "bad" else "decided"
    is_over = slot.verdict.ended_at is not None or slot.verdict.verdict in {"equivalent", "inconclusive"}
    return "ended" if is_over else "running"


def gist(slot: Slot, primary: Forest | None) -> str:
    """The figures of a slot in a line of the index; empty where none are to be used or seen yet."""
    verdict, row = slot.verdict, lead(slot, primary)
    if not _is_told(slot) or primary is None or row is None or row.difference is None:
        return ""
    change = primary.measure.change(row.difference) if row.relative_lift is None else _lift(slot, row)[0]
    told = f"{row.arm_key}: {change} in {primary.measure.noun}"
    if verdict.money_metric and verdict.money_effect is not None:
        money = slot.measure(verdict.money_metric)
        told += f", {money.change(verdict.money_effect)} {money.noun} a person"
    return told


def _is_told(slot: Slot) -> bool:
    """Whether the figures of a slot may be used and seen, and there are any."""
    is_valid = not slot.verdict.verdict.startswith("invalid")
    return is_valid and not slot.awaits_its_look and bool(slot.verdict.received)


def _lift(slot: Slot, row: Result) -> tuple[str, str]:
    """The relative lift, of a winner less what is owed to luck, and what stands beside it."""
    lift, note = (
        formatting.relative(row.relative_lift),
        formatting.relative_span(row.relative_low, row.relative_high),
    )
    if slot.verdict.verdict in {"winner", "ahead"} and row.corrected_lift is not None:
        return formatting.relative(row.corrected_lift), f"measured {lift}, {note}"
    return lift, note


def lead(slot: Slot, primary: Forest | None) -> Result | None:
    """The arm that is spoken of: the winner, else the one that is furthest ahead of the control."""
    if primary is None:
        return None
    compared = [mark.result for mark in primary.marks if not mark.result.is_control]
    won = [row for row in compared if row.arm_key == slot.verdict.winning_arm]
    return won[0] if won else (primary.foremost.result if compared and primary.is_compared else None)


def tiles(slot: Slot, primary: Forest | None) -> list[Tile]:
    """The figures that are told first: of the arm that is spoken of, and of what it takes to decide.

    None if the figures are not to be used or not to be seen yet, or nobody has received anything.
    """
    if not _is_told(slot):
        return []
    verdict, row = slot.verdict, lead(slot, primary)
    found = []
    if primary is not None and row is not None and row.difference is not None:
        measure = primary.measure
        before = measure.level(row.control_mean)
        found.append(
            Tile(f"{row.arm_key} against {slot.control or 'the control'}", measure.change(row.difference),
                 f"from {before} to {measure.level(row.mean)}")
        )  # fmt: skip
        if row.relative_lift is not None:
            found.append(Tile("Lift", *_lift(slot, row)))
        if row.chance_to_win is not None:
            at_risk = sentences.risk(measure, row.expected_loss)
            found.append(Tile("Chance to be better", formatting.chance(row.chance_to_win), at_risk))
    if verdict.verdict not in ("winner", "control_wins") and verdict.minimum_detectable_effect is not None:
        effect = formatting.relative(verdict.minimum_detectable_effect).lstrip("+")
        found.append(Tile("Smallest lift we could see", effect, "with as many people as so far"))
    return found


def variance_reduction(slot: Slot) -> str:
    """How much of the noise the adjustment takes away; empty if that is unknown, or next to nothing."""
    most = max((row.variance_reduction or 0 for row in slot.primary), default=0)
    return formatting.share(most) if most >= 0.01 else ""  # noqa: PLR2004  a per cent


def amounts(slot: Slot) -> list[str]:
    """The metrics that are amounts of money per profile: each has a wide picture behind the primary one."""
    if not slot.verdict.received:
        return []
    return [
        metric
        for metric in _measured(slot)
        if metric != slot.verdict.primary_metric and _is_amount_per_profile(slot, metric)
    ]


def beside(slot: Slot) -> list[str]:
    """The metrics of a slot that have a small picture: not the primary one, and none that is shown elsewhere."""
    guarded = {row.metric for row in slot.guardrails}
    return [
        metric
        for metric in _measured(slot)
        if metric not in {slot.verdict.primary_metric, _DELIVERY}
        and metric not in guarded
        and not metric.endswith(_WITH_MACHINES)
        and not _is_amount_per_profile(slot, metric)
    ]


def _measured(slot: Slot) -> list[str]:
    measured = {row.metric for row in slot.results if row.mean is not None}
    return [metric for metric in slot.metrics if metric in measured]


def _is_amount_per_profile(slot: Slot, metric: str) -> bool:
    outcome = slot.catalogue.describe(metric)
    return outcome.unit == "currency" and outcome.kind == "mean"


def every(slot: Slot) -> list[Result]:
    """All results, by metric, the ones that count everybody first."""
    primary = slot.verdict.primary_metric
    return sorted(
        (*slot.results, *slot.others),
        key=lambda row: (
            row.metric != primary,
            *slot.catalogue.order(row.metric),
            row.analysis != "assigned",
            row.analysis,
            row.attribution or "",
        ),
    )
