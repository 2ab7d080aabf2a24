"""Profiles: the people, with what is known about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from singer_sdk import typing as th

from tap_klaviyo_engagement.client import OPEN, KlaviyoStream


class Profiles(KlaviyoStream):
    """People. Every event and every change of a property updates a profile; deleted and merged ones vanish."""

    name = "profiles"
    operation = "get_profiles"
    resource = "profile"
    primary_keys = ("id",)
    replication_key = "updated"
    windowed = True
    from_start_date = True
    optional: ClassVar[Mapping[str, str]] = {
        "subscriptions": "include_subscriptions",
        "predictive_analytics": "include_predictive_analytics",
    }
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Profile id"),
        th.Property("email", th.StringType, description="E-mail address"),
        th.Property("phone_number", th.StringType, description="Phone number, E.164"),
        th.Property("external_id", th.StringType, description="Id in another system"),
        th.Property("first_name", th.StringType, description="First name"),
        th.Property("last_name", th.StringType, description="Last name"),
        th.Property("organization", th.StringType, description="Company"),
        th.Property("locale", th.StringType, description="Language and country, such as en-US"),
        th.Property("title", th.StringType, description="Job title"),
        th.Property("image", th.StringType, description="URL of a picture"),
        th.Property("created", th.DateTimeType, description="When Klaviyo first knew the profile"),
        th.Property("updated", th.DateTimeType, description="Last change, events included"),
        th.Property("last_event_date", th.DateTimeType, description="When the newest event happened"),
        th.Property("location", OPEN, description="Address, `timezone`, `ip`; coordinates are text or numbers"),
        th.Property("properties", OPEN, description="The account's own properties"),
        th.Property("subscriptions", OPEN, description="Consent and suppression per channel"),
        th.Property("predictive_analytics", OPEN, description="What Klaviyo expects of the profile"),
    ).to_dict()
