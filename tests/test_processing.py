"""What a run read and wrote is in the log of processing, or it says that it is not; `make request` finds it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package

import processing  # noqa: E402
from pipeline import Run  # noqa: E402
from project import PROCESSING_LOG, JobFailed, NotStarted  # noqa: E402
from request import PREFIX, places  # noqa: E402
from run_summary import Summary, Watch  # noqa: E402

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
