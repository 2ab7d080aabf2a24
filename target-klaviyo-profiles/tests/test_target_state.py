"""STATE never precedes settlement, whatever the streams, schemas and failures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_sandbox.http.faults import ImportOutcome, Status
from klaviyo_wire.bulk import BulkLimits
from target_klaviyo_profiles.delivery import coordinator
from target_klaviyo_profiles.delivery.coordinator import Coordinator
from target_klaviyo_profiles.errors import OutputError, RunFailed
from target_klaviyo_profiles.sinks import profiles
from target_klaviyo_profiles.sinks.profiles import IMPORT
from target_klaviyo_profiles.target import TargetKlaviyoProfiles

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
Load = Callable[..., Any]
Messages = Callable[..., list[Json]]


def _state(value: object) -> Json:
    return {"type": "STATE", "value": {"at": value}}


def _record(number: int, stream: str = "profiles") -> Json:
    record: Json = {"external_id": f"crm-{number}", "title": "Dr"}
    if stream == "templates":
        record = {"name": f"t{number}", "html": f"<p>{number}</p>"}
    return {"type": "RECORD", "stream": stream, "record": record}


def _schema(stream: str = "profiles", **more: Json) -> Json:
    names = ("name", "html") if stream == "templates" else ("external_id", "title")
    properties: Json = {name: {"type": "string"} for name in names}
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"properties": {**properties, **more}},
        "key_properties": [],
    }


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a minute passed before every STATE: what waits for company is sent."""
    monkeypatch.setattr(coordinator, "LINGER", -1.0)


