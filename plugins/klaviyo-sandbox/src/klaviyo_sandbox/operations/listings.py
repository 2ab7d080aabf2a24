"""Listings of which nothing is known but what they list: one declaration each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from typing_extensions import override

from klaviyo_sandbox.model.errors import refuse_unknown
from klaviyo_sandbox.model.records import (
    BillingUsage,
    BrandButton,
    BrandColor,
    BrandLogo,
    BrandSocialGroup,
    CatalogCategory,
    CatalogItem,
    CatalogVariant,
    CouponCodeJob,
    CustomMetric,
    DataSource,
    Form,
    FormVersion,
    Image,
    MappedMetric,
    Metric,
    MetricProperty,
    ObjectIngestionLog,
    ObjectRecord,
    ObjectSchema,
    ObjectType,
    Review,
    TrackingSetting,
    UniversalContent,
    WebFeed,
)
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.protocol.looks import Look, Related
from klaviyo_sandbox.state.pages import Column, RecordListing, Values, listing_of
from klaviyo_wire.endpoints import OMNICHANNEL

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Json
    from klaviyo_sandbox.operations.call import Answer, Call
    from klaviyo_sandbox.protocol.filters import Condition
    from klaviyo_sandbox.state.repository import R, Record

Included = Callable[["Call", Sequence[str]], "list[Json]"]
"""Resources of these ids."""


@dataclass(frozen=True)
class _Listed:
    """How a kind of record is listed.

    Attributes:
        look: of one.
        included: what can come with them, by relationship.
        ends_silently: whether the last page has no link to a next one, where others have a null (recorded).
    """

    look: Look
    included: Mapping[str, Included] = field(default_factory=dict)
    ends_silently: bool = False

    def answer(self, call: Call, listing: RecordListing[R], owner: Sequence[str] = ()) -> Answer:
        """A page of a listing."""
        page = listing.page(call.store, call.query, owner)
        records, asked, kind = listing.records(page), call.query.include, self.look.kind
        names, additional = call.fields(kind), call.query.additional.get(kind, frozenset())
        unasked = set(call.endpoint.additional_fields.get(kind, ())) - additional
        names = None if names is None else names | additional
        shown = [self.look.resource(each, call.account.url, names, asked) for each in records]
        for each, name in product(shown, unasked):
            each["attributes"].pop(name, None)
        included = None
        if asked:
            included = [
                resource
                for name in sorted(asked)
                for resource in self.included[name](call, _ids(records, self.look.related[name].field))
            ]
        linked = call.endpoint.page is not None and (page.more or not self.ends_silently)
        return call.many(shown, page=page if linked else None, included=included)


def _ids(records: Sequence[object], name: str | None) -> list[str]:
    """The ids that a field of some records holds, each once."""
    held = [getattr(each, name) for each in records] if name else []
    flat = [key for each in held if each for key in (each if isinstance(each, list) else [each])]
    return sorted(set(flat))


def _looked_up(kind: type[Record], look: Look) -> Included:
    """What includes records of a kind."""
    return lambda call, ids: [
        look.resource(each, call.account.url, call.fields(look.kind)) for each in call.store.get_all(kind, ids)
    ]


def _metrics(call: Call, ids: Sequence[str]) -> list[Json]:
    return [call.resources.metric(each, call.fields("metric")) for each in call.store.get_all(Metric, ids)]


def _nothing(_: Call, __: Sequence[str]) -> list[Json]:
    """The sandbox has no such relationship."""
    return []


def _serve(
    name: str,
    listed: _Listed,
    listing: RecordListing[R],
    owner: type[Record] | None = None,
    revision: str | None = None,
) -> None:
    """Serve an operation by a listing.

    Args:
        name: the operation's.
        listed: how its records look.
        listing: which they are.
        owner: a kind of record: what belongs to the one in the path.
        revision: of the operation's entry, where it is not the table's first one.
    """

    def handler(call: Call) -> Answer:
        if owner is None:
            return listed.answer(call, listing)
        if call.store.get(owner, call.path["id"]) is None:
            refuse_unknown(f"{owner.__name__} with id {call.path['id']} does not exist.")
        return listed.answer(call, listing, [call.path["id"]])

    handler.__name__ = name
    if revision is None:
        operation(handler)
    else:
        operation(revision=revision)(handler)


@dataclass(frozen=True, slots=True)
class _Within(Column):
    """The products of a category, or the categories of a product."""

    @override
    def condition(self, condition: Condition, values: Values) -> str:
        marks = ", ".join("?" * len(condition.values))
        values += condition.values
        mine, theirs = ("item_id", "category_id") if self.sql == "category" else ("category_id", "item_id")
        return f"id in (select {mine} from catalog_category_items where {theirs} in ({marks}))"  # noqa: S608


@dataclass(frozen=True, slots=True)
class _ReviewStatus(Column):
    """The status of a review; `all` is every one."""

    @override
    def condition(self, condition: Condition, values: Values) -> str:
        if condition.values == ("all",):
            return "true"
        return Column.condition(self, condition, values)


_VARIANT = Look("catalog-variant", "/api/catalog-variants", {"item": Related("catalog-item", "item_id")})
_ITEM = Look(
    "catalog-item",
    "/api/catalog-items",
    {"variants": Related("catalog-variant", "variant_ids", only_included=True)},
)
_CATEGORY = Look(
    "catalog-category",
    "/api/catalog-categories",
    {"items": Related("catalog-item")},
    hidden=frozenset({"created"}),
)
_ITEMS = _Listed(_ITEM, {"variants": _looked_up(CatalogVariant, _VARIANT)})
_IDS = {"ids": Column("id")}
_ITEM_FILTERS = {**_IDS, "category.id": _Within("category")}
_serve("get_catalog_items", _ITEMS, listing_of(CatalogItem, filters=_ITEM_FILTERS))
_serve(
    "get_catalog_variants",
    _Listed(_VARIANT),
    listing_of(CatalogVariant, filters={**_IDS, "item.id": Column("item_id")}),
)
_serve(
    "get_catalog_categories",
    _Listed(_CATEGORY),
    listing_of(CatalogCategory, filters={**_IDS, "item.id": _Within("item")}),
)
_serve(
    "get_items_for_catalog_category",
    _ITEMS,
    listing_of(
        CatalogItem,
        where="id in (select item_id from catalog_category_items where category_id = ?)",
        filters=_ITEM_FILTERS,
    ),
    CatalogCategory,
)


def _review_status(status: str) -> Json:
    """A review's status as an object; one that is rejected says why."""
    reason = {"rejection_reason": {"reason": "fake"}} if status == "rejected" else {}
    return {"value": status, **reason}


