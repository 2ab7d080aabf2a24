"""Responses recorded from a live account pass through the streams unharmed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from klaviyo_wire.endpoints import DEFAULT_REVISION
from tap_klaviyo_engagement.extraction.record_decoder import plain
from tap_klaviyo_engagement.stream_kinds.listed_stream import ListedStream, Listing
from tap_klaviyo_engagement.streams import streams_for
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

Json = dict[str, Any]

CONFIG = {
    "api_key": "pk_test_0123456789",
    "include_subscriptions": True,
    "include_predictive_analytics": True,
}
EMPTY = {"profile_import_errors", "push_tokens"}  # recorded of a job without errors, of somebody without a device
# Other operations that answer with the same resources: they hold forms that the listing's recording lacks.
RELATIVES = {
    "accounts": ("get_account",),
    "tags": ("create_tag", "get_tag", "get_tags_for_campaign", "get_tags_for_flow", "get_tags_for_tag_group"),
    "forms": ("create_form", "get_form"),
    "form_versions": ("get_form_version",),
    "tag_groups": ("create_tag_group", "get_tag_group", "get_tag_group_for_tag"),
    "custom_metrics": (
        "create_custom_metric",
        "get_custom_metric",
        "update_custom_metric",
    ),
    "mapped_metrics": ("get_mapped_metric",),
    "universal_content": ("create_universal_content", "get_universal_content", "update_universal_content"),
    "webhooks": ("create_webhook", "get_webhook", "update_webhook"),
    "flows": ("create_flow", "get_flow", "get_flow_action", "get_flow_for_flow_action", "update_flow"),
    "flow_actions": (
        "get_action_for_flow_message",
        "get_flow",
        "get_flow_action",
        "get_flow_message",
        "get_flows",
        "update_flow_action",
    ),
    "flow_messages": ("get_flow_message",),
    "profile_import_jobs": ("get_bulk_import_profiles_job",),
    "events": ("get_event",),
    "metrics": ("get_metric", "get_metric_for_event", "get_events"),
    "profiles": (
        "create_or_update_profile",
        "create_profile",
        "get_profile",
        "get_profile_for_event",
        "get_profiles_for_bulk_import_profiles_job",
        "get_profiles_for_list",
        "get_profiles_for_segment",
        "update_profile",
    ),
    "lists": ("get_list", "get_lists_for_profile", "update_list"),
    "segments": ("get_segment", "get_segments_for_profile", "update_segment"),
    "templates": ("get_template", "get_template_for_campaign_message", "update_template"),
    "campaigns": ("create_campaign", "get_campaign", "update_campaign"),
    "campaign_messages": ("assign_template_to_campaign_message", "get_campaign", "get_campaign_message"),
}
RECORDINGS = Path(__file__).parents[3] / "shared" / "reference" / "recorded"


def _files(operation: str) -> list[Path]:
    """What was recorded of an operation's successes: nothing of some, whose look only the sandbox shows."""
    return sorted(RECORDINGS.glob(f"{operation}.20[01].json"))


CASES = [
    (stream.name, operation)
    for stream in streams_for(DEFAULT_REVISION)
    if issubclass(stream, ListedStream) and stream.name not in EMPTY
    for operation in (stream.operation, *RELATIVES.get(stream.name, ()))
    if _files(operation)
]
RECORDED = 86
"""Cases, at least."""


@pytest.mark.usefixtures("reference")
def test_no_recording_is_lost() -> None:
    assert len(CASES) >= RECORDED
    assert RELATIVES.keys() <= {name for name, _ in CASES}
    for operation in {each for operations in RELATIVES.values() for each in operations}:
        assert _files(operation), operation


def _listing(stream: ListedStream) -> Listing:
    """A listing with the columns that the stream gives its rows."""
    kinds = stream.schema["properties"]
    given = {
        column: "2026-01-01T00:00:00.5+00:00" if kinds[column].get("format") == "date-time" else "1"
        for column in stream.given_columns
    }
    return Listing(columns={**stream.listings[0].columns, **given})


@pytest.fixture(scope="module")
def tap() -> TapKlaviyoEngagement:
    catalog = TapKlaviyoEngagement(config=CONFIG).catalog_dict
    for entry in catalog["streams"]:
        (own,) = (each["metadata"] for each in entry["metadata"] if not each["breadcrumb"])
        own["selected"] = True
    return TapKlaviyoEngagement(config=CONFIG, catalog=catalog)


