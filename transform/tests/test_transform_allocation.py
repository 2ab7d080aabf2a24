"""Thompson shares against a reference that integrates on 40,001 points."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from transform_project import NOW, Row, Warehouse, arms, experiment

THOMPSON = {
    "allocation": "thompson",
    "thompson_floor_bp": 0,
    "thompson_half_life_days": 90,
    "thompson_at_most": 10**9,
}


def largest_remainders(shares: Sequence[float]) -> list[int]:
    """Whole basis points that sum to 10,000."""
    exact = [10_000 * share for share in shares]
    whole = [int(weight) for weight in exact]
    by_remainder = sorted(range(len(exact)), key=lambda place: whole[place] - exact[place])
    for place in by_remainder[: 10_000 - sum(whole)]:
        whole[place] += 1
    return whole


def test_chances_are_those_of_the_reference(reference: Path, warehouse: Warehouse) -> None:
    """Each case one earlier campaign, under a prior that says nothing: on every engine the same shares."""
    cases = json.loads((reference / "vectors" / "p_best_normal_reference.json").read_text())["cases"]
    experiments: list[Row] = []
    defined: list[Row] = []
    frozen: list[Row] = []
    results: list[Row] = []
    for case in cases:
        key, names = f"case_{case['case_id']}", [f"arm_{place}" for place in range(len(case["arms"]))]
        experiments.append(experiment(key, version=2, status="draft"))
        defined += arms(key, "hero", dict.fromkeys(names), snippet=key, **THOMPSON)
        for name, arm in zip(names, case["arms"], strict=True):
            unit = {"experiment_key": key, "experiment_version": 1, "slot_key": "hero", "arm_key": name}
            frozen.append({**unit, "content_key": key, "decided_at": NOW - timedelta(hours=1)})
            figures = {
                "units": 1000,
                "difference": arm["mean"] - case["arms"][0]["mean"],
                "mean": 0.03,
                "variance": arm["sd"] ** 2 * 1000,
            }
            results.append({**unit, "metric": "clicked", **figures})
    warehouse.land("experiments", experiments)
    warehouse.land("experiment_arms", defined)
    warehouse.land("fct_allocations", frozen, schema="marts")
    warehouse.land("fct_experiment_results", results, schema="marts")
    warehouse.dbt("run", "--select", "int_allocations_proposed", thompson_prior=1e6)
    rows = warehouse.query(
        "select experiment_key, chance, weight_bp from intermediate.int_allocations_proposed order by arm_key"
    )
    assert len(cases) > 20
    for case in cases:
        found = [row[1:] for row in rows if row[0] == f"case_{case['case_id']}"]
        assert [chance for chance, _ in found] == pytest.approx(case["p_best"], abs=1e-6)
        assert [weight for _, weight in found] == largest_remainders(case["p_best"])
