"""What was pushed is published once: a webhook that comes again, or late, changes nothing."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from transform_project import NOW, READ_AT, Row, Selects, Warehouse, World, small_world

METRICS = ("Ordered Product", "Fulfilled Order", "Cancelled Order", "Refunded Order")
LINES = [
    {"line_id": "1", "name": "Größe 42 — 東京", "sku": "A'b\"c", "quantity": 2, "price": 10, "total": 20},
    {"line_id": "2", "name": "Hat", "quantity": 1, "price": 5.5, "total": 5.5},
    {"line_id": "2", "name": "Hat", "quantity": 1, "price": 5.5, "total": 5.5},
]


def order(number: str, event: str = "placed", **changes: Any) -> Row:  # noqa: ANN401
    return {
        "source": "shop",
        "order_id": number,
        "event": event,
        "email": "Zoë@Shop.example",
        "value": 31,
        "currency": "EUR",
        "lines": LINES,
        "customer": {"first_name": "Zoë", "billing_address": {"city": "Zürich", "zip": "01234"}},
        "details": {},
        "occurred_at": READ_AT,
        "received_at": READ_AT,
        **changes,
    }


def statement(request: str, consent: str, at: datetime, **changes: Any) -> Row:  # noqa: ANN401
    return {
        "statement_id": f"{request}:email",
        "channel": "email",
        "consent": consent,
        "email": "zoë@shop.example",
        "source": "footer",
        "stated_at": at,
        "received_at": at,
        **changes,
    }


class Account:
    """Klaviyo as it takes what is published."""

    def __init__(self, warehouse: Warehouse, selects: Selects) -> None:
        self.warehouse = warehouse
        self.selects = selects
        self.world: World = small_world()
        self.world.metrics += [
            {"id": name, "name": name, "integration": {"object": "integration", "key": "api"}} for name in METRICS
        ]
        subscribed = {"object": "integration", "key": "klaviyo"}
        self.world.metrics.append(
            {"id": "Sub", "name": "Subscribed to Email Marketing", "integration": subscribed}
        )

    def published(self, name: str) -> list[Row]:
        self.world.land(self.warehouse)
        self.warehouse.land("fct_consent_log", [], schema="marts")
        told = self.selects.rows(self.warehouse, "fct_consent_log")
        self.warehouse.land("fct_consent_log", told, schema="marts")
        return self.selects.rows(self.warehouse, f"pub_klaviyo_{name}")

    def take_events(self) -> list[tuple[str, str]]:
        """Metric and unique id of what was published, which Klaviyo holds from then on."""
        rows = self.published("events")
        ids: dict[Any, str] = {"Placed Order": "MetOrd"}
        for row in rows:
            properties = json.loads(row["properties"])
            properties |= {"$event_id": row["unique_id"], "$value": row["value"]}
            metric = ids.get(row["metric"], str(row["metric"]))
            self.event(f"{row['metric']}/{row['unique_id']}", metric, row["time"], **properties)
        return sorted((row["metric"], row["unique_id"]) for row in rows)

    def event(self, key: str, metric: str, at: datetime, **properties: Any) -> None:  # noqa: ANN401
        told = {"id": key, "metric_id": metric, "profile_id": "Zoë", "datetime": at}
        self.world.events.append({**told, "event_properties": properties})


@pytest.fixture
def account(warehouse: Warehouse, selects: Selects) -> Account:
    return Account(warehouse, selects)


def test_an_order_is_published_once_and_what_becomes_of_it_after_it(account: Account) -> None:
    account.world.orders = [
        order("1"),
        order("2", currency="SEK", value=0, lines=None, email=None, phone_number="+46 70 123 45 67"),
        order("nobody", email=None),
        order("long ago", received_at=NOW - timedelta(days=30)),
    ]
    placed = [("Ordered Product", f"shop:1:{line}") for line in ("1", "2", "2:2")]
    rows = {row["unique_id"]: row for row in account.published("events") if row["metric"] == "Placed Order"}
    assert [(row["value"], row["value_currency"]) for _, row in sorted(rows.items())] == [(31, "EUR"), (0, "SEK")]
    assert rows["shop:2"]["phone_number"] == "+46701234567"
    items = json.loads(rows["shop:1"]["properties"])["Items"]
    assert [item["ProductName"] for item in items] == [line["name"] for line in LINES]
    assert items[0]["SKU"] == LINES[0]["sku"]
    assert account.take_events() == [*placed, ("Placed Order", "shop:1"), ("Placed Order", "shop:2")]
    assert account.take_events() == []

    later = NOW - timedelta(minutes=1)
    account.world.orders = [
        order("1", lines=LINES[::-1], received_at=later),
        order("1", "cancelled", occurred_at=later, received_at=later),
        order("1", "refunded", value=10.1, occurred_at=later, received_at=later),
    ]
    assert account.take_events() == [("Cancelled Order", "shop:1"), ("Refunded Order", "shop:1:1010")]
    account.world.orders[2] = order("1", "refunded", value=31, occurred_at=NOW, received_at=later)
    assert [row["value"] for row in account.published("events")] == [pytest.approx(20.9)]
    assert account.take_events() == [("Refunded Order", "shop:1:3100")]
    assert account.take_events() == []


def test_who_ordered_is_a_contact_until_klaviyo_has_them_as_they_are(account: Account) -> None:
    assert account.published("contacts") == []
    account.world.orders = [order("1"), order("nobody", email="nobody")]
    [row] = account.published("contacts")
    assert (row["id"], row["email"], row["first_name"]) == (None, "Zoë@Shop.example", "Zoë")
    assert json.loads(row["location"]) == {"city": "Zürich", "zip": "01234"}
    held = {"id": "Zoë", "email": "zoë@shop.example", "first_name": "Zoë", "created": READ_AT, "updated": READ_AT}
    account.world.profiles.append({**held, "location": {"city": "Zürich", "zip": "1234"}, "properties": {}})
    [row] = account.published("contacts")
    assert (row["id"], row["email"], row["first_name"]) == ("Zoë", None, None)
    assert json.loads(row["location"]) == {"zip": "01234"}
    account.world.profiles[-1]["location"]["zip"] = "01234"
    assert account.published("contacts") == []


def test_a_number_reaches_the_profile_of_an_address_unless_another_has_it(account: Account) -> None:
    account.world.orders = [order("1", phone_number="+41 44 668 18 00", external_id="7")]
    [row] = account.published("contacts")
    further = {"phone_number": "+41446681800", "external_id": "7"}
    assert (row["email"], row["phone_number"], json.loads(row["further_identifiers"])) == (
        "Zoë@Shop.example",
        None,
        further,
    )
    held = {"first_name": "Zoë", "location": {"city": "Zürich", "zip": "01234"}, "properties": {}}
    zoe: Row = {"id": "Zoë", "email": "zoë@shop.example", "created": READ_AT, "updated": READ_AT, **held}
    account.world.profiles.append({**zoe, "external_id": "CRM"})
    [row] = account.published("contacts")
    assert (row["id"], json.loads(row["further_identifiers"])) == ("Zoë", {"phone_number": "+41446681800"})
    account.world.profiles.append({**zoe, "id": "Ida", "email": None, "phone_number": "+41446681800"})
    assert account.published("contacts") == []
    states = account.selects.rows(account.warehouse, "int_contact_identifiers")
    assert sorted((row["kind"], row["state"]) for row in states) == [
        ("external_id", "has_another"),
        ("phone_number", "of_another"),
    ]


def test_a_consent_is_published_until_it_is_shown_and_never_after_an_opt_out(account: Account) -> None:
    account.world.profiles.append(
        {"id": "Zoë", "email": "zoë@shop.example", "created": READ_AT, "updated": READ_AT, "properties": {}}
    )
    account.world.consent_statements = [statement("form", "given", READ_AT)]
    [row] = account.published("subscriptions")
    assert (row["consent"], row["consented_at"], row["custom_source"]) == ("SUBSCRIBED", READ_AT, "footer")
    account.event("opt-out", "MetUns", READ_AT + timedelta(minutes=5))
    assert account.published("subscriptions") == []
    account.world.consent_statements.append(statement("again", "given", READ_AT + timedelta(minutes=10)))
    assert [row["consented_at"] for row in account.published("subscriptions")] == [READ_AT + timedelta(minutes=10)]
    account.event("opt-in", "Sub", READ_AT + timedelta(minutes=10))
    assert account.published("subscriptions") == []
    account.world.consent_statements.append(statement("leave", "withdrawn", READ_AT + timedelta(minutes=20)))
    assert [row["consent"] for row in account.published("subscriptions")] == ["UNSUBSCRIBED"]
    account.world.land(account.warehouse)
    registrations = account.selects.rows(account.warehouse, "fct_registrations")
    known = sorted((row["request_id"], row["profile_id"]) for row in registrations)
    assert known == [("again", "Zoë"), ("form", "Zoë"), ("leave", "Zoë")]


def test_a_run_stops_for_nothing_that_was_pushed(account: Account) -> None:
    """With the data tests: people of one identifier each, and what costs its row alone."""
    account.world.orders = [
        order("1"),
        order("2", email=None, phone_number="+46701234567"),
        order("3", email=None, external_id="3"),
        order("4", email=None, external_id="3", lines=[None, 5, "x", {}], customer=[], details='"x"'),
        order("5", occurred_at=None),
        order("6", event="unheard of", currency=None, value=None),
        order("7", event="refunded", value=1e30, phone_number="+" + "9" * 15),
    ]
    account.world.consent_statements = [
        statement("a", "given", READ_AT),
        statement("b", "given", READ_AT, list_id="L"),
        statement("c", "withdrawn", READ_AT, email="Left@shop.example"),
        statement("d", "given", READ_AT, email=None),
        statement("e", "given", READ_AT, statement_id="e:sms", channel="sms", phone_number="+46701234567"),
        statement("f", "unheard of", READ_AT),
    ]
    account.world.land(account.warehouse)
    names = [f"pub_klaviyo_{name}" for name in ("contacts", "events", "list_members", "subscriptions")]
    between = ["int_pushed_contacts", "int_contact_identifiers", "consent_methods"]
    between += ["path:models/intermediate/consent"]
    account.warehouse.dbt("build", "--select", *between, *names, "--exclude-resource-type", "unit_test")
    found = account.warehouse.rows("select email, phone_number, external_id from publish.pub_klaviyo_contacts")
    people = {next(filter(None, row.values())) for row in found}
    assert {each.lower() for each in people} == {"zoë@shop.example", "+46701234567", "3"}
    ordered = "select unique_id from publish.pub_klaviyo_events where external_id is not null"
    assert sorted(row[0] for row in account.warehouse.query(ordered)) == [
        "shop:3",
        "shop:3:1",
        "shop:3:2",
        "shop:3:2:2",
        "shop:4",
    ]
    given = account.warehouse.query("select channel, consent, list_id from publish.pub_klaviyo_subscriptions")
    # Others wait their turn.
    assert sorted(given) == [("email", "SUBSCRIBED", "L"), ("email", "UNSUBSCRIBED", None)]


def test_what_was_polled_counts_whichever_was_loaded_later(account: Account) -> None:
    account.event("both", "MetOrd", READ_AT, **{"$value": 2})
    pushed = {"metric_id": "MetOrd", "profile_id": "Zoë", "datetime": READ_AT, "event_properties": {"$value": 1}}
    account.world.pushed_events = [{"id": "both", **pushed}, {"id": "pushed", **pushed}]
    account.world.land(account.warehouse)
    asked = (
        "select event_id, value from staging.stg_klaviyo__events where event_id in ('both', 'pushed') order by 1"
    )
    assert account.warehouse.query(asked) == [("both", 2), ("pushed", 1)]
