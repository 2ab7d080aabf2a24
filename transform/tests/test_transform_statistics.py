"""Hashing and statistics against published figures, through the project's own macros and models."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transform_engines import Engine
from transform_project import Row, Warehouse, experiment


def vectors(reference: Path, name: str) -> Any:  # noqa: ANN401
    return json.loads((reference / "vectors" / name).read_text(encoding="utf-8"))


@dataclass
class Calculator:
    """An engine that computes the project's expressions over rows of our own."""

    engine: Engine
    database: str
    expressions: dict[str, str] = field(repr=False)

    def __call__(self, expression: str, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Value of an expression for each row of its inputs."""
        table = f"staging.vectors_of_{expression}"
        inputs = [
            {"place": place, **dict(zip(INPUTS[expression], row, strict=True))} for place, row in enumerate(rows)
        ]
        self.engine.replace(self.database, table, inputs)
        query = f"select {self.expressions[expression]} from {table} order by place"  # noqa: S608
        return [row[0] for row in self.engine.execute(self.database, query)[1]]

    def rows(self, query: str, inputs: Sequence[Row]) -> list[Row]:
        """What a query gives over these inputs, in the order of its first columns."""
        self.engine.replace(self.database, f"staging.vectors_of_{query}", inputs)
        names, found = self.engine.execute(self.database, self.expressions[query])
        return sorted((dict(zip(names, row, strict=True)) for row in found), key=lambda row: row["place"])


INPUTS = {
    "bucket": {"salt": "text", "unit": "text"},
    "fnv": {"input": "text"},
    "fnv_bucket": {"input": "text"},
    "phi": {"x": "double"},
    "chi2": {"x": "double", "degrees": "integer"},
    "quantile": {"p": "double"},
    "t_deviate": {"t": "double", "df": "double"},
    "t_quantile": {"z": "double", "df": "double"},
    "power": {"effect": "double", "se": "double", "z": "double"},
    "mde": {"mean": "double", "square": "double", "k": "double"},
    "square": {"mean_t": "double", "square_t": "double", "mean_c": "double", "square_c": "double"},
    "loss": {"gain": "double", "se": "double"},
    "loss_of_control": {"gain": "double", "se": "double"},
    "log_gamma": {"x": "double"},
    "evidence": {"share": "double", "one": "double", "other": "double"},
    "multinomial": {"small": "double", "large": "double"},
}
"""Columns of each expression, by the engine's name of their types."""
MACROS = {
    "bucket": "lf_bucket('salt', 'unit')",
    "fnv": "lf_fnv1a('input', 100)",
    "fnv_bucket": "lf_modulo(lf_fnv1a('input', 10), 10000)",
    "phi": "lf_phi('x')",
    "chi2": "lf_chi2_sf('x', 'degrees')",
    "quantile": "lf_normal_quantile('p')",
    "t_deviate": "lf_t_deviate('t', 'df')",
    "t_quantile": "lf_t_quantile('z', 'df')",
    "power": "lf_power('effect', 'se', '(z * se)')",
    "mde": "lf_relative_mde('mean', 'square', 'k')",
    "square": "lf_relative_square('mean_t', 'square_t', 'mean_c', 'square_c')",
    "loss": "lf_expected_loss('gain', 'se')",
    "loss_of_control": "lf_expected_loss_of_control('gain', 'se')",
    "log_gamma": "lf_log_gamma('x')",
    "multinomial": "lf_multinomial_p(['small', 'large'])",
    "evidence": (
        "lf_multinomial_evidence('(one + other)', '(' ~ lf_multinomial_term('one', 'share', 1000) ~ ' + '"
        " ~ lf_multinomial_term('other', '(1e0 - share)', 1000) ~ ')', 1000)"
    ),
}
QUERIES = {
    "chance_best": (
        "lf_chance_best('staging.vectors_of_chance_best', ['place'])",
        {"arm_key": "text", "center": "double", "deviation": "double"},
    ),
    "beta": (
        "lf_beta_comparison('staging.vectors_of_beta', ['place'])",
        {"units_a": "double", "successes_a": "double", "units_b": "double", "successes_b": "double"},
    ),
    "needed": (
        "lf_units_needed('staging.vectors_of_needed', 'effect', 'se', 'n', 'z')",
        {"effect": "double", "se": "double", "n": "double", "z": "double"},
    ),
    "holm_step": (
        "'select *, ' ~ lf_holm_step('p', 'place', 'tie') ~ ' as step from staging.vectors_of_holm_step'",
        {"p": "double", "tie": "integer"},
    ),
    "holm": (
        "'select *, ' ~ lf_holm('p', 'step', 'place', 'tie') ~ ' as adjusted from staging.vectors_of_holm'",
        {"p": "double", "tie": "integer", "step": "double"},
    ),
    "bh_step": (
        "'select *, ' ~ lf_bh_step('p', 'place', 'tie') ~ ' as step from staging.vectors_of_bh_step'",
        {"p": "double", "tie": "integer"},
    ),
    "bh": (
        "'select *, ' ~ lf_bh('p', 'step', 'place', 'tie') ~ ' as adjusted from staging.vectors_of_bh'",
        {"p": "double", "tie": "integer", "step": "double"},
    ),
}
"""Macros that are queries over a table of their own: the call, and the columns beside `place`."""


@pytest.fixture(scope="module")
def evaluate(first_run: Warehouse) -> Calculator:
    """Over SQL of the macros, as dbt renders them for the engine."""
    macros = MACROS | {name: call for name, (call, _) in QUERIES.items()}
    inline = "\n-- next\n".join(f"{{{{ {call} }}}}" for call in macros.values())
    warehouse = first_run.copy()
    (result,) = warehouse.dbt("compile", "--inline", inline).results
    texts = result["node"]["compiled_code"].split("-- next")
    engine = warehouse.project.engine
    for name, columns in (INPUTS | {name: columns for name, (_, columns) in QUERIES.items()}).items():
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


def test_the_normal_quantile_is_exact(reference: Path, evaluate: Calculator) -> None:
    rows = vectors(reference, "scipy_reference.json")["normal_ppf"]
    values = evaluate("quantile", [(p,) for p, _ in rows])
    assert values == pytest.approx([expected for _, expected in rows], rel=2e-14, abs=1e-15)


@settings(max_examples=3, deadline=None)
@given(points=st.lists(st.floats(-5, 5), min_size=20))
def test_the_normal_quantile_undoes_the_distribution(evaluate: Calculator, points: list[float]) -> None:
    lower = [-abs(z) for z in points]
    shares = evaluate("phi", [(z,) for z in lower])
    assert evaluate("quantile", [(p,) for p in shares]) == pytest.approx(lower, rel=1e-9, abs=1e-9)


def test_what_is_no_probability_has_no_quantile(evaluate: Calculator) -> None:
    assert evaluate("quantile", [(0.0,), (1.0,), (-0.1,), (None,), (0.5,)]) == [None, None, None, None, 0.0]


T_P_ERROR = {5: 4e-7, 10: 1e-9, 20: 1e-11}
"""Of Hill's transformation, by degrees of freedom; 2e-12 above."""
T_QUANTILE_ERROR = {5: 1e-3, 10: 4e-5, 20: 2e-7, 50: 2e-8}
"""Of the expansion, relative; 1e-10 above."""


def test_the_t_test_is_that_of_scipy(reference: Path, evaluate: Calculator) -> None:
    rows = vectors(reference, "scipy_reference.json")["t_sf_two_sided"]
    deviates = evaluate("t_deviate", [(t, df) for t, df, _ in rows])
    halves = evaluate("phi", [(deviate,) for deviate in deviates])
    assert len(rows) > 20
    for (t, df, expected), half in zip(rows, halves, strict=True):
        assert 2 * half == pytest.approx(expected, abs=T_P_ERROR.get(df, 2e-12)), (t, df)


def test_the_t_quantile_is_that_of_scipy(reference: Path, evaluate: Calculator) -> None:
    rows = vectors(reference, "scipy_reference.json")["t_ppf"]
    normal = evaluate("quantile", [(p,) for p, *_ in rows])
    values = evaluate("t_quantile", [(z, df) for z, (_, df, _) in zip(normal, rows, strict=True)])
    for (p, df, expected), value in zip(rows, values, strict=True):
        assert value == pytest.approx(expected, rel=T_QUANTILE_ERROR.get(df, 1e-10)), (p, df)


def test_losses_are_those_of_growthbook(reference: Path, evaluate: Calculator) -> None:
    risk = vectors(reference, "growthbook_ts_vectors.json")["risk"]
    inputs = [(risk["mu"], risk["sigma"])]
    assert evaluate("loss", inputs) == pytest.approx([risk["risk_treatment"]], abs=1e-13)
    assert evaluate("loss_of_control", inputs) == pytest.approx([risk["risk_control"]], abs=1e-13)


def test_the_relative_variance_is_that_of_growthbook(reference: Path, evaluate: Calculator) -> None:
    given = vectors(reference, "growthbook_ts_vectors.json")["power_mde"]["variance_relative"]
    arm = given["in"]
    inputs = [(arm["mean_b"], arm["var_b"] / arm["n_b"], arm["mean_a"], arm["var_a"] / arm["n_a"])]
    assert evaluate("square", inputs) == pytest.approx([given["out"]], abs=5e-6)


def test_power_and_detectable_effect_are_those_of_growthbook(reference: Path, evaluate: Calculator) -> None:
    case = vectors(reference, "growthbook_ts_vectors.json")["power_mde"]["cases"][0]
    normal = NormalDist()
    each = case["n_total"] / case["variations"]
    square = case["variance"] / each
    better = case["mean"] * (1 + case["effect"])
    (relative,) = evaluate("square", [(better, square, case["mean"], square)])
    z = normal.inv_cdf(1 - case["alpha"] / 2)
    assert evaluate("power", [(case["effect"], math.sqrt(relative), z)]) == pytest.approx(
        [case["power"]], abs=5e-6
    )
    k = z + normal.inv_cdf(0.8)
    assert evaluate("mde", [(case["mean"], square, k)]) == pytest.approx([case["mde_80"]], abs=5e-6)


def test_published_sample_sizes_have_the_power_they_are_made_for(reference: Path, evaluate: Calculator) -> None:
    """The sizes without a power of their own are G*Power's for 0.85, whatever the file's defaults say."""
    given = vectors(reference, "spotify_confidence_sample_size.json")
    inputs = []
    for case in given["cases"]:
        variance = case.get("variance") or case["p"] * (1 - case["p"])
        z = NormalDist().inv_cdf(1 - case.get("alpha", given["defaults"]["alpha"]) / 2)
        inputs.append((case["abs_mde"], math.sqrt(4 * variance / case["n_total"]), z))
    for case, power in zip(given["cases"], evaluate("power", inputs), strict=True):
        # A per cent of the size moves the power by less than half a per cent.
        assert power == pytest.approx(case.get("power", 0.85), abs=case["rtol"] / 2), case


def test_units_needed_are_those_of_gbstats(reference: Path, evaluate: Calculator) -> None:
    """Its factor counts the units that are still to come, and its search stops within 1/512 of it."""
    given = vectors(reference, "growthbook_ts_vectors.json")["mid_experiment_power"]
    control, treatment = given["control"], given["treatment"]

    def arm(sums: dict[str, float]) -> tuple[float, float]:
        mean = sums["sum"] / sums["n"]
        return mean, (sums["sum_squares"] - sums["sum"] * mean) / (sums["n"] - 1) / sums["n"]

    (mean_c, square_c), (mean_t, square_t) = arm(control), arm(treatment)
    (relative,) = evaluate("square", [(mean_t, square_t, mean_c, square_c)])
    inputs = {
        "place": 0,
        "effect": given["target_mde"],
        "se": math.sqrt(relative),
        "n": control["n"] + treatment["n"],
        "z": NormalDist().inv_cdf(given["target_power"]),
    }
    (row,) = evaluate.rows("needed", [inputs])
    assert row["needed"] - 1 == pytest.approx(given["scaling_factor"]["sequential_n_star_5000"], abs=2e-3)


@pytest.mark.parametrize("method", ["holm", "benjamini_hochberg"])
def test_adjusted_p_values_are_those_of_growthbook(reference: Path, evaluate: Calculator, method: str) -> None:
    given = vectors(reference, "growthbook_ts_vectors.json")["p_adjust"]
    name = {"holm": "holm", "benjamini_hochberg": "bh"}[method]
    families = [(given[method]["in"], given[method]["out"]), (given["pair"]["in"], given["pair"][method])]
    inputs = [
        {"place": place, "tie": tie, "p": p}
        for place, (values, _) in enumerate(families)
        for tie, p in enumerate([*values, None])
    ]
    stepped = evaluate.rows(f"{name}_step", inputs)
    adjusted = evaluate.rows(name, stepped)
    for place, (_, expected) in enumerate(families):
        found = {row["tie"]: row["adjusted"] for row in adjusted if row["place"] == place}
        assert found.pop(len(expected)) is None
        assert [found[tie] for tie in range(len(expected))] == pytest.approx(expected, abs=1e-8)


def test_false_discoveries_are_those_of_benjamini_and_hochberg(evaluate: Calculator) -> None:
    """Their example (1995, section 4.1): of 15 comparisons 4 are found at 0.05, where Holm finds 3."""
    given = (
        *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459),
        *(0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0),
    )
    inputs = [{"place": 0, "tie": tie, "p": p} for tie, p in enumerate(given)]
    found = {}
    for name in ("bh", "holm"):
        rows = evaluate.rows(name, evaluate.rows(f"{name}_step", inputs))
        found[name] = {row["tie"]: row["adjusted"] for row in rows}
    assert [tie for tie, p in sorted(found["bh"].items()) if p < 0.05] == [0, 1, 2, 3]
    assert [tie for tie, p in sorted(found["holm"].items()) if p < 0.05] == [0, 1, 2]
    # Each is the least of p · 15 / rank over the ranks from its own on.
    least = [min(p * 15 / rank for rank, p in enumerate(given, 1) if rank > tie) for tie in range(15)]
    assert [found["bh"][tie] for tie in range(15)] == pytest.approx(least, abs=1e-12)


