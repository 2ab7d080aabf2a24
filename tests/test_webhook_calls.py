"""The local Klaviyo calls the receiver: what comes twice, in no order and with a clock hours off is kept once."""

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
from klaviyo_sandbox.http.webhook_calls import Manner

SECRET = "klaviyo-test-secret"
TOPIC = "event:api.table_booked"
MANY = 120


@contextmanager
def receiver(settings: InboxSettings) -> Iterator[str]:
    """Where a receiver listens."""
    config = uvicorn.Config(
        application(settings), port=0, log_config=None, access_log=False, ws="none", lifespan="on"
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
        resource = {
            "type": "webhook",
            "attributes": {"name": "w", "endpoint_url": f"{address}/klaviyo/webhooks", "secret_key": SECRET},
            "relationships": {"webhook-topics": {"data": [{"type": "webhook-topic", "id": TOPIC}]}},
        }
        response = api.post(f"{sandbox.url}/api/webhooks", json={"data": resource})
        assert response.ok, response.text
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


@contextmanager
def _account(sandbox: Sandbox) -> Iterator[requests.Session]:
    with requests.Session() as session:
        key = f"Klaviyo-API-Key {sandbox.api_key}"
        kind = "application/vnd.api+json"
        session.headers.update({"Authorization": key, "revision": "2026-07-15", "Content-Type": kind})
        yield session


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
