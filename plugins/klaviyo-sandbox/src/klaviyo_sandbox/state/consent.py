"""Consent that comes through the API: accepted without a word, applied later.

A new consent lifts what kept a profile from being mailed, however old it is; and an unsubscribe from a list
unsubscribes those who are not in it everywhere. `stats` counts both, and what else a careful client does not do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from klaviyo_sandbox.model.deferred_work import DeferredWork, Identifier, OpenRequests
from klaviyo_sandbox.model.records import (
    Consent,
    ConsentState,
    Group,
    Membership,
    Origin,
    Profile,
    Suppression,
    SuppressionReason,
)
from klaviyo_sandbox.state import profile_writes
from klaviyo_sandbox.state.consent_events import Change, ConsentEvents

if TYPE_CHECKING:
    from klaviyo_sandbox.state.store import Store

_LIFTED = (SuppressionReason.UNSUBSCRIBE, SuppressionReason.SPAM_COMPLAINT, SuppressionReason.USER_SUPPRESSED)
"""Klaviyo's text calls the second one SPAM_REPORT."""
_REST = timedelta(minutes=30)
"""Klaviyo advises against subscribing a profile more than once in this time."""


_TOLD = {
    "email_marketing": {
        ConsentState.SUBSCRIBED: Change.EMAIL_SUBSCRIBED,
        ConsentState.UNSUBSCRIBED: Change.EMAIL_UNSUBSCRIBED,
    },
    "sms_marketing": {
        ConsentState.SUBSCRIBED: Change.SMS_SUBSCRIBED,
        ConsentState.UNSUBSCRIBED: Change.SMS_UNSUBSCRIBED,
    },
    "sms_transactional": {ConsentState.UNSUBSCRIBED: Change.SMS_TRANSACTIONAL_UNSUBSCRIBED},
}
"""What is written down when the consent of a profile has become this."""


class Channel(StrEnum):
    """What consent is given for: named as the attribute of a profile that holds it."""

    EMAIL = "email_marketing"
    OPEN_TRACKING = "email_open_tracking"
    CLICK_TRACKING = "email_click_tracking"
    SMS = "sms_marketing"
    SMS_TRANSACTIONAL = "sms_transactional"
    WHATSAPP = "whatsapp_marketing"
    WHATSAPP_TRANSACTIONAL = "whatsapp_transactional"
    PUSH = "push_marketing"

    @property
    def way(self) -> str:
        """What a request calls the way to somebody."""
        return self.partition("_")[0]

    @property
    def purpose(self) -> str:
        """What a request calls that which is done by it."""
        return self.partition("_")[2]

    @property
    def address(self) -> str:
        """The attribute of a profile that holds its address on the channel."""
        return {"email": "email", "push": "id"}.get(self.way, "phone_number")


_MARKETING = frozenset(each for each in Channel if each.purpose == "marketing")
"""Those that are confirmed, and by which lists are joined; what is for anything else is recorded, no more."""


@dataclass(frozen=True, slots=True)
class Person:
    """The identifiers of a row's profile; at least one of the three is given."""

    id: str | None
    email: str | None
    phone_number: str | None

    def names(self) -> Iterator[Identifier]:
        """Each identifier with its kind, as Klaviyo compares it."""
        for kind, value in (("id", self.id), ("email", self.email), ("phone_number", self.phone_number)):
            if value is not None:
                yield kind, value.lower() if kind == "email" else value


