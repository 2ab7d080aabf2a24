"""Which resources there are: what was deleted follows from two runs, and nothing else looks deleted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
from msgspec.structs import replace
from werkzeug import Response

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.http.faults import ExpiredCursor, Missing, Status
from klaviyo_sandbox.model.clock import Clock
from klaviyo_sandbox.model.records import Campaign, Flow, FlowAction, FlowMessage, Group, GroupKind, Template
from klaviyo_wire.endpoints import ENDPOINTS, OMNICHANNEL
from tap_klaviyo_engagement.extraction.whole_reading import IdListing
from tap_klaviyo_engagement.stream_kinds.listed_stream import ListedStream, Listing
from tap_klaviyo_engagement.streams import streams_for
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement
from tap_klaviyo_engagement.times import iso

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer

Json = dict[str, Any]
RunTap = Callable[..., Any]

NOW = datetime(2026, 9, 4, 13, 38, 55, tzinfo=UTC)
IDS, SNAPSHOTS = "resource_ids", "membership_snapshots"
TELLING = [IDS, SNAPSHOTS]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(profiles=10, events=0, seed=5, clock=Clock(lambda: NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def config(sandbox: Sandbox) -> Json:
    return {"api_key": sandbox.api_key, "api_url": sandbox.url}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backoff._sync.time.sleep", lambda _: None)


def _now() -> datetime:
    return NOW


def _later() -> datetime:
    return NOW + timedelta(hours=1)


def _told(revision: str) -> list[str]:
    return [each.name for each in streams_for(revision) if issubclass(each, ListedStream) and each.tells_ids]


def _snapshots(extract: Any) -> dict[str, Json]:  # noqa: ANN401
    """The snapshots of the account, by stream."""
    rows = extract.records.get(SNAPSHOTS, ())
    return {each["group_id"]: each for each in rows if each["group_type"] == "account"}


def _alive(stream: str, *extracts: Any) -> set[str]:  # noqa: ANN401
    """What there is, as README says, by what a loader holds after these runs."""
    rows = {(each["stream_name"], each["id"]): each for extract in extracts for each in extract.records[IDS]}
    newest = max(found[stream]["snapshot_at"] for found in map(_snapshots, extracts) if stream in found)
    return {each["id"] for each in rows.values() if each["stream_name"] == stream and each["seen_at"] >= newest}


def _delete(sandbox: Sandbox, operation: str, key: str) -> None:
    """Delete something as everybody does."""
    headers = {"Authorization": f"Klaviyo-API-Key {sandbox.api_key}", "revision": "2026-07-15"}
    path = ENDPOINTS[operation].path.format(id=key)
    assert requests.delete(sandbox.url + path, headers=headers, timeout=5).ok


def _add_templates(sandbox: Sandbox, count: int) -> None:
    sandbox.store.write("delete from templates where reusable", [[]])
    for number in range(count):
        at = int(NOW.timestamp()) - 86_400 + number
        sandbox.store.put(Template(id=f"T{number:05}", name="x", html="<p>x</p>", created=at, updated=at))


# What is told


@pytest.mark.parametrize("revision", ["2026-07-15", OMNICHANNEL])
def test_everything_there_is_is_told_once(revision: str, config: Json, run_tap: RunTap) -> None:
    names = _told(revision)
    extract = run_tap(config | {"revision": revision}, [*names, *TELLING], now=_now)
    assert extract.failed == []
    rows = [(each["stream_name"], each["id"]) for each in extract.records[IDS]]
    expected = [(name, each["id"]) for name in names for each in extract.records[name]]
    assert sorted(rows) == sorted(expected)
    assert {each["seen_at"] for each in extract.records[IDS]} == {iso(NOW)}
    snapshots = _snapshots(extract)
    assert {name: each["member_count"] for name, each in snapshots.items()} == {
        name: len(extract.records[name]) for name in names
    }
    assert {each["snapshot_at"] for each in snapshots.values()} == {iso(NOW)}
    assert all(each["member_count"] for each in snapshots.values()), "the sandbox has some of everything"


def test_a_later_run_tells_of_what_did_not_change(config: Json, run_tap: RunTap) -> None:
    names = _told("2026-07-15")
    first = run_tap(config, [*names, *TELLING], now=_now)
    second = run_tap(config, [*names, *TELLING], state=first.state, now=_later)
    assert len(second.records["templates"]) <= 1, "they are read by their bookmark"
    assert set(_snapshots(second)) == set(names)
    for name in names:
        assert _alive(name, first, second) == {each["id"] for each in first.records[name]}, name


def test_campaigns_of_every_channel_are_told_archived_or_not(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    held = sandbox.store.find(Campaign, "true")
    assert {each.archived for each in held} == {True, False}
    assert {each.channel for each in held} == {"email", "sms", "mobile_push"}
    extract = run_tap(config, ["campaigns", "campaign_messages", *TELLING], now=_now)
    assert _alive("campaigns", extract) == {each.id for each in held}
    messages = {each[0] for each in sandbox.store.read("select id from messages")}
    assert _alive("campaign_messages", extract) == messages


def test_an_account_without_any_is_told_as_such(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    for table in (
        "templates",
        "groups",
        "campaigns",
        "messages",
        "flows",
        "flow_actions",
        "flow_messages",
        "tags",
    ):
        sandbox.store.write(f'delete from "{table}"', [[]])  # noqa: S608
    names = ["lists", "segments", "templates", "campaigns", "campaign_messages", "tags", "flows", "flow_actions"]
    extract = run_tap(config, [*names, "flow_messages", *TELLING], now=_now)
    assert extract.records[IDS] == []
    counts = {name: each["member_count"] for name, each in _snapshots(extract).items()}
    assert counts == dict.fromkeys([*names, "flow_messages"], 0)


# What was deleted


@pytest.mark.parametrize(
    ("operation", "stream"),
    [
        ("delete_template", "templates"),
        ("delete_list", "lists"),
        ("delete_segment", "segments"),
        ("delete_campaign", "campaigns"),
    ],
)
def test_what_was_deleted_follows_from_two_runs(
    operation: str, stream: str, sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    names = ["lists", "segments", "templates", "campaigns", "campaign_messages"]
    first = run_tap(config, [*names, *TELLING], now=_now)
    before = {name: _alive(name, first) for name in names}
    gone = min(before[stream])
    messages = {each["id"] for each in first.records["campaign_messages"] if each["campaign_id"] == gone}
    _delete(sandbox, operation, gone)
    second = run_tap(config, [*names, *TELLING], state=first.state, now=_later)
    after = {name: _alive(name, first, second) for name in names}
    assert after == before | {
        stream: before[stream] - {gone},
        "campaign_messages": before["campaign_messages"] - messages,
    }
    assert bool(messages) == (stream == "campaigns")


def test_what_was_deleted_is_gone_also_where_the_clock_was_set_back(
    sandbox: Sandbox, config: Json, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    """A reading is later than the one before it of the same stream, whatever this machine's clock says."""
    names = ["lists", "templates", "tags"]
    first = run_tap(config, [*names, *TELLING], now=_later)
    gone = min(_alive("templates", first))
    _delete(sandbox, "delete_template", gone)
    second = run_tap(config, [*names, *TELLING], state=first.state, now=_now)
    assert _alive("templates", first, second) == _alive("templates", first) - {gone}
    for name in names:
        assert _snapshots(second)[name]["snapshot_at"] > _snapshots(first)[name]["snapshot_at"]
    assert "templates was read at" in caplog.text


