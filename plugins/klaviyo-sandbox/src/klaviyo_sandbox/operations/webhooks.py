"""Webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_sandbox.model.errors import no_advanced_kdp
from klaviyo_sandbox.model.records import Webhook
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.state.pages import Page

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Answer, Call


@operation
def get_webhooks(call: Call) -> Answer:
    """All webhooks; the links have a `next` although there is no paging (recorded)."""
    if not call.account.advanced_kdp:
        raise no_advanced_kdp()
    webhooks, included = call.store.find(Webhook, "true order by id"), None
    if call.query.include:
        topics = dict.fromkeys(topic for each in webhooks for topic in each.topics)
        included = [call.resources.webhook_topic(each) for each in topics]
    resources = [call.resources.webhook(each, call.fields("webhook")) for each in webhooks]
    return call.many(resources, page=Page([], more=False), included=included)
