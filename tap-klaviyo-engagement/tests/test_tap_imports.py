"""Bulk imports: a job is told until nothing about it can change, and so is every row that it refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.model.clock import Clock
from klaviyo_sandbox.model.records import ImportFailure, ImportJob
from tap_klaviyo_engagement.run_context import MARGIN
from tap_klaviyo_engagement.times import iso

Json = dict[str, Any]
RunTap = Callable[..., Any]

NOW = datetime(2026, 9, 4, 13, 38, 55, tzinfo=UTC)
JOBS, ERRORS = "profile_import_jobs", "profile_import_errors"
LISTED = "get_bulk_import_profiles_jobs 200"
ERRORS_LISTED = "get_errors_for_bulk_import_profiles_job 200"


class Time:
    """The time of both the account and the tap."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def sandbox(time: Time) -> Iterator[Sandbox]:
    with Sandbox(profiles=1, events=0, seed=5, clock=Clock(time)) as sandbox:
        yield sandbox


@pytest.fixture
def config(sandbox: Sandbox) -> Json:
    return {"api_key": sandbox.api_key, "api_url": sandbox.url}


def _job(key: str, hours_ago: float, **attributes: Any) -> ImportJob:  # noqa: ANN401 - of a record
    return ImportJob(
        **{
            "id": key,
            "status": "queued",
            "created_at": NOW - timedelta(hours=hours_ago),
            "total_count": 1_000,
            "list_ids": ["L1"],
            **attributes,
        }
    )


def _finish(sandbox: Sandbox, job: ImportJob, at: datetime, failures: int = 0) -> ImportJob:
    done = replace(
        job,
        status="complete",
        started_at=at,
        completed_at=at,
        completed_count=job.total_count - failures,
        failed_count=failures,
    )
    sandbox.store.finish_import_job(done, [], [_failure(number) for number in range(failures)])
    return done


def _failure(number: int) -> ImportFailure:
    return ImportFailure(
        position=number,
        id=f"error-{number}",
        code="invalid",
        title="Invalid input.",
        detail="Invalid phone number",
        pointer=f"/data/attributes/profiles/data/{number}/attributes/phone_number",
        original_payload={"phone_number": "👻", "": [None]},
    )


def _ids(records: list[Json]) -> list[str]:
    return sorted(record["id"] for record in records)


def test_a_job_is_told_again_until_it_expires(sandbox: Sandbox, config: Json, time: Time, run_tap: RunTap) -> None:
    old = _finish(sandbox, _job("old", 160), NOW - timedelta(hours=159))
    slow, newest = _job("slow", 100, status="processing"), _job("newest", 1)
    for job in (slow, newest):
        sandbox.store.put(job)
    first = run_tap(config, [JOBS], now=time)
    assert {each["id"]: each["status"] for each in first.records[JOBS]} == {
        "old": "complete",
        "slow": "processing",
        "newest": "queued",
    }
    assert first.bookmark(JOBS) == iso(newest.created_at)
    assert {each["id"]: each["list_ids"] for each in first.records[JOBS]}["old"] == old.list_ids

    time.now += timedelta(hours=3)
    _finish(sandbox, slow, time.now)
    second = run_tap(config, [JOBS], state=first.state, now=time)
    assert {each["id"]: each["status"] for each in second.records[JOBS]}["slow"] == "complete"

    time.now += timedelta(days=6)
    sandbox.store.put(replace(_job("next", 0), created_at=time.now - MARGIN))
    third = run_tap(config, [JOBS], state=second.state, now=time)
    assert _ids(third.records[JOBS]) == ["newest", "next"], "the sandbox forgets what has expired, as Klaviyo may"


