"""Random definitions over the project's views, against the published recipe written down once more in Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transform_project import Row, Selects, Warehouse, World, arms, bucket, experiment, small_world

ON_ENGINES = ["duckdb"]
"""That the others assign alike is shown on whole runs: here it is the rules, over many definitions."""

PEOPLE = 240
FEW = settings(
    max_examples=6,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""Each example is a handful of experiments, over all profiles."""

Assignment = tuple[str, str, str, str]
"""Experiment, slot, profile, arm."""


@dataclass
class Account:
    """Profiles without a past, whose experiments come and go."""

    warehouse: Warehouse
    selects: Selects
    world: World = field(default_factory=lambda: small_world(PEOPLE))

    def __post_init__(self) -> None:
        self.world.events.clear()

    @property
    def profiles(self) -> list[str]:
        return [profile["id"] for profile in self.world.profiles]

    def define(self, definitions: Sequence[Definition]) -> None:
        self.world.experiments = [definition.row for definition in definitions]
        self.world.experiment_arms = [row for definition in definitions for row in definition.arms()]
        self.world.land(self.warehouse)
        for table in ("int_salt_tries", "int_slot_sets"):
            self.warehouse.query(f"drop table if exists intermediate.{table}")
            self.warehouse.query(f"create table intermediate.{table} as {self.selects[table]}")

    def assigned(self) -> set[Assignment]:
        """What the next run would append to the ledger, which is empty."""
        return {
            (row["experiment_key"], row["slot_key"], row["profile_id"], row["arm_key"])
            for row in self.selects.rows(self.warehouse, "int_profiles_bucketed")
        }

    def ranges(self) -> Iterator[tuple[str, str, str, int, int]]:
        yield from self.warehouse.query(
            "select experiment_key, slot_key, arm_key, bucket_start, bucket_end"
            " from intermediate.int_experiment_arms order by experiment_key, slot_key, bucket_start, bucket_end"
        )


@dataclass(frozen=True)
class Definition:
    """An experiment, and the weights of its arms by slot."""

    row: Row
    slots: Mapping[str, Mapping[str, int]]

    def arms(self) -> list[Row]:
        return [
            row for slot, weights in self.slots.items() for row in arms(self.row["experiment_key"], slot, weights)
        ]

    def assigned(self, profile: str) -> Iterator[Assignment]:
        """By the recipe."""
        row = self.row
        key, salt = row["experiment_key"], f"{row['group_key'] or row['experiment_key']}-{row['version']}"
        held_out = (
            bucket(f"holdout-global-{row['global_holdout_version']}", profile) < row["global_holdout_bp"]
            or bucket(f"holdout-{key}-{row['version']}", profile) < row["holdout_bp"]
        )
        if held_out:
            yield key, "*", profile, "holdout"
            return
        layer = row["layer_name"]
        if layer and not row["layer_start_bp"] <= bucket(f"layer-{layer}", profile) < row["layer_end_bp"]:
            return
        if bucket(f"traffic-{salt}", profile) >= row["traffic_bp"]:
            return
        for slot, weights in self.slots.items():
            drawn = bucket(f"split-{salt}-{slot}", profile)
            ends = zip(weights, accumulate(weights.values()), strict=True)
            yield key, slot, profile, next(arm for arm, end in ends if drawn < end)


@st.composite
def weights(draw: st.DrawFn) -> dict[str, int]:
    """Of two to five arms, some of them nothing."""
    cuts = sorted(draw(st.lists(st.sampled_from([0, 1, 2500, 3333, 5000, 9999, 10_000]), min_size=1, max_size=4)))
    return {
        f"arm_{place}": end - start
        for place, (start, end) in enumerate(zip([0, *cuts], [*cuts, 10_000], strict=True))
    }


