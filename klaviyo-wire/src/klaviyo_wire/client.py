"""The request loop: sign, wait for the rate limit, send, classify the answer, retry what is worth retrying."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import backoff
import requests
import urllib3

from klaviyo_wire import auth, bulk, jsonapi
from klaviyo_wire.endpoints import DEFAULT_REVISION, ENDPOINTS, Endpoint
from klaviyo_wire.errors import (
    ConfigurationError,
    EndlessListing,
    NotFound,
    OversizedAnswer,
    Retriable,
    Unreachable,
    classify,
)
from klaviyo_wire.paging import PagesAsked
from klaviyo_wire.redaction import redact_url
from klaviyo_wire.sessions import answered_within

if TYPE_CHECKING:
    from klaviyo_wire.ratelimit import Governor

_log = logging.getLogger(__name__)

MAX_TRIES = 9
FIRST_CONTACT_TRIES = 4
LONGEST_WAIT = 32.0
NO_PARAMS: Mapping[str, str] = {}

T = TypeVar("T")


_LONGEST_ID = 255
"""Characters of a value in a path; Klaviyo's ids have up to 36, and servers take some thousand of an address."""
_PIECE = 1 << 20
"""Most bytes of a body that are read at a time."""


@dataclass(frozen=True)
class Transport:
    """What the loop needs of the outside world; a test gives its own.

    `timeout` is (connect, read) in seconds; `patience` the longest that is waited for a place or as `Retry-After`
    says, in seconds: with a daily quota it is hours, and failing beats sleeping through them. `received` is given
    the body of each answer, and returns the one that is read. `most_bytes` is how large a body may be, and
    `most_seconds` how long all of it may take by `clock`, in monotonic seconds; without a clock it takes its time.
    `timeout` bounds only the wait for the next bytes. The headers are bounded with a session of
    `sessions.session_of`; with any other the body alone is.
    """

    session: requests.Session
    sleep: Callable[[float], None]
    timeout: tuple[float, float] = (10.0, 60.0)
    patience: float = 600.0
    received: Callable[[bytes], bytes] | None = None
    most_bytes: int = 256 << 20
    most_seconds: float = 300.0
    clock: Callable[[], float] = float


