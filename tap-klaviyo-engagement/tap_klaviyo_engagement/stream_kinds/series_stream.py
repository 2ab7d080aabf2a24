"""Reports by the hour: several days in one question, a row for each hour of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from tap_klaviyo_engagement.extraction.record_decoder import NoNumber
from tap_klaviyo_engagement.stream_kinds.report_days import hours_of
from tap_klaviyo_engagement.stream_kinds.report_stream import ReportStream
from tap_klaviyo_engagement.times import iso, normalised

if TYPE_CHECKING:
    from klaviyo_wire.jsonapi import Json


class SeriesStream(ReportStream):
    """What Klaviyo counts of an hour: one row for each hour and whatever it is grouped by, those with zeros too.

    Days are read, and read again, as those of any report; a question is about seven of them, the most that Klaviyo
    takes by the hour.
    """

    days_at_once = 7
    parts_of_answer: ClassVar[tuple[str, ...]] = ("date_times", "results")

    @override
    def body(self, days: Sequence[date], zone: str, metric: str) -> Json:
        asked = super().body(days, zone, metric)
        asked["data"]["attributes"]["interval"] = "hourly"
        return asked

    @override
    def parts(self, attributes: Json, days: Sequence[date], zone: str) -> Sequence[Json | None]:
        labels = [datetime.fromisoformat(normalised(each)) for each in attributes["date_times"]]
        return [
            {"date": day.isoformat(), "date_time": iso(begins)} if day is not None and day in days else None
            for day, begins in hours_of(labels, min(days), zone)
        ]

    @override
    def numbers(self, told: object, parts: Sequence[Json | None]) -> Sequence[object] | None:
        if not isinstance(told, list) or len(told) != len(parts) or any(isinstance(n, NoNumber) for n in told):
            return None
        return told
