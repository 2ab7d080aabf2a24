"""A log in which nothing can be altered without a trace, and which names nobody."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singer_program.errors import ProgramError
from singer_program.identifiers import compared
from singer_program.private import replace_file
from subject_requests.processing_log import BEGINNING, Entry, ProcessingLog
from subject_requests.tap import TapSubjectRequests

Runs = Callable[..., Any]
KEY = "a key that no test would guess, of 32"
NOW = datetime(2026, 11, 29, tzinfo=UTC)
ADA, BOB = compared("email", "ada@mail.example"), compared("email", "bob@mail.example")


def _entry(number: int) -> Entry:
    return Entry("exported", "klaviyo", number, (ADA if number % 2 else BOB,), f"request \u2028 ü {number}")


@pytest.fixture
def log(tmp_path: Path) -> ProcessingLog:
    log = ProcessingLog(tmp_path / "processing.jsonl", KEY)
    for number in range(6):
        log.append(_entry(number), now=NOW)
    return log


def test_a_log_that_nobody_touched_is_whole(log: ProcessingLog) -> None:
    checked = log.check()
    assert checked.lines == 6
    assert log.check(checked.last) == checked
    assert log.check(BEGINNING) == checked
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert [each["count"] for each in log.entries([ADA])] == [1, 3, 5]
    assert [each["count"] for each in log.entries([ADA, BOB], "klaviyo")] == [*range(6)]
    assert [*log.entries(source="warehouse")] == []
    assert "ada@" not in log.path.read_text()
    log.append(_entry(6), now=NOW)
    assert log.check(checked.last).lines == 7


def _lines(log: ProcessingLog) -> list[bytes]:
    return log.path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("place", range(6))
def test_a_line_that_is_altered_shows_wherever_it_stands(place: int, log: ProcessingLog) -> None:
    lines = _lines(log)
    entry = json.loads(lines[place])
    for name in entry:
        altered = json.dumps({**entry, name: "x"}, ensure_ascii=False).encode() + b"\n"
        log.path.write_bytes(b"".join([*lines[:place], altered, *lines[place + 1 :]]))
        with pytest.raises(ProgramError, match=rf"line {place + 1} was altered"):
            log.check()
    with pytest.raises(ProgramError, match="was altered"):
        log.ready()
    if place == len(lines) - 1:  # whoever adds a line looks at the last one
        with pytest.raises(ProgramError, match="the last line was altered"):
            log.append(_entry(9), now=NOW)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: lines[1:], 1),
        (lambda lines: [*lines[:2], *lines[3:]], 3),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], 4),
        (lambda lines: [*lines[:4], b"\n", *lines[4:]], 5),
        (lambda lines: [*lines[:5], lines[5][:-10]], 6),
        (lambda lines: [*lines[:5], lines[5].rstrip()], 6),
        (lambda lines: [*lines[:4], lines[5], lines[4]], 5),
    ],
    ids=["first gone", "third gone", "turned round", "twice", "put in", "cut", "without its end", "moved"],
)
def test_a_line_that_is_missing_or_put_in_shows(
    change: Callable[[list[bytes]], list[bytes]], line: int, log: ProcessingLog
) -> None:
    log.path.write_bytes(b"".join(change(_lines(log))))
    with pytest.raises(ProgramError, match=f"line {line} "):
        log.check()


def test_lines_that_are_cut_off_show_to_who_knows_the_last(log: ProcessingLog) -> None:
    last = log.check().last
    log.path.write_bytes(b"".join(_lines(log)[:4]))
    assert log.check().lines == 4
    with pytest.raises(ProgramError, match="line 5 is missing"):
        log.check(last)


@given(st.lists(st.tuples(st.text(max_size=20), st.none() | st.text(max_size=20), st.integers()), max_size=5))
def test_whatever_is_said_can_be_checked(said: list[tuple[str, str | None, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = ProcessingLog(Path(folder) / "log", None)
        for did, because, count in said:
            log.append(Entry(did, "klaviyo", count, (ADA,), because), now=NOW)
        if said:
            assert log.check().lines == len(said)
            assert [(each["did"], each["because"], each["count"]) for each in log.entries()] == said


def test_who_writes_at_once_makes_one_chain(log: ProcessingLog) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: log.append(_entry(number), now=NOW), range(40)))
    assert log.check().lines == 46


def test_a_full_disk_leaves_the_chain_whole(log: ProcessingLog, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(ProgramError, match="No space left on device"):
            log.append(_entry(9), now=NOW)
    assert log.check().lines == 6
    log.append(_entry(9), now=NOW)
    assert log.check().lines == 7


@pytest.mark.parametrize("left", [1, 40, -1])
def test_after_a_line_that_was_cut_off_the_chain_goes_on(
    left: int, log: ProcessingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a kill in the middle of an append: it shows, and the next line takes its place and holds what is left."""
    whole = log.path.read_bytes()
    log.append(_entry(7), now=NOW)
    cut = log.path.read_bytes()[len(whole) :][:left]
    log.path.write_bytes(whole + cut)
    with pytest.raises(ProgramError, match="line 7 is cut off"):
        log.check()
    log.ready()
    assert log.end() == json.loads(whole.splitlines()[-1])["hash"]

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(ProgramError, match="No space left on device"):
            log.append(_entry(8), now=NOW)
    assert log.path.read_bytes() == whole + cut
    log.append(_entry(8), _entry(9), now=NOW)
    assert log.check().lines == 9
    mended = [*log.entries()][6]
    assert (mended["did"], mended["what"].encode()) == ("mended", cut)
    assert log.path.read_bytes().startswith(whole)


