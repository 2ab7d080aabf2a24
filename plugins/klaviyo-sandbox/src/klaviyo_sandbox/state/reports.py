"""Reports on messages: what was sent in a span of time, or in each interval of it, and all that came of it since.

Klaviyo's reports go by the date of sending: an open counts where the mail that was opened was sent, whenever it
comes. So what is learned late changes the values of earlier days.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from klaviyo_sandbox.model import metric_names
from klaviyo_sandbox.model.errors import refuse
from klaviyo_sandbox.state.aggregates import Range, a_year_after, amount, properties_of, starts

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Json
    from klaviyo_sandbox.protocol.bodies import Timeframe
    from klaviyo_sandbox.state.store import Store

ATTRIBUTED_WITHIN = 5 * 86_400
"""A conversion belongs to the last message that the person, and no machine, opened or clicked in this many seconds
before it: Klaviyo's default for e-mail, here for every channel."""

_AT = "/data/attributes/timeframe"
_ROLES: Mapping[str, tuple[str, str]] = {
    metric_names.RECEIVED: ("email", "delivered"),
    metric_names.BOUNCED: ("email", "bounced"),
    metric_names.OPENED: ("email", "opens"),
    metric_names.CLICKED: ("email", "clicks"),
    metric_names.SPAM: ("email", "spam_complaints"),
    metric_names.UNSUBSCRIBED: ("email", "unsubscribes"),
    metric_names.OLD_SMS: ("sms", "delivered"),
    metric_names.NEW_SMS: ("sms", "delivered"),
    metric_names.OLD_SMS_FAILED: ("sms", "failed"),
    metric_names.NEW_SMS_FAILED: ("sms", "failed"),
    metric_names.OLD_SMS_CLICKED: ("sms", "clicks"),
    metric_names.NEW_SMS_CLICKED: ("sms", "clicks"),
    metric_names.PUSH: ("push-notification", "delivered"),
    metric_names.PUSH_BOUNCED: ("push-notification", "bounced"),
    metric_names.PUSH_OPENED: ("push-notification", "opens"),
}
"""Klaviyo's own metrics: the channel, and what an event of them is. Machines' opens and clicks are among them."""

TOUCHES = tuple(name for name, (_, what) in _ROLES.items() if what in {"opens", "clicks"})
"""Metrics whose events a conversion may be credited to."""

_SENDS = {"delivered", "bounced", "failed"}
_COUNTED_ONCE = {"spam_complaints"} | _SENDS  # by recipient


class Message(NamedTuple):
    """What a row of a report is about; `flow_id` is None for a campaign's message."""

    message_id: str
    flow_id: str | None
    channel: str


class Values(Struct):
    """How often, and to how many people, everything happened to one message."""

    counts: defaultdict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))
    people: defaultdict[str, set[str | None]] = msgspec.field(default_factory=lambda: defaultdict(set))
    conversion_value: float = 0.0
    name: str | None = None
    """The message's, as its events have it."""

    def note(self, what: str, profile_id: str | None) -> None:
        """Count an event."""
        self.counts[what] += 1
        self.people[what].add(profile_id)

    def number(self, what: str) -> float:
        """How often something happened; to how many, where a recipient counts once."""
        return float(len(self.people[what]) if what in _COUNTED_ONCE else self.counts[what])

    def unique(self, what: str) -> float:
        """How many did something."""
        return float(len(self.people[what]))

    @property
    def recipients(self) -> float:
        """Whom it was sent to, delivered or not."""
        return float(len(set().union(*(self.people[what] for what in _SENDS))))


def _share(part: Callable[[Values], float], whole: Callable[[Values], float]) -> Callable[[Values], float]:
    def share(values: Values) -> float:
        base = whole(values)
        return part(values) / base if base else 0.0

    return share


def _number(what: str) -> Callable[[Values], float]:
    return lambda values: values.number(what)


def _unique(what: str) -> Callable[[Values], float]:
    return lambda values: values.unique(what)


def _undelivered(values: Values) -> float:
    return values.number("bounced") + values.number("failed")


def _revenue(values: Values) -> float:
    return round(values.conversion_value, 2)


def _recipients(values: Values) -> float:
    return values.recipients


def _nothing(_: Values) -> float:
    """No text message of the sandbox has a price."""
    return 0.0


