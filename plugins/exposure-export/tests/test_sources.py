"""Exposures out of a DuckDB file and by dbt, and the command line over them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are not a package

from exposure_table import Table, read_hours, row

from exposure_export.cli import main
from exposure_export.hours import HOUR, Window, hour_of
from exposure_export.manifest import Source
from exposure_export.rows import READ, vars_of
from exposure_export.source import OfDbt, OfDuckDB, Piece, pieces
from singer_program.errors import ProgramError
from singer_program.identifiers import compared
from singer_program.people_list import line_of
from singer_program.warehouse import DuckDB

LAST = hour_of(datetime.now(UTC)) - HOUR
"""The command line has the clock of the machine."""
KEY = "of-the-test-" * 3


def hour(number: float) -> datetime:
    return LAST - timedelta(hours=number)


@pytest.fixture
def table() -> Table:
    rows = [row(number, hour(number / 2)) for number in range(9)]
    rows += [
        row("ties", hour(1), profile_id='Zoë "名"', attrs='{"größe": [1, null]}', tracking_id="007"),
        row("none", hour(1), copy_id=None, template_id=None, message_id=None),
        row("now", LAST + timedelta(days=2)),  # in an hour that does not end while the tests run
    ]
    return Table(rows)


CONTENT = [("copy1", "Grüße", None, None), ("copy2", None, "<b>名前</b>", None)]


@pytest.fixture
def file(table: Table, tmp_path: Path) -> Path:
    path = tmp_path / "klaviyo.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.fct_exposures (exposed_at timestamp, exposure_id text, profile_id text,"
            " tracking_id text, experiment_key text, experiment_version integer, slot_key text, arm_key text,"
            " copy_id text, message_id text, template_id text, attrs json, row_hash bigint,"
            " exposed_in_hour timestamp)"
        )
        connection.executemany(
            "insert into marts.fct_exposures values (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            [
                (
                    *(each[name].replace(tzinfo=None) if name == "exposed_at" else each[name] for name in READ),
                    number,
                    hour_of(each["exposed_at"]).replace(tzinfo=None),
                )
                for number, each in enumerate(table.rows)
            ],
        )
        connection.execute(
            "create table marts.fct_exposure_contents (copy_id text, subject text, html text, text text)"
        )
        connection.executemany("insert into marts.fct_exposure_contents values (?,?,?,?)", CONTENT)
    return path


def told(value: Any) -> Any:  # noqa: ANN401
    """As `lf_told_value` writes it."""
    if isinstance(value, datetime):
        return {"time": value.replace(tzinfo=None).isoformat()}
    return {"number": str(value)} if isinstance(value, int) else value


@pytest.fixture
def dbt(table: Table, tmp_path: Path) -> Path:
    """A command that stands in for dbt: it notes what it is asked, and answers from the table."""
    (tmp_path / "rows.json").write_text(
        json.dumps(
            [
                [str(hour_of(each["exposed_at"]).replace(tzinfo=None)), [told(each[name]) for name in READ]]
                for each in sorted(table.rows, key=lambda each: (each["exposed_at"], each["exposure_id"]))
            ]
        )
    )
    (tmp_path / "contents.json").write_text(
        json.dumps(
            {"table": "fct_exposure_contents", "columns": ["COPY_ID", "SUBJECT", "HTML", "TEXT"], "rows": CONTENT}
        )
    )
    path = tmp_path / "dbt"
    path.write_text(
        f"""#!{sys.executable}
import collections, json, pathlib, sys
folder = pathlib.Path({str(tmp_path)!r})
_, _, operation, _, text = sys.argv[1:6]
asked = json.loads(text)
with (folder / "asked").open("a") as file:
    print(operation, text, file=file)
rows = json.loads((folder / "rows.json").read_text())
print("[WARNING]: something")
if (folder / "fault").exists():
    print(json.dumps({{"exposure": [["Ada"]]}}))
    sys.exit("Database Error: connection refused")
if operation == "print_results":
    print((folder / "contents.json").read_text())
elif operation == "print_exposure_hours":
    counts = collections.Counter(hour for hour, _ in rows if (asked["start"] or "") <= hour < asked["end"])
    for hour, count in counts.items():
        told = [{{"time": hour}}, {{"number": str(count)}}, {{"number": str(count * 7)}}]
        print(json.dumps({{"exposures": [told]}}))
