"""The profiles sink against the sandbox: what is written, what is refused, what goes wrong on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_sandbox.http.faults import AnyFault, ImportOutcome, Page, Reset, Status, Throttle, Truncate
from klaviyo_sandbox.model.records import GroupKind, Profile
from klaviyo_sandbox.state.import_jobs import Outcome
from klaviyo_wire import jsonapi
from klaviyo_wire.bulk import BulkLimits
from klaviyo_wire.errors import ConfigurationError, Retriable
from target_klaviyo_profiles import identifiers
from target_klaviyo_profiles.delivery.job_errors import row_of
from target_klaviyo_profiles.errors import RunFailed
from target_klaviyo_profiles.rows import Group, OpenJob
from target_klaviyo_profiles.sinks import profiles
from target_klaviyo_profiles.sinks.profiles import IMPORT, Profiles

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
Load = Callable[..., Any]
Messages = Callable[..., list[Json]]


def _held(sandbox: Sandbox, external_id: str) -> Profile:
    profile = sandbox.store.profile_by("external_id", external_id)
    assert profile is not None
    return profile


def _people(count: int, **more: object) -> list[Json]:
    return [{"external_id": f"crm-{number}", "properties": {"n": number}, **more} for number in range(count)]


def _calm(sandbox: Sandbox) -> bool:
    return not any(sandbox.imports.stats.values())


def test_what_is_read_back_is_what_was_sent(sandbox: Sandbox, load: Load, messages: Messages) -> None:
    records = [
        {
            "external_id": "crm-1",
            "first_name": "Søren 🎁",
            "last_name": 'D\'Arcy "Ltd"',
            "locale": "da-DK",
            "location": {"city": "東京", "latitude": 35.6852, "zip": "00501"},
            "properties": {
                "lf_assignments": ["spring_hero:hero:bold"],
                "ключ": {"nested": [1, 2.5, "x", True]},
                "": "empty name is refused by the sandbox" * 0,
            },
        },
        {"external_id": "crm-2", "properties": {"huge": "é" * 40_000, "tiny": 5e-324, "big": 2**53 + 1}},
    ]
    del records[0]["properties"][""]  # type: ignore[attr-defined]
    run = load(messages(records))
    assert run.error is None
    assert run.states == [{"at": "end"}]
    for record in records:
        profile = _held(sandbox, str(record["external_id"]))
        for name, value in record.items():
            assert getattr(profile, name) == value


def test_unset_removes_and_set_leaves_the_rest(sandbox: Sandbox, load: Load, messages: Messages) -> None:
    load(messages([{"external_id": "crm-1", "properties": {"old": 1, "kept": 2}}]))
    profile = _held(sandbox, "crm-1")
    load(messages([{"id": profile.id, "properties": {"new": 3}, "unset": ["old"]}]))
    assert _held(sandbox, "crm-1").properties == {"kept": 2, "new": 3}


def test_joining_a_list_is_a_batch_of_its_own(sandbox: Sandbox, load: Load, messages: Messages) -> None:
    group = sandbox.store.group_named("Newsletter", GroupKind.LIST)
    assert group is not None
    before = len(sandbox.store.members_of(group.id))
    records = [*_people(3), *_people(2, list_id=group.id)]
    run = load(messages(records))
    assert run.tallies["profiles"].accepted == 5
    assert run.tallies["profiles"].jobs == 2
    assert len(sandbox.store.members_of(group.id)) == before + 2
    assert _calm(sandbox)


def test_25_000_profiles_are_three_jobs(sandbox: Sandbox, load: Load, messages: Messages) -> None:
    before = sandbox.store.count("profiles")
    run = load(messages(_people(25_000)))
    tally = run.tallies["profiles"]
    assert (tally.received, tally.accepted, tally.jobs) == (25_000, 25_000, 3)
    jobs = sandbox.store.read("select record ->> 'total_count' from import_jobs")
    assert sorted(row[0] for row in jobs) == [5_000, 10_000, 10_000]
    assert sandbox.store.count("profiles") == before + 25_000
    assert _calm(sandbox)
    # Each job: submitted, looked at a few times, its errors read once.
    assert tally.requests <= 3 * 6


def test_large_profiles_are_split_by_bytes(load: Load, messages: Messages) -> None:
    run = load(messages({"external_id": f"crm-{n}", "properties": {"text": "é" * 20_000}} for n in range(250)))
    row = Profiles().row({"external_id": "crm-100", "properties": {"text": "é" * 20_000}})
    assert row is not None
    per_job = (5_000_000 - Profiles().envelope_size(Group(IMPORT))) // (len(row.payload) + 1)
    assert run.tallies["profiles"].jobs == -(-250 // per_job)
    assert run.tallies["profiles"].accepted == 250


def test_refusals_of_a_job_are_joined_to_their_records(load: Load, messages: Messages) -> None:
    """Klaviyo accepts the job and refuses rows later; more than a page of them."""
    missing = [{"id": f"01MISSING{number:017d}", "title": "Dr"} for number in range(130)]
    run = load(messages([*_people(40), *missing, *({"external_id": f"e{n}"} for n in range(40))]))
    assert run.error is None
    assert run.tallies["profiles"].rejected == {"not_found": 130}
    assert run.tallies["profiles"].accepted == 80
    assert {each["key"]["id"] for each in run.rejects} == {each["id"] for each in missing}
    assert run.states == [{"at": "end"}]
    first = run.rejects[0]
    assert first["stream"] == "profiles"
    assert first["code"] == "not_found"
    assert first["job"]
    assert first["remedy"]
    assert first["pointer"].startswith("/data/attributes/profiles/data/")
    assert "not_found" in run.log
    assert sum("01MISSING" in line for line in run.log.splitlines()) <= 1  # five of them, in one line


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the library let addresses pass that Klaviyo does not."""
    monkeypatch.setattr(identifiers, "_check_email", lambda _: None)


