"""Reports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from klaviyo_sandbox.model.errors import refuse
from klaviyo_sandbox.model.records import CampaignMessage, Flow, Metric
from klaviyo_sandbox.operations.call import Answer, Call
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.protocol.bodies import (
    CampaignValues,
    FlowSeries,
    FlowValues,
    FormSeries,
    FormValues,
    FormValuesAttributes,
    SegmentSeries,
    SegmentValues,
    SegmentValuesAttributes,
    ValuesAttributes,
)
from klaviyo_sandbox.protocol.filters import Condition, parse_in_body
from klaviyo_sandbox.protocol.resources import TIMEZONE
from klaviyo_sandbox.state import daily_counts, reports
from klaviyo_sandbox.state.pages import Page
from klaviyo_sandbox.state.reports import Message, Values
from klaviyo_wire.endpoints import Filter, Value
from klaviyo_wire.filters import Operator

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Json
    from klaviyo_sandbox.protocol.bodies import Timeframe
    from klaviyo_sandbox.state.aggregates import Range

RESULTS_PER_PAGE = 20
"""Klaviyo does not say how many a page holds; few, so that a small account has several pages."""

_AT = "/data/attributes"
_CHANNELS = {"email", "sms", "push-notification", "whatsapp"}
_SCALAR = frozenset({Operator.EQUALS, Operator.CONTAINS_ANY})

A = TypeVar("A", bound=SegmentValuesAttributes)

Grouped = Callable[[Call, Message, Values], str | None]


def _channel(_: Call, message: Message, __: Values) -> str:
    return message.channel


def _message_id(_: Call, message: Message, __: Values) -> str:
    return message.message_id


def _campaign_id(call: Call, message: Message, _: Values) -> str | None:
    found = call.store.get(CampaignMessage, message.message_id)
    return found.campaign_id if found else None


def _campaign_message_name(call: Call, message: Message, _: Values) -> str | None:
    found = call.store.get(CampaignMessage, message.message_id)
    return found.label if found else None


def _flow_id(_: Call, message: Message, __: Values) -> str | None:
    return message.flow_id


def _flow_name(call: Call, message: Message, _: Values) -> str | None:
    found = call.store.get(Flow, message.flow_id) if message.flow_id else None
    return found.name if found else None


def _flow_message_name(_: Call, __: Message, values: Values) -> str | None:
    return values.name


@dataclass(frozen=True)
class _Kind:
    """What a report can be grouped and filtered by. A row that lacks the `owner` is another report's."""

    owner: str
    required: tuple[str, ...]
    groups: Mapping[str, Grouped]
    not_held: frozenset[str]
    """Allowed by Klaviyo; the sandbox holds nothing of the kind."""

    @property
    def filters(self) -> tuple[Filter, ...]:
        """For the grammar."""
        return tuple(Filter(name, _SCALAR, Value.STRING) for name in self.groups)


_CAMPAIGNS = _Kind(
    owner="campaign_id",
    required=("campaign_id", "campaign_message_id"),
    groups={
        "campaign_id": _campaign_id,
        "campaign_message_id": _message_id,
        "campaign_message_name": _campaign_message_name,
        "send_channel": _channel,
    },
    not_held=frozenset(
        ("group", "group_name", "tag_id", "tag_name", "text_message_format", "variation", "variation_name")
    ),
)
_FLOWS = _Kind(
    owner="flow_id",
    required=("flow_id", "flow_message_id"),
    groups={
        "flow_id": _flow_id,
        "flow_message_id": _message_id,
        "flow_message_name": _flow_message_name,
        "flow_name": _flow_name,
        "send_channel": _channel,
    },
    not_held=frozenset(("tag_id", "tag_name", "text_message_format", "variation", "variation_name")),
)


@operation
def query_segment_values(call: Call) -> Answer:
    """How the segments changed in a span of time."""
    asked = call.read(SegmentValues).attributes
    return _whole_report(call, "segment-values-report", asked, _of_segments)


@operation
def query_segment_series(call: Call) -> Answer:
    """How the segments changed in each interval of a span of time."""
    asked = call.read(SegmentSeries).attributes
    return _whole_report(call, "segment-series-report", asked, _of_segments, asked.interval)