@pytest.mark.parametrize(("name", "operation"), CASES)
def test_a_recorded_response_passes_unharmed(name: str, operation: str, tap: TapKlaviyoEngagement) -> None:
    stream = tap.streams[name]
    assert isinstance(stream, ListedStream)
    files = _files(operation)
    listing = _listing(stream)
    validator = Draft202012Validator(stream.schema, format_checker=FormatChecker())
    found = [resource for file in files for resource in _resources(json.loads(file.read_text()), stream.resource)]
    assert found, f"no recording of {operation} holds a {stream.resource}"
    for resource in found:
        record = plain(stream.record(resource, listing))
        validator.validate(record)
        for column, value in resource["attributes"].items():
            kind = stream.schema["properties"].get(column, {})
            if column in stream.sources or kind.get("format") == "date-time":
                continue  # compared below
            assert column not in record or record[column] == value
        for column, kind in stream.schema["properties"].items():
            if kind.get("format") == "date-time" and column not in stream.sources:
                assert (record[column] is None) == (_raw(resource, listing, column) is None)


def _raw(resource: Json, listing: Listing, column: str) -> Any:  # noqa: ANN401 - JSON
    return resource["attributes"].get(column, listing.columns.get(column))


def _resources(recording: Json, kind: str) -> list[Json]:
    """The recorded resources of a type, primary and included.

    The recordings' builder printed every empty object as `[]`: a relationship may be that, an attribute that is an
    object in all schemas is turned back.
    """
    body = recording["response"]["body"]
    data = body["data"] if isinstance(body["data"], list) else [body["data"]]
    found = [resource for resource in data + list(body.get("included", ())) if resource["type"] == kind]
    for resource in found:
        for column in ("properties", "event_properties", "location"):
            if resource["attributes"].get(column) == []:
                resource["attributes"][column] = {}
    return found


def test_a_template_id_is_read_where_a_template_is_assigned(tap: TapKlaviyoEngagement, reference: Path) -> None:
    file = reference / "reference" / "recorded" / "assign_template_to_campaign_message.200.json"
    stream = tap.streams["campaign_messages"]
    assert isinstance(stream, ListedStream)
    body = json.loads(file.read_text())["response"]["body"]
    assert stream.record(body["data"], Listing())["template_id"] == "RXgJ7k"


def test_included_messages_do_not_tell_their_template(reference: Path) -> None:
    """Why `campaign_messages` asks once per campaign; the day this fails, it need not."""
    file = reference / "reference" / "recorded" / "get_campaign.200.json"
    (message,) = (
        resource
        for resource in json.loads(file.read_text())["response"]["body"]["included"]
        if resource["type"] == "campaign-message"
    )
    assert "data" not in message["relationships"]["template"]


def _stream(tap: TapKlaviyoEngagement, name: str) -> ListedStream:
    stream = tap.streams[name]
    assert isinstance(stream, ListedStream)
    return stream


def _first(reference: Path, recording: str, kind: str) -> Json:
    return _resources(json.loads((reference / "reference" / "recorded" / recording).read_text()), kind)[0]


def test_ids_of_others_come_as_recorded(tap: TapKlaviyoEngagement, reference: Path) -> None:
    """Each with the parameters that the stream sends, or without any."""
    tag = _stream(tap, "tags").record(_first(reference, "get_tags.200.json", "tag"), Listing())
    assert tag["tag_group_id"] == "34c01a4a-208c-4428-a80b-4d0b4e0741db"
    webhook = _stream(tap, "webhooks").record(_first(reference, "get_webhooks.200.json", "webhook"), Listing())
    assert webhook["webhook_topic_ids"][-1] == "event:klaviyo.subscribed_to_email_marketing"
    file, kind = "get_bulk_import_profiles_jobs.200.json", "profile-bulk-import-job"
    job = _stream(tap, "profile_import_jobs").record(_first(reference, file, kind), Listing())
    assert job["list_ids"] == ["YafG4m"]
    file = "get_flow_action_messages.200.json"
    message = _stream(tap, "flow_messages").record(_first(reference, file, "flow-message"), Listing())
    assert message["template_id"] == "Ug5pJx"
    action = _stream(tap, "flow_actions").record(_first(reference, "get_flows.200.json", "flow-action"), Listing())
    assert (action["action_type"], action["status"]) == ("send-email", "draft")
    flow = _stream(tap, "flows").record(_first(reference, "get_flows.200.json", "flow"), Listing())
    assert flow["tag_ids"] == []
