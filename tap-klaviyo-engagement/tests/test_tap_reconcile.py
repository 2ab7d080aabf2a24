"""`tap-klaviyo-reconcile`: the days that differ are found, told and read again, and no others."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typing_extensions import override

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.model.clock import Clock
from klaviyo_sandbox.model.records import Event
from klaviyo_wire.errors import ConfigurationError, Refused
from tap_klaviyo_engagement.reconciliation.event_counts import (
    Counts,
    Difference,
    WarehouseCounts,
    differences,
    table,
)
from tap_klaviyo_engagement.reconciliation.tap import (
    DIFFERS,
    DifferingEvents,
    ReconcileTask,
    TapKlaviyoReconcile,
    WriterWithoutState,
)

Json = dict[str, Any]

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
METRICS = ["Received Email", "Opened Email", "Clicked Email", "Bounced Email"]
COMMAND = [sys.executable, "-m", "tap_klaviyo_engagement", "reconcile"]


# What is compared


def test_counts_differ_by_metric_and_day_and_a_missing_day_is_none() -> None:
    days = [date(2026, 11, day) for day in (1, 2, 3)]
    klaviyo: Counts = {"B": {days[0]: 5, days[1]: 7}, "A": {days[2]: 1}}
    warehouse: Counts = {"B": {days[0]: 5, days[2]: 2}, "C": {days[0]: 9}}
    assert differences(klaviyo, warehouse, days) == [
        Difference("A", days[2], 1, 0),
        Difference("B", days[1], 7, 0),
        Difference("B", days[2], 0, 2),
    ]


def test_the_table_is_readable_and_moves_no_cursor() -> None:
    found = [Difference("M1", date(2026, 11, 1), 12_000, 11_999), Difference("M2", date(2026, 11, 2), 0, 3)]
    text = table(found, {"M1": "Opened\x1b[2J\nEmail é😀"})
    header, first, second = text.splitlines()
    assert header.split() == ["metric", "id", "day", "Klaviyo", "warehouse", "difference"]
    assert first.split("  ")[-1].strip() == "+1"
    assert "12,000" in first
    assert "\x1b" not in text
    assert second.split() == ["M2", "2026-11-02", "0", "3", "-3"]


# What the warehouse holds


def _held(tmp_path: Path, text: str | bytes, name: str = "counts.csv") -> WarehouseCounts:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return WarehouseCounts.read(path)


@pytest.mark.parametrize(
    "text",
    [
        "metric_id,day,events\nM1,2026-11-01,12\n",
        "\ufeffmetric_id,day,events\r\nM1,2026-11-01,12\r\n",
        '"metric_id","day","events"\n\n"M1","2026-11-01","12"',
        " Metric_ID , DAY,events\n M1 , 2026-11-01 00:00:00+00 , 12 \n",
        "metric_id,day,events\nM1,2026-11-01T00:00:00Z,012\n,2026-11-01,99\n",
    ],
    ids=["plain", "a spreadsheet's", "quoted", "midnight", "without metric"],
)
def test_a_csv_is_read_as_warehouses_write_it(text: str, tmp_path: Path) -> None:
    assert _held(tmp_path, text).counts == {"M1": {date(2026, 11, 1): 12}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "its first line is not metric_id,day,events"),
        ("M1,2026-11-01,12\n", "its first line is not"),
        ("metric_id;day;events\n", "its first line is not"),
        ("metric_id,day,events\nM1,2026-11-01\n", "line 2: there are 2 values"),
        ("metric_id,day,events\nM1,01.11.2026,1\n", "line 2: '01.11.2026' is not a day"),
        ("metric_id,day,events\nM1,2026-11-01 01:00:00,1\n", "is not a day"),
        ("metric_id,day,events\nM1,2026-11-01T00:00:00+01:00,1\n", "is not a day"),
        ("metric_id,day,events\nM1,2026-11-01,-1\n", "line 2: '-1' is not a number"),
        ("metric_id,day,events\nM1,2026-11-01,1.5\n", "is not a number"),
        ("metric_id,day,events\nM1,2026-11-01,\u0661\n", "is not a number"),
        ("metric_id,day,events\nM1,2026-11-01,1\nM1,2026-11-01,2\n", "line 3: 2026-11-01 of M1 is there twice"),
        ('metric_id,day,events\n"M1,2026-11-01,1\n', "unexpected end of data"),
        (b"metric_id,day,events\nM\xff,2026-11-01,1\n", "can't decode"),
        ("metric_id,day,events\nM1,=cmd|'/c calc'!A1,1\n", "is not a day"),
    ],
)
def test_a_hostile_csv_is_refused_with_its_line(text: str | bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="setting `counts` cannot be used") as refused:
        _held(tmp_path, text)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "not an object of objects"),
        ('{"M1": 3}', "not an object of objects"),
        ('{"M1": {"soon": 3}}', "'soon' is not a day"),
        ('{"M1": {"2026-11-01": -3}}', "'-3' is not a number"),
        ('{"M1": {"2026-11-01": true}}', "'true' is not a number"),
        ('{"M1": {"2026-11-01": 1, "2026-11-01T00:00:00": 2}}', "is there twice"),
        ('{"M1"', "cannot be used"),
    ],
)
def test_a_json_of_something_else_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="setting `counts`") as refused:
        _held(tmp_path, text, "counts.json")
    assert said in str(refused.value)


def test_a_missing_json_is_an_empty_one_and_a_missing_csv_an_error(tmp_path: Path) -> None:
    assert WarehouseCounts.read(tmp_path / "counts.json").counts == {}
    with pytest.raises(ConfigurationError, match="does not exist"):
        WarehouseCounts.read(tmp_path / "counts.csv")
    with pytest.raises(ConfigurationError, match=r"ends in \.csv or \.json"):
        WarehouseCounts.read(tmp_path / "counts.parquet")


def test_a_json_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = WarehouseCounts.read(tmp_path / "counts.json")
    held.record_day("M1", date(2026, 11, 1), 3)
    held.record_day("M1", date(2026, 10, 31), 4)
    assert json.loads(held.path.read_text()) == {"M1": {"2026-10-31": 4, "2026-11-01": 3}}
    before = held.path.read_text()

    def breaks(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "fsync", breaks)
    with pytest.raises(OSError):  # noqa: PT011 - whatever the disk says
        held.record_day("M1", date(2026, 11, 2), 5)
    assert held.path.read_text() == before
    assert list(tmp_path.iterdir()) == [held.path]


def test_a_csv_is_the_warehouses_to_write(tmp_path: Path) -> None:
    text = "metric_id,day,events\nM1,2026-11-01,12\n"
    held = _held(tmp_path, text)
    held.record_day("M1", date(2026, 11, 1), 3)
    assert held.path.read_text() == text


# Which days


def _task(tmp_path: Path, **config: object) -> ReconcileTask:
    return ReconcileTask.of({"counts": str(tmp_path / "counts.json"), **config}, NOW)


def test_by_default_the_last_thirty_whole_days_are_compared(tmp_path: Path) -> None:
    task = _task(tmp_path)
    assert (task.first, task.last) == (date(2026, 10, 3), date(2026, 11, 1))
    assert len(task.days) == 30


def test_days_before_a_start_date_are_not_missed(tmp_path: Path) -> None:
    assert _task(tmp_path, start_date="2026-10-20").first == date(2026, 10, 20)
    assert _task(tmp_path, start_date="2026-10-20T00:00:01").first == date(2026, 10, 21)
    assert _task(tmp_path, start_date="2026-10-20", reconcile_from="2026-10-01").first == date(2026, 10, 1)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"reconcile_to": "2026-11-02"}, "`reconcile_to` is 2026-11-02: give yesterday (2026-11-01, UTC)"),
        ({"reconcile_from": "2026-11-02"}, "no day from 2026-11-02 to 2026-11-01"),
        ({"reconcile_from": "last week"}, "`reconcile_from`: 'last week' is not a day"),
        ({"start_date": "2026-11-01T12:00:00Z"}, "no day from 2026-11-02"),
    ],
)
def test_days_that_make_no_sense_are_told(config: Json, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _task(tmp_path, **config)
    assert said in str(refused.value)


# Against an account


class Killed(BaseException):
    """The process is gone."""


class Pipe(WriterWithoutState):
    """Keeps what would be written; `breaks_after` so many messages, the process is killed."""

    def __init__(self, breaks_after: int | None) -> None:
        super().__init__()
        self.messages: list[Json] = []
        self._breaks_after = breaks_after

    @override
    def send(self, lines: bytes | bytearray, *, flush: bool = False) -> None:
        for line in bytes(lines).splitlines():
            if len(self.messages) == self._breaks_after:
                raise Killed
            self.messages.append(msgspec.json.decode(line))


@dataclass
class Ended:
    """A run: the ids it emitted, its status, and whether a stream failed."""

    ids: list[str]
    kinds: set[str]
    status: int = 0
    failed: list[str] = field(default_factory=list)


@dataclass
class Account:
    """A sandbox with a warehouse beside it that held everything at first."""

    sandbox: Sandbox
    folder: Path
    numbers: Iterator[int] = field(default_factory=count)

    def counts(self) -> dict[str, dict[str, int]]:
        """What a warehouse that holds every event would tell."""
        rows = self.sandbox.store.read(
            "select metric_id, date(timestamp, 'unixepoch'), count(*) from events"
            " where metric_id is not null group by 1, 2"
        )
        counts: dict[str, dict[str, int]] = {}
        for metric, day, events in rows:
            counts.setdefault(metric, {})[day] = events
        return counts

    def exports(self, counts: dict[str, dict[str, int]]) -> None:
        lines = [f"{metric},{day},{events}" for metric, days in counts.items() for day, events in days.items()]
        (self.folder / "counts.csv").write_text("\n".join(["metric_id,day,events", *lines]))

    def metric(self, name: str) -> str:
        found = self.sandbox.store.metric_named(name, "klaviyo")
        assert found is not None
        return found.id

    def happens(self, metric: str, at: datetime, times: int = 1) -> list[str]:
        profile = self.sandbox.store.read("select id from profiles order by id limit 1")[0][0]
        ids = [f"late{next(self.numbers):06}" for _ in range(times)]
        self.sandbox.store.add_events(
            Event(
                id=key,
                uuid=f"u{key}",
                timestamp=int(at.timestamp()) + number,
                metric_id=self.metric(metric),
                profile_id=profile,
                properties={},
            )
            for number, key in enumerate(ids)
        )
        return ids

    def config(self, **settings: object) -> Json:
        held = {"api_key": self.sandbox.api_key, "api_url": self.sandbox.url, "metrics": METRICS}
        return held | {"counts": str(self.folder / "counts.csv")} | settings

    def run(self, *, breaks_after: int | None = None, **settings: object) -> Ended:
        class Tap(TapKlaviyoReconcile):
            now = staticmethod(lambda: NOW)
            sleep = staticmethod(lambda _: None)

        pipe = Pipe(breaks_after)
        tap = Tap(config=self.config(**settings), message_writer=pipe)
        ended = Ended([], set())
        try:
            tap.sync_all()
        except SystemExit as end:
            ended.status = int(str(end.code))
        except Killed:
            ended.status = -9
        ended.failed = list(tap.run.failed)
        ended.ids = [each["record"]["id"] for each in pipe.messages if each["type"] == "RECORD"]
        ended.kinds = {each["type"] for each in pipe.messages}
        return ended

    @property
    def listed(self) -> int:
        """Requests for events so far."""
        return self.sandbox.requests["get_events 200"]


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    with Sandbox(profiles=80, events=800, seed=5, clock=Clock(lambda: NOW)) as sandbox:
        account = Account(sandbox, tmp_path)
        account.exports(account.counts())
        yield account


def test_an_account_that_is_held_whole_is_not_read_again(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = account.run(metrics=[])
    assert (ended.ids, ended.status, ended.failed) == ([], 0, [])
    asked = account.sandbox.requests["query_metric_aggregates 200"]
    assert asked == account.sandbox.store.count("metrics"), "all of them, when none is chosen"
    assert account.listed == 0
    assert "difference" not in capsys.readouterr().err
    assert account.run(dry_run=True).status == 0


def test_events_later_than_any_lookback_are_found_and_only_their_days_are_read(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    first = account.happens("Opened Email", NOW - DAY * 25, 3)
    second = account.happens("Clicked Email", NOW - DAY * 12)
    account.happens("Clicked Email", NOW - DAY * 40)  # before the days that are compared
    ended = account.run()
    assert ended.failed == []
    assert account.listed == 2
    assert {*first, *second} <= set(ended.ids)
    days = {"Opened Email": NOW - DAY * 25, "Clicked Email": NOW - DAY * 12}
    held = {
        row[0]
        for name, day in days.items()
        for row in account.sandbox.store.read(
            "select id from events where metric_id = ? and date(timestamp, 'unixepoch') = ?",
            [account.metric(name), day.date().isoformat()],
        )
    }
    assert set(ended.ids) == held
    assert len(ended.ids) == len(held)
    header, *lines = capsys.readouterr().err.splitlines()
    assert header.split()[-1] == "difference"
    assert sorted(line.split()[-1] for line in lines) == ["+1", "+3"]


def test_a_day_that_is_missing_in_the_export_is_read(account: Account) -> None:
    counts = account.counts()
    metric = account.metric("Received Email")
    day = max(day for day in counts[metric] if "2026-10-03" <= day <= "2026-11-01")
    missing = counts[metric].pop(day)
    account.exports(counts)
    assert len(account.run().ids) == missing
    assert account.listed == 1


def test_a_renamed_metric_is_the_same_metric(account: Account) -> None:
    everything = [account.metric(name) for name in METRICS]
    rename = "update metrics set name = 'Read Email' where id = ?"
    account.sandbox.store.write(rename, [[account.metric("Opened Email")]])
    assert account.run(metrics=everything).ids == []
    assert account.listed == 0


def test_only_chosen_metrics_are_compared(account: Account) -> None:
    account.happens("Opened Email", NOW - DAY * 3)
    (late,) = account.happens("Clicked Email", NOW - DAY * 3)
    ended = account.run(metrics=["Clicked Email"])
    assert late in ended.ids
    assert account.listed == 1
    assert account.sandbox.requests["query_metric_aggregates 200"] == len(
        account.sandbox.store.read("select id from metrics where name = 'Clicked Email'")
    )


def test_a_dry_run_reads_nothing_and_says_by_its_status_that_days_differ(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.happens("Opened Email", NOW - DAY * 3, 2)
    ended = account.run(dry_run=True, counts=str(account.folder / "counts.csv"))
    assert (ended.ids, ended.status, ended.failed) == ([], DIFFERS, [])
    assert account.listed == 0
    assert capsys.readouterr().err.splitlines()[-1].endswith("+2")


def test_no_state_is_written(account: Account) -> None:
    account.happens("Opened Email", NOW - DAY * 3)
    assert account.run().kinds == {"SCHEMA", "RECORD"}


def test_a_state_of_counts_ends_equal_and_the_next_run_reads_nothing(account: Account) -> None:
    counts = account.folder / "counts.json"
    first = account.run(counts=str(counts), metrics=[])
    held = account.sandbox.store.read(
        "select count(*) from events where metric_id is not null and timestamp >= ? and timestamp < ?",
        [datetime(2026, 10, 3, tzinfo=UTC).timestamp(), datetime(2026, 11, 2, tzinfo=UTC).timestamp()],
    )
    assert len(first.ids) == len(set(first.ids)) == held[0][0]
    before = account.listed
    assert account.run(counts=str(counts), metrics=[]).ids == []
    assert account.listed == before


@pytest.mark.parametrize("breaks_after", [1, 20, 60])
def test_a_killed_run_notes_only_days_that_were_emitted(breaks_after: int, account: Account) -> None:
    counts = str(account.folder / "counts.json")
    cut = account.run(counts=counts, breaks_after=breaks_after)
    assert cut.status == -9
    noted = WarehouseCounts.read(Path(counts)).counts
    assert sum(sum(days.values()) for days in noted.values()) <= len(cut.ids)
    rest = account.run(counts=counts)
    whole = account.run(counts=str(account.folder / "other.json"))
    assert {*cut.ids, *rest.ids} == set(whole.ids)


def test_a_day_so_full_that_it_is_divided_is_noted_once_with_all_its_events(account: Account) -> None:
    ids = account.happens("Opened Email", datetime(2026, 10, 20, tzinfo=UTC), 30_000)
    counts = account.folder / "counts.json"
    counts.write_text(json.dumps(account.counts()))
    held = json.loads(counts.read_text())
    metric = account.metric("Opened Email")
    held[metric]["2026-10-20"] -= 1
    counts.write_text(json.dumps(held))
    ended = account.run(counts=str(counts))
    assert set(ids) <= set(ended.ids)
    assert len(ended.ids) == len(set(ended.ids))
    assert json.loads(counts.read_text())[metric]["2026-10-20"] == len(ended.ids)
    assert account.listed > 32, "it was not divided"


def test_days_beyond_a_year_are_asked_for_in_years(account: Account) -> None:
    assert account.run(metrics=["Bounced Email"], reconcile_from="2024-10-30").failed == []
    assert account.sandbox.requests["query_metric_aggregates 200"] == 3
    assert not account.sandbox.requests["query_metric_aggregates 400"]


def test_a_metric_that_klaviyo_does_not_count_is_told_and_the_others_are_read(
    account: Account, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    strange = account.metric("Opened Email")
    counted = DifferingEvents.counted

    def refuses(stream: DifferingEvents, metric: str) -> dict[date, int]:
        if metric == strange:
            reason = "no aggregates of this metric"
            raise Refused(reason, status=400)
        return counted(stream, metric)

    monkeypatch.setattr(DifferingEvents, "counted", refuses)
    account.happens("Opened Email", NOW - DAY * 3)
    (late,) = account.happens("Clicked Email", NOW - DAY * 3)
    ended = account.run()
    assert late in ended.ids
    assert account.listed == 1
    assert ended.failed == []
    assert f"Klaviyo does not count Opened Email ({strange}): no aggregates of this metric" in caplog.text


def test_a_day_that_still_differs_is_told(
    account: Account, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    counted, day = DifferingEvents.counted, (NOW - DAY * 3).date()

    def one_more(stream: DifferingEvents, metric: str) -> dict[date, int]:
        counts = counted(stream, metric)
        return counts | {day: counts.get(day, 0) + 1}

    monkeypatch.setattr(DifferingEvents, "counted", one_more)
    metric = account.metric("Bounced Email")
    ended = account.run(metrics=[metric])
    assert ended.failed == []
    assert f"{day} of {metric} still differs: Klaviyo counts" in caplog.text


def test_counts_of_another_account_are_refused_before_anything_is_read(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    """Every day would differ, and this account's events be loaded into the other's warehouse."""
    with Sandbox(profiles=5, events=50, seed=6) as other:
        metrics = [key for (key,) in other.store.read("select id from metrics")]
    account.exports({metric: {"2026-10-01": 3} for metric in metrics})
    ended = account.run()
    assert (ended.ids, ended.status) == ([], 1)
    assert account.listed == account.sandbox.requests["query_metric_aggregates 200"] == 0
    assert "is of another account than the key" in caplog.text
    assert "setting `counts`" in caplog.text


def test_counts_of_metrics_that_are_gone_are_told(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    account.exports(account.counts() | {"GONE01": {"2026-10-20": 4}})
    assert account.run().ids == []
    assert "no such metrics, they are not compared: GONE01" in caplog.text


def test_a_metric_deleted_while_metrics_are_compared_is_told_and_the_others_are_read(
    account: Account, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    account.happens("Opened Email", NOW - DAY * 3)
    (late,) = account.happens("Clicked Email", NOW - DAY * 3)
    gone, store, counted = account.metric("Opened Email"), account.sandbox.store, DifferingEvents.counted
    (record,) = store.read("select * from metrics where id = ?", [gone])

    def amid(stream: DifferingEvents, metric: str) -> dict[date, int]:
        store.write("delete from metrics where id = ?", [[gone]])  # they are listed by now
        return counted(stream, metric)

    monkeypatch.setattr(DifferingEvents, "counted", amid)
    try:
        ended = account.run()
    finally:
        store.write(f"insert into metrics values ({','.join('?' * len(record))})", [record])  # noqa: S608
    assert ended.failed == []
    assert ended.ids == [late]
    assert f"Klaviyo does not count Opened Email ({gone})" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        {"data": {}},
        {"data": {"attributes": {"dates": ["2026-10-20"], "data": [{"measurements": {"count": [1, 2]}}]}}},
    ],
    ids=["nothing", "more counts than dates"],
)
def test_counts_that_make_no_sense_stop_the_run(
    answer: Json, account: Account, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    call = "klaviyo_wire.client.Client.call"
    monkeypatch.setattr(call, lambda *_, **__: answer)
    assert account.run().failed == ["events"]
    assert "make no sense" in caplog.text


# As a command


def _command(arguments: list[str], config: Json, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("TAP_KLAVIYO_")}
    return subprocess.run(  # noqa: S603 - our own
        [*COMMAND, *arguments, "--config", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=inherited,
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"counts": "nowhere.csv"}, "nowhere.csv of the setting `counts` does not exist"),
        ({"counts": None}, "counts"),
        ({"api_key": "pk_wrong_0123456789"}, "`api_key`"),
        ({"reconcile_to": "2100-01-01"}, "`reconcile_to`"),
    ],
)
def test_a_wrong_setting_is_one_line_and_a_failure(change: Json, said: str, account: Account) -> None:
    ended = _command([], account.config(**change), account.folder)
    assert ended.returncode == 1
    (line,) = [line for line in ended.stderr.splitlines() if " INFO " not in line and " WARNING " not in line]
    assert said in line


def test_the_command_of_the_main_tap_prints_the_days_on_standard_error(account: Account) -> None:
    now = datetime.now(UTC)  # a process has no other clock
    account.sandbox.clock.freeze(now)
    (late,) = account.happens("Bounced Email", now - DAY * 2)
    day = (now - DAY * 2).date().isoformat()
    config = account.config(metrics=["Bounced Email"], reconcile_from=day, reconcile_to=day)
    dry = _command([], config | {"dry_run": True}, account.folder)
    assert dry.returncode == DIFFERS
    assert [json.loads(line)["type"] for line in dry.stdout.splitlines()] == ["SCHEMA"]
    assert f"{day}        1          0          +1" in dry.stderr
    ended = _command([], config, account.folder)
    assert ended.returncode == 0
    assert json.loads(ended.stdout.splitlines()[-1])["record"]["id"] == late


def test_records_are_those_of_the_main_tap(account: Account, run_tap: Callable[..., Any]) -> None:
    config = account.config()
    del config["counts"]
    extract = run_tap(config, ["events"], now=lambda: NOW)
    tap = TapKlaviyoReconcile(config=account.config())
    assert tap.streams["events"].schema == extract.schemas["events"]
    (late,) = account.happens("Opened Email", NOW - DAY * 3)
    after = run_tap(config, ["events"], now=lambda: NOW).records["events"]
    pipe = Pipe(None)

    class Tap(TapKlaviyoReconcile):
        now = staticmethod(lambda: NOW)
        sleep = staticmethod(lambda _: None)

    Tap(config=account.config(), message_writer=pipe).sync_all()
    mine = {each["record"]["id"]: each["record"] for each in pipe.messages if each["type"] == "RECORD"}
    theirs = {record["id"]: record for record in after}
    assert mine[late] == theirs[late]
    assert all(theirs[key] == record for key, record in mine.items())
