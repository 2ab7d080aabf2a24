"""Somebody asks to be deleted: what Klaviyo is told, once, and what becomes of request and consents."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from transform_project import NOW, READ_AT, Row, Selects, Warehouse

from klaviyo_sandbox import Sandbox
from target_klaviyo_profiles.deletions_tap import TapKlaviyoDeletions
from target_klaviyo_profiles.target import TargetKlaviyoProfiles

LONG_AGO = NOW - timedelta(days=90)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(profiles=12, events=0, segments=0, rate_limits="off", import_seconds=0, settle_seconds=0) as held:
        yield held


class Requests:
    """Requests to be deleted in a warehouse, the account that they are about, and what lies between."""

    def __init__(self, warehouse: Warehouse, selects: Selects, sandbox: Sandbox, folder: Path) -> None:
        self.warehouse = warehouse
        self.sandbox = sandbox
        self.audit = folder / "deletions.jsonl"
        self.requests: list[Row] = []
        self.actions: list[Row] = []
        self._selects = selects
        self._folder = folder

    def ask(self, request_id: str, **columns: Any) -> None:  # noqa: ANN401
        asked = {"kind": "deletion", "received_at": NOW - DAY, "verified_at": NOW - HOUR}
        self.requests.append({"request_id": request_id, **asked, **columns})

    def rows(self, model: str) -> list[Row]:
        self.warehouse.land("privacy_requests", self.requests)
        self.warehouse.land("privacy_actions", self.actions)
        return self._selects.rows(self.warehouse, model)

    def due(self) -> set[tuple[str, str]]:
        """By request, the identifiers that are to be sent."""
        return {
            (row["request_id"], row["profile_id"] or row["email"] or row["phone_number"])
            for row in self.rows("pub_klaviyo_profile_deletions")
        }

    def state(self, request_id: str) -> tuple[str, str | None]:
        rows = {row["request_id"]: row for row in self.rows("fct_privacy_requests")}
        return rows[request_id]["state"], rows[request_id]["waits_for"]

    def send(self) -> tuple[int, int]:
        """What is due, by the target; how many were taken, and how many were gone already."""
        rows = self.rows("pub_klaviyo_profile_deletions")
        names = ("request_id", "profile_id", "email", "phone_number")
        schema = {"properties": {name: {"type": ["string", "null"]} for name in names}}
        messages = [
            {"type": "SCHEMA", "stream": "profile_deletions", "schema": schema, "key_properties": []},
            *({"type": "RECORD", "stream": "profile_deletions", "record": row} for row in rows),
        ]
        target = TargetKlaviyoProfiles(
            config={
                "api_key": self.sandbox.api_key,
                "api_url": self.sandbox.url,
                "allow_deletions": True,
                "rejects_path": str(self._folder / "rejects.jsonl"),
                "audit_path": str(self.audit),
            }
        )
        with redirect_stdout(io.StringIO()):
            target.listen(io.StringIO("\n".join(map(json.dumps, messages))))
        self.sandbox.settle()
        tally = target.coordinator.tallies["profile_deletions"]
        return tally.accepted, tally.unchanged

    def read_answers(self) -> None:
        """What the target wrote down, into the warehouse: replaced by its key, as a loader does."""
        (stream,) = TapKlaviyoDeletions(config={"audit_path": str(self.audit)}).streams.values()
        told = [record for record in stream.get_records(None) if isinstance(record, dict)]
        keyed = {(row["request_id"], row["action"], str(row["acted_at"])): row for row in self.actions}
        for row in told:
            row["acted_at"] = row["acted_at"].removesuffix("+00:00")
            keyed[row["request_id"], row["action"], row["acted_at"]] = row
        self.actions = [*keyed.values()]


@pytest.fixture
def requests(warehouse: Warehouse, selects: Selects, sandbox: Sandbox, tmp_path: Path) -> Requests:
    return Requests(warehouse, selects, sandbox, tmp_path)


@pytest.fixture
def people(requests: Requests) -> list[Row]:
    """Of the account, as the warehouse has read them: profiles with an address and a number."""
    read = [
        {"id": each.id, "email": each.email, "phone_number": each.phone_number, "external_id": each.external_id}
        for each in requests.sandbox.store.profiles(
            [row[0] for row in requests.sandbox.store.read("select id from profiles order by id")]
        )
    ]
    requests.warehouse.land("profiles", [{**row, "created": READ_AT, "updated": READ_AT} for row in read])
    return sorted(read, key=lambda row: (row["email"] is None, row["phone_number"] is None, row["id"]))


def test_who_is_verified_is_deleted_once(requests: Requests, people: list[Row]) -> None:
    ada, own, who, spouse = people[:4]
    requests.ask("all", email=f" {ada['email'].upper()}", profile_id=ada["id"])
    requests.ask("own id", external_id=own["external_id"] or "none")
    requests.ask("who", email=who["email"], verified_at=None)
    requests.ask("household", email="somebody@mail.example.net", phone_number=spouse["phone_number"])
    requests.ask("access", email=who["email"], kind="access")
    due = {("all", ada["email"].upper()), ("all", ada["id"]), ("household", "somebody@mail.example.net")}
    due |= {("own id", own["id"])} if own["external_id"] else set()
    assert requests.due() == due
    assert requests.state("who") == ("received", "identity")
    assert requests.state("all") == ("identity_verified", "sending")

    assert sum(requests.send()) == len(due)
    requests.read_answers()
    assert requests.due() == set()
    assert requests.state("all") == ("accepted", None)
    assert requests.state("household") == ("identity_verified", "other_person")
    left = {row[0] for row in requests.sandbox.store.read("select id from profiles")}
    assert {who["id"], spouse["id"]} <= left
    assert ada["id"] not in left
    # Whoever corrects the request has the rest of it done.
    requests.requests[3]["phone_number"] = None
    assert requests.state("household") == ("accepted", None)
    assert requests.send() == (0, 0)


def test_an_answer_that_was_lost_is_asked_for_again(requests: Requests, people: list[Row]) -> None:
    """A crash between Klaviyo's answer and its record: who is deleted already is told as done."""
    requests.ask("1", email=people[0]["email"], profile_id=people[1]["id"])
    requests.send()
    lines = [json.loads(line) for line in requests.audit.read_text().splitlines()]
    kept = [line for line in lines if line["deletion"] == "asking" or "email" in line["profile"]]
    requests.audit.write_text("".join(f"{json.dumps(line)}\n" for line in kept))
    requests.read_answers()
    assert requests.state("1") == ("identity_verified", "sending")
    assert requests.due() == {("1", people[1]["id"])}
    assert requests.send() == (0, 1)
    requests.read_answers()
    assert requests.state("1") == ("accepted", None)
    assert requests.send() == (0, 0)


