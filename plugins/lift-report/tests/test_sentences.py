"""The sentences: from the figures of a row, the very words."""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))  # tests are not a package

from lift_warehouse import CATALOGUE, THRESHOLDS, Rows

from lift_report import sentences
from lift_report.outcome_metrics import Catalogue
from lift_report.results import Slot, read
from lift_report.tables import NextWeight, Verdict, Weight

# ruff: noqa: DTZ001  the warehouse keeps UTC without saying so

AHEAD = {
    "effect": 0.02,
    "interval_low": 0.01,
    "interval_high": 0.03,
    "p_value": 0.001,
    "chance_to_win": 0.999,
    "relative_lift": 0.2,
}
A_BIT_AHEAD = {
    "effect": 0.005,
    "interval_low": -0.01,
    "interval_high": 0.02,
    "p_value": 0.5,
    "chance_to_win": 0.7,
    "relative_lift": 0.05,
}
AHEAD_OF_NOTHING = {
    "effect": 0.02,
    "interval_low": 0.01,
    "interval_high": 0.03,
    "p_value": 0.001,
    "chance_to_win": 0.999,
}
LIKELY_AHEAD = {
    "effect": 0.005,
    "interval_low": -0.01,
    "interval_high": 0.02,
    "p_value": 0.5,
    "chance_to_win": 0.97,
    "relative_lift": 0.05,
}
BEHIND = {
    "effect": -0.0222,
    "interval_low": -0.04,
    "interval_high": -0.01,
    "p_value": 0.001,
    "chance_to_win": 0.0001,
    "relative_lift": -0.222,
}
A_BIT_BEHIND = {
    "effect": -0.0222,
    "interval_low": -0.06,
    "interval_high": 0.01,
    "p_value": 0.2,
    "chance_to_win": 0.05,
    "relative_lift": -0.222,
}
ALIKE = {
    "effect": 0.001,
    "interval_low": -0.004,
    "interval_high": 0.004,
    "p_value": 0.9,
    "chance_to_win": 0.6,
    "relative_lift": 0.01,
}
A_TRACE_AHEAD = {
    "effect": 3e-05,
    "interval_low": -0.01,
    "interval_high": 0.02,
    "p_value": 0.9,
    "chance_to_win": 0.5,
    "relative_lift": 0.0003,
}
LEVEL = {
    "effect": 0.0,
    "interval_low": -0.01,
    "interval_high": 0.02,
    "p_value": 1.0,
    "chance_to_win": 0.5,
    "relative_lift": 0.0,
}


def slot_with(catalogue: Catalogue = CATALOGUE, **figures: Any) -> Slot:  # noqa: ANN401
    """A slot of which nothing but the verdict is known."""
    none: dict[str, Any] = dict.fromkeys(
        ("results", "others", "days", "stages", "balances", "guardrails", "splits", "next_split"), ()
    )
    key: dict[str, Any] = {"experiment_key": "spring", "experiment_version": 1, "slot_key": "hero"}
    return Slot(verdict=Verdict(**key, **figures), arms=(), control=None, catalogue=catalogue, **none)


COMMON: dict[str, Any] = {
    "primary_metric": "clicked", "control_arm": "control", "challenger_arm": "bold", "units": 2000,
    "received": 1000, "least_received": 500, "converted": 100, "has_several_challengers": False,
    "is_not_yet_safe": False,
    "started_at": dt.datetime(2026, 11, 1, 8), "measured_at": dt.datetime(2026, 11, 9, 8),
    "thresholds": json.dumps(THRESHOLDS),
}  # fmt: skip
"""What most slots of these tests have in common: eight days, a challenger, the project's thresholds."""


