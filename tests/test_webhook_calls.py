"""The local Klaviyo calls the receiver: what comes twice, in no order and with a clock hours off is kept once.

So is what a flow asks, however often it has to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import requests
import uvicorn

from klaviyo_inbox.receiver import application
from klaviyo_inbox.records import decoded
from klaviyo_inbox.settings import InboxSettings
from klaviyo_inbox.store import open_for_reading
from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.http.flow_webhook_calls import FlowRun, FlowWebhook
from klaviyo_sandbox.http.webhook_calls import Manner
from klaviyo_sandbox.model.records import Metric
from tap_experiments.definitions.model import PropertyFormat
from tap_experiments.project import load
from tap_experiments.templating import flow_webhook

EXPERIMENTS = Path(__file__).parent.parent / "demo" / "experiments"
SECRET = "klaviyo-test-secret"
TOPIC = "event:api.table_booked"
MANY = 120
CHANNELS = ("email", "sms", "text_messaging")


@contextmanager
def receiver(settings: InboxSettings, port: int = 0) -> Iterator[str]:
    """Where a receiver listens."""
    config = uvicorn.Config(
        application(settings), port=port, log_config=None, access_log=False, ws="none", lifespan="on"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        assert server.started
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def test_what_is_pushed_is_what_is_polled(tmp_path: Path) -> None:
    settings = InboxSettings(store=str(tmp_path / "inbox.sqlite"), klaviyo_webhook_secrets=(SECRET,))
    with (
        Sandbox(profiles=20, events=50, segments=0) as sandbox,
        receiver(settings) as address,
        _account(sandbox) as api,
    ):
        book(sandbox, api, "first")  # so that there is such a topic
        register(sandbox, api, address, TOPIC)
        book(sandbox, api, *(f"ada {number}" for number in range(MANY)))
        outcomes = sandbox.call_webhooks(Manner(most=50, duplicates=1, shuffled=True, header_hours=-5))
        assert [each.status for each in outcomes] == [200] * 6
        with closing(open_for_reading(settings.store)) as store:
            kept = [decoded(each.record) for each in store.records("pushed_events", 0, 2**62)]
            assert not list(store.dead_letters())
        assert sorted(each["event_properties"]["for"] for each in kept) == sorted(f"ada {n}" for n in range(MANY))
        for each in kept[:3]:
            polled = api.get(f"{sandbox.url}/api/events/{each['id']}").json()["data"]
            related = {name: one["data"]["id"] for name, one in polled["relationships"].items() if "data" in one}
            own = {"id": polled["id"], "profile_id": related["profile"], "metric_id": related["metric"]}
            assert each == own | polled["attributes"]


def test_every_change_of_consent_is_pushed_under_whichever_name(tmp_path: Path) -> None:
    settings = InboxSettings(store=str(tmp_path / "inbox.sqlite"), klaviyo_webhook_secrets=(SECRET,))
    numbers = [f"+45300000{number:02}" for number in range(12)]
    with (
        Sandbox(profiles=3, events=10, segments=0) as sandbox,
        receiver(settings) as address,
        _account(sandbox) as api,
    ):
        register(
            sandbox, api, address, *(f"event:klaviyo.unsubscribed_from_{each}_marketing" for each in CHANNELS)
        )
        for channel, who in (("sms", {"phone_number": each}) for each in numbers):
            leave(sandbox, api, channel, **who)
        leave(sandbox, api, "email", email="ada@shop.example")
        assert [each.status for each in sandbox.call_webhooks(Manner(duplicates=1))] == [200] * 2
        names = {each.id: each.name for each in sandbox.store.find(Metric)}
    with closing(open_for_reading(settings.store)) as store:
        kept = [decoded(each.record) for each in store.records("pushed_events", 0, 2**62)]
        assert not list(store.dead_letters())
    assert len(kept) == len(numbers) + 1
    assert {names[each["metric_id"]] for each in kept} == {
        "Unsubscribed from Email Marketing",
        "Unsubscribed from SMS Marketing",
        "Unsubscribed from Text Messaging Marketing",
    }


def test_what_a_flow_asks_is_kept_once_though_the_receiver_was_full(tmp_path: Path) -> None:
    """The webhook is what `tap-experiments webhook` prints; its token is all that it shows."""
    [experiment] = [
        each for each, _ in load(EXPERIMENTS, PropertyFormat.LIST).pairs if each.key == "welcome_offer"
    ]
    store, asked = str(tmp_path / "inbox.sqlite"), flow_webhook.body(experiment)
    full = InboxSettings(store=store, flow_token=SECRET, order_token=SECRET, max_store_bytes=2**20)
    with Sandbox(profiles=3, events=10, segments=0) as sandbox:
        people = [row[0] for row in sandbox.store.read("select id from profiles")]

        def run(
            address: str, *profiles: str, token: str = SECRET, hours: float = 0
        ) -> list[tuple[int | None, str]]:
            webhook = FlowWebhook(f"{address}{flow_webhook.path(experiment)}", {"X-Inbox-Token": token}, asked)
            entered = FlowRun(flow=experiment.audience, webhook=webhook, profiles=profiles, hours=hours)
            return [(each.status, each.end) for each in sandbox.call_flow_webhooks(entered)]

        with receiver(full) as address:
            large = {"order_id": "1", "event": "placed", "details": {"note": "x" * 2**20}}
            shown = {"Authorization": f"Bearer {SECRET}"}
            fills = requests.post(f"{address}/shop/orders", json=large, headers=shown, timeout=10)
            assert fills.status_code == 200
            assert run(address, *people) == [(503, "due_again")] * 3
            assert run(address, people[0], token="another" * 3) == [(401, "skipped")]
        with receiver(InboxSettings(store=store, flow_token=SECRET), int(address.rpartition(":")[2])):
            assert run(address, hours=24) == [(200, "taken")] * 3
            assert run(address, people[0]) == [(200, "taken")], "which is known already"
    with closing(open_for_reading(store)) as reading:
        kept = [decoded(each.record) for each in reading.records("flow_requests", 0, 2**62)]
        assert not list(reading.dead_letters())
    assert sorted(each["profile_id"] for each in kept) == sorted(people)
    assert {each["request_id"] for each in kept} == {f"welcome_offer:{each}/" for each in people}


@contextmanager
def _account(sandbox: Sandbox) -> Iterator[requests.Session]:
    with requests.Session() as session:
        key = f"Klaviyo-API-Key {sandbox.api_key}"
        kind = "application/vnd.api+json"
        session.headers.update({"Authorization": key, "revision": "2026-07-15", "Content-Type": kind})
        yield session


def register(sandbox: Sandbox, api: requests.Session, address: str, *topics: str) -> None:
    """Have Klaviyo tell the receiver of these topics."""
    resource = {
        "type": "webhook",
        "attributes": {"name": "w", "endpoint_url": f"{address}/klaviyo/webhooks", "secret_key": SECRET},
        "relationships": {"webhook-topics": {"data": [{"type": "webhook-topic", "id": each} for each in topics]}},
    }
    response = api.post(f"{sandbox.url}/api/webhooks", json={"data": resource})
    assert response.ok, response.text


def leave(sandbox: Sandbox, api: requests.Session, channel: str, **who: str) -> None:
    """Somebody unsubscribes."""
    asked = {channel: {"marketing": {"consent": "UNSUBSCRIBED"}}}
    row = {"type": "profile", "attributes": {**who, "subscriptions": asked}}
    job = {"type": "profile-subscription-bulk-delete-job", "attributes": {"profiles": {"data": [row]}}}
    response = api.post(f"{sandbox.url}/api/profile-subscription-bulk-delete-jobs", json={"data": job})
    assert response.status_code == 202, response.text
    sandbox.settle()


def book(sandbox: Sandbox, api: requests.Session, *names: str) -> None:
    """Events of the shop's own metric, written as a shop does."""
    metric = {"data": {"type": "metric", "attributes": {"name": "Table booked"}}}
    person = {"data": {"type": "profile", "attributes": {"email": "ada@shop.example"}}}
    for name in names:
        attributes = {"properties": {"for": name}, "metric": metric, "profile": person, "unique_id": name}
        response = api.post(
            f"{sandbox.url}/api/events", json={"data": {"type": "event", "attributes": attributes}}
        )
        assert response.status_code == 202, response.text
    sandbox.settle()
