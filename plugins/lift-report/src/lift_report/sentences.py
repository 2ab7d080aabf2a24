"""The sentences that verdicts and splits are told in; those about what decides nothing are in `exploratory`.

The warehouse holds rules and figures, no prose. `why` is for whoever sends the message and uses no term of
statistics; `for_the_record` is for whoever checks it. What a row of an older warehouse lacks is left out.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from lift_report import formatting, labels
from lift_report.labels import channel_name, is_safety_open, stage_name
from lift_report.outcome_metrics import SEVERAL
from lift_report.tables import NextWeight

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lift_report.outcome_metrics import Measure
    from lift_report.results import Experiment, Report, Slot
    from lift_report.tables import Day, DoubleReport, Guardrail, Holdout, Pooled, Verdict, Weight


# Why a verdict holds.


def why(slot: Slot) -> str:
    """Why the verdict holds, as a marketer reads it."""
    told = _sentences(slot.verdict)
    if told is None:
        rule = slot.verdict.rule
        return f"It was decided by a rule that this report does not know{f': {rule}' if rule else ''}."
    return told.why(slot)


def _why_srm_alarm(slot: Slot) -> str:
    among = {"assigned": "are assigned", "written": "are marked in Klaviyo", "received": "received the message"}
    stage = among.get(slot.verdict.srm_stage or "")
    told = f" among those who {stage}" if stage else ""
    return f"The groups do not have the planned sizes{told}, so nothing can be compared."


def _why_crossover(slot: Slot) -> str:
    rate = slot.verdict.crossover_rate
    those = "Too many" if rate is None else _share(rate)
    return f"{those} of those who clicked were shown another variant than theirs, so nothing can be compared."


def _why_nobody_received(slot: Slot) -> str:
    units = slot.verdict.units
    if units == 0:
        return "Nobody is assigned yet."
    return f"Of {units} people who are assigned, none is known to have received the message yet."


def _why_below_minimum(slot: Slot) -> str:
    return _with_list("Not enough to compare yet", _lacking(slot))


def _why_ended_below_minimum(slot: Slot) -> str:
    return _with_list("It ended with too little to compare", _lacking(slot))


def _why_guardrail(slot: Slot) -> str:
    verdict = slot.verdict
    if verdict.blocking_metric is None or verdict.blocking_low is None:
        return f"{_challenger(slot, begins=True)} does harm beyond the limit."
    outcome = slot.catalogue.describe(verdict.blocking_metric)
    if outcome.kind == "mean":
        least = _amount(slot, verdict.blocking_metric, verdict.blocking_low)
        brings = f"{_challenger(slot, begins=True)} brings at least {least} less {outcome.noun}"
        return f"{brings} per person than {_control(slot)}."
    verb = outcome.verb
    least, margin = _fixed(100 * verdict.blocking_low, 2), verdict.blocking_margin
    limit = "" if margin is None else f"; the limit is {_fixed(100 * margin, 2)}"
    return (
        f"Of those with {_challenger(slot)}, at least {least} percentage points more {verb}"
        f" than of those with {_control(slot)}{limit}."
    )


def _why_above_zero(slot: Slot) -> str:
    standing = _standing(slot, corrected=True) or "is ahead"
    return f"{_challenger(slot, begins=True)} {standing}{_certainty(slot)}{_reservation(slot)}"


def _why_ahead_too_early(slot: Slot) -> str:
    days = _threshold(slot.verdict, "min_days_to_decide", 0)
    takes = f"that takes {formatting.plural(days, 'day', 'days')}" if days else _UNTIL_DECIDED
    return f"{_why_above_zero(slot)} It is too early to call it the winner: {takes}."


_UNTIL_DECIDED = "that takes three days, and the days in which orders still count"


def _why_fixed_above_zero(slot: Slot) -> str:
    standing = _standing(slot, corrected=True) or "is ahead"
    return f"At the planned stop {_challenger(slot)} {standing}{_certainty(slot)}{_reservation(slot)}"


def _why_fixed_below_zero(slot: Slot) -> str:
    subject = _best_of(slot, several=True)
    return f"At the planned stop {subject} {_standing(slot) or 'is behind'}{_certainty(slot)}"


def _why_waiting_for_stop(_: Slot) -> str:
    return "One look was planned, at the planned stop; until then nothing is decided."


def _why_waiting_for_outcomes(_: Slot) -> str:
    return "It has ended. The one look that was planned follows when the days that still count are over."


def _why_ended_before_stop(_: Slot) -> str:
    return "It was ended before its planned stop, and the one look was planned for that day: nothing is decided."


def _why_one_arm(_: Slot) -> str:
    return "Only one variant has people who can be compared, so there is nothing to compare it with."


def _why_everybody(slot: Slot) -> str:
    verb = slot.catalogue.describe(slot.verdict.primary_metric).verb
    return f"Everybody {verb}, whatever they were shown: no variant can be better than another in that."


def _why_likely_better(slot: Slot) -> str:
    better = _chance(slot.verdict.chance_to_win)
    chance = f"; it is better with a chance of {better}" if better else ""
    standing = _standing(slot) or "is ahead"
    return f"At the planned end {_challenger(slot)} {standing}{chance}.{_reservation(slot)}"


def _why_below_zero(slot: Slot) -> str:
    if slot.verdict.has_several_challengers:
        subject = f"No variant is as good as {_control(slot)}: even {_challenger(slot)}"
    else:
        subject = _challenger(slot, begins=True)
    return f"{subject} {_standing(slot) or 'is behind'}{_certainty(slot)}"


def _why_likely_worse(slot: Slot) -> str:
    chance = slot.verdict.chance_to_win
    better = _chance(None if chance is None else 1 - chance)
    told = f"; {_control(slot)} is better with a chance of {better}" if better else ""
    return f"At the planned end {_best_of(slot, several=True)} {_standing(slot) or 'is behind'}{told}."


def _why_equivalent(slot: Slot) -> str:
    several = slot.verdict.has_several_challengers
    subject = "All variants do" if several else f"{_challenger(slot, begins=True)} does"
    return f"{subject} as well as {_control(slot)} in {_noun(slot)}: the difference is too small to matter."


def _why_ended_undecided(slot: Slot) -> str:
    standing = _standing(slot)
    if standing is None:
        return "It ended with nothing to compare."
    return f"It ended without an answer: {_challenger(slot)} {standing}{_certainty(slot)}"


def _why_undecided(slot: Slot) -> str:
    standing, effect = _standing(slot), _effect(slot.verdict)
    if standing is None or effect is None:
        return "There is nothing to compare yet."
    return f"So far {_best_of(slot, several=effect < 0)} {standing}{_certainty(slot) if effect else '.'}"


_CERTAIN = (
    *("interval_above_zero", "ahead_too_early", "fixed_test_above_zero"),
    *("intervals_below_zero", "fixed_tests_below_zero"),
)


def _control(slot: Slot) -> str:
    return slot.verdict.control_arm or "the control"


def _challenger(slot: Slot, *, begins: bool = False) -> str:
    return slot.verdict.challenger_arm or ("The variant" if begins else "the variant")


def _best_of(slot: Slot, *, several: bool) -> str:
    """The challenger; of several, as the best of them."""
    if several and slot.verdict.has_several_challengers:
        return f"even the best of the others, {_challenger(slot)},"
    return _challenger(slot)


def _noun(slot: Slot) -> str:
    return slot.catalogue.describe(slot.verdict.primary_metric).noun


def _effect(verdict: Verdict) -> float | None:
    """The challenger's difference, or what has the same sign."""
    return verdict.relative_lift if verdict.effect is None else verdict.effect


