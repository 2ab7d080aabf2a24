"""What a sink is: a declaration of what it accepts, a pure mapping, and how its rows reach Klaviyo.

A sink states `stream`, `fields` and `routes`, and maps a record: `identify` says whom it is about, `to_resource`
what is sent, and in which `Group`. A group is what the rows of one request share: the route (the operation that
takes them, and what one request may hold) and the words that stand once per request (a list's id, a source).
There are three kinds of route:

    kind                                          base class              declared as
    a job that ends, and may list what it refused `bulk.BulkSink`         `bulk.Bulk(..., status=, errors=)`
    a batch that is taken, and no more is known   `bulk.BulkSink`         `bulk.Bulk(...)`
    one request (or a few) per record             `single.RecordSink`     `Route(..., limits=ONE)`

A sink that has routes of both kinds takes `bulk.BulkSink` and hands the batches of the other to
`single.one_by_one`. Everything else is written once and knows no sink by name: duplicates and full batches
(`outbox`), requests in flight (`desk`), refused requests (`mending`), jobs (`following`), what a killed run had
sent (`ledger`), rejects, report. Sinks have no state of their own but the run's `Options`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import msgspec

from klaviyo_wire.bulk import BulkLimits
from klaviyo_wire.endpoints import ENDPOINTS, Endpoint
from target_klaviyo_profiles import identifiers
from target_klaviyo_profiles.values import Json, Unsendable, without_nulls

if TYPE_CHECKING:
    from target_klaviyo_profiles.client import StreamClient
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.ledger import Ledger

METADATA_PREFIX = "_sdc_"
DEFAULT_AUDIT_NAME = "target-klaviyo-profiles-deletions.jsonl"
ONE = BulkLimits(items=1)
"""The limits of a route that takes one record a request."""


class Kind(StrEnum):
    """What the value of a record's field is."""

    TEXT = "text"
    """A string; a whole number is taken as its digits, since warehouses keep ids as numbers."""
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    """ISO 8601 text; without an offset it counts as UTC. Given to the sink with an offset: `…T12:00:00+00:00`."""
    OBJECT = "object"
    TEXTS = "array of text"


_PLAIN: Mapping[Kind, type] = {Kind.TEXT: str, Kind.NUMBER: int, Kind.BOOLEAN: bool}
"""The type whose every value is good for a field of the kind."""


@dataclass(frozen=True)
class Field:
    """A field that records of a sink may have.

    `required`: a record without it, or with blank text in it, is refused (`missing_field`).
    """

    name: str
    kind: Kind
    description: str
    required: bool = False


@dataclass(frozen=True)
class Options:
    """The settings that decide what sinks accept.

    Attributes:
        allow_deletions: Whether profiles may be deleted.
        audit_path: File that every request for a deletion is written to.
        clearable_fields: Fields that an explicit null clears; null says nothing in any other.
        events_backfill: Whether events that do not say so themselves are only recorded and trigger nothing.
        identifier_precedence: The identifiers a profile may be known by; of those a record has, the first counts.
        now: The present moment, UTC.
    """

    allow_deletions: bool = False
    audit_path: Path = Path(DEFAULT_AUDIT_NAME)
    clearable_fields: frozenset[str] = frozenset()
    events_backfill: bool = True
    identifier_precedence: tuple[str, ...] = identifiers.PRECEDENCE
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True)
class Reason:
    """Why a record was refused.

    Attributes:
        code: Ours for what is refused before sending, Klaviyo's own otherwise.
        detail: What is wrong with this record.
        remedy: What a person can do about it; one sentence without personal data.
        pointer: JSON pointer to the fault: into the record if `job` is None and nothing was sent, else as
            Klaviyo gave it.
        job: Id of the import job that refused the record.
        sent: What was sent of the record, encoded or as Klaviyo gives it back, where that is at hand.
    """

    code: str
    detail: str
    remedy: str
    pointer: str | None = None
    job: str | None = None
    sent: object = field(default=None, compare=False, repr=False)


