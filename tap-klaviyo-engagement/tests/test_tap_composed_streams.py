"""Rows that name others: asked for only where they are wanted, and read in whatever form they come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from klaviyo_sandbox import Sandbox
from klaviyo_wire.endpoints import DEFAULT_REVISION, OMNICHANNEL
from tap_klaviyo_engagement.extraction.slices import Listing
from tap_klaviyo_engagement.stream_kinds.composed_stream import LinkedStream, ids_of, may_be_since
from tap_klaviyo_engagement.streams import streams_for
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

Json = dict[str, Any]
RunTap = Callable[..., Any]

LINKED = [
    pytest.param(revision, stream.name, id=f"{stream.name} of {revision}")
    for revision in (DEFAULT_REVISION, OMNICHANNEL)
    for stream in streams_for(revision)
    if issubclass(stream, LinkedStream) and stream.name != "webhooks"
]


def _stream(revision: str, name: str, *without: str) -> LinkedStream:
    config = {"api_key": "pk_test_0123456789", "revision": revision}
    catalog = TapKlaviyoEngagement(config=config).catalog_dict
    for entry in catalog["streams"]:
        for each in entry["metadata"]:
            if not each["breadcrumb"]:
                each["metadata"]["selected"] = True
            elif each["breadcrumb"][1] in without:
                each["metadata"]["selected"] = False
    stream = TapKlaviyoEngagement(config=config, catalog=catalog).streams[name]
    assert isinstance(stream, LinkedStream)
    return stream


@pytest.mark.parametrize(("revision", "name"), LINKED)
def test_what_rows_name_is_included_only_where_its_column_is_selected(revision: str, name: str) -> None:
    whole = _stream(revision, name)
    offered = {column: link for column, link in whole.links.items() if link in whole.endpoint.include}
    asked = whole.params(Listing()).get("include", "")
    assert set(filter(None, asked.split(","))) == set(offered.values())
    assert "include" not in _stream(revision, name, *offered).params(Listing())


@pytest.mark.parametrize(
    ("relationships", "ids"),
    [
        ({"tags": {"data": [{"type": "tag", "id": "b"}, {"type": "tag", "id": "a"}]}}, ["a", "b"]),
        ({"tags": {"data": []}}, []),
        ({"tags": {"data": None}}, []),
        ({"tags": {"links": {"related": "…"}}}, []),
        ({"tags": []}, []),
        ({}, []),
        ([], []),
    ],
)
def test_tags_are_read_in_every_form_a_relationship_has(relationships: Json, ids: list[str]) -> None:
    campaign = {"type": "campaign", "id": "C", "attributes": {"name": "Sale"}, "relationships": relationships}
    record = _stream(DEFAULT_REVISION, "campaigns").record(campaign, Listing(columns={"channel": "email"}))
    assert record["tag_ids"] == ids


def test_ids_that_are_not_told_are_not_none() -> None:
    assert ids_of({"relationships": {"tags": {"data": []}}}, "tags") == []
    assert ids_of({"relationships": {"tags": {"links": {}}}}, "tags") is None
    assert ids_of({}, "tags") is None


START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("times", "may"),
    [
        (("2026-01-01T00:00:00+00:00",), True),
        (("2025-12-31T23:59:59.999999+00:00",), False),
        (("2026-01-01 01:00:00+02:00",), False),
        (("2020-01-01T00:00:00Z", "2026-01-02"), True),
        (("2020-01-01T00:00:00Z", None), False),
        ((None, None), True),
        ((), True),
        (("soon", "2020-01-01T00:00:00Z"), True),
    ],
)
def test_a_change_is_ruled_out_only_by_times_that_are_told(times: tuple[str | None, ...], *, may: bool) -> None:
    assert may_be_since(START, *times) is may
    assert may_be_since(None, *times)


def test_without_the_feature_webhooks_stop_alone_and_say_why(run_tap: RunTap) -> None:
    with Sandbox(profiles=1, events=0, advanced_kdp=False) as sandbox:
        config = {"api_key": sandbox.api_key, "api_url": sandbox.url}
        extract = run_tap(config, ["webhooks", "forms"])
    assert list(extract.failed) == ["webhooks"]
    assert extract.records["forms"]
