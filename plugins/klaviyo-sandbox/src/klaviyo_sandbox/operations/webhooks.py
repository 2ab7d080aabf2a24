"""Webhooks, and the topics that they can be called for. All of it needs Advanced KDP."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET

from klaviyo_sandbox.model import ids
from klaviyo_sandbox.model.errors import no_advanced_kdp, refuse, refuse_unknown
from klaviyo_sandbox.model.records import Metric, Webhook
from klaviyo_sandbox.model.webhook_topics import topics_of
from klaviyo_sandbox.operations.call import Answer, Call
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.protocol.bodies import WebhookCreate, WebhookUpdate
from klaviyo_sandbox.state.pages import Page
from klaviyo_wire.webhooks import SHORTEST_SECRET

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Json

MOST_WEBHOOKS = 10
THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})
"""Hosts that may be called without TLS, unlike in Klaviyo: here is no certificate."""

_NO_PAGING = Page([], more=False)
"""The links have a `next` although there is none (recorded)."""


@operation
def get_webhooks(call: Call) -> Answer:
    """All webhooks, with their topics if asked."""
    _check_plan(call)
    webhooks = call.store.find(Webhook, "true order by id")
    resources = [call.resources.webhook(each, call.fields("webhook")) for each in webhooks]
    return call.many(resources, page=_NO_PAGING, included=_included(call, webhooks))


@operation
def get_webhook(call: Call) -> Answer:
    """One webhook, with its topics if asked."""
    webhook = _found(call)
    return call.one(call.resources.webhook(webhook, call.fields("webhook")), included=_included(call, [webhook]))


@operation
def create_webhook(call: Call) -> Answer:
    """A new webhook, enabled; names and addresses are not unique."""
    _check_plan(call)
    data = call.read(WebhookCreate)
    if len(call.store.find(Webhook)) >= MOST_WEBHOOKS:
        refuse(f"The account has reached the limit of {MOST_WEBHOOKS} webhooks.")
    given, now = data.attributes, call.account.clock.now()
    webhook = Webhook(
        id=ids.ulid(call.account.rng, now.timestamp()),
        name=given.name,
        description=given.description,
        endpoint_url=given.endpoint_url,
        secret_key=given.secret_key,
        created_at=now,
        updated_at=now,
        topics=list(dict.fromkeys(each.id for each in data.relationships.topics.data)),
        called_up_to=call.store.last_recorded(),
    )
    return _written(call, webhook, 201)


@operation
def update_webhook(call: Call) -> Answer:
    """Change a webhook: null changes nothing (recorded), topics that are given take the place of all it had."""
    webhook = _found(call)
    data = call.read(WebhookUpdate)
    call.same_id(data.id)
    given = msgspec.structs.asdict(data.attributes)
    changes = {name: value for name, value in given.items() if value is not None}
    if data.relationships is not UNSET:
        changes["topics"] = list(dict.fromkeys(each.id for each in data.relationships.topics.data))
    if data.attributes.enabled and not webhook.enabled:  # what happened meanwhile is not told
        changes["called_up_to"] = call.store.last_recorded()
    now = call.account.clock.now()
    return _written(call, msgspec.structs.replace(webhook, **changes, updated_at=now), 200)


@operation
def delete_webhook(call: Call) -> Answer:
    """Remove a webhook."""
    call.store.delete(Webhook, _found(call).id)
    return Answer(204)


@operation
def get_webhook_topics(call: Call) -> Answer:
    """All topics of the account."""
    _check_plan(call)
    return call.many([call.resources.webhook_topic(each) for each in _topics(call)], page=_NO_PAGING)


@operation
def get_webhook_topic(call: Call) -> Answer:
    """One topic."""
    _check_plan(call)
    topic = call.path["id"]
    if topic not in _topics(call):
        refuse_unknown("Not found.")
    return call.one(call.resources.webhook_topic(topic))


def _check_plan(call: Call) -> None:
    if not call.account.advanced_kdp:
        raise no_advanced_kdp()


def _found(call: Call) -> Webhook:
    _check_plan(call)
    webhook = call.store.get(Webhook, call.path["id"])
    if webhook is None:
        refuse_unknown("Not found.")
    return webhook


def _topics(call: Call) -> list[str]:
    return topics_of(call.store.find(Metric))


def _included(call: Call, webhooks: list[Webhook]) -> list[Json] | None:
    if not call.query.include:
        return None
    topics = dict.fromkeys(topic for each in webhooks for topic in each.topics)
    return [call.resources.webhook_topic(each) for each in topics]


def _written(call: Call, webhook: Webhook, status: int) -> Answer:
    """Keep a webhook, if it may be as it is.

    Raises:
        Refusal: it may not.
    """
    _check_address(webhook.endpoint_url)
    if not webhook.name.strip():
        refuse("The name may not be blank.", pointer="/data/attributes/name")
    if len(webhook.secret_key) < SHORTEST_SECRET:
        refuse(
            f"The secret key must have at least {SHORTEST_SECRET} characters.",
            pointer="/data/attributes/secret_key",
        )
    unknown = sorted(set(webhook.topics) - set(_topics(call)))
    if unknown or not webhook.topics:
        problem = f"'{unknown[0]}' is not a webhook topic." if unknown else "At least one topic is required."
        refuse(problem, pointer="/data/relationships/webhook-topics/data")
    call.store.put(webhook)
    return call.one(call.resources.webhook(webhook, call.fields("webhook")), status=status)


def _check_address(text: str) -> None:
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError:
        host = None
    if (
        not host
        or "@" in url.netloc
        or not (url.scheme == "https" or (url.scheme == "http" and host in THIS_MACHINE))
    ):
        refuse(
            "Must be an https address without a user (the sandbox takes http for this machine).",
            pointer="/data/attributes/endpoint_url",
        )
