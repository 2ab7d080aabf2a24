"""The bookmark of a stream: how it moves in a run, and how Singer's STATE holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tap_klaviyo_engagement.errors import StreamFault
from tap_klaviyo_engagement.times import iso, normalised


class Bookmark:
    """The greatest cursor value that is safe to begin the next run at.

    Values are normalised times. A value counts once its window is complete, if it is not after `limit`: rows dated
    ahead never move the bookmark, and rows so young that their neighbours may not be readable yet do not either.

    Args:
        value: Where the run before left it.
        limit: No bookmark lies after it.
    """

    def __init__(self, value: str | None, limit: str) -> None:
        self.value = value
        self._limit = limit
        self._highest = value or ""

    def saw(self, cursors: Iterable[str | None]) -> None:
        """Rows with these cursor values were emitted, and what lies before them."""
        self._highest = max(self._highest, self.highest(cursors))

    def highest(self, cursors: Iterable[str | None]) -> str:
        """The one of them that the bookmark may move to; empty if none is."""
        limit = self._limit
        return max((each for each in cursors if each is not None and each <= limit), default="")

    def complete(self) -> None:
        """Every row of the window was emitted."""
        self.value = self._highest or None


@dataclass(frozen=True)
class BookmarkStore:
    """The bookmark in a stream's state. The SDK's own follows single rows, this one complete windows.

    Args:
        state: The stream's part of STATE; written in place.
        cursor: The column whose values are stored; None: the stream has no bookmark.
        limit: No bookmark lies after it.
        incremental: Whether the run before counts. A catalog may say that it does not.
    """

    state: dict[str, Any]
    cursor: str | None
    limit: datetime
    incremental: Callable[[], bool]

    def load(self) -> str | None:
        """The bookmark of the run before, normalised; None without one.

        One beyond the limit (written by another tap, or with a clock that was ahead) is brought back to it: that
        costs a second reading and loses nothing.

        Raises:
            StreamFault: the state holds something else than a time.
        """
        ours = self.state.get("replication_key") == self.cursor
        value = self.state.get("replication_key_value") if ours else None
        if value is None or not self.incremental():
            return None
        try:
            return min(normalised(value), iso(self.limit))
        except (ValueError, TypeError, AttributeError) as error:
            msg = f"the state has {value!r} as its bookmark, which is not a time"
            raise StreamFault(msg) from error

    def store(self, value: str | None) -> None:
        """The next run begins here; None changes nothing."""
        if value is not None and self.incremental():
            self.state.update(replication_key=self.cursor, replication_key_value=value)
