"""A warehouse with results, as the project's models would leave it: the tables are made from what is read."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import duckdb

from lift_report.outcome_metrics import Catalogue
from lift_report.tables import TABLES, OutcomeMetric

_TYPES = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN"}
_TYPES |= {dt.datetime: "TIMESTAMP", dt.date: "DATE"}
START = dt.datetime(2026, 11, 2, 9, 12)  # noqa: DTZ001  the warehouse keeps UTC without saying so
_COLUMNS = ("metric", "kind", "direction", "title", "noun", "verb", "unit")
OUTCOME_METRICS: list[dict[str, Any]] = [
    {**dict(zip(_COLUMNS, row, strict=True)), "position": position}
    for position, row in enumerate(
        [
            ("received", "share", "increase", "Received", "received", "received it", ""),
            ("opened", "share", "increase", "Opened", "opens", "opened", ""),
            ("opened_all", "share", "increase", "Opened, machines too", "opened all", "opened", ""),
            ("clicked", "share", "increase", "Clicked", "clicks", "clicked", ""),
            ("clicked_all", "share", "increase", "Clicked, scanners too", "clicked all", "clicked", ""),
            ("ordered", "share", "increase", "Ordered", "orders", "ordered", ""),
            ("revenue", "mean", "increase", "Revenue", "revenue", "ordered", "currency"),
            (
                "revenue_per_order",
                "ratio",
                "increase",
                "Revenue per order",
                "revenue per order",
                "ordered",
                "currency",
            ),
            ("unsubscribed", "share", "decrease", "Unsubscribed", "unsubscribed", "unsubscribed", ""),
            ("complained", "share", "decrease", "Marked as spam", "complained", "marked it as spam", ""),
            ("bounced", "share", "decrease", "Bounced", "bounced", "could not be reached", ""),
        ]
    )
]
"""The rows of `dim_outcome_metrics`."""
CATALOGUE = Catalogue.of(OutcomeMetric(**row) for row in OUTCOME_METRICS)
THRESHOLDS = {
    "alpha": 0.05, "srm_alpha": 0.001, "srm_min_expected": 8, "crossover_max_rate": 0.01,
    "crossover_min_profiles": 10, "min_hours": 24, "min_received_per_arm": 100, "min_conversions": 30,
    "min_expected_conversions_per_arm": 10, "min_days_to_decide": None,
}  # fmt: skip
"""What a verdict was judged by: the project's defaults."""
RULES = {
    "invalid_srm": "srm_alarm", "winner": "interval_above_zero", "running": "undecided",
    "inconclusive": "ended_undecided", "blocked_guardrail": "guardrail_exceeded",
}  # fmt: skip
"""The rule by which a slot of these tests has its verdict."""


def schema() -> dict[str, dict[str, str]]:
    """Type of each column of each table."""
    found: dict[str, dict[str, str]] = {}
    for table in TABLES:
        hints = get_type_hints(table)
        found[table.TABLE] = {}
        for column in fields(table):
            hint = hints[column.name]
            options = getattr(hint, "__args__", (hint,))
            found[table.TABLE][column.name] = next(_TYPES[option] for option in options if option in _TYPES)
    return found


def place(table: str) -> str:
    """A table with the schema in which the project builds it."""
    return f"{'staging' if table.startswith('stg_') else 'marts'}.{table}"


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("'", "''").replace("\0", "' || chr(0) || '") + "'"