class Client:
    """Calls operations of `endpoints.ENDPOINTS`; safe to share between threads.

    Args:
        key: Signs every request.
        governor: Shared by everything in the process that talks to the account.
        transport: Session, sleep and timeouts.
        api_url: Scheme and host; the paths are the table's.
        revision: API revision of every request, but for what only a later one has; None: the one that each
            endpoint's entry describes.
        user_agent: Sent with every request.
        decode: Parses a JSON body; a faster one than the standard library's may be given.
    """

    def __init__(  # noqa: PLR0913
        self,
        key: auth.ApiKey,
        governor: Governor,
        transport: Transport,
        *,
        api_url: str = auth.DEFAULT_API_URL,
        revision: str | None = None,
        user_agent: str = "klaviyo-wire",
        decode: Callable[[bytes], Any] = json.loads,
    ) -> None:
        if not _is_scheme_and_host(api_url):
            given = redact_url(api_url)
            msg = f"the setting `api_url` is {given!r}: give scheme and host, such as {auth.DEFAULT_API_URL}"
            raise ConfigurationError(msg)
        self._key = key
        self._governor = governor
        self._transport = transport
        self._api_url = api_url.rstrip("/")
        self._revision = revision
        self._user_agent = user_agent
        self._decode = decode
        self._reached = False
        if revision is not None:
            auth.check(revision)  # a malformed one fails here, not at the first request

    def _revision_of(self, endpoint: Endpoint) -> str:
        if self._revision is None or endpoint.revision == DEFAULT_REVISION:
            return self._revision or endpoint.revision
        return max(self._revision, endpoint.revision)

    def fetch(  # noqa: PLR0913
        self,
        operation: str,
        decode: Callable[[bytes], T],
        *,
        path: Mapping[str, str] = NO_PARAMS,
        params: Mapping[str, str] = NO_PARAMS,
        body: object = None,
        repeatable: bool = True,
    ) -> T:
        """One request, answered, and its body decoded.

        Args:
            operation: The key of an entry in `endpoints.ENDPOINTS`.
            decode: Reads the body. A ValueError says that the answer is broken: the request is sent again.
            path: Values of the path parameters.
            params: Query parameters, not encoded.
            body: JSON value, or bytes already encoded.
            repeatable: False for a write that must not happen twice: then only an answer that proves that
                nothing happened (429) is retried.

        Raises:
            KlaviyoError: as `errors.classify` says; `Retriable` once the tries are used up. `NotFound` also of a
                path value that no resource can have.
        """
        endpoint = ENDPOINTS[operation]
        url = self._api_url + endpoint.path.format(**{name: _segment(endpoint, path[name]) for name in path})
        if params:
            url = f"{url}?{urlencode(params, quote_via=quote)}"
        data = body if isinstance(body, bytes) or body is None else bulk.encode(body)
        headers = auth.headers(self._revision_of(endpoint), user_agent=self._user_agent)
        request = self._transport.session.prepare_request(
            requests.Request(endpoint.method, url, headers=headers, data=data, auth=self._key)
        )

        most_tries = MAX_TRIES if self._reached else FIRST_CONTACT_TRIES
        tried = 0

        def attempt() -> T:
            nonlocal tried
            tried += 1
            answer = self._attempt(endpoint, params, request)
            try:
                return decode(answer)
            except ValueError as error:
                msg = f"{endpoint.method} {endpoint.path} answered with a broken body: {error}"
                raise Retriable(msg) from error

        def give_up(error: Exception) -> bool:
            assert isinstance(error, Retriable)  # noqa: S101 - narrowed by on_exception
            if (error.retry_after or 0) > self._transport.patience:
                return True
            # A host that throttles was reached, so throttling never counts as a try of first contact.
            return not error.throttled and (tried >= most_tries or not repeatable)

        retry = backoff.on_exception(
            _pauses,
            Retriable,
            max_tries=MAX_TRIES,
            giveup=give_up,
            jitter=None,
            logger=None,
            on_backoff=_log_retry,
        )
        try:
            return retry(attempt)()
        except Retriable as fault:
            if not fault.throttled or tried < MAX_TRIES:
                raise
            msg = f"{fault}: something else uses up the quota; lower its `rate_limit_share`, or run again later"
            raise Retriable(msg, retry_after=fault.retry_after, throttled=True) from fault

    def call(
        self,
        operation: str,
        *,
        path: Mapping[str, str] = NO_PARAMS,
        params: Mapping[str, str] = NO_PARAMS,
        body: object = None,
        repeatable: bool = True,
    ) -> jsonapi.Json:
        """`fetch` of a JSON document; an empty dict where an answer has no body."""
        decode = _no_body if ENDPOINTS[operation].bodiless else self._document
        return self.fetch(operation, decode, path=path, params=params, body=body, repeatable=repeatable)

    def pages(
        self,
        operation: str,
        *,
        path: Mapping[str, str] = NO_PARAMS,
        params: Mapping[str, str] = NO_PARAMS,
    ) -> Iterator[jsonapi.Json]:
        """The documents of a listing; see `follow`."""
        return self.follow(operation, self._collection, jsonapi.next_link, path=path, params=params)

    def follow(
        self,
        operation: str,
        decode: Callable[[bytes], T],
        link: Callable[[T], str | None],
        *,
        path: Mapping[str, str] = NO_PARAMS,
        params: Mapping[str, str] = NO_PARAMS,
    ) -> Iterator[T]:
        """The pages of a listing, following `links.next` to the end; an empty page does not end it.

        Only the parameters of `links.next` are used, never its host: the key goes where the settings say.

        Args:
            operation: As for `fetch`.
            decode: As for `fetch`. A document without a list of resources is a broken answer, not an empty list:
                whoever took it for one would believe that everything is gone.
            link: `links.next` of a page, None on the last one.
            path: As for `fetch`.
            params: As for `fetch`.

        Raises:
            CursorExpired: the listing is to be read again.
            EndlessListing: a page names one that came before as the next one.
        """
        following: Mapping[str, str] = params
        asked = PagesAsked()
        while True:
            if asked.again(following):
                msg = f"{operation}: Klaviyo names a page as the next one that was read before; try again later"
                raise EndlessListing(msg)
            page = self.fetch(operation, decode, path=path, params=following)
            yield page
            to = link(page)
            if to is None:
                return
            following = dict(parse_qsl(urlsplit(to).query, keep_blank_values=True))

    def _document(self, body: bytes) -> jsonapi.Json:
        document = self._decode(body)
        if not isinstance(document, dict):
            msg = "JSON that is not a document"
            raise ValueError(msg)  # noqa: TRY004 - as JSON that is malformed
        return document

    def _collection(self, body: bytes) -> jsonapi.Json:
        document = self._document(body)
        if not isinstance(document.get("data"), list):
            msg = "no list of resources"
            raise ValueError(msg)  # noqa: TRY004 - as JSON that is malformed
        return document

    def remaining(self, operation: str) -> tuple[int, int]:
        """Requests that may still leave for an operation in this minute, and how many a minute has."""
        return self._governor.remaining(ENDPOINTS[operation], NO_PARAMS)

    @cached_property
    def _network(self) -> Mapping[str, Any]:
        """Proxy and certificates of this machine's environment, which `Session.send` alone does not look at.

        `stream` is among them: the body is read here.
        """
        merge = self._transport.session.merge_environment_settings
        return merge(self._api_url, proxies={}, stream=True, verify=None, cert=None)

    def _attempt(self, endpoint: Endpoint, params: Mapping[str, str], request: requests.PreparedRequest) -> bytes:
        where = f"{endpoint.method} {endpoint.path}"
        with self._governor.reserve(endpoint, params) as place:
            while (wait := place.wait()) > 0:
                if endpoint.limits.daily and wait > self._transport.patience:
                    msg = f"{where}: the quota of the day is used up"
                    raise Retriable(msg, retry_after=wait, throttled=True)
                self._transport.sleep(wait)
            transport = self._transport
            with answered_within(transport.most_seconds, transport.clock) as limit:
                try:
                    response = transport.session.send(
                        request, timeout=transport.timeout, allow_redirects=False, **self._network
                    )
                    with response:
                        body = self._body(where, response)
                except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                    raise self._late(where) if limit.passed else self._unanswered(where, error) from error
            self._reached = True
            place.answered(response.headers)
            fault = classify(endpoint, response.status_code, response.headers, body)
            if isinstance(fault, Retriable) and fault.throttled:
                place.throttled(fault.retry_after or 1.0)
        if fault is not None:
            raise fault
        return body if self._transport.received is None else self._transport.received(body)

    def _body(self, where: str, response: requests.Response) -> bytes:
        """The body, in few pieces: `Response.content` puts it together from pieces of 10 kB.

        Raises:
            OversizedAnswer: it is larger than may be.
            Retriable: it takes longer than may be.
        """
        transport = self._transport
        until, size, pieces = transport.clock() + transport.most_seconds, 0, []
        while piece := response.raw.read1(_PIECE, decode_content=True):
            pieces.append(piece)
            size += len(piece)
            if size > transport.most_bytes:
                msg = f"{where}: the answer has more than {transport.most_bytes / 1e6:,.0f} MB"
                raise OversizedAnswer(msg)
            if transport.clock() > until:
                raise self._late(where)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _late(self, where: str) -> Retriable:
        return Retriable(f"{where}: the answer did not come whole within {self._transport.most_seconds:g} s")

    def _unanswered(self, where: str, error: Exception) -> Retriable:
        if self._reached:
            return Retriable(f"{where} failed: {type(error).__name__}")
        return Unreachable(
            f"cannot reach {redact_url(self._api_url)} ({type(error).__name__}): "
            "check the setting `api_url` and this machine's network"
        )


