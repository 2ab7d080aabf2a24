"""The command: one clear line and a non-zero exit for whatever can go wrong; no line of input in any message."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time as wall
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from klaviyo_sandbox.http.faults import ImportOutcome
from target_klaviyo_profiles.__main__ import main
from target_klaviyo_profiles.target import TargetKlaviyoProfiles

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
KEY = "pk_0123456789abcdef0123456789"
SCHEMA: Json = {
    "type": "SCHEMA",
    "stream": "profiles",
    "schema": {"properties": {"external_id": {}, "email": {}, "properties": {}}},
    "key_properties": ["external_id"],
}
RECORD: Json = {"type": "RECORD", "stream": "profiles", "record": {"external_id": "crm-1"}}
PATIENCE = 120
"""Seconds after which a process hangs: it takes two, on a busy machine twenty."""
SECRET = "ada.lovelace@mail.example.net"


def _lines(*messages: Json | str) -> str:
    return "".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in messages)


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command in this process on some input: exit code, standard output and standard error."""
    monkeypatch.setattr("singer_sdk.plugin_base._setup_console_logging", lambda **_: None)
    monkeypatch.setattr(TargetKlaviyoProfiles, "_setup_signal_handlers", lambda _: None)
    monkeypatch.setattr("backoff._sync.time.sleep", lambda _: None)
    monkeypatch.setattr("logging.captureWarnings", lambda **_: None)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.chdir(tmp_path)

    def command(config: Json | str, text: str | bytes) -> tuple[int, str, str]:
        path = tmp_path / "config.json"
        path.write_text(config if isinstance(config, str) else json.dumps(config))
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        monkeypatch.setattr(sys, "argv", ["target-klaviyo-profiles", "--config", str(path)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        code = ended.value.code
        if isinstance(code, str):  # the interpreter prints it and exits with 1
            return 1, out, f"{err}{code}\n"
        return int(code or 0), out, err

    return command


@pytest.mark.parametrize(
    ("config", "text", "said"),
    [
        ("{bad", "", "a file given by --config is not a JSON object"),
        ("[1]", "", "a file given by --config is not a JSON object"),
        ({}, "", "the setting `api_key` is missing: set TARGET_KLAVIYO_PROFILES_API_KEY"),
        ({"api_key": 12345678}, "", "the setting `api_key` is not text"),
        ({"api_key": " "}, _lines(SCHEMA), "the setting `api_key` is empty"),
        ({"api_key": KEY, "api_url": "klaviyo"}, _lines(SCHEMA), "the setting `api_url` is 'klaviyo'"),
        ({"api_key": KEY, KEY: "x"}, "", "there is no setting `pk_***`"),
        ({"api_key": KEY, f"x{KEY}": "x"}, "", "there is no setting `xpk_***`"),
        ({"api_key": KEY, "rate_limit_share": KEY}, "", "'pk_***' is not of type 'number'"),
        ({"api_key": KEY, "clearable_fields": [KEY]}, "", "'pk_***' is not one of"),
        ({"api_key": KEY, "revision": "new"}, _lines(SCHEMA), "the setting `revision` is 'new'"),
        ({"api_key": KEY, "rate_limit_share": 0}, "", "rate_limit_share"),
        ({"api_key": KEY, "concurrency": 0}, "", "concurrency"),
        ({"api_key": KEY, "concurency": 4}, "", "no setting `concurency`; did you mean `concurrency`?"),
        ({"api_key": KEY, "on_reject": "ignore"}, "", "'ignore' is not one of ['warn', 'fail']"),
        ({"api_key": KEY, "load_method": "overwrite"}, "", "'overwrite' is not one of ['upsert']"),
        ({"api_key": KEY, "rejects_path": "no/such/folder.jsonl"}, _lines(SCHEMA), "the setting `rejects_path`"),
        ({"api_key": KEY, "rejects_path": "."}, _lines(SCHEMA), "is a folder"),
        (
            {"api_key": KEY},
            "Sent to ada.lovelace@mail.example.net\n",
            "line 1 of the input is not JSON (character 1)",
        ),
        ({"api_key": KEY}, _lines(SCHEMA, '{"type": "RECORD", "email": "ada'), "line 2 of the input is not JSON"),
        ({"api_key": KEY}, _lines("[1]"), "line 1 of the input is JSON, but not a Singer message"),
        ({"api_key": KEY}, _lines({"record": {"email": SECRET}}), "message of the input lacks `type`"),
        ({"api_key": KEY}, _lines({"type": "RECORD", "stream": "profiles"}), "a RECORD message"),
        ({"api_key": KEY}, _lines({"type": "SCHEMA", "stream": "profiles", "schema": {}}), "lacks `properties`"),
        (
            {"api_key": KEY},
            _lines({"type": "HELLO"}),
            "line 1 of the input is a message of an unknown type, 'HELLO'",
        ),
        ({"api_key": KEY}, _lines({"type": {}}), "its `type` is of the wrong type"),
        ({"api_key": KEY}, _lines({**RECORD, "record": SECRET}), "its `record` is of the wrong type"),
        ({"api_key": KEY}, _lines(RECORD), "before a corresponding schema"),
        ({"api_key": KEY}, _lines({**SCHEMA, "stream": "people"}), "as one of `profiles`, `events`"),
        (
            {"api_key": KEY},
            _lines({**SCHEMA, "schema": {"properties": {"emial": {}, "id": {}}}}),
            "has fields that its sink does not know: `emial`",
        ),
        (
            {"api_key": KEY},
            _lines(SCHEMA, {"type": "BATCH", "stream": "profiles", "encoding": {}, "manifest": []}),
            "`batch_config`",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    command: Callable[..., tuple[int, str, str]], config: Json | str, text: str, said: str
) -> None:
    code, out, err = command(config, text)
    assert code == 1
    assert out == ""
    assert err.startswith("target-klaviyo-profiles: ")
    assert err.count("\n") == 1
    assert said in err
    assert SECRET not in err
    assert "12345678" not in err


@pytest.mark.parametrize("url", ["user:hunter2@host", "//user:hunter2@host"])
def test_a_password_in_a_url_without_a_scheme_is_masked(
    command: Callable[..., tuple[int, str, str]], url: str
) -> None:
    code, _, err = command({"api_key": KEY, "api_url": url}, _lines(SCHEMA))
    assert code == 1
    assert "the setting `api_url` is '***@host': give scheme and host" in err
    assert "hunter2" not in err


def test_a_host_that_does_not_answer(command: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = command({"api_key": KEY, "api_url": "http://127.0.0.1:9"}, _lines(SCHEMA, RECORD))
    assert (code, out) == (1, "")
    assert err == (
        "target-klaviyo-profiles: cannot reach http://127.0.0.1:9 (ConnectionError): "
        "check the setting `api_url` and this machine's network\n"
    )


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (
            '{"email": "big@mail.example.net", "properties": {"n": ' + "9" * 5_000 + "}}",
            "more digits than can be read",
        ),
        ('{"properties": ' + '{"a":' * 9_000 + "1" + "}" * 9_000 + "}", "nested too deeply"),
        ('{"email": "a@mail.example.net" "b"}', "is not JSON (character"),
        ('{"email": "a@mail.example.net", "properties": {"n": "Zo\xeb"}}'.encode("latin-1"), "not UTF-8"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused_alone(
    command: Callable[..., tuple[int, str, str]], sandbox: Sandbox, tmp_path: Path, record: str | bytes, said: str
) -> None:
    sandbox.imports.delay = 0
    rejects = tmp_path / "rejects.jsonl"
    config = {
        "api_key": sandbox.api_key,
        "api_url": sandbox.url,
        "rejects_path": str(rejects),
        "max_reject_ratio": 1,
    }
    raw = record if isinstance(record, bytes) else record.encode()
    bad = b'{"type": "RECORD", "stream": "profiles", "record": %b}\n' % raw
    state = {"type": "STATE", "value": {"n": 1}}
    code, out, _ = command(config, _lines(SCHEMA, RECORD).encode() + bad + _lines(RECORD, state).encode())
    assert code == 0
    assert json.loads(out) == {"n": 1}
    [line] = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert (line["code"], line["record"], line["key"]) == ("unreadable", 2, None)
    assert said in line["detail"]
    assert "mail.example.net" not in rejects.read_text()


def test_what_was_refused_before_a_wrong_key_ended_the_run_is_in_the_file(
    command: Callable[..., tuple[int, str, str]], sandbox: Sandbox, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.jsonl"
    config = {"api_key": "pk_wrong_0123456789", "api_url": sandbox.url, "rejects_path": str(rejects)}
    bad = {**RECORD, "record": {"email": "no address"}}
    code, out, _ = command(config, _lines(SCHEMA, bad, RECORD))
    assert (code, out) == (1, "")
    assert [json.loads(line)["code"] for line in rejects.read_text().splitlines()] == ["invalid_email"]


def test_where_nothing_was_refused_before_a_wrong_key_ended_the_run_no_file_is_named(
    command: Callable[..., tuple[int, str, str]], sandbox: Sandbox, tmp_path: Path
) -> None:
    rejects = tmp_path / "refused.jsonl"
    config = {"api_key": "pk_wrong_0123456789", "api_url": sandbox.url, "rejects_path": str(rejects)}
    code, out, err = command(config, _lines(SCHEMA, RECORD))
    assert (code, out) == (1, "")
    assert "refused.jsonl" not in err
    assert "refused records" not in err
    assert not rejects.exists()


def test_a_record_that_json_cannot_carry_is_refused_alone(
    command: Callable[..., tuple[int, str, str]], sandbox: Sandbox, tmp_path: Path
) -> None:
    """NaN and lone surrogates are no JSON: the line that holds one must not end the run."""
    sandbox.imports.delay = 0
    record = '{"type": "RECORD", "stream": "profiles", "record": {"external_id": "%s", "properties": {"a": %s}}}'
    odd = [record % ("nan", "NaN"), record % ("half", '"\\ud800"')]
    state = {"type": "STATE", "value": {"at": 1}}
    config = {"api_key": sandbox.api_key, "api_url": sandbox.url, "max_reject_ratio": 0.7}
    code, out, _ = command(config, _lines(SCHEMA, *odd, RECORD, state))
    assert (code, out) == (0, '{"at": 1}\n')
    rejects = (tmp_path / "target-klaviyo-profiles-rejects.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in rejects] == [{"external_id": "nan"}, {"external_id": "half"}]
    assert sandbox.store.profile_by("external_id", "crm-1") is not None


@pytest.fixture
def process(sandbox: Sandbox, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start the command as a process of its own, on what is written to its standard input."""
    config = tmp_path / "config.json"
    # The SDK reads the numbers of a configuration file as decimals.
    numbers = {"rate_limit_share": 0.95, "job_timeout": 600.5, "max_reject_ratio": 0.5}
    config.write_text(json.dumps({"api_key": sandbox.api_key, "api_url": sandbox.url, **numbers}))
    started: list[subprocess.Popen[bytes]] = []

    def start(stdout: IO[bytes] | int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "target_klaviyo_profiles", "--config", str(config)],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for each in started:
        each.kill()
        each.communicate()


def _until(happened: Callable[[], bool]) -> None:
    deadline = wall.monotonic() + 20
    while not happened():
        assert wall.monotonic() < deadline
        wall.sleep(0.02)


INPUT = _lines(SCHEMA, RECORD, {"type": "STATE", "value": {"at": 1}}).encode()


def test_sigterm_ends_the_run_at_once_and_emits_no_state(
    process: Callable[..., subprocess.Popen[bytes]], sandbox: Sandbox
) -> None:
    """The SDK would drain again, amid the drain, and emit a STATE that nothing has confirmed."""
    sandbox.faults.add(ImportOutcome(outcome="stuck"))
    running = process()
    assert running.stdin
    running.stdin.write(INPUT)
    running.stdin.close()
    running.stdin = None
    _until(lambda: sandbox.store.count("import_jobs") == 1)
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 128 + signal.SIGTERM
    assert out == b""
    assert b"\ntarget-klaviyo-profiles: stopped by SIGTERM; the next run sends again what was not settled\n" in err
    assert b"Traceback" not in err


def test_killed_and_started_again_the_account_holds_the_input(
    process: Callable[..., subprocess.Popen[bytes]], sandbox: Sandbox
) -> None:
    running = process()
    assert running.stdin
    running.stdin.write(INPUT)
    running.stdin.close()
    running.stdin = None
    _until(lambda: sandbox.store.count("import_jobs") == 1)
    running.kill()
    assert running.communicate()[0] == b""
    sandbox.imports.delay = 0
    out, err = process().communicate(INPUT, timeout=PATIENCE)
    assert out == b'{"at": 1}\n'
    assert sandbox.store.profile_by("external_id", "crm-1") is not None
    assert b"profiles: 1 received, 1 accepted; 1 job" in err
    assert b"Traceback" not in err


def test_a_full_disk_behind_standard_output_is_one_line(
    process: Callable[..., subprocess.Popen[bytes]], sandbox: Sandbox
) -> None:
    sandbox.imports.delay = 0
    with Path("/dev/full").open("wb") as full:
        running = process(full)
        _, err = running.communicate(INPUT, timeout=PATIENCE)
    assert running.returncode == 1
    assert err.endswith(
        b"\ntarget-klaviyo-profiles: cannot write STATE to standard output (No space left on device)\n"
    )
    assert b"Traceback" not in err
