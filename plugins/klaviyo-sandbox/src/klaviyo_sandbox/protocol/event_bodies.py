"""Request documents that write events, as Klaviyo's OpenAPI describes them."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, field

from klaviyo_sandbox.protocol.bodies import ImportAttributes, ProfileMeta, Rows, Strict, Text

MOST_EVENTS = 1_000
MOST_PROFILE_BYTES = 95_000
MOST_TEXT_BYTES = 100_000
"""Klaviyo says 95 KB and 100 KB and does not say which kilobyte; the smaller one is enforced."""
MOST_PROPERTIES = 400
MOST_ENTRIES = 4_000
"""Of an array."""
DEEPEST = 10
LONGEST_METRIC = 127
LONGEST_UNIQUE_ID = 255


class _MetricAttributes(Strict):
    name: str
    service: str | None = None


class _MetricIdentifier(Strict):
    type: Literal["metric"]
    attributes: _MetricAttributes


class _ToMetric(Strict):
    data: _MetricIdentifier


class BulkEventAttributes(Strict, kw_only=True):
    """An event; it names its metric by name, and a metric that is not there is made."""

    properties: dict[str, Any]
    metric: _ToMetric
    time: str | None = None
    value: int | float | None = None
    value_currency: str | None = None
    unique_id: str | None = None
    backfill: bool | None = None


class PersonAttributes(ImportAttributes, kw_only=True):
    """The attributes of the profile that an event names, and writes."""

    anonymous_id: Text = UNSET


class Person(Strict):
    """The profile of a bulk entry: `meta` is beside its attributes."""

    type: Literal["profile"]
    attributes: PersonAttributes
    id: str | None = None
    meta: ProfileMeta = field(default_factory=ProfileMeta)


class _ToPerson(Strict):
    data: Person


class BulkEvent(Strict):
    """An event of a bulk entry."""

    type: Literal["event"]
    attributes: BulkEventAttributes


class _BulkEvents(Strict):
    data: list[BulkEvent]


class _EntryAttributes(Strict):
    profile: _ToPerson
    events: _BulkEvents
    backfill: bool | None = None


class Entry(Strict):
    """What one profile did."""

    type: Literal["event-bulk-create"]
    attributes: _EntryAttributes


class _BulkAttributes(Strict):
    entries: Rows = field(name="events-bulk-create")


class EventsBulkCreate(Strict):
    """`POST /api/event-bulk-create-jobs`; entries are still undecoded."""

    type: Literal["event-bulk-create-job"]
    attributes: _BulkAttributes


class _LonePersonAttributes(PersonAttributes, kw_only=True):
    meta: ProfileMeta = field(default_factory=ProfileMeta)


class _LonePerson(Strict):
    """The profile of a single event: `meta` is among its attributes."""

    type: Literal["profile"]
    attributes: _LonePersonAttributes
    id: str | None = None

    @property
    def meta(self) -> ProfileMeta:
        """As `Person` has it."""
        return self.attributes.meta


class _ToLonePerson(Strict):
    data: _LonePerson


class _EventAttributes(BulkEventAttributes, kw_only=True):
    profile: _ToLonePerson


class EventCreate(Strict):
    """`POST /api/events`, before revision 2026-10-15."""

    type: Literal["event"]
    attributes: _EventAttributes


class _EventAttributesWithMeta(BulkEventAttributes, kw_only=True):
    profile: _ToPerson


class EventCreateWithMeta(Strict):
    """`POST /api/events`, from revision 2026-10-15 on: the profile is as in a bulk entry."""

    type: Literal["event"]
    attributes: _EventAttributesWithMeta


AnyPerson = Person | _LonePerson
AnyEventCreate = EventCreate | EventCreateWithMeta
