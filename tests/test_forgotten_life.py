"""The life of a person who asks to be forgotten, through every program that has a part in it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests
from typing_extensions import override

from klaviyo_sandbox import Sandbox
from subject_requests.cli import main
from tap_klaviyo_engagement.emission.message_writer import MessageWriter
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement
from target_duckdb.loader import Loader
from target_duckdb.warehouse import Warehouse
from target_klaviyo_profiles.deletions_tap import TapKlaviyoDeletions
from target_klaviyo_profiles.errors import RunFailed
from target_klaviyo_profiles.target import TargetKlaviyoProfiles

Json = dict[str, Any]
KEY = "a key that no test would guess, of 32"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(
        profiles=20, events=200, segments=1, rate_limits="off", import_seconds=0, settle_seconds=0
    ) as held:
        yield held


@pytest.fixture
def request_of(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, str]]:
    given = {
        "api_key": sandbox.api_key,
        "api_url": sandbox.url,
        "forgotten_path": tmp_path / "forgotten.txt",
        "forgotten_key": KEY,
        "log_path": tmp_path / "log.jsonl",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"SUBJECT_REQUESTS_{name.upper()}", str(value))

    def request_of(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["subject-requests", *words])
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main()
        assert status != 1, err.getvalue()
        return status, out.getvalue()

    return request_of


@pytest.fixture
def write(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Json]:
    """Have the target write records of a stream; what became of them."""
    (tmp_path / "forgotten.txt").touch(mode=0o600)

    def write(stream: str, *records: Json) -> Json:
        names = sorted({name for record in records for name in record})
        lines: list[Json] = [
            {"type": "SCHEMA", "stream": stream, "schema": {"properties": {name: {} for name in names}}},
            *({"type": "RECORD", "stream": stream, "record": record} for record in records),
        ]
        lines[0]["key_properties"] = []
        target = TargetKlaviyoProfiles(
            config={
                "api_key": sandbox.api_key,
                "api_url": sandbox.url,
                "allow_deletions": True,
                "rejects_path": str(tmp_path / "rejects.jsonl"),
                "forgotten_path": str(tmp_path / "forgotten.txt"),
                "forgotten_key": KEY,
            }
        )
        with redirect_stdout(io.StringIO()):
            target.listen(io.StringIO("\n".join(map(json.dumps, lines))))
        sandbox.settle()
        tally = target.coordinator.tallies[stream]
        return {"accepted": tally.accepted, "withheld": tally.withheld.total()}

    return write


def test_who_was_forgotten_comes_back_by_their_own_word_alone(
    sandbox: Sandbox,
    request_of: Callable[..., tuple[int, str]],
    write: Callable[..., Json],
    tmp_path: Path,
) -> None:
    key, email, own = next(
        row for row in sandbox.store.read("select id, email, external_id from profiles") if row[1] and row[2]
    )

    def there() -> int:
        return len(sandbox.store.read("select id from profiles where email = ?", [email]))

    # They ask what is held of them, and to be forgotten: listed first, then deleted, then looked for.
    assert request_of("export", "--email", email, "--out", str(tmp_path / "package"))[0] == 0
    assert json.loads((tmp_path / "package" / "manifest.json").read_text())["profiles"] == [key]
    request_of("forget", "--email", email, "--because", "request 1")
    assert request_of("verify", "--email", email)[0] == 4
    assert write("profile_deletions", {"email": email}) == {"accepted": 1, "withheld": 0}
    status, told = request_of("verify", "--email", email, "--profile-id", key, "--json")
    assert (status, json.loads(told)["state"]) == (3, "unseen")
    yesterday = (datetime.now(UTC) - timedelta(days=1, minutes=1)).isoformat()
    assert request_of("verify", "--email", email, "--profile-id", key, "--unseen-at", yesterday)[0] == 0

    # Old rows come again, by whatever name: nothing of them is written.
    assert write("profiles", {"email": email.upper()}, {"external_id": own}) == {"accepted": 0, "withheld": 2}
    event = {"metric": "Placed Order", "external_id": own, "time": "2026-10-01T12:00:00Z"}
    assert write("events", event) == {"accepted": 0, "withheld": 1}
    consent = {"channel": "email", "consent": "SUBSCRIBED", "email": email}
    assert write("subscriptions", consent) == {"accepted": 0, "withheld": 1}
    assert there() == 0

    # Elsewhere somebody imports them: seen, and deleted again, though they are on the list.
    listed = (tmp_path / "forgotten.txt").read_text()
    (tmp_path / "forgotten.txt").write_text("")
    write("profiles", {"email": email})
    (tmp_path / "forgotten.txt").write_text(listed)
    assert there() == 1
    assert request_of("verify", "--email", email, "--unseen-at", yesterday)[0] == 4
    assert write("profile_deletions", {"email": email}) == {"accepted": 1, "withheld": 0}
    assert there() == 0

    # They consent anew: from then on they are somebody like any other.
    request_of("unforget", "--email", email, "--because", "statement 7")
    assert write("profiles", {"email": email}) == {"accepted": 1, "withheld": 0}
    assert there() == 1
    # By what was not taken off the list they are still not known.
    assert write("profiles", {"external_id": own}) == {"accepted": 0, "withheld": 1}
    status, told = request_of("log", "verify")
    log = (tmp_path / "log.jsonl").read_text()
    assert (status, told.split()[0]) == (0, str(len(log.splitlines())))
    assert list(dict.fromkeys(json.loads(line)["did"] for line in log.splitlines())) == [
        "exporting", "exported", "listed", "looked for: still there", "looked for: unseen", "looked for: verified",
        "taken off",
    ]  # fmt: skip
    assert email not in log + (tmp_path / "rejects.jsonl").read_text()


class Lines(MessageWriter):
    """Keeps what the tap writes."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[bytes] = []

    @override
    def send(self, lines: bytes | bytearray, *, flush: bool = False) -> None:
        self.lines += bytes(lines).splitlines()


