"""Consent: given, withdrawn, and never given back to somebody who withdrew it later."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from klaviyo_sandbox.http.faults import AnyFault, Reset, Status, Throttle
from klaviyo_sandbox.model.records import (
    Consent,
    ConsentState,
    Group,
    GroupKind,
    Membership,
    Profile,
    Suppression,
    SuppressionReason,
)
from klaviyo_wire import jsonapi
from klaviyo_wire.endpoints import DEFAULT_REVISION, ENDPOINTS, OMNICHANNEL
from klaviyo_wire.filters import Operator
from target_klaviyo_profiles.errors import RunFailed
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import BulkRoute, Rejected
from target_klaviyo_profiles.sinks import subscriptions
from target_klaviyo_profiles.sinks.options import Options
from target_klaviyo_profiles.sinks.subscriptions import (
    Channel,
    Subscriptions,
    SubscriptionsWithClicks,
    lookups,
    opted_out_at,
)

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
Load = Callable[..., Any]

NOW = datetime(2026, 11, 1, tzinfo=UTC)
LEFT = datetime(2025, 6, 1, 12, tzinfo=UTC)
SINK = Subscriptions(Options(now=lambda: NOW))
LATER = SubscriptionsWithClicks(Options(now=lambda: NOW))
YES = {"channel": "email", "email": "ada@b.co", "consent": "SUBSCRIBED"}
NO = {**YES, "consent": "UNSUBSCRIBED"}
IMPORTED = {**YES, "historical_import": True, "consented_at": "2025-01-01T00:00:00+00:00"}


def _request(record: Json) -> Json:
    row = SINK.row(record)
    assert row is not None
    request: Json = json.loads(SINK.body(row.group, [row.payload]))["data"]
    return request


def test_a_subscription_carries_its_list_its_source_and_its_time() -> None:
    record = {**IMPORTED, "email": " Ada@B.co ", "list_id": "LIST01", "custom_source": "<rows>"}
    assert _request(record) == {
        "type": "profile-subscription-bulk-create-job",
        "attributes": {
            "profiles": {
                "data": [
                    {
                        "type": "profile",
                        "attributes": {
                            "email": "Ada@B.co",
                            "subscriptions": {
                                "email": {
                                    "marketing": {
                                        "consent": "SUBSCRIBED",
                                        "consented_at": "2025-01-01T00:00:00+00:00",
                                    }
                                }
                            },
                        },
                    }
                ]
            },
            "historical_import": True,
            "custom_source": "<rows>",
        },
        "relationships": {"list": {"data": {"type": "list", "id": "LIST01"}}},
    }


def test_an_opt_out_is_only_that() -> None:
    assert _request({**NO, "consented_at": "2025-01-01", "historical_import": True, "custom_source": "x"}) == {
        "type": "profile-subscription-bulk-delete-job",
        "attributes": {
            "profiles": {
                "data": [
                    {
                        "type": "profile",
                        "attributes": {
                            "email": "ada@b.co",
                            "subscriptions": {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}},
                        },
                    }
                ]
            }
        },
    }


@pytest.mark.parametrize("consent", ["SUBSCRIBED", "unsubscribed"])
@pytest.mark.parametrize(
    ("channel", "kind", "value"),
    [
        ("email", "email", "ada@b.co"),
        ("sms", "phone_number", "+14155552671"),
        ("WhatsApp", "phone_number", "+14155552671"),
    ],
)
def test_no_identifier_but_the_channels_is_sent_since_klaviyo_would_set_it(
    channel: str, kind: str, value: str, consent: str
) -> None:
    everything = {"profile_id": "01J", "email": "ada@b.co", "phone_number": "+1 415-555-2671"}
    row = SINK.row({**everything, "channel": channel, "consent": consent})
    assert row is not None
    assert row.key == Key(kind, value)
    sent = json.loads(row.payload)
    assert sent.keys() == {"type", "attributes"}
    assert sent["attributes"].keys() == {kind, "subscriptions"}
    assert sent["attributes"]["subscriptions"].keys() == {channel.lower()}


TRACKED = {**YES, "channel": "email_open_tracking"}
TEXTED = {"channel": "sms_transactional", "phone_number": "+14155552671", "consent": "SUBSCRIBED"}


@pytest.mark.parametrize(
    ("record", "place", "since"),
    [
        (TRACKED, {"email": {"open_tracking": {"consent": "SUBSCRIBED"}}}, "2026-07-15"),
        (
            {**TRACKED, "channel": "email_click_tracking", "consented_at": "2025-01-01"},
            {"email": {"click_tracking": {"consent": "SUBSCRIBED"}}},
            "2026-10-15",
        ),
        (
            {**NO, "channel": "email_click_tracking"},
            {"email": {"click_tracking": {"consent": "UNSUBSCRIBED"}}},
            "2026-10-15",
        ),
        (
            {**TEXTED, "historical_import": True, "consented_at": "2025-01-01T00:00:00+00:00"},
            {"sms": {"transactional": {"consent": "SUBSCRIBED", "consented_at": "2025-01-01T00:00:00+00:00"}}},
            "2026-07-15",
        ),
        (
            {**TEXTED, "channel": "whatsapp_transactional", "consent": "UNSUBSCRIBED"},
            {"whatsapp": {"transactional": {"consent": "UNSUBSCRIBED"}}},
            "2026-07-15",
        ),
    ],
)
def test_a_channel_says_what_it_is_done_for(record: Json, place: Json, since: str) -> None:
    for sink in (each for each in (SINK, LATER) if each.revision() >= since):
        row = sink.row(record)
        assert row is not None
        assert json.loads(row.payload)["attributes"]["subscriptions"] == place
        assert ENDPOINTS[row.group.route.operation].revision == sink.revision()


def test_at_both_revisions_the_same_is_sent() -> None:
    for record in (YES, NO, IMPORTED, TRACKED, TEXTED, {**NO, "list_id": "LIST01"}):
        rows = [sink.row(record) for sink in (SINK, LATER)]
        bodies = [
            sink.body(row.group, [row.payload]) for sink, row in zip((SINK, LATER), rows, strict=True) if row
        ]
        assert len(bodies) == 2
        assert bodies[0] == bodies[1]
        assert (
            len({row.group.route.repeatable for row in rows if row and isinstance(row.group.route, BulkRoute)})
            == 1
        )


@pytest.mark.parametrize("consent", ["SUBSCRIBED", "UNSUBSCRIBED"])
def test_before_its_revision_a_channel_costs_its_records_and_names_the_setting(
    sandbox: Sandbox, write: Load, people: list[Profile], consent: str
) -> None:
    tracked = _email(people[0], channel="email_click_tracking", consent=consent)
    run = write([tracked, _email(people[1], consent=consent)])
    assert run.error is None
    assert [(each["code"], each["pointer"]) for each in run.rejects] == [("not_in_revision", "/channel")]
    assert run.rejects[0]["remedy"] == "Set `revision` to 2026-10-15 or later."
    assert run.rejects[0]["key"] == {"email": str(people[0].email).lower()}
    assert run.tallies["subscriptions"].accepted == 1
    sandbox.settle()
    assert _consents(sandbox, people[0]) == {}
    assert write([tracked], revision=OMNICHANNEL).tallies["subscriptions"].accepted == 1
    sandbox.settle()
    assert _consents(sandbox, people[0]) == {Channel.EMAIL_CLICK_TRACKING: ConsentState(consent)}


def test_push_is_subscribed_by_id() -> None:
    row = SINK.row({"channel": "push", "profile_id": "01J", "email": "ada@b.co", "consent": "SUBSCRIBED"})
    assert row is not None
    assert json.loads(row.payload) == {
        "type": "profile",
        "id": "01J",
        "attributes": {"subscriptions": {"push": {"marketing": {"consent": "SUBSCRIBED"}}}},
    }


@pytest.mark.parametrize(
    ("record", "code", "pointer"),
    [
        ({**YES, "channel": None}, "missing_field", "/channel"),
        ({**YES, "channel": "fax"}, "invalid_value", "/channel"),
        ({**YES, "consent": None}, "missing_field", "/consent"),
        ({**YES, "consent": "NEVER_SUBSCRIBED"}, "invalid_value", "/consent"),
        ({**YES, "email": None, "phone_number": "+14155552671"}, "no_identifier", None),
        ({**YES, "channel": "sms"}, "no_identifier", None),
        ({**YES, "channel": "sms", "phone_number": "5552671"}, "invalid_phone_number", "/phone_number"),
        ({**YES, "email": "nope"}, "invalid_email", "/email"),
        ({**NO, "channel": "push", "profile_id": "01J"}, "not_possible", "/channel"),
        ({**YES, "consented_at": "2025-01-01"}, "contradiction", "/consented_at"),
        ({**YES, "historical_import": True}, "contradiction", "/consented_at"),
        ({**IMPORTED, "consented_at": "2026-11-01T00:00:00Z"}, "time_out_of_range", "/consented_at"),
        ({**IMPORTED, "consented_at": "soon"}, "invalid_value", "/consented_at"),
        ({**IMPORTED, "historical_import": "yes"}, "invalid_value", "/historical_import"),
        ({**TRACKED, "historical_import": True}, "contradiction", "/historical_import"),
        ({**TRACKED, "list_id": "LIST01"}, "contradiction", "/list_id"),
        ({**TEXTED, "list_id": "LIST01", "consent": "UNSUBSCRIBED"}, "contradiction", "/list_id"),
    ],
)
def test_what_klaviyo_refuses_is_refused_before_it_is_sent(record: Json, code: str, pointer: str | None) -> None:
    with pytest.raises(Rejected) as caught:
        SINK.row(record)
    assert (caught.value.reason.code, caught.value.reason.pointer) == (code, pointer)
    assert caught.value.reason.remedy


def test_consent_without_an_offset_is_sent_with_one() -> None:
    (row,) = _request({**IMPORTED, "consented_at": "2025-01-01 10:00"})["attributes"]["profiles"]["data"]
    marketing = row["attributes"]["subscriptions"]["email"]["marketing"]
    assert marketing["consented_at"] == "2025-01-01T10:00:00+00:00"


# What Klaviyo knows


def _held(**marketing: object) -> Json:
    return {"email": {"marketing": {"consent": "NEVER_SUBSCRIBED", **marketing}}}


def _suppressed(reason: str, at: datetime | None = LEFT) -> Json:
    return {"reason": reason, "timestamp": at and at.isoformat()}


_NEVER = datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("held", "left"),
    [
        ({}, None),
        ({"email": None}, None),
        ({"email": {"marketing": None}}, None),
        (_held(suppression=[], list_suppressions=None), None),
        (_held(consent="SUBSCRIBED", consent_timestamp=LEFT.isoformat()), None),
        (_held(consent="UNSUBSCRIBED", consent_timestamp=LEFT.isoformat()), LEFT),
        (_held(consent="UNSUBSCRIBED", last_updated=LEFT.isoformat()), LEFT),
        (_held(consent="UNSUBSCRIBED", last_updated="2025-06-01 12:00:00"), LEFT),
        (_held(consent="UNSUBSCRIBED", consent_timestamp="2020-01-01", last_updated=LEFT.isoformat()), LEFT),
        (_held(consent="UNSUBSCRIBED", consent_timestamp=None, last_updated=None), _NEVER),
        (_held(suppression=[_suppressed("HARD_BOUNCE"), _suppressed("INVALID_EMAIL")]), None),
        (_held(suppression=[_suppressed("USER_SUPPRESSED")]), LEFT),
        (
            _held(suppression=[_suppressed("SPAM_COMPLAINT", LEFT - timedelta(1)), _suppressed("UNSUBSCRIBE")]),
            LEFT,
        ),
        (_held(suppression=[_suppressed("SOMETHING_NEW", None)]), _NEVER),
        (_held(list_suppressions=[{"list_id": "LIST01", **_suppressed("UNSUBSCRIBE")}]), LEFT),
    ],
)
def test_when_somebody_opted_out(held: Json, left: datetime | None) -> None:
    assert opted_out_at(held, Channel.EMAIL) == left


def test_channels_are_told_apart() -> None:
    out = {"consent": "UNSUBSCRIBED", "consent_timestamp": LEFT.isoformat()}
    assert _out_of({"mobile_push": {"marketing": out}}) == {Channel.PUSH}
    assert _out_of({"email": {"open_tracking": out}}) == {Channel.EMAIL_OPEN_TRACKING}
    assert _out_of({"email": {"click_tracking": out}}) == {Channel.EMAIL_CLICK_TRACKING}
    assert _out_of({"sms": {"transactional": out}, "whatsapp": {"marketing": out}}) == {
        Channel.SMS_TRANSACTIONAL,
        Channel.WHATSAPP,
    }


def _out_of(held: dict[str, Any]) -> set[Channel]:
    return {channel for channel in Channel if opted_out_at(held, channel) == LEFT}


# Against the sandbox


@pytest.fixture
def people(sandbox: Sandbox) -> list[Profile]:
    """Ten people of whom nothing is known, with addresses and numbers."""
    made = [
        Profile(
            id=f"01J{n:023}",
            email=f"New+{n}@Mail.example.net",
            phone_number=f"+1415555{n:04}",
            created=0,
            updated=0,
        )
        for n in range(10)
    ]
    sandbox.store.add_profiles(made)
    sandbox.store.put(Group(id="LIST01", kind=GroupKind.LIST, name="News", created=0, updated=0))
    sandbox.store.put(
        Group(
            id="LIST02", kind=GroupKind.LIST, name="Double", created=0, updated=0, opt_in_process="double_opt_in"
        )
    )
    return made


@pytest.fixture
def write(load: Load, messages: Callable[..., list[Json]]) -> Load:
    return lambda records, **settings: load(messages(records, stream="subscriptions"), **settings)


def _states(sandbox: Sandbox, people: list[Profile]) -> list[str]:
    sandbox.settle()
    held = {each.id: each for each in sandbox.store.profiles([each.id for each in people])}
    return [held[each.id].email_marketing.state.value for each in people]


def _email(profile: Profile, **fields: object) -> Json:
    return {"channel": "email", "email": profile.email, "consent": "SUBSCRIBED", **fields}


def _imported(profile: Profile, consented_at: datetime, **fields: object) -> Json:
    return _email(profile, historical_import=True, consented_at=consented_at.isoformat(), **fields)


def test_people_are_subscribed_a_thousand_a_request(sandbox: Sandbox, write: Load) -> None:
    records = [{**IMPORTED, "email": f"s{n}@mail.example.net", "list_id": None} for n in range(1_500)]
    run = write(records)
    assert run.error is None
    assert run.tallies["subscriptions"].accepted == 1_500
    assert sandbox.requests["bulk_subscribe_profiles 202"] == 2
    sandbox.settle()
    subscribed = [sandbox.store.profile_by("email", str(each["email"])) for each in records]
    assert all(each and each.email_marketing.state is ConsentState.SUBSCRIBED for each in subscribed)


def test_people_are_unsubscribed_a_hundred_a_request(sandbox: Sandbox, write: Load) -> None:
    run = write([{**NO, "email": f"s{n}@mail.example.net"} for n in range(250)])
    assert run.tallies["subscriptions"].accepted == 250
    assert sandbox.requests["bulk_unsubscribe_profiles 202"] == 3


@pytest.mark.parametrize("with_list", [None, "LIST01"])
def test_nobody_who_opted_out_later_is_subscribed(
    sandbox: Sandbox, write: Load, people: list[Profile], with_list: str | None
) -> None:
    never, newer, older, same, untimed, bounced, of_list, since_list, complained, manual = people
    sandbox.store.unsubscribe([each.id for each in (newer, older, same, untimed)], LEFT)
    reasons = {
        bounced.id: SuppressionReason.HARD_BOUNCE,
        complained.id: SuppressionReason.SPAM_COMPLAINT,
        manual.id: SuppressionReason.USER_SUPPRESSED,
    }
    sandbox.store.suppress([Suppression(profile_id, reason, LEFT) for profile_id, reason in reasons.items()])
    sandbox.store.suppress([Suppression(of_list.id, SuppressionReason.UNSUBSCRIBE, LEFT, "LIST01")])
    sandbox.store.suppress([Suppression(since_list.id, SuppressionReason.UNSUBSCRIBE, LEFT, "LIST02")])
    before, after = LEFT - timedelta(days=1), LEFT + timedelta(days=1)
    records = [
        _imported(never, before),
        _imported(newer, after),
        _imported(older, before),
        _imported(same, LEFT),
        _email(untimed),
        _imported(bounced, before),
        _imported(of_list, before),
        _imported(since_list, after),
        _imported(complained, before),
        _imported(manual, before),
    ]
    run = write({**each, "list_id": with_list} for each in records)
    assert run.error is None
    refused = [older, same, untimed, of_list, complained, manual]
    assert {each["key"]["email"] for each in run.rejects} == {str(each.email).lower() for each in refused}
    assert {(each["code"], each["pointer"]) for each in run.rejects} == {("opted_out", "/consented_at")}
    states = ["SUBSCRIBED" if each not in refused else None for each in people]
    assert [state if state == "SUBSCRIBED" else None for state in _states(sandbox, people)] == states
    assert sandbox.consents.stats["opt_outs_lifted"] == 2  # of those who consented anew
    assert any(LEFT.isoformat() in each["detail"] for each in run.rejects)


def test_the_spelling_of_an_address_hides_no_opt_out(sandbox: Sandbox, write: Load, people: list[Profile]) -> None:
    sandbox.store.unsubscribe([people[0].id], LEFT)
    run = write([_imported(replace(people[0], email="NEW+0@mail.EXAMPLE.net"), LEFT - timedelta(days=1))])
    assert [each["code"] for each in run.rejects] == ["opted_out"]


def test_an_opt_out_that_klaviyo_does_not_show_yet_counts(
    sandbox: Sandbox, write: Load, people: list[Profile]
) -> None:
    sandbox.deferred_work.delay = 600
    records = [_email(people[0], consent="UNSUBSCRIBED"), _imported(people[0], LEFT), _imported(people[1], LEFT)]
    run = write(records)
    assert [(each["key"]["email"], each["code"]) for each in run.rejects] == [
        (str(people[0].email).lower(), "opted_out")
    ]
    assert [each["code"] for each in write(records[1:2]).rejects][1:] == ["opted_out"]  # in the next run, too
    assert _states(sandbox, people[:2]) == ["UNSUBSCRIBED", "SUBSCRIBED"]


def test_an_old_opt_out_of_ours_does_not_outlast_what_klaviyo_says(
    sandbox: Sandbox, write: Load, people: list[Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    write([_email(people[0], consent="UNSUBSCRIBED")])
    sandbox.settle()
    subscribed = Consent(ConsentState.SUBSCRIBED, sandbox.clock.now())
    sandbox.store.lift(people[0].id, list(SuppressionReason))
    sandbox.store.put_profile(replace(people[0], email_marketing=subscribed))
    assert write([_imported(people[0], LEFT)]).tallies["subscriptions"].rejected.total() == 1
    monkeypatch.setattr(subscriptions, "_UNSEEN", timedelta())
    assert write([_imported(people[0], LEFT)]).tallies["subscriptions"].accepted == 1


def test_an_opt_out_from_before_the_clock_was_set_back_counts_for_an_hour(
    sandbox: Sandbox, write: Load, people: list[Profile], tmp_path: Path
) -> None:
    """As long as any that Klaviyo may not show yet: neither not at all nor for ever."""
    write([_email(people[0], consent="UNSUBSCRIBED")])
    sandbox.settle()
    subscribed = Consent(ConsentState.SUBSCRIBED, sandbox.clock.now())
    sandbox.store.lift(people[0].id, list(SuppressionReason))
    sandbox.store.put_profile(replace(people[0], email_marketing=subscribed))

    def remembered(change: str) -> None:
        with sqlite3.connect(tmp_path / "ledger.sqlite") as ledger:
            ledger.execute(f"update memory set value = replace(value, {change})")  # noqa: S608
        ledger.close()

    remembered("'2026-11-01T00', '2027-11-01T00'")
    assert write([_imported(people[0], LEFT)]).tallies["subscriptions"].rejected.total() == 1
    remembered("'2026-11-01T00', '2026-10-31T22'")  # two hours later
    assert write([_imported(people[0], LEFT)]).tallies["subscriptions"].accepted == 1


def test_sms_has_its_own_opt_out(sandbox: Sandbox, write: Load, people: list[Profile]) -> None:
    out = Consent(ConsentState.UNSUBSCRIBED, LEFT)
    sandbox.store.put_profile(replace(people[0], sms_marketing=out))
    sandbox.store.put_profile(replace(people[1], email_marketing=out))
    texted = [
        {"channel": "sms", "phone_number": each.phone_number, "consent": "SUBSCRIBED"} for each in people[:2]
    ]
    run = write(texted)
    assert [each["key"] for each in run.rejects] == [{"phone_number": people[0].phone_number}]
    assert run.tallies["subscriptions"].accepted == 1


def test_whoever_opted_out_of_being_tracked_is_tracked_by_a_later_consent_alone(
    sandbox: Sandbox, write: Load, people: list[Profile]
) -> None:
    """Klaviyo takes no time of it: the record's is compared here, to the minute, in which an opt-out wins."""
    never, before, same, after, untimed, *_ = people
    out = Consent(ConsentState.UNSUBSCRIBED, LEFT)
    for each in (before, same, after, untimed):
        sandbox.store.put_profile(replace(each, email_click_tracking=out, email_marketing=out))
    later = [timedelta(), -timedelta(hours=1), timedelta(seconds=30), timedelta(minutes=2)]
    tracked = {"channel": "email_click_tracking"}
    consented = zip((never, before, same, after), later, strict=True)
    records = [_email(each, consented_at=(LEFT + much).isoformat(), **tracked) for each, much in consented]
    run = write([*records, _email(untimed, **tracked)], revision=OMNICHANNEL)
    assert [each["code"] for each in run.rejects] == ["opted_out"] * 3
    sandbox.settle()
    held = sandbox.store.profiles([each.id for each in people[:5]])
    states = {each.id: each.email_click_tracking.state for each in held}
    given = {each.id for each in (never, after)}
    assert {key for key, state in states.items() if state is ConsentState.SUBSCRIBED} == given
    assert {each.email_marketing.state for each in held if each.id == after.id} == {ConsentState.UNSUBSCRIBED}


