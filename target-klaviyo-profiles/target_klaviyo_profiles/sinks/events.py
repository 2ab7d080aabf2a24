"""Events, in bulk."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from klaviyo_wire.bulk import KILOBYTE, BulkLimits
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.sinks.base import Field, Group, Kind, Reason, Rejected, Resource, Route
from target_klaviyo_profiles.sinks.bulk import ROWS, Bulk, BulkSink
from target_klaviyo_profiles.sinks.people import PROFILE_ID, as_profile, person

if TYPE_CHECKING:
    from klaviyo_wire.errors import Problem
    from target_klaviyo_profiles.values import Json

_CREATE = Bulk("bulk_create_events", BulkLimits(items=1_000))
_UNHEARD = ("@example.com", "@test.com")
"""Klaviyo answers 202 to events of these addresses and drops them."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(1991, 1, 1, tzinfo=UTC)
"""Klaviyo: "after the year 1990"."""
_AHEAD = timedelta(days=365)
_LONGEST_METRIC = 127
_LONGEST_UNIQUE_ID = 255
_MOST_PROPERTIES = 400
_MOST_ITEMS = 4_000
_DEEPEST = 10
_LONGEST_TEXT = 100 * KILOBYTE
_CURRENCY = re.compile(r"[A-Z]{3}")
# The standard library's: it also writes half of a surrogate pair, which is refused later, by name.
_DIGESTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


class Events(BulkSink):
    """Records what people did. An event that was written is never written again, and never changed."""

    stream: ClassVar[str] = "events"
    routes: ClassVar[tuple[Route, ...]] = (_CREATE,)
    fields: ClassVar[tuple[Field, ...]] = (
        Field(
            "metric",
            Kind.TEXT,
            "Name of the metric. One that the account does not have is made, for good: mind the spelling",
            required=True,
        ),
        Field(PROFILE_ID, Kind.TEXT, "Klaviyo's id of the profile: the first choice of identifier"),
        Field("external_id", Kind.TEXT, "Your own id: the identifier where `profile_id` is absent"),
        Field("email", Kind.TEXT, "The identifier where `profile_id` and `external_id` are absent; else not sent"),
        Field("phone_number", Kind.TEXT, "With `+` and country code: the identifier where the others are absent"),
        Field("time", Kind.TIME, "When it happened, after 1990 and at most a year ahead", required=True),
        Field("unique_id", Kind.TEXT, "What makes it one event of its metric and profile; made up where absent"),
        Field("value", Kind.NUMBER, "Amount, such as that of an order"),
        Field("value_currency", Kind.TEXT, "Its currency, such as `EUR`"),
        Field("properties", Kind.OBJECT, "Anything else about it"),
        Field(
            "backfill",
            Kind.BOOLEAN,
            "Whether it is only recorded (true) or may trigger flows (false); else the setting `events_backfill`",
        ),
    )

    @override
    def identify(self, record: Json) -> Key:
        """The event: Klaviyo keeps one of each metric, profile and `unique_id`."""
        who = self._who(record)
        return Key("event", _of(record, who) + _unique_id(record, who))

    @override
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        who = self._who(record)
        if who.kind == "email" and who.value.endswith(_UNHEARD):
            detail = "Klaviyo accepts events of @example.com and @test.com, and drops them"
            raise Rejected(Reason("dropped_silently", detail, "Use a real address, or leave it out.", "/email"))
        metric = _short("metric", record["metric"].strip(), _LONGEST_METRIC)
        unique_id = _short("unique_id", key.value[len(_of(record, who)) :], _LONGEST_UNIQUE_ID)
        properties = record.get("properties", {})
        if (fault := next(_faults(properties), None)) is not None:
            remedy = "Leave out what is not needed of `properties`."
            raise Rejected(Reason("too_large", f"`properties` {fault}", remedy, "/properties"))
        event = {
            "metric": {"data": {"type": "metric", "attributes": {"name": metric}}},
            "properties": properties,
            "time": self._time(record["time"]),
            "unique_id": unique_id,
            "backfill": record.get("backfill", self.options.events_backfill),
        }
        if "value" in record:
            event["value"] = record["value"]
        if currency := record.get("value_currency", "").strip():
            event["value_currency"] = _currency(currency)
        body: Json = {
            "type": "event-bulk-create",
            "attributes": {
                "profile": {"data": as_profile(who, record)},
                "events": {"data": [{"type": "event", "attributes": event}]},
            },
        }
        return Resource(body, Group(_CREATE))

    def _who(self, record: Json) -> Key:
        return person(record, self._kinds_of_identifier)

    @cached_property
    def _kinds_of_identifier(self) -> Sequence[str]:
        return [PROFILE_ID if kind == "id" else kind for kind in self.options.identifier_precedence]

    @override
    def combined(self, earlier: bytes, later: bytes) -> bytes | None:
        """The earlier one: Klaviyo keeps the first of a `unique_id`, whether the second comes now or next year."""
        return earlier

    @override
    def envelope(self, group: Group) -> Json:
        attributes: Json = {"events-bulk-create": {"data": ROWS}}
        return {"data": {"type": "event-bulk-create-job", "attributes": attributes}}

    @override
    def had_already(self, problem: Problem) -> bool:
        """Its length is right; so what can be wrong with a `unique_id` is that the same event came before.

        As when one person is known by an address in one record and by an id in another.
        """
        return (problem.pointer or "").endswith("/unique_id")

    def _time(self, text: str) -> str:
        """To the second, as Klaviyo keeps it."""
        time = datetime.fromisoformat(text)
        if not _EARLIEST <= time <= self.options.now() + _AHEAD:
            detail = "`time` is before 1991 or more than a year ahead"
            raise Rejected(
                Reason("time_out_of_range", detail, "Correct `time`, or leave the record out.", "/time")
            )
        return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _of(record: Json, who: Key) -> str:
    """What a key says before the `unique_id`."""
    return f"{record.get('metric', '').strip()} of {who.kind} {who.value}: "


