"""A command that is killed before any of its writes is ended by the next one: nobody is left, and all is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from people_warehouse import ADA, BOB, OLD, execute, filled

from singer_program.identifiers import compared
from singer_program.people_list import line_of
from subject_requests.processing_log import ProcessingLog

Runs = Callable[..., Any]
KEY = "a key that no test would guess, of 32"
SETTINGS = {
    "warehouse": "w.duckdb",
    "forgotten_path": "forgotten.txt",
    "forgotten_key": KEY,
    "log_path": "log.jsonl",
}
KILLED = """
import contextlib, os, shutil, signal, sys
from pathlib import Path
from subject_requests import warehouse
from subject_requests.cli import main

def child(folder, place):
    os.chdir(folder)
    left = [place]
    def counted(plain, is_write=lambda *_: True):
        def called(*words, **named):
            if is_write(*words):
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
            return plain(*words, **named)
        return called
    for name in ("fsync", "replace", "link"):
        setattr(os, name, counted(getattr(os, name)))
    warehouse.DuckDB.change = counted(warehouse.DuckDB.change, lambda _, statement, *values: statement == "COMMIT")
    os._exit(main())

made, *words = sys.argv[1:]
sys.argv = ["subject-requests", *words]
place, status = 0, signal.SIGKILL
while status:
    folder = Path(f"{made}-{place}")
    shutil.copytree(made, folder)
    if not (number := os.fork()):
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            child(folder, place)
    status = os.waitpid(number, 0)[1]
    assert status in (0, signal.SIGKILL), status
    place += 1
print(place - 1)
"""
"""Runs a command in copies of a folder, each killed one write later, until one is not; how many those were.

A write is what makes it last: a sync, a file that takes another's place or gets a second name, a commit.
"""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a command runs in."""
    made = tmp_path / "made"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


