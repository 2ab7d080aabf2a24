"""Campaigns and their messages, of every channel, archived or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from tap_klaviyo_engagement.stream_kinds.composed_stream import (
    LinkedStream,
    NestedStream,
    ids_of,
    may_be_since,
    understood,
)
from tap_klaviyo_engagement.stream_kinds.listed_stream import (
    OPEN,
    IdListing,
    Json,
    Listing,
    Operator,
    Record,
    StreamSlice,
    included,
    open_with,
    resources,
)

# Klaviyo lists campaigns of one channel at a time, and leaves out archived ones unless they are asked for.
# These come last: a campaign that is archived meanwhile is met twice, not missed.
LISTINGS = tuple(
    Listing(
        filter=f"{Operator.EQUALS('messages.channel', channel)},{Operator.EQUALS('archived', archived)}",
        columns={"channel": channel},
    )
    for archived in (False, True)
    for channel in ("email", "sms", "mobile_push")
)


class Campaigns(LinkedStream):
    """One-time sends."""

    name = "campaigns"
    rhythm = "events"
    operation = "get_campaigns"
    resource = "campaign"
    links: ClassVar[Mapping[str, str]] = {"tag_ids": "tags"}
    primary_keys = ("id",)
    tells_ids = True
    replication_key = "updated_at"
    listings = LISTINGS
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Campaign id"),
        th.Property("name", th.StringType, description="Name shown in Klaviyo"),
        th.Property("status", th.StringType, description="Draft, Scheduled, Sending, Sent, Cancelled, …"),
        th.Property("archived", th.BooleanType, description="Whether the campaign is archived"),
        th.Property("channel", th.StringType, description="email, sms or mobile_push: the listing it came in"),
        th.Property(
            "audiences",
            open_with(*(th.Property(name, th.ArrayType(th.StringType)) for name in ("included", "excluded"))),
            description="Ids of lists and segments: `included`, `excluded`",
        ),
        th.Property("send_options", OPEN, description="Smart sending and the like"),
        th.Property("tracking_options", OPEN, description="Which opens and clicks are tracked, UTM parameters"),
        th.Property("send_strategy", OPEN, description="`method` and when"),
        th.Property("created_at", th.DateTimeType, description="When the campaign was made"),
        th.Property("scheduled_at", th.DateTimeType, description="When someone scheduled it"),
        th.Property("updated_at", th.DateTimeType, description="Last edit; statistics do not move it"),
        th.Property("send_time", th.DateTimeType, description="When the send began or will begin"),
        th.Property("tag_ids", th.ArrayType(th.StringType), description="Its tags"),
    ).to_dict()


class CampaignMessages(LinkedStream, NestedStream):
    """What a campaign sends: one message per variation.

    Klaviyo has no listing of messages. They come included with the campaigns, but without their template
    (recorded): that takes a request per campaign. Assigning a template does not move `updated_at` (recorded), so
    the request is repeated for campaigns that are not sent yet and for those that changed since the bookmark.
    Without the column `template_id` it is not made at all.
    """

    name = "campaign_messages"
    rhythm = "events"
    operation = "get_messages_for_campaign"
    parent = "get_campaigns"
    resource = "campaign-message"
    listings = LISTINGS
    owner = "campaign"
    relationships = ("campaign", "template")
    links: ClassVar[Mapping[str, str]] = {"template_id": "template"}
    sources: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "channel": ("definition", "channel"),
        "label": ("definition", "label"),
    }
    primary_keys = ("id",)
    tells_ids = True
    replication_key = "updated_at"
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Message id; events hold it as `$message`"),
        th.Property("campaign_id", th.StringType, description="The campaign it belongs to"),
        th.Property("channel", th.StringType, description="email, sms or mobile_push"),
        th.Property("label", th.StringType, description="Name of the variation"),
        th.Property("definition", OPEN, description="Content and options, by channel"),
        th.Property("send_times", th.ArrayType(OPEN), description="When it is sent: `datetime`, `is_local`"),
        th.Property("created_at", th.DateTimeType, description="When the message was made"),
        th.Property("updated_at", th.DateTimeType, description="Last edit; assigning a template does not move it"),
        th.Property("template_id", th.StringType, description="Its own copy of a template; null without one"),
    ).to_dict()

    @property
    @override
    def id_listing(self) -> IdListing:
        return IdListing(self.parent, "campaign", self.listings, "campaign-messages")

    @override
    def compose(self, stream_slice: StreamSlice) -> Iterator[Record]:
        for document in self.documents(self.parent, params=self.campaign_params(stream_slice.listing)):
            by_id = {message["id"]: message for message in included(document, self.resource)}
            for campaign in resources(document):
                yield from self.of_owner(self.messages(campaign, by_id, stream_slice.window.start))

    def messages(self, campaign: Json, by_id: Mapping[str, Json], start: datetime | None) -> Iterator[Record]:
        """A campaign's messages, as far as they may differ from what was emitted before `start`."""
        ids = ids_of(campaign, "campaign-messages")
        mine = [by_id[key] for key in ids or () if key in by_id]
        if ids is None or len(mine) < len(ids):
            yield from self.rows_of(campaign["id"], {})
        elif "template_id" not in self.columns:
            yield from self.records(mine, Listing())
        elif understood(campaign, lambda: _is_due(campaign, mine, start)):
            yield from self.rows_of(campaign["id"], {})

    def campaign_params(self, listing: Listing) -> dict[str, str]:
        """Query parameters that list campaigns with as much of their messages as is needed."""
        own = self.params(Listing())
        needed = "updated_at" if "template_id" in self.columns else own["fields[campaign-message]"]
        return {
            "fields[campaign]": "scheduled_at,send_time,status,updated_at",
            "fields[campaign-message]": needed,
            "filter": listing.filter,
            "include": "campaign-messages",
        }


def _is_due(campaign: Json, messages: list[Json], start: datetime | None) -> bool:
    """Whether a message of the campaign may differ from what was emitted before `start`."""
    attributes = campaign["attributes"]
    status = attributes.get("status") or ""
    if status != "Sent" and not status.startswith("Cancelled"):
        return True
    times = [attributes.get(name) for name in ("updated_at", "scheduled_at", "send_time")]
    times += [message["attributes"].get("updated_at") for message in messages]
    return may_be_since(start, *times)
