"""Single writes of profiles, consent, and how properties come back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

from klaviyo_sandbox.model.records import GroupKind, Profile, Suppression, SuppressionReason

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

ANNA = Profile(
    id="ANNA",
    email="anna@shop.example",
    external_id="crm-a",
    first_name="Anna",
    created=1_700_000_000,
    updated=1_700_000_000,
    location={"city": "Oslo", "zip": "0150"},
    properties={"plan": "pro", "tags": ["x", "y", "z"]},
)


@pytest.fixture
def anna(sandbox: Sandbox) -> None:
    sandbox.store.add_profiles([ANNA])


def patch(api: requests.Session, meta: dict[str, Any] | None = None, **attributes: object) -> requests.Response:
    data: dict[str, Any] = {"type": "profile", "id": "ANNA", "attributes": attributes}
    if meta:
        data["meta"] = meta
    return api.patch("/api/profiles/ANNA", json={"data": data})


def held(sandbox: Sandbox) -> Profile:
    profile = sandbox.store.profile("ANNA")
    assert profile
    return profile


@pytest.mark.usefixtures("anna")
def test_null_clears_and_absent_leaves(sandbox: Sandbox, api: requests.Session) -> None:
    assert patch(api, first_name=None, location={"city": None}, properties={"plan": None}).ok
    after = held(sandbox)
    assert (after.first_name, after.external_id) == (None, "crm-a")
    assert after.location == {"zip": "0150"}
    assert after.properties == {"tags": ["x", "y", "z"]}
    assert patch(api, properties=None).ok
    assert held(sandbox).properties == {}


@pytest.mark.usefixtures("anna")
def test_a_profile_must_keep_an_identifier(api: requests.Session) -> None:
    assert patch(api, email=None, external_id=None).status_code == 400


@pytest.mark.usefixtures("anna")
def test_an_identifier_of_another_is_409(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.store.add_profiles([Profile(id="BERT", email="bert@shop.example", created=1, updated=1)])
    assert patch(api, email="bert@shop.example").status_code == 409
    body = {"data": {"type": "profile", "id": "ANNA", "attributes": {"email": "bert@shop.example"}}}
    assert api.post("/api/profile-import", json=body).status_code == 409
    del body["data"]["id"]
    body["data"]["attributes"]["external_id"] = "crm-a"  # type: ignore[index]
    assert api.post("/api/profile-import", json=body).status_code == 409


@pytest.mark.usefixtures("anna")
def test_import_makes_or_changes_and_says_which(sandbox: Sandbox, api: requests.Session) -> None:
    def upsert(**data: object) -> requests.Response:
        return api.post("/api/profile-import", json={"data": {"type": "profile", **data}})

    assert upsert(attributes={"email": "new@shop.example"}).status_code == 201
    changed = upsert(attributes={"email": "ANNA@shop.example", "first_name": None})
    assert (changed.status_code, changed.json()["data"]["id"]) == (200, "ANNA")
    assert held(sandbox).first_name is None
    assert upsert(id="NOBODY", attributes={"title": "x"}).status_code == 404
    assert upsert(attributes={"title": "x"}).status_code == 400


@pytest.mark.usefixtures("anna")
def test_the_answer_to_a_write_has_microseconds_and_a_read_has_not(
    sandbox: Sandbox, api: requests.Session
) -> None:
    sandbox.clock.freeze(datetime(2026, 11, 2, 10, 0, 0, 123456, UTC))
    written = patch(api, title="Dr").json()["data"]["attributes"]
    assert written["updated"] == "2026-11-02T10:00:00.123456+00:00"
    assert written["created"] == "2023-11-14T22:13:20+00:00"
    read = api.get("/api/profiles/ANNA").json()["data"]["attributes"]
    assert read["updated"] == "2026-11-02T10:00:00+00:00"


@pytest.mark.usefixtures("anna")
def test_a_write_without_news_leaves_updated(sandbox: Sandbox, api: requests.Session) -> None:
    patch(api, first_name="Anna", properties={"plan": "pro"})
    assert held(sandbox).updated == ANNA.updated
    patch(api, {"patch_properties": {"unset": "plan"}})
    assert held(sandbox).updated == sandbox.clock.seconds()


@pytest.mark.usefixtures("anna")
def test_properties_do_not_come_back_as_they_were_sent(api: requests.Session) -> None:
    properties = api.get("/api/profiles/ANNA").json()["data"]["attributes"]["properties"]
    assert properties == {"plan": "pro", "tags": ["z", "y", "x"], "company_id": "AbC123"}
    body = {"data": {"type": "profile", "attributes": {"email": "new@shop.example", "properties": {"a": 1}}}}
    created = api.post("/api/profiles", json=body).json()["data"]
    assert created["attributes"]["properties"] == {"a": 1}
    read = api.get(f"/api/profiles/{created['id']}").json()["data"]
    assert read["attributes"]["properties"] == {"a": 1, "company_id": "AbC123"}


@pytest.mark.usefixtures("anna")
def test_unset_attributes_are_null_in_depth(api: requests.Session) -> None:
    attributes = api.get("/api/profiles/ANNA").json()["data"]["attributes"]
    assert attributes["phone_number"] is None
    assert attributes["location"]["city"] == "Oslo"
    assert attributes["location"]["latitude"] is None


@pytest.mark.usefixtures("anna")
def test_a_dotted_field_is_a_part_of_an_object(api: requests.Session) -> None:
    attributes = api.get("/api/profiles/ANNA?fields[profile]=email,location.city").json()["data"]["attributes"]
    assert attributes == {"email": "anna@shop.example", "location": {"city": "Oslo"}}


@pytest.mark.usefixtures("anna")
def test_additional_fields_come_beside_a_sparse_fieldset(api: requests.Session) -> None:
    query = {"fields[profile]": "email", "additional-fields[profile]": "subscriptions,predictive_analytics"}
    attributes = api.get("/api/profiles/ANNA", params=query).json()["data"]["attributes"]
    assert set(attributes) == {"email", "subscriptions", "predictive_analytics"}
    assert "subscriptions" not in api.get("/api/profiles/ANNA").json()["data"]["attributes"]


def test_lists_and_segments_are_included_on_demand(sandbox: Sandbox, api: requests.Session) -> None:
    group = sandbox.store.group_named("Newsletter", GroupKind.LIST)
    assert group
    member = sandbox.store.members_of(group.id)[0]
    document = api.get(f"/api/profiles/{member.id}?include=lists,segments").json()
    named = [each["id"] for each in document["data"]["relationships"]["lists"]["data"]]
    assert named == [group.id]
    segments = document["data"]["relationships"]["segments"]["data"]
    assert [each["id"] for each in document["included"]] == named + [each["id"] for each in segments]


# consent


def marketing(api: requests.Session) -> dict[str, Any]:
    query = {"additional-fields[profile]": "subscriptions"}
    attributes = api.get("/api/profiles/ANNA", params=query).json()["data"]["attributes"]
    return dict(attributes["subscriptions"]["email"]["marketing"])


@pytest.mark.usefixtures("anna")
def test_never_subscribed_may_still_be_mailed(api: requests.Session) -> None:
    found = marketing(api)
    assert (found["consent"], found["can_receive_email_marketing"]) == ("NEVER_SUBSCRIBED", True)


@pytest.mark.usefixtures("anna")
def test_unsubscribing_suppresses_and_moves_updated(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.store.unsubscribe(["ANNA"], sandbox.clock.now())
    found = marketing(api)
    assert (found["consent"], found["can_receive_email_marketing"]) == ("UNSUBSCRIBED", False)
    assert [each["reason"] for each in found["suppression"]] == ["UNSUBSCRIBE"]
    assert held(sandbox).updated == sandbox.clock.seconds()


def test_suppressed_profiles_are_found_and_sorted(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.store.add_profiles(Profile(id=each, created=1, updated=1) for each in ("P1", "P2", "P3"))
    days = {"P1": 3, "P2": 1, "P3": 2}
    sandbox.store.suppress(
        Suppression(each, SuppressionReason.SPAM_COMPLAINT, datetime(1999, 1, day, tzinfo=UTC), list_id)
        for each, day in days.items()
        for list_id in (None, "VIP")
    )
    root = "subscriptions.email.marketing"

    def found(kind: str, conditions: str) -> list[str]:
        query = {"filter": conditions.format(f"{root}.{kind}"), "sort": f"{root}.{kind}.timestamp"}
        return [each["id"] for each in api.get("/api/profiles", params=query).json()["data"]]

    early = "less-than({0}.timestamp,1999-02-01T00:00:00Z)"
    assert found("suppression", early) == ["P2", "P3", "P1"]
    assert found("suppression", "equals({0}.reason,'UNSUBSCRIBE')," + early) == []
    assert found("list_suppressions", "equals({0}.list_id,'VIP')," + early) == ["P2", "P3", "P1"]
    assert found("list_suppressions", "equals({0}.list_id,'OTHER')," + early) == []


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"additional-fields[profile]": "subscriptions,predictive_analytics"},
        {"fields[profile]": "email,location.city,properties,updated"},
        {"fields[profile]": "id", "additional-fields[profile]": "subscriptions"},
    ],
)
def test_a_page_and_a_single_profile_agree(api: requests.Session, query: dict[str, str]) -> None:
    listed = api.get("/api/profiles", params={**query, "page[size]": "100"}).json()["data"]
    assert len(listed) == 60
    assert listed == [api.get(f"/api/profiles/{each['id']}", params=query).json()["data"] for each in listed]


@pytest.mark.usefixtures("anna")
def test_a_page_shows_what_was_written_since(sandbox: Sandbox, api: requests.Session) -> None:
    patch(api, first_name='An"na', location={"city": "Bergen", "zip": None}, properties={"tags": ["é", None]})
    sandbox.store.touch_profiles(["ANNA"], 1_800_000_000)
    (listed,) = api.get("/api/profiles", params={"filter": 'equals(id,"ANNA")'}).json()["data"]
    assert listed == api.get("/api/profiles/ANNA").json()["data"]
    attributes = listed["attributes"]
    assert (attributes["first_name"], attributes["location"]["city"]) == ('An"na', "Bergen")
    assert (attributes["location"]["zip"], attributes["properties"]["tags"]) == (None, [None, "é"])
    assert attributes["updated"] == "2027-01-15T08:00:00+00:00"
