"""A flow that asks: who it is for, what it sends, and that its repetitions are one."""

from __future__ import annotations

from pathlib import Path

import pytest
from inbox_door import TOKEN, Json, door

ASKED = {"profile_id": "01ABC", "request_id": "01ABC/77", "attrs": {"basket": "12.50"}}
RECORD = {
    "request_id": "welcome:01ABC/77",
    "experiment_key": "welcome",
    "profile_id": "01ABC",
    "tracking_id": None,
    "attrs": {"basket": "12.50"},
    "fields": None,
}


def test_a_request_is_known_by_its_experiment_and_its_name(tmp_path: Path) -> None:
    with door(tmp_path) as inbox:
        assert inbox.flow(ASKED).json["stored"] == 1
        assert inbox.flow(ASKED | {"attrs": {}}).json["duplicates"] == 1
        assert inbox.flow(ASKED, "winback").json["stored"] == 1
        assert inbox.records("flow_requests") == [
            RECORD,
            RECORD | {"request_id": "winback:01ABC/77", "experiment_key": "winback"},
        ]


def test_a_request_without_a_name_is_known_by_what_it_sends(tmp_path: Path) -> None:
    with door(tmp_path) as inbox:
        asked = {"profile_id": "01ABC", "tracking_id": 7, "fields": {"name": "Ada"}}
        assert [inbox.flow(asked).json["stored"] for _ in range(2)] == [1, 0]
        assert inbox.flow(asked | {"tracking_id": 8}).json["stored"] == 1
        assert [each["tracking_id"] for each in inbox.records("flow_requests")] == ["7", "8"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"request_id": "7"}, "`profile_id` is missing"),
        ({"profile_id": " "}, "`profile_id` is missing"),
        ({"profile_id": ["01ABC"]}, "`profile_id` is missing"),
        (ASKED | {"attrs": []}, "`attrs` is no JSON object"),
        (ASKED | {"fields": "x"}, "`fields` is no JSON object"),
        (ASKED | {"request_id": "x" * 2_000}, "`request_id` has more than 1,000 characters"),
        ([], "it is no JSON object"),
    ],
)
def test_what_asks_for_nobody_is_put_away(body: Json, reason: str, tmp_path: Path) -> None:
    with door(tmp_path) as inbox:
        assert inbox.flow(body).json == {"stored": 0, "duplicates": 0, "put_away": 1}
        assert [each.reason for each in inbox.dead_letters()] == [reason]


def test_what_is_no_text_is_none_in_the_address_either(tmp_path: Path) -> None:
    """Many warehouses cannot hold NUL."""
    with door(tmp_path) as inbox:
        inbox.flow(b'{"profile_id": "A\\u0000", "request_id": "1"}', "wel\0come")
        [record] = inbox.records("flow_requests")
        assert (record["experiment_key"], record["profile_id"]) == ("wel\ufffdcome", "A\ufffd")


def test_only_the_token_opens(tmp_path: Path) -> None:
    """And each of several; not a beginning of it, nor it with something behind, nor in other letters."""
    with door(tmp_path, flow_token=(TOKEN, "ünother-token-of-length")) as inbox:
        assert (
            inbox.call("/klaviyo/flows/w", b"{}", {"X-Inbox-Token": "ünother-token-of-length".encode()}).status
            == 200
        )
        assert inbox.flow(ASKED).status == 200
        for wrong in ("", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), "None"):
            assert inbox.flow(ASKED, token=wrong).status == 401
