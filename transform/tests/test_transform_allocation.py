"""Thompson shares against a reference that integrates on 40,001 points."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from transform_project import NOW, Row, Warehouse, arms, experiment

THOMPSON = {
    "allocation": "thompson",
    "thompson_floor_bp": 0,
    "thompson_half_life_days": 90,
    "thompson_at_most": 10**9,
    "snippet": "shared",
}


def test_chances_are_those_of_the_reference(reference: Path, warehouse: Warehouse) -> None:
    """Each case one earlier campaign, decided now, under a prior that says nothing."""
    cases = json.loads((reference / "vectors" / "p_best_normal_reference.json").read_text())["cases"][:30]
    experiments: list[Row] = []
    defined: list[Row] = []
    frozen: list[tuple[str, str, str, datetime]] = []
    results: list[tuple[str, str, float, float]] = []
    for case in cases:
        key, names = f"case_{case['case_id']}", [f"arm_{place}" for place in range(len(case["arms"]))]
        experiments.append(experiment(key, version=2, status="draft"))
        defined += arms(key, "hero", dict.fromkeys(names), **{**THOMPSON, "snippet": key})
        for name, arm in zip(names, case["arms"], strict=True):
            frozen.append((key, name, key, NOW - timedelta(hours=1)))
            results.append((key, name, arm["mean"] - case["arms"][0]["mean"], arm["sd"] ** 2 * 1000))
    warehouse.land("experiments", experiments)
    warehouse.land("experiment_arms", defined)
    with warehouse.connect() as connection:
        connection.executemany(
            "insert into marts.fct_allocations"
            " (experiment_key, experiment_version, slot_key, arm_key, content_key, decided_at)"
            " values (?, 1, 'hero', ?, ?, ?)",
            frozen,
        )
        connection.executemany(
            "insert into marts.fct_experiment_results"
            " (experiment_key, experiment_version, slot_key, arm_key, metric, units, difference, mean, variance) values (?, 1, 'hero', ?, 'clicked', 1000, ?, 0.03, ?)",
            results,
        )
    warehouse.dbt("run", "--select", "int_allocations_proposed", thompson_prior=1e6)
    rows = warehouse.query(
        "select experiment_key, arm_key, chance, weight_bp from intermediate.int_allocations_proposed order by all"
    )
    for case in cases:
        found = [row for row in rows if row[0] == f"case_{case['case_id']}"]
        assert [row[2] for row in found] == pytest.approx(case["p_best"], abs=1e-6)
        assert sum(row[3] for row in found) == 10_000
