"""Reviews: what customers write of products and of the shop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.listed_stream import OPEN, ListedStream, Listing, Operator, open_with


class Reviews(ListedStream):
    """Reviews, ratings and questions of every status, rejected ones too.

    Read whole: Klaviyo filters by when one was written, and a status changes later.
    """

    name = "reviews"
    rhythm = "shop"
    about_people = "by columns"
    selected_by_default = False
    operation = "get_reviews"
    resource = "review"
    relationships = ("item",)
    sources: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "status": ("status", "value"),
        "rejection_reason": ("status", "rejection_reason"),
    }
    listings = (Listing(filter=Operator.EQUALS("status", "all")),)
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Review id"),
        th.Property("item_id", th.StringType, description="The product of the catalogue, where Klaviyo tells it"),
        th.Property("email", th.StringType, description="Who wrote it"),
        th.Property("author", th.StringType, description="The name that is shown"),
        th.Property("status", th.StringType, description="published, unpublished, featured, pending or rejected"),
        th.Property("rejection_reason", OPEN, description="Why it was rejected"),
        th.Property("verified", th.BooleanType, description="Whether the writer is known to have bought it"),
        th.Property("review_type", th.StringType, description="review, rating, question or store"),
        th.Property("rating", th.IntegerType, description="1 to 5; null for a question"),
        th.Property("title", th.StringType, description="Its head"),
        th.Property("content", th.StringType, description="What was written"),
        th.Property("smart_quote", th.StringType, description="The part that Klaviyo quotes"),
        th.Property("images", th.ArrayType(th.StringType), description="Pictures that came with it"),
        th.Property(
            "product",
            open_with(*(th.Property(name, th.StringType) for name in ("url", "name", "image_url", "external_id"))),
            description="What it is about: `url`, `name`, `image_url`, `external_id`",
        ),
        th.Property("public_reply", OPEN, description="The shop's answer: `content`, `author`, `updated`"),
        th.Property("created", th.DateTimeType, description="When it was written"),
        th.Property("updated", th.DateTimeType, description="Last change"),
    ).to_dict()