@pytest.mark.parametrize("channel", [each for each in Channel if each is not Channel.PUSH])
def test_each_channel_is_given_and_withdrawn_by_itself(
    sandbox: Sandbox, write: Load, people: list[Profile], channel: Channel
) -> None:
    person = people[0]
    record = {"channel": channel, "email": person.email, "phone_number": person.phone_number}
    dated = {} if channel.is_tracking else {"historical_import": True, "consented_at": LEFT.isoformat()}
    revision = DEFAULT_REVISION if channel in SINK.channels else OMNICHANNEL
    assert write([{**record, **dated, "consent": "SUBSCRIBED"}], revision=revision).error is None
    sandbox.settle()
    assert _consents(sandbox, person) == {channel: ConsentState.SUBSCRIBED}
    assert write([{**record, "consent": "UNSUBSCRIBED"}], revision=revision).error is None
    sandbox.settle()
    assert _consents(sandbox, person) == {channel: ConsentState.UNSUBSCRIBED}


def _consents(sandbox: Sandbox, person: Profile) -> dict[str, ConsentState]:
    (held,) = sandbox.store.profiles([person.id])
    states = {each: getattr(held, each if "_" in each else f"{each}_marketing").state for each in Channel}
    return {each: state for each, state in states.items() if state is not ConsentState.NEVER_SUBSCRIBED}