def test_parts_of_flows_that_were_deleted_follow_from_two_runs(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    names = ["flows", "flow_actions", "flow_messages"]
    first = run_tap(config, [*names, *TELLING], now=_now)
    message = sandbox.store.find(FlowMessage, "true order by id limit 1")[0]
    action = sandbox.store.get(FlowAction, message.action_id)
    assert action is not None
    for kind, key in ((FlowMessage, message.id), (FlowAction, action.id)):
        sandbox.store.delete(kind, key)
    before = Counter(sandbox.requests)
    second = run_tap(config, [*names, *TELLING], state=first.state, now=_later)
    assert _alive("flow_messages", first) - _alive("flow_messages", first, second) == {message.id}
    assert _alive("flow_actions", first) - _alive("flow_actions", first, second) == {action.id}
    asked = sandbox.requests - before
    assert asked["get_flow_action_messages 200"] <= 1, "actions name what they send"
    sandbox.store.delete(Flow, action.flow_id)
    third = run_tap(config, [*names, *TELLING], state=second.state, now=lambda: NOW + timedelta(hours=2))
    assert action.flow_id not in _alive("flows", first, second, third)


def test_an_action_that_does_not_name_its_message_is_asked(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    """A test of several messages; without `resource_ids` nobody needs to know."""
    message = sandbox.store.find(FlowMessage, "true order by id limit 1")[0]
    action = sandbox.store.get(FlowAction, message.action_id)
    assert action is not None
    unnamed = {**action.definition, "data": {"status": "live"}, "type": "ab-test"}
    sandbox.store.put(replace(action, definition=unnamed))
    first = run_tap(config, ["flow_messages", *TELLING], now=_now)
    before = Counter(sandbox.requests)
    run_tap(config, ["flow_messages"], state=first.state, now=_later)
    alone = (sandbox.requests - before)["get_flow_action_messages 200"]
    before = Counter(sandbox.requests)
    second = run_tap(config, ["flow_messages", *TELLING], state=first.state, now=_later)
    assert (sandbox.requests - before)["get_flow_action_messages 200"] == alone + 1
    assert message.id in _alive("flow_messages", first, second)


# What must not look deleted


def test_a_listing_that_is_cut_makes_nothing_look_deleted(
    sandbox: Sandbox, config: Json, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    _add_templates(sandbox, 25)
    first = run_tap(config, ["templates", "lists", *TELLING], now=_now)
    # A page of what changed, then the first page of ids: the second one fails.
    sandbox.faults.add(Status(operation="get_templates", nth=3, times=None))
    second = run_tap(config, ["templates", "lists", *TELLING], state=first.state, now=_later)
    assert second.failed == [IDS]
    assert "resource_ids stopped: templates: GET /api/templates answered 503" in caplog.text
    assert 0 < len([each for each in second.records[IDS] if each["stream_name"] == "templates"]) < 25
    assert set(_snapshots(second)) == {"lists"}, "the others are told of"
    assert len(_alive("templates", first, second)) == 25


def test_a_run_that_is_killed_makes_nothing_look_deleted(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    _add_templates(sandbox, 25)
    first = run_tap(config, ["templates", *TELLING], now=_now)
    end = next(
        place
        for place, each in enumerate(first.messages)
        if each["type"] == "RECORD" and each["stream"] == SNAPSHOTS
    )
    for breaks_after in range(end - 12, end + 1):
        cut = run_tap(config, ["templates", *TELLING], now=_later, breaks_after=breaks_after)
        assert cut.killed
        assert not _snapshots(cut)


def test_what_changes_or_is_made_while_ids_are_listed_is_not_missed(
    sandbox: Sandbox, config: Json, run_tap: RunTap, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add_templates(sandbox, 25)
    held = sandbox.store.find(Template, "reusable")
    whole = IdListing.rows

    def rows(self: IdListing, *args: Any) -> Iterator[Json]:  # noqa: ANN401
        for number, row in enumerate(whole(self, *args)):
            if number == 5:
                at = int(NOW.timestamp())
                for each in held:
                    sandbox.store.put(replace(each, updated=at))
                for key in ("T00000x", "T99999"):  # behind what is listed already, and ahead of it
                    sandbox.store.put(replace(held[0], id=key, created=at, updated=at))
                sandbox.store.delete(Template, "T00001")  # it was seen: the next reading says that it is gone
            yield row

    monkeypatch.setattr(IdListing, "rows", rows)
    extract = run_tap(config, ["templates", *TELLING], now=_now)
    found = [each["id"] for each in extract.records[IDS]]
    assert len(found) == len(set(found)) == _snapshots(extract)["templates"]["member_count"]
    assert set(found) - {"T00000x"} == {each.id for each in held} | {"T99999"}


def test_a_listing_begun_again_tells_of_everything_once(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    _add_templates(sandbox, 25)
    first = run_tap(config, ["templates", *TELLING], now=_now)
    sandbox.faults.add(ExpiredCursor(operation="get_templates"))
    second = run_tap(config, ["templates", *TELLING], state=first.state, now=_later)
    assert second.failed == []
    assert [each["struck"] for each in sandbox.faults.report()] == [1]
    assert len(_alive("templates", second)) == _snapshots(second)["templates"]["member_count"] == 25


def test_a_stream_that_stopped_is_not_told_of(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    sandbox.faults.add(Status(operation="get_templates", times=None), Status(operation="get_tags", times=None))
    extract = run_tap(config, ["templates", "tags", "lists", *TELLING], now=_now)
    assert sorted(extract.failed) == ["tags", "templates"]
    assert set(_snapshots(extract)) == {each["stream_name"] for each in extract.records[IDS]} == {"lists"}


def test_what_is_deleted_while_its_parts_are_read_leaves_no_snapshot(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    sandbox.faults.add(Missing(operation="get_flow_action_messages"))
    extract = run_tap(config, ["flow_actions", "flow_messages", *TELLING], now=_now)
    assert set(_snapshots(extract)) == {"flow_actions"}


def test_variations_are_told_where_every_message_was_asked(config: Json, run_tap: RunTap) -> None:
    """No listing has them, and a request for each message in every run would be too many."""
    config |= {"revision": OMNICHANNEL}
    names = ["campaign_messages", "campaign_variations"]
    first = run_tap(config, [*names, *TELLING], now=_now)
    second = run_tap(config, [*names, *TELLING], state=first.state, now=_later)
    assert (set(_snapshots(first)), set(_snapshots(second))) == (set(names), {"campaign_messages"})


@pytest.mark.parametrize("stream", ["templates", "metrics"])
def test_a_row_that_cannot_be_read_leaves_its_stream_without_a_snapshot(
    stream: str,
    httpserver: HTTPServer,
    run_tap: RunTap,
    tmp_path: Any,  # noqa: ANN401
) -> None:
    kind = stream.removesuffix("s")
    rows = f'{{"type":"{kind}","id":"a","attributes":{{}}}},{{"type":"{kind}","id":7,"attributes":{{}}}}'
    for path, data in ((f"/api/{stream}", rows), ("/api/lists", "")):
        body = f'{{"data":[{data}],"links":{{"next":null}}}}'
        httpserver.expect_request(path).respond_with_response(
            Response(body, content_type="application/vnd.api+json")
        )
    config = {"api_key": "pk_x", "api_url": httpserver.url_for(""), "rejects_path": str(tmp_path / "rejects")}
    extract = run_tap(config, [stream, "lists", *TELLING], now=_now)
    assert extract.failed == []
    assert [each["id"] for each in extract.records[IDS]] == ["a"]
    assert set(_snapshots(extract)) == {"lists"}
    *_, last = (dict(request.args) for request, _ in httpserver.log if request.path == "/api/lists")
    assert last == {"fields[list]": "id", "page[size]": "10", "sort": "id"}


@pytest.mark.parametrize(("stream", "order"), [("tags", "id"), ("forms", "created_at"), ("profile_ids", "id")])
def test_what_is_read_whole_comes_in_an_order_that_holds(stream: str, order: str) -> None:
    """The sandbox has it unasked, Klaviyo may not: a row that changes would then move past the reading."""
    found = TapKlaviyoEngagement(config={"api_key": "pk_test_0123456789"}).streams[stream]
    assert isinstance(found, ListedStream)
    assert found.params(Listing())["sort"] == order


# What it costs


def _requests(sandbox: Sandbox, run: Callable[[], Any]) -> Counter[str]:
    before = Counter(sandbox.requests)
    run()
    return Counter(sandbox.requests) - before


@pytest.mark.parametrize(
    ("names", "more"),
    [
        ([], {}),
        (["metrics", "tags", "forms", "webhooks", "flow_actions", "flow_messages"], {}),
        (["templates"], {"get_templates 200": 1}),
        (["campaigns"], {"get_campaigns 200": 6}),
        (["campaigns", "campaign_messages"], {"get_campaigns 200": 6}),
        (["flows"], {"get_flows 200": 2}),
        (["lists", "list_memberships"], {}),
        (["profiles", "events", "accounts"], {}),
    ],
    ids=", ".join,
)
def test_what_is_not_selected_or_is_read_anyway_costs_no_request(
    names: list[str], more: dict[str, int], sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    without = _requests(sandbox, lambda: run_tap(config, names, now=_now))
    with_ids = _requests(sandbox, lambda: run_tap(config, [*names, *TELLING], now=_now))
    assert with_ids - without == more


def test_three_hundred_lists_are_thirty_requests_and_none_where_members_are_read(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    sandbox.store.write("delete from groups where kind = 'list'", [[]])
    for number in range(300):
        group = Group(id=f"L{number:05}", kind=GroupKind.LIST, name=f"n{number}", created=1, updated=1)
        sandbox.store.put(group)
    alone = _requests(sandbox, lambda: run_tap(config, ["lists"], now=_now))
    told = _requests(sandbox, lambda: run_tap(config, ["lists", *TELLING], now=_now))
    assert told - alone == {"get_lists 200": 30}
    config |= {"lists": ["n7"]}
    members = _requests(sandbox, lambda: run_tap(config, ["lists", "list_memberships", SNAPSHOTS], now=_now))
    both = _requests(sandbox, lambda: run_tap(config, ["lists", "list_memberships", *TELLING], now=_now))
    assert both == members
    extract = run_tap(config, ["lists", "list_memberships", *TELLING], now=_now)
    assert len(_alive("lists", extract)) == 300, "all there are, not those whose members are read"
