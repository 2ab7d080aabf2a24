"""Orders of shops: who is believed, what became of an order, and that a redelivery changes nothing."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inbox_door import SECRET, TOKEN, Answer, Door, Json, digest64, door

SHOPIFY = {
    "id": 820_982_911_946_154_508,
    "name": "#1001",
    "email": "ada@example.com",
    "phone": None,
    "created_at": "2026-09-04T09:00:00-04:00",
    "processed_at": "2026-09-04T09:00:00-04:00",
    "updated_at": "2026-09-04T09:01:00-04:00",
    "cancelled_at": None,
    "cancel_reason": None,
    "fulfillment_status": None,
    "currency": "EUR",
    "total_price": "59.90",
    "total_discounts": "5.00",
    "total_tax": "9.56",
    "discount_codes": [{"code": "HELLO", "amount": "5.00", "type": "fixed_amount"}],
    "customer": {"id": 115_310, "first_name": "Ada", "last_name": "Lovelace", "phone": "+441632960961"},
    "billing_address": {"first_name": "A.", "city": "London"},
    "shipping_address": {"city": "Ockham"},
    "line_items": [
        {
            "id": 1,
            "product_id": 2,
            "variant_id": None,
            "sku": "TEA-1",
            "title": "Tea",
            "vendor": "Leaf",
            "quantity": 2,
            "price": "29.95",
        }
    ],
    "refunds": [],
}
ORDER = {
    "source": "shopify",
    "order_id": "820982911946154508",
    "event": "placed",
    "occurred_at": "2026-09-04T13:00:00+00:00",
    "email": "ada@example.com",
    "phone_number": "+441632960961",
    "external_id": None,
    "value": "59.90",
    "currency": "EUR",
    "lines": [
        {
            "line_id": "1",
            "product_id": "2",
            "sku": "TEA-1",
            "name": "Tea",
            "brand": "Leaf",
            "quantity": "2",
            "price": "29.95",
            "total": "59.90",
        }
    ],
    "customer": {
        "id": "115310",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "billing_address": {"first_name": "A.", "city": "London"},
        "shipping_address": {"city": "Ockham"},
    },
    "details": {"number": "#1001", "discount": "5.00", "discount_codes": ["HELLO"], "tax": "9.56"},
}
WOO: Json = {
    "id": 727,
    "number": "727",
    "status": "processing",
    "currency": "GBP",
    "date_created_gmt": "2026-09-04T13:00:00",
    "date_modified_gmt": "2026-09-04T13:05:00",
    "date_completed_gmt": None,
    "total": "29.35",
    "discount_total": "0.00",
    "shipping_total": "10.00",
    "total_tax": "1.35",
    "customer_id": 0,
    "billing": {"first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com", "phone": "555"},
    "shipping": {},
    "line_items": [
        {
            "id": 315,
            "name": "Woo Single #1",
            "product_id": 93,
            "variation_id": 0,
            "quantity": 2,
            "total": "6.00",
            "sku": "",
            "price": 3,
            "image": {"src": "https://shop.example.com/1.png"},
        }
    ],
    "coupon_lines": [],
    "refunds": [],
}


def shop(folder: Path) -> Any:  # noqa: ANN401 - a context manager of a door
    return door(folder, shopify_secrets=(SECRET,), woocommerce_secrets=(SECRET,), order_token=TOKEN)


def shopify(inbox: Door, **changes: Any) -> Answer:  # noqa: ANN401 - JSON
    raw = json.dumps(SHOPIFY | changes).encode()
    return inbox.call("/shop/shopify", raw, {"X-Shopify-Hmac-Sha256": digest64(raw), "X-Shopify-Topic": "a/b"})


def woocommerce(inbox: Door, **changes: Any) -> Answer:  # noqa: ANN401 - JSON
    raw = json.dumps(WOO | changes).encode()
    return inbox.call("/shop/woocommerce", raw, {"X-WC-Webhook-Signature": digest64(raw)})


def own(inbox: Door, body: Json | list[Any], token: str = TOKEN) -> Answer:
    return inbox.call("/shop/orders", json.dumps(body).encode(), {"Authorization": f"Bearer {token}"})


def orders(inbox: Door) -> list[Json]:
    """The records, numbers as the text that they are written as."""
    return [
        json.loads(json.dumps(each, default=str), parse_int=str, parse_float=str)
        for each in inbox.records("orders")
    ]


def happened(inbox: Door) -> list[tuple[str, str, Any]]:
    return [(each["event"], each["occurred_at"], each["value"]) for each in orders(inbox)]


def test_an_order_of_shopify(tmp_path: Path) -> None:
    with shop(tmp_path) as inbox:
        assert shopify(inbox).json["stored"] == 1
        assert orders(inbox) == [ORDER]


def test_what_became_of_it_is_read_from_the_order_and_a_redelivery_changes_nothing(tmp_path: Path) -> None:
    """Whichever comes first: the topic is not signed, and no order is promised."""
    refund = {
        "id": 7,
        "created_at": "2026-09-05T00:00:00Z",
        "transactions": [
            {"kind": "refund", "status": "success", "amount": "10.05"},
            {"kind": "refund", "status": "failure", "amount": "10.05"},
            {"kind": "capture", "status": "success", "amount": "99"},
        ],
    }
    sent = {"fulfillment_status": "fulfilled", "fulfillments": [{"created_at": "2026-09-04T20:00:00Z"}]}
    with shop(tmp_path) as inbox:
        assert shopify(inbox, **sent, refunds=[refund]).json["stored"] == 3
        assert shopify(inbox).json == {"stored": 0, "duplicates": 1, "put_away": 0}
        assert shopify(inbox, **sent, refunds=[refund]).json["duplicates"] == 3
        again = refund | {"id": 8, "created_at": "2026-09-06T00:00:00Z"}
        cancelled = {"cancelled_at": "2026-09-06T00:00:01Z", "cancel_reason": "customer"}
        assert shopify(inbox, **cancelled, refunds=[again, refund]).json == {
            "stored": 2,
            "duplicates": 1,
            "put_away": 0,
        }
        assert happened(inbox) == [
            ("placed", "2026-09-04T13:00:00+00:00", "59.90"),
            ("fulfilled", "2026-09-04T20:00:00+00:00", "59.90"),
            ("refunded", "2026-09-05T00:00:00+00:00", "10.05"),
            ("cancelled", "2026-09-06T00:00:01+00:00", "59.90"),
            ("refunded", "2026-09-06T00:00:00+00:00", "20.10"),
        ]
        assert orders(inbox)[3]["details"]["reason"] == "customer"


def _refund(number: int, *transactions: Json) -> Json:
    paid = [{"kind": "refund", "status": "success", **each} for each in transactions]
    return {"id": number, "created_at": "2026-09-05T00:00:00Z", "transactions": paid}


def test_what_shopify_has_not_given_back_is_no_refund_until_it_has(tmp_path: Path) -> None:
    """A line that is taken off an order is among its refunds, and so is what the bank has not paid yet."""
    with shop(tmp_path) as inbox:
        assert shopify(inbox, refunds=[_refund(7)]).json["stored"] == 1
        assert shopify(inbox, refunds=[_refund(7, {"amount": "5.00", "status": "pending"})]).json["stored"] == 0
        assert shopify(inbox, refunds=[_refund(7, {"amount": "5.00"})]).json["stored"] == 1
        odd = _refund(8, {"amount": {}, "status": {}}, {"amount": "1.00", "kind": [], "currency": []})
        assert shopify(inbox, refunds=[odd]).json == {"stored": 0, "duplicates": 1, "put_away": 0}
        assert [each[::2] for each in happened(inbox)] == [("placed", "59.90"), ("refunded", "5.00")]


@pytest.mark.parametrize(
    ("currency", "totals", "value"),
    [
        ("EUR", None, "11.00"),
        (None, None, "11.00"),
        ("SEK", ("59.90", "599.00", "SEK"), "1.10"),
        ("SEK", ("59.90", "599.00", "NOK"), None),
        ("SEK", None, None),
        ("SEK", ("59.90", "0.00", "SEK"), None),
        ("SEK", ("59.90", "1e-999999", "SEK"), None),
        ({}, ("59.90", "599.00", {}), "11.00"),
    ],
)
def test_a_refund_counts_in_the_currency_of_its_order(
    currency: object,
    totals: tuple[str, str, object] | None,
    value: str | None,
    tmp_path: Path,
) -> None:
    """Shopify shows what a buyer paid in their own currency so, beside an order that counts in the shop's."""
    changes: Json = {"refunds": [_refund(1, {"amount": "11.00", "currency": currency})]}
    if totals:
        shop_amount, paid_amount, paid_currency = totals
        changes["total_price_set"] = {
            "shop_money": {"amount": shop_amount, "currency_code": "EUR"},
            "presentment_money": {"amount": paid_amount, "currency_code": paid_currency},
        }
    with shop(tmp_path) as inbox:
        shopify(inbox, **changes)
        assert happened(inbox)[1][2] == value


