from __future__ import annotations

import errno
import itertools
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from lift_report import pictures, words
from lift_report.cli import main, write
from lift_report.page import render
from lift_report.results import Result, Slot, read_slots

if TYPE_CHECKING:
    from collections.abc import Callable

TABLES = """
CREATE SCHEMA marts;
CREATE TABLE marts.fct_assignments (
    experiment_key VARCHAR, experiment_version INTEGER, slot_key VARCHAR, arm_key VARCHAR, profile_id VARCHAR
);
CREATE TABLE marts.fct_experiment_results (
    experiment_key VARCHAR, experiment_version INTEGER, slot_key VARCHAR, arm_key VARCHAR, metric VARCHAR,
    is_control BOOLEAN, units BIGINT, received BIGINT, total DOUBLE, mean DOUBLE, difference DOUBLE,
    relative_lift DOUBLE, interval_low DOUBLE, interval_high DOUBLE, p_value DOUBLE, chance_to_win DOUBLE,
    expected_loss DOUBLE
);
CREATE TABLE marts.fct_experiment_verdicts (
    experiment_key VARCHAR, experiment_version INTEGER, slot_key VARCHAR, primary_metric VARCHAR, verdict VARCHAR,
    winning_arm VARCHAR, reason VARCHAR, srm_p_value DOUBLE, crossover_rate DOUBLE, units BIGINT, received BIGINT,
    started_at TIMESTAMP, ended_at TIMESTAMP, measured_at TIMESTAMP
);
"""
ROWS = """
INSERT INTO marts.fct_assignments
    SELECT 'spring', 1, 'hero', if(range < 60, 'plain', 'bold'), 'P' || range FROM range(100);
INSERT INTO marts.fct_experiment_results VALUES
    ('spring', 1, 'hero', 'bold', 'clicked', false, 40, 38, 10, 0.25, 0.1, 0.667, 0.02, 0.18, 0.0004, 0.99, 0.01),
    ('spring', 1, 'hero', 'bold', 'revenue', false, 40, 38, 50, 1.25, 0.25, 0.25, '-inf', 'inf', 1, 0.7, 'nan'),
    ('spring', 1, 'hero', 'bold', 'unsubscribed', false, 40, 38, 4, 0.1, 0.1, NULL, 0.05, 0.15, 0.001, 0.01, 0.1);
INSERT INTO marts.fct_experiment_results BY NAME
    SELECT 'spring' AS experiment_key, 1 AS experiment_version, 'hero' AS slot_key, 'plain' AS arm_key, metric,
        true AS is_control, 60 AS units, 57 AS received, total, total / 60 AS mean
    FROM (VALUES ('clicked', 9), ('revenue', 60), ('unsubscribed', 0)) AS v(metric, total);
INSERT INTO marts.fct_experiment_results BY NAME
    SELECT 'autumn' AS experiment_key, 2 AS experiment_version, 'cta' AS slot_key, arm_key, 'opened' AS metric,
        arm_key = 'a' AS is_control, 0 AS units, 0 AS received, 0 AS total
    FROM (VALUES ('a'), ('b')) AS v(arm_key);
INSERT INTO marts.fct_experiment_verdicts VALUES
    ('autumn', 1, 'cta', 'opened', 'inconclusive', NULL, 'Ended.', 0.2, 0, 9, 9,
        '2025-10-01', '2025-11-01', '2026-11-08'),
    ('autumn', 2, 'cta', 'opened', 'no_data', NULL, 'Nothing yet.', NULL, NULL, 0, 0,
        NULL, NULL, '2026-11-09 08:00'),
    ('spring', 1, 'hero', 'clicked', 'winner', 'bold', 'bold is better.', 0.4321, 0.002, 100, 95,
        '2026-11-02 09:12', NULL, '2026-11-09 08:00');
"""


def build(path: Path, sql: str) -> Path:
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql)
    return path


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("warehouse") / "w.duckdb", TABLES + ROWS)


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


