"""Figures, names and verdicts as people write them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from lift_report.results import Experiment, NextWeight, Play, Slot, Weight

NONE = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"
_NARROW = "\N{NARROW NO-BREAK SPACE}"

FEWER_IS_BETTER = frozenset({"unsubscribed", "complained", "bounced"})
_MONEY = "revenue"
SEVERAL = "several"
"""The currency of orders that name different ones."""
_NAMES = {
    "opened_all": "Opened, machines too",
    "clicked_all": "Clicked, scanners too",
    "revenue_per_order": "Revenue per order",
    "unsubscribed": "Unsubscribed",
    "complained": "Marked as spam",
}
_NOUNS = {"opened": "opens", "clicked": "clicks", "ordered": "orders"}
_STAGES = {"written": "Written to Klaviyo"}
_CHANNELS = {"email": "E-mail", "sms": "SMS", "push": "Push"}
_ANALYSES = {"received": "Only who received it", "opened": "Only who opened it"}

_VERDICTS = {
    # tone, title, what to do
    "invalid_srm": (
        "bad",
        "Not valid: the groups have the wrong sizes",
        "Use none of these figures. The check of group sizes below tells at which step profiles went missing.",
    ),
    "invalid_crossover": (
        "bad",
        "Not valid: people saw another variant than theirs",
        "Use none of these figures. Look at the template: it showed the wrong branch.",
    ),
    "no_data": ("open", "No data yet", "Has the campaign been sent with the experiment's template?"),
    "too_early": (
        "open",
        "Too early to tell",
        "Wait: a first look is worth nothing before the minimum is reached.",
    ),
    "blocked_guardrail": (
        "bad",
        "Blocked: it does harm beyond the limit",
        "Do not send the variant to more people; the check of harm below names what it does.",
    ),
    "winner": ("good", "{arm} wins", "Send {arm} to everyone."),
    "control_wins": ("good", "{arm} stays: nothing beats it", "Keep {arm}."),
    "equivalent": (
        "open",
        "No difference that matters",
        "Take whichever is cheaper to make, and test something bolder next.",
    ),
    "running": ("open", "Undecided so far", "Let it run."),
    "inconclusive": (
        "open",
        "Ended undecided",
        "Keep the control; a larger audience or a bolder variant would tell more.",
    ),
}
_GUARDRAILS = {
    "safe": ("good", "Safe"),
    "not_yet_safe": ("open", "Not yet safe"),
    "blocked": ("bad", "Blocked"),
}
_PLAYS = {
    "rule": ("good", "Do this"),
    "anti_pattern": ("bad", "Avoid this"),
    "open": ("open", "Not settled"),
    "gap": ("open", "Never tested"),
}
SIGNS = {"good": "\N{CHECK MARK}", "bad": "!", "note": "!", "open": "\N{HORIZONTAL ELLIPSIS}"}
"""What stands for a tone where colour alone would."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How figures of a metric are written: a `share` in per cent, `money`, or a `number` per profile."""

    metric: str
    kind: str = "share"
    currency: str = ""

    @classmethod
    def of(cls, metric: str, means: Iterable[float | None] = (), currency: str | None = None) -> Measure:
        """A metric whose means are known: what is above one is no share. Money of several currencies has none."""
        if metric.startswith(_MONEY):
            return cls(metric, "money", "" if currency == SEVERAL else currency or "")
        return cls(metric, "share" if all(0 <= mean <= 1 for mean in means if mean is not None) else "number")

    @property
    def name(self) -> str:
        """As a heading."""
        return _NAMES.get(self.metric) or readable(self.metric)

    @property
    def noun(self) -> str:
        """What its total counts."""
        return _NOUNS.get(self.metric) or readable(self.metric).lower()

    @property
    def fewer_is_better(self) -> bool:
        """Whether a decrease is good."""
        return self.metric in FEWER_IS_BETTER

    @property
    def per(self) -> str:
        """What a mean is."""
        if self.metric == "revenue_per_order":
            return "amount per order"
        return {"share": "share of assigned profiles", "money": "amount per assigned profile"}.get(
            self.kind, "per assigned profile"
        )

    def level(self, value: float | None) -> str:
        """A mean."""
        if value is None:
            return NONE
        return f"{_MINUS if value < 0 else ''}{self._digits(value)}{self._unit('%')}"

    def change(self, value: float | None) -> str:
        """A difference with its sign: percentage points, or an amount."""
        if value is None:
            return NONE
        return f"{signed(self._digits(value), value)}{self._unit('pp')}"

    def size(self, value: float | None) -> str:
        """How large a difference is, whatever its sign."""
        return self.change(value).lstrip(f"+{_MINUS}")

    def span(self, low: float | None, high: float | None) -> str:
        """The interval of a difference."""
        if low is None or high is None:
            return "no interval yet"
        return f"{self.change(low)} to {self.change(high)}"

    def tick(self, value: float, step: float) -> str:
        """The value of a tick, as exact as its neighbours."""
        return _tick(100 * value, 100 * step) if self.kind == "share" else _tick(value, step)

    @property
    def unit(self) -> str:
        """Of the axis of a difference."""
        return "percentage points" if self.kind == "share" else self.currency

    def tone(self, low: float | None, high: float | None) -> str:
        """Whether an interval of a difference clears zero, and on which side: `good`, `bad` or `open`."""
        if low is None or high is None or low <= 0 <= high:
            return "open"
        return "good" if (low > 0) != self.fewer_is_better else "bad"

    def _unit(self, of_share: str) -> str:
        unit = of_share if self.kind == "share" else self.currency
        return f"{_NARROW}{unit}" if unit else ""

    def _digits(self, value: float) -> str:
        if self.kind == "share":
            return _short(abs(100 * value))
        return f"{abs(value):,.2f}" if abs(value) >= 1 else f"{abs(value):.3f}"


