"""Errors of the Klaviyo API, grouped by what the caller must do about them.

    KlaviyoError
    ├── Retriable           send the request again; `retry_after` says when, if Klaviyo said
    │   └── Unreachable     stop: no answer ever came from the host, whatever was asked
    ├── CursorExpired       start the listing again from its bookmark
    ├── ConfigurationError  stop: key, host or revision is wrong; the message names the setting
    │   └── MissingScope    stop this stream or sink, go on with the others; the message names the scope
    └── Refused             this request is wrong; `problems` say where (JSON pointers)
        └── NotFound        the resource is not there

`classify` turns an answer into one of them. Sources: Klaviyo's error guide, and recorded responses where
a comment says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from klaviyo_wire.redaction import redact


class Operation(Protocol):
    """What a message says of the operation that was called: an `endpoints.Endpoint` has it."""

    @property
    def method(self) -> str:
        """HTTP method."""
        ...

    @property
    def path(self) -> str:
        """Path, with `{name}` for its parameters."""
        ...

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that a key needs for it."""
        ...


@dataclass(frozen=True)
class Problem:
    """One entry of an error document's `errors`.

    `pointer` is a JSON pointer into the request body or, for query parameters, the parameter's name;
    None where Klaviyo gave neither.
    """

    code: str
    title: str
    detail: str
    pointer: str | None = None
    meta: Mapping[str, Any] | None = None


class KlaviyoError(Exception):
    """Root of everything this package raises about an answer."""


class Retriable(KlaviyoError):  # noqa: N818 - named for the recovery, not for the fault
    """The same request may succeed later: 429, 5xx, a cut connection, a body that is not the JSON promised."""

    def __init__(self, message: str, *, retry_after: float | None = None, throttled: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.throttled = throttled


class Unreachable(Retriable):
    """The host has never answered this process; the message names the setting."""


class CursorExpired(KlaviyoError):  # noqa: N818
    """The page cursor is no longer valid; the rows so far stay good, the listing starts again."""


class OversizedAnswer(KlaviyoError):  # noqa: N818
    """An answer is larger than what may be held in memory."""


class EndlessListing(KlaviyoError):  # noqa: N818
    """A page names one that came before as the next one: the listing would go on for ever."""


class ConfigurationError(KlaviyoError):
    """Nothing succeeds until a person changes a setting, which the message names."""


class MissingScope(ConfigurationError):  # noqa: N818
    """The API key lacks a scope; the message names those the operation needs."""


class Refused(KlaviyoError):  # noqa: N818
    """Klaviyo will never accept this request as it is."""

    def __init__(self, message: str, *, status: int, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.problems = tuple(problems)


class NotFound(Refused):
    """The resource does not exist, or no longer does."""


def problems_of(body: bytes) -> tuple[Problem, ...]:
    """The entries of an error document; empty when the body is not one. Never raises."""
    try:
        entries = json.loads(body)["errors"]
        return tuple(_problem(entry) for entry in entries)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()


def _problem(entry: Mapping[str, Any]) -> Problem:
    source = entry.get("source") or {}
    return Problem(
        code=str(entry.get("code") or "unknown"),
        title=str(entry.get("title") or ""),
        detail=str(entry.get("detail") or ""),
        pointer=source.get("pointer") or source.get("parameter"),
        meta=entry.get("meta") or None,
    )


_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _GONE, _THROTTLED = 401, 403, 404, 410, 429
_SUCCESS, _REDIRECT, _CLIENT_ERROR, _SERVER_ERROR = 200, 300, 400, 500
_REFUSED_REVISION = frozenset({400, _NOT_FOUND})
_KEY_CODES = frozenset({"authentication_failed", "not_authenticated"})
_CURSOR_PARAMETERS = frozenset({"page[cursor]", "page_cursor"})


def classify(endpoint: Operation, status: int, headers: Mapping[str, str], body: bytes) -> KlaviyoError | None:
    """What an answer means for the caller; None when it is a success (any 2xx: real statuses vary)."""
    if _SUCCESS <= status < _REDIRECT:
        return None
    where = f"{endpoint.method} {endpoint.path}"
    problems = problems_of(body)
    if status == _THROTTLED or status >= _SERVER_ERROR or (status == _FORBIDDEN and not problems):
        # 403 without an error document is a gateway's challenge, not Klaviyo (klaviyo-api-python issue 84).
        wait = retry_after_seconds(headers.get("Retry-After"))
        return Retriable(f"{where} answered {status}", retry_after=wait, throttled=status == _THROTTLED)
    said = redact(problems[0].detail or problems[0].title) if problems else "no reason given"
    if fault := _configuration_fault(endpoint, status, problems, said):
        return fault
    if any(problem.pointer in _CURSOR_PARAMETERS for problem in problems):
        return CursorExpired(f"{where}: the page cursor is no longer valid")
    kind = NotFound if status == _NOT_FOUND else Refused
    return kind(f"{where} answered {status}: {said}", status=status, problems=problems)


def _configuration_fault(
    endpoint: Operation, status: int, problems: Sequence[Problem], said: str
) -> ConfigurationError | None:
    where = f"{endpoint.method} {endpoint.path}"
    # The overview gives 400 for an invalid key, the recordings 401: the code decides before the status.
    if status == _UNAUTHORIZED or any(problem.code in _KEY_CODES for problem in problems):
        return ConfigurationError(
            "Klaviyo does not accept the API key: give a private key (`pk_…`) in the setting `api_key`"
        )
    if status == _FORBIDDEN:
        scopes = " and ".join(f"`{scope}`" for scope in endpoint.scopes)
        return MissingScope(f"the API key may not call {where}: it needs the scope {scopes} (Klaviyo: {said})")
    if status == _GONE:
        return ConfigurationError(f"{where} is gone: set `revision` to one that Klaviyo still supports")
    # An unknown revision, or an operation that the revision does not have yet: said of the request as a whole.
    whole = all(problem.pointer in {None, "/data", "/data/"} for problem in problems)
    if status in _REFUSED_REVISION and whole and "revision" in said.lower():
        return ConfigurationError(f"{where} does not accept the setting `revision` (Klaviyo: {said})")
    if status < _CLIENT_ERROR:
        return ConfigurationError(f"{where} was redirected: check the setting `api_url`")
    return None


def retry_after_seconds(value: str | None) -> float | None:
    """`Retry-After` in seconds; None when absent or not a number of seconds (Klaviyo sends integers)."""
    try:
        return max(0.0, float(value)) if value is not None else None
    except ValueError:
        return None
