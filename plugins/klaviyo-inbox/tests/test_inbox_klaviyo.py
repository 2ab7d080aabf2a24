"""Klaviyo's system webhooks: who is believed, what becomes of an event, and that none is lost for another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inbox_door import MADE, SECRET, Json, digest64, door, event, signed, webhook_body

PATH = "/klaviyo/webhooks"
RECORD = {
    "id": "4L3cwQae2TX",
    "datetime": "2026-09-04T13:14:49+00:00",
    "timestamp": 1_788_527_689,
    "uuid": "5ddd4a80-a860-11f1-8001-5ddf45a5ce7b",
    "event_properties": {"method": "PROFILE_PAGE", "$event_id": "1788527689"},
    "profile_id": "01HZXPROFILE",
    "metric_id": "M3TR1C",
}


def test_an_event_becomes_a_record_of_the_taps_shape(tmp_path: Path) -> None:
    """The header's clock is five hours off, as it was recorded: it is no clock."""
    with door(tmp_path) as inbox:
        answer = inbox.klaviyo(webhook_body(event()))
        assert (answer.status, answer.json) == (200, {"stored": 1, "duplicates": 0, "put_away": 0})
        assert inbox.records("pushed_events") == [RECORD]


@pytest.mark.parametrize(
    ("attributes", "changed"),
    [
        ({"datetime": "2023-08-10 07:21:56+00:00", "timestamp": 1_691_652_116}, {}),
        ({"datetime": "2023-08-10T07:21:56Z", "timestamp": None}, {}),
        ({"datetime": "2023-08-10T09:21:56+02:00", "timestamp": "1691652116"}, {}),
        ({"datetime": None, "timestamp": 1_691_652_116}, {}),
        ({"datetime": "at noon", "timestamp": 1_691_652_116}, {}),
        ({"datetime": "2023-08-10T07:21:56", "event_properties": []}, {"event_properties": None}),
        (
            {"datetime": "2023-08-10T07:21:56", "event_properties": {"a": 1, "$attribution": {"$flow": "X"}}},
            {"event_properties": {"a": 1}},
        ),
        ({"datetime": "2023-08-10T07:21:56", "uuid": None}, {"uuid": None}),
    ],
)
def test_payloads_of_older_revisions(attributes: Json, changed: Json, tmp_path: Path) -> None:
    with door(tmp_path) as inbox:
        inbox.klaviyo(webhook_body(event(**attributes)))
        expected = RECORD | {"datetime": "2023-08-10T07:21:56+00:00", "timestamp": 1_691_652_116} | changed
        assert inbox.records("pushed_events") == [expected]


def test_values_keep_every_digit_and_what_is_no_text_is_replaced(tmp_path: Path) -> None:
    raw = json.dumps(webhook_body(event(event_properties={"a": "X"}))).encode()
    raw = raw.replace(b'"X"', rb'[123456789012345678901234567890, 0.10, 1e999, "\u0000\ud83d", "\ud83d\ude00"]')
    with door(tmp_path) as inbox:
        assert inbox.klaviyo(raw).json["stored"] == 1
        numbers = inbox.records("pushed_events")[0]["event_properties"]["a"]
        assert [str(each) for each in numbers[:3]] == ["123456789012345678901234567890", "0.10", "1E+999"]
        assert numbers[3:] == ["\ufffd\ufffd", "😀"]


@pytest.mark.parametrize(
    "bad",
    [
        {"topic": "event:klaviyo.sent_sms", "external_id": "4L3cwQae2TX"},
        {"payload": {"data": {"id": "", "attributes": {"timestamp": 1}}}},
        {"payload": {"data": {"id": "E", "attributes": {"timestamp": None, "datetime": "99999-01-01"}}}},
        {"payload": {"data": {"id": "E", "attributes": {"timestamp": 1e300}}}},
        {"payload": {"data": {"id": "E" * 2_000, "attributes": {"timestamp": 1}}}},
        {"payload": [], "topic": {}},
        None,
        "text",
        event("E", event_properties={"n": float("nan")}),
        event("E", event_properties={"deep": json.loads("[" * 150 + "]" * 150)}),
    ],
)
def test_one_bad_event_costs_none_of_the_other_999(bad: Any, tmp_path: Path) -> None:  # noqa: ANN401 - JSON
    good = [event(f"E{n}") for n in range(999)]
    with door(tmp_path) as inbox:
        answer = inbox.klaviyo(webhook_body(*good[:500], bad, *good[500:]))
        assert (answer.status, answer.json) == (200, {"stored": 999, "duplicates": 0, "put_away": 1})
        assert {each["id"] for each in inbox.records("pushed_events")} == {f"E{n}" for n in range(999)}
        [dead] = inbox.dead_letters()
        assert dead.source == "klaviyo_webhooks"


