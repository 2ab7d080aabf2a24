"""Shopify's orders. What became of one is read from the order itself, which is signed; the topic is not.

Each delivery shows the order as it was when it was sent, with all that was refunded until then: so `orders/create`
and `orders/updated` are enough, in any order, and a later one makes up for one that was lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from klaviyo_inbox import moments
from klaviyo_inbox.delivery import DeadLetter, Delivery, Item, UnusableError
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

_SIGNATURE = "X-Shopify-Hmac-Sha256"


def _divide(delivery: Delivery) -> Iterable[Item | DeadLetter]:
    order = json_object(delivery.body)
    if not isinstance(order.get("line_items"), list):
        msg = "it is no order; have Shopify send the topics `orders/create` and `orders/updated`"
        raise UnusableError(msg)
    customer, billing = inner(order, "customer"), inner(order, "billing_address")
    shipping = inner(inner(order, "total_shipping_price_set"), "shop_money")
    base = {
        "source": "shopify",
        "order_id": text_of(order.get("id"), "id"),
        "email": _first(order.get("email"), order.get("contact_email"), customer.get("email")),
        "phone_number": _first(
            order.get("phone"),
            customer.get("phone"),
            phone_number(billing.get("phone"), billing.get("country_code")),
        ),
        "external_id": None,
        "value": number_or_none(order.get("total_price")),
        "currency": text_or_none(order.get("currency")),
        "lines": [_line(each) for each in objects(order, "line_items")],
        "customer": told(
            {
                "id": text_or_none(customer.get("id")),
                "first_name": _first(customer.get("first_name"), billing.get("first_name")),
                "last_name": _first(customer.get("last_name"), billing.get("last_name")),
                "billing_address": billing or None,
                "shipping_address": inner(order, "shipping_address") or None,
            }
        ),
        "details": told(
            {
                "number": text_or_none(order.get("name")),
                "url": text_or_none(order.get("order_status_url")),
                "reason": text_or_none(order.get("cancel_reason")),
                "discount": number_or_none(order.get("total_discounts")),
                "discount_codes": [each.get("code") for each in objects(order, "discount_codes")] or None,
                "shipping": number_or_none(shipping.get("amount")),
                "tax": number_or_none(order.get("total_tax")),
                "test": order.get("test") or None,
            }
        ),
    }
    return list(_events(order, base, moments.iso(delivery.received_at)))


def _events(order: Json, base: Json, received_at: str) -> Iterator[Item]:
    """What has become of the order until now."""
    changed = moments.read_iso(order.get("updated_at")) or received_at
    placed = moments.read_iso(order.get("processed_at")) or moments.read_iso(order.get("created_at")) or changed
    yield order_item({**base, "event": "placed", "occurred_at": placed})
    if order.get("cancelled_at"):
        at = moments.read_iso(order["cancelled_at"]) or changed
        yield order_item({**base, "event": "cancelled", "occurred_at": at})
    if order.get("fulfillment_status") == "fulfilled":
        sent = [moments.read_iso(each.get("created_at")) for each in objects(order, "fulfillments")]
        at = max(filter(None, sent), default=changed)
        yield order_item({**base, "event": "fulfilled", "occurred_at": at})
    refunds = objects(order, "refunds")
    amounts = list(_given_back(order, refunds))
    # What is only taken off an order, or not paid back yet, stands among the refunds too.
    if any(each != 0 for each in amounts):
        value = None if None in amounts else sum(filter(None, amounts), Decimal(0))
        at = max(filter(None, (moments.read_iso(each.get("created_at")) for each in refunds)), default=changed)
        names = sorted(str(each.get("id")) for each in refunds)
        record = {**base, "event": "refunded", "occurred_at": at, "value": value}
        yield order_item(record, digest(*(each.encode() for each in [*names, str(value)])))


def _given_back(order: Json, refunds: list[Json]) -> Iterator[Decimal | None]:
    """What was given back, in the order's currency; refunds that Shopify tried and could not make are none."""
    for transaction in (each for refund in refunds for each in objects(refund, "transactions")):
        if transaction.get("kind") == "refund" and transaction.get("status") in ("success", None):
            yield _in_currency_of(order, transaction)


def _in_currency_of(order: Json, transaction: Json) -> Decimal | None:
    """A transaction's amount; one in the buyer's currency at the rate of the order's total, or None without."""
    amount = Decimal(number_or_none(transaction.get("amount")) or 0)
    currency = text_or_none(transaction.get("currency"))
    if currency in (None, text_or_none(order.get("currency"))):
        return amount
    totals = inner(order, "total_price_set")
    counted, paid = inner(totals, "shop_money"), inner(totals, "presentment_money")
    whole, part = number_or_none(counted.get("amount")), number_or_none(paid.get("amount"))
    if not whole or not part or paid.get("currency_code") != currency:
        return None
    try:
        return round(amount * Decimal(whole) / Decimal(part), 2)
    except ArithmeticError:
        return None


def _line(item: Json) -> Json:
    price, quantity = number_or_none(item.get("price")), number_or_none(item.get("quantity"))
    return line(
        line_id=item.get("id"),
        product_id=item.get("product_id"),
        variant_id=item.get("variant_id"),
        sku=item.get("sku"),
        name=item.get("title"),
        variant=item.get("variant_title"),
        brand=item.get("vendor"),
        quantity=quantity,
        price=price,
        total=None if price is None or quantity is None else price * quantity,
    )


def _first(*values: object) -> str | None:
    return next(filter(None, map(text_or_none, values)), None)


SHOPIFY = Source(
    name="shopify",
    paths=("/shop/shopify",),
    setting="shopify_secrets",
    verification=body_digest(_SIGNATURE),
    proof=f"`{_SIGNATURE}`: base64 HMAC-SHA256 of the body",
    stream=ORDERS,
    divide=_divide,
    idempotency="the order's id and what became of it; of refunds, which ones",
    retries="8 times in 4 hours; then an app's subscription is deleted",
    registration=(
        "Shopify: Settings → Notifications → Webhooks, or `webhookSubscriptionCreate` of an app: topics"
        " `orders/create` and `orders/updated`, format JSON; the secret stands there, or is the app's"
    ),
)