@pytest.mark.parametrize(
    ("rule", "verdict", "figures", "why", "record"),
    [
        pytest.param(
            "srm_alarm",
            "invalid_srm",
            {**AHEAD, "srm_stage": "assigned", "srm_p_value": 0.0001},
            ("The groups do not have the planned sizes among those who are assigned, so nothing can be compared."),
            (
                "The sizes of the arms do not fit their weights, assigned (p = 0.000100, limit 0.001): the "
                "comparison cannot be trusted."
            ),
            id="sizes_assigned",
        ),
        pytest.param(
            "srm_alarm",
            "invalid_srm",
            {**AHEAD, "srm_stage": "written", "srm_p_value": 0.0001},
            (
                "The groups do not have the planned sizes among those who are marked in Klaviyo, so nothing "
                "can be compared."
            ),
            (
                "The sizes of the arms do not fit their weights, written (p = 0.000100, limit 0.001): the "
                "comparison cannot be trusted."
            ),
            id="sizes_written",
        ),
        pytest.param(
            "srm_alarm",
            "invalid_srm",
            {**AHEAD, "srm_stage": "received", "srm_p_value": 0.0001},
            (
                "The groups do not have the planned sizes among those who received the message, so nothing "
                "can be compared."
            ),
            (
                "The sizes of the arms do not fit their weights, received (p = 0.000100, limit 0.001): the "
                "comparison cannot be trusted."
            ),
            id="sizes_received",
        ),
        pytest.param(
            "crossover_above_limit",
            "invalid_crossover",
            {**AHEAD, "crossover_rate": 0.02, "rendered": 500, "crossovers": 10},
            ("2.0 % of those who clicked were shown another variant than theirs, so nothing can be compared."),
            ("10 of 500 profiles that clicked saw another arm than the assigned one (2.00 %)."),
            id="branches",
        ),
        pytest.param(
            "nobody_received",
            "no_data",
            {
                "challenger_arm": None,
                "units": 0,
                "received": 0,
                "least_received": 0,
                "converted": 0,
                "started_at": None,
            },
            ("Nobody is assigned yet."),
            ("Nobody is assigned."),
            id="nobody",
        ),
        pytest.param(
            "nobody_received",
            "no_data",
            {"effect": 0.0, "received": 0, "least_received": 0, "converted": 0, "started_at": None},
            ("Of 2000 people who are assigned, none is known to have received the message yet."),
            ("None of the 2000 assigned profiles is known to have received a message of the experiment."),
            id="unsent",
        ),
        pytest.param(
            "below_minimum",
            "too_early",
            {
                **A_BIT_AHEAD,
                "received": 180,
                "least_received": 90,
                "converted": 20,
                "started_at": dt.datetime(2026, 11, 8, 9),
            },
            (
                "Not enough to compare yet: 20 of at least 30 people who clicked, 90 of at least 100 "
                "recipients in the smallest group, less than 24 hours since the first message."
            ),
            (
                "Minimum not reached: 90 receipts in the smallest arm (of 100), 20 conversions (of 30), "
                "first receipt 2026-11-08 09:00:00 UTC (24 h ago or more)."
            ),
            id="few",
        ),
        pytest.param(
            "below_minimum",
            "too_early",
            {**A_BIT_AHEAD, "primary_metric": "revenue", "converted": 20},
            ("Not enough to compare yet: 20 of at least 30 people who ordered."),
            (
                "Minimum not reached: 500 receipts in the smallest arm (of 100), 20 conversions (of 30), "
                "first receipt 2026-11-01 08:00:00 UTC (24 h ago or more)."
            ),
            id="few_buyers",
        ),
        pytest.param(
            "ended_below_minimum",
            "inconclusive",
            {**A_BIT_AHEAD, "received": 180, "least_received": 90},
            ("It ended with too little to compare: 90 of at least 100 recipients in the smallest group."),
            (
                "Ended below the minimum: 90 receipts in the smallest arm (of 100), 100 conversions (of 30), "
                "first receipt 2026-11-01 08:00:00 UTC (24 h ago or more)."
            ),
            id="ended_few",
        ),
        pytest.param(
            "guardrail_exceeded",
            "blocked_guardrail",
            {**AHEAD, "blocking_metric": "unsubscribed", "blocking_low": 0.003, "blocking_margin": 0.001},
            (
                "Of those with bold, at least 0.30 percentage points more unsubscribed than of those with "
                "control; the limit is 0.10."
            ),
            ("bold has +0.30 pp unsubscribed or more against control (margin 0.10 pp)."),
            id="leavers",
        ),
        pytest.param(
            "guardrail_exceeded",
            "blocked_guardrail",
            {**AHEAD, "blocking_metric": "complained", "blocking_low": 0.003, "blocking_margin": 0.0005},
            (
                "Of those with bold, at least 0.30 percentage points more marked it as spam than of those "
                "with control; the limit is 0.05."
            ),
            ("bold has +0.30 pp complained or more against control (margin 0.05 pp)."),
            id="spam",
        ),
        pytest.param(
            "interval_above_zero",
            "winner",
            {**AHEAD, "winning_arm": "bold"},
            ("bold is 20.0 % ahead of control in clicks, and chance alone hardly explains it."),
            (
                "bold +2.00 pp against control in clicked (always-valid 95 % interval +1.00 pp to +3.00 pp, "
                "p = 0.001000, chance to win 99.9 %)."
            ),
            id="ahead",
        ),
        pytest.param(
            "interval_above_zero",
            "winner",
            {**AHEAD, "winning_arm": "bold", "is_not_yet_safe": True},
            (
                "bold is 20.0 % ahead of control in clicks, and chance alone hardly explains it. It is not "
                "shown yet that it does no harm beyond the limits."
            ),
            (
                "bold +2.00 pp against control in clicked (always-valid 95 % interval +1.00 pp to +3.00 pp, "
                "p = 0.001000, chance to win 99.9 %). Not every guardrail is yet shown to be within its "
                "margin."
            ),
            id="ahead_unsafe",
        ),
        pytest.param(
            "interval_above_zero",
            "winner",
            {**AHEAD_OF_NOTHING, "primary_metric": "ordered", "winning_arm": "bold"},
            ("bold is ahead of control in orders, and chance alone hardly explains it."),
            (
                "bold +2.00 pp against control in ordered (always-valid 95 % interval +1.00 pp to +3.00 pp, "
                "p = 0.001000, chance to win 99.9 %)."
            ),
            id="ahead_of_nothing",
        ),
        pytest.param(
            "likely_at_planned_end",
            "winner",
            {**LIKELY_AHEAD, "primary_metric": "opened", "winning_arm": "bold"},
            ("At the planned end bold is 5.0 % ahead of control in opens; it is better with a chance of 97.0 %."),
            (
                "bold +0.50 pp against control in opened (always-valid 95 % interval -1.00 pp to +2.00 pp, p "
                "= 0.500000, chance to win 97.0 %)."
            ),
            id="likely",
        ),
        pytest.param(
            "intervals_below_zero",
            "control_wins",
            {**BEHIND, "winning_arm": "control"},
            ("bold is 22.2 % behind control in clicks, and chance alone hardly explains it."),
            (
                "No arm is better than control; the nearest: bold -2.22 pp against control in clicked "
                "(always-valid 95 % interval -4.00 pp to -1.00 pp, p = 0.001000, chance to win 0.0 %)."
            ),
            id="behind",
        ),
        pytest.param(
            "intervals_below_zero",
            "control_wins",
            {**BEHIND, "winning_arm": "control", "has_several_challengers": True},
            (
                "No variant is as good as control: even bold is 22.2 % behind control in clicks, and chance "
                "alone hardly explains it."
            ),
            (
                "No arm is better than control; the nearest: bold -2.22 pp against control in clicked "
                "(always-valid 95 % interval -4.00 pp to -1.00 pp, p = 0.001000, chance to win 0.0 %)."
            ),
            id="all_behind",
        ),
        pytest.param(
            "unlikely_at_planned_end",
            "control_wins",
            {**A_BIT_BEHIND, "winning_arm": "control"},
            (
                "At the planned end bold is 22.2 % behind control in clicks; control is better with a chance "
                "of 95.0 %."
            ),
            (
                "No arm is better than control; the nearest: bold -2.22 pp against control in clicked "
                "(always-valid 95 % interval -6.00 pp to +1.00 pp, p = 0.200000, chance to win 5.0 %)."
            ),
            id="likely_behind",
        ),
        pytest.param(
            "unlikely_at_planned_end",
            "control_wins",
            {**A_BIT_BEHIND, "winning_arm": "control", "has_several_challengers": True},
            (
                "At the planned end even the best of the others, bold, is 22.2 % behind control in clicks; "
                "control is better with a chance of 95.0 %."
            ),
            (
                "No arm is better than control; the nearest: bold -2.22 pp against control in clicked "
                "(always-valid 95 % interval -6.00 pp to +1.00 pp, p = 0.200000, chance to win 5.0 %)."
            ),
            id="all_likely_behind",
        ),
        pytest.param(
            "interval_within_half_effect",
            "equivalent",
            {**ALIKE, "primary_metric": "revenue"},
            ("bold does as well as control in revenue: the difference is too small to matter."),
            (
                "No arm differs by more than half of the smallest effect of interest: bold +0.0010 per "
                "profile against control in revenue (always-valid 95 % interval -0.0040 per profile to "
                "+0.0040 per profile, p = 0.900000, chance to win 60.0 %)."
            ),
            id="alike",
        ),
        pytest.param(
            "interval_within_half_effect",
            "equivalent",
            {**ALIKE, "has_several_challengers": True},
            ("All variants do as well as control in clicks: the difference is too small to matter."),
            (
                "No arm differs by more than half of the smallest effect of interest: bold +0.10 pp against "
                "control in clicked (always-valid 95 % interval -0.40 pp to +0.40 pp, p = 0.900000, chance "
                "to win 60.0 %)."
            ),
            id="all_alike",
        ),
        pytest.param(
            "undecided",
            "running",
            {**A_BIT_AHEAD},
            ("So far bold is 5.0 % ahead of control in clicks, which may still be chance."),
            (
                "Undecided so far: bold +0.50 pp against control in clicked (always-valid 95 % interval "
                "-1.00 pp to +2.00 pp, p = 0.500000, chance to win 70.0 %)."
            ),
            id="so_far_ahead",
        ),
        pytest.param(
            "undecided",
            "running",
            {**A_BIT_BEHIND},
            ("So far bold is 22.2 % behind control in clicks, which may still be chance."),
            (
                "Undecided so far: bold -2.22 pp against control in clicked (always-valid 95 % interval "
                "-6.00 pp to +1.00 pp, p = 0.200000, chance to win 5.0 %)."
            ),
            id="so_far_behind",
        ),
        pytest.param(
            "undecided",
            "running",
            {**A_BIT_BEHIND, "has_several_challengers": True},
            (
                "So far even the best of the others, bold, is 22.2 % behind control in clicks, which may "
                "still be chance."
            ),
            (
                "Undecided so far: bold -2.22 pp against control in clicked (always-valid 95 % interval "
                "-6.00 pp to +1.00 pp, p = 0.200000, chance to win 5.0 %)."
            ),
            id="all_so_far_behind",
        ),
        pytest.param(
            "undecided",
            "running",
            {**A_TRACE_AHEAD},
            ("So far bold is less than 0.1 % ahead of control in clicks, which may still be chance."),
            (
                "Undecided so far: bold +0.00 pp against control in clicked (always-valid 95 % interval "
                "-1.00 pp to +2.00 pp, p = 0.900000, chance to win 50.0 %)."
            ),
            id="a_trace_ahead",
        ),
        pytest.param(
            "undecided",
            "running",
            {**LEVEL},
            ("So far bold is level with control in clicks."),
            (
                "Undecided so far: bold +0.00 pp against control in clicked (always-valid 95 % interval "
                "-1.00 pp to +2.00 pp, p = 1.000000, chance to win 50.0 %)."
            ),
            id="level",
        ),
        pytest.param(
            "undecided",
            "running",
            {},
            ("There is nothing to compare yet."),
            ("No arm can be compared with the control."),
            id="nothing",
        ),
        pytest.param(
            "ended_undecided",
            "inconclusive",
            {**A_BIT_AHEAD},
            ("It ended without an answer: bold is 5.0 % ahead of control in clicks, which may still be chance."),
            (
                "Ended undecided: bold +0.50 pp against control in clicked (always-valid 95 % interval -1.00 "
                "pp to +2.00 pp, p = 0.500000, chance to win 70.0 %)."
            ),
            id="undecided",
        ),
    ],
)
def test_a_verdict_is_told_with_its_figures(
    rule: str, verdict: str, figures: dict[str, Any], why: str, record: str
) -> None:
    """Each rule, with one challenger and several, ahead, behind and level."""
    slot = slot_with(rule=rule, verdict=verdict, **{**COMMON, **figures})
    assert sentences.why(slot) == why
    assert sentences.for_the_record(slot) == record


