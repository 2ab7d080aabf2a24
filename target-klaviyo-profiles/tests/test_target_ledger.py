"""The ledger: what it keeps, what it never holds, and what a later run makes of it."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_sandbox.http.faults import Status
from klaviyo_sandbox.state.import_jobs import Outcome as JobOutcome
from target_klaviyo_profiles.delivery import ledger as ledgers
from target_klaviyo_profiles.delivery.coordinator import Coordinator
from target_klaviyo_profiles.delivery.ledger import Ledger
from target_klaviyo_profiles.delivery.recovered_rows import RecoveredRows
from target_klaviyo_profiles.errors import ConfigurationError, OutputError, RunFailed
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import Group, Outcome, Reason, Row
from target_klaviyo_profiles.sinks.profiles import IMPORT

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
Load = Callable[..., Any]
Messages = Callable[..., list[Json]]

ADDRESS = "ada.lovelace@mail.example.net"
ADA = Key("email", ADDRESS)
GROUP = Group(IMPORT)
SECRET = "pk_0123456789"


class Now:
    """A moment that a test moves."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def opened(path: Path, now: Now) -> Iterator[Callable[..., Ledger]]:
    """Open the ledger; one that was opened before is let go, as if its run had died."""
    made: list[Ledger] = []

    def opened(secret: str = SECRET) -> Ledger:
        for each in made:
            each.close()
        made.append(Ledger(path, secret, now))
        return made[-1]

    yield opened
    for each in made:
        each.close()


def test_what_was_sent_is_there_after_the_run_died(opened: Callable[..., Ledger]) -> None:
    ledger = opened()
    intended = ledger.intend("profiles", GROUP, [ADA], [b"{}"])
    accepted = ledger.intend("profiles", Group(IMPORT, ("L",)), [ADA], [b"[]"])
    ledger.accepted(accepted, "JOB")
    ledger.sent("events", GROUP, [ADA], [b"{}"])
    ledger = opened()
    first, second = ledger.entries("profiles")
    assert (first.id, first.accepted, first.job, first.shared) == (intended, False, None, ())
    assert (second.id, second.accepted, second.job, second.shared) == (accepted, True, "JOB", ("L",))
    assert first.operation == "bulk_import_profiles"
    assert first.rows == [(ledger.hashed(ADA), ledger.hashed_row(GROUP, b"{}"))]
    assert first.rows[0][1] != second.rows[0][1]
    [event] = ledger.entries("events")
    assert (event.accepted, event.job) == (True, None)
    assert ledger.jobs() == {"JOB"}
    ledger.drop([intended, accepted])
    assert opened().entries("profiles") == []


def test_no_personal_data_is_in_the_file(opened: Callable[..., Ledger], path: Path) -> None:
    ledger = opened()
    payload = b'{"type":"profile","attributes":{"email":"%b","first_name":"Ada"}}' % ADDRESS.encode()
    ledger.accepted(ledger.intend("profiles", GROUP, [ADA], [payload]), "JOB")
    ledger.remember("profiles", [ADA], "f00d")
    ledger.close()
    held = path.read_bytes()
    for secret in (b"lovelace", b"Ada", SECRET.encode()):
        assert secret not in held
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_hashes_are_keyed_with_the_api_key(opened: Callable[..., Ledger]) -> None:
    """Else a guessed address could be looked up, and another account's ledger would be believed."""
    mine = opened()
    mine.sent("events", GROUP, [ADA], [b"{}"])
    mine.remember("events", [ADA], "x")
    hashes = mine.hashed(ADA), mine.hashed_row(GROUP, b"{}")
    other = opened("pk_other")
    assert other.hashed(ADA) != hashes[0]
    assert other.hashed_row(GROUP, b"{}") != hashes[1]
    assert other.entries("events") == []
    assert other.recall("events", ADA) is None


def test_what_is_old_goes(opened: Callable[..., Ledger], now: Now) -> None:
    ledger = opened()
    ledger.sent("events", GROUP, [ADA], [b"{}"])
    ledger.remember("templates", [ADA], "x")
    now.moment += timedelta(seconds=ledgers.KEPT)
    assert ledger.entries("events") == []
    ledger = opened()
    assert ledger.recall("templates", ADA) == "x"  # which keeps it for as long again
    now.moment += timedelta(seconds=ledgers.REMEMBERED - 1)
    assert opened().recall("templates", ADA) == "x"
    now.moment += timedelta(seconds=ledgers.REMEMBERED)
    assert opened().recall("templates", ADA) is None


def test_two_runs_do_not_share_a_ledger(opened: Callable[..., Ledger], path: Path, now: Now) -> None:
    opened()
    with pytest.raises(ConfigurationError, match="in use by another run"):
        Ledger(path, SECRET, now)


def test_what_cannot_be_a_ledger_is_told(tmp_path: Path, now: Now) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database" * 100)
    for path in (tmp_path, tmp_path / "no" / "ledger.sqlite", text):
        with pytest.raises(ConfigurationError, match="`ledger_path`"):
            Ledger(path, SECRET, now)
    assert text.read_text().startswith("not a database")


def test_a_ledger_that_cannot_be_written_any_more_ends_the_run(
    opened: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = opened()
    monkeypatch.setattr(ledger, "_database", _Full())
    with pytest.raises(OutputError, match=r"disk is full.*`ledger_path`"):
        ledger.sent("events", GROUP, [ADA], [b"{}"])


class _Full:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, *_: object) -> None:
        msg = "database or disk is full"
        raise sqlite3.OperationalError(msg)

    def close(self) -> None:
        pass


