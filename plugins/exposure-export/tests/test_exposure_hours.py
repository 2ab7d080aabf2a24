"""Which hours are written, kept and removed, on disk."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))  # tests are not a package

from exposure_table import (
    CONTENTS,
    DAY,
    NOW,
    Row,
    Table,
    at,
    data_of,
    listing,
    manifest_of,
    read_file,
    read_hours,
    row,
    run,
)

from exposure_export import export as export_module
from exposure_export.export import LeftOut
from exposure_export.hours import Window, folder_of
from exposure_export.stores.disk import Disk
from singer_program.errors import ProgramError
from singer_program.private import private_files

if TYPE_CHECKING:
    from exposure_export.manifest import Source

WEEK = timedelta(days=7)


@pytest.fixture
def table() -> Table:
    rows = [row(number, at(hour)) for number, hour in enumerate((1, 1.5, 3, 3.25, 3.5, 7.99))]
    return Table([*rows, row("open", at(8.2)), row("old", at(5, DAY - timedelta(days=30)))])


def ended(table: Table) -> dict[datetime, list[Row]]:
    return {hour: rows for hour, rows in table.files().items() if hour < at(8)}


def test_all_hours_that_have_ended_are_written_first(table: Table, tmp_path: Path) -> None:
    root = tmp_path / "new" / "exposures"
    outcome = run(table, root, WEEK)
    assert read_hours(root) == ended(table)
    assert [folder_of(hour) for hour in outcome.written] == [
        "2026/10/10/05",
        "2026/11/09/01",
        "2026/11/09/03",
        "2026/11/09/07",
    ]
    assert (outcome.rows, outcome.kept, outcome.removed, outcome.faults) == (7, 0, [], [])
    assert sorted(path.name for path in root.iterdir()) == ["2026", "_lock"]


def test_a_second_run_writes_nothing_and_reads_no_row(table: Table, tmp_path: Path) -> None:
    run(table, tmp_path)
    before = listing(tmp_path)
    table.asked.clear()
    outcome = run(table, tmp_path, WEEK)
    assert (outcome.written, outcome.removed, outcome.kept) == ([], [], 3)
    assert listing(tmp_path) == before
    assert table.asked == []


def test_what_came_late_changed_or_went_is_written_wherever_it_was(table: Table, tmp_path: Path) -> None:
    run(table, tmp_path)
    before = listing(tmp_path)
    table.rows.append(row("late", at(3.9)))
    table.rows.append(row("first of its hour", at(2)))
    table.rows[0] = row(0, at(1), arm_key="plain")
    table.rows[5:6] = []
    outcome = run(table, tmp_path, WEEK)
    assert outcome.written == [at(1), at(2), at(3)]
    assert outcome.removed == [at(7)]
    assert read_hours(tmp_path) == ended(table)
    assert not (tmp_path / folder_of(at(7))).exists()
    untouched = {path: known for path, known in before.items() if path.startswith("2026/10")}
    assert untouched.items() <= listing(tmp_path).items()


def test_what_is_older_than_the_look_back_is_left_alone_until_it_is_asked_for(
    table: Table, tmp_path: Path
) -> None:
    run(table, tmp_path)
    del table.rows[-1]
    assert run(table, tmp_path, WEEK).removed == []
    old = at(5, DAY - timedelta(days=30))
    assert old in read_hours(tmp_path)
    assert run(table, tmp_path, None).removed == [old]
    assert [path.name for path in (tmp_path / "2026").iterdir()] == ["11"], "folders that hold nothing are gone"


def test_a_range_replaces_its_hours_and_touches_no_other(table: Table, tmp_path: Path) -> None:
    run(table, tmp_path)
    before = listing(tmp_path)
    table.rows = [each for each in table.rows if each["profile_id"] not in {"P0", "P2", "P3", "P4"}]
    outcome = run(table, tmp_path, Window(at(3), at(8)))
    assert (outcome.written, outcome.removed) == ([at(7)], [at(3)])
    after = listing(tmp_path)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert {path.rpartition("/")[0] for path in changed} == {folder_of(at(3)), folder_of(at(7))}
    assert len(read_hours(tmp_path)[at(1)]) == 2, "whom only a range of their own removes"
    run(table, tmp_path, Window(at(1), at(2)))
    assert read_hours(tmp_path) == ended(table)


def test_who_was_deleted_is_gone_from_every_hour_by_a_backfill(tmp_path: Path) -> None:
    """The mart does not hold them any more; hours that the look-back does not reach are named."""
    days = [DAY - timedelta(days=days) for days in (1, 40, 400)]
    rows = [row(f"{who}{day:%j%y}", at(4, day), profile_id=who) for day in days for who in ("Ada", "Bo")]
    table = Table(rows)
    run(table, tmp_path)
    table.rows = [each for each in rows if each["profile_id"] != "Ada"]
    run(table, tmp_path, Window(datetime(2025, 1, 1, tzinfo=UTC), at(8)))
    found = read_hours(tmp_path)
    assert len(found) == 3
    assert {each["user_id"] for hour in found.values() for each in hour} == {"Bo"}


def test_hours_begin_where_they_begin(tmp_path: Path) -> None:
    """Also in the night in which clocks of Europe are put back, and at the end of a year."""
    back = datetime(2026, 10, 25, tzinfo=UTC)
    ties = [at(2, back), at(3, back) - timedelta(microseconds=1), at(3, back), at(3, back), at(0, back)]
    year = [datetime(2025, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)]
    table = Table([row(number, moment) for number, moment in enumerate([*ties, *year])])
    run(table, tmp_path)
    assert {folder_of(hour): len(rows) for hour, rows in read_hours(tmp_path).items()} == {
        "2025/12/31/23": 1,
        "2026/01/01/00": 1,
        "2026/10/25/00": 1,
        "2026/10/25/02": 2,
        "2026/10/25/03": 2,
    }
    assert read_hours(tmp_path) == table.files()


def test_hostile_and_huge_values_come_as_they_are(tmp_path: Path) -> None:
    values = ["Zoë 名前 \U0001f389", "a'b\"c\\", "line\nbreak\r\n", "\x00", "x" * 1_000_000, "", "NaN", "{"]
    rows = [
        row(
            number,
            at(1 + number / 100),
            tracking_id=value,
            profile_id=value or "P",
            attrs=json.dumps({"v": value}),
        )
        for number, value in enumerate(values)
    ]
    rows += [row("shown", at(2), copy_id="copy2"), row("unknown", at(2.1), copy_id="never seen")]
    rows += [row("none", at(2.2), copy_id=None, template_id=None, message_id=None)]
    table = Table(rows)
    run(table, tmp_path)
    assert read_hours(tmp_path) == table.files()


def test_groups_of_rows_are_of_one_size_whatever_came_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "_ROW_GROUP", 4)
    table = Table([row(number, at(1 + number / 100)) for number in range(11)], batch=9)
    run(table, tmp_path)
    assert read_hours(tmp_path) == table.files()
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # noqa: PLC0415

    with pq.ParquetFile(data_of(tmp_path, at(1))) as file:
        assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [4, 4, 3]


def test_duckdb_reads_the_folder_with_its_types(table: Table, tmp_path: Path) -> None:
    run(table, tmp_path)
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        files = str(tmp_path / "*/*/*/*/*.parquet")
        described = connection.execute("describe select * from read_parquet(?)", [files]).fetchall()
        assert {name: kind for name, kind, *_ in described} == {
            "event_timestamp": "TIMESTAMP WITH TIME ZONE",
            "user_id": "VARCHAR",
            "tracking_id": "VARCHAR",
            "copy_id": "VARCHAR",
            "experiment": "VARCHAR",
            "experiment_version": "INTEGER",
            "slot": "VARCHAR",
            "arm": "VARCHAR",
            "message_id": "VARCHAR",
            "template_id": "VARCHAR",
            "vars": "VARCHAR",
            "attrs": "VARCHAR",
            "exposure_id": "VARCHAR",
        }
        found = connection.execute(
            "select count(*), min(epoch(event_timestamp)), min(vars ->> 'subject') from read_parquet(?)", [files]
        ).fetchall()
    assert found == [(7, at(5, DAY - timedelta(days=30)).timestamp(), "Grüße")]


def test_a_content_is_in_a_file_once_and_others_are_not(tmp_path: Path) -> None:
    long = {"copy1": json.dumps({"body": os.urandom(20_000).hex()}), "copy2": '{"body": "other"}'}
    table = Table([row(number, at(1 + number / 10_000)) for number in range(200)], batch=50)
    table.contents = lambda: long  # type: ignore[method-assign]
    run(table, tmp_path)
    content = data_of(tmp_path, at(1)).read_bytes()
    assert len(content) < 60_000
    assert {each["vars"] for each in read_file(data_of(tmp_path, at(1)))} == {long["copy1"]}
    assert CONTENTS["copy2"].encode() not in content


def test_the_manifest_tells_the_hour(table: Table, tmp_path: Path) -> None:
    run(table, tmp_path)
    told = manifest_of(tmp_path, at(3))
    [file] = told.pop("files")
    source = told.pop("source")
    assert told == {"hour": "2026-11-09T03:00:00Z", "exported_at": "2026-11-09T08:30:00Z", "next": [], "format": 1}
    assert (file["name"], file["rows"], source["rows"], source["lists"]) == ("exposures.parquet", 3, 3, None)


@pytest.mark.parametrize(("mode", "folder"), [(0o600, 0o700), (0o640, 0o750), (0o644, 0o755)])
def test_files_are_for_whom_the_setting_says(mode: int, folder: int, table: Table, tmp_path: Path) -> None:
    root = tmp_path / "a" / "b"
    with private_files():
        export_module.export(table, Disk(root, mode), None, lambda: NOW)
    modes = {
        (path.is_dir(), stat.S_IMODE(path.stat().st_mode))
        for path in [root, *root.rglob("*")]
        if path.name != "_lock"
    }
    assert modes == {(True, folder), (False, mode)}
    assert stat.S_IMODE((root / "_lock").stat().st_mode) == 0o600


def test_what_others_put_there_stays(table: Table, tmp_path: Path) -> None:
    run(table, tmp_path)
    notes = data_of(tmp_path, at(7)).with_name("notes.txt")
    notes.write_text("mine")
    (tmp_path / "2026" / "readme").mkdir()
    (tmp_path / "2026" / "13" / "01").mkdir(parents=True)
    (tmp_path / "2026" / "11" / "31" / "99").mkdir(parents=True)
    table.rows = []
    outcome = run(table, tmp_path)
    assert len(outcome.removed) == 4
    assert [path.name for path in notes.parent.iterdir()] == ["notes.txt"]
    assert (tmp_path / "2026" / "13" / "01").is_dir()


@pytest.mark.parametrize("damage", ["no manifest", "no data", "cut off", "not JSON", "other"])
def test_an_hour_that_is_not_as_it_was_written_is_written_again(damage: str, table: Table, tmp_path: Path) -> None:
    run(table, tmp_path)
    data = data_of(tmp_path, at(3))
    manifest = data.with_name("_manifest.json")
    match damage:
        case "no manifest":
            manifest.unlink()
        case "no data":
            data.unlink()
        case "cut off":
            data.write_bytes(data.read_bytes()[:-1])
        case "not JSON":
            manifest.write_bytes(b"\xff{")
        case _:
            manifest.write_text('{"format": 1}')
    outcome = run(table, tmp_path, WEEK)
    assert outcome.written == [at(3)]
    assert read_hours(tmp_path) == ended(table)


def test_what_a_later_version_wrote_ends_the_run(table: Table, tmp_path: Path) -> None:
    run(table, tmp_path)
    path = data_of(tmp_path, at(3)).with_name("_manifest.json")
    path.write_text('{"format": 2, "other": true}')
    before = listing(tmp_path)
    table.rows = []
    with pytest.raises(ProgramError, match="later version"):
        run(table, tmp_path)
    assert listing(tmp_path) == before


def test_an_hour_that_changes_while_it_is_read_is_left_as_it_was(table: Table, tmp_path: Path) -> None:
    run(table, tmp_path)
    before = listing(tmp_path)

    class Moving(Table):
        def hours(self, window: Window) -> Mapping[datetime, Source]:
            found = super().hours(window)
            self.rows = [each for each in self.rows if each["exposed_at"] != at(1.5)]
            return found

    outcome = run(Moving(table.rows), tmp_path, Window(at(1), at(2)))
    assert (outcome.written, outcome.removed) == ([], [])
    [fault] = outcome.faults
    assert fault.startswith("2026-11-09T01:00:00Z is left as it was")
    assert listing(tmp_path) == before
    gone = Moving(table.rows)
    gone.rows = [row("only", at(1.5))]
    assert run(gone, tmp_path, Window(at(1), at(2))).faults, "also where nothing at all is read"
    assert listing(tmp_path) == before


def test_people_on_a_list_are_left_out_and_hours_follow_the_list(table: Table, tmp_path: Path) -> None:
    run(table, tmp_path)
    listed = LeftOut(lambda profile: profile in {"P0", "P1", "P2"}, "list 1")
    outcome = run(table, tmp_path, WEEK, left_out=listed)
    assert outcome.removed == [at(1)], "of this hour nobody is left"
    assert [each["user_id"] for each in read_hours(tmp_path)[at(3)]] == ["P3", "P4"]
    before = listing(tmp_path)
    outcome = run(table, tmp_path, WEEK, left_out=listed)
    assert (outcome.written, outcome.removed) == ([], [])
    assert listing(tmp_path) == before


def test_two_runs_at_once_are_one_too_many(table: Table, tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "_lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(ProgramError, match="another export is writing"):
        run(table, tmp_path)
    assert listing(tmp_path) == {}
    os.close(descriptor)
    assert run(table, tmp_path).written


def test_a_destination_that_cannot_be_written_is_told(table: Table, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProgramError, match=r"file/exposures cannot be written: "):
        run(table, tmp_path / "file" / "exposures")


MOMENTS = st.integers(0, 23).flatmap(
    lambda quarter: st.sampled_from([at(quarter / 3), at(quarter / 3) - timedelta(microseconds=1)])
)
STEPS = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 20), MOMENTS),
    st.tuples(st.just("take"), st.integers(0, 20), st.none()),
    st.tuples(st.just("change"), st.integers(0, 20), st.sampled_from(["plain", "bold"])),
    st.tuples(st.just("export"), st.integers(0, 9), st.none()),
    st.tuples(st.just("backfill"), st.integers(-1, 7), st.integers(1, 9)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=14), batch=st.integers(1, 5))
def test_the_folder_is_what_the_table_says_of_the_hours_that_were_covered(
    steps: list[Any], batch: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("property")
    table = Table(batch=batch)
    expected: dict[datetime, list[Row]] = {}

    def cover(window: Window) -> None:
        for hour in [hour for hour in expected if window.holds(hour)]:
            del expected[hour]
        expected.update({hour: rows for hour, rows in table.files().items() if window.holds(hour)})

    for step, number, what in steps:
        match step:
            case "add":
                table.rows = [each for each in table.rows if each["profile_id"] != f"P{number}"]
                table.rows.append(row(number, what))
            case "take":
                table.rows = [each for each in table.rows if each["profile_id"] != f"P{number}"]
            case "change":
                table.rows = [
                    {**each, "arm_key": what} if each["profile_id"] == f"P{number}" else each
                    for each in table.rows
                ]
            case "export":
                cover(Window(at(8 - number) if expected else None, at(8)))
                run(table, root, timedelta(hours=number))
            case _:
                window = Window(at(number), min(at(number + what), at(8)))
                if window.start and window.start < window.end:
                    cover(window)
                    run(table, root, window)
        assert read_hours(root) == expected
