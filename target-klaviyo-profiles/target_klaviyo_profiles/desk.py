"""One run: every stream's outbox, the batches in flight, what becomes of their records, and STATE.

Records are taken, batches dispatched and outcomes booked on one thread; batches are sent on others, and one more
follows the jobs. So a record is counted once, a profile is in one batch at a time, and nothing here needs a lock.

STATE: records between two STATE messages are an epoch. A STATE is emitted as soon as no record of its epoch or an
earlier one is without a fate; the outboxes know the earliest such epoch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from klaviyo_wire.endpoints import ENDPOINTS
from klaviyo_wire.errors import ConfigurationError, KlaviyoError, MissingScope, Retriable
from target_klaviyo_profiles.following import Follower
from target_klaviyo_profiles.outbox import Outbox
from target_klaviyo_profiles.report import counted
from target_klaviyo_profiles.resuming import resumed
from target_klaviyo_profiles.sinks.base import Outcome
from target_klaviyo_profiles.sinks.bulk import BulkSink

if TYPE_CHECKING:
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.rejects import Rejects
    from target_klaviyo_profiles.report import Tally
    from target_klaviyo_profiles.sinks.base import Batch, Line, Reason, Sink

MOST_CARRIED = 20_000_000
"""Bytes of payloads that wait for Klaviyo to take them: what keeps memory flat when it is slower than the tap."""
LINGER = 60.0
"""Seconds that a batch which is not full may keep a STATE waiting."""
_MOST_STATES = 65
"""STATE messages that are kept until they may be emitted; of more, every other one is dropped."""


class _Flight:
    """A batch on its way. `carried` is the size of its payloads while they are in memory."""

    def __init__(self, outbox: Outbox, batch: Batch, carried: int) -> None:
        self.outbox = outbox
        self.batch = batch
        self.carried = carried


class Desk:
    """Takes records by stream and settles them.

    Args:
        sinks: What may be written.
        lines: Gives a line; called once per stream that shows up.
        rejects: Where refused records go.
        concurrency: Batches in flight at once, over all streams.
        emit: Writes a STATE.
        tell: Takes the lines of a dry run, in which nothing is sent and no STATE emitted; None sends.
    """

    def __init__(  # noqa: PLR0913 - what a run consists of
        self,
        sinks: Iterable[Sink],
        lines: Callable[[], Line],
        rejects: Rejects,
        *,
        concurrency: int,
        emit: Callable[[Any], None],
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.epoch = 0
        self._sinks = {sink.stream: sink for sink in sinks}
        self._lines = lines
        self._rejects = rejects
        self._concurrency = concurrency
        self._emit = emit
        self._tell = tell
        self._outboxes: dict[str, Outbox] = {}
        self._open_lines: dict[str, Line] = {}
        self._line = lines()
        self._follower = Follower(self._line.clock, self._line.sleep)
        self._events: SimpleQueue[tuple[_Flight, Outcome | Exception | None]] = SimpleQueue()
        self._flights = 0
        self._carried = 0
        self._looked = 0.0
        self._states: list[tuple[int, Any]] = []
        self._entries: list[tuple[int, int]] = []
        """Entries of the ledger that the STATE of an epoch covers: the epoch, and the entry."""
        self._earlier: set[int] = set()
        """Entries of earlier runs whose rows have not all come again."""

    def clock(self) -> float:
        """Monotonic seconds."""
        return self._line.clock()

    def outbox(self, stream: str) -> Outbox:
        """The outbox of a stream: one for the run, whatever schemas come and go.

        When it is opened, what an earlier run had sent of the stream is followed to its end.

        Raises:
            ConfigurationError: no sink takes the stream, or the settings close it.
            KlaviyoError: Klaviyo cannot be asked what became of an earlier run.
        """
        if stream not in self._outboxes:
            if stream not in self._sinks:
                known = ", ".join(f"`{name}`" for name in self._sinks)
                msg = f"there is no sink for the stream `{stream}`: name it, by a stream map, as one of {known}"
                raise ConfigurationError(msg)
            sink = self._sinks[stream]
            if why := sink.closed():
                raise ConfigurationError(why)
            line = self._open_lines[stream] = self._lines()
            entries = line.ledger.entries(stream)
            self._earlier.update(entry.id for entry in entries)
            earlier = resumed(entries, sink, line, self._follower, self._came_again) if entries else None
            self._outboxes[stream] = Outbox(sink, self, earlier)
        return self._outboxes[stream]

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """What became of the records so far, by stream."""
        for stream, outbox in self._outboxes.items():
            if self._tell is None:
                outbox.tally.requests = self._open_lines[stream].client.requests
        return {stream: outbox.tally for stream, outbox in self._outboxes.items()}

    @property
    def rejects_path(self) -> Path:
        """The file that refused records are in."""
        return self._rejects.path

    def state(self, value: Any) -> None:  # noqa: ANN401 - whatever the tap says
        """Take a STATE: emitted as soon as every record before it has a fate.

        Raises:
            OutputError: it, or the rejects file before it, cannot be written.
        """
        self._states.append((self.epoch, value))
        self.epoch += 1
        if len(self._states) > _MOST_STATES:
            del self._states[1:-1:2]
        self._emit_settled()
        self.tick()

    def tick(self) -> None:
        """Book what has arrived, and let nothing that is not full keep a STATE waiting for long.

        To be called now and then, also while no record comes.
        """
        while not self._events.empty():
            self.collect()
        now = self.clock()
        if self._states and now >= self._looked + LINGER / 60:
            self._looked = now
            latest, _ = self._states[-1]
            for outbox in self._outboxes.values():
                outbox.send_older(latest, now - LINGER)

    def settle(self) -> None:
        """Send what is held, wait for all of it, put the rejects on disk, and emit the last STATE.

        Afterwards every record so far has a fate; that of a stream that cannot be written is `unsettled`.

        Raises:
            KlaviyoError: nothing can be written any more, to no stream.
            OutputError: the rejects file cannot be written.
        """
        while not all(outbox.empty for outbox in self._outboxes.values()):
            for outbox in self._outboxes.values():
                outbox.send_all()
            if self._flights:
                self.collect()
        self._rejects.sync()
        self._emit_settled()

    def close(self) -> None:
        """The input has ended and everything is settled: what comes again is meant to be written again."""
        if not any(outbox.tally.unsettled for outbox in self._outboxes.values()):
            for stream in self._outboxes:
                self._line.ledger.drop(entry.id for entry in self._line.ledger.entries(stream))
        self._line.ledger.close()

    def abandon(self, why: str) -> None:
        """Count every record whose fate is not known as unsettled: the run is over."""
        for outbox in self._outboxes.values():
            outbox.abandon(why)
        self._line.ledger.close()

    def dispatch(self, outbox: Outbox, batch: Batch) -> None:
        """Send a batch on its way; blocks while as many are in flight as the settings allow."""
        size = sum(map(len, batch.payloads))
        if self._tell is not None:
            whole = size + outbox.sink.envelope_size(batch.group) + len(batch.keys) - 1
            self._tell(_would_send(outbox.sink, batch, whole))
            outbox.tally.requests += 1
            outbox.tally.bytes += whole
            outbox.landed(batch, Outcome())
            return
        while self._flights >= self._concurrency or (self._carried and self._carried + size > MOST_CARRIED):
            self.collect()
        flight = _Flight(outbox, batch, size)
        self._flights += 1
        self._carried += size
        # Daemon: a run that ends early does not wait for requests that Klaviyo may take minutes to answer.
        threading.Thread(target=self._deliver, args=(flight,), daemon=True).start()
        while not self._events.empty():
            self.collect()

    def collect(self) -> None:
        """Wait for news of a batch in flight and book it.

        Raises:
            KlaviyoError: nothing can be written any more, to no stream.
            OutputError: STATE, or the rejects file before it, cannot be written.
        """
        flight, news = self._events.get()
        self._carried -= flight.carried
        flight.carried = 0
        if news is None:
            return
        self._flights -= 1
        if isinstance(news, Exception):
            flight.outbox.lost(flight.batch, str(news))
            if not _ends_only_the_stream(news):
                raise news
        else:
            if not news.unsettled:
                self._entries += [(flight.batch.until, entry) for entry in news.entries]
            flight.outbox.landed(flight.batch, news)
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
        self._outboxes[stream].tally.reject(reason.code, key)
        self._rejects.write(stream, key, reason, record=record, given=given)

    def _emit_settled(self) -> None:
        """Emit the last STATE whose records have a fate, with the rejects among them on disk before it."""
        if not self._states or self._tell is not None:
            return
        unsettled = min((outbox.unsettled_from() for outbox in self._outboxes.values()), default=self.epoch)
        settled = [(epoch, value) for epoch, value in self._states if epoch < unsettled]
        if not settled:
            return
        self._states = self._states[len(settled) :]
        self._rejects.sync()
        epoch, value = settled[-1]
        self._emit(value)
        covered = [entry for until, entry in self._entries if until <= epoch]
        # No entry is outlived by an older one, which would pass for the last that was sent for its keys.
        if covered and not self._earlier:
            self._entries = [(until, entry) for until, entry in self._entries if until > epoch]
            self._line.ledger.drop(covered)

    def _came_again(self, entry: int) -> None:
        self._earlier.discard(entry)
        self._entries.append((self.epoch, entry))

    def _deliver(self, flight: _Flight) -> None:
        sink = flight.outbox.sink
        line = self._open_lines[sink.stream]
        try:
            outcome = sink.deliver(flight.batch, line)
        except Exception as error:  # noqa: BLE001 - raised again on the run's own thread
            self._events.put((flight, error))
            return
        if not outcome.open:
            self._events.put((flight, outcome))
            return
        assert isinstance(sink, BulkSink)  # noqa: S101 - who else has jobs
        self._events.put((flight, None))  # Klaviyo has the payloads
        self._follower.follow(sink, line, outcome, lambda news: self._events.put((flight, news)))


def _ends_only_the_stream(error: Exception) -> bool:
    """A missing scope, or a request that Klaviyo never takes; a wrong key or a silent host ends the run."""
    if isinstance(error, MissingScope):
        return True
    return isinstance(error, KlaviyoError) and not isinstance(error, ConfigurationError | Retriable)


def _would_send(sink: Sink, batch: Batch, size: int) -> str:
    endpoint = ENDPOINTS[batch.group.route.operation]
    group = f", group {batch.group}" if batch.group.shared else ""
    request = f"{endpoint.method} {endpoint.path}"
    return f"would send {sink.stream}: {request}, {counted(len(batch.keys), 'row')}, {size:,} bytes{group}"
