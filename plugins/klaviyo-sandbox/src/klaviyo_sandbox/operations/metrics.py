"""Metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace as replace_struct

from klaviyo_sandbox.model.errors import refuse, refuse_unknown
from klaviyo_sandbox.model.records import Json, Metric
from klaviyo_sandbox.operations import related
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.protocol.bodies import AggregateQuery
from klaviyo_sandbox.state import aggregates
from klaviyo_sandbox.state.pages import Column, Nothing, Page, listing_of

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Answer, Call

SMALLEST_AGGREGATE_PAGE = 500
_RETURN_FIELDS = "/data/attributes/return_fields"
_ID_BITS = 59
_METRICS = listing_of(
    Metric,
    filters={
        "integration.name": Column("integration_name"),
        # Taken, and finds nothing (recorded).
        "integration.category": Nothing(),
    },
)


@operation
def get_metrics(call: Call) -> Answer:
    """Up to 200 metrics."""
    page = _METRICS.page(call.store, call.query)
    resources, included = _shown(call, _METRICS.records(page))
    return call.many(resources, page=page, included=included)


@operation
def get_metric(call: Call) -> Answer:
    """One metric."""
    metric = call.store.get(Metric, call.path["id"])
    if metric is None:
        refuse_unknown(f"Metric with id {call.path['id']} does not exist.")
    (resource,), included = _shown(call, [metric])
    return call.one(resource, included=included)


@operation
def query_metric_aggregates(call: Call) -> Answer:
    """Counts of a metric's events; the cursor stands in the body, and `links.next` carries the next one."""
    asked = call.read(AggregateQuery).attributes
    if call.store.get(Metric, asked.metric_id) is None:
        refuse(f"Metric with id {asked.metric_id} does not exist.", pointer="/data/attributes/metric_id")
    if asked.sort is not None:  # 400 or 500 at Klaviyo, whatever is asked for (recorded)
        refuse("Results cannot be sorted.", pointer="/data/attributes/sort")
    if asked.return_fields is not None:
        refuse("The sandbox has no return_fields; use fields[metric-aggregate].", pointer=_RETURN_FIELDS)
    size = asked.page_size or SMALLEST_AGGREGATE_PAGE
    if size < SMALLEST_AGGREGATE_PAGE:
        refuse(f"page_size must be at least {SMALLEST_AGGREGATE_PAGE}.", pointer="/data/attributes/page_size")
    by = _dimensions(asked.by or [])
    zone = aggregates.zone_of(asked.timezone or "UTC")
    span, conditions = aggregates.span_and_conditions(asked.filter, zone)
    dates = aggregates.starts(span, asked.interval or "day", zone)
    table = aggregates.table(call.store, asked.metric_id, span, dates, by=by, where=conditions)
    call = replace(
        call, query=replace(call.query, body=msgspec.json.encode(replace_struct(asked, page_cursor=None)))
    )
    after = call.query.position(asked.page_cursor).id if asked.page_cursor is not None else None
    page = Page.of({msgspec.json.encode(values).decode(): values for values in table.rows}, size, after)
    resource = call.resources.metric_aggregate(
        str(call.account.rng.getrandbits(_ID_BITS)),
        {"data": [table.resource(row[0], asked.measurements) for row in page.rows], "dates": table.dates},
        call.fields("metric-aggregate"),
    )
    return call.one(resource, page=page)


def _dimensions(names: Sequence[str]) -> list[str]:
    for place, name in enumerate(names):
        pointer = f"/data/attributes/by/{place}"
        if name in aggregates.NOT_HELD:
            refuse(f"No event of the sandbox says anything of {name}.", pointer=pointer)
        if name not in aggregates.DIMENSIONS:
            refuse(f"'{name}' is not a valid dimension.", pointer=pointer)
    return list(names)


def _shown(call: Call, metrics: Sequence[Metric]) -> tuple[list[Json], list[Json] | None]:
    """Metrics as resources, and the flows that they trigger, if asked for."""
    names = call.fields("metric")
    if not call.query.include:
        return [call.resources.metric(each, names) for each in metrics], None
    flows = related.flows_triggered_by(call, "metric", [each.id for each in metrics])
    resources = [call.resources.metric(each, names, flow_ids=flows.get(each.id, ())) for each in metrics]
    return resources, related.included(call, flows)
