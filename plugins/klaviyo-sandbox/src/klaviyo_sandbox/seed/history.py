"""The past 180 days of the seeded shop, as events: mails and what came of them, visits, purchases, consent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from klaviyo_sandbox.model import ids
from klaviyo_sandbox.model.metric_names import (
    ACTIVE,
    ADDED,
    CHECKOUT,
    FULFILLED,
    NEW_SMS,
    OLD_SMS,
    PUSH,
    SUBSCRIBED,
    UNSUBSCRIBED,
    VIEWED,
)
from klaviyo_sandbox.model.records import ConsentState, Event
from klaviyo_sandbox.seed.people import DAY, HISTORY, chance
from klaviyo_sandbox.simulation.engagement import PlannedEvent, Sending, ordered, program

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Json, Profile

RENAMED = 60 * DAY  # how long ago the SMS metrics got their new names

_SHOP = "https://shop.example"
_PRODUCTS = {
    "Linen shirt": 49.0, "Canvas tote": 24.5, "Trail shoes": 119.0, "Wool socks": 12.0, "Rain jacket": 159.0,
    "Enamel mug ☕": 14.0, "Čapka": 29.99,
}  # fmt: skip
_NAMES = list(_PRODUCTS)

_TEXT = "Text"
"""The property that fills an event up."""
_FRAME = 630
"""Bytes of an event in an answer beside its properties, roughly: ids, times and links."""


class Person(NamedTuple):
    """What the history needs to know of a profile."""

    id: str
    address: str
    since: int


@dataclass
class Census:
    """The people that can be reached, gathered while they are stored."""

    mailable: list[Person] = field(default_factory=list)
    callable: list[Person] = field(default_factory=list)
    everybody: list[Person] = field(default_factory=list)
    subscribed: list[Person] = field(default_factory=list)
    left: list[tuple[Person, int]] = field(default_factory=list)
    """Unsubscribed, and when."""

    def counted(self, profiles: Iterator[Profile]) -> Iterator[Profile]:
        """The same profiles, taken down as they pass."""
        for profile in profiles:
            person = Person(profile.id, profile.email or profile.phone_number or "", profile.created)
            self.everybody.append(person)
            if profile.phone_number:
                self.callable.append(Person(profile.id, profile.phone_number, profile.created))
            if profile.email:
                self.mailable.append(person)
            consent = profile.email_marketing
            if consent.state is ConsentState.SUBSCRIBED:
                self.subscribed.append(person)
            elif consent.state is ConsentState.UNSUBSCRIBED and consent.changed_at:
                self.left.append((person, int(consent.changed_at.timestamp())))
            yield profile


@dataclass(frozen=True)
class Past:
    """What was sent: by channel, campaigns and flow messages."""

    campaigns: Sequence[Sending]
    flows: Sequence[Sending]
    texts: Sequence[Sending]
    pushes: Sequence[Sending]


Story = Iterator[tuple[str, PlannedEvent]]
"""What one person does and gets for one reason: each event with the profile's id."""


