"""The catalogue of what is measured, and how the figures of a metric are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lift_report import formatting
from lift_report.formatting import MINUS, NARROW, NONE, readable, signed
from lift_report.tables import OutcomeMetric

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SEVERAL = "several"
"""The currency of orders that name different ones."""
_UNLISTED = 1_000_000
"""The place of a metric that the catalogue does not list: behind all others."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The outcome metrics by their keys. One that is not listed is described by its key."""

    metrics: Mapping[str, OutcomeMetric] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[OutcomeMetric]) -> Catalogue:
        """The rows of the table, in any order."""
        return cls({row.metric: row for row in sorted(rows, key=lambda row: (row.position, row.metric))})

    def describe(self, metric: str) -> OutcomeMetric:
        """What is known of a metric. Of one that is not listed, its kind is not known and empty."""
        name = readable(metric)
        return self.metrics.get(metric) or OutcomeMetric(
            metric=metric,
            position=_UNLISTED,
            kind="",
            direction="increase",
            title=name,
            noun=name.lower(),
            verb=name.lower(),
        )

    def order(self, metric: str) -> tuple[int, str]:
        """Where a metric stands among others: a key to sort by."""
        return self.describe(metric).position, metric

    def measure(self, metric: str, means: Iterable[float | None] = (), currency: str | None = None) -> Measure:
        """How figures of a metric are written.

        Args:
            metric: Its key.
            means: Means that are known. They tell whether a metric that is not listed is a share: none is above 1.
            currency: Of its amounts; those in several currencies have none.
        """
        outcome = self.describe(metric)
        if outcome.unit == "currency":
            return Measure(outcome, "money", "" if currency == SEVERAL else currency or "")
        is_share = outcome.kind == "share" or (
            not outcome.kind and all(0 <= mean <= 1 for mean in means if mean is not None)
        )
        return Measure(outcome, "share" if is_share else "number")


@dataclass(frozen=True, slots=True)
class Measure:
    """How figures of a metric are written: a `share` in per cent, `money`, or a `number` per profile."""

    outcome: OutcomeMetric
    kind: str
    currency: str = ""

    @property
    def metric(self) -> str:
        """Its key."""
        return self.outcome.metric

    @property
    def name(self) -> str:
        """As a heading."""
        return self.outcome.title

    @property
    def noun(self) -> str:
        """What its total counts."""
        return self.outcome.noun

    @property
    def verb(self) -> str:
        """What those did of whom it is true."""
        return self.outcome.verb

    @property
    def is_money(self) -> bool:
        """Whether its figures are amounts."""
        return self.kind == "money"

    @property
    def fewer_is_better(self) -> bool:
        """Whether a decrease is good."""
        return self.outcome.direction == "decrease"

    @property
    def base(self) -> str:
        """What a mean is divided by: a profile, or what the title of a ratio names behind `per`."""
        named = self.name.partition(" per ")[2] if self.outcome.kind == "ratio" else ""
        return named or "profile"

    @property
    def per(self) -> str:
        """What a mean is."""
        if self.kind == "share":
            return "share of assigned profiles"
        base = "assigned profile" if self.base == "profile" else self.base
        return f"amount per {base}" if self.is_money else f"per {base}"

    def level(self, value: float | None) -> str:
        """A mean."""
        if value is None:
            return NONE
        return f"{MINUS if value < 0 else ''}{self._digits(value)}{self._unit('%')}"

    def change(self, value: float | None) -> str:
        """A difference with its sign: percentage points, or an amount."""
        if value is None:
            return NONE
        return f"{signed(self._digits(value), value)}{self._unit('pp')}"

    def size(self, value: float | None) -> str:
        """How large a difference is, whatever its sign."""
        return self.change(value).lstrip(f"+{MINUS}")

    def span(self, low: float | None, high: float | None) -> str:
        """The interval of a difference."""
        if low is None or high is None:
            return "no interval yet"
        return f"{self.change(low)} to {self.change(high)}"

    def tick(self, value: float, step: float) -> str:
        """The value of a tick, as exact as its neighbours."""
        return formatting.tick(100 * value, 100 * step) if self.kind == "share" else formatting.tick(value, step)

    def total(self, value: float | None) -> str:
        """A sum of ones, or of money."""
        if value is None or not self.is_money:
            return formatting.count(value)
        return f"{value:,.2f}{f'{NARROW}{self.currency}' if self.currency else ''}".replace("-", MINUS)

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
        return f"{NARROW}{unit}" if unit else ""

    def _digits(self, value: float) -> str:
        if self.kind == "share":
            return formatting.digits(abs(100 * value))
        return f"{abs(value):,.2f}" if abs(value) >= 1 else f"{abs(value):.3f}"
