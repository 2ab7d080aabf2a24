"""A new outcome metric is a row of the catalogue: definitions name it, and it is measured, judged and guarded."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from transform_project import PROJECT, SENT_AT, Row, Warehouse, World, small_world

SEED = PROJECT / "seeds" / "outcome_metrics.csv"
VIEWED, RETURNED = "viewed", "returned"
ROLES = {"MetSee": VIEWED}
"""The role of a metric of the account's own; that of refunds is in the seed `metric_roles`."""
NEW = f"""\
{VIEWED},20,share,increase,{VIEWED},any,none,false,3,none,none,none,none,false,none,false,all,Viewed,views,viewed,none
{RETURNED},21,share,decrease,refunded,any,none,false,30,none,none,none,none,false,none,false,all,Returned,returns,\
sent it back,none
"""
"""One counts for 3 days after the receipt; the other for 30, where the definition does not say otherwise."""
DEFINITION = """\
key: spring
version: 1
status: draft
description: Which one?
channel: email
audience: {segment: Everybody}
primary_metric: viewed
secondary_metrics: [clicked, {metric: ordered, window_days: 4}]
guardrails: {returned: {margin: 0.5, window_days: 6}}
attribution_window_days: 5
slots:
  hero:
    arms:
      control: {content: arm.html, control: true}
      bold: {content: arm.html}
    allocation: equal
template: {name: lf_spring, html: template.html}
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """The project's catalogue with two rows more."""
    path = tmp_path / "outcome_metrics.csv"
    path.write_text(SEED.read_text() + NEW)
    return path


@pytest.fixture
def defined(tmp_path: Path, catalogue: Path) -> Row:
    """The record of an experiment that names them, as the tap emits it."""
    tap = pytest.importorskip("tap_experiments.tap").TapExperiments
    folder = tmp_path / "experiments" / "spring"
    folder.mkdir(parents=True)
    (folder / "experiment.yml").write_text(DEFINITION)
    (folder / "arm.html").write_text("Look")
    (folder / "template.html").write_text('[[ slot("hero") ]]{% unsubscribe %}')
    config = {"path": str(folder.parent), "outcome_metrics": str(catalogue)}
    (record,) = tap(config=config).streams["experiments"].get_records(None)
    return dict(record)


def event(metric: str, profile: str, days: float, **properties: object) -> Row:
    return {
        "id": f"{profile}/{metric}/{days}",
        "profile_id": profile,
        "metric_id": metric,
        "datetime": SENT_AT + timedelta(days=days),
        "event_properties": properties,
    }


MEASURE = ("--selector", "measure")


def measure(
    warehouse: Warehouse, world: World, catalogue: Path, defined: Row, models: tuple[str, ...] = MEASURE
) -> None:
    """Build what is measured, with the catalogue in the place of the seed. `run` builds no seed anew."""
    named = ("primary_metric", "secondary_metrics", "guardrails", "metric_windows", "attribution_window_days")
    world.experiments[0] |= {name: defined[name] for name in named}
    world.metrics.append({"id": "MetRef", "name": "Refunded Order", "integration": {"key": "shopify"}})
    world.land(warehouse)
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(catalogue.read_text())))
    flags = {"counts_machines", "is_capped", "checks_sizes"}
    typed = [{name: value == "true" if name in flags else value for name, value in row.items()} for row in rows]
    warehouse.land("outcome_metrics", [row | {"position": int(row["position"])} for row in typed], "staging")
    warehouse.dbt("run", *models, metric_role_overrides=ROLES)


def arms(warehouse: Warehouse) -> dict[str, str]:
    ledger = warehouse.query(
        """
        select profile_id, arm_key from marts.fct_assignments
        where experiment_key = 'spring' and slot_key = 'hero'
        """
    )
    return dict(sorted(ledger))


def totals(warehouse: Warehouse, metric: str) -> dict[str, float]:
    return dict(
        warehouse.query(
            f"""
            select arm_key, total from marts.fct_experiment_results
            where
                experiment_key = 'spring' and slot_key = 'hero' and analysis = 'assigned'
                and attribution = 'assigned_window' and metric = '{metric}'
            """  # noqa: S608
        )
    )


