"""Klaviyo's rate limits: fixed windows per account and endpoint.

The windows are aligned to the clock, so a client cannot know their phase. A request that a lower limit applies to
(`Reduction` in the endpoint table) draws on that quota and on the endpoint's own. A refused one draws on nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from klaviyo_sandbox.model.errors import throttled

if TYPE_CHECKING:
    from klaviyo_wire.endpoints import Endpoint, Limits

_SECOND, _MINUTE, _DAY = 1, 60, 86_400


@dataclass
class _Window:
    """Requests counted since the window began."""

    length: int
    quota: int
    began: int = 0
    used: int = 0

    def turn(self, now: float) -> None:
        began = int(now // self.length) * self.length
        if began != self.began:
            self.began, self.used = began, 0

    def wait(self, now: float) -> int:
        """Whole seconds until there is room; 0 when there is."""
        return math.ceil(self.began + self.length - now) if self.used >= self.quota else 0


class RateLimiter:
    """Counts requests and refuses those beyond a quota; unless `enforced`, it only tells the limits."""

    def __init__(self, *, enforced: bool) -> None:
        self.enforced = enforced
        self._windows: dict[tuple[str, Limits], list[_Window]] = {}
        self._blocked_until: dict[str, float] = {}

    def take(self, endpoint: Endpoint, parameters: Mapping[str, str], now: float) -> dict[str, str]:
        """Count a request at `now` (seconds); the headers for its answer.

        Raises:
            Refusal: a window is used up, or the wait that an earlier refusal asked for is not over.
        """
        limits = endpoint.limits_for(parameters)
        if not self.enforced:
            return _headers(limits, limits.burst, 0)
        blocked = self._blocked_until.get(endpoint.operation, 0) - now
        if blocked > 0:
            raise throttled(math.ceil(blocked))
        windows = [each for quota in {endpoint.limits, limits} for each in self._of(endpoint, quota)]
        for window in windows:
            window.turn(now)
        wait = max(window.wait(now) for window in windows)
        if wait:
            self._blocked_until[endpoint.operation] = now + wait
            raise throttled(wait)
        for window in windows:
            window.used += 1
        burst = self._of(endpoint, limits)[0]
        return _headers(limits, burst.quota - burst.used, int(burst.began + burst.length - now))

    def _of(self, endpoint: Endpoint, limits: Limits) -> list[_Window]:
        key = (endpoint.operation, limits)
        if key not in self._windows:
            windows = [_Window(_SECOND, limits.burst), _Window(_MINUTE, limits.steady)]
            if limits.daily:
                windows.append(_Window(_DAY, limits.daily))
            self._windows[key] = windows
        return self._windows[key]


def _headers(limits: Limits, remaining: int, reset: int) -> dict[str, str]:
    quotas = [f"{limits.burst}", f"{limits.burst};w={_SECOND}", f"{limits.steady};w={_MINUTE}"]
    if limits.daily:
        quotas.append(f"{limits.daily};w={_DAY}")
    return {
        "RateLimit-Limit": ", ".join(quotas),
        "RateLimit-Remaining": str(remaining),
        "RateLimit-Reset": str(reset),
    }
