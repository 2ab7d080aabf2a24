"""How a stream is cut in time, and where its next run begins.

Nothing here does I/O. The order of the rows inside a window never matters: it is only used to guess how many there
are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tap_klaviyo_engagement.times import iso, second

PAGES_WANTED = 16
"""Pages per window: enough that its half-empty last page costs little, few enough that many windows fit a run."""

ROWS_WANTED = 8_000
"""Rows per window at most, where pages are large: all windows that are read at once are held until their turn."""

MOST_PARTS = 64
"""How many windows one becomes at a time. The first page of each tells its own density."""

UNKNOWN = 8
"""Pages after which a window that nothing is known of is cut, even though by these alone it would soon be over."""

LOOK_AGAIN = 32
"""After so many pages, and twice, four times … as many, a window is cut if it got much denser on the way."""

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Window:
    """The half-open interval [start, end) on whole seconds; None leaves that side open."""

    start: datetime | None = None
    end: datetime | None = None

    @property
    def texts(self) -> tuple[str, str]:
        """Its bounds as normalised times, which sort as moments do; empty where it is open."""
        return iso(self.start) if self.start else "", iso(self.end) if self.end else ""


def parts(  # noqa: PLR0913
    window: Window,
    first: datetime,
    last: datetime,
    *,
    now: datetime,
    read: int = 1,
    least: int = 1,
    page_size: int = 1,
) -> list[Window]:
    """Cut a window of which many pages are left, by the times of the rows on those that were read.

    The parts are consecutive, cover the window exactly and are at least a second long. A single one means that the
    window is best read on as it is. The last part of a window without end begins at `now` and has no end: rows may
    be dated ahead, and Klaviyo may refuse a bound in the future.

    Args:
        window: What the pages are of.
        first: The earliest time on them.
        last: The latest time on them.
        now: Until when rows are expected in a window without end.
        read: How many pages were read. They are read again if it is cut, so it must be worth it.
        least: Into so many parts it is cut, however few pages seem to be left; 1: if that is worth it.
        page_size: Rows of a page.
    """
    cut = second(last) + _SECOND  # the rest of a second shared by many rows stays with it
    end = second(now) if window.end is None else window.end
    if not first <= last or cut >= end or (window.start is not None and cut <= window.start):
        return [window]
    # The mean of all that was read: by a single page every burst would look like the rule.
    left = read * ((end - cut) / max(cut - max(second(first), window.start or first), _SECOND))
    wanted = max(1, min(PAGES_WANTED, ROWS_WANTED // page_size))
    if least == 1 and left <= max(2 * wanted, 8 * read if read > 1 else 0):
        return [window]
    count = min(max(math.ceil(left / wanted), least), MOST_PARTS, int((end - cut) / _SECOND))
    span = (end - cut) // count
    edges = [cut + span * index // _SECOND * _SECOND for index in range(count)]
    if window.end is None:
        edges.append(end)
    starts: Sequence[datetime | None] = [window.start, *edges]
    return [Window(start, stop) for start, stop in zip(starts, [*edges, window.end], strict=True)]
