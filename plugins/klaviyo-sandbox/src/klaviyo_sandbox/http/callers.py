"""Who may talk to the sandbox: programs of this machine, and no web page.

A page open in a browser reaches 127.0.0.1 too. It either has a name of its own resolve to that (DNS rebinding),
which then stands in `Host`, or sends across origins, which browsers say in `Origin` and `Sec-Fetch-Site`. Programs
send neither of the latter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_OWN_NAMES = r"(?:127\.0\.0\.1|localhost|\[::1\])"
_OWN_HOST = re.compile(rf"{_OWN_NAMES}(?::\d{{1,5}})?", re.IGNORECASE)
"""Of any port: one that is forwarded has another number outside."""
_OWN_SITE = ("none", "same-origin")


def refusal(headers: Mapping[str, str], hosts: Sequence[str], port: int) -> str | None:
    """Why a request is not answered; None if it is.

    Args:
        headers: Of the request; names in any case.
        hosts: Every value of its `Host`.
        port: Where the sandbox listens.
    """
    if len(hosts) != 1 or not _OWN_HOST.fullmatch(hosts[0]):
        return "the sandbox answers requests to 127.0.0.1 and localhost only: call it by one of these names"
    origin = headers.get("Origin")
    own = rf"http://{_OWN_NAMES}:{port}"
    if origin is not None and not re.fullmatch(own, origin, re.IGNORECASE):
        return "the sandbox answers programs, and no page of another origin: leave the header `Origin` out"
    if headers.get("Sec-Fetch-Site", "none") not in _OWN_SITE:
        return "the sandbox answers programs, and no page of another site: call it without a browser"
    return None
