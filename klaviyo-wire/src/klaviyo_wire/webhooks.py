"""System webhooks: what Klaviyo signs, and how a receiver knows that it was Klaviyo.

The signature is the HMAC-SHA256 of the body's bytes and, directly behind them, the text of the timestamp header as
it was sent; in lower-case hexadecimal. The key is the `secret_key` that the webhook was created with, as UTF-8
(Klaviyo's developer page on system webhooks).

The timestamp header is a part of the message and no clock: a recorded one was five hours off, local time labelled
GMT. When a delivery was made stands in the signed body, `meta.timestamp`. Nor is the header of the webhook's id
signed: it counts if it is what the signed body says, `meta.klaviyo_webhook_id`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

SIGNATURE = "Klaviyo-Signature"
TIMESTAMP = "Klaviyo-Timestamp"
WEBHOOK_ID = "Klaviyo-Webhook-Id"

MOST_EVENTS = 1_000
"""In one delivery."""
SHORTEST_SECRET = 16
"""Characters of a `secret_key`."""


def signature(secret: str, body: bytes, timestamp: bytes) -> str:
    """What stands in the signature header.

    Args:
        secret: The webhook's `secret_key`.
        body: As sent, byte for byte.
        timestamp: The value of the timestamp header, as sent.
    """
    return hmac.new(secret.encode(), body + timestamp, hashlib.sha256).hexdigest()


def is_signed(secrets: Iterable[str], body: bytes, timestamp: bytes, given: bytes) -> bool:
    """Whether one of the secrets made the signature that was given. How long it takes tells nothing of it."""
    verdicts = [hmac.compare_digest(signature(each, body, timestamp).encode(), given) for each in secrets]
    return any(verdicts)
