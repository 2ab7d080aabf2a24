"""One request, from its bytes to the answer's: which operation it is, and every check before its handler runs.

The order is that of recorded answers: route, key (a 401 has no rate headers), rate limit, and then the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from klaviyo_sandbox.account import Account, Received
from klaviyo_sandbox.model import errors
from klaviyo_sandbox.model.errors import Refusal, refuse
from klaviyo_sandbox.operations import OPERATIONS
from klaviyo_sandbox.operations.call import Call
from klaviyo_sandbox.protocol import queries
from klaviyo_sandbox.protocol.bodies import MOST_BYTES
from klaviyo_wire.auth import FALL_FORWARD_OPT_OUT
from klaviyo_wire.endpoints import DEFAULT_REVISION, ENDPOINTS, OMNICHANNEL, Endpoint

if TYPE_CHECKING:
    from klaviyo_sandbox.http.rate_limits import RateLimiter

JSON_API = "application/vnd.api+json"

_MEDIA_TYPES = {JSON_API, "application/json"}
_SCHEME = "Klaviyo-API-Key "
_REVISION = re.compile(r"(\d{4}-\d\d-\d\d)(\.pre)?")
_YEARS_OF_LIFE = 2
REVISIONS = frozenset(
    date.fromisoformat(text)
    for text in (
        *("2022-10-17", "2023-01-24", "2023-02-22", "2023-06-15", "2023-07-15", "2023-08-15", "2023-09-15"),
        *("2023-10-15", "2023-12-15", "2024-02-15", "2024-05-15", "2024-06-15", "2024-07-15", "2024-10-15"),
        *("2025-01-15", "2025-04-15", "2025-07-15", "2025-10-15"),
        *("2026-01-15", "2026-04-15", "2026-07-15", "2026-10-15"),
    )
)
_KNOWN = {each.isoformat(): each for each in REVISIONS}
_FIRST = date.fromisoformat(DEFAULT_REVISION)
# Operations whose document is another one from 2026-10-15 on, which the sandbox does not read.
_ONLY_BEFORE_OMNICHANNEL = {"create_campaign", "update_campaign_message"}

_ROUTES = [
    (re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", entry.path) + "/?"), entry) for entry in ENDPOINTS.values()
]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as received; `target` is path and query string, still encoded."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        """The decoded path."""
        return unquote(self.target.partition("?")[0])

    @property
    def query_string(self) -> str:
        """What follows the question mark."""
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; no content type means that the header is not sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


def operation_of(request: Request) -> str | None:
    """The operation that a request is for, by its key in the endpoint table; None if it is none."""
    try:
        return _route(request)[0].key
    except Refusal:
        return None


class Api:
    """Answers requests to the account."""

    def __init__(self, account: Account, limiter: RateLimiter) -> None:
        self._account = account
        self._limiter = limiter

    def respond(self, request: Request) -> Response:
        """The answer to a request."""
        self._account.advance()
        headers: dict[str, str] = {}
        try:
            response = self._handle(request, headers)
        except Refusal as refusal:
            response = self.refused(refusal, headers)
        received = self._account.received
        if received is not None and request.method != "GET":
            received.append(Received(operation_of(request) or "unknown", request.body, response.status))
        return response

    def _handle(self, request: Request, headers: dict[str, str]) -> Response:
        endpoint, path = _route(request)
        key = self._authenticated(request)
        parameters = queries.pairs(request.query_string)
        now = self._account.clock.now()
        headers.update(self._limiter.take(endpoint, dict(parameters), now.timestamp()))
        _check_revision(request, endpoint, now.date())
        if not self._account.allows(key, endpoint.scopes):
            raise errors.permission_denied()
        if request.method != "GET":
            _check_body(request, endpoint)
        query = queries.read(endpoint, request.path, parameters, now, request.body)
        call = Call(self._account, endpoint, path, query, request.body)
        answer = OPERATIONS[endpoint.key](call)
        if answer.document is None:
            return Response(answer.status, headers)
        return Response(answer.status, headers | {"Content-Type": JSON_API}, msgspec.json.encode(answer.document))

    def _authenticated(self, request: Request) -> str:
        authorization = request.headers.get("Authorization")
        if authorization is None:
            raise errors.not_authenticated()
        key = authorization.removeprefix(_SCHEME)
        if not authorization.startswith(_SCHEME) or not self._account.knows(key):
            raise errors.authentication_failed()
        return key

    def refused(self, refusal: Refusal, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
        """A refusal as a response; `headers` are those of the rate limit."""
        body = msgspec.json.encode(refusal.document(self._account.rng))
        if refusal.headers:  # a 429 has neither rate headers nor, mostly, a content type (recorded)
            return Response(refusal.status, refusal.headers, body)
        return Response(refusal.status, {**headers, "Content-Type": JSON_API}, body)


def _route(request: Request) -> tuple[Endpoint, Mapping[str, str]]:
    """The newest entry that is not newer than the revision asked for, and its path parameters.

    A request without a revision, or with none that exists, gets the newest: it is refused once that may be said,
    unless it may fall forward.
    """
    path = request.path
    matches = [(endpoint, match) for pattern, endpoint in _ROUTES if (match := pattern.fullmatch(path))]
    if not matches:
        raise errors.not_found()
    matches = [each for each in matches if each[0].method == request.method]
    if not matches:
        raise errors.method_not_allowed(request.method)
    asked = _revision(request) or date.max
    # What older revisions had is not known: they are served as the table's first.
    matches = [each for each in matches if _since(each[0]) <= max(asked, _FIRST)]
    if not matches:
        raise errors.not_in_revision(request.method)
    endpoint, match = max(matches, key=lambda each: each[0].revision)
    return endpoint, match.groupdict()


def _since(endpoint: Endpoint) -> date:
    return date.fromisoformat(endpoint.revision)


def _revision(request: Request) -> date | None:
    """The revision asked for, if it is one."""
    match = _REVISION.fullmatch(request.headers.get("revision", ""))
    return _KNOWN.get(match[1]) if match else None


def _check_revision(request: Request, endpoint: Endpoint, today: date) -> None:
    text = request.headers.get("revision")
    if text is None:
        refuse("The 'revision' header is required.", pointer="/data/")
    revision, opted_out = _revision(request), request.headers.get(FALL_FORWARD_OPT_OUT) == "1"
    if revision is None and (opted_out or not _REVISION.fullmatch(text)):
        refuse(f"'{text}' is not a revision.", pointer="/data/")
    if opted_out and revision and revision.replace(year=revision.year + _YEARS_OF_LIFE) <= today:
        raise errors.retired(text)
    if revision and endpoint.operation in _ONLY_BEFORE_OMNICHANNEL and revision >= date.fromisoformat(OMNICHANNEL):
        refuse(
            f"The sandbox has {endpoint.operation} as of revision {endpoint.revision}, not {text}.",
            pointer="/data/",
        )


def _check_body(request: Request, endpoint: Endpoint) -> None:
    if len(request.body) > MOST_BYTES:
        raise errors.too_large()
    if endpoint.method == "DELETE" and endpoint.path.endswith("/{id}"):  # the path says all
        return
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip()
    if media_type not in _MEDIA_TYPES:
        raise errors.unsupported_media_type(media_type)
