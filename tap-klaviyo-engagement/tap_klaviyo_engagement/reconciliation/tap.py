"""The tap `tap-klaviyo-reconcile`: compares a warehouse with Klaviyo by metric and day, and emits what differs.

It emits the events of those days only on which the two differ,
as the stream `events` of the main tap, and it writes no STATE: the main tap's bookmark is none of its business.

Days are days in UTC, as a warehouse has them.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from singer_sdk import Stream
from singer_sdk import typing as th
from singer_sdk.singerlib.encoding import SingerMessageType
from singer_sdk.singerlib.encoding.simple import Message
from typing_extensions import override

from klaviyo_wire.errors import ConfigurationError, Refused
from klaviyo_wire.filters import Operator
from tap_klaviyo_engagement import settings
from tap_klaviyo_engagement.emission.message_writer import MessageWriter
from tap_klaviyo_engagement.errors import StreamFault
from tap_klaviyo_engagement.extraction.concurrent_reader import End
from tap_klaviyo_engagement.extraction.slices import Batch, Listing, StreamSlice
from tap_klaviyo_engagement.extraction.windows import Window
from tap_klaviyo_engagement.reconciliation.event_counts import (
    Counts,
    Difference,
    WarehouseCounts,
    day_of,
    differences,
    printable,
    table,
)
from tap_klaviyo_engagement.streams.events import Events
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement
from tap_klaviyo_engagement.times import normalised

if TYPE_CHECKING:
    from singer_sdk.plugin_base import _ConfigInput

    from klaviyo_wire.jsonapi import Json
    from tap_klaviyo_engagement.extraction.record_decoder import Record

DIFFERS = 2
"""Exit status of a dry run that found differences: neither well (0) nor a failure (1)."""

SPAN = timedelta(days=30)
"""How far back is compared when nothing else is said."""

_DAY = timedelta(days=1)
_MOST_DAYS = 365  # of one question: Klaviyo aggregates a year at most

OWN_SETTINGS: dict[str, Any] = th.PropertiesList(
    th.Property(
        "counts",
        th.StringType,
        required=True,
        description="What the warehouse holds: a CSV file with the header `metric_id,day,events`, or a JSON file "
        "`{metric_id: {day: events}}`, which is kept up to date with what was read again",
    ),
    th.Property(
        "reconcile_from",
        th.DateType,
        description="First day that is compared, UTC; default 30 days ago, or `start_date` if that is later",
    ),
    th.Property("reconcile_to", th.DateType, description="Last day that is compared, UTC; default yesterday"),
    th.Property(
        "dry_run",
        th.BooleanType,
        default=False,
        description="Only print the days that differ, and end with status 2 if there are any",
    ),
).to_dict()
"""The settings beside those of the main tap."""

SCHEMA: dict[str, Any] = deepcopy(settings.SCHEMA)
SCHEMA["properties"] |= OWN_SETTINGS["properties"]
SCHEMA["required"] += OWN_SETTINGS["required"]


# What is read again


@dataclass(frozen=True)
class ReconcileTask:
    """What a person wants reconciled: the days from `first` to `last`."""

    warehouse: WarehouseCounts
    first: date
    last: date
    dry_run: bool

    @classmethod
    def of(cls, config: Mapping[str, Any], now: datetime) -> ReconcileTask:
        """The task out of a configuration.

        Raises:
            ConfigurationError: a setting makes no sense.
        """
        yesterday = now.astimezone(UTC).date() - _DAY
        start = settings.Settings.of(config).start_date
        whole = (start + _DAY - timedelta(microseconds=1)).date() if start else date.min  # its first whole day
        first = _setting(config, "reconcile_from") or max(yesterday + _DAY - SPAN, whole)
        last = _setting(config, "reconcile_to") or yesterday
        if last > yesterday:
            msg = f"the setting `reconcile_to` is {last}: give yesterday ({yesterday}, UTC) or a day before"
            raise ConfigurationError(msg)
        if first > last:
            msg = f"there is no day from {first} to {last}: change `reconcile_from` or `reconcile_to`"
            raise ConfigurationError(msg)
        return cls(WarehouseCounts.read(Path(config["counts"])), first, last, bool(config.get("dry_run")))

    @property
    def days(self) -> list[date]:
        """The days that are compared."""
        return [self.first + _DAY * number for number in range((self.last - self.first).days + 1)]


def _setting(config: Mapping[str, Any], name: str) -> date | None:
    given = config.get(name)
    try:
        return day_of(given, "") if given else None
    except ValueError as error:
        msg = f"the setting `{name}`: {error}"
        raise ConfigurationError(msg) from error


class DifferingEvents(Events):
    """The events of the days that differ."""

    @property
    def task(self) -> ReconcileTask:
        """What is to be reconciled."""
        assert isinstance(self._tap, TapKlaviyoReconcile)  # noqa: S101 - it makes no other tap's streams
        return self._tap.task

    @override
    def batches(self) -> Iterator[list[Record]]:
        names = self.names("get_metrics", "metric")
        self.refuse_foreign(names)
        found = self.compare(names)
        sys.stderr.write(table(found, names) if found else "")
        sys.stderr.flush()
        self.logger.info("%d of %d metrics and days differ", len(found), len(names) * len(self.task.days))
        if self.task.dry_run:
            if found:
                raise SystemExit(DIFFERS)
            return
        yield from self.read_again(found)

    def refuse_foreign(self, names: Mapping[str, str]) -> None:
        """Refuse counts of another account: no two have a metric's id in common.

        Its every day would differ, and this account's events be loaded beside those of the other.

        Raises:
            ConfigurationError: it is another account's.
        """
        counted = self.task.warehouse.counts.keys()
        if counted and not counted & names.keys():
            msg = (
                f"the file {self.task.warehouse.path} of the setting `counts` is of another account than the key: "
                f"that has none of its {len(counted)} metrics. Give that account's key, or counts of this one; "
                "nothing was read"
            )
            raise ConfigurationError(msg)

    def chosen_metrics(self, names: Mapping[str, str]) -> list[str]:
        """Ids of the metrics of the setting, among all by name."""
        return self.run.name_lookup.among("metrics", self.run.settings.metrics, names)

    def compare(self, names: Mapping[str, str]) -> list[Difference]:
        """What differs, of the chosen metrics."""
        klaviyo: Counts = {}
        for metric in self.chosen_metrics(names):
            try:
                klaviyo[metric] = self.counted(metric)
            except Refused as error:
                self.logger.warning("Klaviyo does not count %s (%s): %s", printable(names[metric]), metric, error)
        if unknown := sorted(self.task.warehouse.counts.keys() - names.keys()):
            self.logger.warning("Klaviyo has no such metrics, they are not compared: %s", ", ".join(unknown))
        return differences(klaviyo, self.task.warehouse.counts, self.task.days)

    def counted(self, metric: str) -> dict[date, int]:
        """How many events Klaviyo counts on each day, by metric aggregates.

        Raises:
            Refused: it does not count this metric.
            StreamFault: the answer makes no sense.
        """
        counted: dict[date, int] = {}
        days = self.task.days
        for start in range(0, len(days), _MOST_DAYS):
            span = days[start : start + _MOST_DAYS]
            attributes = {
                "metric_id": metric,
                "measurements": ["count"],
                "interval": "day",
                "timezone": "UTC",
                # Klaviyo's own form: without offset, in `timezone`.
                "filter": [
                    f"greater-or-equal(datetime,{span[0]}T00:00:00)",
                    f"less-than(datetime,{span[-1] + _DAY}T00:00:00)",
                ],
            }
            document = self.run.client.call(
                "query_metric_aggregates",
                params={"fields[metric-aggregate]": "data,dates"},
                body={"data": {"type": "metric-aggregate", "attributes": attributes}},
            )
            try:
                answer = document["data"]["attributes"]
                dates = [date.fromisoformat(normalised(text)[:10]) for text in answer["dates"]]
                for row in answer["data"]:
                    for day, events in zip(dates, row["measurements"]["count"], strict=True):
                        counted[day] = counted.get(day, 0) + int(events)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                msg = f"Klaviyo sent aggregates of the metric {metric} that make no sense"
                raise StreamFault(msg) from error
        return counted

    def read_again(self, found: Iterable[Difference]) -> Iterator[list[Record]]:
        """The events of the days that differ; each day is noted when all of it was handed over."""
        wanted = {(_filter_of(each.metric), each.day): each for each in found}
        slices = [StreamSlice(Listing(filter=only), _window_of(day)) for only, day in wanted]
        listed: Counter[Difference] = Counter()
        for stream_slice, batch in self.read(slices):
            end = stream_slice.window.end
            assert end is not None  # noqa: S101 - the parts of a day have an end
            difference = wanted[stream_slice.listing.filter, (end - timedelta(microseconds=1)).date()]
            if isinstance(batch, Batch):
                # Some of Klaviyo's filters are accepted and not applied (recorded): the row says what it is.
                own = (record.get("metric_id", difference.metric) for record in batch.records)
                listed[difference] += sum(metric == difference.metric for metric in own)
                yield batch.records
            elif batch is End.COMPLETE and end.time() == time():  # and not a part of a day that was divided
                yield self.CHECKPOINT
                self.day_complete(difference, listed[difference])

    def day_complete(self, difference: Difference, listed: int) -> None:
        """A day was emitted: record its count, and warn if it still differs from Klaviyo's."""
        self.flush()
        self.task.warehouse.record_day(difference.metric, difference.day, listed)
        if listed != difference.klaviyo:
            self.logger.warning(
                "%s of %s still differs: Klaviyo counts %d events and lists %d",
                difference.day,
                printable(difference.metric),
                difference.klaviyo,
                listed,
            )

    def flush(self) -> None:
        """Hand over to the loader what waits in buffers of this process."""
        writer = self._tap.message_writer
        if isinstance(writer, MessageWriter):
            writer.send(b"", flush=True)


