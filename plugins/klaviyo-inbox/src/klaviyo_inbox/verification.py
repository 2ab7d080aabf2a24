"""How a sender is known: by a secret in a header, or by a signature over the body's bytes.

Each kind first looks at the headers alone, so that nobody's body is read who has not at least the right form of
proof. Several secrets may be given; each is compared, in a time that tells nothing of it. Without a secret no kind
admits anybody.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from starlette.datastructures import Headers
from typing_extensions import override

from klaviyo_wire import webhooks

Verification = Callable[[Sequence[str]], "Verifier"]
"""What a source declares: makes its verifier of its secrets."""


class Verifier(ABC):
    """Knows the senders of one source."""

    scheme: str
    """What a refused sender is told to use: the value of `WWW-Authenticate`."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Take the secrets, each of which opens."""
        self._secrets = [each.encode() for each in secrets]

    @abstractmethod
    def admits(self, headers: Headers) -> bool:
        """Whether the body may be read."""

    def verifies(self, headers: Headers, body: bytes) -> bool:
        """Whether the body, as it came, is the sender's."""
        raise NotImplementedError


class _Shown(Verifier):
    """The secret itself stands in a header: it is known before the body is read."""

    def _is_one(self, given: bytes) -> bool:
        # Of the digests, so that not even the length of a secret shows in the time that it takes.
        digest = hashlib.sha256(given).digest()
        verdicts = [hmac.compare_digest(hashlib.sha256(each).digest(), digest) for each in self._secrets]
        return any(verdicts)

    @override
    def verifies(self, headers: Headers, body: bytes) -> bool:
        return self.admits(headers)


def header_token(name: str) -> Verification:
    """The secret is the value of a header.

    Args:
        name: The header's.
    """

    class HeaderToken(_Shown):
        scheme = name

        @override
        def admits(self, headers: Headers) -> bool:
            return self._is_one(_raw(headers, name))

    return HeaderToken


class Bearer(_Shown):
    """The secret stands in `Authorization: Bearer …`."""

    scheme = "Bearer"

    @override
    def admits(self, headers: Headers) -> bool:
        scheme, _, token = _raw(headers, "authorization").partition(b" ")
        return scheme.lower() == b"bearer" and self._is_one(token.strip())


class BasicUser(_Shown):
    """The secret is the user of `Authorization: Basic …`; the password may be anything, and is empty as a rule."""

    scheme = 'Basic realm="write key"'

    @override
    def admits(self, headers: Headers) -> bool:
        scheme, _, given = _raw(headers, "authorization").partition(b" ")
        try:
            user = base64.b64decode(given.strip(), validate=True).partition(b":")[0]
        except binascii.Error:
            return False
        return scheme.lower() == b"basic" and self._is_one(user)


def body_digest(name: str) -> Verification:
    """A header holds the HMAC-SHA256 of the body in base64, as Shopify and WooCommerce send it.

    Args:
        name: The header's.
    """

    class BodyDigest(Verifier):
        scheme = name

        @override
        def admits(self, headers: Headers) -> bool:
            return len(self._given(headers)) == hashlib.sha256().digest_size

        @override
        def verifies(self, headers: Headers, body: bytes) -> bool:
            given = self._given(headers)
            digests = [hmac.digest(each, body, hashlib.sha256) for each in self._secrets]
            verdicts = [hmac.compare_digest(each, given) for each in digests]
            return any(verdicts)

        def _given(self, headers: Headers) -> bytes:
            try:
                return base64.b64decode(_raw(headers, name), validate=True)
            except binascii.Error:
                return b""

    return BodyDigest


class KlaviyoSignature(Verifier):
    """Klaviyo's signature of a system webhook."""

    scheme = webhooks.SIGNATURE

    @override
    def admits(self, headers: Headers) -> bool:
        signature = _raw(headers, webhooks.SIGNATURE)
        return len(signature) == hashlib.sha256().digest_size * 2 and bool(_raw(headers, webhooks.TIMESTAMP))

    @override
    def verifies(self, headers: Headers, body: bytes) -> bool:
        secrets = [each.decode() for each in self._secrets]
        return webhooks.is_signed(
            secrets, body, _raw(headers, webhooks.TIMESTAMP), _raw(headers, webhooks.SIGNATURE)
        )


def _raw(headers: Headers, name: str) -> bytes:
    """The bytes of a header's value as they came; none of one that is missing, or there twice."""
    values = headers.getlist(name)
    return values[0].encode("latin-1") if len(values) == 1 else b""
