"""One stream's records, gathered into batches that are as full as possible, with no key in two batches at once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from klaviyo_wire import bulk
from target_klaviyo_profiles.delivery.tally import Tally
from target_klaviyo_profiles.rows import Batch, Group, Outcome, Reason, Rejected, Row

if TYPE_CHECKING:
    from target_klaviyo_profiles.delivery.recovered_rows import RecoveredRows
    from target_klaviyo_profiles.delivery.refused_rows import RefusedRows
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.sinks.base import Sink

_MAX_BUFFERED = 4
"""Times a request's bytes that may wait in buffers (one per group) before the fullest is sent."""


class Dispatcher(Protocol):
    """What a batcher needs of the run."""

    epoch: int
    """Number of STATE messages so far: a record belongs to the next one."""

    def dispatch(self, batcher: Batcher, batch: Batch) -> None:
        """Send a batch on its way; later, on the same thread, `completed` or `failed` is called with it."""

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


class _BufferedRow(NamedTuple):
    """A row's payload, and the epoch of the first record in it."""

    payload: bytes
    since: int


@dataclass
class _Buffer:
    """Rows of one group that are not sent yet.

    Attributes:
        size: Bytes of a request with all of them.
        since: An epoch that none of them is before.
        opened_at: When the first was added.
    """

    size: int
    since: int
    opened_at: float
    rows: dict[Key, _BufferedRow] = field(default_factory=dict)

    def put(self, key: Key, row: _BufferedRow) -> int:
        """Add a row, or replace the one of its key; returns by how much the request grows."""
        before = self.rows.get(key)
        self.rows[key] = row
        if before is None:
            grown = len(row.payload) + (1 if len(self.rows) > 1 else 0)  # the comma
        else:
            grown = len(row.payload) - len(before.payload)
        self.size += grown
        return grown

    def drop(self, key: Key) -> _BufferedRow:
        """Take a row out; the buffer stays, also without any."""
        row = self.rows.pop(key)
        self.size -= len(row.payload) + (1 if self.rows else 0)
        return row


class _DeferredRow(NamedTuple):
    """A row that waits because its key is in flight, and the epoch of the first record in it."""

    row: Row
    since: int


