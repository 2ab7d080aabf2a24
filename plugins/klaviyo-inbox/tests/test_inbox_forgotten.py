"""People who asked to be forgotten: nothing that is pushed of them is kept, and what they say themselves is."""

from __future__ import annotations

import base64
import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from inbox_door import NOW, TOKEN, Door, door, event, webhook_body

from klaviyo_inbox.cli import command
from klaviyo_inbox.forgotten import Forgotten
from klaviyo_inbox.receiver import application
from klaviyo_inbox.settings import InboxSettings
from klaviyo_inbox.sources import SOURCES
from singer_program.errors import ProgramError
from singer_program.identifiers import compared
from singer_program.people_list import line_of

Json = dict[str, Any]
KEY = "a key that no test would guess, of 32"
ADA, BOB = "ada@mail.example", "bob@mail.example"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
OPEN = {"order_token": TOKEN, "form_token": TOKEN, "privacy_token": TOKEN, "write_keys": (TOKEN,)}
AS_USER = {"Authorization": f"Basic {base64.b64encode(f'{TOKEN}:'.encode()).decode()}"}


def _line(kind: str, value: str) -> str:
    return line_of(KEY, compared(kind, value)) + "\n"


def _listed(folder: Path, *lines: str) -> Json:
    path = folder / "forgotten.txt"
    path.touch(mode=0o600)
    path.write_text("".join(lines))
    return {"forgotten_path": str(path), "forgotten_key": KEY}


def _order(email: str, order: str = "1", **more: object) -> bytes:
    return json.dumps({"source": "s", "order_id": order, "event": "placed", "email": email, **more}).encode()


def _metric(opened: Door, source: str, outcome: str) -> float:
    text = opened.call("/metrics", method="GET").body.decode()
    wanted = f'klaviyo_inbox_records_total{{outcome="{outcome}",source="{source}"}} '
    return sum(float(line.removeprefix(wanted)) for line in text.splitlines() if line.startswith(wanted))


def test_what_is_about_them_is_answered_like_any_other_and_not_kept(tmp_path: Path) -> None:
    lines = (_line("email", ADA), _line("id", "01HZXFORGOTTEN"), _line("external_id", "crm-42"))
    with door(tmp_path, **OPEN, **_listed(tmp_path, *lines)) as opened:
        theirs = [
            opened.call("/shop/orders", _order(" ADA@Mail.example "), BEARER),
            opened.call("/shop/orders", _order("x@y.example", customer={"contact_email": ADA}), BEARER),
            opened.flow({"profile_id": "01HZXFORGOTTEN", "request_id": "a"}),
            opened.call("/v1/track", b'{"messageId":"1","userId":"crm-42","event":"Seen"}', AS_USER),
            opened.call(
                "/v1/identify",
                b'{"messageId":"2","anonymousId":"a","traits":{"email":"Ada@mail.example"}}',
                AS_USER,
            ),
            opened.call("/shop/orders", _order(ADA, event="shipped"), BEARER),
        ]
        assert [each.status for each in theirs] == [200] * 6
        assert [each.json["stored"] for each in theirs] == [1] * 5 + [0]
        assert theirs[-1].json["put_away"] == 1
        other = opened.call("/shop/orders", _order(BOB, "2"), BEARER)
        assert other.json.keys() == theirs[0].json.keys()
        assert [each["email"] for each in opened.records("orders")] == [BOB]
        assert opened.records("flow_requests") == opened.records("site_events") == []
        assert opened.dead_letters() == []
        assert _metric(opened, "orders", "forgotten") == 3
        assert _metric(opened, "orders", "stored") == 1
        assert _metric(opened, "site_events", "forgotten") == 2
    for path in tmp_path.glob("inbox.sqlite*"):
        content = path.read_bytes().lower()
        assert b"ada@" not in content
        assert b"crm-42" not in content


def test_of_a_delivery_of_many_the_others_are_kept(tmp_path: Path) -> None:
    theirs = event("second")
    theirs["payload"]["data"]["relationships"]["profile"]["data"]["id"] = "01HZXFORGOTTEN"
    with door(tmp_path, **_listed(tmp_path, _line("id", "01HZXFORGOTTEN"))) as opened:
        answer = opened.klaviyo(webhook_body(event("first"), theirs, event("third")))
        assert (answer.status, answer.json["stored"]) == (200, 3)
        assert [each["id"] for each in opened.records("pushed_events")] == ["first", "third"]


