"""Events: what profiles did, and what was done to them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from tap_klaviyo_engagement.stream_kinds.late_arriving import LateArrivingStream
from tap_klaviyo_engagement.stream_kinds.listed_stream import OPEN, Inclusion, Listing, Operator, Refused

ATTRIBUTION = Inclusion(
    "attributions",
    ("attributed-event", "campaign", "campaign-message", "flow", "flow-message", "flow-message-variation"),
)
"""What Klaviyo credits with an event: the open or click, and the message that this was of."""

NAMED, READ = "metrics_named", "metrics_read"
"""Where the stream's state holds the ids that a name of the setting stood for, and those whose past was read."""


class Events(LateArrivingStream):
    """Everything Klaviyo recorded: sends, opens, clicks, orders and whatever the account reports itself."""

    name = "events"
    rhythm = "events"
    about_people = "by columns"
    operation = "get_events"
    resource = "event"
    relationships = ("profile", "metric")  # recorded: their ids come without an `include`
    inclusions: ClassVar[Mapping[str, Inclusion]] = {"attributions": ATTRIBUTION}
    optional: ClassVar[Mapping[str, str]] = {"attributions": "include_attributions"}
    primary_keys = ("id",)
    replication_key = "datetime"
    from_start_date = True
    # The API shows when an event happened, never when it arrived: what arrives late lies behind the bookmark.
    lookback = "event_lookback"
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Event id"),
        th.Property("datetime", th.DateTimeType, description="When it happened, by the second; may lie ahead"),
        th.Property("timestamp", th.IntegerType, description="The same moment in seconds since 1970"),
        th.Property("uuid", th.StringType, description="A second identifier of the event"),
        th.Property("event_properties", OPEN, description="What the event holds: `$message`, `$value`, `URL`, …"),
        th.Property("profile_id", th.StringType, description="Who; null when the profile is gone"),
        th.Property("metric_id", th.StringType, description="What; null when the metric is gone"),
        th.Property(
            "attributions",
            th.ArrayType(th.ObjectType(*(th.Property(name, th.StringType) for name in ("id", *ATTRIBUTION.keys)))),
            description="What Klaviyo credits with it, by ids: message, campaign or flow, and the open or click",
        ),
    ).to_dict()

    @cached_property
    @override
    def chosen_listings(self) -> tuple[Listing, ...]:
        """All events in one listing, or one listing for each chosen metric: the filter takes a single id."""
        return tuple(map(_listing_of, self.metric_ids)) if self.run.settings.metrics else self.listings

    @cached_property
    def metric_names(self) -> dict[str, str]:
        """Every metric's name, by id."""
        return self.names("get_metrics", "metric")

    @cached_property
    def metric_ids(self) -> list[str]:
        """The chosen metrics. A name that a run found goes on meaning them, whatever they are called now.

        One that was deleted since is still read, unless Klaviyo refuses to list it: its events may still come.

        Raises:
            StreamFault: the setting names a metric that does not exist, and never did.
        """
        found = self.kept_texts_by_name(NAMED)
        names = self.metric_names
        for text in self.run.settings.metrics:
            now = [key for key, name in names.items() if text in {key, name}]
            renamed = [key for key in found.get(text, ()) if key in names and key not in now]
            for key in renamed:
                self.logger.info("metric %s, once named %r, is now %r: still read", key, text, names[key])
            gone = [key for key in found.get(text, ()) if key not in names]
            found[text] = now + renamed + gone
        if missing := [text for text in self.run.settings.metrics if not found[text]]:
            self.run.name_lookup.among("metrics", tuple(missing), names)
        self.stream_state[NAMED] = {text: found[text] for text in self.run.settings.metrics}
        chosen = {key: text for text in reversed(self.run.settings.metrics) for key in found[text]}
        ids = dict.fromkeys(key for text in self.run.settings.metrics for key in found[text])
        return [key for key in ids if key in names or self._is_listed(key, chosen[key])]

    def _is_listed(self, metric: str, text: str) -> bool:
        """Whether Klaviyo still lists the events of a metric that it lists no more; either is told."""
        said = (
            f"metric {metric}, chosen as {text!r}, is no longer in Klaviyo: take it out of the setting `metrics`"
        )
        try:
            params = {"filter": _listing_of(metric).filter, "fields[event]": "datetime", "page[size]": "1"}
            self.run.client.call(self.operation, params=params)
        except Refused:
            self.logger.warning("%s. Klaviyo lists its events no more", said)
            return False
        self.logger.warning("%s. What still comes of it is read", said)
        return True

    @override
    def unread_listings(self) -> list[Listing]:
        """A metric that was added to the setting is read from the beginning, once."""
        read = self.kept_texts(READ)
        if read is None:
            return []
        wanted = self.metric_ids if self.run.settings.metrics else list(self.metric_names)
        return [_listing_of(key) for key in wanted if key not in read]

    @override
    def mark_listings_read(self) -> None:
        self.stream_state[READ] = self.metric_ids if self.run.settings.metrics else None


def _listing_of(metric: str) -> Listing:
    return Listing(filter=Operator.EQUALS("metric_id", metric))