def test_chances_to_be_best_are_those_of_the_reference(reference: Path, evaluate: Calculator) -> None:
    cases = vectors(reference, "p_best_normal_reference.json")["cases"]
    inputs = [
        {"place": place, "arm_key": f"arm_{number}", "center": arm["mean"], "deviation": arm["sd"]}
        for place, case in enumerate(cases)
        for number, arm in enumerate(case["arms"])
    ]
    rows = evaluate.rows("chance_best", inputs)
    assert len(cases) > 20
    for place, case in enumerate(cases):
        found = {row["arm_key"]: row["chance"] for row in rows if row["place"] == place}
        chances = [found[f"arm_{number}"] for number in range(len(case["arms"]))]
        assert chances == pytest.approx(case["p_best"], abs=2e-12)


def test_small_counts_are_compared_as_scipy_compares_betas(reference: Path, evaluate: Calculator) -> None:
    cases = vectors(reference, "scipy_reference.json")["beta_binomial"]
    inputs = [
        {
            "place": place,
            "successes_a": case["control"][0],
            "units_a": case["control"][1],
            "successes_b": case["treatment"][0],
            "units_b": case["treatment"][1],
        }
        for place, case in enumerate(cases)
    ]
    assert len(cases) >= 3
    for case, row in zip(cases, evaluate.rows("beta", inputs), strict=True):
        assert row["chance"] == pytest.approx(case["p_b_gt_a"], abs=2e-5)
        assert row["loss_of_b"] == pytest.approx(case["expected_loss_choose_b"], abs=2e-6)
        assert row["loss_of_a"] == pytest.approx(case["expected_loss_choose_a"], abs=2e-6)


