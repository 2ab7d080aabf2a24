"""What the warehouse holds of the experiments, as the page shows it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import MISSING, dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from lift_report.warehouse import ReportError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lift_report.warehouse import Row, Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A row of a table: a field for each column that is read. One with a default may be absent or null."""

    TABLE: ClassVar[str]
    NEEDED: ClassVar[bool] = False
    """Whether there is no page without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfExperiment(_Table):
    experiment_key: str
    experiment_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfSlot(_OfExperiment):
    slot_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(_OfSlot):
    """What holds of a slot, by which rule, in words; the figures are the spoken-of arm's."""

    TABLE: ClassVar[str] = "fct_experiment_verdicts"
    NEEDED: ClassVar[bool] = True
    primary_metric: str
    verdict: str
    reason: str
    units: int
    received: int
    winning_arm: str | None = None
    channel: str | None = None
    currency: str | None = None
    rule: str | None = None
    words: str | None = None
    srm_p_value: float | None = None
    crossover_rate: float | None = None
    chance_to_win: float | None = None
    expected_loss: float | None = None
    relative_lift: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    minimum_detectable_effect: float | None = None
    days_to_decision: float | None = None
    smart_allocation_uplift: float | None = None
    smart_allocation_uplift_error: float | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    measured_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(_OfSlot):
    """One arm measured by one metric.

    The comparison is with the control: empty for the control itself, and before there is anything to compare.
    Means are per profile of the analysis: `assigned` counts everybody, and decides.
    """

    TABLE: ClassVar[str] = "fct_experiment_results"
    NEEDED: ClassVar[bool] = True
    arm_key: str
    metric: str
    is_control: bool
    units: int
    analysis: str = "assigned"
    attribution: str | None = None
    estimator: str | None = None
    is_primary: bool | None = None
    is_decisive: bool | None = None
    total: float | None = None
    mean: float | None = None
    control_mean: float | None = None
    difference: float | None = None
    standard_error: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    welch_low: float | None = None
    welch_high: float | None = None
    cuped_difference: float | None = None
    cuped_low: float | None = None
    cuped_high: float | None = None
    variance_reduction: float | None = None
    relative_lift: float | None = None
    relative_low: float | None = None
    relative_high: float | None = None
    shrunken_lift: float | None = None
    p_value: float | None = None
    p_value_welch: float | None = None
    p_value_holm: float | None = None
    p_value_bh: float | None = None
    chance_to_win: float | None = None
    expected_loss: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day(_OfSlot):
    """An arm at the end of a day by the primary metric, everything until then counted."""

    TABLE: ClassVar[str] = "fct_experiment_daily"
    arm_key: str
    metric: str
    day: date
    units: int | None = None
    total: float | None = None
    mean: float | None = None
    difference: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(_OfSlot):
    """How many profiles of an arm came how far; the share is of the assigned ones."""

    TABLE: ClassVar[str] = "fct_experiment_funnel"
    arm_key: str
    stage: str
    stage_index: int
    units: int | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance(_OfSlot):
    """Whether the arms' sizes at a stage fit the split."""

    TABLE: ClassVar[str] = "fct_experiment_srm"
    stage: str
    chi_square: float | None = None
    degrees_of_freedom: int | None = None
    p_value: float | None = None
    is_alarm: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail(_OfSlot):
    """Whether an arm does harm beyond a margin: `safe`, `not_yet_safe` or `blocked`."""

    TABLE: ClassVar[str] = "fct_experiment_guardrails"
    arm_key: str
    metric: str
    state: str
    margin: float | None = None
    difference: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction(_OfSlot):
    """How much more an arm does together with an arm of another slot than both do alone."""

    TABLE: ClassVar[str] = "fct_experiment_interactions"
    metric: str
    arm_key: str
    other_slot_key: str
    other_arm_key: str
    difference: float | None = None
    standard_error: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    p_value: float | None = None
    p_value_holm: float | None = None
    is_flagged: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight(_OfSlot):
    """The share of an arm that was frozen with a version, in basis points."""

    TABLE: ClassVar[str] = "fct_allocations"
    arm_key: str
    weight_bp: int
    reason: str | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextWeight(_OfSlot):
    """The share that an arm is proposed for the next version."""

    TABLE: ClassVar[str] = "fct_allocations_next"
    arm_key: str
    weight_bp: int
    reason: str | None = None
    chance_best: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Play(_Table):
    """What content of one kind did in all experiments of a channel: `rule`, `anti_pattern`, `gap` or `open`."""

    TABLE: ClassVar[str] = "fct_content_playbook"
    attribute: str
    value: str
    verdict: str
    channel: str | None = None
    experiments: int | None = None
    slots: int | None = None
    pooled_lift: float | None = None
    pooled_low: float | None = None
    pooled_high: float | None = None
    last_tested_at: datetime | date | None = None