@pytest.mark.parametrize(
    ("figures", "why"),
    [
        ({"chance_to_win": 0.99901}, "it is better with a chance of more than 99.9 %."),
        ({"chance_to_win": 0.999}, "it is better with a chance of 99.9 %."),
        ({"chance_to_win": 0.00099}, "it is better with a chance of less than 0.1 %."),
        ({"relative_lift": 0.000499}, "bold is less than 0.1 % ahead"),
        ({"relative_lift": 0.0005}, "bold is 0.1 % ahead"),
        ({"relative_lift": 0.12345}, "bold is 12.3 % ahead"),
        ({"relative_lift": 0.1235}, "bold is 12.4 % ahead"),
        ({"is_not_yet_safe": True}, "97.0 %. It is not shown yet that it does no harm beyond the limits."),
    ],
)
def test_figures_in_a_sentence_are_true(figures: dict[str, Any], why: str) -> None:
    """Nothing is certain, nothing that is there is called 0.0 %, and halves are rounded up."""
    figures = {**COMMON, **LIKELY_AHEAD, **figures}
    assert why in sentences.why(slot_with(rule="likely_at_planned_end", verdict="winner", **figures))


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        ("revenue", "bold +0.0050 per profile against control in revenue (always-valid 95 % interval -0.0100"),
        ("revenue_per_order", "bold +0.0050 per order against control in revenue_per_order ("),
        ("opened", "bold +0.50 pp against control in opened (always-valid 95 % interval -1.00 pp to +2.00 pp"),
    ],
)
def test_the_record_has_the_unit_of_its_metric(metric: str, told: str) -> None:
    slot = slot_with(rule="undecided", verdict="running", **{**COMMON, **A_BIT_AHEAD, "primary_metric": metric})
    assert told in sentences.for_the_record(slot)


