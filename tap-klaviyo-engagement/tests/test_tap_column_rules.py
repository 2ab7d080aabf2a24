"""Columns that are hashed or left out: no message has what they held."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.model.clock import Clock
from klaviyo_sandbox.model.records import Event
from klaviyo_wire.errors import ConfigurationError
from tap_klaviyo_engagement.emission.column_rules import ColumnRules, Declared, rules_of
from tap_klaviyo_engagement.reconciliation.tap import TapKlaviyoReconcile
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

Json = dict[str, Any]
RunTap = Callable[..., Any]

NOW = datetime(2026, 9, 4, 13, 38, 55, tzinfo=UTC)
KEY = "thirty-two characters, or some more"
MARK = "Somebody+1@shop.example"
STREAMS = ["profiles", "events", "reviews", "push_tokens"]


def _digest(text: str, key: str = KEY) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def _now() -> datetime:
    return NOW


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(profiles=20, events=40, seed=5, clock=Clock(lambda: NOW)) as sandbox:
        key = sandbox.store.read("select id from profiles order by id")[0][0]
        held = sandbox.store.profile(key)
        assert held
        properties = {"Other.address": MARK, "Lines": [{"to": MARK, "n": 1}, {"to": None}], "Plain": "kept"}
        location = {"city": MARK, "country": "Denmark"}
        marked = replace(held, email=MARK, first_name=MARK, location=location, properties=properties)
        sandbox.store.put_profile(marked)
        sandbox.store.add_events(
            [
                Event(
                    id="7MARKED",
                    uuid="u",
                    timestamp=int(NOW.timestamp()) - 9_000,
                    metric_id=sandbox.store.read("select id from metrics")[0][0],
                    profile_id=key,
                    properties={"to": MARK, "deep": {"to": [MARK, {"x": MARK}]}, "sum": 12, "none": None},
                )
            ]
        )
        yield sandbox


@pytest.fixture
def config(sandbox: Sandbox) -> Json:
    return {"api_key": sandbox.api_key, "api_url": sandbox.url, "hashing_key": KEY}


RULES: Json = {
    "hash": [
        *("email", "profiles.first_name", "profiles.properties.Other.address", "properties.Lines.to"),
        *("location.city", "event_properties.to", "event_properties.deep", "event_properties.none"),
    ]
}
MAPPED: Json = {"stream_maps": {name: {"same": "'x'"} for name in STREAMS}}
FLAT: Json = {"flattening_enabled": True, "flattening_max_depth": 1}


@pytest.mark.parametrize("way", [{}, MAPPED, FLAT], ids=["as read", "mapped", "flattened"])
def test_what_a_hashed_column_held_is_in_no_message(config: Json, run_tap: RunTap, way: Json) -> None:
    plain = run_tap(config | way, STREAMS, now=_now)
    assert MARK in _text(plain.messages)
    extract = run_tap(config | RULES | way, STREAMS, now=_now)
    assert MARK not in _text(extract.messages)
    assert _text(extract.messages).count(_digest(MARK)) == _text(plain.messages).count(MARK)
    counts = {name: len(records) for name, records in plain.records.items()}
    assert {name: len(records) for name, records in extract.records.items()} == counts
    for stream, schema in extract.schemas.items():
        for record in extract.records[stream]:
            Draft202012Validator(schema).validate(record)


def _text(messages: list[Json]) -> str:
    return json.dumps(messages, ensure_ascii=False)


def test_nothing_but_what_is_named_changes(config: Json, run_tap: RunTap) -> None:
    plain = run_tap(config, STREAMS, now=_now).records
    hashed = run_tap(config | RULES, STREAMS, now=_now).records
    (before,) = (row for row in plain["profiles"] if row["email"] == MARK)
    (after,) = (row for row in hashed["profiles"] if row["id"] == before["id"])
    assert after["properties"]["Plain"] == "kept"
    assert after["properties"]["Lines"] == [{"to": None}, {"to": _digest(MARK), "n": 1}]  # lists are turned round
    assert after["location"] == before["location"] | {"city": _digest(MARK)}
    assert list(after) == list(before), "columns keep their order"
    changed = {"email", "first_name", "location", "properties"}
    assert {name for name in before if after[name] != before[name]} == changed
    (event,) = (row for row in hashed["events"] if row["id"] == "7MARKED")
    digest = _digest(MARK)
    properties = {"to": digest, "deep": {"to": [digest, {"x": digest}]}, "sum": 12, "none": None}
    assert event["event_properties"] == properties
    assert all(row["email"] is None for row in hashed["profiles"] if row["id"] in _without_email(plain))


def _without_email(plain: dict[str, list[Json]]) -> set[str]:
    found = {row["id"] for row in plain["profiles"] if row["email"] is None}
    assert found, "null stays null: somebody has to have none"
    return found


def test_a_hash_is_the_same_in_every_run_and_another_with_another_key(config: Json, run_tap: RunTap) -> None:
    runs = [
        run_tap(config | RULES | {"hashing_key": key}, ["profiles"], now=_now).records["profiles"]
        for key in (KEY, KEY, KEY.upper())
    ]
    assert runs[0] == runs[1]
    emails = [{row["email"] for row in rows} - {None} for rows in runs]
    assert len(emails[0]) == len(emails[2]) > 1
    assert not emails[0] & emails[2]


def test_what_is_left_out_is_neither_asked_for_nor_in_a_schema(config: Json, run_tap: RunTap) -> None:
    rules = {"leave_out": ["profiles.email", "location.city", "event_properties.deep", "properties.Lines.to"]}
    extract = run_tap(config | rules, STREAMS, now=_now)
    assert "email" not in extract.schemas["profiles"]["properties"]
    assert all("email" not in row for row in extract.records["profiles"])
    assert any("city" not in row["location"] for row in extract.records["profiles"])
    assert all("city" not in row["location"] for row in extract.records["profiles"])
    assert [{}, {"n": 1}] in [row["properties"].get("Lines") for row in extract.records["profiles"]]
    (event,) = (row for row in extract.records["events"] if row["id"] == "7MARKED")
    assert event["event_properties"] == {"to": MARK, "sum": 12, "none": None}
    assert all("email" in row for row in extract.records["reviews"]), "another stream's"


@pytest.mark.parametrize("way", [{}, MAPPED], ids=["as read", "mapped"])
def test_a_catalog_of_before_gives_nothing_away(config: Json, run_tap: RunTap, way: Json) -> None:
    older = TapKlaviyoEngagement(config=config).catalog_dict
    for entry in older["streams"]:
        for each in entry["metadata"]:
            if not each["breadcrumb"]:
                each["metadata"]["selected"] = entry["tap_stream_id"] == "profiles"
    rules = {"hash": ["email", "location.city", "last_event_date"], "leave_out": ["first_name", "properties"]}
    extract = run_tap(config | rules | way, older, now=_now)
    assert MARK not in _text(extract.messages)
    properties = extract.schemas["profiles"]["properties"]
    assert {"first_name", "properties"}.isdisjoint(properties)
    assert properties["last_event_date"].get("format") is None
    assert all({"first_name", "properties"}.isdisjoint(row) for row in extract.records["profiles"])


def test_with_flattening_the_parts_of_a_hashed_object_are_texts(config: Json, run_tap: RunTap) -> None:
    rules = {"hash": ["location"], "leave_out": ["location.ip"]}
    extract = run_tap(config | rules | FLAT, ["profiles"], now=_now)
    properties = extract.schemas["profiles"]["properties"]
    assert properties["location__latitude"]["type"] == ["string", "null"]
    assert "location__ip" not in properties
    assert _digest("Denmark") in {row["location__country"] for row in extract.records["profiles"]}


def test_reconciliation_hashes_too(config: Json) -> None:
    tap = TapKlaviyoReconcile(config=config | RULES | {"counts": "counts.csv"})
    assert tap.run.column_rules["events"].hashed
    assert [vars(stream)["rules"] for stream in tap.streams.values()] == [tap.run.column_rules["events"]]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hash": ["id"]}, "names id, which accounts"),
        ({"hash": ["profiles.id"]}, "names profiles.id, which profiles cannot do without: remove it"),
        (
            {"hash": ["profile_id"]},
            "which list_memberships and segment_memberships cannot do without",
        ),
        ({"leave_out": ["profiles.updated"]}, "which profiles cannot do without"),
        ({"leave_out": ["list_memberships.joined_group_at"]}, "cannot do without"),
        ({"hash": ["events.datetime"]}, "which events cannot do without"),
        ({"hash": ["emial"]}, "but no stream has a column 'emial'; did you mean email?"),
        ({"hash": ["profiles.emial"]}, "but profiles has no column 'emial'; did you mean email?"),
        ({"hash": ["email"], "leave_out": ["profiles.email"]}, "both name profiles.email"),
        ({"hash": ["email"], "hashing_key": None}, "the setting `hashing_key` is missing"),
        ({"hash": ["email"], "hashing_key": "short"}, "the setting `hashing_key` has fewer than 32 characters"),
        ({"hash": [""]}, "no stream has a column ''"),
    ],
)
def test_a_rule_that_makes_no_sense_ends_the_run_before_it_begins(
    sandbox: Sandbox, config: Json, run_tap: RunTap, settings: Json, said: str
) -> None:
    before = sandbox.requests.total()
    with pytest.raises(ConfigurationError) as caught:
        run_tap(config | settings, now=_now)
    assert said in str(caught.value)
    assert "short" not in str(caught.value)
    assert sandbox.requests.total() == before


NAMES = st.sampled_from(["a", "b", "a.b"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
DECLARED = {"s": Declared(["c", "k"], ["k"])}


@given(values, st.sampled_from(["c", "c.a", "c.a.b", "s.c.b"]), st.booleans())
def test_of_anything_exactly_what_lies_at_the_path_is_hashed(
    value: Any,  # noqa: ANN401 - JSON
    rule: str,
    encoded: bool,  # noqa: FBT001
) -> None:
    """Whether it comes as bytes or as a value; and twice the same."""
    (rules,) = rules_of({"hash": [rule], "hashing_key": KEY}, DECLARED).values()
    record = {"k": 1, "c": msgspec.Raw(msgspec.json.encode(value)) if encoded else value}
    once, again = rules.apply(record), rules.apply(record)
    assert once == again
    path = tuple(rule.removeprefix("s.").split(".")[1:])
    assert once == {"k": 1, "c": _expected(value, path)}


def _expected(value: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_expected(each, path) for each in value]
    if isinstance(value, dict):
        if not path:
            return {name: _expected(each, ()) for name, each in value.items()}
        whole = ".".join(path)
        known = {name: each for name, each in value.items() if name == path[0] or name == whole}
        return value | {name: _expected(each, () if name == whole else path[1:]) for name, each in known.items()}
    if path or value is None:
        return value
    return _digest(value if isinstance(value, str) else msgspec.json.encode(value).decode())


def test_no_rule_shows_its_key() -> None:
    assert KEY not in repr(ColumnRules(hashed=(("c",),), key=KEY.encode()))