@st.composite
def definitions(draw: st.DrawFn) -> list[Definition]:
    """Two in a layer, two in a group, two alone."""
    shared = {"global_holdout_bp": draw(st.sampled_from([0, 500, 10_000 // 3]))}
    cut = draw(st.integers(0, 10_000))
    labels = {"hero": draw(weights()), "footer": draw(weights())}
    common = {"version": draw(st.integers(1, 3)), "traffic_bp": draw(st.integers(1000, 9000)), "group_key": "team"}
    of: dict[str, Row] = {
        "left": {"layer_name": "promo", "layer_start_bp": 0, "layer_end_bp": cut},
        "right": {"layer_name": "promo", "layer_start_bp": cut, "layer_end_bp": 10_000},
        "mail": common,
        "text": common,
        "alone": {"traffic_bp": draw(st.integers(0, 10_000)), "version": draw(st.integers(1, 30))},
        "held": {"holdout_bp": draw(st.integers(0, 10_000))},
    }
    return [
        Definition(
            experiment(key, **shared, **changes), labels if "group_key" in changes else {"hero": draw(weights())}
        )
        for key, changes in of.items()
    ]


@pytest.fixture(scope="module")
def account(first_run: Warehouse, selects: Selects) -> Account:
    return Account(first_run.copy(), selects)


@FEW
@given(definitions(), st.integers(0, 5000))
def test_any_definitions_are_assigned_by_the_recipe_and_a_ramp_keeps_every_arm(
    account: Account, defined: list[Definition], step: int
) -> None:
    """A ramp, over the rows in another order."""
    account.define(defined)
    slots: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for key, slot, _, start, end in account.ranges():
        slots[key, slot].append((start, end))
    for ranges in slots.values():  # every bucket belongs to exactly one arm
        assert [start for start, _ in ranges] == [0, *(end for _, end in ranges[:-1])]
        assert ranges[-1][1] == 10_000

    assigned = account.assigned()
    assert assigned == {
        row for definition in defined for profile in account.profiles for row in definition.assigned(profile)
    }
    members: dict[str, set[str]] = defaultdict(set)
    labels: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for key, slot, profile, arm in assigned:
        if slot != "*":
            members[key].add(profile)
            labels[key].add((slot, profile, arm))
    assert not members["left"] & members["right"]
    assert labels["mail"] == labels["text"]

    for definition in defined:
        definition.row["traffic_bp"] = min(definition.row["traffic_bp"] + step, 10_000)
    account.world.profiles.reverse()
    account.world.segment_memberships.reverse()
    account.define(defined)
    assert assigned <= account.assigned()


def test_a_quota_is_exact_whatever_the_weights(account: Account) -> None:
    of = {"thirds": [3334, 3333, 3333], "seldom": [1, 9999], "never": [0, 10_000], "equal": [2000] * 5}
    account.define(
        [
            Definition(
                experiment(key, assignment_method="quota", traffic_bp=7300),
                {"hero": {f"arm_{place}": weight for place, weight in enumerate(each)}},
            )
            for key, each in of.items()
        ]
    )
    assigned = account.assigned()
    for key, each in of.items():
        counts = Counter(arm for found, _, _, arm in assigned if found == key)
        people = sum(counts.values())
        assert 0.6 * PEOPLE < people < 0.85 * PEOPLE
        for place, weight in enumerate(each):
            assert abs(counts[f"arm_{place}"] - people * weight / 10_000) < 1, key


def test_slots_are_independent(first_run: Warehouse, selects: Selects) -> None:
    """χ² of the table of two slots, over fixed ids: below what chance exceeds once in a thousand."""
    account = Account(first_run.copy(), selects, small_world(4000))
    hero = {"control": 2500, "bold": 2500, "calm": 5000}
    footer = {"short": 3000, "long": 7000}
    account.define([Definition(experiment("spring"), {"hero": hero, "footer": footer})])
    arm_of = {(profile, slot): arm for _, slot, profile, arm in account.assigned()}
    cells = Counter((arm_of[profile, "hero"], arm_of[profile, "footer"]) for profile in account.profiles)
    assert sum(cells.values()) == 4000
    statistic = 0.0
    for one in hero:
        for other in footer:
            row = sum(cells[one, each] for each in footer)
            column = sum(cells[each, other] for each in hero)
            expected = row * column / 4000
            statistic += (cells[one, other] - expected) ** 2 / expected
    assert statistic < 13.8