def test_small_p_values_are_told_by_their_bound() -> None:
    figures = {**COMMON, **AHEAD, "p_value": 9e-7}
    record = sentences.for_the_record(slot_with(rule="interval_above_zero", verdict="winner", **figures))
    assert "interval +1.00 pp to +3.00 pp, p < 0.000001, chance" in record


@pytest.mark.parametrize(("metric", "verb"), [("bounced", "could not be reached"), ("gone", "gone")])
def test_a_guarded_metric_is_told_by_its_verb(metric: str, verb: str) -> None:
    """One that the catalogue does not list, by its key."""
    figures = {**COMMON, "blocking_metric": metric, "blocking_low": 0.003, "blocking_margin": 0.001}
    slot = slot_with(rule="guardrail_exceeded", verdict="blocked_guardrail", **figures)
    assert sentences.why(slot) == (
        f"Of those with bold, at least 0.30 percentage points more {verb} than of those with control;"
        " the limit is 0.10."
    )


def test_without_a_catalogue_a_metric_is_told_by_its_key() -> None:
    slot = slot_with(Catalogue(), rule="interval_above_zero", verdict="winner", **{**COMMON, **AHEAD})
    assert sentences.why(slot).startswith("bold is 20.0 % ahead of control in clicked, ")
    assert sentences.for_the_record(slot).startswith("bold +2.00 pp against control in clicked (")


