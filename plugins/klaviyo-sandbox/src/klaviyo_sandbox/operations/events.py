"""Events: reading them, and writing them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, Raw, Struct

from klaviyo_sandbox.model.errors import Problem, Refusal, problem, refuse, refuse_unknown
from klaviyo_sandbox.model.records import Metric
from klaviyo_sandbox.operations.call import Answer, Call
from klaviyo_sandbox.operations.profiles import no_identifier
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.protocol import bodies
from klaviyo_sandbox.protocol.event_bodies import (
    DEEPEST,
    LONGEST_METRIC,
    LONGEST_UNIQUE_ID,
    MOST_ENTRIES,
    MOST_EVENTS,
    MOST_PROFILE_BYTES,
    MOST_PROPERTIES,
    MOST_TEXT_BYTES,
    AnyEventCreate,
    AnyPerson,
    BulkEventAttributes,
    Entry,
    EventCreate,
    EventsBulkCreate,
)
from klaviyo_sandbox.state import profile_writes
from klaviyo_sandbox.state.attribution import attributions
from klaviyo_sandbox.state.event_ingest import IncomingEvent, ProfileEvents
from klaviyo_sandbox.state.pages import Column, Listing

if TYPE_CHECKING:
    from klaviyo_sandbox.model.attribution import Attribution
    from klaviyo_sandbox.model.records import Json
    from klaviyo_sandbox.state.database import Row

# Ids as bytes: they go into JSON that is put together as bytes.
_COLUMNS = "cast(id as blob), cast(profile_id as blob), cast(metric_id as blob), attributes"
_EVENTS = Listing(
    source="events",
    columns=_COLUMNS,
    id="id",
    filters={
        "metric_id": Column("metric_id"),
        "profile_id": Column("profile_id"),
        "profile": Column("profile_id"),
        "metric": Column("metric_id"),
        "datetime": Column("timestamp"),
        "timestamp": Column("timestamp"),
    },
    sorts={"datetime": "timestamp", "timestamp": "timestamp"},
)
_ID = re.compile(r"[0-9A-Za-z]{11}")
_ATTRIBUTES = ("timestamp", "datetime", "event_properties", "uuid")
_ENTRIES = "/data/attributes/events-bulk-create/data"
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(days=365)
_CURRENCY = re.compile(r"[A-Z]{3}")
_MOST_PROBLEMS = 100


@operation
def get_events(call: Call) -> Answer:
    """A page of events: JSON made when they were written, joined."""
    page = _EVENTS.page(call.store, call.query)
    credited = _credited(call, page.rows)
    return call.many(
        Raw(b"[%b]" % b",".join(_encoded(call, page.rows, credited))),
        page=page,
        included=_included(call, page.rows, credited),
    )


@operation
def get_event(call: Call) -> Answer:
    """One event. A malformed id is 400 here, not 404 (recorded)."""
    event_id = call.path["id"]
    if not _ID.fullmatch(event_id):
        refuse(f"Invalid Event ID: '{event_id}'", pointer="/data/id")
    rows = call.store.read(f"select {_COLUMNS} from events where id = ?", [event_id])  # noqa: S608
    if not rows:
        refuse_unknown(f"An event with id {event_id} does not exist.")
    credited = _credited(call, rows)
    (encoded,) = _encoded(call, rows, credited)
    return call.one(Raw(encoded), included=_included(call, rows, credited))


@operation
def create_event(call: Call) -> Answer:
    """Accept an event; whether it is kept is never said."""
    return created(call, EventCreate)


def created(call: Call, shape: type[AnyEventCreate]) -> Answer:
    """What becomes of an event whose document has this shape."""
    event = call.read(shape).attributes
    now = call.account.clock.now()
    person, problems = _person(event.profile.data, "/data/attributes/profile/data")
    incoming, found = _incoming(event, "/data/attributes", now, backfill=bool(event.backfill))
    if problems or found:
        raise Refusal(400, problems + found)
    call.account.event_ingest.accept([ProfileEvents(person, [incoming])], now)
    call.took(1)
    return Answer(202)


@operation
def bulk_create_events(call: Call) -> Answer:
    """Accept events, or refuse all of them for one; whether they are kept is never said."""
    sent = call.read(EventsBulkCreate).attributes.entries.data
    now = call.account.clock.now()
    entries: list[ProfileEvents] = []
    problems: list[Problem] = []
    count = 0
    for position, raw in enumerate(sent):
        at = f"{_ENTRIES}/{position}"
        entry = bodies.read_row(raw, Entry, at, "event-bulk-create")
        if isinstance(entry, Problem):
            problems.append(entry)
            continue
        count += len(entry.attributes.events.data)
        of_profile, found = _profile_events(entry, f"{at}/attributes", now)
        entries.append(of_profile)
        problems += found
    if not problems and not 1 <= count <= MOST_EVENTS:
        refuse(f"Between 1 and {MOST_EVENTS:,} events are allowed per request.", pointer=_ENTRIES)
    problems = problems or list(_repeated(call, entries))
    if problems:
        raise Refusal(400, problems[:_MOST_PROBLEMS])
    call.account.event_ingest.accept(entries, now)
    call.took(count)
    return Answer(202)


def _profile_events(entry: Entry, at: str, now: datetime) -> tuple[ProfileEvents, list[Problem]]:
    person, problems = _person(entry.attributes.profile.data, f"{at}/profile/data")
    events: list[IncomingEvent] = []
    if not entry.attributes.events.data:
        problems.append(problem("At least one event must be provided.", pointer=f"{at}/events/data"))
    for position, event in enumerate(entry.attributes.events.data):
        own = event.attributes.backfill
        backfill = bool(entry.attributes.backfill if own is None else own)
        incoming, found = _incoming(
            event.attributes, f"{at}/events/data/{position}/attributes", now, backfill=backfill
        )
        events.append(incoming)
        problems += found
    return ProfileEvents(person, events), problems


def _person(person: AnyPerson, at: str) -> tuple[AnyPerson, list[Problem]]:
    """The profile of an event, and what is wrong with it; `at` is its pointer.

    A phone number that cannot be one is passed over where something else says who it is.
    """
    attributes = person.attributes
    number = attributes.phone_number
    others = person.id is not None or set(profile_writes.identifiers(attributes)) - {"phone_number"}
    if isinstance(number, str) and not bodies.is_phone_number(number) and others:
        attributes = msgspec.structs.replace(attributes, phone_number=UNSET)
        person = msgspec.structs.replace(person, attributes=attributes)
    problems = bodies.malformed_identifiers(attributes, f"{at}/attributes")
    if not profile_writes.has_identifier(person.id, attributes):
        problems += no_identifier(f"{at}/attributes").problems
    if len(msgspec.json.encode(person)) > MOST_PROFILE_BYTES:
        problems.append(problem("The maximum allowed size of an event's profile is 95KB.", pointer=at))
    flaw = profile_writes.unstorable(attributes.properties)
    if flaw:
        problems.append(problem(flaw, pointer=f"{at}/attributes/properties"))
    return person, problems


def _incoming(
    event: BulkEventAttributes, at: str, now: datetime, *, backfill: bool
) -> tuple[IncomingEvent, list[Problem]]:
    """An event as it is kept, and what is wrong with it; `at` is the pointer of its attributes."""
    problems = [problem(detail, pointer=f"{at}/{place}") for place, detail in _flaws(event)]
    moment = now if event.time is None else bodies.moment(event.time)
    if moment is None:
        problems.append(problem("Not a date and time with an offset from UTC.", pointer=f"{at}/time"))
        moment = now
    elif not _EARLIEST <= moment <= now + _AHEAD:
        detail = "The time must not be before 1990, and not more than a year ahead."
        problems.append(problem(detail, pointer=f"{at}/time"))
    second = int(moment.timestamp())
    key = str(second) if event.unique_id is None else event.unique_id
    properties = {**event.properties, "$event_id": key}
    if event.value is not None:
        properties["$value"] = event.value
    if event.value_currency is not None:
        properties["$value_currency"] = event.value_currency
    name = event.metric.data.attributes.name
    return IncomingEvent(name, second, key, event.unique_id is not None, backfill, properties), problems


def _flaws(event: BulkEventAttributes) -> Iterator[tuple[str, str]]:
    """Where in an event's attributes something is wrong, and what."""
    metric = event.metric.data.attributes
    if not metric.name.strip() or len(metric.name) > LONGEST_METRIC:
        yield "metric/data/attributes/name", f"A metric's name has between 1 and {LONGEST_METRIC} characters."
    if metric.service not in {None, "api"}:
        yield "metric/data/attributes/service", "The sandbox takes events of the service `api` only."
    if event.unique_id is not None and not 1 <= len(event.unique_id) <= LONGEST_UNIQUE_ID:
        yield "unique_id", f"A unique_id has between 1 and {LONGEST_UNIQUE_ID} characters."
    if event.value_currency is not None and not _CURRENCY.fullmatch(event.value_currency):
        yield "value_currency", "Not an ISO 4217 currency code."
    if len(event.properties) > MOST_PROPERTIES:
        yield "properties", f"An event has at most {MOST_PROPERTIES} properties."
    for name, value in event.properties.items():
        if not name:
            yield "properties", "A property name must not be empty."
        flaw = _unfit(value)
        if flaw:
            yield f"properties/{name}", flaw


