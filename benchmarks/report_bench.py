"""How long a person waits for the report."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from figures import Bar, Benchmark, Row, Scale
from harness import NotMeasured

sys.path.insert(0, str(Path(__file__).parent.parent / "plugins" / "lift-report" / "tests"))

from lift_warehouse import Rows, place, schema

ALLOWED = Bar(1.0)
BESIDE_READING = Bar(10)

# What cannot be spared: Python starts, opens the file and reads the same tables.
_READ = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
for table in sys.argv[2:]:
    connection.execute(f"SELECT * FROM {table}").fetchall()
"""


def report(scale: Scale) -> Iterator[Row]:
    """20 experiments of two slots, three arms and 30 days each: the page, against reading the same tables."""
    count = max(1, scale.of(20))
    rows = Rows()
    for number in range(count):
        for slot in ("hero", "subject"):
            arms = {"control": 0.05, "bold": 0.055, "quiet": 0.051}
            rows.slot(f"experiment_{number}", slot, arms, days=30, cuped=True)
    with tempfile.TemporaryDirectory() as folder:
        path, page = rows.write(Path(folder) / "w.duckdb"), Path(folder) / "report.html"
        command = ("-m", "lift_report", "--warehouse", str(path), "--output", str(page))
        written = [_run(*command) for _ in range(scale.repeats)]
        reading = [_run("-c", _READ, str(path), *map(place, schema())) for _ in range(scale.repeats)]
        size = page.stat().st_size
        if page.read_text().count("<article") != 2 * count:
            message = "the page does not hold every slot"
            raise NotMeasured(message)
    yield Row("report", f"{count} experiments", min(written).seconds, "s", 2, "allowed", ALLOWED)
    wanted, least = (min(run.cpu for run in runs) for runs in (written, reading))
    yield Row("report", "its processor time", wanted, "s", least, "Python starts and reads", BESIDE_READING)
    yield Row("report", "the page", size / 1e6, "MB")


class _Run(NamedTuple):
    seconds: float
    cpu: float


def _run(*arguments: str) -> _Run:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise NotMeasured(done.stderr.strip())
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return _Run(seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


BENCHMARKS: Mapping[str, Benchmark] = {"report": report}