def exact_chance(a1: int, a2: int, b1: int, b2: int) -> float:
    """P(B > A) of two Betas with whole parameters, summed in closed form."""

    def log_beta(a: float, b: float) -> float:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    return sum(
        math.exp(log_beta(a1 + i, a2 + b2) - math.log(b2 + i) - log_beta(1 + i, b2) - log_beta(a1, a2))
        for i in range(b1)
    )


COUNTS = st.tuples(st.integers(0, 30), st.integers(30, 20_000))


@settings(max_examples=3, deadline=None)
@given(pairs=st.lists(st.tuples(COUNTS, COUNTS), min_size=10, max_size=30))
def test_every_small_count_is_compared_exactly(
    evaluate: Calculator, pairs: list[tuple[tuple[int, int], tuple[int, int]]]
) -> None:
    names = ("successes_a", "units_a", "successes_b", "units_b")
    inputs = [
        {"place": place, **dict(zip(names, (*one, *other), strict=True))}
        for place, (one, other) in enumerate(pairs)
    ]
    for row, ((a, units_a), (b, units_b)) in zip(evaluate.rows("beta", inputs), pairs, strict=True):
        exact = exact_chance(a + 1, units_a - a + 1, b + 1, units_b - b + 1)
        assert row["chance"] == pytest.approx(exact, abs=1e-4)
        # What one choice loses more than the other is the difference of the posterior means.
        difference = (b + 1) / (units_b + 2) - (a + 1) / (units_a + 2)
        assert row["loss_of_a"] - row["loss_of_b"] == pytest.approx(difference, abs=1e-5)


