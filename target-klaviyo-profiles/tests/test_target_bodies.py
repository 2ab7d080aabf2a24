"""Every request body, judged by Klaviyo's own SDK and by its OpenAPI document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_client.models.campaign_message_assign_template_query import CampaignMessageAssignTemplateQuery
from openapi_client.models.data_privacy_create_deletion_job_query import DataPrivacyCreateDeletionJobQuery
from openapi_client.models.events_bulk_create_job import EventsBulkCreateJob
from openapi_client.models.list_members_add_query import ListMembersAddQuery
from openapi_client.models.list_members_delete_query import ListMembersDeleteQuery
from openapi_client.models.profile_import_job_create_query import ProfileImportJobCreateQuery
from openapi_client.models.profile_partial_update_query import ProfilePartialUpdateQuery
from openapi_client.models.profile_upsert_query import ProfileUpsertQuery
from openapi_client.models.subscription_create_job_create_query import SubscriptionCreateJobCreateQuery
from openapi_client.models.subscription_delete_job_create_query import SubscriptionDeleteJobCreateQuery
from openapi_client.models.suppression_create_job_create_query import SuppressionCreateJobCreateQuery
from openapi_client.models.suppression_delete_job_create_query import SuppressionDeleteJobCreateQuery
from openapi_client.models.template_create_html_or_dnd_query import TemplateCreateHtmlOrDndQuery
from openapi_client.models.template_update_html_or_dnd_query import TemplateUpdateHtmlOrDndQuery

from klaviyo_wire.bulk import encode
from target_klaviyo_profiles.sinks.base import Group, Options, Rejected, Sink
from target_klaviyo_profiles.sinks.bulk import BulkSink
from target_klaviyo_profiles.sinks.campaign_message_templates import assignment
from target_klaviyo_profiles.sinks.events import Events
from target_klaviyo_profiles.sinks.list_members import ListMembers
from target_klaviyo_profiles.sinks.profile_deletions import ProfileDeletions
from target_klaviyo_profiles.sinks.profiles import CLEAR, IMPORT, Profiles, whole
from target_klaviyo_profiles.sinks.subscriptions import Subscriptions
from target_klaviyo_profiles.sinks.suppressions import Suppressions
from target_klaviyo_profiles.sinks.templates import Templates, change, creation

Json = dict[str, Any]

_TEXTS = st.text(max_size=12)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(_TEXTS, inner), max_leaves=6)
_LOCATION = {
    name: st.none() | _TEXTS | st.integers() for name in ("address1", "city", "country", "zip", "timezone")
}
PROFILES = st.fixed_dictionaries(
    {"external_id": _TEXTS | st.integers()},
    optional={
        "id": st.none() | _TEXTS,
        "email": st.none() | st.emails(),
        "first_name": st.none() | _TEXTS,
        "image": st.none() | _TEXTS,
        "location": st.none() | st.fixed_dictionaries({}, optional={**_LOCATION, "latitude": _SCALARS}),
        "properties": st.none() | st.dictionaries(_TEXTS, _VALUES, max_size=4),
        "unset": st.none() | st.lists(_TEXTS, max_size=3),
        "list_id": st.none() | _TEXTS,
    },
)


def _plain(node: Any) -> Any:  # noqa: ANN401 - any JSON
    """OpenAPI's schemas as JSON Schema's: `nullable` spelled out, and no keys that are not described."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    rest = {name: _plain(value) for name, value in node.items() if name != "nullable"}
    if "properties" in rest:
        rest.setdefault("additionalProperties", False)
    return {"anyOf": [rest, {"type": "null"}]} if node.get("nullable") else rest


