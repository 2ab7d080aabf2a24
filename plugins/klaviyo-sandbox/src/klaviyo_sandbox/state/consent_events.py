"""What Klaviyo writes down when consent changes: events of its own metrics, which webhooks then tell.

Which change has which metric follows from the topics of a recorded account; there is none of WhatsApp and of push.
Of properties those are written that a recorded unsubscribe had.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from random import Random
from typing import TYPE_CHECKING

from klaviyo_sandbox.model import ids
from klaviyo_sandbox.model.metric_names import (
    JOINED_LIST,
    LEFT_LIST,
    NEW_SMS_SUBSCRIBED,
    NEW_SMS_UNSUBSCRIBED,
    OLD_SMS_SUBSCRIBED,
    OLD_SMS_UNSUBSCRIBED,
    SMS_TRANSACTIONAL_UNSUBSCRIBED,
    SUBSCRIBED,
    SUPPRESSED,
    UNSUBSCRIBED,
    UNSUPPRESSED,
)
from klaviyo_sandbox.model.records import KLAVIYO, Event, Metric

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Json, Profile
    from klaviyo_sandbox.state.store import Store


class Change(Enum):
    """What can happen to consent, by the names that the metric of it may have."""

    EMAIL_SUBSCRIBED = (SUBSCRIBED,)
    EMAIL_UNSUBSCRIBED = (UNSUBSCRIBED,)
    SMS_SUBSCRIBED = (OLD_SMS_SUBSCRIBED, NEW_SMS_SUBSCRIBED)
    SMS_UNSUBSCRIBED = (OLD_SMS_UNSUBSCRIBED, NEW_SMS_UNSUBSCRIBED)
    SMS_TRANSACTIONAL_UNSUBSCRIBED = (SMS_TRANSACTIONAL_UNSUBSCRIBED,)
    SUPPRESSED = (SUPPRESSED,)
    UNSUPPRESSED = (UNSUPPRESSED,)
    JOINED_LIST = (JOINED_LIST,)
    LEFT_LIST = (LEFT_LIST,)


class ConsentEvents:
    """Writes the events of an account. Where Klaviyo has two names for one metric, chance decides between them."""

    def __init__(self, store: Store, rng: Random) -> None:
        self._store = store
        self._rng = rng

    def write(self, change: Change, profile: Profile, now: datetime, *, list_name: str | None = None) -> None:
        """Write that it happened to a profile now, through the API. The profile must have been stored before."""
        at = int(now.timestamp())
        event_id = ids.event(self._rng)
        told: Json = {"method": "API", "method_detail": "", "email_address": profile.email, "$event_id": event_id}
        if list_name is not None:
            told["List"] = list_name
        event = Event(
            id=event_id,
            uuid=ids.event_uuid(self._rng, at),
            timestamp=at,
            metric_id=self._metric(self._rng.choice(change.value), at),
            profile_id=profile.id,
            properties={name: value for name, value in told.items() if value is not None},
        )
        self._store.add_events([event], received_at=at)

    def _metric(self, name: str, now: int) -> str:
        """The id of Klaviyo's metric of this name, which is there from its first event on."""
        metric = self._store.metric_named(name, KLAVIYO.key)
        if metric is None:
            metric = Metric(id=ids.short(self._rng), name=name, created=now, updated=now, integration=KLAVIYO)
            self._store.add([metric])
        return metric.id
