"""Whatever ends a run, nothing is half loaded, and the next run loads what is missing."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from loading import PROGRAM, SCHEMA, environment, lines_of, load, record, run, schema

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
        found = counted(path) if path.exists() else {}
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
