from __future__ import annotations

import datetime as dt
import errno
import itertools
import json
import math
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

sys.path.insert(0, str(Path(__file__).parent))  # tests are not a package

from lift_warehouse import CATALOGUE, Rows, schema

from lift_report import chart_geometry, formatting, labels, sentences, view_facts
from lift_report.chart_geometry import Scale
from lift_report.cli import main, write
from lift_report.page import render
from lift_report.results import Report, Slot, read
from lift_report.summary import as_json, as_text
from lift_report.tables import TABLES, Day, Result, Verdict
from singer_program.errors import ProgramError
from singer_program.warehouse import DuckDB

if TYPE_CHECKING:
    from collections.abc import Callable

THIN = "\u202f"
MODELS = Path(__file__).parents[3] / "transform" / "models"


def spring() -> Rows:
    """Two experiments, one of two versions; every figure of `hero` is told apart from the others."""
    rows = Rows()
    rows.slot(
        "spring", "hero", {"plain": 0.05, "bold": 0.07}, units=40_000, verdict="winner", winning_arm="bold",
        cuped=True,
    )  # fmt: skip
    rows.slot("spring", "cta", {"plain": 0.05, "big": 0.0501}, verdict="running")
    rows.slot("autumn", "offer", {"none": 0.03, "ten": 0.031}, verdict="inconclusive", ended=True)
    rows.slot("autumn", "offer", {"none": 0.03, "ten": 0.029}, version=2, verdict="invalid_srm")
    rows.add(
        "fct_experiment_interactions", experiment_key="spring", experiment_version=1, slot_key="hero",
        metric="clicked", arm_key="bold", other_slot_key="cta", other_arm_key="big", difference=0.0123,
        interval_low=0.0022, interval_high=0.0181, p_value_holm=0.0117, is_flagged=True,
    )  # fmt: skip
    rows.add(
        "fct_content_playbook", attribute="emoji_in_subject", value="yes", channel="email", experiments=3,
        verdict="rule", pooled_lift=0.0512, pooled_low=0.0111, pooled_high=0.0913,
    )  # fmt: skip
    return rows


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spring().write(tmp_path_factory.mktemp("warehouse") / "w.duckdb")


@pytest.fixture(scope="session")
def report(warehouse: Path) -> Report:
    return read_from(warehouse)


def read_from(path: Path) -> Report:
    with DuckDB(path, "marts") as warehouse:
        return read(warehouse)


def slot_of(report: Report, experiment: str, slot: str, version: int = 1) -> Slot:
    [found] = [each for of, each in report.slots if (of.key, of.version, each.name) == (experiment, version, slot)]
    return found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command: exit code, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lift-report", *map(str, arguments)])
        code = main()
        return code, *capfd.readouterr()

    return run


class Document(HTMLParser):
    """What a browser would see: tags, attributes and texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    @override
    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(" ".join(data.split()))


def part(page: str, title: str, after: str = "") -> str:
    """The text of the part of a page under a heading, tags taken away, behind another text."""
    behind = page.partition(after)[2] if after else page
    inside = re.split(r"<h4|</article>|</section>\s*</div>\s*</section>", behind.partition(f">{title}</h4>")[2])[0]
    return plain(inside)


def plain(markup: str) -> str:
    """Its text, with one kind of space."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup.replace("<wbr>", ""))).split()).replace(THIN, " ")


# What is printed, and what is read for it.


