"""Runs what is measured as processes: the sandbox, and taps whose output is read through a pipe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any, Literal

from figures import Bar, Row

Json = dict[str, Any]
Program = tuple[str, ...]

BIN = Path(sys.executable).parent
TAP: Program = (str(BIN / "tap-klaviyo-engagement"),)
PLAIN_TAP: Program = (sys.executable, str(Path(__file__).with_name("plain_tap.py")))

PATIENCE = 900.0
"""Seconds after which a tap is taken to hang."""

TRANSFORM = Path(__file__).parents[1] / "transform"

MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes; `getrusage(2)`."""


class NotMeasured(Exception):  # noqa: N818 - named for what it means to the reader
    """A program failed, or did not do all of its work: its time says nothing."""


@dataclass(frozen=True)
class Sandbox:
    """A running `klaviyo-sandbox`."""

    url: str
    api_key: str

    def counts(self) -> dict[str, int]:
        """Rows by stream."""
        counts: dict[str, int] = self._get("counts")
        return counts

    def answers(self, operation: str) -> dict[str, int]:
        """How many requests of an operation were answered so far, by status."""
        answers: dict[str, int] = self._get("requests")["requests"]
        prefix = f"{operation} "
        return {key.removeprefix(prefix): count for key, count in answers.items() if key.startswith(prefix)}

    def _get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        with urllib.request.urlopen(f"{self.url}/sandbox/{path}") as answer:  # noqa: S310 - our own server
            return json.load(answer)


@dataclass
class Extract:
    """What one run of a tap wrote, and what it took."""

    schemas: dict[str, Json] = field(default_factory=dict)
    """SCHEMA messages by stream."""
    records: int = 0
    columns: frozenset[str] = frozenset()
    """Of the last record."""
    states: int = 0
    state: Json = field(default_factory=dict)
    state_bytes: int = 0
    """Of the last STATE message."""
    told: Sequence[str] = ()
    """Lines of standard error."""
    seconds: float = 0.0
    """From the start of the process to its end."""
    cpu_seconds: float = 0.0
    peak: int = 0
    """Resident bytes at most. Never less than this process had when it started the other."""


@contextmanager
def sandbox(  # noqa: PLR0913
    *,
    profiles: int,
    events: int = 0,
    event_bytes: int = 0,
    everybody: bool = False,
    latency_ms: int = 0,
    rate_limits: Literal["real", "off"] = "off",
    settle_seconds: int = 0,
) -> Iterator[Sandbox]:
    """Start a sandbox on a free port; it is gone afterwards, whatever happened.

    Args:
        profiles: How many people.
        events: How many events.
        event_bytes: Of one in an answer, roughly; 0: as small as they come.
        everybody: Whether there is a segment of all people, `Everybody`.
        latency_ms: Added to every answer.
        rate_limits: Whether Klaviyo's are enforced.
        settle_seconds: Until what was accepted takes effect.

    Raises:
        NotMeasured: it did not start.
    """
    options = [f"--profiles={profiles}", f"--events={events}", f"--event-bytes={event_bytes}", "--segments=0"]
    options += [f"--latency-ms={latency_ms}", f"--rate-limits={rate_limits}", f"--settle-seconds={settle_seconds}"]
    options += ["--everybody"] if everybody else []
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        ready = Path(folder) / "ready.json"
        command = [str(BIN / "klaviyo-sandbox"), *options, f"--ready-file={ready}"]
        with _ended(subprocess.Popen(command, stdout=log, stderr=log)) as process:  # noqa: S603
            while not ready.exists():
                _check(command, process.poll() or 0, _text(log))
                time.sleep(0.05)
            yield Sandbox(**json.loads(ready.read_text()))


def extract(  # noqa: PLR0913
    program: Program,
    klaviyo: Sandbox,
    streams: Mapping[str, Collection[str]],
    *,
    settings: Mapping[str, Any] | None = None,
    state: Json | None = None,
    core: int | None = None,
) -> Extract:
    """Run a tap to its end.

    Args:
        program: The tap.
        klaviyo: What it reads.
        streams: The columns to select, by stream; none named: all.
        settings: Beside address and key.
        state: Of a run before.
        core: The only one it may use.

    Raises:
        NotMeasured: it failed.
    """
    config = {"api_url": klaviyo.url, "api_key": klaviyo.api_key, **(settings or {})}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        files = {"config": config, "catalog": _catalog(program, streams), "state": state or {}}
        command = list(program)
        for name, document in files.items():
            path = Path(folder) / f"{name}.json"
            path.write_text(json.dumps(document))
            command += [f"--{name}", str(path)]
        began = time.perf_counter()
        with _ended(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)) as process:  # noqa: S603
            if core is not None:
                os.sched_setaffinity(process.pid, {core})
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            watch = threading.Timer(PATIENCE, process.kill)
            watch.start()
            try:
                found = read(process.stdout)
            finally:
                watch.cancel()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        found.seconds = time.perf_counter() - began
        found.cpu_seconds = usage.ru_utime + usage.ru_stime
        found.peak = usage.ru_maxrss * MAXRSS_UNIT
        told = _text(log)
        _check(command, process.returncode, told)
        found.told = told.splitlines()
        return found