@pytest.fixture(scope="session")
def judges(reference: Path) -> dict[str, Draft202012Validator]:
    """A validator of each operation's request, by operation id."""
    document = _plain(json.loads((reference / "reference/openapi/stable-2026-07-15.json").read_text()))
    return {
        operation["operationId"]: Draft202012Validator(
            {**content["application/vnd.api+json"]["schema"], "components": document["components"]}
        )
        for path in document["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
        and "application/vnd.api+json" in (content := operation.get("requestBody", {}).get("content", {}))
    }


def _nulls(node: object) -> bool:
    if isinstance(node, dict):
        return any(map(_nulls, node.values()))
    return node is None or (isinstance(node, list) and any(map(_nulls, node)))


@settings(deadline=None, max_examples=60)
@given(records=st.lists(PROFILES, min_size=1, max_size=3))
def test_import_jobs(judges: dict[str, Draft202012Validator], records: list[Json]) -> None:
    sink, rows = Profiles(), []
    for record in records:
        try:
            row = sink.row(record)
        except Rejected:
            continue
        if row is not None:
            rows.append(row)
    for row in rows:
        body = sink.body(row.group, [row.payload])
        document = json.loads(body)
        assert len(body) == sink.envelope_size(row.group) + len(row.payload)
        assert not _nulls(document)
        judges["bulk_import_profiles"].validate(document)
        assert ProfileImportJobCreateQuery.from_dict(document) is not None
    if rows:
        body = sink.body(Group(IMPORT, ("L",)), [row.payload for row in rows])
        assert (
            len(body)
            == sink.envelope_size(Group(IMPORT, ("L",))) + sum(len(row.payload) for row in rows) + len(rows) - 1
        )
        judges["bulk_import_profiles"].validate(json.loads(body))


@settings(deadline=None, max_examples=60)
@given(record=PROFILES)
def test_profiles_with_a_field_to_be_cleared(judges: dict[str, Draft202012Validator], record: Json) -> None:
    sink = Profiles(Options(clearable_fields=Profiles.clearable))
    try:
        row = sink.row({**record, "title": None})
    except Rejected:
        return
    assert row is not None
    assert row.group.route is CLEAR
    document = json.loads(whole(row.payload))
    assert len(whole(row.payload)) == sink.envelope_size(row.group) + len(row.payload)
    judges["create_or_update_profile"].validate(document)
    assert ProfileUpsertQuery.from_dict(document) is not None
    if row.key.kind == "id":
        judges["update_profile"].validate(document)
        assert ProfilePartialUpdateQuery.from_dict(document) is not None


def test_the_judges_are_strict(judges: dict[str, Draft202012Validator]) -> None:
    body = json.loads(Profiles().body(Group(IMPORT), [b'{"type":"profile","attributes":{"emial":"a@b.co"}}']))
    assert not judges["bulk_import_profiles"].is_valid(body)


@pytest.mark.parametrize(
    "attributes", [{"name": "n", "html": "<p>x</p>"}, {"name": "n", "html": "x", "text": "y"}]
)
def test_templates(judges: dict[str, Draft202012Validator], attributes: Json) -> None:
    row = Templates().row(attributes)
    assert row is not None
    assert len(encode(creation(attributes))) == Templates().envelope_size(row.group) + len(row.payload)
    judges["create_template"].validate(creation(attributes))
    judges["update_template"].validate(change("T1", attributes))
    assert TemplateCreateHtmlOrDndQuery.from_dict(creation(attributes)) is not None
    assert TemplateUpdateHtmlOrDndQuery.from_dict(change("T1", attributes)) is not None


MODELS: dict[str, Any] = {
    "bulk_create_events": EventsBulkCreateJob,
    "add_profiles_to_list": ListMembersAddQuery,
    "remove_profiles_from_list": ListMembersDeleteQuery,
    "bulk_subscribe_profiles": SubscriptionCreateJobCreateQuery,
    "bulk_unsubscribe_profiles": SubscriptionDeleteJobCreateQuery,
    "bulk_suppress_profiles": SuppressionCreateJobCreateQuery,
    "bulk_unsuppress_profiles": SuppressionDeleteJobCreateQuery,
    "request_profile_deletion": DataPrivacyCreateDeletionJobQuery,
}
"""The official SDK's model of each operation's request."""

_ACTIONS = st.sampled_from(["add", "remove"])
_PHONES = st.just("+14155552671")
_TIMES = st.sampled_from(["2026-01-01T00:00:00Z", "2025-06-01T10:00:00.123+02:00"])
_IDENTIFIERS: dict[str, st.SearchStrategy[object]] = {
    "profile_id": st.none() | _TEXTS,
    "email": st.none() | st.emails(),
    "phone_number": st.none() | _PHONES,
}
EVENTS = st.fixed_dictionaries(
    {"metric": _TEXTS, "time": _TIMES, "external_id": _TEXTS},
    optional={
        **_IDENTIFIERS,
        "unique_id": st.none() | _TEXTS,
        "value": st.none() | st.integers() | st.floats(),
        "value_currency": st.none() | st.sampled_from(["EUR", "usd"]),
        "properties": st.none() | st.dictionaries(_TEXTS, _VALUES, max_size=4),
        "backfill": st.none() | st.booleans(),
    },
)
SUBSCRIPTIONS = st.fixed_dictionaries(
    {
        "channel": st.sampled_from(["email", "sms", "whatsapp", "push"]),
        "consent": st.sampled_from(["SUBSCRIBED", "UNSUBSCRIBED"]),
        "profile_id": _TEXTS,
        "email": st.emails(),
        "phone_number": _PHONES,
    },
    optional={
        "list_id": st.none() | _TEXTS,
        "historical_import": st.none() | st.booleans(),
        "consented_at": st.none() | _TIMES,
        "custom_source": st.none() | _TEXTS | st.just("<rows>"),
    },
)
MEMBERS = st.fixed_dictionaries({"list_id": _TEXTS, "profile_id": _TEXTS, "_action": _ACTIONS})
SUPPRESSIONS = st.fixed_dictionaries({"email": st.emails(), "_action": _ACTIONS})
DELETIONS = st.one_of([st.fixed_dictionaries({name: values}) for name, values in _IDENTIFIERS.items()])


@pytest.mark.parametrize(
    ("sink", "records"),
    [
        (Events(), EVENTS),
        (ListMembers(), MEMBERS),
        (Subscriptions(), SUBSCRIPTIONS),
        (Suppressions(), SUPPRESSIONS),
        (ProfileDeletions(), DELETIONS),
    ],
    ids=lambda each: each.stream if isinstance(each, Sink) else "",
)
def test_every_request_is_what_klaviyo_describes(
    judges: dict[str, Draft202012Validator], sink: Sink, records: st.SearchStrategy[Json]
) -> None:
    seen: set[str] = set()

    @settings(deadline=None, max_examples=60, database=None)
    @given(record=records)
    def check(record: Json) -> None:
        try:
            row = sink.row(record)
        except Rejected:
            return
        assert row is not None
        body = sink.body(row.group, [row.payload]) if isinstance(sink, BulkSink) else b'{"data":%b}' % row.payload
        assert len(body) == sink.envelope_size(row.group) + len(row.payload)
        document = json.loads(body)
        assert not _nulls(document)
        operation = row.group.route.operation
        judges[operation].validate(document)
        assert MODELS[operation].from_dict(document) is not None
        seen.add(operation)

    check()
    assert seen == {route.operation for route in sink.routes}


def test_an_assignment(judges: dict[str, Draft202012Validator]) -> None:
    judges["assign_template_to_campaign_message"].validate(assignment("M1", "T1"))
    assert CampaignMessageAssignTemplateQuery.from_dict(assignment("M1", "T1")) is not None
