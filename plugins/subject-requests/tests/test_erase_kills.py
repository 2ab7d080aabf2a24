"""An erasure that is killed between any two of its writes is ended by the next one: nobody is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from people_warehouse import ADA, BOB, OLD, execute, filled

from singer_program.identifiers import compared
from singer_program.people_list import line_of
from subject_requests.processing_log import ProcessingLog

Runs = Callable[..., Any]
KEY = "a key that no test would guess, of 32"
KILLED = """
import contextlib, os, shutil, signal, sys
from pathlib import Path
from subject_requests import people_file, rejects, warehouse
from subject_requests.cli import main
from subject_requests.processing_log import ProcessingLog

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
    people_file.replace_file = counted(people_file.replace_file)
    rejects.replace_file = counted(rejects.replace_file)
    ProcessingLog.append = counted(ProcessingLog.append)
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
"""Runs a command in copies of a folder, each time killed one write later, until it is not; how often that was."""


def test_it_may_be_killed_before_any_of_its_writes(
    run: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    held = filled(made / "w.duckdb")
    execute(
        held,
        "CREATE TABLE klaviyo_raw.privacy_requests AS SELECT 'r1' AS request_id, 'deletion' AS kind,"
        f" '{ADA}' AS email, CAST('2026-02-01' AS TIMESTAMP) AS verified_at, CAST(NULL AS JSON) AS scope",
    )
    refused = [{"key": {"id": "01OLD"}, "given": {}}, {"key": {"email": BOB}, "given": {"cc": ADA}}]
    (made / "rejects.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in refused))
    settings = {
        "warehouse": "w.duckdb",
        "erased_schemas": '["klaviyo_raw", "marts"]',
        "rejects_paths": '["rejects.jsonl"]',
        "forgotten_path": "forgotten.txt",
        "forgotten_key": KEY,
        "log_path": "log.jsonl",
    }
    monkeypatch.chdir(made)
    assert run("forget", "--request", "r1", **settings).status == 0
    words = ("erase", "--request", "r1", "--still-at-klaviyo")
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", KILLED, str(made), *words],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    times = int(done.stdout)
    assert times == 5  # the list, the log, a file of refused rows, the transaction, the log
    theirs = (ADA, OLD, "01ADA", "01OLD", "crm-42")
    listed = {
        line_of(KEY, compared(*each)) for each in (("email", OLD), ("id", "01OLD"), ("external_id", "crm-42"))
    }
    for place in range(times + 1):
        folder = tmp_path / f"made-{place}"
        monkeypatch.chdir(folder)
        [(email,)] = execute("w.duckdb", "SELECT email FROM klaviyo_raw.privacy_requests")
        again = run(*words, *(() if email else ("--email", ADA)), **settings)
        assert again.status == 0, (place, again.err)
        tables = execute("w.duckdb", "SELECT schema_name || '.' || table_name FROM duckdb_tables()")
        text = " ".join(str(execute("w.duckdb", f"SELECT * FROM {name}")) for (name,) in tables)  # noqa: S608
        text += (folder / "rejects.jsonl").read_text()
        left = [each for each in theirs if each.lower() in text.lower()]
        assert left == [], place
        assert listed <= {*(folder / "forgotten.txt").read_text().split()}
        log = ProcessingLog(folder / "log.jsonl", KEY)
        log.check()
        assert "erased" in {action for action, _ in log.actions("r1")}
