"""What orders of all shops have in common, and the orders of a shop that says itself what they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from klaviyo_inbox import moments
from klaviyo_inbox.delivery import DeadLetter, Delivery, Item, UnusableError
from klaviyo_inbox.records import ORDERS, encoded
from klaviyo_inbox.source import Source
from klaviyo_inbox.sources.bodies import (
    Json,
    identifiers,
    json_object,
    moment_or,
    number_or_none,
    object_or_none,
    one_of,
    text_of,
    text_or_none,
)
from klaviyo_inbox.verification import Bearer

EVENTS = ("placed", "cancelled", "refunded", "fulfilled")


def order_item(record: Json, key: str = "") -> Item:
    """An order's record with its key: the shop, the order and what became of it.

    Args:
        record: With all columns of `orders`.
        key: What else tells it from others.
    """
    parts = (record["source"], record["order_id"], record["event"], *([key] if key else []))
    return Item("\0".join(parts), encoded(record))


def line(**told: Any) -> Json:  # noqa: ANN401 - JSON
    """A line of an order: identifiers as text, amounts as numbers; what is not told is left out."""
    amounts = {"quantity", "price", "total"}
    read = {
        name: number_or_none(value) if name in amounts else text_or_none(value) for name, value in told.items()
    }
    return {name: value for name, value in read.items() if value is not None}


def _divide(delivery: Delivery) -> Iterable[Item | DeadLetter]:
    body = json_object(delivery.body)
    lines = body.get("lines")
    if lines is not None and not isinstance(lines, list):
        msg = "`lines` is no list"
        raise UnusableError(msg)
    record = {
        "source": text_or_none(body.get("source")) or "orders",
        "order_id": text_of(body.get("order_id"), "order_id"),
        "event": one_of(body, "event", EVENTS),
        "occurred_at": moment_or(body, "occurred_at", moments.iso(delivery.received_at)),
        **identifiers(body),
        "value": number_or_none(body.get("value")),
        "currency": text_or_none(body.get("currency")),
        "lines": lines,
        "customer": object_or_none(body, "customer"),
        "details": object_or_none(body, "details"),
    }
    return [order_item(record, text_or_none(body.get("delivery_id")) or "")]


OWN_ORDERS = Source(
    name="orders",
    paths=("/shop/orders",),
    setting="order_token",
    verification=Bearer,
    proof="`Authorization: Bearer` and the token",
    stream=ORDERS,
    divide=_divide,
    idempotency="`source`, `order_id`, `event`, and `delivery_id` if one is sent: give one to what may change",
    retries="yours: on 503, and when nobody answers",
    registration="in your shop: a `POST` for each order, with the columns of `orders` as a JSON object",
)
