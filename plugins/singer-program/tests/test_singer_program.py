"""The examples of the README, run as programs: how they end, and what they say."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

README = (Path(__file__).parents[1] / "README.md").read_text()
EXAMPLES = dict(re.findall(r"<!-- example: (\w+) -->\n```\w+\n(.*?)```", README, re.DOTALL))

TARGET = """
import sys, time
from singer_program.plugin import ProgramTarget, run_plugin
from singer_sdk import Sink
from singer_sdk import typing as th

class Nowhere(Sink):
    def process_record(self, record, context):
        if record.get("n") == "wait":
            print("waiting", flush=True)
            for _ in range(600):  # one long sleep would outlast a signal that came just before it
                time.sleep(0.1)
    def process_batch(self, context): pass

class TargetNowhere(ProgramTarget):
    name = "target-nowhere"
    default_sink_class = Nowhere
    config_jsonschema = th.PropertiesList(
        th.Property("token", th.StringType, secret=True), th.Property("size", th.IntegerType),
        th.Property("lengths", th.ArrayType(th.IntegerType)),
    ).to_dict()

sys.exit(run_plugin(TargetNowhere))
"""

GROUP = """
import sys, click, errno
from singer_program.command import run_command
from singer_program.errors import ProgramError

class Foreign(Exception): pass

@click.group()
def group(): pass

@group.command()
def many(): raise ProgramError("first\\nhalf", "second \\x1b[31m")

@group.command()
def foreign(): raise Foreign("theirs")

@group.command()
@click.argument("path")
def write(path): open(path, "w")

@group.command()
def full(): open("/dev/full", "w", buffering=1).write("to a file\\n")

@group.command()
def library(): raise OSError("a library's")

@group.command()
def reworded():
    try: click.echo("x" * 10)
    except OSError as error: raise ProgramError("in words of its own") from error

@group.command()
def stop():
    click.echo("before")
    click.get_current_context().exit(3)

@group.command()
@click.argument("size", type=int)
def shout(size): print("x" * size)