@operation
def query_form_values(call: Call) -> Answer:
    """What was done at forms in a span of time, by form or by version."""
    asked = call.read(FormValues).attributes
    return _whole_report(call, "form-values-report", asked, _of_forms)


@operation
def query_form_series(call: Call) -> Answer:
    """What was done at forms in each interval of a span of time."""
    asked = call.read(FormSeries).attributes
    return _whole_report(call, "form-series-report", asked, _of_forms, asked.interval)


def _of_segments(call: Call, asked: SegmentValuesAttributes, within: Range) -> list[Json]:
    found = daily_counts.of_segments(call.store, within)
    _check_statistics(asked.statistics, set(next(iter(found.values()), {})) or {*asked.statistics})
    chosen = _chosen(asked.filter, ("segment_id",))
    return [
        {"groupings": {"segment_id": key}, "statistics": {name: counted[name] for name in asked.statistics}}
        for key, counted in sorted(found.items())
        if key in chosen.get("segment_id", {key})
    ]


def _of_forms(call: Call, asked: FormValuesAttributes, within: Range) -> list[Json]:
    _check_statistics(asked.statistics, set(daily_counts.FORM_STATISTICS))
    group_by = asked.group_by or ["form_id"]
    if "form_id" not in group_by or not {"form_id", "form_version_id"}.issuperset(group_by):
        refuse("A report on forms is grouped by form_id, and form_version_id.", pointer=f"{_AT}/group_by")
    chosen = _chosen(asked.filter, ("form_id", "form_version_id"))
    counted: dict[tuple[str, ...], int] = {}
    for (form, version), submits in daily_counts.of_forms(call.store, within).items():
        named = {"form_id": form, "form_version_id": version}
        if all(named[field] in values for field, values in chosen.items()):
            key = tuple(named[each] for each in group_by)
            counted[key] = counted.get(key, 0) + submits
    return [
        {
            "groupings": dict(zip(group_by, key, strict=True)),
            "statistics": {each: daily_counts.FORM_STATISTICS[each](submits) for each in asked.statistics},
        }
        for key, submits in sorted(counted.items())
    ]


def _series(intervals: Sequence[Sequence[Json]], statistics: Sequence[str]) -> list[Json]:
    """Of the results of consecutive intervals one series for each grouping, with zeros where it has none."""
    found: dict[bytes, list[Json]] = {}
    for place, results in enumerate(intervals):
        for each in results:
            nothing: list[Json] = [dict.fromkeys(statistics, 0.0) for _ in intervals]
            found.setdefault(msgspec.json.encode(each["groupings"]), nothing)[place] = each["statistics"]
    return [
        {
            "groupings": msgspec.json.decode(groupings),
            "statistics": {name: [each[name] for each in rows] for name in statistics},
        }
        for groupings, rows in sorted(found.items())
    ]


def _parts(call: Call, timeframe: Timeframe, interval: str | None) -> list[Range]:
    """The intervals of a span of time; of a report that is no series the span itself."""
    within = _within(call, timeframe)
    return [within] if interval is None else reports.intervals(within, interval, ZoneInfo(TIMEZONE))


def _labels(within: Sequence[Range]) -> list[str]:
    """When intervals begin, by the account's clocks; the offset says UTC all the same (recorded)."""
    zone = ZoneInfo(TIMEZONE)
    return [each.start.astimezone(zone).replace(tzinfo=UTC).isoformat() for each in within]


def _within(call: Call, timeframe: Timeframe) -> Range:
    return reports.span(timeframe, call.account.clock.now(), ZoneInfo(TIMEZONE))


def _check_statistics(asked: Sequence[str], known: Collection[str]) -> None:
    for place, statistic in enumerate(asked):
        if statistic not in known:
            refuse(f"'{statistic}' is not a valid statistic.", pointer=f"{_AT}/statistics/{place}")


def _chosen(text: str | None, fields: Sequence[str]) -> dict[str, set[str]]:
    """The values that a filter allows, by field."""
    scalar = frozenset({Operator.EQUALS, Operator.ANY})
    filters = tuple(Filter(name, scalar, Value.STRING) for name in fields)
    conditions = [] if text is None else parse_in_body(text, filters, f"{_AT}/filter")
    return {each.field: set(map(str, each.values)) for each in conditions}