def test_an_opt_out_of_a_list_never_reaches_those_who_are_not_on_it(
    sandbox: Sandbox, write: Load, people: list[Profile]
) -> None:
    sandbox.store.add_members(Membership("LIST01", each.id, 0) for each in people[:3])
    run = write(_email(each, consent="UNSUBSCRIBED", list_id="LIST01") for each in people)
    assert run.error is None
    assert run.tallies["subscriptions"].accepted == 3
    assert [each["code"] for each in run.rejects] == ["not_on_list"] * 7
    assert "UNSUBSCRIBED" not in _states(sandbox, people)
    assert sandbox.consents.stats["unsubscribed_everywhere_by_a_list"] == 0
    assert {each.list_id for each in sandbox.store.suppressions([people[0].id])} == {"LIST01"}


def test_an_opt_out_without_a_list_is_from_everything(
    sandbox: Sandbox, write: Load, people: list[Profile]
) -> None:
    sandbox.faults.add(Status(operation="bulk_unsubscribe_profiles", worked=True))
    assert write(_email(each, consent="UNSUBSCRIBED") for each in people).error is None
    assert set(_states(sandbox, people)) == {"UNSUBSCRIBED"}


@pytest.mark.parametrize("list_id", ["NOPE01", ".", ".."])
@pytest.mark.parametrize("consent", ["SUBSCRIBED", "UNSUBSCRIBED"])
def test_a_list_that_is_not_there_costs_its_own_records_only(
    sandbox: Sandbox, write: Load, people: list[Profile], consent: str, list_id: str
) -> None:
    """A dot would lead to another endpoint, which answers 405 to each run anew."""
    lost = [_email(each, consent=consent, list_id=list_id) for each in people[:5]]
    run = write([*lost, *(_email(each, consent=consent) for each in people[5:])])
    assert run.error is None
    assert run.states == [{"at": "end"}]
    assert not [name for name in sandbox.requests if name.endswith(" 405")]
    assert run.tallies["subscriptions"].accepted == 5
    assert [each["code"] for each in run.rejects] == ["not_found"] * 5


