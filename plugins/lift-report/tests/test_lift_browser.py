"""The page as a browser shows it: on a screen, in the dark, on a phone and on paper."""

from __future__ import annotations

import itertools
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are not a package

from headless_browser import REMEDY, VARIABLE, NoBrowser, Page, browser, find
from lift_warehouse import Rows

from lift_report.page import render
from lift_report.results import read
from singer_program.warehouse import DuckDB


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    try:
        with browser() as page:
            yield page
    except NoBrowser as reason:
        pytest.fail(str(reason))


def _drawn(pdf: bytes) -> int:
    """How many pieces of text are drawn on paper."""
    streams = [
        zlib.decompressobj().decompress(part)
        for part in re.findall(rb"stream\r?\n(x.*?)endstream", pdf, re.DOTALL)
    ]
    return sum(len(re.findall(rb"\bT[jJ]\b", each)) for each in streams)


def _written(rows: Rows, folder: Path) -> Path:
    with DuckDB(rows.write(folder / "w.duckdb"), "marts") as warehouse:
        report = read(warehouse)
    path = folder / "report.html"
    path.write_text(render(report))
    return path


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything a page can hold."""
    rows = Rows()
    rows.slot("spring", "hero", {"plain": 0.05, "bold": 0.07}, verdict="winner", winning_arm="bold", cuped=True)
    rows.slot("spring", "cta", {"plain": 0.05, "big": 0.051, "an_arm_with_a_rather_long_name": 0.052})
    rows.slot("autumn", "offer", {"none": 0.03, "ten": 0.045}, verdict="blocked_guardrail", guardrails="blocked")
    rows.add(
        "fct_experiment_interactions", experiment_key="spring", experiment_version=1, slot_key="hero",
        metric="clicked", arm_key="bold", other_slot_key="cta", other_arm_key="big", difference=0.01,
        interval_low=0.002, interval_high=0.018, p_value_holm=0.01, is_flagged=True,
    )  # fmt: skip
    rows.add(
        "fct_content_playbook", attribute="has_emoji", value="yes", channel="email", experiments=3, verdict="rule",
        pooled_lift=0.05, pooled_low=0.01, pooled_high=0.09,
    )  # fmt: skip
    rows.levels("spring", "hero", {"plain": 0.05, "bold": 0.07})
    rows.levels("spring", "cta", {"plain": 0.05, "big": 0.051, "an_arm_with_a_rather_long_name": 0.052})
    rows.health("spring", "cta", {"plain": 0.05, "big": 0.051, "an_arm_with_a_rather_long_name": 0.052})
    rows.definition(
        "spring",
        {
            "hero": {"plain": "<h1>Quiet</h1>", "bold": "<h1 style='background:url(//x.example)'>Loud</h1>"},
            "cta": {"plain": "<a href=//x.example>Go</a>", "big": "<img src=//x.example width=300 alt=Go>",
                    "an_arm_with_a_rather_long_name": "<p>Go</p>"},
        },
    )  # fmt: skip
    return _written(rows, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Names that are markup, without an end, or from right to left."""
    script = "</style></svg><script>console.error('ran')</script><img src=x onerror=console.error(1)>"
    rows = Rows()
    arms = {"\u202e\u05d0" + script: 0.05, "x" * 200: 0.06, "'\" onload=1": 0.01}
    rows.slot(script, "W" * 300, arms)
    contents = {
        arm: f"{script}<p style='width:9000px'>{arm}</p><meta http-equiv=refresh content='0;url=//x.example'>"
        for arm in arms
    }
    rows.definition(script, {"W" * 300: contents}, description=script + "z" * 300)
    rows.levels(script, "W" * 300, arms)
    rows.health(script, "W" * 300, arms)
    for row in rows.rows["fct_experiment_dimensions"]:
        row |= {"dimension": f"property:{script}{row['position']}", "level": f"{row['level']}{'y' * 100}{script}"}
    return _written(rows, tmp_path_factory.mktemp("hostile"))


