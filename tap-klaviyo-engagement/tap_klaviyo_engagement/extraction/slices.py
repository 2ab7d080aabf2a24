"""What is read at a time: a slice of a stream, which is one listing of the API within one window of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_klaviyo_engagement.extraction.windows import Outlook, Window

if TYPE_CHECKING:
    from tap_klaviyo_engagement.extraction.record_decoder import Record

NO_BOUNDS = Window()

STEP = timedelta(days=30)
"""How much of the past is read of every listing before the bookmark moves, where a stream has several listings."""


@dataclass(frozen=True)
class Listing:
    """One of the listings that make up a stream.

    Args:
        filter: Klaviyo's filter expression, without the window's bounds.
        path: Values of the operation's path parameters.
        columns: Columns of its records that are the same in all of them and no part of the rows.
    """

    filter: str = ""
    path: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class StreamSlice:
    """One listing within one window of time. Two are never the same: one may be read again."""

    listing: Listing
    window: Window = NO_BOUNDS
    only_listing: bool = True
    """Whether no other listing is read in this window."""
    ends_window: bool = True
    """Whether everything before the end of the window is read once this slice is: the bookmark may then move."""
    whole: bool = True
    """Whether it is no part of a slice that was divided."""
    outlook: Outlook | None = None
    """Of a part: what its rows tell the parts after it."""
    uncut: bool = False
    """Whether it is what is left of a long slice: windows are cut off it, one after the other."""
    shared: Callable[[], bool] = bool
    """Whether others have nothing to read at the moment: what is left of a long slice is then better divided."""
    given: frozenset[int] = frozenset()
    """The identities of the rows that the slice it is a part of gave before it was divided."""

    def within(self, windows: Sequence[Window]) -> list[StreamSlice]:
        """The same in each of some consecutive windows, of which the last ends where its own does."""
        final = len(windows) - 1
        return [
            replace(
                self,
                window=window,
                ends_window=self.ends_window and (self.only_listing or position == final),
                whole=False,
            )
            for position, window in enumerate(windows)
        ]

    def to_be_cut(self, rest: Window, outlook: Outlook) -> StreamSlice:
        """What is left of it, which `outlook` cuts."""
        return replace(self, window=rest, whole=False, outlook=outlook, uncut=True)

    def divided(
        self, windows: Sequence[Window], given: AbstractSet[int], outlook: Outlook | None = None
    ) -> list[StreamSlice]:
        """The slice in several parts.

        Args:
            windows: Consecutive ones that cover its own.
            given: The identities of the rows that it gave; no part gives them again.
            outlook: Cuts the last of several windows further; None: all of them are read as they are.
        """
        final, before = len(windows) - 1, self.given.union(given) if given else self.given
        return [
            replace(part, outlook=outlook, uncut=outlook is not None and position == final > 0, given=before)
            for position, part in enumerate(self.within(windows))
        ]


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one slice.

    Args:
        records: What is emitted; the stream may still take some out.
        cursors: The cursor value of each row that was read, normalised; None where a row has none.
        size: Bytes that the rows came in.
    """

    records: list[Record]
    cursors: list[str | None]
    size: int = 0

    def before(self, rest: Window) -> Batch:
        """What lies before a window that is read by itself."""
        start, _ = rest.texts
        kept = [place for place, cursor in enumerate(self.cursors) if cursor is None or cursor < start]
        return Batch([self.records[place] for place in kept], [self.cursors[place] for place in kept], self.size)


def slices_of(listings: Sequence[Listing], windows: Iterable[Window]) -> Iterator[StreamSlice]:
    """Every listing within the first window, then within the next."""
    for window in windows:
        for listing in listings:
            yield StreamSlice(
                listing, window, only_listing=len(listings) == 1, ends_window=listing is listings[-1]
            )


def steps(window: Window, begin: datetime, end: datetime) -> list[Window]:
    """A window in consecutive ones of `STEP`; its rows are expected between `begin` and `end`."""
    edges = [begin + STEP * step for step in range(1, int((end - begin) / STEP) + 1)]
    return [Window(*pair) for pair in zip([window.start, *edges], [*edges, window.end], strict=True)]
