"""What Klaviyo's own pages show of a day or an hour: of messages that were sent, of forms, of segments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.report_stream import ReportStream
from tap_klaviyo_engagement.stream_kinds.series_stream import SeriesStream

if TYPE_CHECKING:
    from tap_klaviyo_engagement.stream_kinds.listed_stream import Json

STATISTICS: Mapping[str, str] = {
    "average_order_value": "Conversion value by conversion",
    "bounce_rate": "Share of recipients whose mail server refused it",
    "bounced": "Recipients whose mail server refused it",
    "bounced_or_failed": "Recipients that it did not reach",
    "bounced_or_failed_rate": "Share of recipients that it did not reach",
    "click_rate": "Share of those reached that clicked",
    "click_to_open_rate": "Share of those that opened that clicked",
    "clicks": "Clicks",
    "clicks_unique": "Recipients that clicked",
    "conversion_rate": "Share of those reached that converted",
    "conversion_uniques": "Recipients that converted",
    "conversion_value": "Value of the conversions, in the account's currency",
    "conversions": "Conversions that Klaviyo attributes to the message",
    "delivered": "Recipients reached",
    "delivery_rate": "Share of recipients reached",
    "failed": "Recipients that the text message or push did not reach",
    "failed_rate": "Share of recipients that the text message or push did not reach",
    "message_segment_count_sum": "Segments that text messages were cut into",
    "open_rate": "Share of those reached that opened; machines count as Klaviyo counts them",
    "opens": "Opens",
    "opens_unique": "Recipients that opened",
    "recipients": "Whom it was sent to",
    "revenue_per_recipient": "Conversion value by recipient reached",
    "spam_complaint_rate": "Share of those reached that called it spam",
    "spam_complaints": "Recipients that called it spam",
    "text_message_credit_usage_amount": "Credits spent on text messages",
    "text_message_roi": "Conversion value by money spent on text messages",
    "text_message_spend": "Money spent on text messages",
    "unsubscribe_rate": "Share of those reached that unsubscribed",
    "unsubscribe_uniques": "Recipients that unsubscribed",
    "unsubscribes": "Unsubscriptions",
}
"""What the reports can tell, by Klaviyo's names (OpenAPI document; the same for campaigns and flows)."""


SEGMENT_STATISTICS: Mapping[str, str] = {
    "members_added": "Who came in",
    "members_removed": "Who went out",
    "net_members_changed": "The first less the second",
    "total_members": "Members at the end of that time",
}
FORM_STATISTICS: Mapping[str, str] = {
    "closed_form": "Times it was closed",
    "closed_form_uniques": "People who closed it",
    "qualified_form": "Times somebody met its conditions",
    "qualified_form_uniques": "People who met its conditions",
    "submit_rate": "Share of views that were submitted",
    "submits": "Times it was submitted",
    "submitted_form_step": "Times a step of it was submitted",
    "submitted_form_step_uniques": "People who submitted a step of it",
    "viewed_form": "Times it was seen",
    "viewed_form_step": "Times a step of it was seen",
    "viewed_form_step_uniques": "People who saw a step of it",
    "viewed_form_uniques": "People who saw it",
}


_HOUR = th.Property("date_time", th.DateTimeType, required=True, description="When the hour began")


def _counts(groupings: Mapping[str, str], statistics: Mapping[str, str], *times: th.Property[Any]) -> Json:
    """The schema of a report that counts no conversions: what it is grouped by, and what it tells."""
    return th.PropertiesList(
        th.Property("date", th.DateType, required=True, description="Day, in the account's time zone"),
        *times,
        *(th.Property(name, th.StringType, required=True, description=told) for name, told in groupings.items()),
        *(th.Property(name, th.NumberType, description=told) for name, told in statistics.items()),
    ).to_dict()


