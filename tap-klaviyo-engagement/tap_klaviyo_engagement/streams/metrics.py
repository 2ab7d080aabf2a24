"""Metrics: the kinds of events an account records."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.listed_stream import ListedStream, open_with


class Metrics(ListedStream):
    """Kinds of events. Names change, and repeat across integrations: an id tells a metric for good."""

    name = "metrics"
    rhythm = "events"
    operation = "get_metrics"
    resource = "metric"
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Metric id"),
        th.Property("name", th.StringType, description="Name shown in Klaviyo"),
        th.Property("created", th.DateTimeType, description="When the metric was first recorded"),
        th.Property("updated", th.DateTimeType, description="Last change of the metric, not its last event"),
        th.Property(
            "integration",
            open_with(*(th.Property(name, th.StringType) for name in ("id", "key", "name", "category"))),
            description="Where the metric comes from: `key`, `name`, `category`",
        ),
    ).to_dict()
