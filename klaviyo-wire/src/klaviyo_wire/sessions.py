"""HTTP sessions whose answers have a time limit from the first byte of the headers to the last of the body.

The timeout of a socket begins anew with each byte that comes. So what is read of it goes by way of `_Bounded`.
"""

from __future__ import annotations

import http.client
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.poolmanager import PoolManager, ProxyManager


class Limit:
    """How long an answer may take, in seconds by a monotonic clock, once the request has left."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds, self._clock = seconds, clock
        self._until = float("inf")
        self.passed = False
        """Whether the answer was given up."""

    def begin(self) -> None:
        """The request has left."""
        self._until = self._clock() + self._seconds

    def check(self) -> None:
        """Look at the clock before more is waited for.

        Raises:
            TimeoutError: it has taken too long.
        """
        if self._clock() > self._until:
            self.passed = True
            msg = f"the answer did not come whole within {self._seconds:g} s"
            raise TimeoutError(msg)


_LIMIT: ContextVar[Limit | None] = ContextVar("limit", default=None)


@contextmanager
def answered_within(seconds: float, clock: Callable[[], float]) -> Iterator[Limit]:
    """What is asked here by a session of `session_of`, in this thread, is given up after so many seconds."""
    limit = Limit(seconds, clock)
    token = _LIMIT.set(limit)
    try:
        yield limit
    finally:
        _LIMIT.reset(token)


def session_of(connections: int = 10) -> requests.Session:
    """A session that keeps up to so many connections open, and obeys `answered_within`."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(pool_maxsize=connections))
    return session


class _Bounded(io.RawIOBase):
    """What a socket gives, as long as the limit allows; a read in progress ends with the socket's own timeout."""

    def __init__(self, raw: io.RawIOBase, limit: Limit) -> None:
        self._raw, self._limit = raw, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:  # noqa: ANN401 - a buffer of any kind
        self._limit.check()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """Made once the request has left; its headers and its body are read of `fp`."""

    def __init__(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 - as the class above takes them
        super().__init__(*args, **named)
        if limit := _LIMIT.get():
            limit.begin()
            self.fp = io.BufferedReader(_Bounded(self.fp.detach(), limit))


class _HTTPConnection(HTTPConnection):
    response_class = _Answer


class _HTTPSConnection(HTTPSConnection):
    response_class = _Answer


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 - as the class above takes them
        super().init_poolmanager(*args, **named)
        _bound(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **named: Any) -> ProxyManager:  # noqa: ANN401 - likewise
        manager: ProxyManager = super().proxy_manager_for(*args, **named)
        _bound(manager)
        return manager


def _bound(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