def test_a_request_goes_from_accepted_to_verified_and_back(requests: Requests, people: list[Row]) -> None:
    requests.ask("1", email=people[0]["email"], received_at=NOW - 10 * DAY, verified_at=NOW - 10 * DAY)
    steps = [
        ("accepted", NOW - 9 * DAY, ("accepted", None)),
        ("still_there", NOW - 9 * DAY + HOUR, ("accepted", None)),
        ("unseen", NOW - 8 * DAY, ("unseen", None)),
        ("unseen", NOW - 8 * DAY + 23 * HOUR, ("unseen", None)),
        ("unseen", NOW - 7 * DAY, ("verified", None)),
        ("still_there", NOW - 6 * DAY, ("identity_verified", "sending")),
        ("accepted", NOW - 5 * DAY, ("accepted", None)),
        ("verified", NOW - 3 * DAY, ("verified", None)),
    ]
    for action, at, expected in steps:
        requests.actions.append({"request_id": "1", "action": action, "acted_at": at})
        assert requests.state("1") == expected, (action, at)
        assert bool(requests.due()) == (expected[1] == "sending")


@pytest.fixture
def consent(requests: Requests) -> Callable[..., str | None]:
    """The state of an address after some statements; None where nothing is known of it."""

    def consent(email: str, *statements: tuple[str, Any]) -> str | None:
        rows = [
            {
                "statement_id": f"{number}:email",
                "channel": "email",
                "consent": said,
                "email": email,
                "method": "form",
                "stated_at": at,
                "received_at": NOW - HOUR,
            }
            for number, (said, at) in enumerate(statements)
        ]
        requests.warehouse.land("consent_statements", rows)
        found = [
            row["state"]
            for row in requests.rows("fct_consent")
            if (row["channel"], row["identifier"]) == ("email", email)
        ]
        return found[0] if found else None

    return consent