def _segment(endpoint: Endpoint, value: str) -> str:
    """A value as one segment of a path; `.`, `..` and nothing would lead to another endpoint, a long one to none.

    Raises:
        NotFound: it cannot be one.
    """
    if value in {"", ".", ".."} or len(value) > _LONGEST_ID:
        given = f"the id `{value}`" if len(value) <= _LONGEST_ID else f"an id of {len(value):,} characters"
        msg = f"{endpoint.method} {endpoint.path}: there is nothing of {given}"
        raise NotFound(msg, status=404)
    return quote(value, safe="")


def _no_body(_body: bytes) -> jsonapi.Json:
    return {}


def _is_scheme_and_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # read only now
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _pauses() -> Generator[float, Any, None]:
    """Seconds before each retry.

    A throttled request waits in the governor, too, as long as it was told to. Together these pauses are longer
    than Klaviyo's windows, so that all tries are not used up within one.
    """
    pauses = backoff.expo(base=2, factor=0.5, max_value=LONGEST_WAIT)
    next(pauses)
    error: Retriable = yield 0.0
    while True:
        pause = next(pauses)
        error = yield pause if error.throttled else max(backoff.full_jitter(pause), error.retry_after or 0.0)


def _log_retry(details: Mapping[str, Any]) -> None:
    _log.warning("%s; try %d, again in %.1f s", details["exception"], details["tries"], details["wait"])
