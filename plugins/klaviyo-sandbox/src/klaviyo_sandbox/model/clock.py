"""The sandbox's time: that of the machine when it started, and what has passed since; held and moved in tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def steady() -> Callable[[], datetime]:
    """A reading of the time that begins with the machine's, and follows none of its jumps.

    Klaviyo's clock does not jump with a client's: a quota would be used up for an hour, and work wait as long.
    """
    started, began = datetime.now(UTC), time.monotonic()
    return lambda: started + timedelta(seconds=time.monotonic() - began)


class Clock:
    """Tells the time. `freeze` and `advance` let a test decide it."""

    def __init__(self, read: Callable[[], datetime] | None = None) -> None:
        self._read = read or steady()
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
