"""The same in a bucket, of a store that is real and on this machine alone."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs

sys.path.insert(0, str(Path(__file__).parent))  # tests are not a package

from exposure_table import NOW, Row, Table, assert_told, at, read_hours, row

from exposure_export.export import Outcome, export
from exposure_export.hours import Window, folder_of, hour_in
from exposure_export.settings import ExportSettings
from exposure_export.stores import store_of
from exposure_export.stores.s3 import Bucket
from singer_program.errors import ProgramError

SECRET = "hunter2-of-the-test"
_KEYS: dict[str, Any] = {
    "s3_region": "us-east-1",
    "s3_access_key_id": "AKX",
    "s3_secret_access_key": SECRET,
}


class Account:
    """A store with one bucket, and what is in it."""

    def __init__(self, endpoint: str, work: Path, prefix: str) -> None:
        self.endpoint, self.work, self.prefix = endpoint, work, prefix
        self.client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="AKX",
            aws_secret_access_key=SECRET,
        )

    def store(self, **given: object) -> Bucket:
        settings: dict[str, Any] = {
            "destination": f"s3://exports/{self.prefix}",
            "warehouse": "w",
            "work_path": str(self.work),
            "s3_endpoint_url": self.endpoint,
            **_KEYS,
            **given,
        }
        found = store_of(ExportSettings(**settings))
        assert isinstance(found, Bucket)
        return found

    def run(self, table: Table, asked: Window | timedelta | None = None, **given: object) -> Outcome:
        return export(table, self.store(**given), asked, lambda: NOW)

    def objects(self) -> dict[str, bytes]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket="exports", Prefix=f"{self.prefix}/")
        keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return {
            key.removeprefix(f"{self.prefix}/"): self.client.get_object(Bucket="exports", Key=key)["Body"].read()
            for key in keys
            if not key.endswith("/")
        }

    def put(self, key: str, content: bytes = b"") -> None:
        self.client.put_object(Bucket="exports", Key=f"{self.prefix}/{key}", Body=content)

    def hours(self) -> dict[datetime, list[Row]]:
        """Every hour as a reader sees it, with its manifest looked at."""
        objects = self.objects()
        found = {}
        for key, content in objects.items():
            folder, _, name = key.rpartition("/")
            if name == "exposures.parquet":
                hour = hour_in(folder)
                assert hour
                found[hour] = pq.read_table(pa.BufferReader(content)).to_pylist()
                assert_told(json.loads(objects[f"{folder}/_manifest.json"]), content, len(found[hour]))
        return found


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    account = Account(address, Path(), "")
    account.client.create_bucket(Bucket="exports")
    account.client.close()
    yield address
    server.stop()


@pytest.fixture
def account(endpoint: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Account]:
    """A path of its own for each test."""
    made = Account(endpoint, tmp_path / "work", f"loop/{request.node.name.partition('[')[0]}")
    yield made
    made.client.close()


@pytest.fixture
def table() -> Table:
    return Table([row(number, at(hour)) for number, hour in enumerate((1, 3, 3.5))])


def test_hours_are_written_compared_and_removed(account: Account, table: Table, tmp_path: Path) -> None:
    assert account.run(table).rows == 3
    assert account.hours() == table.files()
    before = account.objects()
    table.asked.clear()
    outcome = account.run(table, timedelta(days=7))
    assert (outcome.written, outcome.removed, outcome.kept) == ([], [], 2)
    assert (account.objects(), table.asked) == (before, [])
    table.rows = [
        row("Zoë", at(3), attrs='{"größe": "名"}'),
        row("x", at(2)),
        row(8, at(4), attrs="x" * 12_000_000),
    ]
    outcome = account.run(table, timedelta(days=7))
    assert (outcome.written, outcome.removed) == ([at(2), at(3), at(4)], [at(1)])
    assert account.hours() == table.files()
    assert not [key for key in account.objects() if key.startswith(folder_of(at(1)))]
    assert not any(tmp_path.rglob("*.parquet")), "nothing is left on disk"
    table.rows = []
    account.run(table, Window(at(0), at(3)))
    assert {folder_of(hour) for hour in account.hours()} == {folder_of(at(3)), folder_of(at(4))}
    account.run(table)
    assert account.objects() == {}


def test_what_others_put_there_stays(account: Account, table: Table) -> None:
    account.put("readme.txt", b"mine")
    account.run(table)
    account.put(f"{folder_of(at(1))}/notes.txt", b"mine")
    account.run(Table([]))
    assert account.objects() == {"readme.txt": b"mine", f"{folder_of(at(1))}/notes.txt": b"mine"}


class Killed(BaseException):
    """Nothing is cleaned up in the bucket after it."""


class Seams:
    """Ends a run at one of the moments before and after each request that changes the bucket."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seam: int) -> None:
        self._left = seam
        for name in ("_write", "remove", "prune"):
            monkeypatch.setattr(Bucket, name, self._seamed(getattr(Bucket, name)))

    def _seamed(self, call: Callable[..., None]) -> Callable[..., None]:
        def seamed(*args: object) -> None:
            self._count()
            call(*args)
            self._count()

        return seamed

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise Killed
        if self._left < 0:
            message = "the process is gone"
            raise ProgramError(message)


