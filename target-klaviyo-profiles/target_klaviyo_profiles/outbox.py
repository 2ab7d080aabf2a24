"""One stream's records on their way: duplicates, batches as full as possible, no key in two batches at once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from klaviyo_wire import bulk
from target_klaviyo_profiles.report import Tally
from target_klaviyo_profiles.sinks.base import Batch, Group, Outcome, Reason, Rejected, Row, Sink

if TYPE_CHECKING:
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.resuming import Resumed

_MOST_HELD = 4
"""Times a request's bytes that may wait in half-full batches (one per group) before the fullest is sent."""


class Dispatcher(Protocol):
    """What an outbox needs of the run."""

    epoch: int
    """STATE messages so far: a record belongs to the next one."""

    def dispatch(self, outbox: Outbox, batch: Batch) -> None:
        """Send a batch on its way; later, on the same thread, `landed` or `lost` is called with it."""

    def collect(self) -> None:
        """Wait for news of a batch in flight."""

    def reject(
        self,
        stream: str,
        key: Key | None,
        reason: Reason,
        *,
        record: int | None = None,
        given: Mapping[str, object] | None = None,
    ) -> None:
        """Book a refused record: its number in the stream and itself, where that is known."""

    def clock(self) -> float:
        """Monotonic seconds."""


class _Held(NamedTuple):
    """A row's payload, and the epoch of the first record in it."""

    payload: bytes
    since: int


@dataclass
class _Pile:
    """Rows of one group that are not sent yet.

    Attributes:
        size: Bytes of a request with all of them.
        since: An epoch that none of them is before.
        at: When the first was put there.
    """

    size: int
    since: int
    at: float
    rows: dict[Key, _Held] = field(default_factory=dict)

    def put(self, key: Key, held: _Held) -> None:
        """Add a row, or replace the one of its key."""
        before = self.rows.get(key)
        self.rows[key] = held
        if before is None:
            self.size += len(held.payload) + (1 if len(self.rows) > 1 else 0)  # the comma
        else:
            self.size += len(held.payload) - len(before.payload)


class _Waiting(NamedTuple):
    """A row whose key is under way, and the epoch of the first record in it."""

    row: Row
    since: int


