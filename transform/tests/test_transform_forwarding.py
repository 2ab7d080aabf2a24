"""What is forwarded follows from the rules and from what happened, not from when and how often it was told."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from transform_engines import UNSERVED
from transform_project import NOW, READ_AT, Row, Warehouse

T = TypeVar("T")

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


class Taking(StrEnum):
    """What Klaviyo does with what a run sends."""

    SHOWS = "takes and shows it"
    LAGS = "shows it to the run after the next"
    IS_DOWN = "takes nothing"


@dataclass
class Klaviyo:
    """Keeps one event of each metric, profile and unique id, and shows it to the next run."""

    warehouse: Warehouse
    held: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    hidden: set[tuple[str, str, str]] = field(default_factory=set)
    profiles: dict[str, Row] = field(default_factory=dict)

    def profile(self, row: Row) -> Row:
        """Whoever has the identifier, or is made with it; a person of the tests has one number in all of them."""
        number = "".join(
            filter(str.isdigit, (row["external_id"] or row["email"] or row["profile_id"]).split("@")[0])
        )
        return self.profiles.get(number, {"id": f"P{number}", "email": None, "external_id": None})

    def take(self, rows: list[Row], taking: Taking = Taking.SHOWS) -> None:
        """Take what a run sends. What it took and does not show may come again, under the same identifier."""
        new = set()
        for row in rows if taking is not Taking.IS_DOWN else ():
            profile = self.profile(row)
            key = (row["metric"], row["unique_id"], profile["id"])
            if key in self.held:
                assert key in self.hidden, "what Klaviyo shows is sent again"
                names = ("profile_id", "email", "external_id")
                assert [self.held[key][name] for name in names] == [row[name] for name in names]
                continue
            self.held[key] = row
            profile |= {name: row[name] for name in ("email", "external_id") if row[name]}
            self.profiles[profile["id"][1:]] = profile
            new.add(key)
        self.hidden = new if taking is Taking.LAGS else set()
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
                if key not in self.hidden
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
    definition = {**DEFINITION, "bot_per_minute": 5}
    ruled.land("forwarding_definitions", [definition])
    happened = [
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
        *(call(f"quick {number}", "Product List Viewed", {}, anonymous_id="quick") for number in range(3)),
        call("newest", "Product List Viewed", {}, received_at=NOW - timedelta(minutes=25)),
    ]
    ruled.land("site_events", happened)
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
        ("quick 0", None): "ignored",
        ("quick 1", None): "ignored",
        ("quick 2", None): "ignored",
        ("newest", None): "ignored",
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
    ruled.land("forwarding_definitions", [{**definition, "definition_sha256": "2"}])
    ruled.land("forwarding_rules", [*RULES, rule(5, "product viewed", "Viewed Product")])
    ruled.land("forwarding_values", [*PLACES, place(5, "property", "properties.name", "ProductName")])
    assert [row["unique_id"] for row in run(ruled)] == ["lower"]
    assert ("product viewed", "", "unnamed") not in summary(ruled)
    assert summary(ruled)["product viewed", "Viewed Product", "forwarded"] == 1

    # What a machine did in a minute is found as if it had come in one run; all else stays as it was decided.
    decided = latest(ruled)
    ruled.as_of = NOW + timedelta(hours=3)
    received_at = NOW - timedelta(minutes=24)
    messages = [f"quick {number}" for number in range(3, 6)]
    more = [call(each, "Product Viewed", name, anonymous_id="quick", received_at=received_at) for each in messages]
    ruled.land("site_events", [*happened, *more])
    run(ruled)
    assert latest(ruled) == decided | {(message, "Viewed Product"): "machine" for message in messages}


RUNS = 3
STREAMS = 40
"""Of each file."""


@dataclass(frozen=True)
class Version:
    """What a file says at a time."""

    is_live: bool = True
    missing: str = "drop"
    names_lower: bool = False
    stitches: bool = True
    keeps_bots: bool = False

    def definition(self, key: str) -> Row:
        columns = ("message_id", "type", "event", "user_id", "anonymous_id", "occurred_at", "received_at")
        return {
            **DEFINITION,
            "definition_key": key,
            "status": "live" if self.is_live else "draft",
            "source_table": None,
            "relation": ["sites", key],
            "columns": {name: [name] for name in (*columns, "properties", "context")},
            "consent_missing": self.missing,
            "keeps_bots": self.keeps_bots,
            "stitch_days": 7 if self.stitches else 0,
            "definition_sha256": repr(self),
        }

    def rules(self, key: str) -> list[Row]:
        named = [rule(5, "product viewed", "Viewed Product")] if self.names_lower else []
        return [{**each, "definition_key": key} for each in (*RULES, *named)]


class Arrival(NamedTuple):
    """In which run a message is landed, and how long before that it was received."""

    run: int
    minutes: int


Stream = dict[str, list[Arrival]]
"""When each message of a person comes; more than once means again."""
Key = tuple[str, str]
"""Metric and unique id."""
Sent = tuple[Key, str]
"""With the person's number."""
LINES = ("a", "Größe 42 — 東京")
ORDER = ("browser", "server", "silent", "denied", "robot")
"""Messages that tell one order."""