def test_who_states_consent_after_the_deletion_begins_anew(
    requests: Requests, consent: Callable[..., str | None]
) -> None:
    email, before = "new@mail.example.net", ("given", LONG_AGO)
    assert consent(email, before) == "subscribed"
    requests.ask("1", email=email, received_at=NOW - 4 * DAY, verified_at=None)
    assert consent(email, before) == "subscribed"
    requests.requests[0]["verified_at"] = NOW - 3 * DAY
    assert consent(email, before) == "unsubscribed"
    between = ("given", NOW - 3 * DAY)
    assert consent(email, before, between) == "subscribed"
    requests.actions.append({"request_id": "1", "action": "accepted", "acted_at": NOW - 2 * DAY})
    # What was given until the deletion went with it, however often it is imported again.
    assert consent(email, before, between) == "unsubscribed"
    assert consent(email, before, between, ("given", NOW - 2 * DAY)) == "unsubscribed"
    after = ("given", NOW - 2 * DAY + timedelta(seconds=1))
    assert consent(email, before, between, after) == "subscribed"
    assert consent(email, after, ("withdrawn", NOW - DAY)) == "unsubscribed"
    requests.actions.append({"request_id": "1", "action": "refused", "acted_at": NOW})
    assert consent(email, before) == "subscribed"


def test_less_than_the_profile_goes_by_the_other_streams_until_klaviyo_shows_it(
    requests: Requests, people: list[Row]
) -> None:
    ada = people[0]
    requests.ask("1", profile_id=ada["id"], scope={"lists": True, "marketing": True}, received_at=LONG_AGO)
    members = [{"list_id": "LstOne", "profile_id": ada["id"], "snapshot_at": READ_AT}]
    requests.warehouse.land("list_memberships", [{**row, "joined_group_at": LONG_AGO} for row in members])
    assert requests.due() == set()
    snapshot = {"group_type": "list", "group_id": "LstOne", "snapshot_at": READ_AT, "member_count": 1}
    requests.warehouse.land("membership_snapshots", [snapshot])
    (leaves,) = requests.rows("pub_klaviyo_list_members")
    assert leaves == {"list_id": "LstOne", "profile_id": ada["id"], "_action": "remove"}
    asked = [
        (row["channel"], row["consent"], row["email"] or row["phone_number"])
        for row in requests.rows("pub_klaviyo_subscriptions")
    ]
    assert sorted(asked) == [
        ("email", "UNSUBSCRIBED", ada["email"]),
        ("sms", "UNSUBSCRIBED", ada["phone_number"]),
        ("whatsapp", "UNSUBSCRIBED", ada["phone_number"]),
    ]
    assert [row["email"] for row in requests.rows("pub_klaviyo_suppressions")] == [ada["email"].lower()]

    withdrawn = {"consent": "UNSUBSCRIBED", "last_updated": f"{READ_AT.isoformat()}+00:00"}
    suppression = [{"reason": "USER_SUPPRESSED", "timestamp": f"{READ_AT.isoformat()}+00:00"}]
    subscriptions = {
        "email": {"marketing": {**withdrawn, "suppression": suppression, "list_suppressions": []}},
        "sms": {"marketing": withdrawn},
        "whatsapp": {"marketing": withdrawn},
    }
    shown = [{**row, "created": LONG_AGO, "updated": READ_AT, "subscriptions": subscriptions} for row in people]
    requests.warehouse.land("profiles", shown)
    requests.warehouse.land("list_memberships", [{**row, "joined_group_at": NOW} for row in members])
    for name in ("list_members", "subscriptions", "suppressions"):
        assert requests.rows(f"pub_klaviyo_{name}") == [], name
