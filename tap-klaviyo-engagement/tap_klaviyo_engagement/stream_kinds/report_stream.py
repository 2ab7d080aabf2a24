"""Streams that are a report of Klaviyo's, asked for day by day and within few requests a day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qsl, urlsplit

import pendulum
from typing_extensions import override

from klaviyo_wire.endpoints import REPORTS
from klaviyo_wire.errors import Refused, Retriable
from klaviyo_wire.jsonapi import Json, next_link, resources
from klaviyo_wire.paging import PagesAsked
from klaviyo_wire.ratelimit import MINUTE
from tap_klaviyo_engagement.client import KlaviyoStream
from tap_klaviyo_engagement.errors import MissingSetting, StreamFault, Unreadable
from tap_klaviyo_engagement.extraction.record_decoder import NoNumber, read_report
from tap_klaviyo_engagement.stream_kinds.report_days import DailyQuota, DaysRead, ReportPlan, bounds, spans

if TYPE_CHECKING:
    from tap_klaviyo_engagement.extraction.record_decoder import Record

BACKLOG = timedelta(days=30)
"""How far back the first run begins without a `start_date`."""

LONGEST_WAIT = 600
"""Seconds that a run waits at most for the next request of the day: a schedule need not be exact to the second."""

_UNSUITABLE = "does not support querying for values"


def _unreadable(what: str, about: Mapping[str, str]) -> Unreadable:
    return Unreadable(
        f"Klaviyo sent {what}",
        id=", ".join(about.values()) or None,
        code="no_result",
        remedy="report what the API answers there",
        mark=what,
    )


def _named(days: Sequence[date]) -> str:
    """Consecutive days, as a message names them."""
    first, last = min(days), max(days)
    return f"{first}" if first == last else f"{first} to {last}"


class _QuotaUsedUp(Exception):  # noqa: N818 - an end, not a fault
    """The day's requests are used up."""


