"""Bulk imports: what is refused at once, what fails row by row, and what is written."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
import requests

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.model.records import GroupKind, Profile
from klaviyo_sandbox.state.import_jobs import Outcome

JOBS = "/api/profile-bulk-import-jobs"
DAY = 86_400


def row(profile_id: str | None = None, meta: dict[str, Any] | None = None, **attributes: object) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "profile", "attributes": attributes}
    if profile_id:
        found["id"] = profile_id
    if meta:
        found["meta"] = meta
    return found


def submit(api: requests.Session, *rows: dict[str, Any], lists: tuple[str, ...] = ()) -> requests.Response:
    data: dict[str, Any] = {
        "type": "profile-bulk-import-job",
        "attributes": {"profiles": {"data": rows}},
    }
    if lists:
        data["relationships"] = {"lists": {"data": [{"type": "list", "id": each} for each in lists]}}
    return api.post(JOBS, json={"data": data})


def imported(
    sandbox: Sandbox, api: requests.Session, *rows: dict[str, Any], lists: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The attributes of the job, after it has run."""
    response = submit(api, *rows, lists=lists)
    assert response.status_code == 202, response.text
    sandbox.clock.advance(10)
    return dict(api.get(f"{JOBS}/{response.json()['data']['id']}").json()["data"]["attributes"])


def by_email(sandbox: Sandbox, email: str) -> Profile:
    profile = sandbox.store.profile_by("email", email)
    assert profile
    return profile


# at once


def test_a_job_goes_from_queued_over_processing_to_complete(sandbox: Sandbox, api: requests.Session) -> None:
    accepted = submit(api, row(email="ada@shop.example")).json()["data"]
    assert accepted["attributes"] == {
        "status": "queued",
        "created_at": "2026-11-02T09:30:00+00:00",
        "total_count": 1,
        "completed_count": 0,
        "failed_count": 0,
        "completed_at": None,
        "expires_at": "2026-11-09T09:30:00+00:00",
        "started_at": None,
    }
    path, seen = f"{JOBS}/{accepted['id']}", []
    for _ in range(3):
        seen.append(api.get(path).json()["data"]["attributes"]["status"])
        sandbox.clock.advance(5)
    assert seen == ["queued", "processing", "complete"]


def test_the_id_is_made_as_recorded(sandbox: Sandbox, api: requests.Session) -> None:
    newsletter = sandbox.store.group_named("Newsletter", GroupKind.LIST)
    assert newsletter
    job_id = submit(api, row(email="a@shop.example"), lists=(newsletter.id,)).json()["data"]["id"]
    account, group, epoch, _ = base64.urlsafe_b64decode(job_id + "==").decode().split(".")
    assert (account.endswith("_maintenance"), group, int(epoch)) == (True, newsletter.id, sandbox.clock.seconds())


def test_one_malformed_row_refuses_the_whole_job_and_every_such_row_is_named(
    sandbox: Sandbox, api: requests.Session
) -> None:
    before = sandbox.store.count("profiles")
    response = submit(
        api,
        row(email="good@shop.example"),
        row(email="bad"),
        row(phone_number="12345"),
        row(first_name="Nobody"),
        row(email="x@shop.example", nonsense=1),
        row(email="huge@shop.example", properties={"diary": "x" * 100_000}),
    )
    assert response.status_code == 400
    at = "/data/attributes/profiles/data"
    assert [each["source"]["pointer"] for each in response.json()["errors"]] == [
        f"{at}/1/attributes/email",
        f"{at}/2/attributes/phone_number",
        f"{at}/3/attributes",
        f"{at}/4/attributes/nonsense",
        f"{at}/5",
    ]
    sandbox.clock.advance(10)
    assert api.get(JOBS).json()["data"] == []
    assert sandbox.store.count("profiles") == before


@pytest.mark.parametrize("count", [0, 10_001])
def test_a_job_has_between_1_and_10000_profiles(api: requests.Session, count: int) -> None:
    assert submit(api, *[row(email="a@b.co")] * count).status_code == 400


def test_an_unknown_list_refuses_the_job(api: requests.Session) -> None:
    assert submit(api, row(email="a@shop.example"), lists=("NOPE01",)).status_code == 404


# row by row