sys.exit(run_command(group, "many-things", errors=(Foreign,)))
"""


class Done(NamedTuple):
    """What a program left behind."""

    status: int
    out: str
    err: str

    @property
    def complaints(self) -> list[str]:
        return [line.split(" | ")[-1] for line in self.err.splitlines() if " | INFO " not in line]


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts a program that is given as its source text."""

    def start(
        source: str, *arguments: str, stdout: IO[str] | int = subprocess.PIPE, **environment: str
    ) -> subprocess.Popen[str]:
        script = tmp_path / "program.py"
        script.write_text(source)
        return subprocess.Popen(  # noqa: S603
            [sys.executable, str(script), *arguments],
            cwd=tmp_path,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def run(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., Done]:
    """Runs a program to its end."""

    def run(
        source: str, *arguments: str, text: str = "", stdout: IO[str] | int = subprocess.PIPE, **more: str
    ) -> Done:
        with start(source, *arguments, stdout=stdout, **more) as process:
            out, err = process.communicate(text, timeout=60)
        assert "Traceback" not in err
        assert "Exception ignored" not in err
        return Done(process.returncode, out or "", err)

    return run


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Done]]:
    """Runs a program in this process, which has the SDK loaded already."""
    handlers = list(logging.root.handlers)
    monkeypatch.chdir(tmp_path)

    def run(source: str, *arguments: str, text: str = "", **environment: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["program", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            exec(source, {"__name__": "program"})  # noqa: S102
        logging.root.handlers = list(handlers)  # the SDK adds one for each run
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, out, err)

    yield run
    logging.root.handlers = handlers


def test_the_command_of_the_readme(run: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "caller.json").write_text('{"names": ["Ada"], "times": 2}')
    assert run(EXAMPLES["command"], "--config", "caller.json") == (0, "hello, Ada\nhello, Ada\n", "")
    assert run(EXAMPLES["command"], "--config", "caller.json", DOOR_CALLER_TIMES="1").out == "hello, Ada\n"


def test_the_wrong_call_of_the_readme(run: Callable[..., Done]) -> None:
    call, *said = EXAMPLES["wrong"].splitlines()
    *variables, program = shlex.split(call.removeprefix("$ "))
    assert program == "door-caller"
    done = run(EXAMPLES["command"], **dict(each.split("=") for each in variables))
    assert (done.status, done.out, done.err.splitlines()) == (1, "", said)


def test_the_tap_of_the_readme(here: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "config.json").write_text('{"path": "a.txt"}')
    done = here(EXAMPLES["tap"], "--config", "config.json")
    messages = [json.loads(line) for line in done.out.splitlines()]
    assert [message["record"] for message in messages if message["type"] == "RECORD"] == [
        {"line": "one"},
        {"line": "two"},
    ]
    assert (done.status, messages[-1]["type"], done.complaints) == (0, "STATE", [])


@pytest.mark.parametrize(
    ("arguments", "config", "said"),
    [
        ([], {}, "wrong settings: 'path' is a required property"),
        ([], {"path": "a.csv"}, "the setting `path` names no text file; give it one that ends in .txt"),
        (
            ["--discover"],
            {"path": "a.csv"},
            "the setting `path` names no text file; give it one that ends in .txt",
        ),
        ([], {"path": "gone.txt"}, "gone.txt: No such file or directory"),
        (
            ["--config", "gone.json"],
            {},
            "Invalid value for '--config': config.json, gone.json: File at 'gone.json'",
        ),
        (["--catalog", "config.json"], [1], "Invalid value for '--config': config.json: "),
        (
            ["--catalog", "a.json"],
            {"path": "a.txt"},
            "Invalid value for '--catalog': 'a.json': does not hold a JSON",
        ),
        (["--state", "a.json"], {"path": "a.txt"}, "Invalid value for '--state': 'a.json': does not hold a JSON"),
        (["--nothing"], {"path": "a.txt"}, "No such option '--nothing'."),
    ],
)
def test_what_a_person_can_mend_about_a_tap_is_its_last_line(
    here: Callable[..., Done], tmp_path: Path, arguments: list[str], config: object, said: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "a.json").write_text("[1]")
    done = here(EXAMPLES["tap"], "--config", "config.json", *arguments)
    *_, last = done.complaints
    assert (done.status, last.startswith(said)) == (1, True), last


@pytest.mark.parametrize(
    ("bookmarks", "said"),
    [
        ("secret", "the `bookmarks` of the state are a text and no object: give the state that a run of this tap"),
        ({"lines": "secret"}, "the state of a stream is an object, and here `lines` is a text: give the state"),
        (
            {"lines": {"partitions": None}},
            "the state of the stream `lines` has null as `partitions`, and no list: ",
        ),
        (
            {"other": {"progress_markers": "secret"}},
            "the state of the stream `other` has a text as `progress_markers",
        ),
    ],
)
def test_a_state_that_the_sdk_cannot_look_at_is_a_line(
    here: Callable[..., Done], tmp_path: Path, bookmarks: object, said: str
) -> None:
    (tmp_path / "a.txt").write_text("x\n")
    (tmp_path / "config.json").write_text('{"path": "a.txt"}')
    (tmp_path / "state.json").write_text(json.dumps({"bookmarks": bookmarks}))
    done = here(EXAMPLES["tap"], "--config", "config.json", "--state", "state.json")
    *_, last = done.complaints
    assert (done.status, last.startswith(said)) == (1, True), last
    assert not any("secret" in each for each in done.complaints)


def test_a_secret_is_not_quoted(here: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"token": 1234567, "size": "large"}')
    done = here(TARGET, "--config", "config.json")
    token = "the value of `token` is not what its description asks for"
    assert (done.status, done.complaints) == (
        1,
        [f"wrong settings: {token}; 'large' is not of type 'integer', 'null' in config['size']"],
    )


def test_variables_of_a_plugin_that_are_not_of_their_type(here: Callable[..., Done]) -> None:
    done = here(TARGET, "--config=ENV", TARGET_NOWHERE_SIZE="secret", TARGET_NOWHERE_LENGTHS="secret")
    said = ["TARGET_NOWHERE_SIZE is not a whole number", "TARGET_NOWHERE_LENGTHS is not JSON"]
    assert (done.status, done.complaints) == (1, [f"wrong settings: {each}" for each in said])
    assert "secret" not in done.err


def test_input_that_is_no_singer_message(here: Callable[..., Done]) -> None:
    done = here(TARGET, text="ada@example.net\n")
    said = "line 1 of the input is not JSON (character 1): does the tap print something?"
    assert (done.status, done.complaints) == (1, [said])


SCHEMA = {"type": "SCHEMA", "stream": "s", "schema": {"properties": {"n": {}}}, "key_properties": []}


def test_a_signal_ends_a_target_and_writes_no_state(start: Callable[..., subprocess.Popen[str]]) -> None:
    """What was handed over before it stays: here the word that the sink prints."""
    with start(TARGET) as target:
        assert target.stdin
        assert target.stdout
        for message in (
            SCHEMA,
            {"type": "STATE", "value": {"at": 1}},
            {"type": "RECORD", "stream": "s", "record": {"n": "wait"}},
        ):
            target.stdin.write(f"{json.dumps(message)}\n")
        target.stdin.flush()
        assert target.stdout.readline() == "waiting\n"
        target.send_signal(signal.SIGTERM)
        out, err = target.communicate(timeout=60)
    assert (target.returncode, out) == (128 + signal.SIGTERM, "")
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_command_after_its_clean_up(
    start: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    source = """
import sys, time
from singer_program.command import run
def call():
    try:
        print("complete")
        print("ready", file=sys.stderr, flush=True)
        for _ in range(600):  # as above
            time.sleep(0.1)
    finally:
        print("cleaned up")
sys.exit(run(call, print))
"""
    with start(source) as process:
        assert process.stderr
        process.stderr.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (128 + number, "complete\ncleaned up\n", "")


def test_every_fault_is_one_printable_line(run: Callable[..., Done]) -> None:
    done = run(GROUP, "many")
    assert (done.status, done.err) == (1, "many-things: first half\nmany-things: second \\x1b[31m\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["foreign"], "theirs"),
        (["write", "no/such/folder"], "no/such/folder: No such file or directory"),
        (["full"], "No space left on device"),
        (["nothing"], "No such command 'nothing'."),
        (["write"], "Missing argument 'PATH'."),
    ],
)
def test_known_errors_are_a_line(run: Callable[..., Done], arguments: list[str], said: str) -> None:
    if arguments == ["full"] and not Path("/dev/full").exists():
        pytest.skip("needs a device that is always full")
    assert run(GROUP, *arguments) == (1, "", f"many-things: {said}\n")


def test_a_group_without_a_command_shows_its_help(run: Callable[..., Done]) -> None:
    done = run(GROUP)
    assert "Usage: many-things" in done.out + done.err


def test_a_defect_keeps_its_traceback(start: Callable[..., subprocess.Popen[str]]) -> None:
    with start(GROUP, "library") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith("Traceback")


def test_the_status_that_a_command_asks_for(run: Callable[..., Done]) -> None:
    assert run(GROUP, "stop") == (3, "before\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("size", [1, 100_000, 10_000_000])
def test_standard_output_that_cannot_be_written(run: Callable[..., Done], size: int) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(GROUP, "shout", str(size), stdout=full)
    said = "many-things: the answer could not be written to standard output: No space left on device\n"
    assert (done.status, done.err) == (1, said)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_program_may_tell_a_failed_write_in_words_of_its_own(run: Callable[..., Done]) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(GROUP, "reworded", stdout=full)
    assert (done.status, done.err) == (1, "many-things: in words of its own\n")


@pytest.mark.parametrize("size", [1, 10_000_000])
def test_a_reader_that_is_gone(start: Callable[..., subprocess.Popen[str]], size: int) -> None:
    with start(GROUP, "shout", str(size)) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        err = process.stderr.read()
    said = "many-things: the answer could not be written to standard output: Broken pipe\n"
    assert (process.returncode, err) == (1, said)


def test_standard_output_that_is_closed(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(GROUP)
    done = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", f"exec {sys.executable} program.py stop >&-"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = "many-things: the answer could not be written to standard output: it is closed\n"
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_tap_whose_disk_is_full_amid_the_records_says_so_in_one_line(
    run: Callable[..., Done], tmp_path: Path
) -> None:
    """The SDK would say before it that an error was not handled."""
    (tmp_path / "a.txt").write_text("x" * 1000 + "\n" + "y\n" * 100_000)
    (tmp_path / "config.json").write_text('{"path": "a.txt"}')
    with Path("/dev/full").open("w") as full:
        done = run(EXAMPLES["tap"], "--config", "config.json", stdout=full)
    said = "the records could not be written to standard output: No space left on device"
    assert (done.status, done.complaints) == (1, [said])