@given(
    sent=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.sampled_from("ar?")), max_size=12),
    again=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=12),
)
def test_leaving_out_what_was_sent_never_changes_what_klaviyo_holds(
    sent: list[tuple[str, int, str]], again: list[tuple[str, int]]
) -> None:
    """Rows of the earlier run were accepted, refused, or nobody knows; then come any rows whatever."""
    ledger = Ledger(None, SECRET, Now())
    done: list[int] = []
    recovered, held = RecoveredRows(ledger, done.append), {}
    for name, value, fate in sent:
        key, payload = Key("id", name), str(value).encode()
        ledger.sent("profiles", GROUP, [key], [payload])
        entry = ledger.entries("profiles")[-1]
        hashed = Key("hash", entry.rows[0][0].hex())
        outcome = Outcome()
        if fate == "a":
            held[name] = value
        elif fate == "r":
            outcome.rejected[hashed] = Reason("invalid", "", "")
        else:
            outcome.unsettled[hashed] = "?"
        recovered.add(entry, outcome)
    wanted = dict(held)
    for name, value in again:
        key, payload = Key("id", name), str(value).encode()
        known = recovered.sent(Row(key, GROUP, payload))
        if known is None:
            recovered.superseded(key)
            held[name] = wanted[name] = value
        elif known.reason is None:
            wanted[name] = value
    assert held == wanted
    assert len(done) == len(set(done))
    ledger.close()


@pytest.fixture
def dies(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on, a run dies where it would have emitted STATE: everything is done, and nothing covers it."""
    settle = Coordinator.settle

    def died(coordinator: Coordinator) -> None:
        settle(coordinator)
        raise ZeroDivisionError

    def dies() -> None:
        monkeypatch.setattr(Coordinator, "_emit_settled", lambda _: None)
        monkeypatch.setattr(Coordinator, "settle", died)

    return dies


def _people(count: int) -> list[Json]:
    return [
        *({"external_id": f"crm-{n}", "title": str(n)} for n in range(count)),
        {"id": "01MISSING", "title": "Dr"},
    ]


def test_after_a_run_that_died_nothing_is_sent_again_and_refusals_come_back(
    sandbox: Sandbox, load: Load, messages: Messages, dies: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    dies()
    assert isinstance(load(messages(_people(20))).error, ZeroDivisionError)
    monkeypatch.undo()
    jobs = sandbox.store.count("import_jobs")
    run = load(messages([*_people(20), {"external_id": "new"}]))
    assert run.error is None
    tally = run.tallies["profiles"]
    assert (tally.received, tally.accepted, tally.resumed, tally.rejected) == (22, 21, 21, {"not_found": 1})
    assert sandbox.store.count("import_jobs") == jobs + 1  # for the new one
    assert run.rejects[-1]["key"] == {"id": "01MISSING"}
    assert run.states == [{"at": "end"}]
    assert load(messages(_people(20))).tallies["profiles"].resumed == 0  # a run that ended is behind us


@pytest.mark.parametrize("outcome", ["stuck", "cancelled"])
def test_a_job_that_did_not_end_is_looked_at_once_more_and_then_sent_again(
    sandbox: Sandbox, load: Load, messages: Messages, outcome: str
) -> None:
    sandbox.imports.outcomes.append(JobOutcome(outcome))
    assert isinstance(load(messages(_people(5)), job_timeout=30).error, RunFailed)
    run = load(messages(_people(5)), job_timeout=30)
    assert run.error is None
    assert run.tallies["profiles"].accepted == 5
    assert run.tallies["profiles"].resumed == 0
    assert run.states == [{"at": "end"}]


def test_a_submission_that_was_taken_and_not_answered_is_waited_for(
    sandbox: Sandbox, load: Load, messages: Messages
) -> None:
    sandbox.faults.add(Status(operation="bulk_import_profiles", worked=True))
    run = load(messages(_people(5)))
    assert run.error is None
    assert sandbox.store.count("import_jobs") == 2
    assert not any(sandbox.imports.stats.values())  # one after the other
    assert "waiting for job" in run.log


@pytest.mark.parametrize("hours", [1, 24 * 365], ids="{} hours".format)
@pytest.mark.parametrize("answered", [True, False], ids=["the job is known", "its answer was lost"])
def test_a_clock_set_back_after_a_run_that_died_sends_nothing_twice_at_once(  # noqa: PLR0913
    sandbox: Sandbox,
    load: Load,
    messages: Messages,
    monkeypatch: pytest.MonkeyPatch,
    path: Path,
    *,
    hours: float,
    answered: bool,
) -> None:
    """What the ledger dates ahead of now is still followed, and no profile is in two open jobs."""
    accepted = Ledger.accepted
    sandbox.imports.delay = 50.0

    def died(*_: object) -> None:
        raise ZeroDivisionError

    if not answered:
        monkeypatch.setattr(Ledger, "accepted", died)
    assert load(messages(_people(5)), job_timeout=10).error
    monkeypatch.setattr(Ledger, "accepted", accepted)
    with sqlite3.connect(path) as ledger:
        assert ledger.execute("update requests set at = at + ?", [hours * 3_600]).rowcount == 1
    ledger.close()
    run = load(messages(_people(5)), job_timeout=300)
    assert run.error is None
    assert run.states == [{"at": "end"}]
    assert run.tallies["profiles"].resumed == (6 if answered else 0)
    assert not any(sandbox.imports.stats.values())


def test_the_ledger_is_empty_after_a_run_that_ended(
    load: Load, messages: Messages, opened: Callable[..., Ledger], path: Path, sandbox: Sandbox
) -> None:
    load(messages(_people(5)), ledger_path=str(path))
    assert opened(sandbox.api_key).entries("profiles") == []
