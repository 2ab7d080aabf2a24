"""A state says whose it is, and is of use for that account alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from klaviyo_sandbox import Sandbox
from klaviyo_wire.errors import ConfigurationError
from tap_klaviyo_engagement.state.owner import claim, foreign, owners

Json = dict[str, Any]
RunTap = Callable[..., Any]
STREAMS = ["events", "lists", "metrics"]


@pytest.fixture(scope="module")
def accounts() -> Iterator[tuple[Sandbox, Sandbox]]:
    with Sandbox(profiles=5, events=20, seed=1) as one, Sandbox(profiles=5, events=30, seed=2) as other:
        yield one, other


def _config(sandbox: Sandbox, **settings: object) -> Json:
    return {"api_key": sandbox.api_key, "api_url": sandbox.url, **settings}


def test_the_state_says_whose_it_is_and_costs_a_request(
    accounts: tuple[Sandbox, Sandbox], run_tap: RunTap
) -> None:
    one, _ = accounts
    before = Counter(one.requests)
    first = run_tap(_config(one), STREAMS)
    assert (one.requests - before)["get_accounts 200"] == 1
    bookmarks = first.state["bookmarks"]
    assert {bookmarks[name]["account"] for name in ("events", "lists")} == {one.account_id}
    assert "account" not in bookmarks.get("metrics", {})
    assert first.messages[0]["type"] == "STATE", "a loader knows it before the first row"
    second = run_tap(_config(one), STREAMS, state=first.state)
    assert second.failed == []
    assert second.state["bookmarks"]["events"]["extraction"] == {
        "begun": bookmarks["events"]["extraction"]["begun"],
        "run": 2,
    }


def test_a_run_that_leaves_no_state_asks_nothing(accounts: tuple[Sandbox, Sandbox], run_tap: RunTap) -> None:
    one, _ = accounts
    before = Counter(one.requests)
    run_tap(_config(one), ["metrics"])
    assert (one.requests - before)["get_accounts 200"] == 0


@pytest.mark.parametrize("stream", ["events", "profiles", "lists", "campaign_values"])
def test_a_state_of_another_account_is_refused_before_the_first_message(
    stream: str, accounts: tuple[Sandbox, Sandbox], run_tap: RunTap, capfd: pytest.CaptureFixture[str]
) -> None:
    """Bookmarks, ids that were emitted, days of reports: whatever the stream keeps."""
    one, other = accounts
    settings = {"report_conversion_metric": "Placed Order"} if stream == "campaign_values" else {}
    state = run_tap(_config(one, **settings), [stream]).state
    with pytest.raises(ConfigurationError) as refusal:
        run_tap(_config(other, **settings), [stream], state=state)
    said = str(refusal.value)
    assert one.account_id in said
    assert other.account_id in said
    assert stream in said
    assert "remove the state" in said
    assert capfd.readouterr().out == ""


def test_one_foreign_stream_in_a_state_is_enough(accounts: tuple[Sandbox, Sandbox], run_tap: RunTap) -> None:
    one, other = accounts
    mixed = {"bookmarks": {**run_tap(_config(one), ["events"]).state["bookmarks"]}}
    mixed["bookmarks"] |= run_tap(_config(other), ["lists"]).state["bookmarks"]
    with pytest.raises(ConfigurationError, match="of another account"):
        run_tap(_config(one), ["events", "lists"], state=mixed)


def test_a_state_of_an_older_version_is_taken_as_it_is(accounts: tuple[Sandbox, Sandbox], run_tap: RunTap) -> None:
    one, _ = accounts
    old = deepcopy(run_tap(_config(one), ["lists"]).state)
    for name in ("account", "extraction"):
        del old["bookmarks"]["lists"][name]
    extract = run_tap(_config(one), ["lists"], state=old)
    assert extract.failed == []
    assert extract.state["bookmarks"]["lists"]["account"] == one.account_id


def test_without_the_scope_a_state_is_begun_and_said_to_be_nobody_s(
    accounts: tuple[Sandbox, Sandbox], run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    one, _ = accounts
    config = _config(one, api_key=one.key(["events:read", "lists:read"]))
    first = run_tap(config, ["lists"])
    assert first.failed == []
    assert "account" not in first.state["bookmarks"]["lists"]
    assert "the state will not say whose it is" in caplog.text
    assert "`accounts:read`" in caplog.text
    assert run_tap(config, ["lists"], state=first.state).failed == []


def test_without_the_scope_an_owned_state_is_not_gone_on_from(
    accounts: tuple[Sandbox, Sandbox], run_tap: RunTap
) -> None:
    """Not told is no proof."""
    one, _ = accounts
    state = run_tap(_config(one), ["lists"]).state
    with pytest.raises(ConfigurationError, match="add the scope `accounts:read`"):
        run_tap(_config(one, api_key=one.key(["events:read", "lists:read"])), ["lists"], state=state)


def test_owners_of_a_state() -> None:
    assert owners({}) == owners({"events": {}}) == {}
    assert owners({"events": {"account": "A"}, "lists": {"account": "A"}, "x": {}}) == {"A": ["events", "lists"]}
    assert foreign({"A": ["events"]}, "A") == ""
    assert "A (events)" in foreign({"A": ["events"], "B": ["lists"]}, "B")


@pytest.mark.parametrize("kept", [None, 7, "x", {}, {"begun": 1, "run": 1}, {"begun": "x", "run": "y"}], ids=repr)
def test_what_is_no_count_of_runs_begins_anew(kept: object) -> None:
    state: Json = {"extraction": kept}
    claim(state, "A", datetime(2026, 11, 20, tzinfo=UTC))
    assert state == {"account": "A", "extraction": {"begun": "2026-11-20T00:00:00+00:00", "run": 1}}
