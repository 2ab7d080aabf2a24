"""Who may be written to: random lives of thousands, against the rules written down once more in Python."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

import pytest
from transform_project import NOW, Project, Row, Warehouse

ON_ENGINES = ["duckdb"]
"""The unit tests hold each rule on every engine; here it is how they meet."""

PEOPLE = 1_000
BEGAN = NOW - timedelta(days=3)
LONG_AGO = timedelta(days=200)
"""What was stated then is no longer compared with Klaviyo as a rule (`pushed_days`)."""
SECONDS = 12
"""Few, so that many words fall into one second."""
METHODS = {"box": 2, "Double opt-in": 2, "": 2, "unheard of": 2, "CSV import": 1, "api": 1, "default": 0}
METRICS = {
    "Sub": "Subscribed to Email Marketing",
    "Uns": "Unsubscribed from Email Marketing",
    "Spam": "Marked Email as Spam",
    "Bounce": "Bounced Email",
    "Sup": "Manually Suppressed from Email Marketing",
    "Unsup": "Manually Unsuppressed from Email Marketing",
    "List": "Subscribed to List",
}
LIST, CONTACTS = "L", "Contacts"
"""The list that some consents are for, and the one that who orders joins."""
PUBLISHED = (
    "pub_klaviyo_subscriptions",
    "pub_klaviyo_suppressions",
    "pub_klaviyo_list_members",
    "pub_klaviyo_contacts",
)


class Word(NamedTuple):
    """What somebody said, or what was said of them: the greater `authority` is more the person's own."""

    authority: int
    second: datetime
    given: bool
    is_yours: bool = False


@dataclass
class Person:
    """One address, with its life, and what it should come to."""

    number: int
    is_known: bool
    """Whether Klaviyo has a profile of them."""
    began: datetime
    words: list[Word] = field(default_factory=list)
    bounced: bool = False
    suppressions: list[tuple[datetime, bool]] = field(default_factory=list)
    blocks: list[datetime] = field(default_factory=list)
    """When you were told that the address bounces."""
    shown: list[Word] = field(default_factory=list)
    """What Klaviyo tells of consent, by when it became so there."""
    statements: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    subscriptions: Row | None = None

    @property
    def address(self) -> str:
        return f"p{self.number}@shop.example"

    @property
    def profile(self) -> str:
        return f"C{self.number}"

    @property
    def is_recent(self) -> bool:
        return self.began == BEGAN

    def said(self) -> bool | None:
        """What holds of all words, apart from whether the address can be written to; None without any."""
        heard = [word for word in self.words if word.authority == max(each.authority for each in self.words)]
        newest = max((word.second for word in heard), default=None)
        return all(word.given for word in heard if word.second == newest) if heard else None

    def is_suppressed_there(self) -> bool:
        suppressed = [at for at, made in self.suppressions if made]
        lifted = [at for at, made in self.suppressions if not made]
        return self.bounced or bool(suppressed and not (lifted and max(lifted) > max(suppressed)))

    def is_blocked_by_you(self) -> bool:
        consented = [word.second for word in self.words if word.authority == 2 and word.given]
        return any(not consented or max(consented) <= at for at in self.blocks)

    def expected(self) -> str:
        """What holds, after the rules in docs/consent.md."""
        if self.is_suppressed_there() or self.is_blocked_by_you():
            return "suppressed"
        return "subscribed" if self.said() else "unsubscribed"

    def withdrew(self) -> Word | None:
        """Their own withdrawal, if they did not consent anew themselves; one of yours if several say so."""
        own = [word for word in self.words if word.authority == 2]
        withdrawn = [word for word in own if not word.given]
        given = [word.second for word in own if word.given]
        newest = max(withdrawn, key=lambda word: (word.second, word.is_yours), default=None)
        return newest if newest and not (given and max(given) > newest.second) else None

    def is_subscribed_there(self) -> bool:
        """Whether the newest that Klaviyo tells is a subscription."""
        newest = max((word.second for word in self.shown), default=None)
        return bool(self.shown) and all(word.given for word in self.shown if word.second == newest)


def lives(random: Random) -> Iterator[Person]:
    for number in range(PEOPLE):
        began = BEGAN - (LONG_AGO if random.random() < 0.2 else timedelta())
        person = Person(number, is_known=random.random() < 0.8, began=began)
        if random.random() < 0.3:
            _orders(person)
        for turn in range(random.randrange(1, 6)):
            at = began + timedelta(seconds=random.randrange(SECONDS), microseconds=random.randrange(1_000_000))
            if random.random() < 0.6 or not person.is_known:
                _states(person, turn, at, random)
            else:
                _is_told_of(person, turn, at.replace(microsecond=0), random)
        if person.is_known and random.random() < 0.4:
            _shows(person, began + timedelta(seconds=random.randrange(SECONDS)), random)
        yield person


