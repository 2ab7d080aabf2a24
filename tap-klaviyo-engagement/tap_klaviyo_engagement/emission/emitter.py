"""Writes the records of a stream, many at a time, and STATE whenever it is due."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tap_klaviyo_engagement.emission.message_writer import MessageWriter
    from tap_klaviyo_engagement.emission.progress import Progress

STATE_RECORDS = 10_000
STATE_SECONDS = 5.0
"""STATE is written after so many records, or so long after the one before."""


@dataclass(frozen=True)
class Emitter:
    """Emits one stream.

    Args:
        stream: Its name.
        writer: Takes the records.
        write_state: Writes STATE as it is now.
        progress: Counts the records.
        now: The wall clock.
    """

    stream: str
    writer: MessageWriter
    write_state: Callable[[], None]
    progress: Progress
    now: Callable[[], datetime]

    def emit(self, batches: Iterable[Sequence[dict[str, Any]]]) -> None:
        """Write every record, and STATE after an empty batch if it is due: then the state says what was emitted.

        A batch may count as emitted when the next one is asked for.
        """
        written, last_state = 0, time.monotonic()
        for records in batches:
            if records:
                extracted = self.now().isoformat().replace("+00:00", "Z")  # as the SDK writes it
                self.writer.write_records(self.stream, records, extracted=extracted)
            self.progress.add(len(records))
            written += len(records)
            due = written >= STATE_RECORDS or time.monotonic() - last_state >= STATE_SECONDS
            if not records and due:
                self.write_state()
                written, last_state = 0, time.monotonic()
        self.write_state()
