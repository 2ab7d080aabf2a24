"""A sandbox with a small world and a clock that stands still, and a client for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from typing_extensions import override

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.model.clock import Clock

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


class Client(requests.Session):
    """A session that adds the sandbox's address, a key and the revision."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__()
        self._url = url
        self.headers.update({"Authorization": f"Klaviyo-API-Key {key}", "revision": "2026-07-15"})

    @override
    def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        assert isinstance(url, str)
        return super().request(method, url if url.startswith("http") else self._url + url, *args, **options)


@pytest.fixture
def clock() -> Clock:
    """Stands at 2026-11-02 09:30:00 UTC."""
    clock = Clock()
    clock.freeze(NOW)
    return clock


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    """A sandbox with a small world."""
    with Sandbox(profiles=60, events=400, segments=2, clock=clock, import_seconds=10) as sandbox:
        yield sandbox


@pytest.fixture
def client() -> Iterator[Callable[[Sandbox], requests.Session]]:
    """A client with all scopes for a sandbox."""
    with ExitStack() as open_clients:
        yield lambda sandbox: open_clients.enter_context(Client(sandbox.url, sandbox.api_key))


@pytest.fixture
def api(sandbox: Sandbox, client: Callable[[Sandbox], requests.Session]) -> requests.Session:
    """A client with all scopes for the sandbox."""
    return client(sandbox)
