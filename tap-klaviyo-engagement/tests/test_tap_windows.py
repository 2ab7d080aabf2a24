"""Windows are divided without gap, overlap or end."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from itertools import cycle, pairwise
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from tap_klaviyo_engagement.extraction import windows
from tap_klaviyo_engagement.extraction.windows import (
    MOST_PARTS,
    PAGES_WANTED,
    RECENT,
    Extent,
    Outlook,
    Window,
    halves,
    parts,
)
from tap_klaviyo_engagement.times import iso, second

SECOND = timedelta(seconds=1)
MOMENTS = st.datetimes(datetime(2012, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
SPANS = st.one_of(
    st.integers(0, 60), st.integers(0, 90_000), st.integers(0, 400_000_000), st.sampled_from([0, 1, 2, 25, 26])
)


@st.composite
def first_pages(draw: st.DrawFn) -> tuple[Window, datetime, datetime, datetime]:
    """A window on whole seconds, the times of the rows on its first page, and now."""
    start = draw(st.none() | MOMENTS.map(second))
    first = (start or draw(MOMENTS)) + timedelta(seconds=draw(SPANS), microseconds=draw(st.integers(0, 999_999)))
    last = first + timedelta(seconds=draw(SPANS), microseconds=draw(st.integers(0, 999_999)))
    now = second(last) + timedelta(seconds=draw(SPANS)) - timedelta(seconds=draw(SPANS))
    # A window with an end holds its rows.
    end = draw(st.none() | SPANS.map(lambda span: second(last) + timedelta(seconds=1 + span)))
    return Window(start, end), first, last, now


@settings(deadline=None)
@given(case=first_pages())
def test_parts_are_consecutive_whole_seconds_and_cover_the_window_exactly(
    case: tuple[Window, datetime, datetime, datetime],
) -> None:
    window, first, last, now = case
    found = parts(window, first, last, now=now)
    assert 1 <= len(found) <= MOST_PARTS + (2 if window.end is None else 1)
    assert (found[0].start, found[-1].end) == (window.start, window.end)
    for one, following in pairwise(found):
        assert one.end == following.start is not None
    if len(found) == 1:
        return
    for each in found:
        assert each.end is None or each.end.microsecond == 0
        assert each.start is None or each.end is None or each.end - each.start >= SECOND
    edges = [each.end for each in found[:-1] if each.end]
    assert edges[0] == second(last) + SECOND, (
        "the rows of the first page stay together, ties of the last second too"
    )
    if window.end is None:
        assert edges[-1] == second(now), "what has no end begins now: few rows are there, and no bound lies ahead"


@settings(deadline=None)
@given(case=first_pages())
def test_a_window_of_few_pages_stays_whole_and_a_long_one_does_not(
    case: tuple[Window, datetime, datetime, datetime],
) -> None:
    """How many pages there are is told by the one that was read, as if all were as dense."""
    window, first, last, now = case
    end = window.end or second(now)
    page = second(last) + SECOND - max(second(first), window.start or second(first))
    pages = (end - second(last) - SECOND) / page
    assert (len(parts(window, first, last, now=now)) > 1) == (pages > 2 * PAGES_WANTED)


@settings(deadline=None)
@given(start=MOMENTS.map(second), offset=st.integers(-1_000, 1_000), span=st.integers(1, 1_000))
def test_a_page_within_a_second_divides_after_that_second_or_not_at_all(
    start: datetime, offset: int, span: int
) -> None:
    window, at = Window(start, start + timedelta(seconds=span)), start + timedelta(seconds=offset)
    found = parts(window, at, at, now=start)
    if not 0 <= offset < span - 1 - 2 * PAGES_WANTED:
        assert found == [window]
    else:
        assert found[0] == Window(start, at + SECOND)


def test_times_out_of_order_divide_nothing() -> None:
    start = datetime(2026, 9, 1, tzinfo=UTC)
    window = Window(start, start + timedelta(days=30))
    assert parts(window, start + SECOND, start, now=start) == [window]


@settings(deadline=None)
@given(data=st.data(), open_=st.booleans(), ties=st.integers(1, 40))
def test_division_ends_and_every_row_is_in_one_window(data: st.DataObject, open_: bool, ties: int) -> None:  # noqa: FBT001
    """Reads a whole listing as the stream does: a page of 5, division, a page of each part."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    offsets = data.draw(st.lists(SPANS, min_size=1, max_size=60))
    rows = sorted(
        [begin + timedelta(seconds=offset) for offset in offsets] + [begin + timedelta(seconds=7)] * ties
    )
    now = begin + timedelta(seconds=data.draw(SPANS))
    end = None if open_ else max(rows[-1], now) + SECOND
    todo, read, steps = [Window(data.draw(st.sampled_from([None, begin])), end)], 0, 0
    while todo:
        steps += 1
        assert steps < 5_000
        window = todo.pop(0)
        low = bisect_left(rows, window.start) if window.start else 0
        high = bisect_left(rows, window.end) if window.end else len(rows)
        held = rows[low:high]
        more = parts(window, held[0], held[4], now=now) if len(held) > 5 else [window]
        if len(more) > 1:
            todo[:0] = more
        else:
            assert rows[read : read + len(held)] == held, "in order, without a gap"
            read += len(held)
    assert read == len(rows)