TABLES: tuple[type[_Table], ...] = (
    *(Verdict, Result, Day, Stage, Balance, Guardrail, Interaction, Weight, NextWeight, Play),
)
"""Everything that is read."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot of a version of an experiment: its verdict and everything measured; of the arms the control is first.

    Attributes:
        results: Of all assigned profiles, each metric credited in one way: the decisive one, if it is known.
        others: Of those who received or opened only, or credited in another way.
        splits: The shares of this version and of those before it, the oldest first.
    """

    verdict: Verdict
    arms: tuple[str, ...]
    control: str | None
    results: tuple[Result, ...]
    others: tuple[Result, ...]
    days: tuple[Day, ...]
    stages: tuple[Stage, ...]
    balances: tuple[Balance, ...]
    guardrails: tuple[Guardrail, ...]
    splits: tuple[tuple[Weight, ...], ...]
    next_split: tuple[NextWeight, ...]

    @property
    def name(self) -> str:
        """Its key."""
        return self.verdict.slot_key

    @property
    def primary(self) -> tuple[Result, ...]:
        """The results that decide."""
        return self.of(self.verdict.primary_metric)

    def of(self, metric: str) -> tuple[Result, ...]:
        """The results of a metric, the control's first."""
        return tuple(result for result in self.results if result.metric == metric)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What was measured, the primary metric first."""
        found = {result.metric for result in self.results}
        order = dict.fromkeys((self.verdict.primary_metric, *METRICS, *sorted(found)))
        return tuple(metric for metric in order if metric in found)


@dataclass(frozen=True, slots=True)
class Experiment:
    """A version of an experiment."""

    key: str
    version: int
    slots: tuple[Slot, ...]
    interactions: tuple[Interaction, ...]

    @property
    def channel(self) -> str | None:
        """Through which it is sent."""
        return next((slot.verdict.channel for slot in self.slots if slot.verdict.channel), None)

    @property
    def currency(self) -> str | None:
        """Of its orders, if it is known."""
        return next((slot.verdict.currency for slot in self.slots if slot.verdict.currency), None)

    @property
    def ended_at(self) -> datetime | None:
        """When all of it had ended."""
        ends = [slot.verdict.ended_at for slot in self.slots]
        return None if None in ends else max(end for end in ends if end)

    @property
    def started_at(self) -> datetime | None:
        """First receipt."""
        return min((slot.verdict.started_at for slot in self.slots if slot.verdict.started_at), default=None)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was read.

    Attributes:
        experiments: The running ones first, each one's newest version first.
        absent: The tables that are not there, and what is missing in others, each with what it takes.
    """

    experiments: tuple[Experiment, ...]
    plays: tuple[Play, ...]
    absent: Mapping[str, str]

    @property
    def measured_at(self) -> datetime | None:
        """The newest measurement."""
        moments = [slot.verdict.measured_at for _, slot in self.slots]
        return max((moment for moment in moments if moment), default=None)

    @property
    def slots(self) -> list[tuple[Experiment, Slot]]:
        """All slots in the page's order."""
        return [(experiment, slot) for experiment in self.experiments for slot in experiment.slots]


