"""Templates, campaigns, and sending through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from klaviyo_sandbox.model.records import GroupKind
from klaviyo_sandbox.operations.templates import normalised

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

HTML = (
    "<p>Hi {{ first_name|default:'you' }}</p><a href='https://shop.example/?lf_cid=e.s.a'>x</a>{% unsubscribe %}"
)


def create(api: requests.Session, name: str = "n", html: str = HTML, **attributes: object) -> str:
    body = {"type": "template", "attributes": {"name": name, "editor_type": "CODE", "html": html, **attributes}}
    response = api.post("/api/templates", json={"data": body})
    assert response.status_code == 201, response.text
    return str(response.json()["data"]["id"])


def render(api: requests.Session, template: str, context: dict[str, Any]) -> requests.Response:
    body = {"type": "template", "id": template, "attributes": {"context": context}}
    return api.post("/api/template-render", json={"data": body})


def create_campaign(api: requests.Session, audience: str, channel: str = "email") -> tuple[str, str]:
    """Ids of a new campaign and of its message."""
    body = {
        "type": "campaign",
        "attributes": {
            "name": "c",
            "audiences": {"included": [audience]},
            "campaign-messages": {
                "data": [
                    {
                        "type": "campaign-message",
                        "attributes": {"definition": {"channel": channel, "content": {"body": "b"}}}
                        if channel != "email"
                        else {"definition": {"channel": channel, "content": {"subject": "s"}}},
                    }
                ]
            },
        },
    }
    response = api.post("/api/campaigns", json={"data": body})
    assert response.status_code == 201, response.text
    data = response.json()["data"]
    return data["id"], data["relationships"]["campaign-messages"]["data"][0]["id"]


def assign(api: requests.Session, message: str, template: str) -> requests.Response:
    body = {
        "type": "campaign-message",
        "id": message,
        "relationships": {"template": {"data": {"type": "template", "id": template}}},
    }
    return api.post("/api/campaign-message-assign-template", json={"data": body})


def send(api: requests.Session, campaign: str) -> requests.Response:
    return api.post("/api/campaign-send-jobs", json={"data": {"type": "campaign-send-job", "id": campaign}})


@pytest.fixture
def newsletter(sandbox: Sandbox) -> str:
    group = sandbox.store.group_named("Newsletter", GroupKind.LIST)
    assert group
    return group.id


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("<h1>x</h1>", "<html><head></head><body><h1>x</h1></body></html>"),  # recorded
        ("<body>x</body>", "<html><head></head><body>x</body></html>"),
        ('<html lang="en"><body>x</body></html>', '<html lang="en"><head></head><body>x</body></html>'),
        ("\n<!doctype html>\r\n<HTML><HEAD></HEAD>x</HTML>\n", "<!doctype html>\n<HTML><HEAD></HEAD>x</HTML>"),
        (
            "{% if a < b %}<htmlx>{% endif %}",
            "<html><head></head><body>{% if a < b %}<htmlx>{% endif %}</body></html>",
        ),
    ],
)
def test_html_is_stored_as_a_whole_document(sent: str, stored: str) -> None:
    assert normalised(sent) == stored
    assert normalised(stored) == stored


def test_names_are_not_unique_and_are_found_by_filter(api: requests.Session) -> None:
    twins = {create(api, "twin"), create(api, "twin")}
    create(api, "another")
    found = api.get("/api/templates", params={"filter": 'equals(name,"twin")'}).json()["data"]
    assert {each["id"] for each in found} == twins
    contained = api.get("/api/templates", params={"filter": 'contains(name,"win")'}).json()["data"]
    assert {each["id"] for each in contained} == twins


def test_an_update_changes_what_is_given(api: requests.Session) -> None:
    template = create(api, text="old")
    changes = {"type": "template", "id": template, "attributes": {"html": "<b>new</b>", "text": None}}
    assert api.patch(f"/api/templates/{template}", json={"data": changes}).ok
    attributes = api.get(f"/api/templates/{template}").json()["data"]["attributes"]
    assert (attributes["name"], attributes["text"]) == ("n", None)
    assert "<b>new</b>" in attributes["html"]


def test_rendering_uses_the_context_and_nothing_else(api: requests.Session) -> None:
    template = create(api, text="{{ person|lookup:'plan' }}!")
    attributes = render(api, template, {"first_name": "<Ada>", "person": {"plan": "pro"}}).json()["data"][
        "attributes"
    ]
    assert "Hi &lt;Ada&gt;" in attributes["html"]
    assert attributes["text"] == "pro!"
    assert "Hi you" in render(api, template, {}).json()["data"]["attributes"]["html"]


def test_a_template_outside_the_language_is_400_when_rendered(api: requests.Session) -> None:
    response = render(api, create(api, html="{% assign x = 1 %}"), {})
    assert response.status_code == 400
    assert "assign" in response.json()["errors"][0]["detail"]


def test_a_deleted_template_is_gone(api: requests.Session) -> None:
    template = create(api)
    deleted = api.delete(f"/api/templates/{template}")
    assert (deleted.status_code, deleted.content) == (200, b"")
    assert api.delete(f"/api/templates/{template}").status_code == 404


def test_assigning_copies(api: requests.Session, newsletter: str) -> None:
    template = create(api, "original")
    _, message = create_campaign(api, newsletter)
    assert api.get(f"/api/campaign-messages/{message}/template").json() == {"data": None}
    assigned = assign(api, message, template).json()
    (copy,) = assigned["included"]
    assert copy["id"] != template
    assert copy["attributes"]["name"] == f"Clone of {template}"
    assert assigned["data"]["relationships"]["template"]["data"]["id"] == copy["id"]
    listed = [each["id"] for each in api.get("/api/templates").json()["data"]]
    assert template in listed
    assert copy["id"] not in listed
    changes = {"type": "template", "id": template, "attributes": {"html": "<b>later</b>"}}
    api.patch(f"/api/templates/{template}", json={"data": changes})
    held = api.get(f"/api/campaign-messages/{message}/template").json()["data"]
    assert held["attributes"]["html"] == copy["attributes"]["html"]


def change(api: requests.Session, message: str, definition: dict[str, Any]) -> requests.Response:
    data = {"type": "campaign-message", "id": message, "attributes": {"definition": definition}}
    return api.patch(f"/api/campaign-messages/{message}", json={"data": data})


def test_a_message_of_a_draft_is_changed_where_something_is_given(
    sandbox: Sandbox, api: requests.Session, newsletter: str
) -> None:
    _, message = create_campaign(api, newsletter)
    before = api.get(f"/api/campaign-messages/{message}").json()["data"]["attributes"]["definition"]
    sandbox.clock.advance(5)
    response = change(api, message, {"channel": "email", "content": {"subject": "New", "cc_email": None}})
    assert response.status_code == 200
    after = api.get(f"/api/campaign-messages/{message}").json()["data"]["attributes"]
    assert after["definition"] == before | {"content": before["content"] | {"subject": "New", "cc_email": None}}
    assert after["updated_at"] == sandbox.clock.now().isoformat(timespec="microseconds")


def test_a_message_that_cannot_be_changed(api: requests.Session, newsletter: str) -> None:
    campaign, message = create_campaign(api, newsletter)
    at = "/data/attributes/definition"
    unknown = change(api, message, {"channel": "email", "render_options": {}})
    assert unknown.json()["errors"][0]["source"]["pointer"] == f"{at}/render_options"
    other = change(api, message, {"channel": "sms"})
    assert other.json()["errors"][0]["source"]["pointer"] == f"{at}/channel"
    assign(api, message, create(api))
    assert send(api, campaign).status_code == 202
    assert change(api, message, {"channel": "email", "label": "late"}).status_code == 400
    headers = {"revision": "2026-10-15"}
    assert api.patch(f"/api/campaign-messages/{message}", json={"data": {}}, headers=headers).status_code == 400


def test_a_campaign_is_sent_once_and_its_events_appear(
    sandbox: Sandbox, api: requests.Session, newsletter: str
) -> None:
    campaign, message = create_campaign(api, newsletter)
    assign(api, message, create(api))
    assert send(api, campaign).json()["data"]["attributes"] == {"status": "queued"}
    job = api.get(f"/api/campaign-send-jobs/{campaign}").json()["data"]["attributes"]
    assert job == {"status": "complete"}
    assert send(api, campaign).status_code == 400
    attributes = api.get(f"/api/campaigns/{campaign}").json()["data"]["attributes"]
    assert (attributes["status"], attributes["send_time"]) == ("Sent", "2026-11-02T09:30:00.000000+00:00")
    sandbox.clock.advance(3_600)
    received = sandbox.store.metric_named("Received Email", "klaviyo")
    assert received
    rows: list[dict[str, Any]] = []
    url: str | None = f'/api/events?page[size]=1000&filter=equals(metric_id,"{received.id}")'
    while url:
        document = api.get(url).json()
        rows += document["data"]
        url = document["links"]["next"]
    ours = [each for each in rows if each["attributes"]["event_properties"]["$message"] == message]
    assert len(ours) > 10


def test_a_campaign_that_is_not_ready_is_not_sent(api: requests.Session, newsletter: str) -> None:
    without_template, _ = create_campaign(api, newsletter)
    text, _ = create_campaign(api, newsletter, "sms")
    for campaign in (without_template, text):
        assert send(api, campaign).status_code == 400
        assert api.get(f"/api/campaigns/{campaign}").json()["data"]["attributes"]["status"] == "Draft"
        assert api.get(f"/api/campaign-send-jobs/{campaign}").status_code == 404


@pytest.mark.parametrize("channel", ["email", "sms", "mobile_push"])
def test_each_channel_is_a_listing_of_its_own(api: requests.Session, newsletter: str, channel: str) -> None:
    made = {each: create_campaign(api, newsletter, each)[0] for each in ("email", "sms", "mobile_push")}
    query = {"filter": f"equals(messages.channel,'{channel}'),any(status,['Draft'])"}
    found = {each["id"] for each in api.get("/api/campaigns", params=query).json()["data"]}
    assert found & set(made.values()) == {made[channel]}


def test_archived_campaigns_come_only_when_asked_for_and_then_not_quite_in_order(api: requests.Session) -> None:
    def listed(archived: str) -> list[str]:
        query = {"filter": f"equals(messages.channel,'email'){archived}", "sort": "updated_at"}
        return [
            each["attributes"]["updated_at"] for each in api.get("/api/campaigns", params=query).json()["data"]
        ]

    archived = listed(",equals(archived,true)")
    assert listed("") == listed(",equals(archived,false)") == sorted(listed(""))
    assert not set(archived) & set(listed(""))
    assert len(archived) > 1
    assert archived != sorted(archived)


def test_an_unknown_audience_is_refused(api: requests.Session) -> None:
    body = {
        "type": "campaign",
        "attributes": {
            "name": "c",
            "audiences": {"included": ["NOPE01"]},
            "campaign-messages": {
                "data": [{"type": "campaign-message", "attributes": {"definition": {"channel": "email"}}}]
            },
        },
    }
    assert "NOPE01" in api.post("/api/campaigns", json={"data": body}).json()["errors"][0]["detail"]