@pytest.mark.parametrize("consent", ["given", "withdrawn"])
def test_what_they_say_themselves_is_kept(tmp_path: Path, consent: str) -> None:
    """Consent anew, and its withdrawal, or it would be taken for standing once they are off the list."""
    with door(tmp_path, **OPEN, **_listed(tmp_path, _line("email", ADA))) as opened:
        statement = {"email": ADA, "channel": "email", "consent": consent}
        assert opened.call("/consent", json.dumps(statement).encode(), BEARER).json["stored"] == 1
        asked = {"kind": "access", "email": ADA, "request_id": "r-1"}
        assert opened.call("/privacy", json.dumps(asked).encode(), BEARER).json["request_id"] == "r-1"
        assert [each["consent"] for each in opened.records("consent_statements")] == [consent]
        assert len(opened.records("privacy_requests")) == 1
    assert [each.name for each in SOURCES if each.own_word] == ["consent", "privacy"]


def test_the_list_counts_as_it_is_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is added while the receiver runs; and a list that is broken, until it is whole again."""
    given = _listed(tmp_path)
    path = Path(given["forgotten_path"])
    forgotten = Forgotten(path, KEY)
    monkeypatch.setattr(Forgotten, "of", lambda _: forgotten)  # refreshed by the test, not by time
    with door(tmp_path, **OPEN, **given) as opened:
        for lines, status, stored in (
            ("", 200, 1),
            (_line("email", ADA), 200, 1),
            ("no hash", 503, 1),
            (_line("email", BOB), 200, 2),
        ):
            path.write_text(lines)
            forgotten.refresh()
            answer = opened.call("/shop/orders", _order(ADA, lines[:9] or "first"), BEARER)
            assert answer.status == status
            assert len(opened.records("orders")) == stored
            statement = {"email": ADA, "channel": "email", "consent": "withdrawn"}
            assert opened.call("/consent", json.dumps(statement).encode(), BEARER).status == 200
        path.unlink()
        forgotten.refresh()
        assert opened.call("/shop/orders", _order(BOB), BEARER).status == 503


def test_what_was_put_away_before_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with door(tmp_path, **OPEN) as opened:
        opened.call("/shop/orders", _order(ADA, event="shipped"), BEARER)
        assert len(opened.dead_letters()) == 1
    settings = {"store": str(tmp_path / "inbox.sqlite"), **_listed(tmp_path, _line("email", ADA))}
    for name, value in settings.items():
        monkeypatch.setenv(f"KLAVIYO_INBOX_{name.upper()}", value)
    command(["retry", "--all"], standalone_mode=False)
    with door(tmp_path, **OPEN) as opened:
        assert opened.dead_letters() == []
        assert opened.records("orders") == []


def test_a_receiver_that_does_not_know_them_does_not_start(tmp_path: Path) -> None:
    given: Json = {"store": str(tmp_path / "inbox.sqlite"), "flow_token": TOKEN}
    with pytest.raises(ProgramError, match="cannot be read"):
        application(InboxSettings(**given, forgotten_path=str(tmp_path / "none"), forgotten_key=KEY), lambda: NOW)
    for wrong in (
        {"forgotten_key": KEY},
        {"forgotten_path": "x"},
        {"forgotten_path": "x", "forgotten_key": TOKEN},
    ):
        with pytest.raises(ValueError, match="forgotten_key") as caught:
            InboxSettings(**(given | wrong))
        assert KEY not in str(caught.value)
    with pytest.raises(ProgramError, match="no source is open"):
        InboxSettings(store="x", forgotten_path="x", forgotten_key=KEY).check_open()


def test_what_came_of_them_before_is_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of any age, what was put away too; what they said themselves is kept, and of others everything."""
    listed = _listed(tmp_path)
    with door(tmp_path, **OPEN, **listed) as opened:
        opened.call("/shop/orders", _order(ADA), BEARER)
        opened.call("/shop/orders", _order(BOB, "2", note=f"a present for {ADA}"), BEARER)
        opened.call("/shop/orders", _order(ADA, event="shipped"), BEARER)
        opened.call("/shop/orders", _order(BOB, event="shipped"), BEARER)
        opened.call("/v1/track", b'{"messageId":"1","userId":"crm-42","event":"Seen"}', AS_USER)
        statement = {"statement_id": "s1", "email": ADA, "channel": "email", "consent": "given", "stated_at": NOW}
        opened.call("/consent", json.dumps(statement, default=str).encode(), BEARER)
        said = len(opened.records("consent_statements")) + len(opened.dead_letters())
        config = {"store": str(tmp_path / "inbox.sqlite"), **listed}
        (tmp_path / "config.json").write_text(json.dumps(config))

        def prune(*words: str) -> Json:
            arguments = ["prune", "--forgotten", "--json", "--config", str(tmp_path / "config.json"), *words]
            command.main(args=arguments, standalone_mode=False)
            return dict(json.loads(capsys.readouterr().out))

        assert prune() == {"records": 0, "dead_letters": 0}
        _listed(tmp_path, _line("email", ADA), _line("external_id", "crm-42"))
        assert prune("--dry-run") == prune() == {"records": 2, "dead_letters": 1}
        assert [each["email"] for each in opened.records("orders")] == [BOB]
        assert opened.records("site_events") == []
        assert len(opened.records("consent_statements")) + len(opened.dead_letters()) == said - 1
        assert prune() == {"records": 0, "dead_letters": 0}
        with pytest.raises(ProgramError, match="leave `--days` out"):
            prune("--days", "3")
        (tmp_path / "config.json").write_text(json.dumps({"store": config["store"]}))
        with pytest.raises(ProgramError, match="`forgotten_path` and `forgotten_key` are needed"):
            prune()
    for path in tmp_path.glob("inbox.sqlite*"):
        assert b"crm-42" not in path.read_bytes()