def test_a_page_and_a_line_for_each_slot(
    warehouse: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    page = tmp_path / "report.html"
    assert run("--warehouse", warehouse, "--output", page) == (
        0,
        (
            "autumn v2 cta: no_data. Nothing yet. (0 assigned, 0 received)\n"
            "spring v1 hero: winner. bold is better. (100 assigned, 95 received)\n"
            "autumn v1 cta: inconclusive. Ended. (9 assigned, 9 received)\n"
            f"report: {page}\n"
        ),
        "",
    )
    texts = Document(page.read_text()).texts
    for shown in [
        *("bold wins", "bold is better.", "25.00 %", "+10.00 pp", "+2.00 pp to +18.00 pp", "no interval yet"),
        *("60 assigned", "57 received", "40 assigned", "38 received", "+66.7 %", "< 0.001", "+0.250"),
    ]:
        assert shown in texts
    assert any("Sample ratio test p = 0.432." in text and "0.2 % of those who clicked" in text for text in texts)
    assert any("Measured 2026-11-09 08:00 UTC" in text for text in texts)


def test_the_pictures_come_before_the_sentence(warehouse: Path) -> None:
    """The first thing in a slot is how far its arms are from the control."""
    article = render(read_slots(warehouse)).partition('<article id="s2">')[2]
    assert article.index("bold wins") < article.index('class="point good"') < article.index("bold is better.")
    assert article.index("Clicked") < article.index("Revenue") < article.index("Unsubscribed")


def test_machines_get_json(warehouse: Path, tmp_path: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    page = tmp_path / "report.html"
    code, said, complaints = run("--warehouse", warehouse, "--output", page, "--format", "json")
    assert (code, complaints) == (0, "")
    answer = json.loads(said)
    assert answer["report"] == str(page)
    assert [(slot["experiment"], slot["verdict"]) for slot in answer["slots"]] == [
        ("autumn", "no_data"),
        ("spring", "winner"),
        ("autumn", "inconclusive"),
    ]
    spring = answer["slots"][1]
    assert spring["started_at"] == "2026-11-02T09:12:00Z"
    assert spring["assigned"] == {"plain": 60, "bold": 40}
    clicked = {result["arm"]: result for result in spring["results"] if result["metric"] == "clicked"}
    assert (clicked["bold"]["low"], clicked["bold"]["high"], clicked["plain"]["low"]) == (0.02, 0.18, None)
    revenue = next(r for r in spring["results"] if r["metric"] == "revenue" and r["arm"] == "bold")
    assert (revenue["low"], revenue["high"], revenue["expected_loss"]) == (
        None,
        None,
        None,
    )  # infinite, not a number


def test_the_page_needs_nothing_from_elsewhere(warehouse: Path) -> None:
    page = render(read_slots(warehouse))
    document = Document(page)
    assert not {"script", "link", "img", "iframe", "object", "embed"} & {tag for tag, _ in document.tags}
    addresses = [
        value for _, attributes in document.tags for name, value in attributes.items() if name in {"href", "src"}
    ]
    assert addresses == ["#s1", "#s2", "#s3"]
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_hostile_names_are_text(tmp_path: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    name = """</p><script>alert('1')</script>"&🌷\u202e\n\x1b[31m"""
    path = build(tmp_path / "w.duckdb", TABLES)
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "INSERT INTO marts.fct_experiment_verdicts VALUES"
            " ($1, 1, $1, 'clicked', 'winner', $1, $1, NULL, NULL, 1, 1, NULL, NULL, NULL)",
            [name],
        )
        connection.execute(
            "INSERT INTO marts.fct_experiment_results BY NAME"
            " SELECT $1 AS experiment_key, 1 AS experiment_version, $1 AS slot_key, $1 AS arm_key, $1 AS metric,"
            " false AS is_control, 1 AS units, 1 AS received, 1 AS mean",
            [name],
        )
        connection.execute("INSERT INTO marts.fct_assignments VALUES ($1, 1, $1, $1, $1)", [name])
    code, said, complaints = run("--warehouse", path, "--output", tmp_path / "report.html")
    assert (code, complaints) == (0, "")
    first, last = said.splitlines()
    assert first.isprintable()
    assert last.startswith("report: ")
    document = Document((tmp_path / "report.html").read_text())
    assert "script" not in {tag for tag, _ in document.tags}
    assert any("<script>alert('1')</script>\"&🌷" in text for text in document.texts)


def test_no_results_is_a_page_that_says_so(tmp_path: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    path = build(tmp_path / "w.duckdb", TABLES)
    page = tmp_path / "report.html"
    assert run("--warehouse", path, "--output", page) == (0, f"no results yet\nreport: {page}\n", "")
    assert "There are no results yet." in page.read_text()


def test_the_same_results_give_the_same_bytes(warehouse: Path) -> None:
    assert render(read_slots(warehouse)) == render(read_slots(warehouse))


def test_what_is_read_is_what_the_models_promise() -> None:
    """The tables of this file stand for the project's models."""
    models = Path(__file__).parents[3] / "transform" / "models" / "marts"
    for table, columns in re.findall(r"CREATE TABLE marts\.(\w+) \((.*?)\n\);", TABLES, re.DOTALL):
        promised = dict(re.findall(r"- name: (\w+)\s+data_type: (\w+)", (models / f"{table}.yml").read_text()))
        used = {name: kind.lower() for name, kind in re.findall(r"(\w+) ([A-Z]+)", columns)}
        assert used.items() <= promised.items()


@pytest.mark.parametrize("kind", ["missing", "folder", "other file", "no tables", "old tables", "busy"])
def test_a_warehouse_that_cannot_be_read_is_one_line(
    tmp_path: Path, run: Callable[..., tuple[int, str, str]], kind: str
) -> None:
    path, page = tmp_path / "w.duckdb", tmp_path / "report.html"
    page.write_text("the old page")
    expected = {
        "missing": f"there is no warehouse `{path}`; give the DuckDB file with --warehouse, or build it first",
        "folder": f"there is no warehouse `{path}`",
        "other file": f"`{path}` cannot be read; it is no sound DuckDB file of this version (IO Error: ",
        "no tables": f"`{path}` holds no results; build the models of the schema `marts` first (Catalog Error: ",
        "old tables": f"`{path}` holds no results; build the models of the schema `marts` first (Binder Error: ",
        "busy": f"`{path}` cannot be read; another process is writing it, wait for it (IO Error: ",
    }[kind]
    writer: subprocess.Popen[bytes] | None = None
    if kind == "folder":
        path.mkdir()
    elif kind == "other file":
        path.write_bytes(b"x" * 20_000)
    elif kind != "missing":
        build(
            path, {"no tables": "SELECT 1", "old tables": TABLES.replace("mean DOUBLE,", ""), "busy": TABLES}[kind]
        )
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
    run: Callable[..., tuple[int, str, str]], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        run("--output", "report.html")
    assert stop.value.code == 2
    assert capfd.readouterr().err.endswith("error: the following arguments are required: --warehouse\n")


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


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (words.level(0.04206, "clicked"), "4.21 %"),
        (words.level(None, "clicked"), "\N{EN DASH}"),
        (words.level(1234.5, "revenue"), "1,234.50"),
        (words.level(0.0456, "revenue"), "0.046"),
        (words.level(-2.5, "revenue"), "\N{MINUS SIGN}2.50"),
        (words.change(0.0123, "clicked"), "+1.23 pp"),
        (words.change(-0.0123, "clicked"), "\N{MINUS SIGN}1.23 pp"),
        (words.change(-0.000001, "clicked"), "0.00 pp"),
        (words.change(-0.25, "revenue"), "\N{MINUS SIGN}0.250"),
        (words.relative(-0.333), "\N{MINUS SIGN}33.3 %"),
        (words.p_value(0.0000001), "< 0.001"),
        (words.p_value(0.0421), "0.042"),
        (words.count(1234567), "1,234,567"),
        (words.one_line("a\nb\x1b[0m\u202eü"), "a\\nb\\x1b[0m\\u202eü"),
    ],
)
def test_figures_read_well(shown: str, expected: str) -> None:
    assert shown == expected


FIGURE = st.floats(-1e6, 1e6, allow_subnormal=False)


def result(arm: str, metric: str, mean: float | None, interval: tuple[float, float, float] | None) -> Result:
    """A result as pictures need it; the interval with the difference in its middle."""
    low, difference, high = interval or (None, None, None)
    return Result(
        arm=arm,
        metric=metric,
        is_control=arm == "arm0",
        units=9,
        received=8,
        total=7,
        mean=mean,
        difference=difference,
        relative_lift=None,
        low=low,
        high=high,
        p_value=None,
        chance_to_win=None,
        expected_loss=None,
    )


def slot_of(*results: Result) -> Slot:
    return Slot(
        experiment="e",
        version=1,
        slot="s",
        primary_metric=results[0].metric,
        verdict="running",
        winning_arm=None,
        reason="r",
        srm_p_value=None,
        crossover_rate=None,
        units=9,
        received=8,
        started_at=None,
        ended_at=None,
        measured_at=None,
        results=results,
        assigned={"arm0": 4},
    )


def ordered(ends: tuple[float, float, float]) -> tuple[float, float, float]:
    low, middle, high = sorted(ends)
    return low, middle, high


@st.composite
def slots(draw: st.DrawFn) -> Slot:
    metric = draw(st.sampled_from(["clicked", "revenue", "unsubscribed"]))
    means = st.none() | st.floats(-10, 1e6)
    intervals = st.none() | st.tuples(FIGURE, FIGURE, FIGURE).map(ordered)
    others = [
        result(f"arm{index}", metric, draw(means), draw(intervals)) for index in range(1, draw(st.integers(1, 4)))
    ]
    return slot_of(result("arm0", metric, draw(means), None), *others)


@given(slots())
def test_pictures_are_in_proportion(slot: Slot) -> None:
    [plot] = pictures.plots(slot)
    assert [mark.result for mark in plot.marks] == list(slot.results)
    placed = [(0.0, plot.zero), *((value, place) for place, value in plot.ticks)]
    for mark in plot.marks:
        assert 0 <= mark.bar <= 100
        low, difference, high = mark.result.low, mark.result.difference, mark.result.high
        if low is None or difference is None or high is None:
            assert (mark.low, mark.point, mark.high, mark.tone) == (None, None, None, "open")
            continue
        assert mark.low is not None
        assert mark.point is not None
        assert mark.high is not None
        assert 0 < mark.low <= mark.point <= mark.high < 100
        placed += [(low, mark.low), (difference, mark.point), (high, mark.high)]
        assert (mark.tone == "open") == (low <= 0 <= high)
    assert 0 < plot.zero < 100
    for (a, at_a), (b, at_b) in itertools.pairwise(sorted(placed)):
        assert a == b or at_a <= at_b
    if plot.ticks:
        assert 2 <= len(plot.ticks) <= 8
        assert 0 in [value for _, value in plot.ticks]
        assert all(0 <= place <= 100 for place, _ in plot.ticks)
    assert render([slot]).endswith("</html>")


@pytest.mark.parametrize(
    ("metric", "interval", "tone"),
    [
        ("clicked", (0.1, 0.15, 0.2), "good"),
        ("clicked", (-0.2, -0.15, -0.1), "bad"),
        ("clicked", (-0.1, 0.05, 0.2), "open"),
        ("clicked", None, "open"),
        ("unsubscribed", (0.1, 0.15, 0.2), "bad"),
        ("unsubscribed", (-0.2, -0.15, -0.1), "good"),
    ],
)
def test_colour_says_whether_it_is_good(
    metric: str, interval: tuple[float, float, float] | None, tone: str
) -> None:
    assert pictures.plots(slot_of(result("arm1", metric, 0.1, interval)))[0].marks[0].tone == tone
