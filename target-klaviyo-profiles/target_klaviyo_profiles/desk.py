"""One run: every stream's outbox, the batches in flight, and what becomes of their records.

Records are taken, batches dispatched and outcomes booked on one thread; only deliveries run on others. So a
record is counted once, a profile is in one batch at a time, and nothing here needs a lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from klaviyo_wire.errors import ConfigurationError, KlaviyoError, MissingScope, Retriable
from target_klaviyo_profiles.outbox import Outbox
from target_klaviyo_profiles.report import counted
from target_klaviyo_profiles.sinks.base import Outcome

if TYPE_CHECKING:
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.rejects import Rejects
    from target_klaviyo_profiles.report import Tally
    from target_klaviyo_profiles.sinks.base import Batch, Line, Reason, Sink

MOST_CARRIED = 20_000_000
"""Bytes of payloads that wait for Klaviyo to take them: what keeps memory flat when it is slower than the tap."""


@dataclass
class _Flight:
    """A batch on its way. `carried` is the size of its payloads while they are in memory."""

    outbox: Outbox
    batch: Batch
    carried: int


class Desk:
    """Takes records by stream and settles them.

    Args:
        sinks: What may be written.
        lines: Gives a line; called once per stream that shows up.
        rejects: Where refused records go.
        concurrency: Batches in flight at once, over all streams.
        tell: Takes the lines of a dry run, in which nothing is sent; None sends.
    """

    def __init__(
        self,
        sinks: Iterable[Sink],
        lines: Callable[[], Line],
        rejects: Rejects,
        *,
        concurrency: int,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._sinks = {sink.stream: sink for sink in sinks}
        self._lines = lines
        self._rejects = rejects
        self._concurrency = concurrency
        self._tell = tell
        self._outboxes: dict[str, Outbox] = {}
        self._open_lines: dict[str, Line] = {}
        self._events: SimpleQueue[tuple[_Flight, Outcome | Exception | None]] = SimpleQueue()
        self._flights = 0
        self._carried = 0

    def outbox(self, stream: str) -> Outbox:
        """The outbox of a stream: one for the run, whatever schemas come and go.

        Raises:
            ConfigurationError: no sink takes the stream.
        """
        if stream not in self._sinks:
            known = ", ".join(f"`{name}`" for name in self._sinks)
            msg = f"there is no sink for the stream `{stream}`: name it, by a stream map, as one of {known}"
            raise ConfigurationError(msg)
        if stream not in self._outboxes:
            self._open_lines[stream] = self._lines()
            self._outboxes[stream] = Outbox(self._sinks[stream], self)
        return self._outboxes[stream]

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """What became of the records so far, by stream."""
        for stream, outbox in self._outboxes.items():
            outbox.tally.requests = self._open_lines[stream].client.requests
        return {stream: outbox.tally for stream, outbox in self._outboxes.items()}

    @property
    def rejects_path(self) -> Path:
        """The file that refused records are in."""
        return self._rejects.path

    @property
    def settled(self) -> bool:
        """Whether the fate of every record so far is known and on disk."""
        return all(not outbox.tally.unsettled and outbox.empty for outbox in self._outboxes.values())

    def settle(self) -> None:
        """Send what is held, wait for all of it, and put the rejects on disk.

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

    def abandon(self, why: str) -> None:
        """Count every record whose fate is not known as unsettled: the run is over."""
        for outbox in self._outboxes.values():
            outbox.abandon(why)

    def dispatch(self, outbox: Outbox, batch: Batch) -> None:
        """Send a batch on its way; blocks while as many are in flight as the settings allow."""
        size = sum(map(len, batch.payloads))
        if self._tell is not None:
            self._tell(_would_send(outbox.sink, batch, size))
            outbox.landed(batch, Outcome())
            return
        while self._flights >= self._concurrency or (self._carried and self._carried + size > MOST_CARRIED):
            self.collect()
        flight = _Flight(outbox, batch, size)
        self._flights += 1
        self._carried += size
        # Daemon: a run that ends early does not wait for jobs that Klaviyo may take an hour to finish.
        threading.Thread(target=self._deliver, args=(flight,), daemon=True).start()
        while not self._events.empty():
            self.collect()

    def collect(self) -> None:
        """Wait for news of a batch in flight and book it.

        Raises:
            KlaviyoError: nothing can be written any more, to no stream.
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
            flight.outbox.landed(flight.batch, news)

    def reject(self, stream: str, key: Key | None, reason: Reason, *, record: int | None = None) -> None:
        """Book a refused record."""
        self._outboxes[stream].tally.reject(reason.code, key)
        self._rejects.write(stream, key, reason, record=record)

    def _deliver(self, flight: _Flight) -> None:
        sink = flight.outbox.sink
        line = replace(self._open_lines[sink.stream], handed_over=lambda: self._events.put((flight, None)))
        try:
            news: Outcome | Exception = sink.deliver(flight.batch, line)
        except Exception as error:  # noqa: BLE001 - raised again on the run's own thread
            news = error
        self._events.put((flight, news))


def _ends_only_the_stream(error: Exception) -> bool:
    """A missing scope, or a request that Klaviyo never takes; a wrong key or a silent host ends the run."""
    if isinstance(error, MissingScope):
        return True
    return isinstance(error, KlaviyoError) and not isinstance(error, ConfigurationError | Retriable)


def _would_send(sink: Sink, batch: Batch, size: int) -> str:
    endpoint, rows = sink.endpoints()[0], len(batch.keys)
    size += sink.envelope_size(batch.group) + rows - 1
    group = f", group {batch.group}" if batch.group else ""
    request = f"{endpoint.method} {endpoint.path}"
    return f"would send {sink.stream}: {request}, {counted(rows, 'row')}, {size:,} bytes{group}"
