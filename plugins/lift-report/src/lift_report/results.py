"""The report: what the tables hold, put together by experiment and slot in the page's order."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from lift_report.older_verdicts import completed
from lift_report.outcome_metrics import Catalogue, Measure
from lift_report.tables import (
    TABLES,
    ArmQuality,
    Balance,
    Check,
    Day,
    DefinedArm,
    DefinedExperiment,
    DefinedTemplate,
    DoubleReport,
    Guardrail,
    Holdout,
    Interaction,
    Level,
    NextWeight,
    OfSlot,
    OutcomeMetric,
    Play,
    Pooled,
    Result,
    SinceReceipt,
    Stage,
    Verdict,
    Weight,
    absent_from,
    rows_of,
)
from singer_program.errors import ProgramError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from singer_program.warehouse import Warehouse


AWAITING_THE_LOOK = ("waiting_for_planned_stop", "waiting_for_outcomes")
"""The rules of a test with one look that has not come yet."""
SEEN_AT_THE_LOOK = (
    *("challenger_arm", "effect", "interval_low", "interval_high", "p_value", "chance_to_win", "expected_loss"),
    *("relative_lift", "corrected_lift", "money_metric", "money_effect", "money_low", "money_high"),
    *("runner_up_arm", "runner_up_p_value", "is_told_apart", "has_several_challengers"),
    *("smart_allocation_uplift", "smart_allocation_uplift_error"),
)
"""What a verdict tells of the difference between the arms: guardrails and what the plan needs are not among it."""


@dataclass(frozen=True, slots=True)
class Definition:
    """An experiment as its definition has it now.

    Attributes:
        arms: Of all its slots, the control of each first.
    """

    experiment: DefinedExperiment
    arms: tuple[DefinedArm, ...]
    template: DefinedTemplate | None

    @property
    def key(self) -> str:
        """Of the experiment."""
        return self.experiment.experiment_key


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot of a version of an experiment: its verdict and everything measured; of the arms the control is first.

    Attributes:
        results: Of all assigned profiles, each metric credited in one way: the decisive one, if it is known.
        others: Of those who received or opened only, or credited in another way.
        splits: The shares of this version and of those before it, the oldest first.
        catalogue: How the metrics are spoken of.
        levels: For whom it worked, dimension by dimension as the definition has them, the largest level first.
        checks: What may be wrong, or worth knowing.
        since: The primary metric by days since the receipt.
        pooled: All arms but the control taken together, of all assigned profiles, the primary metric first.
        definition: Of this version; none where it is gone, or has moved on to another.
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
    qualities: tuple[ArmQuality, ...] = ()
    catalogue: Catalogue = field(default_factory=Catalogue)
    levels: tuple[Level, ...] = ()
    checks: tuple[Check, ...] = ()
    since: tuple[SinceReceipt, ...] = ()
    pooled: tuple[Pooled, ...] = ()
    definition: Definition | None = None

    @property
    def name(self) -> str:
        """Its key."""
        return self.verdict.slot_key

    @property
    def awaits_its_look(self) -> bool:
        """Whether it is a test with one look that has not come yet, so that nothing of its outcomes is told."""
        return self.verdict.rule in AWAITING_THE_LOOK

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
        primary = self.verdict.primary_metric
        return tuple(sorted(found, key=lambda metric: (metric != primary, self.catalogue.order(metric))))

    def measure(self, metric: str) -> Measure:
        """How figures of a metric of this slot are written."""
        return self.catalogue.measure(metric, (row.mean for row in self.of(metric)), self.verdict.currency)


@dataclass(frozen=True, slots=True)
class Experiment:
    """A version of an experiment.

    Attributes:
        defined_version: The version that the definition has now; none where there is no definition.
    """

    key: str
    version: int
    slots: tuple[Slot, ...]
    interactions: tuple[Interaction, ...]
    catalogue: Catalogue = field(default_factory=Catalogue)
    defined_version: int | None = None

    @property
    def definition(self) -> Definition | None:
        """Of this version."""
        return next((slot.definition for slot in self.slots), None)

    @property
    def question(self) -> str:
        """What it shall answer; empty where that is not known."""
        return (self.definition and self.definition.experiment.description) or ""

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
        doubled: The pairs of metrics that report the same events.
        catalogue: How the metrics are spoken of.
        holdouts: What the messages earned at all, that of all experiments together first.
        waiting: What is defined and has no verdict yet.
    """

    experiments: tuple[Experiment, ...]
    plays: tuple[Play, ...]
    absent: Mapping[str, str]
    doubled: tuple[DoubleReport, ...] = ()
    catalogue: Catalogue = field(default_factory=Catalogue)
    holdouts: tuple[Holdout, ...] = ()
    waiting: tuple[DefinedExperiment, ...] = ()

    @property
    def measured_at(self) -> datetime | None:
        """The newest measurement."""
        moments = [slot.verdict.measured_at for _, slot in self.slots]
        return max((moment for moment in moments if moment), default=None)

    @property
    def slots(self) -> list[tuple[Experiment, Slot]]:
        """All slots in the page's order."""
        return [(experiment, slot) for experiment in self.experiments for slot in experiment.slots]