_DELIVERED = _number("delivered")

STATISTICS: Mapping[str, Callable[[Values], float]] = {
    "average_order_value": _share(_revenue, _number("conversions")),
    "bounce_rate": _share(_number("bounced"), _recipients),
    "bounced": _number("bounced"),
    "bounced_or_failed": _undelivered,
    "bounced_or_failed_rate": _share(_undelivered, _recipients),
    "click_rate": _share(_unique("clicks"), _DELIVERED),
    "click_to_open_rate": _share(_unique("clicks"), _unique("opens")),
    "clicks": _number("clicks"),
    "clicks_unique": _unique("clicks"),
    "conversion_rate": _share(_unique("conversions"), _DELIVERED),
    "conversion_uniques": _unique("conversions"),
    "conversion_value": _revenue,
    "conversions": _number("conversions"),
    "delivered": _DELIVERED,
    "delivery_rate": _share(_DELIVERED, _recipients),
    "failed": _number("failed"),
    "failed_rate": _share(_number("failed"), _recipients),
    "message_segment_count_sum": _nothing,
    "open_rate": _share(_unique("opens"), _DELIVERED),
    "opens": _number("opens"),
    "opens_unique": _unique("opens"),
    "recipients": _recipients,
    "revenue_per_recipient": _share(_revenue, _DELIVERED),
    "spam_complaint_rate": _share(_number("spam_complaints"), _DELIVERED),
    "spam_complaints": _number("spam_complaints"),
    "text_message_credit_usage_amount": _nothing,
    "text_message_roi": _nothing,
    "text_message_spend": _nothing,
    "unsubscribe_rate": _share(_unique("unsubscribes"), _DELIVERED),
    "unsubscribe_uniques": _unique("unsubscribes"),
    "unsubscribes": _number("unsubscribes"),
}


class _Event(NamedTuple):
    at: int
    profile_id: str | None
    message: Message
    what: str
    by_machine: bool
    name: str | None


def span(timeframe: Timeframe, now: datetime, zone: ZoneInfo) -> Range:
    """The time that a timeframe means at `now` for an account in `zone`.

    Raises:
        Refusal: it is neither a key nor a start and an end of at most a year.
    """
    custom = (timeframe.start, timeframe.end)
    if timeframe.key is not None:
        if custom != (None, None):
            refuse("A timeframe has a key, or a start and an end.", pointer=_AT)
        first, last = _days(timeframe.key, now.astimezone(zone).date())
        return Range(_midnight(first, zone), _midnight(last, zone))
    start, end = (_moment(text, name, zone) for text, name in zip(custom, ("start", "end"), strict=True))
    if start >= end:
        refuse("The start of a timeframe must be before its end.", pointer=_AT)
    if end > a_year_after(start):
        refuse("A timeframe can be one year at most.", pointer=_AT)
    return Range(start, end)


_LONGEST: Mapping[str, timedelta] = {
    "hourly": timedelta(days=7),
    "daily": timedelta(days=60),
    "monthly": timedelta(weeks=52),
}
_STEPS: Mapping[str, str] = {"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month"}


def intervals(within: Range, interval: str, zone: ZoneInfo) -> list[Range]:
    """The intervals of a span, the first and the last of which may be cut.

    Raises:
        Refusal: the span is longer than Klaviyo allows with this interval.
    """
    longest = _LONGEST.get(interval)
    if longest is not None and within.end - within.start > longest:  # by the clock on the wall: both have one zone
        refuse(f"With the interval {interval} a timeframe can be {longest.days} days at most.", pointer=_AT)
    begins = starts(within, _STEPS[interval], zone)
    return [Range(*each) for each in pairwise((*begins, within.end))]


