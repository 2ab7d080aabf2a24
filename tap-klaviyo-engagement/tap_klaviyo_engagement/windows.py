"""How an incremental stream walks through time, what it remembers on the way, and where the next run begins.

Nothing here does I/O; the order of the rows inside a window never matters.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tap_klaviyo_engagement.times import second

FIRST_SPAN = timedelta(days=1)
LONGEST_SPAN = timedelta(days=365)
SHORTEST_SPAN = timedelta(seconds=1)
ROWS_WANTED = 50_000


@dataclass(frozen=True)
class Window:
    """The half-open interval [start, end) on whole seconds; None leaves that side open."""

    start: datetime | None = None
    end: datetime | None = None


class Windows:
    """Consecutive windows: the end of one is the start of the next, the last one has no end.

    The last window is open because rows may be dated ahead, and because Klaviyo may refuse a bound in the future.
    Tell `held` how many rows a window had before asking for the next one, which is sized by it.

    Args:
        start: Start of the first window; None: it takes everything up to its end.
        begin: Where the first window's length is counted from.
        now: A window that would reach this moment is the last one. With `begin` there it is also the first.
    """

    def __init__(self, start: datetime | None, begin: datetime, now: datetime) -> None:
        self._start = second(start) if start else None
        self._begin = second(begin)
        self._now = now
        self._span = FIRST_SPAN
        self._finished = False

    def __iter__(self) -> Iterator[Window]:
        return self

    def __next__(self) -> Window:
        if self._finished:
            raise StopIteration
        start, end = self._start, self._begin + self._span
        if end >= self._now:
            self._finished = True
            return Window(start)
        self._start = self._begin = end
        return Window(start, end)

    def held(self, rows: int) -> None:
        """Size the next window for `ROWS_WANTED` rows, at most four times as long as this one."""
        span = timedelta(seconds=self._span * min(4.0, ROWS_WANTED / max(rows, 1)) // SHORTEST_SPAN)
        self._span = min(max(span, SHORTEST_SPAN), LONGEST_SPAN)


class Seen:
    """Tells a row met again from a new one.

    The one place where a row is dropped. Repeats come from a listing that was started again and from rows near the
    edge of a window, so this window and the one before are remembered: memory follows the size of a window, not of
    the stream.
    """

    def __init__(self) -> None:
        self._here: set[Hashable] = set()
        self._before: set[Hashable] = set()

    def is_new(self, identity: Hashable) -> bool:
        """True the first time, and from then on False."""
        if identity in self._here or identity in self._before:
            return False
        self._here.add(identity)
        return True

    def turn(self) -> None:
        """A window is complete."""
        self._here, self._before = set(), self._here


class Bookmark:
    """The greatest cursor value that is safe to begin the next run at.

    Values are normalised times. A value counts once its window is complete, if it is not after `limit`: rows dated
    ahead never move the bookmark, and rows so young that their neighbours may not be readable yet do not either.

    Args:
        value: Where the run before left it; one beyond `limit` (written by another tap, or with a clock that was
            ahead) is brought back to it, which costs a second reading and loses nothing.
        limit: No bookmark lies after it.
    """

    def __init__(self, value: str | None, limit: str) -> None:
        self.value = min(value, limit) if value else None
        self._limit = limit
        self._highest = self.value or ""

    def saw(self, cursor: str | None) -> None:
        """A row was emitted."""
        if cursor is not None and self._highest < cursor <= self._limit:
            self._highest = cursor

    def complete(self) -> None:
        """Every row of the window was emitted."""
        self.value = self._highest or None
