"""What goes wrong outside ends in one clear line and a non-zero exit; for whole jobs, test_pipeline.py tells."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from klaviyo_sandbox import Sandbox

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


ID_AND_NAME = {"properties": {"id": {"type": "string"}, "first_name": {"type": "string"}}}
PROFILE = [
    {
        "type": "SCHEMA",
        "stream": "profiles",
        "schema": {"properties": {"id": {"type": "string"}}},
        "key_properties": ["id"],
    },
    {"type": "RECORD", "stream": "profiles", "record": {"id": "01M1PA9MBA7VB258TP74BXMQTG", "first_name": "Ada"}},
    {"type": "STATE", "value": {"bookmarks": {"a": 1}}},
]
PROFILES = 800
SINGER = "".join(json.dumps(message) + "\n" for message in PROFILE)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(profiles=PROFILES, events=100, segments=1, seed=3) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("warehouse") / "klaviyo.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema publish")
        connection.execute(
            "create table publish.pub_klaviyo_profiles as select 'x' || i as id from range(99999) r(i)"
        )
    return path


def _run(
    program: str, *arguments: str, env: dict[str, str] | None = None, stdin: str = "", stdout: str = os.devnull
) -> tuple[int, str]:
    """Exit code and standard error."""
    with Path(stdout).open("w") as out:
        done = subprocess.run(  # noqa: S603
            [BIN / program, *arguments],
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **(env or {})},
            input=stdin,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
            cwd=ROOT,
        )
    return done.returncode, done.stderr


def _tap(sandbox: Sandbox, **settings: str) -> dict[str, str]:
    values = {"api_key": sandbox.api_key, "api_url": sandbox.url} | settings
    return {f"TAP_KLAVIYO_ENGAGEMENT_{name.upper()}": value for name, value in values.items()}


def _target(sandbox: Sandbox, tmp_path: Path, **settings: str) -> dict[str, str]:
    values = {
        "api_key": sandbox.api_key,
        "api_url": sandbox.url,
        "rejects_path": str(tmp_path / "rejects.jsonl"),
    } | settings
    return {f"TARGET_KLAVIYO_PROFILES_{name.upper()}": value for name, value in values.items()}


@pytest.fixture(scope="module")
def nowhere() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def _one_clear_line(outcome: tuple[int, str], *said: str) -> None:
    code, errors = outcome
    assert code not in (0, -9), errors
    assert "Traceback" not in errors, errors
    last = errors.strip().splitlines()[-1]
    assert all(words in last for words in said), errors


def test_a_wrong_key(sandbox: Sandbox, tmp_path: Path) -> None:
    _one_clear_line(
        _run("tap-klaviyo-engagement", "--config=ENV", env=_tap(sandbox, api_key="pk_wrong")), "`api_key`"
    )
    outcome = _run(
        "target-klaviyo-profiles",
        "--config=ENV",
        env=_target(sandbox, tmp_path, api_key="pk_wrong"),
        stdin=SINGER,
    )
    _one_clear_line(outcome, "`api_key`")
    assert "pk_wrong" not in outcome[1]


def test_a_missing_scope_stops_its_stream_alone(sandbox: Sandbox) -> None:
    key = sandbox.key(
        ["metrics:read", "profiles:read", "lists:read", "segments:read", "templates:read", "campaigns:read"]
    )
    done = subprocess.run(  # noqa: S603
        [BIN / "tap-klaviyo-engagement", "--config=ENV"],
        env={"PATH": os.environ["PATH"], **_tap(sandbox, api_key=key)},
        capture_output=True,
        text=True,
        check=False,
    )
    _one_clear_line((done.returncode, done.stderr), "`events:read`", "events")
    streams = [
        message["stream"] for message in map(json.loads, done.stdout.splitlines()) if message["type"] == "RECORD"
    ]
    assert streams.count("profiles") == PROFILES
    assert "segment_memberships" in streams


def test_a_missing_scope_of_a_sink(sandbox: Sandbox, tmp_path: Path) -> None:
    env = _target(sandbox, tmp_path, api_key=sandbox.key(["profiles:read"]))
    _one_clear_line(_run("target-klaviyo-profiles", "--config=ENV", env=env, stdin=SINGER), "`profiles:write`")


def test_an_unreachable_host(sandbox: Sandbox, tmp_path: Path, nowhere: str) -> None:
    _one_clear_line(
        _run("tap-klaviyo-engagement", "--config=ENV", env=_tap(sandbox, api_url=nowhere)), "`api_url`"
    )
    env = _target(sandbox, tmp_path, api_url=nowhere)
    _one_clear_line(_run("target-klaviyo-profiles", "--config=ENV", env=env, stdin=SINGER), "`api_url`")


@pytest.mark.parametrize("variable", ["TAP_KLAVIYO_ENGAGEMENT_API_KEY", "TARGET_KLAVIYO_PROFILES_API_KEY"])
def test_no_key_at_all(variable: str) -> None:
    program = "tap-klaviyo-engagement" if variable.startswith("TAP") else "target-klaviyo-profiles"
    _one_clear_line(_run(program, "--config=ENV"), "`api_key` is missing", variable)


def test_a_malformed_experiment(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "demo" / "experiments", tmp_path / "experiments")
    definition = tmp_path / "experiments" / "spring_hero" / "experiment.yml"
    shares = "allocation: {manual: {control: 60, bold: 30}}"
    definition.write_text(definition.read_text().replace("allocation: equal", shares))
    outcome = _run("tap-experiments", "--config=ENV", env={"TAP_EXPERIMENTS_PATH": str(tmp_path / "experiments")})
    _one_clear_line(outcome, "spring_hero/experiment.yml", "allocation", "100")


def test_a_full_disk(sandbox: Sandbox, tmp_path: Path, warehouse: Path) -> None:
    full = "/dev/full"
    _one_clear_line(
        _run("tap-klaviyo-engagement", "--config=ENV", env=_tap(sandbox), stdout=full), "No space left on device"
    )
    _one_clear_line(_run("tap-experiments", stdout=full), "No space left on device")
    _one_clear_line(
        _run("tap-duckdb", "--config=ENV", env={"TAP_DUCKDB_PATH": str(warehouse)}, stdout=full),
        "No space left on device",
    )
    refused = SINGER.replace("01M1PA9MBA7VB258TP74BXMQTG", "")
    env = _target(sandbox, tmp_path, rejects_path=full)
    _one_clear_line(_run("target-klaviyo-profiles", "--config=ENV", env=env, stdin=refused), "rejects_path")