def _whole_report(
    call: Call,
    name: str,
    asked: A,
    results_of: Callable[[Call, A, Range], list[Json]],
    interval: str | None = None,
) -> Answer:
    """A report that has no pages: the results of a span of time, or of each interval of it."""
    parts = _parts(call, asked.timeframe, interval)
    found = [results_of(call, asked, each) for each in parts]
    attributes: Json = {"results": found[0]}
    if interval is not None:
        attributes = {"results": _series(found, asked.statistics), "date_times": _labels(parts)}
    report_id = str(UUID(int=call.account.rng.getrandbits(128), version=4))
    return call.one(call.resources.values_report(name, report_id, attributes, call.fields(name)))


@operation
def query_campaign_values(call: Call) -> Answer:
    """What came of the campaign messages that were sent in a span of time."""
    return _report(call, "campaign-values-report", _CAMPAIGNS, call.read(CampaignValues).attributes)


@operation
def query_flow_values(call: Call) -> Answer:
    """What came of the flow messages that were sent in a span of time."""
    return _report(call, "flow-values-report", _FLOWS, call.read(FlowValues).attributes)


@operation
def query_flow_series(call: Call) -> Answer:
    """What came of the flow messages that were sent in each interval of a span of time."""
    asked = call.read(FlowSeries).attributes
    return _report(call, "flow-series-report", _FLOWS, asked, asked.interval)


def _report(call: Call, name: str, kind: _Kind, asked: ValuesAttributes, interval: str | None = None) -> Answer:
    _check_statistics(asked.statistics, reports.STATISTICS)
    group_by = _grouping(kind, asked.group_by)
    conditions = _conditions(kind, asked.filter)
    if call.store.get(Metric, asked.conversion_metric_id) is None:
        refuse(
            f"Metric with id {asked.conversion_metric_id} does not exist.", pointer=f"{_AT}/conversion_metric_id"
        )
    within = _within(call, asked.timeframe)
    parts = _parts(call, asked.timeframe, interval)
    found = reports.series(call.store, within, [each.start for each in parts], asked.conversion_metric_id)
    rows: dict[str, Json] = {}
    for message, several in found.items():
        named = next((each for each in several if each.name), several[0])
        groups = {group: value(call, message, named) for group, value in kind.groups.items()}
        if groups[kind.owner] is None or not all(groups[each.field] in each.values for each in conditions):
            continue
        groupings = {group: groups[group] for group in group_by}
        told = {each: [reports.STATISTICS[each](values) for values in several] for each in asked.statistics}
        statistics = told if interval else {each: numbers[0] for each, numbers in told.items()}
        rows[msgspec.json.encode(groupings).decode()] = {"groupings": groupings, "statistics": statistics}
    after = call.query.after
    page = Page.of(rows, RESULTS_PER_PAGE, after.id if after else None)
    report_id = str(UUID(int=call.account.rng.getrandbits(128), version=4))
    attributes = {"results": [row[0] for row in page.rows]} | ({"date_times": _labels(parts)} if interval else {})
    return call.one(call.resources.values_report(name, report_id, attributes, call.fields(name)), page=page)


def _grouping(kind: _Kind, asked: Sequence[str] | None) -> Sequence[str]:
    if asked is None:
        return (*kind.required, "send_channel")
    for place, group in enumerate(asked):
        pointer = f"{_AT}/group_by/{place}"
        if group in kind.not_held:
            refuse(f"The sandbox holds nothing that it could group by {group}.", pointer=pointer)
        if group not in kind.groups:
            refuse(f"'{group}' is not a valid group-by.", pointer=pointer)
    for group in kind.required:
        if group not in asked:
            refuse(f"The group-by attribute {group} is required.", pointer=f"{_AT}/group_by")
    return asked


def _conditions(kind: _Kind, text: str | None) -> Sequence[Condition]:
    pointer = f"{_AT}/filter"
    conditions = [] if text is None else parse_in_body(text, kind.filters, pointer)
    fields = [each.field for each in conditions]
    for each in conditions:
        if fields.count(each.field) > 1:
            refuse(f"Only one filter can be used for {each.field}.", pointer=pointer)
        if each.field == "send_channel" and not _CHANNELS.issuperset(map(str, each.values)):
            refuse(f"send_channel can be {', '.join(sorted(_CHANNELS))}.", pointer=pointer)
    return conditions
