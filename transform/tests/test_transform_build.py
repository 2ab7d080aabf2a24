"""The whole project on a small account: does it build, and does it count what is there?"""

from __future__ import annotations

import json
import re
from collections import Counter

from transform_project import PROJECT, Outcome, Project, Warehouse, bucket


def test_jobs_need_no_raw_table_and_no_order(first_run: Warehouse) -> None:
    """A newcomer may run dbt before the tap, or read only some streams: no error, and nothing published."""
    assert first_run.query("select * from publish.pub_klaviyo_profiles") == []
    assert first_run.query("select * from publish.pub_klaviyo_templates") == []
    assert first_run.query("select * from publish.pub_klaviyo_campaign_message_templates") == []
    assert first_run.query("select * from marts.fct_assignments") == []


def test_the_command_of_the_readme_builds_every_model(project: Project) -> None:
    """Under "Running it alone", of a warehouse without anything; the options say where, which is decided here."""
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^KLAVIYO_LOOP_WAREHOUSE=\S+ dbt (.*)$", readme, re.MULTILINE)
    arguments, _, where = command.partition(" --project-dir ")
    assert where == "transform --profiles-dir transform"
    models = {node.name for key, node in project.manifest.nodes.items() if key.startswith("model.")}
    assert models <= Warehouse.empty(project).dbt(*arguments.split()).built()


def test_each_job_builds_its_part(project: Project, first_jobs: tuple[Warehouse, dict[str, set[str]]]) -> None:
    jobs = first_jobs[1]
    unread = {node.name for node in project.manifest.nodes.values() if {"engagement", "fivetran"} & {*node.fqn}}
    assert not unread & set().union(*jobs.values())
    for_ledger_alone = {node.name for node in project.manifest.nodes.values() if "draw" in node.fqn}
    pipeline = {name for name in jobs["assign"] if name.startswith(("pub_", "fct_"))}
    ledgers = {"fct_allocations", "fct_assignments", "fct_assignment_rules", "fct_assignment_runs"}
    names = (
        "campaign_message_templates",
        "contacts",
        "events",
        "list_members",
        "profile_contents",
        "profiles",
        "subscriptions",
        "suppressions",
        "templates",
    )
    published = {f"pub_klaviyo_{name}" for name in names}
    assert pipeline == ledgers | published | {
        "pub_growthbook_exposures",
        "fct_consent_log",
        "fct_consent_published",
        "fct_forwarding",
    }
    deletions = {name for name in jobs["deletions"] if name.startswith(("pub_", "fct_"))}
    assert deletions == {"pub_klaviyo_profile_deletions"}
    forwarding = {name for name in jobs["forwarding"] if name.startswith(("pub_", "fct_"))}
    assert forwarding == {
        "fct_consent_log",
        "fct_forwarding",
        "fct_forwarding_dead_letters",
        "fct_forwarding_summary",
        "pub_klaviyo_contacts",
        "pub_klaviyo_events",
    }
    exposures = {name for name in jobs["exposures"] if name.startswith(("pub_", "fct_"))}
    assert exposures == {"fct_exposures", "fct_exposure_contents"}
    assert not (for_ledger_alone | ledgers) & jobs["exposures"]
    for_assign_alone = ledgers | for_ledger_alone | {"int_experiment_dimensions", "int_unit_dimensions"}
    assert jobs["publish"] == jobs["assign"] - for_assign_alone
    assert "int_newcomers" in jobs["assign"]
    assert not for_ledger_alone & jobs["measure"]
    assert "int_unit_dimensions" not in jobs["measure"]
    assert jobs["measure_after_assign"] == jobs["measure"] - jobs["assign"]
    results = {name for name in jobs["measure"] if name.startswith(("pub_", "fct_"))}
    assert results == {
        "fct_allocations_next",
        "fct_consent",
        "fct_consent_changes",
        "fct_consent_conflicts",
        "fct_consent_history",
        "fct_consent_log",
        "fct_consent_shown",
        "fct_content_playbook",
        "fct_double_reports",
        "fct_experiment_daily",
        "fct_experiment_data_quality",
        "fct_experiment_dimensions",
        "fct_experiment_funnel",
        "fct_experiment_guardrails",
        "fct_experiment_health",
        "fct_experiment_interactions",
        "fct_experiment_novelty",
        "fct_experiment_pooled",
        "fct_experiment_results",
        "fct_experiment_srm",
        "fct_experiment_verdicts",
        "fct_holdout_results",
        "fct_registrations",
    }


def test_every_model_and_every_test_succeeds(whole_build: tuple[Warehouse, Outcome]) -> None:
    """But for one that warns, rightly: this world is assigned a week after its send."""
    results = whole_build[1].results
    statuses = Counter((result["node"]["resource_type"], str(result["status"])) for result in results)
    assert {status for _, status in statuses} == {"success", "pass", "warn"}
    warned = [result["node"]["name"] for result in results if str(result["status"]) == "warn"]
    assert warned == ["assert_assigned_before_received"]
    assert statuses["unit_test", "pass"] > 30
    assert statuses["test", "pass"] > 80


