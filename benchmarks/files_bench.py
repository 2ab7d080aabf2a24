"""Measures how fast the tap of files reads a large one, and how much memory that takes."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from figures import Bar, Benchmark, Row, Scale
from harness import MAXRSS_UNIT, NotMeasured, one_core_apart

EVENTS = 10_000_000
_HEAD = ("Event ID", "Timestamp", "Metric ID", "Metric", "Klaviyo ID", "Email", "$value", "event_properties")
_COUNT = (
    "import sys\nrecords = 0\nlast = b''\n"
    "for line in sys.stdin.buffer:\n"
    '    records += line.startswith(b\'{"type":"RECORD","stream":"events"\')\n'
    '    last = line if line.startswith(b\'{"type":"STATE"\') else last\n'
    "sys.stdout.buffer.write(b'%d\\n' % records + last)\n"
)
"""Counts records beside the tap, in a process of its own: what it takes is not the tap's."""


@dataclass(frozen=True)
class _Run:
    state: str
    processor: float
    peak: int


def files(scale: Scale) -> Iterator[Row]:
    """Ten million events of 0.5 kB in a CSV file, with one core, and a file that was read before."""
    count = scale.of(EVENTS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder / "whole" / "events.csv", count)
        _write(folder / "tenth" / "events.csv", count // 10)
        tenth = _run(folder, "tenth", count // 10)
        whole = _run(folder, "whole", count)
        again = _run(folder, "whole", 0, whole.state)
    speed = count / whole.processor
    yield Row("files", f"{count:,} events on one core", speed, "a second", 50_000, "wanted", Bar(1, at_least=True))
    yield Row("files", "most memory", whole.peak / 1e6, "MB", 250, "allowed", Bar(1))
    beside = tenth.peak / 1e6
    yield Row(
        "files", f"most memory, at {count:,}", whole.peak / 1e6, "MB", beside, f"at {count // 10:,}", Bar(1.1)
    )
    yield Row("files", "nothing new", again.processor, "s", 3, "allowed", Bar(1))


def _write(path: Path, count: int) -> None:
    path.parent.mkdir()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_HEAD)
        for n in range(count):
            properties = {
                "$message": f"01J{n % 50:05d}",
                "$event_id": f"01J{n % 50:05d}:{n}",
                "Subject": 'Hello, "you"',
                "Campaign Name": "Spring",
                "URL": f"https://shop.example/{n}?lf_cid=spring.hero.b",
                "machine_open": False,
                "User Agent": "x" * 120,
            }
            at = f"2026-11-{1 + n % 28:02d} {n // 3600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}"
            who = f"01HZ{n % 200_000:022d}", f"p{n % 200_000}@shop.example"
            writer.writerow((f"e{n:011d}", at, "AbCdEf", "Opened Email", *who, "", json.dumps(properties)))


def _run(folder: Path, name: str, count: int, state: str = "") -> _Run:
    """Read a folder, and see that all of it was.

    Raises:
        NotMeasured: it was not.
    """
    config = folder / f"{name}.json"
    entry = {"path": str(folder / name), "stream": "events"}
    config.write_text(json.dumps({"files": [entry], "settle_seconds": 0}))
    command = [sys.executable, "-m", "tap_klaviyo_files", "--config", str(config)]
    if state:
        (folder / "state.json").write_text(state)
        command += ["--state", str(folder / "state.json")]
    with one_core_apart() as core, tempfile.TemporaryFile() as told:
        tap = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told)  # noqa: S603
        if core is not None:
            os.sched_setaffinity(tap.pid, {core})
        counting = [sys.executable, "-c", _COUNT]
        counted = subprocess.Popen(counting, stdin=tap.stdout, stdout=subprocess.PIPE, text=True)  # noqa: S603
        assert tap.stdout  # noqa: S101 - it is a pipe
        tap.stdout.close()
        output, _ = counted.communicate()
        _, status, usage = os.wait4(tap.pid, 0)
        tap.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        said = told.read().decode(errors="replace")
    records, _, last = output.partition("\n")
    if tap.returncode or int(records) != count or "events.csv" not in last:
        msg = f"the tap gave {records} of {count} events and ended with {tap.returncode}: {said[-300:]}"
        raise NotMeasured(msg)
    spent = usage.ru_utime + usage.ru_stime
    return _Run(json.dumps(json.loads(last)["value"]), spent, usage.ru_maxrss * MAXRSS_UNIT)


BENCHMARKS: Mapping[str, Benchmark] = {"files": files}
