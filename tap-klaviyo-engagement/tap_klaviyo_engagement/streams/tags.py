"""Tags, their groups, and which campaigns, flows, lists and segments people gave them to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.composed_stream import LinkedStream
from tap_klaviyo_engagement.stream_kinds.listed_stream import ListedStream
from tap_klaviyo_engagement.stream_kinds.relationship_stream import RelationshipStream
from tap_klaviyo_engagement.streams.campaigns import Campaigns
from tap_klaviyo_engagement.streams.flows import Flows
from tap_klaviyo_engagement.streams.omnichannel import OmnichannelCampaigns


class Tags(LinkedStream):
    """Names that people give to campaigns, flows, lists and segments."""

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


class TagLinks(RelationshipStream):
    """Which tags things of one type have, as they are now.

    `tag_ids` of the things themselves is as it was when they last changed: whether tagging counts is not known.
    """

    rhythm = "account"
    relationship = "tags"
    related = "tag"


class CampaignTags(TagLinks):
    """Which campaign has which tag; archived ones among them."""

    name = "campaign_tags"
    operation = "get_campaigns"
    resource = "campaign"
    listings = Campaigns.listings


class OmnichannelCampaignTags(CampaignTags):
    """Which campaign has which tag; archived ones among them."""

    operation = "get_campaigns@2026-10-15"
    listings = OmnichannelCampaigns.listings


class FlowTags(TagLinks):
    """Which flow has which tag; archived ones among them."""

    name = "flow_tags"
    operation = "get_flows"
    resource = "flow"
    listings = Flows.listings


class ListTags(TagLinks):
    """Which list has which tag."""

    name = "list_tags"
    operation = "get_lists"
    resource = "list"


class SegmentTags(TagLinks):
    """Which segment has which tag."""

    name = "segment_tags"
    operation = "get_segments"
    resource = "segment"
