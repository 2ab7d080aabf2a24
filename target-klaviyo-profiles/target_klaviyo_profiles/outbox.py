"""One stream's records on their way: duplicates, batches as full as possible, no key in two batches at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from klaviyo_wire import bulk
from target_klaviyo_profiles.report import Tally
from target_klaviyo_profiles.sinks.base import Batch, Outcome, Reason, Rejected, Row, Sink

if TYPE_CHECKING:
    from target_klaviyo_profiles.identifiers import Key

_MOST_HELD = 4
"""Times a request's bytes that may wait in half-full batches (one per group) before the fullest is sent."""


class Dispatcher(Protocol):
    """What an outbox needs of the run."""

    def dispatch(self, outbox: Outbox, batch: Batch) -> None:
        """Send a batch on its way; later, on the same thread, `landed` or `lost` is called with it."""

    def collect(self) -> None:
        """Wait for news of a batch in flight."""

    def reject(self, stream: str, key: Key | None, reason: Reason, *, record: int | None = None) -> None:
        """Book a refused record."""


@dataclass
class _Pile:
    """Rows of one group that are not sent yet; `size` is that of a request with all of them."""

    size: int
    rows: dict[Key, bytes] = field(default_factory=dict)

    def put(self, key: Key, payload: bytes) -> None:
        """Add a row, or replace the one of its key."""
        before = self.rows.get(key)
        self.rows[key] = payload
        if before is None:
            self.size += len(payload) + (1 if len(self.rows) > 1 else 0)  # the comma
        else:
            self.size += len(payload) - len(before)


