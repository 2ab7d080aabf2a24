"""Which facts of a slot the page shows, and in which order; their sentences are in `sentences`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lift_report import formatting, labels

if TYPE_CHECKING:
    from lift_report.chart_geometry import Forest
    from lift_report.results import Report, Slot
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


def tally(report: Report) -> list[tuple[str, str]]:
    """How many slots are how far: tone and words. What needs somebody comes first."""
    counted = Counter(_group(slot) for _, slot in report.slots)
    groups = (
        ("bad", "need a look", "needs a look"),
        ("good", "decided", "decided"),
        ("open", "not decided yet", "not decided yet"),
        ("open", "ended without a winner", "ended without a winner"),
    )
    return [
        (tone, f"{counted[many]} {one if counted[many] == 1 else many}")
        for tone, many, one in groups
        if counted[many]
    ]


def _group(slot: Slot) -> str:
    tone = labels.verdict_tone(slot)
    if tone == "bad":
        return "need a look"
    if tone == "good":
        return "decided"
    ended = slot.verdict.ended_at is not None or slot.verdict.verdict in ("equivalent", "inconclusive")
    return "ended without a winner" if ended else "not decided yet"


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
    if slot.awaits_its_look or slot.verdict.verdict.startswith("invalid") or not slot.verdict.received:
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
            lift, note = row.relative_lift, formatting.relative_span(row.relative_low, row.relative_high)
            if verdict.verdict in ("winner", "ahead") and row.corrected_lift is not None:
                lift, note = row.corrected_lift, f"measured {formatting.relative(lift)}, {note}"
            found.append(Tile("Lift", formatting.relative(lift), note))
        if row.chance_to_win is not None:
            risk = f"risk if chosen: {measure.size(row.expected_loss)}"
            found.append(Tile("Chance to be better", formatting.chance(row.chance_to_win), risk))
    if verdict.verdict not in ("winner", "control_wins") and verdict.minimum_detectable_effect is not None:
        effect = formatting.relative(verdict.minimum_detectable_effect).lstrip("+")
        found.append(Tile("Smallest lift we could see", effect, "with the people of now"))
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
