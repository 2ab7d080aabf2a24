"""Keeps secrets and personal data out of logs."""

from __future__ import annotations

import re

_PATTERNS = (
    (re.compile(r"(?<=//)[^/?#\s]*@"), "***@"),
    # Without a scheme it may be a label and an address as well, so the host goes too.
    (re.compile(r"""(?<![^\s'"`(/=,])[^\s'"`/?#@:]+:[^\s'"`/?#@]*@[^\s'"`/?#]*"""), "***"),
    (re.compile(r"(\bpk_)[A-Za-z0-9_]{6,}"), r"\1***"),
    (re.compile(r"(pk_)[A-Za-z0-9_]{20,}"), r"\1***"),  # too long for a part of a name
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


def redact_url(url: str) -> str:
    """A scheme and host as a person gave them: what stands between the scheme and the last `@` is masked."""
    before, at, host = url.rpartition("@")
    scheme, slashes, _ = before.partition("://")
    return redact(f"{scheme + slashes if slashes else ''}***@{host}" if at else url)
