"""Further identifiers: a profile gets what neither it has nor anybody else; nobody is merged, nothing replaced."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_sandbox.http.faults import Reset, Slow
from klaviyo_sandbox.model.records import GroupKind, Profile
from target_klaviyo_profiles.client import StreamClient
from target_klaviyo_profiles.errors import RunFailed
from target_klaviyo_profiles.rows import Rejected
from target_klaviyo_profiles.sinks.profiles import IMPORT, SINGLE, Profiles, request

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
Load = Callable[..., Any]
ADA, BOB = "+14155552671", "+14155552672"


@pytest.fixture
def write(load: Load, messages: Load) -> Load:
    return lambda *records, **settings: load(messages(records), **settings)


def _held(sandbox: Sandbox, email: str = "ada@b.co") -> Profile:
    profile = sandbox.store.profile_by("email", email)
    assert profile is not None
    return profile


def _record(number: str = ADA, **changes: Any) -> Json:  # noqa: ANN401
    return {"email": "ada@b.co", "first_name": "Ada", "further_identifiers": {"phone_number": number}, **changes}


def _writes(sandbox: Sandbox) -> int:
    return sum(count for name, count in sandbox.requests.items() if name.startswith("update_profile"))


def test_who_is_new_gets_all_of_them_and_a_second_run_changes_nothing(sandbox: Sandbox, write: Load) -> None:
    record = _record(
        "+1 (415) 555-2671", further_identifiers={"phone_number": "+1 (415) 555-2671", "external_id": 7}
    )
    newsletter = sandbox.store.group_named("Newsletter", GroupKind.LIST)
    assert newsletter is not None
    run = write({**record, "list_id": newsletter.id})
    assert (run.error, run.rejects) == (None, [])
    held = _held(sandbox)
    assert (held.phone_number, held.external_id, held.first_name) == (ADA, "7", "Ada")
    assert held.id in {member.id for member in sandbox.store.members_of(newsletter.id)}
    before, count = _writes(sandbox), sandbox.store.count("profiles")
    assert before == 2
    again = write({"id": held.id, "further_identifiers": {"phone_number": ADA, "external_id": "7"}})
    assert (again.error, again.rejects) == (None, [])
    assert (again.tallies["profiles"].unchanged, _writes(sandbox)) == (1, before)
    assert sandbox.store.count("profiles") == count


@pytest.mark.parametrize("by", ["id", "email"])
def test_who_is_known_already_gets_a_number_once(sandbox: Sandbox, write: Load, by: str) -> None:
    write({"email": "ada@b.co"})
    record = _record()
    if by == "id":
        record = {"id": _held(sandbox).id, "further_identifiers": record["further_identifiers"]}
    assert write(record).rejects == []
    assert _held(sandbox).phone_number == ADA


def test_somebody_who_is_known_by_number_alone_gets_an_address(sandbox: Sandbox, write: Load) -> None:
    write({"phone_number": ADA})
    run = write({"phone_number": ADA, "further_identifiers": {"email": "Ada@B.co"}})
    assert run.rejects == []
    assert _held(sandbox).phone_number == ADA


@pytest.mark.parametrize(("kind", "value"), [("phone_number", BOB), ("email", "BOB@b.co"), ("external_id", "bob")])
def test_what_is_another_profiles_is_told_and_nobody_is_merged(
    sandbox: Sandbox, write: Load, kind: str, value: str
) -> None:
    write({"email": "bob@b.co", "further_identifiers": {"phone_number": BOB, "external_id": "bob"}})
    write({"phone_number": ADA} if kind == "email" else {"email": "ada@b.co"})
    bob, count = _held(sandbox, "bob@b.co"), sandbox.store.count("profiles")
    by = {"phone_number": ADA} if kind == "email" else {"email": "ada@b.co"}
    run = write(
        {**by, "first_name": "Ada", "further_identifiers": {kind: value}}, {"email": "c@b.co"}, on_reject="warn"
    )
    assert run.error is None
    [reject] = run.rejects
    assert (reject["code"], reject["pointer"]) == ("duplicate_profile", f"/further_identifiers/{kind}")
    assert bob.id in reject["detail"]
    assert "what else the record says is written" in reject["detail"]
    assert sandbox.store.count("profiles") == count + 1
    assert _held(sandbox, "bob@b.co") == bob
    [(name, of_ada)] = by.items()
    ada = sandbox.store.profile_by(name, of_ada)
    assert ada is not None
    assert (ada.first_name, getattr(ada, kind)) == ("Ada", None)


def test_who_gets_it_between_the_look_and_the_write_keeps_it(
    sandbox: Sandbox, write: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"email": "bob@b.co", "further_identifiers": {"phone_number": BOB}})
    monkeypatch.setattr("target_klaviyo_profiles.sinks.further_identifiers._owner", lambda *_: None)
    run = write(_record(BOB))
    assert [each["code"] for each in run.rejects] == ["duplicate_profile"]
    assert "merge the two in Klaviyo" in run.rejects[0]["remedy"]
    assert (_held(sandbox).phone_number, _held(sandbox, "bob@b.co").phone_number) == (None, BOB)


def test_what_the_profile_has_stays_and_each_of_several_has_its_own_fate(sandbox: Sandbox, write: Load) -> None:
    write(_record())
    run = write(_record(BOB, further_identifiers={"phone_number": BOB, "external_id": "ada"}, first_name="Ida"))
    assert [each["code"] for each in run.rejects] == ["identifier_held"]
    assert ADA not in json.dumps(run.rejects[0])
    held = _held(sandbox)
    assert (held.phone_number, held.external_id, held.first_name) == (ADA, "ada", "Ida")


def test_a_number_that_cannot_be_one_costs_nothing_else(sandbox: Sandbox, write: Load) -> None:
    run = write(_record("0170 1234567"), max_reject_ratio=None)
    assert run.error is None, "it is the run's only record, and written"
    assert run.tallies["profiles"].in_part == {"invalid_phone_number": 1}
    assert "written in part 1, but for invalid_phone_number: email sha256:" in run.log
    assert [(each["code"], each["pointer"]) for each in run.rejects] == [
        ("invalid_phone_number", "/further_identifiers/phone_number")
    ]
    assert (_held(sandbox).first_name, _held(sandbox).phone_number) == ("Ada", None)
    assert "1234567" not in run.log


def test_a_number_that_two_records_claim_is_the_first_ones(sandbox: Sandbox, write: Load) -> None:
    run = write(_record(), _record(email="bob@b.co"), concurrency=1)
    assert [each["code"] for each in run.rejects] == ["duplicate_profile"]
    owners = [_held(sandbox, email).phone_number for email in ("ada@b.co", "bob@b.co")]
    assert sorted(owners, key=str) == [ADA, None]


def test_records_of_one_profile_are_combined(sandbox: Sandbox, write: Load) -> None:
    more = {"email": "ada@b.co", "title": "Dr", "further_identifiers": {"external_id": "7"}}
    run = write({"email": "ada@b.co", "locale": "da"}, _record(), more, {"email": "ada@b.co", "title": "Prof"})
    assert run.rejects == []
    held = _held(sandbox)
    assert (held.phone_number, held.external_id, held.title, held.locale) == (ADA, "7", "Prof", "da")


def test_a_lost_answer_is_no_harm(sandbox: Sandbox, write: Load) -> None:
    sandbox.faults.add(Reset(operation="update_profile", worked=True))
    run = write(_record())
    assert (run.error, run.rejects) == (None, [])
    assert _held(sandbox).phone_number == ADA


@pytest.mark.parametrize("operation", ["create_or_update_profile", "get_profiles"])
@pytest.mark.parametrize("spoil", ["attributes", "data"])
def test_what_is_not_told_is_no_no(
    sandbox: Sandbox, write: Load, monkeypatch: pytest.MonkeyPatch, operation: str, spoil: str
) -> None:
    write({"email": "bob@b.co", "further_identifiers": {"phone_number": BOB}})
    before = _writes(sandbox)
    fetch = StreamClient.fetch

    def odd(self: StreamClient, asked: str, decode: Callable[[bytes], Json], **options: Any) -> Json:  # noqa: ANN401
        def decoded(body: bytes) -> Json:
            document = decode(body)
            if asked == operation:
                data = document["data"]
                if spoil == "data":
                    document["data"] = ["x"]
                elif isinstance(data, dict):
                    del data["attributes"]["phone_number"]
                else:
                    document["data"] = [{"type": "profile", "attributes": {}}]
            return document

        return fetch(self, asked, decoded, **options)

    monkeypatch.setattr(StreamClient, "fetch", odd)
    run = write(_record(BOB))
    assert isinstance(run.error, RunFailed)
    assert "Klaviyo did not tell" in run.log
    assert (run.states, _writes(sandbox)) == ([], before)


@pytest.mark.parametrize(
    ("further", "code"),
    [
        ({"id": "01X"}, "invalid_value"),
        ({"phone": ADA}, "invalid_value"),
        ({"phone_number": ["+1"]}, "invalid_value"),
        ({"email": "ida@b.co"}, "contradiction"),
    ],
)
def test_what_is_no_identifier_is_refused_before_anything_is_sent(further: Json, code: str) -> None:
    with pytest.raises(Rejected) as caught:
        Profiles().row(_record(further_identifiers=further))
    assert caught.value.reason.code == code
    assert (caught.value.reason.pointer or "").startswith("/further_identifiers/")


@pytest.mark.parametrize("further", [{}, None, {"phone_number": " "}, {"phone_number": None}, "{}"])
def test_without_any_the_record_goes_with_the_others(further: object) -> None:
    row = Profiles().row(_record(further_identifiers=further))
    assert row is not None
    assert row.group.route is IMPORT
    assert b"further" not in row.payload


def test_no_request_names_two() -> None:
    row = Profiles().row(_record(phone_number=BOB, properties={"n": 2**70}))
    assert row is not None
    assert row.group.route is SINGLE
    body, further = request(row.payload)
    attributes = {"email": "ada@b.co", "first_name": "Ada", "properties": {"n": 2**70}}
    assert json.loads(body) == {"data": {"type": "profile", "attributes": attributes}}
    assert further == {"phone_number": ADA}


def test_who_registers_with_both_and_agrees_to_texts_is_one_profile(
    sandbox: Sandbox, load: Load, messages: Load
) -> None:
    """The subscription by number waits until the profile has it, also where it comes first in the input."""
    texts = {"channel": "sms", "phone_number": ADA, "consent": "SUBSCRIBED"}
    count = sandbox.store.count("profiles")
    sandbox.faults.add(Slow(operation="create_or_update_profile", seconds=0.2))
    first, second = messages([texts], stream="subscriptions"), messages([_record()])
    run = load([*first[:-1], *second])
    assert (run.error, run.rejects) == (None, [])
    writes = [name.split()[0] for name in sandbox.requests if name.startswith(("update_", "bulk_sub"))]
    assert writes == ["update_profile", "bulk_subscribe_profiles"]
    sandbox.settle()
    assert sandbox.store.count("profiles") == count + 1
    assert _held(sandbox).phone_number == ADA


def test_whoever_wants_a_run_to_fail_for_each_refusal_has_it_fail(write: Load) -> None:
    run = write(_record("0170 1234567"), on_reject="fail")
    assert isinstance(run.error, RunFailed)
    assert "1 records were refused, and `on_reject` is `fail`" in str(run.error)
