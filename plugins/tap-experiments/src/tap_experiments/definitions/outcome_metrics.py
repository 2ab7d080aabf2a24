"""The catalogue of outcome metrics: the names that a definition may use, and what each may be named for.

One CSV file holds it, the dbt project's seed `outcome_metrics`; a row more is a metric more. Where there is no
such project, the copy inside this package serves. Only the columns that a definition depends on are read here.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from singer_program.definitions.faults import DefinitionError, Fault
from singer_program.definitions.files import UnreadableError, read
from singer_program.definitions.yaml_values import KEY, did_you_mean, misnamed

if TYPE_CHECKING:
    from collections.abc import Mapping

E = TypeVar("E", bound=StrEnum)

SEED = Path("transform/seeds/outcome_metrics.csv")
"""Where a project keeps the catalogue, from its own folder."""
PACKAGED = Path(__file__).with_name("outcome_metrics.csv")
"""The copy of it that comes with the package; `scripts/docs.py` keeps it equal."""
MAX_WINDOW_DAYS = 365

_COLUMNS = ("metric", "kind", "direction", "aggregation", "counts_machines", "time_window", "margin", "channels")
_NONE = ("none", "")
_RECEIPT = "receipt"
_MESSAGE, _ATTRIBUTION = "message", "attribution"
_EVERY_CHANNEL = "all"


class Kind(StrEnum):
    """What is computed over the units of an arm."""

    SHARE = "share"
    MEAN = "mean"
    RATIO = "ratio"


class Direction(StrEnum):
    """Which way is better."""

    INCREASE = "increase"
    DECREASE = "decrease"


@dataclass(frozen=True, slots=True)
class OutcomeMetric:
    """What is measured: one row of the catalogue.

    Attributes:
        name: What a definition calls it.
        kind: Share, mean or ratio.
        direction: Which way is better.
        counts_machines: Whether opens and clicks by machines count.
        is_receipt: Whether it says who received the message, which no arm can change.
        time_window: `message`, `attribution` or a number of days after the receipt.
        margin: Percentage points above the control's that are tolerated by default; none: no guardrail by default.
        channels: Those that report it; none: all.
    """

    name: str
    kind: Kind
    direction: Direction
    counts_machines: bool
    is_receipt: bool
    time_window: str
    margin: float | None
    channels: frozenset[str] | None

    @property
    def may_decide(self) -> bool:
        """Whether it can be the primary metric: a share or mean of what people do, and more is better."""
        is_goal = self.kind is not Kind.RATIO and self.direction is Direction.INCREASE
        return is_goal and not self.counts_machines and not self.is_receipt

    @property
    def may_guard(self) -> bool:
        """Whether it can be a guardrail, whose margin is percentage points: a share, and less is better."""
        return self.kind is Kind.SHARE and self.direction is Direction.DECREASE

    @property
    def may_have_window(self) -> bool:
        """Whether it counts for some time after the receipt, so that a definition can say how long."""
        return self.kind is not Kind.RATIO and self.time_window != _MESSAGE

    @property
    def window_days(self) -> int | None:
        """Its own days after the receipt; none: the message itself, or the experiment's attribution window."""
        return int(self.time_window) if self.time_window not in {_MESSAGE, _ATTRIBUTION} else None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All outcome metrics, by name, in the order of the file."""

    file: str
    """Its name in messages."""
    metrics: Mapping[str, OutcomeMetric]

    @property
    def names(self) -> list[str]:
        """Of all."""
        return list(self.metrics)

    @property
    def primary(self) -> list[str]:
        """Of those that may decide an experiment."""
        return [name for name, metric in self.metrics.items() if metric.may_decide]

    @property
    def guardrails(self) -> list[str]:
        """Of those that a winner can be kept from making worse."""
        return [name for name, metric in self.metrics.items() if metric.may_guard]

    @property
    def default_guardrails(self) -> dict[str, float]:
        """Margins in percentage points, held by every definition that does not say otherwise."""
        return {name: metric.margin for name, metric in self.metrics.items() if metric.margin is not None}

    def remedy(self, word: str, names: list[str]) -> str:
        """What to do about a name that is none of `names`."""
        nearest = did_you_mean(word, names)
        return f"{nearest}{'' if nearest.endswith('?') else '.'} A new one is a row of {self.file}"


def read_catalogue(path: Path | None = None) -> Catalogue:
    """The catalogue of a file.

    Args:
        path: The file; without it, `SEED` of the current folder if there is one, else `PACKAGED`.

    Raises:
        DefinitionError: With everything that is wrong with the file; nothing is read without it.
    """
    file = path or (SEED if SEED.is_file() else PACKAGED)
    try:
        text = read(file.parent, file.name)
    except UnreadableError as error:
        remedy = "give the setting `outcome_metrics` the CSV file of the outcome metrics, or leave it out"
        raise DefinitionError([Fault(str(file), 0, "", error.problem, remedy)]) from error
    return _Reader(str(file)).catalogue(text)


class _Reader:
    """Reads the rows; every fault is kept, with the line of its row."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._line = 1
        self._faults: list[Fault] = []

    def catalogue(self, text: str) -> Catalogue:
        """The whole file.

        Raises:
            DefinitionError: If any row is wrong.
        """
        rows = csv.DictReader(text.splitlines())
        missing = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
        for column in missing:
            self._fault(column, "is no column of the file", "add it, as transform/seeds/outcome_metrics.yml says")
        metrics: dict[str, OutcomeMetric] = {}
        for row in rows if not missing else ():
            self._line = rows.line_num
            metric = self._metric({name: (row[name] or "").strip() for name in _COLUMNS})
            if metric.name in metrics:
                self._fault("metric", f"names `{metric.name}` again", "give every row a name of its own")
            metrics[metric.name] = metric
        if not missing and not metrics:
            self._fault("", "names no outcome metric", "add a row")
        if self._faults:
            raise DefinitionError(self._faults)
        return Catalogue(self._file, metrics)

    def _metric(self, row: Mapping[str, str]) -> OutcomeMetric:
        if not KEY.fullmatch(row["metric"]):
            self._fault("metric", *misnamed(row["metric"]))
        metric = OutcomeMetric(
            name=row["metric"],
            kind=self._choice("kind", row["kind"], Kind),
            direction=self._choice("direction", row["direction"], Direction),
            counts_machines=self._boolean("counts_machines", row["counts_machines"]),
            is_receipt=row["aggregation"] == _RECEIPT,
            time_window=self._window(row["time_window"]),
            margin=self._margin(row["margin"]),
            channels=None if row["channels"] == _EVERY_CHANNEL else frozenset(row["channels"].split()),
        )
        if metric.margin is not None and not metric.may_guard:
            problem = f"is {row['margin']}, but `{metric.name}` can be no guardrail"
            self._fault("margin", problem, "write `none`: only a share that shall decrease is guarded")
        return metric

    def _choice(self, column: str, word: str, options: type[E]) -> E:
        first, *_ = options
        words = [option.value for option in options]
        if word in words:
            return options(word)
        self._fault(column, f"`{word}` is not known here", did_you_mean(word, words))
        return first

    def _boolean(self, column: str, word: str) -> bool:
        if word.lower() not in {"true", "false"}:
            self._fault(column, f"`{word}` is not true or false", "write `true` or `false`")
        return word.lower() == "true"

    def _window(self, word: str) -> str:
        is_number = word.isascii() and word.isdigit() and 1 <= int(word) <= MAX_WINDOW_DAYS
        if word in {_MESSAGE, _ATTRIBUTION} or is_number:
            return word
        remedy = f"write `{_MESSAGE}`, `{_ATTRIBUTION}`, or days from 1 to {MAX_WINDOW_DAYS}"
        self._fault("time_window", f"`{word}` is no time to count in", remedy)
        return _MESSAGE

    def _margin(self, word: str) -> float | None:
        if word in _NONE:
            return None
        try:
            margin = float(word)
        except ValueError:
            margin = -1
        if not 0 <= margin <= 100:  # noqa: PLR2004  per cent
            self._fault(
                "margin", f"`{word}` is not a percentage", "write percentage points from 0 to 100, or `none`"
            )
        return margin

    def _fault(self, column: str, problem: str, remedy: str) -> None:
        self._faults.append(Fault(self._file, self._line, column, problem, remedy))