def _with_bad_rows(count: int, bad: set[int]) -> list[Json]:
    return [{"email": f"p{n}@" if n in bad else f"p{n}@mail.example.net"} for n in range(count)]


@pytest.mark.usefixtures("lenient")
def test_one_malformed_address_does_not_sink_the_job(sandbox: Sandbox, load: Load, messages: Messages) -> None:
    run = load(messages(_with_bad_rows(1_000, {0, 617, 999})))
    assert run.error is None
    tally = run.tallies["profiles"]
    assert (tally.accepted, tally.rejected, tally.jobs) == (997, {"invalid": 3}, 1)
    assert [each["key"] for each in run.rejects] == [{"email": "p0@"}, {"email": "p617@"}, {"email": "p999@"}]
    assert sandbox.store.profile_by("email", "p616@mail.example.net")


@pytest.mark.usefixtures("lenient")
def test_more_malformed_rows_than_klaviyo_names_at_once(load: Load, messages: Messages) -> None:
    bad = set(range(0, 500, 2))
    run = load(messages(_with_bad_rows(500, bad)))
    assert run.tallies["profiles"].accepted == 250
    assert {each["key"]["email"] for each in run.rejects} == {f"p{n}@" for n in bad}


@pytest.mark.usefixtures("lenient")
def test_without_pointers_the_job_is_bisected(
    load: Load, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Profiles, "position", lambda *_: None)
    run = load(messages(_with_bad_rows(300, {0, 1, 150, 299})))
    assert run.error is None
    assert run.tallies["profiles"].accepted == 296
    assert {each["key"]["email"] for each in run.rejects} == {f"p{n}@" for n in (0, 1, 150, 299)}


@pytest.mark.usefixtures("lenient")
def test_when_no_row_is_good_alone_the_fault_is_not_in_the_rows(
    load: Load, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Profiles, "position", lambda *_: None)
    run = load(messages(_with_bad_rows(300, set(range(300)))))
    assert isinstance(run.error, RunFailed)
    assert "300 records are not settled: POST /api/profile-bulk-import-jobs answered 400" in str(run.error)
    assert run.states == []


def test_a_list_that_does_not_exist_is_the_fault_of_its_rows_only(load: Load, messages: Messages) -> None:
    run = load(messages([*_people(3), {"external_id": "x", "list_id": "NOLIST"}]))
    assert run.tallies["profiles"].accepted == 3
    assert [each["key"] for each in run.rejects] == [{"external_id": "x"}]
    assert "NOLIST" in run.rejects[0]["detail"]


