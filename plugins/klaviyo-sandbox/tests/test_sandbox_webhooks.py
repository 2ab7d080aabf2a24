"""Webhooks as Klaviyo's API makes and shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.model.records import Integration, Metric, Webhook
from klaviyo_sandbox.model.webhook_topics import KLAVIYO_TOPICS, topic_of

if TYPE_CHECKING:
    from pathlib import Path

    from klaviyo_sandbox.model.clock import Clock

Json = dict[str, Any]
SECRET = "sixteen-char-key"
OPENED = "event:klaviyo.opened_email"


def webhook(topics: tuple[str, ...] = (OPENED,), **attributes: object) -> Json:
    """What makes a webhook, but for what is told; what is None is left out."""
    told = {
        "name": "Mine",
        "endpoint_url": "https://hooks.shop.example/a/b?c=d",
        "secret_key": SECRET,
    } | attributes
    return {
        "data": {
            "type": "webhook",
            "attributes": {name: value for name, value in told.items() if value is not None},
            "relationships": {
                "webhook-topics": {"data": [{"type": "webhook-topic", "id": each} for each in topics]}
            },
        }
    }


def change(webhook_id: str, *topics: str, **attributes: object) -> Json:
    data: Json = {"type": "webhook", "id": webhook_id, "attributes": attributes}
    if topics:
        data["relationships"] = webhook(topics)["data"]["relationships"]
    return {"data": data}


def made(api: requests.Session, document: Json) -> Json:
    response = api.post("/api/webhooks", json=document)
    assert response.status_code == 201, response.text
    return dict(response.json()["data"])


def topics_of(resource: Json) -> list[str]:
    return [each["id"] for each in resource["relationships"]["webhook-topics"]["data"]]


def refusal(response: requests.Response) -> tuple[int, str]:
    (error,) = response.json()["errors"]
    return response.status_code, error["source"]["pointer"]


def test_a_secret_is_kept_and_never_given_back(sandbox: Sandbox, api: requests.Session) -> None:
    resource = made(api, webhook())
    path = f"/api/webhooks/{resource['id']}"
    another = "another key, longer"
    answers = [
        api.get(path),
        api.patch(path, json=change(resource["id"], secret_key=another)),
        api.get("/api/webhooks", params={"include": "webhook-topics"}),
    ]
    kept = sandbox.store.get(Webhook, resource["id"])
    assert kept is not None
    assert kept.secret_key == another
    told = json.dumps(resource) + "".join(each.text for each in answers)
    assert SECRET not in told
    assert another not in told
    assert "secret" not in told
    assert api.get("/api/webhooks", params={"fields[webhook]": "secret_key"}).status_code == 400


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://hooks.shop.example/a/b?token=c#d", "https://hooks.shop.example/*****"),
        ("https://hooks.shop.example", "https://hooks.shop.example/*****"),
        ("http://127.0.0.1:8443/a", "http://127.0.0.1:8443/*****"),
    ],
)
def test_an_address_is_shown_masked(sandbox: Sandbox, api: requests.Session, address: str, shown: str) -> None:
    resource = made(api, webhook(endpoint_url=address))
    assert resource["attributes"]["endpoint_url"] == shown
    kept = sandbox.store.get(Webhook, resource["id"])
    assert kept is not None
    assert kept.endpoint_url == address


def test_a_change_keeps_what_it_does_not_name(api: requests.Session) -> None:
    both = (OPENED, "event:klaviyo.clicked_email")
    resource = made(api, webhook(both, description="why"))
    path = f"/api/webhooks/{resource['id']}"
    assert topics_of(resource) == list(both)
    renamed = api.patch(path, json=change(resource["id"], name="Ü", enabled=False, endpoint_url=None)).json()[
        "data"
    ]
    assert topics_of(renamed) == list(both)
    attributes = renamed["attributes"]
    assert (attributes["name"], attributes["enabled"], attributes["description"]) == ("Ü", False, "why")
    assert attributes["endpoint_url"] == resource["attributes"]["endpoint_url"]
    less = api.patch(path, json=change(resource["id"], both[1], description=None)).json()["data"]
    assert (topics_of(less), less["attributes"]["description"]) == ([both[1]], "why")
    assert api.get(path).json()["data"] == less


def test_what_is_deleted_is_gone(api: requests.Session) -> None:
    resource = made(api, webhook())
    path = f"/api/webhooks/{resource['id']}"
    assert (api.delete(path).status_code, api.delete(path).status_code) == (204, 404)
    assert api.patch(path, json=change(resource["id"], name="b")).status_code == 404
    assert api.get(path).json()["errors"][0]["detail"] == "Not found."


def test_an_account_has_ten_webhooks(api: requests.Session) -> None:
    there = len(api.get("/api/webhooks").json()["data"])
    ours = [made(api, webhook())["id"] for _ in range(10 - there)]
    assert refusal(api.post("/api/webhooks", json=webhook())) == (400, "/data")
    assert api.patch(f"/api/webhooks/{ours[0]}", json=change(ours[0], name="b")).ok
    api.delete(f"/api/webhooks/{ours[0]}")
    made(api, webhook())


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (webhook(endpoint_url="http://hooks.shop.example/"), "attributes/endpoint_url"),
        (webhook(endpoint_url="http://127.0.0.1.shop.example/"), "attributes/endpoint_url"),
        (webhook(endpoint_url="https://ada:secret@hooks.shop.example/"), "attributes/endpoint_url"),
        (webhook(endpoint_url="https:///path"), "attributes/endpoint_url"),
        (webhook(endpoint_url="https://[::1/"), "attributes/endpoint_url"),
        (webhook(endpoint_url="https://hooks.shop.example:99999/"), "attributes/endpoint_url"),
        (webhook(endpoint_url="file:///etc/passwd"), "attributes/endpoint_url"),
        (webhook(secret_key=SECRET[1:]), "attributes/secret_key"),
        (webhook(secret_key=None), "attributes/secret_key"),
        (webhook(name=" "), "attributes/name"),
        (webhook(enabled=False), "attributes/enabled"),
        (webhook(()), "relationships/webhook-topics/data"),
        (webhook(("event:klaviyo.joined_segment",)), "relationships/webhook-topics/data"),
    ],
)
def test_what_is_no_webhook_is_refused(api: requests.Session, document: Json, place: str) -> None:
    before = api.get("/api/webhooks").json()
    assert refusal(api.post("/api/webhooks", json=document)) == (400, f"/data/{place}")
    assert api.get("/api/webhooks").json() == before


def test_a_change_is_held_to_the_same(api: requests.Session) -> None:
    resource = made(api, webhook())
    path = f"/api/webhooks/{resource['id']}"
    refused: list[Json] = [
        change(resource["id"], endpoint_url="http://hooks.shop.example/"),
        change(resource["id"], secret_key="short"),
        change(resource["id"], "event:api.unknown"),
        change("another"),
    ]
    assert [api.patch(path, json=each).status_code for each in refused] == [400] * len(refused)
    assert api.get(path).json()["data"] == resource


def test_topics_are_those_of_the_metrics_and_klaviyos_own(sandbox: Sandbox, api: requests.Session) -> None:
    shop = Integration("0eMvjm", "api", "API", "API")
    at = sandbox.clock.seconds()
    sandbox.store.put(Metric(id="Own1", name="Table booked: Café", created=at, updated=at, integration=shop))
    topics = {each["id"] for each in api.get("/api/webhook-topics").json()["data"]}
    assert topics == KLAVIYO_TOPICS | {topic_of(each) for each in sandbox.store.find(Metric)}
    assert {"event:klaviyo.received_sms", "event:klaviyo.received_text_message"} <= topics
    own = "event:api.table_booked_café"
    assert api.get(f"/api/webhook-topics/{own}").json()["data"]["id"] == own
    assert topics_of(made(api, webhook((own, own)))) == [own]
    assert api.get("/api/webhook-topics/event:api.unknown").status_code == 404


def test_klaviyos_own_topics_are_the_recorded_ones(reference: Path) -> None:
    recording = json.loads((reference / "reference/recorded/get_webhook_topics.200.json").read_text())
    recorded = {each["id"] for each in recording["response"]["body"]["data"]}
    assert {each for each in recorded if each.startswith("event:klaviyo.")} == KLAVIYO_TOPICS


def test_every_operation_needs_the_feature(clock: Clock) -> None:
    with Sandbox(profiles=1, events=0, segments=0, clock=clock, advanced_kdp=False) as sandbox:
        headers = {"Authorization": f"Klaviyo-API-Key {sandbox.api_key}", "revision": "2026-07-15"}
        (there, *_) = sandbox.store.find(Webhook)
        one, topic = f"webhooks/{there.id}", f"webhook-topics/{OPENED}"
        for method, path, body in (
            ("GET", "webhooks", None),
            ("POST", "webhooks", webhook()),
            ("GET", one, None),
            ("PATCH", one, change(there.id, name="b")),
            ("DELETE", one, None),
            ("GET", "webhook-topics", None),
            ("GET", topic, None),
        ):
            response = requests.request(method, f"{sandbox.url}/api/{path}", headers=headers, json=body, timeout=5)
            assert response.status_code == 403, (method, path)
            assert response.json()["errors"][0]["detail"].startswith("You must have Advanced KDP")
        assert sandbox.store.get(Webhook, there.id) == there
