"""What the page and the terminal say of what decides nothing: for whom it worked, and what else may explain it."""

from __future__ import annotations

import json
import re
import sys
from html import unescape
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are not a package

from lift_warehouse import Rows

from lift_report import chart_geometry, exploratory
from lift_report.page import render
from lift_report.results import Report, Slot, read
from lift_report.summary import as_json, as_text

SLOT = {"experiment_key": "spring", "experiment_version": 1, "slot_key": "hero"}


def hero(**verdict: Any) -> Rows:  # noqa: ANN401
    """One slot in which `bold` wins by 2 points: by 8 on phones, and by nothing that can be told elsewhere."""
    rows = Rows()
    rows.slot("spring", "hero", {"plain": 0.05, "bold": 0.07}, verdict="winner", winning_arm="bold")
    rows.rows["fct_experiment_verdicts"][0] |= verdict
    rows.levels("spring", "hero", {"plain": 0.05, "bold": 0.07})
    rows.health("spring", "hero", {"plain": 0.05, "bold": 0.07})
    return rows


def slot_of(rows: Rows) -> tuple[Report, Slot]:
    report = read(rows)
    [(_, slot)] = report.slots
    return report, slot


def text(markup: str) -> str:
    """Its text, with one kind of space."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup.replace("<wbr>", ""))).split()).replace("\u202f", " ")


def part(report: Report, title: str) -> str:
    return text(re.split(r"<h4|</article>", render(report).partition(f">{title}</h4>")[2])[0])


WAITING = {"rule": "waiting_for_planned_stop", "verdict": "running", "winning_arm": None, "decision": "fixed"}


def test_each_group_is_told_with_its_figures() -> None:
    report, slot = slot_of(hero())
    shown = part(report, "Who it worked for")
    assert shown.startswith("Device they read with, mobile: bold is ahead of plain by 8.00 pp (p < 0.001). 5 comp")
    assert "does not change the verdict" in shown
    assert "Everybody bold 7.00 % 10,000 profiles" in shown
    assert "mobile bold 13.00 % 4,000 against 4,000 +8.00 pp +6.00 pp to +10.00 pp p, adjusted" in shown
    assert "told apart computer" in shown
    assert "in VIPs bold" in shown
    assert "not known bold 7.00 % 1,000 against 1,000" in shown
    assert "all others bold 7.00 % 20 against 30 +2.00 pp too few to compare" in shown
    picture = chart_geometry.groups(slot)
    assert picture is not None
    assert [title for title, _ in picture.dimensions] == ["device", "segment:VIPs"]
    tones = {
        (group.level.dimension, group.level.level): group.span.tone
        for _, row in picture.dimensions
        for group in row
    }
    assert {key for key, tone in tones.items() if tone != "open"} == {("device", "mobile")}
    assert [row.level for row in slot.levels if row.dimension == "device" and not row.is_control] == [
        "mobile", "computer", "(none)", "(other)",
    ]  # fmt: skip


def test_a_group_in_which_it_is_worse_is_told_so() -> None:
    rows = hero()
    for row in rows.rows["fct_experiment_dimensions"]:
        if row["is_told_apart"]:
            row |= {"difference": -0.08, "interval_low": -0.1, "interval_high": -0.06}
    _, slot = slot_of(rows)
    assert "mobile: bold is behind plain by 8.00\u202fpp" in exploratory.who(slot)


@pytest.mark.parametrize(
    ("told_apart", "p", "said"),
    [
        (0, 0.4, "No group can be told apart from its control. 5 comparisons were made; small groups show large"),
        (0, None, "No group is large enough yet to be compared by itself."),
        (6, 0.001, "; 2 more. 5 comparisons were made, and the p-values allow for that."),
    ],
)
def test_how_many_groups_are_told_apart_is_one_sentence(told_apart: int, p: float | None, said: str) -> None:
    rows = hero()
    challengers = [row for row in rows.rows["fct_experiment_dimensions"] if not row["is_control"]]
    for place, row in enumerate(challengers):
        row |= {"is_told_apart": place < told_apart, "p_value_bh": row.get("p_value_bh") and p}
    _, slot = slot_of(rows)
    assert said in exploratory.who(slot)


def test_without_dimensions_there_is_no_such_part() -> None:
    rows = hero()
    rows.rows["fct_experiment_dimensions"].clear()
    report, slot = slot_of(rows)
    assert exploratory.who(slot) == ""
    assert chart_geometry.groups(slot) is None
    assert "Who it worked for" not in render(report)


@pytest.mark.parametrize("rule", ["waiting_for_planned_stop", "waiting_for_outcomes"])
def test_before_its_look_no_figure_of_a_group_or_a_day_is_shown(rule: str, tmp_path: Path) -> None:
    report, slot = slot_of(hero(**WAITING | {"rule": rule, "relative_lift": 0.9}))
    assert (slot.levels, slot.since) == ((), ())
    assert "Who it worked for" not in render(report)
    explained = part(report, "What else may explain it?")
    assert "The groups were alike before" in explained
    assert "since the receipt" not in explained
    assert "first 3 days" not in explained
    assert exploratory.too_good(slot) == ""
    assert "by group" not in as_text(report, tmp_path / "report.html")


def test_what_else_may_explain_it_is_told() -> None:
    report, slot = slot_of(hero())
    explained = part(report, "What else may explain it?")
    assert "✓ The groups were alike before within 0.10 standard deviations is alike" in explained
    assert "✓ bold: +48 % in the first 3 days, +31 % in the later ones. No sign that they differ" in explained
    assert "By days since the receipt difference from plain in percentage points" in explained
    assert "plain 480 0.7 h 2.5 h 30 h" in explained
    assert "bold 2 10,000" in explained
    assert exploratory.health(slot) == []
    [curve] = (chart_geometry.since_receipt(slot) or pytest.fail("no curve")).curves
    assert curve.said.startswith("bold on day 5 since the receipt: +2.00")


def test_what_is_to_be_looked_at_is_told_everywhere(tmp_path: Path) -> None:
    rows = hero(relative_lift=0.9)
    for row in rows.rows["fct_experiment_health"]:
        row |= {"is_warning": row["item"] in {"opened", "first_days", "later_days"}, "p_value": 0.001}
    report, slot = slot_of(rows)
    assert exploratory.health(slot) == [
        "The groups were not alike before: bold (+0.020 SD of opens).",
        "A lift of +90\u202f% is rarely true: look at how it was measured.",
        (
            "bold: +48\u202f% in the first 3 days, +31\u202f% in the later ones."
            " That is no chance: expect the later figure to last."
        ),
    ]
    page = " ".join(part(report, "What else may explain it?").split())
    assert "! The groups were not alike before: bold (+0.020 SD of opens)" in page
    assert "! A lift of +90 % is rarely true" in page
    said = as_text(report, tmp_path / "report.html")
    assert "spring v1 hero: by group, exploratory: Device they read with, mobile: bold is ahead" in said
    assert "spring v1 hero: The groups were not alike before" in said


def test_machines_get_the_same(tmp_path: Path) -> None:
    report, slot = slot_of(hero())
    [told] = json.loads(as_json(report, tmp_path / "report.html"))["experiments"][0]["slots"]
    assert told["who"] == exploratory.who(slot)
    assert told["health"] == []
    assert len(told["levels"]) == len(slot.levels) == 12
    assert {row["health_check"] for row in told["checks"]} == {
        "crossover", "covariate_balance", "hours_to_click", "novelty",
    }  # fmt: skip
    assert [row["day"] for row in told["since"] if row["arm_key"] == "bold"] == list(range(6))


def test_a_single_day_is_no_curve() -> None:
    rows = hero()
    rows.rows["fct_experiment_novelty"] = [row for row in rows.rows["fct_experiment_novelty"] if row["day"] == 0]
    _, slot = slot_of(rows)
    assert chart_geometry.since_receipt(slot) is None


def test_half_of_what_says_whether_a_lift_fades_says_nothing() -> None:
    rows = hero()
    rows.rows["fct_experiment_health"] = [
        row for row in rows.rows["fct_experiment_health"] if row["item"] != "later_days"
    ]
    _, slot = slot_of(rows)
    assert exploratory.novelty(slot) == []