METRICS = (
    *("received", "opened", "opened_all", "clicked", "clicked_all", "ordered", "revenue", "revenue_per_order"),
    *("unsubscribed", "complained", "bounced"),
)
"""In the order they are shown behind the primary one."""

_T = TypeVar("_T", bound=_Table)
_S = TypeVar("_S", bound=_OfSlot)
_Key = tuple[str, int, str]


def read(warehouse: Warehouse) -> Report:
    """Everything the warehouse holds of the experiments.

    Raises:
        ReportError: If the verdicts or results are not there, or a row lacks what it needs.
    """
    tables = warehouse.tables()
    absent = _absent(tables)
    verdicts = _rows(warehouse, tables, Verdict)
    results = _by_slot(_rows(warehouse, tables, Result))
    days = _by_slot(_rows(warehouse, tables, Day))
    stages = _by_slot(_rows(warehouse, tables, Stage))
    balances = _by_slot(_rows(warehouse, tables, Balance))
    guardrails = _by_slot(_rows(warehouse, tables, Guardrail))
    next_weights = _by_slot(_rows(warehouse, tables, NextWeight))
    weights = _by_slot(_rows(warehouse, tables, Weight))
    interactions = _rows(warehouse, tables, Interaction)

    def slot(verdict: Verdict) -> Slot:
        key = _key(verdict)
        measured = sorted(
            results[key], key=lambda row: (not row.is_control, row.arm_key, row.metric, row.analysis)
        )
        shown = _decisive(measured)
        arms = tuple(
            dict.fromkeys(
                row.arm_key
                for rows in (measured, sorted(next_weights[key], key=_arm), sorted(weights[key], key=_arm))
                for row in rows
            )
        )
        place = {arm: index for index, arm in enumerate(arms)}

        def order(arm: str) -> tuple[int, str]:
            return place.get(arm, len(place)), arm

        earlier = sorted(
            (
                other
                for other in weights
                if weights[other] and (other[0], other[2]) == (key[0], key[2]) and other[1] <= key[1]
            ),
            key=lambda other: other[1],
        )
        return Slot(
            verdict=verdict,
            arms=arms,
            control=next((row.arm_key for row in measured if row.is_control), None),
            results=tuple(row for row in measured if row in shown),
            others=tuple(row for row in measured if row not in shown),
            days=tuple(sorted(days[key], key=lambda row: (order(row.arm_key), row.day))),
            stages=tuple(sorted(stages[key], key=lambda row: (row.stage_index, order(row.arm_key)))),
            balances=tuple(sorted(balances[key], key=lambda row: _STAGES.get(row.stage, len(_STAGES)))),
            guardrails=tuple(sorted(guardrails[key], key=lambda row: (_metric(row.metric), order(row.arm_key)))),
            splits=tuple(tuple(sorted(weights[other], key=lambda row: order(row.arm_key))) for other in earlier),
            next_split=tuple(sorted(next_weights[key], key=lambda row: order(row.arm_key))),
        )

    groups: dict[tuple[str, int], list[Verdict]] = defaultdict(list)
    for verdict in sorted(verdicts, key=lambda row: row.slot_key):
        groups[verdict.experiment_key, verdict.experiment_version].append(verdict)
    experiments = [
        Experiment(
            key=key,
            version=version,
            slots=tuple(map(slot, rows)),
            interactions=tuple(
                sorted(
                    (
                        row
                        for row in interactions
                        if (row.experiment_key, row.experiment_version) == (key, version)
                    ),
                    key=lambda row: (
                        not row.is_flagged,
                        *(_metric(row.metric), row.slot_key, row.arm_key, row.other_slot_key, row.other_arm_key),
                    ),
                )
            ),
        )
        for (key, version), rows in groups.items()
    ]
    experiments.sort(key=lambda experiment: (experiment.ended_at is not None, experiment.key, -experiment.version))
    plays = sorted(
        _rows(warehouse, tables, Play),
        key=lambda row: (
            _PLAYS.get(row.verdict, len(_PLAYS)),
            -abs(row.pooled_lift or 0),
            *(row.channel or "", row.attribute, row.value),
        ),
    )
    return Report(tuple(experiments), tuple(plays), absent)


