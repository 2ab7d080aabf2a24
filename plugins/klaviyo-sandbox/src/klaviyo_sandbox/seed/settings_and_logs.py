"""What the account tells of itself: what it adds to links, what its events hold, which objects it did not take."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from klaviyo_sandbox.model import ids, metric_names
from klaviyo_sandbox.model.records import MetricProperty, ObjectIngestionLog, ObjectType, TrackingSetting

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Json
    from klaviyo_sandbox.state.store import Store

_HELD = {
    metric_names.ORDERED: {"$value": "numeric", "Items": "list", "Größe": "string"},
    metric_names.VIEWED: {"ProductName": "string"},
}
_REFUSED = 3


def add_settings_and_logs(
    store: Store, account_id: str, metrics: Mapping[str, str], rng: Random, now: int
) -> None:
    """Fill the account.

    Args:
        store: the account.
        account_id: its id, which its tracking settings have.
        metrics: ids by name.
        rng: decides the rest.
        now: the present, seconds.
    """
    store.put(
        TrackingSetting(
            id=account_id,
            auto_add_parameters=True,
            utm_source=_of_both("Klaviyo"),
            utm_medium=_of_both("email"),
            utm_campaign={
                "campaign": {"type": "dynamic", "value": "campaign_name"},
                "flow": {"type": "dynamic", "value": "flow_name"},
            },
            custom_parameters=[{"name": "partner", **_of_both("Büro Köln")}],
        )
    )
    for name, held in _HELD.items():
        for key, kind in held.items():
            store.put(
                MetricProperty(
                    id=f"{rng.getrandbits(96):024x}",
                    metric_id=metrics[name],
                    label=key,
                    property=key,
                    inferred_type=kind,
                )
            )
    for object_type in store.find(ObjectType, "true order by id limit 1"):
        for place in range(_REFUSED):
            at = datetime.fromtimestamp(now, UTC) - timedelta(days=place, hours=1)
            store.put(
                ObjectIngestionLog(
                    id=ids.ulid(rng, at.timestamp()),
                    object_type_id=object_type.id,
                    record_id=ids.ulid(rng, at.timestamp()) if place else None,
                    timestamp=at,
                    summary="The record does not fit the schema.",
                    errors=[_fault(place)],
                )
            )


def _of_both(value: str) -> Json:
    """A parameter with one value in campaigns and flows."""
    return {thing: {"type": "static", "value": value} for thing in ("campaign", "flow")}


def _fault(value: int) -> Json:
    return {
        "code": "string_type",
        "message": "Input should be a valid string",
        "property": "name",
        "invalid_value": str(value),
    }