def _standing(slot: Slot, *, corrected: bool = False) -> str | None:
    """How the challenger stands beside the control; none where nothing is compared.

    `corrected` tells the lift less what is owed to having been noticed, and the measured one behind it.
    """
    verdict, effect = slot.verdict, _effect(slot.verdict)
    if effect is None:
        return None
    if effect == 0:
        return f"is level with {_control(slot)} in {_noun(slot)}"
    by = "" if verdict.relative_lift is None else f"{_share(verdict.relative_lift)} "
    measured = ""
    if corrected and verdict.corrected_lift is not None and verdict.relative_lift is not None:
        by, measured = f"about {_share(verdict.corrected_lift)} ", f" (measured: {_share(verdict.relative_lift)})"
    return f"is {by}{'ahead of' if effect > 0 else 'behind'} {_control(slot)} in {_noun(slot)}{measured}"


def _certainty(slot: Slot) -> str:
    verdict = slot.verdict
    is_certain = verdict.rule in _CERTAIN or (
        verdict.p_value is not None and verdict.p_value < _threshold(verdict, "alpha", 0.05)
    )
    return ", and chance alone hardly explains it." if is_certain else ", which may still be chance."


_TOO_GOOD = 0.5
"""A relative lift above which something is likelier to be wrong than right (Twyman's law)."""


def is_too_good(verdict: Verdict) -> bool:
    """Whether a lift is so large that something is likelier to be wrong than right."""
    return verdict.relative_lift is not None and abs(verdict.relative_lift) > _TOO_GOOD


def _reservation(slot: Slot) -> str:
    """What stands against sending the challenger to everyone, each in a sentence with a space before it."""
    verdict, found = slot.verdict, []
    if is_too_good(verdict):
        found.append("A difference of that size is rarely true: look at how it was measured before anything else.")
    if verdict.is_not_yet_safe:
        found.append("It is not shown yet that it does no harm beyond the limits.")
    if verdict.is_told_apart is False and verdict.runner_up_arm:
        found.append(f"It is not told apart yet from {verdict.runner_up_arm}.")
    if verdict.money_metric and verdict.money_effect is not None and verdict.money_effect < 0:
        less = _amount(slot, verdict.money_metric, verdict.money_effect)
        noun = slot.catalogue.describe(verdict.money_metric).noun
        found.append(f"It brings {less} less {noun} per person so far, which may still be chance.")
    if verdict.blocked_arms and verdict.blocking_metric is None:
        others = verdict.blocked_arms - 1
        more = f" and {formatting.plural(others, 'other does', 'others do')}" if others else " does"
        found.append(f"{verdict.first_blocked_arm or 'Another'}{more} harm beyond a limit.")
    return "".join(f" {sentence}" for sentence in found)


def _amount(slot: Slot, metric: str, value: float) -> str:
    """An amount of money without its sign, with plain spaces."""
    return slot.measure(metric).size(value).replace(formatting.NARROW, " ")