KILLED = """
import os, signal, sqlite3, sys
from klaviyo_inbox.cli import command
from klaviyo_inbox.store import sqlite
class Connection(sqlite3.Connection):
    def execute(self, sql, *values):
        if sql.startswith(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(sql, *values)
plain = sqlite3.connect
sqlite.sqlite3.connect = lambda *words, **named: plain(*words, factory=Connection, **named)
command.main(args=sys.argv[2:])
"""


@pytest.mark.parametrize("before", ["COMMIT", "PRAGMA wal_checkpoint"])
def test_a_removal_that_is_killed_is_ended_by_the_next(before: str, tmp_path: Path) -> None:
    listed = _listed(tmp_path)
    arguments = ["prune", "--forgotten", "--json", "--config", str(tmp_path / "config.json")]
    (tmp_path / "config.json").write_text(json.dumps({"store": str(tmp_path / "inbox.sqlite"), **listed}))
    with door(tmp_path, **OPEN, **listed) as opened:
        opened.call("/shop/orders", _order(ADA), BEARER)
        opened.call("/shop/orders", _order(BOB, "2", note=f"a present for {ADA}"), BEARER)
        opened.call("/shop/orders", _order(ADA, event="shipped"), BEARER)
        _listed(tmp_path, _line("email", ADA))
        killed = subprocess.run([sys.executable, "-c", KILLED, before, *arguments], check=False)  # noqa: S603
        assert killed.returncode == -signal.SIGKILL
        command.main(args=arguments, standalone_mode=False)
        assert [each["email"] for each in opened.records("orders")] == [BOB]
        assert opened.dead_letters() == []
        for path in tmp_path.glob("inbox.sqlite*"):
            assert ADA.encode() not in path.read_bytes()


def test_what_stays_beside_a_store_that_is_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klaviyo_inbox.store.sqlite._BUSY_SECONDS", 0.01)
    listed = _listed(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"store": str(tmp_path / "inbox.sqlite"), **listed}))
    with door(tmp_path, **OPEN, **listed) as opened:
        opened.call("/shop/orders", _order(ADA), BEARER)
        _listed(tmp_path, _line("email", ADA))
        with closing(sqlite3.connect(tmp_path / "inbox.sqlite")) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM records").fetchone()
            with pytest.raises(ProgramError, match="which somebody reads"):
                command.main(
                    args=["prune", "--forgotten", "--config", str(tmp_path / "config.json")], standalone_mode=False
                )