@settings(deadline=None)
@given(case=first_pages(), times=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_division_ends_whatever_the_pages_say(
    case: tuple[Window, datetime, datetime, datetime], times: list[tuple[float, float]]
) -> None:
    """Every part is a second shorter than what was divided, at least; the pages lie anywhere in it."""
    window, _, _, now = case
    begin, end = window.start or now - timedelta(days=1), window.end or max(now, window.start or now) + SECOND
    todo, steps = [Window(begin, end)], 0
    while todo and steps < 500:
        each = todo.pop()
        assert each.start is not None
        assert each.end is not None
        low, high = sorted(times[steps % len(times)])
        length = each.end - each.start
        found = parts(each, each.start + length * low, min(each.start + length * high, each.end), now=now)
        steps += 1
        if len(found) > 1:
            lengths = [part.end - part.start for part in found if part.start and part.end]
            assert len(lengths) == len(found)
            assert all(SECOND <= part <= length - SECOND for part in lengths)
            todo += found


@settings(deadline=None)
@given(
    open_=st.booleans(),
    span=st.integers(-10, 10**9),
    counts=st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1e12)), max_size=40),
    longest=st.floats(1, 1e12),
)
def test_windows_cut_off_one_after_the_other_cover_what_is_left_exactly(
    open_: bool,  # noqa: FBT001
    span: int,
    counts: list[tuple[int, float]],
    longest: float,
) -> None:
    start = datetime(2012, 1, 1, tzinfo=UTC)
    now = start + timedelta(seconds=span)
    outlook = Outlook(10_000, longest)
    rest, given, told = Window(start, None if open_ else max(now, start + SECOND)), list[Window](), iter(counts)
    for _ in range(200):
        found = outlook.next(rest, now)
        assert (found[0].start, found[-1].end) == (rest.start, rest.end)
        if len(found) == 1:
            break
        window, rest = found
        assert window.start is not None
        assert window.end is not None
        assert window.end == rest.start
        assert window.end.microsecond == 0
        assert window.end - window.start >= SECOND
        given.append(window)
        outlook.sample().read = next(told, (0, 0.0))
    if open_ and given:
        assert rest.start is not None
        assert rest.start <= max(now, start)


def test_a_window_is_as_long_as_the_ones_before_tell() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rest, outlook = Window(start, start + timedelta(days=300)), Outlook(10_000)
    outlook.sample().read = (1_000, 86_400.0)
    assert outlook.next(rest, start)[0] == Window(start, start + timedelta(days=10))
    outlook.sample().read = (3_000, 86_400.0)
    assert outlook.next(rest, start)[0] == Window(start, start + timedelta(days=5))
    for _ in range(RECENT):
        outlook.sample().read = (100, 86_400.0)
    assert outlook.next(rest, start)[0].end == start + timedelta(days=100), "older ones no longer count"
    outlook.longest = 86_400.0
    assert outlook.next(rest, start)[0].end == start + timedelta(days=1)


def test_what_is_left_is_not_cut_for_half_a_window() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    now, outlook = start + timedelta(days=14), Outlook(10_000)
    outlook.sample().read = (1_000, 86_400.0)
    assert outlook.next(Window(start, now), now) == [Window(start, now)]
    assert outlook.next(Window(start), now) == [Window(start, now), Window(now)], "what has no end begins now"
    assert outlook.next(Window(now), now) == [Window(now)]


