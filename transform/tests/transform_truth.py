"""Thousands of experiments at once with effects that are known, through the project's own SQL.

Sums of each arm at each look are drawn with numpy and written where the project writes those that it has measured,
so that one build judges all. Every look at an experiment is an experiment of its own.
"""

from __future__ import annotations

import math
import os
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import NormalDist

import numpy as np
from transform_engines import Numbers
from transform_project import NOW, READ_AT, Row, Warehouse, arms, experiment

WHOLE = "KLAVIYO_LOOP_TRUTH" in os.environ
"""Whether every scenario is simulated, as `make truth` does; else a sample of them."""
EXPERIMENTS = int(os.environ.get("KLAVIYO_LOOP_TRUTH", "250"))
"""Of each scenario."""
CERTAINTY = 0.999
"""How surely a method that keeps its promise passes a test."""

ALPHA = 0.05
"""What is said to be wrong at most so often."""


def most(experiments: int, rate: float) -> int:
    """The largest count that a binomial of this rate exceeds with a chance of at most 1 - `CERTAINTY`."""
    within, chance = 0.0, (1 - rate) ** experiments
    for count in range(experiments):
        within += chance
        if within >= CERTAINTY:
            return count
        chance *= (experiments - count) / (count + 1) * rate / (1 - rate)
    return experiments


@dataclass(frozen=True)
class Clicks:
    """Each unit clicks or does not."""

    rate: float
    metric = "clicked"

    def mean(self, lift: float) -> float:
        """Of a unit whose arm is better by a relative `lift`."""
        return self.rate * (1 + lift)

    def variance(self, lift: float) -> float:
        """Of a unit of that arm."""
        return self.mean(lift) * (1 - self.mean(lift))

    def draw(self, chance: np.random.Generator, units: Numbers, lift: float) -> tuple[Numbers, Numbers, Numbers]:
        """How many of `units` convert, the sums of what they bring, and of its squares."""
        clicked = chance.binomial(units, self.mean(lift))
        return clicked, clicked.astype(float), clicked.astype(float)


@dataclass(frozen=True)
class Revenue:
    """A few units buy for amounts of which the logarithm is normal, capped as the project caps them.

    The cap is the quantile of all buyers that there could be: what the largest of them spend adds nothing.
    """

    buyers: float = 0.03
    sigma: float = 2.0
    percentile: float = 0.999
    metric = "revenue"

    @property
    def cap(self) -> float:
        return math.exp(self.sigma * NormalDist().inv_cdf(self.percentile))

    def moment(self, power: int) -> float:
        """Mean of a power of a capped amount."""
        shift, normal = power * self.sigma, NormalDist()
        z = normal.inv_cdf(self.percentile)
        return math.exp(shift * shift / 2) * normal.cdf(z - shift) + self.cap**power * (1 - self.percentile)

    def mean(self, lift: float) -> float:
        """Of a unit whose arm has more buyers by a relative `lift`."""
        return self.buyers * (1 + lift) * self.moment(1)

    def variance(self, lift: float) -> float:
        """Of a unit of that arm."""
        return self.buyers * (1 + lift) * self.moment(2) - self.mean(lift) ** 2

    def draw(self, chance: np.random.Generator, units: Numbers, lift: float) -> tuple[Numbers, Numbers, Numbers]:
        """How many of `units` buy, the sums of what they spend, and of its squares."""
        bought = chance.binomial(units, self.buyers * (1 + lift))
        ends = np.cumsum(bought.ravel())
        amounts = np.minimum(np.exp(self.sigma * chance.standard_normal(ends[-1])), self.cap)
        powers = (np.concatenate([[0.0], np.cumsum(amounts**power)])[np.r_[0, ends]] for power in (1, 2))
        total, squares = (np.diff(sums).reshape(units.shape) for sums in powers)
        return bought, total, squares


@dataclass(frozen=True)
class Ending:
    """What the definition says of the end, and when a run first saw that it had come."""

    definition: Row = field(hash=False)
    ended_at: datetime | None = None