def test_what_was_judged_by_is_told() -> None:
    """The row's own thresholds, whatever the project has now."""
    thresholds = {**THRESHOLDS, "alpha": 0.1, "min_hours": 0, "min_conversions": 3000, "min_received_per_arm": 2.5}
    figures = {**COMMON, "thresholds": json.dumps(thresholds)}
    slot = slot_with(rule="below_minimum", verdict="too_early", **figures)
    assert sentences.why(slot) == "Not enough to compare yet: 100 of at least 3000 people who clicked."
    assert sentences.for_the_record(slot) == (
        "Minimum not reached: 500 receipts in the smallest arm (of 2.5), 100 conversions (of 3000), first receipt"
        " 2026-11-01 08:00:00 UTC (0 h ago or more)."
    )
    slot = slot_with(rule="undecided", verdict="running", **{**figures, **A_BIT_AHEAD, "p_value": 0.09})
    assert sentences.why(slot).endswith("in clicks, and chance alone hardly explains it.")
    assert "always-valid 90 % interval" in sentences.for_the_record(slot)


# Any figures, known or not.

FIGURE = st.none() | st.floats(-1e15, 1e15)
CHANCE = st.none() | st.floats(0, 1)
NAME = st.none() | st.sampled_from(["bold", "calm"])
COUNT = st.none() | st.integers(0, 10**9)
RULES = (
    *("srm_alarm", "crossover_above_limit", "nobody_received", "below_minimum", "ended_below_minimum"),
    *("guardrail_exceeded", "interval_above_zero", "likely_at_planned_end", "intervals_below_zero"),
    *("one_arm_left", "everybody_converted", "ended_before_planned_stop", "waiting_for_planned_stop"),
    *("waiting_for_outcomes", "ahead_too_early", "fixed_test_above_zero", "fixed_tests_below_zero"),
    *(
        "unlikely_at_planned_end",
        "interval_within_half_effect",
        "ended_undecided",
        "undecided",
        None,
        "of_tomorrow",
    ),
)
VERDICTS = (
    *("invalid_srm", "invalid_crossover", "no_data", "too_early", "blocked_guardrail", "winner", "control_wins"),
    *("equivalent", "running", "inconclusive", "ahead", "of_tomorrow"),
)
FIGURES: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("effect", "interval_low", "interval_high", "relative_lift", "blocking_low"), FIGURE),
    **dict.fromkeys(("blocking_margin", "p_value", "srm_p_value", "crossover_rate", "chance_to_win"), CHANCE),
    **dict.fromkeys(("rendered", "crossovers", "least_received", "converted"), COUNT),
    **dict.fromkeys(("winning_arm", "control_arm", "challenger_arm"), NAME),
    **dict.fromkeys(("corrected_lift", "money_effect", "money_low", "money_high"), FIGURE),
    **dict.fromkeys(("runner_up_p_value",), CHANCE),
    **dict.fromkeys(("runner_up_arm", "first_blocked_arm"), NAME),
    **dict.fromkeys(("has_several_challengers", "is_not_yet_safe"), st.none() | st.booleans()),
    **dict.fromkeys(("is_told_apart", "is_mature"), st.none() | st.booleans()),
    "blocked_arms": st.none() | st.integers(0, 20),
    "least_expected_conversions": st.none() | st.floats(0, 1e9),
    "decision": st.sampled_from([None, "always", "fixed"]),
    "money_metric": st.sampled_from([None, "revenue", "of_tomorrow"]),
    **dict.fromkeys(("units", "received"), st.integers(0, 10**9)),
    "rule": st.sampled_from(RULES),
    "verdict": st.sampled_from(VERDICTS),
    "primary_metric": st.sampled_from(["clicked", "revenue", "revenue_per_order", "of_tomorrow"]),
    "srm_stage": st.sampled_from([None, "assigned", "written", "received"]),
    "blocking_metric": st.sampled_from([None, "unsubscribed", "revenue", "of_tomorrow"]),
    "started_at": st.sampled_from([None, dt.datetime(2026, 11, 1, 8)]),
    "measured_at": st.sampled_from([None, dt.datetime(2026, 11, 9, 8)]),
    "thresholds": st.sampled_from([None, json.dumps(THRESHOLDS), "{}", "[]", "no JSON", '{"alpha": "x"}']),
}


