"""Tells in the log how far a stream is, every few seconds, and at its end how many records it had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

EVERY = 5.0
"""Seconds between two lines."""


@dataclass
class TimeRead:
    """How much of the time between the first row and the end of the run is read.

    Args:
        limit: The end of the run.
    """

    limit: datetime
    _begin: datetime | None = None

    def afresh(self) -> TimeRead:
        """Another one up to the same moment, for what is read beside."""
        return TimeRead(self.limit)

    def begin(self, at: datetime) -> None:
        """Reading begins at this moment; only the first call counts."""
        self._begin = self._begin or at

    @property
    def begun(self) -> bool:
        """Whether it is known where reading began."""
        return self._begin is not None

    def part(self, until: datetime) -> float | None:
        """Part that is read once everything before a moment is, 0 to 1; None when it is not known."""
        if self._begin is None:
            return None
        return min(1.0, (until - self._begin) / max(self.limit - self._begin, timedelta(seconds=1)))


@dataclass
class Progress:
    """Counts the records of one stream.

    Args:
        stream: Its name.
        clock: Monotonic seconds.
        log: Takes a line.
        quota: Requests left in this minute, and how many a minute has; None for a stream without requests.
        time_read: How much of the time is read.
    """

    stream: str
    clock: Callable[[], float]
    log: Callable[[str], None]
    quota: Callable[[], tuple[int, int] | None]
    time_read: TimeRead
    records: int = 0
    done: float | None = None
    """Part of the time span that is read, 0 to 1; None when it is not known."""

    def __post_init__(self) -> None:
        """Start the clock."""
        self._began = self._logged = self.clock()
        self._counted = 0

    def add(self, records: int) -> None:
        """Count records that were written; now and then a line says how far the stream is."""
        self.records += records
        now = self.clock()
        if now - self._logged >= EVERY:
            rate = (self.records - self._counted) / (now - self._logged)
            parts = [f"{self.records:,} records", f"{rate:,.0f}/s"]
            if self.done is not None:
                parts.append(f"{self.done:.0%} of the time read")
            if quota := self.quota():
                parts.append(f"{quota[0]:,} of {quota[1]:,} requests left this minute")
            self.log(f"{self.stream}: {', '.join(parts)}")
            self._logged, self._counted = now, self.records

    def end(self, put_aside: int = 0) -> None:
        """Say how many records the stream had, and how many rows were put aside."""
        seconds = self.clock() - self._began
        rate = f", {self.records / seconds:,.0f}/s" if seconds >= 1 else ""
        rest = f"; {put_aside:,} rows could not be read" if put_aside else ""
        self.log(f"{self.stream}: {self.records:,} records in {seconds:.1f} s{rate}{rest}")
