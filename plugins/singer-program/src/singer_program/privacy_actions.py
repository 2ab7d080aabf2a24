"""The table `privacy_actions`: what was done about requests of people, whichever program did it."""

from __future__ import annotations

from singer_sdk import Stream
from singer_sdk import typing as th
from singer_sdk.helpers.conform import TypeConformanceLevel


class PrivacyActions(Stream):
    """All of it in every run, as there is little: a subclass gives the records, made by this schema."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    name = "privacy_actions"
    primary_keys = ("request_id", "action", "acted_at")
    schema = th.PropertiesList(
        th.Property("request_id", th.StringType(nullable=False), required=True, description="The request"),
        th.Property("action", th.StringType(nullable=False), required=True, description="What was done"),
        th.Property("acted_at", th.DateTimeType(nullable=False), required=True, description="When"),
        th.Property(
            "detail",
            th.ObjectType(additional_properties=True),
            description="What else is known of it, by the program that did it",
        ),
    ).to_dict()
