"""What a site tells, in the calls of Segment's and RudderStack's specification, one at a time or many.

Their libraries correct no clock: `sentAt` is when the sender's clock said that it was sent, and how far that is
from now is how far it was off (Segment's specification, common fields).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

import msgspec

from klaviyo_inbox import moments
from klaviyo_inbox.delivery import PATH, DeadLetter, Delivery, Item, UnusableError
from klaviyo_inbox.records import SITE_EVENTS, encoded
from klaviyo_inbox.source import Source
from klaviyo_inbox.sources.bodies import (
    Json,
    digest,
    each_of,
    inner,
    json_object,
    object_or_none,
    one_of,
    text_of,
    text_or_none,
)
from klaviyo_inbox.verification import BasicUser

_TYPES = ("track", "identify", "page", "screen", "group", "alias")
_BATCH = "batch"


def _divide(delivery: Delivery) -> Iterable[Item | DeadLetter]:
    call = delivery.parameters[PATH].rpartition("/")[2]
    if call != _BATCH:
        return [_item({**json_object(delivery.body), "type": call}, {}, delivery.received_at)]
    try:
        shared = _of_all(delivery.body)
    except UnusableError:  # a call that is not JSON: what they share is lost with it, and no other call
        shared = {}
    return each_of(
        delivery.body, _BATCH, partial(_item, shared=shared, received_at=delivery.received_at), beside="context"
    )


def _of_all(body: bytes) -> Json:
    """What a batch says of all its calls."""
    found = json_object(body)
    return {name: found.get(name) for name in ("context", "integrations", "sentAt")}


def _item(call: Json, shared: Json, received_at: datetime) -> Item:
    """A call as a record.

    Raises:
        UnusableError: it is of no type, of nobody, or of no event.
    """
    kind = one_of(call, "type", _TYPES)
    given = text_or_none(call.get("messageId"))
    name = text_of(given, "messageId") if given else digest(msgspec.json.encode(call))
    user = {"user_id": text_or_none(call.get("userId")), "anonymous_id": text_or_none(call.get("anonymousId"))}
    if not any(user.values()):
        msg = "it names nobody: `userId` and `anonymousId` are missing"
        raise UnusableError(msg)
    context = {**inner(shared, "context"), **inner(call, "context")}
    if kind == "identify" and isinstance(call.get("traits"), dict):
        context["traits"] = {**inner(context, "traits"), **call["traits"]}
    integrations = {**inner(shared, "integrations"), **inner(call, "integrations")}
    if integrations:
        context["integrations"] = integrations
    event = call.get("event") if kind == "track" else call.get("name")
    record = {
        "message_id": name,
        "type": kind,
        "event": text_of(event, "event") if kind == "track" else text_or_none(event),
        **user,
        "occurred_at": _moment(call, shared, received_at),
        "properties": object_or_none(call, "traits" if kind == "group" else "properties"),
        "context": context,
    }
    return Item(name, encoded(record))


def _moment(call: Json, shared: Json, received_at: datetime) -> str:
    """When it happened; without a time that can be read, when it was received."""
    at = moments.read_iso(call.get("originalTimestamp")) or moments.read_iso(call.get("timestamp"))
    if at is None:
        return moments.iso(received_at)
    sent = moments.read_iso(call.get("sentAt")) or moments.read_iso(shared.get("sentAt"))
    off = received_at - datetime.fromisoformat(sent) if sent else timedelta(0)
    try:
        return moments.iso(datetime.fromisoformat(at) + off)
    except OverflowError:
        return at


SITE = Source(
    name="site_events",
    paths=tuple(f"/v1/{call}" for call in (*_TYPES, _BATCH)),
    setting="write_keys",
    verification=BasicUser,
    proof="`Authorization: Basic` with the write key as user",
    stream=SITE_EVENTS,
    divide=_divide,
    idempotency="`messageId`, else a digest of the call",
    retries="the libraries' own, on 5xx and 429",
    registration="in the library: the address without the path as data plane or host, and a write key",
)