def test_a_region_without_a_sending_number_costs_its_own_records_only(write: Load, people: list[Profile]) -> None:
    numbers = [str(each.phone_number) for each in people] + ["+33612345678"]
    run = write({"channel": "sms", "phone_number": each, "consent": "SUBSCRIBED"} for each in numbers)
    assert run.error is None
    assert run.tallies["subscriptions"].accepted == 10
    assert [each["key"] for each in run.rejects] == [{"phone_number": "+33612345678"}]


def test_records_of_one_person_take_effect_in_their_order(
    sandbox: Sandbox, write: Load, people: list[Profile]
) -> None:
    write([_imported(people[0], LEFT), _email(people[0], consent="UNSUBSCRIBED")])
    assert _states(sandbox, people[:1]) == ["UNSUBSCRIBED"]
    assert sandbox.consents.stats["profiles_repeated_in_a_request"] == 0


def test_an_opt_out_takes_the_place_of_a_subscription_that_waits(
    sandbox: Sandbox, write: Load, people: list[Profile]
) -> None:
    """Klaviyo works these jobs in no order: sent one after the other, the subscription could be the last word."""
    people[0] = replace(people[0], email_marketing=Consent(ConsentState.SUBSCRIBED, LEFT))
    sandbox.store.put_profile(people[0])
    listed = [_imported(each, LEFT, list_id="LIST01") for each in people[4:6]]
    records = [
        *(_imported(each, LEFT) for each in people[:4]),
        *listed,
        *(_email(each, consent="UNSUBSCRIBED") for each in (people[0], people[1], people[4])),
        _email(people[1], consent="UNSUBSCRIBED"),
    ]
    run = write(records)
    assert run.error is None
    assert run.states == [{"at": "end"}]
    tally = run.tallies["subscriptions"]
    assert (tally.received, tally.accepted, tally.combined) == (len(records), 6, 4)
    no, yes = "UNSUBSCRIBED", "SUBSCRIBED"
    assert _states(sandbox, people[:6]) == [no, no, yes, yes, no, yes]
    assert sandbox.consents.stats["profiles_in_two_open_requests"] == 0