def _schema(thing: str, *times: th.Property[Any]) -> Json:
    return th.PropertiesList(
        th.Property("date", th.DateType, required=True, description="Day of sending, in the account's time zone"),
        *times,
        th.Property(
            "conversion_metric_id", th.StringType, required=True, description="Whose conversions are told"
        ),
        th.Property(f"{thing}_id", th.StringType, required=True, description=f"{thing.capitalize()} id"),
        th.Property(f"{thing}_message_id", th.StringType, required=True, description="Message id"),
        th.Property("send_channel", th.StringType, required=True, description="email, sms, push-notification, …"),
        *(th.Property(name, th.NumberType, description=told) for name, told in STATISTICS.items()),
    ).to_dict()


class MessageValues(ReportStream):
    """What came of the messages that were sent on a day, whenever it came: a row for each message and channel."""

    rhythm = "reports"
    counts_conversions = True
    statistic = "recipients"


class CampaignValues(MessageValues):
    """What came of the campaign messages that were sent on a day."""

    name = "campaign_values"
    operation = "query_campaign_values"
    resource = "campaign-values-report"
    groupings = ("campaign_id", "campaign_message_id", "send_channel")
    primary_keys = ("date", "conversion_metric_id", *groupings)
    schema = _schema("campaign")


class FlowValues(MessageValues):
    """What came of the flow messages that were sent on a day."""

    name = "flow_values"
    operation = "query_flow_values"
    resource = "flow-values-report"
    groupings = ("flow_id", "flow_message_id", "send_channel")
    primary_keys = ("date", "conversion_metric_id", *groupings)
    schema = _schema("flow")


class FlowSeries(SeriesStream):
    """What came of the flow messages that were sent in an hour."""

    name = "flow_series"
    rhythm = "reports"
    counts_conversions = True
    statistic = "recipients"
    operation = "query_flow_series"
    resource = "flow-series-report"
    groupings = ("flow_id", "flow_message_id", "send_channel")
    primary_keys = ("date_time", "conversion_metric_id", *groupings)
    schema = _schema("flow", _HOUR)


class SegmentValues(ReportStream):
    """How many came into a segment on a day, how many left it, and how many were in it."""

    name = "segment_values"
    rhythm = "counts"
    operation = "query_segment_values"
    resource = "segment-values-report"
    groupings = ("segment_id",)
    asks_for_groupings = False
    statistic = "total_members"
    earliest = date(2023, 6, 1)  # Klaviyo has nothing of before (OpenAPI document)
    primary_keys = ("date", *groupings)
    schema = _counts({"segment_id": "Segment id"}, SEGMENT_STATISTICS)


class SegmentSeries(SeriesStream):
    """How many came into a segment in an hour, how many left it, and how many were in it."""

    name = "segment_series"
    rhythm = "counts"
    operation = "query_segment_series"
    resource = "segment-series-report"
    groupings = ("segment_id",)
    asks_for_groupings = False
    statistic = "total_members"
    earliest = SegmentValues.earliest
    primary_keys = ("date_time", *groupings)
    schema = _counts({"segment_id": "Segment id"}, SEGMENT_STATISTICS, _HOUR)


class FormValues(ReportStream):
    """How often each version of a form was seen, submitted and closed on a day."""

    name = "form_values"
    rhythm = "counts"
    operation = "query_form_values"
    resource = "form-values-report"
    groupings = ("form_id", "form_version_id")
    statistic = "viewed_form"
    primary_keys = ("date", *groupings)
    schema = _counts({"form_id": "Form id", "form_version_id": "Version id"}, FORM_STATISTICS)


class FormSeries(SeriesStream):
    """How often each version of a form was seen, submitted and closed in an hour."""

    name = "form_series"
    rhythm = "counts"
    operation = "query_form_series"
    resource = "form-series-report"
    groupings = ("form_id", "form_version_id")
    statistic = "viewed_form"
    primary_keys = ("date_time", *groupings)
    schema = _counts({"form_id": "Form id", "form_version_id": "Version id"}, FORM_STATISTICS, _HOUR)
