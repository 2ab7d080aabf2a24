"""The loader: events from a file into a DuckDB warehouse, beside the published loader in the same run."""

from __future__ import annotations

import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from figures import Bar, Benchmark, Row, Scale
from harness import BIN, MAXRSS_UNIT, NotMeasured

EVENTS = 1_000_000
EVENT_BYTES = 1_300
PUBLISHED = ("target-duckdb==0.8.0", "duckdb==1.2.2")
"""The baseline, and the newest DuckDB with which it loses no rows."""
_SCHEMA = {
    "id": {"type": "string"},
    "datetime": {"type": ["string", "null"], "format": "date-time"},
    "timestamp": {"type": ["integer", "null"]},
    "uuid": {"type": ["string", "null"]},
    "event_properties": {"type": ["object", "null"]},
    "profile_id": {"type": ["string", "null"]},
    "metric_id": {"type": ["string", "null"]},
}


@dataclass(frozen=True)
class _Load:
    seconds: float
    peak: int


def load(scale: Scale) -> Iterator[Row]:
    """A million events of 1.3 kB into an empty warehouse, and again; a tenth beside the published loader."""
    count = scale.of(EVENTS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        events, tenth, few = (folder / f"{part}.jsonl" for part in ("events", "tenth", "few"))
        _write(events, count)
        _write(tenth, count // 10)
        _write(few, 5)
        ours = {"path": str(folder / "ours.duckdb"), "default_target_schema": "raw"}
        program = BIN / "target-duckdb"
        first = _run(program, ours, events, count, folder)
        again = _run(program, ours, events, count, folder)
        small = _run(program, ours | {"path": str(folder / "few.duckdb")}, few, 5, folder)
        part = _run(program, ours | {"path": str(folder / "tenth.duckdb")}, tenth, count // 10, folder)
        theirs = _run(_published(folder), _settings(folder), tenth, count // 10, folder)
    yield Row("load", f"{count:,} events", first.seconds, "s", 17, "allowed", Bar(1))
    yield Row("load", "the same again", again.seconds, "s", 30, "allowed", Bar(1))
    yield Row("load", "most memory", max(first.peak, again.peak) / 1e6, "MB", 1_000, "allowed", Bar(1))
    yield Row("load", "five rows", small.seconds, "s", 2, "allowed", Bar(1))
    speed, baseline = (count // 10 / each.seconds for each in (part, theirs))
    yield Row("load", f"{count // 10:,} events", speed, "a second", baseline, "published", Bar(4, at_least=True))


def _write(path: Path, count: int) -> None:
    """Events as the tap writes them; the same for the same count."""
    chance = random.Random(count)  # noqa: S311 - no secret
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 11))) for _ in range(2_000)]
    texts = [" ".join(chance.choices(words, k=120)) for _ in range(500)]
    with path.open("w") as file:
        schema = {"type": "object", "properties": _SCHEMA}
        file.write(_line({"type": "SCHEMA", "stream": "events", "schema": schema, "key_properties": ["id"]}))
        for n in range(count):
            properties: dict[str, Any] = {
                "$message": f"01H{n % 40:023X}",
                "$value": n % 20_000 / 100,
                "URL": f"https://shop.example/{words[n % 2_000]}?lf_cid={chance.getrandbits(60)}",
                "Items": [{"SKU": f"{chance.getrandbits(40):012}", "Price": price / 4} for price in range(3)],
            }
            at = chance.randrange(200)
            room = EVENT_BYTES - 460 - len(json.dumps(properties))
            properties["Subject"] = texts[n % 500][at : at + room]
            record = {
                "id": f"{chance.getrandbits(100):026x}",
                "datetime": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(1_767_225_600 + n)),
                "timestamp": 1_767_225_600 + n,
                "uuid": f"{chance.getrandbits(128):032x}",
                "event_properties": properties,
                "profile_id": f"01G{n % 200_000:023X}",
                "metric_id": ("AbCdEf", "GhIjKl", "MnOpQr")[n % 3],
            }
            message = {"type": "RECORD", "stream": "events", "record": record}
            file.write(_line(message | {"time_extracted": "2026-11-28T00:00:00+00:00"}))
        file.write(_line({"type": "STATE", "value": {"bookmarks": {"events": {"read": count}}}}))


def _line(message: Mapping[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":")) + "\n"


def _run(program: Path, settings: Mapping[str, Any], events: Path, count: int, folder: Path) -> _Load:
    """Load a file, and see that all of it is there.

    Raises:
        NotMeasured: it is not.
    """
    config = folder / "config.json"
    config.write_text(json.dumps(settings))
    began = time.perf_counter()
    with events.open("rb") as given, tempfile.TemporaryFile() as told:
        process = subprocess.Popen([program, "--config", config], stdin=given, stdout=told, stderr=told)  # noqa: S603
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        told.seek(0)
        output = told.read().decode(errors="replace")
    if process.returncode:
        msg = f"{program} ended with {process.returncode}: {output[-500:]}"
        raise NotMeasured(msg)
    with duckdb.connect(str(settings["path"]), read_only=True) as warehouse:
        [(rows,)] = warehouse.execute("SELECT count(*) FROM raw.events").fetchall()
    if rows != count or f'"read": {count}' not in output.replace('":', '": ').replace('":  ', '": '):
        msg = f"{program} loaded {rows} of {count} events, or told no STATE of them"
        raise NotMeasured(msg)
    return _Load(seconds, usage.ru_maxrss * MAXRSS_UNIT)


def _published(folder: Path) -> Path:
    """The published loader, installed into an environment of its own."""
    home = folder / "published"
    for command in (
        ("venv", "--quiet", "--python", str(BIN / "python"), str(home)),
        ("pip", "install", "--quiet", "--python", str(home / "bin" / "python"), *PUBLISHED),
    ):
        done = subprocess.run([BIN / "uv", *command], capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            msg = f"the published loader could not be installed: {done.stderr[-300:]}"
            raise NotMeasured(msg)
    return home / "bin" / "target-duckdb"


def _settings(folder: Path) -> dict[str, Any]:
    """Those with which the pipeline used the published loader."""
    return {
        "path": str(folder / "published.duckdb"),
        "default_target_schema": "raw",
        "add_metadata_columns": True,
        "flush_all_streams": True,
        "batch_size_rows": 50_000,
        "temp_dir": str(folder),
        "settings": {"enable_progress_bar": "false"},
    }


BENCHMARKS: Mapping[str, Benchmark] = {"load": load}
