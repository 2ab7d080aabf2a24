"""Metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from klaviyo_sandbox.errors import refuse_unknown
from klaviyo_sandbox.pages import Column, Listing, Nothing
from klaviyo_sandbox.records import Json, Metric

if TYPE_CHECKING:
    from klaviyo_sandbox.account import Answer, Call

_METRICS = Listing(
    source="metrics",
    columns="record",
    id="id",
    filters={
        "integration.name": Column("integration_name"),
        # Taken, and finds nothing (recorded).
        "integration.category": Nothing(),
    },
)


def get_metrics(call: Call) -> Answer:
    """Up to 200 metrics."""
    page = _METRICS.page(call.store, call.query)
    metrics = [msgspec.json.decode(row[0], type=Metric) for row in page.rows]
    return call.many([_metric(call, each) for each in metrics], page=page, included=_included(call))


def get_metric(call: Call) -> Answer:
    """One metric."""
    metric = call.store.metric(call.path["id"])
    if metric is None:
        refuse_unknown(f"Metric with id {call.path['id']} does not exist.")
    return call.one(_metric(call, metric), included=_included(call))


def _metric(call: Call, metric: Metric) -> Json:
    return call.resources.metric(
        metric, call.fields("metric"), with_triggers="flow-triggers" in call.query.include
    )


def _included(call: Call) -> list[Json] | None:
    """Flows are not held: whatever is asked to be included, nothing is found."""
    return [] if call.query.include else None