def _killed(made: Path, *words: str) -> Iterator[Path]:
    """Copies of a folder, in each of which a command was killed before another of its writes."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", KILLED, str(made), *words],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    times = int(done.stdout)
    assert times >= 2
    for place in range(times):
        folder = made.with_name(f"{made.name}-{place}")
        os.chdir(folder)
        yield folder


def _log(folder: Path) -> ProcessingLog:
    """The log of a folder, which is whole."""
    log = ProcessingLog(folder / "log.jsonl", KEY)
    log.check()
    return log


def _listed(folder: Path) -> set[str]:
    return {*(folder / "forgotten.txt").read_text().split()}


def _line(kind: str, value: str) -> str:
    return line_of(KEY, compared(kind, value))


def _asked(made: Path, kind: str) -> None:
    """A warehouse in which Ada asks for something."""
    execute(
        filled(made / "w.duckdb"),
        f"CREATE TABLE klaviyo_raw.privacy_requests AS SELECT 'r1' AS request_id, '{kind}' AS kind,"
        f" '{ADA}' AS email, CAST('2026-02-01' AS TIMESTAMP) AS verified_at, CAST(NULL AS JSON) AS scope",
    )


def _no_copies(folder: Path) -> None:
    """Nothing is left of what was being written."""
    assert [each.name for each in folder.iterdir() if each.name.startswith(".")] == []


def test_an_erasure(run: Runs, made: Path) -> None:
    _asked(made, "deletion")
    refused = [{"key": {"id": "01OLD"}, "given": {}}, {"key": {"email": BOB}, "given": {"cc": ADA}}]
    (made / "rejects.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in refused))
    settings = {
        **SETTINGS,
        "erased_schemas": '["klaviyo_raw", "marts"]',
        "rejects_paths": '["rejects.jsonl"]',
    }
    assert run("forget", "--request", "r1", **settings).status == 0
    words = ("erase", "--request", "r1", "--still-at-klaviyo")
    theirs = (ADA, OLD, "01ADA", "01OLD", "crm-42")
    listed = {_line("email", OLD), _line("id", "01OLD"), _line("external_id", "crm-42")}
    for folder in _killed(made, *words):
        [(email,)] = execute("w.duckdb", "SELECT email FROM klaviyo_raw.privacy_requests")
        again = run(*words, *(() if email else ("--email", ADA)), **settings)
        assert again.status == 0, (folder.name, again.err)
        tables = execute("w.duckdb", "SELECT schema_name || '.' || table_name FROM duckdb_tables()")
        text = " ".join(str(execute("w.duckdb", f"SELECT * FROM {name}")) for (name,) in tables)  # noqa: S608
        text += "".join(each.read_text() for each in folder.glob("*rejects.jsonl*"))
        left = [each for each in theirs if each.lower() in text.lower()]
        assert left == [], folder.name
        assert listed <= _listed(folder)
        _no_copies(folder)
        assert "erased" in {action for action, _ in _log(folder).actions("r1")}


def test_who_is_put_on_a_list(run: Runs, made: Path) -> None:
    _asked(made, "deletion")
    assert run("forget", "--email", BOB, "--only-given", "--because", "request r0", **SETTINGS).status == 0
    words = ("forget", "--request", "r1", "--only-given")
    assert run("log", "verify", **SETTINGS).status == 0
    for folder in _killed(made, *words):
        assert _line("email", BOB) in _listed(folder), folder.name
        again = run(*words, **SETTINGS)
        assert again.status == 0, (folder.name, again.err)
        assert _listed(folder) == {_line("email", BOB), _line("email", ADA)}
        _no_copies(folder)
        assert "forgotten" in {action for action, _ in _log(folder).actions("r1")}


def test_who_is_taken_off_a_list(run: Runs, made: Path) -> None:
    filled(made / "w.duckdb")
    for each in (ADA, BOB):
        assert run("forget", "--email", each, "--only-given", "--because", "request r1", **SETTINGS).status == 0
    words = ("unforget", "--email", ADA, "--because", "statement s2")
    for folder in _killed(made, *words):
        assert _line("email", BOB) in _listed(folder), folder.name
        again = run(*words, **SETTINGS)
        assert again.status == 0, (folder.name, again.err)
        assert _listed(folder) == {_line("email", BOB)}
        _no_copies(folder)
        assert [each["did"] for each in _log(folder).entries()][-1] == "taken off"


def test_what_is_too_old(run: Runs, made: Path) -> None:
    execute(
        filled(made / "w.duckdb"),
        "CREATE TABLE klaviyo_raw.calls AS SELECT * FROM"
        " (VALUES ('old', DATE '2001-01-01'), ('new', DATE '2999-01-01')) AS made (id, called_on)",
    )
    (made / "c.yml").write_text(
        "name: Shop Ltd\ncontact: privacy@shop.example\nretention:\n"
        "- {data: klaviyo_raw.calls, column: called_on, days: 30}\n- {data: Refused rows, days: 30}\n"
    )
    refused = [{"time": f"{year}-01-01T00:00:00Z", "key": {"email": BOB}} for year in (2001, 2999)]
    (made / "rejects.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in refused))
    settings = {**SETTINGS, "controller_path": "c.yml", "rejects_paths": '["rejects.jsonl"]'}
    assert run("retention", "--dry-run", **settings).status == 0
    for folder in _killed(made, "retention"):
        again = run("retention", **settings)
        assert again.status == 0, (folder.name, again.err)
        assert execute("w.duckdb", "SELECT id FROM klaviyo_raw.calls") == [("new",)]
        assert [json.loads(line)["time"][:4] for line in (folder / "rejects.jsonl").read_text().splitlines()] == [
            "2999"
        ]
        _no_copies(folder)
        # What is deleted was told before, with its number, whenever the run was killed.
        told = {(each["what"], each["count"]) for each in _log(folder).entries() if each["did"] == "erasing"}
        assert told == {("klaviyo_raw.calls", 1), ("rejects.jsonl", 1)}


def test_a_log_that_is_begun_anew(run: Runs, made: Path) -> None:
    for each in (ADA, BOB):
        assert run("forget", "--email", each, "--only-given", "--because", "request r1", **SETTINGS).status == 0
    before = (made / "log.jsonl").read_text()
    broken = before.replace('"count": 1', '"count": 2', 1).replace('"count":1', '"count":2', 1)
    assert broken != before
    (made / "log.jsonl").write_text(broken)
    words = ("log", "renew", "--because", "somebody wrote into it")
    for folder in _killed(made, *words):
        again = run(*words, **SETTINGS)
        # Killed when the new one was in its place, it had been done.
        assert again.status == 0 or "is whole" in again.err, (folder.name, again.err)
        _log(folder)
        _no_copies(folder)
        asides = [each for each in folder.glob("log.jsonl.*") if each.suffix != ".lock"]
        assert asides
        assert {each.read_text() for each in asides} == {broken}