def day(before: int) -> str:
    return f"{NOW - timedelta(days=before):%Y-%m-%d}"


LIVE = Ending({"status": "live"})
AT_ONE_LOOK = Ending({"status": "ended", "planned_stop": day(9), "decision": "fixed"}, NOW - timedelta(days=8))
AS_PLANNED = Ending({"status": "ended", "planned_stop": day(9)}, NOW - timedelta(days=8))
EARLY = Ending({"status": "ended", "planned_stop": day(9)}, NOW - timedelta(days=12))
EARLY_FIXED = Ending({"status": "ended", "planned_stop": day(9), "decision": "fixed"}, NOW - timedelta(days=12))
NEVER_PLANNED = Ending({"status": "ended"}, NOW - timedelta(days=8))
"""Two are ended before the day that was planned, which has come since."""


@dataclass(frozen=True)
class Scenario:
    """Experiments of one kind, and how they are looked at. The first arm is the control."""

    weights: tuple[int, ...]
    outcome: Clicks | Revenue
    people: int
    looks: int = 48
    ending: Ending = LIVE
    lifts: tuple[float, ...] = ()
    guarded: Clicks | None = None
    """How often recipients of every arm unsubscribe, where that is guarded."""

    @property
    def effects(self) -> list[float]:
        """What an assigned profile of each arm brings more than one of the control."""
        lifts = self.lifts or (0.0,) * len(self.weights)
        return [self.outcome.mean(lift) - self.outcome.mean(0) for lift in lifts]

    def arrivals(self) -> Numbers:
        """How many profiles come until each look: ever more by the same factor, from a fiftieth of all."""
        shares = np.geomspace(0.02, 1, self.looks) if self.looks > 1 else np.ones(1)
        return np.round(self.people * shares).astype(np.int64)


@dataclass
class Judged:
    """Of how many experiments something was said at any look, and how long it took to ask."""

    experiments: int
    winners: int
    """A winner that is not better than the control."""
    wrong: int
    """That, or the control named as better than arms of which one is not worse than it."""
    found: int
    """At the last look: an arm that is better wins."""
    uncovered: int
    """The interval of the first challenger's effect leaves it out, at any look past the minimum."""
    blocked: int
    """The first challenger blocked by a guardrail, at any look past the minimum."""
    seconds: float


MODELS = (
    "int_chances_of_few fct_experiment_results fct_experiment_srm fct_experiment_guardrails"
    " path:models/intermediate/verdicts fct_experiment_verdicts"
)
ARM = "'arm' || many.arm"
KEY = "many.experiment || '_' || many.look"
BY_ARM = {"experiment_key": KEY, "arm_key": ARM, "is_control": "many.arm = 0"}
"""Columns of the sums that follow from the numbers of experiment, look and arm."""
EARLIER = ("too_early", "no_data")
MOMENT: Row = {
    "experiment_version": 1,
    "slot_key": "hero",
    "analysis": "assigned",
    "attribution": "assigned_window",
    "denominator_total": 0,
    "denominator_of_squares": 0,
    "denominator_product": 0,
}
"""What is the same in every row of sums. Nothing is known of anybody from before."""
QUESTION = """
    with

    truth as (
        select unnest({arms}) as arm_key, unnest({effects}) as effect
    ),

    said as (
        select
            cast(split_part(verdicts.experiment_key, '_', 1) as integer) as experiment,
            cast(split_part(verdicts.experiment_key, '_', 2) as integer) as look,
            verdicts.verdict,
            verdicts.verdict not in {earlier} as is_past_minimum,
            winners.effect as winner_effect,
            first.interval_low,
            first.interval_high,
            guardrails.state = 'blocked' as is_blocked
        from marts.fct_experiment_verdicts as verdicts
        left join truth as winners on verdicts.verdict = 'winner' and verdicts.winning_arm = winners.arm_key
        left join marts.fct_experiment_results as first
            on verdicts.experiment_key = first.experiment_key and first.arm_key = 'arm1' and first.is_decisive
        left join marts.fct_experiment_guardrails as guardrails
            on verdicts.experiment_key = guardrails.experiment_key and guardrails.arm_key = 'arm1'
    ),

    experiments as (
        select
            bool_or(coalesce(winner_effect <= 0, false)) as has_false_winner,
            bool_or(
                coalesce(winner_effect <= 0, false) or (verdict = 'control_wins' and {best} >= 0)
            ) as is_wrong,
            bool_or(look = {last} and coalesce(winner_effect > 0, false)) as is_found,
            bool_or(
                is_past_minimum and not coalesce({first} between interval_low and interval_high, true)
            ) as is_uncovered,
            bool_or(is_past_minimum and coalesce(is_blocked, false)) as is_blocked
        from said
        where experiment >= {begin} and experiment < {end}
        group by experiment
    )

    select
        count(*) as experiments,
        count_if(has_false_winner) as winners,
        count_if(is_wrong) as wrong,
        count_if(is_found) as found,
        count_if(is_uncovered) as uncovered,
        count_if(is_blocked) as blocked

    from experiments
"""


