"""Metrics: the kinds of events an account records, those put together from others, and which plays which role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.composed_stream import LinkedStream
from tap_klaviyo_engagement.stream_kinds.listed_stream import ListedStream, open_with
from tap_klaviyo_engagement.stream_kinds.owned_stream import OwnedStream


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


class MetricProperties(OwnedStream):
    """What events of a metric hold: a listing for each metric, of which Klaviyo gives fifteen a minute.

    Samples of values are not asked for: they are what somebody's events hold.
    """

    name = "metric_properties"
    rhythm = "sweep"
    selected_by_default = False
    operation = "get_properties_for_metric"
    parent = "get_metrics"
    resource = "metric-property"
    owner = "metric"
    primary_keys = ("id",)
    tells_ids = True
    given_columns = ("metric_id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Property id"),
        th.Property("metric_id", th.StringType, description="The metric whose events have it"),
        th.Property("label", th.StringType, description="Name shown in Klaviyo"),
        th.Property("property", th.StringType, description="Its key in `event_properties`"),
        th.Property("inferred_type", th.StringType, description="What Klaviyo takes its values for: numeric, …"),
    ).to_dict()


class CustomMetrics(LinkedStream):
    """Metrics that people put together from others."""

    name = "custom_metrics"
    rhythm = "account"
    operation = "get_custom_metrics"
    resource = "custom-metric"
    links: ClassVar[Mapping[str, str]] = {"metric_ids": "metrics"}
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Custom metric id"),
        th.Property("name", th.StringType, description="Name shown in Klaviyo"),
        th.Property(
            "definition",
            open_with(th.Property("aggregation_method", th.StringType)),
            description="`aggregation_method`, and `metric_groups` with their filters",
        ),
        th.Property("created", th.DateTimeType, description="When it was made"),
        th.Property("updated", th.DateTimeType, description="Last edit"),
        th.Property("metric_ids", th.ArrayType(th.StringType), description="What it is put together from"),
    ).to_dict()


class MappedMetrics(LinkedStream):
    """Which metric, or custom metric, plays which of Klaviyo's roles, such as revenue."""

    name = "mapped_metrics"
    rhythm = "account"
    operation = "get_mapped_metrics"
    resource = "mapped-metric"
    relationships = ("metric", "custom-metric")
    links: ClassVar[Mapping[str, str]] = {"metric_id": "metric", "custom_metric_id": "custom-metric"}
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="The role: revenue, viewed_product, …"),
        th.Property("metric_id", th.StringType, description="The metric that plays it, if one does"),
        th.Property("custom_metric_id", th.StringType, description="The custom metric, if one does"),
        th.Property("updated", th.DateTimeType, description="When that was last changed"),
    ).to_dict()
