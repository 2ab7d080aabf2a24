"""The streams: what a record of each holds, and how it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from klaviyo_inbox.delivery import UnusableError

JsonSchema = dict[str, Any]

TEXT: JsonSchema = {"type": ["string", "null"]}
MOMENT: JsonSchema = {"type": ["string", "null"], "format": "date-time"}
WHOLE: JsonSchema = {"type": ["integer", "null"]}
NUMBER: JsonSchema = {"type": ["number", "null"]}
OPEN: JsonSchema = {"type": ["object", "null"]}
"""An object whose keys are the sender's to choose."""
LIST: JsonSchema = {"type": ["array", "null"]}
KEY: JsonSchema = {"type": ["string"]}

SEQUENCE, RECEIVED = "_seq", "received_at"
"""The columns that every record has: the number that bookmarks go by, and when its delivery came."""

DEEPEST = 100
"""Levels that a record may be nested: whoever reads it later has a limit too, and it is not told which."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What a source becomes.

    Attributes:
        name: The stream's, and its table's.
        keys: The columns that tell rows apart.
        columns: JSON Schema of each column, with its description.
    """

    name: str
    keys: tuple[str, ...]
    columns: Mapping[str, JsonSchema]

    def json_schema(self) -> JsonSchema:
        """Of a record as the tap writes it."""
        own = {
            RECEIVED: {
                **KEY,
                "format": "date-time",
                "description": "When it was received, by the receiver's clock",
            },
            SEQUENCE: {"type": ["integer"], "description": "Its number in the store, by which the bookmark goes"},
        }
        required = [name for name, schema in self.columns.items() if "null" not in schema["type"]]
        return {"type": "object", "properties": {**self.columns, **own}, "required": [*required, *own]}


def _described(schema: JsonSchema, description: str) -> JsonSchema:
    return {**schema, "description": description}


PUSHED_EVENTS = Stream(
    "pushed_events",
    ("id",),
    {
        "id": _described(KEY, "Event id"),
        "datetime": _described(MOMENT, "When it happened, by the second; may lie ahead"),
        "timestamp": _described(WHOLE, "The same moment in seconds since 1970"),
        "uuid": _described(TEXT, "A second identifier of the event"),
        "event_properties": _described(OPEN, "What the event holds: `$message`, `$value`, `URL`, …"),
        "profile_id": _described(TEXT, "Who"),
        "metric_id": _described(TEXT, "What"),
    },
)
"""As `tap-klaviyo-engagement` has `events`, in a table of their own: what is polled counts, whichever is loaded
later."""

FLOW_REQUESTS = Stream(
    "flow_requests",
    ("request_id",),
    {
        "request_id": _described(KEY, "The experiment, and the request as the flow names it or a digest of it"),
        "experiment_key": _described(KEY, "Experiment that the flow asks for"),
        "profile_id": _described(KEY, "Profile that is in the flow"),
        "tracking_id": _described(TEXT, "The flow's own id of it"),
        "attrs": _described(OPEN, "What conditions may ask for"),
        "fields": _described(OPEN, "What only fills content"),
    },
)

IDENTIFIERS: Mapping[str, JsonSchema] = {
    "email": _described(TEXT, "Their e-mail address, as it was sent"),
    "phone_number": _described(TEXT, "Their phone number, as it was sent"),
    "external_id": _described(TEXT, "Your own id of them"),
}

ORDERS = Stream(
    "orders",
    ("source", "order_id", "event"),
    {
        "source": _described(KEY, "The shop"),
        "order_id": _described(KEY, "The shop's id of the order"),
        "event": _described(KEY, "What became of it: `placed`, `cancelled`, `refunded`, `fulfilled`"),
        "occurred_at": _described(MOMENT, "When it did"),
        **IDENTIFIERS,
        "phone_number": _described(
            TEXT, "Their phone number; of Shopify and WooCommerce with the code of the country of their address"
        ),
        "value": _described(NUMBER, "What it is worth; of `refunded`, all that was given back until then"),
        "currency": _described(TEXT, "ISO 4217"),
        "lines": _described(
            LIST,
            "What was ordered: `line_id`, `product_id`, `variant_id`, `sku`, `name`, `brand`, `quantity`, `price`,"
            " `total`, each as far as it is told",
        ),
        "customer": _described(
            OPEN, "`id`, `first_name`, `last_name`, `billing_address`, `shipping_address`, as the shop writes them"
        ),
        "details": _described(
            OPEN, "`number`, `url`, `reason`, `discount`, `discount_codes`, `shipping`, `tax`, `test`, if told"
        ),
    },
)
"""`details` is more than a model needs and what Klaviyo's standard events show: discount codes, a reason."""

