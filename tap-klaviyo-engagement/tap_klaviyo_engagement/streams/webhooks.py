"""Webhooks: where Klaviyo reports events as they happen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.composed_stream import LinkedStream


class Webhooks(LinkedStream):
    """Where Klaviyo reports events as they happen.

    Not selected by default: without Advanced KDP in the account's plan, Klaviyo refuses (recorded).
    """

    name = "webhooks"
    rhythm = "webhooks"
    selected_by_default = False
    operation = "get_webhooks"
    resource = "webhook"
    links: ClassVar[Mapping[str, str]] = {"webhook_topic_ids": "webhook-topics"}
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Webhook id"),
        th.Property("name", th.StringType, description="Name shown in Klaviyo"),
        th.Property("description", th.StringType, description="What someone noted about it"),
        th.Property("endpoint_url", th.StringType, description="Where it reports to; Klaviyo masks the path"),
        th.Property("enabled", th.BooleanType, description="Whether it reports"),
        th.Property("created_at", th.DateTimeType, description="When the webhook was made"),
        th.Property("updated_at", th.DateTimeType, description="Last edit"),
        th.Property(
            "webhook_topic_ids",
            th.ArrayType(th.StringType),
            description="What it reports, such as event:klaviyo.opened_email",
        ),
    ).to_dict()
