"""Accounts: the one that the API key belongs to."""

from __future__ import annotations

from singer_sdk import typing as th

from tap_klaviyo_engagement.stream_kinds.listed_stream import OPEN, ListedStream, open_with


class Accounts(ListedStream):
    """The account that the API key belongs to: its timezone is that of Klaviyo's reports."""

    name = "accounts"
    rhythm = "account"
    operation = "get_accounts"
    resource = "account"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Account id, the one in public keys"),
        th.Property("test_account", th.BooleanType, description="Whether it is for tests"),
        th.Property(
            "contact_information",
            open_with(
                th.Property("default_sender_name", th.StringType),
                th.Property("default_sender_email", th.StringType),
                th.Property("organization_name", th.StringType),
                th.Property("website_url", th.StringType),
                th.Property("street_address", OPEN),
            ),
            description="Organisation, address, default sender",
        ),
        th.Property("industry", th.StringType, description="Line of business"),
        th.Property("timezone", th.StringType, description="IANA name; days of Klaviyo's reports begin by it"),
        th.Property("preferred_currency", th.StringType, description="ISO 4217"),
        th.Property("public_api_key", th.StringType, description="Site id: identifies, opens nothing"),
        th.Property("locale", th.StringType, description="Language and country, such as en-US"),
    ).to_dict()
