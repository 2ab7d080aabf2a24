"""A run says what it did, and its end is heard of: by a person, a program, a chat channel."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package
sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

import pipeline  # noqa: E402
import run_summary  # noqa: E402
from notify import COMMAND, URL, masked, notify  # noqa: E402
from pipeline import ENDS, Run, Terminated, end_when_told_to, run_job, watched  # noqa: E402
from project import JobFailed, NotStarted  # noqa: E402
from run_summary import Watch  # noqa: E402
from scripted_meltano import ENDED, meltano, started  # noqa: E402

TASKS = (
    "home:hold",
    "tap-klaviyo-events target-duckdb",
    "tap-experiments target-duckdb",
    "dbt:assign",
    "tap-duckdb target-klaviyo-profiles",
    "lift-report:page",
)
SAID = (
    ("tap-klaviyo-events", "metrics: 37 records in 0.0 s"),
    ("tap-klaviyo-events", "events: 500 records, 100/s, 40% of the time read"),
    ("tap-klaviyo-events", "events: 12,000 records in 7.1 s, 1,690/s; 2 rows could not be read"),
    (
        "tap-klaviyo-events",
        "rows that cannot be read were put aside, and are missing in the warehouse: 2 of events, 1 of metrics",
    ),
    ("target-duckdb", "4 rows of the stream `events` were refused; all others are loaded"),
    (
        "tap-experiments",
        'METRIC: {"type":"counter","metric":"record_count","value":2,"tags":{"stream":"experiment_arms"}}',
    ),
    ("tap-duckdb", 'METRIC: {"type":"counter","metric":"record_count","value":9,"tags":{"stream":"profiles"}}'),
    (
        "target-klaviyo-profiles",
        "profiles: 2,755 received, 2,700 accepted, 50 unchanged, 5 rejected; 1 job, 3 requests",
    ),
    ("target-klaviyo-profiles", "profiles: rejected 5 as invalid_email: email a@example.org"),
    ("tap-klaviyo-events", "campaigns: 0 records in 0.1 s"),
    ("target-klaviyo-profiles", "campaign_message_templates: 0 received, 0 accepted; 0 jobs, 0 requests"),
    ("target-klaviyo-profiles", "templates: 1 received, 1 accepted; 0 jobs, 2 requests"),
)


def report(title: str = "bold is ahead", following: str = "control 20 %, bold 80 %") -> str:
    slot = {"slot": "hero", "title": title, "next": following}
    return json.dumps({"experiments": [{"key": "spring", "version": 1, "slots": [slot]}]})


def play(
    home: Path, variables: dict[str, str], title: str = "", failure: BaseException | None = None
) -> list[str]:
    """A run as Meltano's log tells it; the lines for a person."""
    lines: list[str] = []
    run = Run(TASKS, lambda *_: None)
    watch = Watch("pipeline", "prod", variables, lines.append, lines.append)
    try:
        with watch.attempt(), watch.run(run, home):
            for plugin, line in SAID:
                run.hear({"event": line, "string_id": plugin, "level": "info"})
            finished = TASKS if title else TASKS[:3]
            for _ in finished:
                run.hear({"event": "Block run completed", "success": True, "duration_seconds": 2.0})
            if title:
                (home / "report.json").write_text(report(title))
            if failure:
                raise failure
    except (JobFailed, KeyboardInterrupt):
        assert failure
    return lines


