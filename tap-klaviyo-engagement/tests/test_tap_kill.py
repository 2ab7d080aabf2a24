"""Runs killed anywhere while the account changes: what was emitted, taken together, is the truth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.model.clock import Clock
from klaviyo_sandbox.model.records import Event, GroupKind
from klaviyo_wire.endpoints import ENDPOINTS, Endpoint, Page
from tap_klaviyo_engagement.emission import emitter
from tap_klaviyo_engagement.extraction import concurrent_reader
from tap_klaviyo_engagement.stream_kinds import listed_stream
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement
from tap_klaviyo_engagement.times import iso

Json = dict[str, Any]
RunTap = Callable[..., Any]

KILLS = int(os.environ.get("CHAOS_KILLS", "25"))
"""How often the real process is killed; `make test` takes a sample of it, `make chaos` more."""
SEEDS = range(8 if KILLS >= 25 else 2)

BEGIN = datetime(2026, 9, 1, 12, tzinfo=UTC)
DAY = 86_400
PEOPLE = 60
STREAMS = ("events", "profiles", "list_memberships", "membership_snapshots")

# Seconds from now at which an event appears: ties, late ones, some ahead. The lookback reaches all of them.
OFFSETS = [-6 * DAY, -2 * DAY, -DAY, 1 - DAY, -3_601, -3_600, -301, -300, -60, -1, 0, 1, 3_600, DAY, 40 * DAY]


class Truth:
    """An account that changes, and what a loader holds of what was emitted."""

    def __init__(self, sandbox: Sandbox, random: Random) -> None:
        self.store, self.random = sandbox.store, random
        self.metrics = [row[0] for row in self.store.read("select id from metrics order by id")][:3]
        self.people = [row[0] for row in self.store.read("select id from profiles order by id")]
        group = self.store.group_named("Newsletter", GroupKind.LIST)
        assert group is not None
        self.group = group.id
        self.events: Counter[str] = Counter()
        self.profiles: dict[str, str] = {}
        self.members: dict[str, str] = {}
        self.snapshots: dict[str, int] = {}
        self.state: Json = {}
        self.killed = 0
        self._count = 0

    def history(self, now: datetime, count: int, days: int, *, growth: float = 3) -> None:
        """Events of the past, most of them lately if they grew, and people who changed then."""
        spread = [-int(days * DAY * self.random.random() ** growth) - 400 for _ in range(count)]
        self._add(now, spread)
        for person in self.people:
            at = now - timedelta(seconds=400 + self.random.randrange(days * DAY) // 3_600 * 3_600)
            self.store.touch_profiles([person], int(at.timestamp()))

    def change(self, now: datetime) -> None:
        """Events appear, people change, some leave the list."""
        self._add(now, self.random.choices(OFFSETS, k=self.random.randrange(25)))
        self.store.touch_profiles(
            self.random.choices(self.people, k=self.random.randrange(6)), int(now.timestamp())
        )
        members = [profile.id for profile in self.store.members_of(self.group)]
        if self.random.random() < 0.3 and len(members) > 5:
            self.store.remove_members(self.group, self.random.choices(members, k=2))

    def _add(self, now: datetime, offsets: list[int]) -> None:
        self.store.add_events(
            Event(
                id=f"e{self._count + place:06d}",
                uuid=f"u{self._count + place}",
                timestamp=int(now.timestamp()) + offset,
                metric_id=self.random.choice(self.metrics),
                profile_id=None,
                properties={"number": self._count + place, "text": "👩‍👧 é \n"},
            )
            for place, offset in enumerate(offsets)
        )
        self._count += len(offsets)

    def load(self, messages: list[Json]) -> None:
        """Load what a reader saw; the last state is the next run's."""
        for message in messages:
            match message:
                case {"type": "STATE", "value": dict(state)}:
                    self.state = state
                case {"type": "RECORD", "stream": "events", "record": record}:
                    self.events[record["id"]] += 1
                case {"type": "RECORD", "stream": "profiles", "record": record}:
                    self.profiles[record["id"]] = record["updated"]
                case {"type": "RECORD", "stream": "list_memberships", "record": record}:
                    self.members[record["profile_id"]] = record["snapshot_at"]
                case {"type": "RECORD", "stream": "membership_snapshots", "record": record}:
                    if record["group_id"] == self.group:
                        self.check_snapshot(record)
                        self.snapshots[record["snapshot_at"]] = record["member_count"]

    def check_snapshot(self, snapshot: Json) -> None:
        """A snapshot is told only once all its members are."""
        current = [person for person, at in self.members.items() if at >= snapshot["snapshot_at"]]
        assert len(current) == snapshot["member_count"]

    def check(self) -> None:
        """After a run that came to its end: nothing is missing, nothing is too much."""
        assert self.events.keys() == {row[0] for row in self.store.read("select id from events")}
        held = self.store.read("select id, updated from profiles")
        assert self.profiles == {person: iso(datetime.fromtimestamp(at, UTC)) for person, at in held}
        newest = max(self.snapshots)
        current = {person for person, at in self.members.items() if at >= newest}
        assert current == {profile.id for profile in self.store.members_of(self.group)}


