"""Hashing and statistics against published figures, through the project's own macros and models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from transform_engines import Engine
from transform_project import Row, Warehouse, experiment


def vectors(reference: Path, name: str) -> Any:  # noqa: ANN401
    return json.loads((reference / "vectors" / name).read_text(encoding="utf-8"))


@dataclass
class Calculator:
    """An engine that computes the project's expressions over rows of our own."""

    engine: Engine
    database: str
    expressions: dict[str, str]

    def __call__(self, expression: str, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Value of an expression for each row of its inputs."""
        table = f"staging.vectors_of_{expression}"
        inputs = [
            {"place": place, **dict(zip(INPUTS[expression], row, strict=True))} for place, row in enumerate(rows)
        ]
        self.engine.replace(self.database, table, inputs)
        query = f"select {self.expressions[expression]} from {table} order by place"  # noqa: S608
        return [row[0] for row in self.engine.execute(self.database, query)[1]]


INPUTS = {
    "bucket": {"salt": "text", "unit": "text"},
    "fnv": {"input": "text"},
    "fnv_bucket": {"input": "text"},
    "phi": {"x": "double"},
    "chi2": {"x": "double", "degrees": "integer"},
}
"""Columns of each expression, by the engine's name of their types."""


@pytest.fixture(scope="module")
def evaluate(first_run: Warehouse) -> Calculator:
    """Over SQL of the macros, as dbt renders them for the engine."""
    macros = {
        "bucket": "lf_bucket('salt', 'unit')",
        "fnv": "lf_fnv1a('input', 100)",
        "fnv_bucket": "lf_modulo(lf_fnv1a('input', 10), 10000)",
        "phi": "lf_phi('x')",
        "chi2": "lf_chi2_sf('x', 'degrees')",
    }
    inline = "\n-- next\n".join(f"{{{{ {call} }}}}" for call in macros.values())
    warehouse = first_run.copy()
    (result,) = warehouse.dbt("compile", "--inline", inline).results
    texts = result["node"]["compiled_code"].split("-- next")
    engine = warehouse.project.engine
    for name, columns in INPUTS.items():
        declared = ", ".join(f"{column} {getattr(engine, kind, kind)}" for column, kind in columns.items())
        warehouse.query(f"create table staging.vectors_of_{name} (place integer, {declared})")
    return Calculator(engine, warehouse.database, dict(zip(macros, texts, strict=True)))


def test_buckets_are_equal_on_every_engine(reference: Path, evaluate: Calculator) -> None:
    """Salts and ids of every kind: accents in both normal forms, CJK, emoji, blanks, newlines, the empty id."""
    rows = vectors(reference, "cross_engine_md5.json")["rows"]
    assert len(rows) > 100
    inputs = [(row["salt"], row["unit_id"]) for row in rows]
    buckets = evaluate("bucket", inputs)
    assert buckets == [row["bucket10k_md5_u32"] for row in rows]


def test_buckets_are_those_of_the_published_sharder(reference: Path, evaluate: Calculator) -> None:
    """1,953 assignments published by Eppo, with both draws."""
    published = vectors(reference, "eppo_md5_assignments.json")
    inputs = [("test", "input")]  # the sharder's own case is the text `test-input`
    expected = [dict(published["sharder"])["test-input"]]
    for case in published["experiments"]:
        for subject, exposure, assignment, _ in case["rows"]:
            inputs += [(f"exposure-{subject}", case["experiment"]), (f"assignment-{subject}", case["experiment"])]
            expected += [exposure, assignment]
    assert len(expected) > 3_900
    assert evaluate("bucket", inputs) == expected


def test_growthbooks_hash_is_the_published_one(reference: Path, evaluate: Calculator) -> None:
    """Both steps of version 2; where texts go beyond U+FFFF, by code points."""
    rows = vectors(reference, "fnv1a32.json")["rows"]
    assert len(rows) > 10
    assert evaluate("fnv", [(row[0],) for row in rows]) == [row[2] for row in rows]
    published = [row for row in vectors(reference, "growthbook_hash.json")["cases"] if row[2] == 2]
    assert len(published) > 5
    first = evaluate("fnv", [(seed + unit,) for seed, unit, *_ in published])
    assert evaluate("fnv_bucket", [(str(value),) for value in first]) == [
        round(10_000 * expected) for *_, expected in published
    ]


def test_a_unit_without_id_has_no_bucket(evaluate: Calculator) -> None:
    assert evaluate("bucket", [("s", None)]) == [None]


def test_the_normal_distribution_is_exact(reference: Path, evaluate: Calculator) -> None:
    rows = vectors(reference, "scipy_reference.json")["normal_cdf"]
    values = evaluate("phi", [(x,) for x, _ in rows])
    assert values == pytest.approx([expected for _, expected in rows], rel=5e-8, abs=3e-16)


def test_the_normal_distribution_has_no_cliff(evaluate: Calculator) -> None:
    """Far tails neither fail nor leave 0 to 1, and the halves add up."""
    points = [0.0, 1e-9, 7.07106, 7.07107, 9.0, 40.0, 1e6]
    upper = evaluate("phi", [(x,) for x in points])
    lower = evaluate("phi", [(-x,) for x in points])
    assert [a + b for a, b in zip(upper, lower, strict=True)] == pytest.approx([1.0] * len(points), abs=1e-15)
    assert upper == sorted(upper)
    assert min(lower) >= 0


def test_the_chi_square_tail_is_exact(reference: Path, evaluate: Calculator) -> None:
    rows = vectors(reference, "scipy_reference.json")["chi2_sf"]
    inputs = [(x, degrees) for x, degrees, _ in rows]
    values = evaluate("chi2", inputs)
    assert values == pytest.approx([expected for *_, expected in rows], rel=1e-9, abs=1e-14)


def test_the_chi_square_tail_ends_where_it_says(evaluate: Calculator) -> None:
    values = evaluate("chi2", [(30.0, 19), (30.0, 20), (30.0, 0)])
    assert values[0] == pytest.approx(0.0517984, abs=1e-6)
    assert values[1:] == [None, None]


def moment(key: str, arm: str, *, units: int, weight_bp: int, **changes: Any) -> Row:  # noqa: ANN401
    return {
        "experiment_key": key,
        "experiment_version": 1,
        "slot_key": "hero",
        "arm_key": arm,
        "metric": "opened",
        "weight_bp": weight_bp,
        "units": units,
        "received": units,
        "converted": 0,
        "total": 0,
        "total_of_squares": 0,
        "is_control": arm == "control",
        **changes,
    }


@pytest.fixture(scope="module")
def measured(reference: Path, built: Warehouse) -> Warehouse:
    """The results and checks of the moments that gbstats was given, each case an experiment of its own."""
    warehouse = built.copy()
    oracle = vectors(reference, "gbstats_oracle_generated.json")
    moments: list[Row] = []
    experiments: list[Row] = []

    for case in oracle["cases"]:
        if case["kind"] in {"proportion", "mean"}:
            key = f"case_{case['case_id']}"
            experiments.append(experiment(key))
            metric = "clicked" if case["kind"] == "proportion" else "revenue"
            for arm in ("control", "treatment"):
                given = case[arm]
                sums = {"total": given["y"], "total_of_squares": given.get("yy", given["y"])}
                moments.append(moment(key, arm, metric=metric, weight_bp=5000, units=given["n"], **sums))
    for number, row in enumerate(oracle["srm"]):
        experiments.append(experiment(f"ratio_{number}"))
        for place, (users, weight) in enumerate(zip(row["users"], row["weights"], strict=True)):
            weight_bp = round(weight * 10_000)
            moments.append(moment(f"ratio_{number}", f"arm_{place}", weight_bp=weight_bp, units=users))
    warehouse.land("experiments", experiments)
    warehouse.land("int_moments", moments, schema="intermediate")
    warehouse.dbt("run", "--select", "fct_experiment_results", "int_slots_checked")
    return warehouse


def test_results_are_those_of_gbstats(reference: Path, measured: Warehouse) -> None:
    """Difference, standard error, sequential interval and p-value, chance to win and risk; absolute, no prior."""
    rows = {
        row["experiment_key"]: row
        for row in measured.rows("select * from marts.fct_experiment_results where arm_key = 'treatment'")
    }
    cases = [
        case
        for case in vectors(reference, "gbstats_oracle_generated.json")["cases"]
        if case["kind"] in {"proportion", "mean"}
    ]
    assert len(cases) > 20
    for case in cases:
        row = rows[f"case_{case['case_id']}"]
        plain = case["results"]["ttest_absolute"]
        sequential = case["results"]["sequential_absolute"]
        bayes = case["results"]["bayes_flat_absolute"]
        error = plain["stderr"]
        assert row["difference"] == pytest.approx(plain["estimate"], rel=1e-12)
        assert row["standard_error"] == pytest.approx(error, rel=1e-11)
        assert row["interval_low"] == pytest.approx(sequential["ci"][0], abs=1e-10 * error)
        assert row["interval_high"] == pytest.approx(sequential["ci"][1], abs=1e-10 * error)
        assert row["p_value"] == pytest.approx(sequential["p_value"], rel=1e-9, abs=1e-12)
        assert row["chance_to_win"] == pytest.approx(bayes["chance_to_win"], abs=1e-12)
        assert row["expected_loss"] == pytest.approx(bayes["risk"][1], abs=1e-11 * error)


def test_fewer_unsubscribes_are_better(measured: Warehouse) -> None:
    """The same figures under the name of a metric where more is worse: the chance turns, the interval does not."""
    results = "select * from marts.fct_experiment_results where arm_key = 'treatment' and metric = "
    before = {row["experiment_key"]: row for row in measured.rows(results + "'clicked'")}
    moments = measured.rows("select * from intermediate.int_moments where metric = 'clicked'")
    measured.land("int_moments", [{**row, "metric": "unsubscribed"} for row in moments], schema="intermediate")
    measured.dbt("run", "--select", "fct_experiment_results")
    after = {row["experiment_key"]: row for row in measured.rows(results + "'unsubscribed'")}
    assert len(before) > 10
    assert after.keys() == before.keys()
    for key, row in before.items():
        turned = after[key]
        assert turned["chance_to_win"] == pytest.approx(1 - row["chance_to_win"], abs=1e-12)
        assert turned["expected_loss"] == pytest.approx(row["expected_loss"] + row["difference"], abs=1e-12)
        assert turned["interval_low"] == row["interval_low"]
        assert turned["p_value"] == row["p_value"]


def test_sample_ratio_mismatch_is_that_of_gbstats(reference: Path, measured: Warehouse) -> None:
    values = dict(measured.query("select experiment_key, srm_p_value from intermediate.int_slots_checked"))
    rows = vectors(reference, "gbstats_oracle_generated.json")["srm"]
    assert len(rows) > 20
    for number, row in enumerate(rows):
        expected = row["p_value"]
        assert values[f"ratio_{number}"] == pytest.approx(expected, rel=1e-7, abs=1e-14), row
