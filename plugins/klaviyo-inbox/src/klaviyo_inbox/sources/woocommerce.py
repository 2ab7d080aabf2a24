"""WooCommerce's orders. What became of one is its status, which is signed; the topic is not.

When a webhook is saved WooCommerce sends an unsigned `webhook_id=…` first, and does not activate it unless that is
answered 200. After five deliveries in a row that were not answered 2xx it disables the webhook.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from klaviyo_inbox import moments
from klaviyo_inbox.records import ORDERS
from klaviyo_inbox.source import Source
from klaviyo_inbox.sources.bodies import (
    Json,
    digest,
    inner,
    json_object,
    number_or_none,
    objects,
    phone_number,
    text_of,
    text_or_none,
    told,
)
from klaviyo_inbox.sources.orders import line, order_item
from klaviyo_inbox.verification import body_digest

if TYPE_CHECKING:
    from klaviyo_inbox.delivery import DeadLetter, Delivery, Item

_SIGNATURE = "X-WC-Webhook-Signature"
_PLACED = {"processing", "on-hold", "completed", "refunded"}
"""Statuses of an order that was placed: the customer has paid, or is to pay otherwise."""


def _divide(delivery: Delivery) -> Iterable[Item | DeadLetter]:
    order = json_object(delivery.body)
    billing = inner(order, "billing")
    customer = text_or_none(order.get("customer_id"))
    base = {
        "source": "woocommerce",
        "order_id": text_of(order.get("id"), "id"),
        "email": text_or_none(billing.get("email")),
        "phone_number": phone_number(billing.get("phone"), billing.get("country")),
        "external_id": None,
        "value": number_or_none(order.get("total")),
        "currency": text_or_none(order.get("currency")),
        "lines": [_line(each) for each in objects(order, "line_items")],
        "customer": told(
            {
                "id": None if customer == "0" else customer,  # nobody who has an account
                "first_name": text_or_none(billing.get("first_name")),
                "last_name": text_or_none(billing.get("last_name")),
                "billing_address": billing or None,
                "shipping_address": inner(order, "shipping") or None,
            }
        ),
        "details": told(
            {
                "number": text_or_none(order.get("number")),
                "discount": number_or_none(order.get("discount_total")),
                "discount_codes": [each.get("code") for each in objects(order, "coupon_lines")] or None,
                "shipping": number_or_none(order.get("shipping_total")),
                "tax": number_or_none(order.get("total_tax")),
            }
        ),
    }
    status = text_of(order.get("status"), "status")
    return list(_events(order, status, base, moments.iso(delivery.received_at)))


def _events(order: Json, status: str, base: Json, received_at: str) -> Iterator[Item]:
    """What has become of the order until now; of one that is not paid, or failed, nothing."""
    changed = moments.read_iso(order.get("date_modified_gmt")) or received_at
    if status in _PLACED:
        at = moments.read_iso(order.get("date_created_gmt")) or changed
        yield order_item({**base, "event": "placed", "occurred_at": at})
    if status == "completed":
        at = moments.read_iso(order.get("date_completed_gmt")) or changed
        yield order_item({**base, "event": "fulfilled", "occurred_at": at})
    if status == "cancelled":
        yield order_item({**base, "event": "cancelled", "occurred_at": changed})
    refunds = objects(order, "refunds")
    if refunds or status == "refunded":
        amounts = [abs(Decimal(number_or_none(each.get("total")) or 0)) for each in refunds]
        value = sum(amounts, Decimal(0)) if refunds else base["value"]
        names = sorted(str(each.get("id")) for each in refunds)
        record = {**base, "event": "refunded", "occurred_at": changed, "value": value}
        yield order_item(record, digest(*(each.encode() for each in names)))


def _line(item: Json) -> Json:
    return line(
        line_id=item.get("id"),
        product_id=item.get("product_id"),
        variant_id=item.get("variation_id") or None,
        sku=item.get("sku"),
        name=item.get("name"),
        quantity=item.get("quantity"),
        price=item.get("price"),
        total=item.get("total"),
        image_url=inner(item, "image").get("src"),
    )


WOOCOMMERCE = Source(
    name="woocommerce",
    paths=("/shop/woocommerce",),
    setting="woocommerce_secrets",
    verification=body_digest(_SIGNATURE),
    proof=f"`{_SIGNATURE}`: base64 HMAC-SHA256 of the body",
    stream=ORDERS,
    divide=_divide,
    ping=re.compile(rb"webhook_id=\d{1,20}"),
    idempotency="the order's id and what became of it; of refunds, which ones",
    retries="none; after 5 failures in a row the webhook is disabled",
    registration=(
        "WooCommerce: Settings → Advanced → Webhooks: topics Order created and Order updated, one webhook each,"
        " and as secret the one that is set here"
    ),
)
