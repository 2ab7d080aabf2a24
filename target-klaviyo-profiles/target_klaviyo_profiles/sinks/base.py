"""The base class of all sinks: what a sink declares, and how a record becomes an encoded row.

A sink states `stream`, `fields` and `routes`, and maps a record: `identify` says whom it is about, `to_resource`
what is sent and in which `Group`. A group is what the rows of one request share: the route (the operation that
takes them, and what one request may hold) and what stands there once per request (a list's id, a source).
There are three kinds of route:

    kind                                             base class                declared as
    a job that ends, and may list what it refused    `bulk_sink.BulkSink`      `BulkRoute(..., status=, errors=)`
    a request that is accepted, and no more is known `bulk_sink.BulkSink`      `BulkRoute(...)`
    one request (or a few) per record                `record_sink.RecordSink`  `Route(..., limits=ONE_RECORD)`

A sink that has routes of both kinds has both base classes. Sinks import nothing of `delivery/`, which does the
rest for all of them; they have no state of their own but the run's `Options`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import msgspec

from klaviyo_wire.endpoints import ENDPOINTS, Endpoint
from target_klaviyo_profiles.fields import PLAIN_TYPES, Field, Kind, coerced
from target_klaviyo_profiles.rows import Group, Reason, Rejected, Resource, Route, Row
from target_klaviyo_profiles.sinks.options import Options
from target_klaviyo_profiles.values import Json, Unsendable, without_nulls

if TYPE_CHECKING:
    from target_klaviyo_profiles.identifiers import Key

METADATA_PREFIX = "_sdc_"
_encode = msgspec.json.Encoder().encode


class Sink(ABC):
    """One stream: which records it accepts and how they are written."""

    stream: ClassVar[str]
    fields: ClassVar[tuple[Field, ...]]
    routes: ClassVar[tuple[Route, ...]]
    """All of them; the first one's operation is what the documentation names."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Operations that are called beside those of the routes."""
    refusals_last: ClassVar[bool] = False
    """Whether Klaviyo refuses a row for what it says, and so again: then it waits, see `resend_refused_after`."""
    follows: ClassVar[tuple[str, ...]] = ()
    """Streams whose rows go first where both wait for the end of the input; full batches wait for none."""
    clearable: ClassVar[frozenset[str]] = frozenset()
    """Fields that there is a way to clear: what the setting `clearable_fields` may name."""
    written_about: ClassVar[frozenset[str]] = frozenset()
    """Lists of `people` whose people a record may be about all the same."""

    def __init_subclass__(cls) -> None:
        """Index the fields by name."""
        super().__init_subclass__()
        fields = getattr(cls, "fields", ())
        cls._kinds = {each.name: each.kind for each in fields}
        cls._plain = {each.name: PLAIN_TYPES[each.kind] for each in fields if each.kind in PLAIN_TYPES}
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

    @classmethod
    def revision(cls) -> str:
        """The API revision it is written for: the newest of its operations."""
        return max(endpoint.revision for endpoint in cls.endpoints())

    def disabled(self) -> str | None:
        """Why the settings forbid this stream, naming the one to change; None when they do not."""
        return None

    def unknown(self, names: AbstractSet[str]) -> list[str]:
        """Those of the names that no field has, sorted; SDC metadata columns are passed over."""
        return sorted(name for name in names - self._kinds.keys() if not name.startswith(METADATA_PREFIX))

    def remarks(self) -> list[str]:
        """What a user should know about the records that were mapped so far, for the summary of the run."""
        return []

    @abstractmethod
    def identify(self, record: Json) -> Key:
        """Whom or what the record is about.

        Rows of one key are sent in the order of their records and never in two requests or jobs at once, whatever
        their groups; two of one group that have not been sent are `combined`. So a key should be as narrow as it
        can be without two keys meaning the same thing: for a membership, the list and the profile.

        Raises:
            Rejected: the record does not say.
        """

    @abstractmethod
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        """The record as Klaviyo takes it; None when there is nothing to write.

        Args:
            record: Only known fields, of their kinds, without nulls; except that a field which the settings allow
                to be cleared, and which the record gives as null, is None.
            key: As `identify` gave it.

        Raises:
            Rejected: Klaviyo would refuse it.
        """

    @abstractmethod
    def envelope_size(self, group: Group) -> int:
        """Bytes of a request of the group without its rows."""

    def combined(self, earlier: bytes, later: bytes) -> bytes | None:  # noqa: ARG002 - for sinks to override
        """One payload with the effect of two of the same key and group, in their order; None if there is none.

        Here the later one, which is right where a record says everything about its key.
        """
        return later

    def supersedes(self, later: Group, earlier: Group) -> bool:  # noqa: ARG002 - for sinks to override
        """Whether a row makes an earlier one of its key, in another group and not sent yet, needless."""
        return False

    def row(self, record: Mapping[str, object]) -> Row | None:
        """The record checked, mapped and encoded; None when there is nothing to write.

        Raises:
            Rejected: it cannot be written; `key` is set as soon as it is known.
        """
        if refusal := self.refusal(record):
            raise refusal
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

    def refusal(self, record: Mapping[str, object]) -> Rejected | None:
        """Why a record is not written, whose values may be of any kind: it mentions somebody of `people`."""
        return self.options.people.refusal(record, self.written_about)

    def key_told_by(self, record: Mapping[str, object]) -> Key | None:
        """Whom a record is about that could not be made ready, if its texts say so under the sink's own names."""
        return self._key_if_clear(
            {name: value for name, value in record.items() if name in self._kinds and isinstance(value, str)}
        )

    def about(self, record: Mapping[str, object]) -> Mapping[str, str]:  # noqa: ARG002 - for sinks to override
        """What a record says of which one it is, and not of whom: it is told of one that was refused."""
        return {}

    def about_sent(self, payload: bytes) -> Mapping[str, str]:  # noqa: ARG002 - for sinks to override
        """The same of a row that was sent, as it was encoded."""
        return {}

    def _known(self, record: Mapping[str, object]) -> Json:
        plain = self._plain
        known: Json = {}
        unknown: list[str] = []
        faults: list[Reason] = []
        for name, value in record.items():
            # A text in a text field needs no look inside, and nearly every value is one: this loop is hot.
            if type(value) is plain.get(name):
                known[name] = value
                continue
            if value is None:
                continue
            kind = self._kinds.get(name)
            if kind is None:
                if not name.startswith(METADATA_PREFIX):
                    unknown.append(name)
                continue
            try:
                known[name] = coerced(kind, without_nulls(value))
            except (Unsendable, TypeError, RecursionError) as fault:
                faults.append(_invalid(name, fault))
        if unknown:
            faults.append(self._unknown_fields(sorted(unknown)))
        if self._required:
            faults += map(_missing, self._without(known))
        if faults:
            raise Rejected(faults[0], self._key_if_clear(known))
        return known

    def _without(self, record: Json) -> list[str]:
        return [name for name in self._required if record.get(name) is None or not str(record[name]).strip()]

    def _key_if_clear(self, record: Json) -> Key | None:
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
            # msgspec writes NaN as null, but `without_nulls` has refused NaN before.
            payload = _encode(resource.body)
            for each in resource.group.shared:
                (each or "").encode()  # it stands in the path or the envelope, where it would end the run
        except UnicodeEncodeError:
            detail = "a text holds half of a surrogate pair, which UTF-8 does not have"
            raise Rejected(Reason("invalid_value", detail, "Correct the text's encoding.")) from None
        except TypeError:  # out of a stream map; a message has none
            detail = "a value is of a type that JSON does not have"
            raise Rejected(Reason("invalid_value", detail, "Correct the stream map that makes it.")) from None
        most = _most_bytes(self, resource.group)
        if len(payload) > most:
            detail = f"it takes {len(payload):,} bytes; Klaviyo takes {most:,}"
            raise Rejected(Reason("too_large", detail, "Shorten the longest values."))
        return payload


@lru_cache(maxsize=1024)
def _most_bytes(sink: Sink, group: Group) -> int:
    """Bytes of an encoded row that a request of the group has room for."""
    limits = group.route.limits
    most = limits.request_bytes - sink.envelope_size(group)
    return most if limits.item_bytes is None else min(most, limits.item_bytes)


def _invalid(name: str, fault: Exception) -> Reason:
    detail, remedy = f"`{name}` {fault}", f"Correct `{name}`."
    if isinstance(fault, RecursionError):
        detail, remedy = f"`{name}` is nested too deeply", "Flatten it."
    return Reason("invalid_value", detail, remedy, f"/{name}")


def _missing(name: str) -> Reason:
    return Reason("missing_field", f"the record has no `{name}`", f"Give `{name}`.", f"/{name}")
