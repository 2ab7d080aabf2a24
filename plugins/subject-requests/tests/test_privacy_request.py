"""Nothing is handed out or erased before it was seen that it is they who ask; what is done tells itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from people_warehouse import ADA, BOB, execute, filled

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
Runs = Callable[..., Any]
KEY = "a key that no test would guess, of 32"
TABLE = (
    "CREATE TABLE klaviyo_raw.privacy_requests (request_id varchar, kind varchar, email varchar,"
    " phone_number varchar, profile_id varchar, external_id varchar, jurisdiction varchar, scope json,"
    " received_at timestamp, verified_at timestamp)"
)
RECEIVED = "2026-01-31 10:00:00"


def _insert(place: str, request_id: str, **columns: str | None) -> None:
    row = {"request_id": request_id, "kind": "access", "email": ADA, "received_at": RECEIVED} | columns
    values = ", ".join("NULL" if value is None else f"'{value}'" for value in row.values())
    execute(place, f"INSERT INTO klaviyo_raw.privacy_requests ({', '.join(row)}) VALUES ({values})")  # noqa: S608


@pytest.fixture
def held(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A warehouse in DuckDB, unless a test asks for others."""
    kind = getattr(request, "param", "duckdb")
    place = filled(tmp_path / "warehouse.duckdb" if kind == "duckdb" else request.getfixturevalue("database")())
    execute(place, TABLE)
    return place


EVERYWHERE = pytest.mark.parametrize("held", ["duckdb", "postgres"], indirect=True)


@pytest.fixture
def call(run: Runs, held: str, tmp_path: Path) -> Runs:
    """Run a command with a warehouse, lists and a log."""
    settings = {
        "warehouse": held,
        "erased_schemas": '["klaviyo_raw", "marts"]',
        "forgotten_path": tmp_path / "forgotten.txt",
        "restricted_path": tmp_path / "restricted.txt",
        "forgotten_key": KEY,
        "log_path": tmp_path / "log.jsonl",
    }

    def call(*words: str, **others: object) -> Any:  # noqa: ANN401
        return run(*words, **settings | others)

    return call


def _actions(tmp_path: Path) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    return list(dict.fromkeys((each["request"], each["action"]) for each in lines if each["action"]))


@pytest.mark.parametrize("command", ["export", "forget", "erase"])
def test_nothing_is_done_before_it_is_they_who_ask(command: str, call: Runs, held: str, tmp_path: Path) -> None:
    _insert(held, "r 1", kind="access" if command == "export" else "deletion", jurisdiction="gdpr")
    words = (command, "--request", "r 1", *(("--out", "package") if command == "export" else ()))
    refused = call(*words)
    assert refused.status == 1
    assert "subject-requests note identity_verified --request 'r 1'" in refused.err
    assert len(refused.err.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"warehouse.duckdb"}
    assert call("note", "identity_verified", "--request", "r 1").status == 0
    if command == "erase":
        assert call("forget", "--request", "r 1").status == 0
    assert call(*words).status == 0


@EVERYWHERE
def test_a_request_says_whom_and_what_it_asks_for(call: Runs, held: str, tmp_path: Path) -> None:
    _insert(held, "r1", jurisdiction="UK_GDPR", verified_at="2026-02-01 09:30:00", scope='{"parts": ["orders"]}')
    done = call("export", "--request", "r1", "--out", "package")
    assert done.status == 0, done.err
    manifest = json.loads((tmp_path / "package" / "manifest.json").read_text())
    assert manifest["request"] == {
        "id": "r1",
        "right": "access",
        "law": "uk_gdpr",
        "scope": {"parts": ["orders"]},
        "received_at": "2026-01-31T10:00:00+00:00",
        "verified_at": "2026-02-01T09:30:00+00:00",
        "due_at": "2026-02-28T10:00:00+00:00",
    }
    assert _actions(tmp_path) == [("r1", "exported")]
    assert (tmp_path / "package" / "warehouse" / "klaviyo_raw.orders.json").exists()


