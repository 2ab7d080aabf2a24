"""Every request body, judged by Klaviyo's own SDK and by its OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openapi_client
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from sink_examples import BY_NAME, TEXTS, VALUES, Examples, any_record, examples, named

from klaviyo_wire.bulk import encode
from klaviyo_wire.endpoints import OMNICHANNEL
from target_klaviyo_profiles.rows import BulkRoute, Group, Rejected
from target_klaviyo_profiles.sinks import SINKS
from target_klaviyo_profiles.sinks.bulk_sink import BulkSink
from target_klaviyo_profiles.sinks.campaign_message_templates import assignment
from target_klaviyo_profiles.sinks.campaign_message_templates import change as change_of_variation
from target_klaviyo_profiles.sinks.options import Options
from target_klaviyo_profiles.sinks.profile_deletions import ProfileDeletions
from target_klaviyo_profiles.sinks.profiles import IMPORT, SINGLE, Profiles, request
from target_klaviyo_profiles.sinks.templates import Templates, change, creation

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox
    from target_klaviyo_profiles.sinks.base import Sink

Json = dict[str, Any]

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
_LOCATION = {
    name: st.none() | TEXTS | st.integers() for name in ("address1", "city", "country", "zip", "timezone")
}
PROFILES = st.fixed_dictionaries(
    {"external_id": TEXTS | st.integers()},
    optional={
        "id": st.none() | TEXTS,
        "email": st.none() | st.emails(),
        "first_name": st.none() | TEXTS,
        "image": st.none() | TEXTS,
        "location": st.none() | st.fixed_dictionaries({}, optional={**_LOCATION, "latitude": _SCALARS}),
        "properties": st.none() | st.dictionaries(TEXTS, VALUES, max_size=4),
        "unset": st.none() | st.lists(TEXTS, max_size=3),
        "list_id": st.none() | TEXTS,
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


@dataclass(frozen=True)
class Judge:
    """What an operation's request must be, as Klaviyo describes it.

    Attributes:
        document: The schema in its OpenAPI document.
        model: The name of the class of its SDK, which is that of the schema; empty where only a later SDK has it.
    """

    document: Draft202012Validator
    model: str

    def check(self, body: Json) -> None:
        self.document.validate(body)
        if self.model:
            assert getattr(openapi_client, self.model).from_dict(body) is not None


VARIATION: Json = {
    "properties": {
        "data": {
            "properties": {
                "type": {"enum": ["campaign-variation"]},
                "id": {"type": "string"},
                "attributes": {
                    "properties": {
                        "definition": {
                            "properties": {
                                "name": {"type": "string", "nullable": True},
                                "details": {
                                    "properties": {
                                        "channel": {"enum": ["email"]},
                                        "template_id": {"type": "string", "nullable": True},
                                        "from_label": {"type": "string"},
                                        "from_email": {"type": "string"},
                                        "reply_to_email": {"type": "string"},
                                        "cc_email": {"type": "string"},
                                        "bcc_email": {"type": "string"},
                                        "subject": {"type": "string"},
                                        "preview_text": {"type": "string"},
                                    },
                                },
                            },
                        }
                    },
                    "required": ["definition"],
                },
            },
            "required": ["type", "id", "attributes"],
        }
    },
    "required": ["data"],
}
"""`VariationPartialUpdateQuery` of an e-mail, as Klaviyo's OpenAPI document of 2026-07-15.pre has it, from which
2026-10-15 was made."""


@pytest.fixture(scope="session")
def judges(reference: Path) -> Mapping[str, Judge]:
    """A judge of each operation's request, by operation id."""
    document = _plain(json.loads((reference / "reference/openapi/stable-2026-07-15.json").read_text()))
    found = dict(_judges(document))
    document = deepcopy(document)
    for channels in ("EmailSubscriptionParameters", "EmailUnsubscriptionParameters"):
        # What its SDK of the next revision has beside, alike.
        properties = document["components"]["schemas"][channels]["properties"]
        properties["click_tracking"] = properties["open_tracking"]
    later = {
        f"{name}@{OMNICHANNEL}": judge for name, judge in _judges(document) if name.endswith("subscribe_profiles")
    }
    variation = Judge(Draft202012Validator(_plain(VARIATION)), "")
    return {**found, **later, f"update_campaign_variation@{OMNICHANNEL}": variation}


def _judges(document: Json) -> Iterator[tuple[str, Judge]]:
    for path in document["paths"].values():
        for operation in path.values():
            content = operation.get("requestBody", {}).get("content", {}) if isinstance(operation, dict) else {}
            if "application/vnd.api+json" in content:
                schema = content["application/vnd.api+json"]["schema"]
                validator = Draft202012Validator({**schema, "components": document["components"]})
                yield operation["operationId"], Judge(validator, schema["$ref"].rpartition("/")[2])


def _nulls(node: object) -> bool:
    if isinstance(node, dict):
        return any(map(_nulls, node.values()))
    return node is None or (isinstance(node, list) and any(map(_nulls, node)))


@settings(deadline=None, max_examples=60)
@given(records=st.lists(PROFILES, min_size=1, max_size=3))
def test_import_jobs(judges: Mapping[str, Judge], records: list[Json]) -> None:
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
        judges["bulk_import_profiles"].check(document)
    if rows:
        body = sink.body(Group(IMPORT, ("L",)), [row.payload for row in rows])
        assert (
            len(body)
            == sink.envelope_size(Group(IMPORT, ("L",))) + sum(len(row.payload) for row in rows) + len(rows) - 1
        )
        judges["bulk_import_profiles"].check(json.loads(body))