def _unfit(value: object) -> str | None:
    """Why an event cannot have a property of this value."""
    for depth, each in profile_writes.walk(value, 1):
        if depth > DEEPEST:
            return f"The value is nested more than {DEEPEST} levels deep."
        if isinstance(each, list) and len(each) > MOST_ENTRIES:
            return f"An array has at most {MOST_ENTRIES:,} entries."
        if isinstance(each, str) and len(each.encode()) > MOST_TEXT_BYTES:
            return "A single string cannot exceed 100KB."
        if profile_writes.too_large(each):
            return "The value is a number that cannot be stored."
    return None


def _repeated(call: Call, entries: Sequence[ProfileEvents]) -> Iterator[Problem]:
    """The events whose profile and metric have one of their `unique_id` before them in the request.

    Profiles are the same that share an identifier, and those whose identifiers one profile has.
    """
    seen: set[tuple[str, str, str, str]] = set()
    for place, entry in enumerate(entries):
        names = list(profile_writes.names(entry.person.id, entry.person.attributes))
        names += [("id", each.id) for each in profile_writes.owners(call.store, entry.person.attributes)]
        for position, event in enumerate(entry.events):
            keys = {(kind, value, event.metric, event.key) for kind, value in names if event.named}
            if not seen.isdisjoint(keys):
                yield problem(
                    "The unique_id is repeated for the same profile and metric.",
                    pointer=f"{_ENTRIES}/{place}/attributes/events/data/{position}/attributes/unique_id",
                )
            seen |= keys