ARRIVALS = st.builds(Arrival, run=st.integers(0, RUNS - 1), minutes=st.sampled_from([10, 50, 600]))
STREAM = st.dictionaries(
    st.sampled_from([*ORDER, "view", "lower", "login"]),
    st.lists(ARRIVALS, min_size=1, max_size=3, unique=True),
    min_size=1,
)
VERSIONS = st.lists(
    st.builds(
        Version,
        is_live=st.sampled_from([True, True, False]),
        missing=st.sampled_from(["drop", "allow"]),
        names_lower=st.booleans(),
        stitches=st.booleans(),
        keeps_bots=st.booleans(),
    ),
    min_size=RUNS,
    max_size=RUNS,
)


def message_of(name: str, person: str) -> Row:
    """What a message says."""
    order = {"order_id": f"o{person}", "revenue": 31, "products": [{"sku": sku} for sku in LINES]}
    known: Row = {"user_id": person, "anonymous_id": f"a{person}"}
    denied = {"consent": {"categoryPreferences": {"marketing": False}}}
    message_id = f"{name} {person}"
    match name:
        case "view":
            return call(message_id, "Product Viewed", {"name": "Hat"}, **known | {"user_id": None})
        case "lower":
            return call(message_id, "product viewed", {"name": "Hat"}, **known)
        case "login":
            return call(message_id, "Signed In", {}, **known)
        case "server":
            known["context"] = {**MARKETING, "traits": {"email": f"Person{person}@Shop.example"}}
        case "silent":
            known["context"] = {}
        case "denied":
            known["context"] = denied
        case "robot":
            known["context"] = {**MARKETING, "userAgent": "Crawler/1.0"}
    return call(message_id, "Order Completed", order, **known)


def rows_of(stream: Stream, person: str, run: int) -> list[Row]:
    """What is landed of a stream by a run. A message that comes again may say something else."""
    rows = []
    for name, arrivals in stream.items():
        times = [NOW + timedelta(hours=each.run, minutes=-each.minutes) for each in arrivals]
        first = min(range(len(times)), key=lambda place: (arrivals[place].run, times[place]))
        for arrival, received_at in zip(arrivals, times, strict=True):
            if arrival.run <= run:
                changed = {"event": "Product Viewed", "context": MARKETING} if received_at > times[first] else {}
                rows.append({**message_of(name, person), **changed, "received_at": received_at})
    return rows


def allowed(stream: Stream, person: str, version: Version, run: int) -> set[Key]:
    """What a file lets pass of what had come by a run: in which order, and how often, plays no part."""
    come = {name for name, arrivals in stream.items() if min(each.run for each in arrivals) <= run}
    if not version.is_live:
        return set()
    passing = {"browser", "server"}
    passing |= {"silent"} if version.missing == "allow" else set()
    passing |= {"robot"} if version.keeps_bots else set()
    keys: set[Key] = set()
    if come & passing:
        keys = {("Placed Order", f"o{person}"), *(("Ordered Product", f"o{person}{sku}") for sku in LINES)}
    if version.stitches and "view" in come and come - {"view"}:
        keys.add(("Viewed Product", f"view {person}"))
    if version.names_lower and "lower" in come:
        keys.add(("Viewed Product", f"lower {person}"))
    return keys


