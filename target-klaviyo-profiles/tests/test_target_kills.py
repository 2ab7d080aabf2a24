"""SIGKILL at any moment: the next run goes on, nothing accepted is sent again, the account ends as the input."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time as wall
from collections.abc import Callable, Iterator
from pathlib import Path
from select import select
from typing import TYPE_CHECKING, Any

import pytest
from sink_examples import examples, furnish, named

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.http.faults import Reset, Slow, Status
from klaviyo_sandbox.model.records import CampaignMessage, Group, GroupKind, Template
from target_klaviyo_profiles.sinks import SINKS

if TYPE_CHECKING:
    from target_klaviyo_profiles.sinks.base import Sink

Json = dict[str, Any]
SUBMIT = "bulk_import_profiles"
RECORDS = 40
STATE_EVERY = 6
WHOLE = int(os.environ.get("CHAOS_KILLS", "25")) >= 25
"""Whether all seeds are played; `make test` takes half of them, of every kind of fault the same."""


Forks = subprocess.Popen[bytes]
"""`forking_target.py`: it holds no state between the processes that it forks."""


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    forks = subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, str(Path(__file__).with_name("forking_target.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    yield forks
    assert forks.stdin
    forks.stdin.close()
    forks.wait(20)
    assert forks.stdout
    forks.stdout.close()


class Runner:
    """Runs the target as a process, again and again, as a tap with a bookmark would feed it."""

    def __init__(
        self, forks: Forks, sandbox: Sandbox, folder: Path, records: list[Json], stream: str, **settings: object
    ) -> None:
        self._sandbox = sandbox
        self._folder = folder
        self._records = records
        self._stream = stream
        self._runs = 0
        self.bookmark = 0
        self._forks = forks
        self._settings = settings

    def run(self, killed_when: Callable[[], bool] | None = None) -> int:
        """Feed what is behind the bookmark; kill the process at a moment, if it lives so long: its exit code."""
        self._runs += 1
        source, output = self._folder / f"{self._runs}.jsonl", self._folder / f"{self._runs}.out"
        source.write_text("".join(f"{json.dumps(message)}\n" for message in self._messages()))
        config = {
            "api_key": self._sandbox.api_key,
            "api_url": self._sandbox.url,
            "rejects_path": str(self._folder / "rejects.jsonl"),
            "concurrency": 4,
            "allow_deletions": True,
            **self._settings,
        }
        assert self._forks.stdin
        assert self._forks.stdout
        asked = {"config": config, "input": str(source), "output": str(output)}
        self._forks.stdin.write(f"{json.dumps(asked)}\n".encode())
        process = int(self._forks.stdout.readline())
        if killed_when is not None:
            deadline = wall.monotonic() + 20
            while not killed_when() and not select([self._forks.stdout], [], [], 0.001)[0]:
                assert wall.monotonic() < deadline
            os.kill(process, signal.SIGKILL)
        code = int(self._forks.stdout.readline())
        self._forks.stdin.write(b"\n")
        states = output.read_text().splitlines() if output.exists() else []
        # A line that was cut is no STATE.
        whole = [json.loads(line) for line in states if line.endswith("}")]
        if whole:
            self.bookmark = whole[-1]["at"]
        return code

    def on(self, records: list[Json]) -> Runner:
        """The same with other records, not one of which was read."""
        other = Runner(self._forks, self._sandbox, self._folder, records, self._stream, **self._settings)
        other._runs = self._runs
        return other

    def log(self) -> str:
        return "".join(path.read_text() for path in sorted(self._folder.glob("*.log")))

    def _messages(self) -> Iterator[Json]:
        names: Json = {name: {} for record in self._records for name in record}
        yield {"type": "SCHEMA", "stream": self._stream, "schema": {"properties": names}, "key_properties": []}
        for number, record in enumerate(self._records[self.bookmark :], self.bookmark + 1):
            yield {"type": "RECORD", "stream": self._stream, "record": record}
            if number % STATE_EVERY == 0 or number == len(self._records):
                yield {"type": "STATE", "value": {"at": number}}


def _new_account() -> Sandbox:
    return Sandbox(profiles=20, events=0, segments=0, import_seconds=0.02, rate_limits="off")


@pytest.fixture
def account() -> Iterator[Sandbox]:
    with _new_account() as sandbox:
        yield sandbox


@pytest.fixture
def runner(forks: Forks, account: Sandbox, tmp_path: Path) -> Callable[..., Runner]:
    def runner(
        records: list[Json], stream: str = "profiles", other: Sandbox | None = None, **settings: object
    ) -> Runner:
        folder = tmp_path / ("other" if other else "account")
        folder.mkdir()
        return Runner(forks, other or account, folder, records, stream, **settings)

    return runner


def _records(rng: random.Random) -> list[Json]:
    """Some profiles come often: their last record must win, and each may add something."""
    people = rng.choice([8, 25, RECORDS])
    return [
        {
            "external_id": f"crm-{rng.randrange(people) if people < RECORDS else number}",
            "title": str(number),
            "properties": {f"p{rng.randrange(3)}": number},
        }
        for number in range(RECORDS)
    ]


def _wanted(records: list[Json]) -> dict[str, Json]:
    wanted: dict[str, Json] = {}
    for record in records:
        held = wanted.setdefault(record["external_id"], {"properties": {}})
        held["title"] = record["title"]
        held["properties"].update(record["properties"])
    return wanted


def _held(account: Sandbox, records: list[Json]) -> dict[str, Json]:
    people = {
        record["external_id"]: account.store.profile_by("external_id", record["external_id"]) for record in records
    }
    return {
        name: {"title": profile.title, "properties": profile.properties}
        for name, profile in people.items()
        if profile is not None
    }


def _jobs(account: Sandbox) -> int:
    return account.store.count("import_jobs")


def _idle(account: Sandbox) -> bool:
    open_jobs = "select count(*) from import_jobs where record ->> 'status' in ('queued', 'processing')"
    return bool(account.store.read(open_jobs)[0][0] == 0)


def _moment(account: Sandbox, requests: int, pause: float) -> Callable[[], bool]:
    """So many seconds after so many requests from now."""
    at = sum(account.requests.values()) + requests

    def moment() -> bool:
        if sum(account.requests.values()) < at:
            return False
        wall.sleep(pause)
        return True

    return moment


@pytest.mark.parametrize("seed", range(12 if WHOLE else 6))
def test_killed_at_random_moments_the_account_ends_as_the_input(
    account: Sandbox, runner: Callable[..., Runner], seed: int
) -> None:
    """Three kills each, some amid submissions that Klaviyo takes and does not answer."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    records = _records(rng)
    running = runner(records)
    if seed % 3 == 1:
        account.faults.add(Status(operation=SUBMIT, status=503, worked=True, probability=0.3, times=None))
    if seed % 3 == 2:
        account.faults.add(Reset(operation=SUBMIT, worked=True, probability=0.3, times=None))
    for _ in range(3):
        running.run(_moment(account, rng.randrange(1, 30), rng.random() * 0.03))
        settled = _wanted(records[: running.bookmark])
        held = _held(account, records)
        for name in settled:  # a STATE that left is true
            assert int(held[name]["title"]) >= int(settled[name]["title"])
    account.faults.clear()
    assert running.run() == 0, running.log()
    assert running.bookmark == RECORDS
    assert _held(account, records) == _wanted(records)
    assert not any(account.imports.stats.values())  # no profile was ever in two open jobs


