"""Segments: audiences that Klaviyo computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.composed_stream import LinkedStream
from tap_klaviyo_engagement.stream_kinds.listed_stream import OPEN


class Segments(LinkedStream):
    """Audiences that Klaviyo computes from conditions."""

    name = "segments"
    rhythm = "groups"
    operation = "get_segments"
    resource = "segment"
    links: ClassVar[Mapping[str, str]] = {"tag_ids": "tags"}
    primary_keys = ("id",)
    tells_ids = True
    replication_key = "updated"
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Segment id"),
        th.Property("name", th.StringType, description="Name shown in Klaviyo"),
        th.Property("definition", OPEN, description="The conditions: `condition_groups`"),
        th.Property("created", th.DateTimeType, description="When the segment was made"),
        th.Property("updated", th.DateTimeType, description="Last edit of the segment, not of its members"),
        th.Property("is_active", th.BooleanType, description="False: members are frozen as they were"),
        th.Property("is_processing", th.BooleanType, description="Whether Klaviyo says it is computing members"),
        th.Property("is_starred", th.BooleanType, description="Whether someone starred it"),
        th.Property("tag_ids", th.ArrayType(th.StringType), description="Its tags"),
    ).to_dict()
