"""Events that come through the API: accepted without a word, kept or lost later.

What Klaviyo drops in silence is dropped here too, and counted by reason: `dropped`. What a careful client would
not have sent is counted in `stats`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING

from klaviyo_sandbox.model import ids
from klaviyo_sandbox.model.records import API, Event, Json, Metric, Profile, WrittenEvent
from klaviyo_sandbox.state import profile_writes
from klaviyo_sandbox.state.profile_writes import Nulls

if TYPE_CHECKING:
    from klaviyo_sandbox.model.deferred_work import DeferredWork
    from klaviyo_sandbox.protocol.event_bodies import AnyPerson
    from klaviyo_sandbox.state.store import Store

FRESH_SECONDS = 3_600
"""An event that is older and comes without `backfill` is history that flows take for news."""
_DROPPED_DOMAINS = ("@example.com", "@test.com")


@dataclass(frozen=True, slots=True)
class IncomingEvent:
    """An event as it was sent: `at` is a whole second, `key` the `unique_id` or that second, as text."""

    metric: str
    at: int
    key: str
    named: bool
    backfill: bool
    properties: Json


@dataclass(frozen=True, slots=True)
class ProfileEvents:
    """The events of one profile in a request."""

    person: AnyPerson
    events: Sequence[IncomingEvent]


class EventIngest:
    """Accepts events, and stores them when the delay is over."""

    def __init__(self, store: Store, rng: Random, deferred_work: DeferredWork) -> None:
        self.dropped: Counter[str] = Counter()
        """Events accepted and not kept: `known` (their key is), `same_second` (they have no `unique_id`),
        `test_address`, `unknown_profile` (their id is nobody's), `two_profiles` (their identifiers are)."""
        self.stats: Counter[str] = Counter()
        """Carelessness: `events_without_unique_id`, and `old_events_that_fire_flows`, which had no `backfill`."""
        self._store = store
        self._rng = rng
        self._deferred_work = deferred_work
        self._metrics: dict[str, str] = {}

    def accept(self, entries: Sequence[ProfileEvents], now: datetime) -> None:
        """Take events that passed every check."""
        second = int(now.timestamp())
        for incoming in (each for entry in entries for each in entry.events):
            self.stats["events_without_unique_id"] += not incoming.named
            old = incoming.at < second - FRESH_SECONDS
            self.stats["old_events_that_fire_flows"] += old and not incoming.backfill
        self._deferred_work.add(now, lambda moment: self._keep(entries, second, moment))

    def _keep(self, entries: Sequence[ProfileEvents], received_at: int, now: datetime) -> None:
        events: list[Event] = []
        with self._store.transaction():
            for entry in entries:
                profile = self._written(entry.person, now)
                if isinstance(profile, Profile):
                    kept = (self._kept(each, profile.id, received_at) for each in entry.events)
                    events += [each for each in kept if each is not None]
                else:
                    self.dropped[profile] += len(entry.events)
            self._store.add_events(events, received_at=int(now.timestamp()))

    def _written(self, person: AnyPerson, now: datetime) -> Profile | str:
        """The profile of an event, with the attributes that came with it; or why its events are dropped.

        What null does here is not documented; it clears.
        """
        email = person.attributes.email
        if isinstance(email, str) and email.strip().lower().endswith(_DROPPED_DOMAINS):
            return "test_address"
        owners = profile_writes.owners(self._store, person.attributes)
        if person.id is not None:
            subject = self._store.profile(person.id)
            if subject is None:
                return "unknown_profile"
        else:
            subject = owners[0] if owners else profile_writes.new_profile(self._rng, now.timestamp())
        if any(each.id != subject.id for each in owners):
            return "two_profiles"
        after = profile_writes.changed(subject, person.attributes, person.meta, Nulls.CLEAR, int(now.timestamp()))
        if after is not subject:
            self._store.put_profile(after)
        return after

    def _kept(self, incoming: IncomingEvent, profile_id: str, received_at: int) -> Event | None:
        event = Event(
            id=ids.event(self._rng),
            uuid=ids.event_uuid(self._rng, incoming.at),
            timestamp=incoming.at,
            metric_id=self._metric(incoming.metric, received_at),
            profile_id=profile_id,
            properties=incoming.properties,
        )
        assert event.metric_id is not None  # noqa: S101 - narrows what a record may be
        new = WrittenEvent(
            event_id=event.id,
            profile_id=profile_id,
            metric_id=event.metric_id,
            key=incoming.key,
            timestamp=incoming.at,
            received_at=received_at,
            flows=not incoming.backfill,
        )
        if self._store.add_written_event(new):
            return event
        self.dropped["known" if incoming.named else "same_second"] += 1
        return None

    def _metric(self, name: str, now: int) -> str:
        """The id of the API's metric of this name, which is made at its first use."""
        if name not in self._metrics:
            metric = self._store.metric_named(name, API.key)
            if metric is None:
                metric = Metric(id=ids.short(self._rng), name=name, created=now, updated=now, integration=API)
                self._store.add([metric])
            self._metrics[name] = metric.id
        return self._metrics[name]