@pytest.mark.parametrize("listed", [2, 0, 1])
def test_killed_amid_the_first_job_of_one_profile_the_next_run_ends(
    account: Sandbox, runner: Callable[..., Runner], listed: int
) -> None:
    """The record with a list is of another group: it waited for ever for rows that the ledger knew as sent."""
    account.store.put(Group(id="LIST01", kind=GroupKind.LIST, name="News", created=0, updated=0))
    [[who]] = account.store.read("select id from profiles limit 1")
    records: list[Json] = [{"id": who, "properties": {name: n}} for n, name in enumerate("abc", 1)]
    records[listed]["list_id"] = "LIST01"
    account.imports.delay = 60
    running = runner(records)
    assert running.run(lambda: _jobs(account) == 1) == -signal.SIGKILL
    assert running.bookmark == 0
    account.imports.delay = 0.02
    assert running.run() == 0, running.log()
    assert running.bookmark == 3
    held = account.store.profiles([who])[0].properties
    assert {name: held.get(name) for name in "abc"} == {"a": 1, "b": 2, "c": 3}
    assert [each.id for each in account.store.members_of("LIST01")] == [who]


@pytest.mark.parametrize("seed", range(6 if WHOLE else 2))
def test_killed_at_random_moments_every_event_is_there_once(
    account: Sandbox, runner: Callable[..., Runner], seed: int
) -> None:
    """Nothing is told of an event after 202: only its `unique_id` keeps a repeated one from counting twice."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    records = [
        {"metric": "Ordered", "external_id": f"crm-{n % 7}", "time": "2026-11-01T12:00:00Z", "unique_id": f"o-{n}"}
        for n in range(RECORDS)
    ]
    running = runner(records, "events")
    if seed % 2:
        account.faults.add(Reset(operation="bulk_create_events", worked=True, times=2))
    for _ in range(3):
        running.run(_moment(account, rng.randrange(2), rng.random() * 0.02))
    account.faults.clear()
    assert running.run() == 0, running.log()
    assert running.bookmark == RECORDS
    account.settle()
    assert account.store.count("events") == RECORDS


@pytest.mark.parametrize("sink", SINKS, ids=named)
def test_killed_at_random_moments_any_sink_leaves_what_one_run_leaves(
    account: Sandbox, runner: Callable[..., Runner], sink: type[Sink], tmp_path: Path
) -> None:
    rng = random.Random(sink.stream)  # noqa: S311 - no secret
    running = runner(_any_records(sink, account), sink.stream, revision=sink.revision())
    for _ in range(3):
        running.run(_moment(account, rng.randrange(8), rng.random() * 0.02))
    assert running.run() == 0, running.log()
    assert running.bookmark == RECORDS // 2
    with _new_account() as other:
        undisturbed = runner(_any_records(sink, other), sink.stream, other, revision=sink.revision())
        assert undisturbed.run() == 0, undisturbed.log()
        assert _rows(account) == _rows(other)
    assert not list(tmp_path.rglob("rejects.jsonl"))


# Klaviyo takes two templates of one name, and gives a message a copy: what is done twice is seen


HELD = 0.25
"""Seconds that the request which is under way at the kill waits before Klaviyo does it, if it does."""


def _held_up(account: Sandbox, number: int, *, worked: bool) -> Callable[[], bool]:
    """Hold up the request of this number from now; when it has come. Without `worked` it is never done."""
    account.faults.clear()
    account.faults.add(Slow(nth=number, seconds=HELD))
    if not worked:
        account.faults.add(Reset(nth=number))
    return lambda: any(each["struck"] for each in account.faults.report())


def _kill_and_run_again(account: Sandbox, running: Runner, number: int, lands: str) -> None:
    """Kill a run at that request, whose write lands when `lands` says, and let the next one end."""
    assert running.run(_held_up(account, number, worked=lands != "never")) == -signal.SIGKILL
    assert running.bookmark == 0
    if lands != "amid the next run":
        wall.sleep(HELD)
    account.faults.clear()
    assert running.run() == 0, running.log()
    wall.sleep(HELD if lands == "amid the next run" else 0)


@pytest.mark.parametrize("lands", ["never", "before the next run", "amid the next run"])
@pytest.mark.parametrize("number", [1, 2, 3, 4] if WHOLE else [3, 4])
def test_killed_at_each_request_a_template_is_there_once(
    account: Sandbox, runner: Callable[..., Runner], number: int, lands: str
) -> None:
    """Of two records, one is created and one rewritten, with a request to look and one to write each."""
    now = account.clock.seconds()
    old = Template(id="TPL001", name="held", editor_type="CODE", html="<p>old</p>", created=now, updated=now)
    account.store.put(old)
    running = runner([{"name": name, "html": f"<p>{name}</p>"} for name in ("new", "held")], "templates")
    _kill_and_run_again(account, running, number, lands)
    assert running.bookmark == 2
    stored = account.store.read("select name, record ->> 'html' from templates where name in ('new', 'held')")
    assert sorted(name for name, _ in stored) == ["held", "new"]
    assert all(f"<p>{name}</p>" in html for name, html in stored)


@pytest.mark.parametrize("lands", ["never", "before the next run", "amid the next run"])
@pytest.mark.parametrize("number", [1, 2, 3, 4] if WHOLE else [4])
def test_killed_at_each_request_a_message_has_the_right_template(
    account: Sandbox, runner: Callable[..., Runner], number: int, lands: str
) -> None:
    there = furnish(account)
    message = there["campaign_message_id"][0]
    now = account.clock.seconds()
    other = Template(id="TPL002", name="autumn", editor_type="CODE", html="<p>y</p>", created=now, updated=now)
    account.store.put(other)
    first = runner([{"campaign_message_id": message, "template_name": "spring"}], "campaign_message_templates")
    assert first.run() == 0
    running = first.on([{"campaign_message_id": message, "template_name": "autumn"}])
    before = account.requests["assign_template_to_campaign_message 200"]
    _kill_and_run_again(account, running, number, lands)
    assert running.bookmark == 1
    held = account.store.get(CampaignMessage, message)
    assert held is not None
    copy = account.store.get(Template, held.template_id or "")
    assert copy is not None
    assert "<p>y</p>" in copy.html
    # Nothing is done again that Klaviyo had done before the next run looked.
    done = account.requests["assign_template_to_campaign_message 200"] - before
    assert done == 1 or lands == "amid the next run"


def _any_records(sink: type[Sink], account: Sandbox) -> list[Json]:
    made = examples(sink, furnish(account))
    return [made.record(number) for number in range(RECORDS // 2)]


def _rows(account: Sandbox) -> dict[str, int]:
    """How much an account holds of everything but the jobs that brought it."""
    account.settle()
    names = [str(row[0]) for row in account.store.read("select name from sqlite_master where type = 'table'")]
    return {name: account.store.count(name) for name in names if "job" not in name and "import" not in name}


def test_a_job_that_was_accepted_is_followed_and_not_sent_again(
    account: Sandbox, runner: Callable[..., Runner], tmp_path: Path
) -> None:
    account.imports.delay = 0.4
    ledger = tmp_path / "account" / "target-klaviyo-profiles-ledger.sqlite"
    records = [{"external_id": f"crm-{n}", "title": str(n)} for n in range(20)]
    running = runner(records)

    def recorded() -> bool:
        return _jobs(account) == 4 and _accepted(ledger) == 4

    assert running.run(recorded) == -signal.SIGKILL
    assert running.bookmark == 0
    assert running.run() == 0, running.log()
    assert running.bookmark == 20
    assert _jobs(account) == 4
    assert "20 of them had been sent by an earlier run" in running.log()
    assert len(_held(account, records)) == 20


def _accepted(path: Path) -> int:
    """Entries that are in the file: read beside the run, as the file is its own."""
    import sqlite3  # noqa: PLC0415

    if not path.exists():
        return 0
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    # After it: then what is not committed yet is undone in the copy, as a kill would undo it.
    journal = Path(f"{path}-journal")
    Path(f"{copy}-journal").write_bytes(journal.read_bytes() if journal.exists() else b"")
    try:
        with sqlite3.connect(copy) as database:
            count: int = database.execute("select count(*) from requests where accepted").fetchone()[0]
    except sqlite3.Error:
        return 0
    finally:
        database.close()
    return count
