"""Runs cut anywhere, over an account that changes in between: what was emitted, taken together, is the truth."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.model.clock import Clock
from klaviyo_sandbox.model.records import Event
from klaviyo_wire.endpoints import ENDPOINTS, Endpoint, Page
from tap_klaviyo_engagement.run_context import MARGIN
from tap_klaviyo_engagement.stream_kinds import listed_stream
from tap_klaviyo_engagement.times import iso

RunTap = Callable[..., Any]

WHOLE = int(os.environ.get("CHAOS_KILLS", "25")) >= 25
EXAMPLES = settings(max_examples=25 if WHOLE else 6, derandomize=not WHOLE, deadline=None)
"""Each is up to six runs. `make test` takes a sample, the same each time; `make chaos` looks for new ones."""

BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
PAGE = 3
PEOPLE = 12


@dataclass
class Step:
    """What happens before a run, and where the run is cut."""

    hours: float
    changes: list[int] = field(default_factory=list)
    """Events: seconds from now at which one happened. Profiles: which of them changes."""
    cut_after: int | None = None


CUTS = st.none() | st.integers(0, 60)
HOURS = st.sampled_from([0.0, 0.01, 1.0, 30.0, 24.0 * 10])
# Few moments for many events: ties. Some lie ahead. None is older than the lookback allows to be found.
MOMENTS = st.sampled_from([-6 * 86_400, -86_401, -86_400, -3_601, -3_600, -300, -60, -1, 0, 1, 3_600, 86_400 * 40])
EVENT_STEPS = st.lists(st.builds(Step, HOURS, st.lists(MOMENTS, max_size=25), CUTS), min_size=1, max_size=5)
PROFILE_STEPS = st.lists(
    st.builds(Step, HOURS, st.lists(st.integers(0, PEOPLE - 1), max_size=25), CUTS), min_size=1, max_size=5
)


class Time:
    """The time of both the account and the tap."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def time() -> Time:
    return Time()


@pytest.fixture(scope="module")
def sandbox(time: Time) -> Iterator[Sandbox]:
    with Sandbox(profiles=PEOPLE, events=0, seed=1, clock=Clock(time)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module", autouse=True)
def _small_pages() -> Iterator[None]:
    """Pages of three rows, so that a few rows are many pages."""

    def smaller(endpoint: Endpoint) -> Endpoint:
        return replace(endpoint, page=Page(PAGE, PAGE)) if endpoint.page and endpoint.page.maximum else endpoint

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            listed_stream, "ENDPOINTS", {name: smaller(endpoint) for name, endpoint in ENDPOINTS.items()}
        )
        yield


@EXAMPLES
@given(steps=EVENT_STEPS)
def test_no_event_is_lost(steps: list[Step], sandbox: Sandbox, time: Time, run_tap: RunTap) -> None:
    sandbox.store.write("delete from events", [[]])
    time.now = BEGIN
    emitted: set[str] = set()
    state: dict[str, Any] = {}
    bookmark = ""
    for position, step in enumerate([*steps, Step(hours=1)]):
        time.now += timedelta(hours=step.hours)
        sandbox.store.add_events(_events(sandbox, f"{position}", time.now, step.changes))
        extract = run_tap(_config(sandbox), ["events"], state=state, now=time, breaks_after=step.cut_after)
        ids = [record["id"] for record in extract.records.get("events", ())]
        assert len(set(ids)) == len(ids), "within a run every event comes once"
        emitted |= set(ids)
        state = extract.state or state
        reached = state.get("bookmarks", {}).get("events", {}).get("replication_key_value", "")
        assert bookmark <= reached <= iso(time.now - MARGIN)
        bookmark = reached
    assert emitted == {row[0] for row in sandbox.store.read("select id from events")}


@EXAMPLES
@given(steps=PROFILE_STEPS)
def test_no_change_of_a_profile_is_lost(steps: list[Step], sandbox: Sandbox, time: Time, run_tap: RunTap) -> None:
    people = [row[0] for row in sandbox.store.read("select id from profiles order by id")]
    sandbox.store.touch_profiles(people, int((BEGIN - timedelta(days=30)).timestamp()))
    time.now = BEGIN
    latest: dict[str, str] = {}
    state: dict[str, Any] = {}
    for step in [*steps, Step(hours=1)]:
        time.now += timedelta(hours=step.hours)
        sandbox.store.touch_profiles((people[which] for which in step.changes), int(time.now.timestamp()))
        extract = run_tap(_config(sandbox), ["profiles"], state=state, now=time, breaks_after=step.cut_after)
        latest |= {record["id"]: record["updated"] for record in extract.records.get("profiles", ())}
        state = extract.state or state
    held: Mapping[str, int] = dict(sandbox.store.read("select id, updated from profiles"))
    assert latest == {key: iso(datetime.fromtimestamp(at, UTC)) for key, at in held.items()}


def _config(sandbox: Sandbox) -> dict[str, Any]:
    return {"api_key": sandbox.api_key, "api_url": sandbox.url}


def _events(sandbox: Sandbox, name: str, now: datetime, seconds: list[int]) -> Iterator[Event]:
    metric = sandbox.store.read("select id from metrics limit 1")[0][0]
    for position, offset in enumerate(seconds):
        key = f"e{name}-{position:02d}"
        at = int(now.timestamp()) + offset
        yield Event(id=key, uuid=key, timestamp=at, metric_id=metric, profile_id=None, properties={})
