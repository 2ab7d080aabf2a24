"""The benchmarks work, at a size that measures nothing; what they are held against is calculated rightly."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_wire.endpoints import L, Limits

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))  # scripts are not a package

import bench  # noqa: E402
import tap_bench  # noqa: E402
from figures import Bar, Row, Scale, floor, table  # noqa: E402
from harness import NotMeasured, Sandbox, read, sandbox  # noqa: E402

TOY = Scale(part=0.002, repeats=1)
SAMPLE = {"profiles", "segment", "million", "write_profiles", "report", "inbox", "files"}
"""Of each kind that does not start dbt many times; `make test-warehouses` tries all."""
CHOSEN = {
    name: benchmark
    for name, benchmark in bench.BENCHMARKS.items()
    if name in SAMPLE or os.environ.get("KLAVIYO_LOOP_TEST_BENCHMARKS") == "all"
}


@pytest.fixture(scope="module")
def rows() -> dict[str, list[Row]]:
    """What each benchmark tells at toy size. Most of it is waiting for processes: two at a time."""
    with ThreadPoolExecutor(2) as pool:
        told = pool.map(lambda benchmark: list(benchmark(TOY)), CHOSEN.values())
        return dict(zip(CHOSEN, told, strict=True))


@pytest.mark.parametrize("name", CHOSEN)
def test_a_benchmark_measures(name: str, rows: dict[str, list[Row]]) -> None:
    """It only tells rows when every row was emitted, as selected, with a state: `complete` sees to that."""
    assert {row.benchmark for row in rows[name]} == {name}
    assert any(row.bar for row in rows[name])
    assert all(row.ratio is not None for row in rows[name] if row.bar)
    assert rows[name][0].measured > 0


def test_at_toy_size_no_request_is_refused_and_nothing_is_new(rows: dict[str, list[Row]]) -> None:
    found = {(row.benchmark, row.what): row for name in rows for row in rows[name]}
    for name in ("profiles", "segment"):
        assert found[name, "answered 429"].measured == 0
        assert found[name, "answered 429"].beside == found[name, "requests"].measured
        assert found[name, "requests"].beside == 4  # 400 rows, 100 a page
    assert found["million", "events, again"].measured == 0


@pytest.fixture(scope="module")
def klaviyo() -> Sandbox:
    """A sandbox that was interrupted."""
    with pytest.raises(KeyboardInterrupt), sandbox(profiles=1) as started:  # noqa: PT012 - what is interrupted
        assert started.counts()["profiles"] == 1
        raise KeyboardInterrupt
    return started


def test_nothing_is_left_running_by_an_interruption(klaviyo: Sandbox) -> None:
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{klaviyo.url}/sandbox/counts")  # noqa: S310


BROKEN = "import sys; sys.exit('--discover' not in sys.argv and 'no disk' or print('{\"streams\": []}'))"
LAZY = "import sys; '--discover' in sys.argv and print('{\"streams\": []}')"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise SystemExit('no config')", "no config"),
        (BROKEN, "no disk"),
        (LAZY, "0 of 1 metrics were emitted"),
        ("print('{\"streams\": []}' + ' ' * 9)", "which is no message"),
    ],
)
def test_a_run_without_its_rows_is_not_measured(program: str, reason: str, klaviyo: Sandbox) -> None:
    with pytest.raises(NotMeasured, match=reason):
        tap_bench.complete((sys.executable, "-c", program), klaviyo, "metrics", 1)


def test_a_name_that_does_not_exist_is_told() -> None:
    command = [sys.executable, str(BENCHMARKS / "bench.py"), "speed"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 2
    assert "there is no 'speed': there are profiles, " in done.stderr


@pytest.mark.parametrize(
    ("requests", "limits", "seconds"),
    [
        (1, L, 0),
        (75, L, 0),
        (76, L, 1),
        (750, L, 9),
        (751, L, 60),
        (2_000, L, 126),  # 200,000 profiles: 750 in each of two minutes, 500 in the third
        (4, Limits(3, 60), 1),
        (3, Limits(1, 2), 60),
    ],
)
def test_the_floor(requests: int, limits: Limits, seconds: float) -> None:
    assert floor(requests, limits, latency=0.1) == pytest.approx(seconds + 0.1)


@given(st.integers(1, 20), st.integers(1, 40), st.integers(1, 120))
def test_no_window_of_the_floor_holds_more_than_its_limit(burst: int, steady: int, requests: int) -> None:
    limits = Limits(burst, steady)
    sent = [floor(number, limits, 0) for number in range(1, requests + 1)]
    assert sent == sorted(sent)
    for length, most in ((1, burst), (60, steady)):
        assert all(sum(start <= each < start + length for each in sent) <= most for start in sent)
    # … and none could leave earlier: each waits for the one that a limit makes it wait for.
    for number, each in enumerate(sent):
        held = [sent[number - most] + length for length, most in ((1, burst), (60, steady)) if number >= most]
        assert each == max(held, default=0)


def test_a_bar_holds_at_its_limit() -> None:
    assert Bar(1.1).met(1.1)
    assert not Bar(1.1).met(1.11)
    assert Bar(8, at_least=True).met(8)
    assert not Bar(8, at_least=True).met(7.9)


def test_the_table_says_what_was_missed() -> None:
    told = table(
        [
            Row("some", "rows", 1_320.0, "s", 1_200.0, "floor", Bar(1.1)),
            Row("some", "speed", 4.0, "a second", 1.0, "plain tap", Bar(8, at_least=True)),
            Row("other", "lines", 3, "times"),
        ]
    )
    header, ruler, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in told.splitlines()]
    assert header == ["benchmark", "what", "measured", "beside", "ratio", "bar", ""]
    assert set("".join(ruler)) == {"-"}
    assert lines == [
        ["some", "rows", "1,320 s", "floor 1,200", "1.1", "≤ 1.1", "ok"],
        ["some", "speed", "4 a second", "plain tap 1", "4", "≥ 8", "missed"],
        ["other", "lines", "3 times", "", "", "", ""],
    ]
    assert len({len(line) for line in told.splitlines()}) == 1


def test_what_a_tap_writes_is_counted() -> None:
    messages = [
        {"type": "SCHEMA", "stream": "events", "schema": {"properties": {"id": {}}}},
        {"type": "RECORD", "stream": "events", "record": {"id": "1"}},
        {"type": "STATE", "value": {"bookmarks": {"events": {"at": 1}}}},
        {"type": "RECORD", "stream": "events", "record": {"id": "2"}},
        {"type": "STATE", "value": {"bookmarks": {"events": {"at": 10}}}},
    ]
    lines = [json.dumps(message, separators=(",", ":")) + "\n" for message in messages]
    found = read(io.BytesIO("".join(lines).encode()))
    assert (found.records, found.states, found.state_bytes) == (2, 2, len(lines[-1]))
    assert found.columns == {"id"}
    assert found.state == {"bookmarks": {"events": {"at": 10}}}
    assert set(found.schemas) == {"events"}