def _unique_id(record: Json, who: Key) -> str:
    """As given; where absent, a digest of everything the record says, the same in every run.

    Of everything: two events of a metric, profile and second are two, unless they are the same in all.
    """
    given: str = record.get("unique_id", "").strip()
    if given:
        return given
    time = datetime.fromisoformat(record["time"]) if "time" in record else _EPOCH
    said = [
        record.get("metric", "").strip(),
        *who,
        (time - _EPOCH) // timedelta(microseconds=1),  # a difference cannot overflow, as `astimezone` can
        record.get("value"),
        record.get("value_currency", "").strip(),
        record.get("properties", {}),
    ]
    return hashlib.sha256(_DIGESTED.encode(said).encode()).hexdigest()


def _faults(properties: Json) -> Iterator[str]:
    """What Klaviyo does not take, as the rest of a sentence about the properties."""
    if len(properties) > _MOST_PROPERTIES:
        yield f"are {len(properties):,}; Klaviyo takes {_MOST_PROPERTIES}"
    yield from _faults_inside(properties, 1)


def _faults_inside(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        if len(value) > _LONGEST_TEXT // 4 and (size := len(value.encode("utf-8", "replace"))) > _LONGEST_TEXT:
            yield f"hold a text of {size:,} bytes; Klaviyo takes {_LONGEST_TEXT:,}"
    elif isinstance(value, dict | list):
        if depth > _DEEPEST:
            yield f"are nested deeper than {_DEEPEST} levels"
            return
        if isinstance(value, list) and len(value) > _MOST_ITEMS:
            yield f"hold an array of {len(value):,}; Klaviyo takes {_MOST_ITEMS:,}"
        for inner in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _faults_inside(inner, depth + 1)


def _short(name: str, text: str, longest: int) -> str:
    if len(text) > longest:
        detail = f"`{name}` is longer than {longest} characters"
        raise Rejected(Reason("too_large", detail, f"Shorten `{name}`.", f"/{name}"))
    return text


def _currency(text: str) -> str:
    code = text.upper()
    if not _CURRENCY.fullmatch(code):
        detail = "`value_currency` is not a currency code as in ISO 4217"
        raise Rejected(Reason("invalid_value", detail, "Give three letters, such as `EUR`.", "/value_currency"))
    return code
