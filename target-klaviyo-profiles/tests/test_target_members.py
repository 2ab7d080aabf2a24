"""Members of lists, and suppressions: added, removed, and in their order."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klaviyo_sandbox.http.faults import AnyFault, Missing, Page, Reset, Status, SuppressionOutcome, Throttle
from klaviyo_sandbox.model.records import ConsentState, Group, GroupKind, Profile, Suppression, SuppressionReason
from target_klaviyo_profiles.errors import RunFailed
from target_klaviyo_profiles.rows import Rejected
from target_klaviyo_profiles.sinks.list_members import ListMembers
from target_klaviyo_profiles.sinks.suppressions import Suppressions

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox
    from target_klaviyo_profiles.sinks.base import Sink

Json = dict[str, Any]
Load = Callable[..., Any]
Step = tuple[str, int, str]

JOINED = {"list_id": "LIST01", "profile_id": "01J", "_action": "add"}
MUTED = {"email": "ada@b.co", "_action": "add"}


@pytest.mark.parametrize(
    ("action", "operation"),
    [("add", "add_profiles_to_list"), ("remove", "remove_profiles_from_list"), (" Add ", "add_profiles_to_list")],
)
def test_a_membership(action: str, operation: str) -> None:
    sink = ListMembers()
    row = sink.row({"list_id": " LIST01 ", "profile_id": "01J ", "_action": action, "_sdc_batched_at": "x"})
    assert row is not None
    assert row.key == ("member", "LIST01/01J")
    assert (row.group.route.operation, sink.path(row.group)) == (operation, {"id": "LIST01"})
    assert json.loads(sink.body(row.group, [row.payload])) == {"data": [{"type": "profile", "id": "01J"}]}


@pytest.mark.parametrize(("action", "what"), [("add", "create"), ("remove", "delete")])
def test_a_suppression(action: str, what: str) -> None:
    sink = Suppressions()
    row = sink.row({"email": " Ada@B.co", "_action": action})
    assert row is not None
    assert row.key == ("email", "ada@b.co")
    assert json.loads(sink.body(row.group, [row.payload])) == {
        "data": {
            "type": f"profile-suppression-bulk-{what}-job",
            "attributes": {"profiles": {"data": [{"type": "profile", "attributes": {"email": "Ada@B.co"}}]}},
        }
    }


@pytest.mark.parametrize(
    ("sink", "record", "code", "pointer"),
    [
        (ListMembers(), {**JOINED, "list_id": ""}, "missing_field", "/list_id"),
        (ListMembers(), {**JOINED, "profile_id": None}, "missing_field", "/profile_id"),
        (ListMembers(), {**JOINED, "_action": None}, "missing_field", "/_action"),
        (ListMembers(), {**JOINED, "_action": "delete"}, "invalid_value", "/_action"),
        (ListMembers(), {**JOINED, "email": "ada@b.co"}, "unknown_field", "/email"),
        (Suppressions(), {**MUTED, "email": None}, "missing_field", "/email"),
        (Suppressions(), {**MUTED, "email": "nope"}, "invalid_email", "/email"),
        (Suppressions(), {**MUTED, "_action": "yes"}, "invalid_value", "/_action"),
    ],
)
def test_what_cannot_be_sent_is_refused(sink: Sink, record: Json, code: str, pointer: str) -> None:
    with pytest.raises(Rejected) as caught:
        sink.row(record)
    assert (caught.value.reason.code, caught.value.reason.pointer) == (code, pointer)
    assert caught.value.reason.remedy


# Lists


@pytest.fixture
def join(sandbox: Sandbox, load: Load, messages: Callable[..., list[Json]]) -> Load:
    for list_id in ("LIST01", "LIST02"):
        sandbox.store.put(Group(id=list_id, kind=GroupKind.LIST, name=list_id, created=0, updated=0))
    return lambda records, **settings: load(messages(records, stream="list_members"), **settings)


def _ids(sandbox: Sandbox) -> list[str]:
    return [str(row[0]) for row in sandbox.store.read("select id from profiles order by id")]


def _on(sandbox: Sandbox, list_id: str) -> set[str]:
    return {each.id for each in sandbox.store.members_of(list_id)}


def test_members_join_and_leave(sandbox: Sandbox, join: Load) -> None:
    ids = _ids(sandbox)
    run = join(
        [{"list_id": each, "profile_id": who, "_action": "add"} for each in ("LIST01", "LIST02") for who in ids]
    )
    assert run.error is None
    assert run.tallies["list_members"].accepted == 40
    assert sandbox.requests["add_profiles_to_list 204"] == 2
    assert _on(sandbox, "LIST01") == _on(sandbox, "LIST02") == set(ids)
    run = join([{"list_id": "LIST01", "profile_id": who, "_action": "remove"} for who in ids[:5]])
    assert _on(sandbox, "LIST01") == set(ids[5:])
    assert _on(sandbox, "LIST02") == set(ids)


def test_joining_is_not_consent(sandbox: Sandbox, join: Load) -> None:
    before = sandbox.store.profiles(_ids(sandbox))
    join([{**JOINED, "profile_id": each.id} for each in before])
    sandbox.settle()
    after = sandbox.store.profiles(_ids(sandbox))
    assert [each.email_marketing for each in after] == [each.email_marketing for each in before]
    assert any(each.email_marketing.state is not ConsentState.SUBSCRIBED for each in after)


def test_a_thousand_fit_into_a_request(sandbox: Sandbox, join: Load) -> None:
    ids = [f"01J{n:023}" for n in range(2_500)]
    sandbox.store.add_profiles(Profile(id=each, created=0, updated=0) for each in ids)
    run = join([{**JOINED, "profile_id": each} for each in ids])
    assert run.tallies["list_members"].accepted == 2_500
    assert sandbox.requests["add_profiles_to_list 204"] == 3
    assert _on(sandbox, "LIST01") == set(ids)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["LIST01", "LIST02"]), st.integers(0, 2), st.sampled_from(["add", "remove"])),
        max_size=25,
    )
)
def test_the_last_word_about_a_membership_counts(order: Callable[[list[Step]], None], steps: list[Step]) -> None:
    order(steps)


@pytest.fixture
def order(sandbox: Sandbox, join: Load) -> Callable[[list[Step]], None]:
    ids = _ids(sandbox)

    def check(steps: list[Step]) -> None:
        wanted: dict[str, set[str]] = {each: _on(sandbox, each) for each in ("LIST01", "LIST02")}
        for list_id, who, action in steps:
            (wanted[list_id].add if action == "add" else wanted[list_id].discard)(ids[who])
        run = join({"list_id": each, "profile_id": ids[who], "_action": action} for each, who, action in steps)
        assert run.error is None
        assert {each: _on(sandbox, each) for each in wanted} == wanted

    return check


def test_a_list_that_is_not_there_costs_its_own_records_only(sandbox: Sandbox, join: Load) -> None:
    ids = _ids(sandbox)
    run = join([{**JOINED, "profile_id": who, "list_id": each} for who in ids for each in ("NOPE01", "LIST01")])
    assert run.error is None
    assert run.tallies["list_members"].accepted == 20
    assert {(each["code"], each["pointer"]) for each in run.rejects} == {("not_found", "/list_id")}
    assert _on(sandbox, "LIST01") == set(ids)


def test_a_profile_that_is_not_there_costs_its_own_record_only(sandbox: Sandbox, join: Load) -> None:
    ids = _ids(sandbox)
    run = join([{**JOINED, "profile_id": each} for each in [*ids[:7], "01JNOPE", *ids[7:]]])
    assert run.error is None
    assert [each["key"] for each in run.rejects] == [{"member": "LIST01/01JNOPE"}]
    assert _on(sandbox, "LIST01") == set(ids)


@pytest.mark.parametrize(
    "fault",
    [
        Status(operation="add_profiles_to_list", worked=True),
        Reset(operation="add_profiles_to_list"),
        Throttle(operation="add_profiles_to_list", retry_after=2, times=3),
        Status(operation="get_list", times=2),
    ],
)
def test_no_fault_loses_a_member(sandbox: Sandbox, join: Load, fault: AnyFault) -> None:
    sandbox.faults.add(fault)
    assert join([{**JOINED, "profile_id": each} for each in _ids(sandbox)]).error is None
    assert len(_on(sandbox, "LIST01")) == 20


# Suppressions


@pytest.fixture
def mute(load: Load, messages: Callable[..., list[Json]]) -> Load:
    return lambda records, **settings: load(messages(records, stream="suppressions"), **settings)


def _addresses(sandbox: Sandbox) -> list[str]:
    rows = sandbox.store.read("select email from profiles where email is not null order by id")
    return [str(row[0]) for row in rows]


def _muted(sandbox: Sandbox, reason: SuppressionReason = SuppressionReason.USER_SUPPRESSED) -> set[str]:
    held = sandbox.store.suppressions(_ids(sandbox))
    profiles = sandbox.store.profiles([each.profile_id for each in held if each.reason is reason])
    return {str(each.email) for each in profiles}


def test_suppressions_are_made_and_lifted(sandbox: Sandbox, mute: Load) -> None:
    addresses = _addresses(sandbox)
    run = mute({"email": each, "_action": "add"} for each in addresses)
    assert run.error is None
    assert (run.tallies["suppressions"].accepted, run.tallies["suppressions"].jobs) == (len(addresses), 1)
    assert _muted(sandbox) == set(addresses)
    run = mute({"email": each.upper(), "_action": "remove"} for each in addresses[:5])
    assert run.error is None
    assert _muted(sandbox) == set(addresses[5:])


def test_a_hundred_fit_into_a_job(mute: Load) -> None:
    run = mute({"email": f"p{n}@mail.example.net", "_action": "add"} for n in range(250))
    assert (run.tallies["suppressions"].accepted, run.tallies["suppressions"].jobs) == (250, 3)


def test_a_job_is_not_done_before_it_says_so(sandbox: Sandbox, mute: Load) -> None:
    """`completed_at` is set from the first answer on: only the status tells."""
    sandbox.deferred_work.delay = 120
    (address, *_) = _addresses(sandbox)
    run = mute([{"email": address, "_action": "add"}])
    assert run.error is None
    assert _muted(sandbox) == {address}


def test_only_what_a_user_suppressed_is_lifted(sandbox: Sandbox, mute: Load) -> None:
    profiles = [each for each in sandbox.store.profiles(_ids(sandbox)) if each.email][:2]
    reasons = (SuppressionReason.HARD_BOUNCE, SuppressionReason.SPAM_COMPLAINT)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    sandbox.store.suppress(Suppression(each.id, why, at) for each, why in zip(profiles, reasons, strict=True))
    before = sandbox.store.suppressions([each.id for each in profiles])
    run = mute({"email": each.email, "_action": "remove"} for each in profiles)
    assert run.error is None
    assert sandbox.store.suppressions([each.id for each in profiles]) == before


def test_the_last_word_about_an_address_counts(sandbox: Sandbox, mute: Load) -> None:
    one, other, *_ = _addresses(sandbox)
    run = mute({"email": each, "_action": action} for action in ("add", "remove", "add") for each in (one, other))
    assert run.error is None
    assert _muted(sandbox) == {one, other}
    run = mute({"email": each, "_action": action} for action in ("add", "remove") for each in (one, other))
    assert _muted(sandbox) == set()


@pytest.mark.parametrize("outcome", ["stuck", "cancelled"])
def test_a_job_that_does_not_complete_leaves_its_records_unsettled(
    sandbox: Sandbox,
    mute: Load,
    outcome: Any,  # noqa: ANN401
) -> None:
    sandbox.faults.add(SuppressionOutcome(outcome=outcome))
    run = mute([{"email": each, "_action": "add"} for each in _addresses(sandbox)], job_timeout=60)
    assert isinstance(run.error, RunFailed)
    assert run.states == []
    assert run.tallies["suppressions"].unsettled.total() == len(_addresses(sandbox))


@pytest.mark.parametrize(
    "fault",
    [
        Status(operation="bulk_suppress_profiles", worked=True),
        Reset(operation="get_bulk_suppress_profiles_job", times=2),
        Missing(operation="get_bulk_suppress_profiles_job"),
        Throttle(operation="bulk_suppress_profiles", retry_after=2, times=3),
    ],
)
def test_no_fault_loses_a_suppression(sandbox: Sandbox, mute: Load, fault: AnyFault) -> None:
    sandbox.faults.add(fault)
    addresses = _addresses(sandbox)
    run = mute({"email": each, "_action": "add"} for each in addresses)
    assert run.error is None
    assert _muted(sandbox) == set(addresses)


@pytest.mark.parametrize("list_id", [".", "..", "../..", "./LIST01", "%2e"])
def test_an_id_that_is_a_path_costs_its_own_records_only(sandbox: Sandbox, join: Load, list_id: str) -> None:
    """A dot would lead to another endpoint, which answers 405 to each run anew."""
    ids = _ids(sandbox)
    run = join([{**JOINED, "profile_id": who, "list_id": each} for who in ids for each in (list_id, "LIST01")])
    assert run.error is None
    assert run.tallies["list_members"].accepted == len(ids)
    assert [each["code"] for each in run.rejects] == ["not_found"] * len(ids)
    assert not [name for name in sandbox.requests if name.endswith(" 405")]


def test_a_refusal_that_speaks_of_no_record_costs_what_shares_it(sandbox: Sandbox, join: Load) -> None:
    ids = _ids(sandbox)
    sandbox.faults.add(Page(operation="add_profiles_to_list", status=405))
    records = [{**JOINED, "profile_id": who} for who in ids]
    run = join(records)
    assert "so the run has written nothing" in str(run.error)
    assert len(run.rejects) == len(ids)
    assert sandbox.requests["add_profiles_to_list 405"] == 1
    assert join(records).tallies["list_members"].accepted == len(ids)