def test_rows_fail_alone_and_say_why(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.store.add_profiles(
        [
            Profile(id="ANNA", email="anna@shop.example", created=1, updated=1),
            Profile(id="BERT", external_id="crm-b", created=1, updated=1),
        ]
    )
    deep: dict[str, Any] = {}
    for _ in range(12):
        deep = {"more": deep}
    rows = [
        row(email="new@shop.example"),
        row("GONE", title="x"),
        row(email="anna@shop.example", external_id="crm-b"),
        row("ANNA", external_id="crm-b"),
        row(email="deep@shop.example", properties={"deep": deep}),
    ]
    job = submit(api, *rows).json()["data"]["id"]
    sandbox.clock.advance(10)
    attributes = api.get(f"{JOBS}/{job}").json()["data"]["attributes"]
    assert (attributes["status"], attributes["completed_count"], attributes["failed_count"]) == ("complete", 1, 4)

    failures, url = [], f"{JOBS}/{job}/import-errors?page[size]=3"
    while url:
        page = api.get(url).json()
        failures += page["data"]
        url = page["links"]["next"]
    at = "/data/attributes/profiles/data"
    found = [(each["attributes"]["code"], each["attributes"]["source"]["pointer"]) for each in failures]
    assert found == [
        ("not_found", f"{at}/1/id"),
        ("duplicate_profile", f"{at}/2/attributes"),
        ("duplicate_profile", f"{at}/3/attributes"),
        ("invalid", f"{at}/4/attributes/properties"),
    ]
    assert [each["attributes"]["original_payload"] for each in failures] == rows[1:]

    profiles = api.get(f"{JOBS}/{job}/profiles").json()["data"]
    assert [each["attributes"]["email"] for each in profiles] == ["new@shop.example"]
    ids = api.get(f"{JOBS}/{job}/relationships/profiles").json()["data"]
    assert [each["id"] for each in ids] == [profiles[0]["id"]]


@pytest.mark.parametrize(
    "identifier", [{"email": "ANNA@shop.example"}, {"phone_number": "+4512345678"}, {"external_id": "crm-a"}]
)
def test_a_profile_is_found_by_any_identifier(
    sandbox: Sandbox, api: requests.Session, identifier: dict[str, str]
) -> None:
    sandbox.store.add_profiles(
        [
            Profile(
                id="ANNA",
                email="anna@shop.example",
                phone_number="+4512345678",
                external_id="crm-a",
                created=1,
                updated=1,
            )
        ]
    )
    imported(sandbox, api, {"type": "profile", "attributes": {"title": "Dr", **identifier}})
    profile = sandbox.store.profile("ANNA")
    assert profile
    assert profile.title == "Dr"


def test_null_is_ignored(sandbox: Sandbox, api: requests.Session) -> None:
    before = Profile(
        id="ANNA",
        email="anna@shop.example",
        first_name="Anna",
        created=1,
        updated=1,
        location={"city": "Oslo"},
        properties={"plan": "pro"},
    )
    sandbox.store.add_profiles([before])
    location, properties = {"city": None}, {"plan": None}
    imported(
        sandbox, api, row("ANNA", first_name=None, location=location, properties=properties, external_id=None)
    )
    imported(sandbox, api, row("ANNA", properties=None))
    assert sandbox.store.profile("ANNA") == before


def test_properties_are_merged_by_key_and_patched(sandbox: Sandbox, api: requests.Session) -> None:
    held = {"keep": 1, "object": {"a": 1}, "tags": ["x", "y"], "scalar": "s", "old": 1, "older": 2}
    sandbox.store.add_profiles(
        [Profile(id="ANNA", email="anna@shop.example", created=1, updated=1, properties=held)]
    )
    patch = {
        "append": {"tags": ["y", "z"], "scalar": "t", "fresh": "f"},
        "unappend": {"tags": "x", "none": "x"},
        "unset": ["old", "older", "absent"],
    }
    imported(sandbox, api, row("ANNA", {"patch_properties": patch}, properties={"object": {"b": 2}, "new": True}))
    assert by_email(sandbox, "anna@shop.example").properties == {
        "keep": 1,
        "object": {"b": 2},
        "tags": ["y", "z"],
        "scalar": ["s", "t"],
        "fresh": ["f"],
        "new": True,
    }


def test_updated_moves_only_when_something_changed(sandbox: Sandbox, api: requests.Session) -> None:
    imported(sandbox, api, row(email="anna@shop.example", properties={"tags": ["x", "y"]}))
    first = by_email(sandbox, "anna@shop.example").updated
    imported(sandbox, api, row(email="anna@shop.example", properties={"tags": ["x", "y"]}))
    assert by_email(sandbox, "anna@shop.example").updated == first
    imported(sandbox, api, row(email="anna@shop.example", properties={"tags": ["y", "x"]}))
    assert by_email(sandbox, "anna@shop.example").updated == sandbox.clock.seconds()


def test_members_join_the_list_without_consent(sandbox: Sandbox, api: requests.Session) -> None:
    newsletter = sandbox.store.group_named("Newsletter", GroupKind.LIST)
    assert newsletter
    imported(sandbox, api, row(email="anna@shop.example"), lists=(newsletter.id,))
    profile = by_email(sandbox, "anna@shop.example")
    assert newsletter in sandbox.store.groups_of(profile.id, GroupKind.LIST)
    assert profile.email_marketing.state == "NEVER_SUBSCRIBED"


# hostile freedom


@pytest.mark.parametrize("apart", [False, True], ids=["in a job", "in two open jobs"])
def test_which_value_of_a_profile_sent_twice_stays_is_chance(
    client: Callable[[Sandbox], requests.Session],
    apart: bool,  # noqa: FBT001
) -> None:
    titles, counted = [], []
    for seed in [*range(8), *range(8)]:
        with Sandbox(profiles=1, events=0, segments=0, seed=seed, import_seconds=10) as sandbox:
            rows = [row(email="anna@shop.example", title=title) for title in ("old", "new")]
            for part in [[each] for each in rows] if apart else [rows]:
                assert submit(client(sandbox), *part).status_code == 202
            sandbox.settle()
            titles.append(by_email(sandbox, "ANNA@shop.example").title)
            counted.append(dict(+sandbox.imports.stats))
    assert set(titles) == {"old", "new"}
    assert titles[:8] == titles[8:], "the seed decides"
    assert counted == [{f"profiles_{'in_two_open_jobs' if apart else 'repeated_in_a_job'}": 1}] * 16


def test_careful_clients_are_not_counted(sandbox: Sandbox, api: requests.Session) -> None:
    imported(sandbox, api, row(email="anna@shop.example"), row(email="bert@shop.example"))
    imported(sandbox, api, row(email="anna@shop.example"))
    assert not +sandbox.imports.stats


def test_a_cancelled_job_has_written_a_part(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.imports.outcomes.append(Outcome.CANCELLED)
    done = imported(sandbox, api, *[row(email=f"p{number}@shop.example") for number in range(5)])
    assert (done["status"], done["completed_count"], done["failed_count"]) == ("cancelled", 3, 0)
    written = [sandbox.store.profile_by("email", f"p{number}@shop.example") for number in range(5)]
    assert sum(each is not None for each in written) == 3


def test_a_stuck_job_never_ends(sandbox: Sandbox, api: requests.Session) -> None:
    sandbox.imports.outcomes.append(Outcome.STUCK)
    job = submit(api, row(email="anna@shop.example")).json()["data"]["id"]
    sandbox.clock.advance(3 * DAY)
    assert api.get(f"{JOBS}/{job}").json()["data"]["attributes"]["status"] == "processing"
    assert not sandbox.store.profile_by("email", "anna@shop.example")


# expiry and listing


def test_after_seven_days_a_job_and_its_errors_are_gone(sandbox: Sandbox, api: requests.Session) -> None:
    job = submit(api, row("GONE", title="x")).json()["data"]["id"]
    sandbox.clock.advance(7 * DAY - 1)
    assert len(api.get(f"{JOBS}/{job}/import-errors").json()["data"]) == 1
    sandbox.clock.advance(1)
    for path in (f"{JOBS}/{job}", f"{JOBS}/{job}/import-errors", f"{JOBS}/{job}/profiles"):
        assert api.get(path).status_code == 404
    assert api.get(JOBS).json()["data"] == []


def test_jobs_are_listed_by_status_and_time(sandbox: Sandbox, api: requests.Session) -> None:
    jobs = []
    for number in range(3):
        jobs.append(submit(api, row(email=f"p{number}@shop.example")).json()["data"]["id"])
        sandbox.clock.advance(6)
    newest_first = api.get(JOBS, params={"sort": "-created_at"}).json()["data"]
    assert [each["id"] for each in newest_first] == jobs[::-1]
    complete = api.get(JOBS, params={"filter": "equals(status,'complete')", "sort": "created_at"}).json()["data"]
    assert [each["id"] for each in complete] == jobs[:2]
    some = {"filter": "any(status,['processing','queued'])"}
    assert [each["id"] for each in api.get(JOBS, params=some).json()["data"]] == jobs[2:]
