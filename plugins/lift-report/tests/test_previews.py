"""What recipients saw, the index, and the words of a page that somebody reads who has never seen one."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are not a package

from lift_warehouse import CATALOGUE, Rows

from lift_report import chart_geometry, sentences, view_facts
from lift_report.page import render
from lift_report.previews import LARGEST, Preview, notes, previews
from lift_report.results import Report, Slot, read
from lift_report.safe_markup import document
from lift_report.summary import as_text
from lift_report.template_branches import TESTED, conditions, shown
from singer_program.errors import ProgramError

ASKED = conditions("spring", [("hero", "plain"), ("hero", "bold"), ("cta", "small")])


OTHERS = "people who clicked had seen another variant than theirs:"


def spring() -> Rows:
    rows = Rows()
    rows.slot("spring", "hero", {"plain": 0.05, "bold": 0.07}, verdict="winner", winning_arm="bold")
    rows.definition("spring", {"hero": {"plain": "<h1>Quiet</h1>", "bold": "<h1>Loud</h1>"}})
    return rows


def only(report: Report) -> Slot:
    [(_, slot)] = report.slots
    return slot


@pytest.mark.parametrize(
    "condition",
    [
        "'spring:hero:{}' in person|lookup:'lf_assignments'",
        "person|lookup:'lf_assignments'|lookup:'spring.hero' == '{}'",
        "person|lookup:'lf_spring_hero' == '{}'",
    ],
)
def test_a_branch_is_shown_to_the_arm_that_it_is_for(condition: str) -> None:
    bold, plain = condition.format("bold"), condition.format("plain")
    source = f"a{{% if {bold} %}}B{{% elif {plain} %}}P{{% else %}}F{{% endif %}}z"
    seen = {arm: shown(source, ASKED, {"hero": arm}) for arm in ("bold", "plain", "gone")}
    assert seen == {"bold": "aBz", "plain": "aPz", "gone": "aFz"}


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("{{ first_name|default:'there' }}", "there"),
        ('{{ person|lookup:"City"|default:"town" }}', "town"),
        ("{{ person.first_name|title }}", "[first name]"),
        ("{{ person|lookup:'Shoe size' }}", "[Shoe size]"),
        ("{% if first_name %}Dear {{ first_name }}{% else %}Hello{% endif %}!", "Dear [first name]!"),
        ("{% unsubscribe %} {% unsubscribe 'Leave' %}", "Unsubscribe Leave"),
        ("a{# said #}b{% comment %}c{{ d }}{% endcomment %}e", "abe"),
        ("{% endif %}a{% else %}b", "ab"),
    ],
)
def test_what_is_each_persons_own_is_a_placeholder(source: str, seen: str) -> None:
    assert shown(source, ASKED, {}, is_html=False) == seen


def test_the_tested_part_is_marked_once() -> None:
    tag = "{% if 'spring:hero:bold' in person|lookup:'lf_assignments' %}"
    source = f"<p>long</p>{tag}<b>x</b>{{% endif %}}{tag}<i>y</i>{{% endif %}}"
    assert shown(source, ASKED, {"hero": "bold"}, tested="hero") == f"<p>long</p>{TESTED}<b>x</b><i>y</i>"
    assert "<b data-lf-tested>" in document(shown(source, ASKED, {"hero": "bold"}, tested="hero"))


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)' onclick=alert(1) target=_top>x</a>",
    "<iframe src=//evil.example></iframe>",
    "<svg><script>1</script><a href=//evil.example>x</a></svg>",
    "<meta http-equiv=refresh content='0;url=//evil.example'><base href=//evil.example>",
    "<link rel=stylesheet href=//evil.example>",
    "<form action=//evil.example><input autofocus><button formaction=//e>x</button></form>",
    '<div style="background:url(//evil.example/a.png)">x</div>',
    '<div style="background:u\\72l(//evil.example/a.png)">x</div>',
    "<style>@import '//evil.example'; p { background: url('//evil.example/a.png') }</style>",
    "<style></sty</style><script>1</script>",
    "<table background=//evil.example><tr><td>x",
    "<img srcset='//evil.example 2x' src='data:image/svg+xml;base64,AAAA' alt='\"><script>1</script>'>",
    "<!--[if mso]><script>1</script><![endif]--><![CDATA[<script>]]>",
]


@pytest.mark.parametrize("markup", HOSTILE)
def test_a_frame_holds_nothing_that_runs_fetches_or_leads_away(markup: str) -> None:
    kept = document(markup)

    class Seen(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in {"script", "iframe", "svg", "meta", "base", "link", "form", "input", "button", "img"}
            names = {name for name, _ in attrs}
            assert not names & {"href", "src", "srcset", "background", "action", "target", "autofocus"}
            assert not [name for name in names if name.startswith("on")]

    Seen().feed(kept)
    assert "evil.example" not in kept


def test_what_a_message_looks_like_stays() -> None:
    markup = (
        "<body bgcolor='#eee'><style>h1 > b { color: red }</style><table width=600><tr><td style='padding: 8px'>"
        "<a href='https://x.example' style='color: blue'>caf&eacute; &amp; more</a></td></tr></table>"
        "<img src='https://x.example/a.png' width=300 height=99999 alt='Shoes &lt;new&gt;'>"
        "<img src=https://x.example/open.gif width=1 height=1>"
        "<img src='data:image/png;base64,AAAA' alt=dot></body>"
    )
    kept = document(markup)
    for part in (
        '<body bgcolor="#eee">', "<style>h1 > b { color: red }</style>", '<table width="600">',
        '<a style="color: blue">caf&eacute; &amp; more</a>',
        'style="width:300px;min-height:2000px">Shoes &lt;new&gt;',
        '<img src="data:image/png;base64,AAAA" alt="dot">',
    ):  # fmt: skip
        assert part in kept, part
    assert "open.gif" not in kept
    assert kept.count("lf-picture") == 2  # its style, and one box


def test_each_arm_is_shown_as_its_recipients_saw_it() -> None:
    report = read(spring())
    plain, bold = previews(only(report))
    assert (plain.arm, plain.is_control, bold.arm, bold.is_control) == ("plain", True, "bold", False)
    assert plain.frame is not None
    assert bold.frame is not None
    assert ("Quiet" in plain.frame, "Loud" in plain.frame) == (True, False)
    assert ("Quiet" in bold.frame, "Loud" in bold.frame) == (False, True)
    assert "Hello [first name]," in bold.frame
    assert (bold.text, bold.is_whole) == ("bold in plain words", True)
    page = render(report)
    assert page.count("<iframe sandbox=") == 2
    assert "allow-scripts" not in page
    assert '<p class="question">What does spring sell?</p>' in page
    assert "&lt;h1 data-lf-tested&gt;Loud" in page
    assert notes((plain, bold)) == "What stands in square brackets is filled in for each person."


def test_subject_lines_are_told_and_channels_without_html_have_no_frame() -> None:
    rows = spring()
    [template] = rows.rows["stg_experiments__templates"]
    template["subject"] = (
        "{% if 'spring:hero:bold' in person|lookup:'lf_assignments' %}NOW{% else %}Later{% endif %}"
    )
    plain, bold = previews(only(read(rows)))
    assert (plain.subject, bold.subject) == ("Later", "NOW")
    template["html"] = None
    for arm in rows.rows["stg_experiments__arms"]:
        arm["html"] = None
    assert [preview.frame for preview in previews(only(read(rows)))] == [None, None]
    assert '<p class="text bubble">bold in plain words</p>' in render(read(rows))


def test_of_a_message_that_is_too_long_the_tested_part_is_shown() -> None:
    rows = spring()
    [template] = rows.rows["stg_experiments__templates"]
    template["html"] = "x" * (LARGEST + 1)
    found = previews(only(read(rows)))
    assert [preview.is_whole for preview in found] == [False, False]
    assert "Loud" in (found[1].frame or "")
    assert "shown by its tested part" in notes(found)
    assert notes([Preview("a", False, None, document("x"), True, "x")]) == ""  # noqa: FBT003


def test_contents_of_another_version_are_not_shown() -> None:
    rows = spring()
    rows.rows["stg_experiments__experiments"][0]["experiment_version"] = 2
    report = read(rows)
    assert previews(only(report)) == ()
    page = render(report)
    assert "<iframe" not in page
    assert "The definition has moved on to version 2" in page
    assert [row.experiment_version for row in report.waiting] == [2]
    rows.rows["stg_experiments__experiments"].clear()
    assert "Its definition is no longer at hand" in render(read(rows))


def many(count: int) -> Rows:
    rows = Rows()
    for number in range(count):
        ended = number % 3 > 0
        rows.slot(
            f"e{number:02}", "s", {"plain": 0.05, "bold": 0.07}, days=2, ended=ended,
            verdict="inconclusive" if ended else "running",
        )  # fmt: skip
    return rows


def test_the_index_has_every_experiment_and_folds_what_is_over() -> None:
    rows = many(60)
    rows.slot("won", "s", {"plain": 0.05, "bold": 0.07}, verdict="winner", winning_arm="bold")
    rows.definition("next", {"s": {"a": "", "b": ""}}, status="draft")
    report = read(rows)
    shelves = view_facts.index(report)
    assert [(shelf.key, shelf.tally, shelf.is_open) for shelf in shelves] == [
        ("running", "20 running", True), ("decided", "1 decided", True),
        ("ended", "40 ended without a winner", False),
    ]  # fmt: skip
    page = render(report)
    index = page.partition('<nav class="contents"')[2].partition("</nav>")[0]
    anchors = re.findall(r'href="#(e\d+s\d+)"', index)
    assert len(set(anchors)) == len(anchors) == 61
    assert all(f'<article id="{anchor}"' in page for anchor in anchors)
    assert '<details id="ended">' in index
    assert "Not started" in index
    assert "What does next sell?" in index
    assert "bold: +40\u202f% in clicks" in index
    over = {entry.anchor for shelf in shelves if shelf.key == "ended" for entry in shelf.entries}
    articles = re.findall(r'<article id="(e\d+s\d+)"(.*?)</article>', page, re.DOTALL)
    rests = {anchor: body.partition('<details class="rest">') for anchor, body in articles}
    assert {anchor for anchor, (_, rest, _) in rests.items() if rest} == over
    assert all('class="title"' in before and "<figure" in after for before, rest, after in rests.values() if rest)
    assert len(page) < 61 * 60_000


@pytest.mark.parametrize(
    ("metric", "low", "high", "verdict", "told"),
    [
        ("clicked", 0.002, 0.018, "winner", ". Changing it was worth it, whichever of them is the best."),
        ("clicked", 0.002, 0.018, "blocked_guardrail", ")."),
        ("clicked", -0.002, 0.022, "running", ". Whether changing it was worth it at all is not told yet."),
        ("clicked", 0.002, 0.018, "ahead", " so far."),
        ("clicked", 0.002, 0.018, "too_early", " so far."),
        ("unsubscribed", 0.002, 0.018, "control_wins", ". On the whole, what was tried is worse."),
    ],
)
def test_all_variants_together_are_a_sentence(
    metric: str, low: float, high: float, verdict: str, told: str
) -> None:
    """No more than the verdict allows; an earlier version and another way of counting stay out of it."""
    rows = Rows()
    rows.slot("spring", "hero", {"plain": 0.05, "bold": 0.07, "quiet": 0.05}, version=2)
    rows.rows["fct_experiment_verdicts"][0] |= {"primary_metric": metric, "verdict": verdict, "rule": None}
    pooled = {
        "experiment_key": "spring", "experiment_version": 2, "slot_key": "hero", "metric": metric, "arms": 2,
        "units": 20_000, "control_units": 10_000, "mean": 0.06, "control_mean": 0.05, "difference": 0.01,
        "interval_low": low, "interval_high": high, "analysis": "assigned", "attribution": "assigned_window",
    }  # fmt: skip
    for other in ({"experiment_version": 1}, {"analysis": "opened"}, {"attribution": "last_touch"}):
        rows.add("fct_experiment_pooled", **pooled | {"mean": 0.99} | other)
    rows.add("fct_experiment_pooled", **pooled)
    slot = only(read(rows))
    words = sentences.together(slot)
    assert words.startswith("All 2 variants taken together: 6.0")
    assert words.endswith(told)
    assert words in render(read(rows))


@pytest.mark.parametrize("verdict", ["invalid_srm", "invalid_crossover", "no_data"])
def test_nothing_is_said_of_variants_together_where_nothing_is_valid(verdict: str) -> None:
    rows = Rows()
    rows.slot("spring", "hero", {"plain": 0.05, "bold": 0.07, "quiet": 0.05})
    rows.rows["fct_experiment_verdicts"][0] |= {"verdict": verdict, "rule": None}
    rows.add(
        "fct_experiment_pooled", experiment_key="spring", experiment_version=1, slot_key="hero", metric="clicked",
        arms=2, units=20_000, mean=0.06, control_mean=0.05, difference=0.01, interval_low=0.002,
        interval_high=0.018, attribution="assigned_window",
    )  # fmt: skip
    assert not sentences.together(only(read(rows)))


def test_one_day_is_a_sentence_and_no_stroke() -> None:
    rows = Rows()
    rows.slot("spring", "hero", {"plain": 0.05, "bold": 0.07}, days=1)
    slot = only(read(rows))
    assert chart_geometry.curves(slot) is None
    page = render(read(rows))
    assert 'class="plot"' not in page
    assert "bold: one day so far, 2 Nov 2026, with " in page
    assert "A curve takes two days." in page


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        (
            {"crossover_rate": None},
            ("open", "Whether everybody saw their own variant shows with the first clicks"),
        ),
        (
            {"crossover_rate": 0.0, "rendered": 118, "crossovers": 0},
            ("good", "All 118 people who clicked had seen their own variant"),
        ),
        (
            {"crossover_rate": 0.002, "rendered": 1000, "crossovers": 2},
            (
                "good",
                f"2 of 1,000 {OTHERS} no more than the 1 % that do no harm",
            ),
        ),
        (
            {"crossover_rate": 0.02, "rendered": None, "verdict": "invalid_crossover"},
            (
                "bad",
                f"2.0 % of the {OTHERS} more than the 1 % that do no harm",
            ),
        ),
    ],
)
def test_whether_people_saw_their_own_variant_is_told_in_people(
    figures: dict[str, object], told: tuple[str, str]
) -> None:
    rows = spring()
    rows.rows["fct_experiment_verdicts"][0] |= figures
    assert sentences.crossover(only(read(rows))) == told


@pytest.mark.parametrize(
    ("metric", "loss", "told"),
    [
        ("clicked", None, ""),
        ("clicked", 2.6e-10, "next to nothing is lost if it is not"),
        ("clicked", 0.0012, "choosing it puts 1.2 clicks in 1,000 people at risk"),
        ("revenue", 0.0001, "next to nothing is lost if it is not"),
        ("revenue", 0.25, "choosing it puts 0.250\u202fEUR per profile at risk"),
    ],
)
def test_what_is_at_risk_is_told_in_people_and_money(metric: str, loss: float | None, told: str) -> None:
    assert sentences.risk(CATALOGUE.measure(metric, currency="EUR"), loss) == told


def test_no_data_says_what_to_do() -> None:
    rows = spring()
    [verdict] = rows.rows["fct_experiment_verdicts"]
    verdict |= {"verdict": "no_data", "rule": "nobody_received", "received": 0}
    told = sentences.advice(only(read(rows)))
    assert told.startswith(
        "Send the campaign in Klaviyo to the list “Newsletter”, with the template lf_spring, and run"
    )
    said = as_text(read(rows), Path("report.html")).splitlines()
    name = "spring v1 hero:"
    assert said[1] == f"{name} {told}"
    assert [line.startswith(f"{name} next split") for line in said[2:-1]] == [True]  # no figures of nobody
    verdict["units"] = 0
    assert sentences.advice(only(read(rows))).startswith("See that the list “Newsletter” is in Klaviyo")
    rows.rows["stg_experiments__experiments"][0] |= {"audience_type": "flow", "audience": "Welcome"}
    assert sentences.advice(only(read(rows))).startswith("Turn on the flow “Welcome” in Klaviyo, and see that")
    rows.rows["stg_experiments__experiments"].clear()
    assert sentences.advice(only(read(rows))).startswith("See that the audience is in Klaviyo")
    empty = render(read(Rows()))
    assert "Run the pipeline: it assigns a variant" in empty
    assert "Send the campaign in Klaviyo" in empty


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ((5700.0, 1900.0, 9500.0), "The messages earned 5,700.00 EUR in revenue (1,900.00 EUR to 9,500.00 EUR)"),
        ((-50.0, -90.0, -10.0), "The messages cost 50.00 EUR in revenue"),
        ((50.0, -90.0, 190.0), "Whether the messages earned anything is not clear yet: 50.00 EUR"),
        ((None, None, None), "What the messages earn at all is not known yet"),
    ],
)
def test_what_mail_earned_stands_first(figures: tuple[float | None, ...], told: str) -> None:
    rows = spring()
    assert "because nobody is held out" in sentences.earned(read(rows))[0]
    names = ("incremental", "incremental_low", "incremental_high")
    rows.add(
        "fct_holdout_results", scope="global", experiment_key="*", experiment_version=1, metric="revenue",
        currency="EUR", **dict(zip(names, figures, strict=True)),
    )  # fmt: skip
    [sentence] = sentences.earned(read(rows))
    assert sentence.replace("\u202f", " ").replace("\N{MINUS SIGN}", "-").startswith(told)


def test_amounts_without_a_currency_are_told() -> None:
    rows = Rows()
    rows.slot("spring", "hero", {"plain": 0.05, "bold": 0.07}, currency=None)
    assert "Orders name no currency; their amounts stand as they came." in render(read(rows))
    assert sentences.money_note("EUR") == ""


def test_definitions_that_cannot_be_read_cost_only_their_part() -> None:
    """The views of a file that was renamed name another one."""

    class Renamed(Rows):
        def read(self, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
            if table.startswith("stg_"):
                raise ProgramError(table)
            return super().read(table, columns)

    renamed = Renamed()
    renamed.rows = spring().rows
    report = read(renamed)
    page = render(report)
    assert sorted(report.absent) == [f"stg_experiments__{name}" for name in ("arms", "experiments", "templates")]
    assert "has the file of the warehouse been renamed" in page
    assert "bold wins" in page
    assert "no longer at hand" not in page


def test_the_same_results_give_the_same_bytes() -> None:
    assert render(read(spring())) == render(read(spring()))