def _lacking(slot: Slot) -> list[str]:
    """What a comparison still takes."""
    verdict, found = slot.verdict, []
    conversions = _threshold(verdict, "min_conversions", 0)
    receipts = _threshold(verdict, "min_received_per_arm", 0)
    hours = _threshold(verdict, "min_hours", 0)
    expected = _threshold(verdict, "min_expected_conversions_per_arm", 0)
    if verdict.converted is not None and verdict.converted < conversions:
        verb = slot.catalogue.describe(verdict.primary_metric).verb
        found.append(f"{verdict.converted} of at least {conversions} people who {verb}")
    if verdict.converted is not None and (verdict.least_received or 0) < receipts:
        least = verdict.least_received or 0
        found.append(f"{least} of at least {receipts} recipients in the smallest group")
    if verdict.least_expected_conversions is not None and verdict.least_expected_conversions < expected:
        smallest = _fixed(verdict.least_expected_conversions, 1)
        found.append(f"{smallest} of at least {expected} {_noun(slot)} to be expected in the smallest group")
    if verdict.measured_at and (
        verdict.started_at is None or verdict.started_at > verdict.measured_at - timedelta(hours=hours)
    ):
        found.append(f"less than {hours} hours since the first message")
    return found


def _with_list(beginning: str, parts: Sequence[str]) -> str:
    return f"{beginning}{': ' if parts else ''}{', '.join(parts)}."


def _threshold(verdict: Verdict, name: str, default: float) -> float:
    """What a rule compared with, as the row has it."""
    try:
        found = json.loads(verdict.thresholds or "{}")[name]
    except (ValueError, KeyError, TypeError):
        return default
    return found if isinstance(found, int | float) else default


# The same for the record.


def for_the_record(slot: Slot) -> str:
    """The figures by which a rule held, in one sentence."""
    told = _sentences(slot.verdict)
    return why(slot) if told is None else told.record(slot)


def _record_of_sizes(slot: Slot) -> str:
    verdict = slot.verdict
    stage = f", {verdict.srm_stage}" if verdict.srm_stage else ""
    p = "" if verdict.srm_p_value is None else f"{_p(verdict.srm_p_value)}, "
    alpha = _threshold(verdict, "srm_alpha", 0.001)
    told = f"The sizes of the arms do not fit their weights{stage} ({p}limit {alpha})"
    return f"{told}: the comparison cannot be trusted."


def _record_of_crossovers(slot: Slot) -> str:
    verdict = slot.verdict
    rate = "" if verdict.crossover_rate is None else f" ({_fixed(100 * verdict.crossover_rate, 2)} %)"
    known = verdict.crossovers is not None and verdict.rendered is not None
    those = f"{verdict.crossovers} of {verdict.rendered} profiles" if known else "Too many of the profiles"
    return f"{those} that clicked saw another arm than the assigned one{rate}."


def _record_of_nobody(slot: Slot) -> str:
    units = slot.verdict.units
    if units == 0:
        return "Nobody is assigned."
    return f"None of the {units} assigned profiles is known to have received a message of the experiment."


def _record_of_minimum(slot: Slot) -> str:
    return f"Minimum not reached: {_minimum(slot.verdict)}"


def _record_of_harm(slot: Slot) -> str:
    verdict = slot.verdict
    if verdict.blocking_metric is None or verdict.blocking_low is None:
        return f"{_challenger(slot, begins=True)} exceeds the margin of a guardrail."
    if slot.catalogue.describe(verdict.blocking_metric).kind == "mean":
        change = _change(-verdict.blocking_low, slot.measure(verdict.blocking_metric))
        has = f"{_challenger(slot, begins=True)} has {change} {verdict.blocking_metric} or less"
        return f"{has} against {_control(slot)}."
    margin = "" if verdict.blocking_margin is None else f" (margin {_fixed(100 * verdict.blocking_margin, 2)} pp)"
    return (
        f"{_challenger(slot, begins=True)} has {_points(verdict.blocking_low)} {verdict.blocking_metric} or more"
        f" against {_control(slot)}{margin}."
    )


def _record_of_winner(slot: Slot) -> str:
    verdict = slot.verdict
    told = f"{_comparison(slot) or _NOT_COMPARED}."
    if verdict.is_not_yet_safe:
        told += " Not every guardrail is yet shown to be within its margin."
    if verdict.runner_up_arm and verdict.runner_up_p_value is not None:
        told += f" Against {verdict.runner_up_arm}, the nearest other arm: {_p(verdict.runner_up_p_value)}."
    if verdict.money_metric and verdict.money_effect is not None:
        measure = slot.measure(verdict.money_metric)
        ends = ""
        if verdict.money_low is not None and verdict.money_high is not None:
            ends = f" ({_change(verdict.money_low, measure)} to {_change(verdict.money_high, measure)})"
        told += f" In {verdict.money_metric}: {_change(verdict.money_effect, measure)}{ends}."
    return told


def _record_of_control(slot: Slot) -> str:
    nearest = _comparison(slot)
    return f"No arm is better than {_control(slot)}{f'; the nearest: {nearest}' if nearest else ''}."


def _record_of_equivalence(slot: Slot) -> str:
    compared = _comparison(slot)
    told = f": {compared}" if compared else ""
    return f"No arm differs by more than half of the smallest effect of interest{told}."


