"""Authentication and the headers every request carries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from requests.auth import AuthBase

from klaviyo_wire.endpoints import DEFAULT_REVISION
from klaviyo_wire.errors import ConfigurationError
from klaviyo_wire.redaction import redact

if TYPE_CHECKING:
    from requests import PreparedRequest


DEFAULT_API_URL = "https://a.klaviyo.com"
MEDIA_TYPE = "application/vnd.api+json"
FALL_FORWARD_OPT_OUT = "X-Klaviyo-Revision-Fall-Forward-Opt-Out"
"""A request with this header, set to 1, is refused where its revision is retired or unknown. Without it Klaviyo
answers as a later revision would, and nothing says so."""

_REVISION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")


class ApiKey(AuthBase):
    """Signs requests with a private API key. Its `repr` never shows the key."""

    def __init__(self, key: str) -> None:
        key = key.strip()
        if not key:
            msg = "the setting `api_key` is empty: give a private Klaviyo key (`pk_…`)"
            raise ConfigurationError(msg)
        if not re.fullmatch(r"[!-~]+", key):
            # It would fail deep inside the HTTP library, with the key in the message.
            msg = "the setting `api_key` holds characters that no Klaviyo key has: was it pasted whole?"
            raise ConfigurationError(msg)
        self._key = key

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the Authorization header."""
        request.headers["Authorization"] = f"Klaviyo-API-Key {self._key}"
        return request

    def __repr__(self) -> str:
        return "ApiKey(…)"


def headers(revision: str, *, user_agent: str) -> dict[str, str]:
    """Headers of a request at an API revision, which is answered at that revision or not at all.

    Raises:
        ConfigurationError: `revision` does not have the form of one.
    """
    check(revision)
    return {
        "Accept": MEDIA_TYPE,
        "Content-Type": MEDIA_TYPE,
        "revision": revision,
        FALL_FORWARD_OPT_OUT: "1",
        "User-Agent": user_agent,
    }


def check(revision: str) -> None:
    """Whether this has the form of an API revision (`2026-07-15`, beta `2026-07-15.pre`).

    Raises:
        ConfigurationError: it does not.
    """
    if not _REVISION.fullmatch(revision):
        given = redact(revision)
        msg = f"the setting `revision` is {given!r}: give one of Klaviyo's dates, such as {DEFAULT_REVISION}"
        raise ConfigurationError(msg)