def _orders(person: Person) -> None:
    """Just now, whenever they spoke; the shop knows their address by their number as its customer."""
    person.orders.append(
        {
            "source": "shop",
            "shop": "shop",
            "order_id": str(person.number),
            "event": "placed",
            "email": person.address,
            "external_id": str(person.number),
            "occurred_at": BEGAN,
            "received_at": BEGAN,
        }
    )


def _states(person: Person, turn: int, at: datetime, random: Random) -> None:
    method, authority = random.choice(list(METHODS.items()))
    given = random.random() < 0.5
    if not given and random.random() < 0.1:
        method = "hard-bounce"
        person.blocks.append(at.replace(microsecond=0))
    else:
        person.words.append(Word(authority, at.replace(microsecond=0), given, is_yours=True))
    names = {"email": random.choice([person.address, f" {person.address.upper()}"])}
    if person.orders and random.random() < 0.3:
        names = {"external_id": str(person.number)}
    person.statements.append(
        {
            "statement_id": f"{person.number}/{turn}:email",
            "channel": "email",
            "consent": "given" if given else "withdrawn",
            **names,
            "method": method,
            "list_id": LIST if given and random.random() < 0.3 else None,
            "properties": {"$consent": ["email"], "$consent_method": "form", "size": 42},
            "proof": {"text": "Grüße"},
            "stated_at": at,
        }
    )


def _is_told_of(person: Person, turn: int, at: datetime, random: Random) -> None:
    metric, properties = random.choice(["Sub", "Uns", "Spam", "Bounce", "Sup", "Unsup"]), {}
    if metric == "Sub":
        properties = {"form_id": "F"} if random.random() < 0.5 else {}
        person.words.append(Word(2 if properties else 1, at, given=True))
        person.shown.append(Word(1, at, given=True))
    elif metric in {"Uns", "Spam"}:
        person.words.append(Word(2, at, given=False))
        person.shown.append(Word(2, at, given=False))
    elif metric == "Bounce":
        properties = {"Bounce Type": random.choice(["Hard", "Soft"])}
        person.bounced |= properties["Bounce Type"] == "Hard"
    else:
        person.suppressions.append((at, metric == "Sup"))
    person.events.append(_event(person, f"{person.number}/{turn}", metric, at, properties))


def _event(person: Person, key: str, metric: str, at: datetime, properties: Row) -> Row:
    return {
        "id": key,
        "metric_id": metric,
        "profile_id": person.profile,
        "datetime": at,
        "event_properties": properties,
    }


def _shows(person: Person, at: datetime, random: Random) -> None:
    """A consent may be older than when it came there, as one that was imported is."""
    given, method = random.random() < 0.5, random.choice(["API", "PREFERENCE_PAGE", None])
    consented_at = at - timedelta(seconds=random.randrange(SECONDS)) if given else at
    authority = 2 if not given or method == "PREFERENCE_PAGE" else 1
    person.words.append(Word(authority, consented_at, given))
    person.shown.append(Word(authority, at, given))
    person.subscriptions = _shown(given=given, consented_at=consented_at, at=at, method=method)


def _shown(*, given: bool, consented_at: datetime, at: datetime, method: str | None) -> Row:
    marketing: Row = {
        "consent": "SUBSCRIBED" if given else "UNSUBSCRIBED",
        "consent_timestamp": f"{consented_at.isoformat()}+00:00" if given else None,
        "last_updated": f"{at.isoformat()}+00:00",
        "method": method,
        "suppression": [],
        "list_suppressions": [],
    }
    return {"email": {"marketing": marketing}, "sms": None}