def _record_of_undecided(slot: Slot) -> str:
    return _undecided("Undecided so far", slot)


def _record_of_ended_undecided(slot: Slot) -> str:
    return _undecided("Ended undecided", slot)


def _record_of_ended_below_minimum(slot: Slot) -> str:
    return f"Ended below the minimum: {_minimum(slot.verdict)}"


@dataclass(frozen=True, slots=True)
class _Sentences:
    """What is said of a rule.

    Attributes:
        why: To whoever sends the message.
        record: To whoever checks it.
    """

    why: Callable[[Slot], str]
    record: Callable[[Slot], str]


_SENTENCES = {
    "srm_alarm": _Sentences(_why_srm_alarm, _record_of_sizes),
    "crossover_above_limit": _Sentences(_why_crossover, _record_of_crossovers),
    "nobody_received": _Sentences(_why_nobody_received, _record_of_nobody),
    "below_minimum": _Sentences(_why_below_minimum, _record_of_minimum),
    "ended_below_minimum": _Sentences(_why_ended_below_minimum, _record_of_ended_below_minimum),
    "one_arm_left": _Sentences(_why_one_arm, _why_one_arm),
    "everybody_converted": _Sentences(_why_everybody, _why_everybody),
    "guardrail_exceeded": _Sentences(_why_guardrail, _record_of_harm),
    "ended_before_planned_stop": _Sentences(_why_ended_before_stop, _why_ended_before_stop),
    "waiting_for_planned_stop": _Sentences(_why_waiting_for_stop, _why_waiting_for_stop),
    "waiting_for_outcomes": _Sentences(_why_waiting_for_outcomes, _why_waiting_for_outcomes),
    "ahead_too_early": _Sentences(_why_ahead_too_early, _record_of_winner),
    "fixed_test_above_zero": _Sentences(_why_fixed_above_zero, _record_of_winner),
    "fixed_tests_below_zero": _Sentences(_why_fixed_below_zero, _record_of_control),
    "interval_above_zero": _Sentences(_why_above_zero, _record_of_winner),
    "likely_at_planned_end": _Sentences(_why_likely_better, _record_of_winner),
    "intervals_below_zero": _Sentences(_why_below_zero, _record_of_control),
    "unlikely_at_planned_end": _Sentences(_why_likely_worse, _record_of_control),
    "interval_within_half_effect": _Sentences(_why_equivalent, _record_of_equivalence),
    "ended_undecided": _Sentences(_why_ended_undecided, _record_of_ended_undecided),
    "undecided": _Sentences(_why_undecided, _record_of_undecided),
}
_RULE_OF = {
    "invalid_srm": "srm_alarm",
    "invalid_crossover": "crossover_above_limit",
    "no_data": "nobody_received",
    "too_early": "below_minimum",
    "blocked_guardrail": "guardrail_exceeded",
    "ahead": "ahead_too_early",
    "winner": "interval_above_zero",
    "control_wins": "intervals_below_zero",
    "equivalent": "interval_within_half_effect",
    "running": "undecided",
    "inconclusive": "ended_undecided",
}
"""The rule of a verdict whose row names none, or one that is not known here: the first by which it can hold."""


def _sentences(verdict: Verdict) -> _Sentences | None:
    """What is said of a verdict; none of one that is not known here."""
    return _SENTENCES.get(verdict.rule or "") or _SENTENCES.get(_RULE_OF.get(verdict.verdict, ""))


_NOT_COMPARED = "No arm can be compared with the control"


def _undecided(beginning: str, slot: Slot) -> str:
    compared = _comparison(slot)
    return f"{beginning}: {compared}." if compared else f"{_NOT_COMPARED}."


def _minimum(verdict: Verdict) -> str:
    """What there is, beside what a verdict takes at least."""
    receipts, conversions, hours = (
        _threshold(verdict, name, 0) for name in ("min_received_per_arm", "min_conversions", "min_hours")
    )
    least = _known(verdict.least_received)
    first = "not known" if verdict.started_at is None else f"{verdict.started_at} UTC"
    return (
        f"{least} receipts in the smallest arm (of {receipts}), {_known(verdict.converted)} conversions"
        f" (of {conversions}), first receipt {first} ({hours} h ago or more)."
    )


def _known(count: int | None) -> str:
    return "an unknown number of" if count is None else str(count)


def _comparison(slot: Slot) -> str | None:
    """The challenger's difference with its interval and what is made of it; none where nothing is compared."""
    verdict, measure = slot.verdict, slot.measure(slot.verdict.primary_metric)
    if verdict.effect is None:
        return None
    details = []
    if verdict.interval_low is not None and verdict.interval_high is not None:
        level = f"{100 * (1 - _threshold(verdict, 'alpha', 0.05)):g}"
        ends = f"{_change(verdict.interval_low, measure)} to {_change(verdict.interval_high, measure)}"
        details.append(f"always-valid {level} % interval {ends}")
    if verdict.p_value is not None:
        details.append(f"{'one look, ' if verdict.decision == 'fixed' else ''}{_p(verdict.p_value)}")
    if verdict.chance_to_win is not None:
        details.append(f"chance to win {_fixed(100 * verdict.chance_to_win, 1)} %")
    behind = f" ({', '.join(details)})" if details else ""
    return (
        f"{_challenger(slot)} {_change(verdict.effect, measure)} against {_control(slot)}"
        f" in {verdict.primary_metric}{behind}"
    )