_S = TypeVar("_S", bound=OfSlot)
_Key = tuple[str, int, str]


def read(warehouse: Warehouse) -> Report:
    """Everything the warehouse holds of the experiments.

    Raises:
        ProgramError: If the verdicts or results are not there, or a row lacks what it needs.
    """
    tables = warehouse.tables()
    absent = absent_from(tables)
    verdicts = rows_of(warehouse, tables, Verdict)
    results = _by_slot(rows_of(warehouse, tables, Result))
    days = _by_slot(rows_of(warehouse, tables, Day))
    stages = _by_slot(rows_of(warehouse, tables, Stage))
    balances = _by_slot(rows_of(warehouse, tables, Balance))
    guardrails = _by_slot(rows_of(warehouse, tables, Guardrail))
    next_weights = _by_slot(rows_of(warehouse, tables, NextWeight))
    weights = _by_slot(rows_of(warehouse, tables, Weight))
    qualities = _by_slot(rows_of(warehouse, tables, ArmQuality))
    interactions = rows_of(warehouse, tables, Interaction)
    levels = _by_slot(rows_of(warehouse, tables, Level))
    checks = _by_slot(rows_of(warehouse, tables, Check))
    since = _by_slot(rows_of(warehouse, tables, SinceReceipt))
    pooled = _by_slot(rows_of(warehouse, tables, Pooled))
    catalogue = Catalogue.of(rows_of(warehouse, tables, OutcomeMetric))
    definitions = _definitions(warehouse, tables, absent)

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
        found = Slot(
            verdict=completed(verdict, measured, balances[key], guardrails[key]),
            arms=arms,
            control=next((row.arm_key for row in measured if row.is_control), None),
            results=tuple(row for row in measured if row in shown),
            others=tuple(row for row in measured if row not in shown),
            days=tuple(sorted(days[key], key=lambda row: (order(row.arm_key), row.day))),
            stages=tuple(sorted(stages[key], key=lambda row: (row.stage_index, order(row.arm_key)))),
            balances=tuple(sorted(balances[key], key=lambda row: _STAGES.get(row.stage, len(_STAGES)))),
            guardrails=tuple(
                sorted(guardrails[key], key=lambda row: (catalogue.order(row.metric), order(row.arm_key)))
            ),
            splits=tuple(tuple(sorted(weights[other], key=lambda row: order(row.arm_key))) for other in earlier),
            next_split=tuple(sorted(next_weights[key], key=lambda row: order(row.arm_key))),
            qualities=tuple(sorted(qualities[key], key=lambda row: order(row.arm_key))),
            catalogue=catalogue,
            levels=tuple(sorted(levels[key], key=lambda row: (*_place(row, levels[key]), order(row.arm_key)))),
            checks=tuple(
                sorted(
                    checks[key],
                    key=lambda row: (row.health_check, order(row.arm_key), catalogue.order(row.item), row.item),
                )
            ),
            since=tuple(sorted(since[key], key=lambda row: (order(row.arm_key), row.day))),
            pooled=tuple(
                sorted(
                    (
                        row
                        for row in pooled[key]
                        if row.analysis == "assigned" and row.attribution == "assigned_window"
                    ),
                    key=lambda row: (row.metric != verdict.primary_metric, catalogue.order(row.metric)),
                )
            ),
            definition=_of_version(definitions.get(verdict.experiment_key), verdict.experiment_version),
        )
        return _sealed(found) if found.awaits_its_look else found

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
                        and not any(verdict.rule in AWAITING_THE_LOOK for verdict in rows)
                    ),
                    key=lambda row: (
                        not row.is_flagged,
                        *(
                            catalogue.order(row.metric),
                            row.slot_key,
                            row.arm_key,
                            row.other_slot_key,
                            row.other_arm_key,
                        ),
                    ),
                )
            ),
            catalogue=catalogue,
            defined_version=definitions[key].experiment.experiment_version if key in definitions else None,
        )
        for (key, version), rows in groups.items()
    ]
    experiments.sort(key=lambda experiment: (experiment.ended_at is not None, experiment.key, -experiment.version))
    plays = sorted(
        rows_of(warehouse, tables, Play),
        key=lambda row: (
            _PLAYS.get(row.verdict, len(_PLAYS)),
            -abs(row.pooled_lift or 0),
            *(row.channel or "", row.attribute, row.value),
        ),
    )
    holdouts = sorted(
        rows_of(warehouse, tables, Holdout),
        key=lambda row: (
            *(catalogue.order(row.metric), row.scope != "global"),
            *(row.experiment_key, -row.experiment_version),
        ),
    )
    doubled = sorted(
        (row for row in rows_of(warehouse, tables, DoubleReport) if row.is_doubled),
        key=lambda row: (row.role, row.metric_id, row.other_metric_id),
    )
    return Report(
        tuple(experiments),
        tuple(plays),
        absent,
        doubled=tuple(doubled),
        catalogue=catalogue,
        holdouts=tuple(holdouts),
        waiting=tuple(
            definitions[key].experiment
            for key in sorted(definitions)
            if (key, definitions[key].experiment.experiment_version) not in groups
        ),
    )


