"""What templates are made of: images, universal content, web feeds."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.listed_stream import OPEN, ListedStream


class Images(ListedStream):
    """The account's library of images."""

    name = "images"
    rhythm = "content"
    selected_by_default = False
    operation = "get_images"
    resource = "image"
    primary_keys = ("id",)
    tells_ids = True
    replication_key = "updated_at"
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Image id"),
        th.Property("name", th.StringType, description="Name shown in Klaviyo"),
        th.Property("image_url", th.StringType, description="Where it is"),
        th.Property("format", th.StringType, description="png, jpeg, gif, …"),
        th.Property("size", th.IntegerType, description="Bytes"),
        th.Property("hidden", th.BooleanType, description="Whether the library leaves it out"),
        th.Property("updated_at", th.DateTimeType, description="Last change"),
    ).to_dict()


class UniversalContent(ListedStream):
    """Blocks that several templates show."""

    name = "universal_content"
    rhythm = "account"
    operation = "get_all_universal_content"
    resource = "template-universal-content"
    primary_keys = ("id",)
    tells_ids = True
    replication_key = "updated"
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Content id; templates name it"),
        th.Property("name", th.StringType, description="Name shown in Klaviyo"),
        th.Property("definition", OPEN, description="`content_type`, `type` and the data of the block"),
        th.Property("screenshot_status", th.StringType, description="Whether there is a picture, and how fresh"),
        th.Property("screenshot_url", th.StringType, description="The picture"),
        th.Property("created", th.DateTimeType, description="When it was made"),
        th.Property("updated", th.DateTimeType, description="Last edit"),
    ).to_dict()


class WebFeeds(ListedStream):
    """Where templates get content that is not in Klaviyo."""

    name = "web_feeds"
    rhythm = "content"
    selected_by_default = False
    operation = "get_web_feeds"
    resource = "web-feed"
    primary_keys = ("id",)
    tells_ids = True
    replication_key = "updated"
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Feed id"),
        th.Property("name", th.StringType, description="Name; templates say `feeds.<name>`"),
        th.Property("url", th.StringType, description="Where Klaviyo gets it"),
        th.Property("request_method", th.StringType, description="get or post"),
        th.Property("content_type", th.StringType, description="json or xml"),
        th.Property("status", th.StringType, description="ok, refreshing, disabled, or why it is stale"),
        th.Property("created", th.DateTimeType, description="When it was made"),
        th.Property("updated", th.DateTimeType, description="Last edit"),
    ).to_dict()


class TrackingSettings(ListedStream):
    """What Klaviyo adds to the links of campaigns and flows, so that a site knows where somebody came from."""

    name = "tracking_settings"
    rhythm = "content"
    selected_by_default = False
    operation = "get_tracking_settings"
    resource = "tracking-setting"
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Account id"),
        th.Property(
            "auto_add_parameters", th.BooleanType, description="Whether links get them without being told"
        ),
        *(
            th.Property(f"utm_{name}", OPEN, description=f"`utm_{name}` of `campaign` and `flow`: `type`, `value`")
            for name in ("source", "medium", "campaign", "id", "term")
        ),
        th.Property("custom_parameters", th.ArrayType(OPEN), description="Further ones, with their `name`"),
    ).to_dict()
