"""Events written through the API: what is refused at once, what is lost later, and what is kept."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import requests

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.http.faults import Reset, Status
from klaviyo_sandbox.model.records import Metric, Profile

BULK = "/api/event-bulk-create-jobs"
AT = "/data/attributes/events-bulk-create/data"
Json = dict[str, Any]


def event(metric: str = "Viewed Page", properties: Json | None = None, **attributes: object) -> Json:
    named = {"data": {"type": "metric", "attributes": {"name": metric}}}
    return {"type": "event", "attributes": {"metric": named, "properties": properties or {}, **attributes}}


def story(
    *events: Json,
    profile_id: str | None = None,
    backfill: bool | None = None,
    meta: Json | None = None,
    **who: object,
) -> Json:
    profile: Json = {"type": "profile", "attributes": who}
    if profile_id is not None:
        profile["id"] = profile_id
    if meta is not None:
        profile["meta"] = meta
    attributes: Json = {"profile": {"data": profile}, "events": {"data": list(events)}}
    if backfill is not None:
        attributes["backfill"] = backfill
    return {"type": "event-bulk-create", "attributes": attributes}


def submit(api: requests.Session, *stories: Json) -> requests.Response:
    attributes = {"events-bulk-create": {"data": stories}}
    return api.post(BULK, json={"data": {"type": "event-bulk-create-job", "attributes": attributes}})


def kept(sandbox: Sandbox, api: requests.Session, *stories: Json) -> list[Json]:
    """The attributes of the account's events of the last minutes, once these are taken in."""
    before = sandbox.clock.now() - timedelta(minutes=5)
    response = submit(api, *stories)
    assert (response.status_code, response.content) == (202, b""), response.text
    sandbox.settle()
    query = {"filter": f"greater-than(datetime,{before.isoformat()})", "sort": "datetime"}
    return [each["attributes"] for each in api.get("/api/events", params=query).json()["data"]]


def api_metric(sandbox: Sandbox, name: str = "Viewed Page") -> Metric | None:
    return sandbox.store.metric_named(name, "api")


# kept


def test_an_event_is_readable_after_a_while_with_what_was_sent(sandbox: Sandbox, api: requests.Session) -> None:
    sent = event(
        properties={"page": "/", "tags": ["a"]},
        time="2026-11-02T10:29:30.9+01:00",
        unique_id="v-1",
        value=9.99,
        value_currency="DKK",
    )
    assert submit(api, story(sent, email="ada@shop.example")).status_code == 202
    assert sandbox.store.profile_by("email", "ada@shop.example") is None
    sandbox.clock.advance(0.5)
    metric = api.get("/api/metrics", params={"filter": 'equals(integration.name,"API")'}).json()["data"]
    (found,) = [each["id"] for each in metric if each["attributes"]["name"] == "Viewed Page"]
    (read,) = api.get("/api/events", params={"filter": f'equals(metric_id,"{found}")'}).json()["data"]
    ada = sandbox.store.profile_by("email", "ada@shop.example")
    assert ada
    assert read["relationships"]["profile"]["data"]["id"] == ada.id
    assert read["attributes"]["datetime"] == "2026-11-02T09:29:30+00:00"
    assert read["attributes"]["event_properties"] == {
        "page": "/",
        "tags": ["a"],
        "$event_id": "v-1",
        "$value": 9.99,
        "$value_currency": "DKK",
    }
    assert (ada.last_event_date, ada.updated) == (read["attributes"]["timestamp"], sandbox.clock.seconds())
    (written,) = sandbox.store.written_events()
    assert (written.key, written.profile_id, written.flows) == ("v-1", ada.id, True)


def test_a_metric_is_made_once_and_one_of_the_api_is_used_again(sandbox: Sandbox, api: requests.Session) -> None:
    before = sandbox.store.count("metrics")
    ordered = api_metric(sandbox, "Placed Order")
    kept(
        sandbox,
        api,
        story(event("Placed Ordr"), event("Placed Order", time="2026-11-02T09:29:00Z"), email="a@b.co"),
    )
    kept(sandbox, api, story(event("Placed Ordr", unique_id="2"), email="a@b.co"))
    assert sandbox.store.count("metrics") == before + 1
    assert ordered
    assert ordered.id in {each.metric_id for each in sandbox.store.written_events()}


