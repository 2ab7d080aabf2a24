"""Lists, segments, metrics and events: filters, includes and membership."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from klaviyo_sandbox.model.records import Event, Group, GroupKind, Membership, Profile

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

T0 = 1_780_000_000


@pytest.fixture
def vip(sandbox: Sandbox) -> str:
    """A list of three, who joined a minute apart."""
    sandbox.store.put(Group(id="VIPVIP", kind=GroupKind.LIST, name="VIP", created=T0, updated=T0))
    for place, name in enumerate("abc"):
        at = T0 + 60 * place
        sandbox.store.add_profiles(
            [Profile(id=name.upper(), email=f"{name}@shop.example", created=T0, updated=T0)]
        )
        sandbox.store.add_members([Membership("VIPVIP", name.upper(), at)])
    return "VIPVIP"


def data(api: requests.Session, path: str, **query: str) -> list[dict[str, Any]]:
    response = api.get(path, params=query)
    assert response.ok, response.text
    return list(response.json()["data"])


@pytest.mark.parametrize("path", ["profiles", "relationships/profiles"])
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("greater-than(joined_group_at,2026-05-28T20:26:40Z)", ["B", "C"]),
        ("greater-or-equal(joined_group_at,2026-05-28T20:26:40Z)", ["A", "B", "C"]),
        ("less-than(joined_group_at,2026-05-28T20:27:40Z)", ["A"]),
        ("less-or-equal(joined_group_at,2026-05-28T20:27:40Z)", ["A", "B"]),
        ("any(email,['A@shop.example','c@shop.example'])", ["A", "C"]),
        ("equals(push_token,'t')", []),
    ],
)
def test_members_are_filtered(
    api: requests.Session, vip: str, path: str, expression: str, expected: list[str]
) -> None:
    found = data(api, f"/api/lists/{vip}/{path}", filter=expression)
    assert [each["id"] for each in found] == expected


def test_members_tell_when_they_joined(api: requests.Session, vip: str) -> None:
    found = data(api, f"/api/lists/{vip}/profiles", sort="-joined_group_at")
    joined = [each["attributes"]["joined_group_at"] for each in found]
    assert joined == ["2026-05-28T20:28:40+00:00", "2026-05-28T20:27:40+00:00", "2026-05-28T20:26:40+00:00"]
    sparse = data(api, f"/api/lists/{vip}/profiles", **{"fields[profile]": "email"})
    assert [set(each["attributes"]) for each in sparse] == [{"email"}] * 3


def test_members_come_and_go(sandbox: Sandbox, api: requests.Session, vip: str) -> None:
    path = f"/api/lists/{vip}/relationships/profiles"
    who = sandbox.store.read("select id from profiles where length(id) > 1 order by id limit 1")[0][0]
    assert api.post(path, json={"data": [{"type": "profile", "id": who}]}).status_code == 204
    assert api.delete(path, json={"data": [{"type": "profile", "id": "A"}]}).status_code == 204
    assert [each["id"] for each in data(api, path)] == sorted([who, "B", "C"])
    one = api.get(f"/api/lists/{vip}?additional-fields[list]=profile_count").json()["data"]
    assert one["attributes"]["profile_count"] == 3


def test_what_is_deleted_is_gone_with_its_members(sandbox: Sandbox, api: requests.Session, vip: str) -> None:
    segment = data(api, "/api/segments")[0]["id"]
    people = sandbox.store.count("profiles")
    for path in (f"/api/lists/{vip}", f"/api/segments/{segment}"):
        assert api.delete(path).status_code == 204
        assert api.get(path).status_code == api.delete(path).status_code == 404
    assert sandbox.store.read("select 1 from members where group_id in (?, ?)", [vip, segment]) == []
    assert sandbox.store.count("profiles") == people


def test_a_campaign_is_deleted_with_its_messages(sandbox: Sandbox, api: requests.Session) -> None:
    campaign, message, copy = sandbox.store.read(
        "select campaign_id, id, template_id from messages where template_id is not null limit 1"
    )[0]
    assert api.delete(f"/api/campaigns/{campaign}").status_code == 204
    for path in (f"/api/campaigns/{campaign}", f"/api/campaign-messages/{message}", f"/api/templates/{copy}"):
        assert api.get(path).status_code == 404


def test_a_list_is_not_a_segment(api: requests.Session, vip: str) -> None:
    assert api.get(f"/api/segments/{vip}").status_code == 404
    assert api.get(f"/api/segments/{vip}/profiles").status_code == 404


def test_groups_are_filtered(api: requests.Session, vip: str) -> None:
    assert [each["id"] for each in data(api, "/api/lists", filter="any(name,['VIP','none'])")] == [vip]
    assert [each["id"] for each in data(api, "/api/lists", filter=f"equals(id,'{vip}')")] == [vip]
    later = data(api, "/api/lists", filter="greater-than(created,2026-05-28T20:26:40Z)")
    assert vip not in [each["id"] for each in later]
    active = [
        each["attributes"]["is_active"] for each in data(api, "/api/segments", filter="equals(is_active,true)")
    ]
    inactive = data(api, "/api/segments", filter="any(is_active,[false])")
    assert (set(active), [each["attributes"]["is_active"] for each in inactive]) == ({True}, [False])


def test_filters_that_klaviyo_takes_and_does_not_apply(api: requests.Session) -> None:
    assert data(api, "/api/segments", filter="equals(is_starred,true)") == data(api, "/api/segments")
    assert data(api, "/api/metrics", filter="equals(integration.category,'API')") == []
    assert data(api, "/api/metrics", filter="equals(integration.name,'Klaviyo')")


@pytest.fixture
def odd(sandbox: Sandbox) -> list[str]:
    """Events at T0: one whole, one of a deleted profile, one of an unknown metric."""
    metric = sandbox.store.metric_named("Opened Email", "klaviyo")
    assert metric
    sandbox.store.add_profiles([Profile(id="A", email="a@shop.example", created=T0, updated=T0)])
    parties = [(metric.id, "A"), (metric.id, None), (None, "A")]
    sandbox.store.add_events(
        Event(
            id=f"AAAAAAAAAA{place}", uuid="u", timestamp=T0, metric_id=one, profile_id=who, properties={"n": place}
        )
        for place, (one, who) in enumerate(parties)
    )
    return [f"AAAAAAAAAA{place}" for place in range(3)]


def test_has_leaves_out_events_without_a_party(api: requests.Session, odd: list[str]) -> None:
    at = "greater-or-equal(timestamp,1780000000),less-or-equal(timestamp,1780000000)"
    found = {
        "": [each["id"] for each in data(api, "/api/events", filter=at)],
        "profile": [each["id"] for each in data(api, "/api/events", filter=f"{at},has(profile)")],
        "metric": [each["id"] for each in data(api, "/api/events", filter=f"{at},has(metric)")],
    }
    assert found == {"": odd, "profile": [odd[0], odd[2]], "metric": odd[:2]}


def test_an_event_names_its_parties_without_being_asked(api: requests.Session, odd: list[str]) -> None:
    whole, orphan, unknown = (api.get(f"/api/events/{each}").json()["data"]["relationships"] for each in odd)
    assert whole["profile"]["data"] == {"type": "profile", "id": "A"}
    assert orphan["profile"]["data"] is None
    assert unknown["metric"]["data"] is None


def test_a_page_and_a_single_event_agree_sparse_or_not(api: requests.Session, odd: list[str]) -> None:
    for query in ({}, {"fields[event]": "datetime,event_properties"}):
        page = data(api, "/api/events", filter='equals(profile_id,"A")', **query)
        assert page == [api.get(f"/api/events/{each}", params=query).json()["data"] for each in (odd[0], odd[2])]
    assert set(page[0]["attributes"]) == {"datetime", "event_properties"}


@pytest.mark.usefixtures("odd")
def test_parties_are_included_once(api: requests.Session) -> None:
    query = {
        "filter": 'equals(profile_id,"A")',
        "include": "metric,profile,attributions",
        "fields[metric]": "name",
    }
    document = api.get("/api/events", params=query).json()
    assert [(each["type"], each["attributes"].get("name")) for each in document["included"]] == [
        ("metric", "Opened Email"),
        ("profile", None),
    ]
    assert all("attributions" not in each["relationships"] for each in document["data"])


@pytest.fixture
def credited(sandbox: Sandbox) -> dict[str, str | None]:
    """Orders by what they should be credited to: the event, or nothing."""
    store = sandbox.store
    ids: dict[str, str] = {}
    for name, integration in (
        ("Opened Email", "klaviyo"),
        ("Clicked Email", "klaviyo"),
        ("Received Email", "klaviyo"),
        ("Placed Order", "shopify"),
    ):
        metric = store.metric_named(name, integration) or store.metric_named(name, "api")
        assert metric, name
        ids[name] = metric.id
    store.add_profiles([Profile(id="A", email="a@shop.example", created=T0, updated=T0)])
    day, message = 86_400, store.read("select id from messages order by id limit 1")[0][0]
    told = [
        ("before", "Placed Order", T0 - 60, {}),
        ("receipt", "Received Email", T0 - 30, {"$message": message}),
        ("machine", "Opened Email", T0 - 20, {"$message": message, "machine_open": True}),
        ("seen", "Placed Order", T0 - 10, {}),
        ("open", "Opened Email", T0, {"$message": message}),
        ("soon", "Placed Order", T0 + 60, {}),
        ("click", "Clicked Email", T0 + day, {"$message": "flowmsg", "$flow": "flow01"}),
        ("scanner", "Clicked Email", T0 + day + 5, {"$message": message, "Bot Click": True}),
        ("last", "Placed Order", T0 + 6 * day, {}),
        ("late", "Placed Order", T0 + 6 * day + 1, {}),
    ]
    store.add_events(
        Event(
            id=f"{name:x<11}", uuid="u", timestamp=at, metric_id=ids[what], profile_id="A", properties=properties
        )
        for name, what, at, properties in told
    )
    expected = {"before": None, "seen": None, "soon": "open", "last": "click", "late": None}
    return {f"{name:x<11}": touch and f"{touch:x<11}" for name, touch in expected.items()}


def test_an_order_is_credited_to_the_message_that_was_opened_or_clicked_last(
    api: requests.Session, credited: dict[str, str | None]
) -> None:
    query = {"filter": 'equals(profile_id,"A")', "include": "attributions", "sort": "datetime"}
    document = api.get("/api/events", params=query).json()
    included = {each["id"]: each["relationships"] for each in document["included"]}
    told: dict[str, list[str]] = {
        each["id"]: [one["id"] for one in each["relationships"].get("attributions", {"data": []})["data"]]
        for each in document["data"]
    }
    found = {
        event: next((included[key]["attributed-event"]["data"]["id"] for key in keys), None)
        for event, keys in told.items()
    }
    assert {event: found[event] for event in credited} == credited
    assert sum(map(len, told.values())) == len(included) == 2
    of_campaign, of_flow = (included[told[f"{name:x<11}"][0]] for name in ("soon", "last"))
    assert set(of_campaign) == {"event", "attributed-event", "campaign", "campaign-message"}
    assert set(of_flow) == {"event", "attributed-event", "flow", "flow-message"}
    assert of_flow["flow-message"]["data"] == {"type": "flow-message", "id": "flowmsg"}
    alone = api.get("/api/events/soonxxxxxxx", params={"include": "attributions"}).json()
    assert alone["included"][0]["id"] == told["soonxxxxxxx"][0]
    unasked = api.get("/api/events", params={"filter": 'equals(profile_id,"A")'}).json()
    assert all("attributions" not in each["relationships"] for each in unasked["data"])
