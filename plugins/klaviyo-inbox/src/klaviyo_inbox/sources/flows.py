"""A flow that asks for content: the webhook action of a Klaviyo flow, which is not signed.

What is sent is typed into the flow; `tap-experiments webhook` prints it. Klaviyo repeats a call on 429, 500, 502
and 503 up to 17 times in 24 hours, and skips it on any other failure (Klaviyo's help page on webhook actions).
"""

from __future__ import annotations

from collections.abc import Iterable

from klaviyo_inbox.delivery import DeadLetter, Delivery, Item
from klaviyo_inbox.records import FLOW_REQUESTS, encoded
from klaviyo_inbox.source import Source
from klaviyo_inbox.sources.bodies import digest, json_object, object_or_none, text_of, text_or_none
from klaviyo_inbox.verification import header_token

_TOKEN = "X-Inbox-Token"  # noqa: S105 - the header's name


def _divide(delivery: Delivery) -> Iterable[Item | DeadLetter]:
    body = json_object(delivery.body)
    experiment = text_of(delivery.parameters.get("experiment"), "experiment")
    named = text_or_none(body.get("request_id"))
    # A profile that two flows ask for without an event has one name in both: the experiment tells them apart.
    request = f"{experiment}:{named or digest(delivery.body)}"
    record = {
        "request_id": text_of(request, "request_id"),
        "experiment_key": experiment,
        "profile_id": text_of(body.get("profile_id"), "profile_id"),
        "tracking_id": text_or_none(body.get("tracking_id")),
        "attrs": object_or_none(body, "attrs"),
        "fields": object_or_none(body, "fields"),
    }
    return [Item(request, encoded(record))]


FLOWS = Source(
    name="flows",
    paths=("/klaviyo/flows/{experiment}",),
    setting="flow_token",
    verification=header_token(_TOKEN),
    proof=f"`{_TOKEN}`: the token",
    stream=FLOW_REQUESTS,
    divide=_divide,
    idempotency="the experiment with `request_id`, else with a digest of the body",
    retries="429, 500, 502 and 503 up to 17 times in 24 hours; anything else is skipped",
    registration="in the flow, a webhook action as `tap-experiments webhook EXPERIMENT` prints it",
)