class Outbox:
    """Takes records in order and dispatches them in batches.

    Klaviyo promises no order within or between jobs, and the outcome must be that of the records one after the
    other. So a record is combined with an earlier one of its key and group that has not been sent (the later one
    wins), one whose key is in flight waits until that batch has landed, and one whose key is in a job of unknown
    fate is not sent in this run.

    Args:
        sink: The stream's declaration.
        dispatcher: The run.
        resumed: What an earlier run had sent of the stream.
    """

    def __init__(self, sink: Sink, dispatcher: Dispatcher, resumed: Resumed | None = None) -> None:
        self.sink = sink
        self.tally = Tally()
        self._dispatcher = dispatcher
        self._resumed = resumed
        self._piles: dict[Group, _Pile] = {}
        self._held_bytes = 0
        self._group_of: dict[Key, Group] = {}
        """The pile a key is in; a key is in at most one."""
        self._flights: list[Batch] = []
        self._flying: set[Key] = set()
        self._deferred: dict[Key, list[_Waiting]] = {}
        self._deferred_bytes = 0
        self._unknown: dict[Key, str] = {}
        self._stuck = math.inf
        """The epoch of the first record of unknown fate."""
        self._given_up: str | None = None

    @property
    def empty(self) -> bool:
        """Whether no record waits or is in flight."""
        return not (self._group_of or self._flying or self._deferred)

    def unsettled_from(self) -> float:
        """The first epoch in which a record may have no fate; infinite when all have."""
        return min(
            self._stuck,
            min((batch.since for batch in self._flights), default=math.inf),
            min((pile.since for pile in self._piles.values() if pile.rows), default=math.inf),
            min((waiting[0].since for waiting in self._deferred.values()), default=math.inf),
        )

    def put(self, record: Mapping[str, object]) -> None:
        """Take a record: check it, map it, and send what is full.

        Raises:
            KlaviyoError: nothing can be written any more, to no stream.
            OutputError: the rejects file cannot be written.
        """
        tally = self.tally
        tally.received += 1
        if self._given_up is not None:
            self._unsettle(self._given_up)
            return
        try:
            row = self.sink.row(record)
        except Rejected as rejected:
            self._dispatcher.reject(
                self.sink.stream, rejected.key, rejected.reason, record=tally.received, given=record
            )
            return
        if row is None:
            tally.unchanged += 1
        elif self._unknown and row.key in self._unknown:
            self._unsettle(self._unknown[row.key])
        elif self._must_wait(row):
            self._defer(row)
        elif self._resumed is not None and row.key not in self._group_of and self._was_sent(row):
            pass
        elif self._hold(row, self._dispatcher.epoch):
            self._send_full(row.group)
        else:
            self._defer(row)

    def send_all(self) -> None:
        """Dispatch everything held, full or not. What waits for a batch in flight goes on waiting."""
        for group in list(self._piles):
            self._send(group, partly=True)

    def send_older(self, epoch: int, at: float) -> None:
        """Dispatch, full or not, what was put there before a moment and keeps the STATE of an epoch waiting."""
        for group, pile in list(self._piles.items()):
            if pile.since <= epoch and pile.at <= at:
                self._send(group, partly=True)

    def landed(self, batch: Batch, outcome: Outcome) -> None:
        """Book what became of a batch, and hold the records that waited for it."""
        tally = self.tally
        for key, reason in outcome.rejected.items():
            self._dispatcher.reject(self.sink.stream, key, reason)
        for reason in outcome.unnamed:
            self._dispatcher.reject(self.sink.stream, None, reason)
        if outcome.unsettled:
            tally.unsettled.update(outcome.unsettled.values())
            self._unknown.update(outcome.unsettled)
            self._stuck = min(self._stuck, batch.since)
        tally.unchanged += len(outcome.unchanged)
        tally.jobs += outcome.jobs
        others = (outcome.rejected, outcome.unnamed, outcome.unsettled, outcome.unchanged)
        tally.accepted += len(batch.keys) - sum(map(len, others))
        self._flights.remove(batch)
        self._release(batch)

    def lost(self, batch: Batch, why: str) -> None:
        """Book a batch of unknown fate, and the stream with it: nothing more of it is sent in this run."""
        self._stuck = min(self._stuck, self.unsettled_from(), batch.since)
        count = len(batch.keys) + len(self._group_of) + sum(map(len, self._deferred.values()))
        self.tally.unsettled += Counter({why: count})  # none at all leaves no entry
        self._flights = [each for each in self._flights if each is not batch]
        self._flying.difference_update(batch.keys)
        self._given_up = why
        self._piles.clear()
        self._held_bytes = 0
        self._group_of.clear()
        self._deferred.clear()
        self._deferred_bytes = 0

    def abandon(self, why: str) -> None:
        """The run is over: everything without a fate, in flight or not, is unsettled."""
        for batch in list(self._flights):
            self.lost(batch, why)
        if not self.empty:
            self.lost(Batch(next(iter(self._piles)), [], []), why)

    def _unsettle(self, why: str, count: int = 1, since: float | None = None) -> None:
        self.tally.unsettled[why] += count
        self._stuck = min(self._stuck, self._dispatcher.epoch if since is None else since)

    def _was_sent(self, row: Row) -> bool:
        """Whether an earlier run had sent the row, and nothing after it for its key: then its fate is known."""
        assert self._resumed is not None  # noqa: S101 - asked before
        sent = self._resumed.sent(row)
        if sent is None:
            return False
        self.tally.resumed += 1
        if sent.reason is not None:
            self._dispatcher.reject(self.sink.stream, row.key, sent.reason)
        else:
            self.tally.accepted += 1
        return True

    def _must_wait(self, row: Row) -> bool:
        key = row.key
        return key in self._flying or key in self._deferred or self._group_of.get(key, row.group) != row.group

    def _hold(self, row: Row, since: int) -> bool:
        """Put the row on its pile; False when it cannot be combined with the one of its key there."""
        pile = self._piles.get(row.group) or self._pile(row.group, since)
        size, payload = pile.size, row.payload
        if row.key in pile.rows:
            before = pile.rows[row.key]
            combined = self.sink.combined(before.payload, payload)
            if combined is None:
                return False
            payload = combined
            since = min(since, before.since)
            self.tally.combined += 1
        self._group_of[row.key] = row.group
        pile.since = min(pile.since, since)
        pile.put(row.key, _Held(payload, since))
        self._held_bytes += pile.size - size
        return True

    def _pile(self, group: Group, since: int) -> _Pile:
        pile = self._piles[group] = _Pile(self.sink.envelope_size(group), since, self._dispatcher.clock())
        self._held_bytes += pile.size
        return pile

    def _defer(self, row: Row) -> None:
        waiting = self._deferred.setdefault(row.key, [])
        since = self._dispatcher.epoch
        if waiting and waiting[-1].row.group == row.group:
            combined = self.sink.combined(waiting[-1].row.payload, row.payload)
            if combined is not None:
                before = waiting.pop()
                self._deferred_bytes -= len(before.row.payload)
                self.tally.combined += 1
                row, since = row._replace(payload=combined), before.since
        waiting.append(_Waiting(row, since))
        self._deferred_bytes += len(row.payload)
        while self._deferred_bytes > row.group.route.limits.request_bytes:
            self.send_all()
            if self._flying:
                self._dispatcher.collect()

    def _release(self, batch: Batch) -> None:
        self._flying.difference_update(batch.keys)
        for key in [key for key in batch.keys if key in self._deferred]:
            waiting = self._deferred[key]
            if key in self._unknown:
                self._unsettle(self._unknown[key], len(waiting), waiting[0].since)
                self._deferred_bytes -= sum(len(row.payload) for row, _ in waiting)
                waiting.clear()
            else:
                row, since = waiting.pop(0)
                self._deferred_bytes -= len(row.payload)
                self._hold(row, since)
            if not waiting:
                del self._deferred[key]

    def _send_full(self, group: Group) -> None:
        limits, pile = group.route.limits, self._piles[group]
        if len(pile.rows) >= limits.items or pile.size > limits.request_bytes:
            self._send(group, partly=False)
        if len(self._piles) > 1 and self._held_bytes > _MOST_HELD * limits.request_bytes:
            self._send(max(self._piles, key=lambda each: self._piles[each].size), partly=True)

    def _send(self, group: Group, *, partly: bool) -> None:
        """Dispatch what is held of a group; the last batch only if it is full or may be sent partly filled."""
        pile = self._piles.pop(group, None)
        if pile is None:
            return  # given up while another group was sent
        self._held_bytes -= pile.size
        limits = group.route.limits
        envelope = self.sink.envelope_size(group)
        batches = list(bulk.split(self._unsent(group, pile), _payload_size, limits, envelope=envelope))
        if not partly and batches and len(batches[-1]) < limits.items:
            rest = batches.pop()
            kept = self._pile(group, min(held.since for _, held in rest))
            for key, held in rest:
                kept.put(key, held)
            self._held_bytes += kept.size - envelope
        until = self._dispatcher.epoch
        ready = [
            Batch(
                group,
                [key for key, _ in rows],
                [held.payload for _, held in rows],
                min(held.since for _, held in rows),
                until,
            )
            for rows in batches
        ]
        for batch in ready:
            for key in batch.keys:
                del self._group_of[key]
            self._flying.update(batch.keys)
        self._flights += ready
        for batch in ready:
            if self._given_up is None:
                self._dispatcher.dispatch(self, batch)
            else:
                self.lost(batch, self._given_up)

    def _unsent(self, group: Group, pile: _Pile) -> list[tuple[Key, _Held]]:
        """The rows that an earlier run had not sent; once they are, nothing it sent for their keys counts."""
        if self._resumed is None:
            return list(pile.rows.items())
        unsent = []
        for key, held in pile.rows.items():
            if self._was_sent(Row(key, group, held.payload)):
                del self._group_of[key]
            else:
                self._resumed.superseded(key)
                unsent.append((key, held))
        return unsent


def _payload_size(row: tuple[Key, _Held]) -> int:
    return len(row[1].payload)