class History:
    """Tells stories of single people until there are events enough.

    Args:
        census: the people; at least one.
        past: what was sent to them.
        metrics: ids by metric name.
        rng: decides everything.
        now: the present, seconds; nothing happens in the last minute before it.
    """

    def __init__(self, census: Census, past: Past, metrics: dict[str, str], rng: Random, now: int) -> None:
        self._census, self._past, self._metrics, self._rng, self._now = census, past, metrics, rng, now
        self._left = [(person, at) for person, at in census.left if at > now - HISTORY]
        self._readers = census.subscribed or census.mailable
        kinds: list[tuple[Callable[[], Story], int, bool]] = [
            (self._campaign_mail, 40, bool(self._readers and past.campaigns)),
            (self._flow_mail, 18, bool(self._readers and past.flows)),
            (self._visit, 30, True),
            (self._subscription, 3, bool(census.subscribed)),
            (self._departure, 1, bool(self._left)),
            (self._text, 3, bool(census.callable and past.texts)),
            (self._push, 1, bool(past.pushes)),
        ]
        self._kinds = [kind for kind, _, possible in kinds if possible]
        self._weights = [weight for _, weight, possible in kinds if possible]

    def events(self, count: int) -> Iterator[Event]:
        """Exactly that many events, in no order."""
        return islice(self._all_events(), count)

    @staticmethod
    def filled(events: Iterator[Event], size: int, rng: Random) -> Iterator[Event]:
        """The same events, those that are smaller filled up with text.

        Args:
            events: which.
            size: bytes of an event in an answer, roughly.
            rng: decides the texts.
        """
        words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 11))) for _ in range(2_000)]
        text = " ".join(rng.choices(words, k=20_000 + size))
        room = size - _FRAME - len(f'"{_TEXT}":"",')
        for event in events:
            missing = room - len(msgspec.json.encode(event.properties))
            if missing > 0:
                start = rng.randrange(len(text) - missing)
                event.properties[_TEXT] = text[start : start + missing]
            yield event

    def _all_events(self) -> Iterator[Event]:
        rng, latest = self._rng, self._now - 60
        while True:
            for story in rng.choices(self._kinds, self._weights, k=1_000):
                for profile_id, (metric, at, properties) in story():
                    if at <= latest:
                        yield Event(
                            id=ids.event(rng),
                            uuid=ids.event_uuid(rng, at),
                            timestamp=at,
                            metric_id=self._metrics[metric],
                            profile_id=profile_id,
                            properties=properties,
                        )

    def _campaign_mail(self) -> Story:
        sending, person = self._rng.choice(self._past.campaigns), self._rng.choice(self._readers)
        # Klaviyo hands a campaign over in a burst: a sixth of the recipients share its first second.
        delay = int(900 * self._rng.random() ** 4)
        return self._mail(sending, person, max(sending.at, person.since) + delay)

    def _flow_mail(self) -> Story:
        sending, person = self._rng.choice(self._past.flows), self._rng.choice(self._readers)
        return self._mail(sending, person, self._some_time(person))

    def _mail(self, sending: Sending, person: Person, at: int) -> Story:
        rng, who = self._rng, person.id
        delivery = sending.to(person.address, rng.getrandbits(96), program(rng))
        if chance(rng, 0.01):
            yield who, delivery.bounced(at, "Soft")
            return
        yield who, delivery.received(at)
        if chance(rng, 0.35):
            yield who, delivery.opened_by_machine(at + rng.randrange(5))
        url = f"{_SHOP}/sale?utm_campaign={sending.message_id}"
        if chance(rng, 0.02):
            yield who, delivery.clicked_by_bot(at + rng.randrange(3), url)
        if not chance(rng, 0.3):
            return
        at += int(2 * DAY * rng.random() ** 4)
        yield who, delivery.opened(at)
        if chance(rng, 0.002):
            yield who, delivery.marked_as_spam(at)
        if not chance(rng, 0.16):
            return
        at += rng.randrange(1, 600)
        yield who, delivery.clicked(at, url)
        if chance(rng, 0.3):
            yield from self._purchase(person, at + rng.randrange(60, 3_600))

    def _visit(self) -> Story:
        rng, person = self._rng, self._rng.choice(self._census.everybody)
        at = self._some_time(person)
        yield person.id, PlannedEvent(ACTIVE, at, {"page": f"{_SHOP}/", "browser": "Firefox", "os": "Linux"})
        for _ in range(rng.randrange(3)):
            at += rng.randrange(90)
            yield person.id, PlannedEvent(VIEWED, at, self._product())
        if chance(rng, 0.15):
            yield (
                person.id,
                PlannedEvent(ADDED, at, {**self._product(), "$event_id": f"cart-{rng.getrandbits(40)}"}),
            )
            yield from self._purchase(person, at + rng.randrange(1_800))

    def _product(self) -> Json:
        name = self._rng.choice(_NAMES)
        return {
            "ProductName": name,
            "ProductID": f"P{_NAMES.index(name):03d}",
            "Price": _PRODUCTS[name],
            "URL": f"{_SHOP}/products/{_NAMES.index(name)}",
            "$value": 0,
        }

    def _purchase(self, person: Person, at: int) -> Story:
        rng = self._rng
        items = rng.sample(_NAMES, rng.randint(1, 3))
        number, value = f"{rng.getrandbits(40):013d}", round(sum(_PRODUCTS[item] for item in items), 2)
        yield (
            person.id,
            PlannedEvent(CHECKOUT, at, {"$event_id": f"checkout-{number}", "$value": value, "Items": items}),
        )
        yield person.id, ordered(at + 120, number, value, items)
        if chance(rng, 0.5):
            yield (
                person.id,
                PlannedEvent(FULFILLED, at + DAY, {"$event_id": f"fulfilled-{number}", "$value": value}),
            )

    def _subscription(self) -> Story:
        person = self._rng.choice(self._census.subscribed)
        properties = {"Method": "Signup form", "$event_id": f"subscribed-{self._rng.getrandbits(40)}"}
        yield person.id, PlannedEvent(SUBSCRIBED, self._some_time(person), properties)

    def _departure(self) -> Story:
        person, at = self._rng.choice(self._left)
        properties = {"Method": "Preferences page", "$event_id": f"unsubscribed-{self._rng.getrandbits(40)}"}
        yield person.id, PlannedEvent(UNSUBSCRIBED, at, properties)

    def _text(self) -> Story:
        rng, sending = self._rng, self._rng.choice(self._past.texts)
        person = rng.choice(self._census.callable)
        at = max(sending.at, person.since) + rng.randrange(60)
        name = OLD_SMS if at < self._now - RENAMED else NEW_SMS
        properties = {"To Number": person.address, "$event_id": f"{sending.message_id}:{rng.getrandbits(96)}"}
        yield person.id, PlannedEvent(name, at, {**_of(sending), **properties})

    def _push(self) -> Story:
        rng, sending = self._rng, self._rng.choice(self._past.pushes)
        person = rng.choice(self._census.everybody)
        properties = {"OS": "iOS", "$event_id": f"{sending.message_id}:{rng.getrandbits(96)}"}
        yield person.id, PlannedEvent(PUSH, max(sending.at, person.since), {**_of(sending), **properties})

    def _some_time(self, person: Person) -> int:
        """A moment of the person's part of the history."""
        start = max(person.since, self._now - HISTORY)
        return start + int((self._now - 120 - start) * self._rng.random())


def _of(sending: Sending) -> Json:
    cohort = f"{sending.at}:{sending.message_id}"
    return {"$message": sending.message_id, "Campaign Name": sending.name, "$_cohort$message_send_cohort": cohort}