@dataclass
class Sites:
    """Files, their versions and what happens under each; nobody has anything to do with anybody else."""

    versions: dict[str, list[Version]]
    streams: dict[str, tuple[str, Stream]]
    """File and stream, by person."""

    def version(self, key: str, run: int) -> Version:
        return self.versions[key][min(run, RUNS - 1)]

    def allowed(self, run: int) -> set[Sent]:
        """What may be sent in a run, by key and person."""
        return {
            (key, person)
            for person, (site, stream) in self.streams.items()
            for key in allowed(stream, person, self.version(site, run), run)
        }

    def prepare(self, warehouse: Warehouse) -> None:
        """A table for each file, and what stays the same in all of its versions."""
        text = warehouse.project.engine.text
        texts = ("message_id", "type", "event", "user_id", "anonymous_id", "properties", "context")
        columns = [*(f"{name} {text}" for name in texts), "occurred_at timestamp", "received_at timestamp"]
        warehouse.query("create schema sites")
        for site in self.versions:
            warehouse.query(f"create table sites.{site} ({', '.join(columns)})")
        lower = [place(5, "property", "properties.name", "ProductName"), place(5, "unique_id", "message_id")]
        places = [{**each, "definition_key": site} for site in self.versions for each in (*PLACES, *lower)]
        warehouse.land("forwarding_values", places)
        warehouse.land("forwarding_consent_checks", [{**CHECK, "definition_key": site} for site in self.versions])

    def land(self, warehouse: Warehouse, run: int) -> None:
        for site in self.versions:
            people = [(person, stream) for person, (of, stream) in self.streams.items() if of == site]
            rows = [row for person, stream in people for row in rows_of(stream, person, run)]
            warehouse.land(site, rows, schema="sites")
        found = {site: self.version(site, run) for site in self.versions}
        warehouse.land("forwarding_definitions", [each.definition(site) for site, each in found.items()])
        warehouse.land("forwarding_rules", [row for site, each in found.items() for row in each.rules(site)])

    def of(self, faults: set[Sent]) -> str:
        """The smallest streams that have a fault."""
        by_person = {person: sorted(key for key, of in faults if of == person) for _, person in faults}
        size = {person: sum(map(len, self.streams[person][1].values())) for person in by_person}
        smallest = sorted(by_person, key=size.__getitem__)[:3]
        found = [(person, by_person[person], *self.streams[person]) for person in smallest]
        return "\n".join(
            f"{person}: {keys}\n  {stream}\n  {self.versions[site]}" for person, keys, site, stream in found
        )


def drawn(strategy: st.SearchStrategy[T], number: int) -> list[T]:
    """Different examples of a strategy, to be judged together: a run takes as long for hundreds as for one."""
    found: list[T] = []

    @settings(max_examples=number, phases=[Phase.generate], derandomize=True, database=None)
    @given(strategy)
    def collect(example: T) -> None:
        found.append(example)

    collect()
    return found


def sites() -> Sites:
    """Four files: one that stays what it is, one that lacks a rule for a run, and two that are edited."""
    keys = [f"site_{number}" for number in range(4)]
    gone = [Version(names_lower=True), Version(), Version(names_lower=True)]
    edited = [gone, *drawn(VERSIONS, 40)[-len(keys) + 2 :]]
    streams = drawn(STREAM, len(keys) * STREAMS)
    return Sites(
        dict(zip(keys, [[Version()] * RUNS, *edited], strict=True)),
        {str(number): (keys[number % len(keys)], stream) for number, stream in enumerate(streams)},
    )


def test_what_klaviyo_ends_up_with_follows_from_what_happened_and_from_the_files(first_run: Warehouse) -> None:
    """Whatever comes again, late or in another order, is edited, and whenever Klaviyo takes and shows it."""
    warehouse, told = with_rules(first_run.copy()), sites()
    told.prepare(warehouse)
    klaviyo = Klaviyo(warehouse)
    taking = [Taking.LAGS, Taking.IS_DOWN, Taking.SHOWS]
    taken: set[Sent] = set()
    for number in range(RUNS + 4):
        warehouse.as_of = NOW + timedelta(hours=number)
        told.land(warehouse, number)
        rows = run(warehouse)
        sent = {((row["metric"], row["unique_id"]), klaviyo.profile(row)["id"][1:]) for row in rows}
        forbidden = sent - told.allowed(number)
        assert not forbidden, f"sent in run {number}, which no file lets pass\n{told.of(forbidden)}"
        klaviyo.take(rows, taking[number] if number < RUNS else Taking.SHOWS)
        taken = {((metric, unique_id), of[1:]) for metric, unique_id, of in klaviyo.held}
        if number >= RUNS and not sent:
            break
    assert sent == set()
    lost = told.allowed(RUNS) - taken
    assert not lost, f"never came, while Klaviyo {taking}\n{told.of(lost)}"
    # Who it was stands in no column of the ledger, and each decision is counted where it holds.
    ledger = warehouse.rows(f"{LEDGER} order by decided_at")
    assert not [row for row in ledger if any("@" in str(value) for value in row.values())]
    holding = Counter({row["match_ref"]: row["decision"] for row in ledger}.values())
    counts = "select decision, sum(events) from marts.fct_forwarding_summary group by decision"
    counted = Counter({decision: int(events) for decision, events in warehouse.query(counts)})
    assert counted == Counter({name: number for name, number in holding.items() if name != "superseded"})
    assert counted["delivered"] == len(klaviyo.held)


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


