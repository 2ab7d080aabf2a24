"""What a sink is: a declaration of what it accepts, a pure mapping, and how a batch reaches Klaviyo.

A new sink states `stream`, `operations`, `fields` and `limits`, maps a record (`identify`, `to_resource`) and
inherits the rest: `BulkJobSink` submits and follows jobs; a sink of another kind writes its own `deliver`.
The run (buffers, duplicates, batches, rejects, report) lives in `outbox` and `desk` and knows no sink by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import msgspec

from klaviyo_wire.endpoints import ENDPOINTS, Endpoint
from target_klaviyo_profiles.values import Json, Unsendable, without_nulls

if TYPE_CHECKING:
    from klaviyo_wire.bulk import BulkLimits
    from target_klaviyo_profiles.client import StreamClient
    from target_klaviyo_profiles.identifiers import Key

METADATA_PREFIX = "_sdc_"


class Kind(StrEnum):
    """What the value of a record's field is."""

    TEXT = "text"
    """A string; a whole number is taken as its digits, since warehouses keep ids as numbers."""
    OBJECT = "object"
    TEXTS = "array of text"


@dataclass(frozen=True)
class Field:
    """A field that records of a sink may have."""

    name: str
    kind: Kind
    description: str


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
    """

    code: str
    detail: str
    remedy: str
    pointer: str | None = None
    job: str | None = None


class Rejected(Exception):  # noqa: N818 - it says what happened to the record
    """The record cannot be written; nothing of it is sent."""

    def __init__(self, reason: Reason, key: Key | None = None) -> None:
        super().__init__(reason.code)
        self.reason = reason
        self.key = key


@dataclass(frozen=True)
class Resource:
    """A record as Klaviyo takes it.

    `group` says which batches it may be part of: rows of one request share it.
    """

    body: Json
    group: str | None = None


class Row(NamedTuple):
    """A resource, encoded, on its way into a batch."""

    key: Key
    group: str | None
    payload: bytes


@dataclass
class Batch:
    """Rows of one group that travel together; `payloads` is emptied once Klaviyo has them."""

    group: str | None
    keys: list[Key]
    payloads: list[bytes]


@dataclass
class Outcome:
    """What became of a batch; a key in none of the collections was accepted.

    Attributes:
        rejected: Refused rows.
        unnamed: Failures that Klaviyo counts without saying which row; as many accepted rows are none.
        unsettled: Rows whose fate is not known, and why.
        unchanged: Rows that Klaviyo already held as they are.
        jobs: Jobs that Klaviyo accepted.
    """

    rejected: dict[Key, Reason] = field(default_factory=dict)
    unnamed: list[Reason] = field(default_factory=list)
    unsettled: dict[Key, str] = field(default_factory=dict)
    unchanged: set[Key] = field(default_factory=set)
    jobs: int = 0


@dataclass(frozen=True)
class Line:
    """What a delivery needs of the world; safe to share between threads.

    `job_timeout` is in seconds; `handed_over` tells the run that the batch's payloads are no longer needed.
    """

    client: StreamClient
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    job_timeout: float
    handed_over: Callable[[], None] = lambda: None


class Sink(ABC):
    """One stream: which records it accepts and how they are written. Has no state of its own."""

    stream: ClassVar[str]
    operations: ClassVar[tuple[str, ...]]
    """Operations that `deliver` calls; the first is the one that writes."""
    fields: ClassVar[tuple[Field, ...]]
    limits: ClassVar[BulkLimits]
    """What one batch may hold; `items=1` writes record by record."""

    def __init_subclass__(cls) -> None:
        """Index the fields by name."""
        super().__init_subclass__()
        cls._kinds = {each.name: each.kind for each in getattr(cls, "fields", ())}

    _kinds: ClassVar[Mapping[str, Kind]]

    @classmethod
    def endpoints(cls) -> tuple[Endpoint, ...]:
        """Klaviyo's contract of the operations."""
        return tuple(ENDPOINTS[operation] for operation in cls.operations)

    @classmethod
    def scopes(cls) -> tuple[str, ...]:
        """API scopes a key needs for this sink, sorted."""
        return tuple(sorted({scope for endpoint in cls.endpoints() for scope in endpoint.scopes}))

    def unknown(self, names: AbstractSet[str]) -> list[str]:
        """Those of the names that no field has, sorted; SDC metadata columns are nobody's business."""
        return sorted(name for name in names - self._kinds.keys() if not name.startswith(METADATA_PREFIX))

    def warnings(self, names: AbstractSet[str]) -> list[str]:  # noqa: ARG002 - for sinks to override
        """What a user should know about records with these fields, once per run."""
        return []

    @abstractmethod
    def identify(self, record: Json) -> Key:
        """Who the record is about; records with the same key replace each other.

        Raises:
            Rejected: the record does not say.
        """

    @abstractmethod
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        """The record as Klaviyo takes it; None when there is nothing to write.

        Args:
            record: Only known fields, of their kinds, without nulls.
            key: As `identify` gave it.

        Raises:
            Rejected: Klaviyo would refuse it.
        """

    @abstractmethod
    def envelope_size(self, group: str | None) -> int:
        """Bytes of a request of the group around its rows."""

    @abstractmethod
    def deliver(self, batch: Batch, line: Line) -> Outcome:
        """Write the batch and return once the fate of every row is known, or known to be unknown.

        Raises:
            KlaviyoError: nothing more can be written to this stream, or to Klaviyo at all.
        """

    def combined(self, earlier: bytes, later: bytes) -> bytes | None:  # noqa: ARG002 - for sinks to override
        """A payload that does what two of the same key do one after the other; None when there is no such.

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
            if value is None or name.startswith(METADATA_PREFIX):
                continue
            kind = self._kinds.get(name)
            if kind is None:
                unknown.append(name)
                continue
            try:
                known[name] = _as(kind, without_nulls(value))
            except (Unsendable, TypeError) as fault:
                faults.append(Reason("invalid_value", f"`{name}` {fault}", f"Correct `{name}`.", f"/{name}"))
            except RecursionError:
                faults.append(Reason("invalid_value", f"`{name}` is nested too deeply", "Flatten it.", f"/{name}"))
        if unknown:
            faults.append(self._unknown_fields(sorted(unknown)))
        if faults:
            raise Rejected(faults[0], self._whose(known))
        return known

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
        most = self.limits.request_bytes - self.envelope_size(resource.group)
        if self.limits.item_bytes is not None:
            most = min(most, self.limits.item_bytes)
        if len(payload) > most:
            detail = f"it takes {len(payload):,} bytes; Klaviyo takes {most:,}"
            raise Rejected(Reason("too_large", detail, "Shorten the longest values."))
        return payload


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
        case Kind.TEXTS, list() if all(isinstance(each, str) for each in value):
            return value
    msg = f"is {_named(value)}: it must be {kind}"
    raise TypeError(msg)


def _named(value: object) -> str:
    return _NAMES.get(type(value), type(value).__name__)