def test_last_wins_also_across_jobs(
    sandbox: Sandbox, load: Load, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox works jobs that are due together from the newest to the oldest: only waiting keeps the order."""
    monkeypatch.setattr(profiles, "IMPORT", replace(IMPORT, limits=BulkLimits(items=100)))
    first = [{"email": f"P{n}@mail.example.net", "title": "old"} for n in range(100)]
    second = [{"email": f"p{n}@mail.example.net", "title": "new"} for n in range(100)]
    run = load(messages([*first, *second, {"email": "p1@mail.example.net", "title": "newest"}]))
    assert run.error is None
    titles = {n: sandbox.store.profile_by("email", f"p{n}@mail.example.net") for n in range(100)}
    assert {n: profile and profile.title for n, profile in titles.items()} == {
        n: "newest" if n == 1 else "new" for n in range(100)
    }
    tally = run.tallies["profiles"]
    assert (tally.accepted, tally.combined, tally.jobs) == (200, 1, 2)
    assert _calm(sandbox)


@pytest.mark.parametrize("outcome", ["stuck", "cancelled"])
def test_a_job_that_does_not_complete_leaves_its_records_unsettled(
    sandbox: Sandbox, load: Load, messages: Messages, outcome: str
) -> None:
    sandbox.imports.outcomes.append(Outcome(outcome))
    run = load(messages([*_people(10_000), {"external_id": "last"}]), job_timeout=90, concurrency=1)
    assert isinstance(run.error, RunFailed)
    assert "10,000 records are not settled" in str(run.error)
    assert ("did not end within `job_timeout` (90 s)" if outcome == "stuck" else "was cancelled") in str(run.error)
    assert run.states == []
    assert run.tallies["profiles"].accepted == 1  # the other job's
    assert run.rejects == []


def test_a_stuck_job_costs_its_timeout_and_no_more(
    sandbox: Sandbox,
    load: Load,
    messages: Messages,
    time: Any,  # noqa: ANN401 - a class of conftest
) -> None:
    sandbox.faults.add(ImportOutcome(outcome="stuck"))
    run = load(messages(_people(1)), job_timeout=300)
    assert run.error
    assert 300 <= time.waited < 331
    assert run.tallies["profiles"].requests < 25  # growing intervals


SUBMIT, LOOK, ERRORS, LISTING = Profiles.operations()[:4]


@pytest.mark.parametrize(
    "fault",
    [
        Status(operation=SUBMIT, status=500, times=2),
        Status(operation=SUBMIT, status=503, worked=True),
        Reset(operation=SUBMIT),
        Reset(operation=SUBMIT, worked=True),
        Page(operation=SUBMIT),
        Page(operation=SUBMIT, status=200, worked=True),
        Truncate(operation=SUBMIT),
        Throttle(operation=SUBMIT, retry_after=3, times=4),
        Throttle(times=6),
        Status(operation=LOOK, times=12),
        Reset(operation=LOOK),
        Truncate(operation=LOOK),
        Page(operation=LOOK, status=200, times=3),
        Status(operation=ERRORS, times=3),
        Truncate(operation=ERRORS, nth=2),
    ],
    ids=lambda fault: (
        f"{type(fault).__name__}-{fault.operation}-{'worked' if getattr(fault, 'worked', 0) else ''}"
    ),
)
def test_what_passes_is_waited_out(sandbox: Sandbox, load: Load, messages: Messages, fault: AnyFault) -> None:
    sandbox.faults.add(fault)
    records = [*_people(30), *({"id": f"01MISSING{n:017d}", "title": "Dr"} for n in range(130))]
    run = load(messages(records))
    assert run.error is None
    assert run.states == [{"at": "end"}]
    assert run.tallies["profiles"].accepted == 30
    assert len(run.rejects) == 130
    assert _held(sandbox, "crm-29").properties == {"n": 29}
    assert [each["struck"] for each in sandbox.faults.report()] == [fault.times]


def test_klaviyo_down_ends_the_run_in_one_line(sandbox: Sandbox, load: Load, messages: Messages) -> None:
    sandbox.faults.add(Status(times=None))
    run = load(messages(_people(3)))
    assert isinstance(run.error, Retriable)
    assert str(run.error) == "POST /api/profile-bulk-import-jobs answered 503"
    assert run.states == []
    assert run.tallies["profiles"].unsettled.total() == 3


def test_failures_that_klaviyo_counts_and_does_not_name_are_told(
    load: Load, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonapi, "resources", _without_errors(jsonapi.resources))
    run = load(messages([*_people(2), {"id": "01MISSING", "title": "Dr"}]))
    assert run.tallies["profiles"].rejected == {"unnamed_failure": 1}
    assert run.tallies["profiles"].accepted == 2
    assert run.rejects[0]["key"] is None
    assert run.rejects[0]["job"]


def _without_errors(resources: Callable[[Json], list[Json]]) -> Callable[[Json], list[Json]]:
    return lambda document: [each for each in resources(document) if each["type"] != "import-error"]


@pytest.mark.parametrize(
    ("payload", "pointer", "row"),
    [
        ({"type": "profile", "attributes": {"email": "B@x.co"}}, "/data", 1),
        ({"email": "b@x.co"}, None, 1),
        ({"id": "01J", "attributes": {}}, "/data", 0),
        (None, "/data/attributes/profiles/data/1/attributes/email", 1),
        ({"attributes": {"email": "stranger@x.co"}}, "/data/attributes/profiles/data/0", 0),
        (None, "/data/attributes/profiles/data/7", None),
        (None, "/data", None),
    ],
)
def test_an_import_error_finds_its_row(payload: Json | None, pointer: str | None, row: int | None) -> None:
    keys = [identifiers.Key("id", "01J"), identifiers.Key("email", "b@x.co")]
    job = OpenJob("J", Group(IMPORT), keys, 0.0)
    found = row_of(Profiles(), job, payload, pointer, set(keys))
    assert found == (None if row is None else keys[row])


def test_a_wrong_key_ends_the_run(load: Load, messages: Messages) -> None:
    run = load(messages(_people(1)), api_key="pk_0000000000000000")
    assert isinstance(run.error, ConfigurationError)
    assert "the setting `api_key`" in str(run.error)
    assert "pk_0000" not in str(run.error)
    assert run.states == []


def test_a_missing_scope_stops_its_stream_and_the_others_go_on(
    sandbox: Sandbox, load: Load, messages: Messages
) -> None:
    key = sandbox.key(scopes=["templates:read", "templates:write"])
    template = {"name": "spring", "html": "<p>x</p>"}
    run = load([*messages(_people(2)), *messages([template], stream="templates")], api_key=key)
    assert isinstance(run.error, RunFailed)
    assert "`lists:write` and `profiles:write`" in str(run.error)
    assert run.states == []
    assert run.tallies["profiles"].unsettled.total() == 2
    assert run.tallies["templates"].accepted == 1
    assert sandbox.store.template_named("spring") is not None
