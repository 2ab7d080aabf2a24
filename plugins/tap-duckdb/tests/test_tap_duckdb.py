from __future__ import annotations

import atexit
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from singer_sdk.testing import get_tap_test_class

from tap_duckdb.cli import main
from tap_duckdb.source import BATCH, Source, SourceError
from tap_duckdb.tap import TapDuckDB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUILD = """
CREATE SCHEMA publish;
CREATE SCHEMA marts;
CREATE TABLE publish.pub_klaviyo_typed (
    id INTEGER PRIMARY KEY, name VARCHAR NOT NULL, ratio DOUBLE, born DATE, seen TIMESTAMPTZ, is_new BOOLEAN
);
INSERT INTO publish.pub_klaviyo_typed VALUES
    (2, 'b', 0.5, '2026-01-02', '2026-01-02 03:04:05+02', true), (1, 'a', NULL, NULL, NULL, NULL);
CREATE VIEW publish.pub_klaviyo_names AS SELECT name FROM publish.pub_klaviyo_typed;
CREATE TABLE publish.pub_klaviyo_ (id INTEGER);
CREATE TABLE publish.other (id INTEGER);
CREATE TABLE marts.pub_klaviyo_elsewhere (id INTEGER);
"""


def build(path: Path, sql: str) -> str:
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql)
    return str(path)


FOLDER = tempfile.TemporaryDirectory()  # the standard suite opens the file when tests are collected
atexit.register(FOLDER.cleanup)
WAREHOUSE = build(Path(FOLDER.name) / "w.duckdb", BUILD)

TestTapDuckDB = get_tap_test_class(TapDuckDB, config={"path": WAREHOUSE})


