"""Signatures of system webhooks: those that Klaviyo published, and what any other body has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_wire.webhooks import is_signed, signature

TIMESTAMP = b"Thu, 04 Jan 2024 18:05:25 GMT"
PUBLISHED = [
    (
        "klaviyo-test-secret",
        (
            b'{"data":[{"external_id":"4L3cwQae2TX","topic":"event:klaviyo.sent_sms"}],"meta":{"klaviyo_webhook_id":'
            b'"a8b890458b4bbfaa26d961471b83c101d6de23bd826e7e5173a15310985ec3cb"}}'
        ),
        "5aa0e720d80b3a04ca04baf3c65cdfe31da57504af69fee8da29c35d45f0596b",
    ),
    (
        "sixteen-char-key",
        (
            b'{"data":[],"meta":{"klaviyo_account_id":"AbC123","klaviyo_webhook_id":"wh_1","timestamp":'
            b'"2026-09-04T13:16:52+00:00"}}'
        ),
        "fb0ade9119f289cea1a26972b1d622528428b684ff2ec6af5eeab0df738b1943",
    ),
]


@pytest.mark.parametrize(("secret", "body", "expected"), PUBLISHED)
def test_a_published_signature(secret: str, body: bytes, expected: str) -> None:
    assert signature(secret, body, TIMESTAMP) == expected
    assert is_signed([secret], body, TIMESTAMP, expected.encode())
    assert not is_signed([secret], body, TIMESTAMP, expected.upper().encode())


@given(st.text(min_size=16), st.binary(), st.binary(), st.data())
def test_any_body_is_known_and_none_of_which_a_bit_was_changed(
    secret: str, body: bytes, timestamp: bytes, data: st.DataObject
) -> None:
    secret = secret.encode("utf-8", "replace").decode()
    parts = [body, timestamp, signature(secret, body, timestamp).encode()]
    assert is_signed(["another", secret], *parts)
    assert not is_signed(["another"], *parts)
    assert not is_signed([], *parts)
    which = data.draw(st.sampled_from([n for n, part in enumerate(parts) if part]))
    place = data.draw(st.integers(0, len(parts[which]) * 8 - 1))
    changed = bytearray(parts[which])
    changed[place // 8] ^= 1 << place % 8
    parts[which] = bytes(changed)
    assert not is_signed(["another", secret], *parts)


@given(st.binary(), st.binary())
def test_a_signature_of_any_bytes_is_only_wrong(body: bytes, given_signature: bytes) -> None:
    assert not is_signed(["sixteen-char-key"], body, TIMESTAMP, given_signature)
