"""Profiles: the people, with what is known about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from tap_klaviyo_engagement.stream_kinds.listed_stream import (
    NO_BOUNDS,
    OPEN,
    TEXT_OR_NUMBER,
    Batch,
    ListedStream,
    Listing,
    StreamSlice,
    Window,
    open_with,
)

LOCATION = open_with(
    *(
        th.Property(name, th.StringType)
        for name in ("address1", "address2", "city", "country", "region", "zip", "timezone", "ip")
    ),
    th.Property("latitude", TEXT_OR_NUMBER),
    th.Property("longitude", TEXT_OR_NUMBER),
)
"""Where somebody lives, by Klaviyo's keys."""


class Profiles(ListedStream):
    """People. Every event and every change of a property updates a profile; deleted and merged ones vanish."""

    name = "profiles"
    rhythm = "profiles"
    about_people = "by columns"
    operation = "get_profiles"
    resource = "profile"
    primary_keys = ("id",)
    replication_key = "updated"
    windowed = True
    from_start_date = True
    optional: ClassVar[Mapping[str, str]] = {"subscriptions": "include_subscriptions"}
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
        th.Property(
            "location", LOCATION, description="Address, `timezone`, `ip`; coordinates are text or numbers"
        ),
        th.Property("properties", OPEN, description="The account's own properties"),
        th.Property("subscriptions", OPEN, description="Consent and suppression per channel"),
    ).to_dict()


class ProfilePredictiveAnalytics(ListedStream):
    """What Klaviyo expects of people. Apart from `profiles`, because its requests have a fifth of their limit.

    A run reads who changed since the one before. Klaviyo also calculates anew for people who did not change: that
    is seen with their next change.
    """

    name = "profile_predictive_analytics"
    rhythm = "sweep"
    about_people = "by columns"
    operation = "get_profiles"
    resource = "profile"
    primary_keys = ("id",)
    replication_key = "updated"
    windowed = True
    from_start_date = True
    sources: ClassVar[Mapping[str, tuple[str, ...]]] = {
        name: ("predictive_analytics", name)
        for name in (
            "historic_number_of_orders",
            "predicted_number_of_orders",
            "average_days_between_orders",
            "average_order_value",
            "historic_clv",
            "predicted_clv",
            "total_clv",
            "churn_probability",
            "expected_date_of_next_order",
            "ranked_channel_affinity",
        )
    }
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Profile id"),
        th.Property("updated", th.DateTimeType, description="Last change of the profile, events included"),
        th.Property("historic_number_of_orders", th.NumberType, description="Orders placed"),
        th.Property("predicted_number_of_orders", th.NumberType, description="Orders expected within a year"),
        th.Property("average_days_between_orders", th.NumberType, description="Null with a single order"),
        th.Property("average_order_value", th.NumberType, description="Of the orders placed"),
        th.Property("historic_clv", th.NumberType, description="Value of the orders placed"),
        th.Property("predicted_clv", th.NumberType, description="Value of the orders expected within a year"),
        th.Property("total_clv", th.NumberType, description="Both together"),
        th.Property("churn_probability", th.NumberType, description="That no order follows, 0 to 1"),
        th.Property("expected_date_of_next_order", th.DateTimeType, description="As of the newest order"),
        th.Property(
            "ranked_channel_affinity",
            th.ArrayType(th.StringType),
            description="Channels, the most promising first",
        ),
        th.Property("predictive_analytics", OPEN, description="All of the above, and what Klaviyo adds to it"),
    ).to_dict()

    @override
    def params(self, listing: Listing, window: Window = NO_BOUNDS) -> dict[str, str]:
        asked = {"fields[profile]": "updated", "additional-fields[profile]": "predictive_analytics"}
        return super().params(listing, window) | asked


class ProfileIds(ListedStream):
    """The id of every profile there is, by which deleted and merged ones are found: Klaviyo tells of neither.

    Once a sweep is complete, `membership_snapshots` has its beginning, as group `profiles` of type `account`:
    whoever was last seen by an older sweep is gone. Not selected by default: it reads the whole account, a hundred
    profiles a request.
    """

    name = "profile_ids"
    rhythm = "sweep"
    leaves_snapshots = True
    selected_by_default = False
    operation = "get_profiles"
    resource = "profile"
    primary_keys = ("id",)
    given_columns = ("swept_at",)
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Profile id"),
        th.Property("swept_at", th.DateTimeType, description="When the sweep that saw it began"),
    ).to_dict()

    @override
    def slices(self) -> Iterator[StreamSlice]:
        self._began = self.reading_begins()
        yield StreamSlice(Listing(columns={"swept_at": self._began}))

    @override
    def read_slice(self, stream_slice: StreamSlice, seen: set[int]) -> Iterator[Batch]:
        self._count = 0
        for batch in super().read_slice(stream_slice, seen):
            seen.clear()  # in this order none comes twice, and memory must not grow with the account
            self._count += len(batch.records)
            yield batch

    @override
    def slice_complete(self, stream_slice: StreamSlice) -> None:
        if self.whole_reading.complete:
            self.run.snapshot("account", "profiles", self._began, self._count)
