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

from klaviyo_sandbox import errors, queries
from klaviyo_sandbox.account import Account, Call
from klaviyo_sandbox.bodies import MOST_BYTES
from klaviyo_sandbox.errors import Refusal, refuse
from klaviyo_sandbox.operations import OPERATIONS
from klaviyo_wire.endpoints import ENDPOINTS, Endpoint

if TYPE_CHECKING:
    from klaviyo_sandbox.limits import RateLimiter

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
# From here on campaigns are another model: audiences, variations, an account-wide listing of messages.
_OMNICHANNEL = date(2026, 10, 15)

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
    """The id of the operation that a request is for, if it is one."""
    for pattern, endpoint in _ROUTES:
        if endpoint.method == request.method and pattern.fullmatch(request.path):
            return endpoint.operation
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
            return self._handle(request, headers)
        except Refusal as refusal:
            return self.refused(refusal, headers)

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
        query = queries.read(endpoint, request.path, parameters, now)
        call = Call(self._account, endpoint, path, query, request.body)
        answer = OPERATIONS[endpoint.operation](call)
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
        """The answer that a refusal is; `headers` are those of the rate limit."""
        body = msgspec.json.encode(refusal.document(self._account.rng))
        if refusal.headers:  # a 429 has neither rate headers nor, mostly, a content type (recorded)
            return Response(refusal.status, refusal.headers, body)
        return Response(refusal.status, {**headers, "Content-Type": JSON_API}, body)


def _route(request: Request) -> tuple[Endpoint, Mapping[str, str]]:
    matches = [(endpoint, match) for pattern, endpoint in _ROUTES if (match := pattern.fullmatch(request.path))]
    for endpoint, match in matches:
        if endpoint.method == request.method:
            return endpoint, match.groupdict()
    if matches:
        raise errors.method_not_allowed(request.method)
    raise errors.not_found()


def _check_revision(request: Request, endpoint: Endpoint, today: date) -> None:
    text = request.headers.get("revision")
    if text is None:
        refuse("The 'revision' header is required.", pointer="/data/")
    match = _REVISION.fullmatch(text)
    known = {each.isoformat(): each for each in REVISIONS}
    if match is None or match[1] not in known:
        refuse(f"'{text}' is not a revision.", pointer="/data/")
    revision = known[match[1]]
    if revision.replace(year=revision.year + _YEARS_OF_LIFE) <= today:
        raise errors.retired(text)
    if revision >= _OMNICHANNEL and "campaign" in endpoint.path:
        refuse(f"The sandbox has campaigns as of revision 2026-07-15, not {text}.", pointer="/data/")


def _check_body(request: Request, endpoint: Endpoint) -> None:
    if len(request.body) > MOST_BYTES:
        raise errors.too_large()
    if endpoint.operation == "delete_template":  # the only write without a document
        return
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip()
    if media_type not in _MEDIA_TYPES:
        raise errors.unsupported_media_type(media_type)
