"""What is measured, held against what it is measured by. Nothing here runs anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from klaviyo_wire.endpoints import Limits


def floor(requests: int, limits: Limits, latency: float) -> float:
    """Seconds that so many requests take at least.

    Klaviyo counts in fixed windows whose phase a client does not know: who is never to be refused keeps to the
    limits in every second and every minute, wherever they begin. What they allow leaves at once, the rest as soon
    as it may.

    Args:
        requests: At least one.
        limits: The endpoint's.
        latency: Seconds until an answer: the last one is waited for.
    """
    windows = [(limits.burst, 1.0), (limits.steady, 60.0)]
    sent: list[float] = []
    for number in range(requests):
        sent.append(max([0.0, *(sent[number - count] + seconds for count, seconds in windows if number >= count)]))
    return sent[-1] + latency


@dataclass(frozen=True)
class Scale:
    """How much of the real sizes is run: 1 measures, less shows that a benchmark works.

    Attributes:
        part: Of the sizes.
        repeats: Of runs that take seconds.
    """

    part: float = 1.0
    repeats: int = 3

    def of(self, count: int) -> int:
        """A size."""
        return int(count * self.part)


@dataclass(frozen=True)
class Bar:
    """What a ratio is to reach, or not to exceed."""

    limit: float
    at_least: bool = False

    def met(self, ratio: float) -> bool:
        """Whether a ratio does."""
        return ratio >= self.limit if self.at_least else ratio <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


@dataclass(frozen=True)
class Row:
    """One line of the result.

    Attributes:
        benchmark: Its name.
        what: Was measured.
        measured: The figure.
        unit: Of `measured` and `beside`.
        beside: The floor, baseline or allowance that it is divided by.
        which: Of them it is.
        bar: For the ratio; None: only worth knowing.
    """

    benchmark: str
    what: str
    measured: float
    unit: str
    beside: float | None = None
    which: str = ""
    bar: Bar | None = None

    @property
    def ratio(self) -> float | None:
        """Of what was measured to what it stands beside."""
        return self.measured / self.beside if self.beside else None

    @property
    def met(self) -> bool | None:
        """Whether the bar is; None without one."""
        return None if self.bar is None or self.ratio is None else self.bar.met(self.ratio)

    def cells(self) -> Sequence[str]:
        """The line of a table."""
        beside = f"{self.which} {_number(self.beside)}" if self.beside is not None else ""
        ratio = f"{self.ratio:.4g}" if self.ratio is not None else ""
        verdict = {True: "ok", False: "missed", None: ""}[self.met]
        measured = f"{_number(self.measured)} {self.unit}"
        return self.benchmark, self.what, measured, beside, ratio, str(self.bar or ""), verdict

    def json(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "benchmark": self.benchmark,
            "what": self.what,
            "measured": self.measured,
            "unit": self.unit,
            "beside": self.beside,
            "which": self.which,
            "ratio": self.ratio,
            "bar": str(self.bar) if self.bar else None,
            "met": self.met,
        }


HEADER = ("benchmark", "what", "measured", "beside", "ratio", "bar", "")


Benchmark = Callable[[Scale], Iterator[Row]]
"""Its docstring says what it runs."""


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table that can be read as it is."""
    lines = [HEADER, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    drawn = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    ruler = " | ".join("-" * width for width in widths)
    return "\n".join(f"| {line} |" for line in [drawn[0], ruler, *drawn[1:]])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or value >= 1_000 else f"{value:,.2f}"  # noqa: PLR2004