class Rejected(Exception):  # noqa: N818 - it says what happened to the record
    """The record cannot be written; nothing of it is sent."""

    def __init__(self, reason: Reason, key: Key | None = None) -> None:
        super().__init__(reason.code)
        self.reason = reason
        self.key = key


class Unsettled(Exception):  # noqa: N818 - it says what happened to the record
    """Klaviyo may or may not have taken the record; the message says why that is not known."""


@dataclass(frozen=True, eq=False)
class Route:
    """A way for rows to reach Klaviyo. Made once per sink, and compared by identity.

    Attributes:
        operation: Key of the operation that writes, in `klaviyo_wire.endpoints`.
        limits: What one of its requests may hold.
    """

    operation: str
    limits: BulkLimits

    def operations(self) -> tuple[str, ...]:
        """Every operation that the way leads through."""
        return (self.operation,)


class Group(NamedTuple):
    """What the rows of one request share: the route, and what stands there once (a list's id, a source)."""

    route: Route
    shared: tuple[str | None, ...] = ()

    def __str__(self) -> str:
        return ", ".join(each for each in self.shared if each)


@dataclass(frozen=True)
class Resource:
    """A record as Klaviyo takes it, and the requests that it may be part of."""

    body: Json
    group: Group


class Row(NamedTuple):
    """A resource, encoded, on its way into a batch."""

    key: Key
    group: Group
    payload: bytes


@dataclass
class Batch:
    """Rows of one group that travel together.

    Attributes:
        group: What they share.
        keys: Whom or what they are about.
        payloads: The rows, encoded; emptied once Klaviyo has them.
        since: How many STATE messages came before the first record in it.
        until: How many came before it was sent.
    """

    group: Group
    keys: list[Key]
    payloads: list[bytes]
    since: int = 0
    until: int = 0


@dataclass
class Outcome:
    """What became of a batch; a key in none of the collections was accepted.

    Attributes:
        rejected: Refused rows.
        unnamed: Failures that Klaviyo counts without saying which row; as many accepted rows are none.
        unsettled: Rows whose fate is not known, and why.
        unchanged: Rows that Klaviyo already held as they are.
        jobs: Jobs that Klaviyo accepted.
        open: Those of them that are to be followed: they decide about the rows in them.
        entries: What the ledger holds of the batch.
    """

    rejected: dict[Key, Reason] = field(default_factory=dict)
    unnamed: list[Reason] = field(default_factory=list)
    unsettled: dict[Key, str] = field(default_factory=dict)
    unchanged: set[Key] = field(default_factory=set)
    jobs: int = 0
    open: list[OpenJob] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class OpenJob:
    """A job that Klaviyo has accepted and not ended.

    Attributes:
        id: Klaviyo's id of it.
        group: What its rows share.
        keys: Its rows, in the order they were sent.
        at: When it was accepted, by the line's clock.
        known_as: How `keys` spell a key: by itself, or hashed where the ledger is all that is left of the rows.
    """

    id: str
    group: Group
    keys: Sequence[Key]
    at: float
    known_as: Callable[[Key], Key] = lambda key: key


@dataclass(frozen=True)
class Line:
    """What a delivery needs of the world; safe to share between threads.

    Attributes:
        client: Calls Klaviyo, and counts the calls of the stream.
        clock: Monotonic seconds.
        sleep: Lets seconds pass.
        now: The present moment, UTC.
        job_timeout: Seconds that a job may take.
        ledger: Knows what was sent, and what a sink wants to know in the next run.
    """

    client: StreamClient
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    now: Callable[[], datetime]
    job_timeout: float
    ledger: Ledger


