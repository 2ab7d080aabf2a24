"""Events of profiles, in bulk."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from klaviyo_wire.bulk import KILOBYTE, BulkLimits
from target_klaviyo_profiles.fields import Field, Kind
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import BulkRoute, Group, Reason, Rejected, Resource, Route
from target_klaviyo_profiles.sinks.bulk_sink import ROWS, BulkSink
from target_klaviyo_profiles.sinks.profile_reference import PROFILE_ID, profile_key, profile_resource

if TYPE_CHECKING:
    from klaviyo_wire.errors import Problem
    from target_klaviyo_profiles.values import Json

_CREATE = BulkRoute("bulk_create_events", BulkLimits(items=1_000))
_DROPPED_ADDRESSES = ("@example.com", "@test.com")
"""Klaviyo answers 202 to events of these addresses and drops them."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(1991, 1, 1, tzinfo=UTC)
"""Klaviyo: "after the year 1990"."""
_MAX_AHEAD = timedelta(days=365)
_MAX_LENGTH_OF_METRIC = 127
_MAX_LENGTH_OF_UNIQUE_ID = 255
_MAX_PROPERTIES = 400
_MAX_ITEMS = 4_000
_MAX_DEPTH = 10
_MAX_LENGTH_OF_TEXT = 100 * KILOBYTE
_ABOUT = ("metric", "unique_id")
_CURRENCY = re.compile(r"[A-Z]{3}")
# The standard library's encoder also takes half of a surrogate pair, which is refused later with a reason.
_DIGEST_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


class Events(BulkSink):
    """Records what people did. An event that was written is never written again, and never changed."""

    stream: ClassVar[str] = "events"
    routes: ClassVar[tuple[Route, ...]] = (_CREATE,)
    refusals_last: ClassVar[bool] = True
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
        profile = self._profile_key(record)
        return Key("event", _prefix(record, profile) + _unique_id(record, profile))

    @override
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        profile = self._profile_key(record)
        if profile.kind == "email" and profile.value.endswith(_DROPPED_ADDRESSES):
            detail = "Klaviyo accepts events of @example.com and @test.com, and drops them"
            raise Rejected(Reason("dropped_silently", detail, "Use a real address, or leave it out.", "/email"))
        metric = _no_longer_than("metric", record["metric"].strip(), _MAX_LENGTH_OF_METRIC)
        unique_id = _no_longer_than(
            "unique_id", key.value[len(_prefix(record, profile)) :], _MAX_LENGTH_OF_UNIQUE_ID
        )
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
                "profile": {"data": profile_resource(profile, record)},
                "events": {"data": [{"type": "event", "attributes": event}]},
            },
        }
        return Resource(body, Group(_CREATE))

    def _profile_key(self, record: Json) -> Key:
        return profile_key(record, self._identifier_kinds)

    @cached_property
    def _identifier_kinds(self) -> Sequence[str]:
        return [PROFILE_ID if kind == "id" else kind for kind in self.options.identifier_precedence]

    @override
    def about(self, record: Mapping[str, object]) -> Mapping[str, str]:
        return {name: text.strip() for name in _ABOUT if isinstance(text := record.get(name), str)}

    @override
    def about_sent(self, payload: bytes) -> Mapping[str, str]:
        (event,) = json.loads(payload)["attributes"]["events"]["data"]
        metric = event["attributes"]["metric"]["data"]["attributes"]["name"]
        return {"metric": metric, "unique_id": event["attributes"]["unique_id"]}

    @override
    def combined(self, earlier: bytes, later: bytes) -> bytes | None:
        """The earlier one: Klaviyo keeps the first event of a `unique_id`, however much later the second comes."""
        return earlier

    @override
    def envelope(self, group: Group) -> Json:
        attributes: Json = {"events-bulk-create": {"data": ROWS}}
        return {"data": {"type": "event-bulk-create-job", "attributes": attributes}}

    @override
    def already_held(self, problem: Problem) -> bool:
        """A refused `unique_id` means that the same event came before: its length was checked here.

        It happens when a person is known by an address in one record and by an id in another.
        """
        return (problem.pointer or "").endswith("/unique_id")

    def _time(self, text: str) -> str:
        """To the second, as Klaviyo keeps it."""
        time = datetime.fromisoformat(text)
        if not _EARLIEST <= time <= self.options.now() + _MAX_AHEAD:
            detail = "`time` is before 1991 or more than a year ahead"
            raise Rejected(
                Reason("time_out_of_range", detail, "Correct `time`, or leave the record out.", "/time")
            )
        return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _prefix(record: Json, profile: Key) -> str:
    """The part of a key that comes before the `unique_id`."""
    return f"{record.get('metric', '').strip()} of {profile.kind} {profile.value}: "


def _unique_id(record: Json, profile: Key) -> str:
    """As given; where absent, a digest of everything the record says, the same in every run.

    Everything is in the digest because two events of one metric, profile and second are still two, unless they
    are the same in all.
    """
    given: str = record.get("unique_id", "").strip()
    if given:
        return given
    time = datetime.fromisoformat(record["time"]) if "time" in record else _EPOCH
    content = [
        record.get("metric", "").strip(),
        *profile,
        (time - _EPOCH) // timedelta(microseconds=1),  # a difference cannot overflow, as `astimezone` can
        record.get("value"),
        record.get("value_currency", "").strip(),
        record.get("properties", {}),
    ]
    return hashlib.sha256(_DIGEST_ENCODER.encode(content).encode()).hexdigest()


def _faults(properties: Json) -> Iterator[str]:
    """What Klaviyo does not take, as the rest of a sentence about the properties."""
    if len(properties) > _MAX_PROPERTIES:
        yield f"are {len(properties):,}; Klaviyo takes {_MAX_PROPERTIES}"
    yield from _faults_inside(properties, 1)


def _faults_inside(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        if (
            len(value) > _MAX_LENGTH_OF_TEXT // 4
            and (size := len(value.encode("utf-8", "replace"))) > _MAX_LENGTH_OF_TEXT
        ):
            yield f"hold a text of {size:,} bytes; Klaviyo takes {_MAX_LENGTH_OF_TEXT:,}"
    elif isinstance(value, dict | list):
        if depth > _MAX_DEPTH:
            yield f"are nested deeper than {_MAX_DEPTH} levels"
            return
        if isinstance(value, list) and len(value) > _MAX_ITEMS:
            yield f"hold an array of {len(value):,}; Klaviyo takes {_MAX_ITEMS:,}"
        for inner in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _faults_inside(inner, depth + 1)


def _no_longer_than(name: str, text: str, longest: int) -> str:
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