def read(messages: IO[bytes]) -> Extract:
    """What the lines of a tap say; records are counted, only the last of them is looked at.

    Raises:
        NotMeasured: a line is no message.
    """
    found, last = Extract(), b""
    for line in messages:
        if line.startswith(b'{"type":"RECORD"'):
            found.records += 1
            last = line
            continue
        try:
            message = json.loads(line)
            kind = message["type"]
        except (ValueError, KeyError, TypeError) as error:
            msg = f"a tap wrote {line[:100]!r}, which is no message"
            raise NotMeasured(msg) from error
        if kind == "SCHEMA":
            found.schemas[message["stream"]] = message
        elif kind == "STATE":
            found.states += 1
            found.state, found.state_bytes = message["value"], len(line)
    if last:
        found.columns = frozenset(json.loads(last)["record"])
    return found


def seconds_to_start(program: Program, repeats: int) -> float:
    """How long a tap takes to tell about itself, at best."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        _said([*program, "--about"])
        times.append(time.perf_counter() - began)
    return min(times)


@contextmanager
def one_core_apart() -> Iterator[int | None]:
    """A core that nothing started meanwhile uses, unless it is told to; None where there is none to spare."""
    if sys.platform != "linux" or len(cores := sorted(os.sched_getaffinity(0))) == 1:
        yield None
        return
    os.sched_setaffinity(0, set(cores[:-1]))
    try:
        yield cores[-1]
    finally:
        os.sched_setaffinity(0, set(cores))


def _catalog(program: Program, streams: Mapping[str, Collection[str]]) -> Json:
    """The catalog of a tap, with only these streams and columns selected."""
    catalog: Json = json.loads(_discovered(program))
    for entry in catalog["streams"]:
        name = entry["tap_stream_id"]
        for metadata in entry["metadata"]:
            column = metadata["breadcrumb"][-1:]
            wanted = streams.get(name, ())
            kept = not column or not wanted or column[0] in wanted
            metadata["metadata"]["selected"] = name in streams and kept
    return catalog


@cache
def _discovered(program: Program) -> bytes:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
        config.write('{"api_key": "pk_discovery", "api_url": "http://127.0.0.1"}')
        config.flush()
        return _said([*program, "--config", config.name, "--discover"])


def _said(command: Sequence[str]) -> bytes:
    done = subprocess.run(command, check=False, capture_output=True)  # noqa: S603
    _check(command, done.returncode, done.stderr.decode(errors="replace"))
    return done.stdout


def _check(command: Sequence[str], status: int, told: str) -> None:
    """Raise `NotMeasured` with a program's last words, if it failed."""
    if status:
        msg = f"{' '.join(command)} ended with {status}: {' / '.join(told.splitlines()[-3:])}"
        raise NotMeasured(msg)


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that does not outlive what it is needed for."""
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _text(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")


@dataclass(frozen=True)
class DbtRun:
    """What one run of dbt took.

    Attributes:
        seconds: Of each node, beside dbt's own start.
        elapsed: Of all nodes together, two at a time.
        cpu_seconds: Of the whole process.
        peak: Resident bytes of the whole process at most.
    """

    seconds: Mapping[str, float]
    elapsed: float
    cpu_seconds: float
    peak: int


def dbt(warehouse: Path, *arguments: str, memory: str | None = None) -> DbtRun:
    """Run dbt on a DuckDB file, in a process of its own.

    Args:
        warehouse: The file.
        arguments: dbt's.
        memory: Most that DuckDB takes, such as `3GB`; None: as much as it does by itself.

    Raises:
        NotMeasured: It failed.
    """
    target = warehouse.parent / "target"
    command = [str(BIN / "dbt"), *arguments, "--quiet", "--target", "duckdb", "--target-path", str(target)]
    command += ["--project-dir", str(TRANSFORM), "--profiles-dir", str(TRANSFORM), "--log-path", str(target)]
    environment = {**os.environ, "KLAVIYO_LOOP_WAREHOUSE": str(warehouse)}
    environment |= {"KLAVIYO_LOOP_WAREHOUSE_MEMORY": memory} if memory else {}
    process = subprocess.Popen(command, env=environment, stdout=sys.stderr)  # noqa: S603
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        msg = f"dbt {' '.join(arguments)} ended with {process.returncode}"
        raise NotMeasured(msg)
    found = json.loads((target / "run_results.json").read_text(encoding="utf-8"))
    return DbtRun(
        seconds={result["unique_id"].split(".")[-1]: result["execution_time"] for result in found["results"]},
        elapsed=found["elapsed_time"],
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak=usage.ru_maxrss * MAXRSS_UNIT,
    )


def idle(warehouse: Path, run: Callable[[], DbtRun]) -> DbtRun:
    """A run in which nothing was landed, the second of two; the warehouse is as before afterwards.

    Args:
        warehouse: A DuckDB file.
        run: The job over it.

    Raises:
        NotMeasured: It failed.
    """
    kept = warehouse.with_suffix(".kept")
    shutil.copy(warehouse, kept)
    run()
    found = run()
    shutil.move(kept, warehouse)
    return found


def beside_idle(benchmark: str, what: str, run: DbtRun, without: DbtRun, allowed: float) -> Iterator[Row]:
    """What a run takes, and what of it is not taken by one in which nothing was landed (`idle`).

    Args:
        benchmark: Its name.
        what: The run did.
        run: It.
        without: The idle one.
        allowed: Seconds of the difference.
    """
    difference = max(run.elapsed - without.elapsed, 0.0)
    yield Row(benchmark, f"{what}: with it", run.elapsed, "s", without.elapsed, "idle")
    yield Row(benchmark, f"{what}, beside an idle run", difference, "s", allowed, "allowed", Bar(1))
    yield Row(benchmark, f"{what}: processor time, dbt's too", run.cpu_seconds, "s", without.cpu_seconds, "idle")