class ReportStream(KlaviyoStream):
    """What Klaviyo counts of a day: one row for each day and whatever it is grouped by.

    What is learned later may change an earlier day. The days of `report_lookback` are therefore read again once a
    day; an older day is read once more, or for the first time, and is done with. The newest day comes first, and
    what a day's requests do not suffice for is left to the next run.

    A day is asked for from 00:00:00 to 23:59:59.999999 in the account's time zone. Klaviyo's document does not say
    whether the end belongs to the time frame; others found that it does, and counted midnight twice. This end is
    right either way, since events have whole seconds. The document says that offsets are ignored and the account's
    zone is used. The offsets sent are those of that zone, so they are right even if they are not ignored.
    """

    resource: ClassVar[str]
    """JSON:API type of the report."""
    groupings: ClassVar[tuple[str, ...]]
    """What results are told apart by; with the day, and the metric, the key. All other columns are statistics."""
    asks_for_groupings: ClassVar[bool] = True
    """Whether the question names the groupings; a report that has but one way to group takes none."""
    counts_conversions: ClassVar[bool] = False
    """Whether it is asked with a metric, whose conversions it counts."""
    statistic: ClassVar[str]
    """What is asked for where no statistic is selected."""
    earliest: ClassVar[date] = date.min
    """The first day that Klaviyo has a report on."""
    days_at_once: ClassVar[int] = 1
    """How many days a question may be about."""
    parts_of_answer: ClassVar[tuple[str, ...]] = ("results",)
    """The attributes of the report that are asked for."""
    replication_key = "date"
    selected_by_default = False  # two requests a minute

    @override
    def batches(self) -> Iterator[list[Record]]:
        metric, zone = self.metric(), self.zone()
        settings, today = self.run.settings, self.run.limit.astimezone(pendulum.timezone(zone)).date()
        days_read, quota = self.days_read(metric), self.quota()
        first = max(self.first_day(today, days_read), self.earliest)
        plan = ReportPlan(today, first, settings.report_lookback)
        due = days_read.due(plan)
        left = len(due)
        for span in spans(due, self.days_at_once):
            try:
                rows = list(self.rows_of_days(span, zone, metric, quota))
            except _QuotaUsedUp:
                self.logger.info(
                    "%s: the day's requests are used up; %d days are left, the next run goes on", self.name, left
                )
                return
            yield rows
            for day in span:
                days_read.add(day, plan)
            self.stream_state.update(days_read.dump(), **self.asked_with(metric))
            left -= len(span)
            self.progress.done = 1 - left / len(due)
            yield self.CHECKPOINT

    def first_day(self, today: date, days_read: DaysRead) -> date:
        """The oldest day that is wanted.

        Where nobody chose the report it begins with the days that still change: a month of it waits a quarter of
        an hour for its turn, a year for days. What was begun with is read to its end, whenever runs come.
        """
        settings = self.run.settings
        wanted = settings.start_date.date() if settings.start_date else today - BACKLOG
        if self.asked_for:
            return wanted
        begun = today - max(settings.report_lookback, timedelta(days=1))
        return max(wanted, min(begun, days_read.earliest or begun))

    @override
    def probe(self) -> str:
        if self.counts_conversions and not self.run.settings.report_conversion_metric:
            return "it needs the setting `report_conversion_metric`"
        metric, zone = self.metric(), self.zone()
        day = self.run.limit.date() - timedelta(days=1)
        self.run.client.call(self.operation, params=self.only_results, body=self.body([day], zone, metric))
        return ""

    def rows_of_days(self, days: Sequence[date], zone: str, metric: str, quota: DailyQuota) -> Iterator[Record]:
        """The rows of consecutive days, which one question is about.

        Raises:
            _QuotaUsedUp: before they were read to their end.
            StreamFault: Klaviyo has no report for this metric, or sent one that is none.
            StreamFault: too many of its results cannot be read.
        """
        params, body = self.only_results, self.body(days, zone, metric)
        about, asked = _named(days), PagesAsked()
        while True:
            if asked.again(params):
                msg = f"the report on {about} names a page as the next one that was read before"
                raise StreamFault(msg)
            document = self.page(params, body, quota)
            try:
                attributes = document["data"]["attributes"]
                results = list(attributes["results"])
                parts = self.parts(attributes, days, zone)
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                msg = f"Klaviyo sent a report on {about} that is none"
                raise StreamFault(msg) from error
            for result in results:
                try:
                    rows = self.rows(about, parts, metric, result)
                except Unreadable as fault:
                    self.put_aside(fault, {"date": days[0], **self.asked_with(metric)})
                else:
                    yield from rows
            link = next_link(document)
            if link is None:
                return
            params = dict(parse_qsl(urlsplit(link).query))

    def page(self, params: Mapping[str, str], body: Json, quota: DailyQuota) -> Json:
        """One page of a report."""
        wait = quota.take(self.run.now(), LONGEST_WAIT)
        if wait is None:
            raise _QuotaUsedUp
        self.stream_state["requests"] = quota.made
        if wait:
            self.run.sleep(wait)
        try:
            return self.run.client.fetch(self.operation, read_report, params=params, body=body)
        except Retriable as error:
            if error.throttled and (error.retry_after or 0) > MINUTE:
                raise _QuotaUsedUp from error  # by whoever else has a key of the account
            raise
        except Refused as error:
            if _UNSUITABLE not in str(error):
                raise
            msg = (
                f"Klaviyo reports no conversions of {self.run.settings.report_conversion_metric!r}: name another "
                f"metric in the setting `report_conversion_metric` ({error})"
            )
            raise StreamFault(msg) from error

    @property
    def only_results(self) -> dict[str, str]:
        """Query parameters of a first page."""
        return {f"fields[{self.resource}]": ",".join(self.parts_of_answer)}

    def parts(self, attributes: Json, days: Sequence[date], zone: str) -> Sequence[Json | None]:  # noqa: ARG002
        """The times that an answer is about, each as the columns that tell it: here the one day. None is no row.

        Raises:
            ValueError: the answer is about others, or does not say it; likewise any error of its shape.
        """
        return [{"date": days[0].isoformat()}]

    def body(self, days: Sequence[date], zone: str, metric: str) -> Json:
        """The question: all selected statistics of consecutive days."""
        (start, _), (_, end) = bounds(min(days), zone), bounds(max(days), zone)
        told = {"date", *self.primary_keys}
        attributes = {
            "statistics": [name for name in self.columns if name not in told] or [self.statistic],
            "timeframe": {"start": start.isoformat(), "end": end.isoformat()},
            **self.asked_with(metric),
        }
        if self.asks_for_groupings:
            attributes["group_by"] = list(self.groupings)
        return {"data": {"type": self.resource, "attributes": attributes}}

    def rows(self, about: str, parts: Sequence[Json | None], metric: str, result: object) -> list[Record]:
        """A result as records, one for each time; what Klaviyo tells unasked is left out.

        Args:
            about: The days, as a message names them.
            parts: The times, as the columns that tell them.
            metric: Whose conversions are told.
            result: As Klaviyo tells it.

        Raises:
            Unreadable: it does not say what it is about, or a statistic is no number.
        """
        told = result if isinstance(result, dict) else {}
        groupings, statistics = told.get("groupings"), told.get("statistics")
        groupings = groupings if isinstance(groupings, dict) else {}
        groups = {name: groupings[name] for name in self.groupings if isinstance(groupings.get(name), str)}
        if missing := [name for name in self.groupings if name not in groups]:
            what = f"a result of {about} without {' and '.join(missing)}"
            raise _unreadable(what, groups)
        if not isinstance(statistics, dict):
            what = f"a result of {about} without statistics"
            raise _unreadable(what, groups)
        numbers = {name: self.numbers(statistics[name], parts) for name in self.columns if name in statistics}
        if odd := sorted(name for name, each in numbers.items() if each is None):
            what = f"a result of {about} in which {' and '.join(odd)} is no number"
            raise _unreadable(what, groups)
        rows = []
        for place, part in enumerate(parts):
            if part is None:
                continue
            known = {**part, **self.asked_with(metric), **groups}
            counted = {name: each[place] for name, each in numbers.items() if each is not None}
            rows.append({name: known.get(name, counted.get(name)) for name in self.columns})
        return rows

    def numbers(self, told: object, parts: Sequence[Json | None]) -> Sequence[object] | None:  # noqa: ARG002
        """What is told of a statistic for each time; None if it is no number."""
        return None if isinstance(told, NoNumber) else [told]

    def days_read(self, metric: str) -> DaysRead:
        """The days that the runs before read with this metric.

        Raises:
            StreamFault: the state holds something else.
        """
        if not self.incremental or self.stream_state.get("conversion_metric_id", "") != metric:
            return DaysRead()
        try:
            return DaysRead.load(self.stream_state)
        except (ValueError, TypeError) as error:
            msg = f"the state has {dict(self.stream_state)!r} of this stream, in which a day is none"
            raise StreamFault(msg) from error

    def quota(self) -> DailyQuota:
        """What is left of the day's requests."""
        daily = REPORTS.daily or 0
        most = max(1, int(daily * self.run.settings.rate_limit_share))
        made = self.stream_state.get("requests")
        return DailyQuota(most, [each for each in made if isinstance(each, int)] if isinstance(made, list) else [])

    def zone(self) -> str:
        """The account's time zone.

        Raises:
            StreamFault: it is not known.
        """
        document = self.run.account_document
        try:
            (account,) = resources(document)
            zone = str(account["attributes"]["timezone"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            msg = "Klaviyo does not tell the account's time zone"
            raise StreamFault(msg) from error
        try:
            pendulum.timezone(zone)
        except (ValueError, OSError) as error:
            msg = f"the account's time zone {zone!r} is not known"
            raise StreamFault(msg) from error
        return zone

    def asked_with(self, metric: str) -> dict[str, str]:
        """The metric as the question, the rows and the state name it; nothing where there is none."""
        return {"conversion_metric_id": metric} if self.counts_conversions else {}

    def metric(self) -> str:
        """Id of the metric whose conversions are told; empty where none are.

        Raises:
            MissingSetting: the setting is not given.
            StreamFault: it does not name one.
        """
        if not self.counts_conversions:
            return ""
        wanted = self.run.settings.report_conversion_metric
        if not wanted:
            msg = "set `report_conversion_metric` to the name or id of a metric, such as Placed Order"
            raise MissingSetting(msg)
        names = self.names("get_metrics", "metric")
        found = [wanted] if wanted in names else sorted(key for key, name in names.items() if name == wanted)
        if len(found) != 1:
            available = ", ".join(
                found or (f"{name} ({key})" for key, name in sorted(names.items(), key=lambda x: x[1]))
            )
            what = "several metrics have, give one of their ids" if found else "no metric has, there are"
            msg = f"the setting `report_conversion_metric` is {wanted!r}, a name that {what}: {available}"
            raise StreamFault(msg)
        return found[0]
