"""Figures and verdicts as people write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from lift_report.results import Slot

__all__ = [
    "FEWER_IS_BETTER",
    "MONEY",
    "change",
    "count",
    "level",
    "moment",
    "one_line",
    "p_value",
    "relative",
    "share",
    "verdict_title",
    "verdict_tone",
]

MONEY = {"revenue"}
"""Metrics that are amounts; all others are shares of the assigned profiles."""

FEWER_IS_BETTER = {"unsubscribed"}

_MINUS = "\N{MINUS SIGN}"
_NONE = "\N{EN DASH}"

_VERDICTS = {
    "invalid_srm": ("bad", "Not valid: the arms' sizes do not fit the split"),
    "invalid_crossover": ("bad", "Not valid: profiles saw another arm than theirs"),
    "no_data": ("open", "No data yet"),
    "too_early": ("open", "Too early to tell"),
    "blocked_guardrail": ("bad", "Blocked: too many unsubscribes"),
    "control_wins": ("good", "{arm} stays: no arm does better"),
    "winner": ("good", "{arm} wins"),
    "equivalent": ("open", "No difference that matters"),
    "running": ("open", "Undecided so far"),
    "inconclusive": ("open", "Ended undecided"),
}


def verdict_title(slot: Slot) -> str:
    """The verdict in a few words."""
    _, title = _VERDICTS.get(slot.verdict, ("open", slot.verdict))
    return title.format(arm=slot.winning_arm)


def verdict_tone(slot: Slot) -> str:
    """`good`, `bad` or `open`."""
    return _VERDICTS.get(slot.verdict, ("open", ""))[0]


def level(value: float | None, metric: str) -> str:
    """A mean: a share in per cent, or an amount."""
    if value is None:
        return _NONE
    sign = _MINUS if value < 0 else ""
    return f"{sign}{_amount(value)}" if metric in MONEY else f"{sign}{_percent(value)} %"


def change(value: float | None, metric: str) -> str:
    """A difference with its sign: percentage points, or an amount."""
    if value is None:
        return _NONE
    return _signed(_amount(value), value) if metric in MONEY else f"{_signed(_percent(value), value)} pp"


def relative(value: float | None) -> str:
    """A relative change with its sign."""
    return _NONE if value is None else f"{_signed(f'{abs(100 * value):.1f}', value)} %"


def p_value(value: float | None) -> str:
    """A p-value."""
    if value is None:
        return _NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"  # noqa: PLR2004  as far as a reader cares


def share(value: float | None) -> str:
    """A probability or share in per cent."""
    return _NONE if value is None else f"{100 * value:.1f} %"


def count(value: float | None) -> str:
    """A whole number with thousands apart."""
    return _NONE if value is None else f"{value:,.0f}"


def moment(value: datetime | None) -> str:
    """A moment, which the warehouse keeps in UTC."""
    return _NONE if value is None else f"{value:%Y-%m-%d %H:%M} UTC"


def one_line(text: str) -> str:
    """A text that stays on one line and does nothing to a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _percent(value: float) -> str:
    return f"{abs(100 * value):.2f}"


def _amount(value: float) -> str:
    return f"{abs(value):,.2f}" if abs(value) >= 1 else f"{abs(value):.3f}"


def _signed(digits: str, value: float) -> str:
    if not digits.strip("0.,"):
        return digits
    return f"{'+' if value > 0 else _MINUS}{digits}"