def _credited(call: Call, rows: Iterable[Row]) -> Mapping[bytes, Attribution]:
    """By event what it is credited to, if that is to be included."""
    if "attributions" not in call.query.include:
        return {}
    return {each.event_id.encode(): each for each in attributions(call.store, rows)}


def _encoded(call: Call, rows: Iterable[Row], credited: Mapping[bytes, Attribution]) -> list[bytes]:
    event, names = call.resources.event, call.fields("event")
    ids = {event_id: (each.id,) for event_id, each in credited.items()}
    if names is None:
        return [event(row[0], row[1], row[2], row[3], ids.get(row[0], ())) for row in rows]
    decode, encode = _decoder(names).decode, msgspec.json.encode
    return [event(row[0], row[1], row[2], encode(decode(row[3])), ids.get(row[0], ())) for row in rows]


@cache
def _decoder(names: frozenset[str]) -> msgspec.json.Decoder[Struct]:
    """Reads these of the attributes, in the order in which they are written, undecoded."""
    asked = [(name, Raw) for name in _ATTRIBUTES if name in names]
    return msgspec.json.Decoder(msgspec.defstruct("Some", asked))


def _included(call: Call, rows: Iterable[Row], credited: Mapping[bytes, Attribution]) -> list[Json] | None:
    """Included metrics, profiles and attributions."""
    asked = call.query.include
    if not asked:
        return None
    included: list[Json] = []
    if "metric" in asked:
        for metric_id in sorted({row[2].decode() for row in rows if row[2]}):
            metric = call.store.get(Metric, metric_id)
            if metric is not None:
                included.append(call.resources.metric(metric, call.fields("metric")))
    if "profile" in asked:
        profiles = call.store.profiles(sorted({row[1].decode() for row in rows if row[1]}))
        included += [call.resources.profile(each, call.fields("profile")) for each in profiles]
    included += map(call.resources.attribution, credited.values())
    return included