# What to do, and how far it is.

_ADVICE = {
    "invalid_srm": (
        "Use none of these figures. The check of group sizes below tells at which step profiles went missing."
    ),
    "invalid_crossover": "Use none of these figures. Look at the template: it showed the wrong branch.",
    "no_data": "Send the message, and run the pipeline again a few hours later.",
    "too_early": "Wait: a first look is worth nothing before the minimum is reached.",
    "blocked_guardrail": "Do not send the variant to more people; the check of harm below names what it does.",
    "ahead": "Do not send it to everyone yet.",
    "winner": "Send {arm} to everyone.",
    "control_wins": "Keep {arm}.",
    "equivalent": "Take whichever is cheaper to make, and test something bolder next.",
    "running": "Let it run.",
    "inconclusive": "Keep the control; a larger audience or a bolder variant would tell more.",
}


_ADVICE_BY_RULE = {
    "waiting_for_planned_stop": "Let it run until its planned stop, and set `status: ended` then.",
    "waiting_for_outcomes": "Wait for the one look.",
    "ended_before_planned_stop": (
        "Test it again, to the end; or choose `decision: always` for a test that may end at any time."
    ),
    "one_arm_left": "Give a second variant a share, and raise the version.",
    "everybody_converted": "Choose a primary metric that not everybody reaches, and raise the version.",
}


def advice(slot: Slot) -> str:
    """What to do now; empty for a verdict that is not known here."""
    verdict = slot.verdict
    if verdict.shipped_arm:
        return f"Nothing. {_shipped(verdict)}"
    told = _ADVICE_BY_RULE.get(verdict.rule or "") or _ADVICE.get(verdict.verdict, "").format(
        arm=verdict.winning_arm or "it"
    )
    days = verdict.days_to_decision
    if verdict.verdict == "no_data":
        told = _until_received(slot)
    if is_safety_open(slot):
        watched = _not_yet_safe(slot, verdict.winning_arm)
        open_ = f"Not yet shown to be harmless: {watched}." if watched else "Its safety is open."
        told = f"Do not send it to everyone yet. {open_}"
    elif verdict.verdict == "winner" and verdict.is_told_apart is False and verdict.runner_up_arm:
        both = f"{verdict.winning_arm or 'it'} or {verdict.runner_up_arm}"
        told = f"Send {both}; which is better, a further test can tell."
    if verdict.verdict in ("running", "too_early") and days is not None and days > 0:
        told += f" A decision is likely in about {formatting.plural(math.ceil(days), 'day', 'days')}."
    return told


def _shipped(verdict: Verdict) -> str:
    """What everybody is shown by now, and by whose decision."""
    shown = f"Everybody is shown {verdict.shipped_arm}"
    if verdict.shipped_by == "verdict":
        return f"{shown}, as the figures say."
    figures = f"name {verdict.winning_arm}" if verdict.winning_arm else "decide nothing"
    return f"{shown} by its author's decision; the figures {figures}."


def _until_received(slot: Slot) -> str:
    """What leads to the first figures, with the names that the definition has."""
    experiment = slot.definition.experiment if slot.definition else None
    audience, template = "", " of the experiment"
    if experiment and experiment.audience:
        audience = f" the {experiment.audience_type or 'audience'} \N{LEFT DOUBLE QUOTATION MARK}"
        audience += f"{experiment.audience}\N{RIGHT DOUBLE QUOTATION MARK}"
    if experiment and experiment.template_name:
        template = f" {experiment.template_name}"
    if experiment and experiment.audience_type == "flow":
        return (
            f"Turn on{audience} in Klaviyo, and see that it calls the receiver before the message with the"
            f" template{template}. Whom it asks for is assigned a variant by the next run."
        )
    if not slot.verdict.units:
        return (
            f"See that{audience or ' the audience'} is in Klaviyo and has people in it, then run the pipeline:"
            " it reads them and assigns each a variant."
        )
    return (
        f"Send the campaign in Klaviyo{f' to{audience}' if audience else ''}, with the template{template},"
        " and run the pipeline a few hours later."
        " If it was sent, see that it used this template: by lf_cid in its links, receipts are recognised."
    )


def nothing_measured(slot: Slot) -> str:
    """That a slot has no figures, and what brings them."""
    title = slot.catalogue.describe(slot.verdict.primary_metric).title.lower()
    return (
        f"Nothing is measured by \N{LEFT DOUBLE QUOTATION MARK}{title}\N{RIGHT DOUBLE QUOTATION MARK} here yet."
        " The first figures come with the run of the pipeline after the message was sent."
    )


def crossover(slot: Slot) -> tuple[str, str]:
    """Whether people saw their own variant: tone and words."""
    verdict, rate = slot.verdict, slot.verdict.crossover_rate
    if rate is None:
        return "open", "Whether everybody saw their own variant shows with the first clicks"
    tone = "bad" if verdict.verdict == "invalid_crossover" else "good"
    if not rate:
        who = f"All {formatting.count(verdict.rendered)} people" if verdict.rendered else "All"
        return tone, f"{who} who clicked had seen their own variant"
    if verdict.rendered and verdict.crossovers is not None:
        who = f"{formatting.count(verdict.crossovers)} of {formatting.count(verdict.rendered)} people who clicked"
    else:
        who = f"{_share(rate)} of the people who clicked"
    limit = 100 * _threshold(verdict, "crossover_max_rate", 0.01)
    behind = "more" if tone == "bad" else "no more"
    return tone, f"{who} had seen another variant than theirs: {behind} than the {limit:g} % that do no harm"


