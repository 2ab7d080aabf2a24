"""The stream `resource_ids`: which lists, templates, campaigns there are, so that models find what was deleted."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.resource_id_stream import ResourceIdStream


class ResourceIds(ResourceIdStream):
    """The id of everything there is of the streams that a run reads: Klaviyo tells of no deletion.

    Once all of a stream was seen, `membership_snapshots` has the moment at which that began, as group of type
    `account` with the stream's name: what was last seen before that is gone. People are told by `profile_ids`.
    """

    name = "resource_ids"
    operation = ""
    primary_keys = ("stream_name", "id")
    schema = th.PropertiesList(
        th.Property("stream_name", th.StringType, required=True, description="The stream that describes it"),
        th.Property("id", th.StringType, required=True, description="Its id"),
        th.Property("seen_at", th.DateTimeType, description="When the reading that saw it began"),
    ).to_dict()