def last(home: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((home / "last-run.json").read_text())
    return read


class Channel:
    """A chat channel on this machine, that answers as it is told."""

    def __init__(self) -> None:
        self.heard: list[dict[str, str]] = []
        self.status, self.delay = 200, 0.0
        channel = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(channel.delay)
                channel.heard.append(json.loads(body))
                self.send_response(channel.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.variables = {URL: f"http://127.0.0.1:{self.server.server_port}/services/T0/B0/s3cr3t"}


@pytest.fixture
def channel() -> Iterator[Channel]:
    channel = Channel()
    threading.Thread(target=channel.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield channel
    channel.server.shutdown()
    channel.server.server_close()


# the summary


def test_a_person_reads_what_a_run_did(tmp_path: Path) -> None:
    assert play(tmp_path, {}, "bold is ahead") == [
        "prod: pipeline is done after 0 s",
        "read: metrics 37 · events 12,000 · experiment_arms 2",
        "written: profiles 2,750 of 2,755 · templates 1 of 1",
        "refused: events (target-duckdb) 4 · profiles (target-klaviyo-profiles) 5",
        "put aside: events 2 · metrics 1",
        "verdict: spring v1 hero: bold is ahead; next split control 20 %, bold 80 %",
    ]


def test_a_program_reads_the_same_from_a_private_file(tmp_path: Path) -> None:
    play(tmp_path, {}, "bold is ahead")
    told = last(tmp_path)
    assert stat.S_IMODE((tmp_path / "last-run.json").stat().st_mode) == 0o600
    assert (told["format"], told["job"], told["environment"], told["outcome"]) == (1, "pipeline", "prod", "done")
    assert told["began"].endswith("Z")
    assert told["ended"] >= told["began"]
    assert told["tasks"]["dbt:assign"] == 2.0
    assert told["read"] == {"metrics": 37, "events": 12_000, "experiment_arms": 2, "campaigns": 0}
    assert told["written"]["profiles"] == {"received": 2755, "accepted": 2700, "unchanged": 50, "rejected": 5}
    assert told["refused"] == {"target-duckdb": {"events": 4}, "target-klaviyo-profiles": {"profiles": 5}}
    assert told["put_aside"] == {"events": 2, "metrics": 1}
    assert told["verdicts"] == [
        {
            "slot": "spring v1 hero",
            "title": "bold is ahead",
            "before": "",
            "next_split": "control 20 %, bold 80 %",
        }
    ]


def test_what_was_refused_before_is_told_as_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not in Klaviyo, also in the runs that do not try again."""
    line = "events: 4 received, 1 accepted, 1 rejected, 2 refused before; 1 job, 1 request"
    monkeypatch.setitem(globals(), "SAID", (("target-klaviyo-profiles", line),))
    told = play(tmp_path, {}, "bold is ahead")
    assert "written: events 1 of 4" in told
    assert "refused: events (target-klaviyo-profiles) 3" in told


def test_while_a_run_lives_the_file_says_so(tmp_path: Path) -> None:
    watch = Watch("pipeline", "prod", {}, print, print)
    with watch.attempt(), watch.run(Run(TASKS, lambda *_: None), tmp_path):
        assert last(tmp_path)["outcome"] == "running"


@pytest.mark.parametrize("content", ["", "[]", '{"format": 1, "verdicts": [3], "told": 4}', '{"format": 99}'])
def test_a_file_of_something_else_fails_no_run(tmp_path: Path, content: str) -> None:
    (tmp_path / "last-run.json").write_text(content)
    assert play(tmp_path, {}, "bold is ahead")[0] == "prod: pipeline is done after 0 s"


# who is told of what


def test_a_verdict_is_told_once_and_again_when_it_is_another(tmp_path: Path, channel: Channel) -> None:
    for title in ("too early", "too early", "bold is ahead", "", "bold is ahead", "bold wins"):
        play(tmp_path, channel.variables, title)
    told = [each["text"].splitlines()[-1] for each in channel.heard]
    assert told == [
        "verdict: spring v1 hero: too early; next split control 20 %, bold 80 %",
        "verdict: spring v1 hero: bold is ahead (before: too early); next split control 20 %, bold 80 %",
        "verdict: spring v1 hero: bold wins (before: bold is ahead); next split control 20 %, bold 80 %",
    ]


def test_a_verdict_that_could_not_be_told_is_told_by_the_next_run(tmp_path: Path, channel: Channel) -> None:
    channel.status = 500
    lines = play(tmp_path, channel.variables, "bold is ahead")
    assert lines[-1] == f"nobody was notified by {URL}: it answers with status 500"
    channel.status = 200
    for _ in range(2):
        play(tmp_path, channel.variables, "bold is ahead")
    assert len(channel.heard) == 2


@pytest.mark.parametrize(
    ("failure", "first"),
    [
        (JobFailed("dbt:assign: no memory: mail ada@example.org"), "failed after 0 s: dbt:assign: see the log"),
        (
            JobFailed("dbt:assign: test no_one (a/b.sql): name = Ada Lovelace"),
            "failed after 0 s: dbt:assign: test no_one (a/b.sql) failed",
        ),
        (KeyboardInterrupt(), "interrupted after 0 s: dbt:assign: the next run goes on where this one stopped"),
        (Terminated(15), "interrupted after 0 s: dbt:assign: the next run goes on where this one stopped"),
    ],
)
def test_an_end_before_its_time_is_told_without_what_stands_in_a_row(
    tmp_path: Path, channel: Channel, failure: BaseException, first: str
) -> None:
    play(tmp_path, channel.variables, failure=failure)
    [told] = channel.heard
    assert told["text"].splitlines()[:2] == [
        f"prod: pipeline {first}",
        "read: metrics 37 · events 12,000 · experiment_arms 2",
    ]
    assert last(tmp_path)["outcome"] in ("failed", "interrupted")
    assert "ada@" not in (tmp_path / "last-run.json").read_text()


def test_what_cannot_begin_is_told_and_leaves_the_last_summary_alone(tmp_path: Path, channel: Channel) -> None:
    lines: list[str] = []
    watch = Watch("changes", "prod", channel.variables, lines.append, lines.append)
    message = "waited 6 hours for pipeline (process 7, since 03:10:00), and ran nothing"
    with pytest.raises(NotStarted), watch.attempt():
        raise NotStarted(message)
    assert [each["text"] for each in channel.heard] == [f"prod: changes failed after 0 s: {message}"]
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_killed_is_told_by_the_next(tmp_path: Path, channel: Channel) -> None:
    play(tmp_path, {}, "bold is ahead")
    killed = last(tmp_path) | {"outcome": "running"}
    (tmp_path / "last-run.json").write_text(json.dumps(killed))
    lines = play(tmp_path, channel.variables, "bold is ahead")
    assert lines[0].startswith(f"prod: pipeline, begun at {killed['began']}, was killed")
    assert [each["text"] for each in channel.heard] == lines[:1]


# the ways to tell


def test_no_secret_and_nobody_is_in_what_is_told(channel: Channel) -> None:
    variables = channel.variables | {
        "TAP_API_KEY": "pk_0123456789",
        "DB_PASSWORD": "swordfish",
        "MODE": "plain text",
    }
    text = f"plain text: pk_abcdefgh swordfish {channel.variables[URL]}\nada@example.org +491701234567"
    assert masked(text, variables) == "plain text: pk_*** *** ***\n<email> <phone>"
    assert notify(text, variables, pytest.fail)
    assert channel.heard == [{"text": masked(text, variables)}]


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("file:///etc/hostname", "it is no address that begins with https://"),
        ("http://127.0.0.1:1/s3cr3t", "Connection refused"),
        ("http://a b/s3cr3t", "InvalidURL"),
    ],
)
def test_an_address_that_does_not_work_is_told_but_not_the_address(url: str, fault: str) -> None:
    complaints: list[str] = []
    assert not notify("x", {URL: url}, complaints.append)
    assert complaints == [f"nobody was notified by {URL}: {fault}"]


def test_a_channel_that_does_not_answer_is_left(channel: Channel) -> None:
    channel.delay = 1.0
    complaints: list[str] = []
    began = time.monotonic()
    assert not notify("x", channel.variables, complaints.append, seconds=0.2)
    assert time.monotonic() - began < 0.9
    assert len(complaints) == 1


def test_a_command_gets_the_text_and_no_shell_sees_it(tmp_path: Path) -> None:
    text = "a `touch hacked` $(touch hacked); touch hacked"
    assert notify(text, {COMMAND: f"tee '{tmp_path / 'the text'}'"}, pytest.fail)
    assert (tmp_path / "the text").read_text() == f"{text}\n"
    assert not Path("hacked").exists()


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("/no/such/command", "it cannot be started (No such file or directory)"),
        ("an 'open quote", "it cannot be started (No closing quotation)"),
        ("sh -c 'exit 3'", "it ended with 3"),
        ("sh -c 'sleep 30 & sleep 30'", "it did not end within 0.3 seconds"),
    ],
)
def test_a_command_that_does_not_work_fails_nothing(command: str, fault: str) -> None:
    complaints: list[str] = []
    assert not notify("x", {COMMAND: command}, complaints.append, seconds=0.3)
    assert complaints == [f"nobody was notified by {COMMAND}: {fault}"]


# a job under a Meltano that does as it is told


def test_a_job_that_dies_is_told_with_its_task(tmp_path: Path, channel: Channel) -> None:
    lines: list[str] = []
    with meltano(tmp_path, f"echo '{ENDED}'; kill -9 $$"), pytest.MonkeyPatch.context() as patch:
        patch.setenv(URL, channel.variables[URL])
        with pytest.raises(JobFailed), watched("measure", "demo", lines.append) as watch:
            run_job("measure", "demo", tmp_path / "home" / "log.jsonl", tell=lambda *_: None, watch=watch)
    [told] = channel.heard
    assert told["text"].startswith("demo: measure failed after ")
    assert "dbt:measure" in told["text"]
    assert "killed by signal 9" in last(tmp_path / "home")["reason"]


def test_a_job_that_is_told_to_end_ends_its_meltano_and_keeps_its_last_words(tmp_path: Path) -> None:
    home = tmp_path / "home"
    script = f"trap 'echo last words; exit 143' TERM; echo begun > {home}/begun; while :; do sleep 0.1; done"
    with meltano(tmp_path, script):
        process = started(tmp_path, "measure")
    try:
        for _ in range(600):
            if (home / "begun").exists():
                break
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGTERM)
        said, complained = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 1
    assert said.startswith("demo: measure interrupted after ")
    assert complained.endswith("interrupted: the next run goes on where this one stopped\n")
    assert "last words" in (home / "log.jsonl").read_text()
    assert last(home)["outcome"] == "interrupted"


def test_a_job_that_is_told_to_end_while_meltano_starts_leaves_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal comes when Meltano is there and its process is not known to us yet."""
    home = tmp_path / "home"

    begin = pipeline._started

    def beginning(*arguments: Any) -> subprocess.Popen[str]:  # noqa: ANN401
        process = begin(*arguments)
        while not (home / "begun").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)  # a handler of Python's runs between two steps of its own
        return process

    monkeypatch.setattr(pipeline, "_started", beginning)
    before = {number: signal.getsignal(number) for number in ENDS}
    end_when_told_to()
    script = f"trap 'echo last words; exit 143' TERM; echo begun > {home}/begun; while :; do sleep 0.1; done"
    try:
        with meltano(tmp_path, script), pytest.raises(Terminated):
            run_job("measure", "demo", home / "log.jsonl", tell=lambda *_: None)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert "last words" in (home / "log.jsonl").read_text()


def test_two_that_start_in_the_same_minute_run_one_after_the_other(tmp_path: Path) -> None:
    """The second waits, says so, and both end well."""
    script = (
        f"cd {tmp_path}/home; mkdir alone || exit 9\n"
        "tries=0  # whoever is first goes on until the other one waits\n"
        "while [ ! -e ran ] && [ $(ls .queue | grep -c ^0) -lt 2 ] && [ $tries -lt 300 ]; do\n"
        "  sleep 0.1; tries=$((tries + 1))\ndone\n"
        f"rmdir alone; echo $5 >> ran; echo '{ENDED}'; echo '{ENDED}'; echo '{ENDED}'"
    )
    with meltano(tmp_path, script):
        both = [started(tmp_path, job) for job in ("measure", "assign")]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("waiting for " in errors for _, errors in said) == 1
    assert sorted((tmp_path / "home" / "ran").read_text().split()) == ["assign", "measure"]


def test_every_key_of_the_summary_is_documented() -> None:
    documented = run_summary.Summary.__doc__ or ""
    keys = {
        each for each in run_summary.Summary.__dataclass_fields__ if each not in ("job", "environment", "ended")
    }
    assert [key for key in keys if f"{key}: " not in documented] == []