def risk(measure: Measure, loss: float | None) -> str:
    """What may be lost by choosing an arm, times how likely it is; empty if that is not known."""
    if loss is None:
        return ""
    of_thousand = 1000 * loss
    if (of_thousand if measure.kind == "share" else loss) < _NEXT_TO_NOTHING[measure.kind == "share"]:
        return "next to nothing is lost if it is not"
    if measure.kind == "share":
        return f"choosing it puts {_fixed(of_thousand, 1)} {measure.noun} in 1,000 people at risk"
    return f"choosing it puts {measure.size(loss)} per {measure.base} at risk"


_NEXT_TO_NOTHING = {True: 0.05, False: 0.0005}
"""What would be written as zero: of shares in a thousand people, and of other figures."""


def one_day(slot: Slot, row: Day) -> str:
    """An arm of which there is one day only."""
    measure = slot.measure(row.metric)
    figures = f"{measure.change(row.difference)}"
    if row.interval_low is not None and row.interval_high is not None:
        figures += f" ({measure.span(row.interval_low, row.interval_high)})"
    return f"{row.arm_key}: one day so far, {formatting.day(row.day)}, with {figures}. A curve takes two days."


_NOT_VALID = frozenset({"invalid_srm", "invalid_crossover", "no_data"})
_TOO_EARLY = frozenset({"too_early", "ahead"})


def together(slot: Slot) -> str:
    """All arms but the control as one group, by the primary metric.

    Empty without two of them, and where nothing is valid; what follows is said once a verdict can be given, and
    where it does not speak of harm.
    """
    row = next((row for row in slot.pooled if row.metric == slot.verdict.primary_metric), None)
    if row is None or None in (row.difference, row.interval_low) or slot.verdict.verdict in _NOT_VALID:
        return ""
    measure = slot.measure(row.metric)
    return (
        f"All {row.arms} variants taken together: {measure.level(row.mean)} beside"
        f" {measure.level(row.control_mean)} of {_control(slot)}, {measure.change(row.difference)}"
        f" ({measure.span(row.interval_low, row.interval_high)}){_worth(slot, row, measure)}"
    )


def _worth(slot: Slot, row: Pooled, measure: Measure) -> str:
    """What follows from all of them together."""
    if slot.verdict.verdict in _TOO_EARLY:
        return " so far."
    if slot.verdict.verdict == "blocked_guardrail":
        return "."
    if (row.interval_low or 0) <= 0 <= (row.interval_high or 0):
        return ". Whether changing it was worth it at all is not told yet."
    if ((row.difference or 0) > 0) == measure.fewer_is_better:
        return ". On the whole, what was tried is worse."
    return ". Changing it was worth it, whichever of them is the best."


def no_contents(experiment: Experiment) -> str:
    """Why it is not shown what recipients saw; empty where it is, or where no definition could be read."""
    if experiment.definition:
        return ""
    if experiment.defined_version is None:
        return "Its definition is no longer at hand, so neither its question nor its variants are shown."
    return (
        f"The definition has moved on to version {experiment.defined_version}:"
        " the question and the variants of this version are no longer at hand."
    )


def _not_yet_safe(slot: Slot, arm: str | None) -> str:
    """The guarded metrics whose limit an arm may still exceed, each with what is already excluded."""
    rows = [row for row in slot.guardrails if row.state == "not_yet_safe" and row.arm_key == arm]
    return ", ".join(f"{_titles(slot, [row.metric])}{_excluded(row)}" for row in rows)


def _excluded(row: Guardrail) -> str:
    """How much harm is excluded, beside the limit; empty if that is not known."""
    if row.interval_high is None or row.margin is None:
        return ""
    excluded, limit = _fixed(100 * row.interval_high, 2), _fixed(100 * row.margin, 2)
    return f" (up to {excluded} points more is still possible, the limit is {limit})"


def _titles(slot: Slot, metrics: Sequence[str]) -> str:
    return ", ".join(slot.catalogue.describe(metric).title.lower() for metric in metrics)


def money_note(currency: str | None) -> str:
    """What to know of amounts; empty where their currency stands beside them."""
    if currency == SEVERAL:
        return "Orders name several currencies; their amounts are added up as they are."
    return "" if currency else "Orders name no currency; their amounts stand as they came."


def balance(slot: Slot) -> tuple[str, str]:
    """Whether the groups have the sizes they should: tone and words."""
    alarms = [stage_name(row.stage).lower() for row in slot.balances if row.is_alarm]
    if alarms:
        return "bad", f"Group sizes are wrong: {', '.join(alarms)}"
    if slot.verdict.verdict == "invalid_srm":
        return "bad", "Group sizes are wrong"
    if any(row.p_value is not None for row in slot.balances) or slot.verdict.srm_p_value is not None:
        return "good", "Group sizes are as planned"
    return "open", "Group sizes not tested yet"


