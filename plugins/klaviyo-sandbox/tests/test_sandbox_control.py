"""The control plane and the command line."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.cli import main
from klaviyo_sandbox.model.records import CampaignMessage, Template
from klaviyo_sandbox.state.repository import KINDS

PAGE = (
    "<html><head></head><body>{% if 'e:s:bold' in person|lookup:'lf_assignments' %}"
    '<a href="https://shop.example/?lf_cid=e.s.bold">b</a>{% else %}'
    '<a href="https://shop.example/?lf_cid=e.s.fb">c</a>{% endif %}{% unsubscribe %}</body></html>'
)
TRUTH = {"effects": [{"slot": "e.s", "arm": "bold", "outcome": "click", "multiply": 2}]}


@pytest.fixture
def template(sandbox: Sandbox) -> str:
    sandbox.store.put(Template(id="PAGE01", name="page", html=PAGE, created=1, updated=1))
    return "page"


def command(*arguments: str) -> tuple[int, str]:
    """Exit code and output."""
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


# the control plane


def test_counts_are_by_stream(sandbox: Sandbox) -> None:
    counts = requests.get(f"{sandbox.url}/sandbox/counts", timeout=5).json()
    assert (counts["profiles"], counts["events"], counts["late_events"]) == (60, 400, 0)
    members = sandbox.store.count("members")
    assert counts["list_memberships"] + counts["segment_memberships"] == members
    known = [
        "accounts",
        "metrics",
        "events",
        "profiles",
        "lists",
        "segments",
        "list_memberships",
        "segment_memberships",
        "campaigns",
        "campaign_messages",
        "templates",
        "flows",
        "flow_actions",
        "flow_messages",
        "tags",
        "tag_groups",
        "forms",
        "webhooks",
        "late_events",
    ]
    assert [each for each in counts if each in known] == known
    declared = [name for kind in KINDS for name in kind.table.counted]
    assert list(counts) == ["accounts", *declared, "late_events"]


def test_requests_are_counted_by_operation_and_status(sandbox: Sandbox, api: requests.Session) -> None:
    api.get("/api/events?page[size]=1")
    api.get("/api/events?page[size]=0")
    api.get("/api/nonsense")
    found = requests.get(f"{sandbox.url}/sandbox/requests", timeout=5).json()["requests"]
    assert found == {"get_events 200": 1, "get_events 400": 1, "unknown 404": 1}


def test_a_send_is_played_and_summed_up(sandbox: Sandbox, template: str) -> None:
    asked = {"template": template, "audience": "Demo audience", "truth": TRUTH, "seed": 3}
    summary = requests.post(f"{sandbox.url}/sandbox/send", json=asked, timeout=30).json()
    assert summary["people"]["received"] > 10
    assert set(summary["arms"]["e.s"]) == {"fb"}, "nobody has an assignment yet"
    assert sandbox.store.get(CampaignMessage, summary["message_id"])
    again = requests.post(f"{sandbox.url}/sandbox/send", json=asked, timeout=30).json()
    assert again["campaign_id"] != summary["campaign_id"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"template": "none"}, "there is no template `none`"),
        ({"audience": "none"}, "there is no segment or list `none`"),
        ({"truth": {"effects": [{"slot": "e.s", "arm": "shy", "outcome": "click"}]}}, "e.s.shy"),
        ({"truth": {"baseline": {"open": 2}}}, "open"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_send_that_cannot_be_played_says_why_and_leaves_nothing(
    sandbox: Sandbox, template: str, change: dict[str, Any], reason: str
) -> None:
    campaigns = sandbox.store.count("campaigns")
    asked = {"template": template, "audience": "Demo audience", **change}
    response = requests.post(f"{sandbox.url}/sandbox/send", json=asked, timeout=30)
    assert response.status_code == 400
    assert reason in response.json()["error"]
    assert sandbox.store.count("campaigns") == campaigns


def test_faults_are_scheduled_reported_and_cleared(sandbox: Sandbox, api: requests.Session) -> None:
    url = f"{sandbox.url}/sandbox/faults"
    assert requests.post(url, json={"faults": [{"kind": "status"}]}, timeout=5).ok
    assert requests.post(url, json={"faults": [{"kind": "none"}]}, timeout=5).status_code == 400
    assert api.get("/api/accounts").status_code == 503
    (report,) = requests.get(url, timeout=5).json()
    assert (report["fault"]["kind"], report["matched"], report["struck"]) == ("status", 1, 1)
    requests.delete(url, timeout=5)
    assert requests.get(url, timeout=5).json() == []


def test_the_clock_can_be_moved(sandbox: Sandbox) -> None:
    before = sandbox.clock.seconds()
    requests.post(f"{sandbox.url}/sandbox/clock", json={"advance": 90}, timeout=5)
    assert sandbox.clock.seconds() == before + 90


def test_an_unknown_control_is_404(sandbox: Sandbox) -> None:
    assert requests.get(f"{sandbox.url}/sandbox/none", timeout=5).status_code == 404


# subcommands


def test_subcommands_match_the_control_plane(sandbox: Sandbox, template: str, tmp_path: Path) -> None:
    at = ("--url", sandbox.url)
    code, output = command("counts", *at)
    assert (code, json.loads(output)["profiles"]) == (0, 60)

    truth = tmp_path / "truth.yml"
    truth.write_text("effects: [{slot: e.s, arm: bold, outcome: click, multiply: 2}]")
    code, output = command(
        "send", *at, "--template", template, "--audience", "Demo audience", "--truth", str(truth), "--seed", "4"
    )
    assert (code, json.loads(output)["people"]["received"] > 10) == (0, True)

    schedule = tmp_path / "faults.yml"
    schedule.write_text("faults: [{kind: reset, operation: get_events}]")
    code, output = command("faults", *at, "--clear", "--file", str(schedule))
    assert (code, json.loads(output)[0]["fault"]["operation"]) == (0, "get_events")

    assert json.loads(command("release-late-events", *at)[1])["released"] > 0
    assert json.loads(command("settle", *at)[1]) == json.loads(command("counts", *at)[1])
    assert json.loads(command("clock", *at, "--advance", "60")[1])["now"].startswith("2026-11-02T09:31")
    assert json.loads(command("requests", *at)[1])["requests"] == {}


def test_subcommands_fail_in_one_line(sandbox: Sandbox, tmp_path: Path) -> None:
    wrong = tmp_path / "truth.yml"
    wrong.write_text("baseline: {open: 2}")
    send = ("send", "--url", sandbox.url, "--audience", "Demo audience", "--template")
    for arguments, words in (
        ((*send, "none"), "there is no template `none`"),
        ((*send, "none", "--truth", str(wrong)), str(wrong)),
        (("counts", "--url", "http://127.0.0.1:9"), "no sandbox answers at http://127.0.0.1:9"),
        (("faults", "--url", sandbox.url, "--file", str(wrong)), "faults"),
    ):
        code, output = command(*arguments)
        assert code == 1
        assert words in output
        assert len(output.splitlines()) == 1, output


# the command itself


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A running `klaviyo-sandbox` and its ready file."""
    ready = tmp_path / "ready.json"
    arguments = ["--profiles", "20", "--events", "30", "--segments", "1", "--ready-file", str(ready)]
    arguments += ["--everybody", "--no-advanced-kdp"]
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "klaviyo_sandbox", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, ready
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(served: tuple[subprocess.Popen[str], Path], number: int) -> None:
    process, ready = served
    assert process.stdout
    line = process.stdout.readline()
    written = json.loads(ready.read_text())
    assert line == f"klaviyo-sandbox listening on {written['url']}\n"
    headers = {"Authorization": f"Klaviyo-API-Key {written['api_key']}", "revision": "2026-07-15"}
    response = requests.get(f"{written['url']}/api/accounts", headers=headers, timeout=5)
    assert (response.status_code, response.headers["RateLimit-Remaining"]) == (200, "0")
    counts = requests.get(f"{written['url']}/sandbox/counts", timeout=5).json()
    assert (counts["profiles"], counts["segments"], counts["lists"]) == (20, 4, 3)
    assert requests.get(f"{written['url']}/api/webhooks", headers=headers, timeout=5).status_code == 403
    process.send_signal(number)
    output, errors = process.communicate(timeout=10)
    assert (process.returncode, output, errors) == (0, "", "")
    assert [each.name for each in ready.parent.iterdir()] == ["ready.json"]


def test_a_taken_port_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, output = command("--profiles", "1", "--events", "0", "--port", str(port))
    assert (code, output) == (1, f"Error: cannot listen on port {port}: Address already in use\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with (
            pytest.raises(OSError, match="address already in use"),
            Sandbox(profiles=1, events=0, segments=0, port=taken.getsockname()[1]),
        ):
            pass


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--faults", "none.yml"), "none.yml: No such file or directory"),
        (("--truth", "none.yml"), "none.yml: No such file or directory"),
        (("--profiles", "0", "--events", "5"), "events need somebody"),
        (
            ("--profiles", "1", "--events", "0", "--ready-file", "/none/ready.json"),
            "cannot write /none/ready.json",
        ),
    ],
)
def test_a_wrong_flag_is_one_line(arguments: tuple[str, ...], words: str) -> None:
    code, output = command(*arguments)
    assert code == 1
    assert words in output.splitlines()[-1]
    assert "Traceback" not in output
