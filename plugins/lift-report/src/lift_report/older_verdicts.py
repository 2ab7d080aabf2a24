"""Verdicts that an older version of the project wrote: the columns they lack are filled from the other tables.

A verdict outlives its definition and is never computed again, so a row may be older than some of its columns.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lift_report.tables import Balance, Guardrail, Result, Verdict

_STAGES = ("assigned", "written", "received")
"""The stages whose sizes can make a comparison invalid, the first one first."""


def completed(
    verdict: Verdict, results: Sequence[Result], balances: Sequence[Balance], guardrails: Sequence[Guardrail]
) -> Verdict:
    """A verdict with the figures that its sentences take, as far as they are known; a newer one as it is."""
    if verdict.has_several_challengers is not None:
        return verdict
    deciding = [row for row in results if row.metric == verdict.primary_metric and row.analysis == "assigned"]
    controls = sorted({row.arm_key for row in deciding if row.is_control})
    challengers = sorted({row.arm_key for row in deciding if not row.is_control and row.units > 0})
    if verdict.verdict == "winner":
        challenger = verdict.winning_arm
    else:
        challenger = challengers[0] if len(challengers) == 1 else None
    alarms = {row.stage for row in balances if row.is_alarm}
    blocked = sorted(
        (row for row in guardrails if row.state == "blocked" and row.arm_key == challenger),
        key=lambda row: row.metric,
    )
    return replace(
        verdict,
        control_arm=controls[0] if controls else None,
        challenger_arm=challenger,
        effect=_middle(verdict.interval_low, verdict.interval_high),
        srm_stage=next((stage for stage in _STAGES if stage in alarms), None),
        has_several_challengers=len(challengers) > 1,
        blocking_metric=blocked[0].metric if blocked else None,
        blocking_low=blocked[0].interval_low if blocked else None,
        blocking_margin=blocked[0].margin if blocked else None,
    )


def _middle(low: float | None, high: float | None) -> float | None:
    """The estimate, which lies in the middle of its always-valid interval."""
    return None if low is None or high is None else (low + high) / 2
