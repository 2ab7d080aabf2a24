"""What the streams of one run share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

from klaviyo_wire.auth import ApiKey
from klaviyo_wire.client import Client, Transport
from klaviyo_wire.errors import KlaviyoError
from klaviyo_wire.ratelimit import Governor
from tap_klaviyo_engagement.settings import CONCURRENCY, Settings
from tap_klaviyo_engagement.shape import decode
from tap_klaviyo_engagement.times import second

if TYPE_CHECKING:
    from klaviyo_wire.jsonapi import Json

MARGIN = timedelta(minutes=5)
"""How much older than the run a row must be to move a bookmark.

What was written lately may not be readable yet: delays of up to three minutes were recorded (a bulk import, a
historical subscription), and this machine's clock need not be Klaviyo's. Younger rows come again next time.
"""


class StreamFault(KlaviyoError):  # noqa: N818 - named for what it is to the run: one stream cannot finish
    """This stream cannot finish; the others can."""


@dataclass
class Run:
    """What the streams of one run share.

    Args:
        config: The tap's configuration.
        now: The wall clock, UTC.
        sleep: Waits for a number of seconds.
    """

    config: Mapping[str, Any]
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    failed: dict[str, str] = field(default_factory=dict)
    """Why each stream that could not finish could not."""
    snapshots: list[Json] = field(default_factory=list)
    """Rows of `membership_snapshots`: what was read completely so far."""
    _probes: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """The run starts."""
        self.limit = second(self.now() - MARGIN)
        """No bookmark and no upper bound lies after it."""

    @cached_property
    def settings(self) -> Settings:
        """The settings; discovery does without.

        Raises:
            ConfigurationError: a setting makes no sense.
        """
        return Settings.of(self.config)

    @cached_property
    def client(self) -> Client:
        """The one request loop of the process. A request names the revision that its endpoint's entry describes.

        Raises:
            ConfigurationError: a setting makes no sense.
        """
        settings = self.settings
        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(pool_maxsize=settings.concurrency or CONCURRENCY))
        return Client(
            ApiKey(settings.api_key),
            Governor(time.monotonic, share=settings.rate_limit_share),
            Transport(session, self.sleep, timeout=(10.0, settings.request_timeout)),
            api_url=settings.api_url,
            user_agent=f"tap-klaviyo-engagement/{version('tap-klaviyo-engagement')}",
            decode=decode,
        )

    def probed(self, operation: str, params: Mapping[str, str]) -> Json:
        """The answer to a request that several streams make to find out whether they can be read: asked once."""
        if operation not in self._probes:
            self._probes[operation] = self.client.call(operation, params=params)
        return self._probes[operation]