def test_the_terminal_has_the_verdict_first_and_the_path_last(
    warehouse: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    page = tmp_path / "report.html"
    code, said, complaints = run("--warehouse", warehouse, "--output", page)
    assert (code, complaints) == (0, "")
    lines = said.splitlines()
    assert lines[-1] == f"report: {page}"
    of_hero = [line.removeprefix("spring v1 hero: ") for line in lines if line.startswith("spring v1 hero: ")]
    assert of_hero == [
        "bold wins. bold is 40.0 % ahead of plain in clicks, and chance alone hardly explains it.",
        "clicked plain 5.00 % of 40,000; bold 7.00 % of 40,000, +2.00 pp (+1.46 pp to +2.54 pp)",
        "group sizes are as planned; no harm beyond the limits",
        (
            "next split plain 5 %, bold 95 % (The likeliest to be the best is bold, with a chance of more than"
            " 99.9 %; every variant keeps a least share, and the control enough to be compared with)"
        ),
    ]
    # The running ones first, the newest version first; the ended one last.
    first = [line.partition(": ")[0] for line in lines[:-1]]
    assert list(dict.fromkeys(first)) == ["autumn v2 offer", "spring v1 cta", "spring v1 hero", "autumn v1 offer"]
    assert lines[0].startswith("autumn v2 offer: Not valid: the groups have the wrong sizes. ")
    assert page.read_text().endswith("</html>")


def test_machines_get_json(warehouse: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    page = tmp_path / "report.html"
    code, said, complaints = run("--warehouse", warehouse, "--output", page, "--format", "json")
    assert (code, complaints) == (0, "")
    answer = json.loads(said)
    assert answer["report"] == str(page)
    assert answer["absent"] == {}
    assert [(each["key"], each["version"]) for each in answer["experiments"]] == [
        ("autumn", 2),
        ("spring", 1),
        ("autumn", 1),
    ]
    hero = next(slot for slot in answer["experiments"][1]["slots"] if slot["slot"] == "hero")
    assert (hero["title"], hero["verdict"]["verdict"]) == ("bold wins", "winner")
    assert hero["verdict"]["started_at"] == "2026-11-02T09:12:00Z"
    assert hero["days"][0]["day"] == "2026-11-02"
    clicked = next(row for row in hero["results"] if (row["metric"], row["arm_key"]) == ("clicked", "bold"))
    assert clicked["difference"] == pytest.approx(0.02)
    assert answer["playbook"][0]["attribute"] == "emoji_in_subject"


# The page holds what the tables hold.


def test_the_verdict_comes_first_in_words(report: Report) -> None:
    page = render(report)
    article = page.partition("spring · hero</h3>")[2]
    order = [
        "bold wins",
        "bold is 40.0 % ahead of plain in clicks, and chance alone hardly explains it.",
        "Send bold to everyone.",
        "+2.00",
        "Clicked: by how much?",
    ]
    places = [article.index(text) for text in order]
    assert places == sorted(places)
    assert (
        article.index("Clicked: by how much?") < article.index("Day by day") < article.index("Can it be trusted?")
    )


@pytest.mark.parametrize(
    ("state", "advice"),
    [
        ("safe", "Send bold to everyone."),
        (
            "not_yet_safe",
            (
                "Do not send it to everyone yet. Not yet shown to be harmless: unsubscribed"
                " (up to 0.14 points more is still possible, the limit is 0.10)."
            ),
        ),
    ],
)
def test_a_winner_that_may_do_harm_is_to_be_watched(state: str, advice: str) -> None:
    rows = Rows()
    rows.slot(
        "spring", "hero", {"plain": 0.05, "bold": 0.07}, verdict="winner", winning_arm="bold", guardrails=state
    )
    assert sentences.advice(slot_of(read(rows), "spring", "hero")) == advice


def test_what_was_never_compared_is_one_sentence() -> None:
    """No picture is drawn of it; the channel is named where there are several."""
    rows = Rows()
    rows.slot("spring", "hero", {"plain": 0.05, "bold": 0.07})
    for attribute, value in (("length", "short"), ("length", "long"), ("images", "none")):
        rows.add("fct_content_playbook", attribute=attribute, value=value, channel="email", verdict="gap")
    page = render(read(rows))
    book = plain(page.partition('id="playbook"')[2].partition("</section>")[0])
    assert "so nothing is known of how they do: no picture, a long text, a short text." in book
    assert "<svg" not in page.partition('id="playbook"')[2].partition("</section>")[0]
    rows.add(
        "fct_content_playbook", attribute="length", value="short", channel="sms", verdict="open", pooled_lift=0.1,
        pooled_low=-0.1, pooled_high=0.3,
    )  # fmt: skip
    book = plain(render(read(rows)).partition('id="playbook"')[2].partition("</section>")[0])
    assert "A short text" in book
    assert "how they do: E-mail: no picture, a long text, a short text." in book


def test_the_figures_of_the_primary_metric_are_those_of_the_table(report: Report) -> None:
    page = render(report)
    shown = part(page, "Clicked: by how much?", "spring · hero</h3>")
    slot = slot_of(report, "spring", "hero")
    plain, bold = slot.of("clicked")
    assert (plain.arm_key, plain.is_control, bold.total) == ("plain", True, 2_800)
    assert "plain control 5.00 % 2,000 of 40,000" in shown
    assert "bold 7.00 % 2,800 of 40,000" in shown
    assert bold.interval_low is not None
    assert f"+2.00 pp +{100 * bold.interval_low:.2f} pp to +2.54 pp better" in shown
    assert "takes away 36 % of the noise" in shown
    tiles = {
        tile.label: (tile.figure, tile.note)
        for tile in view_facts.tiles(slot, chart_geometry.forest(slot, "clicked"))
    }
    assert {label: tuple(text.replace(THIN, " ") for text in told) for label, told in tiles.items()} == {
        "bold against plain": ("+2.00 pp", "from 5.00 % to 7.00 %"),
        "Lift": ("+40 %", "+29 % to +51 %"),
        "Chance to be better": ("99.9 %", "next to nothing is lost if it is not"),
    }


def test_every_row_of_every_table_is_on_the_page(report: Report) -> None:
    """Each one by its own figures, in the part that is about it."""
    page = render(report)
    slot, after = slot_of(report, "spring", "hero"), "spring · hero</h3>"
    trusted = part(page, "Can it be trusted?", after)
    for row in slot.balances:
        assert f"{labels.stage_name(row.stage)} as planned, p = {row.p_value:.3f}" in trusted
    assert trusted.count("Safe") == len(slot.guardrails) == 3
    assert "limit +0.10 pp" in trusted
    assert "\N{MINUS SIGN}0.080 pp to +0.080 pp" in trusted
    funnel = part(page, "From assigned to ordered", after)
    for stage in slot.stages:
        assert stage.units is not None
        assert f"{stage.arm_key} {stage.units:,}" in funnel
    assert "bold 2,800 7.00 %" in funnel
    assert "0.630 EUR 25,200.00 EUR in all" in part(page, "Revenue", after)
    assert "+0.180 EUR +0.010 EUR to +0.350 EUR better" in part(page, "Revenue", after)
    split = part(page, "Who gets what", after)
    assert "Version 1 decided 2 Nov 2026 plain 50 % bold 50 % equal, as the file says" in split
    assert "plain 5 % chance to be the best < 0.1 %" in split
    assert "bold 95 % chance to be the best > 99.9 %" in split
    assert "The likeliest to be the best is bold, with a chance of more than 99.9 %; every variant keeps" in split
    assert "Against equal shares" not in split
    together = part(page, "Do the slots work together?")
    assert "hero bold with cta big" in together
    assert "+1.23 pp +0.22 pp to +1.81 pp p, Holm 0.012" in together
    playbook = plain(page.partition('id="playbook"')[2])
    assert "Emoji in subject: yes ✓ Do this" in playbook
    assert "+5.1 % +1.1 % to +9.1 % email, 3 experiments" in playbook
    days = page.partition(after)[2].partition("The days as a table")[2].partition("</table>")[0]
    for day in slot.days:
        assert f"{day.day.day} Nov 2026" in days
        assert f"<td>{day.units:,}</td>" in days


def quality(rows: Rows, **arms: dict[str, Any]) -> Rows:
    """What may lie in the data of the arms of `spring · hero`."""
    key = {"experiment_key": "spring", "experiment_version": 1, "slot_key": "hero"}
    for arm, figures in arms.items():
        rows.add("fct_experiment_data_quality", **key, arm_key=arm, received=1000, **figures)
    return rows


def test_suspected_bots_are_named_with_their_arms() -> None:
    bots = {"suspected_bot_rate": 0.002, "suspected_bots": 2, "has_unequal_bots": False}
    page = render(read(quality(spring(), bold={**bots, "suspected_bots": 3}, plain=bots)))
    trusted = part(page, "Can it be trusted?", "spring · hero</h3>")
    assert "are not flagged, left out of all clicks by people: 2 in plain (0.20 %), 3 in bold (0.20 %)." in trusted
    assert "more than chance" not in trusted
    page = render(read(quality(spring(), bold={**bots, "has_unequal_bots": True}, plain=bots)))
    assert "The arms differ by more than chance explains" in part(page, "Can it be trusted?", "spring · hero</h3>")
    page = render(read(quality(spring(), bold={"suspected_bots": 0}, plain={})))
    assert "No clicks that look like a scanner's" in part(page, "Can it be trusted?", "spring · hero</h3>")
    assert "what they seem" not in part(page, "Can it be trusted?", "spring · cta</h3>")


def test_who_was_assigned_after_the_message_is_told() -> None:
    rows = quality(spring(), bold={"received_before_assigned": 40}, plain={"received_before_assigned": 2})
    sentence = "42 of 2,000 recipients had a message before they were assigned"
    assert sentence in part(render(read(rows)), "Can it be trusted?", "spring · hero</h3>")
    assert f"spring v1 hero: {sentence}" in as_text(read(rows), Path("report.html"))


def test_two_metrics_that_report_the_same_are_told_on_top() -> None:
    rows = spring()
    pair = {"role": "ordered", "metric_id": "MetA", "integration_key": "shopify", "events": 1200}
    pair |= {"other_metric_id": "MetB", "other_integration_key": "api", "other_events": 1000}
    rows.add("fct_double_reports", **pair, matched_events=990, is_doubled=True)
    rows.add("fct_double_reports", **{**pair, "metric_id": "MetX"}, matched_events=1, is_doubled=False)
    report = read(rows)
    sentence = "The metrics MetA (shopify) and MetB (api) report the same events as ordered, 990 of 1,000 of the"
    top = plain(render(report).partition("</header>")[0])
    assert sentence in top
    assert "MetX" not in top
    assert sentence in as_text(report, Path("report.html"))
    assert [row["metric_id"] for row in json.loads(as_json(report, Path("report.html")))["doubled"]] == ["MetA"]


def test_other_analyses_and_both_series_are_in_the_table_of_all_figures() -> None:
    rows = spring()
    for arm, mean in (("plain", 0.0611), ("bold", 0.0822)):
        rows.add(
            "fct_experiment_results", experiment_key="spring", experiment_version=1, slot_key="hero", arm_key=arm,
            metric="clicked", analysis="opened", is_control=arm == "plain", units=777, mean=mean,
        )  # fmt: skip
    report = read(rows)
    slot = slot_of(report, "spring", "hero")
    assert [row.units for row in slot.primary] == [40_000, 40_000]
    table = render(report).partition("spring · hero</h3>")[2].partition("sentence for the record")[2]
    figures = plain(table.partition("</table>")[0])
    assert "Clicked Only who opened it \N{EN DASH} bold 777" in figures
    assert "8.22 %" in figures
    assert "Opened, machines too Assigned Click token plain" in figures
    assert (
        "bold +2.00 pp against plain in clicked (always-valid 95 % interval +1.54 pp to +2.46 pp, p = 0.000100,"
        " chance to win 99.9 %). (rule: interval_above_zero)"
    ) in figures


def test_the_table_of_all_figures_has_each_in_its_column(report: Report) -> None:
    table = render(report).partition("spring · hero</h3>")[2].partition("sentence for the record")[2]
    head, *lines = re.findall(r"<tr>(.*?)</tr>", table.partition("</table>")[0], re.DOTALL)
    rows = [[plain(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.DOTALL)] for line in lines]
    slot = slot_of(report, "spring", "hero")
    assert len(rows) == len(slot.results)
    [bold] = [row for row in rows if (row[0], row[3]) == ("Clicked", "bold")]
    assert dict(zip([plain(cell) for cell in re.findall(r"<th[^>]*>(.*?)</th>", head)], bold, strict=True)) == {
        "Measure": "Clicked",
        "Counted": "Assigned",
        "Credited by": "Click token",
        "Arm": "bold",
        "Profiles": "40,000",
        "Total": "2,800",
        "Mean": "7.00 %",
        "Difference": "+2.00 pp",
        "Always-valid 95 %": "+1.46 pp to +2.54 pp",
        "One-look 95 %": "+1.65 pp to +2.35 pp",
        "Adjusted": "+1.94 pp",
        "Relative": "+40 %",
        "Shrunken": "+32 %",
        "p": "0.011",
        "p, Holm": "0.022",
        "p, BH": "0.015",
        "Chance to win": "99.9 %",
        "Expected loss": "0.004 pp",
        "By": "cuped",
    }


@pytest.mark.parametrize(
    ("currency", "amount", "note"),
    [("DKK", "0.630 DKK 25,200.00 DKK in all", False), ("several", "0.630 25,200.00 in all", True),
     (None, "0.630 25,200.00 in all", False)],
)  # fmt: skip
def test_amounts_are_of_the_currency_of_the_orders(currency: str | None, amount: str, *, note: bool) -> None:
    """What is summed over several has none, and the page says so."""
    rows = Rows()
    rows.slot("spring", "hero", {"plain": 0.05, "bold": 0.07}, units=40_000, currency=currency)
    revenue = part(render(read(rows)), "Revenue")
    assert amount in revenue
    assert ("several currencies" in revenue) is note


@pytest.mark.parametrize(
    ("decisive", "shown"),
    [("last_touch", "last_touch"), (None, "assigned_window"), ("click_token", "click_token")],
)
def test_a_metric_is_shown_with_the_attribution_that_decides(decisive: str | None, shown: str) -> None:
    """The others, and those of a metric that knows but one, stay: nothing is shown twice, nothing is lost."""
    rows = Rows()
    key = {name: EMPTY[name] for name in ("experiment_key", "experiment_version", "slot_key")}
    rows.add("fct_experiment_verdicts", **EMPTY, verdict="running")
    for way, metric in itertools.product(("click_token", "last_touch", "assigned_window"), ("ordered", "clicked")):
        for arm in ("plain", "bold"):
            rows.add(
                "fct_experiment_results", **key, arm_key=arm, metric=metric, is_control=arm == "plain", units=9,
                attribution=way, is_decisive=way == decisive and metric == "clicked",
            )  # fmt: skip
    for arm in ("plain", "bold"):
        rows.add(
            "fct_experiment_results", **key, arm_key=arm, metric="opened", is_control=arm == "plain", units=9,
            attribution="click_token",
        )  # fmt: skip
    [(_, slot)] = read(rows).slots
    assert [(row.metric, row.attribution) for row in slot.results if row.is_control] == [
        ("clicked", shown),
        ("opened", "click_token"),
        ("ordered", shown),
    ]
    assert len(slot.results) + len(slot.others) == len(rows.rows["fct_experiment_results"])
    assert len(view_facts.every(slot)) == len(rows.rows["fct_experiment_results"])


def test_a_split_has_one_reason_or_one_for_each_arm(
    tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    rows = spring()
    for row in rows.rows["fct_allocations_next"]:
        row["best_arm"] = row["arm_key"]
    page = tmp_path / "report.html"
    _, said, _ = run("--warehouse", rows.write(tmp_path / "w.duckdb"), "--output", page)
    assert (
        "spring v1 hero: next split plain 5 %, bold 95 % (bold: The likeliest to be the best is bold, with a"
    ) in said
    split = part(page.read_text(), "Who gets what", "spring · hero</h3>")
    assert re.search(
        "plain 5 % The likeliest to be the best is plain, .* bold 95 % The likeliest .* is bold, ", split
    )


@pytest.mark.parametrize(
    ("metric", "uplift", "told"),
    [
        ("clicked", 118.4, "Against equal shares, this split brought 118 more clicks, give or take 35."),
        ("clicked", -118.4, "Against equal shares, this split brought 118 fewer clicks, give or take 35."),
        (
            "revenue",
            -118.4,
            "Against equal shares, this split brought 118.40 EUR less revenue, give or take 35.20 EUR.",
        ),
        ("clicked", 0.4, ""),
    ],
)
def test_what_unequal_shares_brought_is_told(metric: str, uplift: float, told: str) -> None:
    rows = Rows()
    rows.slot("spring", "hero", {"plain": 0.05, "bold": 0.07})
    rows.rows["fct_experiment_verdicts"][0] |= {"primary_metric": metric, "smart_allocation_uplift": uplift}
    for row, weight in zip(rows.rows["fct_allocations"], (2000, 8000), strict=True):
        row["weight_bp"] = weight
    split = part(render(read(rows)), "Who gets what").replace(THIN, " ")
    assert ("Against" in split) is bool(told)
    assert told in split


def test_earlier_versions_are_the_history_of_the_split(report: Report) -> None:
    slot = slot_of(report, "autumn", "offer", version=2)
    assert [[row.experiment_version for row in weights] for weights in slot.splits] == [[1, 1], [2, 2]]
    assert len(slot_of(report, "autumn", "offer").splits) == 1


def test_figures_that_are_not_to_be_used_are_not_told_first(report: Report) -> None:
    slot = slot_of(report, "autumn", "offer", version=2)
    assert view_facts.tiles(slot, chart_geometry.forest(slot, "clicked")) == []
    assert sentences.balance(slot) == ("bad", "Group sizes are wrong: received, opened")


def test_the_contents_lead_to_every_slot(report: Report) -> None:
    page = render(report)
    document = Document(page)
    links = [attributes["href"] for tag, attributes in document.tags if tag == "a"]
    ids = {attributes["id"] for _, attributes in document.tags if "id" in attributes}
    contents = [link for link in links if link and re.fullmatch(r"#e\d+s\d+", link)]
    assert contents == [
        "#e1s1",
        "#e2s1",
        "#e2s2",
        "#e3s1",
    ]  # what needs a look, what runs, what is decided, what is over
    assert {link[1:] for link in links if link} <= {each for each in ids if each}
    assert [shelf.tally for shelf in view_facts.index(report)] == [
        "1 needs a look",
        "1 running",
        "1 decided",
        "1 ended without a winner",
    ]


def test_the_page_needs_nothing_from_elsewhere(report: Report) -> None:
    page = render(report)
    document = Document(page)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "use", "image"} & {
        tag for tag, _ in document.tags
    }
    addresses = [
        value or ""
        for _, attributes in document.tags
        for name, value in attributes.items()
        if name in {"href", "src", "xlink:href", "action", "srcset", "data"}
    ]
    assert addresses
    assert all(address.startswith("#") for address in addresses)
    assert not [name for _, attributes in document.tags for name in attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?:|//[a-z]", page)
    assert "default-src 'none'" in page


def test_the_same_results_give_the_same_bytes(warehouse: Path) -> None:
    assert render(read_from(warehouse)) == render(read_from(warehouse))


HOSTILE = """</p></style><script>alert('1')</script>"&{{ 7 * 7 }}<wbr>_🌷\u202e\n\x1b[31m\x00"""


def test_hostile_names_are_text(tmp_path: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    """In every column that holds text."""
    rows = Rows()
    rows.slot(HOSTILE, HOSTILE, {HOSTILE: 0.1, f"{HOSTILE}2": 0.12})
    rows.add("fct_experiment_interactions", experiment_version=1, is_flagged=True)
    rows.add("fct_content_playbook", experiments=1)
    for table, kinds in schema().items():
        for row in rows.rows[table]:
            for name, kind in kinds.items():
                if kind == "VARCHAR" and name != "analysis":
                    row[name] = row[name] if HOSTILE in str(row.get(name)) else HOSTILE
    path = rows.write(tmp_path / "w.duckdb")
    code, said, complaints = run("--warehouse", path, "--output", tmp_path / "report.html")
    assert (code, complaints) == (0, "")
    assert all(line.isprintable() for line in said.splitlines())
    assert said.splitlines()[-1].startswith("report: ")
    page = (tmp_path / "report.html").read_text()
    document = Document(page)
    assert "script" not in {tag for tag, _ in document.tags}
    assert page.count("</style>") == 1
    assert "&lt;script&gt;alert(&#39;1&#39;)" in page
    assert "{{ 7 * 7 }}" in page
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202d\u202e]", page)


def test_no_results_is_a_page_that_says_so(tmp_path: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    path = Rows().write(tmp_path / "w.duckdb")
    page = tmp_path / "report.html"
    assert run("--warehouse", path, "--output", page) == (0, f"no results yet\nreport: {page}\n", "")
    assert "No results yet" in page.read_text()


EMPTY = {
    "experiment_key": "e", "experiment_version": 1, "slot_key": "s", "primary_metric": "clicked",
    "rule": "undecided", "units": 0, "received": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "rule", "sentence"),
    [
        ("invalid_srm", "srm_alarm", "The groups do not have the planned sizes, so nothing can be compared."),
        ("invalid_crossover", None, "Too many of those who clicked were shown another variant than theirs"),
        ("no_data", "nobody_received", "Nobody is assigned yet."),
        ("too_early", None, "Not enough to compare yet."),
        ("blocked_guardrail", None, "ariant does harm beyond the limit."),
        ("winner", "interval_above_zero", " is ahead, and chance alone hardly explains it."),
        ("winner", "likely_at_planned_end", "At the planned end "),
        ("control_wins", "intervals_below_zero", " is behind, and chance alone hardly explains it."),
        ("control_wins", "unlikely_at_planned_end", "At the planned end "),
        ("equivalent", None, " in clicks: the difference is too small to matter."),
        ("running", "undecided", "There is nothing to compare yet."),
        ("inconclusive", "ended_undecided", "It ended with nothing to compare."),
        ("inconclusive", "ended_below_minimum", "It ended with too little to compare."),
        ("a_verdict_of_tomorrow", None, "It was decided by a rule that this report does not know."),
        (
            "a_verdict_of_{tomorrow}",
            "a_{rule}",
            "It was decided by a rule that this report does not know: a_{rule}.",
        ),
    ],
)
@pytest.mark.parametrize("arms", [0, 1, 2])
def test_a_slot_with_little_in_it_is_a_page(verdict: str, rule: str | None, sentence: str, arms: int) -> None:
    """No row at all, one arm, or arms without figures: nothing is compared, and nothing breaks."""
    rows = Rows()
    rows.add("fct_experiment_verdicts", **{**EMPTY, "rule": rule}, verdict=verdict)
    key = {name: EMPTY[name] for name in ("experiment_key", "experiment_version", "slot_key")}
    for number in range(arms):
        arm = {**key, "arm_key": f"arm{number}", "metric": "clicked"}
        rows.add("fct_experiment_results", **arm, is_control=number == 0, units=0)
        rows.add("fct_experiment_daily", **arm, day=dt.date(2026, 11, 2))
        rows.add("fct_experiment_guardrails", **arm, state="not_yet_safe")
        rows.add("fct_experiment_funnel", **key, arm_key=f"arm{number}", stage="assigned", stage_index=0)
        rows.add("fct_allocations_next", **key, arm_key=f"arm{number}", weight_bp=0)
        rows.add("fct_experiment_srm", **key, stage="assigned")
    report = read(rows)
    page = render(report)
    assert sentence in page
    assert ("No measurement yet" in page) == (arms == 0)
    assert labels.verdict_title(report.slots[0][1]) in page
    assert "None" not in " ".join(Document(page).texts)
    assert "nan" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL).lower().split()


@pytest.mark.parametrize("rule", ["waiting_for_planned_stop", "waiting_for_outcomes"])
def test_a_test_that_looks_once_tells_no_figure_first(rule: str) -> None:
    rows = spring()
    rows.add(
        "fct_experiment_pooled", experiment_key="spring", experiment_version=1, slot_key="hero", metric="clicked",
        arms=2, units=20_000, mean=0.06, control_mean=0.05, difference=0.01, interval_low=0.002,
        interval_high=0.018, attribution="assigned_window",
    )  # fmt: skip
    before = slot_of(read(rows), "spring", "hero")
    assert view_facts.tiles(before, chart_geometry.forest(before, "clicked"))
    assert sentences.together(before)
    for row in rows.rows["fct_experiment_verdicts"]:
        row |= {"rule": rule, "verdict": "running", "winning_arm": None, "decision": "fixed"}
    report = read(rows)
    slot = slot_of(report, "spring", "hero")
    assert view_facts.tiles(slot, chart_geometry.forest(slot, "clicked")) == []
    # Nor in a picture, a table, the summary or what machines read; whether it does harm stays.
    assert (slot.results, slot.others, slot.days, slot.stages) == ((), (), (), ())
    assert slot.guardrails == before.guardrails
    assert not slot.pooled
    figure = slot.measure("clicked").level(before.primary[0].mean)
    assert figure in render(read(spring()))
    for told in (render(report), as_text(report, Path("page.html"))):
        assert figure not in told
    assert "Figures come with the look" in render(report)
    [hero] = [
        slot
        for experiment in json.loads(as_json(report, Path("page.html")))["experiments"]
        for slot in experiment["slots"]
        if slot["verdict"]["slot_key"] == "hero"
    ]
    assert hero["results"] == []
    found = before.verdict
    seen = [found.effect, found.interval_low, found.interval_high, found.p_value, found.relative_lift]
    assert None not in seen
    assert not set(map(json.dumps, seen)) & set(re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", json.dumps(hero)))
    assert hero["verdict"]["challenger_arm"] is None
    assert hero["verdict"]["received"] == found.received


HELD_OUT: dict[str, Any] = {
    "scope": "experiment", "experiment_key": "spring", "experiment_version": 2, "metric": "revenue", "units": 9000,
    "held_out_units": 1000, "mean": 2.0, "held_out_mean": 1.5, "difference": 0.5, "interval_low": -0.1,
    "interval_high": 1.1, "incremental": 4500.0, "incremental_low": -900.0, "incremental_high": 9900.0,
    "currency": "EUR",
}  # fmt: skip


def test_what_the_messages_earned_at_all_is_on_the_page(tmp_path: Path) -> None:
    """That of all experiments first; before there is an interval, only what is known of both."""
    rows = spring()
    rows.add("fct_holdout_results", **HELD_OUT)
    rows.add(
        "fct_holdout_results", **HELD_OUT | {"scope": "global", "experiment_key": "*", "experiment_version": 1}
    )
    unknown = dict.fromkeys(name for name in HELD_OUT if name.startswith(("interval", "incremental")))
    rows.add("fct_holdout_results", **HELD_OUT | {"metric": "ordered", "currency": None} | unknown)
    report = read(rows)
    page = render(report)
    text = " ".join(" ".join(Document(page).texts).split())
    assert "What the messages earned at all" in text
    assert text.index("All experiments") < text.rindex("spring, version 2")
    assert "in all 4,500.00 EUR (\u2212900.00 EUR to 9,900.00 EUR)" in text
    assert text.count("in all 4,500.00 EUR") == 2
    said = as_text(report, tmp_path / "report.html").splitlines()
    figures = "revenue earned against who is held out: 4,500.00 EUR (\u2212900.00 EUR to 9,900.00 EUR)"
    assert said[-3:-1] == [f"All experiments: {figures}", f"spring, version 2: {figures}"]
    told = json.loads(as_json(report, tmp_path / "report.html"))["holdouts"]
    assert [row["incremental"] for row in told] == [None, 4500.0, 4500.0]


# Another warehouse, a part of one, and none.


def test_another_warehouse_is_two_methods(report: Report) -> None:
    assert read(spring()) == report


@pytest.mark.parametrize("table", [table for table in TABLES if not table.NEEDED])
def test_a_part_without_its_table_is_named_with_its_model(
    tmp_path: Path, run: Callable[..., tuple[int, str, str]], table: type
) -> None:
    name = table.TABLE  # type: ignore[attr-defined]
    path, page = spring().write(tmp_path / "w.duckdb", without=(name,)), tmp_path / "report.html"
    code, said, complaints = run("--warehouse", path, "--output", page)
    assert code == 0
    assert "spring v1 hero: bold wins." in said
    assert complaints == (
        f"lift-report: parts of the page are missing: `{name}` is not built. Build: dbt build --select {name}\n"
    )
    assert f"<code>dbt build --select {name}</code>" in page.read_text()


def test_columns_that_an_older_model_lacks_are_named(
    tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    older = {"fct_experiment_results": {"analysis", "cuped_low"}, "fct_experiment_verdicts": {"effect"}}
    path = spring().write(tmp_path / "w.duckdb", columns=older)
    code, said, complaints = run("--warehouse", path, "--output", tmp_path / "report.html")
    assert code == 0
    assert (
        "spring v1 hero: bold wins. bold is 40.0 % ahead of plain in clicks, and chance alone hardly explains it."
        in said
    )
    assert complaints == (
        "lift-report: parts of the page are missing: `fct_experiment_verdicts` has no `effect`;"
        " `fct_experiment_results` has no `analysis`, `cuped_low`."
        " Build: dbt build --select fct_experiment_verdicts fct_experiment_results\n"
    )


@pytest.mark.parametrize(
    ("without", "columns", "told"),
    [
        (
            ("fct_experiment_verdicts", "fct_experiment_results"),
            {},
            (
                "`fct_experiment_verdicts` is not built; `fct_experiment_results` is not built."
                " Build: dbt build --select fct_experiment_verdicts fct_experiment_results"
            ),
        ),
        (
            (),
            {"fct_experiment_results": {"units"}},
            "`fct_experiment_results` has no `units`. Build: dbt build --select fct_experiment_results",
        ),
        (
            (),
            {"fct_experiment_funnel": {"stage_index"}},
            "`fct_experiment_funnel` has no `stage_index`. Build: dbt build --select fct_experiment_funnel",
        ),
    ],
)
def test_without_what_it_needs_there_is_no_page(
    tmp_path: Path,
    run: Callable[..., tuple[int, str, str]],
    without: tuple[str, ...],
    columns: dict[str, set[str]],
    told: str,
) -> None:
    path = spring().write(tmp_path / "w.duckdb", without, columns)
    page = tmp_path / "report.html"
    page.write_text("the old page")
    assert run("--warehouse", path, "--output", page) == (
        1,
        "",
        f"lift-report: the results cannot be read: {told}\n",
    )
    assert page.read_text() == "the old page"


def test_a_row_without_what_it_needs_names_table_and_column() -> None:
    rows = spring()
    rows.rows["fct_experiment_results"][0]["metric"] = None
    with pytest.raises(ProgramError, match="a row of `fct_experiment_results` has no `metric`"):
        read(rows)


def test_figures_that_are_none_are_empty() -> None:
    rows = spring()
    rows.rows["fct_experiment_results"][-1] |= {
        "interval_low": -math.inf,
        "interval_high": math.nan,
        "difference": 1e300,
    }
    row = rows.rows["fct_experiment_results"][-1]
    [found] = [
        each
        for each in slot_of(read(rows), "autumn", "offer", version=2).of(row["metric"])
        if each.arm_key == row["arm_key"]
    ]
    assert (found.interval_low, found.difference, found.interval_high) == (None, None, None)


def test_what_is_read_is_what_the_models_promise() -> None:
    """The tables of these tests stand for the project's models."""
    for name, kinds in schema().items():
        [path] = MODELS.rglob(f"{name}.yml")
        promised = dict(re.findall(r"- name: (\w+)\s+data_type: (\w+)", path.read_text()))
        assert {column: _FAMILY[kind] for column, kind in kinds.items()} == {
            column: _FAMILY[promised.get(column, "no such column").upper()] for column in kinds
        }, name


_FAMILY = {
    "VARCHAR": "text", "INTEGER": "number", "BIGINT": "number", "DOUBLE": "number", "BOOLEAN": "boolean",
    "TIMESTAMP": "moment", "DATE": "moment", "NO SUCH COLUMN": "absent",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["missing", "folder", "empty file", "other file", "no tables", "busy"])
def test_a_warehouse_that_cannot_be_read_is_one_line(
    tmp_path: Path, run: Callable[..., tuple[int, str, str]], kind: str
) -> None:
    path, page = tmp_path / "w.duckdb", tmp_path / "report.html"
    page.write_text("the old page")
    expected = {
        "missing": f"there is no warehouse `{path}`; name the DuckDB file, or build it first",
        "folder": f"there is no warehouse `{path}`",
        "empty file": f"there is no warehouse `{path}`",
        "other file": f"`{path}` cannot be read; it is no sound DuckDB file of this version (IO Error: ",
        "no tables": "the results cannot be read: `fct_experiment_verdicts` is not built",
        "busy": f"`{path}` cannot be read; another process is writing it, wait for it (IO Error: ",
    }[kind]
    writer: subprocess.Popen[bytes] | None = None
    if kind == "folder":
        path.mkdir()
    elif kind == "empty file":
        path.touch()
    elif kind == "other file":
        path.write_bytes(b"x" * 20_000)
    elif kind != "missing":
        duckdb.connect(str(path)).close()
    if kind == "busy":
        code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
        writer = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert writer.stdout
        writer.stdout.readline()
    exit_code, said, complaint = run("--warehouse", path, "--output", page)
    if writer:
        writer.communicate()
    assert (exit_code, said) == (1, "")
    assert complaint.startswith(f"lift-report: {expected}")
    assert complaint.count("\n") == 1
    assert page.read_text() == "the old page"


def test_the_schema_can_have_another_name(tmp_path: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    path = spring().write(tmp_path / "w.duckdb")
    code, _, complaint = run("--warehouse", path, "--schema", 'x"y', "--output", tmp_path / "report.html")
    assert (code, complaint.split(";")[0]) == (
        1,
        "lift-report: the results cannot be read: `fct_experiment_verdicts` is not built",
    )
    code, said, _ = run("--warehouse", path, "--schema", "MARTS", "--output", tmp_path / "report.html")
    assert code == 0
    assert "bold wins" in said


# Where it is written.


def test_the_json_may_lie_beside_the_page(
    warehouse: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    page, results = tmp_path / "report.html", tmp_path / "report.json"
    _, printed, _ = run("--warehouse", warehouse, "--output", page, "--format", "json")
    code, said, _ = run("--warehouse", warehouse, "--output", page, "--json", results)
    assert code == 0
    assert said.startswith("autumn v2 offer: ")
    assert json.loads(results.read_text()) == json.loads(printed)
    nowhere = tmp_path / "nowhere" / "report.json"
    complaint = f"lift-report: `{nowhere}` cannot be written: No such file or directory\n"
    assert run("--warehouse", warehouse, "--output", page, "--json", nowhere)[2] == complaint


def test_a_place_that_cannot_be_written_is_one_line(
    warehouse: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    page = tmp_path / "nowhere" / "report.html"
    assert run("--warehouse", warehouse, "--output", page) == (
        1,
        "",
        f"lift-report: `{page}` cannot be written: No such file or directory\n",
    )


def test_a_wrong_use_names_the_option(
    run: Callable[..., tuple[int, str, str]],
) -> None:
    assert run("--warehouse", "klaviyo.duckdb") == (1, "", "lift-report: Missing option '--output'.\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_line(
    warehouse: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    assert run("--warehouse", warehouse, "--output", "/dev/full") == (
        1,
        "",
        "lift-report: `/dev/full` cannot be written: No space left on device\n",
    )
    assert Path("/dev/full").is_char_device()
    page = tmp_path / "report.html"
    command = [sys.executable, "-m", "lift_report", "--warehouse", str(warehouse), "--output", str(page)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603
    assert done.returncode == 1
    assert done.stderr == (
        "lift-report: the verdicts could not be written to standard output: No space left on device\n"
    )
    assert page.read_text().endswith("</html>")


def test_a_reader_never_sees_half_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "report.html"
    write(page, b"old")

    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write(page, b"new page")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


def test_a_link_to_the_page_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.html").symlink_to(tmp_path / "page.html")
    write(tmp_path / "link.html", b"page")
    assert (tmp_path / "page.html").read_bytes() == b"page"
    assert (tmp_path / "link.html").is_symlink()


# Figures.

EUROS = CATALOGUE.measure("revenue_per_order", currency="EUR")
CLICKED, REVENUE, ITEMS = (
    CATALOGUE.measure("clicked"),
    CATALOGUE.measure("revenue"),
    CATALOGUE.measure("items", [0.4, 2.5]),
)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (CLICKED.level(0.04206), "4.21 %"),
        (CLICKED.level(0.00034), "0.034 %"),
        (CLICKED.level(0.0), "0.00 %"),
        (CLICKED.level(None), "\N{EN DASH}"),
        (REVENUE.level(1234.5), "1,234.50"),
        (REVENUE.level(0.0456), "0.046"),
        (REVENUE.level(-2.5), "\N{MINUS SIGN}2.50"),
        (ITEMS.level(2.5), "2.50"),
        (CLICKED.change(0.0123), "+1.23 pp"),
        (CLICKED.change(-0.0123), "\N{MINUS SIGN}1.23 pp"),
        (CLICKED.change(-0.000001), "0.000 pp"),
        (REVENUE.change(-0.25), "\N{MINUS SIGN}0.250"),
        (CLICKED.size(-0.0123), "1.23 pp"),
        (EUROS.level(1234.5), "1,234.50 EUR"),
        (EUROS.change(-0.25), "\N{MINUS SIGN}0.250 EUR"),
        (EUROS.span(-1.5, 2), "\N{MINUS SIGN}1.50 EUR to +2.00 EUR"),
        (EUROS.total(4321.5), "4,321.50 EUR"),
        (CLICKED.span(-0.01, 0.02), "\N{MINUS SIGN}1.00 pp to +2.00 pp"),
        (CLICKED.span(None, 0.02), "no interval yet"),
        (formatting.relative(-0.1534), "\N{MINUS SIGN}15.3 %"),
        (formatting.relative(1.24), "+124 %"),
        (formatting.share(0.9996), "100 %"),
        (formatting.share(0.0012), "0.12 %"),
        (formatting.weight(3333), "33.33 %"),
        (formatting.weight(5000), "50 %"),
        (formatting.p_value(0.0000001), "< 0.001"),
        (formatting.p_value(0.0421), "0.042"),
        (formatting.chance(0.99999), "> 99.9 %"),
        (formatting.chance(0.00001), "< 0.1 %"),
        (formatting.chance(0.634), "63.4 %"),
        (formatting.count(1234567), "1,234,567"),
        (REVENUE.total(4321.5), "4,321.50"),
        (formatting.plural(1, "day", "days"), "1 day"),
        (formatting.moment(dt.datetime(2026, 11, 9, 8, 5)), "9 Nov 2026, 08:05 UTC"),  # noqa: DTZ001
        (formatting.moment(dt.date(2026, 11, 9)), "9 Nov 2026"),
        (formatting.one_line("a\nb\x1b[0m\u202eü"), "a\\nb\\x1b[0m\\u202eü"),
        (formatting.one_line(CLICKED.change(0.0123)), "+1.23 pp"),
    ],
)
def test_figures_read_well(shown: str, expected: str) -> None:
    assert shown.replace(THIN, " ").replace("\N{NO-BREAK SPACE}", " ") == expected


@pytest.mark.parametrize(
    ("metric", "interval", "tone"),
    [
        ("clicked", (0.1, 0.2), "good"),
        ("clicked", (-0.2, -0.1), "bad"),
        ("clicked", (-0.1, 0.2), "open"),
        ("clicked", (0.0, 0.2), "open"),
        ("clicked", (None, None), "open"),
        ("unsubscribed", (0.1, 0.2), "bad"),
        ("complained", (-0.2, -0.1), "good"),
    ],
)
def test_colour_says_whether_it_is_good(
    metric: str, interval: tuple[float | None, float | None], tone: str
) -> None:
    assert CATALOGUE.measure(metric).tone(*interval) == tone


# Pictures.

FIGURE = st.floats(-1e15, 1e15)
"""What is larger is not read: see `test_figures_that_are_none_are_empty`."""


@given(st.lists(FIGURE | st.none()), st.sampled_from([0, 0.06]), st.sampled_from([3, 5]))
def test_a_scale_holds_what_it_is_made_for(values: list[float | None], margin: float, count: int) -> None:
    scale = Scale.around(values, margin, count)
    known = sorted([0.0, *(value for value in values if value is not None)])
    assert math.isfinite(scale.low)
    assert math.isfinite(scale.high)
    assert scale.low < scale.high
    assert scale.low <= known[0]
    assert known[-1] <= scale.high
    places = [scale.place(value) for value in known]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)
    assert 0 in scale.ticks
    assert 2 <= len(scale.ticks) <= count + 2
    assert all(math.isfinite(tick) and 0 <= scale.place(tick) <= 100 for tick in scale.ticks)
    assert len({CLICKED.tick(tick, scale.step) for tick in scale.ticks}) == len(scale.ticks)


def bare(**values: Any) -> Slot:  # noqa: ANN401
    """A slot with nothing but what is given."""
    nothing: dict[str, Any] = dict.fromkeys(
        ("results", "others", "days", "stages", "balances", "guardrails", "splits", "next_split"), ()
    )
    verdict = Verdict(**{**EMPTY, "verdict": "running"})  # type: ignore[arg-type]
    kept = {"verdict": verdict, "arms": ("arm0",), "control": "arm0", "catalogue": CATALOGUE}
    return Slot(**{**kept, **nothing, **values})


KEYS: dict[str, Any] = {"experiment_key": "e", "experiment_version": 1, "slot_key": "s", "metric": "clicked"}
INTERVAL = st.none() | st.tuples(FIGURE, FIGURE, FIGURE).map(sorted)


@st.composite
def results(draw: st.DrawFn) -> tuple[Result, ...]:
    found = []
    for number in range(draw(st.integers(1, 4))):
        low, difference, high = draw(INTERVAL) or (None, None, None)
        found.append(
            Result(
                **KEYS,
                arm_key=f"arm{number}",
                is_control=number == 0,
                units=9,
                mean=draw(st.none() | FIGURE),
                interval_low=low,
                difference=difference,
                interval_high=high,
            )
        )
    return tuple(found)


@given(results())
def test_intervals_are_in_proportion(rows: tuple[Result, ...]) -> None:
    forest = chart_geometry.forest(bare(results=rows), "clicked")
    assert forest is not None
    assert [mark.result for mark in forest.marks] == list(rows)
    placed = [(0.0, forest.axis.zero)]
    for mark in forest.marks:
        row, span = mark.result, mark.span
        assert 0 <= mark.bar <= 100
        if row.interval_low is None or row.difference is None or row.interval_high is None:
            assert (span.low, span.point, span.high, span.tone) == (None, None, None, "open")
            continue
        assert span.low is not None
        assert span.point is not None
        assert span.high is not None
        assert 0 <= span.low <= span.point <= span.high <= 100
        placed += [(row.interval_low, span.low), (row.difference, span.point), (row.interval_high, span.high)]
        assert (span.tone == "open") == (row.interval_low <= 0 <= row.interval_high)
    for (a, at_a), (b, at_b) in itertools.pairwise(sorted(placed)):
        assert a == b or at_a <= at_b


DAYS = st.lists(st.tuples(st.integers(0, 400), INTERVAL), max_size=30, unique_by=lambda each: each[0])


@given(st.lists(DAYS, min_size=1, max_size=3))
def test_curves_stay_in_their_box(arms: list[list[tuple[int, list[float] | None]]]) -> None:
    days = []
    for number, found in enumerate(arms, 1):
        for offset, interval in sorted(found, key=lambda each: each[0]):
            low, difference, high = interval or (None, None, None)
            days.append(
                Day(
                    **KEYS,
                    arm_key=f"arm{number}",
                    day=dt.date(2026, 1, 1) + dt.timedelta(offset),
                    interval_low=low,
                    difference=difference,
                    interval_high=high,
                )
            )
    slot = bare(days=tuple(days))
    picture = chart_geometry.curves(slot)
    known = [day for day in days if day.difference is not None]
    of_arm = Counter(day.arm_key for day in known)
    shown = [day for day in known if of_arm[day.arm_key] > 1]
    # No day is lost: what is no curve is a sentence.
    assert list(chart_geometry.first_days(slot)) == [day for day in known if of_arm[day.arm_key] == 1]
    if not shown:
        assert picture is None
        return
    assert picture is not None
    assert [day for curve in picture.curves for day in curve.days] == shown
    assert 1 <= len(picture.days) <= 6
    assert all(0 <= place <= 100 for place, _ in (*picture.days, *picture.ticks))
    for curve in picture.curves:
        for path in (curve.line, curve.band):
            assert re.fullmatch(r"(M[\d.,L]+Z?)?", path)
            points = [tuple(map(float, point.split(","))) for point in re.findall(r"[\d.]+,[\d.]+", path)]
            assert all(0 <= x <= 100 and 0 <= y <= 100 for x, y in points)
        points = [tuple(map(float, point.split(","))) for point in re.findall(r"[\d.]+,[\d.]+", curve.line)]
        assert len(points) == len(curve.days) > 1
        assert [x for x, _ in points] == sorted(x for x, _ in points)
        assert all(0 <= place <= 100 for place in curve.last if place is not None)


def test_the_last_day_is_not_flattened_by_the_first() -> None:
    """The first interval is a hundred times as wide: it is cut off."""
    days = tuple(
        Day(
            **KEYS,
            arm_key="arm1",
            day=dt.date(2026, 11, number),
            difference=0.01,
            interval_low=0.01 - wide,
            interval_high=0.01 + wide,
        )
        for number, wide in ((1, 1.0), (2, 0.1), (3, 0.01))
    )
    picture = chart_geometry.curves(bare(days=days))
    assert picture is not None
    [curve] = picture.curves
    _, high, _, low = curve.last
    assert high is not None
    assert low is not None
    assert low - high > 25


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=9))
def test_a_split_fills_its_bar(shares: list[int]) -> None:
    rows = Rows()
    for number, share in enumerate(shares):
        rows.add(
            "fct_allocations_next", experiment_key="e", experiment_version=1, slot_key="s", arm_key=f"arm{number}",
            weight_bp=share,
        )  # fmt: skip
    weights = [
        next(table for table in TABLES if table.TABLE == "fct_allocations_next")(**row)
        for row in rows.rows["fct_allocations_next"]
    ]
    parts = chart_geometry.bar(bare(arms=tuple(f"arm{n}" for n in range(len(shares)))), weights).weights  # type: ignore[arg-type]
    assert sum(size for _, _, size, _ in parts) == pytest.approx(100 if any(shares) else 0, abs=0.01)
    assert all(begin + size <= 100.001 for _, begin, size, _ in parts)
    assert parts[0][3] == 0
    assert all(1 <= colour <= 6 for *_, colour in parts[1:])


@pytest.mark.parametrize(
    ("winning", "expected"), [("arm2", "arm2"), (None, "arm1"), ("arm0", "arm1")]
)  # fmt: skip
def test_the_arm_that_is_spoken_of(winning: str | None, expected: str) -> None:
    rows = tuple(
        Result(
            **KEYS,
            arm_key=f"arm{number}",
            is_control=number == 0,
            units=9,
            mean=0.1,
            difference=None if number == 0 else 0.3 - number / 10,
        )
        for number in range(3)
    )
    slot = bare(results=rows)
    slot = replace(slot, verdict=replace(slot.verdict, winning_arm=winning))
    lead = view_facts.lead(slot, chart_geometry.forest(slot, "clicked"))
    assert lead is not None
    assert lead.arm_key == expected


def test_a_leader_among_fewer_is_better_has_the_least() -> None:
    rows = tuple(
        Result(
            **{**KEYS, "metric": "unsubscribed"},
            arm_key=arm,
            is_control=difference is None,
            units=9,
            difference=difference,
        )
        for arm, difference in (("plain", None), ("a", -0.01), ("b", 0.02))
    )
    forest = chart_geometry.forest(bare(results=rows), "unsubscribed")
    assert forest is not None
    assert forest.foremost.result.arm_key == "a"