def _filter_of(metric: str) -> str:
    return Operator.EQUALS("metric_id", metric)


def _window_of(day: date) -> Window:
    start = datetime.combine(day, time(), UTC)
    return Window(start, start + _DAY)


class WriterWithoutState(MessageWriter):
    """Writes no STATE: whoever keeps it might take it for the main tap's."""

    @override
    def write_message(self, message: Message) -> None:
        if message.type != SingerMessageType.STATE:
            super().write_message(message)


class TapKlaviyoReconcile(TapKlaviyoEngagement):
    """The events of those days on which a warehouse holds another number of them than Klaviyo counts."""

    name = "tap-klaviyo-reconcile"
    package_name = "tap-klaviyo-engagement"
    config_jsonschema = SCHEMA
    message_writer_class = WriterWithoutState
    _env_var_prefix = "TAP_KLAVIYO_ENGAGEMENT_"  # it is a command of that tap, with that tap's settings

    @cached_property
    def task(self) -> ReconcileTask:
        """What is to be reconciled.

        Raises:
            ConfigurationError: a setting makes no sense.
        """
        return ReconcileTask.of(self.config, self.now())

    @override
    def discover_streams(self) -> list[Stream]:
        return [DifferingEvents(self, self.run)]

    @override
    def claim_state(self) -> None:
        """Nothing to do: it goes on from no state, and leaves none."""

    @property
    @override
    def streams(self) -> dict[str, Stream]:
        """The one stream."""
        return super(TapKlaviyoEngagement, self).streams

    @override
    @classmethod
    def configured(
        cls, config: _ConfigInput | None, state: Json | None = None, catalog: Json | None = None
    ) -> Self:
        tap = super().configured(config, None, catalog)
        _ = tap.task
        return tap