@pytest.mark.parametrize(
    ("number", "country", "kept"),
    [
        ("0170 1234567", "DE", "+491701234567"),
        ("(415) 555-2671", "us", "+14155552671"),
        ("+46 70 123 45 67", "DE", "+46701234567"),
        ("0046 70 123 45 67", "DE", "+46701234567"),
        ("555", "DE", "555"),
        ("0170 1234567", None, "0170 1234567"),
        ("0170 1234567", "XX", "0170 1234567"),
        ("0170 1234567", 7, "0170 1234567"),
        (" ", "DE", None),
        ({}, "DE", None),
    ],
)
def test_a_number_without_its_countrys_code_is_of_the_country_of_the_address(
    number: object,
    country: object,
    kept: str | None,
    tmp_path: Path,
) -> None:
    with shop(tmp_path) as inbox:
        woocommerce(inbox, billing={**WOO["billing"], "phone": number, "country": country})
        address = {"phone": number, "country_code": country}
        shopify(inbox, customer=None, billing_address=address, shipping_address={"phone": "+46701234568"})
        assert [each["phone_number"] for each in orders(inbox)] == [kept, kept]


def test_an_order_of_shopify_that_has_next_to_nothing(tmp_path: Path) -> None:
    """A guest at the till: no address, no customer; no article number; shipping in two currencies."""
    bare = dict.fromkeys(("email", "phone", "customer", "billing_address", "shipping_address"))
    shipping = {"shop_money": {"amount": "4.90", "currency_code": "EUR"}, "presentment_money": {"amount": "49"}}
    lines = [{"id": 1, "title": "Tip", "sku": None, "quantity": 1, "price": "1.00"}, None, {}]
    with shop(tmp_path) as inbox:
        assert shopify(inbox, **bare, line_items=lines, total_shipping_price_set=shipping).json["stored"] == 1
        [order] = orders(inbox)
        assert order["lines"] == [
            {"line_id": "1", "name": "Tip", "quantity": "1", "price": "1.00", "total": "1.00"},
            {},
        ]
        assert (order["email"], order["phone_number"], order["customer"]) == (None, None, {})
        assert order["details"]["shipping"] == "4.90"


