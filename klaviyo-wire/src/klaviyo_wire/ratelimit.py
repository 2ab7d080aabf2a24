"""One governor for all requests of a process: keeps every endpoint inside Klaviyo's windows."""

from __future__ import annotations

import re
import threading
from bisect import insort
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from klaviyo_wire.endpoints import Endpoint, Limits

# A little longer than Klaviyo's windows: requests that leave a second apart can arrive closer together, above all
# from a busy machine, which sends some of them a tenth of a second late.
SECOND, MINUTE, DAY = 1.1, 60.2, 86_400.0
_WINDOW = re.compile(r"(?<!\d)(\d{1,9});w=(\d{1,9})(?!\d)", re.ASCII)
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)


def parse_limits(header: str) -> Limits | None:
    """`75, 75;w=1, 750;w=60` (a structured list, recorded) as limits; None when it does not have that form."""
    windows = {int(seconds): int(count) for count, seconds in _WINDOW.findall(header)}
    try:
        return Limits(windows[1], windows[60], windows.get(86_400))
    except KeyError:
        return None


@dataclass
class _Quota:
    """Times of the requests within one set of windows, sorted; those still waiting lie in the future."""

    limits: Limits
    sent: deque[float] = field(default_factory=deque)
    blocked_until: float = 0.0


class Governor:
    """Says when the next request of an endpoint may leave.

    Klaviyo counts in fixed windows whose start is unknown to us. A sliding window with the same count can never
    overfill a fixed one, so the documented limits are kept whatever the phase. Thread-safe; `clock` is a
    monotonic clock in seconds.

    Args:
        clock: Monotonic seconds.
        share: Part of the account's quota that this process may use, above 0 and at most 1; at least one
            request per window is always allowed.
    """

    def __init__(self, clock: Callable[[], float], *, share: float = 1.0) -> None:
        if not 0 < share <= 1:
            msg = f"rate_limit_share must be above 0 and at most 1, not {share}"
            raise ValueError(msg)
        self._clock = clock
        self._share = share
        self._lock = threading.Lock()
        self._quotas: dict[tuple[str, Limits], _Quota] = {}

    def reserve(self, endpoint: Endpoint, params: Mapping[str, str]) -> float:
        """Take the next free place of the endpoint; returns the seconds to wait before sending."""
        with self._lock:
            now = self._clock()
            # A lowered limit is a quota of its own on top of the endpoint's: the request draws on both.
            quotas = [self._quota(endpoint, limits) for limits in {endpoint.limits, endpoint.limits_for(params)}]
            start = max([now, *(self._earliest(quota, now) for quota in quotas)])
            for quota in quotas:
                insort(quota.sent, start)
            return start - now

    def throttled(self, endpoint: Endpoint, params: Mapping[str, str], retry_after: float) -> None:
        """Klaviyo answered 429: nothing leaves for this endpoint before `retry_after` seconds have passed."""
        with self._lock:
            quota = self._quota(endpoint, endpoint.limits_for(params))
            quota.blocked_until = max(quota.blocked_until, self._clock() + retry_after)

    def answered(self, endpoint: Endpoint, params: Mapping[str, str], headers: Mapping[str, str]) -> None:
        """What an answer says of the quota goes before what is documented and before our own count.

        `RateLimit-Limit` states the limits. `RateLimit-Remaining: 0` says that the window is used up, perhaps by
        another program with a key of the same account: nothing leaves before `RateLimit-Reset` seconds are over.
        """
        limits = parse_limits(headers.get("RateLimit-Limit", ""))
        used_up = headers.get("RateLimit-Remaining") == "0"
        reset = headers.get("RateLimit-Reset", "")
        with self._lock:
            quota = self._quota(endpoint, endpoint.limits_for(params))
            if limits is not None:
                quota.limits = limits
            if used_up and _SECONDS.fullmatch(reset) and int(reset) <= MINUTE:
                quota.blocked_until = max(quota.blocked_until, self._clock() + int(reset))

    def remaining(self, endpoint: Endpoint, params: Mapping[str, str]) -> tuple[int, int]:
        """Requests that may still leave within a minute from the oldest one counted, and how many a minute has."""
        with self._lock:
            quota = self._quota(endpoint, endpoint.limits_for(params))
            start = self._clock() - MINUTE
            count = max(1, int(quota.limits.steady * self._share))
            return max(0, count - sum(1 for sent in quota.sent if sent > start)), count

    def _quota(self, endpoint: Endpoint, limits: Limits) -> _Quota:
        return self._quotas.setdefault((endpoint.operation, limits), _Quota(limits))

    def _earliest(self, quota: _Quota, now: float) -> float:
        while quota.sent and quota.sent[0] <= now - (DAY if quota.limits.daily else MINUTE):
            quota.sent.popleft()
        start = quota.blocked_until
        for count, seconds in self._windows(quota.limits):
            if len(quota.sent) >= count:
                start = max(start, quota.sent[-count] + seconds)
        return start

    def _windows(self, limits: Limits) -> list[tuple[int, float]]:
        counts = [(limits.burst, SECOND), (limits.steady, MINUTE), (limits.daily, DAY)]
        return [(max(1, int(count * self._share)), seconds) for count, seconds in counts if count]
