"""What is forwarded follows from the rules and from what happened, not from when and how often it was told."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from transform_project import NOW, READ_AT, Row, Warehouse

DEFINITION: Row = {
    "definition_key": "shop",
    "status": "live",
    "description": "All",
    "source_table": "site_events",
    "relation": [],
    "columns": {},
    "layout": "documents",
    "property_columns": [],
    "consent_missing": "drop",
    "asks_no_consent": False,
    "keeps_bots": False,
    "bot_words": ["crawl"],
    "bot_networks": [],
    "stitch_days": 7,
    "max_age_hours": 24,
    "older": "drop",
    "definition_sha256": "1",
    "defined_at": READ_AT,
}
MARKETING = {"consent": {"categoryPreferences": {"marketing": True}}}


def rule(number: int, event: str | None, metric: str | None, kind: str = "track", **more: Any) -> Row:  # noqa: ANN401
    return {
        "definition_key": "shop",
        "rule": number,
        "event": event,
        "type": kind,
        "metric": metric,
        "keeps_all": False,
        "without": [],
        "defined_at": READ_AT,
        **more,
    }


def place(number: int, use: str, way: str, name: str = "", **more: Any) -> Row:  # noqa: ANN401
    """Where a value stands: `properties.order_id`."""
    root, *keys = way.split(".")
    return {
        "definition_key": "shop",
        "rule": number,
        "use": use,
        "parent": "",
        "name": name,
        "part": 0,
        "alternative": 0,
        "root": root,
        **{f"key_{each}": key for each, key in enumerate(keys, 1)},
        "defined_at": READ_AT,
        **more,
    }


CHAIN = ("path:models/intermediate/forwarding", "fct_forwarding", "pub_klaviyo_events")
RULES = [
    rule(1, "Order Completed", "Placed Order"),
    rule(2, "Order Completed", "Ordered Product", per_root="properties", per_key_1="products"),
    rule(3, "Product Viewed", "Viewed Product"),
    rule(4, "Product List Viewed", None),
]
PLACES = [
    place(0, "identifier", "context.traits.email", "email"),
    place(0, "identifier", "user_id", "external_id", part=1),
    place(0, "identifier", "anonymous_id", "anonymous_id", part=2),
    place(1, "unique_id", "properties.order_id"),
    place(1, "value", "properties.revenue"),
    place(1, "property", "properties.coupon", "DiscountCode"),
    place(2, "unique_id", "properties.order_id"),
    place(2, "unique_id", "item.sku", part=1),
    place(2, "property", "item.sku", "SKU"),
    place(3, "unique_id", "message_id"),
    place(3, "property", "properties.name", "ProductName"),
]
CHECK = {
    "definition_key": "shop",
    "check_number": 1,
    "scheme": "segment",
    "root": "context",
    "key_1": "consent",
    "key_2": "categoryPreferences",
    "needed": ["marketing"],
    "denied": "drop",
    "defined_at": READ_AT,
}


LEDGER = "select * from marts.fct_forwarding"
METRICS = {"Placed Order": "MetPlaced", "Ordered Product": "MetLine", "Viewed Product": "MetView"}


def call(message: str, event: str, properties: object, **more: Any) -> Row:  # noqa: ANN401
    return {
        "message_id": message,
        "type": "track",
        "event": event,
        "user_id": "7",
        "anonymous_id": f"visitor of {message}",
        "properties": properties,
        "context": MARKETING,
        "occurred_at": NOW - timedelta(hours=1),
        "received_at": NOW - timedelta(minutes=30),
        **more,
    }


@pytest.fixture
def ruled(first_run: Warehouse) -> Warehouse:
    return with_rules(first_run.copy())


def with_rules(warehouse: Warehouse) -> Warehouse:
    """A warehouse with the rules above, and nothing that happened."""
    warehouse.land("forwarding_snapshots", [{"name": "forwarding", "defined_at": READ_AT}])
    warehouse.land("forwarding_definitions", [DEFINITION])
    warehouse.land("forwarding_rules", RULES)
    warehouse.land("forwarding_values", PLACES)
    warehouse.land("forwarding_consent_checks", [CHECK])
    warehouse.land(
        "metrics",
        [
            {"id": key, "name": name, "integration": {"object": "integration", "key": "api"}}
            for name, key in METRICS.items()
        ],
    )
    return warehouse


def run(warehouse: Warehouse) -> list[Row]:
    """What one run publishes."""
    warehouse.dbt("run", "--select", *CHAIN)
    return warehouse.rows("select * from publish.pub_klaviyo_events order by metric, unique_id")


@dataclass
class Klaviyo:
    """Keeps one event of each metric, profile and unique id, and shows it to the next run."""

    warehouse: Warehouse
    held: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    profiles: dict[str, Row] = field(default_factory=dict)

    def profile(self, row: Row) -> str:
        """Whoever has the identifier, or is made with it; a person of the tests has one number in all of them."""
        number = "".join(filter(str.isdigit, (row["external_id"] or row["email"]).split("@")[0]))
        profile = self.profiles.setdefault(number, {"id": f"P{number}", "email": None, "external_id": None})
        profile |= {name: row[name] for name in ("email", "external_id") if row[name]}
        return str(profile["id"])

    def take(self, rows: list[Row]) -> None:
        for row in rows:
            key = (row["metric"], row["unique_id"], self.profile(row))
            assert key not in self.held, "what Klaviyo shows is sent again"
            self.held[key] = row
        self.warehouse.land("profiles", list(self.profiles.values()))
        self.warehouse.land(
            "events",
            [
                {
                    "id": hashlib.sha256("/".join(key).encode()).hexdigest(),
                    "datetime": row["time"],
                    "metric_id": METRICS[key[0]],
                    "profile_id": key[2],
                    "event_properties": {"$event_id": key[1]},
                }
                for key, row in self.held.items()
            ],
        )


def latest(warehouse: Warehouse) -> dict[tuple[str, str | None], str]:
    """The decision that holds, by message and metric."""
    rows = warehouse.rows(f"{LEDGER} order by decided_at")
    return {(row["message_id"], row["metric"]): row["decision"] for row in rows if row["decision"] != "superseded"}


def summary(warehouse: Warehouse) -> dict[tuple[str, str, str], int]:
    rows = warehouse.rows("select * from marts.fct_forwarding_summary")
    return {(row["event"], row["metric"], row["decision"]): row["events"] for row in rows}


def test_what_holds_an_event_back_is_told(ruled: Warehouse) -> None:
    name = {"name": "Hat", "secret": "x"}
    ruled.land(
        "site_events",
        [
            call("named", "Product Viewed", name),
            call("lower", "product viewed", name),
            call("ignored", "Product List Viewed", {}),
            call("none", "Order Completed", {"order_id": "1"}),
            call("denied", "Product Viewed", name, context={}),
            call("off", "Product Viewed", name, context={**MARKETING, "integrations": {"Klaviyo": False}}),
            call("robot", "Product Viewed", name, context={**MARKETING, "userAgent": "Crawler/1.0"}),
            call("anonymous", "Product Viewed", name, user_id=None),
            call("nobody", "Product Viewed", name, user_id=None, anonymous_id=None),
            call("old", "Product Viewed", name, occurred_at=NOW - timedelta(hours=25)),
        ],
    )
    sent = run(ruled)
    assert latest(ruled) == {
        ("named", "Viewed Product"): "forwarded",
        ("lower", None): "unnamed",
        ("ignored", None): "ignored",
        ("none", "Placed Order"): "forwarded",
        ("none", "Ordered Product"): "no_items",
        ("denied", "Viewed Product"): "no_consent",
        ("off", "Viewed Product"): "switched_off",
        ("robot", "Viewed Product"): "machine",
        ("anonymous", "Viewed Product"): "anonymous",
        ("nobody", "Viewed Product"): "nobody",
        ("old", "Viewed Product"): "too_old",
    }
    assert [(row["metric"], row["external_id"], json.loads(row["properties"])) for row in sent] == [
        ("Placed Order", "7", {}),
        ("Viewed Product", "7", {"ProductName": "Hat"}),
    ]
    assert summary(ruled)["product viewed", "", "unnamed"] == 1

    # A second run decides nothing and sends what Klaviyo does not show; once it does, nothing.
    told = ruled.query("select count(*) from marts.fct_forwarding")
    assert run(ruled) == sent
    assert ruled.query("select count(*) from marts.fct_forwarding") == told
    Klaviyo(ruled).take(sent)
    ruled.as_of = NOW + timedelta(hours=1)
    assert run(ruled) == []
    assert summary(ruled)["Product Viewed", "Viewed Product", "delivered"] == 1

    # A name that the file now has is sent, and what it then lacks is no rule's any more.
    ruled.as_of = NOW + timedelta(hours=2)
    ruled.land("forwarding_definitions", [{**DEFINITION, "definition_sha256": "2"}])
    ruled.land("forwarding_rules", [*RULES, rule(5, "product viewed", "Viewed Product")])
    ruled.land("forwarding_values", [*PLACES, place(5, "property", "properties.name", "ProductName")])
    assert [row["unique_id"] for row in run(ruled)] == ["lower"]
    assert ("product viewed", "", "unnamed") not in summary(ruled)
    assert summary(ruled)["product viewed", "Viewed Product", "forwarded"] == 1
    told = ruled.query("select count(*) from marts.fct_forwarding")
    ruled.as_of = NOW + timedelta(hours=3)
    run(ruled)
    assert ruled.query("select count(*) from marts.fct_forwarding") == told


RUNS, PEOPLE = 2, 40
CALLS = ("browser", "server", "view", "login")
FEW = settings(
    max_examples=1,
    phases=[Phase.generate],
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
"""The example is many people, who have nothing to do with each other: a run takes seconds for one or for all."""


def calls(number: int) -> dict[str, Row]:
    """What one person does: unknown, known to the browser, known to the server."""
    lines = [{"sku": "a"}, {"sku": "Größe 42 — 東京"}]
    order = {"order_id": f"o{number}", "revenue": 31, "products": lines}
    known = {"user_id": f"{number}", "anonymous_id": f"a{number}"}
    with_address = {**MARKETING, "traits": {"email": f"Person{number}@Shop.example"}}
    return {
        "browser": call(f"b{number}", "Order Completed", {**order, "coupon": "SALE"}, **known),
        "server": call(f"s{number}", "Order Completed", order, **known | {"context": with_address}),
        "view": call(f"v{number}", "Product Viewed", {"name": "Hat"}, **known | {"user_id": None}),
        "login": call(f"l{number}", "Signed In", {}, **known),
    }


@FEW
@given(chance=st.randoms(use_true_random=True), is_down=st.lists(st.booleans(), min_size=RUNS, max_size=RUNS))
def test_order_repetition_and_lateness_change_nothing(
    first_run: Warehouse, chance: Random, is_down: list[bool]
) -> None:
    """Browser and server tell of one order, in any order, as often as they like, and Klaviyo may be down."""
    # In which runs each message comes; more than once means again.
    people = [{name: chance.choices(range(RUNS), k=chance.randint(1, 3)) for name in CALLS} for _ in range(PEOPLE)]
    warehouse = with_rules(first_run.copy())
    klaviyo, landed = Klaviyo(warehouse), list[Row]()
    for number in range(RUNS + 2):
        warehouse.as_of = NOW + timedelta(hours=number)
        for person, times in enumerate(people):
            for name, message in calls(person).items():
                landed += [
                    {
                        **message,
                        "received_at": warehouse.as_of - timedelta(minutes=10 + place),
                        "event": message["event"] if min(times[name]) == number else "Product Viewed",
                    }
                    for place in range(times[name].count(number))
                ]
        warehouse.land("site_events", landed)
        sent = run(warehouse)
        if number >= RUNS or not is_down[number]:
            klaviyo.take(sent)
    assert sent == []
    assert set(klaviyo.held) == {
        (metric, unique_id, f"P{number}")
        for number in range(len(people))
        for metric, unique_id in (
            ("Placed Order", f"o{number}"),
            ("Ordered Product", f"o{number}a"),
            ("Ordered Product", f"o{number}Größe 42 — 東京"),
            ("Viewed Product", f"v{number}"),
        )
    }
    # Who it was stands in no column of the ledger.
    assert not [row for row in warehouse.rows(LEDGER) if any("@" in str(value) for value in row.values())]
    assert set(latest(warehouse).values()) == {"delivered", "duplicate", "unnamed"}
    # Each decision is counted where it holds.
    counted = summary(warehouse)
    assert sum(counted.values()) == len(latest(warehouse)) + len(people) * 2  # an order's second line


def test_any_table_is_read_by_its_columns(ruled: Warehouse) -> None:
    """A table that Segment loads: properties are columns; a file whose table is not there costs that file."""
    text, double = ruled.project.engine.text, ruled.project.engine.double
    ruled.query("create schema segment")
    ruled.query(
        f"create table segment.order_completed (id {text}, user_id {text}, {quote(ruled, 'timestamp')} timestamp,"
        f" received_at timestamp, order_id {text}, revenue {double}, products {text}, coupon {text},"
        f" context_traits_email {text}, context_consent_category_preferences {text}, _sdc_batched_at timestamp)"
    )
    ruled.query(
        "insert into segment.order_completed values ('m1', '7', timestamp '2026-11-09 07:00:00',"
        """ timestamp '2026-11-09 07:30:00', 'o1', 31.5, '[{"sku":"a"}]', '[no list', 'Ada@Shop.example',"""
        """ '{"marketing":true}', timestamp '2026-11-09 07:30:00')"""
    )
    columns = {"message_id": ["id"], "user_id": ["user_id"], "occurred_at": ["timestamp"], "anonymous_id": ["no"]}
    segment = {
        **DEFINITION,
        "definition_key": "segment",
        "source_table": None,
        "relation": ["segment", "order_completed"],
        "columns": {**columns, "received_at": ["received_at"]},
        "source_event": "Order Completed",
        "source_type": "track",
        "layout": "columns",
        "property_columns": [
            *("order_id", "products", "revenue", "coupon", "not_there"),
            *("context_traits_email", "context_consent_category_preferences"),
        ],
    }
    gone = {**segment, "definition_key": "gone", "relation": ["segment", "gone"]}
    lacking = {**segment, "definition_key": "lacking", "columns": {**columns, "message_id": ["message_id"]}}
    ruled.land("forwarding_definitions", [DEFINITION, segment, gone, lacking])
    flat = [
        {
            **each,
            **({"root": each["root"], "key_1": "_".join(keys), "key_2": None, "key_3": None} if keys else {}),
            "definition_key": "segment",
        }
        for each in PLACES
        for keys in [[each[key] for key in ("key_1", "key_2", "key_3") if each.get(key)]]
    ]
    ruled.land("forwarding_rules", [*RULES, *({**each, "definition_key": "segment"} for each in RULES)])
    ruled.land("forwarding_values", [*PLACES, *flat])
    check = {**CHECK, "definition_key": "segment", "key_1": "consent_category_preferences", "key_2": None}
    ruled.land("forwarding_consent_checks", [CHECK, check])
    outcome = ruled.dbt("run", "--select", *CHAIN)
    sent = ruled.rows("select * from publish.pub_klaviyo_events order by metric")
    assert [(row["metric"], row["email"], row["unique_id"], row["value"]) for row in sent] == [
        ("Ordered Product", "Ada@Shop.example", "o1a", None),
        ("Placed Order", "Ada@Shop.example", "o1", 31.5),
    ]
    assert json.loads(sent[1]["properties"]) == {"DiscountCode": "[no list"}
    told = " ".join(outcome.warnings)
    assert "forwarding/gone.yml: the table segment.gone is not there" in told
    assert "forwarding/lacking.yml: segment.order_completed has no column message_id" in told


def quote(warehouse: Warehouse, name: str) -> str:
    return f"`{name}`" if warehouse.project.engine.name == "spark" else f'"{name}"'