@pytest.mark.parametrize(
    "amount", ["1e99999999", "-1e31", "1e-99999999", "NaN", "-Infinity", "sNaN", "9" * 5_000, 10**40, {}, True]
)
def test_what_can_be_no_amount_is_none(amount: object, tmp_path: Path) -> None:
    with shop(tmp_path) as inbox:
        woocommerce(inbox, total=amount, refunds=[{"id": 1, "total": amount}])
        shopify(inbox, total_price=amount, refunds=[_refund(1, {"amount": amount})])
        own(inbox, {"order_id": 1, "event": "placed", "email": "a@b.example", "value": amount})
        assert not inbox.dead_letters()
        assert [each["value"] for each in orders(inbox) if each["event"] == "placed"] == [None] * 3


def test_what_is_no_order_says_which_topics_to_choose(tmp_path: Path) -> None:
    with shop(tmp_path) as inbox:
        assert shopify(inbox, line_items=None).json["put_away"] == 1
        assert "`orders/create` and `orders/updated`" in inbox.dead_letters()[0].reason


def test_an_order_of_woocommerce(tmp_path: Path) -> None:
    """A guest's, and times without a zone that are UTC."""
    with shop(tmp_path) as inbox:
        assert woocommerce(inbox, status="pending").json == {"stored": 0, "duplicates": 0, "put_away": 0}
        assert woocommerce(inbox).json["stored"] == 1
        [order] = orders(inbox)
        assert order["customer"] == {
            "first_name": "Ada",
            "last_name": "Lovelace",
            "billing_address": WOO["billing"],
        }
        assert order["lines"] == [
            {
                "line_id": "315",
                "product_id": "93",
                "name": "Woo Single #1",
                "quantity": "2",
                "price": "3",
                "total": "6.00",
                "image_url": "https://shop.example.com/1.png",
            }
        ]
        assert (order["email"], order["phone_number"], order["value"]) == ("ada@example.com", "555", "29.35")
        done = {"status": "completed", "date_completed_gmt": "2026-09-05T08:00:00"}
        assert woocommerce(inbox, **done).json == {"stored": 1, "duplicates": 1, "put_away": 0}
        woocommerce(inbox, refunds=[{"id": 1, "total": "-1.00"}])
        woocommerce(inbox, status="refunded", refunds=[{"id": 1, "total": "-1.00"}, {"id": 2, "total": "-28.35"}])
        woocommerce(inbox, id=728, status="refunded")
        woocommerce(inbox, id=729, status="cancelled")
        assert happened(inbox) == [
            ("placed", "2026-09-04T13:00:00+00:00", "29.35"),
            ("fulfilled", "2026-09-05T08:00:00+00:00", "29.35"),
            ("refunded", "2026-09-04T13:05:00+00:00", "1.00"),
            ("refunded", "2026-09-04T13:05:00+00:00", "29.35"),
            ("placed", "2026-09-04T13:00:00+00:00", "29.35"),
            ("refunded", "2026-09-04T13:05:00+00:00", "29.35"),
            ("cancelled", "2026-09-04T13:05:00+00:00", "29.35"),
        ]


