"""What an event is credited to: the message that the person opened or clicked last before it, as in reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from klaviyo_sandbox.model.attribution import Attribution
from klaviyo_sandbox.model.records import CampaignMessage, Metric
from klaviyo_sandbox.state.aggregates import properties_of
from klaviyo_sandbox.state.reports import ATTRIBUTED_WITHIN, TOUCHES

if TYPE_CHECKING:
    from klaviyo_sandbox.state.database import Row
    from klaviyo_sandbox.state.store import Store


def attributions(store: Store, rows: Iterable[Row]) -> Iterator[Attribution]:
    """Of events those that are credited; a row begins with id, profile, metric and attributes, as bytes.

    What Klaviyo writes itself, such as an open, is credited to none.
    """
    touches = {metric.id for name in TOUCHES if (metric := store.metric_named(name, "klaviyo"))}
    shop: dict[str, bool] = {}
    sql = (
        "select id, metric_id, attributes from events where profile_id = ? and timestamp between ? and ?"
        " order by timestamp desc, id"
    )
    for event_id, profile_id, metric_id, attributes in (row[:4] for row in rows):
        if not profile_id or not metric_id:
            continue
        name = metric_id.decode()
        if name not in shop:
            metric = store.get(Metric, name)
            shop[name] = metric is not None and metric.integration.key != "klaviyo"
        if not shop[name]:
            continue
        at = int(msgspec.json.decode(attributes)["timestamp"])
        for touch_id, touched, told in store.read(sql, [profile_id.decode(), at - ATTRIBUTED_WITHIN, at]):
            properties = properties_of(told) if touched in touches else {}
            message_id = properties.get("$message")
            if message_id and not properties.get("machine_open") and not properties.get("Bot Click"):
                message = store.get(CampaignMessage, message_id)
                yield Attribution(
                    event_id.decode(),
                    touch_id,
                    message_id,
                    properties.get("$flow"),
                    message.campaign_id if message else None,
                )
                break
