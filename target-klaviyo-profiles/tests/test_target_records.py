"""Records to resources: what is sent, what is refused, what is nothing."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import Group, Rejected, Row
from target_klaviyo_profiles.sinks import SINKS, sinks_for
from target_klaviyo_profiles.sinks.profiles import IMPORT, Profiles
from target_klaviyo_profiles.sinks.templates import Templates

if TYPE_CHECKING:
    from target_klaviyo_profiles.sinks.base import Sink

Json = dict[str, Any]


def _sent(record: Json, sink: Sink | None = None) -> Json:
    row = (sink or Profiles()).row(record)
    assert row is not None
    body: Json = json.loads(row.payload)
    return body


def _refused(record: Json, sink: Sink | None = None) -> Rejected:
    with pytest.raises(Rejected) as caught:
        (sink or Profiles()).row(record)
    return caught.value


def test_every_field_lands_where_klaviyo_wants_it() -> None:
    record = {
        "external_id": "crm-1",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "organization": "Engines",
        "locale": "en-GB",
        "title": "Countess",
        "image": "https://example.com/a.png",
        "location": {"city": "London", "zip": "W1", "latitude": 51.5, "longitude": "-0.1"},
        "properties": {"plan": "pro", "tags": ["a", "b"], "seats": 3, "trial": False, "nested": {"deep": [1]}},
        "unset": ["old"],
        "list_id": "LIST01",
    }
    row = Profiles().row(record)
    assert row is not None
    assert row.key == Key("external_id", "crm-1")
    assert row.group == Group(IMPORT, ("LIST01",))
    assert json.loads(row.payload) == {
        "type": "profile",
        "attributes": {name: value for name, value in record.items() if name not in {"unset", "list_id"}},
        "meta": {"patch_properties": {"unset": ["old"]}},
    }


def test_an_id_is_beside_the_attributes() -> None:
    assert _sent({"id": "01J", "title": "Dr"}) == {"type": "profile", "id": "01J", "attributes": {"title": "Dr"}}


def test_only_the_first_identifier_is_sent_since_several_can_merge_profiles() -> None:
    record = {
        "id": "01J",
        "external_id": "crm-1",
        "email": "a@b.co",
        "phone_number": "+14155552671",
        "title": "Dr",
    }
    assert _sent(record) == {"type": "profile", "id": "01J", "attributes": {"title": "Dr"}}
    del record["id"], record["external_id"]
    assert _sent(record) == {"type": "profile", "attributes": {"email": "a@b.co", "title": "Dr"}}


def test_an_address_is_sent_as_it_is_spelled_and_compared_without_case() -> None:
    row = Profiles().row({"email": " Ada@B.Co "})
    payload = b'{"type":"profile","attributes":{"email":"Ada@B.Co"}}'
    assert row == Row(Key("email", "ada@b.co"), Group(IMPORT), payload)


def test_nulls_are_never_sent() -> None:
    record = {
        "email": "a@b.co",
        "first_name": None,
        "location": {"city": None, "region": "CA"},
        "properties": {"gone": None, "deep": {"inner": None, "kept": 0}, "list": [1, None, {"a": None}]},
        "unset": None,
        "list_id": None,
    }
    assert _sent(record)["attributes"] == {
        "email": "a@b.co",
        "location": {"region": "CA"},
        "properties": {"deep": {"kept": 0}, "list": [1, {}]},
    }


def test_objects_of_nulls_are_not_sent_at_all() -> None:
    assert _sent({"email": "a@b.co", "location": {"city": None}, "properties": {"a": None}}) == {
        "type": "profile",
        "attributes": {"email": "a@b.co"},
    }


@pytest.mark.parametrize(
    "record", [{"id": "01J"}, {"id": "01J", "email": "a@b.co", "properties": None, "unset": []}]
)
def test_a_known_profile_about_which_nothing_is_said_is_not_sent(record: Json) -> None:
    assert Profiles().row(record) is None


@pytest.mark.parametrize(
    "record",
    [{"email": "a@b.co"}, {"external_id": "1"}, {"id": "01J", "list_id": "L"}, {"id": "01J", "unset": ["a"]}],
)
def test_creating_joining_and_unsetting_are_something(record: Json) -> None:
    assert Profiles().row(record) is not None


def test_whole_numbers_are_taken_as_text_since_warehouses_keep_ids_as_numbers() -> None:
    sent = _sent({"external_id": 1234, "location": {"zip": 10017}, "first_name": 5})
    assert sent["attributes"] == {"external_id": "1234", "location": {"zip": "10017"}, "first_name": "5"}


def test_metadata_columns_are_left_out() -> None:
    assert _sent({"email": "a@b.co", "_sdc_batched_at": "x", "_sdc_new_one": 1})["attributes"] == {
        "email": "a@b.co"
    }


_NAMES = st.sampled_from("abcd")
_CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "first_name": st.text(max_size=2),
        "title": st.text(max_size=2),
        "location": st.dictionaries(st.sampled_from(["city", "zip"]), st.text(max_size=2)),
        "properties": st.dictionaries(_NAMES, st.integers(0, 9) | st.lists(st.integers(0, 9))),
        "unset": st.lists(_NAMES, unique=True),
    },
)


def _applied(profile: Json, row: bytes) -> Json:
    """What an import does to a profile, as Klaviyo documents it: absent stays, properties merge, unset removes."""
    body = json.loads(row)
    after = {**profile, **body["attributes"]}
    unset = body.get("meta", {}).get("patch_properties", {}).get("unset", [])
    properties = {**profile.get("properties", {}), **body["attributes"].get("properties", {})}
    after["properties"] = {name: value for name, value in properties.items() if name not in unset}
    after["location"] = {**profile.get("location", {}), **body["attributes"].get("location", {})}
    return after


@given(changes=st.lists(_CHANGES, min_size=2, max_size=4))
def test_combined_records_do_what_they_do_one_after_the_other(changes: list[Json]) -> None:
    sink, rows = Profiles(), []
    for change in changes:
        change["properties"] = {
            name: value
            for name, value in change.get("properties", {}).items()
            if name not in change.get("unset", [])
        }
        row = sink.row({"email": "a@b.co", **change})
        assert row is not None
        rows.append(row.payload)
    one_by_one: Json = {"properties": {"a": 0, "b": [1]}, "location": {"city": "Oslo"}, "title": "Dr"}
    at_once = dict(one_by_one)
    combined: bytes | None = rows[0]
    for payload in rows:
        one_by_one = _applied(one_by_one, payload)
    for payload in rows[1:]:
        combined = sink.combined(combined or b"", payload)
    assert combined is not None
    assert _applied(at_once, combined) == one_by_one


def test_records_that_are_too_large_together_are_not_combined() -> None:
    rows = [Profiles().row({"id": "01J", "properties": {name: "x" * 60_000}}) for name in "ab"]
    assert rows[0] is not None
    assert rows[1] is not None
    assert Profiles().combined(rows[0].payload, rows[1].payload) is None


HOSTILE = "\u0000\u001f\u2028\ufeff\U0001f9e0\"\\/<script>{% now %}{{ 7*7 }}' or 1=1 --\r\n"


def test_hostile_text_is_only_text() -> None:
    assert _sent({"email": "a@b.co", "properties": {HOSTILE: HOSTILE}})["attributes"]["properties"] == {
        HOSTILE: HOSTILE
    }


@pytest.mark.parametrize(
    ("record", "code", "pointer", "key"),
    [
        ({}, "no_identifier", None, None),
        ({"email": " ", "first_name": "Ada"}, "no_identifier", None, None),
        ({"email": "nope"}, "invalid_email", "/email", ("email", "nope")),
        ({"phone_number": "123"}, "invalid_phone_number", "/phone_number", ("phone_number", "123")),
        ({"id": "01J", "properties": {"a": math.nan}}, "invalid_value", "/properties", ("id", "01J")),
        ({"id": "01J", "properties": {"a": [math.inf]}}, "invalid_value", "/properties", ("id", "01J")),
        ({"id": "01J", "properties": {"a": "\ud800"}}, "invalid_value", None, ("id", "01J")),
        ({"id": "01J", "properties": "[]"}, "invalid_value", "/properties", ("id", "01J")),
        ({"id": "01J", "properties": []}, "invalid_value", "/properties", ("id", "01J")),
        ({"id": "01J", "first_name": True}, "invalid_value", "/first_name", ("id", "01J")),
        ({"id": "01J", "title": 1.5}, "invalid_value", "/title", ("id", "01J")),
        ({"id": "01J", "unset": "old"}, "invalid_value", "/unset", ("id", "01J")),
        ({"id": "01J", "unset": [1]}, "invalid_value", "/unset", ("id", "01J")),
        ({"id": True, "email": "a@b.co"}, "invalid_value", "/id", ("email", "a@b.co")),
        ({"id": "01J", "fist_name": "Ada"}, "unknown_field", "/fist_name", ("id", "01J")),
        ({"id": "01J", "location": {"town": "x"}}, "invalid_value", "/location/town", ("id", "01J")),
        ({"id": "01J", "location": {"city": 1.5}}, "invalid_value", "/location/city", ("id", "01J")),
        ({"id": "01J", "location": {"latitude": True}}, "invalid_value", "/location/latitude", ("id", "01J")),
        ({"id": "01J", "properties": {"a": 1}, "unset": ["a"]}, "contradiction", "/unset", ("id", "01J")),
        ({"id": "01J", "properties": {"a": "x" * 100_000}}, "too_large", None, ("id", "01J")),
    ],
)
def test_what_klaviyo_would_refuse_is_refused_before_it_is_sent(
    record: Json, code: str, pointer: str | None, key: tuple[str, str] | None
) -> None:
    rejected = _refused(record)
    assert (rejected.reason.code, rejected.reason.pointer, rejected.key) == (code, pointer, key and Key(*key))
    assert rejected.reason.remedy


def test_the_largest_profile_is_sent() -> None:
    body = len(b'{"type":"profile","id":"01J","attributes":{"properties":{"a":""}}}')
    row = Profiles().row({"id": "01J", "properties": {"a": "é" * ((100_000 - body) // 2)}})
    assert row is not None
    assert 99_999 <= len(row.payload) <= 100_000


def test_nesting_that_python_cannot_follow_is_refused() -> None:
    deep: Json = {}
    for _ in range(2_000):
        deep = {"a": deep}
    assert _refused({"id": "01J", "properties": deep}).reason.code == "invalid_value"


def test_templates_are_named_html() -> None:
    assert _sent({"name": " spring ", "html": "<p>x</p>", "text": None}, Templates()) == {
        "type": "template",
        "attributes": {"name": "spring", "html": "<p>x</p>"},
    }
    assert _refused({"html": "<p>x</p>"}, Templates()).reason.code == "missing_field"
    assert _refused({"name": "spring", "html": " "}, Templates()).reason.pointer == "/html"
    assert _refused({"name": "spring", "html": "x" * 5_000_000}, Templates()).reason.code == "too_large"


@pytest.mark.parametrize("sink", SINKS)
def test_every_sink_says_what_it_is(sink: type[Sink]) -> None:
    assert sink.__doc__
    assert all(field.description for field in sink.fields)
    assert len({field.name for field in sink.fields}) == len(sink.fields)
    assert sink.scopes()
    assert sink.endpoints()[0].method != "GET"


def test_streams_are_unique_at_a_revision() -> None:
    assert len({(sink.stream, sink.revision()) for sink in SINKS}) == len(SINKS)
    for revision in {sink.revision() for sink in SINKS} | {"2099-01-15"}:
        found = sinks_for(revision)
        assert {sink.stream for sink in found} == {sink.stream for sink in SINKS}
        assert len({sink.stream for sink in found}) == len(found)
        assert all(sink.revision() <= revision for sink in found)
