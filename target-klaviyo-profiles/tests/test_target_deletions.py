"""Deletions: only where they are allowed, of exactly who is meant, and on the record."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_sandbox.http.faults import AnyFault, Reset, Status, Throttle
from klaviyo_wire.errors import ConfigurationError
from singer_program.errors import ProgramError
from target_klaviyo_profiles import audit
from target_klaviyo_profiles.deletions_tap import TapKlaviyoDeletions
from target_klaviyo_profiles.errors import OutputError
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import Rejected
from target_klaviyo_profiles.sinks.profile_deletions import ProfileDeletions

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
Load = Callable[..., Any]


@pytest.fixture
def delete(load: Load, messages: Callable[..., list[Json]], tmp_path: Path) -> Load:
    def delete(*records: Json, **settings: object) -> Any:  # noqa: ANN401
        allowed = {"allow_deletions": True, "audit_path": str(tmp_path / "audit.jsonl")}
        return load(messages(records, stream="profile_deletions"), **{**allowed, **settings})

    return delete


def _audit(path: Path) -> list[tuple[str, str, str]]:
    lines = map(json.loads, (path / "audit.jsonl").read_text().splitlines())
    return [(*next(iter(each["profile"].items())), each["deletion"]) for each in lines]


@pytest.mark.parametrize(
    ("record", "key", "profile"),
    [
        ({"profile_id": "01J"}, ("profile_id", "01J"), {"type": "profile", "id": "01J", "attributes": {}}),
        (
            {"email": " Ada@B.co", "phone_number": " ", "profile_id": None},
            ("email", "ada@b.co"),
            {"type": "profile", "attributes": {"email": "Ada@B.co"}},
        ),
        (
            {"phone_number": "+1 415 555 2671"},
            ("phone_number", "+14155552671"),
            {"type": "profile", "attributes": {"phone_number": "+14155552671"}},
        ),
    ],
)
def test_exactly_one_identifier_is_sent(record: Json, key: tuple[str, str], profile: Json) -> None:
    row = ProfileDeletions().row(record)
    assert row is not None
    assert row.key == Key(*key)
    assert json.loads(row.payload) == {
        "type": "data-privacy-deletion-job",
        "attributes": {"profile": {"data": profile}},
    }


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({}, "no_identifier"),
        ({"email": "  "}, "no_identifier"),
        ({"email": "ada@b.co", "phone_number": "+14155552671"}, "several_identifiers"),
        ({"profile_id": "01J", "email": "ada@b.co"}, "several_identifiers"),
        ({"profile_id": "01J", "email": "nope"}, "several_identifiers"),
        ({"email": "nope"}, "invalid_email"),
        ({"external_id": "crm-1"}, "unknown_field"),
    ],
)
def test_who_is_not_meant_for_certain_is_not_deleted(record: Json, code: str) -> None:
    with pytest.raises(Rejected) as caught:
        ProfileDeletions().row(record)
    assert caught.value.reason.code == code


@pytest.mark.parametrize("settings", [{"allow_deletions": False}, {"allow_deletions": None}])
def test_nothing_is_deleted_unless_the_settings_say_so(sandbox: Sandbox, delete: Load, settings: Json) -> None:
    people = sandbox.store.count("profiles")
    run = delete({"profile_id": _people(sandbox)[0]}, **settings)
    assert isinstance(run.error, ConfigurationError)
    assert "`allow_deletions`" in str(run.error)
    sandbox.settle()
    assert sandbox.store.count("profiles") == people
    assert sandbox.requests.total() == 0


def _people(sandbox: Sandbox) -> list[str]:
    return [str(row[0]) for row in sandbox.store.read("select id from profiles order by id")]


def test_people_are_deleted_by_whatever_they_are_known_by(sandbox: Sandbox, delete: Load, tmp_path: Path) -> None:
    profiles = sandbox.store.profiles(_people(sandbox))
    by_id = profiles[0]
    by_email = next(each for each in profiles[1:] if each.email)
    by_number = next(each for each in profiles[1:] if each.phone_number and each is not by_email)
    run = delete(
        {"profile_id": by_id.id}, {"email": str(by_email.email).upper()}, {"phone_number": by_number.phone_number}
    )
    assert run.error is None
    assert run.tallies["profile_deletions"].accepted == 3
    sandbox.settle()
    assert set(_people(sandbox)) == {each.id for each in profiles} - {by_id.id, by_email.id, by_number.id}
    assert sorted(what for *_, what in _audit(tmp_path)) == ["accepted"] * 3 + ["asking"] * 3


def test_whom_nobody_knows_is_deleted_already(delete: Load, tmp_path: Path) -> None:
    run = delete({"email": "gone@mail.example.net"})
    assert run.error is None
    assert (run.tallies["profile_deletions"].unchanged, run.rejects) == (1, [])
    assert [what for *_, what in _audit(tmp_path)] == ["asking", "not there"]


def test_the_record_of_a_deletion_holds_no_personal_data(delete: Load, tmp_path: Path) -> None:
    delete({"email": "Gone@mail.example.net"}, {"phone_number": "+14155552671"}, rejects_include_record=True)
    text = (tmp_path / "audit.jsonl").read_text()
    assert "gone@" not in text.lower()
    assert "4155552671" not in text
    assert text.count("sha256:") == 4
    assert stat.S_IMODE((tmp_path / "audit.jsonl").stat().st_mode) == 0o600


def test_the_record_lies_beside_the_rejects_unless_it_is_named(delete: Load, tmp_path: Path) -> None:
    delete({"email": "gone@mail.example.net"}, audit_path=None)
    assert (tmp_path / "target-klaviyo-profiles-deletions.jsonl").exists()


def test_without_a_record_there_is_no_deletion(sandbox: Sandbox, delete: Load, tmp_path: Path) -> None:
    run = delete({"profile_id": _people(sandbox)[0]}, audit_path=str(tmp_path))
    assert isinstance(run.error, OutputError)
    assert "`audit_path`" in str(run.error)
    assert sandbox.requests["request_profile_deletion 202"] == 0


def test_a_dry_run_deletes_nothing(sandbox: Sandbox, delete: Load, tmp_path: Path) -> None:
    run = delete({"profile_id": _people(sandbox)[0]}, dry_run=True)
    assert run.error is None
    assert "would send profile_deletions: POST /api/data-privacy-deletion-jobs" in run.log
    assert sandbox.requests.total() == 0
    assert not (tmp_path / "audit.jsonl").exists()


@pytest.mark.parametrize(
    "fault",
    [
        Status(operation="request_profile_deletion", worked=True),
        Reset(operation="request_profile_deletion"),
        Throttle(operation="request_profile_deletion", retry_after=2, times=3),
    ],
)
def test_no_fault_loses_a_deletion(sandbox: Sandbox, delete: Load, fault: AnyFault) -> None:
    sandbox.faults.add(fault)
    first, second, *rest = _people(sandbox)
    assert delete({"profile_id": first}, {"profile_id": second}).error is None
    sandbox.settle()
    assert _people(sandbox) == rest


def test_a_deletion_that_klaviyo_never_answers_is_on_the_record(
    sandbox: Sandbox, delete: Load, tmp_path: Path
) -> None:
    sandbox.faults.add(Status(operation="request_profile_deletion", times=None))
    run = delete({"profile_id": _people(sandbox)[0]})
    assert run.error is not None
    assert run.states == []
    assert [what for *_, what in _audit(tmp_path)] == ["asking"]


def _told_by_the_tap(path: Path) -> list[Json]:
    tap = TapKlaviyoDeletions(config={"audit_path": str(path)}, catalog=None)
    (stream,) = tap.streams.values()
    return [record for record in stream.get_records(None) if isinstance(record, dict)]


def test_whose_request_a_deletion_answers_goes_to_the_warehouse(delete: Load, tmp_path: Path) -> None:
    """By each identifier; of whom Klaviyo does not know, too; of nothing that was refused or is of no request."""
    path = tmp_path / "audit.jsonl"
    assert _told_by_the_tap(path) == []
    run = delete(
        {"email": "gone@mail.example.net", "request_id": "r-1 ü"},
        {"phone_number": "+14155552671", "request_id": "r-1 ü"},
        {"email": "other@mail.example.net"},
    )
    assert run.error is None
    told = _told_by_the_tap(path)
    assert sorted((each["request_id"], each["action"], each["detail"]["identifier"]) for each in told) == [
        ("r-1 ü", "accepted", "email"),
        ("r-1 ü", "accepted", "phone_number"),
    ]
    assert {each["detail"]["answer"] for each in told} == {"not there"}
    assert all(datetime.fromisoformat(each["acted_at"]).tzinfo for each in told)


def test_answers_of_one_millisecond_are_each_a_row(tmp_path: Path) -> None:
    """Loaders replace rows by their key, of which the moment alone tells answers to one request apart."""
    path = tmp_path / "audit.jsonl"
    kinds = ("profile_id", "email", "phone_number")
    lines = [
        {"time": "2026-11-30T09:00:00.125+00:00", "profile": {kind: "…"}, "deletion": "accepted", "request": "r"}
        for kind in kinds
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    (stream,) = TapKlaviyoDeletions(config={"audit_path": str(path)}, catalog=None).streams.values()
    told = _told_by_the_tap(path)
    assert {each["detail"]["identifier"] for each in told} == set(kinds)
    assert len({tuple(each[name] for name in stream.primary_keys) for each in told}) == len(kinds)


def test_two_requests_of_one_person_are_both_answered(delete: Load, tmp_path: Path) -> None:
    run = delete(*({"email": "gone@mail.example.net", "request_id": each} for each in ("1", "2")))
    assert run.error is None
    assert sorted(each["request_id"] for each in _told_by_the_tap(tmp_path / "audit.jsonl")) == ["1", "2"]


def test_a_line_that_a_machine_died_over_takes_no_other_with_it(delete: Load, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    delete({"email": "gone@mail.example.net", "request_id": "1"})
    whole = path.read_bytes()
    for end in range(1, len(whole)):
        path.write_bytes(whole[:end])
        audit.append(path, Key("email", "gone@mail.example.net"), "2", audit.ACCEPTED, datetime.now(UTC))
        assert [each["request_id"] for each in _told_by_the_tap(path)][-1] == "2", end


@pytest.mark.parametrize("text", ["[]", '{"time": "x", "profile": {}}', "not JSON", '{"deletion": "accepted"}'])
def test_what_is_no_record_of_deletions_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text(f"\n{text}\n")
    with pytest.raises(ProgramError, match=r"line 2, .*`audit_path`"):
        _told_by_the_tap(path)
    with pytest.raises(ProgramError, match="cannot read"):
        _told_by_the_tap(tmp_path)
