"""Every kind of fault, as a real HTTP client meets it; and which requests a fault strikes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
import requests

from klaviyo_sandbox.http.api import Request
from klaviyo_sandbox.http.faults import (
    AnyFault,
    ExpiredCursor,
    ImportOutcome,
    LateEvents,
    Missing,
    Page,
    Reset,
    Schedule,
    ScheduleError,
    Slow,
    Status,
    Throttle,
    TouchProfiles,
    Truncate,
)

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

PROFILES = "/api/profiles?page[size]=5&sort=updated"
NEW = {"data": {"type": "profile", "attributes": {"email": "ada@shop.example"}}}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_status(sandbox: Sandbox, api: requests.Session, status: int) -> None:
    sandbox.faults.add(Status(status=status))
    struck = api.get(PROFILES)
    assert (struck.status_code, struck.json()["errors"][0]["code"]) == (status, "error")
    assert api.get(PROFILES).ok


@pytest.mark.parametrize("status", [200, 502])
def test_html(sandbox: Sandbox, api: requests.Session, status: int) -> None:
    sandbox.faults.add(Page(status=status))
    struck = api.get(PROFILES)
    assert (struck.status_code, struck.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    with pytest.raises(requests.JSONDecodeError):
        struck.json()


def test_reset(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.faults.add(Reset())
    with pytest.raises(requests.ConnectionError, match="Connection reset by peer"):
        api.get(PROFILES)
    assert api.get(PROFILES).ok
    assert sandbox.requests == {"get_profiles reset": 1, "get_profiles 200": 1}


def test_truncate(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.faults.add(Truncate(keep=0.5))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        api.get(PROFILES)
    assert api.get(PROFILES).ok


def test_slow(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.faults.add(Slow(seconds=0.2))
    began = time.monotonic()
    assert api.get(PROFILES).ok
    assert time.monotonic() - began >= 0.2
    sandbox.faults.add(Slow(seconds=5))
    with pytest.raises(requests.ReadTimeout):
        api.get(PROFILES, timeout=0.1)


def test_throttle(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.faults.add(Throttle(retry_after=7, times=3))
    struck = [api.get(PROFILES) for _ in range(4)]
    assert [each.status_code for each in struck] == [429, 429, 429, 200]
    assert struck[0].headers["Retry-After"] == "7"
    assert "Content-Type" not in struck[0].headers


def test_expired_cursor(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.faults.add(ExpiredCursor())
    first = api.get(PROFILES).json()
    struck = api.get(first["links"]["next"])
    assert struck.status_code == 400
    assert struck.json()["errors"][0]["source"] == {"parameter": "page_cursor"}
    assert api.get(first["links"]["next"]).ok


def test_missing_for_a_while(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.faults.add(Missing(operation="get_profiles", times=2))
    struck = [api.get(PROFILES) for _ in range(3)]
    assert [each.status_code for each in struck] == [404, 404, 200]
    assert struck[0].json()["errors"][0]["code"] == "not_found"


@pytest.mark.parametrize("outcome", ["stuck", "cancelled"])
def test_import_job(sandbox: Sandbox, api: requests.Session, outcome: Literal["stuck", "cancelled"]) -> None:
    sandbox.faults.add(ImportOutcome(outcome=outcome))
    rows = {"profiles": {"data": [NEW["data"]]}}
    body = {"data": {"type": "profile-bulk-import-job", "attributes": rows}}
    jobs = [api.post("/api/profile-bulk-import-jobs", json=body).json()["data"]["id"] for _ in range(2)]
    sandbox.clock.advance(60)
    found = [api.get(f"/api/profile-bulk-import-jobs/{each}").json()["data"]["attributes"] for each in jobs]
    assert [each["status"] for each in found] == ["processing" if outcome == "stuck" else outcome, "complete"]


@pytest.mark.parametrize("fault", [Status(worked=True), Page(worked=True), Reset(worked=True)])
def test_work_that_was_done_although_the_answer_says_otherwise(
    sandbox: Sandbox, api: requests.Session, fault: AnyFault
) -> None:
    sandbox.faults.add(fault)
    try:
        assert api.post("/api/profiles", json=NEW).status_code in {502, 503}
    except requests.ConnectionError:
        assert isinstance(fault, Reset)
    assert api.post("/api/profiles", json=NEW).status_code == 409


def test_without_worked_nothing_was_done(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.faults.add(Status())
    assert api.post("/api/profiles", json=NEW).status_code == 503
    assert api.post("/api/profiles", json=NEW).status_code == 201


def test_late_events_come_after_their_time(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.faults.add(LateEvents(share=0.5, newest_seconds=10**9, seconds=30))
    query = "/api/events?page[size]=1000"
    visible = len(api.get(query).json()["data"])
    assert visible == 200
    sandbox.clock.advance(29)
    assert len(api.get(query).json()["data"]) == visible
    sandbox.clock.advance(1)
    assert len(api.get(query).json()["data"]) == 400


def test_late_events_can_wait_for_their_release(sandbox: Sandbox, api: requests.Session) -> None:
    everything = api.get("/api/events?page[size]=1000&sort=datetime").json()["data"]
    sandbox.faults.add(LateEvents(share=1, newest_seconds=10**9))
    assert api.get("/api/events").json()["data"] == []
    sandbox.clock.advance(30 * 86_400)
    assert api.get("/api/events").json()["data"] == []
    assert sandbox.store.release_events() == 400
    assert api.get("/api/events?page[size]=1000&sort=datetime").json()["data"] == everything


def test_profiles_change_while_they_are_paged(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.faults.add(TouchProfiles(count=20, times=3))
    url, seen = sandbox.url + PROFILES, []
    while url:
        document = api.get(url).json()
        seen += [each["id"] for each in document["data"]]
        url = document["links"]["next"]
    assert len(set(seen)) == 60
    assert len(seen) > 60


# which requests are struck


def struck(schedule: Schedule, *requested: tuple[str, str]) -> list[int]:
    """The places of the requests that were struck."""
    return [
        place for place, (method, target) in enumerate(requested) if schedule.strike(Request(method, target, {}))
    ]


def test_a_fault_strikes_the_nth_matching_request_and_as_many_as_told() -> None:
    schedule = Schedule()
    schedule.add(Status(operation="get_events", nth=2, times=2))
    events, lists = ("GET", "/api/events?sort=datetime"), ("GET", "/api/lists")
    assert struck(schedule, events, lists, events, events, events) == [2, 3]


def test_a_fault_can_be_bound_to_a_path_and_a_method() -> None:
    schedule = Schedule()
    schedule.add(Status(path="/api/lists/*", method="POST", times=None))
    member = "/api/lists/A/relationships/profiles"
    assert struck(schedule, ("GET", member), ("POST", member), ("POST", "/api/lists"), ("POST", member)) == [1, 3]


def test_chance_is_seeded() -> None:
    def run() -> list[int]:
        schedule = Schedule()
        fault = {"kind": "status", "probability": 0.3, "times": None}
        schedule.read({"seed": 11, "faults": [fault]})
        return struck(schedule, *[("GET", "/api/events")] * 200)

    assert run() == run()
    assert 30 < len(run()) < 90


@pytest.mark.parametrize("name", ["faults.yml", "faults.json"])
def test_a_schedule_is_read_from_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text('{"faults": [{"kind": "throttle", "retry_after": 3}, {"kind": "slow", "seconds": 0.5}]}')
    schedule = Schedule()
    schedule.load(path)
    faults = [each["fault"] for each in schedule.report()]
    assert [(each["kind"], each["nth"], each["times"]) for each in faults] == [("throttle", 1, 1), ("slow", 1, 1)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("faults: [{kind: earthquake}]", "earthquake"),
        ("faults: [{kind: status, status: 404}]", "$.faults[0].status"),
        ("faults: [{kind: slow}]", "seconds"),
        ("faults: [{kind: reset, nth: 0}]", "$.faults[0].nth"),
        ("faults: [{kind: reset, times: 1, color: red}]", "color"),
        ("faults: [", "line"),
    ],
)
def test_a_wrong_schedule_is_refused_in_one_line_with_its_place(tmp_path: Path, text: str, place: str) -> None:
    path = tmp_path / "faults.yml"
    path.write_text(text)
    with pytest.raises(ScheduleError) as caught:
        Schedule().load(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert place in message
    assert "\n" not in message