class Outbox:
    """Takes records in order and dispatches them in batches.

    Klaviyo promises no order within or between jobs, and the outcome must be that of the records one after the
    other. So a record is combined with an earlier one of its key and group that has not been sent (the later one
    wins), one whose key is in flight waits until that batch has landed, and one whose key is in a job of unknown
    fate is not sent in this run.
    """

    def __init__(self, sink: Sink, dispatcher: Dispatcher) -> None:
        self.sink = sink
        self.tally = Tally()
        self._dispatcher = dispatcher
        self._piles: dict[str | None, _Pile] = {}
        self._held_bytes = 0
        self._group_of: dict[Key, str | None] = {}
        """The pile a key is in; a key is in at most one."""
        self._flying: set[Key] = set()
        self._deferred: dict[Key, list[Row]] = {}
        self._deferred_bytes = 0
        self._unknown: dict[Key, str] = {}
        self._given_up: str | None = None

    @property
    def empty(self) -> bool:
        """Whether no record waits or is in flight."""
        return not (self._group_of or self._flying or self._deferred)

    def put(self, record: Mapping[str, object]) -> None:
        """Take a record: check it, map it, and send what is full.

        Raises:
            KlaviyoError: nothing can be written any more, to no stream.
            OutputError: the rejects file cannot be written.
        """
        tally = self.tally
        tally.received += 1
        if self._given_up is not None:
            tally.unsettled[self._given_up] += 1
            return
        try:
            row = self.sink.row(record)
        except Rejected as rejected:
            self._dispatcher.reject(self.sink.stream, rejected.key, rejected.reason, record=tally.received)
            return
        if row is None:
            tally.unchanged += 1
        elif row.key in self._unknown:
            tally.unsettled[self._unknown[row.key]] += 1
        elif self._must_wait(row) or not self._hold(row):
            self._defer(row)
        else:
            self._send_full(row.group)

    def send_all(self) -> None:
        """Dispatch everything held, full or not. What waits for a batch in flight goes on waiting."""
        for group in list(self._piles):
            self._send(group, partly=True)

    def landed(self, batch: Batch, outcome: Outcome) -> None:
        """Book what became of a batch, and hold the records that waited for it."""
        tally = self.tally
        for key, reason in outcome.rejected.items():
            self._dispatcher.reject(self.sink.stream, key, reason)
        for reason in outcome.unnamed:
            self._dispatcher.reject(self.sink.stream, None, reason)
        tally.unsettled.update(outcome.unsettled.values())
        self._unknown.update(outcome.unsettled)
        tally.unchanged += len(outcome.unchanged)
        tally.jobs += outcome.jobs
        others = (outcome.rejected, outcome.unnamed, outcome.unsettled, outcome.unchanged)
        tally.accepted += len(batch.keys) - sum(map(len, others))
        self._release(batch)

    def lost(self, batch: Batch, why: str) -> None:
        """Book a batch of unknown fate, and the stream with it: nothing more of it is sent in this run."""
        count = len(batch.keys) + len(self._group_of) + sum(map(len, self._deferred.values()))
        self.tally.unsettled += Counter({why: count})  # none at all leaves no entry
        self._flying.difference_update(batch.keys)
        self._given_up = why
        self._piles.clear()
        self._held_bytes = 0
        self._group_of.clear()
        self._deferred.clear()
        self._deferred_bytes = 0

    def abandon(self, why: str) -> None:
        """The run is over: everything without a fate, in flight or not, is unsettled."""
        self.lost(Batch(None, list(self._flying), []), why)

    def _must_wait(self, row: Row) -> bool:
        key = row.key
        return key in self._flying or key in self._deferred or self._group_of.get(key, row.group) != row.group

    def _hold(self, row: Row) -> bool:
        """Put the row on its pile; False when it cannot be combined with the one of its key there."""
        pile = self._piles.get(row.group) or self._pile(row.group)
        size, payload = pile.size, row.payload
        if row.key in pile.rows:
            combined = self.sink.combined(pile.rows[row.key], payload)
            if combined is None:
                return False
            payload = combined
            self.tally.combined += 1
        self._group_of[row.key] = row.group
        pile.put(row.key, payload)
        self._held_bytes += pile.size - size
        return True

    def _pile(self, group: str | None) -> _Pile:
        pile = self._piles[group] = _Pile(self.sink.envelope_size(group))
        self._held_bytes += pile.size
        return pile

    def _defer(self, row: Row) -> None:
        waiting = self._deferred.setdefault(row.key, [])
        if waiting and waiting[-1].group == row.group:
            combined = self.sink.combined(waiting[-1].payload, row.payload)
            if combined is not None:
                self._deferred_bytes -= len(waiting.pop().payload)
                self.tally.combined += 1
                row = row._replace(payload=combined)
        waiting.append(row)
        self._deferred_bytes += len(row.payload)
        while self._deferred_bytes > self.sink.limits.request_bytes:
            self.send_all()
            if self._flying:
                self._dispatcher.collect()

    def _release(self, batch: Batch) -> None:
        self._flying.difference_update(batch.keys)
        for key in [key for key in batch.keys if key in self._deferred]:
            waiting = self._deferred[key]
            if key in self._unknown:
                self.tally.unsettled[self._unknown[key]] += len(waiting)
                self._deferred_bytes -= sum(len(row.payload) for row in waiting)
                waiting.clear()
            else:
                row = waiting.pop(0)
                self._deferred_bytes -= len(row.payload)
                self._hold(row)
            if not waiting:
                del self._deferred[key]

    def _send_full(self, group: str | None) -> None:
        limits, pile = self.sink.limits, self._piles[group]
        if len(pile.rows) >= limits.items or pile.size > limits.request_bytes:
            self._send(group, partly=False)
        if len(self._piles) > 1 and self._held_bytes > _MOST_HELD * limits.request_bytes:
            self._send(max(self._piles, key=lambda each: self._piles[each].size), partly=True)

    def _send(self, group: str | None, *, partly: bool) -> None:
        """Dispatch what is held of a group; the last batch only if it is full or may be sent partly filled."""
        pile = self._piles.pop(group, None)
        if pile is None:
            return  # given up while another group was sent
        self._held_bytes -= pile.size
        limits = self.sink.limits
        envelope = self.sink.envelope_size(group)
        batches = list(bulk.split(pile.rows.items(), _payload_size, limits, envelope=envelope))
        if not partly and len(batches[-1]) < limits.items:
            rest = self._pile(group)
            for key, payload in batches.pop():
                rest.put(key, payload)
            self._held_bytes += rest.size - envelope
        ready = [Batch(group, [key for key, _ in rows], [payload for _, payload in rows]) for rows in batches]
        for batch in ready:
            for key in batch.keys:
                del self._group_of[key]
            self._flying.update(batch.keys)
        for batch in ready:
            if self._given_up is None:
                self._dispatcher.dispatch(self, batch)
            else:
                self.lost(batch, self._given_up)


def _payload_size(row: tuple[Key, bytes]) -> int:
    return len(row[1])