def test_twenty_of_nine_hundred_who_subscribed_opt_out(sandbox: Sandbox, write: Load) -> None:
    who = [f"s{n}@mail.example.net" for n in range(900)]
    given = [{**IMPORTED, "email": each} for each in who]
    run = write([*given, *({**NO, "email": each} for each in who[:20])])
    assert run.error is None
    assert run.states == [{"at": "end"}]
    tally = run.tallies["subscriptions"]
    assert (tally.received, tally.accepted, tally.combined) == (920, 900, 20)
    sandbox.settle()
    held = [sandbox.store.profile_by("email", each) for each in who]
    states = [each and each.email_marketing.state for each in held]
    assert states[20:] == [ConsentState.SUBSCRIBED] * 880
    assert ConsentState.SUBSCRIBED not in states[:20]
    assert sandbox.consents.stats["profiles_in_two_open_requests"] == 0


@pytest.mark.parametrize("how", ["another case", "a state between", "sms", "whatsapp"])
def test_an_opt_out_is_the_last_word_however_it_follows(
    sandbox: Sandbox, people: list[Profile], load: Load, messages: Callable[..., list[Json]], how: str
) -> None:
    sandbox.consents.default_opt_in = "single_opt_in"
    channel = how if how in {"sms", "whatsapp"} else "email"
    kind = Channel(channel).identifier
    given = [
        {"channel": channel, kind: getattr(each, kind), "consent": "SUBSCRIBED"}
        | ({"historical_import": True, "consented_at": LEFT.isoformat()} if kind == "email" else {})
        for each in people
    ]
    out = [{"channel": channel, kind: getattr(each, kind), "consent": "UNSUBSCRIBED"} for each in people[:3]]
    if how == "another case":
        out = [{**each, kind: each[kind].swapcase()} for each in out]
    between = [{"type": "STATE", "value": {"at": "between"}}] if how == "a state between" else []
    read = [messages(each, stream="subscriptions") for each in (given, out)]
    run = load([*read[0][:-1], *between, *read[1][1:]])
    assert run.error is None
    assert run.states[-1] == {"at": "end"}
    sandbox.settle()
    held = {each.id: each for each in sandbox.store.profiles([each.id for each in people])}
    consents = [getattr(held[each.id], f"{channel}_marketing").state.value for each in people]
    assert consents == ["UNSUBSCRIBED"] * 3 + ["SUBSCRIBED"] * 7
    assert sandbox.consents.stats["profiles_in_two_open_requests"] == 0


