"""Nothing is written to another account than the one that it is for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from klaviyo_sandbox import Sandbox
from klaviyo_wire.endpoints import ENDPOINTS
from klaviyo_wire.errors import ConfigurationError
from target_klaviyo_profiles.delivery.account import told_owners

Json = dict[str, Any]
Load = Callable[..., Any]
Messages = Callable[..., list[Json]]

ASKED = "get_accounts 200"
PEOPLE = [{"email": f"p{number}@shop.example.net", "first_name": "A"} for number in range(3)]


@pytest.fixture(scope="module")
def other() -> Iterator[Sandbox]:
    """Another account than that of `sandbox`."""
    with Sandbox(profiles=5, events=0, seed=77, keep_writes=True) as other:
        yield other


@pytest.fixture
def narrow(sandbox: Sandbox) -> str:
    """A key of the account that may do all but tell whose it is."""
    scopes = {scope for endpoint in ENDPOINTS.values() for scope in endpoint.scopes}
    return sandbox.key(sorted(scopes - {"accounts:read"}))


def _for(account: str, *streams: str) -> Json:
    return {"type": "STATE", "value": {"bookmarks": {name: {"for_account": account} for name in streams}}}


def test_a_run_asks_once_whose_the_key_is_and_only_if_it_sends_something(
    sandbox: Sandbox, load: Load, messages: Messages
) -> None:
    load(messages([]))
    load(messages([{"email": "no address"}]))
    load(messages(PEOPLE), dry_run=True)
    assert sandbox.requests[ASKED] == 0
    run = load([*messages(PEOPLE), *messages(PEOPLE[:1], state="later")])
    assert (run.error, run.tallies["profiles"].received) == (None, 4)
    assert sandbox.requests[ASKED] == 1
    assert run.tallies["profiles"].requests == sandbox.requests.total() - 1, "it is of no stream"


@pytest.mark.parametrize("told", ["before the records", "after them"])
def test_another_account_s_warehouse_is_refused(
    told: str, other: Sandbox, sandbox: Sandbox, load: Load, messages: Messages
) -> None:
    state, records = _for(other.account_id, "profiles", "templates"), messages(PEOPLE)
    run = load([state, *records] if told == "before the records" else [*records[:-1], state])
    assert isinstance(run.error, ConfigurationError)
    assert f"the records are for the account {other.account_id}" in str(run.error)
    assert f"the key is of {sandbox.account_id}" in str(run.error)
    assert "give the key of that account" in str(run.error)
    assert sandbox.received == []
    assert run.tallies["profiles"].unsettled.total() == len(PEOPLE), "the summary counts them"


def test_its_own_warehouse_is_written(sandbox: Sandbox, load: Load, messages: Messages) -> None:
    run = load([_for(sandbox.account_id, "profiles"), *messages(PEOPLE)])
    assert run.error is None
    assert run.tallies["profiles"].accepted == len(PEOPLE)


def test_another_account_s_ledger_is_refused(
    other: Sandbox, sandbox: Sandbox, load: Load, messages: Messages
) -> None:
    assert load(messages(PEOPLE)).error is None
    run = load(messages(PEOPLE), api_key=other.api_key, api_url=other.url)
    assert isinstance(run.error, ConfigurationError)
    assert f"the ledger is of the account {sandbox.account_id}" in str(run.error)
    assert "`ledger_path`" in str(run.error)
    assert other.received == []
    assert load(messages(PEOPLE)).error is None, "it stays whose it was"


def test_another_key_of_the_account_goes_on_with_the_ledger(
    sandbox: Sandbox, load: Load, messages: Messages
) -> None:
    scopes = sorted({scope for endpoint in ENDPOINTS.values() for scope in endpoint.scopes})
    assert load(messages(PEOPLE)).error is None
    assert load(messages(PEOPLE), api_key=sandbox.key(scopes)).error is None


def test_the_setting_says_for_whom_it_is(other: Sandbox, sandbox: Sandbox, load: Load, messages: Messages) -> None:
    run = load(messages(PEOPLE), account_id=other.account_id)
    assert isinstance(run.error, ConfigurationError)
    assert "`account_id`" in str(run.error)
    assert sandbox.received == []
    assert load(messages(PEOPLE), account_id=sandbox.account_id).error is None


def test_a_key_that_does_not_tell_writes_what_nobody_claims(load: Load, messages: Messages, narrow: str) -> None:
    run = load(messages(PEOPLE), api_key=narrow)
    assert (run.error, run.tallies["profiles"].accepted) == (None, len(PEOPLE))
    assert "it is not checked whose account is written to" in run.log
    assert "`accounts:read`" in run.log


@pytest.mark.parametrize("by", ["records", "ledger"])
def test_not_told_is_no_proof(by: str, sandbox: Sandbox, load: Load, messages: Messages, narrow: str) -> None:
    told = [_for(sandbox.account_id, "profiles")] if by == "records" else []
    if by == "ledger":
        assert load(messages(PEOPLE)).error is None
    written = len(sandbox.received or ())
    run = load([*told, *messages(PEOPLE)], api_key=narrow)
    assert isinstance(run.error, ConfigurationError)
    assert "nobody tells whose the key is" in str(run.error)
    assert "add the scope `accounts:read`" in str(run.error)
    assert len(sandbox.received or ()) == written
    declared = load([*told, *messages(PEOPLE)], api_key=narrow, account_id=sandbox.account_id)
    assert (declared.error, declared.tallies["profiles"].accepted) == (None, len(PEOPLE))


def test_a_ledger_of_before_is_taken_as_it_is(
    sandbox: Sandbox, load: Load, messages: Messages, tmp_path: Path
) -> None:
    assert load(messages(PEOPLE)).error is None
    with sqlite3.connect(tmp_path / "ledger.sqlite") as ledger:
        ledger.execute("drop table owner")
    assert load(messages(PEOPLE)).error is None
    with sqlite3.connect(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.execute("select * from owner").fetchall() == [(sandbox.account_id,)]


@pytest.mark.parametrize(
    ("state", "owners"),
    [
        (None, set()),
        ("x", set()),
        ({"bookmarks": None}, set()),
        ({"bookmarks": ["A"]}, set()),
        ({"bookmarks": {"a": None, "b": {"for_account": 7}, "c": {"account": "A"}}}, set()),
        ({"bookmarks": {"a": {"for_account": "A"}, "b": {"for_account": "B"}}}, {"A", "B"}),
    ],
)
def test_what_a_state_tells(state: object, owners: set[str]) -> None:
    assert told_owners(state) == owners