@pytest.mark.parametrize(
    ("rule", "verdict", "figures", "why", "advice"),
    [
        (
            "interval_above_zero",
            "winner",
            {"corrected_lift": 0.15, "winning_arm": "bold"},
            (
                "bold is about 15.0 % ahead of control in clicks (measured: 20.0 %), and chance alone hardly"
                " explains it."
            ),
            "Send bold to everyone.",
        ),
        (
            "interval_above_zero",
            "winner",
            {"winning_arm": "bold", "is_not_yet_safe": True},
            (
                "bold is 20.0 % ahead of control in clicks, and chance alone hardly explains it."
                " It is not shown yet that it does no harm beyond the limits."
            ),
            "Do not send it to everyone yet. Its safety is open.",
        ),
        (
            "interval_above_zero",
            "winner",
            {"winning_arm": "bold", "is_told_apart": False, "runner_up_arm": "calm", "blocked_arms": 2}
            | {"first_blocked_arm": "loud", "money_metric": "revenue", "money_effect": -0.25, "currency": "EUR"},
            (
                "bold is 20.0 % ahead of control in clicks, and chance alone hardly explains it."
                " It is not told apart yet from calm."
                " It brings 0.250 EUR less revenue per person so far, which may still be chance."
                " loud and 1 other does harm beyond a limit."
            ),
            "Send bold or calm; which is better, a further test can tell.",
        ),
        (
            "interval_above_zero",
            "winner",
            {"winning_arm": "bold", "is_told_apart": True, "runner_up_arm": "calm", "blocked_arms": 1}
            | {"first_blocked_arm": "loud", "money_metric": "revenue", "money_effect": 0.25},
            (
                "bold is 20.0 % ahead of control in clicks, and chance alone hardly explains it."
                " loud does harm beyond a limit."
            ),
            "Send bold to everyone.",
        ),
        (
            "interval_above_zero",
            "winner",
            {"winning_arm": "bold", "relative_lift": 0.501},
            (
                "bold is 50.1 % ahead of control in clicks, and chance alone hardly explains it."
                " A difference of that size is rarely true: look at how it was measured before anything else."
            ),
            "Send bold to everyone.",
        ),
        (
            "ahead_too_early",
            "ahead",
            {"corrected_lift": 0.15},
            (
                "bold is about 15.0 % ahead of control in clicks (measured: 20.0 %), and chance alone hardly"
                " explains it. It is too early to call it the winner: that takes three days, and the days in"
                " which orders still count."
            ),
            "Do not send it to everyone yet.",
        ),
        (
            "fixed_test_above_zero",
            "winner",
            {"winning_arm": "bold", "decision": "fixed"},
            "At the planned stop bold is 20.0 % ahead of control in clicks, and chance alone hardly explains it.",
            "Send bold to everyone.",
        ),
        (
            "fixed_tests_below_zero",
            "control_wins",
            {**BEHIND, "winning_arm": "control", "has_several_challengers": True},
            (
                "At the planned stop even the best of the others, bold, is 22.2 % behind control in clicks, and"
                " chance alone hardly explains it."
            ),
            "Keep control.",
        ),
        (
            "waiting_for_planned_stop",
            "running",
            {"days_to_decision": 4.2},
            "One look was planned, at the planned stop; until then nothing is decided.",
            (
                "Let it run until its planned stop, and set `status: ended` then. A decision is likely in about"
                " 5 days."
            ),
        ),
        (
            "waiting_for_outcomes",
            "running",
            {},
            "It has ended. The one look that was planned follows when the days that still count are over.",
            "Wait for the one look.",
        ),
        (
            "ended_before_planned_stop",
            "inconclusive",
            {},
            "It was ended before its planned stop, and the one look was planned for that day: nothing is decided.",
            "Test it again, to the end; or choose `decision: always` for a test that may end at any time.",
        ),
        (
            "one_arm_left",
            "inconclusive",
            {"challenger_arm": None},
            "Only one variant has people who can be compared, so there is nothing to compare it with.",
            "Give a second variant a share, and raise the version.",
        ),
        (
            "everybody_converted",
            "inconclusive",
            {},
            "Everybody clicked, whatever they were shown: no variant can be better than another in that.",
            "Choose a primary metric that not everybody reaches, and raise the version.",
        ),
        (
            "guardrail_exceeded",
            "blocked_guardrail",
            {"blocking_metric": "revenue", "blocking_low": 0.1, "blocking_margin": 0.0, "currency": "EUR"},
            "bold brings at least 0.100 EUR less revenue per person than control.",
            "Do not send the variant to more people; the check of harm below names what it does.",
        ),
        (
            "below_minimum",
            "too_early",
            {"least_expected_conversions": 4.24},
            "Not enough to compare yet: 4.2 of at least 10 clicks to be expected in the smallest group.",
            "Wait: a first look is worth nothing before the minimum is reached.",
        ),
    ],
)
def test_a_verdict_is_told_and_what_to_do(
    rule: str, verdict: str, figures: dict[str, Any], why: str, advice: str
) -> None:
    slot = slot_with(rule=rule, verdict=verdict, **{**COMMON, **AHEAD, **figures})
    assert sentences.why(slot) == why
    assert sentences.advice(slot) == advice


