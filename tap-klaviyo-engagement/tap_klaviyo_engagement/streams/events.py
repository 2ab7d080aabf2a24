"""Events: what profiles did, and what was done to them."""

from __future__ import annotations

from functools import cached_property

from singer_sdk import typing as th
from typing_extensions import override

from tap_klaviyo_engagement.client import OPEN, KlaviyoStream, Listing, Operator


class Events(KlaviyoStream):
    """Everything Klaviyo recorded: sends, opens, clicks, orders and whatever the account reports itself."""

    name = "events"
    operation = "get_events"
    resource = "event"
    relationships = ("profile", "metric")  # recorded: their ids come without an `include`
    primary_keys = ("id",)
    replication_key = "datetime"
    windowed = True
    from_start_date = True
    # The API shows when an event happened, never when it arrived: what arrives late lies behind the bookmark.
    lookback = "event_lookback"
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Event id"),
        th.Property("datetime", th.DateTimeType, description="When it happened, by the second; may lie ahead"),
        th.Property("timestamp", th.IntegerType, description="The same moment in seconds since 1970"),
        th.Property("uuid", th.StringType, description="A second identifier of the event"),
        th.Property("event_properties", OPEN, description="What the event holds: `$message`, `$value`, `URL`, …"),
        th.Property("profile_id", th.StringType, description="Who; null when the profile is gone"),
        th.Property("metric_id", th.StringType, description="What; null when the metric is gone"),
    ).to_dict()

    @cached_property
    @override
    def chosen(self) -> tuple[Listing, ...]:
        """All events in one listing, or one listing for each chosen metric: the filter takes a single id."""
        if not self.run.settings.metrics:
            return self.listings
        ids = self.ids("metrics", "get_metrics", "metric")
        return tuple(Listing(filter=Operator.EQUALS("metric_id", key)) for key in ids)