def test_everybody_is_assigned_by_the_published_recipe(built: Warehouse) -> None:
    """Bucket for bucket what Python's md5 gives, for ids of every kind."""
    profiles = [row[0] for row in built.query("select id from klaviyo_raw.profiles")]
    listed = [row[0] for row in built.query("select profile_id from klaviyo_raw.list_memberships")]

    def assign(experiment: str, slot: str, profile: str, ends: dict[str, int]) -> tuple[str, str, str, str, int]:
        drawn = bucket(f"split-{experiment}-1-{slot}", profile)
        return experiment, slot, profile, next(arm for arm, end in ends.items() if drawn < end), drawn

    hero = {"control": 5000, "bold": 10_000}
    footer = {"control": 2000, "short": 5000, "long": 10_000}
    zebra = {"control": 5000, "zebra": 10_000}
    expected = [assign("spring", "hero", profile, hero) for profile in profiles]
    expected += [assign("spring", "footer", profile, footer) for profile in profiles]
    expected += [
        assign("autumn", "hero", profile, zebra)
        for profile in listed
        if bucket("traffic-autumn-1", profile) < 3000
    ]
    ledger = built.query("select experiment_key, slot_key, profile_id, arm_key, bucket from marts.fct_assignments")
    assert sorted(ledger) == sorted(expected)
    assert {"Zoë-名前", "a'b\"c", "legacy"} <= {row[2] for row in ledger}


def test_a_row_of_the_ledger_tells_why(built: Warehouse) -> None:
    reasons = built.query("select reason from marts.fct_assignment_rules where experiment_key = 'autumn'")
    assert ("member of list LstOne; traffic 3000 bp; arm owns [0, 5000)",) in reasons


def test_outcomes_are_counted_per_assigned_profile(built: Warehouse) -> None:
    """Of 240, every 4th opened in person and every 4th by machine; every 10th clicked and every 10th was a bot."""
    totals = built.query(
        """
        select metric, sum(units), sum(received), sum(total)
        from marts.fct_experiment_results
        where
            experiment_key = 'spring' and slot_key = 'hero' and analysis = 'assigned'
            and attribution = 'assigned_window' and metric <> 'revenue_per_order'
        group by metric order by metric
        """
    )
    expected = [
        ("bounced", 240, 240, 0.0),
        ("clicked", 240, 240, 24.0),
        ("clicked_all", 240, 240, 48.0),
        ("complained", 240, 240, 0.0),
        ("opened", 240, 240, 60.0),
        ("opened_all", 240, 240, 120.0),
        ("ordered", 240, 240, 12.0),
        ("received", 240, 240, 240.0),
        ("revenue", 240, 240, 126.0),
        ("unsubscribed", 240, 240, 1.0),
    ]
    # A row more may be in the catalogue.
    assert [row for row in totals if row[0] in dict.fromkeys(row[0] for row in expected)] == expected


def test_each_slot_has_its_verdict(built: Warehouse) -> None:
    verdicts = built.rows("select * from marts.fct_experiment_verdicts order by experiment_key, slot_key")
    assert [(row["experiment_key"], row["slot_key"], row["verdict"]) for row in verdicts] == [
        ("autumn", "hero", "no_data"),
        ("spring", "footer", "too_early"),
        ("spring", "hero", "too_early"),
    ]
    hero = verdicts[2]
    assert hero["crossover_rate"] == 0
    assert hero["srm_p_value"] > 0.001
    assert hero["rule"] == "below_minimum"
    assert (hero["converted"], f"{hero['started_at']:%Y-%m-%d %H:%M:%S}") == (24, "2026-11-02 08:00:00")
    assert (hero["control_arm"], hero["challenger_arm"]) == ("control", "bold")
    assert hero["preregistration_sha256"] == "1" * 64
    assert hero["effect_of_interest"] == 0.1
    assert json.loads(hero["thresholds"])["min_conversions"] == 30
    assert json.loads(hero["thresholds"])["min_hours"] == 24


def test_a_variable_may_shorten_the_wait(warehouse: Warehouse) -> None:
    """A rehearsal plays days in seconds; the verdict says by what it judged."""
    selected = ("path:models/intermediate/verdicts", "fct_experiment_verdicts")
    warehouse.dbt("run", "--select", *selected, min_hours=0)
    rows = warehouse.query("select thresholds from marts.fct_experiment_verdicts where verdict = 'too_early'")
    assert len(rows) == 2
    assert all(json.loads(thresholds)["min_hours"] == 0 for (thresholds,) in rows)


def test_a_profile_stays_what_it_was_when_it_was_assigned(warehouse: Warehouse) -> None:
    """By each dimension of the definition, whatever it became since; the experiment without any has no row."""
    counted = """
        select dimension, level, count(*) as profiles
        from intermediate.int_unit_dimensions
        group by dimension, level
        order by dimension, level
    """
    before = warehouse.query(counted)
    members = sorted((level, count) for dimension, level, count in before if dimension.startswith("list:"))
    assert members == [("in", 40), ("out", 200)]
    others = [row for row in before if not row[0].startswith("list:")]
    assert others == [("device", None, 240), ("property:näme", "x", 240), ("tenure", "new", 240)]
    profiles = warehouse.rows("select id, email, created, updated from klaviyo_raw.profiles")
    changed = [
        {**row, "created": f"{row['created']}", "updated": f"{row['updated']}", "properties": {"näme": "y"}}
        for row in profiles
    ]
    warehouse.land("profiles", changed)
    warehouse.dbt("run", "--select", "int_unit_dimensions", "int_dimension_levels", "fct_experiment_dimensions")
    assert warehouse.query(counted) == before
    shown = """
        select level_kind, level, sum(units)
        from marts.fct_experiment_dimensions
        where slot_key = 'hero' and dimension like 'list:%'
        group by level_kind, level
    """
    assert [(kind, level, int(units)) for kind, level, units in warehouse.query(shown)] == [
        ("other", "(other)", 240)
    ]