@pytest.mark.parametrize(
    ("winning_arm", "shipped_by", "advice"),
    [
        ("bold", "verdict", "Nothing. Everybody is shown bold, as the figures say."),
        (
            "control",
            "author",
            "Nothing. Everybody is shown bold by its author's decision; the figures name control.",
        ),
        (None, "author", "Nothing. Everybody is shown bold by its author's decision; the figures decide nothing."),
    ],
)
def test_what_is_shipped_is_told_with_who_decided(winning_arm: str | None, shipped_by: str, advice: str) -> None:
    decided = {"verdict": "winner" if winning_arm else "inconclusive", "winning_arm": winning_arm}
    slot = slot_with(**{**COMMON, **decided, "shipped_arm": "bold", "shipped_by": shipped_by})
    assert sentences.advice(slot) == advice


def test_before_its_day_a_fixed_test_tells_no_figure() -> None:
    for rule in ("waiting_for_planned_stop", "waiting_for_outcomes"):
        slot = slot_with(rule=rule, verdict="running", decision="fixed", **{**COMMON, **AHEAD})
        told = sentences.why(slot) + sentences.for_the_record(slot)
        assert not re.search(r"\d", told)


@given(st.fixed_dictionaries(FIGURES))
def test_any_row_is_told_in_whole_sentences(figures: dict[str, Any]) -> None:
    slot = slot_with(**figures)
    for told in (sentences.why(slot), sentences.for_the_record(slot)):
        assert re.fullmatch(r"\S.*\.", told)
        assert not re.search(r"None(?! of the \d)|\bnan\b|\binf\b|  |\(\)|, \.|: \.| \.(?!\d)", told), told


def test_every_figure_of_a_row_is_tried() -> None:
    """A column that a sentence may take is among the figures above."""
    told_elsewhere = {
        *("experiment_key", "experiment_version", "slot_key", "channel", "currency", "expected_loss", "ended_at"),
        *("minimum_detectable_effect", "days_to_decision", "shipped_arm", "shipped_by"),
        *("smart_allocation_uplift", "smart_allocation_uplift_error"),
    }
    assert {column.name for column in fields(Verdict)} - told_elsewhere == set(FIGURES)


@given(st.floats(-1e9, 1e9))
def test_the_sign_of_a_difference_is_never_wrong(effect: float) -> None:
    figures = {**COMMON, "effect": effect, "relative_lift": effect}
    why = sentences.why(slot_with(rule="undecided", verdict="running", **figures))
    assert ("ahead of" in why, "behind" in why, "level with" in why) == (effect > 0, effect < 0, effect == 0)


@given(st.floats(0, 1e6))
def test_a_share_is_as_near_as_its_decimal_says(lift: float) -> None:
    figures = {**COMMON, "effect": 1.0, "relative_lift": lift}
    why = sentences.why(slot_with(rule="undecided", verdict="running", **figures))
    [told] = re.findall(r"is (less than )?([\d.]+) % ahead", why)
    if told[0]:
        assert lift < 5e-4
    else:
        assert abs(Decimal(told[1]) - 100 * Decimal(repr(lift))) <= Decimal("0.0500000001")


# What an older row lacks.

NEW_COLUMNS = (
    *(
        "control_arm",
        "challenger_arm",
        "srm_stage",
        "rendered",
        "crossovers",
        "least_received",
        "converted",
        "effect",
    ),
    *("has_several_challengers", "is_not_yet_safe", "blocking_metric", "blocking_low", "blocking_margin"),
)
"""They came when the sentences left the warehouse."""


