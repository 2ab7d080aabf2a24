"""Tags, which people give to campaigns, flows, lists and segments, and their groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.composed_stream import LinkedStream
from tap_klaviyo_engagement.stream_kinds.listed_stream import ListedStream


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


class TagGroups(ListedStream):
    """Groups of tags; of an exclusive one, a thing has at most one tag."""

    name = "tag_groups"
    rhythm = "account"
    operation = "get_tag_groups"
    resource = "tag-group"
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Group id"),
        th.Property("name", th.StringType, description="Name shown in Klaviyo"),
        th.Property("exclusive", th.BooleanType, description="Whether a thing has at most one tag of it"),
        th.Property("default", th.BooleanType, description="Whether it is the group of tags without one"),
    ).to_dict()