def data_faults(slot: Slot) -> list[tuple[str, str]]:
    """What in the data of a slot may lie: tone and sentence of each; none where nothing was looked at."""
    if not slot.qualities:
        return []
    return [_suspected_bots(slot), *_assigned_late(slot)]


def _suspected_bots(slot: Slot) -> tuple[str, str]:
    counts = {row.arm_key: row.suspected_bots or 0 for row in slot.qualities}
    if not sum(counts.values()):
        return "good", "No clicks that look like a scanner's beside those that are flagged."
    told = ", ".join(
        f"{formatting.count(count)} in {arm}{_rate(row.suspected_bot_rate)}"
        for (arm, count), row in zip(counts.items(), slot.qualities, strict=True)
    )
    sentence = f"Clicks of scanners that are not flagged, left out of all clicks by people: {told}."
    if any(row.has_unequal_bots for row in slot.qualities):
        unequal = "The arms differ by more than chance explains, and what was not recognised may differ as well:"
        return "bad", f"{sentence} {unequal} hold the clicks against the orders before believing them."
    return "note", sentence


def _rate(rate: float | None) -> str:
    return "" if rate is None else f" ({formatting.share(rate)})"


def _assigned_late(slot: Slot) -> list[tuple[str, str]]:
    late = sum(row.received_before_assigned or 0 for row in slot.qualities)
    if not late:
        return []
    received = formatting.count(sum(row.received or 0 for row in slot.qualities))
    told = f"{formatting.count(late)} of {received} recipients had a message before they were assigned, so they"
    remedy = "Assign before sending, and raise the version for the next send."
    return [("bad", f"{told} were not shown their variant. {remedy}")]


def double_report(row: DoubleReport) -> str:
    """That two metrics report the same events, and what to do."""
    rarer = min(row.events or 0, row.other_events or 0)
    names = f"{row.metric_id} ({row.integration_key or 'unknown'})"
    names += f" and {row.other_metric_id} ({row.other_integration_key or 'unknown'})"
    counted = f"{formatting.count(row.matched_events)} of {formatting.count(rarer)}"
    return (
        f"The metrics {names} report the same events as {row.role},"
        f" {counted} of the rarer one: each counts twice."
        " Say which counts in the variable counting_integrations, or take one out in metric_role_overrides."
    )


def harm(slot: Slot) -> tuple[str, str]:
    """Whether an arm does harm: tone and words. Not known, not shown yet and safe are three things."""
    by_state: dict[str, list[Guardrail]] = {}
    for row in slot.guardrails:
        by_state.setdefault(row.state, []).append(row)
    if blocked := by_state.get("blocked"):
        return "bad", f"Beyond the limit: {_metrics(slot, blocked)}"
    if open_ := by_state.get("not_yet_safe"):
        furthest: dict[str, Guardrail] = {}
        for row in open_:
            known = furthest.get(row.metric)
            if known is None or (row.interval_high or 0) > (known.interval_high or 0):
                furthest[row.metric] = row
        told = ", ".join(f"{_titles(slot, [metric])}{_excluded(row)}" for metric, row in furthest.items())
        return "open", f"Not yet shown to be safe: {told}"
    unknown = by_state.get("not_loaded")
    if unknown and len(unknown) == len(slot.guardrails):
        return "open", f"Not known, because nothing of this kind was ever loaded: {_metrics(slot, unknown)}"
    if not slot.guardrails:
        return "open", "No guardrail is set"
    rest = f"; nothing was ever loaded of: {_metrics(slot, unknown)}" if unknown else ""
    return "good", f"No harm beyond the limits{rest}"


def _metrics(slot: Slot, rows: Sequence[Guardrail]) -> str:
    return _titles(slot, list(dict.fromkeys(row.metric for row in rows)))


def when(experiment: Experiment) -> str:
    """Since when an experiment runs, or until when it ran."""
    if experiment.ended_at:
        return f"ended {formatting.day(experiment.ended_at)}"
    started = experiment.started_at
    return f"live since {formatting.day(started)}" if started else "live, nothing received yet"


# Who gets what.


def split(weights: Sequence[Weight | NextWeight]) -> str:
    """The shares of a split."""
    return ", ".join(f"{row.arm_key} {formatting.weight(row.weight_bp)}" for row in weights)


def share_reason(weight: Weight | NextWeight) -> str:
    """Why an arm has its share; empty if that is not known."""
    if not isinstance(weight, NextWeight):
        return weight.reason or ""
    if weight.rule in _UNCHANGED_OR_EQUAL:
        return _UNCHANGED_OR_EQUAL[weight.rule]
    if weight.rule == "winner" and weight.best_arm:
        best = f"{weight.best_arm} is ahead"  # of a winner, and of who is not safe yet
    elif weight.rule == "likeliest_best" and weight.best_arm:
        chance = _chance(weight.best_chance)
        best = (
            f"The likeliest to be the best is {weight.best_arm}{f', with a chance of {chance}' if chance else ''}"
        )
    else:
        return ""
    harmful = "What does harm beyond a limit keeps the least share. " if weight.has_harmful_arm else ""
    return f"{harmful}{best}; every variant keeps a least share, and the control enough to be compared with."


_UNCHANGED_OR_EQUAL = {
    "kept_too_early": "Unchanged: it is too early to learn from it.",
    "kept_no_data": "Unchanged: nothing was received yet.",
    "kept_invalid": "Unchanged: the groups cannot be compared.",
    "equal_by_floor": "Equal: of so many variants none can have more than the least share.",
    "equal_chances": "Equal: no variant is likelier to be the best than another.",
}