def draw(scenario: Scenario, experiments: int, seed: str, first_experiment: int = 0) -> dict[str, Numbers]:
    """Sums of each experiment, look and arm. A profile's hash decides its arm, so that sizes are drawn as well.

    Experiments are numbered from `first_experiment` on.
    """
    chance = np.random.default_rng(zlib.crc32(seed.encode()))
    arms = len(scenario.weights)
    newcomers = np.diff(scenario.arrivals(), prepend=0)
    shares = np.array(scenario.weights) / sum(scenario.weights)
    units = chance.multinomial(newcomers, shares, size=(experiments, scenario.looks))
    drawn: dict[str, list[Numbers]] = {"converted": [], "total": [], "total_of_squares": [], "guarded": []}
    for arm, lift in enumerate(scenario.lifts or (0.0,) * arms):
        sums = scenario.outcome.draw(chance, units[:, :, arm], lift)
        guarded = (scenario.guarded or Clicks(0.0)).draw(chance, units[:, :, arm], 0)
        for column, values in zip(drawn.values(), (*sums, guarded[0]), strict=True):
            column.append(values)
    number, look, arm_number = np.indices(units.shape)
    columns = {name: np.stack(values, axis=2) for name, values in drawn.items()}
    so_far = {name: np.cumsum(values, axis=1) for name, values in ({"units": units} | columns).items()}
    known = {"experiment": number + first_experiment, "look": look, "arm": arm_number} | so_far
    return {name: np.ascontiguousarray(values).ravel() for name, values in known.items()}


def land(
    warehouse: Warehouse, played: Sequence[tuple[Scenario, Mapping[str, Numbers]]], started: datetime
) -> None:
    """Write what the project would have measured, but for the sizes of the arms, which are judged apart."""
    parts = ("converted", "total", "total_of_squares")
    moments: list[Row] = []
    blocks, looks = [], []
    for number, (scenario, sums) in enumerate(played):
        counted = {scenario.outcome.metric: {name: sums[name] for name in parts}}
        if scenario.guarded:
            counted["unsubscribed"] = dict.fromkeys(parts, sums["guarded"])
        for metric, columns in counted.items():
            weights = np.array(scenario.weights)[sums["arm"]]
            blocks.append(
                {**sums, **columns, "weight_bp": weights, "original": np.full_like(weights, len(moments))}
            )
            moments.append(MOMENT | {"metric": metric})
        is_first = sums["arm"] == 0
        once = {name: sums[name][is_first] for name in ("experiment", "look")}
        looks.append(once | {"original": np.full_like(once["look"], number)})
    rows = _concatenated(blocks)
    warehouse.land_many("int_moments", moments, rows | {"received": rows["units"]}, BY_ARM, schema="intermediate")
    warehouse.land("definition_snapshots", [{"name": "experiments", "defined_at": READ_AT}])
    defined = [
        experiment(
            "",
            primary_metric=scenario.outcome.metric,
            **scenario.ending.definition,
            **({"guardrails": {"unsubscribed": 0.1}} if scenario.guarded else {}),
        )
        for scenario, _ in played
    ]
    by_look, every_look = {"experiment_key": KEY}, _concatenated(looks)
    warehouse.land_many("experiments", defined, every_look, by_look)
    receipts = [{"experiment_version": 1, "profile_id": "first", "received_at": started}] * len(played)
    warehouse.land_many("int_messages_received", receipts, every_look, by_look, schema="intermediate")
    ended = [once for once, (scenario, _) in zip(looks, played, strict=True) if scenario.ending.ended_at]
    if ended:
        seen = [
            {"experiment_version": 1, "slot_key": "hero", "ended_at": scenario.ending.ended_at}
            for scenario, _ in played
        ]
        warehouse.land_many("fct_experiment_verdicts", seen, _concatenated(ended), by_look, schema="marts")


