"""Subscribing and unsubscribing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import msgspec
from msgspec import UNSET

from klaviyo_sandbox.model.errors import Problem, Refusal, problem, refuse, refuse_unknown
from klaviyo_sandbox.model.records import Group, GroupKind
from klaviyo_sandbox.operations.call import Answer, Call
from klaviyo_sandbox.operations.profiles import no_identifier
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.protocol import bodies
from klaviyo_sandbox.protocol.consent_bodies import (
    MOST_SUBSCRIBED,
    MOST_UNSUBSCRIBED,
    Granted,
    GrantedTracking,
    Subscribe,
    Subscriber,
    Unsubscribe,
    Unsubscriber,
)
from klaviyo_sandbox.state.consent import Cancellation, Channel, Person, Subscription

_ROWS = "/data/attributes/profiles/data"


@operation
def bulk_subscribe_profiles(call: Call) -> Answer:
    """Accept a subscribe, or refuse all of it for one row."""
    return subscribed(call, Subscriber)


@operation
def bulk_unsubscribe_profiles(call: Call) -> Answer:
    """Accept an unsubscribe, or refuse all of it for one row."""
    return unsubscribed(call, Unsubscriber)


def subscribed(call: Call, shape: type[Subscriber]) -> Answer:
    """What becomes of a subscribe whose rows have this shape."""
    data = call.read(Subscribe)
    now = call.account.clock.now()
    sent = _sent(data.attributes.profiles.data, MOST_SUBSCRIBED)
    imported = bool(data.attributes.historical_import)
    rows: list[Subscription] = []
    problems: list[Problem] = []
    for position, raw in enumerate(sent):
        checked = _subscription(raw, shape, f"{_ROWS}/{position}", now, imported=imported)
        if isinstance(checked, Subscription):
            rows.append(checked)
        else:
            problems += checked
    if problems:
        raise Refusal(400, problems)
    regions = call.account.consents.sms_regions
    for row in rows:
        number = row.person.phone_number
        if Channel.SMS in row.channels and number is not None and not number.startswith(regions):
            # Documented is that the whole request is refused, not that the row is named: it is not.
            refuse("The account has no SMS sending number for the region of a phone number.", pointer=_ROWS)
    group = _list(call, data.relationships.list.data)
    source = data.attributes.custom_source
    call.account.consents.subscribe(rows, group, now, source=source, imported=imported)
    call.took(len(rows))
    return Answer(202)


def unsubscribed(call: Call, shape: type[Unsubscriber]) -> Answer:
    """What becomes of an unsubscribe whose rows have this shape."""
    data = call.read(Unsubscribe)
    sent = _sent(data.attributes.profiles.data, MOST_UNSUBSCRIBED)
    rows: list[Cancellation] = []
    problems: list[Problem] = []
    for position, raw in enumerate(sent):
        checked = _cancellation(raw, shape, f"{_ROWS}/{position}")
        if isinstance(checked, Cancellation):
            rows.append(checked)
        else:
            problems += checked
    if problems:
        raise Refusal(400, problems)
    group = _list(call, data.relationships.list.data)
    call.account.consents.unsubscribe(rows, group, call.account.clock.now())
    call.took(len(rows))
    return Answer(202)


def _sent(rows: Sequence[msgspec.Raw], most: int) -> Sequence[msgspec.Raw]:
    if not 1 <= len(rows) <= most:
        refuse(f"Between 1 and {most:,} profiles are allowed per request.", pointer=_ROWS)
    return rows


def _list(call: Call, named: bodies.ListIdentifier | msgspec.UnsetType) -> Group | None:
    if named is UNSET:
        return None
    group = call.store.group(named.id, GroupKind.LIST)
    if group is None:
        refuse_unknown(f"A list with id `{named.id}` does not exist.")
    return group


def _subscription(
    raw: msgspec.Raw, shape: type[Subscriber], at: str, now: datetime, *, imported: bool
) -> Subscription | list[Problem]:
    row = bodies.read_row(raw, shape, at)
    if isinstance(row, Problem):
        return [row]
    channels: dict[Channel, datetime | None] = {}
    problems = _who(row, f"{at}/attributes")
    for channel in Channel:
        given = _of(row, channel)
        if isinstance(given, GrantedTracking):
            channels[channel] = None
        elif isinstance(given, Granted):
            place = f"{at}/attributes/subscriptions/{channel.way}/{channel.purpose}/consented_at"
            problem_or_moment = _consented_at(given, place, now, imported=imported)
            if isinstance(problem_or_moment, Problem):
                problems.append(problem_or_moment)
            else:
                channels[channel] = problem_or_moment
    birth = row.attributes.age_gated_date_of_birth
    if birth is not None and not _is_date(birth):
        problems.append(problem("Not a date.", pointer=f"{at}/attributes/age_gated_date_of_birth"))
    return problems or Subscription(_person(row), channels)


def _cancellation(raw: msgspec.Raw, shape: type[Unsubscriber], at: str) -> Cancellation | list[Problem]:
    row = bodies.read_row(raw, shape, at)
    if isinstance(row, Problem):
        return [row]
    channels = frozenset(each for each in Channel if _of(row, each) is not UNSET)
    return _who(row, f"{at}/attributes") or Cancellation(_person(row), channels)


def _who(row: Subscriber | Unsubscriber, at: str) -> list[Problem]:
    """What is wrong with a row's identifiers and channels; `at` is the pointer of its attributes."""
    problems = bodies.malformed_identifiers(row.attributes, at)
    person = _person(row)
    if not any(person.names()):
        problems += no_identifier(at).problems
        return problems
    channels = [each for each in Channel if _of(row, each) is not UNSET]
    if not channels:
        problems.append(problem("At least one channel must be provided.", pointer=f"{at}/subscriptions"))
    problems += [
        problem(f"'{each.address}' is required for the channel {each.way}.", pointer=f"{at}/{each.address}")
        for each in channels
        if person.id is None and getattr(person, each.address) is None
    ]
    return problems


def _of(row: Subscriber | Unsubscriber, channel: Channel) -> object:
    """What a row says of a channel; UNSET if nothing."""
    return getattr(getattr(row.attributes.subscriptions, channel.way, UNSET), channel.purpose, UNSET)


def _person(row: Subscriber | Unsubscriber) -> Person:
    email, phone_number = row.attributes.email, row.attributes.phone_number
    return Person(
        id=row.id if isinstance(row, Subscriber) else None,
        email=email.strip() if isinstance(email, str) else None,
        phone_number=phone_number if isinstance(phone_number, str) else None,
    )


def _consented_at(given: Granted, at: str, now: datetime, *, imported: bool) -> datetime | Problem | None:
    if not imported:
        if given.consented_at is None:
            return None
        return problem("'consented_at' is only allowed when 'historical_import' is true.", pointer=at)
    if given.consented_at is None:
        return problem("'consented_at' is required when 'historical_import' is true.", pointer=at)
    moment = bodies.moment(given.consented_at)
    if moment is None:
        return problem("Not a date and time with an offset from UTC.", pointer=at)
    return moment if moment < now else problem("'consented_at' must be in the past.", pointer=at)


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
