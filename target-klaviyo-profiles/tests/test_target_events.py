"""Events: what is sent of a record, and what is refused instead of being lost without a word."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_sandbox.http.faults import AnyFault, Reset, Status, Throttle
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import Rejected
from target_klaviyo_profiles.sinks.events import Events
from target_klaviyo_profiles.sinks.options import Options

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
Load = Callable[..., Any]
Messages = Callable[..., list[Json]]

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SINK = Events(Options(now=lambda: NOW))
PLACED = {"metric": "Placed Order", "email": "ada@b.co", "time": "2026-10-01T12:00:00+00:00"}


def _event(record: Json, sink: Events = SINK) -> Json:
    """The event that is sent of a record, with its profile."""
    row = sink.row(record)
    assert row is not None
    attributes: Json = json.loads(row.payload)["attributes"]
    (event,) = attributes["events"]["data"]
    return {**event["attributes"], "profile": attributes["profile"]["data"]}


def _refused(record: Json) -> Rejected:
    with pytest.raises(Rejected) as caught:
        SINK.row(record)
    return caught.value


def test_every_field_lands_where_klaviyo_wants_it() -> None:
    record = {
        **PLACED,
        "unique_id": "order-1",
        "value": 9.99,
        "value_currency": "eur",
        "properties": {"items": [{"sku": "A1", "n": 2}], "gift": False, "gone": None},
        "backfill": False,
    }
    row = SINK.row(record)
    assert row is not None
    assert row.key == Key("event", "Placed Order of email ada@b.co: order-1")
    assert json.loads(row.payload) == {
        "type": "event-bulk-create",
        "attributes": {
            "profile": {"data": {"type": "profile", "attributes": {"email": "ada@b.co"}}},
            "events": {
                "data": [
                    {
                        "type": "event",
                        "attributes": {
                            "metric": {"data": {"type": "metric", "attributes": {"name": "Placed Order"}}},
                            "properties": {"items": [{"sku": "A1", "n": 2}], "gift": False},
                            "time": "2026-10-01T12:00:00Z",
                            "unique_id": "order-1",
                            "backfill": False,
                            "value": 9.99,
                            "value_currency": "EUR",
                        },
                    }
                ]
            },
        },
    }


@pytest.mark.parametrize(
    ("identifiers", "profile"),
    [
        ({"profile_id": "01J"}, {"type": "profile", "id": "01J", "attributes": {}}),
        ({"external_id": 7, "profile_id": " "}, {"type": "profile", "attributes": {"external_id": "7"}}),
        ({"email": " Ada@B.co "}, {"type": "profile", "attributes": {"email": "Ada@B.co"}}),
        ({"phone_number": "+1 415 555 2671"}, {"type": "profile", "attributes": {"phone_number": "+14155552671"}}),
    ],
)
def test_one_identifier_is_sent(identifiers: Json, profile: Json) -> None:
    record = {"metric": "m", "time": "2026-10-01", **identifiers}
    assert _event(record)["profile"] == profile
    assert _event({"phone_number": "+14155550000", **record})["profile"] == profile


@pytest.mark.parametrize(
    ("time", "sent"),
    [
        ("2026-10-01T12:00:00.999999+02:00", "2026-10-01T10:00:00Z"),
        ("2026-10-01 12:00:00", "2026-10-01T12:00:00Z"),
        ("2026-10-01", "2026-10-01T00:00:00Z"),
        ("1991-01-01T00:00:00Z", "1991-01-01T00:00:00Z"),
        ("2027-11-01T00:00:00Z", "2027-11-01T00:00:00Z"),
    ],
)
def test_times_are_sent_in_utc_to_the_second(time: str, sent: str) -> None:
    assert _event({**PLACED, "time": time})["time"] == sent


@pytest.mark.parametrize("given", [None, True, False])
@pytest.mark.parametrize("setting", [True, False])
def test_backfill_is_always_said(given: bool | None, setting: bool) -> None:  # noqa: FBT001
    sink = Events(Options(now=lambda: NOW, events_backfill=setting))
    assert _event({**PLACED, "backfill": given}, sink)["backfill"] is (setting if given is None else given)


def test_events_only_fill_in_the_past_unless_somebody_says_otherwise() -> None:
    assert _event(PLACED)["backfill"] is True


def _nested(levels: int) -> Json:
    value: Json = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"metric": None}, "missing_field", "/metric"),
        ({"metric": " "}, "missing_field", "/metric"),
        ({"metric": "x" * 128}, "too_large", "/metric"),
        ({"time": None}, "missing_field", "/time"),
        ({"time": "yesterday"}, "invalid_value", "/time"),
        ({"time": 1790856000}, "invalid_value", "/time"),
        ({"time": "1990-12-31T23:59:59.999999Z"}, "time_out_of_range", "/time"),
        ({"time": "2027-11-01T00:00:00.000001Z"}, "time_out_of_range", "/time"),
        ({"time": "0001-01-01T00:00:00+23:59"}, "time_out_of_range", "/time"),
        ({"time": "9999-12-31T23:59:59-23:59"}, "time_out_of_range", "/time"),
        ({"email": None}, "no_identifier", None),
        ({"email": "nope"}, "invalid_email", "/email"),
        ({"email": "ada@example.com"}, "dropped_silently", "/email"),
        ({"email": "ADA@Test.com"}, "dropped_silently", "/email"),
        ({"email": None, "phone_number": "123"}, "invalid_phone_number", "/phone_number"),
        ({"unique_id": "x" * 256}, "too_large", "/unique_id"),
        ({"value": "9,99"}, "invalid_value", "/value"),
        ({"value": True}, "invalid_value", "/value"),
        ({"value": math.inf}, "invalid_value", "/value"),
        ({"value_currency": "euro"}, "invalid_value", "/value_currency"),
        ({"backfill": "yes"}, "invalid_value", "/backfill"),
        ({"properties": "[]"}, "invalid_value", "/properties"),
        ({"properties": {str(each): each for each in range(401)}}, "too_large", "/properties"),
        ({"properties": {"a": [0] * 4_001}}, "too_large", "/properties"),
        ({"properties": {"a": [{"b": "x" * 100_001}]}}, "too_large", "/properties"),
        ({"properties": {"a": "é" * 50_001}}, "too_large", "/properties"),
        ({"properties": {"x" * 100_001: 1}}, "too_large", "/properties"),
        ({"properties": _nested(11)}, "too_large", "/properties"),
        ({"properties": {"a": "\ud800"}}, "invalid_value", None),
        ({"properties": {"a": {"b": [1e400]}}}, "invalid_value", "/properties"),
    ],
)
def test_what_klaviyo_refuses_or_drops_is_refused_before_it_is_sent(
    change: Json, code: str, pointer: str | None
) -> None:
    rejected = _refused({**PLACED, **change})
    assert (rejected.reason.code, rejected.reason.pointer) == (code, pointer)
    assert rejected.reason.remedy


@pytest.mark.parametrize(
    "change",
    [
        {"metric": "x" * 127},
        {"unique_id": "x" * 255},
        {"email": "ada@mail.example.com"},
        {"email": "ada@example.com", "external_id": "crm-1"},
        {"value": 0},
        {"value": -1.5},
        {"properties": {str(each): each for each in range(400)}},
        {"properties": {"a": [0] * 4_000}},
        {"properties": {"a": "é" * 50_000}},
        {"properties": _nested(10)},
    ],
)
def test_what_is_just_allowed_is_sent(change: Json) -> None:
    assert SINK.row({**PLACED, **change}) is not None


_RECORDS = st.fixed_dictionaries(
    {
        "metric": st.sampled_from(["Placed Order", "Viewed"]),
        "email": st.sampled_from(["ada@b.co", "bob@b.co"]),
        "time": st.sampled_from(["2026-10-01T12:00:00Z", "2026-10-01T12:00:00.5Z", "2026-10-02T12:00:00Z"]),
    },
    optional={
        "value": st.sampled_from([1, 2.5]),
        "value_currency": st.sampled_from(["EUR", "USD"]),
        "properties": st.dictionaries(st.sampled_from("ab"), st.sampled_from([1, "1", [1], {"c": 2}, True])),
    },
)


@given(one=_RECORDS, other=_RECORDS)
def test_events_are_the_same_event_only_if_they_say_the_same(one: Json, other: Json) -> None:
    keys = [row.key for record in (one, other) if (row := SINK.row(record)) is not None]
    assert (keys[0] == keys[1]) == (_said(one) == _said(other))
    assert 1 <= len(_event(one)["unique_id"]) <= 255


def _said(record: Json) -> str:
    return json.dumps({"properties": {}, **record}, sort_keys=True)  # tells 1 from True, as JSON does


@given(record=_RECORDS, order=st.randoms(use_true_random=False))
def test_what_is_made_up_is_the_same_in_every_run(record: Json, order: Any) -> None:  # noqa: ANN401
    properties = list(record.get("properties", {}).items())
    order.shuffle(properties)
    instant = datetime.fromisoformat(record["time"]).astimezone(UTC) + timedelta(0)
    again = {
        **record,
        "properties": {**dict(properties), "null": None},
        "time": instant.strftime("%Y-%m-%d %H:%M:%S.%f"),
        "email": f" {record['email'].upper()}",
        "_sdc_batched_at": "later",
        "backfill": True,
    }
    assert _event(again)["unique_id"] == _event(record)["unique_id"]


def test_the_digest_never_changes_or_every_event_would_be_written_again() -> None:
    record = {**PLACED, "value": 9.5, "value_currency": "EUR", "properties": {"sku": "Ä1"}}
    assert _event(record)["unique_id"] == "fbd920fced57ed93f38d86493beb06e47d002fab6e59ed3dee782f9968342304"


def test_the_same_unique_id_is_another_event_for_another_metric_or_profile() -> None:
    keys = {
        row.key
        for change in ({}, {"metric": "Fulfilled Order"}, {"email": "bob@b.co"}, {"unique_id": "o2"})
        if (row := SINK.row({**PLACED, "unique_id": "o1", **change})) is not None
    }
    assert len(keys) == 4


def test_keys_with_personal_data_are_masked() -> None:
    row = SINK.row(PLACED)
    assert row is not None
    assert "ada" not in row.key.masked().value


def test_the_first_of_a_unique_id_counts_as_it_does_in_klaviyo() -> None:
    assert SINK.combined(b"first", b"second") == b"first"


def _written(sandbox: Sandbox) -> list[tuple[str, str, bool]]:
    """The events that Klaviyo kept: `unique_id`, metric, and whether flows were told."""
    sandbox.settle()
    names = {row[0]: str(row[1]) for row in sandbox.store.read("select id, name from metrics")}
    return sorted((each.key, names[each.metric_id], each.flows) for each in sandbox.store.written_events())


def _orders(count: int) -> list[Json]:
    return [
        {**PLACED, "email": f"p{n % 300}@mail.example.net", "unique_id": f"o{n}", "value": n} for n in range(count)
    ]


def test_events_are_kept_a_thousand_a_request(sandbox: Sandbox, load: Load, messages: Messages) -> None:
    run = load(messages(_orders(2_500), stream="events"))
    assert run.error is None
    assert run.states == [{"at": "end"}]
    tally = run.tallies["events"]
    assert (tally.accepted, tally.requests, tally.jobs) == (2_500, 3, 0)
    assert [key for key, *_ in _written(sandbox)] == sorted(f"o{n}" for n in range(2_500))
    assert not any(flows for *_, flows in _written(sandbox))
    assert (sandbox.event_ingest.dropped.total(), sandbox.event_ingest.stats.total()) == (0, 0)


def test_events_fill_requests_by_bytes(load: Load, messages: Messages) -> None:
    text = {"text": "x" * 90_000}
    run = load(messages(({**each, "properties": text} for each in _orders(111)), stream="events"))
    assert (run.tallies["events"].accepted, run.tallies["events"].requests) == (111, 3)


def test_sending_twice_leaves_what_sending_once_leaves(sandbox: Sandbox, load: Load, messages: Messages) -> None:
    records = [{**PLACED, "properties": {"n": n}} for n in range(20)]
    load(messages(records, stream="events"), ledger_path=None)
    kept = _written(sandbox)
    assert len(kept) == 20
    load(messages(reversed(records), stream="events"))
    assert _written(sandbox) == kept


def test_an_event_is_never_twice_in_a_request(sandbox: Sandbox, load: Load, messages: Messages) -> None:
    (profile,) = sandbox.store.read("select id, email from profiles where email is not null limit 1")
    same = [
        {**PLACED, "unique_id": "o1", "value": 1},
        {**PLACED, "unique_id": "o1", "value": 2},
        {**PLACED, "unique_id": "o2", "email": str(profile[1])},
        {**PLACED, "unique_id": "o2", "email": None, "profile_id": str(profile[0])},
    ]
    run = load(messages(same, stream="events"))
    assert run.error is None
    tally = run.tallies["events"]
    assert (tally.accepted, tally.combined, tally.unchanged, tally.rejected.total()) == (2, 1, 1, 0)
    assert [key for key, *_ in _written(sandbox)] == ["o1", "o2"]
    (value,) = sandbox.store.read("select attributes from events where cast(attributes as text) like '%\"o1\"%'")
    assert '"$value":1' in bytes(value[0]).decode()


def test_a_bad_event_does_not_sink_the_others(sandbox: Sandbox, load: Load, messages: Messages) -> None:
    orders = _orders(400)
    # The sandbox takes no empty property name, about which Klaviyo says nothing and so neither do we.
    for n in (0, 200, 399):
        orders[n]["properties"] = {"": 1}
    run = load(messages(orders, stream="events"))
    assert run.error is None
    assert run.tallies["events"].accepted == 397
    assert len(_written(sandbox)) == 397
    assert len(run.rejects) == 3


@pytest.mark.parametrize(
    "fault",
    [
        Status(operation="bulk_create_events", worked=True),
        Reset(operation="bulk_create_events", worked=True),
        Status(operation="bulk_create_events", times=3),
        Throttle(operation="bulk_create_events", retry_after=2, times=3),
    ],
)
def test_no_fault_loses_an_event_or_writes_one_twice(
    sandbox: Sandbox, load: Load, messages: Messages, fault: AnyFault
) -> None:
    sandbox.faults.add(fault)
    run = load(messages(_orders(1_500), stream="events"))
    assert run.error is None
    assert len(_written(sandbox)) == 1_500


def test_flows_are_told_where_a_record_or_the_setting_says_so(
    sandbox: Sandbox, load: Load, messages: Messages
) -> None:
    records = [{**PLACED, "unique_id": "a"}, {**PLACED, "unique_id": "b", "backfill": True}]
    load(messages(records, stream="events"), events_backfill=False)
    assert [(key, flows) for key, _, flows in _written(sandbox)] == [("a", True), ("b", False)]
