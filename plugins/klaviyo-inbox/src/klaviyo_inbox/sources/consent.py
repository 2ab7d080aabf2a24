"""Preference and registration forms: who may be written to, on which channel, on whose word."""

from __future__ import annotations

from collections.abc import Iterable

from klaviyo_inbox import moments
from klaviyo_inbox.delivery import DeadLetter, Delivery, Item, UnusableError
from klaviyo_inbox.records import CONSENT_STATEMENTS, encoded
from klaviyo_inbox.source import Source
from klaviyo_inbox.sources.bodies import (
    Json,
    digest,
    json_object,
    moment_or,
    object_or_none,
    of_somebody,
    one_of,
    text_of,
    text_or_none,
)
from klaviyo_inbox.verification import Bearer

_CHANNELS = (
    "email",
    "email_open_tracking",
    "email_click_tracking",
    "sms",
    "sms_transactional",
    "whatsapp",
    "whatsapp_transactional",
    "push",
)
_CONSENT = ("given", "withdrawn")


def _divide(delivery: Delivery) -> Iterable[Item | DeadLetter]:
    """One statement for each channel."""
    body = json_object(delivery.body)
    statement = {
        **of_somebody(body),
        "stated_at": moment_or(body, "stated_at", moments.iso(delivery.received_at)),
        "source": text_or_none(body.get("source")),
        "method": text_or_none(body.get("method")),
        "proof": object_or_none(body, "proof"),
        "list_id": text_or_none(body.get("list_id")),
        "contact": object_or_none(body, "contact"),
        "properties": object_or_none(body, "properties"),
    }
    request = request_name(body, "statement_id", delivery, dated=body.get("stated_at") is not None)
    return [
        Item(key, encoded({"statement_id": key, **statement, "channel": channel, "consent": consent}))
        for channel, consent in _channels(body).items()
        for key in (f"{request}:{channel}",)
    ]


def _channels(body: Json) -> dict[str, str]:
    """What was said of each channel.

    Raises:
        UnusableError: nothing, or something else than that it is given or withdrawn.
    """
    given = body.get("channels")
    if given is None:
        return {one_of(body, "channel", _CHANNELS): one_of(body, "consent", _CONSENT)}
    if not isinstance(given, dict) or not given:
        msg = "`channels` is no JSON object of channels"
        raise UnusableError(msg)
    if unknown := [name for name in given if name not in _CHANNELS]:
        msg = f"{len(unknown)} of `channels` are none of {', '.join(f'`{each}`' for each in _CHANNELS)}"
        raise UnusableError(msg)
    return {name: one_of(given, name, _CONSENT) for name in given}


def request_name(body: Json, name: str, delivery: Delivery, *, dated: bool) -> str:
    """What a request is called: as its sender calls it, or a digest of it.

    Args:
        body: The request.
        name: The member that has its name.
        delivery: What it came in.
        dated: Whether it says when it was made. Two that are alike are one only then: else somebody who gives
            consent, withdraws it and gives it again would not be heard the second time.
    """
    if (given := body.get(name)) is not None:
        return text_of(given, name)
    return digest(delivery.body, b"" if dated else moments.iso(delivery.received_at).encode())


CONSENT = Source(
    name="consent",
    paths=("/consent",),
    setting="form_token",
    verification=Bearer,
    proof="`Authorization: Bearer` and the token",
    stream=CONSENT_STATEMENTS,
    divide=_divide,
    own_word=True,
    request_id=lambda item: item.key.rpartition(":")[0],
    idempotency="`statement_id` and channel; else a digest, if `stated_at` is sent",
    retries="yours: on 503, and when nobody answers",
    registration=(
        "in the server behind your form: a `POST` with whom it is about, `channel` and `consent` or `channels`,"
        " and the other columns of `consent_statements`. Never from the page itself: it would show the token"
    ),
)