def test_without_time_an_event_happened_when_it_was_received(sandbox: Sandbox, api: requests.Session) -> None:
    received = sandbox.clock.seconds()
    assert submit(api, story(event(), email="a@b.co")).status_code == 202
    sandbox.clock.advance(60)
    api.get("/api/metrics")
    assert [each.timestamp for each in sandbox.store.written_events()] == [received]


def test_one_event_alone_is_written_likewise(sandbox: Sandbox, api: requests.Session) -> None:
    meta = {"patch_properties": {"unset": "old"}}
    sandbox.store.add_profiles([Profile(id="ANNA", email="a@b.co", created=1, updated=1, properties={"old": 1})])
    one = event(unique_id="v-1", time="2026-11-02T09:29:00Z")
    one["attributes"]["profile"] = {"data": {"type": "profile", "attributes": {"email": "A@B.co", "meta": meta}}}
    response = api.post("/api/events", json={"data": one})
    assert (response.status_code, response.content) == (202, b"")
    sandbox.settle()
    assert [each.profile_id for each in sandbox.store.written_events()] == ["ANNA"]
    anna = sandbox.store.profile("ANNA")
    assert anna
    assert anna.properties == {}
    assert sandbox.rows == {"create_event": 1}


def test_the_profile_is_written_by_the_identifier_that_counts_most(
    sandbox: Sandbox, api: requests.Session
) -> None:
    sandbox.store.add_profiles([Profile(id="ANNA", external_id="crm-a", title="Ms", created=1, updated=1)])
    meta = {"patch_properties": {"append": {"seen": "page"}}}
    who: Json = {
        "external_id": "crm-a",
        "email": "anna@shop.example",
        "title": None,
        "properties": {"plan": "pro"},
    }
    kept(sandbox, api, story(event(), meta=meta, **who))
    anna = sandbox.store.profile("ANNA")
    assert anna
    assert (anna.email, anna.title, anna.properties) == (
        "anna@shop.example",
        None,
        {"plan": "pro", "seen": ["page"]},
    )


def test_flows_are_told_of_what_comes_without_backfill(sandbox: Sandbox, api: requests.Session) -> None:
    old, recent = "2026-11-02T08:29:59Z", "2026-11-02T08:30:00Z"
    stories = [
        story(event(time=old, unique_id="1"), event(time=old, unique_id="2", backfill=True), email="a@b.co"),
        story(event(time=old, unique_id="3", backfill=False), backfill=True, email="b@b.co"),
        story(event(time=old, unique_id="4"), event(time=recent, unique_id="5"), backfill=True, email="c@b.co"),
        story(event(time=recent, unique_id="6"), email="d@b.co"),
    ]
    kept(sandbox, api, *stories)
    assert {each.key for each in sandbox.store.written_events() if each.flows} == {"1", "3", "6"}
    assert +sandbox.event_ingest.stats == {"old_events_that_fire_flows": 2}


# lost in silence


def test_a_key_that_is_known_is_dropped_and_what_was_first_stays(sandbox: Sandbox, api: requests.Session) -> None:
    who: Json = {"email": "a@b.co"}
    kept(sandbox, api, story(event(properties={"n": 1}, unique_id="1"), **who))
    (first, *others) = kept(
        sandbox,
        api,
        story(
            event(properties={"n": 2}, unique_id="1"), event("Other", properties={"n": 3}, unique_id="1"), **who
        ),
        story(event(properties={"n": 4}, unique_id="1"), email="b@b.co"),
    )
    numbers = sorted(each["event_properties"]["n"] for each in (first, *others))
    assert numbers == [1, 3, 4], "a key is one of a profile and a metric"
    assert sandbox.event_ingest.dropped == {"known": 1}
    assert not +sandbox.event_ingest.stats


