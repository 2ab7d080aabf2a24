"""What the sandbox refuses, and that it says so as Klaviyo does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from jsonschema import Draft202012Validator

from klaviyo_sandbox.model.records import GroupKind, Template

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

JSON_API = {"Content-Type": "application/vnd.api+json"}


def problem(response: requests.Response, status: int) -> dict[str, Any]:
    """The only problem of an answer of this status."""
    assert response.status_code == status, response.text
    (found,) = response.json()["errors"]
    assert found["status"] == status
    return dict(found)


def profile(**attributes: object) -> dict[str, Any]:
    return {"data": {"type": "profile", "attributes": attributes}}


# the key, its scopes, the revision


def test_a_request_without_a_key_is_401(api: requests.Session) -> None:
    del api.headers["Authorization"]
    response = api.get("/api/accounts")
    assert problem(response, 401)["code"] == "not_authenticated"
    assert "RateLimit-Limit" not in response.headers


@pytest.mark.parametrize("authorization", ["Klaviyo-API-Key pk_wrong", "Bearer {key}", "{key}", ""])
def test_an_unknown_key_is_401(sandbox: Sandbox, api: requests.Session, authorization: str) -> None:
    response = api.get("/api/accounts", headers={"Authorization": authorization.format(key=sandbox.api_key)})
    assert problem(response, 401)["code"] == "authentication_failed"


def test_a_missing_scope_is_403(sandbox: Sandbox, api: requests.Session) -> None:
    api.headers["Authorization"] = f"Klaviyo-API-Key {sandbox.key(['lists:read'])}"
    group = sandbox.store.group_named("Newsletter", GroupKind.LIST)
    assert group
    assert api.get(f"/api/lists/{group.id}").ok
    assert problem(api.get(f"/api/lists/{group.id}/profiles"), 403)["code"] == "permission_denied"


@pytest.mark.parametrize(
    ("revision", "status"),
    [
        (None, 400),
        ("2026-07-14", 400),
        ("latest", 400),
        ("2024-10-15", 410),
        ("2025-01-15", 200),
        ("2026-07-15", 200),
        ("2026-07-15.pre", 200),
        ("2026-10-15", 200),
    ],
)
def test_the_revision_must_be_a_living_one(api: requests.Session, revision: str | None, status: int) -> None:
    opted_out = {"X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1"}
    response = api.get("/api/accounts", headers={"revision": revision, **opted_out})
    assert response.status_code == status, response.text


@pytest.mark.parametrize("opt_out", [None, "0", "true"])
@pytest.mark.parametrize("revision", ["2024-10-15", "2026-07-14"])
def test_a_retired_or_unknown_revision_falls_forward_unless_that_is_opted_out_of(
    api: requests.Session, revision: str, opt_out: str | None
) -> None:
    headers = {"revision": revision, "X-Klaviyo-Revision-Fall-Forward-Opt-Out": opt_out}
    assert api.get("/api/accounts", headers=headers).ok


# routes


def test_an_unknown_path_is_404(api: requests.Session) -> None:
    assert problem(api.get("/api/nonsense"), 404)["code"] == "not_found"


def test_a_wrong_method_is_405(api: requests.Session) -> None:
    assert problem(api.delete("/api/accounts"), 405)["code"] == "method_not_allowed"


def test_a_trailing_slash_is_fine(api: requests.Session) -> None:
    assert api.get("/api/accounts/").ok


@pytest.mark.parametrize(
    ("path", "recorded"),
    [
        ("/api/events/NOPE01", "get_event.400.json"),
        ("/api/metrics/NOPE01", "get_metric.404.json"),
        ("/api/profiles/NOPE01", "get_profile.404.json"),
        ("/api/lists/NOPE01", "get_list.404.json"),
        ("/api/segments/NOPE01", "get_segment.404.json"),
        ("/api/templates/NOPE01", "get_template.404.json"),
        ("/api/campaigns/NOPE01", "get_campaign.404.json"),
        ("/api/campaign-messages/NOPE01", "get_campaign_message.404.json"),
        ("/api/campaign-send-jobs/NOPE01", "get_campaign_send_job.404.json"),
        ("/api/profile-bulk-import-jobs/NOPE01", "get_bulk_import_profiles_job.404.json"),
        (
            '/api/campaigns?filter=equals(messages.channel,"email"),equals(name,"x")',
            "get_campaigns.400.json",
        ),
    ],
)
def test_refusals_read_as_recorded(api: requests.Session, reference: Path, path: str, recorded: str) -> None:
    recording = json.loads((reference / "reference/recorded" / recorded).read_text())["response"]
    (expected,) = recording["body"]["errors"]
    found = problem(api.get(path), recording["status"])
    assert {name: value or {} for name, value in expected.items() if name != "id"} == {
        name: value for name, value in found.items() if name != "id"
    }


# query parameters


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("events?foo=1", "foo"),
        ("events?sort=uuid", "sort"),
        ("events?sort=datetime,timestamp", "sort"),
        ("events?include=campaign", "include"),
        ("events?fields[event]=datetime,nonsense", "fields_event"),
        ("events?fields[list]=name", "fields_list"),
        ("events?additional-fields[profile]=subscriptions", "additional-fields_profile"),
        ("profiles?additional-fields[profile]=secrets", "additional-fields_profile"),
        ("events?page[size]=0", "page_size"),
        ("events?page[size]=1001", "page_size"),
        ("events?page[size]=ten", "page_size"),
        ("profiles?page[size]=101", "page_size"),
        ("lists?page[size]=11", "page_size"),
        ("events?page[cursor]=nonsense", "page_cursor"),
        ("accounts?page[cursor]=x", "page_cursor"),
        ("events?page[size]=1&page[size]=2", "page_size"),
        ("campaigns", "filter"),
        ("campaigns?filter=equals(archived,true)", "filter"),
        ("campaigns?filter=equals(messages.channel,'fax')", "filter"),
        ("profile-bulk-import-jobs?filter=equals(status,'done')", "filter"),
    ],
)
def test_a_wrong_parameter_is_400_and_named(api: requests.Session, query: str, parameter: str) -> None:
    found = problem(api.get(f"/api/{query}"), 400)
    assert found["code"] == "invalid"
    assert found["source"] == {"parameter": parameter}


def test_a_page_size_where_there_is_none_is_refused_as_recorded(api: requests.Session) -> None:
    found = problem(api.get("/api/metrics?page[size]=10"), 400)
    assert found["detail"] == "'page_size' is not a valid field for the resource 'metric'"


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "equals",
        "equals(metric_id)",
        'equals(metric_id,"A"',
        'equals(metric_id,"A"))',
        'equals(metric_id,"A")equals(metric_id,"B")',
        'equals(metric_id,"A\\n")',
        'equals(metric_id,"A)',
        "equals(metric_id,A)",
        'equals(metric_id,["A"])',
        'or(equals(metric_id,"A"),equals(metric_id,"B"))',
        'any(metric_id,["A"])',
        'equals(nonsense,"A")',
        'has(profile,"x")',
        "has(profile),",
        'greater-than(datetime,"2026-01-01T00:00:00Z")',
        "greater-than(datetime,2026-01-01)",
        "greater-than(datetime,2026-01-01T00:00:00)",
        "greater-than(datetime,2026-13-01T00:00:00Z)",
        "greater-than(datetime,2026-01-01T00:00:00 00:00)",
        "equals(datetime,2026-01-01T00:00:00Z)",
        "greater-than(timestamp,now)",
    ],
)
def test_a_filter_outside_the_grammar_is_refused(api: requests.Session, expression: str) -> None:
    found = problem(api.get("/api/events", params={"filter": expression}), 400)
    assert found["source"] == {"parameter": "filter"}


def test_an_unencoded_plus_is_a_space(api: requests.Session) -> None:
    assert api.post("/api/profiles", json=profile(email="a+b@shop.example")).ok
    found = api.get('/api/profiles?filter=equals(email,"a%2Bb@shop.example")').json()["data"]
    lost = api.get('/api/profiles?filter=equals(email,"a+b@shop.example")').json()["data"]
    assert (len(found), lost) == (1, [])
    refused = api.get("/api/events?filter=greater-than(datetime,2026-01-01T00:00:00+00:00)")
    assert "2026-01-01T00:00:00 00:00" in problem(refused, 400)["detail"]


def test_an_upper_bound_in_the_future_is_refused(sandbox: Sandbox, api: requests.Session) -> None:
    now = sandbox.clock.now()
    assert api.get("/api/events", params={"filter": f"less-than(datetime,{now:%Y-%m-%dT%H:%M:%SZ})"}).ok
    later = f"less-than(datetime,{now:%Y-%m-%dT%H:%M}:01Z)"
    assert "future" in problem(api.get("/api/events", params={"filter": later}), 400)["detail"]


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        (["suppression.reason,'UNSUBSCRIBE'"], 200),
        (["list_suppressions.reason,'UNSUBSCRIBE'"], 400),
        (["list_suppressions.reason,'UNSUBSCRIBE'", "list_suppressions.list_id,'ABC123'"], 200),
        (["suppression.reason,'UNSUBSCRIBE'", "list_suppressions.list_id,'ABC123'"], 400),
    ],
)
def test_suppression_filters_have_their_own_rules(
    api: requests.Session, conditions: list[str], status: int
) -> None:
    expression = ",".join(f"equals(subscriptions.email.marketing.{each})" for each in conditions)
    assert api.get("/api/profiles", params={"filter": expression}).status_code == status


# bodies


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_content_type_is_415(api: requests.Session, content_type: str) -> None:
    response = api.post("/api/profiles", data=b"{}", headers={"Content-Type": content_type})
    assert problem(response, 415)["code"] == "unsupported_media_type"


@pytest.mark.parametrize("content_type", ["application/vnd.api+json", "application/json; charset=utf-8"])
def test_json_content_types_are_taken(api: requests.Session, content_type: str) -> None:
    body = json.dumps(profile(email="ada@shop.example"))
    assert api.post("/api/profiles", data=body, headers={"Content-Type": content_type}).status_code == 201


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'"x"', b"null"])
def test_a_body_that_is_no_document_is_400(api: requests.Session, body: bytes) -> None:
    assert problem(api.post("/api/profiles", data=body, headers=JSON_API), 400)["code"] == "invalid"


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"data": {"type": "profiles", "attributes": {}}}, "/data/type"),
        ({"data": {"type": "profile"}}, "/data/attributes"),
        (profile(email=1), "/data/attributes/email"),
        (profile(email="ada@shop.example", shoe_size=44), "/data/attributes/shoe_size"),
        (profile(email="ada@shop.example", location={"planet": "Mars"}), "/data/attributes/location/planet"),
        (profile(email="ada"), "/data/attributes/email"),
        (profile(email="ada lovelace@shop.example"), "/data/attributes/email"),
        (profile(email=f"{'a' * 100}@shop.example"), "/data/attributes/email"),
        (profile(phone_number="0123456789"), "/data/attributes/phone_number"),
        (profile(first_name="Ada"), "/data/attributes"),
        (profile(email="a@shop.example", properties={"": 1}), "/data/attributes/properties"),
        (profile(email="a@shop.example", properties={"big": 2**63}), "/data/attributes/properties"),
        ({"data": profile(email="a@shop.example")["data"], "meta": {}}, "/meta"),
        ({"data": {"type": "profile", "id": "x", "attributes": {"email": "a@shop.example"}}}, "/data/id"),
    ],
)
def test_a_body_outside_the_schema_is_400_with_a_pointer(
    api: requests.Session, document: dict[str, Any], pointer: str
) -> None:
    found = problem(api.post("/api/profiles", json=document), 400)
    assert found["source"] == {"pointer": pointer}


def test_an_unknown_key_reads_as_recorded(api: requests.Session) -> None:
    found = problem(api.post("/api/profiles", json=profile(email="a@shop.example", nonsense=1)), 400)
    assert found["detail"] == "'nonsense' is not a valid field for the resource 'profile'."


def test_more_than_five_megabytes_are_413(api: requests.Session) -> None:
    response = api.post("/api/profile-bulk-import-jobs", data=b" " * 5_000_001, headers=JSON_API)
    assert problem(response, 413)["code"] == "payload_too_large"


def test_a_profile_of_more_than_100_kilobytes_is_refused(api: requests.Session) -> None:
    body = profile(email="ada@shop.example", properties={"diary": "x" * 100_000})
    assert "100KB" in problem(api.post("/api/profiles", json=body), 400)["detail"]


def test_the_id_in_the_body_must_be_the_one_in_the_path(api: requests.Session) -> None:
    created = api.post("/api/profiles", json=profile(email="ada@shop.example")).json()["data"]
    body = {"data": {"type": "profile", "id": "another", "attributes": {}}}
    found = problem(api.patch(f"/api/profiles/{created['id']}", json=body), 400)
    assert found["source"] == {"pointer": "/data/id"}


def test_a_taken_identifier_is_409_with_its_owner(api: requests.Session, reference: Path) -> None:
    recording = json.loads((reference / "reference/recorded/create_profile.409.json").read_text())
    (expected,) = recording["response"]["body"]["errors"]
    owner = api.post("/api/profiles", json=profile(email="ada@shop.example")).json()["data"]["id"]
    found = problem(api.post("/api/profiles", json=profile(email="ADA@shop.example")), 409)
    assert found["meta"] == {"duplicate_profile_id": owner}
    assert [found[name] for name in ("code", "title", "detail", "source")] == [
        expected[name] for name in ("code", "title", "detail", "source")
    ]


def test_list_members_are_at_most_1000(sandbox: Sandbox, api: requests.Session) -> None:
    group = sandbox.store.group_named("Newsletter", GroupKind.LIST)
    assert group
    path = f"/api/lists/{group.id}/relationships/profiles"
    for count in (0, 1001):
        assert problem(api.post(path, json={"data": [{"type": "profile", "id": "x"}] * count}), 400)
    assert problem(api.post(path, json={"data": [{"type": "profile", "id": "x"}]}), 404)


def test_a_thousand_templates_are_the_limit(sandbox: Sandbox, api: requests.Session) -> None:
    body = {
        "data": {
            "type": "template",
            "attributes": {"name": "n", "editor_type": "CODE", "html": "<p></p>"},
        }
    }
    for number in range(999 - sandbox.store.count("templates")):
        sandbox.store.put(Template(id=f"T{number}", name="n", html="", created=0, updated=0))
    first = api.post("/api/templates", json=body).json()["data"]["id"]
    assert "1,000" in problem(api.post("/api/templates", json=body), 400)["detail"]
    clone = {"data": {"type": "template", "id": first, "attributes": {}}}
    assert "1,000" in problem(api.post("/api/template-clone", json=clone), 400)["detail"]


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"name": "n", "editor_type": "CODE"}, "/data/attributes/html"),
        ({"name": "n", "editor_type": "WORD", "html": ""}, "/data/attributes/editor_type"),
        ({"editor_type": "CODE", "html": ""}, "/data/attributes/name"),
    ],
)
def test_a_template_lacks_something(api: requests.Session, attributes: dict[str, Any], pointer: str) -> None:
    response = api.post("/api/templates", json={"data": {"type": "template", "attributes": attributes}})
    assert problem(response, 400)["source"] == {"pointer": pointer}


def test_any_takes_as_many_values_as_a_page_holds(api: requests.Session) -> None:
    for count, status in ((100, 200), (101, 400), (0, 400)):
        values = ",".join(f'"P{number}"' for number in range(count))
        response = api.get("/api/profiles", params={"filter": f"any(id,[{values}])"})
        assert response.status_code == status


@pytest.mark.parametrize("path", ["events/NOPE01", "profiles/NOPE01", "nonsense", "events?foo=1"])
def test_refusals_satisfy_the_openapi_document(api: requests.Session, reference: Path, path: str) -> None:
    openapi = json.loads((reference / "reference/openapi/stable-2026-07-15.json").read_text())
    response = openapi["components"]["responses"]["ClientError"]
    schema = next(iter(response["content"].values()))["schema"]
    answer = api.get(f"/api/{path}")
    assert answer.headers["Content-Type"] == "application/vnd.api+json"
    Draft202012Validator({**schema, "components": openapi["components"]}).validate(answer.json())
