"""The tables that are read: a class for each, a field for each of its columns, and how rows are checked."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from singer_program.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from singer_program.warehouse import Row, Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A row of a table: a field for each column that is read. One with a default may be absent or null."""

    TABLE: ClassVar[str]
    NEEDED: ClassVar[bool] = False
    """Whether there is no page without it."""
    IS_DEFINED: ClassVar[bool] = False
    """Whether it is about definitions, which are in another schema than the results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfExperiment(Table):
    """A row about a version of an experiment."""

    experiment_key: str
    experiment_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfSlot(OfExperiment):
    """A row about a slot of it."""

    slot_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(OfSlot):
    """What holds of a slot, by which rule, with the figures that its sentences take.

    Attributes:
        challenger_arm: The arm that the verdict speaks of: the best winner, else a blocked arm, else the one that
            leads. What follows from `effect` to `blocking_margin` is its own.
        effect: Its difference to the control per assigned profile, by the estimate that decides.
        srm_stage: Where the arms' sizes are wrong: `assigned`, `written` or `received`; none without alarm.
        thresholds: What the rules compare with, by the project's names of its variables, as a JSON object.
        shipped_arm: What everybody is shown since the experiment has ended, as its definition says.
        shipped_by: Whose decision that is: `verdict`, where the figures name the same arm, or `author`.
    """

    TABLE: ClassVar[str] = "fct_experiment_verdicts"
    NEEDED: ClassVar[bool] = True
    primary_metric: str
    verdict: str
    units: int
    received: int
    rule: str | None = None
    winning_arm: str | None = None
    control_arm: str | None = None
    challenger_arm: str | None = None
    channel: str | None = None
    currency: str | None = None
    srm_p_value: float | None = None
    srm_stage: str | None = None
    crossover_rate: float | None = None
    rendered: int | None = None
    crossovers: int | None = None
    least_received: int | None = None
    converted: int | None = None
    effect: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    p_value: float | None = None
    chance_to_win: float | None = None
    expected_loss: float | None = None
    relative_lift: float | None = None
    has_several_challengers: bool | None = None
    is_not_yet_safe: bool | None = None
    blocking_metric: str | None = None
    blocking_low: float | None = None
    blocking_margin: float | None = None
    decision: str | None = None
    corrected_lift: float | None = None
    money_metric: str | None = None
    money_effect: float | None = None
    money_low: float | None = None
    money_high: float | None = None
    blocked_arms: int | None = None
    first_blocked_arm: str | None = None
    runner_up_arm: str | None = None
    runner_up_p_value: float | None = None
    is_told_apart: bool | None = None
    is_mature: bool | None = None
    least_expected_conversions: float | None = None
    minimum_detectable_effect: float | None = None
    days_to_decision: float | None = None
    smart_allocation_uplift: float | None = None
    smart_allocation_uplift_error: float | None = None
    thresholds: str | None = None
    shipped_arm: str | None = None
    shipped_by: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    measured_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(OfSlot):
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
    corrected_lift: float | None = None
    p_value: float | None = None
    p_value_welch: float | None = None
    p_value_holm: float | None = None
    p_value_bh: float | None = None
    chance_to_win: float | None = None
    expected_loss: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled(OfSlot):
    """All arms of a slot but the control as one group against it, by one metric; there are at least two."""

    TABLE: ClassVar[str] = "fct_experiment_pooled"
    metric: str
    arms: int
    units: int
    analysis: str = "assigned"
    attribution: str | None = None
    is_primary: bool | None = None
    control_units: int | None = None
    mean: float | None = None
    control_mean: float | None = None
    difference: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    p_value: float | None = None
    relative_lift: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day(OfSlot):
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
class Stage(OfSlot):
    """How many profiles of an arm came how far; the share is of the assigned ones."""

    TABLE: ClassVar[str] = "fct_experiment_funnel"
    arm_key: str
    stage: str
    stage_index: int
    units: int | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance(OfSlot):
    """Whether the arms' sizes at a stage fit the split."""

    TABLE: ClassVar[str] = "fct_experiment_srm"
    stage: str
    chi_square: float | None = None
    degrees_of_freedom: int | None = None
    p_value: float | None = None
    is_alarm: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail(OfSlot):
    """Whether an arm does harm beyond a margin: `safe`, `not_yet_safe`, `blocked` or `not_loaded`."""

    TABLE: ClassVar[str] = "fct_experiment_guardrails"
    arm_key: str
    metric: str
    state: str
    margin: float | None = None
    difference: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction(OfSlot):
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
class Weight(OfSlot):
    """The share of an arm that was frozen with a version, in basis points."""

    TABLE: ClassVar[str] = "fct_allocations"
    arm_key: str
    weight_bp: int
    reason: str | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextWeight(OfSlot):
    """The share that an arm is proposed for the next version; `rule` and what follows it are of the whole slot."""

    TABLE: ClassVar[str] = "fct_allocations_next"
    arm_key: str
    weight_bp: int
    chance_best: float | None = None
    rule: str | None = None
    best_arm: str | None = None
    best_chance: float | None = None
    has_harmful_arm: bool | None = None
    floor_bp: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmQuality(OfSlot):
    """What in the data of an arm may lie.

    Attributes:
        received_before_assigned: Recipients who were not shown the arm, because they were assigned later.
        suspected_bots: Recipients with clicks that no person makes, and that are not flagged.
        has_unequal_bots: Whether chance does not explain how unequal the suspected bots are in the slot's arms.
    """

    TABLE: ClassVar[str] = "fct_experiment_data_quality"
    arm_key: str
    received: int | None = None
    received_before_assigned: int | None = None
    flagged_bots: int | None = None
    suspected_bots: int | None = None
    suspected_bot_rate: float | None = None
    suspected_bots_p_value: float | None = None
    has_unequal_bots: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleReport(Table):
    """Whether two metrics that play one role report the same events, so that each counts twice."""

    TABLE: ClassVar[str] = "fct_double_reports"
    role: str
    metric_id: str
    other_metric_id: str
    integration_key: str | None = None
    other_integration_key: str | None = None
    events: int | None = None
    other_events: int | None = None
    matched_events: int | None = None
    is_doubled: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout(Table):
    """What the messages earned at all, by whom they were not sent to: one outcome metric.

    `scope` is `experiment`, or `global` for all experiments together, whose key is `*`.
    """

    TABLE: ClassVar[str] = "fct_holdout_results"
    scope: str
    experiment_key: str
    experiment_version: int
    metric: str
    units: int | None = None
    held_out_units: int | None = None
    mean: float | None = None
    held_out_mean: float | None = None
    difference: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    p_value: float | None = None
    incremental: float | None = None
    incremental_low: float | None = None
    incremental_high: float | None = None
    currency: str | None = None
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Play(Table):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeMetric(Table):
    """What is measured, and how it is spoken of.

    Attributes:
        kind: `share` of the profiles, `mean` per profile, or `ratio` of two sums.
        direction: Which change is good: `increase` or `decrease`.
        title: Its name as a heading.
        noun: What its total counts, in the plural: `clicks`.
        verb: What somebody did, after `who`: `clicked`.
        unit: `currency` for amounts of money, else empty.
    """

    TABLE: ClassVar[str] = "dim_outcome_metrics"
    metric: str
    position: int
    kind: str
    direction: str
    title: str
    noun: str
    verb: str
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level(OfSlot):
    """An arm by the primary metric among profiles that were of one level of a dimension when they were assigned.

    Attributes:
        level_kind: `level`; `none` of profiles that had no value, `other` of all levels that are too small.
        p_value_bh: Adjusted for all levels and arms of the version; none where there are too few to compare.
    """

    TABLE: ClassVar[str] = "fct_experiment_dimensions"
    arm_key: str
    dimension: str
    level_kind: str
    level: str
    is_control: bool
    units: int
    position: int | None = None
    is_told_apart: bool | None = None
    mean: float | None = None
    control_mean: float | None = None
    difference: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    relative_lift: float | None = None
    p_value: float | None = None
    p_value_bh: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(OfSlot):
    """A check of an experiment's health: `crossover`, `covariate_balance`, `hours_to_click` or `novelty`.

    Attributes:
        arm_key: `*` for all of the slot.
        item: The covariate, or `first_days` and `later_days`; else `*`.
        low: Lower quartile, where the value is a median.
    """

    TABLE: ClassVar[str] = "fct_experiment_health"
    health_check: str
    arm_key: str
    item: str
    units: int | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    p_value: float | None = None
    is_warning: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SinceReceipt(OfSlot):
    """An arm up to a day after the first receipt, by the primary metric of who has been seen for so long."""

    TABLE: ClassVar[str] = "fct_experiment_novelty"
    arm_key: str
    metric: str
    day: int
    units: int | None = None
    total: float | None = None
    mean: float | None = None
    difference: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinedExperiment(OfExperiment):
    """An experiment as its definition has it now; of earlier versions nothing is kept.

    Attributes:
        description: The question that it shall answer.
        audience: Id or name of the list or segment.
    """

    TABLE: ClassVar[str] = "stg_experiments__experiments"
    IS_DEFINED: ClassVar[bool] = True
    status: str | None = None
    description: str | None = None
    audience_type: str | None = None
    audience: str | None = None
    template_name: str | None = None
    planned_stop_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinedArm(Table):
    """What an arm says in its slot."""

    TABLE: ClassVar[str] = "stg_experiments__arms"
    IS_DEFINED: ClassVar[bool] = True
    experiment_key: str
    slot_key: str
    arm_key: str
    position: int | None = None
    is_control: bool | None = None
    html: str | None = None
    text: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinedTemplate(Table):
    """The generated template of an experiment, with a branch for each arm."""

    TABLE: ClassVar[str] = "stg_experiments__templates"
    IS_DEFINED: ClassVar[bool] = True
    template_name: str
    experiment_key: str
    html: str | None = None
    text: str | None = None
    subject: str | None = None


TABLES: tuple[type[Table], ...] = (
    *(Verdict, Result, Pooled, Day, Stage, Balance, Guardrail, Interaction, Weight, NextWeight),
    *(Holdout, ArmQuality, DoubleReport, Play, OutcomeMetric, Level, Check, SinceReceipt),
    *(DefinedExperiment, DefinedArm, DefinedTemplate),
)
"""Everything that is read."""


_T = TypeVar("_T", bound=Table)


def absent_from(tables: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """What is not in the warehouse, by table, with what it takes.

    Raises:
        ProgramError: If there is no page without it.
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
        raise ProgramError(message)
    return absent


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(f"`{column}`" for column in columns)


def rows_of(warehouse: Warehouse, tables: Mapping[str, frozenset[str]], kind: type[_T]) -> list[_T]:
    """All rows of a table, none where it is not there.

    Raises:
        ProgramError: If a row lacks what it needs.
    """
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
            raise ProgramError(message)
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