def _decisive(rows: Sequence[Result]) -> set[Result]:
    """The results that are shown: of everybody, and of each metric those of one attribution."""
    counted = [row for row in rows if row.analysis == "assigned"]
    ways: dict[str, set[str | None]] = defaultdict(set)
    for row in counted:
        ways[row.metric].add(row.attribution)
    wanted = (*sorted({row.attribution or "" for row in counted if row.is_decisive}), "assigned_window")
    chosen = {
        metric: next((way for way in wanted if way in found), min(found, key=lambda way: way or ""))
        for metric, found in ways.items()
    }
    return {row for row in counted if row.attribution == chosen[row.metric]}


_STAGES = {stage: index for index, stage in enumerate(("assigned", "written", "received", "opened"))}
_PLAYS = {verdict: index for index, verdict in enumerate(("rule", "anti_pattern", "open", "gap"))}


def _key(row: _OfSlot) -> _Key:
    return row.experiment_key, row.experiment_version, row.slot_key


def _arm(row: Weight | NextWeight) -> str:
    return row.arm_key


def _metric(metric: str) -> tuple[int, str]:
    return (METRICS.index(metric) if metric in METRICS else len(METRICS)), metric


def _by_slot(rows: Iterable[_S]) -> defaultdict[_Key, list[_S]]:
    found: defaultdict[_Key, list[_S]] = defaultdict(list)
    for row in rows:
        found[_key(row)].append(row)
    return found


def _absent(tables: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """What is not in the warehouse, by table, with what it takes.

    Raises:
        ReportError: If there is no page without it.
    """
    absent: dict[str, str] = {}
    fatal: list[str] = []
    for table in TABLES:
        name = table.TABLE
        needed = {column.name for column in fields(table) if column.default is MISSING}
        wanted = {column.name for column in fields(table)}
        if name not in tables:
            absent[name] = "is not built"
            if table.NEEDED:
                fatal.append(name)
        elif missing := sorted(wanted - tables[name]):
            absent[name] = f"has no {_listed(missing)}"
            if set(missing) & needed:
                fatal.append(name)
    if fatal:
        said = "; ".join(f"`{name}` {absent[name]}" for name in fatal)
        message = f"the results cannot be read: {said}. Build: dbt build --select {' '.join(fatal)}"
        raise ReportError(message)
    return absent


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(f"`{column}`" for column in columns)


def _rows(warehouse: Warehouse, tables: Mapping[str, frozenset[str]], kind: type[_T]) -> list[_T]:
    if kind.TABLE not in tables:
        return []
    columns = [column for column in fields(kind) if column.name in tables[kind.TABLE]]
    names = [column.name for column in columns]
    needed = [column.name for column in columns if column.default is MISSING]
    defaults = {column.name: column.default for column in columns if column.default is not MISSING}
    found = []
    for row in warehouse.read(kind.TABLE, names):
        values = {**defaults, **_values(names, row)}
        if empty := [name for name in needed if values.get(name) is None]:
            message = (
                f"a row of `{kind.TABLE}` has no {_listed(empty)}."
                f" Build it again, with its tests: dbt build --select {kind.TABLE}"
            )
            raise ReportError(message)
        found.append(kind(**values))
    return found


def _values(names: Sequence[str], row: Row) -> dict[str, Any]:
    return {name: value for name, value in zip(names, map(_figure, row), strict=True) if value is not None}


def _figure(value: Any) -> Any:  # noqa: ANN401  whatever the warehouse holds
    """A figure that can be shown: an interval without data may reach to infinity, or near it."""
    if isinstance(value, Decimal):
        value = float(value)
    return None if isinstance(value, float) and not abs(value) <= _LARGEST else value


_LARGEST = 1e15