def test_a_job_that_had_expired_at_the_bookmark_is_not_told_again(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    state = {"bookmarks": {JOBS: {"replication_key": "created_at", "replication_key_value": iso(NOW)}}}
    for key, hours in (("within", 7 * 24 - 0.2), ("expired", 7 * 24 - 0.1)):
        _finish(sandbox, _job(key, hours), NOW)
    extract = run_tap(config, [JOBS], state=state, now=lambda: NOW + timedelta(hours=1))
    assert _ids(extract.records[JOBS]) == ["expired", "within"]
    state["bookmarks"][JOBS]["replication_key_value"] = iso(NOW + timedelta(minutes=10))
    extract = run_tap(config, [JOBS], state=state, now=lambda: NOW + timedelta(hours=1))
    assert _ids(extract.records[JOBS]) == ["within"]


def test_every_page_of_every_job_s_errors_is_read(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    _finish(sandbox, _job("many", 50), NOW - timedelta(hours=49), failures=250)
    _finish(sandbox, _job("some", 20), NOW - timedelta(hours=19), failures=3)
    _finish(sandbox, _job("none", 10), NOW - timedelta(hours=9))
    before = Counter(sandbox.requests)
    extract = run_tap(config, [ERRORS], now=lambda: NOW)
    assert Counter(each["profile_import_job_id"] for each in extract.records[ERRORS]) == {"many": 250, "some": 3}
    assert (sandbox.requests - before)[ERRORS_LISTED] == 4
    (record,) = (
        each
        for each in extract.records[ERRORS]
        if (each["profile_import_job_id"], each["id"]) == ("some", "error-2")
    )
    assert record == {
        "profile_import_job_id": "some",
        "id": "error-2",
        "created_at": iso(NOW - timedelta(hours=20)),
        "code": "invalid",
        "title": "Invalid input.",
        "detail": "Invalid phone number",
        "pointer": "/data/attributes/profiles/data/2/attributes/phone_number",
        "original_payload": {"phone_number": "👻", "": [None]},
    }
    assert extract.bookmark(ERRORS) == iso(NOW - timedelta(hours=20))


def test_errors_are_asked_for_until_their_job_is_complete(
    sandbox: Sandbox, config: Json, time: Time, run_tap: RunTap
) -> None:
    _finish(sandbox, _job("done", 30), NOW - timedelta(hours=29), failures=2)
    _finish(sandbox, _job("newer", 20), NOW - timedelta(hours=19), failures=1)
    slow = _job("slow", 25, status="processing", failed_count=1)
    sandbox.store.finish_import_job(slow, [], [_failure(0)])
    first = run_tap(config, [ERRORS], now=time)
    assert Counter(each["profile_import_job_id"] for each in first.records[ERRORS]) == {
        "done": 2,
        "newer": 1,
        "slow": 1,
    }

    time.now += timedelta(hours=1)
    sandbox.store.write("delete from import_failures where job_id = 'slow'", [[]])
    _finish(sandbox, slow, time.now, failures=2)
    before = Counter(sandbox.requests)
    second = run_tap(config, [ERRORS], state=first.state, now=time)
    counts = Counter(each["profile_import_job_id"] for each in second.records[ERRORS])
    assert counts == {"newer": 1, "slow": 2}, "the one at the bookmark, and the one that went on"

    time.now += timedelta(hours=1)
    before = Counter(sandbox.requests)
    third = run_tap(config, [ERRORS], state=second.state, now=time)
    assert (sandbox.requests - before)[LISTED] == 1
    assert "done" not in {each["profile_import_job_id"] for each in third.records[ERRORS]}


def test_errors_of_a_job_that_expired_meanwhile_are_left_out(
    sandbox: Sandbox,
    config: Json,
    run_tap: RunTap,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _finish(sandbox, _job("gone", 50), NOW - timedelta(hours=49), failures=1)
    _finish(sandbox, _job("there", 20), NOW - timedelta(hours=19), failures=1)
    there = sandbox.store.get
    monkeypatch.setattr(sandbox.store, "get", lambda kind, key: None if key == "gone" else there(kind, key))
    extract = run_tap(config, [ERRORS], now=lambda: NOW)
    assert extract.failed == []
    assert [each["profile_import_job_id"] for each in extract.records[ERRORS]] == ["there"]
    assert "The profile import job gone was deleted while it was read" in caplog.text


def test_expired_jobs_are_not_asked_for_errors(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    """The tap's clock is ahead of the account's, which still lists the job."""
    _finish(sandbox, _job("expired", 7 * 24 - 1), NOW - timedelta(days=6), failures=1)
    assert run_tap(config, [ERRORS], now=lambda: NOW).records[ERRORS]
    before = Counter(sandbox.requests)
    extract = run_tap(config, [ERRORS], now=lambda: NOW + timedelta(hours=2))
    assert extract.records[ERRORS] == []
    assert sandbox.requests - before == {LISTED: 1, "get_accounts 200": 1}


def test_errors_hold_personal_data_and_are_not_selected_by_default(config: Json, run_tap: RunTap) -> None:
    extract = run_tap(config, now=lambda: NOW)
    assert JOBS in extract.schemas
    assert extract.schemas.keys().isdisjoint({ERRORS, "profile_ids", "webhooks"})