class World:
    """What is landed of all of them, in any order and received at any time after, and what is made of it."""

    def __init__(self, warehouse: Warehouse, people: list[Person], random: Random) -> None:
        self.warehouse = warehouse
        klaviyo = {"object": "integration", "key": "klaviyo"}
        metrics = [{"id": key, "name": name, "integration": klaviyo} for key, name in METRICS.items()]
        self.warehouse.land("metrics", metrics)
        self.random = random
        self.profiles = {person.profile: _profile(person) for person in people if person.is_known}
        self.events = [event for person in people for event in person.events]
        self.members: list[Row] = []
        self.statements = [
            {**row, "received_at": row["stated_at"] + timedelta(seconds=random.randrange(100_000))}
            for person in people
            for row in person.statements
        ]
        self.orders = [row for person in people for row in person.orders]

    def build(self, *more: str) -> None:
        tables = {
            "profiles": list(self.profiles.values()),
            "consent_statements": self.statements,
            "orders": self.orders,
            "events": self.events,
            "list_memberships": self.members,
        }
        for table, rows in tables.items():
            self.random.shuffle(rows)
            self.warehouse.land(table, rows)
        chosen = ("fct_consent_log", "fct_consent", *PUBLISHED, *more)
        self.warehouse.dbt("run", "--select", *chosen, contacts_list_id=CONTACTS)

    def decided(self) -> dict[str, Row]:
        rows = self.warehouse.rows("select * from marts.fct_consent where channel = 'email'")
        return {row["identifier"]: row for row in rows}

    def published(self, name: str) -> list[Row]:
        return self.warehouse.rows(f"select * from publish.{name}")  # noqa: S608

    def take(self, people: list[Person]) -> int:
        """Klaviyo does what was published, a minute later; returns how much that was."""
        by_address = {person.address: person for person in people}
        at = self.warehouse.as_of + timedelta(minutes=1)
        subscriptions, suppressed = self.published(PUBLISHED[0]), self.published(PUBLISHED[1])
        for row in subscriptions:
            person = by_address[row["email"].lower()]
            profile = self.profiles.setdefault(person.profile, _profile(person))
            given = row["consent"] == "SUBSCRIBED"
            profile["subscriptions"] = _shown(
                given=given, consented_at=row["consented_at"] or at, at=at, method="API"
            )
            self._tells(person, "Sub" if given else "Uns", at)
            if row["list_id"]:
                self.members.append({"list_id": row["list_id"], "profile_id": person.profile, "snapshot_at": at})
                self._tells(person, "List", at, List=row["list_id"])
        for row in suppressed:
            person = by_address[row["email"]]
            self.profiles.setdefault(person.profile, _profile(person))
            self._tells(person, "Sup", at)
        return len(subscriptions) + len(suppressed)

    def _tells(self, person: Person, metric: str, at: datetime, **properties: str) -> None:
        key = f"{person.number}/{metric}/{at}"
        self.events.append(_event(person, key, metric, at.replace(microsecond=0), properties))


def _profile(person: Person) -> Row:
    return {
        "id": person.profile,
        "email": person.address,
        "created": person.began,
        "updated": person.began,
        "properties": {},
        "subscriptions": person.subscriptions,
    }


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return list(lives(Random(20261109)))  # noqa: S311


@pytest.fixture(scope="module")
def worlds(project: Project, people: list[Person]) -> list[World]:
    """The same lives, as they arrive in two orders."""
    empty = Warehouse.empty(project)
    empty.dbt("seed", "--select", "consent_metrics", "consent_methods")
    views = (f"+{name}" for name in ("fct_consent", *PUBLISHED))
    empty.dbt("run", "--select", *views, contacts_list_id=CONTACTS)
    worlds = [World(empty.copy(), people, Random(seed)) for seed in (1, 2)]  # noqa: S311
    worlds[0].build()
    worlds[1].build("fct_consent_published")
    return worlds


@pytest.fixture(scope="module")
def decided(worlds: list[World]) -> dict[str, Row]:
    return worlds[0].decided()


@pytest.fixture(scope="module")
def published(worlds: list[World]) -> dict[str, list[Row]]:
    return {name: worlds[0].published(name) for name in PUBLISHED}


@pytest.fixture(scope="module")
def left(people: list[Person]) -> list[Person]:
    """Those who withdrew, and did not consent anew themselves."""
    left = [person for person in people if person.withdrew()]
    assert len(left) > PEOPLE / 10
    return left


def test_what_holds_is_what_the_rules_say(people: list[Person], decided: dict[str, Row]) -> None:
    expected = {
        person.address: person.expected() for person in people if person.words or person.blocks or person.bounced
    }
    known = {address: row["state"] for address, row in decided.items() if address in expected}
    assert known == expected
    assert set(known.values()) == {"subscribed", "unsubscribed", "suppressed"}
    assert {row["rule"] for row in decided.values()} >= {
        "newest_by_person",
        "withdrawal_wins_tie",
        "person_over_others",
        "newest_of_others",
        "hard_bounce",
        "suppressed",
    }


def test_the_order_of_arrival_changes_nothing(worlds: list[World], decided: dict[str, Row]) -> None:
    assert worlds[1].decided() == decided


