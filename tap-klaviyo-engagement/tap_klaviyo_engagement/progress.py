"""Tells a person how far a stream is, every few seconds, and what it did, at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

EVERY = 5.0
"""Seconds between two lines."""


@dataclass
class Progress:
    """Counts the records of one stream.

    Args:
        stream: Its name.
        clock: Monotonic seconds.
        tell: Takes a line.
        quota: Requests left in this minute, and how many a minute has; None for a stream without requests.
    """

    stream: str
    clock: Callable[[], float]
    tell: Callable[[str], None]
    quota: Callable[[], tuple[int, int] | None]
    records: int = 0
    done: float | None = None
    """Part of the stretch of time that is read, 0 to 1; None when it is not known."""

    def __post_init__(self) -> None:
        """The stream begins."""
        self._began = self._told = self.clock()
        self._counted = 0

    def add(self, records: int) -> None:
        """So many were written."""
        self.records += records
        now = self.clock()
        if now - self._told >= EVERY:
            rate = (self.records - self._counted) / (now - self._told)
            parts = [f"{self.records:,} records", f"{rate:,.0f}/s"]
            if self.done is not None:
                parts.append(f"{self.done:.0%} of the time read")
            if quota := self.quota():
                parts.append(f"{quota[0]:,} of {quota[1]:,} requests left this minute")
            self.tell(f"{self.stream}: {', '.join(parts)}")
            self._told, self._counted = now, self.records

    def end(self) -> None:
        """The stream is complete."""
        seconds = self.clock() - self._began
        rate = f", {self.records / seconds:,.0f}/s" if seconds >= 1 else ""
        self.tell(f"{self.stream}: {self.records:,} records in {seconds:.1f} s{rate}")
