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


def redact(text: str) -> str:
    """The text with keys, bearer tokens, credentials of URLs, e-mail addresses and E.164 phone numbers masked."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
