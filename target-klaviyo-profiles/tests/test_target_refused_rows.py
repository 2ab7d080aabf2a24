"""What Klaviyo refused is not sent again at once, as it is; the run says so, and goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_klaviyo_profiles import identifiers
from target_klaviyo_profiles.delivery.ledger import Ledger
from target_klaviyo_profiles.delivery.refused_rows import RefusedRows
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import Group, Row
from target_klaviyo_profiles.sinks import SINKS
from target_klaviyo_profiles.sinks.profiles import IMPORT, SINGLE, Profiles

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
Load = Callable[..., Any]
Messages = Callable[..., list[Json]]

GOOD: Json = {"external_id": "crm-1", "title": "Dr"}
REFUSED: Json = {"id": "01MISSING", "title": "Dr"}
DAY = 86_400.0
"""What is set here, in seconds."""


@pytest.fixture
def load(load: Load) -> Load:
    """Loads messages with that setting, unless another is given."""
    return lambda messages, **settings: load(messages, **{"resend_refused_after": DAY / 3_600, **settings})


def _counts(run: Any) -> tuple[int, int, int, int]:  # noqa: ANN401 - the tests' own `Run`
    tally = run.tallies["profiles"]
    assert tally.unsettled.total() == 0
    return tally.accepted, tally.combined, tally.rejected.total(), tally.refused_before


def test_a_refused_row_is_not_sent_by_the_next_run_which_says_so(
    sandbox: Sandbox, load: Load, messages: Messages
) -> None:
    assert _counts(load(messages([GOOD, REFUSED]))) == (1, 0, 1, 0)
    again = load(messages([GOOD, REFUSED]))
    assert _counts(again) == (1, 0, 0, 1)
    assert "1 row that Klaviyo refused before" in again.log
    assert "rejects.jsonl, and `resend_refused_after`" in again.log
    assert [each["key"] for each in again.rejects] == [{"id": "01MISSING"}]  # of the first run
    jobs = sandbox.store.count("import_jobs")
    alone = load(messages([REFUSED]), max_reject_ratio=None)
    assert (alone.error, alone.states, _counts(alone)) == (None, [{"at": "end"}], (0, 0, 0, 1))
    assert sandbox.store.count("import_jobs") == jobs


def test_without_the_setting_every_run_sends_it_and_fails(load: Load, messages: Messages) -> None:
    for _ in range(2):
        run = load(messages([REFUSED]), max_reject_ratio=None, resend_refused_after=0)
        assert _counts(run) == (0, 0, 1, 0)
        assert run.error is not None


def test_a_row_that_says_something_else_is_sent_at_once(load: Load, messages: Messages) -> None:
    load(messages([REFUSED]))
    other = {**REFUSED, "title": "Prof"}
    assert _counts(load(messages([other]))) == (0, 0, 1, 0)
    assert _counts(load(messages([other]))) == (0, 0, 0, 1)
    assert _counts(load(messages([{**REFUSED, "list_id": "LIST01"}]))) != (0, 0, 0, 1)


def test_what_several_records_say_together_is_one_row(load: Load, messages: Messages) -> None:
    together = [REFUSED, {"id": REFUSED["id"], "first_name": "Ada"}]
    assert _counts(load(messages(together))) == (0, 1, 1, 0)
    assert _counts(load(messages([GOOD, *together]))) == (1, 1, 0, 1)
    assert _counts(load(messages([REFUSED]))) == (0, 0, 1, 0)


@pytest.mark.parametrize(
    ("aged", "settings", "waits"),
    [
        (DAY - 1, {}, True),
        (DAY, {}, False),
        (-1.0, {}, False),  # dated ahead: the clock was wrong then, or is now
        (0.0, {"resend_refused_after": 0}, False),
        (2 * DAY, {"resend_refused_after": 49}, True),
    ],
)
def test_it_waits_as_long_as_the_setting_says(  # noqa: PLR0913
    load: Load, messages: Messages, tmp_path: Path, *, aged: float, settings: Json, waits: bool
) -> None:
    load(messages([REFUSED]))
    ledger = sqlite3.connect(tmp_path / "ledger.sqlite")
    with ledger:
        assert ledger.execute("update refused set at = at - ?", [aged]).rowcount == 1
    ledger.close()
    assert _counts(load(messages([REFUSED]), **settings)) == (0, 0, 0 if waits else 1, 1 if waits else 0)


@pytest.mark.parametrize("pointed", [True, False], ids=["the answer points to it", "the batch is halved"])
def test_a_row_that_made_klaviyo_refuse_the_request_is_left_out_of_the_next(
    sandbox: Sandbox, load: Load, messages: Messages, monkeypatch: pytest.MonkeyPatch, *, pointed: bool
) -> None:
    monkeypatch.setattr(identifiers, "_check_email", lambda _: None)  # as if it let pass what Klaviyo does not
    if not pointed:
        monkeypatch.setattr(Profiles, "position", lambda *_: None)
    people = [{"email": f"p{n}@mail.example.net"} for n in range(3)]
    bad = {"email": "p9@"}
    assert _counts(load(messages([*people, bad]))) == (3, 0, 1, 0)
    asked = len(sandbox.received)
    assert _counts(load(messages([*people, bad]))) == (3, 0, 0, 1)
    assert len(sandbox.received) == asked + 1  # not one that is refused, and another


def test_a_row_that_is_written_by_itself_waits_too(load: Load, messages: Messages) -> None:
    cleared = {"id": "01MISSING", "title": None}
    assert _counts(load(messages([GOOD, cleared]), clearable_fields=["title"])) == (1, 0, 1, 0)
    assert _counts(load(messages([GOOD, cleared]), clearable_fields=["title"])) == (1, 0, 0, 1)


def test_what_a_list_was_at_fault_for_is_sent_again(load: Load, messages: Messages) -> None:
    """The rows say nothing wrong: it may be there tomorrow, or was left out of a key's rights."""
    joining = [{"external_id": "crm-1", "list_id": "NOLIST"}, {"external_id": "crm-2", "list_id": "NOLIST"}]
    assert _counts(load(messages(joining))) == (0, 0, 2, 0)
    assert _counts(load(messages(joining))) == (0, 0, 2, 0)


