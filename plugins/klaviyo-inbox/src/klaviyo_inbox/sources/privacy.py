"""Requests of people for access to their data, its deletion, or that it is left alone."""

from __future__ import annotations

from collections.abc import Iterable

from klaviyo_inbox.delivery import DeadLetter, Delivery, Item
from klaviyo_inbox.records import PRIVACY_REQUESTS, encoded
from klaviyo_inbox.source import Source
from klaviyo_inbox.sources.bodies import json_object, moment_or, object_or_none, of_somebody, one_of, text_or_none
from klaviyo_inbox.sources.consent import request_name
from klaviyo_inbox.verification import Bearer

_KINDS = ("access", "deletion", "restriction")


def _divide(delivery: Delivery) -> Iterable[Item | DeadLetter]:
    body = json_object(delivery.body)
    key = request_name(body, "request_id", delivery, dated=False)
    record = {
        "request_id": key,
        "kind": one_of(body, "kind", _KINDS),
        **of_somebody(body),
        "jurisdiction": text_or_none(body.get("jurisdiction")),
        "verified_at": moment_or(body, "verified_at", None),
        "scope": object_or_none(body, "scope"),
    }
    return [Item(key, encoded(record))]


PRIVACY = Source(
    name="privacy",
    paths=("/privacy",),
    setting="privacy_token",
    verification=Bearer,
    proof="`Authorization: Bearer` and the token",
    stream=PRIVACY_REQUESTS,
    divide=_divide,
    own_word=True,
    request_id=lambda item: item.key,
    idempotency="`request_id`: give one",
    retries="yours: on 503, and when nobody answers",
    registration="in your portal or help desk: a `POST` with `kind`, whom it is about, and the other columns",
)
