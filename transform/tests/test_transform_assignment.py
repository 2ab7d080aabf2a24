"""Who is assigned, who is held out, and what a run refuses: on whole runs of the project."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from statistics import pstdev

import pytest
from dbt.contracts.graph.nodes import SingularTestNode
from transform_project import ASSIGN, READ_AT, Row, Warehouse, World, arms, bucket, experiment

HERO = {"control": 5000, "bold": 5000}
STATUSES = """
select profile_id, case when slot_key = '*' then 'held_out' else 'assigned' end
from marts.fct_assignments where experiment_key = """


def test_holdouts_and_layers_are_disjoint_and_kept(warehouse: Warehouse, world: World) -> None:
    """Two experiments of one layer share nobody; who is held out has a row, no token, and stays held out."""
    common = {"layer_name": "promo", "holdout_bp": 2000, "global_holdout_bp": 1000}
    world.experiments += [
        experiment("left", layer_start_bp=0, layer_end_bp=4000, **common),
        experiment("right", layer_start_bp=4000, layer_end_bp=10_000, **common),
    ]
    world.experiment_arms += [*arms("left", "hero", HERO), *arms("right", "hero", HERO)]
    world.land(warehouse)
    warehouse.dbt(*ASSIGN, "path:models/publish")
    left, right = (dict(warehouse.query(f"{STATUSES}'{key}'")) for key in ("left", "right"))
    profiles = [row["id"] for row in world.profiles]
    for key, held in (("left", left), ("right", right)):
        expected = {
            profile
            for profile in profiles
            if bucket("holdout-global-1", profile) < 1000 or bucket(f"holdout-{key}-1", profile) < 2000
        }
        assert {profile for profile, status in held.items() if status == "held_out"} == expected
    assigned = [{profile for profile, status in held.items() if status == "assigned"} for held in (left, right)]
    assert not assigned[0] & assigned[1]
    assert {profile for profile in assigned[0] if bucket("layer-promo", profile) >= 4000} == set()
    tokens = dict(warehouse.query("select id, properties from publish.pub_klaviyo_profiles"))
    for profile, status in left.items():
        assert ("left:hero:" in tokens[profile]) is (status == "assigned")

    world.experiments[2]["holdout_bp"] = world.experiments[3]["holdout_bp"] = 0
    world.land(warehouse)
    warehouse.dbt(*ASSIGN)
    assert left.items() <= dict(warehouse.query(f"{STATUSES}'left'")).items()


def test_whom_a_flow_asks_for_is_assigned_once(warehouse: Warehouse, world: World) -> None:
    """By the same recipe into the same ledger; conditions on what the flow sends are on its newest request."""
    condition = {"field": "attrs.basket", "operator": "more_than", "values": ["10"]}
    flow = {"audience_type": "flow", "audience": "Welcome series"}
    world.experiments += [
        experiment("welcome", **flow),
        experiment("basket", **flow, audience_conditions=[condition]),
        experiment("never_asked", **flow),
    ]
    for key in ("welcome", "basket", "never_asked"):
        world.experiment_arms += arms(key, "hero", HERO)
    people = [profile["id"] for profile in world.profiles[:40]]

    def ask(key: str, profile: str, at: datetime, **attrs: object) -> Row:
        request = f"{key}/{profile}/{at}"
        return {
            "request_id": request,
            "experiment_key": key,
            "profile_id": profile,
            "attrs": attrs,
            "received_at": at,
        }

    later = READ_AT + timedelta(minutes=1)
    world.flow_requests = [
        *(ask("welcome", profile, READ_AT) for profile in people),
        *(ask("welcome", profile, later) for profile in people[:5]),
        *(ask("basket", profile, READ_AT, basket=20) for profile in people[:10]),
        *(ask("basket", profile, later, basket=5) for profile in people[:4]),
        ask("welcome", "not a profile yet", READ_AT),
    ]
    world.land(warehouse)
    warehouse.dbt(*ASSIGN, "path:models/publish")
    question = "select profile_id, arm_key, bucket from marts.fct_assignments where experiment_key = 'welcome'"
    welcomed = set(warehouse.query(question))
    expected = {(profile, bucket("split-welcome-1-hero", profile)) for profile in people}
    assert {(profile, number) for profile, _, number in welcomed} == expected
    assert {arm for _, arm, _ in welcomed} == set(HERO)
    assert warehouse.query(
        "select experiment_key, count(*) from marts.fct_assignments"
        " where experiment_key in ('basket', 'never_asked') group by experiment_key"
    ) == [("basket", 6)]
    assert warehouse.query(
        "select distinct reason from marts.fct_assignment_rules"
        " where experiment_key = 'welcome' and arm_key = 'bold'"
    )[0][0].startswith("asked for by the flow Welcome series; ")
    tokens = dict(warehouse.query("select id, properties from publish.pub_klaviyo_profiles"))
    assert all("welcome:hero:" in tokens[profile] for profile in people)

    world.flow_requests += [ask("welcome", profile, later + timedelta(minutes=1)) for profile in people]
    world.land(warehouse)
    warehouse.dbt(*ASSIGN)
    assert set(warehouse.query(question)) == welcomed


def test_a_changed_preregistration_stops_the_build(warehouse: Warehouse, world: World) -> None:
    world.experiments[0]["preregistration_sha256"] = "2" * 64
    world.land(warehouse)
    with pytest.raises(AssertionError, match="assert_preregistration_kept"):
        warehouse.dbt("test", "--select", "assert_preregistration_kept")
    world.experiments[0]["version"] = 2
    world.land(warehouse)
    warehouse.dbt("test", "--select", "assert_preregistration_kept")


def test_an_arm_that_was_changed_in_the_ledger_is_found(warehouse: Warehouse) -> None:
    warehouse.dbt("test", "--select", "assert_ledger_unchanged")
    rows = warehouse.rows("select * from marts.fct_assignments")
    changed = next(row for row in rows if row["arm_key"] == "bold")
    changed["arm_key"] = "control"
    warehouse.land("fct_assignments", rows, schema="marts")
    with pytest.raises(AssertionError, match="assert_ledger_unchanged"):
        warehouse.dbt("test", "--select", "assert_ledger_unchanged")


GATED = (
    *("build", "--select", *ASSIGN[2:], "assert_ledger_unchanged"),
    *("--indirect-selection", "empty", "--exclude-resource-type", "unit_test"),
)
"""The job's models with the test that stands before the ledger."""
RUNS = """
insert into marts.fct_assignment_runs
    (experiment_key, experiment_version, slot_key, arm_key, assigned_at, profiles, bucket_sum)
select experiment_key, experiment_version, slot_key, arm_key, assigned_at, count(*), sum(bucket)
from marts.fct_assignments group by experiment_key, experiment_version, slot_key, arm_key, assigned_at
"""
TOLD: dict[str, Callable[[list[tuple[str, str, str]]], Row]] = {
    "list": lambda held: {"lf_assignments": [f"{key}:{slot}:{arm}" for key, slot, arm in held]},
    "object": lambda held: {"lf_assignments": {f"{key}.{slot}": arm for key, slot, arm in held}},
    "flat": lambda held: {f"lf_{key}_{slot}": arm for key, slot, arm in held},
}
"""By `property_format`: the properties of a profile that holds these arms."""