@settings(deadline=None)
@given(
    offsets=st.lists(st.tuples(SPANS, st.sampled_from([0, 0, 250_000])), min_size=1, max_size=80),
    ties=st.integers(0, 30),
    size=st.integers(1, 5),
    pages=st.integers(1, 4),
    shared=st.lists(st.booleans(), min_size=1),
    open_=st.booleans(),
    ahead=st.integers(-100, 100),
)
def test_what_is_left_of_a_window_is_read_once_and_in_order(  # noqa: PLR0913, PLR0917 - a listing
    offsets: list[tuple[int, int]],
    ties: int,
    size: int,
    pages: int,
    shared: list[bool],
    open_: bool,  # noqa: FBT001
    ahead: int,
) -> None:
    """Reads a whole listing as a stream does: what is left is read by others, and not what was read before."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    rows = sorted(
        begin + timedelta(seconds=some, microseconds=more) for some, more in [*offsets, *[(7, 0)] * ties]
    )
    now = rows[-1] + timedelta(seconds=ahead)
    todo, read = [Window(begin, None if open_ else max(rows[-1], now) + SECOND)], 0
    idle = cycle(shared)
    with mock.patch.multiple(windows, PAGES_WANTED=pages, PAGES_SHARED=1):
        while todo:
            window = todo.pop(0)
            low = bisect_left(rows, window.start) if window.start else 0
            high = bisect_left(rows, window.end) if window.end else len(rows)
            extent, given = Extent(), rows[low:low]
            for place in range(low, high, size):
                page = rows[place : min(place + size, high)]
                extent.add([iso(row) for row in page], len(page))
                even = next(idle)
                found = extent.rest(window, now=now, shared=even) if place + size < high else None
                given += page
                if found:
                    rest, seconds = found
                    assert rest.start is not None
                    given = [row for row in given if row < rest.start]
                    more = halves(rest, seconds, now, even=even)
                    assert (more[0].start, more[-1].end) == (rest.start, window.end)
                    assert all(one.end == following.start for one, following in pairwise(more))
                    todo[:0] = more
                    break
            assert rows[read : read + len(given)] == given, "in order, without a gap"
            read += len(given)
    assert read == len(rows)


def test_few_pages_are_left_to_others_only_if_they_have_nothing_to_read_and_then_in_halves() -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    hour, extent = timedelta(hours=1), Extent()
    window = Window(begin, begin + 10 * hour)
    for page in (1, 2):
        assert not extent.rest(window, now=begin, shared=True), "a page tells too little"
        extent.add([iso(begin + (page - 1) * hour), iso(begin + page * hour)], 2)
    assert not extent.rest(window, now=begin)
    found = extent.rest(window, now=begin, shared=True)
    assert found
    assert halves(*found, begin, even=True) == [
        Window(begin + 2 * hour, begin + 6 * hour),
        Window(begin + 6 * hour, begin + 10 * hour),
    ]
    assert not extent.rest(Window(begin, begin + 8 * hour), now=begin, shared=True), "each part may cost a page"


@settings(deadline=None)
@given(data=st.data(), size=st.integers(1, 5))
def test_a_window_whose_rows_are_in_no_order_is_not_taken_for_read(data: st.DataObject, size: int) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    rows: list[str | None] = [iso(begin + timedelta(seconds=second)) for second in range(100)]
    place = data.draw(st.integers(1, len(rows) - 1))
    wrong = data.draw(st.none() | st.integers(0, place - 1).map(rows.__getitem__))
    rows[place] = None if wrong is None else iso(begin - SECOND)
    extent = Extent()
    for start in range(0, len(rows), size):
        extent.add(rows[start : start + size], size)
        found = extent.rest(Window(begin, begin + timedelta(days=1)), now=begin, shared=data.draw(st.booleans()))
        assert not found or start + size <= place


def test_a_second_that_fills_pages_is_not_divided() -> None:
    """Its rows would be read again, by each of those that begin with it."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    window, extent = Window(begin, begin + timedelta(days=1)), Extent()
    for offset in (0, 60, *[90] * 20):
        extent.add([iso(begin + timedelta(seconds=offset))] * 10, 10)
        last = extent.rest(window, now=begin)
    assert last is None
    extent.add([iso(begin + timedelta(seconds=91))] * 10, 10)
    found = extent.rest(window, now=begin)
    assert found
    assert found[0] == Window(begin + timedelta(seconds=91), window.end)
