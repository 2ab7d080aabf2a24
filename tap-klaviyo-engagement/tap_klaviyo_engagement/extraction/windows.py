"""Windows of time, and how a long one is divided. Nothing here does I/O.

How many pages a window still has is estimated from the times on the pages read so far. A wrong estimate costs
requests and no rows: the parts always cover the window exactly.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tap_klaviyo_engagement.times import iso, moment, second

PAGES_WANTED = 16
"""Pages per window: so many that its half-empty last page costs little, so few that many are read at once."""

RECENT_PAGES = 4
"""Pages of a window that tell how dense the rest of it is."""

RECENT = 4
"""Windows whose rows tell how long the next one is to be: a burst of rows and what lies around it."""

MOST_PARTS = 64
"""Parts that a window is divided into at most. The first page of each part tells how dense that part is."""

FIRST_CUT = 8
"""Pages after which a window that is no part of another is divided in any case: the rest may be denser."""

LEAST_PARTS = 16
"""Parts that it is then divided into at least; half as many where the first page tells that it is long."""

PAGES_SHARED = 6
"""Pages from which on what is left of a window is shared with workers that have nothing to read."""

LOOK_AGAIN = 32
"""Pages after which a window whose rows are in no order is looked at again, and at each doubling."""

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


@dataclass
class Sample:
    """Rows that were read of a window so far.

    Attributes:
        read: How many, and the seconds that they are all rows of.
    """

    read: tuple[int, float] = (0, 0.0)


@dataclass(eq=False)
class Extent:
    """How far a listing within a window was read, as the cursor values on its pages tell."""

    pages: int = 0
    rows: int = 0
    first: str = "~"
    """The earliest, normalised; sorts after every time before there is one."""
    last: str = ""
    """The latest."""
    before: str = ""
    """The latest on the pages before the last one."""
    ordered: bool = True
    """Whether every row so far has a time, and none is earlier than the row before it."""
    _ends: deque[str] = field(default_factory=lambda: deque(maxlen=RECENT_PAGES + 1))

    def add(self, times: Sequence[str | None], rows: int) -> None:
        """One more page.

        Args:
            times: Of its rows that lie in the window and are new.
            rows: How many it has in all.
        """
        known = [time for time in times if time is not None]
        self.ordered = self.ordered and len(known) == len(times) and known == sorted(known)
        self.ordered = self.ordered and (not known or self.last <= known[0])
        self.before = self.last
        self.first, self.last = min([self.first, *known]), max([self.last, *known])
        self.pages, self.rows = self.pages + 1, self.rows + rows
        self._ends.append(self.last)

    def rest(self, window: Window, *, now: datetime, shared: bool = False) -> tuple[Window, float] | None:
        """What is left of a window that seems to have many pages left, and the seconds that hold those wanted.

        Only where all rows so far came in order: then everything before what is left was read, and nothing is read
        twice. The rows of the last second belong to it.

        Args:
            window: What the pages are of.
            now: Until when rows are expected in a window without end.
            shared: Whether others have nothing to read: then few pages are many.
        """
        least = 2 if shared else max(PAGES_WANTED, 2)
        if not self.ordered or self.pages < least or not self._ends[0]:
            return None
        cut, end = second(moment(self.last)), second(now) if window.end is None else window.end
        if self.before >= iso(cut) or cut >= end or (window.start is not None and cut <= window.start):
            return None
        page = (moment(self.last) - moment(self._ends[0])).total_seconds() / (len(self._ends) - 1)
        left = (end - cut).total_seconds() / max(page, 0.001)
        if left <= (min(PAGES_SHARED, PAGES_WANTED) if shared else PAGES_WANTED):
            return None
        return Window(cut, window.end), max(page * PAGES_WANTED, 1.0)


@dataclass(eq=False)
class Outlook:
    """How long windows are to be, as the ones before tell: each is cut off only when its turn to be read comes.

    Cutting all of them at once, by the first page, took the burst of a send for the density of a month; cutting
    again what was read already reads it twice. Shared between threads.

    Args:
        rows: Wanted in a window.
        longest: Most seconds of a window, where nothing is known of what comes.
    """

    rows: int
    longest: float = math.inf
    _recent: deque[Sample] = field(default_factory=lambda: deque(maxlen=RECENT))

    def sample(self) -> Sample:
        """A place for the rows of the next window."""
        sample = Sample()
        self._recent.append(sample)
        return sample

    def next(self, rest: Window, now: datetime) -> list[Window]:
        """The next window of what is left, and what is then left: together they cover it exactly.

        Args:
            rest: What is left, with a start.
            now: Until when rows are expected in it, if it has no end; then the last window begins at `now`.

        Returns:
            Two windows; one if all that is left is best read in one.
        """
        assert rest.start is not None  # noqa: S101 - the first page lies before it
        end = second(now) if rest.end is None else rest.end
        seconds = self._seconds()
        if (end - rest.start).total_seconds() <= seconds * 1.5:
            cut = end if rest.end is None else rest.start
        else:
            cut = rest.start + timedelta(seconds=seconds)
        if cut <= rest.start:
            return [rest]
        return [Window(rest.start, cut), Window(cut, rest.end)]

    def _seconds(self) -> int:
        """Whole seconds that hold the rows wanted, at least one."""
        read = [sample.read for sample in list(self._recent)]
        rows, seconds = sum(some for some, _ in read), sum(some for _, some in read)
        return max(1, int(min(self.rows * max(seconds, 1.0) / max(rows, 1), self.longest)))


def halves(rest: Window, seconds: float, now: datetime, *, even: bool = False) -> list[Window]:
    """What is left of a window in two, of which the first is some times as long as its rows seem to want.

    A burst, such as of a send, is soon over: windows of its own length would be cut from the hours after it. If it
    is not, each of the two is divided again.

    Args:
        rest: What is left, with a start.
        seconds: Hold the rows wanted in a window, by the last rows before it.
        now: Until when rows are expected in it, if it has no end.
        even: Whether both are of one length instead: not much more than a window is left.
    """
    assert rest.start is not None  # noqa: S101 - rows were read before it
    length = ((rest.end or second(now)) - rest.start).total_seconds()
    middle = rest.start + timedelta(seconds=int(length / 2 if even else math.sqrt(seconds * length)))
    if not rest.start < middle < (rest.end or second(now)):
        return [rest]
    return [Window(rest.start, middle), Window(middle, rest.end)]


def parts(  # noqa: PLR0913
    window: Window,
    first: datetime,
    last: datetime,
    *,
    now: datetime,
    read: int = 1,
    least: int = 1,
) -> list[Window]:
    """Divide a window of which many pages are left, by the times of the rows on those that were read.

    The parts are consecutive, cover the window exactly and are at least a second long. A single one means that the
    window is best read as it is. The last part of a window without end begins at `now` and has no end: rows may
    be dated ahead, and Klaviyo may refuse a bound in the future.

    Args:
        window: What the pages are of.
        first: The earliest time on them.
        last: The latest time on them.
        now: Until when rows are expected in a window without end.
        read: How many pages were read. They are read again if it is divided, so many more must be left.
        least: How many parts there are at least; 1: it is divided only if enough pages are left.
    """
    cut = second(last) + _SECOND  # the rest of a second shared by many rows stays with it
    end = second(now) if window.end is None else window.end
    if not first <= last or cut >= end or (window.start is not None and cut <= window.start):
        return [window]
    # The mean over all pages: on a single page, a burst of rows would look like the usual density.
    left = read * ((end - cut) / max(cut - max(second(first), window.start or first), _SECOND))
    if least == 1 and left <= max(2 * PAGES_WANTED, 8 * read if read > 1 else 0):
        return [window]
    count = min(max(math.ceil(left / PAGES_WANTED), least), MOST_PARTS, int((end - cut) / _SECOND))
    span = (end - cut) // count
    edges = [cut + span * index // _SECOND * _SECOND for index in range(count)]
    if window.end is None:
        edges.append(end)
    starts: Sequence[datetime | None] = [window.start, *edges]
    return [Window(start, stop) for start, stop in zip(starts, [*edges, window.end], strict=True)]
