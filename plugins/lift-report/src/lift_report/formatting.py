"""How figures, days and keys are written on the page and in the terminal."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

NONE = "\N{EN DASH}"
"""What stands for a figure that is not known."""
MINUS = "\N{MINUS SIGN}"
NARROW = "\N{NARROW NO-BREAK SPACE}"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def digits(value: float) -> str:
    """A positive figure: two decimals, three below 0.1."""
    return f"{value:,.2f}" if value >= 0.1 or value == 0 else f"{value:.3f}"  # noqa: PLR2004


def tick(value: float, step: float) -> str:
    """The value of a tick, with as many decimals as the step between ticks has."""
    if value == 0:
        return "0"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    figure = f"{abs(value):,.{decimals}f}" if abs(value) < 1e7 else f"{abs(value):.2g}"  # noqa: PLR2004
    return signed(figure, value)


def signed(figure: str, value: float) -> str:
    """The digits of a figure with its sign; nothing that rounds to zero has one."""
    if not figure.strip("0.,"):
        return figure
    return f"{'+' if value > 0 else MINUS}{figure}"


def relative(value: float | None) -> str:
    """A relative change with its sign."""
    if value is None:
        return NONE
    percent = abs(100 * value)
    return f"{signed(f'{percent:,.0f}' if percent >= 20 else f'{percent:.1f}', value)}{NARROW}%"  # noqa: PLR2004


def relative_span(low: float | None, high: float | None) -> str:
    """The interval of a relative change."""
    return "no interval yet" if low is None or high is None else f"{relative(low)} to {relative(high)}"


def relative_tick(value: float, step: float) -> str:
    """The value of a tick of relative changes."""
    return f"{tick(100 * value, 100 * step)}{NARROW}%"


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
    return f"{f'{percent:.1f}'.removesuffix('.0') if percent >= 10 else digits(percent)}{NARROW}%"  # noqa: PLR2004


def chance(value: float | None) -> str:
    """A probability; never certain."""
    if value is None:
        return NONE
    if value > 0.999:  # noqa: PLR2004
        return f">\N{NO-BREAK SPACE}99.9{NARROW}%"
    return f"<\N{NO-BREAK SPACE}0.1{NARROW}%" if value < 0.001 else f"{100 * value:.1f}{NARROW}%"  # noqa: PLR2004


def weight(basis_points: int) -> str:
    """The share of an arm, which is given in basis points."""
    return f"{basis_points / 100:.2f}".rstrip("0").rstrip(".") + f"{NARROW}%"


def count(value: float | None) -> str:
    """A whole number with thousands apart."""
    return NONE if value is None else f"{value:,.0f}".replace("-", MINUS)


def plural(value: float, one: str, many: str) -> str:
    """A count with its noun."""
    return f"{count(value)} {one if value == 1 else many}"


def day(value: date | None) -> str:
    """A day."""
    return NONE if value is None else f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def moment(value: datetime | date | None) -> str:
    """A moment, which the warehouse keeps in UTC."""
    return f"{day(value)}, {value:%H:%M} UTC" if isinstance(value, datetime) else day(value)


def readable(key: str) -> str:
    """A key as a heading."""
    text = key.replace("_", " ").strip() or key
    return text[:1].upper() + text[1:]


def one_line(text: str) -> str:
    """A text that stays on one line and does nothing to a terminal."""
    plain = text.replace("\N{NO-BREAK SPACE}", " ").replace(NARROW, " ")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in plain)
