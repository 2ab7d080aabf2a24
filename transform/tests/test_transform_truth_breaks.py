"""Does the measurement tell the truth? Sends with known effects, through the project's own SQL.

The first part simulates counts and looks at them again and again, as an hourly run does; the second part breaks
what can break between the assignment and the events. `make truth` simulates 200 experiments of each kind, `make
test` a sample: `KLAVIYO_LOOP_TRUTH` is their number.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from transform_project import NOW, Row, Warehouse, bucket, experiment, small_world

ON_ENGINES = ["duckdb"]
"""The statistics are compared on all engines elsewhere."""
EXPERIMENTS = int(os.environ.get("KLAVIYO_LOOP_TRUTH", "40"))
LOOKS = [200, 350, 600, 1_000, 1_800, 3_000, 5_500, 9_000, 14_000, 20_000]
"""Profiles per arm at each look."""
RATE = 0.1
EFFECT = 0.2
"""Relative; at the last look ten times the profiles that it takes."""


def successes(chance: random.Random, units: int, rate: float) -> int:
    """A binomial draw: jumps from one success to the next."""
    found, place = 0, 0
    while True:
        place += 1 + int(math.log(1 - chance.random()) / math.log(1 - rate))
        if place > units:
            return found
        found += 1


def looks(chance: random.Random, name: str, rates: dict[str, float]) -> Iterator[tuple[Row, list[Row]]]:
    """Each look at one experiment is an experiment of its own: definition, and sums of its arms."""
    clicked = dict.fromkeys(rates, 0)
    left = dict.fromkeys(rates, 0)
    before = 0
    for number, units in enumerate(LOOKS):
        key = f"{name}_{number}"
        rows = []
        for arm, rate in rates.items():
            clicked[arm] += successes(chance, units - before, rate)
            left[arm] += successes(chance, units - before, 0.002)
            counts = {"clicked": clicked[arm], "unsubscribed": left[arm], "received": units, "opened": units // 3}
            rows += [sums(key, arm, metric, units, count) for metric, count in counts.items()]
        before = units
        yield experiment(key), rows


def sums(key: str, arm: str, metric: str, units: int, count: int) -> Row:
    return {
        "experiment_key": key,
        "experiment_version": 1,
        "slot_key": "hero",
        "arm_key": arm,
        "metric": metric,
        "analysis": "assigned",
        "attribution": "assigned_window",
        "weight_bp": 5000,
        "units": units,
        "received": units,
        "converted": count,
        "total": count,
        "total_of_squares": count,
        "denominator_total": 0,
        "denominator_of_squares": 0,
        "denominator_product": 0,
        "is_control": arm == "control",
    }


@dataclass
class Looks:
    """What every look at every experiment said: verdicts and results, in the order of the looks."""

    verdicts: dict[str, list[Row]]
    results: dict[str, list[Row]]


@pytest.fixture(scope="module")
def judged(built: Warehouse) -> Looks:
    chance = random.Random(20261121)  # noqa: S311
    warehouse = built.copy()
    experiments: list[Row] = []
    moments: list[Row] = []
    names = []
    for number in range(EXPERIMENTS):
        for kind, bold in (("same", RATE), ("better", RATE * (1 + EFFECT))):
            names.append(f"{kind}_{number}")
            for defined, rows in looks(chance, names[-1], {"control": RATE, "bold": bold}):
                experiments.append(defined)
                moments += rows
    warehouse.land("experiments", experiments)
    warehouse.land("int_moments", moments, schema="intermediate")
    receipts = [
        {
            "experiment_key": row["experiment_key"],
            "experiment_version": 1,
            "profile_id": "first",
            "received_at": NOW - timedelta(days=7),
        }
        for row in experiments
    ]
    warehouse.land("int_messages_received", receipts, schema="intermediate")
    warehouse.dbt(
        "run",
        "--select",
        "int_chances_of_few fct_experiment_results fct_experiment_srm fct_experiment_guardrails"
        " path:models/intermediate/verdicts fct_experiment_verdicts",
    )
    verdicts = {
        row["experiment_key"]: row for row in warehouse.rows("select * from marts.fct_experiment_verdicts")
    }
    decisive = "select * from marts.fct_experiment_results where is_decisive and not is_control"
    results = {row["experiment_key"]: row for row in warehouse.rows(decisive)}
    keys = {name: [f"{name}_{number}" for number in range(len(LOOKS))] for name in names}
    return Looks(
        {name: [verdicts[key] for key in looked] for name, looked in keys.items()},
        {name: [results[key] for key in looked] for name, looked in keys.items()},
    )


def test_repeated_looks_at_nothing_find_nothing(judged: Looks) -> None:
    """Ten looks at two equal arms, and acting on the first that says so: wrong in at most one of twenty."""
    wrong = [
        name
        for name, verdicts in judged.verdicts.items()
        if name.startswith("same_") and any(row["verdict"] in {"winner", "control_wins"} for row in verdicts)
    ]
    assert len(wrong) <= 0.05 * EXPERIMENTS


def test_the_interval_covers_the_effect_at_every_look(judged: Looks) -> None:
    """Not on average over the looks: at all of them together."""
    for kind, effect in (("same", 0.0), ("better", RATE * EFFECT)):
        covered = [
            name
            for name, results in judged.results.items()
            if name.startswith(f"{kind}_")
            and all(
                row["interval_low"] <= effect <= row["interval_high"] for row in results if row["interval_low"]
            )
        ]
        assert len(covered) >= 0.95 * EXPERIMENTS


def test_the_better_arm_wins_once_power_says_so(judged: Looks) -> None:
    """Where the effect is as large as what can be found, it is found as often as planned; the other never wins."""
    powered = found = 0
    for name, verdicts in judged.verdicts.items():
        if name.startswith("better_"):
            assert "control_wins" not in {row["verdict"] for row in verdicts}
            assert verdicts[-1]["verdict"] == "winner"
            assert verdicts[-1]["winning_arm"] == "bold"
            for row in verdicts:
                if row["minimum_detectable_effect"] is not None and row["minimum_detectable_effect"] <= EFFECT:
                    powered += 1
                    found += row["verdict"] == "winner"
    assert powered >= EXPERIMENTS
    assert found >= 0.8 * powered


def test_waiting_is_foretold(judged: Looks) -> None:
    """More profiles find smaller effects, and what is missing becomes less."""
    for verdicts in judged.verdicts.values():
        reachable = [row["minimum_detectable_effect"] for row in verdicts]
        assert reachable[-1] < reachable[4] < reachable[0]


PRIMARY = """
    select arm_key, metric, units, total
    from marts.fct_experiment_results
    where
        experiment_key = 'spring' and slot_key = 'hero' and analysis = 'assigned'
        and metric in ('opened', 'opened_all', 'clicked', 'ordered', 'revenue') and attribution = 'assigned_window'
    order by arm_key, metric
