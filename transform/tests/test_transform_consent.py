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

PEOPLE = 3_000
BEGAN = NOW - timedelta(days=3)
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
}


class Word(NamedTuple):
    """What somebody said, or what was said of them: the greater `authority` is more the person's own."""

    authority: int
    second: datetime
    given: bool


@dataclass
class Person:
    """One address, with its life, and what it should come to."""

    number: int
    words: list[Word] = field(default_factory=list)
    bounced: bool = False
    suppressions: list[tuple[datetime, bool]] = field(default_factory=list)
    statements: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    subscriptions: Row | None = None

    @property
    def address(self) -> str:
        return f"p{self.number}@shop.example"

    def expected(self) -> str:
        """What holds, after the rules in docs/consent.md."""
        suppressed = [at for at, made in self.suppressions if made]
        lifted = [at for at, made in self.suppressions if not made]
        if self.bounced or (suppressed and not (lifted and max(lifted) > max(suppressed))):
            return "suppressed"
        heard = [word for word in self.words if word.authority == max(each.authority for each in self.words)]
        newest = max(word.second for word in heard)
        given = all(word.given for word in heard if word.second == newest)
        return "subscribed" if given else "unsubscribed"

    def may_not_be_written_to(self) -> bool:
        """They withdrew, and did not consent anew themselves."""
        own = [word for word in self.words if word.authority == 2]
        withdrawn = [word.second for word in own if not word.given]
        given = [word.second for word in own if word.given]
        return bool(withdrawn) and not (given and max(given) > max(withdrawn))


def lives(random: Random) -> Iterator[Person]:
    for number in range(PEOPLE):
        person = Person(number)
        for turn in range(random.randrange(1, 6)):
            at = BEGAN + timedelta(seconds=random.randrange(SECONDS), microseconds=random.randrange(1_000_000))
            if random.random() < 0.6:
                _states(person, turn, at, random)
            else:
                _is_told_of(person, turn, at.replace(microsecond=0), random)
        if random.random() < 0.3:
            _shows(person, BEGAN + timedelta(seconds=random.randrange(SECONDS)), random)
        yield person


def _states(person: Person, turn: int, at: datetime, random: Random) -> None:
    method, authority = random.choice(list(METHODS.items()))
    given = random.random() < 0.5
    person.words.append(Word(authority, at.replace(microsecond=0), given))
    person.statements.append(
        {
            "statement_id": f"{person.number}/{turn}:email",
            "channel": "email",
            "consent": "given" if given else "withdrawn",
            "email": random.choice([person.address, f" {person.address.upper()}"]),
            "method": method,
            "list_id": "L" if given and random.random() < 0.3 else None,
            "proof": {"text": "Grüße"},
            "stated_at": at,
        }
    )


def _is_told_of(person: Person, turn: int, at: datetime, random: Random) -> None:
    metric, properties = random.choice(list(METRICS)), {}
    if metric == "Sub":
        properties = {"form_id": "F"} if random.random() < 0.5 else {}
        person.words.append(Word(2 if properties else 1, at, given=True))
    elif metric in {"Uns", "Spam"}:
        person.words.append(Word(2, at, given=False))
    elif metric == "Bounce":
        properties = {"Bounce Type": random.choice(["Hard", "Soft"])}
        person.bounced |= properties["Bounce Type"] == "Hard"
    else:
        person.suppressions.append((at, metric == "Sup"))
    person.events.append(
        {
            "id": f"{person.number}/{turn}",
            "metric_id": metric,
            "profile_id": f"C{person.number}",
            "datetime": at,
            "event_properties": properties,
        }
    )


def _shows(person: Person, at: datetime, random: Random) -> None:
    given, method = random.random() < 0.5, random.choice(["API", "PREFERENCE_PAGE", None])
    authority = 2 if not given or method == "PREFERENCE_PAGE" else 1
    person.words.append(Word(authority, at, given))
    marketing: Row = {
        "consent": "SUBSCRIBED" if given else "UNSUBSCRIBED",
        "consent_timestamp": f"{at.isoformat()}+00:00" if given else None,
        "last_updated": f"{at.isoformat()}+00:00",
        "method": method,
        "suppression": [],
        "list_suppressions": [],
    }
    person.subscriptions = {"email": {"marketing": marketing}, "sms": None}


def _decide(project: Project, people: list[Person], random: Random) -> dict[str, Row]:
    """Lands what there is, in any order and received at any time after, and builds the mart."""
    warehouse = Warehouse.empty(project)
    warehouse.dbt("seed", "--select", "consent_metrics", "consent_methods")
    klaviyo = {"object": "integration", "key": "klaviyo"}
    warehouse.land("metrics", [{"id": key, "name": name, "integration": klaviyo} for key, name in METRICS.items()])
    profiles = [
        {
            "id": f"C{person.number}",
            "email": person.address,
            "created": BEGAN,
            "updated": BEGAN,
            "properties": {},
            "subscriptions": person.subscriptions,
        }
        for person in people
    ]
    statements = [
        {**row, "received_at": row["stated_at"] + timedelta(seconds=random.randrange(100_000))}
        for person in people
        for row in person.statements
    ]
    events = [event for person in people for event in person.events]
    for table, rows in {"profiles": profiles, "consent_statements": statements, "events": events}.items():
        random.shuffle(rows)
        warehouse.land(table, rows)
    warehouse.dbt("run", "--select", "+fct_consent")
    rows = warehouse.rows("select * from marts.fct_consent where channel = 'email'")
    return {row["identifier"]: row for row in rows}


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return list(lives(Random(20261109)))  # noqa: S311


@pytest.fixture(scope="module")
def decided(project: Project, people: list[Person]) -> list[dict[str, Row]]:
    """The same lives, as they arrive in two orders."""
    return [_decide(project, people, Random(seed)) for seed in (1, 2)]  # noqa: S311


def test_what_holds_is_what_the_rules_say(people: list[Person], decided: list[dict[str, Row]]) -> None:
    expected = {person.address: person.expected() for person in people if person.words or person.bounced}
    known = {address: row["state"] for address, row in decided[0].items() if address in expected}
    assert known == expected
    assert set(known.values()) == {"subscribed", "unsubscribed", "suppressed"}
    assert {row["rule"] for row in decided[0].values()} >= {
        "newest_by_person",
        "withdrawal_wins_tie",
        "person_over_others",
        "newest_of_others",
        "hard_bounce",
        "suppressed",
    }


def test_the_order_of_arrival_changes_nothing(decided: list[dict[str, Row]]) -> None:
    assert decided[0] == decided[1]


def test_nobody_is_written_to_after_their_own_withdrawal(
    people: list[Person], decided: list[dict[str, Row]]
) -> None:
    left = [person.address for person in people if person.may_not_be_written_to()]
    assert len(left) > PEOPLE / 10
    assert not [address for address in left if decided[0][address]["may_be_written_to"]]