def test_nobody_is_written_to_after_their_own_withdrawal(left: list[Person], decided: dict[str, Row]) -> None:
    assert not [person.address for person in left if decided[person.address]["may_be_written_to"]]


def test_nobody_is_subscribed_who_may_not_be_written_to(
    people: list[Person], published: dict[str, list[Row]]
) -> None:
    subscribed = {
        row["email"].lower() for row in published["pub_klaviyo_subscriptions"] if row["consent"] == "SUBSCRIBED"
    }
    assert len(subscribed) > PEOPLE / 20
    assert not [person for person in people if person.address in subscribed and person.expected() != "subscribed"]


def test_nobody_is_put_on_a_list_after_their_own_withdrawal(
    people: list[Person], left: list[Person], published: dict[str, list[Row]]
) -> None:
    """Klaviyo starts flows for whoever joins one, maybe before it has worked the withdrawal."""
    members = {row["profile_id"] for row in published["pub_klaviyo_list_members"]}
    joining = {
        row["email"].lower() for row in published["pub_klaviyo_contacts"] if row["list_id"] and row["email"]
    }
    assert {person.profile for person in people if person.orders and person.is_known and person.said()} & members
    assert {
        person.address for person in people if person.orders and not person.is_known and person.said()
    } & joining
    assert not [person for person in left if person.profile in members or person.address in joining]


def test_a_profile_that_is_written_gains_no_consent_by_it(published: dict[str, list[Row]]) -> None:
    """Properties such as `$consent` are Klaviyo's own; what forms send of them is left out."""
    properties = {row["properties"] for row in published["pub_klaviyo_contacts"]}
    assert '{"size":42}' in properties
    assert not [text for text in properties if text and "consent" in text]
    assert not {name for row in published["pub_klaviyo_contacts"] for name in row} & {"subscriptions", "consent"}


def test_who_withdrew_is_put_out_wherever_klaviyo_shows_them(
    left: list[Person], published: dict[str, list[Row]]
) -> None:
    """However long ago it was: what they told you, and Klaviyo has otherwise."""
    out = {
        row["email"].lower() for row in published["pub_klaviyo_subscriptions"] if row["consent"] == "UNSUBSCRIBED"
    }
    told = [person for person in left if (word := person.withdrew()) and word.is_yours]
    differing = [person for person in told if person.is_subscribed_there()]
    assert {person.is_recent for person in differing} == {True, False}
    assert not [person.address for person in differing if person.address not in out]
    known = [person for person in told if person.shown and not person.is_subscribed_there()]
    assert known
    assert not [person.address for person in known if person.address in out]


def test_what_bounces_is_suppressed_wherever_klaviyo_does_not(
    people: list[Person], published: dict[str, list[Row]]
) -> None:
    differing = {
        person.address
        for person in people
        if person.is_blocked_by_you()
        and not person.is_suppressed_there()
        and (person.is_recent or person.is_known)
    }
    assert differing
    assert {row["email"] for row in published["pub_klaviyo_suppressions"]} == differing


def test_both_ends_come_to_rest(worlds: list[World], people: list[Person]) -> None:
    """Klaviyo does what it is sent and tells of it: then there is nothing to send, and nothing else holds."""
    world = worlds[1]
    before = {address: row["may_be_written_to"] for address, row in world.decided().items()}
    sent = [world.take(people)]
    while sent[-1] and len(sent) < 4:
        world.warehouse.as_of += timedelta(minutes=40)
        world.build("fct_consent_published", "fct_consent_shown")
        sent.append(world.take(people))
    assert sent[0] > PEOPLE / 10
    assert sent[-1] == 0
    assert {address: row["may_be_written_to"] for address, row in world.decided().items()} == before


def test_a_withdrawal_holds_for_the_address_of_then(
    worlds: list[World], people: list[Person], left: list[Person]
) -> None:
    """Their profile has another by now: a consent that they gave before, for the old one, is sent for nobody."""
    world = World(worlds[0].warehouse.copy(), people, Random(3))  # noqa: S311
    world.build("fct_consent_shown")
    for profile in world.profiles.values():
        profile["email"] = f"new-{profile['email']}"
    world.build()
    decided = world.decided()
    known = [person for person in left if person.is_known]
    assert any(word.given for person in known for word in person.words if word.is_yours)
    assert not [person.address for person in known if decided.get(person.address, {}).get("may_be_written_to")]
    subscribed = {row["email"] for row in world.published(PUBLISHED[0]) if row["consent"] == "SUBSCRIBED"}
    assert not [person.address for person in known if person.address in subscribed]
