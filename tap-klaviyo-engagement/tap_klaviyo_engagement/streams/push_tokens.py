"""Push tokens: the devices that people may be written to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.composed_stream import LinkedStream
from tap_klaviyo_engagement.stream_kinds.listed_stream import OPEN


class PushTokens(LinkedStream):
    """The devices of people. Read whole: Klaviyo filters by no time of change."""

    name = "push_tokens"
    rhythm = "devices"
    about_people = "by columns"
    selected_by_default = False
    operation = "get_push_tokens"
    resource = "push-token"
    relationships = ("profile",)
    links: ClassVar[Mapping[str, str]] = {"profile_id": "profile"}
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Token id"),
        th.Property("profile_id", th.StringType, description="Whose device it is"),
        th.Property("token", th.StringType, description="What the device is written to by"),
        th.Property("platform", th.StringType, description="ios or android"),
        th.Property("vendor", th.StringType, description="APNs or FCM"),
        th.Property("enablement_status", th.StringType, description="AUTHORIZED, DENIED, PROVISIONAL, …"),
        th.Property("background", th.StringType, description="Whether the app may work in the background"),
        th.Property("metadata", OPEN, description="What the app told of the device"),
        th.Property("created", th.DateTimeType, description="When Klaviyo first knew it"),
        th.Property("recorded_date", th.DateTimeType, description="When the app last told of it"),
    ).to_dict()
