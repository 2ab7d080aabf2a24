"""Tags: names that people give to campaigns, flows, lists and segments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.composed_stream import LinkedStream


class Tags(LinkedStream):
    """Names that people give to campaigns, flows, lists and segments, whose rows hold `tag_ids`."""

    name = "tags"
    rhythm = "account"
    operation = "get_tags"
    resource = "tag"
    relationships = ("tag-group",)
    links: ClassVar[Mapping[str, str]] = {"tag_group_id": "tag-group"}
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Tag id"),
        th.Property("name", th.StringType, description="Name shown in Klaviyo"),
        th.Property("tag_group_id", th.StringType, description="The group of tags it belongs to"),
    ).to_dict()
