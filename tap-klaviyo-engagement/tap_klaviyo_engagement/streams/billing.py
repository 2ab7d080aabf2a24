"""What the account has used of its plan. Klaviyo does not tell it before revision 2026-10-15."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.listed_stream import ListedStream


class BillingUsage(ListedStream):
    """What was used in a billing period so far: Klaviyo tells of the current one, whose row each run renews."""

    name = "billing_usage"
    rhythm = "billing"
    selected_by_default = False
    operation = "list_billing_usage@2026-10-15"
    resource = "billing-usage"
    primary_keys = ("id", "period_start")
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="What is used, such as email"),
        th.Property("period_start", th.DateTimeType, required=True, description="When the period began"),
        th.Property("period_end", th.DateTimeType, description="When it ends; that moment is the next one's"),
        th.Property("as_of", th.DateTimeType, description="When Klaviyo counted"),
        th.Property("unit", th.StringType, description="profiles, messages, credits, USD, …"),
        th.Property("usage_used", th.NumberType, description="What was used"),
        th.Property("usage_max", th.IntegerType, description="What the plan allows"),
    ).to_dict()