class Batcher:
    """Takes records in order and dispatches them in batches.

    Klaviyo promises no order within a job or between jobs, but the result has to be that of the records one after
    the other. So a record is combined with an earlier one of its key and group that has not been sent (the later
    one wins), or takes the place of one in another group, where the sink says that it may; one whose key is in
    flight waits until that batch is completed; and one whose key is in a job of which nothing is known is not sent
    in this run.

    Args:
        sink: The stream's declaration.
        dispatcher: The run.
        recovered: What an earlier run had sent of the stream.
        refused: What Klaviyo refused of the stream in earlier runs; None: all of it is sent again.
    """

    def __init__(
        self,
        sink: Sink,
        dispatcher: Dispatcher,
        recovered: RecoveredRows | None = None,
        refused: RefusedRows | None = None,
    ) -> None:
        self.sink = sink
        self.tally = Tally()
        self._dispatcher = dispatcher
        self._recovered = recovered
        self._refused = refused
        self._buffers: dict[Group, _Buffer] = {}
        self._buffered_bytes = 0
        self._group_of: dict[Key, Group] = {}
        """The buffer a key is in; a key is in at most one."""
        self._batches_in_flight: list[Batch] = []
        self._keys_in_flight: set[Key] = set()
        self._deferred: dict[Key, list[_DeferredRow]] = {}
        self._deferred_bytes = 0
        self._unsettled_keys: dict[Key, str] = {}
        self._first_unsettled = math.inf
        """The epoch of the first record that is unsettled."""
        self._given_up: str | None = None

    @property
    def empty(self) -> bool:
        """Whether no record waits or is in flight."""
        return not (self._group_of or self._keys_in_flight or self._deferred)

    @property
    def waiting(self) -> int:
        """How many rows are in no batch yet."""
        return len(self._group_of) + sum(map(len, self._deferred.values()))

    def unsettled_from(self) -> float:
        """The first epoch that may have a record of which it is not known what became; infinite when none has."""
        return min(
            self._first_unsettled,
            min((batch.since for batch in self._batches_in_flight), default=math.inf),
            min((buffer.since for buffer in self._buffers.values() if buffer.rows), default=math.inf),
            min((deferred[0].since for deferred in self._deferred.values()), default=math.inf),
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
        elif self._unsettled_keys and row.key in self._unsettled_keys:
            self._unsettle(self._unsettled_keys[row.key])
        else:
            self._place(row)

    def put_unreadable(self, why: str) -> None:
        """Take a record of which no more is known than that it came.

        Raises:
            OutputError: the rejects file cannot be written.
        """
        self._refuse(None, Reason("unreadable", why, "Correct what writes this line."))

    def put_unmapped(self, record: Mapping[str, object], why: str) -> None:
        """Take a record that a stream map could not change.

        Args:
            record: As it came.
            why: The rest of a sentence about the stream map, without a value of the record.

        Raises:
            OutputError: the rejects file cannot be written.
        """
        if refusal := self.sink.refusal(record):
            self._refuse(refusal.key, refusal.reason)
            return
        reason = Reason("unmapped", f"the stream map {why}", "Correct the value, or make the map take it.")
        self._refuse(self.sink.key_told_by(record), reason)

    def _refuse(self, key: Key | None, reason: Reason) -> None:
        """Count a record that never became a row, and refuse it unless nothing is taken any more."""
        self.tally.received += 1
        if self._given_up is not None:
            self._unsettle(self._given_up)
            return
        self._dispatcher.reject(self.sink.stream, key, reason, record=self.tally.received)

    def _place(self, row: Row) -> None:
        """Have a row sent, or wait for what came before it."""
        key = row.key
        if self._recovered is None and not (
            key in self._group_of or key in self._keys_in_flight or key in self._deferred
        ):  # nearly every row: nothing came before it
            self._buffer(row, self._dispatcher.epoch)
            self._send_if_full(row.group)
            return
        since = self._drop_superseded(row)
        if self._must_wait(row):
            self._defer(row, since)
        elif self._recovered is not None and row.key not in self._group_of and self._was_sent(row):
            pass
        elif self._buffer(row, since):
            self._send_if_full(row.group)
        else:
            self._defer(row, since)

    def flush(self) -> None:
        """Dispatch all buffers, full or not. What waits for a batch in flight goes on waiting."""
        for group in list(self._buffers):
            self._send(group, partly=True)

    def flush_older(self, epoch: int, opened_by: float) -> None:
        """Dispatch, full or not, the buffers opened by then that keep the STATE of an epoch waiting."""
        for group, buffer in list(self._buffers.items()):
            if buffer.since <= epoch and buffer.opened_at <= opened_by:
                self._send(group, partly=True)

    def completed(self, batch: Batch, outcome: Outcome) -> None:
        """Book what became of a batch, and buffer the records that waited for it."""
        tally = self.tally
        for key, reason in outcome.rejected.items():
            self._dispatcher.reject(self.sink.stream, key, reason)
        for reason in outcome.unnamed:
            self._dispatcher.reject(self.sink.stream, None, reason)
        if outcome.unsettled:
            tally.unsettled.update(outcome.unsettled.values())
            self._unsettled_keys.update(outcome.unsettled)
            self._first_unsettled = min(self._first_unsettled, batch.since)
        tally.unchanged += len(outcome.unchanged)
        tally.jobs += outcome.jobs
        others = (outcome.rejected, outcome.unnamed, outcome.unsettled, outcome.unchanged)
        tally.accepted += len(batch.keys) - sum(map(len, others))
        self._batches_in_flight.remove(batch)
        self._keys_in_flight.difference_update(batch.keys)
        self._release(batch.keys)

    def failed(self, batch: Batch, why: str) -> None:
        """Book a batch as unsettled, and the stream with it: nothing more of the stream is sent in this run."""
        self._first_unsettled = min(self._first_unsettled, self.unsettled_from(), batch.since)
        count = len(batch.keys) + len(self._group_of) + sum(map(len, self._deferred.values()))
        self.tally.unsettled += Counter({why: count})  # none at all leaves no entry
        self._batches_in_flight = [each for each in self._batches_in_flight if each is not batch]
        self._keys_in_flight.difference_update(batch.keys)
        self._given_up = why
        self._buffers.clear()
        self._buffered_bytes = 0
        self._group_of.clear()
        self._deferred.clear()
        self._deferred_bytes = 0

    def abandon(self, why: str) -> None:
        """The run is over: what waits or is in flight is unsettled."""
        for batch in list(self._batches_in_flight):
            self.failed(batch, why)
        if not self.empty:
            self.failed(Batch(next(iter(self._buffers)), [], []), why)

    def _unsettle(self, why: str, count: int = 1, since: float | None = None) -> None:
        self.tally.unsettled[why] += count
        self._first_unsettled = min(self._first_unsettled, self._dispatcher.epoch if since is None else since)

    def _was_sent(self, row: Row) -> bool:
        """Whether an earlier run had sent the row, as the last of its key; if so, book what became of it."""
        assert self._recovered is not None  # noqa: S101 - asked before
        sent = self._recovered.sent(row)
        if sent is None:
            return False
        self.tally.resumed += 1
        if sent.reason is not None:
            self._dispatcher.reject(self.sink.stream, row.key, sent.reason)
        else:
            self.tally.accepted += 1
        return True

    def _drop_superseded(self, row: Row) -> int:
        """Let go what a row makes needless of its key; the epoch of the first record that it now stands for."""
        key, since = row.key, self._dispatcher.epoch
        deferred = self._deferred.get(key, [])
        while deferred and self.sink.supersedes(row.group, deferred[-1].row.group):
            needless = deferred.pop()
            self._deferred_bytes -= len(needless.row.payload)
            since = min(since, needless.since)
            self.tally.combined += 1
        if deferred:
            return since
        self._deferred.pop(key, None)
        group = self._group_of.get(key)
        if group is not None and self.sink.supersedes(row.group, group):
            buffer = self._buffers[group]
            self._buffered_bytes -= buffer.size
            since = min(since, buffer.drop(key).since)
            self._buffered_bytes += buffer.size
            del self._group_of[key]
            self.tally.combined += 1
        return since

    def _must_wait(self, row: Row) -> bool:
        key = row.key
        return (
            key in self._keys_in_flight or key in self._deferred or self._group_of.get(key, row.group) != row.group
        )

    def _buffer(self, row: Row, since: int) -> bool:
        """Put the row into its buffer; False when it cannot be combined with the one of its key there."""
        key, group, payload = row
        buffer = self._buffers.get(group) or self._open_buffer(group, since)
        before = buffer.rows.get(key)
        if before is not None:
            combined = self.sink.combined(before.payload, payload)
            if combined is None:
                return False
            payload = combined
            since = min(since, before.since)
            self.tally.combined += 1
        self._group_of[key] = group
        buffer.since = min(buffer.since, since)
        self._buffered_bytes += buffer.put(key, _BufferedRow(payload, since))
        return True

    def _open_buffer(self, group: Group, since: int) -> _Buffer:
        buffer = self._buffers[group] = _Buffer(self.sink.envelope_size(group), since, self._dispatcher.clock())
        self._buffered_bytes += buffer.size
        return buffer

    def _defer(self, row: Row, since: int) -> None:
        deferred = self._deferred.setdefault(row.key, [])
        if deferred and deferred[-1].row.group == row.group:
            combined = self.sink.combined(deferred[-1].row.payload, row.payload)
            if combined is not None:
                before = deferred.pop()
                self._deferred_bytes -= len(before.row.payload)
                self.tally.combined += 1
                row, since = row._replace(payload=combined), min(since, before.since)
        deferred.append(_DeferredRow(row, since))
        self._deferred_bytes += len(row.payload)
        while self._deferred_bytes > row.group.route.limits.request_bytes:
            self.flush()
            if self._keys_in_flight:
                self._dispatcher.collect()

    def _release(self, keys: Iterable[Key]) -> None:
        """Buffer the first row that waited behind each key: the only way on for who leaves a buffer or a batch."""
        if not self._deferred:
            return
        for key in [key for key in keys if key in self._deferred]:
            deferred = self._deferred[key]
            if key in self._unsettled_keys:
                self._unsettle(self._unsettled_keys[key], len(deferred), deferred[0].since)
                self._deferred_bytes -= sum(len(row.payload) for row, _ in deferred)
                deferred.clear()
            else:
                row, since = deferred.pop(0)
                self._deferred_bytes -= len(row.payload)
                self._buffer(row, since)
            if not deferred:
                del self._deferred[key]

    def _send_if_full(self, group: Group) -> None:
        limits, buffer = group.route.limits, self._buffers[group]
        if len(buffer.rows) >= limits.items or buffer.size > limits.request_bytes:
            self._send(group, partly=False)
        if len(self._buffers) > 1 and self._buffered_bytes > _MAX_BUFFERED * limits.request_bytes:
            self._send(max(self._buffers, key=lambda each: self._buffers[each].size), partly=True)

    def _send(self, group: Group, *, partly: bool) -> None:
        """Dispatch the buffer of a group; the last batch only if it is full or may be sent partly filled."""
        buffer = self._buffers.pop(group, None)
        if buffer is None:
            return  # given up while another group was sent
        self._buffered_bytes -= buffer.size
        limits = group.route.limits
        envelope = self.sink.envelope_size(group)
        unsent = self._unsent(group, buffer)
        if len(buffer.rows) <= limits.items and buffer.size <= limits.request_bytes:
            batches = [unsent] if unsent else []
        else:
            batches = list(bulk.split(unsent, _payload_size, limits, envelope=envelope))
        if not partly and batches and len(batches[-1]) < limits.items:
            rest = batches.pop()
            kept = self._open_buffer(group, min(row.since for _, row in rest))
            for key, row in rest:
                kept.put(key, row)
            self._buffered_bytes += kept.size - envelope
        until = self._dispatcher.epoch
        ready = [
            Batch(
                group,
                [key for key, _ in rows],
                [row.payload for _, row in rows],
                min(row.since for _, row in rows),
                until,
            )
            for rows in batches
        ]
        for batch in ready:
            for key in batch.keys:
                del self._group_of[key]
            self._keys_in_flight.update(batch.keys)
        self._batches_in_flight += ready
        if len(unsent) < len(buffer.rows):
            left = dict(unsent)
            self._release([key for key in buffer.rows if key not in left])
        for batch in ready:
            if self._given_up is None:
                self._dispatcher.dispatch(self, batch)
            else:
                self.failed(batch, self._given_up)

    def _unsent(self, group: Group, buffer: _Buffer) -> list[tuple[Key, _BufferedRow]]:
        """The rows that no earlier run had sent, or tried to; the earlier rows of their keys are forgotten."""
        if self._recovered is None and not self._refused:
            return list(buffer.rows.items())
        unsent = []
        for key, buffered in buffer.rows.items():
            row = Row(key, group, buffered.payload)
            if self._recovered is not None:
                if self._was_sent(row):
                    del self._group_of[key]
                    continue
                self._recovered.superseded(key)
            if self._refused and self._refused.has(row):
                self.tally.refused_before += 1
                del self._group_of[key]
                continue
            unsent.append((key, buffered))
        return unsent


def _payload_size(row: tuple[Key, _BufferedRow]) -> int:
    return len(row[1].payload)
