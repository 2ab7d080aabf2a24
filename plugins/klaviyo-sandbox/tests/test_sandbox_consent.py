"""Subscribing and unsubscribing: what is refused, what a consent lifts, and whom a list's opt-out reaches."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

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

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

ROWS = "/data/attributes/profiles/data"
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
Json = dict[str, Any]


def subscriber(*channels: str, since: str | None = None, profile_id: str | None = None, **who: object) -> Json:
    consent = {"consent": "SUBSCRIBED"} | ({"consented_at": since} if since else {})
    row: Json = {"type": "profile", "attributes": {**who, "subscriptions": {}}}
    row["attributes"]["subscriptions"] = {each: {"marketing": consent} for each in channels}
    if profile_id:
        row["id"] = profile_id
    return row


def unsubscriber(*channels: str, **who: object) -> Json:
    given = {each: {"marketing": {"consent": "UNSUBSCRIBED"}} for each in channels}
    return {"type": "profile", "attributes": {**who, "subscriptions": given}}


def send(
    api: requests.Session, way: str, rows: list[Json], list_id: str | None = None, **more: object
) -> requests.Response:
    kind = f"profile-subscription-bulk-{way}-job"
    data: Json = {"type": kind, "attributes": {"profiles": {"data": rows}, **more}}
    if list_id:
        data["relationships"] = {"list": {"data": {"type": "list", "id": list_id}}}
    return api.post(f"/api/{kind}s", json={"data": data})


def subscribe(
    sandbox: Sandbox, api: requests.Session, *rows: Json, list_id: str | None = None, **more: object
) -> None:
    response = send(api, "create", list(rows), list_id, **more)
    assert (response.status_code, response.content) == (202, b""), response.text
    sandbox.settle()


def unsubscribe(sandbox: Sandbox, api: requests.Session, *rows: Json, list_id: str | None = None) -> None:
    response = send(api, "delete", list(rows), list_id)
    assert (response.status_code, response.content) == (202, b""), response.text
    sandbox.settle()


def held(sandbox: Sandbox, email: str) -> Profile:
    profile = sandbox.store.profile_by("email", email)
    assert profile
    return profile


def shown(api: requests.Session, profile: Profile) -> Json:
    query = {"additional-fields[profile]": "subscriptions"}
    attributes = api.get(f"/api/profiles/{profile.id}", params=query).json()["data"]["attributes"]
    return dict(attributes["subscriptions"])


@pytest.fixture
def single(sandbox: Sandbox) -> str:
    group = Group(id="SINGLE", kind=GroupKind.LIST, name="Single", created=1, updated=1)
    sandbox.store.put(group)
    return group.id


@pytest.fixture
def double(sandbox: Sandbox) -> str:
    group = Group(
        id="DOUBLE", kind=GroupKind.LIST, name="Double", created=1, updated=1, opt_in_process="double_opt_in"
    )
    sandbox.store.put(group)
    return group.id


@pytest.fixture
def anna(sandbox: Sandbox) -> Profile:
    sandbox.store.add_profiles([Profile(id="ANNA", email="anna@shop.example", created=1, updated=1)])
    return held(sandbox, "anna@shop.example")


# subscribing


def test_with_a_list_of_single_opt_in_somebody_is_subscribed_after_a_while(
    sandbox: Sandbox, api: requests.Session, single: str
) -> None:
    rows = [subscriber("email", email="ada@shop.example")]
    assert send(api, "create", rows, single, custom_source="till").status_code == 202
    assert sandbox.store.profile_by("email", "ada@shop.example") is None
    sandbox.clock.advance(0.5)
    api.get("/api/lists")
    ada = held(sandbox, "ada@shop.example")
    marketing = shown(api, ada)["email"]["marketing"]
    assert marketing | {"last_updated": None} == {
        "can_receive_email_marketing": True,
        "consent": "SUBSCRIBED",
        "consent_timestamp": sandbox.clock.now().isoformat(timespec="microseconds"),
        "last_updated": None,
        "method": "API",
        "method_detail": None,
        "custom_method_detail": "till",
        "double_optin": False,
        "suppression": [],
        "list_suppressions": [],
    }
    assert [each.id for each in sandbox.store.groups_of(ada.id, GroupKind.LIST)] == [single]
    assert sandbox.rows == {"bulk_subscribe_profiles": 1}


@pytest.mark.parametrize("of_list", [True, False], ids=["the list's", "the account's"])
def test_double_opt_in_waits_for_the_person(
    sandbox: Sandbox,
    api: requests.Session,
    double: str,
    of_list: bool,  # noqa: FBT001
) -> None:
    subscribe(sandbox, api, subscriber("email", email="Ada@shop.example"), list_id=double if of_list else None)
    assert sandbox.store.profile_by("email", "ada@shop.example") is None
    assert sandbox.confirm("ada@shop.example") == 1
    ada = held(sandbox, "ada@shop.example")
    assert shown(api, ada)["email"]["marketing"]["double_optin"] is True
    assert bool(sandbox.store.groups_of(ada.id, GroupKind.LIST)) is of_list
    assert sandbox.confirm("ada@shop.example") == 0


def test_an_import_of_history_needs_no_confirmation_and_keeps_the_date(
    sandbox: Sandbox, api: requests.Session, double: str
) -> None:
    row = subscriber("email", since="2025-01-01T01:00:00+01:00", email="ada@shop.example")
    subscribe(sandbox, api, row, list_id=double, historical_import=True)
    marketing = shown(api, held(sandbox, "ada@shop.example"))["email"]["marketing"]
    assert (marketing["consent"], marketing["consent_timestamp"]) == (
        "SUBSCRIBED",
        "2025-01-01T00:00:00.000000+00:00",
    )
    assert marketing["last_updated"] == sandbox.clock.now().isoformat(timespec="microseconds")


@pytest.mark.parametrize("since", [None, "2025-01-01T00:00:00Z"], ids=["new", "of long ago"])
def test_a_consent_lifts_opt_outs_however_old_it_is(
    sandbox: Sandbox, api: requests.Session, single: str, anna: Profile, since: str | None
) -> None:
    now = sandbox.clock.now()
    sandbox.store.suppress(Suppression(anna.id, each, now) for each in SuppressionReason)
    sandbox.store.suppress([Suppression(anna.id, SuppressionReason.UNSUBSCRIBE, now, single)])
    sandbox.store.unsubscribe([anna.id], now)
    row = subscriber("email", since=since, email="ANNA@shop.example")
    subscribe(sandbox, api, row, list_id=single, historical_import=since is not None)
    marketing = shown(api, anna)["email"]["marketing"]
    assert {each["reason"] for each in marketing["suppression"]} == {"HARD_BOUNCE", "INVALID_EMAIL"}
    assert (marketing["list_suppressions"], marketing["consent"]) == ([], "SUBSCRIBED")
    assert +sandbox.consents.stats == {"opt_outs_lifted": 1}


def test_each_channel_is_lifted_by_itself(sandbox: Sandbox, api: requests.Session, single: str) -> None:
    out = Consent(ConsentState.UNSUBSCRIBED, LONG_AGO)
    ada = Profile(
        id="ADA", phone_number="+4512345678", created=1, updated=1, sms_marketing=out, email_marketing=out
    )
    sandbox.store.add_profiles([ada])
    rows = [subscriber("sms", "whatsapp", phone_number="+4512345678"), subscriber("push", profile_id="ADA")]
    subscribe(sandbox, api, *rows, list_id=single)
    found = shown(api, ada)
    states = [found[each]["marketing"]["consent"] for each in ("email", "sms", "whatsapp", "mobile_push")]
    assert states == ["UNSUBSCRIBED", "SUBSCRIBED", "SUBSCRIBED", "SUBSCRIBED"]
    assert sandbox.consents.stats["opt_outs_lifted"] == 1
    unsubscribe(sandbox, api, unsubscriber("sms", "whatsapp", phone_number="+4512345678"))
    states = [shown(api, ada)[each]["marketing"]["consent"] for each in ("sms", "whatsapp", "mobile_push")]
    assert states == ["UNSUBSCRIBED", "UNSUBSCRIBED", "SUBSCRIBED"]


def test_an_address_whose_channel_is_left_out_is_set_all_the_same(
    sandbox: Sandbox, api: requests.Session, single: str, anna: Profile
) -> None:
    row = subscriber("email", email="anna@shop.example", phone_number="+4512345678")
    subscribe(sandbox, api, row, list_id=single)
    after = sandbox.store.profile(anna.id)
    assert after
    assert (after.phone_number, after.sms_marketing.state) == ("+4512345678", "NEVER_SUBSCRIBED")


def test_carelessness_is_counted(sandbox: Sandbox, api: requests.Session, single: str) -> None:
    row = subscriber("email", email="ada@shop.example")
    send(api, "create", [row, subscriber("email", email="ADA@shop.example")], single)
    send(api, "delete", [unsubscriber("email", email="ada@shop.example")])
    sandbox.settle()
    assert +sandbox.consents.stats == {"profiles_repeated_in_a_request": 1, "profiles_in_two_open_requests": 1}
    sandbox.clock.advance(29 * 60)
    subscribe(sandbox, api, row, list_id=single)
    assert sandbox.consents.stats["subscribed_again_within_30_minutes"] == 1
    sandbox.clock.advance(30 * 60)
    subscribe(sandbox, api, row, list_id=single)
    assert sandbox.consents.stats["subscribed_again_within_30_minutes"] == 1


# unsubscribing


def test_a_member_leaves_the_list_and_nothing_else(
    sandbox: Sandbox, api: requests.Session, single: str, anna: Profile
) -> None:
    sandbox.store.add_members([Membership(single, anna.id, 1)])
    unsubscribe(sandbox, api, unsubscriber("email", email="anna@shop.example"), list_id=single)
    marketing = shown(api, anna)["email"]["marketing"]
    assert (marketing["consent"], marketing["suppression"]) == ("NEVER_SUBSCRIBED", [])
    assert [(each["list_id"], each["reason"]) for each in marketing["list_suppressions"]] == [
        (single, "UNSUBSCRIBE")
    ]
    assert sandbox.store.groups_of(anna.id, GroupKind.LIST) == []
    assert not +sandbox.consents.stats


def test_who_is_not_in_the_list_is_unsubscribed_from_everything(
    sandbox: Sandbox, api: requests.Session, single: str, anna: Profile
) -> None:
    unsubscribe(sandbox, api, unsubscriber("email", email="anna@shop.example"), list_id=single)
    marketing = shown(api, anna)["email"]["marketing"]
    assert (marketing["consent"], marketing["can_receive_email_marketing"]) == ("UNSUBSCRIBED", False)
    assert [each["reason"] for each in marketing["suppression"]] == ["UNSUBSCRIBE"]
    assert +sandbox.consents.stats == {"unsubscribed_everywhere_by_a_list": 1}


def test_somebody_unknown_becomes_a_profile_that_is_unsubscribed(sandbox: Sandbox, api: requests.Session) -> None:
    unsubscribe(sandbox, api, unsubscriber("email", email="new@shop.example"))
    assert held(sandbox, "new@shop.example").email_marketing.state == "UNSUBSCRIBED"


# refused


@pytest.mark.parametrize(
    ("row", "imported", "place"),
    [
        ({"type": "profile", "attributes": {"email": "a@b.co"}}, False, "attributes/subscriptions"),
        (subscriber(email="a@b.co"), False, "attributes/subscriptions"),
        (subscriber("email", email="bad"), False, "attributes/email"),
        (subscriber("sms", email="a@b.co"), False, "attributes/phone_number"),
        (subscriber("push", email="a@b.co"), False, "attributes/id"),
        (subscriber("email"), False, "attributes"),
        (subscriber("email", email="a@b.co", properties={}), False, "attributes/properties"),
        (unsubscriber("email", email="a@b.co"), False, "attributes/subscriptions/email/marketing/consent"),
        (
            subscriber("email", email="a@b.co", since="2025-01-01T00:00:00Z"),
            False,
            "attributes/subscriptions/email/marketing/consented_at",
        ),
        (
            subscriber("email", email="a@b.co"),
            True,
            "attributes/subscriptions/email/marketing/consented_at",
        ),
        (
            subscriber("email", email="a@b.co", since="2026-11-02T09:30:00Z"),
            True,
            "attributes/subscriptions/email/marketing/consented_at",
        ),
        (
            subscriber("email", email="a@b.co", since="2025-01-01T00:00:00"),
            True,
            "attributes/subscriptions/email/marketing/consented_at",
        ),
        (
            subscriber("email", email="a@b.co", age_gated_date_of_birth="1.1.2000"),
            False,
            "attributes/age_gated_date_of_birth",
        ),
    ],
)
@pytest.mark.usefixtures("single")
def test_one_bad_row_refuses_all_and_is_named(
    sandbox: Sandbox,
    api: requests.Session,
    row: Json,
    imported: bool,  # noqa: FBT001
    place: str,
) -> None:
    good = subscriber("email", email="good@b.co", since="2025-01-01T00:00:00Z" if imported else None)
    response = send(api, "create", [good, row], "SINGLE", historical_import=imported)
    assert response.status_code == 400
    assert [each["source"]["pointer"] for each in response.json()["errors"]] == [f"{ROWS}/1/{place}"]
    sandbox.settle()
    assert sandbox.store.profile_by("email", "good@b.co") is None


@pytest.mark.parametrize(("way", "most"), [("create", 1_000), ("delete", 100)])
def test_a_request_has_a_number_of_rows(api: requests.Session, single: str, way: str, most: int) -> None:
    make = subscriber if way == "create" else unsubscriber
    rows = [make("email", email=f"p{number}@b.co") for number in range(most + 1)]
    assert [send(api, way, each, single).status_code for each in ([], rows, rows[1:])] == [400, 400, 202]


def test_a_number_of_a_region_without_sending_number_refuses_all_and_is_not_named(
    sandbox: Sandbox, api: requests.Session, single: str
) -> None:
    rows = [subscriber("sms", phone_number="+4512345678"), subscriber("sms", phone_number="+81312345678")]
    response = send(api, "create", rows, single)
    assert [each["source"]["pointer"] for each in response.json()["errors"]] == [ROWS]
    sandbox.consents.sms_regions += ("+81",)
    assert send(api, "create", rows, single).status_code == 202


@pytest.mark.parametrize("way", ["create", "delete"])
def test_an_unknown_list_refuses_all(api: requests.Session, way: str) -> None:
    make = subscriber if way == "create" else unsubscriber
    assert send(api, way, [make("email", email="a@b.co")], "NOPE01").status_code == 404