def moment(key: str, arm: str, *, units: int, weight_bp: int, **changes: Any) -> Row:  # noqa: ANN401
    return {
        "experiment_key": key,
        "experiment_version": 1,
        "slot_key": "hero",
        "arm_key": arm,
        "metric": "opened",
        "analysis": "assigned",
        "attribution": "assigned_window",
        "weight_bp": weight_bp,
        "units": units,
        "received": units,
        "converted": 0,
        "total": 0,
        "total_of_squares": 0,
        "denominator_total": 0,
        "denominator_of_squares": 0,
        "denominator_product": 0,
        "is_control": arm == "control",
        **changes,
    }


MANY = 1_000
"""Conversions for which the normal approximation does."""
METRIC = {"proportion": "clicked", "mean": "revenue", "mean_cuped": "revenue", "ratio": "revenue_per_order"}
SUMS = {
    "proportion": {"y": "total"},
    "mean": {"y": "total", "yy": "total_of_squares"},
    "mean_cuped": {
        "y": "total",
        "yy": "total_of_squares",
        "x": "covariate_total",
        "xx": "covariate_of_squares",
        "xy": "covariate_product",
    },
    "ratio": {
        "y": "total",
        "yy": "total_of_squares",
        "x": "denominator_total",
        "xx": "denominator_of_squares",
        "xy": "denominator_product",
    },
}
"""Kinds of cases, and where their sums stand in int_moments."""
ESTIMATOR = {"proportion": "welch", "mean": "welch", "mean_cuped": "cuped", "ratio": "ratio"}


