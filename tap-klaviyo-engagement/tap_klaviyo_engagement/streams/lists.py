"""Lists: audiences that profiles are added to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.composed_stream import LinkedStream


class Lists(LinkedStream):
    """Audiences that profiles are added to."""

    name = "lists"
    rhythm = "groups"
    operation = "get_lists"
    resource = "list"
    links: ClassVar[Mapping[str, str]] = {"tag_ids": "tags"}
    primary_keys = ("id",)
    tells_ids = True
    replication_key = "updated"
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="List id"),
        th.Property("name", th.StringType, description="Name shown in Klaviyo"),
        th.Property("created", th.DateTimeType, description="When the list was made"),
        th.Property("updated", th.DateTimeType, description="Last edit of the list, not of its members"),
        th.Property("opt_in_process", th.StringType, description="single_opt_in or double_opt_in"),
        th.Property("tag_ids", th.ArrayType(th.StringType), description="Its tags"),
    ).to_dict()
