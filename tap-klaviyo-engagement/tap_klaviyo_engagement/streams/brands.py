"""The library of the account's brand, which templates draw on. There is none before revision 2026-10-15."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.composed_stream import LinkedStream
from tap_klaviyo_engagement.stream_kinds.listed_stream import OPEN, ListedStream


class BrandColors(ListedStream):
    """Palettes of the brand."""

    name = "brand_colors"
    rhythm = "brand"
    selected_by_default = False
    operation = "get_brand_colors@2026-10-15"
    resource = "brand-color"
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Palette id"),
        th.Property("name", th.StringType, description="Name shown in Klaviyo"),
        th.Property("colors", th.ArrayType(OPEN), description="The colours, in their order"),
    ).to_dict()


class BrandLogos(LinkedStream):
    """Logos of the brand."""

    name = "brand_logos"
    rhythm = "brand"
    selected_by_default = False
    operation = "get_brand_logos@2026-10-15"
    resource = "brand-logo"
    relationships = ("image",)
    links: ClassVar[Mapping[str, str]] = {"image_id": "image"}
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Logo id"),
        th.Property("name", th.StringType, description="Name shown in Klaviyo"),
        th.Property("image_id", th.StringType, description="Its image: see `images`"),
        th.Property("width", th.IntegerType, description="Pixels"),
        th.Property("height", th.IntegerType, description="Pixels"),
        th.Property("alt_text", th.StringType, description="What is read aloud in its place"),
        th.Property("link_url", th.StringType, description="Where a click leads"),
    ).to_dict()


class BrandButtons(ListedStream):
    """Buttons of the brand."""

    name = "brand_buttons"
    rhythm = "brand"
    selected_by_default = False
    operation = "get_brand_buttons@2026-10-15"
    resource = "brand-button"
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Button id"),
        th.Property("name", th.StringType, description="Name shown in Klaviyo"),
        th.Property("is_primary", th.BooleanType, description="Whether it is the account's first choice"),
        th.Property("style", OPEN, description="Its colours and form"),
        th.Property("border", OPEN, description="Its border"),
        th.Property("spacing", OPEN, description="Space in it and around it"),
        th.Property("text", OPEN, description="The look of its text"),
        th.Property("preview_page_hex", th.StringType, description="Colour behind it in a preview"),
    ).to_dict()


class BrandSocialGroups(ListedStream):
    """Groups of links to social networks."""

    name = "brand_social_groups"
    rhythm = "brand"
    selected_by_default = False
    operation = "get_brand_social_groups@2026-10-15"
    resource = "brand-social-group"
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Group id"),
        th.Property("name", th.StringType, description="Name shown in Klaviyo"),
        th.Property("social_links", th.ArrayType(OPEN), description="The links, in their order"),
    ).to_dict()
