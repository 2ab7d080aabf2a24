"""Forms and requests of people: each statement once, none taken for another, and the sender is told its name."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from inbox_door import TOKEN, Answer, Door, Json, door

STATED = {
    "email": "ada@example.com",
    "channels": {"email": "given", "sms": "withdrawn"},
    "stated_at": "2026-09-04T13:00:00Z",
    "source": "checkout",
    "method": "box",
    "proof": {"text": "Yes, write to me"},
    "list_id": "L1",
    "contact": {"first_name": "Ada"},
    "properties": {"size": "M"},
}


def form(inbox: Door, body: Json, path: str = "/consent") -> Answer:
    return inbox.call(path, json.dumps(body).encode(), {"Authorization": f"Bearer {TOKEN}"})


def test_a_form_is_a_statement_for_each_channel(tmp_path: Path) -> None:
    with door(tmp_path, form_token=TOKEN) as inbox:
        answer = form(inbox, STATED)
        request = answer.json["request_id"]
        assert answer.json == {"stored": 2, "duplicates": 0, "put_away": 0, "request_id": request}
        assert form(inbox, STATED).json == {"stored": 0, "duplicates": 2, "put_away": 0, "request_id": request}
        first, second = inbox.records("consent_statements")
        assert first == {
            "statement_id": f"{request}:email",
            "profile_id": None,
            "email": "ada@example.com",
            "phone_number": None,
            "external_id": None,
            "channel": "email",
            "consent": "given",
            "stated_at": "2026-09-04T13:00:00+00:00",
            "source": "checkout",
            "method": "box",
            "proof": {"text": "Yes, write to me"},
            "list_id": "L1",
            "contact": {"first_name": "Ada"},
            "properties": {"size": "M"},
        }
        assert (second["channel"], second["consent"]) == ("sms", "withdrawn")


def test_whoever_changes_their_mind_twice_is_heard_twice(tmp_path: Path) -> None:
    """Without a time the same words may be said again; with a name or a time they are the same statement."""
    with door(tmp_path, form_token=TOKEN) as inbox:
        given = {"phone_number": "+441632960961", "channel": "sms", "consent": "given"}
        withdrawn = given | {"consent": "withdrawn"}
        for body in (given, withdrawn, given):
            inbox.now += timedelta(seconds=1)
            assert form(inbox, body).json["stored"] == 1
        named = given | {"statement_id": "s1"}
        assert form(inbox, named).json == {"stored": 1, "duplicates": 0, "put_away": 0, "request_id": "s1"}
        inbox.now += timedelta(seconds=1)
        assert form(inbox, named).json["duplicates"] == 1
        said = [each["consent"] for each in inbox.records("consent_statements")]
        assert said == ["given", "withdrawn", "given", "given"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"email": ""}, "it names nobody"),
        ({"channels": {"fax": "given"}}, "1 of `channels` are none of"),
        ({"channels": {}}, "`channels` is no JSON object"),
        ({"channels": {"email": True}}, "`email` is none of `given`, `withdrawn`"),
        ({"channels": None}, "`channel` is none of"),
        ({"channels": None, "channel": "email"}, "`consent` is none of"),
        ({"stated_at": "once"}, "`stated_at` is no moment"),
        ({"proof": "yes"}, "`proof` is no JSON object"),
        ({"statement_id": ""}, "`statement_id` is missing"),
    ],
)
def test_a_form_that_says_too_little_is_put_away_whole(change: Json, reason: str, tmp_path: Path) -> None:
    with door(tmp_path, form_token=TOKEN) as inbox:
        assert form(inbox, STATED | change).json == {"stored": 0, "duplicates": 0, "put_away": 1}
        [dead] = inbox.dead_letters()
        assert dead.reason.startswith(reason)


def test_a_request_of_a_person(tmp_path: Path) -> None:
    asked = {"request_id": "r1", "kind": "deletion", "email": "ada@example.com", "jurisdiction": "EU"}
    with door(tmp_path, privacy_token=TOKEN) as inbox:
        assert form(inbox, asked, "/privacy").json == {
            "stored": 1,
            "duplicates": 0,
            "put_away": 0,
            "request_id": "r1",
        }
        assert form(inbox, asked, "/privacy").json["duplicates"] == 1
        unnamed = {**asked, "request_id": None, "verified_at": "2026-09-04T13:00:00Z", "scope": {"orders": True}}
        assert form(inbox, unnamed, "/privacy").json["stored"] == 1
        changes: list[Json] = [{"kind": "erase"}, {"email": None}, {"scope": []}]
        for change in changes:
            assert form(inbox, {**unnamed, **change}, "/privacy").json["put_away"] == 1
        first, second = inbox.records("privacy_requests")
        assert first == {
            "request_id": "r1",
            "kind": "deletion",
            "profile_id": None,
            "email": "ada@example.com",
            "phone_number": None,
            "external_id": None,
            "jurisdiction": "EU",
            "verified_at": None,
            "scope": None,
        }
        assert (second["verified_at"], second["scope"]) == ("2026-09-04T13:00:00+00:00", {"orders": True})
