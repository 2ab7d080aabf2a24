"""The account itself, tags, forms and webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.model.records import Form, TagGroup

if TYPE_CHECKING:
    from klaviyo_sandbox.model.clock import Clock


def data(api: requests.Session, path: str, **query: str) -> list[dict[str, Any]]:
    response = api.get(path, params=query)
    assert response.ok, response.text
    return list(response.json()["data"])


def names(api: requests.Session, path: str, **query: str) -> list[str]:
    return [each["attributes"]["name"] for each in data(api, path, **query)]


def test_only_the_own_account_is_found(api: requests.Session) -> None:
    (account,) = data(api, "/api/accounts")
    assert api.get(f"/api/accounts/{account['id']}").json()["data"] == account
    response = api.get("/api/accounts/NOPE01")
    assert response.status_code == 404
    assert response.json()["errors"][0]["detail"] == "Account with id NOPE01 not found."


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('starts-with(name,"S")', ["Spring 🌱", "Summer"]),
        ('ends-with(name,"🌱")', ["Spring 🌱"]),
        ('contains(name,"üro")', ["Büro Köln"]),
        ('equals(name,"summer")', []),
    ],
)
def test_tags_are_filtered_by_name(api: requests.Session, expression: str, expected: list[str]) -> None:
    assert names(api, "/api/tags", filter=expression, sort="name") == expected


def test_tags_name_their_group_only_when_it_is_included(api: requests.Session) -> None:
    plain = api.get("/api/tags").json()
    assert "included" not in plain
    assert all("data" not in each["relationships"]["tag-group"] for each in plain["data"])
    document = api.get("/api/tags", params={"include": "tag-group", "fields[tag-group]": "name"}).json()
    named = {each["relationships"]["tag-group"]["data"]["id"] for each in document["data"]}
    groups = {each["id"]: each["attributes"] for each in document["included"]}
    assert set(groups) == named
    assert {"name": "Ungrouped Tags"} in groups.values()


def test_tag_groups_are_filtered_and_paged(sandbox: Sandbox, api: requests.Session) -> None:
    assert names(api, "/api/tag-groups", filter="equals(default,true)") == ["Ungrouped Tags"]
    assert names(api, "/api/tag-groups", filter="equals(exclusive,true)") == ["Season"]
    before = len(data(api, "/api/tag-groups"))
    for number in range(30):
        sandbox.store.put(TagGroup(id=f"{number:02}", name="more"))
    first = api.get("/api/tag-groups").json()
    rest = api.get(first["links"]["next"]).json()
    assert (len(first["data"]), len(rest["data"]), rest["links"]["next"]) == (25, before + 5, None)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('equals(status,"draft")', ["A", "B"]),
        ("equals(ab_test,true)", ["B"]),
        ('any(name,["form A","form C"])', ["A", "C"]),
        ("greater-than(updated_at,2026-05-28T20:26:40Z)", ["C"]),
        ("less-or-equal(created_at,2026-05-28T20:26:40Z)", ["A", "B"]),
    ],
)
def test_forms_are_filtered(sandbox: Sandbox, api: requests.Session, expression: str, expected: list[str]) -> None:
    sandbox.store.read("delete from forms")
    at = 1_780_000_000
    for form in (
        Form(id="B", name="form B", ab_test=True, created_at=at, updated_at=at),
        Form(id="A", name="form A", created_at=at, updated_at=at),
        Form(id="C", name="form C", status="live", created_at=at + 1, updated_at=at + 1),
    ):
        sandbox.store.put(form)
    assert [each["id"] for each in data(api, "/api/forms", filter=expression, sort="created_at")] == expected


def test_a_sparse_form_has_no_relationships(api: requests.Session) -> None:
    whole, sparse = data(api, "/api/forms"), data(api, "/api/forms", **{"fields[form]": "name"})
    assert all(each["relationships"]["form-versions"]["data"] for each in whole)
    assert all(set(each) == {"type", "id", "attributes", "links"} for each in sparse)


def test_webhooks_name_their_topics_and_hide_their_address(api: requests.Session) -> None:
    document = api.get("/api/webhooks", params={"include": "webhook-topics"}).json()
    topics = {each["id"] for each in document["included"]}
    for each in document["data"]:
        assert each["attributes"]["endpoint_url"].endswith("/*****")
        assert {one["id"] for one in each["relationships"]["webhook-topics"]["data"]} <= topics
    assert "included" not in api.get("/api/webhooks").json()


def test_webhooks_are_refused_without_the_feature_and_without_the_scope(clock: Clock) -> None:
    with Sandbox(profiles=1, events=0, segments=0, clock=clock, advanced_kdp=False) as sandbox:
        details = []
        for key in (sandbox.api_key, sandbox.key(["tags:read"])):
            headers = {"Authorization": f"Klaviyo-API-Key {key}", "revision": "2026-07-15"}
            response = requests.get(f"{sandbox.url}/api/webhooks", headers=headers, timeout=5)
            assert response.status_code == 403
            (error,) = response.json()["errors"]
            assert error["code"] == "permission_denied"
            details.append(error["detail"])
    assert details == [
        "You must have Advanced KDP enabled to use this endpoint.",
        "You do not have permission to perform this action.",
    ]