@pytest.mark.usefixtures("hasty")
def test_state_is_emitted_on_the_way_and_only_for_what_is_settled(
    sandbox: Sandbox, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every STATE that leaves, the account holds every record before it, of both streams."""
    held: list[tuple[Json, int, int]] = []
    emit = TargetKlaviyoProfiles._write_state_message

    def witnessed(target: TargetKlaviyoProfiles, state: Json) -> None:
        people = sandbox.store.read("select count(*) from profiles where external_id like 'crm-%'")[0][0]
        held.append((state, people, sandbox.store.count("templates")))
        emit(target, state)

    monkeypatch.setattr(TargetKlaviyoProfiles, "_write_state_message", witnessed)
    templates = sandbox.store.count("templates")
    run = load(
        [
            _schema(),
            _schema("templates"),
            _record(1),
            _state((1, 0)),
            _record(1, "templates"),
            _record(2),
            _state((2, 1)),
            _record(2, "templates"),
            _state((2, 2)),
        ]
    )
    assert run.error is None
    assert run.states[-1] == {"at": [2, 2]}
    assert [state for state, *_ in held] == run.states
    for state, people, made in held:
        assert people >= state["at"][0]
        assert made - templates >= state["at"][1]


def test_a_changed_schema_keeps_the_order_of_records(sandbox: Sandbox, load: Load) -> None:
    """The SDK makes a new sink and drains the old one later; the record of the new one must still win."""
    newer = {"type": "RECORD", "stream": "profiles", "record": {"external_id": "crm-1", "title": "new"}}
    run = load([_schema(), _record(1), _state(1), _schema(first_name={"type": "string"}), newer, _state(2)])
    assert run.error is None
    profile = sandbox.store.profile_by("external_id", "crm-1")
    assert profile is not None
    assert profile.title == "new"
    assert run.states == [{"at": 2}]
    assert run.tallies["profiles"].received == 2


@pytest.mark.usefixtures("hasty")
def test_no_state_passes_an_unsettled_record_not_even_later(sandbox: Sandbox, load: Load) -> None:
    sandbox.faults.add(ImportOutcome(outcome="stuck", nth=3))
    steps = [message for number in range(1, 5) for message in (_record(number), _state(number))]
    run = load([_schema(), *steps], job_timeout=60, concurrency=1)
    assert isinstance(run.error, RunFailed)
    assert run.states[-1] == {"at": 2}  # record 4 is accepted, and does not count
    assert run.tallies["profiles"].accepted == 3


@pytest.mark.usefixtures("hasty")
def test_an_unsettled_stream_holds_back_the_state_of_all(sandbox: Sandbox, load: Load) -> None:
    """STATE is one document: a tap's bookmark for one stream comes with the other's."""
    sandbox.faults.add(ImportOutcome(outcome="cancelled"))
    run = load([_schema(), _schema("templates"), _record(1), _record(1, "templates"), _state(1)])
    assert run.error
    assert run.states == []
    assert sandbox.store.template_named("t1") is not None


def test_a_fault_in_mid_run_emits_nothing(sandbox: Sandbox, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "IMPORT", replace(IMPORT, limits=BulkLimits(items=2)))
    sandbox.faults.add(Status(operation="bulk_import_profiles", nth=2, times=None))
    run = load([_schema(), *map(_record, range(3)), _state(1), *map(_record, range(3, 9)), _state(2)])
    assert run.error
    assert run.states == []
    tally = run.tallies["profiles"]
    assert tally.received == tally.accepted + tally.unsettled.total()


def test_refused_records_are_on_disk_before_state_leaves(
    load: Load, messages: Messages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    emit = TargetKlaviyoProfiles._write_state_message

    def witnessed(target: TargetKlaviyoProfiles, state: Json) -> None:
        lines = (tmp_path / "rejects.jsonl").read_text().splitlines()
        seen.append([json.loads(line)["code"] for line in lines])
        emit(target, state)

    monkeypatch.setattr(TargetKlaviyoProfiles, "_write_state_message", witnessed)
    run = load(messages([{"external_id": "1"}, {"email": "nope"}, {"id": "01MISSING", "title": "Dr"}]))
    assert run.states == [{"at": "end"}]
    assert seen == [["invalid_email", "not_found"]]


def test_a_full_disk_stops_the_run_and_its_state(load: Load, messages: Messages) -> None:
    run = load(messages([{"external_id": "1"}, {"email": "nope"}]), rejects_path="/dev/full")
    assert isinstance(run.error, OutputError)
    assert "`rejects_path`" in str(run.error)
    assert "No space left on device" in str(run.error)
    assert run.states == []


@pytest.mark.parametrize(
    ("settings", "fails"),
    [
        ({"max_reject_ratio": None}, "50.0% of the records were refused (`max_reject_ratio` is 0.05)"),
        ({"on_reject": "fail"}, "2 records were refused, and `on_reject` is `fail`"),
        ({"max_reject_ratio": 0.4}, "50.0% of the records were refused (`max_reject_ratio` is 0.4)"),
        ({"max_reject_ratio": 0.5}, None),
    ],
)
def test_refusals_fail_the_run_where_asked_after_everything_good_is_written(
    sandbox: Sandbox, load: Load, messages: Messages, settings: Json, fails: str | None
) -> None:
    run = load(
        messages([{"email": "nope"}, {"email": "no"}, {"external_id": "1"}, {"external_id": "2"}]), **settings
    )
    assert str(run.error or "").endswith(fails or "")
    assert bool(run.error) is bool(fails)
    assert sandbox.store.profile_by("external_id", "2") is not None
    assert run.states == [{"at": "end"}]  # the refused are settled: they are in the file


@pytest.mark.parametrize(
    ("good", "bad", "limit", "fails"),
    [
        (0, 0, None, ""),
        (0, 1, None, "profiles: all 1 records were refused"),
        (0, 3, 1, "profiles: all 3 records were refused"),
        (19, 1, None, ""),
        (18, 1, None, "profiles: 5.3% of the records were refused (`max_reject_ratio` is 0.05)"),
        (18, 1, 0.06, ""),
    ],
)
def test_a_run_that_is_mostly_refused_fails(  # noqa: PLR0913, PLR0917
    load: Load, messages: Messages, good: int, bad: int, limit: float | None, fails: str
) -> None:
    records = [*({"external_id": f"crm-{n}"} for n in range(good)), *({"email": f"no{n}"} for n in range(bad))]
    run = load(messages(records), max_reject_ratio=limit)
    assert str(run.error or "").startswith(fails)
    assert bool(run.error) is bool(fails)
    assert run.states == [{"at": "end"}]
    assert len(run.rejects) == bad
    assert run.tallies["profiles"].accepted == good


def test_many_good_profiles_do_not_hide_that_every_event_is_refused(load: Load, messages: Messages) -> None:
    people = messages({"external_id": f"crm-{n}"} for n in range(30))
    events = messages([{"metric": "Bought", "external_id": "crm-1", "time": "soon"}], stream="events")
    run = load([*people, *events], max_reject_ratio=None)
    assert str(run.error).startswith("events: 100.0% of the records were refused")
    assert run.tallies["profiles"].accepted == 30


def test_nothing_of_a_dry_run_leaves(
    sandbox: Sandbox, load: Load, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "IMPORT", replace(IMPORT, limits=BulkLimits(items=2)))
    before = sandbox.store.count("profiles")
    records = [
        *({"external_id": str(n)} for n in range(3)),
        {"external_id": "0", "list_id": "L"},
        {"email": "nope"},
        {"id": "01J"},
    ]
    template = messages([{"name": "spring", "html": "<p>x</p>"}], stream="templates")
    run = load([*messages(records), *template], dry_run=True)
    assert run.error is None
    assert run.states == []
    assert sandbox.store.count("profiles") == before
    assert sandbox.store.template_named("spring") is None
    assert sandbox.store.read("select * from import_jobs") == []
    for line in (
        "would send profiles: POST /api/profile-bulk-import-jobs, 2 rows, 184 bytes",
        "would send profiles: POST /api/profile-bulk-import-jobs, 1 row, 132 bytes",
        "would send profiles: POST /api/profile-bulk-import-jobs, 1 row, 194 bytes, group L",
        "would send templates: POST /api/templates, 1 row",
        'would send templates, such as {"type": "template", "attributes": {"name": "spring", ',
        "profiles: 6 received, 4 would be sent, 1 unchanged, 1 rejected; 3 requests of 510 bytes",
        "profiles: rejected 1 as invalid_email: email sha256:",
    ):
        assert line in run.log
    assert [each["code"] for each in run.rejects] == ["invalid_email"]


def test_a_dry_run_shows_one_masked_row_of_each_kind(load: Load, messages: Messages) -> None:
    person = {
        "id": "01JCX0A2MZ0Q5V8F4T8S1H8W2K",
        "email": "ada@customers.example.org",
        "first_name": "Ada",
        "location": {"city": "London"},
        "properties": {"lf_assignments": ["spring_hero:hero:bold"], "name": "Ada L.", "age": 36, "vip": True},
        "unset": ["old_flag"],
    }
    run = load(messages([person, {"id": "01JCX0A2MZ0Q5V8F4T8S1H8W2L", "first_name": "Bob"}]), dry_run=True)
    [line] = [line for line in run.log.splitlines() if "such as" in line]
    for shown in ('"id": "01JCX0A2MZ0Q5V8F4T8S1H8W2K"', '["spring_hero:hero:bold"]', '"age"', '"old_flag"'):
        assert shown in line
    for secret in ("ada@", "Ada", "London", "36", "rue", "Bob"):
        assert secret not in line


def test_a_second_run_changes_nothing(sandbox: Sandbox, load: Load, messages: Messages) -> None:
    """What a killed run repeats is harmless."""
    people = messages({"external_id": f"crm-{n}", "properties": {"n": n}} for n in range(20))
    both = [*people, *messages([{"name": "spring", "html": "<p>x</p>"}], stream="templates")]
    load(both)
    before = _everything(sandbox)
    sandbox.clock.advance(3600)
    run = load(both)
    assert run.error is None
    assert _everything(sandbox) == before
    assert run.tallies["templates"].unchanged == 1


def _everything(sandbox: Sandbox) -> list[Any]:
    return [sandbox.store.read(f"select * from {table} order by id") for table in ("profiles", "templates")]  # noqa: S608


@pytest.fixture
def in_flight(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many batches were in flight, at each dispatch."""
    counts: list[int] = []
    dispatch = Coordinator.dispatch

    def counted(coordinator: Coordinator, *arguments: Any) -> None:  # noqa: ANN401
        dispatch(coordinator, *arguments)
        counts.append(coordinator._in_flight)

    monkeypatch.setattr(Coordinator, "dispatch", counted)
    return counts


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_jobs_are_in_flight_than_the_setting_says(
    load: Load, messages: Messages, monkeypatch: pytest.MonkeyPatch, in_flight: list[int], concurrency: int
) -> None:
    monkeypatch.setattr(profiles, "IMPORT", replace(IMPORT, limits=BulkLimits(items=2)))
    run = load(messages({"external_id": str(n)} for n in range(30)), concurrency=concurrency)
    assert run.tallies["profiles"].jobs == 15
    assert max(in_flight) <= concurrency