def _tapped(log: ProcessingLog, state: dict[str, Any]) -> tuple[list[tuple[int, str]], dict[str, Any]]:
    """The numbers and deeds of lines that the tap gives, and its state then."""
    out = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(out, write_through=True)) as text:
        TapSubjectRequests(config={"log_path": str(log.path)}, state=state).sync_all()
        text.detach()
    messages = [json.loads(line) for line in out.getvalue().splitlines()]
    records = [
        each["record"] for each in messages if each["type"] == "RECORD" and each["stream"] == "processing_log"
    ]
    states = [each["value"] for each in messages if each["type"] == "STATE"]
    return [(each["line"], each["did"]) for each in records], states[-1]


def test_a_broken_log_is_left_behind_and_gone_on_from(log: ProcessingLog, run: Runs) -> None:
    """The old file stays as it is; numbers and chain go on, for whoever has read it up to its end."""
    settings = {"log_path": log.path, "forgotten_key": KEY}
    because = ("--because", "the disk failed")
    assert "is whole: it goes on by itself" in run("log", "renew", *because, **settings).err
    read, state = _tapped(log, {})
    assert len(read) == 6
    lines = _lines(log)
    broken = b"".join([*lines[:2], lines[2].replace(b'"count": 2', b'"count": 7'), *lines[3:]])
    log.path.write_bytes(broken)
    before = {*log.path.parent.iterdir()}
    done = run("log", "renew", *because, **settings)
    assert done.status == 0, done.err
    [aside] = {*log.path.parent.iterdir()} - before
    assert aside.read_bytes() == broken
    assert str(aside) in done.out
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    log.append(_entry(8), now=NOW)
    assert log.check().lines == 8
    assert log.check(json.loads(lines[5])["hash"]).lines == 8
    first = next(log.entries())
    assert (first["line"], first["did"], first["because"], first["count"]) == (
        7,
        "begun anew",
        "the disk failed",
        6,
    )
    assert first["what"] == f"sha256:{hashlib.sha256(broken).hexdigest()}"
    assert _tapped(log, state)[0] == [(7, "begun anew"), (8, "exported")]
    # Nobody is named there for ever, and what a line of it altered shows as in any other.
    assert "names somebody" in run("log", "renew", "--because", "by ada@shop.example", **settings).err
    log.path.write_bytes(log.path.read_bytes().replace(b"the disk", b"no disk!"))
    with pytest.raises(ProgramError, match="line 1 was altered"):
        log.check()


