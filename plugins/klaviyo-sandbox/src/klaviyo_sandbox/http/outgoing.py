"""Requests that the account makes itself: to addresses of this machine, without a proxy."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import requests

from klaviyo_sandbox.operations.webhooks import THIS_MACHINE

_SECONDS_TO_ANSWER = 10


def is_of_this_machine(url: str) -> bool:
    """Whether nobody else is called by it."""
    try:
        return urlsplit(url).hostname in THIS_MACHINE
    except ValueError:
        return False


def caller() -> requests.Session:
    """What `post` calls with."""
    session = requests.Session()
    session.trust_env = False
    return session


def post(session: requests.Session, url: str, headers: Mapping[str, str], body: bytes) -> int | None:
    """The status that was answered; None: nobody did. No redirect is followed."""
    try:
        return session.post(
            url, data=body, headers=dict(headers), timeout=_SECONDS_TO_ANSWER, allow_redirects=False
        ).status_code
    except (requests.RequestException, ValueError):  # the latter: headers or an address that cannot be sent
        return None
