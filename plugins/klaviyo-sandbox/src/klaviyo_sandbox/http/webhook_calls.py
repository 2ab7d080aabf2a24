"""Calls to webhooks: which are due, how they look, and sending them to addresses of this machine.

What is due is worked out between two requests, then sent without holding the account up, then noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from random import Random
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, Struct

from klaviyo_sandbox.http.outgoing import caller, is_of_this_machine, post
from klaviyo_sandbox.model.records import Json, Metric, Webhook
from klaviyo_sandbox.model.webhook_topics import topic_of
from klaviyo_sandbox.protocol.resources import Resources
from klaviyo_wire.webhooks import MOST_EVENTS, SIGNATURE, TIMESTAMP, WEBHOOK_ID, signature

if TYPE_CHECKING:
    from klaviyo_sandbox.account import Account
    from klaviyo_sandbox.state.database import Row

VERSION = "2024-06-28"
"""What recorded calls name in `meta.version`, whatever revision the webhook was made in."""

_SUCCESSES = range(200, 300)


class Manner(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How webhooks are called.

    Attributes:
        most: events in one call.
        duplicates: the share of calls that are made twice.
        shuffled: events and calls come in no order.
        header_hours: how far the clock of the timestamp header is off; that of the body is right.
    """

    most: Annotated[int, Meta(ge=1, le=MOST_EVENTS)] = MOST_EVENTS
    duplicates: Annotated[float, Meta(ge=0, le=1)] = 0
    shuffled: bool = False
    header_hours: Annotated[float, Meta(ge=-24, le=24)] = 0


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """One request to a webhook. Once all of a webhook's are taken, it has been called up to the place `up_to`."""

    webhook_id: str
    url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    events: int
    up_to: int


class Outcome(Struct, frozen=True, kw_only=True):
    """What a webhook answered; no status: nobody did."""

    webhook_id: str
    events: int
    status: int | None
    up_to: int


class WebhookCalls:
    """Knows what an account's webhooks have to be called for."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._rng = Random(f"{account.id}:webhook calls")  # noqa: S311 - no secret

    def due(self, manner: Manner) -> list[WebhookCall]:
        """The calls to make now, to webhooks that are enabled and of this machine; none without Advanced KDP."""
        store = self._account.store
        if not self._account.advanced_kdp:
            return []
        topics = {each.id: topic_of(each) for each in store.find(Metric)}
        up_to = store.last_recorded()
        calls: list[WebhookCall] = []
        for webhook in store.find(Webhook, "true order by id"):
            if not webhook.enabled or not is_of_this_machine(webhook.endpoint_url):
                continue
            events = [
                (topics[row[2]], row)
                for row in store.recorded_after(webhook.called_up_to)
                if topics.get(row[2]) in webhook.topics
            ]
            if manner.shuffled:
                self._rng.shuffle(events)
            calls += [
                self._call(webhook, events[start : start + manner.most], manner, up_to)
                for start in range(0, len(events), manner.most)
            ]
        calls += [each for each in calls if self._rng.random() < manner.duplicates]
        if manner.shuffled:
            self._rng.shuffle(calls)
        return calls

    def note(self, outcomes: Sequence[Outcome]) -> None:
        """What was taken is not due any more; a webhook that refused a call gets all of its events again."""
        store = self._account.store
        refused = {each.webhook_id for each in outcomes if each.status not in _SUCCESSES}
        for each in outcomes:
            webhook = store.get(Webhook, each.webhook_id)  # it may be gone meanwhile, or have been disabled
            if webhook and each.webhook_id not in refused and each.up_to > webhook.called_up_to:
                store.put(msgspec.structs.replace(webhook, called_up_to=each.up_to))

    def _call(
        self, webhook: Webhook, events: Sequence[tuple[str, Row]], manner: Manner, up_to: int
    ) -> WebhookCall:
        now = self._account.clock.now()
        resources = Resources(self._account.url)
        meta = {
            "klaviyo_account_id": self._account.id,
            "klaviyo_webhook_id": webhook.id,
            "timestamp": now.isoformat(timespec="seconds"),
            "version": VERSION,
        }
        body = msgspec.json.encode({"data": [_told(resources, *each) for each in events], "meta": meta})
        made = format_datetime(now + timedelta(hours=manner.header_hours), usegmt=True)
        headers = {
            "Content-Type": "application/json",
            WEBHOOK_ID: webhook.id,
            TIMESTAMP: made,
            SIGNATURE: signature(webhook.secret_key, body, made.encode()),
        }
        return WebhookCall(webhook.id, webhook.endpoint_url, headers, body, len(events), up_to)


def send(calls: Iterable[WebhookCall]) -> list[Outcome]:
    """Make the calls, one after the other."""
    with caller() as session:
        return [
            Outcome(
                webhook_id=each.webhook_id,
                events=each.events,
                status=post(session, each.url, each.headers, each.body),
                up_to=each.up_to,
            )
            for each in calls
        ]


def _told(resources: Resources, topic: str, row: Row) -> Json:
    """An event as a webhook is told of it."""
    event_id, profile_id, metric_id, attributes = row
    profile = None if profile_id is None else profile_id.encode()
    resource = msgspec.json.decode(resources.event(event_id.encode(), profile, metric_id.encode(), attributes))
    resource["attributes"]["datetime"] = resource["attributes"]["datetime"].replace("T", " ")
    return {"topic": topic, "external_id": event_id, "payload": {"data": resource}}