# In this process: anywhere between two messages, with a state after every window


class Time:
    """The time of both the account and the tap."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now


def _smaller(endpoint: Endpoint) -> Endpoint:
    """The endpoint with pages of seven rows, so that a few rows are many pages."""
    return replace(endpoint, page=Page(7, 7)) if endpoint.page and endpoint.page.maximum else endpoint


def _catalog(config: Json, streams: tuple[str, ...] = STREAMS) -> Json:
    whole: Json = TapKlaviyoEngagement(config=config).catalog_dict
    return {"streams": [entry for entry in whole["streams"] if entry["tap_stream_id"] in streams]}


@pytest.mark.parametrize("listings", ["one listing", "several listings"])
@pytest.mark.parametrize("seed", SEEDS)
def test_runs_killed_anywhere_leave_no_gap(
    seed: int, listings: str, run_tap: RunTap, monkeypatch: pytest.MonkeyPatch
) -> None:
    random, time = Random(seed), Time()  # noqa: S311 - decides what happens
    monkeypatch.setattr(emitter, "STATE_RECORDS", random.choice([1, 20, 200]))
    monkeypatch.setattr(emitter, "STATE_SECONDS", random.choice([0.0, 5.0]))
    monkeypatch.setattr(
        listed_stream, "ENDPOINTS", {name: _smaller(endpoint) for name, endpoint in ENDPOINTS.items()}
    )
    monkeypatch.setattr(concurrent_reader, "AHEAD", random.choice([1, 20_000, concurrent_reader.AHEAD]))
    monkeypatch.setattr(concurrent_reader, "READY", random.choice([1, 20_000, concurrent_reader.READY]))
    monkeypatch.setattr(concurrent_reader, "EARLY", random.choice([0, 1, 20, concurrent_reader.EARLY]))
    with Sandbox(profiles=PEOPLE, events=0, segments=1, seed=seed, clock=Clock(time)) as sandbox:
        truth = Truth(sandbox, random)
        truth.history(time.now, 250, 100)
        config: Json = {"api_key": sandbox.api_key, "api_url": sandbox.url, "lists": ["Newsletter"]}
        config |= {"metrics": truth.metrics} if listings == "several listings" else {}
        catalog = _catalog(config)
        for position in range(16):
            ends = position % 8 == 7
            time.now += timedelta(hours=1.0 if ends else random.choice([0.001, 0.002, 0.02, 1.0, 30.0]))
            truth.change(time.now - timedelta(minutes=10) if ends else time.now)
            extract = run_tap(
                config,
                catalog,
                state=json.loads(json.dumps(truth.state)),
                now=time,
                breaks_after=None if ends else random.randrange(random.choice([40, 500])),
            )
            assert extract.failed == []
            truth.killed += extract.killed
            truth.load(extract.messages)
            if ends:
                truth.check()
        assert truth.killed >= 5


def test_a_run_that_went_on_after_kills_emits_little_twice(
    run_tap: RunTap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kill costs is what was read since the last state."""
    time = Time()
    monkeypatch.setattr(emitter, "STATE_RECORDS", 1)
    monkeypatch.setattr(concurrent_reader, "EARLY", 2)  # as few in the pages read before a kill as of full ones
    monkeypatch.setattr(
        listed_stream, "ENDPOINTS", {name: _smaller(endpoint) for name, endpoint in ENDPOINTS.items()}
    )
    with Sandbox(profiles=PEOPLE, events=0, segments=1, seed=1, clock=Clock(time)) as sandbox:
        truth = Truth(sandbox, Random(1))  # noqa: S311
        truth.history(time.now, 600, 100, growth=1)
        config = {"api_key": sandbox.api_key, "api_url": sandbox.url}
        catalog = _catalog(config, ("events",))
        for _ in range(20):
            extract = run_tap(config, catalog, state=truth.state, now=time, breaks_after=250)
            truth.load(extract.messages)
            if not extract.killed:
                break
        assert not extract.killed
        assert truth.events.keys() == {row[0] for row in sandbox.store.read("select id from events")}
        assert sum(truth.events.values()) < 2 * 600