def test_a_subscription_never_takes_the_place_of_an_opt_out(
    sandbox: Sandbox, write: Load, people: list[Profile]
) -> None:
    run = write([_email(people[0], consent="UNSUBSCRIBED"), _imported(people[0], LEFT)])
    assert [each["code"] for each in run.rejects] == ["opted_out"]
    assert _states(sandbox, people[:1]) == ["UNSUBSCRIBED"]


@pytest.mark.parametrize("historical", ["historical", "now"])
@pytest.mark.parametrize("list_id", [None, "LIST01"])
def test_an_opt_out_follows_a_subscription_that_was_sent_once_that_is_worked(
    sandbox: Sandbox, write: Load, people: list[Profile], historical: str, list_id: str | None
) -> None:
    """In a later run; what is asked meanwhile moves the sandbox's clock, by which it works the job."""
    sandbox.consents.default_opt_in = "single_opt_in"
    of_list = {} if list_id is None else {"list_id": list_id}
    given = _imported(people[0], LEFT, **of_list) if historical == "historical" else _email(people[0])
    assert write([given]).error is None
    run = write([_email(people[0], consent="UNSUBSCRIBED")])
    assert run.error is None
    assert run.tallies["subscriptions"].accepted == 1
    assert _states(sandbox, people[:1]) == ["UNSUBSCRIBED"]
    assert sandbox.consents.stats["profiles_in_two_open_requests"] == 0


