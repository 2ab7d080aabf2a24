"""Measures tap and loader together, as Meltano runs them: from Klaviyo into the warehouse."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
from figures import Bar, Benchmark, Row, Scale
from harness import BIN, NotMeasured, sandbox

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package

from pipeline import rehearsal  # noqa: E402

EVENT_BYTES = 1_300
"""Of an event in an answer, as they usually are."""
WANTED = 25_000
"""Events a second: two cores for the sandbox, the tap, Meltano and the loader."""
REACHED = Bar(1, at_least=True)


def together(scale: Scale) -> Iterator[Row]:
    """1,000,000 events of 1.3 kB by `meltano run` into an empty DuckDB file; no limits, no latency."""
    count = scale.of(1_000_000)
    with (
        tempfile.TemporaryDirectory() as folder,
        sandbox(profiles=scale.of(20_000), events=count, event_bytes=EVENT_BYTES) as klaviyo,
    ):
        home = Path(folder) / "home"
        home.mkdir()
        variables = {**os.environ, **rehearsal(home, klaviyo.url, klaviyo.api_key)}
        seconds, processor = _run(variables)
        with duckdb.connect(home / "klaviyo.duckdb", read_only=True) as warehouse:
            found = warehouse.execute("select count(*), count(distinct id) from klaviyo_raw.events").fetchone()
        if found != (count, count):
            message = f"{found} events and ids in the warehouse, of {count}"
            raise NotMeasured(message)
    yield Row("together", f"{count:,} events", count / seconds, "a second", WANTED, "wanted", REACHED)
    yield Row("together", "processor time without the sandbox's", processor, "s")


def _run(variables: Mapping[str, str]) -> tuple[float, float]:
    """Run tap and loader; the seconds by the clock and of the processor, Meltano's start included."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [str(BIN / "meltano"), "--environment=demo", "run", "tap-klaviyo-events", "target-duckdb"]
    done = subprocess.run(command, env=dict(variables), cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    seconds = time.perf_counter() - began
    if done.returncode:
        raise NotMeasured(done.stderr.strip()[-2_000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


BENCHMARKS: Mapping[str, Benchmark] = {"together": together}
