"""Forms: where people sign up."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.listed_stream import ListedStream


class Forms(ListedStream):
    """Sign-up forms. Events hold their id as `form_id`."""

    name = "forms"
    rhythm = "account"
    operation = "get_forms"
    resource = "form"
    primary_keys = ("id",)
    tells_ids = True
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Form id"),
        th.Property("name", th.StringType, description="Name shown in Klaviyo"),
        th.Property("status", th.StringType, description="draft or live"),
        th.Property("ab_test", th.BooleanType, description="Whether versions of it are compared"),
        th.Property("created_at", th.DateTimeType, description="When the form was made"),
        th.Property("updated_at", th.DateTimeType, description="Last edit"),
    ).to_dict()