REFUSED: list[tuple[dict[str, str | None], tuple[str, ...], str]] = [
    ({"kind": "deletion"}, (), "asks for 'deletion', and `export` answers 'access'"),
    ({"kind": None}, (), "asks for None, and `export` answers 'access'"),
    ({"verified_at": "2999-01-01"}, (), "which is still to come"),
    ({}, ("--verified-at", "2026-02-01"), "which says its times and its law"),
    ({}, ("--email", BOB), "is not about whom the call names"),
    ({"email": None}, (), "names nobody (any more): say whom it is about"),
    ({"email": None}, ("--email", ADA), "the log does not know the given identifiers"),
    ({"email": None, "phone_number": "020 7183 8750"}, (), "its phone number names no country"),
    ({"request_id": "other"}, (), "no warehouse with a request 'r1' is named: correct `--request`"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: str(case[2])[:30])
def test_a_request_that_is_none_for_the_command_is_refused(
    case: tuple[dict[str, str | None], tuple[str, ...], str], call: Runs, held: str, tmp_path: Path
) -> None:
    columns, words, told = case
    given: dict[str, str | None] = {"verified_at": "2026-02-01", **columns}
    _insert(held, given.pop("request_id", None) or "r1", **given)
    done = call("export", "--request", "r1", "--out", "package", *words)
    assert done.status == 1
    assert told in done.err
    assert ADA not in done.err
    assert not (tmp_path / "package").exists()


def test_of_two_requests_of_one_name_none_is_answered(call: Runs, held: str) -> None:
    for who in (ADA, BOB):
        _insert(held, "r1", email=who, verified_at="2026-02-01")
    done = call("export", "--request", "r1", "--out", "package")
    assert done.status == 1
    assert "has 2 requests 'r1'" in done.err


def test_a_request_that_is_kept_elsewhere_says_when_it_was_verified(call: Runs, tmp_path: Path) -> None:
    words = ("erase", "--email", "nobody@mail.example.net", "--request", "ticket-7")
    assert call("forget", "--email", "nobody@mail.example.net", "--because", "ticket-7").status == 0
    refused = call(*words)
    assert refused.status == 1
    assert "`--verified-at TIME`" in refused.err
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert "still to come" in call(*words, "--verified-at", tomorrow).err
    assert call(*words, "--verified-at", "2026-02-01").status == 0
    assert _actions(tmp_path) == [("ticket-7", "erased")]
    # What is done about a request is told, or it is not done.
    assert "`log_path` is needed" in call(*words, "--verified-at", "2026-02-01", log_path="").err


@EVERYWHERE
def test_a_deletion_is_followed_to_its_end(call: Runs, held: str, sandbox: Sandbox, tmp_path: Path) -> None:
    """By its name alone; once it is erased, by whom it was about, and by nobody else."""
    _insert(held, "r1", kind="deletion", verified_at="2026-02-01")
    request = ("--request", "r1")
    assert call("forget", *request).status == 0
    assert call("erase", *request, "--dry-run").status == 0
    assert call("note", "accepted", *request, "--at", "2026-02-02").status == 0
    assert call("erase", *request).status == 0
    assert execute(held, "SELECT email FROM klaviyo_raw.privacy_requests") == [(None,)]
    assert "names nobody (any more)" in call("verify", *request).err
    assert "does not know the given identifiers" in call("verify", *request, "--email", BOB).err
    who = (*request, "--email", ADA)
    assert call("verify", *who).status == 3
    # Accepted months ago: whoever is seen again is overdue.
    key = sandbox.store.read("select min(id) from profiles")[0][0]
    sandbox.store.write("update profiles set email = ? where id = ?", [[ADA, key]])
    assert call("verify", *who).status == 5
    sandbox.store.write("update profiles set email = ? where id = ?", [["other@mail.example.net", key]])
    assert call("verify", *who).status == 3
    assert _actions(tmp_path) == [
        ("r1", each) for each in ("forgotten", "accepted", "erased", "unseen", "overdue")
    ]
    # A day after they were not seen again, by what the log says.
    done = call("verify", *who, "--unseen-at", (datetime.now(UTC) - timedelta(hours=25)).isoformat())
    assert (done.status, _actions(tmp_path)[-1]) == (0, ("r1", "verified"))
    assert call("log", "verify").status == 0


@pytest.mark.parametrize(
    ("scope", "is_meant"),
    [
        (None, True),
        ("null", True),
        ('{"warehouse": true}', True),
        ('{"lists": true}', False),
        ("[]", False),
        ('{"warehouse": true, "orders": true}', False),
    ],
)
def test_who_asks_for_less_is_not_erased(scope: str | None, call: Runs, held: str, *, is_meant: bool) -> None:
    _insert(held, "r1", kind="deletion", verified_at="2026-02-01", scope=scope)
    assert call("forget", "--request", "r1").status == 0
    done = call("erase", "--request", "r1", "--dry-run")
    assert (done.status == 0) is is_meant
    refusals = ("has no `warehouse`: it asks for something else", "is none of lists, marketing, profile")
    assert any(each in done.err for each in refusals) is not is_meant


def _job(sandbox: Sandbox, kind: str, profile: Json, **others: object) -> None:
    """As another program does, or the pipeline: consents and suppressions of a profile."""
    data = {"type": f"profile-{kind}-job", "attributes": {**others, "profiles": {"data": [profile]}}}
    requests.post(
        f"{sandbox.url}/api/profile-{kind}-jobs",
        json={"data": data},
        headers={"Authorization": f"Klaviyo-API-Key {sandbox.api_key}", "revision": "2026-07-15"},
        timeout=10,
    ).raise_for_status()
    sandbox.settle()


def test_a_part_is_done_when_klaviyo_shows_it(call: Runs, held: str, sandbox: Sandbox, tmp_path: Path) -> None:
    """Lists, channels and the address of a person who asked to keep their profile; a new word does not count."""
    key, email, number = sandbox.store.read(
        "select id, email, phone_number from profiles where email <> '' and phone_number like '+1%' order by id"
    )[0]
    write = sandbox.store.write
    [listed] = sandbox.store.read("select min(id) from groups where kind = 'list'")[0]
    write("delete from members where profile_id = ?", [[key]])
    write("insert into members (group_id, profile_id, joined) values (?, ?, ?)", [[listed, key, 1_600_000_000]])
    marketing = {"consent": "SUBSCRIBED", "consented_at": "2024-01-01T00:00:00Z"}
    given = {channel: {"marketing": marketing} for channel in ("email", "sms")}
    both = {"email": email, "phone_number": number, "subscriptions": given}
    _job(sandbox, "subscription-bulk-create", {"type": "profile", "attributes": both}, historical_import=True)
    scopes = {"lists": {"lists": True}, "sms": {"sms": True, "lists": False}, "marketing": {"marketing": True}}
    for name, scope in scopes.items():
        asked = {"kind": "deletion", "email": email, "verified_at": "2026-02-01", "scope": json.dumps(scope)}
        _insert(held, f"{name} long ago", received_at="2001-01-01", **asked)
        _insert(held, name, received_at="2999-01-01", **asked)

    def looked(name: str) -> tuple[int, str]:
        done = call("verify", "--request", name)
        assert done.status in {0, 4}, done.err
        return done.status, done.out

    # Whoever joins a list or consents after that does so anew.
    assert [looked(f"{name} long ago")[0] for name in scopes] == [0, 0, 0]
    assert looked("lists") == (4, f"still there: list {listed}\n")
    assert looked("sms") == (4, "still there: consent for sms\n")
    status, told = looked("marketing")
    assert (status, "consent for email" in told, "the address is not suppressed" in told) == (4, True, True)
    # What is not done yet is no state of the request.
    assert _actions(tmp_path) == [(f"{name} long ago", "verified") for name in scopes]
    write("delete from members where profile_id = ?", [[key]])
    assert looked("lists")[0] == 0
    unsubscribed = {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}
    sms = {"sms": {"marketing": {"consent": "UNSUBSCRIBED"}}}
    _job(
        sandbox,
        "subscription-bulk-delete",
        {"type": "profile", "attributes": {"phone_number": number, "subscriptions": sms}},
    )
    assert looked("sms")[0] == 0
    _job(
        sandbox,
        "subscription-bulk-delete",
        {"type": "profile", "attributes": {"email": email, "subscriptions": unsubscribed}},
    )
    _job(sandbox, "suppression-bulk-create", {"type": "profile", "attributes": {"email": email}})
    assert looked("marketing")[0] == 0
    assert {action for _, action in _actions(tmp_path)} == {"verified"}


def test_what_is_asked_for_in_the_warehouse_alone_is_looked_for_there(call: Runs, held: str) -> None:
    _insert(held, "r1", kind="deletion", verified_at="2026-02-01", scope='{"warehouse": true}')
    _insert(held, "r2", kind="deletion", verified_at="2026-02-01", scope='{"profile": true}')
    assert "rows of klaviyo_raw.orders" in call("verify", "--request", "r1").out
    # Who keeps what the shop knows is gone when Klaviyo has no profile of them.
    assert call("verify", "--request", "r2").status == 3
    assert call("forget", "--request", "r1").status == 0
    assert call("erase", "--request", "r1").status == 0
    assert call("verify", "--request", "r1", "--email", ADA).status == 0


def test_a_restriction_is_put_and_lifted_by_its_request(call: Runs, held: str, tmp_path: Path) -> None:
    _insert(held, "r1", kind="restriction", verified_at="2026-02-01")
    words = ("--request", "r1", "--list", "restricted")
    assert call("forget", *words).status == 0
    assert "answers 'deletion'" in call("forget", "--request", "r1").err
    assert "lifts a restriction" in call("unforget", "--request", "r1").err
    assert call("unforget", *words).status == 0
    assert (tmp_path / "restricted.txt").read_text() == ""
    assert _actions(tmp_path) == [("r1", "restricted"), ("r1", "lifted")]


def test_what_is_kept_of_a_request_names_nobody(call: Runs, held: str) -> None:
    _insert(held, "r1", verified_at="2026-02-01")
    assert "names somebody" in call("note", "confirmed", "--request", "r1", "--because", f"mail to {ADA}").err
    assert "names somebody" in call("forget", "--email", ADA, "--because", "asked by x@y.example").err
    assert "say what asks for it" in call("forget", "--email", ADA).err
    assert "no request 'r2'" in call("note", "closed", "--request", "r2").err
    assert "still to come" in call("note", "closed", "--request", "r1", "--at", "2999-01-01").err
    assert call("note", "extended", "--request", "r1", "--because", "many orders").status == 0


@EVERYWHERE
def test_what_another_loader_landed_counts_as_well(call: Runs, held: str) -> None:
    execute(
        held,
        "CREATE TABLE klaviyo_raw.privacy_actions (request_id varchar, action varchar, acted_at timestamp)",
        "INSERT INTO klaviyo_raw.privacy_actions VALUES ('r1', 'identity_verified', '2026-02-01')",
    )
    _insert(held, "r1")
    assert call("export", "--request", "r1", "--out", "package").status == 0
