"""Streams that are listed by what they belong to, and those of the shop: what is asked, what rows hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.http.faults import Missing, Status
from klaviyo_sandbox.model.clock import Clock
from klaviyo_sandbox.model.records import CatalogItem, CatalogPlace, Coupon, CouponCode
from tap_klaviyo_engagement.errors import Unreadable
from tap_klaviyo_engagement.extraction.documents import documents

Json = dict[str, Any]
RunTap = Callable[..., Any]

NOW = datetime(2026, 9, 4, 13, 38, 55, tzinfo=UTC)
TOLD = ["resource_ids", "membership_snapshots"]


def _now() -> datetime:
    return NOW


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(profiles=60, events=0, seed=5, clock=Clock(lambda: NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def config(sandbox: Sandbox) -> Iterator[Json]:
    yield {"api_key": sandbox.api_key, "api_url": sandbox.url}
    sandbox.faults.clear()


def _held(sandbox: Sandbox, sql: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in sandbox.store.read(sql)), key=str)


def test_codes_of_every_coupon_are_read_in_pages_with_who_has_them(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    sandbox.store.put(Coupon(id="BIG 50%, ✂️"))
    sandbox.store.put(Coupon(id="NONE"))
    sandbox.store.add(
        CouponCode(id=f"B-{place:03d}", coupon_id="BIG 50%, ✂️", unique_code=str(place)) for place in range(205)
    )
    rows = run_tap(config, ["coupon_codes"], now=_now).records["coupon_codes"]
    found = sorted(((row["id"], row["coupon_id"], row["profile_id"], row["status"]) for row in rows), key=str)
    assert found == _held(sandbox, "select id, coupon_id, profile_id, status from coupon_codes")
    assert any(row["profile_id"] for row in rows)


def test_a_product_in_two_categories_has_a_row_for_each(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    rows = run_tap(config, ["catalog_category_items"], now=_now).records["catalog_category_items"]
    pairs = [(row["catalog_category_id"], row["catalog_item_id"]) for row in rows]
    assert sorted(pairs, key=str) == _held(sandbox, "select category_id, item_id from catalog_category_items")
    assert len({item for _, item in pairs}) < len(pairs)


def test_products_name_their_variants(config: Json, run_tap: RunTap) -> None:
    read = run_tap(config, ["catalog_items", "catalog_variants"], now=_now).records
    named = {key: row["id"] for row in read["catalog_items"] for key in row["variant_ids"]}
    assert named == {row["id"]: row["item_id"] for row in read["catalog_variants"]}
    assert [] in [row["variant_ids"] for row in read["catalog_items"]], "a product without any has an empty list"
    assert None in [row["price"] for row in read["catalog_items"]]


def test_reviews_of_every_status_are_read(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    rows = run_tap(config, ["reviews"], now=_now).records["reviews"]
    assert {row["status"] for row in rows} == {"published", "featured", "pending", "unpublished", "rejected"}
    assert all((row["rejection_reason"] is not None) == (row["status"] == "rejected") for row in rows)
    found = sorted(((row["id"], row["item_id"]) for row in rows), key=str)
    assert found == _held(sandbox, "select id, item_id from reviews")


def test_metrics_of_a_role_and_of_a_custom_metric_are_named(config: Json, run_tap: RunTap) -> None:
    read = run_tap(config, ["metrics", "custom_metrics", "mapped_metrics"], now=_now).records
    known = {row["id"] for row in read["metrics"]}
    (custom,) = read["custom_metrics"]
    groups = custom["definition"]["metric_groups"]
    assert set(custom["metric_ids"]) == {each["metric_id"] for each in groups} <= known
    roles = {row["id"]: (row["metric_id"], row["custom_metric_id"]) for row in read["mapped_metrics"]}
    assert roles["revenue"] == (None, custom["id"])
    assert roles["viewed_product"][0] in known
    assert roles["cancelled_sales"] == (None, None)


def test_push_tokens_name_whose_they_are(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    rows = run_tap(config, ["push_tokens"], now=_now).records["push_tokens"]
    found = sorted(((row["id"], row["profile_id"]) for row in rows), key=str)
    assert found == _held(sandbox, "select id, profile_id from push_tokens")
    assert all(row["metadata"]["device_id"] for row in rows)


def test_an_owner_that_vanishes_costs_its_rows_and_nothing_counts_as_gone(
    sandbox: Sandbox, config: Json, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.faults.add(Missing(operation="get_versions_for_form", nth=2))
    extract = run_tap(config, ["form_versions", *TOLD], now=_now)
    assert extract.failed == []
    assert "was deleted while it was read" in caplog.text
    forms = {row["form_id"] for row in extract.records["form_versions"]}
    assert len(forms) == sandbox.store.count("forms") - 1
    snapshots = {row["group_id"] for row in extract.records["membership_snapshots"]}
    assert "form_versions" not in snapshots
    whole = run_tap(config, ["form_versions", *TOLD], now=_now)
    assert {row["group_id"] for row in whole.records["membership_snapshots"]} == {"form_versions"}


def test_an_owner_that_cannot_be_read_costs_its_rows_and_nothing_counts_as_gone(
    sandbox: Sandbox, config: Json, run_tap: RunTap, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = documents

    def one_is_none(client: object, operation: str, put_aside: Callable[[Unreadable], None], **asked: Any) -> Any:  # noqa: ANN401
        put_aside(Unreadable("no form", id=None, code="no_resource", remedy="report it"))
        return real(client, operation, put_aside, **asked)  # type: ignore[arg-type]

    monkeypatch.setattr("tap_klaviyo_engagement.stream_kinds.listed_stream.documents", one_is_none)
    extract = run_tap(config, ["form_versions", *TOLD], now=_now)
    assert len(extract.records["form_versions"]) == sandbox.store.count("form_versions")
    assert extract.records["membership_snapshots"] == []


def test_an_owner_whose_listing_fails_for_good_stops_the_stream_and_no_other(
    sandbox: Sandbox, config: Json, run_tap: RunTap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backoff._sync.time.sleep", lambda _: None)
    sandbox.faults.add(Status(operation="get_records_for_object_type", times=None))
    extract = run_tap(config, ["object_types", "object_schemas", "object_records"], now=_now)
    assert extract.failed == ["object_records"]
    assert len(extract.records["object_schemas"]) == sandbox.store.count("object_schemas")


def test_a_deleted_product_is_told_by_the_ids_of_the_next_run(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    sandbox.store.put(_product("gone"))
    first = run_tap(config, ["catalog_items", *TOLD], now=_now)
    assert "gone" in {row["id"] for row in first.records["resource_ids"]}
    sandbox.store.delete(CatalogItem, "gone")
    second = run_tap(config, ["catalog_items", *TOLD], state=first.state, now=_now)
    assert "gone" not in {row["id"] for row in second.records["resource_ids"]}
    before, after = (each.records["membership_snapshots"][0]["snapshot_at"] for each in (first, second))
    assert before < after


def _product(key: str) -> CatalogItem:
    return CatalogItem(
        id=key, external_id=key, title=key, description="", url="https://shop.example", created=NOW, updated=NOW
    )


def test_content_that_did_not_change_is_not_read_again(config: Json, run_tap: RunTap) -> None:
    streams = ["images", "universal_content", "web_feeds"]
    first = run_tap(config, streams, now=_now)
    second = run_tap(config, streams, state=first.state, now=_now)
    for stream in streams:
        assert len(first.records[stream]) > len(second.records[stream]) <= 1, "what is at the bookmark comes again"
        assert second.bookmark(stream) == first.bookmark(stream)


def test_a_category_with_no_product_has_no_row(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    rows = run_tap(config, ["catalog_categories", "catalog_category_items"], now=_now).records
    filled = {row["catalog_category_id"] for row in rows["catalog_category_items"]}
    assert len(filled) == len(rows["catalog_categories"]) - 1
    assert sandbox.store.find(CatalogPlace, "item_id = 'nobody'") == []
