"""What a run read and wrote is in the log of processing, or it says that it is not; `make request` finds it."""

from __future__ import annotations

import json
import sys
from contextlib import closing, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package

import processing  # noqa: E402
import request  # noqa: E402
from pipeline import Run  # noqa: E402
from project import PROCESSING_LOG, JobFailed, NotStarted  # noqa: E402
from request import PREFIX, places  # noqa: E402
from run_summary import Summary, Watch  # noqa: E402

from klaviyo_inbox.delivery import DeadLetter, Delivery, Item, Parcel  # noqa: E402
from klaviyo_inbox.store import open_for_reading, open_store  # noqa: E402
from singer_program.identifiers import compared  # noqa: E402
from singer_program.people_list import line_of  # noqa: E402
from subject_requests.processing_log import ProcessingLog  # noqa: E402

TASKS = ("home:hold", "tap-klaviyo-events target-duckdb", "tap-duckdb target-klaviyo-profiles")
SAID = (
    ("tap-klaviyo-events", "events: 12,000 records in 7.1 s, 1,690/s"),
    ("tap-klaviyo-events", "campaigns: 0 records in 0.1 s"),
    ("target-klaviyo-profiles", "profiles: 9 received, 5 accepted, 3 unchanged, 1 withheld; 1 job, 3 requests"),
)


def _lines(home: Path) -> list[dict[str, Any]]:
    return [*ProcessingLog(home / PROCESSING_LOG).entries()]


def _play(home: Path, failure: BaseException | None = None) -> list[str]:
    told: list[str] = []
    watch = Watch("pipeline", "prod", {}, told.append, told.append)
    run = Run(TASKS, lambda *_: None)
    with watch.attempt(), watch.run(run, home):
        for plugin, line in SAID:
            run.hear({"event": line, "string_id": plugin, "level": "info"})
        if failure:
            raise failure
    return told


@pytest.mark.parametrize("failure", [None, JobFailed("the loader died")])
def test_what_a_run_did_is_kept_however_it_ended(failure: JobFailed | None, tmp_path: Path) -> None:
    if failure:
        with pytest.raises(JobFailed, match="the loader died"):
            _play(tmp_path, failure)
    else:
        _play(tmp_path)
    told = [
        (each["did"], each["source"], each["what"], each["count"], each["because"]) for each in _lines(tmp_path)
    ]
    assert told == [
        ("read", "tap-klaviyo-events", "events", 12_000, "job pipeline"),
        ("written", "target-klaviyo-profiles", "profiles", 5, "job pipeline"),
        ("withheld", "target-klaviyo-profiles", "profiles", 1, "job pipeline"),
    ]
    assert {each["run"].rpartition(" ")[0] for each in _lines(tmp_path)} == {"prod pipeline"}


def test_a_run_does_not_begin_where_it_could_not_be_told(tmp_path: Path) -> None:
    _play(tmp_path)
    log = tmp_path / PROCESSING_LOG
    log.write_text(log.read_text().replace('"count": 1,', '"count": 2,'))
    with pytest.raises(NotStarted, match="the last line was altered"):
        _play(tmp_path)


def test_a_run_that_cannot_be_told_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processing, "keep", lambda *_: "the log cannot be written")
    with pytest.raises(JobFailed, match="cannot be written"):
        _play(tmp_path)
    assert json.loads((tmp_path / "last-run.json").read_text())["outcome"] == "failed"