@pytest.fixture
def read_whole(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Everything that Klaviyo holds of people, by tap and loader, as if for the first time: the warehouse."""
    warehouse = tmp_path / "klaviyo.duckdb"
    monkeypatch.setenv("SUBJECT_REQUESTS_WAREHOUSE", str(warehouse))
    for name in ("SCHEMAS", "ERASED_SCHEMAS"):
        monkeypatch.setenv(f"SUBJECT_REQUESTS_{name}", '["klaviyo_raw"]')

    def read_whole() -> Path:
        streams = {"profiles", "profile_ids", "events", "list_memberships", "membership_snapshots"}
        settings = {
            "api_key": sandbox.api_key,
            "api_url": sandbox.url,
            "include_subscriptions": True,
            "rejects_path": str(tmp_path / "tap-rejects.jsonl"),
            "forgotten_path": str(tmp_path / "forgotten.txt"),
            "forgotten_key": KEY,
        }
        catalog: Json = json.loads(json.dumps(TapKlaviyoEngagement(config=settings).catalog_dict, default=str))
        for entry in catalog["streams"]:
            for metadata in entry["metadata"]:
                if not metadata["breadcrumb"]:
                    metadata["metadata"]["selected"] = entry["tap_stream_id"] in streams
        written = Lines()
        TapKlaviyoEngagement(config=settings, catalog=catalog, message_writer=written).read_all()
        opened: list[Warehouse] = []

        def held() -> Warehouse:
            opened.append(Warehouse(str(warehouse), "klaviyo_raw", 0, tell=print, refuse=loader.refuse))
            return opened[0]

        loader = Loader(
            held,
            batch_rows=10_000,
            batch_bytes=1 << 24,
            fail_on_reject=True,
            emit=lambda _: None,
            tell=print,
        )
        try:
            loader.load([[line] for line in written.lines])
        finally:
            for each in opened:
                each.close()
        return warehouse

    return read_whole


def _tables_with(file: Path, *texts: str) -> set[str]:
    """Raw tables with one of some texts anywhere."""
    with closing(duckdb.connect(str(file), read_only=True)) as held:
        names = [row[0] for row in held.execute("select table_name from duckdb_tables()").fetchall()]
        return {
            name
            for name in names
            for text in texts
            if held.execute(
                f"select 1 from klaviyo_raw.{name} t where contains(lower(cast(t as varchar)), ?)",  # noqa: S608
                [text.lower()],
            ).fetchall()
        }


def _withdraw_elsewhere(sandbox: Sandbox, email: str) -> None:
    """As another program does, or Klaviyo's own page."""
    profile = {
        "type": "profile",
        "attributes": {"email": email, "subscriptions": {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}},
    }
    job = {"type": "profile-subscription-bulk-delete-job", "attributes": {"profiles": {"data": [profile]}}}
    requests.post(
        f"{sandbox.url}/api/profile-subscription-bulk-delete-jobs",
        json={"data": job},
        headers={"Authorization": f"Klaviyo-API-Key {sandbox.api_key}", "revision": "2026-07-15"},
        timeout=30,
    ).raise_for_status()
    sandbox.settle()


def _merge(sandbox: Sandbox, kept: str, gone: str) -> None:
    """As Klaviyo does: the events of one profile become those of another, and it is gone."""
    sandbox.store.write("update events set profile_id = ? where profile_id = ?", [(kept, gone)])
    sandbox.store.write("delete from members where profile_id = ?", [(gone,)])
    sandbox.store.write("delete from profiles where id = ?", [(gone,)])


KILLED_ERASE = """
import os, signal
from subject_requests import warehouse
from subject_requests.cli import main
plain = warehouse.DuckDB.change
def change(self, statement, values=()):
    if statement == "COMMIT":
        os.kill(os.getpid(), signal.SIGKILL)
    plain(self, statement, values)
warehouse.DuckDB.change = change
main()
"""
"""Killed when all is erased, and nothing of it is kept."""


def test_a_whole_life(
    sandbox: Sandbox,
    request_of: Callable[..., tuple[int, str]],
    write: Callable[..., Json],
    read_whole: Callable[[], Path],
    tmp_path: Path,
) -> None:
    """Consents, withdraws, is merged, is exported, deleted and erased, comes back, is refused, consents anew."""
    people = sandbox.store.read("select id, email from profiles where email <> '' order by id limit 3")
    (key, email), (merged, former), (other, others) = people

    def there() -> int:
        return len(sandbox.store.read("select id from profiles where email in (?, ?)", [email, former]))

    consent = {"channel": "email", "email": email}
    assert write("subscriptions", {**consent, "consent": "SUBSCRIBED"})["accepted"] == 1
    _withdraw_elsewhere(sandbox, email)
    warehouse = read_whole()
    _merge(sandbox, key, merged)
    read_whole()
    theirs = (key, merged, email, former)
    assert _tables_with(warehouse, *theirs) >= {"profiles", "events", "profile_ids"}
    # From then on no old row subscribes them.
    late = {**consent, "consent": "SUBSCRIBED", "historical_import": True, "consented_at": "2026-01-01T00:00:00Z"}
    with pytest.raises(RunFailed, match="refused"):
        write("subscriptions", late)

    # Everything of both that were merged, which the warehouse still tells, and nothing of anybody else.
    person = ("--email", email, "--profile-id", merged)
    assert request_of("export", *person, "--out", str(tmp_path / "package"))[0] == 0
    whole = "".join(each.read_text() for each in sorted((tmp_path / "package").rglob("*.json")))
    assert all(each in whole for each in (key, merged, former))
    assert not any(each in whole for each in (other, others))

    # Forgotten, deleted, and erased by a run that is killed, and by the next one.
    request_of("forget", *person, "--because", "request 1")
    assert write("profile_deletions", {"email": email, "request_id": "1"})["accepted"] == 1
    words = ("erase", *person, "--verified-at", "2026-11-01", "--because", "request 1")
    killed = subprocess.run([sys.executable, "-c", KILLED_ERASE, *words], env=os.environ, check=False)  # noqa: S603
    assert killed.returncode == -signal.SIGKILL
    assert "profiles" in _tables_with(warehouse, *theirs)
    assert request_of(*words)[0] == 0
    assert _tables_with(warehouse, *theirs) == set()
    assert request_of("verify", "--email", email, "--profile-id", key, "--json")[0] == 3
    assert "0 rows erased" in request_of(*words)[1]

    # A full refresh brings nothing back, and of an import of elsewhere no more than an id that is counted.
    read_whole()
    assert _tables_with(warehouse, *theirs) == set()
    listed = (tmp_path / "forgotten.txt").read_text()
    (tmp_path / "forgotten.txt").write_text("")
    write("profiles", {"email": former})
    (tmp_path / "forgotten.txt").write_text(listed)
    assert there() == 1
    read_whole()
    assert _tables_with(warehouse, *theirs) == set()
    assert write("profiles", {"email": former}) == {"accepted": 0, "withheld": 1}
    assert write("profile_deletions", {"email": former, "request_id": "1"})["accepted"] == 1
    assert there() == 0

    # They consent anew, by one address: of that they are somebody like any other.
    request_of("unforget", "--email", email, "--because", "statement 7")
    assert write("profiles", {"email": email}) == {"accepted": 1, "withheld": 0}
    assert write("profiles", {"email": former}) == {"accepted": 0, "withheld": 1}
    read_whole()
    assert "profiles" in _tables_with(warehouse, email)
    assert _tables_with(warehouse, key, merged, former) == set()


KILLED_TARGET = """
import os, signal, sys
from target_klaviyo_profiles import audit
from target_klaviyo_profiles.__main__ import main
plain, said_before = audit.append, []
def append(path, key, request_id, said, now):
    said_before.append(said)
    if said == MOMENT and said_before.count(said) == 2:
        if PLACE == "after":
            plain(path, key, request_id, said, now)
        os.kill(os.getpid(), signal.SIGKILL)
    plain(path, key, request_id, said, now)
audit.append = append
*sys.argv, MOMENT, PLACE = sys.argv
main()
"""
"""Killed when the second of some deletions is asked for, or answered: before that is written down, or after."""


@pytest.mark.parametrize("moment", [("asking", "after"), ("accepted", "before")])
def test_a_run_of_deletions_that_is_killed_is_gone_on_with(
    sandbox: Sandbox, write: Callable[..., Json], moment: tuple[str, str], tmp_path: Path
) -> None:
    """What is due is what the record does not say to be taken: so nobody is left, and nobody deleted twice."""
    ids = [row[0] for row in sandbox.store.read("select id from profiles order by id limit 4")]
    due = {f"request {number}": key for number, key in enumerate(ids)}
    settings = {"api_key": sandbox.api_key, "api_url": sandbox.url, "allow_deletions": True, "concurrency": 1}
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**settings, "rejects_path": str(tmp_path / "rejects.jsonl")}))

    def records() -> list[Json]:
        audit = tmp_path / "target-klaviyo-profiles-deletions.jsonl"
        (stream,) = TapKlaviyoDeletions(config={"audit_path": str(audit)}).streams.values()
        taken = {record["request_id"] for record in stream.get_records(None) if isinstance(record, dict)}
        return [{"request_id": name, "profile_id": key} for name, key in due.items() if name not in taken]

    schema = {"properties": {name: {"type": "string"} for name in ("request_id", "profile_id")}}
    lines: list[Json] = [
        {"type": "SCHEMA", "stream": "profile_deletions", "schema": schema, "key_properties": []},
        *({"type": "RECORD", "stream": "profile_deletions", "record": record} for record in records()),
    ]
    killed = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", KILLED_TARGET, "--config", str(config), *moment],
        input="\n".join(map(json.dumps, lines)).encode(),
        stdout=subprocess.DEVNULL,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    sandbox.settle()
    lost = moment == ("accepted", "before")  # Klaviyo took the second, which nobody wrote down
    assert sandbox.requests["request_profile_deletion 202"] == 1 + lost
    left = records()
    assert [record["profile_id"] for record in left] == ids[1:]
    assert write("profile_deletions", *left)["accepted"] == 3 - lost
    assert records() == []
    assert {row[0] for row in sandbox.store.read("select id from profiles")}.isdisjoint(ids)
    # Whom Klaviyo had deleted already is told as done.
    assert sandbox.requests["request_profile_deletion 202"] == len(ids)
    assert sandbox.requests["request_profile_deletion 404"] == lost