"""


def arm_of(profile: str) -> str:
    return "control" if bucket("split-spring-1-hero", profile) < 5000 else "bold"


def measure(warehouse: Warehouse) -> None:
    """What of the job these tests look at; staging is views, which are there."""
    marts = [f"fct_experiment_{mart}" for mart in ("results", "srm", "guardrails", "verdicts")]
    models = ("path:models/intermediate/measurement", "path:models/intermediate/verdicts")
    warehouse.dbt("run", "--select", *models, *marts)


def verdict(warehouse: Warehouse) -> Row:
    (row,) = warehouse.rows(
        "select * from marts.fct_experiment_verdicts where experiment_key = 'spring' and slot_key = 'hero'"
    )
    return row


def test_machine_opens_do_not_move_the_primary_metric(warehouse: Warehouse) -> None:
    """Every profile of one arm reads its mail on a device that opens everything."""
    before = {row[:2]: row[2:] for row in warehouse.query(PRIMARY)}
    world = small_world()
    opened = [
        {**event, "id": event["id"] + "/machine", "metric_id": "MetOpn"}
        for event in world.events
        if event["metric_id"] == "MetRcv" and arm_of(event["profile_id"]) == "bold"
    ]
    for event in opened:
        event["event_properties"] = {**event["event_properties"], "machine_open": True}
    warehouse.land("events", [*world.events, *opened])
    measure(warehouse)
    after = {row[:2]: row[2:] for row in warehouse.query(PRIMARY)}
    assert after.pop(("bold", "opened_all")) == (len(opened), len(opened))
    del before["bold", "opened_all"]
    assert after == before


def test_late_events_count_as_if_they_had_been_on_time(built: Warehouse, first_run: Warehouse) -> None:
    """Every third event is read a run later than the others, also of days that were measured before."""
    warehouse, world = first_run.copy(), small_world()
    late = world.events[::3]
    everything, world.events = world.events, [event for event in world.events if event not in late]
    world.land(warehouse)
    warehouse.dbt("build", "--selector", "assign", "--exclude-resource-type", "test")
    measure(warehouse)
    assert warehouse.query(PRIMARY) != built.query(PRIMARY)
    warehouse.land("events", everything)
    measure(warehouse)
    assert warehouse.query(PRIMARY) == built.query(PRIMARY)


def test_a_template_with_a_wrong_branch_is_caught(warehouse: Warehouse) -> None:
    """Its branch for one arm shows the content of the control, links included."""
    world = small_world()
    link = {"$message": "MsgSpring", "URL": "https://shop.example/?lf_cid=spring.hero.control"}
    clicks = [
        {**event, "id": event["id"] + "/click", "metric_id": "MetClk", "event_properties": link}
        for event in world.events
        if event["metric_id"] == "MetOpn"
    ]
    warehouse.land("events", [*world.events, *clicks])
    measure(warehouse)
    assert verdict(warehouse)["verdict"] == "invalid_crossover"
    assert verdict(warehouse)["rule"] == "crossover_above_limit"


def test_a_lossy_writeback_is_caught_before_the_send(warehouse: Warehouse) -> None:
    """Of one arm, half the tokens never reached Klaviyo; nobody has received anything yet."""
    world = small_world()
    for number, profile in enumerate(world.profiles):
        arm = arm_of(profile["id"])
        if arm == "control" or number % 2:
            profile["properties"]["lf_assignments"] = [f"spring:hero:{arm}"]
    warehouse.land("profiles", world.profiles)
    warehouse.land("events", [])
    measure(warehouse)
    alarms = warehouse.query(
        "select stage from marts.fct_experiment_srm"
        " where is_alarm and experiment_key = 'spring' and slot_key = 'hero'"
    )
    assert alarms == [("written",)]
    assert verdict(warehouse)["verdict"] == "invalid_srm"
    assert verdict(warehouse)["srm_stage"] == "written"
