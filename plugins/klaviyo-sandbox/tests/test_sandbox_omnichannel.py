"""Campaigns of revision 2026-10-15 beside those of 2026-07-15.

The key sets are those of the models of Klaviyo's SDK of that revision, klaviyo-api 25.0.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from msgspec.structs import replace

from klaviyo_sandbox.http.faults import Status
from klaviyo_sandbox.model.records import Campaign, CampaignMessage
from klaviyo_sandbox.protocol.omnichannel import known_id, other_id

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

OLD, NEW = {"revision": "2026-07-15"}, {"revision": "2026-10-15"}
CHANNELS = ("email", "sms", "mobile_push")
Json = dict[str, Any]


def read(api: requests.Session, path: str) -> Json:
    response = api.get(f"/api/{path}", headers=NEW)
    assert response.status_code == 200, response.text
    return dict(response.json())


def listed(api: requests.Session, path: str, headers: dict[str, str] = NEW) -> list[Json]:
    """All pages."""
    found: list[Json] = []
    url: str | None = f"/api/{path}"
    while url:
        response = api.get(url, headers=headers)
        assert response.status_code == 200, response.text
        found += response.json()["data"]
        url = response.json()["links"]["next"]
    return found


def ids(resources: list[Json]) -> list[str]:
    return [each["id"] for each in resources]


def paths(value: object, at: str = "") -> set[str]:
    """The dotted path of every key."""
    if not isinstance(value, dict):
        return set()
    inner = {path for key, each in value.items() for path in paths(each, f"{at}{key}.")}
    return inner | {f"{at}{key}" for key in value}


def a_campaign(api: requests.Session, name: str = "Weekly picks 1") -> Json:
    return next(each for each in listed(api, "campaigns") if each["attributes"]["definition"]["name"] == name)


@pytest.mark.parametrize("archived", ["true", "false"])
def test_both_revisions_list_the_same_campaigns(api: requests.Session, archived: str) -> None:
    old = [
        each
        for channel in CHANNELS
        for each in listed(
            api, f'campaigns?filter=equals(messages.channel,"{channel}"),equals(archived,{archived})', OLD
        )
    ]
    new = listed(api, f"campaigns?filter=equals(archived,{archived})&page[size]=3")
    assert sorted(ids(new)) == sorted(ids(old))
    assert {each["attributes"]["definition"]["archived"] for each in new} == {archived == "true"}
    messages = {each["id"] for one in old for each in one["relationships"]["campaign-messages"]["data"]}
    assert messages <= set(ids(listed(api, "campaign-messages?page[size]=7")))


def test_archived_campaigns_are_left_out_unless_asked_for_but_their_messages_are_not(
    sandbox: Sandbox, api: requests.Session
) -> None:
    archived = listed(api, "campaigns?filter=equals(archived,true)")
    assert archived
    assert len(listed(api, "campaigns")) + len(archived) == sandbox.store.count("campaigns")
    assert len(listed(api, "campaign-messages")) == sandbox.store.count("messages")


def test_a_channel_is_no_filter_any_more(api: requests.Session) -> None:
    assert api.get('/api/campaigns?filter=equals(messages.channel,"email")', headers=NEW).status_code == 400
    assert api.get("/api/campaigns", headers=OLD).status_code == 400, "and before it is needed"


def test_the_keys_of_each_resource(api: requests.Session) -> None:
    campaign = a_campaign(api)
    assert paths(campaign["attributes"]) == {
        *("created_at", "updated_at", "definition", "definition.name", "definition.builder"),
        *("definition.archived", "definition.color", "definition.description", "definition.send_settings"),
        "definition.send_settings.send_timezone",
        "definition.send_settings.send_strategy",
        "definition.send_settings.send_passed_rltz_immediately",
        "definition.send_settings.exit_condition_enabled",
        "definition.send_settings.exit_condition_conversion_metric_id",
    }
    assert set(campaign["relationships"]) == {"campaign-audiences", "campaign-messages", "tags"}
    (audience,) = read(api, f"campaigns/{campaign['id']}/campaign-audiences")["data"]
    assert paths(audience["attributes"]) == {
        *("created", "updated", "definition", "definition.name", "definition.included"),
        *("definition.excluded", "definition.priority"),
    }
    assert set(audience["relationships"]) == {"campaign", "campaign-messages"}
    (message,) = listed(api, f"campaigns/{campaign['id']}/campaign-messages")
    assert paths(message["attributes"]) == {
        *("created", "updated", "definition", "definition.name", "definition.status", "definition.ab_test"),
        *("definition.tracking_options", "definition.tracking_options.is_add_utm"),
        *("definition.tracking_options.is_tracking_clicks", "definition.tracking_options.is_tracking_opens"),
        *("definition.send_options", "definition.send_options.send_time", "definition.send_options.send_times"),
        *("definition.send_options.send_strategy", "definition.send_options.recipient_percentage"),
        *("definition.send_options.throttling_type", "definition.send_options.throttle_unit"),
        "definition.send_options.is_ignoring_unsubscribes",
    }
    assert set(message["relationships"]) == {"campaign", "campaign-audience", "campaign-variations"}
    (variation,) = read(api, f"campaign-messages/{message['id']}/campaign-variations")["data"]
    assert set(variation["attributes"]) == {"created", "updated", "definition"}
    assert set(variation["attributes"]["definition"]) == {"name", "details"}
    assert set(variation["relationships"]) == {"campaign-message", "translation", "image"}


def test_one_can_walk_from_a_campaign_to_its_text_and_back(sandbox: Sandbox, api: requests.Session) -> None:
    stored = sandbox.store.get(Campaign, a_campaign(api)["id"])
    assert stored
    (message,) = sandbox.store.messages_of(stored.id)
    (audience,) = read(api, f"campaigns/{stored.id}/campaign-audiences")["data"]
    assert read(api, f"campaign-audiences/{audience['id']}")["data"] == audience
    assert audience["attributes"]["definition"]["included"] == stored.audiences["included"]
    assert audience["relationships"]["campaign"]["data"] == {"type": "campaign", "id": stored.id}
    found = read(api, f"campaign-messages/{message.id}?include=campaign,campaign-variations")
    assert found["data"]["relationships"]["campaign"]["data"] == {"type": "campaign", "id": stored.id}
    assert found["data"]["relationships"]["campaign-audience"]["data"]["id"] == audience["id"]
    (named,) = found["data"]["relationships"]["campaign-variations"]["data"]
    assert [(each["type"], each["id"]) for each in found["included"]] == [
        ("campaign", stored.id),
        ("campaign-variation", named["id"]),
    ]
    variation = read(api, f"campaign-variations/{named['id']}")["data"]
    assert variation["relationships"]["campaign-message"]["data"] == {"type": "campaign-message", "id": message.id}
    assert variation["attributes"]["definition"]["details"] == {
        "channel": "email",
        "template_id": message.template_id,
        "subject": "Weekly picks 1",
        "preview_text": "",
        "from_email": "hello@shop.example",
        "from_label": "The shop",
        "reply_to_email": "hello@shop.example",
        "cc_email": "",
        "bcc_email": "",
    }


@pytest.mark.parametrize(
    ("name", "channel", "keys"),
    [
        ("Flash sale text", "sms", "template_id body shorten_links include_contact_card"),
        ("App-only offer", "push", "title body static_asset_id ios_deep_link android_deep_link sound badge"),
    ],
)
def test_details_differ_by_channel(api: requests.Session, name: str, channel: str, keys: str) -> None:
    (message,) = listed(api, f"campaigns/{a_campaign(api, name)['id']}/campaign-messages")
    (variation,) = read(api, f"campaign-messages/{message['id']}/campaign-variations")["data"]
    details = variation["attributes"]["definition"]["details"]
    assert set(details) == {"channel", *keys.split()}
    assert (details["channel"], details["body"]) == (channel, name)


def test_what_is_included_is_named_and_the_rest_is_not(api: requests.Session) -> None:
    plain = read(api, "campaigns?page[size]=2")
    assert "included" not in plain
    assert not any("data" in each for one in plain["data"] for each in one["relationships"].values())
    asked = read(api, "campaigns?page[size]=2&include=campaign-audiences,campaign-messages,tags")
    types = [each["type"] for each in asked["included"]]
    tags = {each["id"] for one in asked["data"] for each in one["relationships"]["tags"]["data"]}
    assert sorted(types) == ["campaign-audience"] * 2 + ["campaign-message"] * 2 + ["tag"] * len(tags)
    for one in asked["data"]:
        named = {each["id"] for key in one["relationships"] for each in one["relationships"][key]["data"]}
        assert named <= {each["id"] for each in asked["included"]}


def test_a_status_that_changes_updates_the_message(sandbox: Sandbox, api: requests.Session) -> None:
    campaign = a_campaign(api, "Half-finished idea")
    (message,) = listed(api, f'campaign-messages?filter=equals(campaign_id,"{campaign["id"]}")')
    assert message["attributes"]["definition"]["status"] == "draft"
    stored = sandbox.store.get(Campaign, campaign["id"])
    assert stored
    now = sandbox.clock.now()
    sandbox.store.put(replace(stored, status="Cancelled: No Recipients", updated_at=now))
    (changed,) = listed(api, f"campaign-messages?filter=greater-or-equal(updated,{now:%Y-%m-%dT%H:%M:%SZ})")
    assert (changed["id"], changed["attributes"]["definition"]["status"]) == (message["id"], "cancelled")
    assert message["id"] not in ids(listed(api, 'campaign-messages?filter=equals(status,"draft")'))
    assert message["id"] in ids(listed(api, 'campaign-messages?filter=equals(status,"cancelled")'))
    assert read(api, "campaign-messages?sort=-updated&page[size]=1")["data"][0]["id"] == message["id"]


@pytest.mark.parametrize(
    "query",
    [
        "campaigns?filter=contains(name,'picks'),equals(builder,'wizard'),equals(archived,false)&sort=-updated_at",
        "campaigns?filter=any(id,['x'])",
        "campaign-messages?filter=contains(name,'picks')&sort=updated&include=campaign&fields[campaign]=updated_at",
        "campaign-messages?filter=any(id,['x'])",
    ],
)
def test_what_may_be_asked(api: requests.Session, query: str) -> None:
    assert bool(read(api, query)["data"]) is ("picks" in query)


def test_nothing_is_made_with_another_builder(api: requests.Session) -> None:
    assert listed(api, 'campaigns?filter=equals(builder,"canvas")') == []


@pytest.mark.parametrize(
    "path",
    [
        "campaigns?sort=name",
        "campaigns?filter=equals(status,'Sent')",
        "campaigns?include=campaign-variations",
        "campaigns?page[size]=101",
        "campaigns?fields[campaign]=name",
        "campaign-messages?include=campaign-variations",
        "campaign-messages?filter=any(status,['draft'])",
        "campaign-messages?page[size]=101",
    ],
)
def test_what_is_refused(api: requests.Session, path: str) -> None:
    assert api.get(f"/api/{path}", headers=NEW).status_code == 400


@pytest.mark.parametrize("kind", ["campaigns", "campaign-audiences", "campaign-messages", "campaign-variations"])
def test_an_unknown_id_is_404(api: requests.Session, kind: str) -> None:
    assert api.get(f"/api/{kind}/NOPE01", headers=NEW).json()["errors"][0]["code"] == "not_found"


@pytest.mark.parametrize("revision", ["2025-01-15", "2026-07-15", "2026-07-15.pre"])
@pytest.mark.parametrize("path", ["campaign-messages", "campaign-audiences/x", "campaign-variations/x"])
def test_before_the_revision_its_operations_are_404(api: requests.Session, path: str, revision: str) -> None:
    response = api.get(f"/api/{path}", headers={"revision": revision})
    assert response.status_code == 404
    assert response.json()["errors"][0]["detail"] == "No valid revision was found for the method GET."


@pytest.mark.parametrize("revision", [None, "2026-10-16", "latest"])
def test_a_wrong_revision_is_400_there_too(api: requests.Session, revision: str | None) -> None:
    headers = {"revision": revision, "X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1"}
    response = api.get("/api/campaign-messages", headers=headers)
    assert (response.status_code, response.json()["errors"][0]["code"]) == (400, "invalid")


def test_what_did_not_change_goes_on_and_what_is_not_modelled_is_refused(
    sandbox: Sandbox, api: requests.Session
) -> None:
    (message,) = sandbox.store.messages_of(a_campaign(api)["id"])
    template = read(api, f"campaign-messages/{message.id}/template")["data"]["id"]
    original = sandbox.store.template_named("Weekly picks")
    assert original
    relationships = {"template": {"data": {"type": "template", "id": original.id}}}
    body = {"data": {"type": "campaign-message", "id": message.id, "relationships": relationships}}
    assert api.post("/api/campaign-message-assign-template", json=body, headers=NEW).ok
    changed = sandbox.store.get(CampaignMessage, message.id)
    assert changed
    assert changed.template_id not in {template, original.id}
    created = api.post("/api/campaigns", json={"data": {"type": "campaign"}}, headers=NEW)
    assert created.status_code == 400
    assert "as of revision 2026-07-15" in created.json()["errors"][0]["detail"]


def test_requests_are_counted_and_faults_aimed_by_revision(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.faults.add(Status(operation="get_campaigns@2026-10-15"))
    assert api.get('/api/campaigns?filter=equals(messages.channel,"sms")', headers=OLD).ok
    assert [api.get("/api/campaigns", headers=NEW).status_code for _ in range(2)] == [503, 200]
    assert sandbox.requests == {
        "get_campaigns 200": 1,
        "get_campaigns@2026-10-15 503": 1,
        "get_campaigns@2026-10-15 200": 1,
    }


@pytest.mark.parametrize(
    "known", ["01K9ABCDEFGHJKMNPQRSTVWXYZ", "T1", "0123456789", "0123456789A", "0123456789AB"]
)
def test_ids_are_made_both_ways(known: str) -> None:
    assert known_id(other_id(known)) == known


# consent, events and variations: what a body may say at each revision


@pytest.mark.parametrize("headers", [OLD, NEW], ids=["before", "since"])
def test_the_tracking_of_clicks_is_told_at_both_and_taken_from_its_revision_on(
    api: requests.Session, headers: dict[str, str]
) -> None:
    """That it is told before is recorded, though not documented."""
    is_taken = headers is NEW
    asked = {"additional-fields[profile]": "subscriptions", "page[size]": "1"}
    (shown,) = api.get("/api/profiles", params=asked, headers=headers).json()["data"]
    email = shown["attributes"]["subscriptions"]["email"]
    assert set(email) == {"marketing", "open_tracking", "click_tracking"}
    for way, consent in (("create", "SUBSCRIBED"), ("delete", "UNSUBSCRIBED")):
        row = {
            "type": "profile",
            "attributes": {
                "email": "clicks@mail.example.net",
                "subscriptions": {"email": {"click_tracking": {"consent": consent}}},
            },
        }
        job = {"type": f"profile-subscription-bulk-{way}-job", "attributes": {"profiles": {"data": [row]}}}
        answer = api.post(f"/api/profile-subscription-bulk-{way}-jobs", json={"data": job}, headers=headers)
        assert answer.status_code == (202 if is_taken else 400), answer.text
        if not is_taken:
            assert answer.json()["errors"][0]["source"]["pointer"].endswith("/subscriptions/email/click_tracking")


def _event(person: Json) -> Json:
    metric = {"data": {"type": "metric", "attributes": {"name": "Viewed Page"}}}
    attributes = {"metric": metric, "properties": {}, "profile": {"data": {"type": "profile", **person}}}
    return {"data": {"type": "event", "attributes": attributes}}


def test_the_meta_of_the_profile_of_an_event_is_where_its_revision_has_it(
    sandbox: Sandbox, api: requests.Session
) -> None:
    patch = {"patch_properties": {"append": {"seen": "a"}}}
    among = _event({"attributes": {"email": "among@mail.example.net", "meta": patch}})
    beside = _event({"attributes": {"email": "beside@mail.example.net"}, "meta": patch})
    for body, taken, refused in ((among, OLD, NEW), (beside, NEW, OLD)):
        assert api.post("/api/events", json=body, headers=refused).status_code == 400
        assert api.post("/api/events", json=body, headers=taken).status_code == 202
    sandbox.settle()
    for who in ("among", "beside"):
        held = sandbox.store.profile_by("email", f"{who}@mail.example.net")
        assert held
        assert held.properties["seen"] == ["a"]


def _change(variation_id: str, details: Json | None, name: str | None = None) -> Json:
    definition = {"name": name, "details": details}
    return {"data": {"type": "campaign-variation", "id": variation_id, "attributes": {"definition": definition}}}


def test_a_variation_is_changed_until_it_is_sent(sandbox: Sandbox, api: requests.Session) -> None:
    (message,) = listed(api, f"campaigns/{a_campaign(api, 'Half-finished idea')['id']}/campaign-messages")
    variation = other_id(message["id"])
    at = f"/api/campaign-variations/{variation}"
    original = sandbox.store.template_named("Weekly picks")
    assert original
    details = {"channel": "email", "template_id": original.id, "subject": "New"}
    assert api.patch(at, json=_change(variation, details), headers=OLD).status_code == 404
    changed = api.patch(at, json=_change(variation, details, "renamed"), headers=NEW)
    assert changed.status_code == 200, changed.text
    told = changed.json()["data"]["attributes"]["definition"]
    assert (told["name"], told["details"]["subject"]) == ("renamed", "New")
    assert told["details"]["from_email"] == "", "what is left out is lost"
    copy = told["details"]["template_id"]
    assert copy not in {None, original.id}
    assert read(api, f"templates/{copy}")["data"]["attributes"]["html"] == original.html
    kept = api.patch(at, json=_change(variation, {**details, "template_id": copy}), headers=NEW).json()
    assert kept["data"]["attributes"]["definition"]["details"]["template_id"] == copy
    for body, pointer in (
        (_change("ELSE01", details), "/data/id"),
        (_change(variation, {**details, "html": "x"}), "/data/attributes/definition/details/html"),
        (_change(variation, {"channel": "sms"}), "/data/attributes/definition/details"),
    ):
        refused = api.patch(at, json=body, headers=NEW)
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["source"]["pointer"].startswith(pointer)
    nowhere = api.patch(at, json=_change(variation, {**details, "template_id": "NOPE01"}), headers=NEW)
    assert nowhere.status_code == 404

    (sent,) = listed(api, f"campaigns/{a_campaign(api)['id']}/campaign-messages")
    late = other_id(sent["id"])
    refused = api.patch(f"/api/campaign-variations/{late}", json=_change(late, details), headers=NEW)
    assert (refused.status_code, "sent" in refused.json()["errors"][0]["detail"]) == (400, True)
    assert (
        api.patch("/api/campaign-variations/NOPE01", json=_change("NOPE01", details), headers=NEW).status_code
        == 404
    )