def ratios(reference: Path) -> list[tuple[list[int], list[float], float | None]]:
    """Users, weights and p-value of every published check of sizes; no p-value where nothing can be compared.

    The zero-weight arms of gbstats, whose degrees of freedom count them, are not among its rows.
    """
    generated = vectors(reference, "gbstats_oracle_generated.json")["srm"]
    upstream = vectors(reference, "gbstats_upstream_tests.json")["srm"]
    found = [(row["users"], row["weights"], row["p_value"]) for row in [*generated, *upstream]]
    for users, weights, p_value in vectors(reference, "growthbook_ts_vectors.json")["srm"]["cases"]:
        listed = weights[: len(users)]  # one case has a weight without an arm
        compared = sum(weight > 0 for weight in listed) > 1 and sum(users) > 0
        found.append((users, listed, p_value if compared else None))
    return found


@pytest.fixture(scope="module")
def measured(reference: Path, built: Warehouse) -> Warehouse:
    """The results and checks of the moments that gbstats was given, each case an experiment of its own."""
    warehouse = built.copy()
    oracle = vectors(reference, "gbstats_oracle_generated.json")
    moments: list[Row] = []
    experiments: list[Row] = []

    for case in oracle["cases"]:
        key = f"case_{case['case_id']}"
        experiments.append(experiment(key))
        for arm in ("control", "treatment"):
            sums = {column: case[arm][name] for name, column in SUMS[case["kind"]].items()}
            sums.setdefault("total_of_squares", sums["total"])
            moments.append(
                moment(
                    key,
                    arm,
                    metric=METRIC[case["kind"]],
                    weight_bp=5000,
                    units=case[arm]["n"],
                    converted=MANY,
                    **sums,
                )
            )
    for number, (users, weights, _) in enumerate(ratios(reference)):
        key = f"ratio_{number}"
        experiments.append(experiment(key))
        for place, (units, weight) in enumerate(zip(users, weights, strict=True)):
            weight_bp = round(weight * 10_000)
            moments.append(moment(key, f"arm_{place}", metric="received", weight_bp=weight_bp, units=units))
    warehouse.land("experiments", experiments)
    warehouse.land("int_moments", moments, schema="intermediate")
    models = ("int_chances_of_few", "fct_experiment_results", "fct_experiment_srm")
    warehouse.dbt("run", "--select", *models, srm_min_expected=0, pool_variances=False)
    return warehouse


