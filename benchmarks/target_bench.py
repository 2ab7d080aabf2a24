"""Measures the target against the sandbox: python benchmarks/target_bench.py [name ...] [--json] [--part 0.1].

As `bench.py` does for the tap: every figure is a ratio to a floor that is computed or to an allowance. The exit
status is 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from figures import Bar, Row, floor, table
from harness import BIN, NotMeasured, Sandbox, one_core_apart, sandbox

from klaviyo_wire.endpoints import ENDPOINTS

TARGET = str(BIN / "target-klaviyo-profiles")
ALLOWED = Bar(1)
FULL = Bar(1, at_least=True)
NEAR_THE_FLOOR = Bar(1.3)
FLAT = Bar(1.10)
MB = 1_000_000
STATE_EVERY = 10_000
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
_PROFILE = (
    '{"type":"RECORD","stream":"profiles","record":{"external_id":"crm-%07d","first_name":"Ada","last_name":'
    '"Lovelace","properties":{"lf_assignments":["spring_hero:hero:bold","exp2:slot:control"],"score":%d}}}\n'
)
_SCHEMA = {
    "type": "SCHEMA",
    "stream": "profiles",
    "schema": {"properties": {name: {} for name in ("external_id", "first_name", "last_name", "properties")}},
    "key_properties": ["external_id"],
}


@dataclass(frozen=True)
class Load:
    """What one run of the target took."""

    seconds: float
    cpu_seconds: float
    peak: int
    """Resident bytes at most."""
    states: int
    told: list[str]


def people(count: int, file: IO[str]) -> None:
    """Write a stream of small profiles."""
    file.write(f"{json.dumps(_SCHEMA)}\n")
    for number in range(1, count + 1):
        file.write(_PROFILE % (number, number))
        if number % STATE_EVERY == 0 or number == count:
            file.write(f"{json.dumps({'type': 'STATE', 'value': {'at': number}})}\n")


def load(count: int, klaviyo: Sandbox | None, *, core: int | None = None) -> Load:
    """Run the target on profiles; without a Klaviyo it is a dry run.

    Raises:
        NotMeasured: it failed, or did not settle every record.
    """
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryFile() as log, tempfile.TemporaryFile() as out:
        folder = Path(name)
        config: dict[str, object] = (
            {"api_url": klaviyo.url, "api_key": klaviyo.api_key} if klaviyo else {"api_key": "x", "dry_run": True}
        )
        (folder / "config.json").write_text(json.dumps(config))
        source = folder / "input.jsonl"
        with source.open("w") as file:
            people(count, file)
        began = time.perf_counter()
        with source.open("rb") as lines:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [TARGET, "--config", str(folder / "config.json")], cwd=folder, stdin=lines, stdout=out, stderr=log
            )
            if core is not None:
                os.sched_setaffinity(process.pid, {core})
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException:
                process.kill()
                raise
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        log.seek(0)
        out.seek(0)
        told, states = log.read().decode().splitlines(), out.read().splitlines()
    done = f"profiles: {count:,} received, {count:,} {'accepted' if klaviyo else 'would be sent'}"
    if process.returncode or not any(done in line for line in told):
        msg = f"the target did not settle every record: {' / '.join(told[-3:])}"
        raise NotMeasured(msg)
    if klaviyo and (not states or json.loads(states[-1]) != {"at": count}):
        msg = "the target did not emit the last STATE"
        raise NotMeasured(msg)
    cpu = usage.ru_utime + usage.ru_stime
    return Load(seconds, cpu, usage.ru_maxrss * _MAXRSS_UNIT, len(states), told)


def accepted(part: float) -> Iterator[Row]:
    """Real limits, 100 ms: 500,000 small profiles."""
    count = int(500_000 * part)
    submit = ENDPOINTS["bulk_import_profiles"]
    with sandbox(profiles=0, events=0, segments=0, latency_ms=100, rate_limits="real") as klaviyo:
        run = load(count, klaviyo)
        answers = klaviyo.answers(submit.operation)
        looks = sum(klaviyo.answers("get_bulk_import_profiles_job").values())
    requests = -(-count // 10_000)
    yield Row("accepted", "jobs", sum(answers.values()), "requests", requests, "full ones", NEAR_THE_FLOOR)
    yield Row("accepted", "answered 429", answers.get("429", 0), "requests")
    yield Row("accepted", "to the last STATE", run.seconds, "s", floor(requests, submit.limits, 0.1), "floor")
    yield Row("accepted", "looks at them", looks, "requests", run.seconds / 60 * 75 + 16, "allowed", ALLOWED)
    yield Row("accepted", "STATE on the way", run.states, "messages", count / STATE_EVERY, "sent")


def core(part: float) -> Iterator[Row]:
    """One core, no limits, no latency: Singer lines into jobs."""
    count = int(500_000 * part)
    with one_core_apart() as apart, sandbox(profiles=0, events=0, segments=0) as klaviyo:
        dry = load(count, None, core=apart)
        run = load(count, klaviyo, core=apart)
    pinned = "on one core" if apart is not None else "not pinned"
    yield Row("core", f"split, dry, {pinned}", count / dry.cpu_seconds, "a second", 25_000, "wanted", FULL)
    yield Row("core", f"sent and followed, {pinned}", count / run.cpu_seconds, "a second", 25_000, "wanted", FULL)
    yield Row("core", "the same by the clock", count / run.seconds, "a second", 25_000, "wanted")


def memory(part: float) -> Iterator[Row]:
    """No limits: the most memory at 500,000 profiles, which are fifty full jobs, and at 1,000,000."""
    peaks = []
    for size in (500_000, 1_000_000):
        with sandbox(profiles=0, events=0, segments=0) as klaviyo:
            peaks.append(load(int(size * part), klaviyo).peak / MB)
    yield Row("memory", f"{int(size * part):,} profiles", peaks[1], "MB", 300, "allowed", ALLOWED)
    yield Row("memory", "flat", peaks[1], "MB", peaks[0], "half of them", FLAT)


BENCHMARKS: Mapping[str, Callable[[float], Iterator[Row]]] = {
    each.__name__: each for each in (accepted, core, memory)
}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", choices=[[], *BENCHMARKS], help=", ".join(BENCHMARKS))
    parser.add_argument("--json", action="store_true", help="for a machine")
    parser.add_argument("--part", type=float, default=1.0, help="of the real sizes")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that what was started is ended
    rows: list[Row] = []
    try:
        for name in asked.name or BENCHMARKS:
            print(f"{name}: {BENCHMARKS[name].__doc__}", file=sys.stderr, flush=True)
            rows += BENCHMARKS[name](asked.part)
    except NotMeasured as reason:
        sys.exit(f"{name}: {reason}")
    print(json.dumps([row.json() for row in rows], indent=2) if asked.json else table(rows))
    sys.exit(any(row.met is False for row in rows))


if __name__ == "__main__":
    main()
