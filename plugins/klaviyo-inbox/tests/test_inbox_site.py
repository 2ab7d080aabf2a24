"""Site events: the calls of Segment's and RudderStack's libraries, one at a time and many."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from inbox_door import Answer, Door, Json, door

KEY = "a-write-key-of-length"
CALL: Json = {
    "event": "Product Viewed",
    "userId": "u1",
    "anonymousId": "a1",
    "messageId": "m1",
    "properties": {"price": 9.5},
    "context": {"ip": "203.0.113.9"},
    "integrations": {"Klaviyo": False},
    "timestamp": "2026-09-04T13:00:00.000Z",
}
RECORD: Json = {
    "message_id": "m1",
    "type": "track",
    "event": "Product Viewed",
    "user_id": "u1",
    "anonymous_id": "a1",
    "occurred_at": "2026-09-04T13:00:00+00:00",
    "properties": {"price": 9.5},
    "context": {"ip": "203.0.113.9", "integrations": {"Klaviyo": False}},
}


def send(inbox: Door, call: str, body: Any, key: str = f"{KEY}:", **headers: str) -> Answer:  # noqa: ANN401 - JSON
    basic = base64.b64encode(key.encode()).decode()
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return inbox.call(f"/v1/{call}", raw, {"Authorization": f"Basic {basic}", **headers})


def records(inbox: Door) -> list[Json]:
    return [json.loads(json.dumps(each, default=float)) for each in inbox.records("site_events")]


def test_a_call_is_a_record_once(tmp_path: Path) -> None:
    with door(tmp_path, write_keys=(KEY,)) as inbox:
        assert send(inbox, "track", CALL).json["stored"] == 1
        assert send(inbox, "track", CALL | {"sentAt": "2026-09-04T13:00:01Z"}).json["duplicates"] == 1
        assert records(inbox) == [RECORD]


@pytest.mark.parametrize(
    ("call", "sent", "changed"),
    [
        ("identify", {"traits": {"email": "ada@example.com"}}, {"event": None}),
        ("page", {"name": "Home"}, {"event": "Home"}),
        ("screen", {"name": None, "event": "ignored"}, {"event": None}),
        ("group", {"traits": {"plan": "a"}}, {"event": None, "properties": {"plan": "a"}}),
        ("track", {"userId": None}, {"user_id": None}),
        ("track", {"userId": 7}, {"user_id": "7"}),
        ("track", {"timestamp": None}, {"occurred_at": "2026-09-04T13:20:00+00:00"}),
        ("track", {"timestamp": "noon"}, {"occurred_at": "2026-09-04T13:20:00+00:00"}),
        # The sender's clock is an hour behind: it says twenty past twelve while it is twenty past one.
        ("track", {"sentAt": "2026-09-04T12:20:00Z"}, {"occurred_at": "2026-09-04T14:00:00+00:00"}),
        ("track", {"sentAt": "0001-01-01T00:00:00Z"}, {"occurred_at": "4052-05-09T02:20:00+00:00"}),
        (
            "track",
            {"originalTimestamp": "2026-09-04T11:00:00Z", "sentAt": "2026-09-04T13:20:00Z"},
            {"occurred_at": "2026-09-04T11:00:00+00:00"},
        ),
        ("track", {"context": None, "integrations": None}, {"context": {}}),
    ],
)
def test_each_kind_of_call(call: str, sent: Json, changed: Json, tmp_path: Path) -> None:
    with door(tmp_path, write_keys=(KEY,)) as inbox:
        assert send(inbox, call, CALL | sent).json["stored"] == 1
        expected = RECORD | {"type": call} | changed
        if call == "identify":
            expected["context"] = {
                **CALL["context"],
                "traits": sent["traits"],
                "integrations": CALL["integrations"],
            }
        [record] = records(inbox)
        if "0001" in str(sent):  # as far off as a clock can be: some time, and no error
            record["occurred_at"] = expected["occurred_at"]
        assert record == expected


def test_a_batch_loses_none_for_another_and_shares_its_context(tmp_path: Path) -> None:
    bad: list[Any] = [
        {"type": "track", "userId": "u"},
        {"type": "track", "event": "E"},
        {"type": "buy", "userId": "u"},
        {"event": "E", "userId": "u"},
        7,
    ]
    good = [{**CALL, "type": "track", "messageId": f"m{n}", "context": {"locale": "en"}} for n in range(20)]
    body = {"batch": [*good[:7], *bad, *good[7:]], "context": {"ip": "::1"}, "sentAt": "2026-09-04T13:20:00Z"}
    with door(tmp_path, write_keys=(KEY,)) as inbox:
        packed = gzip.compress(json.dumps(body).encode())
        answer = send(inbox, "batch", packed, **{"Content-Encoding": "gzip"})
        assert answer.json == {"stored": 20, "duplicates": 0, "put_away": 5}
        assert records(inbox) == [
            RECORD
            | {
                "message_id": f"m{n}",
                "context": {"ip": "::1", "locale": "en", "integrations": {"Klaviyo": False}},
            }
            for n in range(20)
        ]
        assert send(inbox, "batch", {"batch": {}}).json["put_away"] == 1
        broken = json.dumps({"batch": [CALL | {"type": "track", "messageId": "x"}, float("inf")]}).encode()
        assert send(inbox, "batch", broken).json == {"stored": 1, "duplicates": 0, "put_away": 1}


def test_a_call_without_an_id_is_known_by_what_it_is(tmp_path: Path) -> None:
    with door(tmp_path, write_keys=(KEY,)) as inbox:
        call = {**CALL, "messageId": None}
        assert send(inbox, "track", call).json["stored"] == 1
        assert send(inbox, "track", call).json["duplicates"] == 1
        assert send(inbox, "batch", {"batch": [{"type": "track", **call, "event": "Other"}]}).json["stored"] == 1


def test_only_a_write_key_opens(tmp_path: Path) -> None:
    with door(tmp_path, write_keys=(KEY, "another-key-of-length")) as inbox:
        assert send(inbox, "track", CALL, "another-key-of-length:").status == 200
        assert send(inbox, "track", CALL, f"{KEY}:anything").status == 200
        for wrong in ("", ":", f":{KEY}", f"{KEY}x:", KEY.upper()):
            assert send(inbox, "track", CALL, wrong).status == 401
        assert inbox.call("/v1/track", b"{}", {"Authorization": "Basic %%%"}).status == 401
        assert inbox.call("/v1/buy", b"{}").status == 404
