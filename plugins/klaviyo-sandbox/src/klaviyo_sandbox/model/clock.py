"""The sandbox's time: the wall clock by default, held and moved by hand in tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """Tells the time. `freeze` and `advance` let a test decide it."""

    def __init__(self, read: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._read = read
        self._offset = timedelta()

    def now(self) -> datetime:
        """The present moment, UTC."""
        return self._read() + self._offset

    def seconds(self) -> int:
        """The present moment in whole seconds since the epoch."""
        return int(self.now().timestamp())

    def freeze(self, at: datetime | None = None) -> None:
        """Stop at `at`, or at the present moment."""
        moment = at or self.now()
        self._read, self._offset = (lambda: moment), timedelta()

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        self._offset += timedelta(seconds=seconds)
