"""Whether somebody who was deleted is gone: state and exit status tell what was seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import requests

from klaviyo_sandbox.http.faults import Status

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Runs = Callable[..., Any]
NOW = datetime.now(UTC)


def _delete(sandbox: Sandbox, email: str) -> None:
    profile = {"data": {"type": "profile", "attributes": {"email": email}}}
    answer = requests.post(
        f"{sandbox.url}/api/data-privacy-deletion-jobs",
        json={"data": {"type": "data-privacy-deletion-job", "attributes": {"profile": profile}}},
        headers={"Authorization": f"Klaviyo-API-Key {sandbox.api_key}", "revision": "2026-07-15"},
        timeout=10,
    )
    assert answer.status_code == 202, answer.text
    sandbox.settle()


def test_a_deletion_is_seen_through(sandbox: Sandbox, run: Runs) -> None:
    key, email = next(sandbox.store.read("select id, email from profiles where email is not null").__iter__())
    words = ("verify", "--email", email.upper(), "--profile-id", key, "--json")
    there = run(*words)
    assert (there.status, json.loads(there.out)["state"]) == (4, "still there")
    assert len(json.loads(there.out)["seen"]) == 2
    assert email not in there.out
    late = run(*words, "--accepted-at", (NOW - timedelta(days=15)).isoformat())
    assert (late.status, json.loads(late.out)["state"]) == (5, "overdue")
    assert run(*words, "--accepted-at", (NOW - timedelta(days=13)).isoformat()).status == 4

    _delete(sandbox, email)
    unseen = run(*words)
    assert (unseen.status, json.loads(unseen.out)["state"]) == (3, "unseen")
    since = json.loads(unseen.out)["unseen_at"]
    assert run(*words, "--unseen-at", since).status == 3
    for hours, status in ((23, 3), (25, 0)):
        again = run(*words, "--unseen-at", (NOW - timedelta(hours=hours)).isoformat())
        assert again.status == status
    assert json.loads(again.out) == {**json.loads(again.out), "state": "verified", "seen": []}

    # A clock that was set back, or a wrong time: the day begins now.
    assert run(*words, "--unseen-at", (NOW + timedelta(days=2)).isoformat()).status == 3


def test_a_household_is_neither_forgotten_nor_looked_for(sandbox: Sandbox, run: Runs, tmp_path: Path) -> None:
    """Of somebody who gave a number that is on another's profile: of that one only the number is theirs."""
    [(other, others, number)] = sandbox.store.read(
        "select id, email, phone_number from profiles where email <> '' and phone_number <> '' order by id limit 1"
    )
    who = ("--email", "gone@mail.example.net", "--phone-number", str(number))
    assert run("verify", *who).status == 3
    settings = {"forgotten_path": tmp_path / "list", "forgotten_key": "a key that no test would guess, of 32"}
    done = run("forget", *who, "--because", "request 1", **settings)
    assert done.out == "2 of 2 identifiers added to the list `forgotten`\n", done.err
    assert run("verify", *who, "--profile-id", str(other)).status == 4
    assert run("verify", "--phone-number", str(number)).status == 4
    assert others not in done.out


def test_what_is_left_in_the_warehouse_is_seen(run: Runs, tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA klaviyo_raw; CREATE TABLE klaviyo_raw.orders (email varchar)")
        connection.execute("INSERT INTO klaviyo_raw.orders VALUES ('gone@mail.example.net')")
    left = run("verify", "--email", "gone@mail.example.net", warehouse=path, schemas='["klaviyo_raw"]')
    assert left.status == 4
    assert left.out == "still there: 1 rows of klaviyo_raw.orders\n"


def test_what_is_not_told_is_not_taken_for_gone(sandbox: Sandbox, run: Runs) -> None:
    sandbox.faults.add(Status(operation="get_profiles", status=500, times=4))
    done = run("verify", "--email", "nobody@mail.example.net")
    assert (done.status, done.out) == (1, "")
    assert "answered 500" in done.err
    assert run("verify", "--email", "a@b.example", "--unseen-at", "yesterday").status == 1
    without = run("verify", "--email", "nobody@mail.example.net", api_key=sandbox.key(scopes=["lists:read"]))
    assert without.status == 1
    assert "`profiles:read`" in without.err
