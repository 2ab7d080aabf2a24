"""Days of a report: where they begin and end, which are due, and how many requests a day has."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_klaviyo_engagement.stream_kinds.report_days import (
    DailyQuota,
    DaysRead,
    ReportPlan,
    bounds,
    hours_of,
    spans,
)

DAY = timedelta(days=1)
TODAY = date(2026, 11, 2)
WEEK = timedelta(days=7)


def _plan(today: date = TODAY, first: date = date(2026, 9, 1), lookback: timedelta = WEEK) -> ReportPlan:
    return ReportPlan(today, first, lookback)


def _days(first: date, last: date) -> list[date]:
    return [first + DAY * number for number in range((last - first).days + 1)]


# Where a day begins and ends


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Copenhagen", date(2026, 7, 1), 24),
        ("Europe/Copenhagen", date(2026, 3, 29), 23),
        ("Europe/Copenhagen", date(2026, 10, 25), 25),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        pytest.param("America/Havana", date(2026, 11, 1), 25, id="midnight comes twice"),
        pytest.param("America/Sao_Paulo", date(2018, 2, 17), 25, id="the hour before midnight comes twice"),
        pytest.param("America/Sao_Paulo", date(2018, 11, 4), 23, id="midnight is left out"),
        pytest.param("Africa/Cairo", date(2026, 4, 24), 23, id="midnight is left out, in the north"),
    ],
)
def test_a_day_is_as_long_as_its_clocks_make_it(zone: str, day: date, hours: float) -> None:
    start, end = bounds(day, zone)
    assert end - start == timedelta(hours=hours) - timedelta(microseconds=1)


@given(
    zone=st.sampled_from(["Europe/Copenhagen", "US/Pacific", "Asia/Kathmandu", "Africa/Cairo", "America/Havana"]),
    day=st.dates(min_value=date(2020, 1, 1), max_value=date(2035, 1, 1)),
)
def test_every_second_lies_in_one_day_by_the_instant_and_by_the_clock_on_the_wall(zone: str, day: date) -> None:
    """Whether the offset is ignored or not, and whether the end belongs to the time frame or not."""
    (_, before), (start, end) = bounds(day, zone), bounds(day + DAY, zone)
    assert start - before == timedelta(microseconds=1)
    for moment in (before, start, end):
        assert moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == moment.replace(tzinfo=None)
    assert (before.date(), start.date(), end.date()) == (day, day + DAY, day + DAY)


def test_an_unknown_zone_is_an_error() -> None:
    with pytest.raises(ValueError, match="Nowhere"):
        bounds(TODAY, "Nowhere/Else")


# Which days are due


def test_the_first_run_goes_backwards_from_yesterday() -> None:
    assert DaysRead().due(_plan(first=date(2026, 10, 20))) == _days(date(2026, 10, 20), TODAY - DAY)[::-1]


def test_what_was_read_today_is_not_read_again_today_but_tomorrow() -> None:
    days_read, plan = DaysRead(), _plan()
    for day in days_read.due(plan):
        days_read.add(day, plan)
    assert days_read.due(plan) == []
    tomorrow = _plan(TODAY + DAY)
    again = [TODAY - DAY * number for number in range(7)]
    settled = TODAY - WEEK
    assert days_read.due(tomorrow) == [*again, settled]


def test_a_day_that_was_read_young_is_read_once_more_after_a_long_pause() -> None:
    days_read, plan = DaysRead(), _plan()
    for day in days_read.due(plan):
        days_read.add(day, plan)
    later = _plan(TODAY + DAY * 40)
    assert set(_days(TODAY - WEEK, TODAY + DAY * 39)) == set(days_read.due(later))


def test_a_start_further_back_is_days_readed_and_a_later_one_leaves_no_hole() -> None:
    days_read, plan = DaysRead(), _plan(first=date(2026, 10, 1))
    for day in days_read.due(plan):
        days_read.add(day, plan)
    assert days_read.due(_plan(first=date(2026, 9, 28))) == [date(2026, 9, day) for day in (30, 29, 28)]
    far = _plan(TODAY + DAY * 60, first=TODAY + DAY * 30)
    assert min(days_read.due(far)) == TODAY + DAY * 30
    for day in days_read.due(far):
        days_read.add(day, far)
    assert days_read.oldest == TODAY + DAY * 30


@settings(max_examples=60, deadline=None)
@given(
    lookback=st.integers(0, 12),
    steps=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 15)), min_size=1, max_size=15),
)
def test_whatever_is_cut_short_every_day_is_read_and_once_when_it_no_longer_changes(
    lookback: int, steps: list[tuple[int, int]]
) -> None:
    """Runs some days apart, each cut off after some days of the report; the state goes through JSON in between."""
    first, today, dumped = date(2026, 9, 20), TODAY, DaysRead().dump()
    settled: list[date] = []
    read: set[date] = set()
    for pause, most in [*steps, (0, 10_000)]:
        today += DAY * pause
        plan = _plan(today, first, timedelta(days=lookback))
        days_read = DaysRead.load(dumped)
        for day in days_read.due(plan)[:most]:
            assert first <= day < today
            days_read.add(day, plan)
            read.add(day)
            settled += [day] * (day < plan.horizon)
        dumped = days_read.dump()
    assert read == set(_days(first, today - DAY))
    assert sorted(settled) == _days(first, today - timedelta(days=lookback + 1))


# How many requests a day has


@given(
    most=st.integers(1, 7),
    pauses=st.lists(st.integers(0, 40_000), min_size=30, max_size=60),
    patience=st.integers(0, 30_000),
)
def test_any_day_holds_no_more_requests_than_allowed(most: int, pauses: list[int], patience: int) -> None:
    now, made, taken = datetime(2026, 11, 2, tzinfo=UTC), list[int](), list[datetime]()
    for pause in pauses:
        now += timedelta(seconds=pause)
        allowance = DailyQuota(most, made)  # another process
        wait = allowance.take(now, patience)
        if wait is not None:
            assert 0 <= wait <= patience
            now += timedelta(seconds=wait)
            taken.append(now)
        else:
            assert now - taken[-most] < DAY - timedelta(seconds=patience)
        made = allowance.made
        assert len(made) <= most
    assert all(later - earlier >= DAY for earlier, later in zip(taken, taken[most:], strict=False))


def test_a_schedule_that_is_a_second_early_does_not_lose_a_day() -> None:
    begin = datetime(2026, 11, 2, 3, tzinfo=UTC)
    made = [int(begin.timestamp()) + 30 * number for number in range(3)]
    allowance = DailyQuota(3, made)
    assert allowance.take(begin + DAY - timedelta(seconds=1), patience=600) == 1
    assert allowance.take(begin + DAY, patience=600) == 30
    assert DailyQuota(3, made).take(begin + timedelta(hours=1), patience=600) is None


def test_requests_that_a_clock_ahead_wrote_down_do_not_count() -> None:
    now = datetime(2026, 11, 2, tzinfo=UTC)
    allowance = DailyQuota(1, [int((now + DAY * 400).timestamp())])
    assert allowance.take(now, patience=600) == 0
    assert allowance.made == [int(now.timestamp())]


# Several days in one question, by the hour


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param([5], [[5]], id="one"),
        pytest.param([9, 8, 7, 6], [[9, 8, 7], [6]], id="backwards"),
        pytest.param([1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]], id="forwards"),
        pytest.param([9, 8, 2, 3, 4, 1], [[9, 8], [2, 3, 4], [1]], id="as they are due"),
        pytest.param([2, 3, 2], [[2, 3], [2]], id="it turns"),
    ],
)
def test_days_are_asked_for_together_where_one_follows_the_other(
    days: list[int], expected: list[list[int]]
) -> None:
    found = list(spans([date(2026, 11, day) for day in days], 3))
    assert [[day.day for day in span] for span in found] == expected


def _utc(at: datetime) -> datetime:
    return datetime.fromisoformat(at.isoformat()).astimezone(UTC)


def _wall(zone: str, first: date, days: int) -> list[datetime]:
    """Every hour of some days, as the clocks of a zone show it, called UTC: as Klaviyo does."""
    at, end = _utc(bounds(first, zone)[0]), _utc(bounds(first + timedelta(days=days - 1), zone)[1])
    found = []
    while at <= end:
        found.append(at.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC, fold=0))
        at += timedelta(hours=1)
    return found


@pytest.mark.parametrize(
    ("zone", "first", "number"),
    [
        ("Europe/Copenhagen", date(2026, 7, 1), 48),
        ("Europe/Copenhagen", date(2026, 3, 28), 47),
        ("Europe/Copenhagen", date(2026, 10, 24), 49),
        ("US/Eastern", date(2026, 11, 1), 49),
        ("Asia/Kolkata", date(2026, 1, 1), 48),
        ("America/Santiago", date(2026, 9, 5), 47),
        ("UTC", date(2026, 1, 1), 48),
    ],
)
def test_each_hour_is_one_of_its_own_with_the_day_of_the_account(zone: str, first: date, number: int) -> None:
    found = hours_of(_wall(zone, first, 2), first, zone)
    begins = [each for _, each in found]
    assert len(begins) == len(set(begins)) == number
    assert {later - each for each, later in pairwise(begins)} == {timedelta(hours=1)}
    assert begins[0] == bounds(first, zone)[0]
    assert [day for day, _ in found] == [each.astimezone(ZoneInfo(zone)).date() for each in begins]


def test_hours_that_are_told_as_they_are_stay_what_they_are() -> None:
    start = _utc(bounds(date(2026, 7, 1), "US/Eastern")[0])
    labels = [start + timedelta(hours=place) for place in range(25)]
    found = hours_of(labels, date(2026, 7, 1), "US/Eastern")
    assert [each for _, each in found] == labels
    assert [day for day, _ in found] == [date(2026, 7, 1)] * 24 + [date(2026, 7, 2)]


def test_an_hour_that_no_clock_shows_has_no_day() -> None:
    labels = [datetime(2026, 3, 29, hour, tzinfo=UTC) for hour in range(5)]
    found = hours_of(labels, date(2026, 3, 29), "Europe/Copenhagen")
    assert [day is None for day, _ in found] == [False, False, True, False, False]


def test_no_hours_are_none_and_those_of_another_day_are_refused() -> None:
    assert hours_of([], date(2026, 7, 1), "UTC") == []
    with pytest.raises(ValueError, match="asked for from 2026-07-01 on"):
        hours_of([datetime(2026, 6, 1, tzinfo=UTC)], date(2026, 7, 1), "UTC")
