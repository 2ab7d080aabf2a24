"""Whatever ends a run, nothing is half loaded, and the next run loads what is missing."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from loading import PROGRAM, SCHEMA, environment, lines_of, load, record, run, schema

from target_duckdb.new_file import made
from target_duckdb.warehouse import WarehouseError

KILLS = int(os.environ.get("CHAOS_KILLS", "8"))
ROWS, BATCH = 3_000, 500
PROPERTIES = {"id": {"type": "integer"}, "v": {"type": "string"}, "d": {"type": "object"}}


def messages(first: int = 0) -> Iterator[dict[str, object]]:
    """Rows of two streams in turn, and after every hundred the STATE of how many there were."""
    for stream in ("a", "b"):
        yield schema(stream, PROPERTIES)
    for n in range(first, ROWS):
        for stream in ("a", "b"):
            yield record(stream, id=n, v=f"'{n}'" * 20, d={"n": n, "text": "x" * 200})
        if n % 100 == 99:
            yield {"type": "STATE", "value": {"read": n + 1}}


def read(states: bytes) -> int:
    """How many rows the last whole STATE line says were read."""
    whole = [json.loads(line)["read"] for line in states.split(b"\n")[:-1]]
    return max(whole, default=0)


def counted(path: Path) -> dict[str, tuple[int, int]]:
    """Rows of each table, and of how many different keys."""
    with duckdb.connect(str(path)) as warehouse:
        tables = [
            name for (name,) in warehouse.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
        ]
        return {
            name: warehouse.execute(f"SELECT count(*), count(DISTINCT id) FROM {SCHEMA}.{name}").fetchall()[0]  # noqa: S608
            for name in tables
        }


def start(path: Path) -> subprocess.Popen[bytes]:
    """The loader without the command: most of the time of a start is the SDK's."""
    loader = Path(__file__).with_name("loading.py")
    return subprocess.Popen(  # noqa: S603
        [sys.executable, loader, path, str(BATCH)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def test_a_kill_at_any_moment_loses_nothing_and_loads_nothing_by_halves(tmp_path: Path) -> None:
    """Each run goes on from the STATE of the one before, as a tap does."""
    path, chance, done, kills = tmp_path / "w", random.Random(7), 0, 0  # noqa: S311 - no secret
    began = time.monotonic()
    start(tmp_path / "t").communicate(b"\n".join([*lines_of(messages()), b""]))
    length = time.monotonic() - began
    while kills < KILLS:
        given = b"\n".join([*lines_of(messages(done)), b""])
        with start(path) as process:
            try:
                states, _ = process.communicate(given, timeout=chance.uniform(0.3, 1.0) * length)
            except subprocess.TimeoutExpired:
                process.kill()
                states, _ = process.communicate()
                kills += 1
            else:
                assert process.returncode == 0
        done = max(done, read(states))
        found = counted(path) if path.exists() and path.stat().st_size else {}
        assert len({rows for rows, _ in found.values()}) <= 1, "a batch holds as many rows of both streams"
        for rows, keys in found.values():
            assert rows == keys, "no row is there twice"
            assert rows >= done, "what a STATE was told of is there"
        if done == ROWS:
            done = 0
    start(path).communicate(b"\n".join([*lines_of(messages(done)), b""]))
    assert counted(path) == {"a": (ROWS, ROWS), "b": (ROWS, ROWS)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_its_status_and_without_half_a_batch(number: int, tmp_path: Path) -> None:
    process = subprocess.Popen(  # noqa: S603
        PROGRAM,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(tmp_path / "w", batch_rows=BATCH),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n".join([*lines_of(messages()), b""]))
    process.stdin.flush()
    process.stdout.readline()  # something is committed
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert b"Traceback" not in told
    for rows, keys in counted(tmp_path / "w").values():
        assert rows == keys


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits there")
def test_a_full_disk_is_told_in_a_line_and_gone_on_from(tmp_path: Path) -> None:
    """A limit to the size of a file stands for the disk."""
    most = 3 << 20
    given = b"\n".join([*lines_of(messages()), b""])
    random_text = random.Random(3)  # noqa: S311 - texts that no compression makes small
    given += (
        b"\n".join(lines_of(record("a", id=n + ROWS, v=random_text.randbytes(3_000).hex()) for n in range(2_000)))
        + b'\n{"type": "STATE", "value": {"read": 99999}}\n'
    )
    done = subprocess.run(  # noqa: S603
        PROGRAM,
        input=given,
        env=environment(tmp_path / "w", batch_rows=BATCH),
        capture_output=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    [line] = [line for line in done.stderr.splitlines() if b"CRITICAL" in line]
    assert b"raise the limit and run this again" in line
    assert read(done.stdout) < 99_999
    before = counted(tmp_path / "w")
    assert all(rows == keys >= min(read(done.stdout), ROWS) for rows, keys in before.values())
    subprocess.run(PROGRAM, input=given, env=environment(tmp_path / "w"), check=True, capture_output=True)  # noqa: S603
    assert counted(tmp_path / "w") == {"a": (ROWS + 2_000, ROWS + 2_000), "b": (ROWS, ROWS)}


HOLD = """
import duckdb, sys
held = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "reader")
print("open", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("who", ["reader", "writer"])
def test_a_file_that_is_open_elsewhere_is_waited_for(who: str, tmp_path: Path) -> None:
    path = tmp_path / "w"
    load(path, [schema("s", {"id": {"type": "integer"}})])
    other = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", HOLD, path, who], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdin is not None
    assert other.stdout is not None
    assert other.stdout.readline() == b"open\n"
    given = [schema("s", {"id": {"type": "integer"}}), record("s", id=1)]
    done = run(path, given, lock_timeout=0.3)
    assert done.returncode == 1
    assert f"(PID {other.pid})".encode() in done.stderr
    assert b"setting `lock_timeout`" in done.stderr
    assert b"nothing was loaded" in done.stderr
    assert b"Traceback" not in done.stderr

    process = subprocess.Popen(  # noqa: S603
        PROGRAM, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(path, lock_timeout=60)
    )
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(b"\n".join([*lines_of(given), b""]))
    process.stdin.close()
    while b"waiting up to 60 s" not in process.stderr.readline():
        assert process.poll() is None
    other.stdin.close()
    other.wait()
    assert process.wait(60) == 0
    process.stderr.close()
    other.stdout.close()
    assert counted(path) == {"s": (1, 1)}


ONE = [schema("s", {"id": {"type": "integer"}}), record("s", id=1)]


def test_an_empty_file_counts_as_none(tmp_path: Path) -> None:
    """It is what a kill leaves amid the making, of whatever program opened it with DuckDB."""
    path, link = tmp_path / "w", tmp_path / "link"
    path.touch(0o600)
    link.symlink_to(path)
    (tmp_path / "w.new").write_bytes(b"half")
    load(link, ONE)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert counted(path) == {"s": (1, 1)}
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link", "w"]


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("length", [0, 1, 4_096, 8_192, None], ids=str)
def test_whenever_the_making_is_killed_the_next_run_makes_it(
    length: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much of the file was written: DuckDB can open none of these."""
    path = tmp_path / "w"
    connect = duckdb.connect

    def killed(new: Path) -> None:
        connect(new).close()
        if length is not None:
            os.truncate(new, length)
        raise _Killed

    monkeypatch.setattr(duckdb, "connect", killed)
    with pytest.raises(_Killed):
        made(str(path))
    monkeypatch.undo()
    assert path.stat().st_size == 0
    load(path, ONE)
    assert counted(path) == {"s": (1, 1)}
    assert [each.name for each in tmp_path.iterdir()] == ["w"]


@pytest.mark.parametrize("name", ["w", "link"])
@pytest.mark.parametrize(("content", "log"), [(b"x", None), (bytes(4_096), None), (b"", b"log")])
def test_what_may_hold_something_is_never_made_anew(
    content: bytes, log: bytes | None, name: str, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "w")
    path, beside = tmp_path / name, tmp_path / f"{name}.wal"
    path.write_bytes(content)
    if log is not None:
        beside.write_bytes(log)
    with pytest.raises(WarehouseError, match="cannot be opened"):
        load(path, ONE)
    assert path.read_bytes() == content
    assert log is None or beside.read_bytes() == log


MAKE = """
import fcntl, sys
held = open(sys.argv[1], "a")
fcntl.lockf(held, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""


def test_a_file_that_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    """DuckDB holds it by this lock, too. Once that process was killed, the file counts as none."""
    path = tmp_path / "w"
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", MAKE, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(WarehouseError, match="`lock_timeout`"):
            load(path, ONE)
        assert path.stat().st_size == 0
        other.kill()
    load(path, ONE)
    assert counted(path) == {"s": (1, 1)}