class Objects:
    """A folder on disk by the interface of the library, as quick as a store is slow. It makes folders itself."""

    def __init__(self) -> None:
        self._system = fs.LocalFileSystem()

    def open_output_stream(self, path: str, **given: object) -> Any:  # noqa: ANN401 - pyarrow has no types
        self._system.create_dir(path.rpartition("/")[0], recursive=True)
        return self._system.open_output_stream(path, **given)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._system, name)


def test_an_end_between_any_two_requests_leaves_old_hours_and_new_ones(tmp_path: Path) -> None:
    before = Table([row(number, at(number)) for number in (1, 2)])
    after = Table([row(1, at(1), arm_key="plain"), row("new", at(3))])
    old, new = before.files(), after.files()
    states = []
    for seam in range(1, 100):
        root = tmp_path / f"bucket-{seam}"
        store = Bucket(Objects(), str(root), tmp_path / "work", 600)
        export(before, store, None, lambda: NOW)
        with pytest.MonkeyPatch.context() as patched:
            Seams(patched, seam)
            try:
                export(after, store, None, lambda: NOW)
                break
            except Killed:
                pass
        found = read_hours(root)
        for hour in old.keys() | new.keys():
            assert found.get(hour) in (old.get(hour), new.get(hour)), f"{seam}, {hour}"
        states.append(tuple(found.get(hour) == new.get(hour) for hour in sorted(old.keys() | new.keys())))
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Bucket, "_look_for_others", lambda *_: None)  # it would wait: see below
            export(after, store, None, lambda: NOW)
        assert read_hours(root) == new
    assert len(states) > 20
    assert [*dict.fromkeys(states)] == [
        (False, False, False),
        (True, False, False),
        (True, False, True),
        (True, True, True),
    ]


def test_two_runs_at_once_are_one_too_many(account: Account, table: Table) -> None:
    first, second = account.store(), account.store()
    with first.held():
        with pytest.raises(ProgramError, match=r"another export is writing .* if it was killed, wait 600 seconds"):
            export(table, second, None, lambda: NOW)
        assert [key.partition("/")[0] for key in account.objects()] == ["_running"]
    assert account.objects() == {}
    assert account.run(table).written


def test_who_looks_at_the_same_moment_goes_back(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have written before either looks: neither may go on."""
    look, meeting = Bucket._look_for_others, threading.Barrier(2, timeout=20)

    def look_together(self: Bucket, name: str) -> None:
        meeting.wait()
        look(self, name)
        meeting.wait()

    monkeypatch.setattr(Bucket, "_look_for_others", look_together)
    went_on: list[str] = []

    def hold() -> None:
        try:
            with account.store().held():
                went_on.append("held")
        except (ProgramError, threading.BrokenBarrierError):
            meeting.abort()

    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert went_on == []


def test_a_run_that_was_killed_keeps_nobody_away_for_long(
    account: Account, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.put("_running/0123456789abcdef")
    with pytest.raises(ProgramError, match="_running/0123456789abcdef"):
        account.run(table)
    listed = Bucket._listed

    def older(self: Bucket, path: str, *, recursive: bool) -> list[Any]:
        class Old:
            is_file, base_name = True, "0123456789abcdef"
            mtime = datetime.now(UTC) - timedelta(seconds=601)

        found = listed(self, path, recursive=recursive)
        return [Old if each.base_name == Old.base_name else each for each in found]

    monkeypatch.setattr(Bucket, "_listed", older)
    assert account.run(table).written
    assert not [key for key in account.objects() if key.startswith("_running")]


def test_a_run_that_lives_says_so(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    store = account.store(lease_seconds=30)
    written, renewed = [], threading.Event()
    write = Bucket._write

    def noted(self: Bucket, path: str, content: Any) -> None:  # noqa: ANN401
        write(self, path, content)
        written.append(path)
        if len(written) == 3:
            renewed.set()

    monkeypatch.setattr(Bucket, "_write", noted)
    store._lease = 0.05
    with store.held():
        assert renewed.wait(20)
    assert len({*written}) == 1
    assert account.objects() == {}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"destination": "s3://nobody/x"}, "s3://nobody/x cannot be written"),
        ({"destination": "s3://"}, "names no bucket"),
        ({"destination": "s3://me:hunter2@exports/x"}, "has a password in it"),
        ({"destination": "ftp://x/y"}, "there are `s3://`, and paths on disk"),
        ({"s3_secret_access_key": None}, "go together"),
        ({"s3_endpoint_url": "http://127.0.0.1:1"}, "cannot be written"),
    ],
)
def test_what_is_wrong_is_told_in_a_line_without_a_secret(
    given: dict[str, Any], told: str, account: Account, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(ProgramError) as raised:
        account.run(table, **given)
    [line] = raised.value.lines
    assert told in line
    assert SECRET not in line
    assert "hunter2" not in line


def test_duckdb_reads_what_is_there(account: Account, table: Table, tmp_path: Path) -> None:
    account.run(table)
    for key, content in account.objects().items():
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(content)
    with duckdb.connect() as connection:
        files = str(tmp_path / "*/*/*/*/*.parquet")
        counted = connection.execute("select count(distinct user_id) from read_parquet(?)", [files]).fetchall()
    assert counted == [(3,)]