def test_without_key_one_event_of_a_second_stays(sandbox: Sandbox, api: requests.Session) -> None:
    times = ["2026-11-02T09:29:00.1Z", "2026-11-02T09:29:00.9Z", "2026-11-02T09:29:01Z"]
    found = kept(sandbox, api, story(*(event(time=each) for each in times), email="a@b.co"))
    assert [each["datetime"][-8:-6] for each in found] == ["00", "01"]
    assert sandbox.event_ingest.dropped == {"same_second": 1}
    assert +sandbox.event_ingest.stats == {"events_without_unique_id": 3}


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ({"email": "Ada@Example.com"}, "test_address"),
        ({"email": "ada@test.com", "external_id": "crm-a"}, "test_address"),
        ({"profile_id": "NOBODY"}, "unknown_profile"),
        ({"external_id": "crm-a", "email": "bert@shop.example"}, "two_profiles"),
        ({"profile_id": "ANNA", "email": "bert@shop.example"}, "two_profiles"),
    ],
)
def test_events_are_dropped_without_a_word(
    sandbox: Sandbox, api: requests.Session, who: Json, reason: str
) -> None:
    people = [
        Profile(id="ANNA", external_id="crm-a", created=1, updated=1),
        Profile(id="BERT", email="bert@shop.example", created=1, updated=1),
    ]
    sandbox.store.add_profiles(people)
    before = sandbox.store.count("profiles")
    assert kept(sandbox, api, story(event(unique_id="1"), **who)) == []
    assert sandbox.event_ingest.dropped == {reason: 1}
    assert [sandbox.store.profile(each.id) for each in people] == people
    assert sandbox.store.count("profiles") == before


def test_a_phone_number_that_is_none_is_passed_over_beside_another_identifier(
    sandbox: Sandbox, api: requests.Session
) -> None:
    kept(sandbox, api, story(event(), email="a@b.co", phone_number="12"))
    profile = sandbox.store.profile_by("email", "a@b.co")
    assert profile
    assert profile.phone_number is None
    refused = submit(api, story(event(), phone_number="12"))
    assert refused.json()["errors"][0]["source"]["pointer"].endswith(
        "/0/attributes/profile/data/attributes/phone_number"
    )


# refused


def deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("attributes", "place"),
    [
        ({"metric": "x" * 128}, "metric/data/attributes/name"),
        ({"metric": "  "}, "metric/data/attributes/name"),
        ({"unique_id": ""}, "unique_id"),
        ({"unique_id": "x" * 256}, "unique_id"),
        ({"time": "1989-12-31T23:59:59Z"}, "time"),
        ({"time": "2027-11-02T09:30:01Z"}, "time"),
        ({"time": "2026-11-02T09:30:00"}, "time"),
        ({"time": "yesterday"}, "time"),
        ({"time": "2026-13-02T09:30:00Z"}, "time"),
        ({"value": "9.99"}, "value"),
        ({"value_currency": "kroner"}, "value_currency"),
        ({"properties": {str(n): n for n in range(401)}}, "properties"),
        ({"properties": {"list": [0] * 4_001}}, "properties/list"),
        ({"properties": {"deep": deep(11)}}, "properties/deep"),
        ({"properties": {"text": "é" * 50_001}}, "properties/text"),
        ({"properties": {"huge": 2**63}}, "properties/huge"),
        ({"properties": None}, "properties"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_one_bad_event_refuses_all_and_is_named(
    sandbox: Sandbox, api: requests.Session, attributes: Json, place: str
) -> None:
    bad = event(**{**attributes, "properties": attributes.get("properties", {})})
    bad["attributes"]["properties"] = attributes.get("properties", {})
    response = submit(api, story(event(), email="a@b.co"), story(event(unique_id="1"), bad, email="b@b.co"))
    assert response.status_code == 400
    pointers = [each["source"]["pointer"] for each in response.json()["errors"]]
    assert pointers == [f"{AT}/1/attributes/events/data/1/attributes/{place}"]
    sandbox.settle()
    assert sandbox.store.written_events() == []


@pytest.mark.parametrize(
    "attributes",
    [
        {"metric": "x" * 127},
        {"unique_id": "x" * 255},
        {"time": "1990-01-01T00:00:00Z"},
        {"time": "2027-11-02T09:30:00Z"},
        {"properties": {str(n): n for n in range(400)}},
        {"properties": {"list": [0] * 4_000}},
        {"properties": {"deep": deep(10)}},
        {"properties": {"text": "é" * 50_000}},
    ],
)
def test_what_is_just_allowed_is_taken(api: requests.Session, attributes: Json) -> None:
    assert submit(api, story(event(**attributes), email="a@b.co")).status_code == 202


@pytest.mark.parametrize(
    ("who", "place"),
    [
        ({"email": "bad"}, "attributes/email"),
        ({"email": "bad", "external_id": "crm-a"}, "attributes/email"),
        ({"first_name": "Nobody"}, "attributes"),
        ({"email": "a@b.co", "properties": {"diary": "x" * 95_000}}, ""),
        ({"email": "a@b.co", "title": 1}, "attributes/title"),
    ],
)
def test_one_bad_profile_refuses_all_and_is_named(api: requests.Session, who: Json, place: str) -> None:
    response = submit(api, story(event(), email="a@b.co"), story(event(), **who))
    assert response.status_code == 400
    (pointer,) = [each["source"]["pointer"] for each in response.json()["errors"]]
    assert pointer == f"{AT}/1/attributes/profile/data/{place}".rstrip("/")


@pytest.mark.parametrize("counts", [(), (0,), (1_001,), (500, 501)])
def test_a_request_has_between_1_and_1000_events(api: requests.Session, counts: tuple[int, ...]) -> None:
    stories = [
        story(*(event(unique_id=str(n)) for n in range(count)), email=f"p{place}@b.co")
        for place, count in enumerate(counts)
    ]
    assert submit(api, *stories).status_code == 400
    assert submit(api, story(*(event(unique_id=str(n)) for n in range(1_000)), email="a@b.co")).status_code == 202


@pytest.mark.parametrize(
    "stories",
    [
        (story(event(unique_id="1"), event(unique_id="1"), email="a@b.co"),),
        (story(event(unique_id="1"), email="a@b.co"), story(event(unique_id="1"), email="A@b.co")),
        (story(event(unique_id="1"), external_id="crm-a"), story(event(unique_id="1"), profile_id="ANNA")),
    ],
    ids=["in an entry", "in two entries", "by two identifiers"],
)
def test_a_key_repeated_in_a_request_refuses_it(
    sandbox: Sandbox, api: requests.Session, stories: tuple[Json, ...]
) -> None:
    sandbox.store.add_profiles([Profile(id="ANNA", external_id="crm-a", created=1, updated=1)])
    response = submit(api, *stories)
    assert response.status_code == 400
    (pointer,) = [each["source"]["pointer"] for each in response.json()["errors"]]
    assert pointer.endswith("/unique_id")
    sandbox.settle()
    assert sandbox.store.written_events() == []


def test_writes_are_kept_whole_where_that_is_asked_for(client: Any) -> None:  # noqa: ANN401 - a fixture
    with Sandbox(profiles=1, events=0, segments=0, keep_writes=True) as sandbox:
        api = client(sandbox)
        taken, refused = submit(api, story(event(), email="a@b.co")), submit(api)
        api.get("/api/metrics")
        assert [(each.operation, each.status) for each in sandbox.received] == [
            ("bulk_create_events", taken.status_code),
            ("bulk_create_events", refused.status_code),
        ]
        assert sandbox.received[0].body == taken.request.body
        assert (sandbox.rows, refused.status_code) == ({"bulk_create_events": 1}, 400)


def test_the_control_plane_tells_what_was_taken(sandbox: Sandbox, api: requests.Session) -> None:
    submit(api, story(event(time="2020-01-01T00:00:00Z"), email="a@example.com"))
    assert sandbox.event_ingest.dropped == {}
    counts = requests.post(f"{sandbox.url}/sandbox/settle", timeout=5).json()
    assert counts["events"] == 400
    told = requests.get(f"{sandbox.url}/sandbox/requests", timeout=5).json()
    assert told["rows"] == {"bulk_create_events": 1}
    assert told["events"] == {"events_without_unique_id": 1, "old_events_that_fire_flows": 1}
    assert told["dropped_events"] == {"test_address": 1}


@pytest.mark.parametrize("fault", [Status(worked=True), Reset(worked=True)])
def test_who_sends_again_what_was_worked_loses_and_repeats_nothing(
    sandbox: Sandbox, api: requests.Session, fault: Status | Reset
) -> None:
    sandbox.faults.add(fault)
    told = story(event(unique_id="1"), event(unique_id="2"), email="a@b.co")
    with suppress(requests.ConnectionError):
        assert submit(api, told).status_code == 503
    assert len(kept(sandbox, api, told)) == 2
    assert sandbox.event_ingest.dropped == {"known": 2}


def test_new_ids_are_not_those_the_account_began_with() -> None:
    with Sandbox(profiles=0, events=0, segments=0) as empty:
        headers = {"Authorization": f"Klaviyo-API-Key {empty.api_key}", "revision": "2026-07-15"}
        attributes = {"events-bulk-create": {"data": [story(event("Never seen"), external_id="crm-1")]}}
        body = {"data": {"type": "event-bulk-create-job", "attributes": attributes}}
        answer = requests.post(f"{empty.url}{BULK}", json=body, headers=headers, timeout=10)
        assert answer.status_code == 202, answer.text
        empty.settle()
        assert empty.store.count("events") == 1