@pytest.mark.parametrize("fault", [Status, Reset])
def test_an_opt_out_waits_also_for_a_subscription_whose_answer_was_lost(
    sandbox: Sandbox, write: Load, people: list[Profile], fault: Callable[..., AnyFault]
) -> None:
    """Klaviyo has taken it and works it in ten minutes: until then no opt-out is sent, and no STATE leaves."""
    sandbox.deferred_work.delay = 600
    sandbox.faults.add(fault(operation="bulk_subscribe_profiles", worked=True, times=None))
    assert write(_imported(each, LEFT) for each in people).states == []
    sandbox.faults.clear()
    run = write(_email(each, consent="UNSUBSCRIBED") for each in people[:2])
    assert isinstance(run.error, RunFailed)
    assert run.states == []
    assert sandbox.requests["bulk_unsubscribe_profiles 202"] == 0
    sandbox.settle()
    assert write(_email(each, consent="UNSUBSCRIBED") for each in people[:2]).error is None
    assert _states(sandbox, people[:3]) == ["UNSUBSCRIBED", "UNSUBSCRIBED", "SUBSCRIBED"]


@pytest.mark.parametrize("how", ["in one run", "in the next run"])
@pytest.mark.parametrize("list_id", [None, "LIST01", "LIST03"])
def test_an_opt_out_of_a_list_follows_a_subscription_to_any_other_or_to_none(
    sandbox: Sandbox, write: Load, people: list[Profile], list_id: str | None, how: str
) -> None:
    """It would lift the opt-out of that list, too, if it were worked after it."""
    sandbox.store.put(Group(id="LIST03", kind=GroupKind.LIST, name="Offers", created=0, updated=0))
    sandbox.store.add_members(Membership("LIST01", each.id, 0) for each in people[:3])
    given = [_imported(each, LEFT, list_id=list_id) for each in people]
    out = [_email(each, consent="UNSUBSCRIBED", list_id="LIST01") for each in people[:3]]
    runs = [write([*given, *out])] if how == "in one run" else [write(given), write(out)]
    assert [run.error for run in runs] == [None] * len(runs)
    assert runs[-1].states == [{"at": "end"}]
    assert sum(run.tallies["subscriptions"].accepted for run in runs) == 13
    assert sandbox.consents.stats["profiles_in_two_open_requests"] == 0
    sandbox.settle()
    suppressed = {each.id: {one.list_id for one in sandbox.store.suppressions([each.id])} for each in people}
    assert suppressed == {each.id: {"LIST01"} if each in people[:3] else set() for each in people}


