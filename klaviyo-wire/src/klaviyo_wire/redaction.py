"""Keeps secrets and personal data out of logs."""

from __future__ import annotations

import re

_PATTERNS = (
    (re.compile(r"(?<=://)[^/?#\s]*@"), "***@"),
    (re.compile(r"\b(pk_)[A-Za-z0-9_]{6,}"), r"\1***"),
    (re.compile(r"(?i)((?:klaviyo-api-key|bearer)\s+)\S+"), r"\1***"),
    (re.compile(r"[A-Za-z0-9._%+-]+(?:@|%40)[A-Za-z0-9.-]+\.[A-Za-z]{2,}"), "<email>"),
    (re.compile(r"(?<![\w.:-])(?:\+|%2B)\d{7,15}\b"), "<phone>"),
)

_LONGEST = 5_000
"""Characters; what an address is takes the square of a text's length to find."""


def redact(text: str) -> str:
    """The text with keys, bearer tokens, credentials of URLs, e-mail addresses and E.164 phone numbers masked.

    Of a long text the beginning, up to a blank: no address is cut where it is no longer known for one.
    """
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST].rpartition(' ')[0]} …"
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