def _moment(text: str | None, name: str, zone: ZoneInfo) -> datetime:
    """The wall clock's time in a text, in the account's zone: the offset must be there and means nothing."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        refuse(f"'{text}' is not a datetime with an offset.", pointer=f"{_AT}/{name}")
    return moment.replace(tzinfo=zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _days(key: str, today: date) -> tuple[date, date]:
    """First day and the day after the last one. Which days a key means is the sandbox's reading.

    `last_<n>_days` end with today; weeks begin on Monday; `last_week`, `last_month`, `last_3_months` and so on are
    whole ones that are over.
    """
    yesterday, tomorrow = today - timedelta(days=1), today + timedelta(days=1)
    monday, first = today - timedelta(days=today.weekday()), today.replace(day=1)
    new_year = first.replace(month=1)
    return {
        "today": (today, tomorrow),
        "yesterday": (yesterday, today),
        "last_7_days": (tomorrow - timedelta(days=7), tomorrow),
        "last_30_days": (tomorrow - timedelta(days=30), tomorrow),
        "last_90_days": (tomorrow - timedelta(days=90), tomorrow),
        "last_365_days": (tomorrow - timedelta(days=365), tomorrow),
        "this_week": (monday, tomorrow),
        "last_week": (monday - timedelta(days=7), monday),
        "this_month": (first, tomorrow),
        "last_month": (_months_before(first, 1), first),
        "last_3_months": (_months_before(first, 3), first),
        "last_12_months": (_months_before(first, 12), first),
        "this_year": (new_year, tomorrow),
        "last_year": (new_year.replace(year=today.year - 1), new_year),
    }[key]


def _months_before(day: date, months: int) -> date:
    """The first of the month so many months earlier."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, 1)


def series(
    store: Store, within: Range, begins: Sequence[datetime], conversion_metric_id: str
) -> dict[Message, list[Values]]:
    """What came of every message of which something was sent within a span, by the interval in which it was sent.

    Args:
        store: the account's data.
        within: the span.
        begins: when its intervals do, of which the first may lie before it.
        conversion_metric_id: whose events are conversions.
    """
    moments = [each.timestamp() for each in begins]
    first, last = within.start.timestamp(), within.end.timestamp()
    events = sorted(_events(store, first), key=lambda event: event.at)
    sent: defaultdict[tuple[Message, str | None], list[int]] = defaultdict(list)
    touched: defaultdict[str | None, list[_Event]] = defaultdict(list)
    for event in events:
        if event.what in _SENDS:
            sent[event.message, event.profile_id].append(event.at)
        elif event.what in {"opens", "clicks"} and not event.by_machine:
            touched[event.profile_id].append(event)
    found: defaultdict[Message, list[Values]] = defaultdict(lambda: [Values() for _ in moments])

    def of_sending(event: _Event) -> Values | None:
        """The interval in which what the event is about was sent; for a lost sending its own time serves."""
        times = sent[event.message, event.profile_id]
        place = bisect_right(times, event.at)
        at = times[place - 1] if place else event.at
        return found[event.message][bisect_right(moments, at) - 1] if first <= at < last else None

    for event in events:
        if (row := of_sending(event)) is not None:
            row.note(event.what, event.profile_id)
            row.name = event.name
    for at, profile_id, properties in _rows(store, conversion_metric_id, first):
        own = touched[profile_id]
        place = bisect_right(own, at, key=lambda event: event.at)
        if not place or own[place - 1].at < at - ATTRIBUTED_WITHIN:
            continue
        if (row := of_sending(own[place - 1])) is not None:
            row.note("conversions", profile_id)
            row.conversion_value += amount(properties)
    return dict(found)


def _events(store: Store, since: float) -> Iterator[_Event]:
    """Events of Klaviyo's message metrics, if they are of a message: all sendings, and the rest since a moment."""
    for name, (channel, what) in _ROLES.items():
        metric = store.metric_named(name, "klaviyo")
        if metric is None:
            continue
        for at, profile_id, told in _rows(store, metric.id, 0 if what in _SENDS else since):
            if isinstance(told.get("$message"), str):
                message = Message(told["$message"], told.get("$flow"), channel)
                by_machine = bool(told.get("machine_open") or told.get("Bot Click"))
                yield _Event(at, profile_id, message, what, by_machine, told.get("Campaign Name"))


def _rows(store: Store, metric_id: str, since: float) -> Iterator[tuple[int, str | None, Json]]:
    """Time, profile and properties of a metric's events, in order."""
    sql = (
        "select timestamp, profile_id, attributes from events where metric_id = ? and timestamp >= ?"
        " order by timestamp, id"
    )
    for at, profile_id, attributes in store.read(sql, [metric_id, since]):
        yield at, profile_id, properties_of(attributes)
