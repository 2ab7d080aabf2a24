"""Which streams there are at an API revision, and the streams of the one with omnichannel campaigns."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from werkzeug import Request, Response

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.model.clock import Clock
from klaviyo_wire.endpoints import OMNICHANNEL
from klaviyo_wire.errors import ConfigurationError
from tap_klaviyo_engagement.streams import STREAMS, revision_of, streams_for
from tap_klaviyo_engagement.streams.campaigns import CampaignMessages, Campaigns
from tap_klaviyo_engagement.streams.omnichannel import OmnichannelCampaignMessages, OmnichannelCampaigns
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer

Json = dict[str, Any]
RunTap = Callable[..., Any]

NOW = datetime(2026, 9, 4, 13, 38, 55, tzinfo=UTC)
BRAND = ["brand_colors", "brand_logos", "brand_buttons", "brand_social_groups", "billing_usage"]
LATER_ONLY = {"campaign_audiences", "campaign_variations", *BRAND}


@given(st.dates(date(2026, 7, 15), date(2030, 1, 1)).map(date.isoformat))
def test_a_revision_has_of_each_name_the_newest_declaration_that_is_not_newer(revision: str) -> None:
    chosen = streams_for(revision)
    names = [stream.name for stream in chosen]
    assert len(set(names)) == len(names)
    assert set(names) >= {stream.name for stream in STREAMS} - LATER_ONLY
    for stream in chosen:
        rivals = [each for each in STREAMS if each.name == stream.name and revision_of(each) <= revision]
        assert revision_of(stream) == max(map(revision_of, rivals))
    assert list(chosen) == [stream for stream in STREAMS if stream in chosen], "in the order of STREAMS"


def test_campaigns_are_of_the_model_of_the_revision() -> None:
    before = streams_for("2026-10-14")
    assert {Campaigns, CampaignMessages} < set(before)
    assert LATER_ONLY.isdisjoint(stream.name for stream in before)
    after = streams_for(OMNICHANNEL)
    assert {OmnichannelCampaigns, OmnichannelCampaignMessages} < set(after)
    assert {stream.name for stream in after} == {stream.name for stream in STREAMS}


@pytest.mark.parametrize("revision", ["2026-07-14", "2023-10-15", "2026-07-01.pre"])
def test_a_revision_older_than_every_declaration_is_refused_by_name(revision: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"`revision` is '{revision}': the oldest .* is 2026-07-15"):
        TapKlaviyoEngagement(config={"api_key": "pk_test_0123456789", "revision": revision})


def test_a_retired_revision_ends_the_run_and_nothing_is_read_as_of_a_later_one(
    run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    years_later = datetime(2029, 1, 1, tzinfo=UTC)
    with Sandbox(profiles=3, events=0, clock=Clock(lambda: years_later)) as sandbox:
        config = {"api_key": sandbox.api_key, "api_url": sandbox.url}
        with pytest.raises(SystemExit):
            run_tap(config, ["profiles"], now=lambda: years_later)
        assert sandbox.requests.total() == sandbox.requests["get_accounts 410"] > 0
    assert "is gone: set `revision`" in caplog.text


# Omnichannel campaigns


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(profiles=10, events=0, seed=5, clock=Clock(lambda: NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def config(sandbox: Sandbox) -> Json:
    return {"api_key": sandbox.api_key, "api_url": sandbox.url, "revision": OMNICHANNEL}


CAMPAIGN_STREAMS = ["campaigns", "campaign_audiences", "campaign_messages", "campaign_variations"]


def _now() -> datetime:
    return NOW


def _later() -> datetime:
    return NOW + timedelta(hours=1)


def test_campaigns_and_all_that_belongs_to_them_are_read(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    extract = run_tap(config, CAMPAIGN_STREAMS, now=_now)
    assert extract.failed == []
    records = extract.records
    campaigns = {each["id"]: each for each in records["campaigns"]}
    assert campaigns.keys() == {row[0] for row in sandbox.store.read("select id from campaigns")}
    assert {each["archived"] for each in campaigns.values()} == {True, False}
    assert {each["campaign_id"] for each in records["campaign_audiences"]} == campaigns.keys()
    messages = {each["id"]: each for each in records["campaign_messages"]}
    assert messages.keys() == {row[0] for row in sandbox.store.read("select id from messages")}
    assert {each["campaign_id"] for each in messages.values()} == campaigns.keys()
    assert {each["campaign_audience_id"] for each in messages.values()} == {
        each["id"] for each in records["campaign_audiences"]
    }
    assert {each["campaign_message_id"] for each in records["campaign_variations"]} == messages.keys()
    for stream, schema in extract.schemas.items():
        validator = Draft202012Validator(schema, format_checker=FormatChecker())
        for record in records[stream]:
            validator.validate(record)
            assert record.keys() == schema["properties"].keys()
    for record in (*campaigns.values(), *messages.values(), *records["campaign_audiences"]):
        assert record["name"] == record["definition"]["name"]


def test_the_brand_and_what_was_used_of_the_plan_are_read(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    extract = run_tap(config, BRAND, now=_now)
    assert extract.failed == []
    for stream, schema in extract.schemas.items():
        validator = Draft202012Validator(schema, format_checker=FormatChecker())
        assert len(extract.records[stream]) == sandbox.store.count(stream) > 0
        for record in extract.records[stream]:
            validator.validate(record)
            assert record.keys() == schema["properties"].keys()
    assert {row["image_id"] for row in extract.records["brand_logos"]} == {"1000001", None}
    assert {row["period_start"] for row in extract.records["billing_usage"]} == {"2026-09-01T00:00:00+00:00"}


def test_audiences_cost_no_request_of_their_own(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    run_tap(config, ["campaign_audiences"], now=_now)
    assert sandbox.requests == {"get_campaigns@2026-10-15 200": 2, "get_accounts 200": 1}


def test_a_second_run_asks_for_next_to_nothing(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    first = run_tap(config, CAMPAIGN_STREAMS, now=_now)
    before = Counter(sandbox.requests)
    second = run_tap(config, CAMPAIGN_STREAMS, state=first.state, now=_later)
    drafts = sandbox.store.read("select count(*) from campaigns where status not in ('Sent', 'Cancelled')")[0][0]
    assert (sandbox.requests - before)["get_variations_for_campaign_message@2026-10-15 200"] <= drafts + 1
    assert all(len(records) <= drafts + 1 for records in second.records.values())
    assert second.marks == first.marks


def test_bookmarks_of_one_model_do_not_stand_for_the_other(config: Json, run_tap: RunTap) -> None:
    """Messages had `updated_at`, now they have `updated`: the first run with the other model reads them whole."""
    older = run_tap(config | {"revision": "2026-07-15"}, ["campaign_messages"], now=_now)
    newer = run_tap(config, ["campaign_messages"], state=older.state, now=_later)
    assert len(newer.records["campaign_messages"]) == len(older.records["campaign_messages"])
    assert newer.bookmark("campaign_messages") is not None


def test_audiences_are_listed_where_those_included_are_not_all(httpserver: HTTPServer, run_tap: RunTap) -> None:
    def campaigns(request: Request) -> Response:
        archived = "true" in request.args["filter"]
        references = {"data": [{"type": "campaign-audience", "id": key} for key in ("A1", "A2")]}
        campaign = {"type": "campaign", "id": "C", "relationships": {"campaign-audiences": references}}
        document = {"data": [] if archived else [campaign], "included": [_audience("A1")]}
        return Response(json.dumps(document), content_type="application/vnd.api+json")

    httpserver.expect_request("/api/campaigns").respond_with_handler(campaigns)
    httpserver.expect_request("/api/campaigns/C/campaign-audiences").respond_with_json(
        {"data": [_audience("A1"), _audience("A2")]}
    )
    config = {"api_key": "pk_test_0123456789", "api_url": httpserver.url_for(""), "revision": OMNICHANNEL}
    records = run_tap(config, ["campaign_audiences"], now=_now).records["campaign_audiences"]
    assert {(each["id"], each["campaign_id"]) for each in records} == {("A1", "C"), ("A2", "C")}


def _audience(key: str) -> Json:
    return {"type": "campaign-audience", "id": key, "attributes": {"updated": "2026-01-01T00:00:00+00:00"}}


@pytest.mark.parametrize(
    ("definition", "updated", "due"),
    [
        pytest.param({"status": "draft"}, -9, True, id="a draft"),
        pytest.param({"status": "sending"}, -9, True, id="under way"),
        pytest.param({"status": "Sent"}, -9, False, id="sent long ago"),
        pytest.param({"status": "cancelled: billing limit"}, -9, False, id="cancelled long ago"),
        pytest.param({"status": "sent"}, 0, True, id="changed at the bookmark"),
        pytest.param({"status": "sent", "send_options": {"send_time": 1}}, -9, True, id="sent since"),
        pytest.param(
            {"status": "sent", "send_options": {"send_times": {"V": 1}}}, -9, True, id="a variation, since"
        ),
        pytest.param(
            {"status": "sent", "send_options": {"send_times": {"V": -8}}}, -9, False, id="a variation, ago"
        ),
        pytest.param({}, -9, True, id="no status"),
        pytest.param(None, None, True, id="nothing told"),
    ],
)
def test_variations_are_asked_for_where_they_may_have_changed(
    definition: Json | None, updated: int | None, *, due: bool, httpserver: HTTPServer, run_tap: RunTap
) -> None:
    bookmark = NOW - timedelta(days=1)

    def at(hours: int | None) -> str | None:
        return None if hours is None else (bookmark + timedelta(hours=hours)).isoformat()

    options = (definition or {}).get("send_options")
    if options and "send_time" in options:
        options = {"send_time": at(options["send_time"])}
    elif options:
        options = {"send_times": {key: at(hours) for key, hours in options["send_times"].items()}}
    attributes = {"definition": definition and {**definition, "send_options": options}, "updated": at(updated)}
    message = {"type": "campaign-message", "id": "M", "attributes": attributes}
    variation = {"type": "campaign-variation", "id": "V", "attributes": {"updated": at(-10)}}
    httpserver.expect_request("/api/campaign-messages").respond_with_json({"data": [message]})
    httpserver.expect_request("/api/campaign-messages/M/campaign-variations").respond_with_json(
        {"data": [variation]}
    )
    config = {"api_key": "pk_test_0123456789", "api_url": httpserver.url_for(""), "revision": OMNICHANNEL}
    held = {"replication_key": "updated", "replication_key_value": bookmark.isoformat()}
    state = {"bookmarks": {"campaign_variations": held}}
    extract = run_tap(config, ["campaign_variations"], state=state, now=_now)
    assert extract.failed == []
    assert [each["id"] for each in extract.records["campaign_variations"]] == (["V"] if due else [])