SITE_EVENTS = Stream(
    "site_events",
    ("message_id",),
    {
        "message_id": _described(KEY, "The sender's id of the call, or a digest of it"),
        "type": _described(KEY, "`track`, `identify`, `page`, `screen`, `group` or `alias`"),
        "event": _described(TEXT, "What happened; of a page or screen its name"),
        "user_id": _described(TEXT, "Who, if known"),
        "anonymous_id": _described(TEXT, "Who, before that"),
        "occurred_at": _described(MOMENT, "When, corrected by how far the sender's clock was off as it was sent"),
        "properties": _described(OPEN, "As sent"),
        "context": _described(OPEN, "As sent, with `traits` and `integrations` of the call in it"),
    },
)

CONSENT_STATEMENTS = Stream(
    "consent_statements",
    ("statement_id",),
    {
        "statement_id": _described(KEY, "The request and the channel"),
        "profile_id": _described(TEXT, "Klaviyo's id of them"),
        **IDENTIFIERS,
        "channel": _described(
            KEY,
            "`email`, `email_open_tracking`, `email_click_tracking`, `sms`, `sms_transactional`, `whatsapp`,"
            " `whatsapp_transactional` or `push`",
        ),
        "consent": _described(KEY, "`given` or `withdrawn`"),
        "stated_at": _described(MOMENT, "When they said so"),
        "source": _described(TEXT, "Where: the form"),
        "method": _described(TEXT, "How: a box that was ticked, a link, …"),
        "proof": _described(OPEN, "What shows it: the text they agreed to, their address, …"),
        "list_id": _described(TEXT, "The list that they join, or leave"),
        "contact": _described(OPEN, "What else they told of themselves: `first_name`, `last_name`, `location`, …"),
        "properties": _described(OPEN, "Custom properties of the profile"),
    },
)
"""`list_id`, `contact` and `properties` are what a registration form has beside the statement."""

PRIVACY_REQUESTS = Stream(
    "privacy_requests",
    ("request_id",),
    {
        "request_id": _described(KEY, "The sender's id of it, or a digest"),
        "kind": _described(KEY, "`access`, `deletion` or `restriction`"),
        "profile_id": _described(TEXT, "Klaviyo's id of them"),
        **IDENTIFIERS,
        "jurisdiction": _described(TEXT, "Whose law it is: by it the clock goes"),
        "verified_at": _described(MOMENT, "When it was seen that it is they who ask"),
        "scope": _described(OPEN, "What of it they ask for; without it, everything"),
    },
)

STREAMS: Mapping[str, Stream] = {
    each.name: each
    for each in (PUSHED_EVENTS, FLOW_REQUESTS, ORDERS, SITE_EVENTS, CONSENT_STATEMENTS, PRIVACY_REQUESTS)
}

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


def decoded(text: bytes | msgspec.Raw) -> Any:  # noqa: ANN401 - JSON
    """A JSON value, numbers with every digit.

    Raises:
        UnusableError: it is not JSON, or nested too deeply.
    """
    try:
        return _decoder.decode(text)
    except RecursionError:
        msg = "it is nested too deeply"
    except ValueError as error:  # its text tells a place, and no value
        msg = f"it is not JSON: {error}"
    raise UnusableError(msg)


def encoded(record: Mapping[str, Any]) -> bytes:
    """A record as it is stored.

    Raises:
        UnusableError: it is nested too deeply.
    """
    text = _encoder.encode(record)
    if text.count(b"{") + text.count(b"[") > DEEPEST and _depth(record) > DEEPEST:
        msg = f"it is nested more than {DEEPEST} levels deep"
        raise UnusableError(msg)
    return text


def _depth(value: object) -> int:
    """How many objects and lists lie in each other."""
    level, depth = [value], 0
    while level:
        inner: list[object] = []
        for each in level:
            if isinstance(each, Mapping):
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        depth += 1
        level = inner
    return depth - 1