def test_an_opt_out_is_not_sent_while_klaviyo_shows_no_end_of_the_subscription_before_it(
    sandbox: Sandbox, write: Load, people: list[Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for a confirmation, which may come or not. The STATE stays behind it, and in an hour it is sent."""
    assert write([_email(people[0])]).error is None
    run = write([_email(people[0], consent="UNSUBSCRIBED")])
    assert isinstance(run.error, RunFailed)
    assert run.states == []
    assert "may not have worked their subscription" in str(run.error)
    monkeypatch.setattr(subscriptions, "_UNSEEN", timedelta())
    assert write([_email(people[0], consent="UNSUBSCRIBED")]).error is None
    assert _states(sandbox, people[:1]) == ["UNSUBSCRIBED"]


@pytest.mark.parametrize(
    "held", [{}, {"subscriptions": None}, {"subscriptions": {}}, {"subscriptions": {"sms": None}}]
)
def test_nobody_is_subscribed_of_whom_it_is_not_told_whether_they_opted_out(
    write: Load, people: list[Profile], monkeypatch: pytest.MonkeyPatch, held: Json, sandbox: Sandbox
) -> None:
    """JSON:API says of a sparse fieldset that nothing else need come; and answers change."""
    lift = jsonapi.lift
    monkeypatch.setattr(
        jsonapi,
        "lift",
        lambda *given: {name: value for name, value in lift(*given).items() if name != "subscriptions"} | held,
    )
    run = write([_imported(people[0], LEFT)])
    assert isinstance(run.error, RunFailed)
    assert "did not tell whether they opted out of email" in str(run.error)
    assert sandbox.requests["bulk_subscribe_profiles 202"] == 0


@pytest.mark.parametrize(
    "fault",
    [
        Status(operation="bulk_subscribe_profiles", worked=True),
        Reset(operation="get_profiles"),
        Throttle(operation="get_profiles", retry_after=2, times=3),
        Throttle(operation="bulk_unsubscribe_profiles", times=3),
        Status(operation="get_profiles_for_list", times=2),
    ],
)
def test_no_fault_lifts_an_opt_out(sandbox: Sandbox, write: Load, people: list[Profile], fault: AnyFault) -> None:
    sandbox.store.unsubscribe([people[0].id], LEFT)
    sandbox.store.add_members([Membership("LIST01", people[2].id, 0)])
    sandbox.faults.add(fault)
    run = write(
        [
            _imported(people[0], LEFT - timedelta(days=1)),
            _imported(people[1], LEFT),
            _email(people[2], consent="UNSUBSCRIBED", list_id="LIST01"),
            _email(people[3], consent="UNSUBSCRIBED", list_id="LIST01"),
        ]
    )
    assert run.error is None
    assert _states(sandbox, people[:4]) == ["UNSUBSCRIBED", "SUBSCRIBED", "NEVER_SUBSCRIBED", "NEVER_SUBSCRIBED"]
    assert sandbox.consents.stats["opt_outs_lifted"] == 0


def test_when_klaviyo_cannot_be_asked_nobody_is_subscribed(sandbox: Sandbox, write: Load) -> None:
    sandbox.faults.add(Status(operation="get_profiles", times=None))
    run = write([IMPORTED])
    assert run.error is not None
    assert sandbox.requests["bulk_subscribe_profiles 202"] == 0


@given(lengths=st.lists(st.integers(6, 100), max_size=150), letter=st.sampled_from("aé@"))
def test_a_look_up_fits_a_page_and_a_url(lengths: list[int], letter: str) -> None:
    values = [letter * length for length in lengths]
    parts = list(lookups(values))
    assert [value for part in parts for value in part] == values
    for part in parts:
        assert len(part) <= 100
        assert len(quote(Operator.ANY("email", part))) < 7_100


@pytest.mark.parametrize("fault", [Status, Reset])
def test_an_opt_out_of_a_list_leaves_once_since_the_second_would_be_from_everything(
    sandbox: Sandbox, write: Load, people: list[Profile], fault: Callable[..., AnyFault]
) -> None:
    sandbox.store.add_members(Membership("LIST01", each.id, 0) for each in people[:3])
    records = [_email(each, consent="UNSUBSCRIBED", list_id="LIST01") for each in people[:3]]
    sandbox.faults.add(fault(operation="bulk_unsubscribe_profiles", worked=True))
    run = write(records)
    assert isinstance(run.error, RunFailed)
    assert run.states == []
    assert run.tallies["subscriptions"].unsettled.total() == 3

    run = write(records)  # Klaviyo still shows them on the list
    assert isinstance(run.error, RunFailed)
    assert "start again in an hour" in str(run.error)

    assert "UNSUBSCRIBED" not in _states(sandbox, people[:3])
    run = write(records)
    assert run.error is None
    assert run.tallies["subscriptions"].unchanged == 3
    assert sandbox.consents.stats["unsubscribed_everywhere_by_a_list"] == 0
    assert "UNSUBSCRIBED" not in _states(sandbox, people[:3])