def older(rows: Rows) -> Slot:
    """The only slot of a warehouse whose verdict was written before those columns were."""
    for name in NEW_COLUMNS:
        del rows.rows["fct_experiment_verdicts"][0][name]
    [(_, slot)] = read(rows).slots
    return slot


@pytest.mark.parametrize("verdict", ["winner", "running", "inconclusive", "blocked_guardrail", "invalid_srm"])
def test_an_older_row_is_told_by_what_the_other_tables_hold(verdict: str) -> None:
    """Just as if it were a new one."""
    told = []
    for read_slot in (lambda rows: read(rows).slots[0][1], older):
        rows = Rows()
        rows.slot(
            "spring", "hero", {"plain": 0.05, "bold": 0.07}, verdict=verdict, cuped=False,
            winning_arm="bold" if verdict == "winner" else None,
            guardrails="blocked" if verdict == "blocked_guardrail" else "safe",
        )  # fmt: skip
        slot = read_slot(rows)
        told.append((sentences.why(slot), sentences.for_the_record(slot)))
    assert told[0] == told[1]
    assert "bold" in told[0][0] or verdict == "invalid_srm"


@pytest.mark.parametrize(
    ("verdict", "why", "record"),
    [
        (
            "winner",
            "bold is 40.0 % ahead of the control in clicks, and chance alone hardly explains it.",
            "bold +2.00 pp against the control in clicked (",
        ),
        (
            "running",
            "So far the variant is 40.0 % ahead of the control in clicks, which may still be chance.",
            "Undecided so far: the variant +2.00 pp against the control in clicked (",
        ),
        (
            "blocked_guardrail",
            "The variant does harm beyond the limit.",
            "The variant exceeds the margin of a guardrail.",
        ),
        (
            "invalid_srm",
            "The groups do not have the planned sizes, so nothing can be compared.",
            "The sizes of the arms do not fit their weights (p = 0.410000, limit 0.001): the comparison",
        ),
    ],
)
def test_an_older_row_by_itself_is_told_with_what_it_has(verdict: str, why: str, record: str) -> None:
    rows = Rows()
    winning = "bold" if verdict == "winner" else None
    rows.slot("spring", "hero", {"plain": 0.05, "bold": 0.07}, verdict=verdict, winning_arm=winning)
    for table in ("fct_experiment_results", "fct_experiment_srm", "fct_experiment_guardrails"):
        rows.rows[table].clear()
    slot = older(rows)
    assert sentences.why(slot) == why
    assert sentences.for_the_record(slot).startswith(record)


# The next split.


def share(**figures: Any) -> NextWeight:  # noqa: ANN401
    key: dict[str, Any] = {
        "experiment_key": "spring",
        "experiment_version": 1,
        "slot_key": "hero",
        "arm_key": "bold",
    }
    return NextWeight(**key, weight_bp=9500, **figures)


LEAST = "; every variant keeps a least share, and the control enough to be compared with."
HARMFUL = "What does harm beyond a limit keeps the least share. "


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({"rule": "winner", "best_arm": "bold", "best_chance": 0.9999}, f"bold is ahead{LEAST}"),
        ({"rule": "equal_chances"}, "Equal: no variant is likelier to be the best than another."),
        ({"rule": "equal_by_floor"}, "Equal: of so many variants none can have more than the least share."),
        ({"rule": "kept_too_early"}, "Unchanged: it is too early to learn from it."),
        ({"rule": "kept_no_data"}, "Unchanged: nothing was received yet."),
        ({"rule": "kept_invalid"}, "Unchanged: the groups cannot be compared."),
        (
            {"rule": "likeliest_best", "best_arm": "bold", "best_chance": 0.7548},
            f"The likeliest to be the best is bold, with a chance of 75.5 %{LEAST}",
        ),
        (
            {"rule": "likeliest_best", "best_arm": "control", "best_chance": 0.99999, "has_harmful_arm": True},
            f"{HARMFUL}The likeliest to be the best is control, with a chance of more than 99.9 %{LEAST}",
        ),
        (
            {"rule": "winner", "best_arm": "bold", "floor_bp": 250},
            "bold is ahead; every variant keeps a least share, and the control enough to be compared with.",
        ),
        ({"rule": None}, ""),
        ({"rule": "of_tomorrow"}, ""),
        ({"rule": "winner"}, ""),
    ],
)
def test_a_next_share_is_told_with_its_reason(figures: dict[str, Any], reason: str) -> None:
    assert sentences.share_reason(share(**{"floor_bp": 500, **figures})) == reason


def test_a_frozen_share_is_told_as_the_ledger_has_it() -> None:
    weight = Weight(
        experiment_key="spring",
        experiment_version=1,
        slot_key="hero",
        arm_key="bold",
        weight_bp=5000,
        reason="even",
    )
    assert sentences.share_reason(weight) == "even"