def test_a_redelivery_changes_nothing(tmp_path: Path) -> None:
    """In another order, in other company, many at once, and one twice in a delivery."""
    events = [event(f"E{n}") for n in range(50)]
    with door(tmp_path) as inbox:
        deliveries = [signed(webhook_body(*events[n::3], *events[:n])) for n in range(3) for _ in range(20)]
        answers = inbox.calls(PATH, deliveries)
        assert {each.status for each in answers} == {200}
        assert sum(each.json["stored"] for each in answers) == 50
        again = inbox.klaviyo(webhook_body(*events, events[0]))
        assert again.json == {"stored": 0, "duplicates": 51, "put_away": 0}
        assert sorted(each["id"] for each in inbox.records("pushed_events")) == sorted(f"E{n}" for n in range(50))


def test_a_delivery_without_a_list_is_put_away_once(tmp_path: Path) -> None:
    """It was signed: Klaviyo would send it again for ever."""
    with door(tmp_path) as inbox:
        for body in (b"", b"[]", b'{"data":{}}', b"\xff" * 9, b"[" * 100_000, b'{"data":[1],"meta":{}}'):
            for _ in range(2):
                assert inbox.klaviyo(body).status == 200
        assert len(inbox.dead_letters()) == 6
        assert inbox.records("pushed_events") == []


@pytest.mark.parametrize(
    ("meta", "header", "status"),
    [
        ({}, "wh_1", 200),
        ({}, "wh_2", 401),
        ({"klaviyo_webhook_id": "wh_2"}, "wh_1", 401),
        ({"klaviyo_webhook_id": "wh_2"}, "wh_2", 401),
        ({"timestamp": "2026-09-04T13:19:59.5Z"}, "wh_1", 200),
        ({"timestamp": "2026-09-04T12:19:59Z"}, "wh_1", 401),
        ({"timestamp": "2026-09-04T14:20:01Z"}, "wh_1", 401),
        ({"timestamp": None}, "wh_1", "put away"),
        ({"timestamp": 7}, "wh_1", "put away"),
        ({"timestamp": "2026-09-04"}, "wh_1", "put away"),
        ({"klaviyo_webhook_id": None}, "wh_1", "put away"),
    ],
)
def test_the_signed_body_says_which_webhook_made_it_and_when(
    meta: Json, header: str, status: int | str, tmp_path: Path
) -> None:
    """Of what does not tell nothing becomes a record, though it was signed."""
    with door(tmp_path, klaviyo_webhook_ids=("wh_1",), replay_seconds=3600) as inbox:
        answer = inbox.call(PATH, *signed(webhook_body(event(), **meta), webhook=header))
        assert answer.status == (200 if status == "put away" else status)
        assert len(inbox.dead_letters()) == (status == "put away")
        assert len(inbox.records("pushed_events")) == (status == 200)


def test_both_secrets_open_while_one_is_changed(tmp_path: Path) -> None:
    with door(tmp_path, klaviyo_webhook_secrets=("the-new-secret-of-it", SECRET)) as inbox:
        for n, secret in enumerate((SECRET, "the-new-secret-of-it")):
            assert inbox.call(PATH, *signed(webhook_body(event(f"E{n}")), secret)).json["stored"] == 1
        assert inbox.call(PATH, *signed(webhook_body(event()), "the-old-secret-of-it")).status == 401
        assert len(inbox.records("pushed_events")) == 2


def test_the_signature_that_some_guides_describe_opens_nothing(tmp_path: Path) -> None:
    raw, headers = signed(webhook_body(event()))
    mac = digest64(raw)
    with door(tmp_path) as inbox:
        for names in (["X-Klaviyo-Signature"], ["X-Klaviyo-Signature", "Klaviyo-Signature"]):
            given = {**headers, **dict.fromkeys(names, mac)}
            if len(names) == 1:
                del given["Klaviyo-Signature"]
            assert inbox.call(PATH, raw, given).status == 401
        assert inbox.records("pushed_events") == []


def test_a_bit_that_was_changed_on_the_way_opens_nothing(tmp_path: Path) -> None:
    with door(tmp_path) as inbox:

        @settings(max_examples=100, deadline=None)
        @given(st.data())
        def changed(data: st.DataObject) -> None:
            body, headers = signed(data.draw(st.binary(min_size=1, max_size=200)))
            parts = {
                "body": body,
                "Klaviyo-Timestamp": MADE,
                "Klaviyo-Signature": headers["Klaviyo-Signature"].encode(),
            }
            which = data.draw(st.sampled_from(sorted(parts)))
            place = data.draw(st.integers(0, len(parts[which]) * 8 - 1))
            bits = bytearray(parts[which])
            bits[place // 8] ^= 1 << place % 8
            parts[which] = bytes(bits)
            assert inbox.call(PATH, parts.pop("body"), {**headers, **parts}).status == 401

        changed()
        assert inbox.dead_letters() == []