def test_a_row_of_the_catalogue_is_measured_judged_and_guarded(
    warehouse: Warehouse, catalogue: Path, defined: Row
) -> None:
    assert defined["metric_windows"] == {VIEWED: 3, "ordered": 4, RETURNED: 6}
    world = small_world()
    arm = arms(warehouse)
    # In the window's last moment, and after it; those who view too late are of no arm in particular.
    viewers = [profile for number, profile in enumerate(arm) if arm[profile] == "bold" or number % 10 == 0]
    late = [profile for profile in arm if profile not in viewers][:20]
    returners = list(arm)[:9]
    world.events += [event("MetSee", profile, 3) for profile in viewers]
    world.events += [event("MetSee", profile, 3.01) for profile in late]
    world.events += [event("MetRef", profile, 6, **{"$value": 5}) for profile in returners]
    world.events += [event("MetRef", profile, 6.01, **{"$value": 5}) for profile in late]
    measure(warehouse, world, catalogue, defined)

    assert totals(warehouse, VIEWED) == Counter(arm[profile] for profile in viewers)
    assert totals(warehouse, RETURNED) == Counter(arm[profile] for profile in returners)
    # Orders come after 5 days: inside the attribution window, outside the 4 days that the definition gives them.
    assert set(totals(warehouse, "ordered").values()) == {0}
    assert sum(totals(warehouse, "revenue").values()) > 0
    decisive = warehouse.query(
        "select distinct metric from marts.fct_experiment_results where experiment_key = 'spring' and is_decisive"
    )
    assert decisive == [(VIEWED,)]
    daily = warehouse.query(
        """
        select arm_key, max(total) from marts.fct_experiment_daily
        where experiment_key = 'spring' and slot_key = 'hero' and metric = 'viewed' group by arm_key
        """
    )
    assert dict(daily) == totals(warehouse, VIEWED)
    verdicts = warehouse.query(
        """
        select primary_metric, verdict, winning_arm from marts.fct_experiment_verdicts
        where experiment_key = 'spring' and slot_key = 'hero'
        """
    )
    assert verdicts == [(VIEWED, "winner", "bold")]
    guarded = warehouse.query(
        """
        select metric, margin, state from marts.fct_experiment_guardrails
        where experiment_key = 'spring' and slot_key = 'hero'
        """
    )
    assert guarded == [(RETURNED, pytest.approx(0.005), "not_yet_safe")]


def test_a_guardrail_of_the_catalogue_blocks(warehouse: Warehouse, catalogue: Path, defined: Row) -> None:
    world = small_world()
    arm = arms(warehouse)
    bold = [profile for profile in arm if arm[profile] == "bold"]
    world.events += [event("MetSee", profile, 1) for profile in bold]
    world.events += [event("MetRef", profile, 2, **{"$value": 5}) for profile in bold[::2]]
    measure(warehouse, world, catalogue, defined)
    found = warehouse.query(
        """
        select verdicts.verdict, guardrails.metric, guardrails.state
        from marts.fct_experiment_verdicts as verdicts
        inner join marts.fct_experiment_guardrails as guardrails
            on verdicts.experiment_key = guardrails.experiment_key and verdicts.slot_key = guardrails.slot_key
        where verdicts.experiment_key = 'spring' and verdicts.slot_key = 'hero'
        """
    )
    assert found == [("blocked_guardrail", RETURNED, "blocked")]


def test_what_the_report_needs_to_speak_of_it(warehouse: Warehouse, catalogue: Path, defined: Row) -> None:
    measure(warehouse, small_world(), catalogue, defined, ("--select", "dim_outcome_metrics"))
    (row,) = warehouse.rows(f"select * from marts.dim_outcome_metrics where metric = '{RETURNED}'")  # noqa: S608
    words = {name: row[name] for name in ("position", "kind", "direction", "title", "noun", "verb", "unit")}
    assert words == {
        "position": 21,
        "kind": "share",
        "direction": "decrease",
        "title": "Returned",
        "noun": "returns",
        "verb": "sent it back",
        "unit": "",
    }


def test_a_variable_that_is_gone_is_told(built: Warehouse, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BaseException, match=r"further_goals|AssertionError|success"):
        built.dbt("run", "--select", "dim_outcome_metrics", further_goals=["booked"])
    told = capsys.readouterr().out
    assert "`further_goals` is no longer read: give each goal a row in seeds/outcome_metrics.csv" in told
