"""A forwarding definition as it is used: read, checked, presets filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_forwarding.definitions.paths import Part, Path


class Status(StrEnum):
    """Whether what the rules make of events is sent."""

    DRAFT = "draft"
    LIVE = "live"


class EventType(StrEnum):
    """The calls of Segment's and RudderStack's specification that can become events."""

    TRACK = "track"
    PAGE = "page"
    SCREEN = "screen"
    IDENTIFY = "identify"
    GROUP = "group"


class ValueType(StrEnum):
    """What a value is made into; one that cannot be is left out."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    LIST = "list"


class Personal(StrEnum):
    """What is sent of a value that tells of a person."""

    HASH = "hash"
    MASK = "mask"


class Identifier(StrEnum):
    """How Klaviyo knows a person, what is surest first: the order in which one is chosen."""

    PROFILE_ID = "profile_id"
    EXTERNAL_ID = "external_id"
    EMAIL = "email"
    PHONE_NUMBER = "phone_number"
    ANONYMOUS_ID = "anonymous_id"


class Scheme(StrEnum):
    """How a person's choice is written down."""

    SEGMENT = "segment"
    RUDDERSTACK = "rudderstack"
    TCF = "tcf"
    GPP = "gpp"
    GOOGLE = "google"
    US_PRIVACY = "us_privacy"
    KLAVIYO = "klaviyo"


class Outcome(StrEnum):
    """What becomes of an event by what was said about consent, the mildest first."""

    ALLOW = "allow"
    STRIP = "strip"
    DROP = "drop"


class Older(StrEnum):
    """What becomes of an event that is older than the limit."""

    DROP = "drop"
    BACKFILL = "backfill"


class Channel(StrEnum):
    """By which a person may be written to, as `fct_consent` has it."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"


ATTRIBUTES = ("first_name", "last_name", "organization", "title", "image", "locale")
"""Of a profile, beside its location and its own properties."""
LOCATION = (
    "address1",
    "address2",
    "city",
    "region",
    "zip",
    "country",
    "timezone",
    "ip",
    "latitude",
    "longitude",
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from.

    Attributes:
        paths: Where it is looked for, in this order; the first that holds something counts.
        constant: What it always is, as JSON text; then there are no paths.
        type: What it is made into; none: as it was sent.
        personal: What is sent of it; none: all.
        each: Of a list, what becomes of each item: members by name, or under the empty name the value itself.
    """

    paths: tuple[Path, ...] = ()
    constant: str | None = None
    type: ValueType | None = None
    personal: Personal | None = None
    each: Mapping[str, Origin] = field(default_factory=dict)

    def every_path(self) -> Iterator[Path]:
        """Its paths, factors and those of its items included."""
        for path in self.paths:
            yield path
            if path.times:
                yield path.times
        for origin in self.each.values():
            yield from origin.every_path()


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of the events of one name.

    Attributes:
        event: Their name in the source; none: of any name.
        type: Their type.
        metric: Klaviyo's name of them.
        per: The list of which each item becomes an event; none: the event itself becomes one.
        keeps_all: Whether every property is sent that is not named in `without`.
        keep: The properties that are sent as they are.
        without: The properties that are not sent.
        properties: What else is sent, by name.
        value: What it is worth.
        currency: Of `value`.
        unique_id: What makes it one event of its metric, in parts; empty: the message's id.
        preset: The preset it comes from; none: the file itself.
        line: Where it stands in the file, from 1; of a preset where that is named.
    """

    event: str | None
    type: EventType
    metric: str
    per: Path | None
    keeps_all: bool
    keep: tuple[str, ...]
    without: tuple[str, ...]
    properties: Mapping[str, Origin]
    value: Origin | None
    currency: Origin | None
    unique_id: tuple[Part, ...]
    preset: str | None
    line: int

    @property
    def source(self) -> tuple[EventType, str | None]:
        """The events that it is about."""
        return self.type, self.event

    def standing_at(self, line: int) -> Rule:
        """The same, of a preset that is named in this line."""
        return replace(self, line=line)

    def paths(self) -> Iterator[Path]:
        """Every place in the event that it looks at."""
        if self.per:
            yield self.per
        for part in self.unique_id:
            yield from part.paths
        for origin in (*self.properties.values(), self.value, self.currency):
            if origin:
                yield from origin.every_path()


@dataclass(frozen=True, slots=True)
class Source:
    """Where the events lie.

    Attributes:
        preset: Whose columns they are; none: those of the file alone.
        table: The receiver's table; then there is no `relation`.
        relation: Schema and table, with a database before them if it is another.
        columns: What each of our columns is called there; `message_id` may be made of several.
        event: The name of all its events, where no column has it.
        type: The type of all its events, where no column has it.
    """

    preset: str | None
    table: str | None
    relation: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    event: str | None
    type: EventType | None

    @property
    def has_documents(self) -> bool:
        """Whether properties are members of a JSON document, and not columns of their own."""
        return "properties" in self.columns


@dataclass(frozen=True, slots=True)
class ConsentCheck:
    """One place in which a person's choice may stand.

    Attributes:
        scheme: How it is written.
        path: Where; none with `klaviyo`, which is looked up by the person.
        needed: Categories, purposes or signals that must all be granted; of `klaviyo` the channel.
        vendor: Of `tcf`, who must be allowed besides.
        denied: What becomes of the event if they are not.
    """

    scheme: Scheme
    path: Path | None
    needed: tuple[str, ...]
    vendor: int | None
    denied: Outcome


@dataclass(frozen=True, slots=True)
class Network:
    """A part of the IPv4 addresses, both ends as numbers and part of it."""

    text: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Bots:
    """By what events of machines are known; with `kept` they are sent like others."""

    kept: bool
    user_agents: tuple[str, ...]
    networks: tuple[Network, ...]
    per_minute: int | None


@dataclass(frozen=True, slots=True)
class Definition:
    """A file.

    Attributes:
        key: Its name.
        rules: In the order of the file, presets after it; no two say something of the same event and metric.
        ignored: Names of events that are known and not sent.
        identifiers: Where each is looked for.
        precedence: In which order one is chosen; of each that is in `identifiers`.
        stitch_days: How long before they were known an anonymous visitor's events still become theirs.
        contact: What becomes of the traits: attributes by name, `location.…` and `properties.…` included.
        checks: What is asked about consent; all that say something must allow it. Empty with `asks_no_consent`.
        asks_no_consent: The file says that there is nothing to ask.
        missing: What becomes of an event of which no check says anything.
        max_age_hours: How old an event may be that is sent as a new one.
        older: What becomes of an older one.
        file: Its file, as messages name it.
        sha256: Of the file and the presets it names.
    """

    key: str
    status: Status
    description: str
    source: Source
    rules: tuple[Rule, ...]
    ignored: tuple[str, ...]
    identifiers: Mapping[Identifier, tuple[Path, ...]]
    precedence: tuple[Identifier, ...]
    stitch_days: int
    contact: Mapping[str, Origin]
    checks: tuple[ConsentCheck, ...]
    asks_no_consent: bool
    missing: Outcome
    bots: Bots
    max_age_hours: int
    older: Older
    file: str
    sha256: str

    def own_paths(self) -> Iterator[Path]:
        """Every place that the file itself asks for; what presets of events look for may be absent."""
        for paths in self.identifiers.values():
            yield from paths
        for origin in self.contact.values():
            yield from origin.every_path()
        for rule in self.rules:
            if rule.preset is None:
                yield from rule.paths()
        yield from (check.path for check in self.checks if check.path)