def test_results_are_those_of_gbstats(reference: Path, measured: Warehouse) -> None:
    """Shares, means, adjusted means, ratios: every figure that gbstats gives, on both scales."""
    rows = {
        row["experiment_key"]: row
        for row in measured.rows("select * from marts.fct_experiment_results where arm_key = 'treatment'")
    }
    cases = vectors(reference, "gbstats_oracle_generated.json")["cases"]
    assert len(cases) > 50
    for case in cases:
        row, results = rows[f"case_{case['case_id']}"], case["results"]
        plain, sequential = results["ttest_absolute"], results["sequential_absolute"]
        bayes = results["bayes_flat_absolute"]
        adjusted = case["kind"] == "mean_cuped"
        low, high = ("cuped_low", "cuped_high") if adjusted else ("interval_low", "interval_high")
        error = plain["stderr"]
        assert row["estimator"] == ESTIMATOR[case["kind"]]
        assert row["cuped_difference" if adjusted else "difference"] == pytest.approx(
            plain["estimate"], rel=1e-9, abs=1e-12
        )
        assert row["cuped_standard_error" if adjusted else "standard_error"] == pytest.approx(error, rel=1e-10)
        assert row[low] == pytest.approx(sequential["ci"][0], abs=1e-9 * error)
        assert row[high] == pytest.approx(sequential["ci"][1], abs=1e-9 * error)
        assert row["p_value"] == pytest.approx(sequential["p_value"], rel=1e-8, abs=1e-12)
        assert row["chance_to_win"] == pytest.approx(bayes["chance_to_win"], abs=1e-10)
        assert row["expected_loss"] == pytest.approx(bayes["risk"][1], abs=1e-9 * error)
        if not adjusted:
            assert row["welch_low"] == pytest.approx(plain["ci"][0], abs=1e-7 * error)
            assert row["welch_high"] == pytest.approx(plain["ci"][1], abs=1e-7 * error)
            assert row["p_value_welch"] == pytest.approx(plain["p_value"], abs=1e-9)
        relative, sequential = results["ttest_relative"], results["sequential_relative"]
        error = relative["stderr"]
        assert row["relative_lift"] == pytest.approx(relative["estimate"], rel=1e-9, abs=1e-12)
        assert row["relative_low"] == pytest.approx(sequential["ci"][0], abs=1e-9 * error)
        assert row["relative_high"] == pytest.approx(sequential["ci"][1], abs=1e-9 * error)
        assert row["shrunken_lift"] == pytest.approx(
            results["bayes_n0_03_relative"]["expected"], rel=1e-9, abs=1e-12
        )


