"""Events."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw, Struct

from klaviyo_sandbox.errors import refuse, refuse_unknown
from klaviyo_sandbox.pages import Column, Kind, Listing, Row

if TYPE_CHECKING:
    from klaviyo_sandbox.account import Answer, Call
    from klaviyo_sandbox.records import Json

# Ids as bytes: they go into JSON that is put together as bytes.
_COLUMNS = "cast(id as blob), cast(profile_id as blob), cast(metric_id as blob), attributes"
_EVENTS = Listing(
    source="events",
    columns=_COLUMNS,
    id="id",
    filters={
        "metric_id": Column("metric_id"),
        "profile_id": Column("profile_id"),
        "profile": Column("profile_id"),
        "metric": Column("metric_id"),
        "datetime": Column("timestamp", Kind.SECONDS),
        "timestamp": Column("timestamp", Kind.NUMBER),
    },
    sorts={"datetime": "timestamp", "timestamp": "timestamp"},
)
_ID = re.compile(r"[0-9A-Za-z]{11}")
_ATTRIBUTES = ("timestamp", "datetime", "event_properties", "uuid")


def get_events(call: Call) -> Answer:
    """A page of events: JSON made when they were written, joined."""
    page = _EVENTS.page(call.store, call.query)
    return call.many(
        Raw(b"[%b]" % b",".join(_encoded(call, page.rows))), page=page, included=_included(call, page.rows)
    )


def get_event(call: Call) -> Answer:
    """One event. A malformed id is 400 here, not 404 (recorded)."""
    event_id = call.path["id"]
    if not _ID.fullmatch(event_id):
        refuse(f"Invalid Event ID: '{event_id}'", pointer="/data/id")
    rows = call.store.read(f"select {_COLUMNS} from events where id = ?", [event_id])  # noqa: S608
    if not rows:
        refuse_unknown(f"An event with id {event_id} does not exist.")
    (encoded,) = _encoded(call, rows)
    return call.one(Raw(encoded), included=_included(call, rows))


def _encoded(call: Call, rows: Iterable[Row]) -> list[bytes]:
    event, names = call.resources.event, call.fields("event")
    if names is None:
        return [event(row[0], row[1], row[2], row[3]) for row in rows]
    decode, encode = _decoder(names).decode, msgspec.json.encode
    return [event(row[0], row[1], row[2], encode(decode(row[3]))) for row in rows]


@cache
def _decoder(names: frozenset[str]) -> msgspec.json.Decoder[Struct]:
    """Reads these of the attributes, in the order in which they are written, undecoded."""
    asked = [(name, Raw) for name in _ATTRIBUTES if name in names]
    return msgspec.json.Decoder(msgspec.defstruct("Some", asked))


def _included(call: Call, rows: Iterable[Row]) -> list[Json] | None:
    """Included metrics and profiles. No event is attributed, and then `attributions` is left out (recorded)."""
    asked = call.query.include
    if not asked:
        return None
    included: list[Json] = []
    if "metric" in asked:
        for metric_id in sorted({row[2].decode() for row in rows if row[2]}):
            metric = call.store.metric(metric_id)
            if metric is not None:
                included.append(call.resources.metric(metric, call.fields("metric")))
    if "profile" in asked:
        profiles = call.store.profiles(sorted({row[1].decode() for row in rows if row[1]}))
        included += [call.resources.profile(each, call.fields("profile")) for each in profiles]
    return included