def test_a_job_has_the_purpose_that_the_controller_gives_it(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text(
        "name: Shop\ncontact: x\npurposes:\n- {name: Newsletter, legal_basis: consent, jobs: [pipeline]}\n"
    )
    variables = {"SUBJECT_REQUESTS_CONTROLLER_PATH": str(tmp_path / "c.yml")}
    assert processing.purpose("pipeline", variables) == "Newsletter"
    assert processing.purpose("sweep", variables) == "job sweep"
    did = Summary("deletions", "prod", "2026-11-29T10:00:00Z", written={"profile_deletions": {"accepted": 2}})
    assert processing.keep(did, tmp_path, variables) is None
    assert [each["did"] for each in _lines(tmp_path)] == ["deleted"]


def test_a_request_is_answered_in_the_places_of_its_environment(tmp_path: Path) -> None:
    variables = {"KLAVIYO_LOOP_DEMO_HOME": str(tmp_path)}
    found = places("demo", variables)
    assert found[f"{PREFIX}LOG_PATH"] == str(tmp_path / PROCESSING_LOG)
    assert f"{PREFIX}WAREHOUSE" not in found  # there is none yet
    (tmp_path / "klaviyo.duckdb").touch()
    (tmp_path / "rejects.1.jsonl").touch()
    found = places("demo", variables)
    assert found[f"{PREFIX}WAREHOUSE"] == str(tmp_path / "klaviyo.duckdb")
    assert json.loads(found[f"{PREFIX}REJECTS_PATHS"]) == [
        str(tmp_path / name) for name in ("rejects.jsonl", "tap-rejects.jsonl", "rejects.1.jsonl")
    ]
    assert f"{PREFIX}LOG_PATH" not in places("demo", {**variables, f"{PREFIX}LOG_PATH": "elsewhere.jsonl"})
    server = {"HOST": "db", "PORT": "5432", "USER": "me", "PASSWORD": "p@ss/word", "DATABASE": "shop"}
    on_server = {f"KLAVIYO_LOOP_POSTGRES_{name}": value for name, value in server.items()}
    assert places("demo", {**variables, **on_server, "DBT_TARGET": "postgres"})[f"{PREFIX}WAREHOUSE"] == (
        "postgresql://me:p%40ss%2Fword@db:5432/shop"
    )
    with pytest.raises(NotStarted):
        places("nowhere", variables)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose warehouse has a row that is too old, by a controller that speaks of deliveries, too."""
    monkeypatch.setenv("KLAVIYO_LOOP_DEMO_HOME", str(tmp_path))
    (tmp_path / "c.yml").write_text(
        "name: Shop\ncontact: x\nretention:\n- {data: events, months: 25}\n- {data: deliveries, days: 30}\n"
    )
    monkeypatch.setenv(f"{PREFIX}CONTROLLER_PATH", str(tmp_path / "c.yml"))
    for name in ("LOG_PATH", "REJECTS_PATHS", "WAREHOUSE"):
        monkeypatch.delenv(f"{PREFIX}{name}", raising=False)
    for name in ("KLAVIYO_INBOX_STORE", "TAP_KLAVIYO_INBOX_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(request, "holding", lambda *_: nullcontext())
    with closing(duckdb.connect(str(tmp_path / "klaviyo.duckdb"))) as file:
        for statement in ("CREATE SCHEMA klaviyo_raw", "CREATE SCHEMA marts", "CREATE TABLE marts.dim (a text)"):
            file.execute(statement)
        file.execute("CREATE TABLE klaviyo_raw.events AS SELECT 'e' AS id, TIMESTAMP '2001-01-01' AS datetime")
    return tmp_path


def _retention(patch: pytest.MonkeyPatch, *words: str) -> object:
    return _done(patch, "retention", *words)


def _done(patch: pytest.MonkeyPatch, *words: str) -> object:
    # Each time as a process of its own, which finds its places anew.
    with patch.context() as own:
        for name in ("LOG_PATH", "REJECTS_PATHS", "WAREHOUSE"):
            own.setenv(f"{PREFIX}{name}", "")
        own.setattr(sys, "argv", ["request.py", "--environment", "demo", *words])
        with pytest.raises(SystemExit) as ended:
            request.main()
    return ended.value.code


def test_one_command_removes_what_is_old_from_the_receivers_store_too(
    kept: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _retention(monkeypatch, "--dry-run") == 0
    assert "the receiver has no store here" in capfd.readouterr().out
    store = kept / "inbox.sqlite"
    with closing(open_store(str(store), 10 * 1024**2)) as opened:
        for days in (40, 35, 3):
            delivery = Delivery(b"", datetime.now(UTC) - timedelta(days=days))
            dead = (DeadLetter("of no use", f"{days}".encode()),) if days != 35 else ()
            opened.append([Parcel("flows", "flow_requests", delivery, (Item(str(days), b"{}"),), dead)])
    assert _retention(monkeypatch, "--dry-run") == 0
    tried = capfd.readouterr().out
    assert "klaviyo_raw.events: 1 rows before" in tried
    assert "deliveries, records: 2 before" in tried
    assert "deliveries, dead letters: 1 before" in tried
    assert not (kept / PROCESSING_LOG).exists()
    assert _retention(monkeypatch) == 0
    assert capfd.readouterr().out == tried.replace("would be ", "")
    with closing(open_for_reading(str(store))) as opened:
        assert [each.sequence for each in opened.records("flow_requests", 0, 9)] == [3]
        assert opened.state().dead_letters == 1
    log = ProcessingLog(kept / PROCESSING_LOG)
    log.check()
    told = [(each["did"], each["source"], each["what"], each["count"]) for each in log.entries()]
    assert told == [
        *((did, "warehouse", "klaviyo_raw.events", 1) for did in ("erasing", "erased")),
        *(
            (did, "klaviyo-inbox", what, number)
            for did in ("erasing", "erased")
            for what, number in (("records", 2), ("dead letters", 1))
        ),
    ]
    assert {each["because"] for each in log.entries(source="klaviyo-inbox")} == {"retention: deliveries, 30 days"}
    # A second run finds nothing, and tells nothing.
    assert _retention(monkeypatch) == 0
    assert len([*log.entries()]) == len(told)


def test_who_is_erased_is_erased_from_the_receivers_store_too(
    kept: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, listed = "a key that no test would guess, of 32", kept / "forgotten.txt"
    listed.touch(mode=0o600)
    for name, value in {"FORGOTTEN_PATH": str(listed), "FORGOTTEN_KEY": key}.items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)
    monkeypatch.setenv(f"{PREFIX}ERASED_SCHEMAS", '["klaviyo_raw", "marts"]')
    delivery = Delivery(b"", datetime.now(UTC))
    items = tuple(Item(who, json.dumps({"email": f"{who}@shop.example"}).encode()) for who in ("ada", "bob"))
    with closing(open_store(str(kept / "inbox.sqlite"), 10 * 1024**2)) as opened:
        opened.append([Parcel("orders", "orders", delivery, items, ())])
    listed.write_text(f"{line_of(key, compared('email', 'ada@shop.example'))}\n")
    words = ("--email", "ada@shop.example", "--verified-at", "2026-11-01", "--because", "ticket 17")
    assert _done(monkeypatch, "erase", *words, "--still-at-klaviyo", "--dry-run") == 0
    assert "deliveries, records: 1 of who was forgotten would be deleted" in capfd.readouterr().out
    assert _done(monkeypatch, "erase", *words, "--still-at-klaviyo") == 0
    with closing(open_for_reading(str(kept / "inbox.sqlite"))) as opened:
        assert [each.record for each in opened.records("orders", 0, 9)] == [items[1].record]
    told = [
        (each["did"], each["because"])
        for each in ProcessingLog(kept / PROCESSING_LOG).entries(source="klaviyo-inbox")
    ]
    assert told == [("erasing", "ticket 17"), ("erased", "ticket 17")]


def test_a_store_that_cannot_be_read_is_an_error(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (kept / "inbox.sqlite").write_text("no store")
    assert "`klaviyo-inbox prune` ended with an error" in str(_retention(monkeypatch))
