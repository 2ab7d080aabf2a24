"""The baseline: a tap for events as the SDK's template leads to it, page after page, every default kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import ParseResult, parse_qsl

import requests
from singer_sdk import RESTStream, Stream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import APIKeyAuthenticator
from singer_sdk.helpers.types import Context
from singer_sdk.pagination import BaseHATEOASPaginator
from typing_extensions import override


class LinkPaginator(BaseHATEOASPaginator):
    """Follows `links.next`."""

    @override
    def get_next_url(self, response: requests.Response) -> str | None:
        link: str | None = response.json()["links"]["next"]
        return link


class Events(RESTStream[ParseResult]):
    """Events by `datetime`, in pages of the API's default size: 200."""

    name = "events"
    path = "/api/events"
    primary_keys = ("id",)
    replication_key = "datetime"
    is_sorted = True
    records_jsonpath = "$.data[*]"
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        th.Property("datetime", th.DateTimeType),
        th.Property("timestamp", th.IntegerType),
        th.Property("uuid", th.StringType),
        th.Property("event_properties", th.ObjectType(additional_properties=True)),
        th.Property("profile_id", th.StringType),
        th.Property("metric_id", th.StringType),
    ).to_dict()

    @property
    @override
    def url_base(self) -> str:
        return str(self.config["api_url"])

    @property
    @override
    def authenticator(self) -> APIKeyAuthenticator:
        return APIKeyAuthenticator(key="Authorization", value=f"Klaviyo-API-Key {self.config['api_key']}")

    @property
    @override
    def http_headers(self) -> dict[str, str]:
        return {"revision": "2026-07-15"}

    @override
    def get_new_paginator(self) -> LinkPaginator:
        return LinkPaginator()

    @override
    def get_url_params(self, context: Context | None, next_page_token: ParseResult | None) -> dict[str, Any]:
        if next_page_token:
            return dict(parse_qsl(next_page_token.query))
        start = self.get_starting_timestamp(context)
        since = {"filter": f"greater-or-equal({self.replication_key},{start.isoformat()})"} if start else {}
        return {"sort": self.replication_key, **since}

    @override
    def post_process(self, row: dict[str, Any], context: Context | None = None) -> dict[str, Any]:
        related: Mapping[str, Any] = row["relationships"]
        return {
            "id": row["id"],
            **row["attributes"],
            "profile_id": related["profile"]["data"]["id"],
            "metric_id": related["metric"]["data"]["id"],
        }


class PlainTap(Tap):
    """Events, and nothing else."""

    name = "plain-tap"
    config_jsonschema = th.PropertiesList(
        th.Property("api_key", th.StringType, required=True, secret=True),
        th.Property("api_url", th.StringType, required=True),
    ).to_dict()

    @override
    def discover_streams(self) -> list[Stream]:
        return [Events(self)]


if __name__ == "__main__":
    PlainTap.cli()
