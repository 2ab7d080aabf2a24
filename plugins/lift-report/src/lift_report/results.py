"""Results and verdicts as the warehouse holds them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

METRICS = ("clicked", "opened", "ordered", "revenue", "unsubscribed")
"""In the order they are shown behind the primary one."""

_VERDICTS = """
    SELECT experiment_key, experiment_version, slot_key, primary_metric, verdict, winning_arm, reason,
        units, received, started_at, ended_at, measured_at, srm_p_value, crossover_rate
    FROM marts.fct_experiment_verdicts
    ORDER BY ended_at IS NOT NULL, experiment_key, experiment_version DESC, slot_key
"""
_RESULTS = """
    SELECT experiment_key, experiment_version, slot_key, arm_key, metric, is_control, units, received, total, mean,
        difference, relative_lift, interval_low, interval_high, p_value, chance_to_win, expected_loss
    FROM marts.fct_experiment_results
    ORDER BY is_control DESC, arm_key
"""
_ASSIGNED = """
    SELECT experiment_key, experiment_version, slot_key, arm_key, count(*)
    FROM marts.fct_assignments
    GROUP BY ALL
"""


Row = tuple[Any, ...]


class ResultsError(Exception):
    """The warehouse cannot be read; the message tells what to do."""


@dataclass(frozen=True, slots=True)
class Result:
    """One arm measured by one metric.

    The mean and what is derived from it are per assigned profile. The comparison is with the control; it is empty
    for the control itself, and before there is anything to compare.
    """

    arm: str
    metric: str
    is_control: bool
    units: int
    received: int
    total: float | None
    mean: float | None
    difference: float | None
    relative_lift: float | None
    low: float | None
    high: float | None
    p_value: float | None
    chance_to_win: float | None
    expected_loss: float | None


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot of one version of an experiment: the verdict, and everything measured, the control first."""

    experiment: str
    version: int
    slot: str
    primary_metric: str
    verdict: str
    winning_arm: str | None
    reason: str
    srm_p_value: float | None
    crossover_rate: float | None
    units: int
    received: int
    started_at: datetime | None
    ended_at: datetime | None
    measured_at: datetime | None
    results: tuple[Result, ...]
    assigned: dict[str, int]
    """Profiles in the ledger, by arm."""

    def by_metric(self) -> Iterator[tuple[str, list[Result]]]:
        """The results of each metric that was measured, the primary one first."""
        found = {result.metric for result in self.results}
        order = dict.fromkeys((self.primary_metric, *METRICS, *sorted(found)))
        for metric in order:
            if metric in found:
                yield metric, [result for result in self.results if result.metric == metric]


def read_slots(warehouse: Path) -> list[Slot]:
    """Every slot that was judged: the running ones first, each experiment's newest version first.

    Raises:
        ResultsError: If there is no such file, another process writes it, or the results are not built.
    """
    if not warehouse.is_file():
        message = f"there is no warehouse `{warehouse}`; give the DuckDB file with --warehouse, or build it first"
        raise ResultsError(message)
    try:
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            # DuckDB would draw the progress of a long query on standard output.
            connection.execute("SET enable_progress_bar = false")
            verdicts = connection.execute(_VERDICTS).fetchall()
            results = connection.execute(_RESULTS).fetchall()
            assigned = connection.execute(_ASSIGNED).fetchall()
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        message = (
            f"`{warehouse}` holds no results; build the models of the schema `marts` first ({_first_line(error)})"
        )
        raise ResultsError(message) from error
    except duckdb.Error as error:
        busy = "Could not set lock" in str(error)
        remedy = (
            "another process is writing it, wait for it" if busy else "it is no sound DuckDB file of this version"
        )
        message = f"`{warehouse}` cannot be read; {remedy} ({_first_line(error)})"
        raise ResultsError(message) from error
    return [
        _slot(
            verdict,
            [row[3:] for row in results if row[:3] == verdict[:3]],
            [row[3:] for row in assigned if row[:3] == verdict[:3]],
        )
        for verdict in verdicts
    ]


def _slot(verdict: Row, results: list[Row], assigned: list[Row]) -> Slot:
    *texts, units, received, started_at, ended_at, measured_at, srm_p_value, crossover_rate = verdict
    experiment, version, slot, primary_metric, word, winning_arm, reason = texts
    return Slot(
        experiment=experiment,
        version=version,
        slot=slot,
        primary_metric=primary_metric,
        verdict=word,
        winning_arm=winning_arm,
        reason=reason,
        srm_p_value=_finite(srm_p_value),
        crossover_rate=_finite(crossover_rate),
        units=units,
        received=received,
        started_at=started_at,
        ended_at=ended_at,
        measured_at=measured_at,
        results=tuple(_result(row) for row in results),
        assigned=dict(assigned),
    )


def _result(row: Row) -> Result:
    arm, metric, is_control, units, received, *figures = row
    return Result(arm, metric, is_control, units, received, *map(_finite, figures))


def _finite(value: float | None) -> float | None:
    """A figure that can be shown: an interval without data may reach to infinity."""
    return value if value is not None and math.isfinite(value) else None


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]