class Run(NamedTuple):
    """What a run of the command left behind."""

    code: int
    messages: list[dict[str, Any]]
    complaints: list[str]

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [m["record"] for m in self.messages if m["type"] == "RECORD" and m["stream"] == stream]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Run]]:
    """Runs the command in the folder of the test."""
    handlers = list(logging.root.handlers)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, config: object) -> Run:
        (tmp_path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
        monkeypatch.setattr(sys, "argv", ["tap-duckdb", "--config", "config.json", *arguments])
        code = main()
        logging.root.handlers = list(handlers)  # the SDK adds one for each run
        stdout, stderr = capfd.readouterr()
        assert "Traceback" not in stderr
        complaints = [line.split(" | ")[-1] for line in stderr.splitlines() if " | INFO " not in line]
        lines = [stdout] if "--discover" in arguments and stdout else stdout.splitlines()
        return Run(code, [json.loads(line) for line in lines], complaints)

    yield run
    logging.root.handlers = handlers


def rows(path: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Schema and rows of the only table, the rows as they look when read from the stream again."""
    source = Source(path)
    [table] = source.tables("main", "")
    encoder = msgspec.json.Encoder(decimal_format="number")
    return table.json_schema(), [
        json.loads(encoder.encode(row), parse_float=Decimal) for row in source.rows(table, table.columns)
    ]


def test_streams_are_the_tables_and_views_with_the_prefix(run: Callable[..., Run]) -> None:
    catalog = run("--discover", config={"path": WAREHOUSE}).messages[0]
    streams = {stream["stream"]: stream for stream in catalog["streams"]}
    assert list(streams) == ["names", "typed"]
    assert streams["typed"]["key_properties"] == ["id"]
    assert streams["names"]["key_properties"] == []
    assert streams["typed"]["schema"]["required"] == ["id", "name"]
    assert streams["typed"]["schema"]["properties"]["name"]["type"] == "string"
    assert streams["typed"]["schema"]["properties"]["ratio"]["type"] == ["number", "null"]


def test_settings_choose_other_tables(run: Callable[..., Run]) -> None:
    other = run("--discover", config={"path": WAREHOUSE, "schema": "marts", "prefix": "pub_"}).messages[0]
    assert [stream["stream"] for stream in other["streams"]] == ["klaviyo_elsewhere"]
    all_tables = run("--discover", config={"path": WAREHOUSE, "prefix": ""}).messages[0]
    assert all_tables["streams"][0]["stream"] == "other"


def test_a_run_gives_every_row_in_the_order_of_the_primary_key(run: Callable[..., Run]) -> None:
    done = run(config={"path": WAREHOUSE})
    assert (done.code, done.complaints) == (0, [])
    assert done.records("typed") == [
        {"id": 1, "name": "a", "ratio": None, "born": None, "seen": None, "is_new": None},
        {
            "id": 2,
            "name": "b",
            "ratio": 0.5,
            "born": "2026-01-02",
            "seen": "2026-01-02T01:04:05+00:00",
            "is_new": True,
        },
    ]
    assert sorted(row["name"] for row in done.records("names")) == ["a", "b"]


def test_a_view_has_the_key_that_a_setting_gives_it(tmp_path: Path, run: Callable[..., Run]) -> None:
    """Else a target appends to what it has, and every run makes it twice as long."""
    path = build(tmp_path / "w.duckdb", "CREATE VIEW t_a AS SELECT unnest(['b', 'a']) AS id, 1 AS n")
    config = {"path": path, "schema": "main", "prefix": "t_", "keys": {"a": ["id"]}}
    done = run(config=config)
    [schema] = [message for message in done.messages if message["type"] == "SCHEMA"]
    assert schema["key_properties"] == ["id"]
    assert schema["schema"]["properties"]["id"]["type"] == "string", "a key is never null"
    assert [row["id"] for row in done.records("a")] == ["a", "b"]
    catalog = run("--discover", config=config).messages[0]
    assert catalog["streams"][0]["key_properties"] == ["id"]


def test_a_column_that_grows_tells_what_was_added_since(tmp_path: Path, run: Callable[..., Run]) -> None:
    """Also by a view, and of rows that an earlier run added under the same value nothing comes again."""
    rows = ["('b', '2026-11-01 10:00:00.5')", "('a', '2026-11-01 10:00:00.5')", "('c', '2026-11-01 10:00:01')"]

    def added(count: int, *state: str) -> list[str]:
        """Ids that a run gives, of a file with so many rows."""
        file = tmp_path / f"{count}{len(state)}.duckdb"
        values = ", ".join(rows[:count])
        if not file.exists():
            made = f"create table publish.log as from (values {values}) as rows (id, made)"
            view = "create view publish.pub_klaviyo_log as select id, made::timestamp as made from publish.log"
            build(file, f"create schema publish; {made}; {view}")
        config = {"path": str(file), "keys": {"log": ["id"]}, "bookmarks": {"log": "made"}}
        done = run(*state, config=config)
        assert done.code == 0, done.complaints
        told = [m["value"] for m in done.messages if m["type"] == "STATE"]
        (tmp_path / "state.json").write_text(json.dumps(told[-1]))
        return [row["id"] for row in done.records("log")]

    since = ("--state", "state.json")
    assert added(2) == ["a", "b"]
    assert added(2, *since) == []
    assert added(3, *since) == ["c"]
    assert added(3, *since) == []


def test_a_row_that_no_later_run_would_find_ends_the_run(tmp_path: Path, run: Callable[..., Run]) -> None:
    path = build(
        tmp_path / "w.duckdb",
        "create schema publish; create table publish.pub_klaviyo_log as select null::date as made",
    )
    done = run(config={"path": path, "bookmarks": {"log": "made"}})
    assert done.code == 1
    assert "`made` is null in 1 rows" in done.complaints[-1]


def test_an_empty_table_is_a_schema_without_records(tmp_path: Path, run: Callable[..., Run]) -> None:
    path = build(tmp_path / "w.duckdb", "CREATE TABLE t (id VARCHAR, properties JSON)")
    done = run(config={"path": path, "schema": "main", "prefix": ""})
    assert [message["type"] for message in done.messages] == ["SCHEMA", "STATE"]


def test_what_is_not_selected_is_not_read(tmp_path: Path, run: Callable[..., Run]) -> None:
    """`broken` would end the run if it were asked for."""
    path = build(tmp_path / "w.duckdb", "CREATE VIEW t_a AS SELECT 1 AS id, error('asked for')::VARCHAR AS broken")
    config = {"path": path, "schema": "main", "prefix": "t_"}
    catalog = run("--discover", config=config).messages[0]
    metadata = catalog["streams"][0]["metadata"]
    for entry in metadata:
        if entry["breadcrumb"] == ["properties", "broken"]:
            entry["metadata"]["selected"] = False
        if entry["breadcrumb"] == []:
            entry["metadata"]["selected"] = True
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    assert run("--catalog", "catalog.json", config=config).records("a") == [{"id": 1}]
    assert "asked for" in run(config=config).complaints[-1]


TYPES = {
    "DECIMAL(18,3)": ("12345678901234.567", Decimal("12345678901234.567"), {"type": ["number", "null"]}),
    "HUGEINT": (str(2**120), 2**120, {"type": ["integer", "null"]}),
    "UBIGINT": (str(2**64 - 1), 2**64 - 1, {"type": ["integer", "null"]}),
    "DOUBLE": ("0.1", Decimal("0.1"), {"type": ["number", "null"]}),
    "FLOAT": ("'NaN'", None, {"type": ["number", "null"]}),
    "VARCHAR": ("'ü🌷\"'", 'ü🌷"', {"type": ["string", "null"]}),
    "ENUM('a', 'b')": ("'a'", "a", {"type": ["string", "null"]}),
    "BOOLEAN": ("false", False, {"type": ["boolean", "null"]}),
    "DATE": ("'2026-02-03'", "2026-02-03", {"type": ["string", "null"], "format": "date"}),
    "TIME": ("'01:02:03.5'", "01:02:03.500000", {"type": ["string", "null"], "format": "time"}),
    "TIMESTAMP": (
        "'2026-02-03 04:05:06.000007'",
        "2026-02-03T04:05:06.000007+00:00",
        {"type": ["string", "null"], "format": "date-time"},
    ),
    "TIMESTAMP_S": (
        "'2026-02-03 04:05:06'",
        "2026-02-03T04:05:06+00:00",
        {"type": ["string", "null"], "format": "date-time"},
    ),
    "TIMESTAMPTZ": (
        "'2026-07-03 04:05:06-07'",
        "2026-07-03T11:05:06+00:00",
        {"type": ["string", "null"], "format": "date-time"},
    ),
    "UUID": (
        "'12345678-1234-5678-1234-567812345678'",
        "12345678-1234-5678-1234-567812345678",
        {"type": ["string", "null"], "format": "uuid"},
    ),
    "JSON": (
        """'{"a": [1, {"b": null}], "c": 1.5}'""",
        {"a": [1, {"b": None}], "c": Decimal("1.5")},
        {"type": ["object", "array", "string", "number", "integer", "boolean", "null"]},
    ),
    "INTEGER[]": ("[1, NULL]", [1, None], {"type": ["array", "null"], "items": {"type": ["integer", "null"]}}),
    "DATE[2]": (
        "['2026-01-02', NULL]",
        ["2026-01-02", None],
        {"type": ["array", "null"], "items": {"type": ["string", "null"], "format": "date"}},
    ),
    'STRUCT("at" TIMESTAMPTZ, "odd name" VARCHAR)[]': (
        "[{'at': '2026-01-02 03:04:05+00', 'odd name': 'x'}, {'at': NULL, 'odd name': NULL}, NULL]",
        [{"at": "2026-01-02T03:04:05+00:00", "odd name": "x"}, {"at": None, "odd name": None}, None],
        {
            "type": ["array", "null"],
            "items": {
                "type": ["object", "null"],
                "properties": {
                    "at": {"type": ["string", "null"], "format": "date-time"},
                    "odd name": {"type": ["string", "null"]},
                },
            },
        },
    ),
    "MAP(INTEGER, JSON)": (
        "MAP {1: '[1]', 2: NULL}",
        {"1": [1], "2": None},
        {
            "type": ["object", "null"],
            "additionalProperties": {
                "type": ["object", "array", "string", "number", "integer", "boolean", "null"],
            },
        },
    ),
}


@pytest.mark.parametrize(
    ("name", "value", "expected", "schema"), [(name, *case) for name, case in TYPES.items()], ids=TYPES
)
def test_every_type_becomes_what_its_schema_says(
    tmp_path: Path, name: str, value: str, expected: object, schema: dict[str, Any]
) -> None:
    insert = f"INSERT INTO t VALUES ({value}), (NULL)"  # noqa: S608
    path = build(tmp_path / "w.duckdb", f"CREATE TABLE t (v {name}); {insert}")
    json_schema, found = rows(path)
    assert found == [{"v": expected}, {"v": None}]
    assert json_schema["properties"]["v"] == schema
    for row in found:
        Draft202012Validator(json_schema).validate(row)


@pytest.mark.parametrize(
    "name",
    [
        "BLOB",
        "BIT",
        "INTERVAL",
        "TIMETZ",
        "VARINT",
        "UNION(a INTEGER)",
        "STRUCT(x BLOB)[]",
        "MAP(DATE[], INTEGER)",
    ],
)
def test_a_type_without_a_json_value_is_refused_at_once(tmp_path: Path, name: str) -> None:
    path = build(tmp_path / "w.duckdb", f"CREATE TABLE t (v {name})")
    with pytest.raises(
        SourceError, match=r"main\.t\.v is a .*, and JSON cannot hold .* values; cast it in the model"
    ):
        rows(path)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("'20000-01-01'::TIMESTAMP", "20000-01-01 00:00:00 lies outside the years 1 to 9999"),
        ("'-100-01-01'::DATE", "lies outside the years 1 to 9999"),
        ("'[1e999]'::JSON", "Number out of range"),
    ],
)
def test_a_value_without_a_json_value_names_its_column(tmp_path: Path, value: str, reason: str) -> None:
    path = build(tmp_path / "w.duckdb", f"CREATE TABLE t AS SELECT 1 AS id, {value} AS odd")
    with pytest.raises(SourceError, match=rf"main\.t\.odd has a value that cannot be written as JSON: .*{reason}"):
        rows(path)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@settings(max_examples=15, deadline=None)  # each example writes a file
@given(st.lists(st.tuples(st.text(), JSON_VALUES, st.datetimes()), min_size=1, max_size=20))
def test_what_is_stored_is_what_is_read(stored: list[tuple[str, object, datetime]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = build(
            Path(folder) / "w.duckdb", "CREATE TABLE t (position INTEGER, a VARCHAR, b JSON, c TIMESTAMP)"
        )
        with duckdb.connect(path) as connection:
            for position, (a, b, c) in enumerate(stored):
                connection.execute("INSERT INTO t VALUES (?, ?, ?, ?)", [position, a, json.dumps(b), c])
        _, found = rows(path)
    assert [(row["a"], row["b"], datetime.fromisoformat(row["c"])) for row in found] == [
        (a, b, c.replace(tzinfo=UTC)) for a, b, c in stored
    ]


@pytest.mark.parametrize("count", [BATCH - 1, BATCH, BATCH + 1, 3 * BATCH])
def test_no_row_is_lost_between_batches(tmp_path: Path, count: int) -> None:
    path = build(tmp_path / "w.duckdb", f"CREATE TABLE t AS FROM range({count}) AS r(id)")
    assert [row["id"] for row in rows(path)[1]] == list(range(count))


def test_names_that_need_quotes(tmp_path: Path) -> None:
    path = build(
        tmp_path / "w.duckdb", 'CREATE TABLE "t ""x"".y" ("a ""b"" c" INTEGER, "select" INTEGER PRIMARY KEY)'
    )
    with duckdb.connect(path) as connection:
        connection.execute("""INSERT INTO "t ""x"".y" VALUES (1, 2)""")
    assert rows(path)[1] == [{'a "b" c': 1, "select": 2}]


def test_the_progress_of_a_long_query_stays_off_the_stream() -> None:
    """DuckDB draws it on standard output after two seconds."""
    [(setting,)] = Source(WAREHOUSE)._rows("SELECT current_setting('enable_progress_bar')")
    assert setting is False


@pytest.mark.parametrize("content", [b"", b"abc", b"x" * 20_000], ids=["empty", "short", "other"])
def test_a_file_of_another_kind(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.duckdb").write_bytes(content)
    with pytest.raises(
        SourceError, match=r"^setting `path`: .* cannot be opened; it is damaged or was not written by"
    ):
        Source(str(tmp_path / "w.duckdb"))


def test_a_damaged_file(tmp_path: Path) -> None:
    path = Path(build(tmp_path / "w.duckdb", "CREATE TABLE t AS SELECT range AS id FROM range(10)"))
    data = bytearray(path.read_bytes())
    data[8200:8300] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"^setting `path`: .* cannot be opened; it is damaged"):
        Source(str(path))


def test_a_file_that_is_being_written(tmp_path: Path) -> None:
    path = build(tmp_path / "w.duckdb", "CREATE TABLE t (id INTEGER)")
    writer = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", writer, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdout
        process.stdout.readline()
        with pytest.raises(
            SourceError, match=r"^setting `path`: .* cannot be opened; another process is writing it"
        ):
            Source(path)
        process.communicate()


def test_what_a_killed_writer_committed_is_read(tmp_path: Path) -> None:
    """Its rows are still in the write-ahead log."""
    path = str(tmp_path / "w.duckdb")
    writer = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute('CREATE TABLE t AS SELECT 1 AS id');"
        "os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", writer, path], check=False)  # noqa: S603
    assert Path(f"{path}.wal").exists()
    assert rows(path)[1] == [{"id": 1}]


def test_a_view_whose_table_is_gone(tmp_path: Path) -> None:
    path = build(tmp_path / "w.duckdb", "CREATE TABLE a (id INTEGER); CREATE VIEW t AS FROM a; DROP TABLE a")
    with pytest.raises(SourceError, match=r"^main\.t cannot be read: .*"):
        rows(path)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (
            {"path": WAREHOUSE, "bookmarks": {"other": "id"}},
            "setting `bookmarks`: there is no stream `other`",
        ),
        (
            {"path": WAREHOUSE, "bookmarks": {"names": "made"}},
            "setting `bookmarks`: name one column of",
        ),
        ({}, "wrong settings: 'path' is a required property"),
        ({"path": 1}, "wrong settings: 1 is not of type 'string' in config['path']"),
        ("[1", "Invalid value for '--config': config.json: "),
        ({"path": "gone.duckdb"}, "setting `path`: there is no file `gone.duckdb`; give it the DuckDB file"),
        ({"path": "."}, "setting `path`: there is no file `.`"),
        ({"path": WAREHOUSE, "schema": "publsh"}, "setting `schema`: no table stands in a schema `publsh`; sc"),
        (
            {"path": WAREHOUSE, "keys": {"nmes": ["id"]}},
            "setting `keys`: there is no stream `nmes`; there are ",
        ),
        ({"path": WAREHOUSE, "keys": {"names": ["nme"]}}, "setting `keys`: name some of the columns of publish."),
        ({"path": WAREHOUSE, "keys": {"names": []}}, "setting `keys`: name some of the columns of publish."),
        ({"path": WAREHOUSE, "keys": {"names": 5}}, "wrong settings:"),
        (
            {"path": WAREHOUSE, "prefix": "pub_k_"},
            "setting `prefix`: no table of the schema `publish` begins with",
        ),
    ],
)
@pytest.mark.parametrize("arguments", [(), ("--test",), ("--discover",)])
def test_a_wrong_setting_is_one_line(
    run: Callable[..., Run], arguments: tuple[str, ...], config: object, complaint: str
) -> None:
    code, messages, [line] = run(*arguments, config=config)
    assert (code, messages) == (1, [])
    assert line.replace("Config validation error:", "wrong settings:").startswith(complaint)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [[], ["--discover"]])
def test_a_full_disk_is_one_line(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "tap_duckdb", "--config", "ENV", *arguments]
    environment = {**os.environ, "TAP_DUCKDB_PATH": WAREHOUSE}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(  # noqa: S603
            command, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if " | INFO " not in line] == [done.stderr.splitlines()[-1]]
    assert done.stderr.endswith("the records could not be written to standard output: No space left on device\n")


def _ended(tap: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """The rest of what it writes; one that does not end is killed, and fails the test."""
    try:
        return tap.communicate(timeout=60)
    finally:
        tap.kill()


def test_a_signal_is_not_taken_for_the_end_of_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "large.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema publish")
        connection.execute(
            "create table publish.pub_klaviyo_profiles as select 'P' || i as id from range(400000) r(i)"
        )
    command = [sys.executable, "-m", "tap_duckdb", "--config", "ENV"]
    with subprocess.Popen(  # noqa: S603
        command,
        env={**os.environ, "TAP_DUCKDB_PATH": str(path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as tap:
        assert tap.stdout is not None
        tap.stdout.readline()
        tap.send_signal(signal.SIGTERM)
        rest, _ = _ended(tap)
    assert rest.count(b"RECORD") < 400_000
    assert tap.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("seconds", [0, 0.3], ids=["about to begin", "under way"])
def test_a_signal_during_a_query_ends_the_run_like_any_other(tmp_path: Path, seconds: float) -> None:
    path = tmp_path / "slow.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema publish")
        connection.execute("create table publish.pub_klaviyo_a as select 1 as id")
        endless = "select count(*) as n from range(100000000) a(i), range(1000000) b(j) where i % 7 = j % 11"
        connection.execute(f"create view publish.pub_klaviyo_b as {endless}")
    command = [sys.executable, "-m", "tap_duckdb", "--config", "ENV"]
    with subprocess.Popen(  # noqa: S603
        command,
        env={**os.environ, "TAP_DUCKDB_PATH": str(path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as tap:
        assert tap.stdout is not None
        while b'"stream":"b"' not in tap.stdout.readline():
            pass  # its SCHEMA comes just before its query
        time.sleep(seconds)
        tap.send_signal(signal.SIGTERM)
        _, told = _ended(tap)
    assert tap.returncode == 128 + signal.SIGTERM
    assert b"Traceback" not in told


LOADED = """
CREATE SCHEMA klaviyo_raw;
CREATE TABLE klaviyo_raw._sdc_extractions (stream VARCHAR, begun VARCHAR, run BIGINT, account VARCHAR);
INSERT INTO klaviyo_raw._sdc_extractions VALUES ('events', 'x', 1, 'AbC123'), ('lists', 'x', 1, NULL);
"""


def test_state_says_for_which_account_the_rows_are_before_the_first_of_them(
    tmp_path: Path, run: Callable[..., Run]
) -> None:
    path = build(tmp_path / "w.duckdb", BUILD + LOADED)
    done = run(config={"path": path})
    assert done.messages[0] == {
        "type": "STATE",
        "value": {"bookmarks": {name: {"for_account": "AbC123"} for name in ("names", "typed")}},
    }
    declared = run(config={"path": path, "account_id": "Other1"})
    assert declared.messages[0]["value"]["bookmarks"]["typed"] == {"for_account": "Other1"}
    assert "for_account" not in json.dumps(run(config={"path": WAREHOUSE}).messages), "not told, not said"


def test_a_state_of_another_shape_is_one_line(tmp_path: Path, run: Callable[..., Run]) -> None:
    state = tmp_path / "state.json"
    state.write_text('{"bookmarks": {"names": {"progress_markers": "x"}}}')
    done = run("--state", str(state), config={"path": WAREHOUSE})
    assert (done.code, done.messages) == (1, [])
    assert "stream `names` has a text as `progress_markers`, and no object: give " in done.complaints[-1]


def test_a_file_of_two_accounts_asks_which(tmp_path: Path, run: Callable[..., Run]) -> None:
    second = LOADED.replace("klaviyo_raw", "other_raw").replace("AbC123", "XyZ789")
    path = build(tmp_path / "w.duckdb", BUILD + LOADED + second)
    done = run(config={"path": path})
    assert (done.code, done.messages) == (1, [])
    assert "AbC123 and XyZ789" in done.complaints[-1]
    assert "`account_id`" in done.complaints[-1]
    assert run(config={"path": path, "account_id": "XyZ789"}).code == 0
