"""Runs the target inside the test's process, against the sandbox, in a time that only waiting moves."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_sandbox import Sandbox
from target_klaviyo_profiles.client import Time
from target_klaviyo_profiles.target import TargetKlaviyoProfiles

if TYPE_CHECKING:
    from target_klaviyo_profiles.delivery.tally import Tally
    from target_klaviyo_profiles.sinks.base import Sink

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

from sink_examples import Examples, examples, furnish

Json = dict[str, Any]
IMPORT_SECONDS = 5.0


class WaitingTime:
    """Waiting takes no time, and moves the sandbox's clock by what was waited."""

    def __init__(self) -> None:
        self.waited = 0.0
        self.advance: Callable[[float], None] = lambda _: None
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self.waited

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.waited += seconds
            self.advance(seconds)

    def as_time(self) -> Time:
        return Time(self.monotonic, self.sleep, lambda: datetime(2026, 11, 1, tzinfo=UTC))


@dataclass
class Run:
    """What one run of the target did."""

    states: list[Json]
    error: Exception | None
    tallies: dict[str, Tally]
    rejects: list[Json]
    log: str


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> WaitingTime:
    time = WaitingTime()
    monkeypatch.setattr("backoff._sync.time.sleep", time.sleep)
    return time


@pytest.fixture
def sandbox(time: WaitingTime) -> Iterator[Sandbox]:
    with Sandbox(profiles=20, events=0, segments=1, import_seconds=IMPORT_SECONDS, keep_writes=True) as sandbox:
        sandbox.clock.freeze()
        time.advance = sandbox.clock.advance
        yield sandbox


@pytest.fixture
def load(
    sandbox: Sandbox, time: WaitingTime, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Callable[..., Run]:
    """Run the target on messages (objects, or lines as they are); settings go by keyword."""

    waiting = time.as_time()

    class Target(TargetKlaviyoProfiles):
        time = waiting

    def load(messages: Iterable[Json | str], **settings: object) -> Run:
        rejects = tmp_path / "rejects.jsonl"
        config = {
            "api_key": sandbox.api_key,
            "api_url": sandbox.url,
            "rejects_path": str(rejects),
            "ledger_path": str(tmp_path / "ledger.sqlite"),
            "rejects_include_record": True,
            "max_reject_ratio": 1,  # most tests refuse a good part of their few records; null is the default
            **settings,
        }
        target = Target(config={name: value for name, value in config.items() if value is not None})
        lines = (each if isinstance(each, str) else json.dumps(each) for each in messages)
        stdout, error = io.StringIO(), None
        with redirect_stdout(stdout), caplog.at_level(logging.INFO):
            try:
                target.listen(io.StringIO("\n".join(lines)))
            except Exception as raised:  # noqa: BLE001 - handed to the test
                error = raised
        written = rejects.read_text().splitlines() if rejects.exists() else []
        return Run(
            states=[json.loads(line) for line in stdout.getvalue().splitlines()],
            error=error,
            tallies=dict(target.coordinator.tallies),
            rejects=[json.loads(line) for line in written],
            log=caplog.text,
        )

    return load


@pytest.fixture
def messages() -> Callable[..., list[Json]]:
    """A stream's SCHEMA, a RECORD each, and a STATE at the end."""

    def messages(records: Iterable[Json], *, stream: str = "profiles", state: object = "end") -> list[Json]:
        records = list(records)
        names = sorted({name for record in records for name in record})
        schema: Json = {"properties": {name: {} for name in names}}
        return [
            {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": []},
            *({"type": "RECORD", "stream": stream, "record": record} for record in records),
            {"type": "STATE", "value": {"at": state}},
        ]

    return messages


@pytest.fixture
def load_any(
    sandbox: Sandbox, load: Callable[..., Run], messages: Callable[..., list[Json]]
) -> Callable[..., Run]:
    """Run the target on records of any sink, made by a method of its examples; settings go by keyword."""

    def load_any(sink: type[Sink], records: Callable[[Examples], Iterable[Json]], **settings: object) -> Run:
        made = records(examples(sink, furnish(sandbox)))
        own = {"revision": sink.revision(), "allow_deletions": True, "clearable_fields": sorted(sink.clearable)}
        return load(messages(made, stream=sink.stream), **own, **settings)

    return load_any