WAYS = {"light": (1280, False), "dark": (1280, True), "tablet": (800, False), "phone": (380, True)}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["report", "hostile"])
def test_nothing_is_complained_of_asked_for_or_cut_off(
    page: Page, kind: str, way: str, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(kind)
    width, dark = WAYS[way]
    page.open(path, width=width, dark=dark)
    assert page.ask("document.readyState") == "complete"
    assert page.complaints == []
    assert [url for url in page.requests if url != "about:srcdoc"] == [path.resolve().as_uri()]
    assert page.ask("document.documentElement.scrollWidth") == width
    page.ask("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    boxes = "[...document.querySelectorAll('html, article, .panel, .contents')]"
    assert page.ask(f"{boxes}.filter(e => e.scrollWidth > e.clientWidth).map(e => e.className + e.id)") == []
    assert page.ask("document.scripts.length + document.images.length") == 0


def test_a_browser_is_listened_to(page: Page, tmp_path: Path) -> None:
    """What the tests above look for is seen when it is there."""
    path = tmp_path / "bad.html"
    path.write_text("<title>bad</title><img src=gone.png><script>console.log('said'); nothing.there</script>")
    page.open(path)
    assert [Path(url).name for url in page.requests] == ["bad.html", "gone.png"]
    assert any("said" in told for told in page.complaints)
    assert any("nothing is not defined" in told for told in page.complaints)


_BOXES = """
(() => {
  const outside = [];
  for (const drawing of document.querySelectorAll("svg.interval, svg.plot, svg.bar")) {
    const box = drawing.parentElement.getBoundingClientRect();
    if (box.width < 20 && getComputedStyle(drawing.parentElement).display !== "none" && box.height > 0)
      outside.push("narrow " + drawing.getAttribute("aria-label"));
    for (const part of drawing.querySelectorAll("line, circle, path, rect")) {
      const b = part.getBoundingClientRect();
      if (b.left < box.left - 8 || b.right > box.right + 8 || b.top < box.top - 8 || b.bottom > box.bottom + 8)
        outside.push(part.outerHTML);
    }
  }
  return outside;
})()
"""


@pytest.mark.parametrize("width", [1280, 380])
def test_every_drawing_stays_in_its_box(page: Page, report: Path, width: int) -> None:
    page.open(report, width=width)
    assert page.ask("document.querySelectorAll('svg.interval').length") > 10
    assert page.ask(_BOXES) == []


_CONTRAST = """
(() => {
  const parts = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = text => parts(text).map(v => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = node => {
    const own = node ? getComputedStyle(node).backgroundColor : "rgb(255, 255, 255)";
    return own === "rgba(0, 0, 0, 0)" ? behind(node.parentElement) : own;
  };
  let least = 21;
  for (const node of document.querySelectorAll("body *")) {
    if (![...node.childNodes].some(child => child.nodeType === 3 && child.data.trim())) continue;
    const style = getComputedStyle(node);
    const a = light(node.closest("svg") ? style.fill : style.color), b = light(behind(node));
    least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return least;
})()
"""


@pytest.mark.parametrize("width", [1280, 380])
def test_bars_have_one_scale_and_are_no_stubs(page: Page, report: Path, width: int) -> None:
    """The tracks of a picture are equally long, whatever stands beside them."""
    page.open(report, width=width)
    tracks = page.ask(
        "[...document.querySelectorAll('.main, .stages dd')].map(e => [...e.querySelectorAll('.bar')]"
        ".map(bar => Math.round(bar.getBoundingClientRect().width)))"
    )
    assert len(tracks) > 5
    for lengths in tracks:
        assert len(set(lengths)) == 1
        assert lengths[0] >= 150


def test_each_arm_is_seen_in_its_frame(page: Page, report: Path) -> None:
    page.open(report)
    said = page.ask_frames("document.body.innerText")
    assert len(said) == 5
    assert sorted(("Quiet" in text, "Loud" in text) for text in said) == [(False, True), *[(True, False)] * 4]
    assert min(page.ask_frames("document.documentElement.clientWidth")) >= 600


def test_a_frame_has_no_origin_and_is_printed_with_its_colours(page: Page, report: Path) -> None:
    page.open(report)
    assert page.ask("[...document.querySelectorAll('iframe')].filter(e => e.contentDocument).length") == 0
    assert set(page.ask_frames("origin")) == {"null"}
    adjusted = "getComputedStyle(document.body).printColorAdjust"
    assert set(page.ask_frames(adjusted)) == {"exact"}
    whole = _drawn(page.print())
    page.ask("document.querySelectorAll('iframe').forEach(e => e.remove())")
    assert whole > _drawn(page.print())


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_can_be_read(page: Page, report: Path, dark: bool) -> None:  # noqa: FBT001
    """WCAG AA: 4.5 to 1."""
    page.open(report, dark=dark)
    assert page.ask(_CONTRAST) >= 4.5


def test_light_and_dark_differ_and_paper_is_white(page: Page, report: Path) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.body).color"
    page.open(report)
    light = page.ask(ground), page.ask(ink)
    page.open(report, dark=True)
    dark = page.ask(ground), page.ask(ink)
    assert light != dark
    page.open(report, dark=True, media="print")
    assert page.ask(ink) == light[1]
    printed = page.print()
    assert printed.startswith(b"%PDF-")
    assert len(printed) > 20_000


def test_what_is_named_is_there(page: Page, report: Path) -> None:
    """Links lead somewhere, headings name their parts, drawings that tell something say it."""
    page.open(report)
    every = "[...document.querySelectorAll('{}')].{}"
    for wrong in (
        every.format('a[href^="#"]', "filter(e => !document.getElementById(e.hash.slice(1)))"),
        every.format(
            "[aria-labelledby]", "filter(e => !document.getElementById(e.getAttribute('aria-labelledby')))"
        ),
        every.format("[id]", "filter(e => document.querySelectorAll('#' + e.id).length !== 1)"),
        every.format("svg[role=img]", "filter(e => !e.getAttribute('aria-label'))"),
        every.format("svg:not([role=img]):not([aria-hidden]):not(svg svg)", "filter(e => true)"),
    ):
        assert page.ask(f"{wrong}.map(e => e.outerHTML)") == []
    levels = page.ask("[...document.querySelectorAll('h1,h2,h3,h4,h5')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert all(later <= before + 1 for before, later in itertools.pairwise(levels))


def test_a_machine_without_a_browser_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("headless_browser._ELSEWHERE", ())
    monkeypatch.setattr("headless_browser._DOWNLOADED", ("~/.cache/ms-playwright",))
    with pytest.raises(NoBrowser) as told:
        find()
    assert str(told.value) == REMEDY
    downloaded = tmp_path / ".cache/ms-playwright/chromium_headless_shell-1/linux/headless_shell"
    downloaded.parent.mkdir(parents=True)
    downloaded.touch(mode=0o755)
    assert find() == str(downloaded)
    monkeypatch.setenv(VARIABLE, "gone")
    with pytest.raises(NoBrowser, match="LIFT_REPORT_BROWSER names `gone`, which is no program"):
        find()