else:
    for piece in asked["pieces"]:
        part, parts, hours = piece["part"], piece["parts"], piece["hours"]
        found = [row for number, (hour, row) in enumerate(rows) if hour in hours and number % parts == part]
        print(json.dumps({{"exposures": found}}))
"""
    )
    path.chmod(0o700)
    return path


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    def call(*options: str, **settings: object) -> tuple[int, str, str]:
        for name, value in {"destination": tmp_path / "out", **settings}.items():
            monkeypatch.setenv(f"EXPOSURE_EXPORT_{name.upper()}", str(value))
        monkeypatch.setattr(sys, "argv", ["exposure-export", *options])
        capfd.readouterr()
        status = main()
        said = capfd.readouterr()
        return status, said.out, said.err

    return call


def ended(table: Table) -> dict[datetime, Any]:
    return {hour: rows for hour, rows in table.files().items() if hour <= LAST}


def test_out_of_a_duckdb_file(file: Path, table: Table, run: Run, tmp_path: Path) -> None:
    status, said, complaint = run(warehouse=file)
    assert (status, complaint) == (0, "")
    assert said.startswith("11 rows of 5 hours written (")
    assert said.rstrip().endswith(f"0 as they were: {tmp_path / 'out'}")
    assert read_hours(tmp_path / "out") == ended(table)
    status, said, _ = run("--format", "json", warehouse=file)
    assert json.loads(said) == {
        "destination": str(tmp_path / "out"),
        "written": [],
        "removed": [],
        "kept": 5,
        "rows": 0,
    }


def test_by_dbt_as_out_of_the_file(
    dbt: Path, table: Table, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OfDbt, "_ROWS", 3)
    status, said, complaint = run(dbt=dbt, dbt_project=tmp_path, destination=tmp_path / "by_dbt")
    assert (status, complaint) == (0, ""), said
    found = {
        hour: sorted(rows, key=lambda each: (each["event_timestamp"], each["exposure_id"]))
        for hour, rows in read_hours(tmp_path / "by_dbt").items()
    }
    assert found == ended(table)
    asked = [line.split(" ", 1) for line in (tmp_path / "asked").read_text().splitlines()]
    assert [operation for operation, _ in asked] == ["print_exposure_hours", "print_results", "print_exposures"]
    assert [(len(each["hours"]), each["part"], each["parts"]) for each in json.loads(asked[2][1])["pieces"]] == [
        (1, 0, 1),
        (1, 0, 1),
        (1, 0, 1),
        (1, 0, 2),
        (1, 1, 2),
        (1, 0, 1),
    ]
    assert run(dbt=dbt, dbt_project=tmp_path, destination=tmp_path / "by_dbt")[1].startswith("0 rows of 0 hours")


def test_what_dbt_cannot_is_told_without_a_row(dbt: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "fault").touch()
    status, said, complaint = run(dbt=dbt, dbt_project=tmp_path)
    assert (status, said) == (1, "")
    [line] = complaint.splitlines()
    assert "connection refused" in line
    assert "Ada" not in line
    assert run(dbt=tmp_path / "nowhere", dbt_project=tmp_path)[2].endswith("name the command of dbt\n")


def test_pieces_hold_every_row_once() -> None:
    hours = {hour(number): Source(rows, 0) for number, rows in enumerate((1, 2, 7, 3, 1, 1))}
    whole = [*pieces(hours, 3, is_divided=False)]
    assert whole == [
        Piece((hour(5), hour(4))),
        Piece((hour(3),)),
        Piece((hour(2),)),
        Piece((hour(1), hour(0))),
    ]
    divided = [*pieces(hours, 3, is_divided=True)]
    assert divided == [*whole[:2], *(Piece((hour(2),), part, 3) for part in range(3)), whole[3]]
    assert [*pieces({}, 3, is_divided=True)] == []


def test_a_range_by_options_and_by_variables(file: Path, table: Table, run: Run, tmp_path: Path) -> None:
    first, until = hour(3), hour(1)
    assert run("--from", first.isoformat(), "--to", until.isoformat(), warehouse=file)[0] == 0
    expected = {hour: rows for hour, rows in ended(table).items() if first <= hour < until}
    assert read_hours(tmp_path / "out") == expected
    assert run("--from", f"{hour(2):%Y-%m-%dT%H:%M}", warehouse=file)[0] == 0
    assert read_hours(tmp_path / "out").keys() == {hour(number) for number in (3, 2, 1, 0)}
    assert run(warehouse=file, **{"from": hour(4).isoformat(), "to": hour(3).isoformat()})[0] == 0
    assert hour(4) in read_hours(tmp_path / "out")
    assert run(warehouse=file, **{"from": "", "to": ""})[1].startswith("0 rows of 0 hours")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--from", "2026-11-02T08:30"), "within an hour of UTC"),
        (("--from", "2026-11-02T08:00+05:30"), "such as 2026-11-02T02:00:00Z"),
        (("--from", "yesterday"), "name an hour as 2026-11-02T08:00"),
        (("--from", "0001-01-01T00:00+14:00"), "name an hour as"),
        (("--from", "2026-11-02", "--to", "2026-11-02"), "--to is the first hour that is left out"),
        (("--from", "2026-11-02", "--to", "9999-01-01"), "have not ended"),
        (("--to", "2026-11-02"), "give --from, too"),
    ],
)
def test_a_range_that_is_none_is_told(options: tuple[str, ...], told: str, file: Path, run: Run) -> None:
    status, said, complaint = run(*options, warehouse=file)
    assert (status, said) == (1, "")
    [line] = complaint.splitlines()
    assert told in line


def test_settings_that_are_wrong_are_told(file: Path, run: Run, tmp_path: Path) -> None:
    assert "set either `warehouse`, or `dbt` and `dbt_project`" in run()[2]
    assert "set either" in run(warehouse=file, dbt="dbt")[2]
    for name, value in (("file_mode", "rw"), ("look_back_hours", -1), ("lease_seconds", 1)):
        assert f"`{name}`" in run(warehouse=file, dbt="", **{name: value})[2]
    assert (
        "there is no warehouse"
        in run(warehouse=tmp_path / "none", file_mode="", look_back_hours="", lease_seconds="")[2]
    )


def test_a_table_that_is_not_there_is_told(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "empty.duckdb"
    duckdb.connect(str(path)).close()
    assert "`fct_exposures` is not there: build it with `dbt build --selector exposures`" in run(warehouse=path)[2]


def test_people_on_lists_are_left_out(file: Path, run: Run, tmp_path: Path) -> None:
    lists = {"forgotten": ("P1", "somebody"), "restricted": ("P4",)}
    for name, people in lists.items():
        lines = [line_of(KEY, compared("id", person)) for person in people]
        (tmp_path / name).write_text("\n".join(lines))
    settings = {f"{name}_path": tmp_path / name for name in lists}
    assert run(warehouse=file, forgotten_key=KEY, **settings)[0] == 0
    found = {each["user_id"] for rows in read_hours(tmp_path / "out").values() for each in rows}
    assert not {"P1", "P4"} & found
    assert {"P0", "P2", "P3"} <= found
    (tmp_path / "restricted").write_text("no hash")
    status, _, complaint = run(warehouse=file, forgotten_key=KEY, **settings)
    assert status == 1
    assert "restricted_path" in complaint
    assert KEY not in complaint
    assert "forgotten_key" in run(warehouse=file, forgotten_key="", **settings)[2]


def test_what_stands_in_vars() -> None:
    assert json.loads(vars_of("s", "<b>", "t")) == {"subject": "s", "body": "<b>", "text": "t"}
    assert json.loads(vars_of(None, None, "sms")) == {"body": "sms"}
    assert json.loads(vars_of("only", None, None)) == {"subject": "only"}


def test_what_the_file_says_of_hours(file: Path) -> None:
    with DuckDB(file, "marts") as database:
        found = OfDuckDB(database).hours(Window(hour(1), LAST + HOUR))
        assert {hour: each.rows for hour, each in found.items()} == {hour(1): 4, hour(0): 1}
        with pytest.raises(ProgramError):
            [*database.batches("select 1 from nowhere")]
