"""Sentences about what decides nothing: for whom it worked, and what else may explain a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lift_report import formatting, labels, sentences

if TYPE_CHECKING:
    from lift_report.results import Slot
    from lift_report.tables import Check, Level

_NAMED = 3
"""So many groups are named in a sentence; the others are counted."""


def compared(slot: Slot) -> list[Level]:
    """The levels in which there are enough people to say anything."""
    return [row for row in slot.levels if row.p_value_bh is not None]


def who(slot: Slot) -> str:
    """For whom it worked; empty where the definition names no dimension."""
    if not slot.levels:
        return ""
    rows = compared(slot)
    if not rows:
        return "No group is large enough yet to be compared by itself."
    apart = [row for row in rows if row.is_told_apart]
    looked = f"{formatting.plural(len(rows), 'comparison', 'comparisons')} were" if len(rows) > 1 else "One was"
    if not apart:
        return f"No group can be told apart from its control. {looked} made; small groups show large effects only."
    named = [_standing(slot, row) for row in apart[:_NAMED]]
    if len(apart) > _NAMED:
        named.append(formatting.plural(len(apart) - _NAMED, "more", "more"))
    return f"{'; '.join(named)}. {looked} made, and the p-values allow for that."


def _standing(slot: Slot, row: Level) -> str:
    measure = slot.measure(slot.verdict.primary_metric)
    ahead = "ahead of" if (row.difference or 0) > 0 else "behind"
    group = f"{labels.dimension_name(row.dimension)}, {labels.level_name(row)}"
    return (
        f"{group}: {row.arm_key} is {ahead} {slot.control or 'the control'} by {measure.size(row.difference)}"
        f" (p {formatting.p_value(row.p_value_bh)})"
    )


def of_check(slot: Slot, check: str) -> list[Check]:
    """The rows of a check that have a figure."""
    return [row for row in slot.checks if row.health_check == check and row.value is not None]


def balance(slot: Slot) -> tuple[str, str] | None:
    """Tone and words of what the arms did before; none where nobody did anything that is known."""
    rows = [row for row in of_check(slot, "covariate_balance") if row.p_value is not None]
    if not rows:
        return None
    if uneven := [row for row in rows if row.is_warning]:
        named = ", ".join(f"{row.arm_key} ({_before(slot, row)})" for row in uneven)
        return "note", f"The groups were not alike before: {named}"
    return "good", "The groups were alike before"


def _before(slot: Slot, row: Check) -> str:
    noun = slot.catalogue.describe(row.item).noun
    return f"{formatting.signed(formatting.digits(abs(row.value or 0)), row.value or 0)} SD of {noun}"


def covariate(slot: Slot, row: Check) -> str:
    """A figure of before, with what it is of."""
    return _before(slot, row)


def too_good(slot: Slot) -> str:
    """That a lift is rarely so large; empty where it is not, or nothing may be told yet."""
    if slot.awaits_its_look or not sentences.is_too_good(slot.verdict):
        return ""
    return (
        f"A lift of {formatting.relative(slot.verdict.relative_lift)} is rarely true: look at how it was measured"
    )


def novelty(slot: Slot) -> list[tuple[str, str]]:
    """Tone and words for each arm of whose lift it is known whether it fades."""
    rows = of_check(slot, "novelty")
    found = []
    for arm in dict.fromkeys(row.arm_key for row in rows):
        lifts = {row.item: row for row in rows if row.arm_key == arm}
        if "first_days" not in lifts or "later_days" not in lifts:
            continue
        first, later = lifts["first_days"], lifts["later_days"]
        days = formatting.plural(first.threshold or 0, "day", "days")
        told = (
            f"{arm}: {formatting.relative(first.value)} in the first {days},"
            f" {formatting.relative(later.value)} in the later ones"
        )
        if first.is_warning:
            found.append(("note", f"{told}. That is no chance: expect the later figure to last"))
        else:
            found.append(("good", f"{told}. No sign that they differ"))
    return found


def health(slot: Slot) -> list[str]:
    """Everything that is to be looked at, in a sentence each."""
    found = [words for part in (balance(slot),) if part for tone, words in (part,) if tone == "note"]
    found += [words for words in (too_good(slot),) if words]
    found += [words for tone, words in novelty(slot) if tone == "note"]
    return [f"{words}." for words in found]


def hours(value: float | None) -> str:
    """A time after the receipt."""
    if value is None:
        return formatting.NONE
    return f"{value:,.0f} h" if value >= 10 else f"{value:.1f} h"  # noqa: PLR2004