def test_a_ledger_that_was_lost_assigns_nobody_otherwise(
    first_run: Warehouse, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Klaviyo still holds the arms: all get theirs again, or, where the definition gives others, nobody any."""
    warehouse = first_run.copy()
    world.land(warehouse)
    warehouse.dbt(*ASSIGN)
    ledger = "select experiment_key, slot_key, arm_key, profile_id from marts.fct_assignments"
    before = set(warehouse.query(ledger))

    def lose(property_format: str) -> None:
        warehouse.delete("marts.fct_assignments")
        for profile in world.profiles:
            held = [(key, slot, arm) for key, slot, arm, of in before if of == profile["id"]]
            profile["properties"] = TOLD[property_format](held)
        world.land(warehouse)

    lose("list")
    (check,) = (
        row["node"]["compiled_code"]
        for row in warehouse.dbt(*GATED).results
        if row["node"]["name"] == "assert_ledger_unchanged"
    )
    assert set(warehouse.query(ledger)) == before

    # As of a copy of that table alone: what was written down of its runs is newer.
    warehouse.query(RUNS)
    assert warehouse.rows(check) == []
    warehouse.delete("marts.fct_assignments", "profile_id < '01000000000000000000000100'")
    assert warehouse.rows(check) != []
    node = warehouse.project.manifest.nodes["test.klaviyo_loop.assert_ledger_unchanged"]
    assert isinstance(node, SingularTestNode)
    assert node.depends_on.nodes == ["model.klaviyo_loop.int_newcomers"]  # it stands before the ledger

    warehouse.delete("marts.fct_assignment_runs")
    world.experiment_arms[0]["weight_bp"], world.experiment_arms[1]["weight_bp"] = 1000, 9000
    for property_format in TOLD:
        lose(property_format)
        with pytest.raises(AssertionError, match="Experiment spring: Klaviyo holds another arm of hero of"):
            warehouse.dbt(*ASSIGN)
        assert warehouse.query(ledger) == []

    # Of very many newcomers a part is looked at.
    refuse = warehouse.project.manifest.macros["macro.klaviyo_loop.lf_refuse_other_arms"]
    assert "appended > 1000000" in refuse.macro_sql
    with monkeypatch.context() as patch:
        patch.setattr(refuse, "macro_sql", refuse.macro_sql.replace("appended > 1000000", "appended > 100"))
        with pytest.raises(
            AssertionError, match="Experiment spring: Klaviyo holds another arm of hero of"
        ) as told:
            warehouse.dbt(*ASSIGN)
    looked_at = sum(profile["id"][-1] in "0Aak" for profile in world.profiles)
    assert 0 < int(re.findall(r"of hero of (\d+) profiles", str(told.value))[0]) <= looked_at < len(world.profiles)
    assert warehouse.query(ledger) == []


def test_the_best_balanced_salt_is_chosen_once(warehouse: Warehouse, world: World) -> None:
    """Of twenty tries the one whose arms clicked, opened and ordered most alike before; newcomers follow it."""
    world.experiments += [experiment("even", balance_tries=20, balance_days=90)]
    world.experiment_arms += arms("even", "hero", HERO)
    world.land(warehouse)
    warehouse.dbt(*ASSIGN)
    ((chosen, tries),) = warehouse.query(
        "select min(salt_try), count(distinct salt_try) from marts.fct_assignments where experiment_key = 'even'"
    )
    assert tries == 1

    done: dict[str, dict[str, float]] = {name: {} for name in ("MetOpn", "MetClk", "MetOrd", "revenue")}
    for event in world.events:
        counted, profile = done.get(event["metric_id"]), event["profile_id"]
        if counted is not None:
            counted[profile] = counted.get(profile, 0) + 1
        if event["metric_id"] == "MetOrd":
            done["revenue"][profile] = done["revenue"].get(profile, 0) + event["event_properties"]["$value"]
    profiles = [row["id"] for row in world.profiles]

    def imbalance(salt_try: int) -> float:
        salt = "split-even-1-hero" + (f"-t{salt_try}" if salt_try else "")
        in_control = {profile for profile in profiles if bucket(salt, profile) < 5000}
        differences = []
        for counted in done.values():
            values = [counted.get(profile, 0.0) for profile in profiles]
            control = [counted.get(profile, 0.0) for profile in in_control]
            rest = (sum(values) - sum(control)) / (len(values) - len(control))
            differences.append(abs(sum(control) / len(control) - rest) / pstdev(values))
        return max(differences)

    assert chosen == min(range(20), key=imbalance)


def test_a_ledger_that_was_altered_by_hand_gets_no_row(warehouse: Warehouse) -> None:
    """The next run would not know where its values belong."""
    with warehouse.without("marts", "fct_allocations"):
        altered = "select *, cast(null as varchar(9)) as note from marts.fct_allocations_elsewhere"
        warehouse.query(f"create table marts.fct_allocations as {altered}")
        before = warehouse.query("select count(*) from marts.fct_allocations")
        with pytest.raises(AssertionError, match="alter the table by hand"):
            warehouse.dbt("run", "--select", "fct_allocations")
        assert warehouse.query("select count(*) from marts.fct_allocations") == before
        warehouse.query("drop table marts.fct_allocations")