@settings(deadline=None, max_examples=60)
@given(record=PROFILES)
def test_profiles_with_a_field_to_be_cleared(judges: Mapping[str, Judge], record: Json) -> None:
    sink = Profiles(Options(clearable_fields=Profiles.clearable))
    try:
        row = sink.row({**record, "title": None})
    except Rejected:
        return
    assert row is not None
    assert row.group.route is SINGLE
    body, further = request(row.payload)
    assert not further
    document = json.loads(body)
    assert len(body) == sink.envelope_size(row.group) + len(row.payload)
    judges["create_or_update_profile"].check(document)
    if row.key.kind == "id":
        judges["update_profile"].check(document)


def test_the_judges_are_strict(judges: Mapping[str, Judge]) -> None:
    body = json.loads(Profiles().body(Group(IMPORT), [b'{"type":"profile","attributes":{"emial":"a@b.co"}}']))
    assert not judges["bulk_import_profiles"].document.is_valid(body)


@pytest.mark.parametrize(
    "attributes", [{"name": "n", "html": "<p>x</p>"}, {"name": "n", "html": "x", "text": "y"}]
)
def test_templates(judges: Mapping[str, Judge], attributes: Json) -> None:
    row = Templates().row(attributes)
    assert row is not None
    assert len(encode(creation(attributes))) == Templates().envelope_size(row.group) + len(row.payload)
    judges["create_template"].check(creation(attributes))
    judges["update_template"].check(change("T1", attributes))


def test_an_assignment(judges: Mapping[str, Judge]) -> None:
    judges["assign_template_to_campaign_message"].check(assignment("M1", "T1"))
    details = {"channel": "email", "template_id": None, "subject": "Hello", "from_label": ""}
    document = change_of_variation("V1", {"name": "a", "details": details}, "T1")
    judges[f"update_campaign_variation@{OMNICHANNEL}"].check(document)
    told = document["data"]["attributes"]["definition"]
    assert told == {"name": "a", "details": {**details, "template_id": "T1"}}
    assert details["template_id"] is None


DELETIONS = st.one_of(
    [
        st.fixed_dictionaries({name: values})
        for name, values in {
            "profile_id": st.none() | TEXTS,
            "email": st.none() | st.emails(),
            "phone_number": st.none() | st.just("+14155552671"),
        }.items()
    ]
)


@settings(deadline=None, max_examples=60)
@given(record=DELETIONS)
def test_deletions(judges: Mapping[str, Judge], record: Json) -> None:
    sink = ProfileDeletions()
    try:
        row = sink.row(record)
    except Rejected:
        return
    assert row is not None
    body = b'{"data":%b}' % row.payload
    assert len(body) == sink.envelope_size(row.group) + len(row.payload)
    assert not _nulls(json.loads(body))
    judges["request_profile_deletion"].check(json.loads(body))


def _bulk_operations(sink: type[Sink]) -> set[str]:
    return {route.operation for route in sink.routes if isinstance(route, BulkRoute)}


@pytest.mark.parametrize("sink", [each for each in SINKS if _bulk_operations(each)], ids=named)
def test_every_bulk_request_is_what_klaviyo_describes(judges: Mapping[str, Judge], sink: type[Sink]) -> None:
    bulk_sink = examples(sink).sink
    assert isinstance(bulk_sink, BulkSink)
    seen: set[str] = set()

    def check(record: Json) -> None:
        try:
            row = bulk_sink.row(record)
        except Rejected:
            return
        if row is None or not isinstance(row.group.route, BulkRoute):
            return
        body = bulk_sink.body(row.group, [row.payload])
        assert len(body) == bulk_sink.envelope_size(row.group) + len(row.payload)
        document = json.loads(body)
        assert not _nulls(document)
        judges[row.group.route.operation].check(document)
        seen.add(row.group.route.operation)

    settings(deadline=None, max_examples=60, database=None)(given(any_record(sink))(check))()
    for record in examples(sink).variants():
        check(record)
    assert seen == _bulk_operations(sink)


def _of_one_and_of_many(examples: Examples) -> list[Json]:
    """Every variant of one person, of whom the last may take the place of others, and each of somebody."""
    variants = examples.variants()
    others = [
        {name: _another(examples, name, value, number) for name, value in record.items()}
        for number, record in enumerate(variants, start=1)
        if "email" in record or examples.existing.keys() & record.keys()
    ]
    return variants + others


def _another(examples: Examples, name: str, value: object, number: int) -> object:
    if known := examples.existing.get(name):
        return known[number % len(known)]
    return BY_NAME[name](number) if name == "email" else value


@pytest.mark.parametrize("sink", SINKS, ids=named)
def test_every_write_that_reaches_klaviyo_is_what_it_describes(
    judges: Mapping[str, Judge], sink: type[Sink], sandbox: Sandbox, load_any: Callable[..., Any]
) -> None:
    run = load_any(sink, _of_one_and_of_many)
    operations = {route.operation for route in sink.routes}
    taken = {each.operation for each in sandbox.received if each.status < 300}
    assert operations <= taken, f"does the sandbox serve {operations - taken}? {run.error or run.rejects[:1]}"
    for write in sandbox.received:
        if write.operation in judges:
            judges[write.operation].check(json.loads(write.body))
    assert {each.operation for each in sandbox.received} <= judges.keys()