def split_reason(weights: Sequence[Weight | NextWeight]) -> str:
    """Why a split is as it is, if that is one reason for all its arms."""
    reasons = {share_reason(row) for row in weights}
    return reasons.pop() if len(reasons) == 1 else ""


def split_with_reason(weights: Sequence[Weight | NextWeight]) -> str:
    """A split, and why: if each arm has its own reason, that of the largest share."""
    most = max(weights, key=lambda row: row.weight_bp)
    of_most = share_reason(most)
    reason = split_reason(weights) or (f"{most.arm_key}: {of_most}" if of_most else "")
    return f"{split(weights)} ({reason.removesuffix('.')})" if reason else split(weights)


def uplift(slot: Slot, measure: Measure) -> str:
    """What unequal shares brought against equal ones; empty where they are equal, or it is nothing."""
    value, error = slot.verdict.smart_allocation_uplift, slot.verdict.smart_allocation_uplift_error
    shares = [row.weight_bp for row in slot.splits[-1]] if slot.splits else [0]
    if value is None or max(shares) - min(shares) <= 1 or not round(value, 2 if measure.is_money else 0):
        return ""
    more = "more" if value > 0 else "less" if measure.is_money else "fewer"
    give = f", give or take {measure.total(error)}" if error is not None else ""
    return f"Against equal shares, this split brought {measure.total(abs(value))} {more} {measure.noun}{give}."


# All experiments together.


def gaps(report: Report) -> str:
    """What content has that no experiment has compared yet; by channel, where there are several."""
    channels = {play.channel for play in report.plays}
    found: dict[str, list[str]] = {}
    for play in report.plays:
        if play.pooled_lift is None:
            channel = f"{channel_name(play.channel)}: " if play.channel and len(channels) > 1 else ""
            found.setdefault(channel, []).append(labels.content_kind(play))
    return "; ".join(f"{channel}{', '.join(kinds)}" for channel, kinds in found.items())


def earned(report: Report) -> list[str]:
    """What the messages earned at all, in a sentence for each currency; else why that is not known."""
    money = [row for row in report.holdouts if report.catalogue.describe(row.metric).unit == "currency"]
    if not money:
        told = (
            "What the messages earn at all is not known, because nobody is held out. If a share of people is sent"
        )
        return [f"{told} nothing (holdout in a definition, or global_holdout for all of them), it stands here."]
    overall = [row for row in money if row.scope == "global"]
    found = [
        _earned(report, row) for row in (overall or money) if None not in (row.incremental, row.incremental_low)
    ]
    if not found:
        return ["What the messages earn at all is not known yet: too little has come in from who is held out."]
    return found


def _earned(report: Report, row: Holdout) -> str:
    measure = report.catalogue.measure(row.metric, currency=row.currency)
    total, low, high = (measure.total(v) for v in (row.incremental, row.incremental_low, row.incremental_high))
    whose = "The messages" if row.scope == "global" else f"The messages of {labels.holdout_name(row)}"
    note = f" {money_note(row.currency)}" if money_note(row.currency) else ""
    between = f"({low} to {high}), against people who were sent nothing.{note}"
    if (row.incremental_low or 0) > 0:
        return f"{whose} earned {total} in {measure.noun} {between}"
    if (row.incremental_high or 0) < 0:
        return f"{whose} cost {measure.total(-(row.incremental or 0))} in {measure.noun} {between}"
    return f"Whether {whose[0].lower()}{whose[1:]} earned anything is not clear yet: {total} {between}"


# Figures inside a sentence: with plain spaces, so that it can be copied into a mail.


def _fixed(value: float, places: int) -> str:
    """With exactly so many decimals, halves rounded away from zero."""
    exact = Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-10), ROUND_HALF_UP)
    rounded = exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return f"{abs(rounded) if rounded == 0 else rounded:f}"


def _share(value: float) -> str:
    """A share without its sign; nothing that is there is called 0.0 %."""
    return f"{'less than 0.1' if abs(value) < 5e-4 else _fixed(abs(100 * value), 1)} %"  # noqa: PLR2004


def _chance(value: float | None) -> str:
    """A probability; nothing is certain. Empty if it is not known."""
    if value is None:
        return ""
    if value > 0.999:  # noqa: PLR2004
        return "more than 99.9 %"
    return f"{'less than 0.1' if value < 1e-3 else _fixed(100 * value, 1)} %"  # noqa: PLR2004


def _points(value: float) -> str:
    """The difference of two shares in percentage points, with its sign."""
    return f"{'+' if value >= 0 else ''}{_fixed(100 * value, 2)} pp"


def _change(value: float, measure: Measure) -> str:
    """A difference with its sign: percentage points, or an amount per profile or order."""
    if measure.kind == "share":
        return _points(value)
    currency = f" {measure.currency}" if measure.currency else ""
    return f"{'+' if value >= 0 else ''}{_fixed(value, 4)}{currency} per {measure.base}"


def _p(value: float) -> str:
    """A p-value; a small one by its bound."""
    return "p < 0.000001" if value < 1e-6 else f"p = {_fixed(value, 6)}"  # noqa: PLR2004