def test_arms_taken_together_are_one_group_of_gbstats(reference: Path, built: Warehouse) -> None:
    """Each treatment that gbstats was given, told as three arms whose sums add up to it."""
    warehouse = built.copy()
    cases = [
        case
        for case in vectors(reference, "gbstats_oracle_generated.json")["cases"]
        if case["kind"] != "mean_cuped" and case["treatment"]["n"] > 2
    ]
    moments: list[Row] = []
    for case in cases:
        key = f"case_{case['case_id']}"
        whole = {"units": case["treatment"]["n"]}
        whole |= {column: case["treatment"][name] for name, column in SUMS[case["kind"]].items()}
        whole.setdefault("total_of_squares", whole["total"])
        parts = {name: (value // 2, value // 3) for name, value in whole.items()}
        arms = {f"arm_{place}": {name: part[place] for name, part in parts.items()} for place in (0, 1)}
        arms["arm_2"] = {name: value - sum(parts[name]) for name, value in whole.items()}
        arms["control"] = {"units": case["control"]["n"]}
        arms["control"] |= {column: case["control"][name] for name, column in SUMS[case["kind"]].items()}
        arms["control"].setdefault("total_of_squares", arms["control"]["total"])
        moments += [
            moment(key, arm, metric=METRIC[case["kind"]], weight_bp=2500, **sums) for arm, sums in arms.items()
        ]
    warehouse.land("experiments", [experiment(f"case_{case['case_id']}") for case in cases])
    warehouse.land("int_moments", moments, schema="intermediate")
    warehouse.dbt("run", "--select", "fct_experiment_pooled", pool_variances=False)
    pooled = "select * from marts.fct_experiment_pooled where experiment_key <> 'spring'"
    rows = {row["experiment_key"]: row for row in warehouse.rows(pooled)}
    assert len(rows) == len(cases) > 30
    for case in cases:
        row, results = rows[f"case_{case['case_id']}"], case["results"]
        sequential, error = results["sequential_absolute"], results["ttest_absolute"]["stderr"]
        assert row["arms"] == 3
        assert row["units"] == case["treatment"]["n"]
        assert row["difference"] == pytest.approx(results["ttest_absolute"]["estimate"], rel=1e-9, abs=1e-12)
        assert row["standard_error"] == pytest.approx(error, rel=1e-10)
        assert row["interval_low"] == pytest.approx(sequential["ci"][0], abs=1e-9 * error)
        assert row["interval_high"] == pytest.approx(sequential["ci"][1], abs=1e-9 * error)
        assert row["p_value"] == pytest.approx(sequential["p_value"], rel=1e-8, abs=1e-12)
        assert row["relative_lift"] == pytest.approx(results["ttest_relative"]["estimate"], rel=1e-9, abs=1e-12)


PUBLISHED = {
    "ProportionStatistic": "clicked",
    "SampleMeanStatistic": "revenue",
    "RatioStatistic": "revenue_per_order",
}
NAMES = {
    "sum": "total",
    "sum_squares": "total_of_squares",
    "m_sum": "total",
    "m_sum_squares": "total_of_squares",
    "d_sum": "denominator_total",
    "d_sum_squares": "denominator_of_squares",
    "m_d_sum_of_products": "denominator_product",
}


def flat(statistic: dict[str, Any]) -> dict[str, Any]:
    """The sums of a published statistic, by our names; those inside it too."""
    sums: dict[str, Any] = {}
    for name, value in statistic.items():
        if isinstance(value, dict):
            part = name.split("_")[0]
            sums |= {f"{part}_{inner}": number for inner, number in value.items()}
        else:
            sums[name] = value
    return {NAMES[name]: value for name, value in sums.items() if name in NAMES}


def test_published_tests_of_gbstats_hold(reference: Path, built: Warehouse) -> None:
    """Its own unit tests on shares, means and ratios without strata: estimate and standard error."""
    warehouse = built.copy()
    cases = []
    for case in vectors(reference, "gbstats_upstream_tests.json")["tests"]:
        two_sided = case["class"] in {"TwoSidedTTest", "EffectBayesianABTest"}
        (kind,) = {arm["_type"] for arm in case["stats"][0]}
        if (
            two_sided
            and kind in PUBLISHED
            and len(case["stats"]) == 1
            and not case["config"].get("prior_effect", {}).get("proper")
        ):
            cases.append((case, PUBLISHED[kind]))
    experiments, moments = [], []
    for place, (case, metric) in enumerate(cases):
        experiments.append(experiment(f"case_{place}"))
        for arm, statistic in zip(("control", "treatment"), case["stats"][0], strict=True):
            sums = flat(statistic)
            sums.setdefault("total_of_squares", sums["total"])
            moments.append(
                moment(
                    f"case_{place}",
                    arm,
                    metric=metric,
                    weight_bp=5000,
                    units=statistic["n"],
                    converted=MANY,
                    **sums,
                )
            )
    warehouse.land("experiments", experiments)
    warehouse.land("int_moments", moments, schema="intermediate")
    warehouse.dbt("run", "--select", "int_chances_of_few", "fct_experiment_results", pool_variances=False)
    rows = {
        row["experiment_key"]: row
        for row in warehouse.rows("select * from marts.fct_experiment_results where arm_key = 'treatment'")
    }
    compared = 0
    for place, (case, _) in enumerate(cases):
        row, expected = rows[f"case_{place}"], case["moments"]
        if expected["error_message"] or not expected["standard_error"]:
            continue
        column = "difference" if case["difference_type"] == "absolute" else "relative_lift"
        assert row[column] == pytest.approx(expected["point_estimate"], rel=1e-9, abs=1e-12), case["source_test"]
        if column == "difference":
            assert row["standard_error"] == pytest.approx(expected["standard_error"], rel=1e-9), case[
                "source_test"
            ]
        compared += 1
    assert compared > 15


def test_the_logarithm_of_the_gamma_function_is_that_of_the_c_library(evaluate: Calculator) -> None:
    arguments = [10 ** (power / 8) for power in range(-24, 73)]
    found = evaluate("log_gamma", [(x,) for x in arguments])
    for x, value in zip(arguments, found, strict=True):
        assert value == pytest.approx(math.lgamma(x), rel=2e-15, abs=5e-13), x


def test_sizes_are_checked_by_the_mixture_over_all_shares(evaluate: Calculator) -> None:
    """One over the Bayes factor of Lindon and Malek with a concentration of 1,000, by the C library."""
    cases = [(0.5, 5_000, 5_000), (0.5, 5_200, 4_800), (0.05, 40, 960), (0.95, 900, 100), (0.2, 0, 0)]
    cases += [(0.3, 3_000_000, 7_000_000), (0.3, 3_010_000, 6_990_000)]
    found = evaluate("evidence", [(share, float(one), float(other)) for share, one, other in cases])
    for (share, one, other), value in zip(cases, found, strict=True):
        log_factor = math.lgamma(1000) - math.lgamma(1000 + one + other)
        for part, count in ((share, one), (1 - share, other)):
            log_factor += math.lgamma(1000 * part + count) - math.lgamma(1000 * part) - count * math.log(part)
        assert value == pytest.approx(log_factor, rel=1e-6, abs=1e-6), (share, one, other)
    pairs = [(0.0, 0.0), (7.0, 1.0), (1.0, 7.0), (-3.0, -900.0), (-900.0, -900.0), (800.0, 2.0)]
    for (small, large), value in zip(pairs, evaluate("multinomial", pairs), strict=True):
        factors = math.exp(min(small, 700)) + math.exp(min(large, 700))
        exact = min(1, 2 / factors) if factors else 1
        assert value == pytest.approx(exact, rel=1e-9, abs=1e-300), (small, large)


def test_fewer_unsubscribes_are_better(measured: Warehouse) -> None:
    """The same figures under the name of a metric where more is worse: the chance turns, the interval does not."""
    results = "select * from marts.fct_experiment_results where arm_key = 'treatment' and metric = "
    before = {row["experiment_key"]: row for row in measured.rows(results + "'clicked'")}
    moments = measured.rows("select * from intermediate.int_moments where metric = 'clicked'")
    measured.land("int_moments", [{**row, "metric": "unsubscribed"} for row in moments], schema="intermediate")
    measured.dbt("run", "--select", "fct_experiment_results", pool_variances=False)
    after = {row["experiment_key"]: row for row in measured.rows(results + "'unsubscribed'")}
    assert len(before) > 10
    assert after.keys() == before.keys()
    for key, row in before.items():
        turned = after[key]
        assert turned["chance_to_win"] == pytest.approx(1 - row["chance_to_win"], abs=1e-12)
        assert turned["expected_loss"] == pytest.approx(row["expected_loss"] + row["difference"], abs=1e-12)
        assert turned["interval_low"] == row["interval_low"]
        assert turned["p_value"] == row["p_value"]


def test_sample_ratio_mismatch_is_that_of_growthbook(reference: Path, measured: Warehouse) -> None:
    """Of its Python to every digit, of its TypeScript to the nine decimals that are published."""
    received = "select experiment_key, p_value_chi_square from marts.fct_experiment_srm where stage = 'received'"
    values = dict(measured.query(received))
    rows = ratios(reference)
    assert len(rows) > 40
    for number, (users, weights, expected) in enumerate(rows):
        value = values[f"ratio_{number}"]
        if expected is None:
            assert value is None, (users, weights)
        else:
            assert value == pytest.approx(
                expected, rel=1e-7, abs=1e-9 if expected == round(expected, 9) else 1e-14
            )
