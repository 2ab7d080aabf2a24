"""Measures the target against the sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from figures import Bar, Benchmark, Row, Scale, floor
from harness import BIN, MAXRSS_UNIT, NotMeasured, Sandbox, one_core_apart, sandbox

from klaviyo_wire.endpoints import ENDPOINTS

TARGET = str(BIN / "target-klaviyo-profiles")
ALLOWED = Bar(1)
FULL = Bar(1, at_least=True)
NEAR_THE_FLOOR = Bar(1.3)
NEAR_THE_LIMIT = Bar(1.05)
FLAT = Bar(1.10)
MB = 1_000_000
STATE_EVERY = 10_000
_PROFILE = (
    '{"type":"RECORD","stream":"profiles","record":{"external_id":"crm-%07d","first_name":"Ada","last_name":'
    '"Lovelace","properties":{"lf_assignments":["spring_hero:hero:bold","exp2:slot:control"],"score":%d}}}\n'
)
_EVENT = (
    '{"type":"RECORD","stream":"events","record":{"metric":"Returned Order","external_id":"crm-%07d","time":'
    '"2026-09-01T10:00:00+00:00","value":%d,"value_currency":"DKK","properties":{"sku":"A-1","why":"size"}}}\n'
)


@dataclass(frozen=True)
class Input:
    """Singer messages of one stream.

    Attributes:
        stream: Its name.
        line: A RECORD, with a place for the number of a person, and one for that of the record.
        people: How many there are; after the last one comes the first again.
    """

    stream: str
    line: str
    people: int = 10_000_000

    def write(self, count: int, file: IO[str]) -> None:
        """Write so many records, with a STATE now and then."""
        names = json.loads(self.line % (1, 1))["record"]
        schema: dict[str, object] = {"properties": {name: {} for name in names}}
        message = {"type": "SCHEMA", "stream": self.stream, "schema": schema, "key_properties": []}
        file.write(f"{json.dumps(message)}\n")
        for number in range(1, count + 1):
            file.write(self.line % (number % self.people, number))
            if number % STATE_EVERY == 0 or number == count:
                file.write(f"{json.dumps({'type': 'STATE', 'value': {'at': number}})}\n")


PEOPLE = Input("profiles", _PROFILE)
HAPPENINGS = Input("events", _EVENT, people=20_000)


@dataclass(frozen=True)
class Load:
    """What one run of the target took."""

    seconds: float
    cpu_seconds: float
    peak: int
    """Resident bytes at most."""
    states: int
    told: list[str]


def load(count: int, klaviyo: Sandbox | None, *, core: int | None = None, given: Input = PEOPLE) -> Load:
    """Run the target; without a Klaviyo it is a dry run.

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
            given.write(count, file)
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
    done = f"{given.stream}: {count:,} received, {count:,} {'accepted' if klaviyo else 'would be sent'}"
    if process.returncode or not any(done in line for line in told):
        msg = f"the target did not settle every record: {' / '.join(told[-3:])}"
        raise NotMeasured(msg)
    if klaviyo and (not states or json.loads(states[-1]) != {"at": count}):
        msg = "the target did not emit the last STATE"
        raise NotMeasured(msg)
    cpu = usage.ru_utime + usage.ru_stime
    return Load(seconds, cpu, usage.ru_maxrss * MAXRSS_UNIT, len(states), told)


def write_profiles(scale: Scale) -> Iterator[Row]:
    """Real limits, 100 ms: 500,000 small profiles."""
    count = scale.of(500_000)
    submit = ENDPOINTS["bulk_import_profiles"]
    with sandbox(profiles=0, latency_ms=100, rate_limits="real") as klaviyo:
        run = load(count, klaviyo)
        answers = klaviyo.answers(submit.operation)
        looks = sum(klaviyo.answers("get_bulk_import_profiles_job").values())
    requests = -(-count // 10_000)
    yield Row("write_profiles", "jobs", sum(answers.values()), "requests", requests, "full ones", NEAR_THE_FLOOR)
    yield Row("write_profiles", "answered 429", answers.get("429", 0), "requests")
    least = floor(requests, submit.limits, 0.1)
    yield Row("write_profiles", "to the last STATE", run.seconds, "s", least, "floor")
    yield Row("write_profiles", "looks at them", looks, "requests", run.seconds / 60 * 75 + 16, "allowed", ALLOWED)
    yield Row("write_profiles", "STATE on the way", run.states, "messages", count / STATE_EVERY, "sent")


def write_events(scale: Scale) -> Iterator[Row]:
    """Real limits, 100 ms: 1,000,000 small events of 20,000 people."""
    count = scale.of(1_000_000)
    submit = ENDPOINTS["bulk_create_events"]
    # Klaviyo gives events to their profiles on machines of its own; here that would take one of our two cores.
    with sandbox(profiles=0, latency_ms=100, rate_limits="real", settle_seconds=3_600) as klaviyo:
        run = load(count, klaviyo, given=HAPPENINGS)
        answers = klaviyo.answers(submit.operation)
    requests = -(-count // 1_000)
    least = floor(requests, submit.limits, 0.1)
    yield Row("write_events", "to the last STATE", run.seconds, "s", least, "floor", NEAR_THE_LIMIT)
    yield Row("write_events", "requests", sum(answers.values()), "requests", requests, "full ones")
    yield Row("write_events", "answered 429", answers.get("429", 0), "requests")


def write_core(scale: Scale) -> Iterator[Row]:
    """One core, no limits, no latency: Singer lines into jobs."""
    count = scale.of(500_000)
    with one_core_apart() as apart, sandbox(profiles=0) as klaviyo:
        dry = load(count, None, core=apart)
        run = load(count, klaviyo, core=apart)
    pinned = "on one core" if apart is not None else "not pinned"
    rates = {"split, dry": count / dry.cpu_seconds, "sent and followed": count / run.cpu_seconds}
    for what, rate in rates.items():
        yield Row("write_core", f"{what}, {pinned}", rate, "a second", 25_000, "wanted", FULL)
    yield Row("write_core", "the same by the clock", count / run.seconds, "a second", 25_000, "wanted")


def write_memory(scale: Scale) -> Iterator[Row]:
    """No limits: the most memory at 500,000 profiles, which are fifty full jobs, and at 1,000,000."""
    peaks = []
    for size in (500_000, 1_000_000):
        with sandbox(profiles=0) as klaviyo:
            peaks.append(load(scale.of(size), klaviyo).peak / MB)
    yield Row("write_memory", f"{scale.of(size):,} profiles", peaks[1], "MB", 300, "allowed", ALLOWED)
    yield Row("write_memory", "flat", peaks[1], "MB", peaks[0], "half of them", FLAT)


BENCHMARKS: Mapping[str, Benchmark] = {
    each.__name__: each for each in (write_profiles, write_events, write_core, write_memory)
}
