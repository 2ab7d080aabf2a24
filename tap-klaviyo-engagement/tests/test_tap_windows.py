"""Windows leave no gap, and a bookmark never passes what is safe."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tap_klaviyo_engagement.times import iso
from tap_klaviyo_engagement.windows import LONGEST_SPAN, ROWS_WANTED, Bookmark, Seen, Window, Windows

MOMENTS = st.datetimes(datetime(2012, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
ROWS = st.lists(st.integers(0, 5_000_000), min_size=1, max_size=20)


def _walk(windows: Windows, rows: list[int]) -> list[Window]:
    found = []
    for position, window in enumerate(windows):
        found.append(window)
        windows.held(rows[position % len(rows)])
        if len(found) == 5_000:  # a second each: enough seen
            break
    return found


@given(start=MOMENTS, now=MOMENTS, rows=ROWS)
def test_windows_are_half_open_on_whole_seconds_without_gap_or_overlap(
    start: datetime, now: datetime, rows: list[int]
) -> None:
    windows = _walk(Windows(start, start, now), rows)
    assert windows[0].start is not None
    assert timedelta() <= start - windows[0].start < timedelta(seconds=1)
    for one, next_one in pairwise(windows):
        assert one.end == next_one.start
    for window in windows:
        assert window.start is not None
        assert window.start.microsecond == 0
        if window.end is not None:
            assert timedelta(seconds=1) <= window.end - window.start <= LONGEST_SPAN
            assert window.end < now
    if len(windows) < 5_000:
        assert windows[-1].end is None
    assert all(window.end is not None for window in windows[:-1])


@given(begin=MOMENTS, now=MOMENTS)
def test_without_a_start_the_first_window_takes_everything_before_it(begin: datetime, now: datetime) -> None:
    windows = _walk(Windows(None, begin, now), [0])
    assert windows[0].start is None
    assert [window.start for window in windows[1:]] == [window.end for window in windows[:-1]]


def test_what_changed_within_a_day_is_one_window_without_end() -> None:
    now = datetime(2026, 9, 4, 13, 38, tzinfo=UTC)
    start = now - timedelta(hours=1)
    assert list(Windows(start, start, now)) == [Window(start)]


def test_a_window_is_sized_by_the_one_before() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    windows = Windows(start, start, start + timedelta(days=365))
    next(windows)
    windows.held(0)
    assert _length(next(windows)) == timedelta(days=4)
    windows.held(20 * ROWS_WANTED)
    assert _length(next(windows)) == timedelta(days=0.2)


def _length(window: Window) -> timedelta:
    assert window.start is not None
    assert window.end is not None
    return window.end - window.start


@given(before=st.none() | MOMENTS, limit=MOMENTS, rows=st.lists(MOMENTS))
def test_a_bookmark_is_the_greatest_safe_cursor_emitted(
    before: datetime | None, limit: datetime, rows: list[datetime]
) -> None:
    bookmark = Bookmark(iso(before) if before else None, iso(limit))
    begun = bookmark.value
    for row in rows:
        bookmark.saw(iso(row))
    assert bookmark.value == begun, "an incomplete window moves nothing"
    bookmark.complete()
    safe = [row for row in rows if row <= limit] + ([min(before, limit)] if before else [])
    assert bookmark.value == (iso(max(safe)) if safe else None)


def test_rows_without_a_cursor_move_no_bookmark() -> None:
    bookmark = Bookmark(None, "2026-09-04T13:38:55+00:00")
    bookmark.saw(None)
    bookmark.complete()
    assert bookmark.value is None


def test_rows_are_remembered_over_one_edge() -> None:
    seen = Seen()
    assert seen.is_new("a")
    assert not seen.is_new("a")
    seen.turn()
    assert not seen.is_new("a"), "the window before still counts"
    assert seen.is_new("b")
    seen.turn()
    seen.turn()
    assert seen.is_new("a"), "memory does not grow with the stream"