_serve(
    "get_reviews",
    _Listed(
        Look(
            "review",
            "/api/reviews",
            {"events": Related("event"), "item": Related("catalog-item", "item_id")},
            shown={"status": _review_status},
        ),
        {"events": _nothing},
    ),
    listing_of(Review, filters={"item.id": Column("item_id"), "status": _ReviewStatus("status")}),
)

_serve(
    "get_bulk_create_coupon_code_jobs",
    _Listed(
        Look(
            "coupon-code-bulk-create-job",
            "/api/coupon-code-bulk-create-jobs",
            {"coupon-codes": Related("coupon-code")},
        )
    ),
    listing_of(CouponCodeJob),
)

_serve(
    "get_versions_for_form",
    _Listed(Look("form-version", "/api/form-versions", {"form": Related("form", "form_id")}), ends_silently=True),
    listing_of(FormVersion, where="form_id = ?"),
    Form,
)

_IMAGE = Look("image", "/api/images")
_serve("get_images", _Listed(_IMAGE), listing_of(Image))
_serve(
    "get_all_universal_content",
    _Listed(Look("template-universal-content", "/api/template-universal-content")),
    listing_of(
        UniversalContent,
        filters={"definition.content_type": Column("content_type"), "definition.type": Column("block_type")},
    ),
)
_serve("get_web_feeds", _Listed(Look("web-feed", "/api/web-feeds")), listing_of(WebFeed))

