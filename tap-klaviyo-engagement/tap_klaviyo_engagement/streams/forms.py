"""Forms, where people sign up, and their versions."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.listed_stream import ListedStream, open_with
from tap_klaviyo_engagement.stream_kinds.owned_stream import OwnedStream


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


class FormVersions(OwnedStream):
    """What people see of a form: one version, or several that are compared."""

    name = "form_versions"
    rhythm = "account"
    operation = "get_versions_for_form"
    parent = "get_forms"
    resource = "form-version"
    owner = "form"
    primary_keys = ("id",)
    tells_ids = True
    given_columns = ("form_id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Version id"),
        th.Property("form_id", th.StringType, description="The form"),
        th.Property("form_type", th.StringType, description="popup, flyout, embed, banner or full_page"),
        th.Property("variation_name", th.StringType, description="Name of the version"),
        th.Property(
            "ab_test",
            open_with(th.Property("variation_name", th.StringType)),
            description="What it is called in the test that it is part of; null without one",
        ),
        th.Property("status", th.StringType, description="draft or live"),
        th.Property("created_at", th.DateTimeType, description="When it was made"),
        th.Property("updated_at", th.DateTimeType, description="Last edit"),
    ).to_dict()