class Sink(ABC):
    """One stream: which records it accepts and how they are written."""

    stream: ClassVar[str]
    fields: ClassVar[tuple[Field, ...]]
    routes: ClassVar[tuple[Route, ...]]
    """All of them; the first one's operation is what the documentation names."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Operations that are called beside those of the routes."""
    clearable: ClassVar[frozenset[str]] = frozenset()
    """Fields that there is a way to clear: what the setting `clearable_fields` may name."""

    def __init_subclass__(cls) -> None:
        """Index the fields by name."""
        super().__init_subclass__()
        fields = getattr(cls, "fields", ())
        cls._kinds = {each.name: each.kind for each in fields}
        cls._plain = {each.name: _PLAIN[each.kind] for each in fields if each.kind in _PLAIN}
        cls._required = tuple(each.name for each in fields if each.required)

    _kinds: ClassVar[Mapping[str, Kind]]
    _plain: ClassVar[Mapping[str, type]]
    _required: ClassVar[tuple[str, ...]]

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self._cleared = self.clearable & self.options.clearable_fields

    @classmethod
    def operations(cls) -> tuple[str, ...]:
        """Every operation that is called: those of the routes, then the others."""
        called = (each for route in cls.routes for each in route.operations())
        return tuple(dict.fromkeys([*called, *cls.reads]))

    @classmethod
    def endpoints(cls) -> tuple[Endpoint, ...]:
        """Klaviyo's contract of the operations."""
        return tuple(ENDPOINTS[operation] for operation in cls.operations())

    @classmethod
    def scopes(cls) -> tuple[str, ...]:
        """API scopes a key needs for this sink, sorted."""
        return tuple(sorted({scope for endpoint in cls.endpoints() for scope in endpoint.scopes}))

    def closed(self) -> str | None:
        """Why the settings forbid this stream, naming the one to change; None when they do not."""
        return None

    def unknown(self, names: AbstractSet[str]) -> list[str]:
        """Those of the names that no field has, sorted; SDC metadata columns are nobody's business."""
        return sorted(name for name in names - self._kinds.keys() if not name.startswith(METADATA_PREFIX))

    def warnings(self, names: AbstractSet[str]) -> list[str]:  # noqa: ARG002 - for sinks to override
        """What a user should know about records with these fields, once per run."""
        return []

    @abstractmethod
    def identify(self, record: Json) -> Key:
        """Whom or what the record is about.

        No two rows of the same key are ever under way at once, whatever their groups, and they are sent in the
        order of their records; two of one group that have not been sent are `combined`. So a key is as fine as
        it can be without two of them meaning the same: for a membership, the list and the profile.

        Raises:
            Rejected: the record does not say.
        """

    @abstractmethod
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        """The record as Klaviyo takes it; None when there is nothing to write.

        Args:
            record: Only known fields, of their kinds, without nulls; but a field that may be cleared, and is to
                be, is None.
            key: As `identify` gave it.

        Raises:
            Rejected: Klaviyo would refuse it.
        """

    @abstractmethod
    def envelope_size(self, group: Group) -> int:
        """Bytes of a request of the group around its rows."""

    @abstractmethod
    def deliver(self, batch: Batch, line: Line) -> Outcome:
        """Write the batch; return once every row has a fate, is in a job (`Outcome.open`), or is known to be lost.

        Called on a thread of its own.

        Raises:
            KlaviyoError: nothing more can be written to this stream, or to Klaviyo at all.
        """

    def combined(self, earlier: bytes, later: bytes) -> bytes | None:  # noqa: ARG002 - for sinks to override
        """A payload that does what two of the same key and group do one after the other; None if there is none.

        Here the later one, which is right where a record says everything about its key.
        """
        return later

    def row(self, record: Mapping[str, object]) -> Row | None:
        """The record checked, mapped and encoded; None when there is nothing to write.

        Raises:
            Rejected: it cannot be written; `key` is set as soon as it is known.
        """
        known = self._known(record)
        key = self.identify(known)
        if self._cleared:
            known.update((name, None) for name in self._cleared if name in record and record[name] is None)
        try:
            resource = self.to_resource(known, key)
            if resource is None:
                return None
            payload = self._encoded(resource)
        except Rejected as rejected:
            rejected.key = rejected.key or key
            raise
        return Row(key, resource.group, payload)

    def _known(self, record: Mapping[str, object]) -> Json:
        known: Json = {}
        unknown: list[str] = []
        faults: list[Reason] = []
        for name, value in record.items():
            if value is None:
                continue
            # Most values are of the type that needs no look at anything inside.
            if type(value) is self._plain.get(name):
                known[name] = value
                continue
            kind = self._kinds.get(name)
            if kind is None:
                if not name.startswith(METADATA_PREFIX):
                    unknown.append(name)
                continue
            try:
                known[name] = _as(kind, without_nulls(value))
            except (Unsendable, TypeError, RecursionError) as fault:
                faults.append(_invalid(name, fault))
        if unknown:
            faults.append(self._unknown_fields(sorted(unknown)))
        if self._required:
            faults += map(_missing, self._without(known))
        if faults:
            raise Rejected(faults[0], self._whose(known))
        return known

    def _without(self, record: Json) -> list[str]:
        return [name for name in self._required if record.get(name) is None or not str(record[name]).strip()]

    def _whose(self, record: Json) -> Key | None:
        try:
            return self.identify(record)
        except Rejected:
            return None

    def _unknown_fields(self, names: Sequence[str]) -> Reason:
        listed = ", ".join(f"`{name}`" for name in names)
        remedy = f"Give only these fields: {', '.join(self._kinds)}."
        return Reason("unknown_field", f"{self.stream} has no field {listed}", remedy, f"/{names[0]}")

    def _encoded(self, resource: Resource) -> bytes:
        try:
            # msgspec would write NaN as null; `without_nulls` has refused it before.
            payload = msgspec.json.encode(resource.body)
        except UnicodeEncodeError:
            detail = "a text holds half of a surrogate pair, which UTF-8 does not have"
            raise Rejected(Reason("invalid_value", detail, "Correct the text's encoding.")) from None
        limits = resource.group.route.limits
        most = limits.request_bytes - self.envelope_size(resource.group)
        if limits.item_bytes is not None:
            most = min(most, limits.item_bytes)
        if len(payload) > most:
            detail = f"it takes {len(payload):,} bytes; Klaviyo takes {most:,}"
            raise Rejected(Reason("too_large", detail, "Shorten the longest values."))
        return payload


