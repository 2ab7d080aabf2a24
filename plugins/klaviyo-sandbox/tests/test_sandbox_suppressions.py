"""Suppressing, lifting suppressions, and deleting people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from klaviyo_sandbox.http.faults import SuppressionOutcome
from klaviyo_sandbox.model.records import (
    Event,
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
VERBS = {"create": "suppress", "delete": "unsuppress"}
DELETIONS = "/api/data-privacy-deletion-jobs"
Json = dict[str, Any]


@pytest.fixture(autouse=True)
def people(sandbox: Sandbox) -> None:
    sandbox.store.add_profiles(
        Profile(id=f"P{number}", email=f"p{number}@shop.example", created=1, updated=1) for number in range(4)
    )


def submit(
    api: requests.Session, way: str, *emails: str, list_id: str | None = None, segment_id: str | None = None
) -> requests.Response:
    kind = f"profile-suppression-bulk-{way}-job"
    rows = [{"type": "profile", "attributes": {"email": each}} for each in emails]
    data: Json = {"type": kind, "attributes": {"profiles": {"data": rows}} if emails else {}, "relationships": {}}
    for name, group in (("list", list_id), ("segment", segment_id)):
        if group:
            data["relationships"][name] = {"data": {"type": name, "id": group}}
    return api.post(f"/api/{kind}s", json={"data": data})


def job(api: requests.Session, way: str, response: requests.Response) -> Json:
    assert response.status_code == 202, response.text
    path = f"/api/profile-suppression-bulk-{way}-jobs/{response.json()['data']['id']}"
    return dict(api.get(path).json()["data"]["attributes"])


def suppressed(sandbox: Sandbox) -> set[str]:
    held = sandbox.store.suppressions([f"P{number}" for number in range(4)])
    return {each.profile_id for each in held if each.reason is SuppressionReason.USER_SUPPRESSED}


# jobs


@pytest.mark.parametrize("way", ["create", "delete"])
def test_a_job_looks_finished_before_it_is(sandbox: Sandbox, api: requests.Session, way: str) -> None:
    accepted = submit(api, way, "p0@shop.example", "p1@shop.example", "nobody@shop.example")
    now = sandbox.clock.now().isoformat(timespec="microseconds")
    begun = {"status": "processing", "created_at": now, "completed_at": now}
    nothing = {"total_count": 0, "completed_count": 0, "skipped_count": 0}
    assert job(api, way, accepted) == {**begun, **nothing}
    sandbox.store.suppress([Suppression("P0", SuppressionReason.USER_SUPPRESSED, sandbox.clock.now())])
    sandbox.clock.advance(0.5)
    done = job(api, way, accepted)
    assert (done["status"], done["total_count"]) == ("complete", 3)
    assert (done["completed_count"], done["skipped_count"]) == (1, 2)
    assert suppressed(sandbox) == ({"P0", "P1"} if way == "create" else set())


@pytest.mark.parametrize("kind", list(GroupKind))
def test_a_job_is_for_all_who_are_in_a_group(sandbox: Sandbox, api: requests.Session, kind: GroupKind) -> None:
    sandbox.store.put(Group(id="GROUP1", kind=kind, name="g", created=1, updated=1))
    sandbox.store.add_members(Membership("GROUP1", each, 1) for each in ("P1", "P2"))
    accepted = submit(api, "create", **{f"{kind.value}_id": "GROUP1"})
    sandbox.settle()
    assert suppressed(sandbox) == {"P1", "P2"}
    assert job(api, "create", accepted)["total_count"] == 2
    query = {"filter": f"equals({kind.value}_id,'GROUP1')"}
    (listed,) = api.get("/api/profile-suppression-bulk-create-jobs", params=query).json()["data"]
    assert listed["relationships"][f"{kind.value}s"]["data"] == [{"type": kind.value, "id": "GROUP1"}]


def test_only_what_a_user_suppressed_is_lifted(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.store.suppress(Suppression("P0", each, sandbox.clock.now()) for each in SuppressionReason)
    submit(api, "delete", "P0@shop.example")
    sandbox.settle()
    left = {each.reason for each in sandbox.store.suppressions(["P0"])}
    assert left == set(SuppressionReason) - {SuppressionReason.USER_SUPPRESSED}


@pytest.mark.parametrize("way", ["create", "delete"])
def test_what_is_refused(sandbox: Sandbox, api: requests.Session, way: str) -> None:
    newsletter = sandbox.store.group_named("Newsletter", GroupKind.LIST)
    assert newsletter
    hundred = [f"p{number}@b.co" for number in range(101)]
    assert submit(api, way).status_code == 400
    assert submit(api, way, "a@b.co", list_id=newsletter.id).status_code == 400
    assert submit(api, way, *hundred).status_code == 400
    assert submit(api, way, *hundred[1:]).status_code == 202
    assert submit(api, way, list_id="NOPE01").status_code == 404
    assert submit(api, way, segment_id=newsletter.id).status_code == 404
    bad = submit(api, way, "a@b.co", "bad")
    assert [each["source"]["pointer"] for each in bad.json()["errors"]] == [f"{ROWS}/1/attributes/email"]


def test_a_job_is_found_among_its_own_kind_only(api: requests.Session) -> None:
    made = submit(api, "create", "p0@shop.example").json()["data"]["id"]
    missing = api.get(f"/api/profile-suppression-bulk-delete-jobs/{made}")
    assert missing.status_code == 404
    assert api.get("/api/profile-suppression-bulk-delete-jobs").json()["data"] == []
    assert api.get("/api/profile-suppression-bulk-create-jobs/NOPE01").json()["errors"][0]["detail"] == (
        "A bulk profile suppression job with the id 'NOPE01' does not exist."
    )


def test_jobs_get_stuck_and_are_cancelled(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.faults.add(SuppressionOutcome(outcome="stuck"), SuppressionOutcome(outcome="cancelled", nth=2))
    emails = [f"p{number}@shop.example" for number in range(4)]
    jobs = [submit(api, "create", *emails), submit(api, "create", *emails)]
    sandbox.clock.advance(86_400)
    assert [job(api, "create", each)["status"] for each in jobs] == ["processing", "cancelled"]
    assert len(suppressed(sandbox)) == 2


# deletion


def delete(api: requests.Session, profile_id: str | None = None, **attributes: object) -> requests.Response:
    profile: Json = {"type": "profile", "attributes": attributes}
    if profile_id is not None:
        profile["id"] = profile_id
    data = {"type": "data-privacy-deletion-job", "attributes": {"profile": {"data": profile}}}
    return api.post(DELETIONS, json={"data": data})


@pytest.mark.parametrize(
    "who", [{"email": "ADA@shop.example"}, {"phone_number": "+4512345678"}, {"profile_id": "ADA"}]
)
def test_a_person_is_gone_after_a_while_and_the_events_stay_redacted(
    sandbox: Sandbox, api: requests.Session, who: dict[str, str]
) -> None:
    ada = Profile(id="ADA", email="ada@shop.example", phone_number="+4512345678", created=1, updated=1)
    newsletter = sandbox.store.group_named("Newsletter", GroupKind.LIST)
    assert newsletter
    sandbox.store.add_profiles([ada])
    sandbox.store.add_members([Membership(newsletter.id, "ADA", 1)])
    sandbox.store.suppress([Suppression("ADA", SuppressionReason.UNSUBSCRIBE, sandbox.clock.now())])
    told = {"Recipient Email Address": "Ada@shop.example", "text": "call +4512345678", "n": 2**62}
    events = [
        Event(id=f"7AAAAAAAAA{n}", uuid="u", timestamp=10 + n, metric_id=None, profile_id="ADA", properties=told)
        for n in range(2)
    ]
    sandbox.store.add_events(events[:1])
    sandbox.store.add_events(events[1:], visible_at=2**60)

    response = delete(api, **who)
    assert (response.status_code, response.content) == (202, b"")
    assert api.get("/api/profiles/ADA").status_code == 200
    assert delete(api, **who).status_code == 202
    sandbox.clock.advance(0.5)
    assert api.get("/api/profiles/ADA").status_code == 404
    sandbox.store.release_events()
    for each in events:
        found = api.get(f"/api/events/{each.id}").json()["data"]
        properties = found["attributes"]["event_properties"]
        assert found["relationships"]["profile"]["data"] is None
        assert properties["Recipient Email Address"].startswith("redacted.")
        assert properties["Recipient Email Address"].endswith("@example.com")
        assert ("12345678" in properties["text"], properties["n"]) == (False, 2**62)
    assert "ADA" not in {each.id for each in sandbox.store.members_of(newsletter.id)}
    assert sandbox.store.suppressions(["ADA"]) == []
    again = delete(api, **who)
    assert (again.status_code, again.json()["errors"][0]["code"]) == (404, "not_found")
    assert "The profile may have already been deleted." in again.json()["errors"][0]["detail"]


def test_a_later_write_makes_the_person_anew(sandbox: Sandbox, api: requests.Session) -> None:
    assert delete(api, email="p0@shop.example").status_code == 202
    sandbox.settle()
    body = {"data": {"type": "profile", "attributes": {"email": "p0@shop.example"}}}
    made = api.post("/api/profile-import", json=body)
    assert (made.status_code, made.json()["data"]["id"] == "P0") == (201, False)


@pytest.mark.parametrize(
    "who", [{}, {"email": None}, {"email": "p0@shop.example", "profile_id": "P0"}, {"external_id": "crm-a"}]
)
def test_a_deletion_has_exactly_one_identifier(sandbox: Sandbox, api: requests.Session, who: Json) -> None:
    assert delete(api, **who).status_code == 400
    sandbox.settle()
    assert sandbox.store.profile("P0")


def test_a_deletion_needs_a_scope_of_its_own(sandbox: Sandbox, api: requests.Session) -> None:
    api.headers["Authorization"] = f"Klaviyo-API-Key {sandbox.key(['profiles:write'])}"
    assert delete(api, "P0").status_code == 403
