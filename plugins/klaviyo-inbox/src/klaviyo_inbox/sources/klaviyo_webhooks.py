"""Klaviyo's system webhooks: up to 1,000 events in a delivery, of any topic and profile.

`payload` of an event is what `GET /api/events/{id}` answers in the revision that `meta.version` names, which is
not the one that the tap speaks: recorded was 2024-06-28, published samples are of 2023. What differs is how times
are written (a blank for the `T`), and `$attribution` among the properties, which the API has left out since
2024-02-15.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from klaviyo_inbox import moments
from klaviyo_inbox.delivery import DeadLetter, Delivery, Item, RefusedError, UnusableError
from klaviyo_inbox.records import PUSHED_EVENTS, encoded
from klaviyo_inbox.source import Source
from klaviyo_inbox.sources.bodies import Json, each_of, inner, text_of, text_or_none
from klaviyo_inbox.verification import KlaviyoSignature
from klaviyo_wire.webhooks import SIGNATURE, WEBHOOK_ID
from singer_program.json_members import members

if TYPE_CHECKING:
    from klaviyo_inbox.settings import InboxSettings

_LEFT_OUT = "$attribution"


class _Meta(msgspec.Struct):
    klaviyo_webhook_id: str
    timestamp: str


class _Signed(msgspec.Struct):
    meta: _Meta


_signed: msgspec.json.Decoder[_Signed] = msgspec.json.Decoder(_Signed)


def _meta(body: bytes) -> _Meta:
    """What a delivery says of itself, whatever is wrong with its events.

    Raises:
        ValueError: it does not say it.
    """
    try:
        return _signed.decode(body).meta
    except msgspec.ValidationError:
        raise
    except (ValueError, RecursionError):
        told = members(body).get("meta")
        return msgspec.json.decode(told if isinstance(told, bytes) else b"null", type=_Meta)


def _check(delivery: Delivery, settings: InboxSettings) -> None:
    """Whether it is of a webhook that may call, and was made now. Both is signed, and none of it in the headers.

    Raises:
        RefusedError: it is not.
        UnusableError: it does not tell.
    """
    try:
        meta = _meta(delivery.body)
        made = moments.read(meta.timestamp)
    except (ValueError, RecursionError):
        msg = "`meta` does not tell which webhook made it, and when"
        raise UnusableError(msg) from None
    if meta.klaviyo_webhook_id != delivery.headers.get(WEBHOOK_ID.lower()):
        msg = f"`meta.klaviyo_webhook_id` is not what the header {WEBHOOK_ID} says"
        raise RefusedError(msg)
    if settings.klaviyo_webhook_ids and meta.klaviyo_webhook_id not in settings.klaviyo_webhook_ids:
        msg = "the webhook is none of `klaviyo_webhook_ids`"
        raise RefusedError(msg)
    if abs((delivery.received_at - made).total_seconds()) > settings.replay_seconds:
        msg = "it was made longer ago, or lies further ahead, than `replay_seconds`"
        raise RefusedError(msg)


def _divide(delivery: Delivery) -> Iterable[Item | DeadLetter]:
    return each_of(delivery.body, "data", _event, beside="meta")


def _event(part: Json) -> Item:
    """An event as a record of the tap's shape.

    Raises:
        UnusableError: it is no event, or has no time.
    """
    resource = inner(inner(part, "payload"), "data")
    if not resource:
        msg = "`payload.data` is missing"
        raise UnusableError(msg)
    key = text_of(resource.get("id"), "payload.data.id")
    attributes = inner(resource, "attributes")
    at = moments.read_iso(attributes.get("datetime")) or moments.read_iso(attributes.get("timestamp"))
    if at is None:
        msg = "neither `datetime` nor `timestamp` is a time that can be read"
        raise UnusableError(msg)
    properties = attributes.get("event_properties")
    if isinstance(properties, dict):
        properties.pop(_LEFT_OUT, None)
    record = {
        "id": key,
        "datetime": at,
        "timestamp": int(datetime.fromisoformat(at).astimezone(UTC).timestamp()),
        "uuid": text_or_none(attributes.get("uuid")),
        "event_properties": properties if isinstance(properties, dict) else None,
        "profile_id": _related(resource, "profile"),
        "metric_id": _related(resource, "metric"),
    }
    return Item(text_or_none(part.get("external_id")) or key, encoded(record))


def _related(resource: Json, name: str) -> str | None:
    return text_or_none(inner(inner(inner(resource, "relationships"), name), "data").get("id"))


KLAVIYO_WEBHOOKS = Source(
    name="klaviyo_webhooks",
    paths=("/klaviyo/webhooks",),
    setting="klaviyo_webhook_secrets",
    verification=KlaviyoSignature,
    proof=f"`{SIGNATURE}`: hexadecimal HMAC-SHA256 of the body and the timestamp header",
    stream=PUSHED_EVENTS,
    divide=_divide,
    check=_check,
    headers=frozenset({WEBHOOK_ID.lower()}),
    idempotency="`external_id`, the event's id",
    retries="not documented; what is missed is read by the tap",
    registration=(
        "Klaviyo: Integrations → Developers → Webhooks (needs Advanced KDP), or `POST /api/webhooks`, with"
        " the address, the topics, and as secret key the one that is set here"
    ),
)