# The real process: SIGKILL at any byte

CODE = """
import sys
from tap_klaviyo_engagement import __main__
from tap_klaviyo_engagement.emission import emitter
emitter.STATE_RECORDS, emitter.STATE_SECONDS = int(sys.argv.pop(1)), float(sys.argv.pop(1))
__main__.main()
"""


@pytest.fixture
def real(tmp_path: Path) -> Iterator[tuple[Sandbox, Path]]:
    with Sandbox(profiles=PEOPLE, events=0, segments=1, seed=4) as sandbox:
        config = {"api_key": sandbox.api_key, "api_url": sandbox.url, "lists": ["Newsletter"]}
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "catalog.json").write_text(json.dumps(_catalog(config)))
        yield sandbox, tmp_path


def _process(
    folder: Path, state: Mapping[str, Any], kill_after: int | None, *, often: bool
) -> tuple[list[Json], bool]:
    """Whole messages that a reader saw of a run, and whether it was killed after so many bytes."""
    (folder / "state.json").write_text(json.dumps(state))
    start = ["-c", CODE, "1", "0"] if often else ["-m", "tap_klaviyo_engagement"]
    files = [
        text for name in ("config", "catalog", "state") for text in (f"--{name}", str(folder / f"{name}.json"))
    ]
    with (folder / "stderr").open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, *start, *files], stdout=subprocess.PIPE, stderr=errors
        )
    assert process.stdout is not None
    try:
        seen = process.stdout.read(-1 if kill_after is None else kill_after)
        killed = kill_after is not None and len(seen) == kill_after
        if not killed:
            assert process.wait(60) == 0, (folder / "stderr").read_text()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    lines = seen.split(b"\n")[:-1]  # the last one is half a line, or empty
    return [json.loads(line) for line in lines], killed


def test_a_killed_process_goes_on_where_the_last_state_says(real: tuple[Sandbox, Path]) -> None:
    sandbox, folder = real
    random = Random(KILLS)  # noqa: S311
    truth = Truth(sandbox, random)
    truth.history(sandbox.clock.now(), 3_000, 100)
    whole = 600_000
    while truth.killed < KILLS:
        now = sandbox.clock.now()
        truth.change(now)
        reach = whole if truth.killed % 3 else 40_000
        messages, killed = _process(folder, truth.state, 1 + random.randrange(reach), often=random.random() < 0.7)
        truth.killed += killed
        truth.load(messages)
    messages, killed = _process(folder, truth.state, None, often=False)
    assert not killed
    truth.load(messages)
    truth.check()