class Rows:
    """Rows to be put into a warehouse."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {table: [] for table in schema()}
        self.rows["dim_outcome_metrics"] = [dict(row) for row in OUTCOME_METRICS]

    def add(self, table: str, **values: Any) -> None:  # noqa: ANN401
        self.rows[table].append(values)

    def tables(self) -> Mapping[str, frozenset[str]]:
        """A warehouse without a file."""
        return {table: frozenset(kinds) for table, kinds in schema().items()}

    def read(self, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """The rows that were added, the last one first."""
        return [tuple(row.get(name) for name in columns) for row in reversed(self.rows[table])]

    def write(self, path: Path, without: tuple[str, ...] = (), columns: dict[str, set[str]] | None = None) -> Path:
        """A DuckDB file, without some tables, or without some columns of a table."""
        with duckdb.connect(str(path)) as connection:
            connection.execute("CREATE SCHEMA marts; CREATE SCHEMA staging")
            for table, kinds in schema().items():
                if table in without:
                    continue
                kept = {name: kind for name, kind in kinds.items() if name not in (columns or {}).get(table, ())}
                listed = ", ".join(f'"{name}" {kind}' for name, kind in kept.items())
                connection.execute(f"CREATE TABLE {place(table)} ({listed})")
                # One statement of literals: each statement, and each parameter, takes DuckDB its time.
                values = [f"({', '.join(_literal(row.get(name)) for name in kept)})" for row in self.rows[table]]
                if values:
                    connection.execute(f"INSERT INTO {place(table)} VALUES {', '.join(values)}")  # noqa: S608
        return path

    def slot(  # noqa: PLR0913
        self,
        experiment: str,
        slot: str,
        arms: dict[str, float],
        *,
        version: int = 1,
        units: int = 10_000,
        verdict: str = "running",
        winning_arm: str | None = None,
        days: int = 8,
        ended: bool = False,
        cuped: bool = False,
        guardrails: str = "safe",
        currency: str | None = "EUR",
    ) -> None:
        """A slot whose arms click at given rates; the first one is the control. All figures fit each other."""
        key = {"experiment_key": experiment, "experiment_version": version, "slot_key": slot}
        control, *challengers = arms
        base = arms[control]
        for arm, rate in arms.items():
            for metric, mean, deviation in (
                ("clicked", rate, math.sqrt(rate * (1 - rate))),
                ("opened", 0.38 + rate / 4, 0.49),
                ("opened_all", 0.61, 0.49),
                ("ordered", rate / 6, math.sqrt(rate / 6)),
                ("revenue", rate * 9, 8.0),
                ("revenue_per_order", 54 + 10 * rate, 30.0),
                ("unsubscribed", 0.0021, 0.045),
                ("complained", 0.0004, 0.02),
            ):
                self._result(key, arm, control, metric, mean, deviation, units, base, cuped=cuped)
            for index, (stage, share) in enumerate(
                {"assigned": 1, "written": 0.998, "received": 0.961, "opened": 0.38 + rate / 4, "clicked": rate,
                 "ordered": rate / 6}.items()
            ):  # fmt: skip
                self.add(
                    "fct_experiment_funnel", **key, arm_key=arm, stage=stage, stage_index=index,
                    units=round(units * share), share=share,
                )  # fmt: skip
            self.add(
                "fct_allocations", **key, arm_key=arm, weight_bp=10_000 // len(arms),
                reason="equal, as the file says", decided_at=START,
            )  # fmt: skip
            best = max(arms, key=lambda name: arms[name])
            self.add(
                "fct_allocations_next", **key, arm_key=arm,
                weight_bp=10_000 - 500 * (len(arms) - 1) if arm == best else 500,
                rule="likeliest_best", best_arm=best, best_chance=0.9991, has_harmful_arm=False, floor_bp=500,
                chance_best=0.9991 if arm == best else 0.0009 / max(1, len(arms) - 1),
            )  # fmt: skip
        for arm in challengers:
            for day in range(days):
                seen = max(1, units * (day + 1) // days)
                wide = 3 * math.sqrt(2 * base * (1 - base) / seen)
                difference = (arms[arm] - base) + math.sin(5 * day + len(arm)) * wide / 5
                self.add(
                    "fct_experiment_daily", **key, arm_key=arm, metric="clicked",
                    day=(START + dt.timedelta(days=day)).date(), units=seen,
                    total=float(round(seen * arms[arm])), mean=arms[arm], difference=difference,
                    interval_low=difference - wide, interval_high=difference + wide,
                )  # fmt: skip
            for metric, margin in (("unsubscribed", 0.001), ("complained", 0.0005), ("bounced", 0.005)):
                state = guardrails if metric == "unsubscribed" else "safe"
                shift = {"safe": 0.0, "not_yet_safe": 0.6 * margin, "blocked": 2.5 * margin}[state]
                self.add(
                    "fct_experiment_guardrails", **key, arm_key=arm, metric=metric, margin=margin,
                    difference=shift, interval_low=shift - margin * 0.8, interval_high=shift + margin * 0.8,
                    state=state,
                )  # fmt: skip
        foremost = winning_arm or max(challengers, key=lambda name: arms[name])
        effect = arms[foremost] - base
        error = math.sqrt(base * (1 - base)) * math.sqrt(2 / max(units, 1))
        for index, stage in enumerate(("assigned", "written", "received", "opened")):
            self.add(
                "fct_experiment_srm", **key, stage=stage, chi_square=0.4 + index, degrees_of_freedom=len(arms) - 1,
                p_value=0.00002 if verdict == "invalid_srm" and index > 1 else 0.61 - index / 10,
                is_alarm=verdict == "invalid_srm" and index > 1,
            )  # fmt: skip
        self.add(
            "fct_experiment_verdicts", **key, primary_metric="clicked", verdict=verdict, winning_arm=winning_arm,
            rule=RULES[verdict], currency=currency, srm_p_value=0.41, control_arm=control, challenger_arm=foremost,
            srm_stage="received" if verdict == "invalid_srm" else None, crossover_rate=0.002, rendered=1000,
            crossovers=2, units=units * len(arms), received=round(units * len(arms) * 0.961),
            least_received=round(units * 0.961), converted=round(units * sum(arms.values())),
            effect=effect, interval_low=effect - 3 * error, interval_high=effect + 3 * error,
            relative_lift=effect / base, p_value=0.0001 if verdict == "winner" else 0.41,
            chance_to_win=0.5 + 0.499 * math.tanh(effect / error), has_several_challengers=len(challengers) > 1,
            is_not_yet_safe=guardrails == "not_yet_safe",
            blocking_metric="unsubscribed" if guardrails == "blocked" else None,
            blocking_low=0.0017 if guardrails == "blocked" else None,
            blocking_margin=0.001 if guardrails == "blocked" else None, thresholds=json.dumps(THRESHOLDS),
            minimum_detectable_effect=0.143, days_to_decision=5.2 if verdict == "running" else None,
            smart_allocation_uplift=118.4, smart_allocation_uplift_error=35.2, started_at=START,
            ended_at=START + dt.timedelta(days=days) if ended else None,
            measured_at=START + dt.timedelta(days=days),
        )  # fmt: skip

    def definition(
        self, experiment: str, slots: Mapping[str, Mapping[str, str]], *, version: int = 1, **columns: str
    ) -> None:
        """An experiment with what each arm of its slots says; the first arm of a slot is its control."""
        self.add(
            "stg_experiments__experiments",
            **{
                "experiment_key": experiment, "experiment_version": version, "status": "live",
                "description": f"What does {experiment} sell?", "audience_type": "list", "audience": "Newsletter",
                "template_name": f"lf_{experiment}", **columns,
            },
        )  # fmt: skip
        html = text = ""
        for slot, arms in slots.items():
            for position, (arm, content) in enumerate(arms.items()):
                self.add(
                    "stg_experiments__arms", experiment_key=experiment, slot_key=slot, arm_key=arm,
                    position=position, is_control=position == 0, html=content, text=f"{arm} in plain words",
                )  # fmt: skip
                word = "elif" if position else "if"
                tag = f"{{% {word} '{experiment}:{slot}:{arm}' in person|lookup:'lf_assignments' %}}"
                html += f"{tag}{content}"
                text += f"{tag}{arm} in plain words"
            html += f"{{% else %}}{next(iter(arms.values()))}{{% endif %}}"
            text += "{% else %}nobody{% endif %}"
        whole = f"<body><p>Hello {{{{ person.first_name }}}},</p>{html}<p>{{% unsubscribe %}}</p></body>"
        self.add(
            "stg_experiments__templates", template_name=f"lf_{experiment}", experiment_key=experiment,
            html=whole, text=text,
        )  # fmt: skip

    def levels(self, experiment: str, slot: str, arms: dict[str, float], version: int = 1) -> None:
        """Groups of a slot: the challengers are 8 points ahead on phones, and told apart there."""
        key = {"experiment_key": experiment, "experiment_version": version, "slot_key": slot}
        control, *_ = arms
        base = arms[control]
        for dimension, kind, level, units, difference in (
            ("device", "level", "computer", 3000, 0.01),
            ("device", "level", "mobile", 4000, 0.08),
            ("device", "none", "(none)", 1000, 0.02),
            ("device", "other", "(other)", 20, 0.02),
            ("segment:VIPs", "level", "in", 2000, 0.02),
            ("segment:VIPs", "level", "out", 6000, 0.02),
        ):
            is_apart, is_small = level == "mobile", kind == "other"
            compared: dict[str, Any] = {
                "control_mean": base, "difference": difference, "relative_lift": difference / base,
            }  # fmt: skip
            if not is_small:
                wide = 0.02 if is_apart else 0.03
                compared |= {
                    "interval_low": difference - wide, "interval_high": difference + wide,
                    "p_value": 0.0001 if is_apart else 0.4, "p_value_bh": 0.0005 if is_apart else 0.7,
                }  # fmt: skip
            for arm in arms:
                is_control = arm == control
                self.add(
                    "fct_experiment_dimensions", **key, arm_key=arm, dimension=dimension, level_kind=kind,
                    level=level, is_control=is_control, position=("device", "segment:VIPs").index(dimension),
                    is_told_apart=is_apart and not is_control, units=30 if is_small and is_control else units,
                    mean=base if is_control else base + difference, **({} if is_control else compared),
                )  # fmt: skip

    def health(self, experiment: str, slot: str, arms: dict[str, float], version: int = 1) -> None:
        """A sound slot, and its primary metric by days since the receipt."""
        key = {"experiment_key": experiment, "experiment_version": version, "slot_key": slot}
        control, *challengers = arms

        def check(name: str, arm: str, item: str, value: float | None, **figures: float) -> None:
            self.add(
                "fct_experiment_health", **key, health_check=name, arm_key=arm, item=item, value=value,
                is_warning=False, **{"units": 480, **figures},
            )  # fmt: skip

        check("crossover", "*", "*", 0.002, threshold=0.01)
        for arm, rate in arms.items():
            check("hours_to_click", arm, "*", 2.5, low=0.7, high=30.2)
            for day in range(6):
                so_far, wide = (1 - 0.6 ** (day + 1)) / (1 - 0.6**6), 0.008 + 0.001 * day
                difference = so_far * (rate - arms[control])
                compared = {
                    "difference": difference, "interval_low": difference - wide,
                    "interval_high": difference + wide,
                }  # fmt: skip
                self.add(
                    "fct_experiment_novelty", **key, arm_key=arm, metric="clicked", day=day, units=10_000,
                    total=10_000 * rate * so_far, mean=rate * so_far, **({} if arm == control else compared),
                )  # fmt: skip
        for arm in challengers:
            for item, value in {"opened": 0.02, "clicked": -0.01}.items():
                check("covariate_balance", arm, item, value, threshold=0.1, p_value=0.6)
            check("covariate_balance", arm, "ordered", None, threshold=0.1)
            for item, value in {"first_days": 0.48, "later_days": 0.31}.items():
                check("novelty", arm, item, value, threshold=3, p_value=0.7)

    def _result(  # noqa: PLR0913, PLR0917
        self,
        key: dict[str, Any],
        arm: str,
        control: str,
        metric: str,
        mean: float,
        deviation: float,
        units: int,
        base: float,
        *,
        cuped: bool,
    ) -> None:
        control_mean = {
            "clicked": base, "opened": 0.38 + base / 4, "opened_all": 0.61, "ordered": base / 6,
            "revenue": base * 9, "revenue_per_order": 54 + 10 * base,
        }.get(metric, mean)  # fmt: skip
        difference = mean - control_mean
        error = deviation * math.sqrt(2 / max(units, 1))
        values: dict[str, Any] = {
            "control_mean": control_mean, "difference": difference, "standard_error": error,
            "interval_low": difference - 3 * error, "interval_high": difference + 3 * error,
            "welch_low": difference - 1.96 * error, "welch_high": difference + 1.96 * error,
            "relative_lift": difference / control_mean, "relative_low": (difference - 3 * error) / control_mean,
            "relative_high": (difference + 3 * error) / control_mean,
            "shrunken_lift": 0.8 * difference / control_mean,
            "p_value": 0.0111, "p_value_welch": 0.00001, "p_value_holm": 0.0222, "p_value_bh": 0.0151,
            "chance_to_win": 0.5 + 0.499 * math.tanh(difference / error), "expected_loss": error / 50,
        }  # fmt: skip
        if cuped and metric == "clicked":
            values |= {
                "cuped_difference": difference * 0.97, "cuped_low": difference * 0.97 - 2.4 * error,
                "cuped_high": difference * 0.97 + 2.4 * error, "variance_reduction": 0.36, "estimator": "cuped",
            }  # fmt: skip
        self.add(
            "fct_experiment_results", **key, arm_key=arm, metric=metric, analysis="assigned",
            attribution="click_token", is_control=arm == control, is_primary=metric == "clicked",
            is_decisive=metric == "clicked", units=units, total=float(round(mean * units)), mean=mean,
            **({} if arm == control else {"estimator": "welch", **values}),
        )  # fmt: skip
