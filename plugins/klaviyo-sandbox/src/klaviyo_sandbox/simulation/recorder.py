"""Writes what happens into the store, each event so that it can be read when it should be."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

from klaviyo_sandbox.model import ids
from klaviyo_sandbox.model.metric_names import BOUNCED, ORDERED, SPAM, UNSUBSCRIBED
from klaviyo_sandbox.model.records import Event, Suppression, SuppressionReason

if TYPE_CHECKING:
    from klaviyo_sandbox.simulation.engagement import PlannedEvent
    from klaviyo_sandbox.simulation.send_schedule import Timing
    from klaviyo_sandbox.state.store import Store

_SUPPRESSING = {
    (BOUNCED, "Hard"): SuppressionReason.HARD_BOUNCE,
    (SPAM, None): SuppressionReason.SPAM_COMPLAINT,
}


class UnknownMetricError(LookupError):
    """The account lacks a metric that a send needs; a populated one has it."""


class Recorder:
    """Notes the events of a send and writes them in batches.

    Args:
        store: the account.
        timing: of the send.
        late: share of the events that can be read only after the send.
    """

    def __init__(self, store: Store, timing: Timing, late: float) -> None:
        self._store, self._timing, self._late = store, timing, late
        self._metrics: dict[str, str] = {}
        self._readable: list[Event] = []
        self._held: defaultdict[int, list[Event]] = defaultdict(list)
        self._unsubscribed: defaultdict[int, list[str]] = defaultdict(list)
        self._suppressed: list[Suppression] = []
        self.events: Counter[str] = Counter()
        self.late = self.held = 0

    def note(self, profile_id: str, event: PlannedEvent, rng: Random) -> None:
        """Take an event down, with what it does to the profile's consent.

        Raises:
            UnknownMetricError: the account has no such metric.
        """
        written = Event(
            id=ids.event(rng),
            uuid=ids.event_uuid(rng, event.at),
            timestamp=event.at,
            metric_id=self._metric(event.metric),
            profile_id=profile_id,
            properties=event.properties,
        )
        readable_at = event.at
        if rng.random() < self._late:
            readable_at = self._timing.end + rng.randint(1, self._timing.late_by)
            self.late += 1
        if readable_at > self._timing.now:
            self._held[readable_at].append(written)
            self.held += 1
        else:
            self._readable.append(written)
        self.events[event.metric] += 1
        self._note_consent(profile_id, event)

    def _note_consent(self, profile_id: str, event: PlannedEvent) -> None:
        at = min(event.at, self._timing.now)
        if event.metric == UNSUBSCRIBED:
            self._unsubscribed[at].append(profile_id)
        reason = _SUPPRESSING.get((event.metric, event.properties.get("Bounce Type")))
        if reason is not None:
            self._suppressed.append(Suppression(profile_id, reason, datetime.fromtimestamp(at, UTC)))

    def write(self) -> None:
        """Store what was noted since the last time."""
        self._store.add_events(self._readable, received_at=self._timing.now)
        for second, events in self._held.items():
            self._store.add_events(events, visible_at=second)
        for second, profile_ids in self._unsubscribed.items():
            self._store.unsubscribe(profile_ids, datetime.fromtimestamp(second, UTC))
        self._store.suppress(self._suppressed)
        self._readable.clear()
        self._held.clear()
        self._unsubscribed.clear()
        self._suppressed.clear()

    def _metric(self, name: str) -> str:
        if name not in self._metrics:
            source = "api" if name == ORDERED else "klaviyo"
            metric = self._store.metric_named(name, source)
            if metric is None:
                msg = f"the account has no metric {name!r} of {source!r}"
                raise UnknownMetricError(msg)
            self._metrics[name] = metric.id
        return self._metrics[name]