def test_woocommerce_may_ask_whether_anybody_is_there(tmp_path: Path) -> None:
    """Unsigned, before it activates a webhook. Nothing else is answered so, and nothing is kept."""
    with shop(tmp_path) as inbox:

        def ping(body: bytes, path: str = "/shop/woocommerce") -> int:
            return int(inbox.call(path, body, {"Content-Length": str(len(body))}).status)

        assert ping(b"webhook_id=12") == 200
        assert inbox.call("/shop/woocommerce", b"webhook_id=12").status == 401, "of unknown length"
        assert ping(b"webhook_id=12", "/shop/shopify") == 401
        for body in (
            b"",
            b"webhook_id=",
            b"webhook_id=12\n",
            b"webhook_id=12&a=b",
            b"{}",
            b"webhook_id=" + b"1" * 99,
        ):
            assert ping(body) == 401
        assert inbox.records("orders") == []
        assert inbox.dead_letters() == []


def test_an_order_of_any_other_shop(tmp_path: Path) -> None:
    told = {"order_id": 7, "event": "placed", "email": " ada@example.com ", "external_id": 1, "value": "9.990"}
    with shop(tmp_path) as inbox:
        assert own(inbox, told).json["stored"] == 1
        assert own(inbox, told).json["duplicates"] == 1
        assert own(inbox, told | {"event": "refunded", "value": 1, "delivery_id": "a"}).json["stored"] == 1
        assert own(inbox, told | {"event": "refunded", "value": 2, "delivery_id": "b"}).json["stored"] == 1
        assert own(inbox, told | {"source": "till"}).json["stored"] == 1
        assert [each["source"] for each in orders(inbox)] == ["orders", "orders", "orders", "till"]
        first = orders(inbox)[0]
        assert (first["order_id"], first["email"], first["external_id"]) == ("7", "ada@example.com", "1")
        assert (first["value"], first["occurred_at"]) == ("9.990", "2026-09-04T13:20:00+00:00")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"event": "paid"}, "`event` is none of `placed`, `cancelled`, `refunded`, `fulfilled`"),
        ({"event": ["placed"]}, "`event` is none of `placed`, `cancelled`, `refunded`, `fulfilled`"),
        ({"order_id": None}, "`order_id` is missing"),
        ({"occurred_at": "yesterday"}, "`occurred_at` is no moment that can be read"),
        ({"lines": {}}, "`lines` is no list"),
        ({"customer": 1}, "`customer` is no JSON object"),
    ],
)
def test_an_order_that_says_too_little_is_put_away(change: Json, reason: str, tmp_path: Path) -> None:
    with shop(tmp_path) as inbox:
        assert own(inbox, {"order_id": 7, "event": "placed"} | change).json["put_away"] == 1
        assert [each.reason for each in inbox.dead_letters()] == [reason]


def test_only_the_secret_opens(tmp_path: Path) -> None:
    with shop(tmp_path) as inbox:
        for wrong in (TOKEN[:-1], "", f"{TOKEN}x"):
            assert own(inbox, {}, wrong).status == 401
        assert inbox.call("/shop/orders", b"{}", {"Authorization": f"Basic {TOKEN}"}).status == 401

        @settings(max_examples=60, deadline=None)
        @given(st.binary(min_size=1, max_size=100), st.data())
        def changed(body: bytes, data: st.DataObject) -> None:
            given = digest64(body)
            place = data.draw(st.integers(0, len(body) * 8 - 1))
            bits = bytearray(body)
            bits[place // 8] ^= 1 << place % 8
            for path, name in (("shopify", "X-Shopify-Hmac-Sha256"), ("woocommerce", "X-WC-Webhook-Signature")):
                assert inbox.call(f"/shop/{path}", bytes(bits), {name: given}).status == 401
                raw = base64.b64decode(given).hex()
                assert inbox.call(f"/shop/{path}", body, {name: raw}).status == 401

        changed()
        assert inbox.dead_letters() == []
