"""Which days of a report are read, in which order, and how many requests a day may be made for that.

Nothing here does I/O. A day is a date in the account's time zone. Today is never read, since it is not over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pendulum

_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)


def bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """The first and the last moment of a day in a time zone, to the microsecond.

    Where a change of clocks makes midnight come twice, the day begins with the first one; where it makes the hour
    before midnight come twice, the day ends with the second one; where midnight is left out, the day begins with
    what follows it.

    Raises:
        ValueError: there is no such zone.
    """
    start = pendulum.datetime(day.year, day.month, day.day, tz=zone, fold=0)
    if start.date() < day:
        start = pendulum.datetime(day.year, day.month, day.day, tz=zone, fold=1)
    return start, pendulum.datetime(day.year, day.month, day.day, 23, 59, 59, 999_999, tz=zone, fold=1)


def hours_of(labels: Sequence[datetime], first: date, zone: str) -> list[tuple[date | None, datetime]]:
    """When the hours of a series begin, each with its day in a time zone; without one if no clock shows it.

    Klaviyo writes what the account's clocks show and calls it UTC (recorded: a series of days in Copenhagen begins
    at midnight, UTC). Labels that begin with the moment that was asked for are taken for what they say.

    Args:
        labels: As Klaviyo gives them, in UTC.
        first: The first day that was asked for.
        zone: The time zone.

    Raises:
        ValueError: they begin on another day.
    """
    if not labels:
        return []
    zoned = pendulum.timezone(zone)
    if labels[0] == bounds(first, zone)[0]:
        return [(each.astimezone(zoned).date(), each) for each in labels]
    if labels[0].date() != first:
        msg = f"a series that begins with {labels[0]}, asked for from {first} on"
        raise ValueError(msg)
    found: list[tuple[date | None, datetime]] = []
    shown: Counter[datetime] = Counter()
    for each in labels:
        begins = each.replace(tzinfo=zoned, fold=min(shown[each], 1)).astimezone(UTC)
        shown[each] += 1
        exists = begins.astimezone(zoned).replace(tzinfo=UTC, fold=0) == each
        found.append((each.date() if exists else None, begins))
    return found


@dataclass(frozen=True)
class ReportPlan:
    """What a run wants read.

    Args:
        today: The account's date.
        first: The oldest day wanted.
        lookback: Days before `today` whose values may still change: they are read anew once a day.
    """

    today: date
    first: date
    lookback: timedelta

    @property
    def horizon(self) -> date:
        """The oldest day whose values may still change."""
        return self.today - self.lookback


@dataclass
class DaysRead:
    """Which days were read so far.

    Args:
        oldest: The days from this one to `newest` were read after their lookback was over: they are final.
        newest: See `oldest`.
        on: The day of the last run.
        down_to: The run of that day read all days from the newest down to this one.
    """

    oldest: date | None = None
    newest: date | None = None
    on: date | None = None
    down_to: date | None = None

    @property
    def earliest(self) -> date | None:
        """The oldest day that is known to have been read."""
        return self.oldest or self.down_to

    def due(self, plan: ReportPlan) -> list[date]:
        """The days to read, in order.

        First those that may still change, newest first; then those that became final since the last run, oldest
        first; then those that were never read, newest first.
        """
        again = self.down_to if self.on == plan.today and self.down_to else plan.today
        settled = plan.horizon - _DAY  # the newest day that is read for the last time
        if self.oldest is None or self.newest is None or self.newest < plan.first - _DAY:
            rest = _backwards(settled, plan.first)
        else:
            since = _backwards(settled, max(self.newest + _DAY, plan.first))
            rest = [*reversed(since), *_backwards(self.oldest - _DAY, plan.first)]
        return [*_backwards(again - _DAY, max(plan.horizon, plan.first)), *rest]

    def add(self, day: date, plan: ReportPlan) -> None:
        """A day was read, in the order of `due`."""
        if day >= plan.horizon:
            self.on, self.down_to = plan.today, day
        elif self.oldest is None or self.newest is None or self.newest < plan.first - _DAY:
            self.oldest = self.newest = day
        else:
            self.oldest, self.newest = min(self.oldest, day), max(self.newest, day)

    def dump(self) -> dict[str, str]:
        """As JSON."""
        return {name: day.isoformat() for name, day in vars(self).items() if day is not None}

    @classmethod
    def load(cls, dumped: dict[str, Any]) -> DaysRead:
        """From JSON, which may hold more.

        Raises:
            ValueError: a day is none.
            TypeError: likewise.
        """
        return cls(**{name: date.fromisoformat(dumped[name]) for name in vars(cls()) if name in dumped})


def spans(days: Sequence[date], longest: int) -> Iterator[list[date]]:
    """Days in their order, in runs of consecutive ones, forwards or backwards, of at most `longest`."""
    span: list[date] = []
    for day in days:
        step = day - span[-1] if span else _DAY
        if span and (len(span) == longest or abs(step) != _DAY or (len(span) > 1 and step != span[1] - span[0])):
            yield span
            span = []
        span.append(day)
    if span:
        yield span


def _backwards(newest: date, oldest: date) -> list[date]:
    return [newest - _DAY * count for count in range((newest - oldest).days + 1)]


class DailyQuota:
    """How many requests may be made in 24 hours, whichever run made those before.

    Args:
        most: How many any 24 hours may hold.
        made: When requests were made, in seconds since 1970; the last `most` of them are kept.
    """

    def __init__(self, most: int, made: Sequence[int]) -> None:
        self.made = sorted(made)[-most:]
        self._most = most

    def take(self, now: datetime, patience: float) -> float | None:
        """Take the next place: how many seconds to wait for it, or None if they are more than `patience`."""
        moment = int(now.timestamp())
        self.made = [each for each in self.made if each <= moment + patience]  # later ones: a clock was ahead
        if len(self.made) == self._most:
            moment = max(moment, self.made[0] + _DAY // _SECOND)
        wait = moment - int(now.timestamp())
        if wait > patience:
            return None
        self.made = [*self.made, moment][-self._most :]
        return wait