def _definitions(
    warehouse: Warehouse, tables: Mapping[str, frozenset[str]], absent: dict[str, str]
) -> dict[str, Definition]:
    """The definitions by experiment. Where one of their tables cannot be read, the page does without."""
    try:
        experiments = rows_of(warehouse, tables, DefinedExperiment)
        arms = rows_of(warehouse, tables, DefinedArm)
        templates = rows_of(warehouse, tables, DefinedTemplate)
    except ProgramError:
        # A view names the file that it was made in.
        lack = "cannot be read: has the file of the warehouse been renamed since it was built?"
        absent.update({table.TABLE: lack for table in TABLES if table.IS_DEFINED})
        return {}
    of_arms: dict[str, list[DefinedArm]] = defaultdict(list)
    for arm in arms:
        of_arms[arm.experiment_key].append(arm)
    of_templates = {row.experiment_key: row for row in sorted(templates, key=lambda row: row.template_name)}
    return {
        row.experiment_key: Definition(
            row,
            tuple(sorted(of_arms[row.experiment_key], key=_defined_place)),
            of_templates.get(row.experiment_key),
        )
        for row in experiments
    }


def _defined_place(arm: DefinedArm) -> tuple[str, bool, int, str]:
    return arm.slot_key, not arm.is_control, arm.position or 0, arm.arm_key


def _of_version(definition: Definition | None, version: int) -> Definition | None:
    return definition if definition and definition.experiment.experiment_version == version else None


def _sealed(slot: Slot) -> Slot:
    """Without anything of the outcomes: who sees them before the planned look has looked."""
    unseen: dict[str, Any] = dict.fromkeys(SEEN_AT_THE_LOOK)
    return replace(
        slot,
        verdict=replace(slot.verdict, **unseen),
        results=(),
        others=(),
        days=(),
        stages=(),
        levels=(),
        since=(),
        pooled=(),
        checks=tuple(row for row in slot.checks if row.health_check != "novelty"),
    )


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
_LEVELS = {kind: index for index, kind in enumerate(("level", "none", "other"))}
_PLAYS = {verdict: index for index, verdict in enumerate(("rule", "anti_pattern", "open", "gap"))}


def _key(row: OfSlot) -> _Key:
    return row.experiment_key, row.experiment_version, row.slot_key


def _place(row: Level, rows: Iterable[Level]) -> tuple[int, str, int, int, str]:
    """Where a level stands: the dimensions as they are defined, of each the largest level first."""
    people = sum(
        other.units
        for other in rows
        if (other.dimension, other.level_kind, other.level) == (row.dimension, row.level_kind, row.level)
    )
    kind = _LEVELS.get(row.level_kind, len(_LEVELS))
    return row.position or 0, row.dimension, kind, -people, row.level


def _arm(row: Weight | NextWeight) -> str:
    return row.arm_key


def _by_slot(rows: Iterable[_S]) -> defaultdict[_Key, list[_S]]:
    found: defaultdict[_Key, list[_S]] = defaultdict(list)
    for row in rows:
        found[_key(row)].append(row)
    return found
