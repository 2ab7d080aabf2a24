"""Every request body, judged by Klaviyo's own SDK and by its OpenAPI document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_client.models.profile_import_job_create_query import ProfileImportJobCreateQuery
from openapi_client.models.template_create_html_or_dnd_query import TemplateCreateHtmlOrDndQuery
from openapi_client.models.template_update_html_or_dnd_query import TemplateUpdateHtmlOrDndQuery

from klaviyo_wire.bulk import encode
from target_klaviyo_profiles.sinks.base import Rejected
from target_klaviyo_profiles.sinks.profiles import Profiles
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
        body = sink.body("L", [row.payload for row in rows])
        assert len(body) == sink.envelope_size("L") + sum(len(row.payload) for row in rows) + len(rows) - 1
        judges["bulk_import_profiles"].validate(json.loads(body))


def test_the_judges_are_strict(judges: dict[str, Draft202012Validator]) -> None:
    body = json.loads(Profiles().body(None, [b'{"type":"profile","attributes":{"emial":"a@b.co"}}']))
    assert not judges["bulk_import_profiles"].is_valid(body)


@pytest.mark.parametrize(
    "attributes", [{"name": "n", "html": "<p>x</p>"}, {"name": "n", "html": "x", "text": "y"}]
)
def test_templates(judges: dict[str, Draft202012Validator], attributes: Json) -> None:
    row = Templates().row(attributes)
    assert row is not None
    assert len(encode(creation(attributes))) == Templates().envelope_size(None) + len(row.payload)
    judges["create_template"].validate(creation(attributes))
    judges["update_template"].validate(change("T1", attributes))
    assert TemplateCreateHtmlOrDndQuery.from_dict(creation(attributes)) is not None
    assert TemplateUpdateHtmlOrDndQuery.from_dict(change("T1", attributes)) is not None
