"""What else is read of profiles: what Klaviyo expects of them, and which there are at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.http.faults import ExpiredCursor, Status, TouchProfiles
from klaviyo_sandbox.model.clock import Clock
from klaviyo_wire.endpoints import ENDPOINTS, L, M
from tap_klaviyo_engagement.extraction.record_decoder import plain
from tap_klaviyo_engagement.stream_kinds.listed_stream import ListedStream, Listing
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement
from tap_klaviyo_engagement.times import iso

Json = dict[str, Any]
RunTap = Callable[..., Any]

NOW = datetime(2026, 9, 4, 13, 38, 55, tzinfo=UTC)
EXPECTED, IDS, SNAPSHOTS = "profile_predictive_analytics", "profile_ids", "membership_snapshots"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(profiles=450, events=0, seed=5, clock=Clock(lambda: NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def config(sandbox: Sandbox) -> Json:
    return {"api_key": sandbox.api_key, "api_url": sandbox.url}


def _now() -> datetime:
    return NOW


def _later() -> datetime:
    return NOW + timedelta(hours=1)


def _people(sandbox: Sandbox) -> list[str]:
    return [row[0] for row in sandbox.store.read("select id from profiles order by id")]


# What Klaviyo expects of them


def _stream(name: str, **settings: object) -> ListedStream:
    stream = TapKlaviyoEngagement(config={"api_key": "pk_test_0123456789", **settings}).streams[name]
    assert isinstance(stream, ListedStream)
    return stream


def test_profiles_keep_their_limit_whatever_is_expected_of_them() -> None:
    settings = {"include_subscriptions": True, "include_predictive_analytics": True}
    endpoint = ENDPOINTS["get_profiles"]
    assert endpoint.limits_for(_stream("profiles", **settings).params(Listing())) == L
    assert endpoint.limits_for(_stream(EXPECTED, **settings).params(Listing())) == M
    assert "predictive_analytics" not in _stream("profiles", **settings).schema["properties"]
    assert EXPECTED not in TapKlaviyoEngagement(config={"api_key": "pk_test_0123456789"}).streams


def test_expectations_have_a_bookmark_of_their_own(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    config |= {"include_predictive_analytics": True}
    first = run_tap(config, [EXPECTED], now=_now)
    assert sorted(each["id"] for each in first.records[EXPECTED]) == _people(sandbox)
    changed, *_ = _people(sandbox)
    sandbox.clock.advance(3_600)
    sandbox.store.touch_profiles([changed], int(_later().timestamp()) - 600)
    second = run_tap(config, ["profiles", EXPECTED], state=first.state, now=_later)
    assert len(second.records["profiles"]) == len(_people(sandbox))
    assert changed in {each["id"] for each in second.records[EXPECTED]}
    assert len(second.records[EXPECTED]) < 10


def test_what_klaviyo_adds_to_its_expectations_is_not_lost() -> None:
    expected = {
        "historic_clv": 93.87,
        "historic_number_of_orders": 2,
        "average_days_between_orders": None,
        "expected_date_of_next_order": "2022-11-08T02:00:00+02:00",
        "ranked_channel_affinity": ["sms", "email"],
        "gender": "uncertain",
    }
    row = {"type": "profile", "id": "P", "attributes": {"updated": None, "predictive_analytics": expected}}
    record = plain(_stream(EXPECTED, include_predictive_analytics=True).record(row, Listing()))
    assert record["predictive_analytics"] == expected
    assert record["historic_clv"] == 93.87
    assert record["historic_number_of_orders"] == 2
    assert record["average_days_between_orders"] is None
    assert record["expected_date_of_next_order"] == "2022-11-08T00:00:00+00:00"
    assert record["ranked_channel_affinity"] == ["sms", "email"]


@pytest.mark.parametrize("held", [None, {}])
def test_a_profile_of_which_nothing_is_expected_is_a_row(held: Json | None) -> None:
    row = {"type": "profile", "id": "P", "attributes": {"updated": None, "predictive_analytics": held}}
    record = plain(_stream(EXPECTED, include_predictive_analytics=True).record(row, Listing()))
    assert {name for name, value in record.items() if value} == {"id"}


def test_a_single_expectation_can_be_selected(config: Json, run_tap: RunTap) -> None:
    config |= {"include_predictive_analytics": True}
    records = run_tap(config, {EXPECTED: ["total_clv"]}, now=_now).records[EXPECTED]
    assert records
    assert all(record.keys() == {"id", "updated", "total_clv"} for record in records)


# Which there are


def test_deleted_profiles_follow_from_two_sweeps(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    first = run_tap(config, [IDS, SNAPSHOTS], now=_now)
    gone, *there = _people(sandbox)
    sandbox.store.write("delete from profiles where id = ?", [[gone]])
    second = run_tap(config, [IDS, SNAPSHOTS], state=first.state, now=_later)
    assert second.records[SNAPSHOTS] == [
        {
            "group_type": "account",
            "group_id": "profiles",
            "snapshot_at": iso(_later()),
            "member_count": len(there),
        }
    ]
    assert _alive(first, second) == there


def _alive(*extracts: Any) -> list[str]:  # noqa: ANN401
    """Who there is, as README says, by what a loader holds after these runs."""
    rows = {each["id"]: each for extract in extracts for each in extract.records[IDS]}
    newest = max(each["snapshot_at"] for extract in extracts for each in extract.records.get(SNAPSHOTS, ()))
    return sorted(each["id"] for each in rows.values() if each["swept_at"] >= newest)


@pytest.mark.parametrize("cut", ["a page fails", "killed"])
def test_a_sweep_that_is_cut_makes_nobody_look_deleted(
    cut: str, sandbox: Sandbox, config: Json, run_tap: RunTap, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_tap(config, [IDS, SNAPSHOTS], now=_now)
    if cut == "a page fails":
        monkeypatch.setattr("backoff._sync.time.sleep", lambda _: None)
        sandbox.faults.add(Status(operation="get_profiles", nth=3, times=None))
    second = run_tap(
        config,
        [IDS, SNAPSHOTS],
        state=first.state,
        now=_later,
        breaks_after=None if cut == "a page fails" else 150,
    )
    assert second.records[IDS]
    assert not second.records.get(SNAPSHOTS)
    assert _alive(first, second) == _people(sandbox)


def test_profiles_that_change_during_a_sweep_are_met_once(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    sandbox.faults.add(TouchProfiles(operation="get_profiles", times=None, count=50))
    extract = run_tap(config, [IDS, SNAPSHOTS], now=_now)
    assert sorted(each["id"] for each in extract.records[IDS]) == _people(sandbox)
    assert _stream(IDS).params(Listing())["sort"] == "id", "the sandbox has this order unasked, Klaviyo may not"


def test_a_sweep_begun_again_counts_everybody_once(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    sandbox.faults.add(ExpiredCursor(operation="get_profiles", nth=3))
    extract = run_tap(config, [IDS, SNAPSHOTS], now=_now)
    assert {each["id"] for each in extract.records[IDS]} == set(_people(sandbox))
    assert extract.records[SNAPSHOTS][0]["member_count"] == len(_people(sandbox))
