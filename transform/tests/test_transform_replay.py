"""The A/A replay over the account's own profiles, against the same sums in Python."""

from __future__ import annotations

import math

import pytest
from transform_project import Warehouse, bucket, small_world

REPLAYS = 100


def replay(warehouse: Warehouse, **arguments: object) -> str:
    given = ", ".join(f"{name}: {value}" for name, value in arguments.items())
    (told,) = warehouse.dbt("run-operation", "aa_replay", "--args", f"{{{given}}}").said
    return told


def test_a_replay_without_a_difference_finds_few(built: Warehouse) -> None:
    world = small_world()
    opened = {
        event["profile_id"]
        for event in world.events
        if event["metric_id"] == "MetOpn" and not event["event_properties"]["machine_open"]
    }

    def significant(number: int) -> bool:
        moments = []
        for arm in (False, True):
            units = [
                float(profile["id"] in opened)
                for profile in world.profiles
                if (bucket(f"aa-{number}", profile["id"]) >= 5000) is arm
            ]
            mean = sum(units) / len(units)
            moments.append((mean, sum((unit - mean) ** 2 for unit in units) / (len(units) - 1) / len(units)))
        (one, variance), (other, of_the_other) = moments
        return math.erfc(abs(one - other) / math.sqrt(variance + of_the_other) / math.sqrt(2)) < 0.05

    share = 100 * sum(significant(number) for number in range(REPLAYS)) / REPLAYS
    told = replay(built, salts=REPLAYS)
    people = f"{REPLAYS} replays over 240 profiles, {len(opened)} of whom opened in 90 days:"
    assert told.startswith(f"{people} {share:.1f} % have p < 0.05 ")


def test_a_replay_over_too_little_fails(built: Warehouse, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError, match="aa_replay"):
        replay(built, metric="ordered", salts=REPLAYS)
    assert "Too few to tell: widen `days`, or choose another metric" in capsys.readouterr().out
