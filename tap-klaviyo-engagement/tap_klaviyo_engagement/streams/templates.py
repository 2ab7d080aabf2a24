"""Templates: the reusable mails of the account."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.listed_stream import OPEN, ListedStream


class Templates(ListedStream):
    """Reusable mails. The copies that campaigns hold are not among them."""

    name = "templates"
    rhythm = "profiles"
    operation = "get_templates"
    resource = "template"
    primary_keys = ("id",)
    tells_ids = True
    replication_key = "updated"
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Template id"),
        th.Property("name", th.StringType, description="Name, not unique"),
        th.Property("editor_type", th.StringType, description="CODE, USER_DRAGGABLE, SYSTEM_DRAGGABLE or SIMPLE"),
        th.Property("html", th.StringType, description="HTML as Klaviyo stores it: normalised"),
        th.Property("text", th.StringType, description="Plain text"),
        th.Property("amp", th.StringType, description="AMP"),
        th.Property("definition", OPEN, description="Blocks and styles, of SYSTEM_DRAGGABLE templates"),
        th.Property("created", th.DateTimeType, description="When the template was made"),
        th.Property("updated", th.DateTimeType, description="Last edit"),
    ).to_dict()