@dataclass(frozen=True, slots=True)
class Subscription:
    """A row of a subscribe: when each channel was consented to, None for now."""

    person: Person
    channels: Mapping[Channel, datetime | None]


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A row of an unsubscribe."""

    person: Person
    channels: frozenset[Channel]


@dataclass(frozen=True, slots=True)
class _Unconfirmed:
    """A subscription whose e-mail nobody has answered."""

    subscription: Subscription
    group: Group | None
    source: str | None


class Consents:
    """Subscribes and unsubscribes."""

    def __init__(self, store: Store, rng: Random, deferred_work: DeferredWork, events: ConsentEvents) -> None:
        self.sms_regions: tuple[str, ...] = ("+1", "+44", "+45")
        """Beginnings of the numbers that the account has a sending number for."""
        self.default_opt_in: Literal["single_opt_in", "double_opt_in"] = "double_opt_in"
        """The opt-in process without a list."""
        self.stats: Counter[str] = Counter()
        """`opt_outs_lifted`, `unsubscribed_everywhere_by_a_list`, `subscribed_again_within_30_minutes`,
        `profiles_repeated_in_a_request`, `profiles_in_two_open_requests`; each counts profiles."""
        self._store = store
        self._rng = rng
        self._deferred_work = deferred_work
        self._events = events
        self._unconfirmed: list[_Unconfirmed] = []
        self._open = OpenRequests()
        self._subscribed: dict[Identifier, datetime] = {}

    def subscribe(
        self,
        rows: Sequence[Subscription],
        group: Group | None,
        now: datetime,
        *,
        source: str | None,
        imported: bool,
    ) -> None:
        """Take a subscribe that passed every check; `imported` is `historical_import`."""
        for row in rows:
            last = max(
                (self._subscribed[each] for each in row.person.names() if each in self._subscribed), default=None
            )
            self.stats["subscribed_again_within_30_minutes"] += last is not None and now - last < _REST
        self._subscribed.update((name, now) for row in rows for name in row.person.names())
        people = self._opened([row.person for row in rows])
        process = group.opt_in_process if group else self.default_opt_in

        def work(moment: datetime) -> None:
            self._open.leave(people)
            with self._store.transaction():
                for row in rows:
                    waiting = _Unconfirmed(row, group, source)
                    if imported or process == "single_opt_in" or not _MARKETING.intersection(row.channels):
                        self._apply(waiting, moment, confirmed=False)
                    else:
                        self._unconfirmed.append(waiting)
                        self._set_addresses(row.person, self._known(row.person), moment)

        self._deferred_work.add(now, work)

    def unsubscribe(self, rows: Sequence[Cancellation], group: Group | None, now: datetime) -> None:
        """Take an unsubscribe that passed every check."""
        people = self._opened([row.person for row in rows])

        def work(moment: datetime) -> None:
            self._open.leave(people)
            with self._store.transaction():
                for row in rows:
                    self._cancel(row, group, moment)

        self._deferred_work.add(now, work)

    def confirm(self, email: str, now: datetime) -> int:
        """Confirm the subscriptions that wait for an answer from this address. Answers how many there were."""
        answered = [
            each for each in self._unconfirmed if ("email", email.lower()) in each.subscription.person.names()
        ]
        for each in answered:
            self._unconfirmed.remove(each)
            self._apply(each, now, confirmed=True)
        return len(answered)

    def _opened(self, people: Sequence[Person]) -> list[Identifier]:
        """The identifiers of a request that is now open; repeated ones are counted."""
        seen: set[Identifier] = set()
        for person in people:
            names = list(person.names())
            self.stats["profiles_repeated_in_a_request"] += not seen.isdisjoint(names)
            self.stats["profiles_in_two_open_requests"] += self._open.any(names)
            seen.update(names)
        self._open.enter(seen)
        return list(seen)

    def _known(self, person: Person) -> Profile | None:
        """The profile of the identifier that counts most."""
        for kind, value in person.names():
            profile = self._store.profile_by(kind, value)
            if profile is not None or kind == "id":
                return profile
        return None

    def _set_addresses(self, person: Person, profile: Profile | None, now: datetime) -> Profile | None:
        """The profile with the addresses of the row, also those of channels left out; others' stay theirs."""
        if profile is None:
            return None
        changes = {
            kind: value
            for kind, value in (("email", person.email), ("phone_number", person.phone_number))
            if value is not None and self._store.profile_by(kind, value) is None
        }
        if not changes:
            return profile
        after = replace(profile, **changes, updated=int(now.timestamp()))
        self._store.put_profile(after)
        return after

    def _known_or_new(self, person: Person, now: datetime) -> Profile | None:
        """The row's profile, made if nobody has the address; None when its id is nobody's."""
        known = self._known(person)
        if known is None and person.id is None:
            known = profile_writes.new_profile(self._rng, now.timestamp())
        return self._set_addresses(person, known, now)

    def _apply(self, given: _Unconfirmed, now: datetime, *, confirmed: bool) -> None:
        profile = self._known_or_new(given.subscription.person, now)
        if profile is None:
            return
        changes: dict[str, Consent] = {}
        for channel, consented_at in given.subscription.channels.items():
            if getattr(profile, channel.address) is None:  # a row that names its profile by id
                continue
            held: Consent = getattr(profile, channel)
            lifted = held.state is ConsentState.UNSUBSCRIBED
            if channel is Channel.EMAIL:
                lifted |= self._store.lift(profile.id, _LIFTED) > 0
            self.stats["opt_outs_lifted"] += lifted
            origin = Origin(consented_at or now, given.source, confirmed)
            changes[channel] = Consent(ConsentState.SUBSCRIBED, now, origin)
        after = replace(profile, **changes, updated=int(now.timestamp()))
        self._store.put_profile(after)
        self._tell(profile, after, now)
        group = given.group if _MARKETING.intersection(given.subscription.channels) else None
        if group is not None and not self._is_member(profile.id, group):
            self._store.add_members([Membership(group.id, profile.id, int(now.timestamp()))])
            self._events.write(Change.JOINED_LIST, after, now, list_name=group.name)

    def _cancel(self, row: Cancellation, group: Group | None, now: datetime) -> None:
        profile = self._known_or_new(row.person, now)
        if profile is None:
            return
        member = group is not None and self._is_member(profile.id, group)
        if Channel.EMAIL in row.channels:
            if group is not None and member:
                left = Suppression(profile.id, SuppressionReason.UNSUBSCRIBE, now, group.id)
                self._store.suppress([left])
            else:
                self._store.unsubscribe([profile.id], now)
                self.stats["unsubscribed_everywhere_by_a_list"] += group is not None
        others = row.channels - {Channel.EMAIL}
        if others:
            revoked: dict[str, Consent] = dict.fromkeys(others, Consent(ConsentState.UNSUBSCRIBED, now))
            current = self._store.profile(profile.id) or profile
            self._store.put_profile(replace(current, **revoked, updated=int(now.timestamp())))
        self._tell(profile, self._store.profile(profile.id) or profile, now)
        if group is not None and member:
            self._store.remove_members(group.id, [profile.id])
            self._events.write(Change.LEFT_LIST, profile, now, list_name=group.name)

    def _is_member(self, profile_id: str, group: Group) -> bool:
        return group.id in (each.id for each in self._store.groups_of(profile_id, group.kind))

    def _tell(self, before: Profile, after: Profile, now: datetime) -> None:
        """Write down which channels somebody was subscribed to, or unsubscribed from."""
        for attribute, changes in _TOLD.items():
            state: ConsentState = getattr(after, attribute).state
            if state is not getattr(before, attribute).state and state in changes:
                self._events.write(changes[state], after, now)