def _concatenated(blocks: Sequence[Mapping[str, Numbers]]) -> dict[str, Numbers]:
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def judge(
    empty: Warehouse, scenarios: Mapping[str, Scenario], experiments: int = EXPERIMENTS, **variables: object
) -> dict[str, Judged]:
    """Simulate scenarios and ask the project what it says of each, in one build.

    Exact chances of few conversions decide nothing and take most of the time: they are left out.
    """
    variables = {"beta_below": 0, **variables}
    begun = time.process_time()
    warehouse = empty.copy()
    played = [
        (scenario, draw(scenario, experiments, name, number * experiments))
        for number, (name, scenario) in enumerate(scenarios.items())
    ]
    land(warehouse, played, NOW - timedelta(days=20))
    warehouse.dbt("run", "--select", MODELS, **variables)
    said = [
        warehouse.rows(question(scenario, number * experiments, experiments))[0]
        for number, scenario in enumerate(scenarios.values())
    ]
    seconds = (time.process_time() - begun) / len(scenarios)
    return {name: Judged(**counts, seconds=seconds) for name, counts in zip(scenarios, said, strict=True)}


def question(scenario: Scenario, first_experiment: int, experiments: int) -> str:
    """What is asked of those experiments, which are of the scenario."""
    effects = scenario.effects
    return QUESTION.format(
        arms=[f"arm{arm}" for arm in range(len(effects))],
        effects=effects,
        earlier=EARLIER,
        first=effects[1],
        best=max(effects[1:]),
        last=scenario.looks - 1,
        begin=first_experiment,
        end=first_experiment + experiments,
    )


SIZES = """
    select count(distinct split_part(experiment_key, '_', 1)) from marts.fct_experiment_srm where is_alarm
"""


def alarms(empty: Warehouse, weights: tuple[int, ...], people: int, looks: int, experiments: int) -> int:
    """Of how many experiments the sizes are an alarm at any look, where profiles come evenly and none are lost."""
    chance = np.random.default_rng(zlib.crc32(f"{weights}".encode()))
    newcomers: Numbers = np.diff(np.linspace(0, people, looks + 1).astype(np.int64))
    shares = np.array(weights) / sum(weights)
    units = np.cumsum(chance.multinomial(newcomers, shares, size=(experiments, looks)), axis=1)
    number, look, arm = (np.ascontiguousarray(values).ravel() for values in np.indices(units.shape))
    counts = dict.fromkeys(("units", "received", "converted", "total", "total_of_squares"), units.ravel())
    warehouse = empty.copy()
    rows = {"experiment": number, "look": look, "arm": arm, "weight_bp": np.array(weights)[arm], **counts}
    warehouse.land_many("int_moments", MOMENT | {"metric": "received"}, rows, BY_ARM, schema="intermediate")
    warehouse.dbt("run", "--select", "fct_experiment_srm")
    ((alarmed,),) = warehouse.query(SIZES)
    return int(alarmed)