def _short(value: float) -> str:
    """A positive figure with as many decimals as tell something."""
    return f"{value:,.2f}" if value >= 0.1 or value == 0 else f"{value:.3f}"  # noqa: PLR2004


def _tick(value: float, step: float) -> str:
    if value == 0:
        return "0"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    digits = f"{abs(value):,.{decimals}f}" if abs(value) < 1e7 else f"{abs(value):.2g}"  # noqa: PLR2004
    return signed(digits, value)


def signed(digits: str, value: float) -> str:
    """The digits of a figure with its sign; nothing that rounds to zero has one."""
    if not digits.strip("0.,"):
        return digits
    return f"{'+' if value > 0 else _MINUS}{digits}"


def relative(value: float | None) -> str:
    """A relative change with its sign."""
    if value is None:
        return NONE
    percent = abs(100 * value)
    return f"{signed(f'{percent:,.0f}' if percent >= 20 else f'{percent:.1f}', value)}{_NARROW}%"  # noqa: PLR2004


def relative_span(low: float | None, high: float | None) -> str:
    """The interval of a relative change."""
    return "no interval yet" if low is None or high is None else f"{relative(low)} to {relative(high)}"


def relative_tick(value: float, step: float) -> str:
    """The value of a tick of relative changes."""
    return f"{_tick(100 * value, 100 * step)}{_NARROW}%"


def p_value(value: float | None) -> str:
    """A p-value."""
    if value is None:
        return NONE
    return "<\N{NO-BREAK SPACE}0.001" if value < 0.001 else f"{value:.3f}"  # noqa: PLR2004  as far as a reader cares


def share(value: float | None) -> str:
    """A share in per cent."""
    if value is None:
        return NONE
    percent = 100 * value
    return f"{f'{percent:.1f}'.removesuffix('.0') if percent >= 10 else _short(percent)}{_NARROW}%"  # noqa: PLR2004


def chance(value: float | None) -> str:
    """A probability; never certain."""
    if value is None:
        return NONE
    if value > 0.999:  # noqa: PLR2004
        return f">\N{NO-BREAK SPACE}99.9{_NARROW}%"
    return f"<\N{NO-BREAK SPACE}0.1{_NARROW}%" if value < 0.001 else f"{100 * value:.1f}{_NARROW}%"  # noqa: PLR2004


def weight(basis_points: int) -> str:
    """The share of an arm, which is given in basis points."""
    return f"{basis_points / 100:.2f}".rstrip("0").rstrip(".") + f"{_NARROW}%"


def count(value: float | None) -> str:
    """A whole number with thousands apart."""
    return NONE if value is None else f"{value:,.0f}".replace("-", _MINUS)


def total(value: float | None, measure: Measure) -> str:
    """A sum of ones, or of money."""
    if value is None or measure.kind != "money":
        return count(value)
    return f"{value:,.2f}{f'{_NARROW}{measure.currency}' if measure.currency else ''}".replace("-", _MINUS)


def plural(value: float, one: str, many: str) -> str:
    """A count with its noun."""
    return f"{count(value)} {one if value == 1 else many}"


def day(value: date | None) -> str:
    """A day."""
    return NONE if value is None else f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def moment(value: datetime | date | None) -> str:
    """A moment, which the warehouse keeps in UTC."""
    return f"{day(value)}, {value:%H:%M} UTC" if isinstance(value, datetime) else day(value)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def readable(key: str) -> str:
    """A key as a heading."""
    text = key.replace("_", " ").strip() or key
    return text[:1].upper() + text[1:]


def stage_name(stage: str) -> str:
    """A stage of the funnel."""
    return _STAGES.get(stage) or readable(stage)


