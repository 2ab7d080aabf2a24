"""What an experiment could find before it begins, by the account's messages, against formulas in Python."""

from __future__ import annotations

import math
import re
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


NEEDED = re.compile(r"it takes (\d+) profiles looked at whenever one likes, (\d+) looked at once\.")
CHANCES = re.compile(
    r"is found by them in (?:less than |more than )?(\d+) and (?:less than |more than )?(\d+) of 100"
)


@pytest.mark.parametrize(("arms", "control_share"), [(3, None), (2, 20), (5, 60)])
def test_a_plan_tells_what_can_be_found_and_what_it_takes(
    built: Warehouse, arms: int, control_share: int | None
) -> None:
    rate = OPENED / RECEIPTS
    profiles, effect = 30_000, 0.1
    better = rate * (1 + effect)
    variance, lifted = rate * (1 - rate) * RECEIPTS / (RECEIPTS - 1), better * (1 - better)
    control = control_share / 100 if control_share else 1 / arms
    arm = (1 - control) / (arms - 1)

    def error(people: float) -> float:
        """By the larger of the arms' own spread and the one that they have together."""
        own = variance / control + lifted / arm
        pooled = (control * variance + arm * lifted) / (control + arm) * (1 / control + 1 / arm)
        return math.sqrt(max(own, pooled) / people)

    compared = control + arm
    anytime = (half_width(error(profiles), compared * profiles) + Z(0.8) * error(profiles)) / rate
    given = {"control_share": control_share} if control_share else {}
    told = plan(built, metric="opened", profiles=profiles, arms=arms, effect=effect, **given)
    assert told.startswith(f"{RECEIPTS} receipts in 90 days: 25.00 % opened. 30000 profiles in {arms} arms")
    assert (f", {control_share} % of them the control, find" in told) == (control_share is not None)
    assert f" {100 * anytime:.1f} % in 80 of 100 cases, looked at whenever one likes (" in told
    found = NEEDED.search(told)
    assert found
    needed, once = (float(number) for number in found.groups())
    # With so many, that lift is what can be found.
    reached = half_width(error(needed), compared * needed) + Z(0.8) * error(needed)
    assert reached == pytest.approx(effect * rate, rel=1e-3)
    assert (Z(0.975) + Z(0.8)) * error(once) == pytest.approx(effect * rate, rel=1e-3)
    chances = CHANCES.search(told)
    assert chances
    for told_chance, width in zip(
        chances.groups(),
        (half_width(error(profiles), compared * profiles), Z(0.975) * error(profiles)),
        strict=True,
    ):
        exact = 100 * NormalDist().cdf((effect * rate - width) / error(profiles))
        assert int(told_chance) == pytest.approx(min(max(exact, 1), 99), abs=1)
    days = re.search(r"Those are (\d+) days and (\d+) days of as many different recipients", told)
    assert days
    for told_days, people in zip(map(int, days.groups()), (needed, once), strict=True):
        assert told_days in {math.ceil((people + rounded) / (RECEIPTS / 90)) for rounded in (-0.5, 0, 0.5)}


def test_what_cannot_be_dealt_is_refused(built: Warehouse, capsys: pytest.CaptureFixture[str]) -> None:
    for given in ({"arms": 1}, {"control_share": 100}):
        with pytest.raises(AssertionError, match="plan_experiment"):
            plan(built, metric="opened", **given)
        assert "`arms` is 2 or more, `control_share` a per cent above 0 and below 100" in capsys.readouterr().out


def test_looking_once_finds_less_of_a_lift_than_looking_always(built: Warehouse) -> None:
    told = plan(built, metric="opened", profiles=20_000)
    always, once = (float(part.rsplit(" ", 1)[1]) for part in told.split(" %")[1:3])
    assert 0 < once < always < 0.2 * 100
    found = NEEDED.search(told)
    assert found
    assert 1.7 < int(found[1]) / int(found[2]) < 2.6


def test_a_warehouse_without_models_is_told(warehouse: Warehouse, capsys: pytest.CaptureFixture[str]) -> None:
    """As the one of another environment is."""
    with warehouse.without("staging", "outcome_metrics"), pytest.raises(AssertionError, match="plan_experiment"):
        plan(warehouse, metric="opened")
    assert "build them first (`make pipeline`, or `dbt build`)" in " ".join(capsys.readouterr().out.split())


def test_a_plan_by_too_little_fails(built: Warehouse, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError, match="plan_experiment"):
        plan(built, metric="ordered")
    assert "too few to plan by. Widen `days`, or choose another metric" in capsys.readouterr().out
