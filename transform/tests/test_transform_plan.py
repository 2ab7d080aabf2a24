"""What an experiment could find before it begins, by the account's messages, against formulas in Python."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from transform_project import Warehouse

Z = NormalDist().inv_cdf
RECEIPTS, CLICKED, OPENED = 240, 24, 60
"""Of the small world: messages received, clicked and opened by people."""


def plan(warehouse: Warehouse, **arguments: object) -> str:
    given = ", ".join(f"{name}: {value}" for name, value in arguments.items())
    (told,) = warehouse.dbt("run-operation", "plan_experiment", "--args", f"{{{given}}}").said
    return told


def half_width(error: float, units: float) -> float:
    """Of the always-valid interval."""
    log_alpha = math.log(0.05)
    precision = (-2 * log_alpha + math.log(1 - 2 * log_alpha)) / 5000
    weight = units * precision + 1
    return error * math.sqrt(2 * weight * math.log(math.sqrt(weight) / 0.05) / (units * precision))


def test_a_plan_tells_what_can_be_found_and_what_it_takes(built: Warehouse) -> None:
    rate = OPENED / RECEIPTS
    variance = rate * (1 - rate) * RECEIPTS / (RECEIPTS - 1)
    profiles, arms, effect = 30_000, 3, 0.1
    each = profiles / arms
    error = math.sqrt(2 * variance / each)
    anytime = (half_width(error, 2 * each) + Z(0.8) * error) / rate
    told = plan(built, metric="opened", profiles=profiles, arms=arms, effect=effect)
    assert told.startswith(
        f"{RECEIPTS} receipts in 90 days: 25.00 % opened. 30000 profiles in 3 arms find a lift of "
    )
    assert f" {100 * anytime:.1f} % in 80 of 100 cases, looked at whenever one likes; " in told
    needed = float(told.rsplit(" profiles.", 1)[0].rsplit(" ", 1)[1])
    assert told.endswith(f"A lift of 10 % takes {needed:.0f} profiles.")
    # With so many, that lift is what can be found.
    error = math.sqrt(2 * variance / (needed / arms))
    assert half_width(error, 2 * needed / arms) + Z(0.8) * error == pytest.approx(effect * rate, rel=1e-3)


def test_looking_once_finds_less_of_a_lift_than_looking_always(built: Warehouse) -> None:
    told = plan(built, metric="opened", profiles=20_000)
    always, once = (float(part.rsplit(" ", 1)[1]) for part in told.split(" %")[1:3])
    assert 0 < once < always < 0.2 * 100


def test_a_plan_by_too_little_fails(built: Warehouse, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError, match="plan_experiment"):
        plan(built, metric="ordered")
    assert "too few to plan by. Widen `days`, or choose another metric" in capsys.readouterr().out
