"""Pages that the API should not send, and does or might."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug import Response

from klaviyo_wire.endpoints import ENDPOINTS
from tap_klaviyo_engagement.extraction.record_decoder import decode, plain
from tap_klaviyo_engagement.extraction.windows import Window
from tap_klaviyo_engagement.stream_kinds.listed_stream import ListedStream, Listing
from tap_klaviyo_engagement.streams import STREAMS, revision_of
from tap_klaviyo_engagement.streams.profiles import Profiles
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer
    from werkzeug import Request

Json = dict[str, Any]
RunTap = Callable[..., Any]

KEY = {"api_key": "pk_test_0123456789"}


def _profile(key: str, updated: str | None, **attributes: object) -> Json:
    return {"type": "profile", "id": key, "attributes": {"updated": updated, **attributes}}


def _serve(server: HTTPServer, *pages: list[Json]) -> Json:
    """Serves these pages of profiles in this order."""
    for position, page in enumerate(pages, start=1):
        following = server.url_for(f"/api/profiles?page%5Bcursor%5D={position}") if position < len(pages) else None
        document = {"data": page, "links": {"next": following, "prev": server.url_for("/bogus")}}
        server.expect_ordered_request("/api/profiles").respond_with_data(
            json.dumps(document), content_type="application/vnd.api+json"
        )
    return KEY | {"api_url": server.url_for("")}


def test_empty_pages_end_nothing_and_the_order_of_rows_does_not_matter(
    httpserver: HTTPServer, run_tap: RunTap
) -> None:
    pages: tuple[list[Json], ...] = (
        [],
        [_profile("c", "2026-03-03T00:00:00+00:00"), _profile("a", "2026-01-01T00:00:00+00:00")],
        [],
        [_profile("b", "2026-02-02 00:00:00+00:00"), _profile("c", "2026-03-03T00:00:00+00:00")],
    )
    extract = run_tap(_serve(httpserver, *pages), ["profiles"])
    assert [record["id"] for record in extract.records["profiles"]] == ["c", "a", "b"]
    assert extract.bookmark("profiles") == "2026-03-03T00:00:00+00:00"
    httpserver.check_assertions()


@pytest.mark.parametrize("length", [1, 2, 3, 50])
def test_pages_that_name_each_other_in_a_circle_stop_their_stream(
    length: int, httpserver: HTTPServer, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[int] = []

    def answer(request: Request) -> Response:
        page = int(request.args.get("page[cursor]", "0"))
        asked.append(page)
        following = httpserver.url_for(f"/api/lists?page%5Bcursor%5D={(page + 1) % length}")
        row = {"type": "list", "id": f"L{page}", "attributes": {"updated": "2026-01-01T00:00:00Z"}}
        document = {"data": [row], "links": {"next": following}}
        return Response(json.dumps(document), content_type="application/vnd.api+json")

    httpserver.expect_request("/api/lists").respond_with_handler(answer)
    extract = run_tap(KEY | {"api_url": httpserver.url_for("")}, ["lists"])
    assert extract.failed == ["lists"]
    assert len(asked) == length + 1
    assert "names a page as the next one that was read before" in caplog.text


def test_a_row_that_changed_between_two_pages_is_emitted_as_it_is_now(
    httpserver: HTTPServer, run_tap: RunTap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It moved behind the position of the cursor: without its second form, the bookmark would pass it unseen."""
    monkeypatch.setattr(Profiles, "windowed", False)
    pages = (
        [_profile("a", "2026-01-01T00:00:00+00:00", first_name="Ada")],
        [_profile("a", "2026-01-02T00:00:00+00:00", first_name="Grace")],
        [_profile("b", "2026-01-03T00:00:00+00:00")],
    )
    extract = run_tap(_serve(httpserver, *pages), ["profiles"])
    assert [record["first_name"] for record in extract.records["profiles"]] == ["Ada", "Grace", None]


def test_half_an_emoji_costs_no_row(httpserver: HTTPServer, run_tap: RunTap) -> None:
    page = [_profile("a", "2026-01-01T00:00:00+00:00", first_name="Zo\ud83d", properties={"n": 2**70})]
    (record,) = run_tap(_serve(httpserver, page), ["profiles"]).records["profiles"]
    assert record["first_name"] == "Zo\ufffd"
    assert record["properties"] == {"n": 2**70}


