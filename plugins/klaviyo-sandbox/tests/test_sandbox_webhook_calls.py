"""What webhooks are called for, and how a receiver sees it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from click.testing import CliRunner

from klaviyo_sandbox.cli import main
from klaviyo_sandbox.http.webhook_calls import Manner
from klaviyo_sandbox.model.records import Event, Metric, Webhook
from klaviyo_sandbox.model.webhook_topics import topic_of
from klaviyo_wire.webhooks import SIGNATURE, TIMESTAMP, WEBHOOK_ID, is_signed

sys.path.insert(0, str(Path(__file__).parent))  # tests are not a package

from local_receiver import LocalReceiver

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
SECRET = "sixteen-char-key"
OPENED = "event:klaviyo.opened_email"
OLD_SMS, NEW_SMS = "event:klaviyo.received_sms", "event:klaviyo.received_text_message"


class Receiver(LocalReceiver):
    """Reads what it got as what webhooks tell."""

    def calls(self) -> list[Json]:
        """The bodies since the last time, each properly signed."""
        got, self.got = self.got, []
        for headers, body in got:
            assert is_signed([SECRET], body, headers[TIMESTAMP].encode(), headers[SIGNATURE].encode())
            assert json.loads(body)["meta"]["klaviyo_webhook_id"] == headers[WEBHOOK_ID]
        return [json.loads(body) for _, body in got]

    def keys(self) -> list[str]:
        return [each["external_id"] for call in self.calls() for each in call["data"]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with receiver.serving():
        yield receiver


Subscribe = Callable[..., str]


@pytest.fixture
def subscribe(api: requests.Session, receiver: Receiver) -> Subscribe:
    """Make a webhook of these topics; gives its id."""

    def made(*topics: str) -> str:
        data = [{"type": "webhook-topic", "id": each} for each in topics]
        attributes = {"name": "w", "endpoint_url": receiver.url, "secret_key": SECRET}
        resource = {"type": "webhook", "attributes": attributes}
        response = api.post(
            "/api/webhooks", json={"data": {**resource, "relationships": {"webhook-topics": {"data": data}}}}
        )
        assert response.ok, response.text
        return str(response.json()["data"]["id"])

    return made


def happen(sandbox: Sandbox, topic: str, *keys: str, **options: int) -> None:
    """Events of a topic, recorded one after the other."""
    metric = next(each for each in sandbox.store.find(Metric) if topic_of(each) == topic)
    (profile,) = sandbox.store.read("select id from profiles limit 1")[0]
    for key in keys:
        happened = Event(
            id=key,
            uuid=f"uuid-{key}",
            timestamp=sandbox.clock.seconds(),
            metric_id=metric.id,
            profile_id=profile,
            properties={"$event_id": key, "ü": "🌱"},
        )
        sandbox.store.add_events([happened], **options)


def test_a_call_tells_of_what_was_recorded_since(
    sandbox: Sandbox, api: requests.Session, receiver: Receiver, subscribe: Subscribe
) -> None:
    happen(sandbox, OPENED, "before")
    webhook = subscribe(OPENED, OLD_SMS, NEW_SMS)
    for topic, key in (
        (OPENED, "4L3cwQae2TX"),
        (OLD_SMS, "b"),
        ("event:klaviyo.clicked_email", "c"),
        (NEW_SMS, "d"),
    ):
        happen(sandbox, topic, key)
    (outcome,) = sandbox.call_webhooks()
    assert (outcome.webhook_id, outcome.events, outcome.status) == (webhook, 3, 200)
    (call,) = receiver.calls()
    assert [(each["external_id"], each["topic"]) for each in call["data"]] == [
        ("4L3cwQae2TX", OPENED),
        ("b", OLD_SMS),
        ("d", NEW_SMS),
    ]
    assert call["meta"] == {
        "klaviyo_account_id": sandbox.account_id,
        "klaviyo_webhook_id": webhook,
        "timestamp": "2026-11-02T09:30:00+00:00",
        "version": "2024-06-28",
    }
    told, polled = call["data"][0]["payload"]["data"], api.get("/api/events/4L3cwQae2TX").json()["data"]
    assert told["attributes"].pop("datetime") == "2026-11-02 09:30:00+00:00"
    assert polled["attributes"].pop("datetime") == "2026-11-02T09:30:00+00:00"
    assert told == polled
    assert sandbox.call_webhooks() == []


def test_events_of_the_api_and_late_ones_are_told_when_they_are_there(
    sandbox: Sandbox, api: requests.Session, receiver: Receiver, subscribe: Subscribe
) -> None:
    metric = {"data": {"type": "metric", "attributes": {"name": "Viewed Product"}}}
    person = {"data": {"type": "profile", "attributes": {"email": "ada@shop.example"}}}
    event = {"type": "event", "attributes": {"properties": {}, "metric": metric, "profile": person}}
    subscribe("event:api.viewed_product", OPENED)
    assert api.post("/api/events", json={"data": event}).status_code == 202
    happen(sandbox, OPENED, "late", visible_at=sandbox.clock.seconds() + 60)
    assert sandbox.call_webhooks() == []
    sandbox.settle()
    sandbox.store.release_events()
    sandbox.call_webhooks()
    first, second = receiver.keys()
    assert "late" in {first, second}
    sandbox.store.withhold_events(["late"], 0)
    sandbox.store.release_events()
    assert sandbox.call_webhooks() == [], "it was told of before it was hidden"


def test_a_call_has_a_thousand_events_at_most(sandbox: Sandbox, receiver: Receiver, subscribe: Subscribe) -> None:
    subscribe(OPENED)
    metric = next(each.id for each in sandbox.store.find(Metric) if topic_of(each) == OPENED)
    sandbox.store.add_events(
        Event(id=f"{number:04}", uuid="u", timestamp=1, metric_id=metric, profile_id=None, properties={})
        for number in range(1_001)
    )
    sandbox.call_webhooks()
    calls = receiver.calls()
    assert [len(each["data"]) for each in calls] == [1_000, 1]
    assert calls[0]["data"][0]["payload"]["data"]["relationships"]["profile"]["data"] is None


def test_calls_come_twice_and_in_no_order(sandbox: Sandbox, receiver: Receiver, subscribe: Subscribe) -> None:
    subscribe(OPENED)
    keys = [f"{number:02}" for number in range(40)]
    happen(sandbox, OPENED, *keys)
    sandbox.call_webhooks(Manner(most=3, duplicates=1, shuffled=True))
    bodies = [body for _, body in receiver.got]
    assert len(bodies) == 28
    assert all(bodies.count(each) == 2 for each in bodies)
    got = receiver.keys()
    assert sorted(got) == sorted(keys * 2)
    assert list(dict.fromkeys(got)) != keys


def test_the_header_is_hours_off_and_the_signed_time_is_not(
    sandbox: Sandbox, receiver: Receiver, subscribe: Subscribe
) -> None:
    subscribe(OPENED)
    happen(sandbox, OPENED, "a")
    sandbox.call_webhooks(Manner(header_hours=-5))
    header = parsedate_to_datetime(receiver.got[0][0][TIMESTAMP])
    assert receiver.got[0][0][TIMESTAMP] == "Mon, 02 Nov 2026 04:30:00 GMT"
    assert sandbox.clock.now() - header == timedelta(hours=5)
    (call,) = receiver.calls()
    assert call["meta"]["timestamp"] == "2026-11-02T09:30:00+00:00"


@pytest.mark.parametrize("status", [503, 302, 401])
def test_what_is_not_taken_comes_again_with_all_of_its_webhook(
    sandbox: Sandbox, receiver: Receiver, subscribe: Subscribe, status: int
) -> None:
    subscribe(OPENED)
    happen(sandbox, OPENED, "a", "b")
    receiver.statuses = [200, status]
    assert [each.status for each in sandbox.call_webhooks(Manner(most=1))] == [200, status]
    happen(sandbox, OPENED, "c")
    sandbox.call_webhooks(Manner(most=1))
    assert receiver.keys() == ["a", "b", "a", "b", "c"], "and no redirect was followed"
    assert sandbox.call_webhooks() == []


def test_nobody_answers(sandbox: Sandbox, api: requests.Session, receiver: Receiver, subscribe: Subscribe) -> None:
    webhook = subscribe(OPENED)
    happen(sandbox, OPENED, "a")
    change = {"type": "webhook", "id": webhook, "attributes": {"endpoint_url": "http://127.0.0.1:1/"}}
    assert api.patch(f"/api/webhooks/{webhook}", json={"data": change}).ok
    assert [each.status for each in sandbox.call_webhooks()] == [None]
    change["attributes"] = {"endpoint_url": receiver.url}
    assert api.patch(f"/api/webhooks/{webhook}", json={"data": change}).ok
    assert [each.status for each in sandbox.call_webhooks()] == [200]


def test_what_happened_while_it_was_disabled_is_not_told(
    sandbox: Sandbox, api: requests.Session, receiver: Receiver, subscribe: Subscribe
) -> None:
    webhook = subscribe(OPENED)
    for enabled, key in ((False, "a"), (True, "b"), (True, "c")):
        change = {"type": "webhook", "id": webhook, "attributes": {"enabled": enabled}}
        assert api.patch(f"/api/webhooks/{webhook}", json={"data": change}).ok
        happen(sandbox, OPENED, key)
        if not enabled:
            assert sandbox.call_webhooks() == []
    sandbox.call_webhooks()
    assert receiver.keys() == ["b", "c"]


def test_no_other_machine_is_called(sandbox: Sandbox) -> None:
    topic = "event:klaviyo.subscribed_to_email_marketing"
    elsewhere = [each for each in sandbox.store.find(Webhook) if topic in each.topics]
    assert elsewhere
    happen(sandbox, topic, "a")
    assert sandbox.call_webhooks() == []


def test_the_command_calls_them(sandbox: Sandbox, receiver: Receiver, subscribe: Subscribe) -> None:
    webhook = subscribe(OPENED)
    happen(sandbox, OPENED, "a", "b")
    options = ["--most", "1", "--shuffled", "--header-hours", "-5", "--duplicates", "0"]
    result = CliRunner().invoke(main, ["call-webhooks", "--url", sandbox.url, *options])
    assert result.exit_code == 0, result.output
    assert [(each["webhook_id"], each["status"]) for each in json.loads(result.output)] == [(webhook, 200)] * 2
    assert sorted(receiver.keys()) == ["a", "b"]
    url = f"{sandbox.url}/sandbox/webhook-calls"
    assert requests.post(url, json={}, timeout=5).json() == []
    assert requests.post(url, json={"most": 1_001}, timeout=5).status_code == 400
    assert requests.get(url, timeout=5).status_code == 404