def test_only_what_is_refused_for_what_it_says_waits() -> None:
    """A template or a deletion is refused for what the account holds, which somebody mends and tries again."""
    assert {sink.stream for sink in SINKS if sink.refusals_last} == {"profiles", "events"}


def test_a_refusal_is_of_one_account_stream_key_route_and_body(tmp_path: Path) -> None:
    now = lambda: datetime(2026, 11, 1, tzinfo=UTC)  # noqa: E731
    key, group, address = Key("email", "ada@mail.example.net"), Group(IMPORT), b"ada@mail.example.net"

    def opened(secret: str = "pk_1", stream: str = "profiles") -> RefusedRows:  # noqa: S107 - of nobody
        ledgers.append(Ledger(tmp_path / "ledger.sqlite", secret, now))
        return RefusedRows(ledgers[-1], stream, DAY)

    ledgers: list[Ledger] = []
    assert not opened()
    ledgers[-1].refuse("profiles", group, [(key, address)])
    ledgers[-1].close()
    again = opened()
    assert again.has(Row(key, group, address))
    assert not again.has(Row(key, group, b"{}"))
    assert not again.has(Row(key, Group(SINGLE), address))
    assert not again.has(Row(key, Group(IMPORT, ("LIST01",)), address))
    assert not again.has(Row(Key("email", "bob@mail.example.net"), group, address))
    ledgers[-1].close()
    assert not opened(stream="events")
    ledgers[-1].close()
    assert not opened(secret="pk_2")
    ledgers[-1].close()
    assert address not in (tmp_path / "ledger.sqlite").read_bytes()
