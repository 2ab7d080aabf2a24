"""What Klaviyo credits with an event comes with it, if it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from klaviyo_sandbox import Sandbox
from tap_klaviyo_engagement.extraction.record_decoder import RecordDecoder, plain
from tap_klaviyo_engagement.stream_kinds.listed_stream import ListedStream, Listing
from tap_klaviyo_engagement.streams.events import ATTRIBUTION
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

Json = dict[str, Any]
RunTap = Callable[..., Any]

NOTHING = dict.fromkeys(ATTRIBUTION.keys)
DECODER = RecordDecoder("event", ("id", "attributions"), keys=("id",), inclusions={"attributions": ATTRIBUTION})


def _related(kind: str, key: str) -> Json:
    return {"data": {"type": kind, "id": key}, "links": {"self": "https://a.example"}}


def _page(relationship: object, *included: object, broken: str = "") -> list[Json]:
    """The records of a page of one event, and of one that has no relationship at all."""
    row = {"type": "event", "id": "E1", "attributes": {}, "relationships": {"attributions": relationship}}
    document = {"data": [row, {"type": "event", "id": "E2", "attributes": {}}], "included": [*included]}
    body = json.dumps(document)
    if broken:
        body = body.replace('"included": [', f'"included": [{broken}{", " if included else ""}')
    page = DECODER.page(body.encode())
    assert len(page.unreadable) == bool(broken)
    return [plain(DECODER.record(each, {}, page.included)) for each in page.rows]


CREDIT = {
    "type": "attribution",
    "id": "A1",
    "relationships": {
        "event": _related("event", "E1"),
        "attributed-event": _related("event", "E0"),
        "campaign": _related("campaign", "C1"),
        "campaign-message": _related("campaign-message", "M1"),
        "flow": {"data": None},
        "flow-message": {"links": {"self": "https://a.example"}},
        "unheard-of": _related("event", "X"),
    },
    "links": {"self": "https://a.example"},
}
OF_ONE = {"data": [{"type": "attribution", "id": "A1"}]}


def test_an_attribution_is_the_ids_that_it_relates_to() -> None:
    told = NOTHING | {
        "id": "A1",
        "attributed_event_id": "E0",
        "campaign_id": "C1",
        "campaign_message_id": "M1",
    }
    assert _page(OF_ONE, CREDIT) == [{"id": "E1", "attributions": [told]}, {"id": "E2", "attributions": []}]


@pytest.mark.parametrize(
    "relationship", [None, {}, [], {"data": None}, {"data": []}, {"links": {}}, {"data": {"id": "A1"}}]
)
def test_none_is_none_however_it_is_said(relationship: object) -> None:
    assert _page(relationship, CREDIT)[0] == {"id": "E1", "attributions": []}


@pytest.mark.parametrize("relationships", [None, [], {}, {"flow": []}, {"flow": {"data": []}}])
def test_one_that_relates_to_nothing_has_its_id(relationships: object) -> None:
    bare = {"type": "attribution", "id": "A1", "relationships": relationships}
    assert _page(OF_ONE, bare)[0]["attributions"] == [{"id": "A1"} | NOTHING]


def test_one_that_is_not_included_has_its_id() -> None:
    assert _page(OF_ONE)[0]["attributions"] == [{"id": "A1"} | NOTHING]


@pytest.mark.parametrize(
    "broken", ['{"type": "attribution"}', '{"id": 3}', "NaN", '{"id": "A", "relationships": 5}']
)
def test_what_is_none_costs_no_event(broken: str) -> None:
    first, second = _page(OF_ONE, CREDIT, broken=broken)
    assert first["attributions"][0]["campaign_id"] == "C1"
    assert second == {"id": "E2", "attributions": []}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(profiles=60, events=400, seed=2) as sandbox:
        yield sandbox


def _events(**settings: object) -> ListedStream:
    stream = TapKlaviyoEngagement(config={"api_key": "pk_test_0123456789", **settings}).streams["events"]
    assert isinstance(stream, ListedStream)
    return stream


def test_they_are_asked_for_by_the_setting_alone() -> None:
    """The limits and the size of a page stay as they are: Klaviyo names no others for an `include` of events."""
    uncredited, credited = _events(), _events(include_attributions=True)
    assert "attributions" not in uncredited.schema["properties"]
    without, asked = (each.params(Listing()) for each in (uncredited, credited))
    assert asked == without | {"include": "attributions"}
    assert credited.endpoint.limits_for(asked) == uncredited.endpoint.limits_for(without)
    assert credited.query(("id", "datetime")).params(Listing()).keys() == {*without} - {"include"}


def test_what_the_account_credits_lands_with_its_events(sandbox: Sandbox, run_tap: RunTap) -> None:
    config = {"api_key": sandbox.api_key, "api_url": sandbox.url, "include_attributions": True}
    run = run_tap(config, ["events"])
    found = {
        each["id"]: [(one["id"], one["attributed_event_id"]) for one in each["attributions"]]
        for each in run.records["events"]
    }
    told: dict[str, list[tuple[str, str]]] = {event: [] for event in found}
    headers = {"Authorization": f"Klaviyo-API-Key {sandbox.api_key}", "revision": "2026-07-15"}
    following = f"{sandbox.url}/api/events?include=attributions&page[size]=1000"
    while following:
        document = requests.get(following, headers=headers, timeout=60).json()
        for each in document["included"]:
            related = each["relationships"]
            told[related["event"]["data"]["id"]].append((each["id"], related["attributed-event"]["data"]["id"]))
        following = document["links"]["next"]
    assert found == told
    assert any(found.values())
