"""Coordinates a run: each stream's batcher, the batches in flight, what becomes of them, and when STATE leaves.

Records are taken, batches dispatched and outcomes booked on one thread. Batches are sent on threads of their own,
and one more thread polls the jobs. So a record is counted once, a profile is in one batch at a time, and nothing
here needs a lock.

Records between two STATE messages are an epoch. A STATE is emitted once it is known what became of every record of
its epoch and of the earlier ones; the batchers know the earliest epoch that is not settled.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from klaviyo_wire.endpoints import ENDPOINTS
from klaviyo_wire.errors import ConfigurationError, KlaviyoError, MissingScope, Retriable
from target_klaviyo_profiles.delivery.batcher import Batcher
from target_klaviyo_profiles.delivery.job_poller import JobPoller
from target_klaviyo_profiles.delivery.recovery import recover
from target_klaviyo_profiles.delivery.refused_rows import RefusedRows
from target_klaviyo_profiles.delivery.sample import sample
from target_klaviyo_profiles.delivery.submission import deliver
from target_klaviyo_profiles.delivery.tally import counted
from target_klaviyo_profiles.errors import OutputError
from target_klaviyo_profiles.rows import Outcome
from target_klaviyo_profiles.sinks.bulk_sink import BulkSink

if TYPE_CHECKING:
    from target_klaviyo_profiles.delivery.account import AccountCheck
    from target_klaviyo_profiles.delivery.context import DeliveryContext
    from target_klaviyo_profiles.delivery.rejects import Rejects
    from target_klaviyo_profiles.delivery.tally import Tally
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.rows import Batch, Reason
    from target_klaviyo_profiles.sinks.base import Sink

MAX_PENDING_BYTES = 20_000_000
"""Bytes of payloads that Klaviyo has not accepted yet: this bounds memory when Klaviyo is slower than the tap."""
LINGER = 60.0
"""Seconds that a batch which is not full may keep a STATE waiting."""
_MAX_STATES = 65
"""STATE messages that are kept until they may be emitted; of more, every other one is dropped."""


class _BatchInFlight:
    """A batch on its way. `pending` is the size of its payloads, 0 once Klaviyo has them."""

    def __init__(self, batcher: Batcher, batch: Batch, pending: int) -> None:
        self.batcher = batcher
        self.batch = batch
        self.pending = pending


class Coordinator:
    """Takes records by stream and sees them through to Klaviyo or to the rejects file.

    Args:
        sinks: What may be written.
        new_context: Makes a context; called once per stream that shows up, since each counts its own requests.
        rejects: Where refused records go.
        account: Lets nothing be sent to another account than the one that it is for.
        concurrency: Batches in flight at once, over all streams.
        emit: Writes a STATE.
        resend_refused_after: Seconds after which a row that was refused is sent again as it is, in a stream whose
            `refusals_last`.
        dry_run: Takes what would be sent, a line per request, and of each kind of request a masked row; nothing is
            sent then, no STATE emitted. None sends.
    """

    def __init__(  # noqa: PLR0913 - what a run consists of
        self,
        sinks: Iterable[Sink],
        new_context: Callable[[], DeliveryContext],
        rejects: Rejects,
        account: AccountCheck,
        *,
        concurrency: int,
        emit: Callable[[Any], None],
        resend_refused_after: float = 0.0,
        dry_run: Callable[[str], None] | None = None,
    ) -> None:
        self.epoch = 0
        self._sinks = {sink.stream: sink for sink in sinks}
        self._new_context = new_context
        self._rejects = rejects
        self._account = account
        self._concurrency = concurrency
        self._emit = emit
        self._resend_refused_after = resend_refused_after
        self._dry_run = dry_run
        self._sampled: set[tuple[str, str]] = set()
        """Streams and operations of which a dry run has shown a row."""
        self._batchers: dict[str, Batcher] = {}
        self._contexts: dict[str, DeliveryContext] = {}
        self._context = new_context()
        self._poller = JobPoller(self._context.clock, self._context.sleep)
        self._news: SimpleQueue[tuple[_BatchInFlight, Outcome | Exception | None]] = SimpleQueue()
        """Of a batch: that Klaviyo has its payloads (None), what became of it, or what went wrong."""
        self._in_flight = 0
        self._pending_bytes = 0
        self._lingering_checked_at = 0.0
        self._states: list[tuple[int, Any]] = []
        self._entries: list[tuple[int, int]] = []
        """Entries of the ledger that the STATE of an epoch covers: the epoch, and the entry."""
        self._earlier: set[int] = set()
        """Entries of earlier runs whose rows have not all come again."""

    def clock(self) -> float:
        """Monotonic seconds."""
        return self._context.clock()

    def batcher(self, stream: str) -> Batcher:
        """The batcher of a stream: one for the run, whatever schemas come and go.

        When it is made, the jobs that an earlier run left behind in the stream are waited for.

        Raises:
            ConfigurationError: no sink takes the stream, or the settings forbid it.
            KlaviyoError: Klaviyo cannot be asked what became of an earlier run.
        """
        if stream not in self._batchers:
            if stream not in self._sinks:
                known = ", ".join(f"`{name}`" for name in self._sinks)
                msg = f"there is no sink for the stream `{stream}`: name it, by a stream map, as one of {known}"
                raise ConfigurationError(msg)
            sink = self._sinks[stream]
            if why := sink.disabled():
                raise ConfigurationError(why)
            context = self._contexts[stream] = self._new_context()
            entries = context.ledger.entries(stream)
            self._earlier.update(entry.id for entry in entries)
            recovered = recover(entries, sink, context, self._poller, self._came_again) if entries else None
            wait = self._resend_refused_after if sink.refusals_last else 0.0
            refused = RefusedRows(context.ledger, stream, wait) if wait else None
            self._batchers[stream] = Batcher(sink, self, recovered, refused)
        return self._batchers[stream]

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """What became of the records so far, by stream."""
        for stream, batcher in self._batchers.items():
            if self._dry_run is None:
                batcher.tally.requests = self._contexts[stream].client.requests
        return {stream: batcher.tally for stream, batcher in self._batchers.items()}

    @property
    def has_written_rejects(self) -> bool:
        """Whether any are in the file by now."""
        return self._rejects.has_written

    @property
    def rejects_path(self) -> Path:
        """The file that refused records are in."""
        return self._rejects.path

    def state(self, value: Any) -> None:  # noqa: ANN401 - whatever the tap says
        """Take a STATE: emitted once every record before it is settled.

        Raises:
            OutputError: it, or the rejects file before it, cannot be written.
            ConfigurationError: it says that the records are for another account than that of the key.
        """
        self._account.hear(value)
        self._states.append((self.epoch, value))
        self.epoch += 1
        if len(self._states) > _MAX_STATES:
            del self._states[1:-1:2]
        self._emit_settled()
        self.tick()

    def tick(self) -> None:
        """Book what has arrived, and send batches that are not full but have kept a STATE waiting for long.

        To be called now and then, also while no record comes.
        """
        while not self._news.empty():
            self.collect()
        now = self.clock()
        if self._states and now >= self._lingering_checked_at + LINGER / 60:
            self._lingering_checked_at = now
            latest, _ = self._states[-1]
            for batcher in self._batchers.values():
                batcher.flush_older(latest, now - LINGER)

    def settle(self) -> None:
        """Send what is buffered, wait for all of it, put the rejects on disk, and emit the last STATE.

        Afterwards every record so far is settled, except those of a stream that cannot be written.

        Raises:
            KlaviyoError: nothing can be written any more, to no stream.
            OutputError: the rejects file cannot be written.
        """
        while not all(batcher.empty for batcher in self._batchers.values()):
            waiting = self._waiting
            for batcher in self._batchers.values():
                if not self._follows_others(batcher.sink):
                    batcher.flush()
            if self._in_flight:
                self.collect()
            elif self._waiting >= waiting:
                msg = (
                    f"{counted(waiting, 'row')} cannot be sent, which is a fault of this program; nothing is lost"
                )
                raise AssertionError(msg)
        self._rejects.sync()
        self._emit_settled()

    def _follows_others(self, sink: Sink) -> bool:
        """Whether rows of a stream that goes first are not through."""
        first = (self._batchers.get(stream) for stream in sink.follows)
        return any(batcher is not None and not batcher.empty for batcher in first)

    @property
    def _waiting(self) -> int:
        """Rows that are in no batch yet. While none is in flight, each flush leaves fewer of them."""
        return sum(batcher.waiting for batcher in self._batchers.values())

    def close(self) -> None:
        """The input has ended and everything is settled: if a record comes in another run, it is sent again."""
        if not any(batcher.tally.unsettled for batcher in self._batchers.values()):
            for stream in self._batchers:
                self._context.ledger.drop(entry.id for entry in self._context.ledger.entries(stream))
        self._context.ledger.close()

    def abandon(self, why: str) -> None:
        """The run is over: count every record of which it is not known what became as unsettled."""
        for batcher in self._batchers.values():
            batcher.abandon(why)
        with suppress(OutputError):  # it may be what ended the run
            self._rejects.sync()
        self._context.ledger.close()

    def dispatch(self, batcher: Batcher, batch: Batch) -> None:
        """Send a batch on its way; blocks while as many are in flight as the settings allow.

        Raises:
            ConfigurationError: the first is for another account than that of the key.
            KlaviyoError: nothing can be written.
        """
        size = sum(map(len, batch.payloads))
        if self._dry_run is not None:
            whole = size + batcher.sink.envelope_size(batch.group) + len(batch.keys) - 1
            self._dry_run(_would_send(batcher.sink, batch, whole))
            kind = (batcher.sink.stream, batch.group.route.operation)
            if kind not in self._sampled:
                self._sampled.add(kind)
                self._dry_run(f"would send {batcher.sink.stream}, such as {sample(batch.payloads[0])}")
            batcher.tally.requests += 1
            batcher.tally.bytes += whole
            batcher.completed(batch, Outcome())
            return
        self._account.check()
        while self._in_flight >= self._concurrency or (
            self._pending_bytes and self._pending_bytes + size > MAX_PENDING_BYTES
        ):
            self.collect()
        in_flight = _BatchInFlight(batcher, batch, size)
        self._in_flight += 1
        self._pending_bytes += size
        # Daemon: a run that ends early does not wait for requests that Klaviyo may take minutes to answer.
        threading.Thread(target=self._deliver, args=(in_flight,), daemon=True).start()
        while not self._news.empty():
            self.collect()

    def collect(self) -> None:
        """Wait for news of a batch in flight and book it.

        Raises:
            KlaviyoError: nothing can be written any more, to no stream.
            OutputError: STATE, or the rejects file before it, cannot be written.
        """
        in_flight, news = self._news.get()
        self._pending_bytes -= in_flight.pending
        in_flight.pending = 0
        if news is None:
            return
        self._in_flight -= 1
        if isinstance(news, Exception):
            in_flight.batcher.failed(in_flight.batch, str(news))
            if not _ends_only_the_stream(news):
                raise news
        else:
            sink = in_flight.batcher.sink
            if news.rejected and sink.refusals_last:
                self._context.ledger.refuse_sent(sink.stream, news.entries, news.rejected)
            if not news.unsettled:
                self._entries += [(in_flight.batch.until, entry) for entry in news.entries]
            in_flight.batcher.completed(in_flight.batch, news)
        self._emit_settled()

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
        batcher = self._batchers[stream]
        batcher.tally.reject(reason, key)
        about: Mapping[str, str] = {}
        if given is not None:
            about = batcher.sink.about(given)
        elif isinstance(reason.sent, bytes):
            about = batcher.sink.about_sent(reason.sent)
        self._rejects.write(stream, key, reason, record=record, given=given, about=about)

    def _emit_settled(self) -> None:
        """Emit the last STATE whose records are settled, with the rejects among them on disk before it."""
        if not self._states or self._dry_run is not None:
            return
        unsettled = min((batcher.unsettled_from() for batcher in self._batchers.values()), default=self.epoch)
        settled = [(epoch, value) for epoch, value in self._states if epoch < unsettled]
        if not settled:
            return
        self._states = self._states[len(settled) :]
        self._rejects.sync()
        epoch, value = settled[-1]
        self._emit(value)
        covered = [entry for until, entry in self._entries if until <= epoch]
        # While entries of an earlier run are left, none is dropped: if a newer one went and an older one stayed,
        # the older one would be taken for the last request that was sent for its keys.
        if covered and not self._earlier:
            self._entries = [(until, entry) for until, entry in self._entries if until > epoch]
            self._context.ledger.drop(covered)

    def _came_again(self, entry: int) -> None:
        self._earlier.discard(entry)
        self._entries.append((self.epoch, entry))

    def _deliver(self, in_flight: _BatchInFlight) -> None:
        """Runs on a thread of its own."""
        sink = in_flight.batcher.sink
        context = self._contexts[sink.stream]
        try:
            outcome = deliver(sink, in_flight.batch, context)
        except Exception as error:  # noqa: BLE001 - raised again on the run's own thread
            self._news.put((in_flight, error))
            return
        if not outcome.open:
            self._news.put((in_flight, outcome))
            return
        assert isinstance(sink, BulkSink)  # noqa: S101 - only those have jobs
        self._news.put((in_flight, None))  # Klaviyo has the payloads
        self._poller.poll(sink, context, outcome, lambda news: self._news.put((in_flight, news)))


def _ends_only_the_stream(error: Exception) -> bool:
    """Whether other streams can go on: not after a wrong key, or when the host does not answer."""
    if isinstance(error, MissingScope):
        return True
    return isinstance(error, KlaviyoError) and not isinstance(error, ConfigurationError | Retriable)


def _would_send(sink: Sink, batch: Batch, size: int) -> str:
    endpoint = ENDPOINTS[batch.group.route.operation]
    group = f", group {batch.group}" if batch.group.shared else ""
    request = f"{endpoint.method} {endpoint.path}"
    return f"would send {sink.stream}: {request}, {counted(len(batch.keys), 'row')}, {size:,} bytes{group}"