_serve(
    "get_tracking_settings",
    _Listed(Look("tracking-setting", "/api/tracking-settings")),
    listing_of(TrackingSetting),
)

_serve(
    "get_properties_for_metric",
    _Listed(Look("metric-property", "/api/metric-properties", {"metric": Related("metric", "metric_id")})),
    listing_of(MetricProperty, where="metric_id = ?"),
    Metric,
)
_CUSTOM_METRIC = Look(
    "custom-metric",
    "/api/custom-metrics",
    {"metrics": Related("metric", "metric_ids", only_included=True)},
)
_MAPPED_METRIC = Look(
    "mapped-metric",
    "/api/mapped-metrics",
    {
        "metric": Related("metric", "metric_id"),
        "custom-metric": Related("custom-metric", "custom_metric_id"),
    },
)
_serve("get_custom_metrics", _Listed(_CUSTOM_METRIC, {"metrics": _metrics}), listing_of(CustomMetric))
_serve(
    "get_mapped_metrics",
    _Listed(_MAPPED_METRIC, {"metric": _metrics, "custom-metric": _looked_up(CustomMetric, _CUSTOM_METRIC)}),
    listing_of(MappedMetric),
)

_LOGO = Look("brand-logo", "/api/brand-logos", {"image": Related("image", "image_id", only_included=True)})
_BRAND: tuple[tuple[str, _Listed, type[Record]], ...] = (
    ("get_brand_colors", _Listed(Look("brand-color", "/api/brand-colors")), BrandColor),
    ("get_brand_logos", _Listed(_LOGO, {"image": _looked_up(Image, _IMAGE)}), BrandLogo),
    ("get_brand_buttons", _Listed(Look("brand-button", "/api/brand-buttons")), BrandButton),
    ("get_brand_social_groups", _Listed(Look("brand-social-group", "/api/brand-social-groups")), BrandSocialGroup),
    ("list_billing_usage", _Listed(Look("billing-usage", "/api/billing-usage")), BillingUsage),
)
for _name, _look, _kind in _BRAND:
    _serve(_name, _look, listing_of(_kind), revision=OMNICHANNEL)

_SCHEMA = Look(
    "object-schema",
    "/api/object-schemas",
    {name: Related(name) for name in ("source-mapping", "object-schemas", "profile-object-schemas")},
    hidden=frozenset({"object_type_id"}),
)
_TYPE = Look(
    "object-type",
    "/api/object-types",
    {
        name: Related(name)
        for name in ("current-schema", "draft-schema", "schema-versions", "object-types", "profile-object-types")
    },
)
_RECORD = Look("object-record", "/api/object-records", hidden=frozenset({"object_type_id"}))
_serve("get_data_sources", _Listed(Look("data-source", "/api/data-sources")), listing_of(DataSource))
_serve(
    "get_object_types",
    _Listed(_TYPE, {"current-schema": _nothing, "draft-schema": _nothing}),
    listing_of(ObjectType),
)
_serve(
    "get_schema_versions_for_object_type",
    _Listed(_SCHEMA),
    listing_of(ObjectSchema, where="object_type_id = ?"),
    ObjectType,
)
_serve(
    "get_records_for_object_type",
    _Listed(_RECORD),
    listing_of(ObjectRecord, where="object_type_id = ?"),
    ObjectType,
)
_LOG = Look(
    "object-ingestion-log",
    "/api/object-ingestion-logs",
    {
        "object-type": Related("object-type", "object_type_id"),
        "object-record": Related("object-record", "record_id"),
    },
)
_serve(
    "get_ingestion_logs_for_object_type",
    _Listed(
        _LOG,
        {"object-type": _looked_up(ObjectType, _TYPE), "object-record": _looked_up(ObjectRecord, _RECORD)},
    ),
    listing_of(ObjectIngestionLog, where="object_type_id = ?"),
    ObjectType,
)