def _invalid(name: str, fault: Exception) -> Reason:
    detail, remedy = f"`{name}` {fault}", f"Correct `{name}`."
    if isinstance(fault, RecursionError):
        detail, remedy = f"`{name}` is nested too deeply", "Flatten it."
    return Reason("invalid_value", detail, remedy, f"/{name}")


def _missing(name: str) -> Reason:
    return Reason("missing_field", f"the record has no `{name}`", f"Give `{name}`.", f"/{name}")


_NAMES = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "an array", dict: "an object"}


def _as(kind: Kind, value: object) -> object:
    """The value if it is of the kind.

    Raises:
        TypeError: it is not; the message is the rest of a sentence about the field.
    """
    match kind, value:
        case (Kind.TEXT, str()) | (Kind.OBJECT, dict()):
            return value
        case Kind.TEXT, int() if not isinstance(value, bool):
            return str(value)
        case (Kind.NUMBER, int() | float()) if not isinstance(value, bool):
            return value
        case Kind.BOOLEAN, bool():
            return value
        case Kind.TIME, str():
            return _moment(value)
        case Kind.TEXTS, list() if all(isinstance(each, str) for each in value):
            return value
    msg = f"is {_named(value)}: it must be {kind}"
    raise TypeError(msg)


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        msg = "is not a time as in ISO 8601"
        raise TypeError(msg) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _named(value: object) -> str:
    return _NAMES.get(type(value), type(value).__name__)
