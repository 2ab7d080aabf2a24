"""Which tags things have and which flows they trigger: every pair, and what tells that one is gone."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.http.faults import ExpiredCursor
from klaviyo_sandbox.model.clock import Clock
from klaviyo_sandbox.model.records import Campaign, Flow, Group, Metric, Tag, TagLink
from klaviyo_wire.endpoints import OMNICHANNEL
from tap_klaviyo_engagement.streams.tags import CampaignTags

if TYPE_CHECKING:
    from tap_klaviyo_engagement.extraction.slices import StreamSlice

Json = dict[str, Any]
RunTap = Callable[..., Any]
Extract = Any  # of conftest.py, which is no module to import from

NOW = datetime(2026, 9, 4, 13, 38, 55, tzinfo=UTC)
THINGS = {"campaign": "campaigns", "flow": "flows", "list": "lists", "segment": "segments"}
TAGS = [f"{thing}_tags" for thing in THINGS]
TRIGGERS = ["list_flow_triggers", "segment_flow_triggers", "metric_flow_triggers"]
SNAPSHOTS = "membership_snapshots"


def _now() -> datetime:
    return NOW


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(profiles=20, events=0, seed=5, clock=Clock(lambda: NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def config(sandbox: Sandbox) -> Json:
    return {"api_key": sandbox.api_key, "api_url": sandbox.url}


def _pairs(rows: list[Json], thing: str, related: str = "tag") -> list[tuple[str, str]]:
    return sorted((row[f"{thing}_id"], row[f"{related}_id"]) for row in rows)


def _held(sandbox: Sandbox, thing: str) -> list[tuple[str, str]]:
    table = THINGS[thing] if thing in {"campaign", "flow"} else f"groups where kind = '{thing}'"
    ids = {row[0] for row in sandbox.store.read(f"select id from {table}")}  # noqa: S608 - names of tables alone
    links = sandbox.store.find(TagLink)
    return sorted((each.resource_id, each.tag_id) for each in links if each.resource_id in ids)


def _snapshots(extract: Extract) -> dict[str, Json]:
    return {row["group_id"]: row for row in extract.records[SNAPSHOTS]}


@pytest.mark.parametrize("revision", ["2026-07-15", OMNICHANNEL])
def test_every_tag_of_everything_is_told(revision: str, sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    extract = run_tap(config | {"revision": revision}, [*TAGS, SNAPSHOTS], now=_now)
    assert extract.failed == []
    for thing in THINGS:
        rows = extract.records[f"{thing}_tags"]
        assert _pairs(rows, thing) == _held(sandbox, thing) != [], thing
        told = _snapshots(extract)[f"{thing}_tags"]
        assert told["group_type"] == "account"
        assert told["member_count"] == len(rows)
        assert {row["snapshot_at"] for row in rows} == {told["snapshot_at"]}
    archived = {each.id for each in sandbox.store.find(Campaign) if each.archived}
    assert archived & {row["campaign_id"] for row in extract.records["campaign_tags"]}


def test_every_flow_is_told_that_a_list_a_segment_or_a_metric_triggers(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    extract = run_tap(config, TRIGGERS, now=_now)
    triggers = [(flow.id, each) for flow in sandbox.store.find(Flow) for each in flow.triggers]
    for thing in ("list", "segment", "metric"):
        held = sorted((each["id"], flow) for flow, each in triggers if each["type"] == thing)
        assert _pairs(extract.records[f"{thing}_flow_triggers"], thing, "flow") == held != [], thing


def test_a_tag_that_was_taken_off_or_deleted_is_older_than_the_snapshot(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    first = run_tap(config, [*TAGS, SNAPSHOTS], now=_now)
    (taken_off, deleted, *_) = sandbox.store.find(TagLink, "resource_id in (select id from campaigns)")
    other = next(each for each in sandbox.store.find(Tag) if each.id != deleted.tag_id)
    with sandbox.store.transaction():
        sandbox.store.delete(Tag, deleted.tag_id)
        pair = (taken_off.tag_id, taken_off.resource_id)
        sandbox.store.write("delete from tag_links where tag_id = ? and resource_id = ?", [pair])
    later = lambda: NOW + timedelta(hours=1)  # noqa: E731 - too short for a name
    second = run_tap(config, [*TAGS, SNAPSHOTS], state=first.state, now=later)
    known = {(row["campaign_id"], row["tag_id"]): row for row in first.records["campaign_tags"]}
    known |= {(row["campaign_id"], row["tag_id"]): row for row in second.records["campaign_tags"]}
    at = _snapshots(second)["campaign_tags"]["snapshot_at"]
    gone = {pair for pair, row in known.items() if row["snapshot_at"] < at}
    assert (taken_off.resource_id, taken_off.tag_id) in gone
    assert {pair for pair in known if pair[1] == deleted.tag_id} <= gone
    assert not {pair for pair in gone if pair[1] == other.id} - {(taken_off.resource_id, taken_off.tag_id)}


def test_the_last_tag_that_is_taken_off_is_gone_too(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    sandbox.store.write("delete from tag_links", [()])
    extract = run_tap(config, ["list_tags", SNAPSHOTS], now=_now)
    assert extract.records["list_tags"] == []
    assert _snapshots(extract)["list_tags"]["member_count"] == 0


def test_a_tag_is_told_though_its_list_did_not_change(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    first = run_tap(config, ["lists", "list_tags"], now=_now)
    newest = max(sandbox.store.find(Group, "kind = 'list'"), key=lambda each: each.updated)
    quiet = next(each for each in sandbox.store.find(Group, "kind = 'list'") if each.id != newest.id)
    added = next(each for each in sandbox.store.find(Tag) if (quiet.id, each.id) not in _held(sandbox, "list"))
    sandbox.store.put(TagLink(tag_id=added.id, resource_id=quiet.id))
    second = run_tap(config, ["lists", "list_tags"], state=first.state, now=_now)
    assert quiet.id not in {row["id"] for row in second.records["lists"]}
    assert (quiet.id, added.id) in _pairs(second.records["list_tags"], "list")


def test_a_key_without_a_scope_costs_its_stream_alone(
    sandbox: Sandbox, config: Json, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    key = sandbox.key({"accounts:read", "lists:read", "flows:read", "tags:read"})
    extract = run_tap(config | {"api_key": key}, [*TAGS, SNAPSHOTS], now=_now)
    assert sorted(extract.failed) == ["campaign_tags", "segment_tags"]
    told = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert any("segment_tags stopped" in each and "`segments:read`" in each for each in told)
    assert _pairs(extract.records["flow_tags"], "flow") == _held(sandbox, "flow")
    assert _snapshots(extract).keys() == {"flow_tags", "list_tags"}


def test_what_is_there_needs_no_further_listing(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    def requests(*streams: str) -> int:
        before = sandbox.requests["get_flows 200"]
        extract = run_tap(config, ["flows", "resource_ids", SNAPSHOTS, *streams], now=_now)
        ids = {row["id"] for row in extract.records["resource_ids"]}
        assert ids == {each.id for each in sandbox.store.find(Flow)}
        assert _snapshots(extract)["flows"]["member_count"] == len(ids)
        return sandbox.requests["get_flows 200"] - before

    assert requests("flow_tags") == requests()


def test_messages_are_not_taken_for_the_campaigns_that_were_met(config: Json, run_tap: RunTap) -> None:
    streams = ["campaigns", "campaign_messages", "campaign_tags", "resource_ids", SNAPSHOTS]
    extract = run_tap(config, streams, now=_now)
    told = {row["id"] for row in extract.records["resource_ids"] if row["stream_name"] == "campaign_messages"}
    assert told == {row["id"] for row in extract.records["campaign_messages"]}


def test_a_campaign_that_is_archived_meanwhile_counts_once(
    sandbox: Sandbox, config: Json, run_tap: RunTap, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagged = {key for key, _ in _held(sandbox, "campaign")}
    moved = next(each for each in sandbox.store.find(Campaign) if each.id in tagged and not each.archived)
    real = CampaignTags.compose

    def archiving(stream: CampaignTags, stream_slice: StreamSlice) -> Iterator[Json]:
        yield from real(stream, stream_slice)
        sandbox.store.put(replace(moved, archived=True))

    monkeypatch.setattr(CampaignTags, "compose", archiving)
    monkeypatch.setattr(CampaignTags, "workers", 1)
    extract = run_tap(config, ["campaign_tags", SNAPSHOTS], now=_now)
    told = _snapshots(extract)["campaign_tags"]["member_count"]
    assert (
        told == len(set(_pairs(extract.records["campaign_tags"], "campaign"))) == len(_held(sandbox, "campaign"))
    )
    assert len(extract.records["campaign_tags"]) > told, "it was met twice"


def test_a_listing_whose_cursor_expires_is_read_again(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    for place in range(25):
        sandbox.store.put(replace(sandbox.store.find(Group, "kind = 'list'")[0], id=f"L{place:05d}"))
        sandbox.store.put(TagLink(tag_id=sandbox.store.find(Tag)[0].id, resource_id=f"L{place:05d}"))
    sandbox.faults.add(ExpiredCursor(operation="get_lists", nth=2))
    extract = run_tap(config, ["list_tags", SNAPSHOTS], now=_now)
    assert extract.failed == []
    assert _pairs(extract.records["list_tags"], "list") == _held(sandbox, "list")
    assert _snapshots(extract)["list_tags"]["member_count"] == len(_held(sandbox, "list"))


@pytest.mark.parametrize("told", [{}, {"tags": {"links": {}}}, {"tags": {"data": [{"type": "tag"}]}}], ids=str)
def test_a_list_that_does_not_tell_its_tags_leaves_no_snapshot(
    told: Json, httpserver: HTTPServer, run_tap: RunTap
) -> None:
    tagged = {"tags": {"data": [{"type": "tag", "id": "T1"}]}}

    def answer(_: Request) -> Response:
        rows = [
            {"type": "list", "id": key, "attributes": {}, "relationships": found}
            for key, found in (("L1", tagged), ("L2", told))
        ]
        return Response(json.dumps({"data": rows, "links": {}}), content_type="application/vnd.api+json")

    httpserver.expect_request("/api/lists").respond_with_handler(answer)
    config = {"api_key": "pk_test_0123456789", "api_url": httpserver.url_for("")}
    extract = run_tap(config, ["list_tags", SNAPSHOTS], now=_now)
    assert extract.failed == []
    assert _pairs(extract.records["list_tags"], "list") == [("L1", "T1")]
    assert extract.records[SNAPSHOTS] == []


def test_only_ids_are_asked_for(httpserver: HTTPServer, run_tap: RunTap) -> None:
    asked: list[Json] = []

    def answer(request: Request) -> Response:
        asked.append(dict(request.args))
        return Response('{"data": [], "links": {}}', content_type="application/vnd.api+json")

    httpserver.expect_request("/api/metrics").respond_with_handler(answer)
    config = {"api_key": "pk_test_0123456789", "api_url": httpserver.url_for("")}
    assert run_tap(config, ["metric_flow_triggers"], now=_now).failed == []
    assert asked == [{"fields[metric]": "id", "fields[flow]": "id", "include": "flow-triggers"}]


def test_a_metric_may_trigger_many(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    metric = sandbox.store.find(Metric)[0]
    for flow in sandbox.store.find(Flow):
        sandbox.store.put(replace(flow, triggers=[{"type": "metric", "id": metric.id, "trigger_filter": None}]))
    rows = run_tap(config, ["metric_flow_triggers"], now=_now).records["metric_flow_triggers"]
    assert _pairs(rows, "metric", "flow") == sorted((metric.id, each.id) for each in sandbox.store.find(Flow))