@dataclass
class Played:
    """What became of experiments whose next version takes the split that the last one proposed."""

    rounds: int
    """Of all experiments together."""
    winners: int
    """Rounds in which an arm that is not better than the control wins."""
    lives: Numbers
    """For how many rounds each of those held the largest share afterwards."""
    gains: Numbers
    """Of each experiment, what all its rounds brought more than equal shares would have, as a part of that."""


NEXT = """
    select cast(split_part(experiment_key, '_', 1) as integer) as experiment, arm_key, weight_bp
    from marts.fct_allocations_next
    where experiment_version = {version}
    order by experiment, arm_key
"""
WON = """
    select case verdict when 'winner' then cast(substr(winning_arm, 4) as integer) else -1 end
    from marts.fct_experiment_verdicts
    where experiment_version = {version}
    order by cast(split_part(experiment_key, '_', 1) as integer)
"""


def play(empty: Warehouse, scenario: Scenario, rounds: int, experiments: int) -> Played:
    """Begin with the split of the scenario; each round is a version and a build, looked at when all have come."""
    chance = np.random.default_rng(zlib.crc32(f"{scenario.lifts}".encode()))
    warehouse = empty.copy()
    means = np.array([scenario.outcome.mean(lift) for lift in scenario.lifts])
    split: Numbers = np.tile(np.array(scenario.weights), (experiments, 1))
    number, arm = np.indices(split.shape)
    places = {"experiment": number.ravel(), "look": np.zeros(split.size, np.int64), "arm": arm.ravel()}
    gains = np.zeros(experiments)
    holder, held = np.full(experiments, -1), np.zeros(experiments, np.int64)
    winners, lives = 0, []
    for version in range(1, rounds + 1):
        gains += (split / 10_000 @ means) / means.mean() - 1
        units = chance.multinomial(scenario.people, split / 10_000)
        clicked = chance.binomial(units, means).ravel()
        sums = dict.fromkeys(("converted", "total", "total_of_squares"), clicked)
        sizes = dict.fromkeys(("units", "received"), units.ravel())
        land_round(warehouse, version, places, split, sums | sizes)
        warehouse.dbt("run", "--select", MODELS, "path:models/intermediate/allocation", "fct_allocations_next")
        won = np.array(warehouse.query(WON.format(version=version))).ravel()
        rows = warehouse.query(NEXT.format(version=version))
        split = np.array([weight for _, _, weight in rows]).reshape(split.shape)
        is_false = (won >= 0) & (means[won] <= means[0])
        winners += int(is_false.sum())
        goes_on = (holder >= 0) & (split.argmax(axis=1) == holder)
        lives.append(held[(holder >= 0) & ~goes_on])
        holder, held = np.where(goes_on, holder, -1), np.where(goes_on, held + 1, 0)
        begins = is_false & (holder < 0)
        holder = np.where(begins, won, holder)
    lives.append(held[holder >= 0])
    return Played(rounds * experiments, winners, np.concatenate(lives), gains / rounds)


def land_round(
    warehouse: Warehouse,
    version: int,
    places: dict[str, Numbers],
    split: Numbers,
    sums: dict[str, Numbers],
) -> None:
    """Write a version of every experiment, with its shares, and the sums of all its arms."""
    weights = places | {"weight_bp": split.ravel(), "position": places["arm"]}
    versions = {"experiment_version": np.full(split.size, version)}
    moment = MOMENT | {"metric": "clicked"}
    warehouse.land_many("int_moments", moment, weights | versions | sums, BY_ARM, schema="intermediate")
    (arm,) = arms("", "hero", {"arm0": 0})
    warehouse.land_many("experiment_arms", arm, weights, BY_ARM)
    once = {name: values[places["arm"] == 0] for name, values in places.items()}
    warehouse.land_many("experiments", experiment("", version=version), once, {"experiment_key": KEY})
    receipt = {"experiment_version": version, "profile_id": "first", "received_at": NOW - timedelta(days=20)}
    warehouse.land_many("int_messages_received", receipt, once, {"experiment_key": KEY}, schema="intermediate")
    warehouse.land("definition_snapshots", [{"name": "experiments", "defined_at": READ_AT}])