TYPED = {
    "duckdb": {
        "lines": "[{'sku': 'a', 'number': 2}]",
        "tags": """['x', 'y "z"']""",
        "sizes": "map {'a': 1}",
        "odd": "cast([true] as variant)",
        "plan": "cast('point' as enum ('point', 'paint'))",
        "total": "cast(3.5 as decimal(5, 2))",
        "tries": "cast(2 as utinyint)",
        "nothing": "cast(null as integer[])",
    },
    "postgres": {
        "lines": """cast('[{"sku": "a", "number": 2}]' as jsonb)""",
        "tags": """array['x', 'y "z"']""",
        "sizes": """cast('{"a": 1}' as json)""",
        "odd": """cast('"\\u0000"' as json)""",
        "plan": "cast('point' as printing)",
        "total": "cast(3.5 as numeric(5, 2))",
        "tries": "cast(2 as smallint)",
        "nothing": "cast(null as integer[])",
    },
    "spark": {
        "lines": "array(named_struct('sku', 'a', 'number', 2))",
        "tags": """array('x', 'y "z"')""",
        "sizes": "map('a', 1)",
        "odd": "parse_json('[true]')",
        "plan": "'point'",
        "total": "cast(3.5 as decimal(5, 2))",
        "tries": "cast(2 as tinyint)",
        "nothing": "cast(null as array<int>)",
    },
}
"""Columns of whatever type a table has; `odd`: JSON that none of this warehouse's is made of, or of another type.

The type of PostgreSQL's `plan` has `int` in its name.
"""


def test_a_column_of_any_type_is_a_member(ruled: Warehouse) -> None:
    """Also of what is no table to a warehouse's own list of tables: a materialized view, and a foreign table."""
    engine = ruled.project.engine
    columns = ", ".join(f"{value} as {name}" for name, value in TYPED[engine.name].items())
    who = "'m1' as id, '7' as user_id, timestamp '2026-11-09 07:00:00' as at"
    is_postgres = engine.name == "postgres"
    ruled.query("create schema shop")
    if is_postgres:
        ruled.query("create type printing as enum ('point', 'paint')")
    kind = "materialized view" if is_postgres else "table"
    ruled.query(f"create {kind} shop.viewed as select {who}, {columns}")
    viewed = {
        **DEFINITION,
        "definition_key": "viewed",
        "source_table": None,
        "relation": ["shop", "viewed"],
        "columns": {"message_id": ["id"], "user_id": ["user_id"], "occurred_at": ["at"]},
        "source_event": "Product Viewed",
        "source_type": "track",
        "layout": "columns",
        "property_columns": [],
        "asks_no_consent": True,
    }
    whole = {
        **viewed,
        "definition_key": "whole",
        "columns": {**viewed["columns"], "properties": ["sizes"]},
        "source_event": "Order Completed",
        "layout": "documents",
    }
    rules = {"viewed": ("Product Viewed", "Viewed Product"), "whole": ("Order Completed", "Placed Order")}
    places = (place(0, "identifier", "user_id", "external_id"), place(1, "unique_id", "message_id"))
    ruled.land("forwarding_definitions", [DEFINITION, viewed, whole])
    told = [{**rule(1, *names, keeps_all=True), "definition_key": key} for key, names in rules.items()]
    ruled.land("forwarding_rules", [*RULES, *told])
    values = [{**each, "definition_key": key} for key in rules for each in places]
    ruled.land("forwarding_values", [*PLACES, *values])
    placed, shown = run(ruled)
    assert json.loads(placed["properties"]) == {"a": 1}
    assert json.loads(shown["properties"]) == {
        "odd": '"\\u0000"' if is_postgres else [True],
        "lines": [{"sku": "a", "number": 2}],
        "tags": ["x", 'y "z"'],
        "sizes": {"a": 1},
        "plan": "point",
        "total": 3.5,
        "tries": 2,
    }
    if is_postgres:
        theirs = "create foreign table shop.theirs (id text, user_id text, at timestamp) server elsewhere"
        for statement in (*UNSERVED, theirs):
            ruled.query(statement)
        ruled.land("forwarding_definitions", [{**viewed, "relation": ["shop", "theirs"]}])
        with pytest.raises(AssertionError, match='foreign-data wrapper "nobody" has no handler'):
            run(ruled)


def quote(warehouse: Warehouse, name: str) -> str:
    return f"`{name}`" if warehouse.project.engine.name == "spark" else f'"{name}"'
