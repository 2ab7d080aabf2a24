"""Refusals: Klaviyo's error documents, raised as exceptions.

The wording follows recorded answers where there is one; where none was recorded, the sandbox's own words are used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random
from typing import Any, NoReturn
from uuid import UUID

from msgspec import Struct, field

_THROTTLE_LINKS = {"type": "https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling#rate-limits"}


class Problem(Struct, frozen=True, kw_only=True):
    """One entry of an error document; its id is drawn when it is answered."""

    code: str
    title: str
    detail: str
    source: Mapping[str, str]
    extras: Mapping[str, Any] = field(default_factory=dict)
    """What only some errors carry: `links` and `meta`."""


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of ours
    """The request is answered with this status and these problems."""

    def __init__(self, status: int, problems: Iterable[Problem], headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.problems = tuple(problems)
        self.headers = headers or {}
        super().__init__(f"{status} {self.problems[0].detail}")

    def document(self, rng: Random) -> dict[str, Any]:
        """The error document."""
        return {
            "errors": [
                {
                    "id": str(UUID(int=rng.getrandbits(128), version=4)),
                    "status": self.status,
                    "code": each.code,
                    "title": each.title,
                    "detail": each.detail,
                    "source": each.source,
                    **each.extras,
                }
                for each in self.problems
            ]
        }


def problem(detail: str, *, pointer: str = "/data", parameter: str | None = None) -> Problem:
    """A fault in the request, at a place in its body or in a query parameter."""
    return Problem(
        code="invalid",
        title="Invalid input.",
        detail=detail,
        source={"parameter": parameter} if parameter else {"pointer": pointer},
        extras={"links": {}, "meta": {}},
    )


def refuse(detail: str, *, pointer: str = "/data", parameter: str | None = None) -> NoReturn:
    """Raise a 400 with one problem."""
    raise Refusal(400, [problem(detail, pointer=pointer, parameter=parameter)])


def refuse_unknown(detail: str) -> NoReturn:
    """Raise a 404: what the path or the body names does not exist."""
    raise _plain(404, "not_found", "Not found.", detail)


def not_found() -> Refusal:
    """404, no such path."""
    return _plain(404, "not_found", "Not found.")


def not_in_revision(method: str) -> Refusal:
    """404, the operation came with a later revision (the text is a client's report)."""
    return _plain(404, "not_found", "Not found.", f"No valid revision was found for the method {method}.")


def _plain(status: int, code: str, title: str, detail: str | None = None) -> Refusal:
    entry = Problem(code=code, title=title, detail=detail or title, source={"pointer": "/data/"})
    return Refusal(status, [entry])


def not_authenticated() -> Refusal:
    """401: the request has no key."""
    return _plain(401, "not_authenticated", "Authentication credentials were not provided.")


def authentication_failed() -> Refusal:
    """401, the key is not one of this account's."""
    return _plain(401, "authentication_failed", "Incorrect authentication credentials.")


def permission_denied() -> Refusal:
    """403, the key lacks a scope. Klaviyo's text does not name it."""
    return _plain(403, "permission_denied", "You do not have permission to perform this action.")


def no_advanced_kdp() -> Refusal:
    """403, the account has not bought the feature (recorded)."""
    title = "You do not have permission to perform this action."
    return _plain(403, "permission_denied", title, "You must have Advanced KDP enabled to use this endpoint.")


def method_not_allowed(method: str) -> Refusal:
    """405: the path exists, for another method."""
    return _plain(405, "method_not_allowed", f'Method "{method}" not allowed.')


def duplicate_profile(profile_id: str) -> Refusal:
    """409, another profile has one of the identifiers."""
    entry = Problem(
        code="duplicate_profile",
        title="Conflict.",
        detail="A profile already exists with one of these identifiers.",
        source={"pointer": "/data/attributes"},
        extras={"links": {}, "meta": {"duplicate_profile_id": profile_id}},
    )
    return Refusal(409, [entry])


def retired(revision: str) -> Refusal:
    """410, the revision has been switched off."""
    return _plain(410, "gone", "Gone.", f"Revision {revision} has been retired.")


def too_large() -> Refusal:
    """413, the request has more than 5 MB."""
    return _plain(413, "payload_too_large", "Payload too large.", "The maximum allowed payload size is 5MB.")


def unsupported_media_type(media_type: str) -> Refusal:
    """415: the body is announced as something other than JSON."""
    return _plain(415, "unsupported_media_type", f'Unsupported media type "{media_type}" in request.')


def throttled(seconds: int | None) -> Refusal:
    """429; the only header is `Retry-After`, as recorded; without seconds there is none."""
    if seconds is None:
        return _plain(429, "throttled", "Request was throttled.")
    unit = "second" if seconds == 1 else "seconds"
    entry = Problem(
        code="throttled",
        title="Request was throttled.",
        detail=f"Request was throttled. Expected available in {seconds} {unit}.",
        source={"pointer": "/data"},
        extras={"links": _THROTTLE_LINKS, "meta": {}},
    )
    return Refusal(429, [entry], {"Retry-After": str(seconds)})


def server_error(status: int) -> Refusal:
    """A server error of this status (5xx)."""
    return _plain(status, "error", "A server error occurred.")


def expired_cursor() -> Refusal:
    """400, a cursor that is none of ours, or no longer is."""
    return Refusal(400, [problem("Invalid cursor.", parameter="page_cursor")])
