"""Metric aggregates: the events of one metric, counted by interval and dimension."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from msgspec import Struct

from klaviyo_sandbox.model import times
from klaviyo_sandbox.model.errors import refuse
from klaviyo_sandbox.protocol.filters import Condition, parse_in_body
from klaviyo_wire.endpoints import Filter, Value
from klaviyo_wire.filters import Operator

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Json
    from klaviyo_sandbox.state.store import Store

# The OpenAPI document names these zones of the IANA database as not supported.
_NO_ZONES = {"Factory", "Europe/Kyiv", "Pacific/Kanton"}

DIMENSIONS: Mapping[str, str] = {
    name: name
    for name in (
        *("$flow", "$message", "$value_currency", "$variation", "Bot Click", "Bounce Type", "Campaign Name"),
        *("Client Canonical", "Client Name", "Client Type", "Email Domain", "Failure Source", "Failure Type"),
        *("From Number", "Inbox Provider", "List", "Method", "Subject", "To Number", "URL", "form_id"),
    )
} | {
    "$message_send_cohort": "$_cohort$message_send_cohort",
    "$variation_send_cohort": "$_cohort$variation_send_cohort",
}
"""What events can be grouped by, and the property that holds it."""

NOT_HELD = frozenset(
    (
        *("$attributed_channel", "$attributed_flow", "$attributed_message", "$attributed_variation"),
        *("$campaign_channel", "$flow_channel", "$usage_amount", "From Phone Region", "Message Format"),
        *("Message Name", "Message Type", "Segment Count", "To Phone Region"),
    )
)
"""Dimensions of Klaviyo that no event of the sandbox says anything about."""

_FILTERS = (
    Filter("datetime", frozenset({Operator.GREATER_OR_EQUAL, Operator.LESS_THAN}), Value.DATETIME),
    *(Filter(name, frozenset({Operator.EQUALS, Operator.ANY}), Value.STRING) for name in DIMENSIONS),
)
_AT = "/data/attributes"


class Range(Struct, frozen=True):
    """A half-open span of time; both ends are aware."""

    start: datetime
    end: datetime


class _Bucket(Struct):
    """What is counted of one interval."""

    count: float = 0.0
    sum_value: float = 0.0
    profiles: set[str | None] = msgspec.field(default_factory=set)

    def measured(self, measurement: str) -> float:
        """One measurement; Klaviyo's are all floats."""
        if measurement == "unique":
            return float(len(self.profiles))
        return self.count if measurement == "count" else round(self.sum_value, 2)


class _Properties(Struct):
    event_properties: dict[str, Any]


_decode = msgspec.json.Decoder(_Properties).decode


def properties_of(attributes: bytes) -> Json:
    """The properties in an event's encoded attributes."""
    return _decode(attributes).event_properties


def zone_of(name: str) -> ZoneInfo:
    """The time zone of this name, in its own case.

    Raises:
        Refusal: Klaviyo knows none.
    """
    if name not in available_timezones() - _NO_ZONES:
        refuse(f"'{name}' is not a valid timezone.", pointer=f"{_AT}/timezone")
    return ZoneInfo(name)


def span_and_conditions(expressions: Sequence[str], zone: ZoneInfo) -> tuple[Range, list[Condition]]:
    """The time range that a list of filters must hold, and their conditions on dimensions.

    Raises:
        Refusal: a filter is not of the grammar, a bound is missing or comes twice, or the range is empty or longer
            than a year.
    """
    pointer = f"{_AT}/filter"
    found = [each for text in expressions for each in parse_in_body(text, _FILTERS, pointer, zone)]
    bounds = {
        operator: [each.values[0] for each in found if (each.field, each.operator) == ("datetime", operator)]
        for operator in (Operator.GREATER_OR_EQUAL, Operator.LESS_THAN)
    }
    for operator, values in bounds.items():
        if len(values) != 1:
            refuse(f"The filter needs one {operator}(datetime,...), not {len(values)}.", pointer=pointer)
    ((start,), (end,)) = bounds.values()
    assert isinstance(start, datetime)  # noqa: S101 - what the grammar reads as a datetime
    assert isinstance(end, datetime)  # noqa: S101
    if start >= end:
        refuse("The start of the range must be before its end.", pointer=pointer)
    if end > a_year_after(start):
        refuse("The range can be one year at most.", pointer=pointer)
    return Range(start, end), [each for each in found if each.field != "datetime"]


