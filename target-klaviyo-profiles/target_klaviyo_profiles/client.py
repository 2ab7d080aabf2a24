"""The connection to Klaviyo that all sinks of a run share: one session, one key, one governor."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, TypeVar

from typing_extensions import override

from klaviyo_wire.auth import ApiKey
from klaviyo_wire.client import Client, Transport
from klaviyo_wire.ratelimit import Governor
from klaviyo_wire.sessions import session_of

PACKAGE = "target-klaviyo-profiles"

T = TypeVar("T")


@dataclass(frozen=True)
class Time:
    """What time it is and how it passes; a test gives its own."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class StreamClient(Client):
    """A client that counts its calls, for the report of one stream."""

    requests = 0
    _counting = threading.Lock()

    @override
    def fetch(self, operation: str, decode: Callable[[bytes], T], **options: Any) -> T:
        with self._counting:
            self.requests += 1
        return super().fetch(operation, decode, **options)


class Connection:
    """Makes the clients of a run.

    Args:
        api_key: Private key.
        api_url: Scheme and host.
        revision: API revision.
        share: Part of the account's quota this run may use.
        concurrency: Requests that may be in flight at once.
        clock: The run's time.
    """

    def __init__(  # noqa: PLR0913 - one argument per setting
        self, *, api_key: str, api_url: str, revision: str, share: float, concurrency: int, clock: Time
    ) -> None:
        self._key = ApiKey(api_key)
        self._governor = Governor(clock.monotonic, share=share)
        self._transport = Transport(session_of(concurrency), sleep=clock.sleep, clock=clock.monotonic)
        self._api_url = api_url
        self._revision = revision

    def client(self) -> StreamClient:
        """A client with a count of its own.

        Raises:
            ConfigurationError: `api_url` or `revision` cannot be one.
        """
        return StreamClient(
            self._key,
            self._governor,
            self._transport,
            api_url=self._api_url,
            revision=self._revision,
            user_agent=f"{PACKAGE}/{version(PACKAGE)}",
        )
