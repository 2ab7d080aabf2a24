"""What is said of a slot, on the page and in the terminal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lift_report import words
from lift_report.results import METRICS

if TYPE_CHECKING:
    from lift_report.pictures import Forest
    from lift_report.results import Report, Result, Slot
    from lift_report.words import Measure

_ELSEWHERE = frozenset({"received", "opened_all", "clicked_all", "revenue"})
"""Metrics that stand in the funnel, in the table of all figures, or by themselves."""


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
        return f"{experiment.key}: {words.verdict_title(slot)}"
    return "Experiment results"


def tally(report: Report) -> list[tuple[str, str]]:
    """How many slots are how far: tone and words, what needs somebody first."""
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
    tone = words.verdict_tone(slot)
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

    None if the figures are not to be used, or nobody has received anything.
    """
    if slot.verdict.verdict.startswith("invalid") or not slot.verdict.received:
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
            note = words.relative_span(row.relative_low, row.relative_high)
            found.append(Tile("Lift", words.relative(row.relative_lift), note))
        if row.chance_to_win is not None:
            risk = f"risk if chosen: {measure.size(row.expected_loss)}"
            found.append(Tile("Chance to be better", words.chance(row.chance_to_win), risk))
    if verdict.verdict not in ("winner", "control_wins") and verdict.minimum_detectable_effect is not None:
        effect = words.relative(verdict.minimum_detectable_effect).lstrip("+")
        found.append(Tile("Smallest lift we could see", effect, "with the people of now"))
    return found


def variance_reduction(slot: Slot) -> str:
    """How much of the noise the adjustment takes away; empty if that is unknown, or next to nothing."""
    most = max((row.variance_reduction or 0 for row in slot.primary), default=0)
    return words.share(most) if most >= 0.01 else ""  # noqa: PLR2004  a per cent


def gaps(report: Report) -> str:
    """What no experiment has compared yet, by attribute; its values are those that some content has."""
    channels = {play.channel for play in report.plays}
    found: dict[str, dict[str, None]] = {}
    for play in report.plays:
        if play.pooled_lift is None:
            channel = f"{words.channel_name(play.channel)}: " if play.channel and len(channels) > 1 else ""
            found.setdefault(f"{channel}{words.readable(play.attribute).lower()}", {})[play.value] = None
    return "; ".join(f"{attribute} ({', '.join(values)})" for attribute, values in found.items())


def beside(slot: Slot) -> list[str]:
    """The metrics of a slot that have a small picture: not the primary one, and none that is shown elsewhere."""
    shown = _ELSEWHERE | {slot.verdict.primary_metric, *(row.metric for row in slot.guardrails)}
    measured = {row.metric for row in slot.results if row.mean is not None}
    return [metric for metric in slot.metrics if metric in measured - shown]


def every(slot: Slot) -> list[Result]:
    """All results, by metric, the ones that count everybody first."""
    order = {metric: index for index, metric in enumerate((slot.verdict.primary_metric, *METRICS))}
    return sorted(
        (*slot.results, *slot.others),
        key=lambda row: (
            order.get(row.metric, len(order)),
            row.metric,
            row.analysis != "assigned",
            row.analysis,
            row.attribution or "",
        ),
    )


def uplift(slot: Slot, measure: Measure) -> str:
    """What unequal shares brought against equal ones; empty where they are equal, or it is nothing."""
    value, error = slot.verdict.smart_allocation_uplift, slot.verdict.smart_allocation_uplift_error
    shares = [row.weight_bp for row in slot.splits[-1]] if slot.splits else [0]
    is_money = measure.kind == "money"
    if value is None or max(shares) - min(shares) <= 1 or not round(value, 2 if is_money else 0):
        return ""
    more = "more" if value > 0 else "less" if is_money else "fewer"
    give = f", give or take {words.total(error, measure)}" if error is not None else ""
    return f"{words.total(abs(value), measure)} {more} {measure.noun}{give}"