def a_year_after(moment: datetime) -> datetime:
    """The same moment of the next year; of 29 February, 1 March."""
    try:
        return moment.replace(year=moment.year + 1)
    except ValueError:
        return moment.replace(year=moment.year + 1, month=3, day=1)


def starts(span: Range, interval: str, zone: ZoneInfo) -> list[datetime]:
    """When the intervals that a range touches begin, in UTC: local hours, midnights, Mondays, firsts of months."""
    local = span.start.astimezone(zone)
    begin = local.replace(minute=0, second=0, microsecond=0, fold=local.fold)
    if interval != "hour":
        begin = begin.replace(hour=0, fold=0)
    if interval == "week":
        begin -= timedelta(days=begin.weekday())
    if interval == "month":
        begin = begin.replace(day=1)
    return list(_until(begin, span.end, interval))


def _until(begin: datetime, end: datetime, interval: str) -> Iterator[datetime]:
    moment = begin
    while (instant := moment.astimezone(UTC)) < end:
        yield instant
        match interval:
            case "hour":  # of elapsed time, so that the hours of a change of clocks are whole
                moment = instant + timedelta(hours=1)
            case "month":
                moment = (moment.replace(day=28) + timedelta(days=4)).replace(day=1)
            case _:  # of the local calendar
                moment += timedelta(days=7 if interval == "week" else 1)


class Table(Struct, frozen=True):
    """The events of a metric by dimension values, each a row of buckets."""

    dates: list[str]
    rows: dict[tuple[str, ...], list[_Bucket]]

    def resource(self, values: tuple[str, ...], measurements: Sequence[str]) -> Json:
        """A row as it is answered."""
        return {
            "dimensions": list(values),
            "measurements": {
                name: [bucket.measured(name) for bucket in self.rows[values]] for name in measurements
            },
        }


def table(  # noqa: PLR0913
    store: Store,
    metric_id: str,
    span: Range,
    dates: Sequence[datetime],
    *,
    by: Sequence[str],
    where: Sequence[Condition],
) -> Table:
    """Count the events of a metric. Without dimensions there is one row, even when there is no event."""
    begins = [int(each.timestamp()) for each in dates]
    rows: defaultdict[tuple[str, ...], list[_Bucket]] = defaultdict(lambda: [_Bucket() for _ in begins])
    if not by:
        rows[()]  # made by being asked for
    place = 0
    for timestamp, profile_id, attributes in store.read(
        "select timestamp, profile_id, attributes from events"
        " where metric_id = ? and timestamp >= ? and timestamp < ? order by timestamp",
        [metric_id, span.start.timestamp(), span.end.timestamp()],
    ):
        properties = properties_of(attributes)
        if not all(_value(properties, each.field) in each.values for each in where):
            continue
        while place + 1 < len(begins) and timestamp >= begins[place + 1]:
            place += 1
        bucket = rows[tuple(_value(properties, name) for name in by)][place]
        bucket.count += 1
        bucket.sum_value += amount(properties)
        bucket.profiles.add(profile_id)
    return Table([times.seconds(each) for each in begins], dict(rows))


def amount(properties: Json) -> float:
    """The monetary value of an event; one that is not a number is none."""
    value = properties.get("$value")
    return float(value) if isinstance(value, int | float) else 0.0


def _value(properties: Json, dimension: str) -> str:
    """A dimension's value as text: empty where the event lacks it; a flag is `1.0` or `0.0`."""
    value = properties.get(DIMENSIONS[dimension])
    if value is None:
        return ""
    return str(float(value)) if isinstance(value, bool) else str(value)