def test_a_log_that_is_gone_is_gone_on_from_what_the_warehouse_knows(log: ProcessingLog, run: Runs) -> None:
    settings = {"log_path": log.path}
    _, state = _tapped(log, {})
    last = log.check()
    log.append(_entry(7), now=NOW)  # which nobody has read
    log.path.unlink()
    because = ("--because", "the file was lost")
    assert "there is no log" in run("log", "renew", *because, **settings).err
    assert "is no line of a log" in run("log", "renew", *because, "--after", "6:abc", **settings).err
    done = run("log", "renew", *because, "--after", f"{last.lines}:{last.last}", **settings)
    assert (done.status, done.out) == (0, "begun anew\n"), done.err
    assert _tapped(log, state)[0] == [(7, "begun anew")]
    # Of a file that was never a log, nothing is whole: the chain begins.
    log.path.write_bytes(b"something else\n")
    assert run("log", "renew", *because, **settings).status == 0
    assert log.check().lines == 1


def test_who_waits_while_a_log_is_put_aside_writes_to_the_new_one(log: ProcessingLog) -> None:
    broken = log.path.read_bytes().replace(b'"count": 2', b'"count": 7')
    log.path.write_bytes(broken)
    with ThreadPoolExecutor(4) as pool, log._held():
        waiting = [pool.submit(log.append, _entry(n), now=NOW) for n in range(3)]
        os.link(log.path, log.path.with_name("aside"))
        line, _ = log._line(Entry("begun anew", "log", 6), json.loads(broken.splitlines()[-1])["hash"], NOW)
        replace_file(log.path, [line.decode().strip()])
    for each in waiting:
        each.result()
    assert log.check().lines == 10
    assert log.path.with_name("aside").read_bytes() == broken


def test_a_line_that_says_something_twice_was_altered(log: ProcessingLog) -> None:
    """Parsed, it is what was hashed; a person who reads it is told something else."""
    log.path.write_bytes(log.path.read_bytes().replace(b'"count": 3', b'"count": 9, "count": 3'))
    with pytest.raises(ProgramError, match="line 4 was altered"):
        log.check()


def test_a_line_that_begins_where_another_is_read_is_read_whole(tmp_path: Path) -> None:
    """However long the last line is: it is looked for from the end."""
    log = ProcessingLog(tmp_path / "log", None)
    for size in (1, 70_000, 200_000, 3):
        log.append(Entry("noted", "x", 1, because="ü" * size), now=NOW)
    assert log.check().lines == 4


def test_what_the_commands_do_stands_in_it(run: Runs, tmp_path: Path) -> None:
    kept = {"log_path": tmp_path / "log.jsonl", "forgotten_key": KEY, "forgotten_path": tmp_path / "list"}
    who = ("--email", "nobody@mail.example.net")
    request = ("--request", "r-1", "--verified-at", "2026-11-01")
    assert run("export", *who, "--out", "package", *request, **kept).status == 0
    assert run("forget", *who, "--because", "r-2", **kept).status == 0
    assert run("verify", *who, **kept).status == 3
    assert run("unforget", *who, "--because", "s-1", **kept).status == 0
    shown = run("log", "show", *who, **kept)
    lines = [json.loads(line) for line in shown.out.splitlines()]
    assert [each["did"] for each in lines] == [
        "exporting", "exported", "listed", "looked for: unseen", "taken off"
    ]  # fmt: skip
    assert [each["because"] for each in lines] == [None, None, "r-2", None, "s-1"]
    assert [each["request"] for each in lines] == ["r-1", "r-1", None, None, None]
    assert lines[1]["action"] == "exported"
    assert lines[1]["run"].startswith("subject-requests export ")
    assert run("log", "show", "--email", "other@mail.example.net", **kept).out == ""
    assert run("log", "hashes", *who, **kept).out.split() == lines[0]["people"]
    checked = run("log", "verify", **kept)
    assert re.fullmatch(r"5 [0-9a-f]{64}\n", checked.out)
    (tmp_path / "log.jsonl").write_text((tmp_path / "log.jsonl").read_text().replace("r-1", "r-9"))
    broken = run("log", "verify", **kept)
    assert broken.status == 1
    assert "line 1 was altered" in broken.err
    refused = run("export", *who, "--out", "another", **kept)
    assert refused.status == 1
    assert not (tmp_path / "another").exists()
    assert run("log", "verify", "--file", "none", **kept).status == 1
