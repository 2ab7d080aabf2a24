"""The command, as a process: how it ends, and what it never says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.http.faults import Slow
from klaviyo_wire.endpoints import DEFAULT_REVISION, ENDPOINTS
from tap_klaviyo_engagement.streams import SWITCHED, streams_for
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

Json = dict[str, Any]
COMMAND = [sys.executable, "-m", "tap_klaviyo_engagement"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(profiles=300, events=3_000, seed=2) as sandbox:
        yield sandbox


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> Path:
    return _write(tmp_path, {"api_key": sandbox.api_key, "api_url": sandbox.url})


def _write(folder: Path, config: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return path


def _environment(**more: str) -> dict[str, str]:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("TAP_KLAVIYO_ENGAGEMENT_")}
    return inherited | more


def _run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(  # noqa: S603 - our own
        command, capture_output=True, text=True, timeout=60, check=False, env=_environment(**environment)
    )


def _errors(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if " INFO " not in line and " WARNING " not in line]


@pytest.fixture(scope="module")
def whole_catalog(sandbox: Sandbox) -> Json:
    catalog: Json = TapKlaviyoEngagement(
        config={"api_key": sandbox.api_key, "include_subscriptions": True}
    ).catalog_dict
    return catalog


@pytest.fixture
def catalog(whole_catalog: Json, tmp_path: Path) -> Callable[..., Path]:
    """Writes a catalog with these streams: what a test does not need costs seconds."""

    def write(*streams: str) -> Path:
        entries = [entry for entry in whole_catalog["streams"] if entry["tap_stream_id"] in streams]
        path = tmp_path / "catalog.json"
        path.write_text(json.dumps({"streams": entries}))
        return path

    return write


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param({"api_key": "pk_wrong_0123456789"}, "`api_key`", id="wrong key"),
        pytest.param({"api_key": 123456789}, "`api_key` is not text", id="no text"),
        pytest.param({"revision": "2023-10-15"}, "`revision` is '2023-10-15'", id="old revision"),
        pytest.param({"revision": "newest"}, "`revision` is 'newest'", id="no revision"),
        pytest.param({"start_date": "soon"}, "`start_date` is 'soon'", id="start_date"),
    ],
)
def test_a_wrong_setting_is_one_line_and_a_failure(
    wrong: Json, said: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    held = {"api_key": sandbox.api_key, "api_url": sandbox.url} | wrong
    ended = _run("--config", _write(tmp_path, held))
    assert ended.returncode == 1
    (line,) = _errors(ended.stderr)
    assert said in line
    assert "123456789" not in ended.stderr


def _beyond(scopes: set[str], *, default_only: bool = True) -> list[str]:
    """Names of the streams that a key with these scopes cannot read."""
    return [
        stream.name
        for stream in streams_for(DEFAULT_REVISION)
        if stream.operation
        and stream not in SWITCHED
        and not scopes.issuperset(ENDPOINTS[stream.operation].scopes)
        and (stream.selected_by_default or not default_only)
    ]


def test_a_missing_scope_is_one_line_and_a_failure_after_everything_else(sandbox: Sandbox, tmp_path: Path) -> None:
    scopes = {"accounts:read", "metrics:read", "lists:read", "segments:read", "templates:read", "events:read"}
    key = sandbox.key(scopes)
    ended = _run("--config", _write(tmp_path, {"api_key": key, "api_url": sandbox.url}))
    assert ended.returncode == 1
    *lines, last = _errors(ended.stderr)
    stopped = _beyond(scopes)
    assert [line.split("| ")[-1].split()[0] for line in lines] == stopped
    assert ended.stderr.rstrip().endswith(last), "whoever reads only the last line knows it all"
    assert all(f"{stream}: the API key may not call" in last for stream in stopped)
    assert "`tags:read`" in lines[0]
    assert ended.stdout.count('"stream":"events"') > 3_000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line_and_a_failure(config: Path) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(  # noqa: S603 - our own
            [*COMMAND, "--config", str(config)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
            env=_environment(),
        )
    assert ended.returncode == 1
    (line,) = _errors(ended.stderr)
    assert "cannot write to standard output: No space left on device" in line


def test_a_reader_that_stops_is_one_line_and_a_failure(config: Path, catalog: Callable[..., Path]) -> None:
    with subprocess.Popen(  # noqa: S603 - our own
        [*COMMAND, "--config", str(config), "--catalog", str(catalog("events"))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
    ) as tap:
        assert tap.stdout is not None
        assert tap.stderr is not None
        tap.stdout.readline()
        tap.stdout.close()
        (line,) = _errors(tap.stderr.read())
    assert tap.returncode == 1
    assert "whoever read it stopped reading" in line


def test_a_signal_ends_the_run_with_the_last_state_written(
    sandbox: Sandbox, config: Path, catalog: Callable[..., Path]
) -> None:
    sandbox.faults.add(Slow(operation="get_events", nth=3, seconds=20))
    with subprocess.Popen(  # noqa: S603 - our own
        [*COMMAND, "--config", str(config), "--catalog", str(catalog("events"))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
    ) as tap:
        assert tap.stdout is not None
        assert tap.stderr is not None
        tap.stdout.readline()
        tap.send_signal(signal.SIGTERM)
        stdout, stderr = tap.communicate(timeout=30)
    sandbox.faults.clear()
    assert tap.returncode == 128 + signal.SIGTERM
    assert _errors(stderr) == []
    for line in stdout.splitlines():
        json.loads(line)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--config", "nowhere.json"), "cannot read the configuration nowhere.json"),
        (("--config", "{config}", "--state", "{broken}"), "the state file is not JSON"),
    ],
)
def test_a_broken_file_is_one_line_and_a_failure(
    arguments: tuple[str, ...], said: str, config: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    ended = _run(*(each.format(config=config, broken=broken) for each in arguments))
    assert ended.returncode == 1
    (line,) = _errors(ended.stderr)
    assert said in line


def test_the_log_at_its_loudest_holds_neither_key_nor_personal_data(
    sandbox: Sandbox, tmp_path: Path, catalog: Callable[..., Path]
) -> None:
    settings = {"api_url": sandbox.url, "include_subscriptions": True, "lists": ["Nobody"]}
    ended = _run(
        "--config",
        _write(tmp_path, settings),
        "--config=ENV",
        "--catalog",
        catalog("profiles", "events", "list_memberships"),
        TAP_KLAVIYO_ENGAGEMENT_API_KEY=sandbox.api_key,
        TAP_KLAVIYO_ENGAGEMENT_LOGLEVEL="DEBUG",
        LOGLEVEL="DEBUG",
    )
    assert ended.returncode == 1, "of the list that does not exist"
    assert " DEBUG " in ended.stderr
    assert sandbox.api_key not in ended.stderr
    addresses = [row[0] for row in sandbox.store.read("select email from profiles where email is not null")]
    numbers = [row[0] for row in sandbox.store.read("select phone_number from profiles where phone_number > ''")]
    assert addresses
    assert numbers
    assert not [each for each in addresses + numbers if each in ended.stderr]
    assert addresses[0] in ended.stdout


def test_the_connection_test_fails_where_a_stream_cannot_be_read(sandbox: Sandbox, tmp_path: Path) -> None:
    held = {"api_key": sandbox.api_key, "api_url": sandbox.url}
    ended = _run("--config", _write(tmp_path, held), "--test")
    assert ended.returncode == 0
    assert _errors(ended.stderr) == []
    key = sandbox.key(["metrics:read"])
    ended = _run("--config", _write(tmp_path, held | {"api_key": key}), "--test")
    assert ended.returncode == 1
    lines = _errors(ended.stderr)
    assert [line.split("| ")[-1].split()[0] for line in lines] == [
        name
        for name in _beyond({"metrics:read"}, default_only=False)
        if name not in {"campaign_values", "flow_values", "flow_series"}
    ]
    assert "campaign_values was not tried: it needs the setting `report_conversion_metric`" in ended.stderr