def analysis_name(analysis: str) -> str:
    """Whom an analysis counts."""
    return _ANALYSES.get(analysis) or readable(analysis)


def channel_name(channel: str) -> str:
    """A channel."""
    return _CHANNELS.get(channel) or readable(channel)


def verdict_tone(slot: Slot) -> str:
    """`good`, `bad` or `open`."""
    return _VERDICTS.get(slot.verdict.verdict, ("open", "", ""))[0]


def verdict_title(slot: Slot) -> str:
    """The verdict in a few words."""
    title = _VERDICTS.get(slot.verdict.verdict, ("", readable(slot.verdict.verdict), ""))[1]
    return title.format(arm=slot.verdict.winning_arm or "An arm")


def verdict_advice(slot: Slot) -> str:
    """What to do now."""
    advice = _VERDICTS.get(slot.verdict.verdict, ("", "", ""))[2].format(arm=slot.verdict.winning_arm or "it")
    days = slot.verdict.days_to_decision
    if slot.verdict.verdict == "winner" and (watched := _not_yet_safe(slot, slot.verdict.winning_arm)):
        advice += f" Keep an eye on what is not yet shown to be harmless: {watched}."
    if slot.verdict.verdict in ("running", "too_early") and days is not None and days > 0:
        advice += f" A decision is likely in about {plural(math.ceil(days), 'day', 'days')}."
    return advice


def _not_yet_safe(slot: Slot, arm: str | None) -> str:
    """The guarded metrics whose limit an arm may still exceed."""
    metrics = [row.metric for row in slot.guardrails if row.state == "not_yet_safe" and row.arm_key == arm]
    return ", ".join(Measure.of(metric).name.lower() for metric in metrics)


def verdict_words(slot: Slot) -> str:
    """Why, as a marketer reads it."""
    return slot.verdict.words or slot.verdict.reason


def guardrail_tone(state: str) -> str:
    """`good`, `bad` or `open`."""
    return _GUARDRAILS.get(state, ("open", ""))[0]


def guardrail_title(state: str) -> str:
    """A guardrail's state."""
    return _GUARDRAILS.get(state, ("", readable(state)))[1]


def play_tone(play: Play) -> str:
    """`good`, `bad` or `open`."""
    return _PLAYS.get(play.verdict, ("open", ""))[0]


def play_title(play: Play) -> str:
    """What to do with content of this kind."""
    return _PLAYS.get(play.verdict, ("", readable(play.verdict)))[1]


def money_note(slot: Slot) -> str:
    """What to know of the amounts of a slot; empty if nothing."""
    if slot.verdict.currency != SEVERAL:
        return ""
    return "Orders name several currencies; their amounts are added up as they are."


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


def harm(slot: Slot) -> tuple[str, str]:
    """Whether an arm does harm: tone and words."""
    for state, tone, text in (
        ("blocked", "bad", "Beyond the limit"),
        ("not_yet_safe", "open", "Not yet shown to be safe"),
    ):
        if found := list(dict.fromkeys(row.metric for row in slot.guardrails if row.state == state)):
            return tone, f"{text}: {', '.join(Measure.of(metric).name.lower() for metric in found)}"
    return ("good", "No harm beyond the limits") if slot.guardrails else ("open", "No guardrail is set")


def split(weights: Sequence[Weight | NextWeight]) -> str:
    """The shares of a split."""
    return ", ".join(f"{row.arm_key} {weight(row.weight_bp)}" for row in weights)


def split_reason(weights: Sequence[Weight | NextWeight]) -> str:
    """Why a split is as it is, if that is one reason for all its arms."""
    reasons = {row.reason or "" for row in weights}
    return reasons.pop() if len(reasons) == 1 else ""


def split_with_reason(weights: Sequence[Weight | NextWeight]) -> str:
    """A split, and why: if each arm has its own reason, that of the largest share."""
    most = max(weights, key=lambda row: row.weight_bp)
    reason = split_reason(weights) or (f"{most.arm_key}: {most.reason}" if most.reason else "")
    return f"{split(weights)} ({reason.removesuffix('.')})" if reason else split(weights)


def when(experiment: Experiment) -> str:
    """Since when an experiment runs, or until when it ran."""
    if experiment.ended_at:
        return f"ended {day(experiment.ended_at)}"
    return f"live since {day(experiment.started_at)}" if experiment.started_at else "live, nothing received yet"


def one_line(text: str) -> str:
    """A text that stays on one line and does nothing to a terminal."""
    plain = text.replace("\N{NO-BREAK SPACE}", " ").replace(_NARROW, " ")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in plain)


def tone_word(tone: str) -> str:
    """What the colour of an interval says."""
    return {"good": "better", "bad": "worse"}.get(tone, "not clear yet")
