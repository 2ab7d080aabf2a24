"""The catalogue: products, their variants and categories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.composed_stream import LinkedStream
from tap_klaviyo_engagement.stream_kinds.listed_stream import OPEN, ListedStream
from tap_klaviyo_engagement.stream_kinds.owned_stream import OwnedStream


class CatalogItems(LinkedStream):
    """Products. Klaviyo lists them whole: it filters by no time of change."""

    name = "catalog_items"
    rhythm = "shop"
    selected_by_default = False
    operation = "get_catalog_items"
    resource = "catalog-item"
    primary_keys = ("id",)
    tells_ids = True
    links: ClassVar[Mapping[str, str]] = {"variant_ids": "variants"}
    linked_types: ClassVar[Mapping[str, str]] = {"variants": "catalog-variant"}
    schema = th.PropertiesList(
        th.Property(
            "id",
            th.StringType,
            required=True,
            description="Integration, catalogue and `external_id`, with ::: between",
        ),
        th.Property("external_id", th.StringType, description="Id in the shop"),
        th.Property("title", th.StringType, description="Name"),
        th.Property("description", th.StringType, description="Text about it"),
        th.Property("price", th.NumberType, description="Price, in the currency of the shop"),
        th.Property("url", th.StringType, description="Its page"),
        th.Property("image_full_url", th.StringType, description="Its picture"),
        th.Property("image_thumbnail_url", th.StringType, description="The same, small"),
        th.Property("images", th.ArrayType(th.StringType), description="Further pictures"),
        th.Property("custom_metadata", OPEN, description="What else the shop tells, as text"),
        th.Property("published", th.BooleanType, description="Whether recommendations and feeds may show it"),
        th.Property("created", th.DateTimeType, description="When it came into the catalogue"),
        th.Property("updated", th.DateTimeType, description="Last change"),
        th.Property("variant_ids", th.ArrayType(th.StringType), description="Its variants"),
    ).to_dict()


class CatalogVariants(ListedStream):
    """Variants of products, such as sizes. `variant_ids` of `catalog_items` says whose."""

    name = "catalog_variants"
    rhythm = "shop"
    selected_by_default = False
    operation = "get_catalog_variants"
    resource = "catalog-variant"
    primary_keys = ("id",)
    tells_ids = True
    relationships = ("item",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Variant id"),
        th.Property("item_id", th.StringType, description="The product, where Klaviyo tells it"),
        th.Property("external_id", th.StringType, description="Id in the shop"),
        th.Property("title", th.StringType, description="Name"),
        th.Property("description", th.StringType, description="Text about it"),
        th.Property("sku", th.StringType, description="Stock keeping unit"),
        th.Property("inventory_policy", th.IntegerType, description="Whether it is shown when sold out: 0, 1, 2"),
        th.Property("inventory_quantity", th.NumberType, description="How many are left"),
        th.Property("price", th.NumberType, description="Price, in the currency of the shop"),
        th.Property("url", th.StringType, description="Its page"),
        th.Property("image_full_url", th.StringType, description="Its picture"),
        th.Property("image_thumbnail_url", th.StringType, description="The same, small"),
        th.Property("images", th.ArrayType(th.StringType), description="Further pictures"),
        th.Property("custom_metadata", OPEN, description="What else the shop tells, as text"),
        th.Property("published", th.BooleanType, description="Whether recommendations and feeds may show it"),
        th.Property("created", th.DateTimeType, description="When it came into the catalogue"),
        th.Property("updated", th.DateTimeType, description="Last change"),
    ).to_dict()


class CatalogCategories(ListedStream):
    """Categories of products."""

    name = "catalog_categories"
    rhythm = "shop"
    selected_by_default = False
    operation = "get_catalog_categories"
    resource = "catalog-category"
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Category id"),
        th.Property("external_id", th.StringType, description="Id in the shop"),
        th.Property("name", th.StringType, description="Name"),
        th.Property("updated", th.DateTimeType, description="Last change"),
    ).to_dict()


class CatalogCategoryItems(OwnedStream):
    """Which product is in which category: a listing for each category."""

    name = "catalog_category_items"
    rhythm = "shop"
    selected_by_default = False
    operation = "get_items_for_catalog_category"
    parent = "get_catalog_categories"
    resource = "catalog-item"
    owner = "catalog-category"
    sources: ClassVar[Mapping[str, tuple[str, ...]]] = {"catalog_item_id": ("id",)}
    primary_keys = ("catalog_category_id", "catalog_item_id")
    given_columns = ("catalog_category_id",)
    schema = th.PropertiesList(
        th.Property("catalog_category_id", th.StringType, required=True, description="Category id"),
        th.Property("catalog_item_id", th.StringType, required=True, description="Item id"),
    ).to_dict()