def test_a_row_without_cursor_is_emitted(httpserver: HTTPServer, run_tap: RunTap) -> None:
    extract = run_tap(_serve(httpserver, [_profile("a", None)]), ["profiles"])
    assert [record["id"] for record in extract.records["profiles"]] == ["a"]
    assert extract.bookmark("profiles") is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (_profile("a", "the other day"), "`updated` of profile a is not a time"),
        (_profile("a", "2026-01-01T00:00:00Z", created=1788529135), "`created` of profile a is not a time"),
        ({"type": "profile", "attributes": {}}, "Object missing required field `id`"),
        ("profile", "Expected `object`, got `str`"),
    ],
)
def test_more_than_may_be_put_aside_stops_the_stream_and_is_named(
    row: Json, said: str, httpserver: HTTPServer, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    document = {"data": [_profile("z", "2026-01-01T00:00:00Z"), row], "links": {"next": None}}
    httpserver.expect_request("/api/profiles").respond_with_json(document)
    extract = run_tap(KEY | {"api_url": httpserver.url_for(""), "max_rejects": 0}, ["profiles"])
    assert extract.failed == ["profiles"]
    assert said in caplog.text
    assert "the setting `max_rejects` allows 0" in caplog.text
    assert extract.bookmark("profiles") is None


def test_columns_klaviyo_adds_are_left_out_until_they_are_declared() -> None:
    stream = _stream("profiles")
    record = plain(stream.record(_profile("a", None, whatsapp_bsuid="x", email="ada@shop.example"), Listing()))
    assert record.keys() == stream.schema["properties"].keys()
    assert record["email"] == "ada@shop.example"


def test_a_category_may_be_text_or_an_object() -> None:
    for category in ("API", {"id": "0", "name": "API"}):
        metric = {"type": "metric", "id": "M", "attributes": {"integration": {"key": "api", "category": category}}}
        assert plain(_stream("metrics").record(metric, Listing()))["integration"]["category"] == category


def test_bodies_that_are_not_json_are_refused() -> None:
    for body in (b"", b"<html>", b'{"data": [', b'"\xff"'):
        with pytest.raises(ValueError, match=r".+"):
            decode(body)


def _declared(stream: type[ListedStream]) -> ListedStream:
    """A stream at the revision that its declaration is written for, with all its columns."""
    settings: Json = {"include_subscriptions": True, "include_predictive_analytics": True}
    return _stream(stream.name, revision=revision_of(stream), **settings)


def _stream(name: str, **settings: object) -> ListedStream:
    stream = TapKlaviyoEngagement(config=KEY | settings).streams[name]
    assert isinstance(stream, ListedStream)
    return stream


# Requests


@pytest.mark.parametrize("declared", [stream for stream in STREAMS if stream.operation.startswith("get_")])
def test_requests_ask_for_what_the_endpoint_offers(declared: type[ListedStream]) -> None:
    stream = _declared(declared)
    endpoint = ENDPOINTS[stream.operation]
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    window = Window(moment, moment) if stream.windowed else Window(moment)
    if stream.cursor not in {entry.field for entry in endpoint.filters}:
        window = Window()
    params = stream.params(Listing() if stream.parent else stream.listings[0], window)
    fields = params[f"fields[{stream.resource}]"].split(",")
    assert set(fields) <= endpoint.fields[stream.resource]
    if endpoint.page and endpoint.page.maximum:
        assert params["page[size]"] == str(endpoint.page.maximum)
    else:
        assert "page[size]" not in params
    if "sort" in params:
        assert params["sort"] in endpoint.sort
    allowed = {f"{operator}({entry.field}" for entry in endpoint.filters for operator in entry.operators}
    used = [part.partition(",")[0] for part in params.get("filter", "").split("),") if part]
    assert set(used) <= allowed


def test_every_declared_column_has_a_source() -> None:
    """A column is an attribute, a relationship's id, named by `sources`, or given by the stream or the listing."""
    for declared in STREAMS:
        if not declared.operation.startswith("get_"):
            continue
        assert issubclass(declared, ListedStream), declared.name
        stream = _declared(declared)
        given = {"id", *(f"{each.replace('-', '_')}_id" for each in stream.relationships), *stream.sources}
        given |= stream.endpoint.fields[stream.resource] | set(stream.given_columns)
        given |= {column for listing in stream.listings for column in listing.columns}
        given |= set(getattr(stream, "links", ()))
        assert stream.schema["properties"].keys() <= given, declared.name


def test_expensive_columns_are_asked_for_only_when_their_setting_is_on() -> None:
    assert "additional-fields[profile]" not in _stream("profiles").params(Listing(), Window())
    settings = {"include_subscriptions": True, "include_predictive_analytics": True}
    assert (
        _stream("profiles", **settings).params(Listing(), Window())["additional-fields[profile]"]
        == "subscriptions"
    )
    slow = _stream("profile_predictive_analytics", **settings).params(Listing(), Window())
    assert slow["additional-fields[profile]"] == "predictive_analytics"
