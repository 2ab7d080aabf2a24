"""One governor for all requests of a process: keeps every endpoint inside Klaviyo's windows."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from klaviyo_wire.endpoints import Endpoint, Limits

# A little longer than Klaviyo's windows: two clocks differ.
SECOND, MINUTE, DAY = 1.02, 60.1, 86_400.0
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
    """The requests within one set of windows: who waits, how many are under way, when others were answered."""

    limits: Limits
    waiting: list[Place] = field(default_factory=list)
    under_way: int = 0
    answered: deque[float] = field(default_factory=deque)
    blocked_until: float = 0.0


class Place:
    """A request's place in the windows of its endpoint, from when it asks until it is answered.

    A context manager; left without an answer, a request that never left gives its place back, and one that did
    counts as answered now.
    """

    def __init__(self, governor: Governor, quota: _Quota, quotas: list[_Quota]) -> None:
        self._governor = governor
        self.quota = quota
        self.quotas = quotas
        self.leaves = 0.0
        self.under_way = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._governor.settle(self)

    def wait(self) -> float:
        """Seconds after which to ask again; 0 when the request must leave now, which is counted."""
        return self._governor.wait(self)

    def answered(self, headers: Mapping[str, str]) -> None:
        """See `Governor.answered`."""
        self._governor.answered(self, headers)

    def throttled(self, retry_after: float) -> None:
        """See `Governor.throttled`."""
        self._governor.throttled(self, retry_after)


class Governor:
    """Says when the next request of an endpoint may leave.

    Klaviyo counts in fixed windows whose start is unknown to us. A sliding window with the same count can never
    overfill a fixed one, so the documented limits are kept whatever the phase. Unknown too is when Klaviyo counts
    a request, between its departure and its answer, so its place is taken until the answer. That slows down none
    that is answered within three seconds: a second's limit is many times what the minute's leaves for it.

    Whoever asks first goes first. Thread-safe; `clock` is a monotonic clock in seconds.

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

    def reserve(self, endpoint: Endpoint, params: Mapping[str, str]) -> Place:
        """The next free place of the endpoint; `Place.wait` says when it is."""
        with self._lock:
            quota = self._quota(endpoint, endpoint.limits_for(params))
            # A lowered limit is a quota of its own on top of the endpoint's: the request draws on both.
            general = self._quota(endpoint, endpoint.limits)
            place = Place(self, quota, [quota] if quota is general else [quota, general])
            for each in place.quotas:
                each.waiting.append(place)
            return place

    def wait(self, place: Place) -> float:
        """Seconds after which the place is asked for again; 0 when its request must leave now.

        What is under way is taken for answered now, and what waits ahead for answered as soon as it may leave: so
        a wait is never too long, and the next one is for the rest.
        """
        with self._lock:
            now = self._clock()
            start = max(self._earliest(quota, place, now) for quota in place.quotas)
            place.leaves = max(start, now)
            if start > now:
                return start - now
            place.under_way = True
            for quota in place.quotas:
                quota.waiting.remove(place)
                quota.under_way += 1
            return 0.0

    def settle(self, place: Place) -> None:
        """The place's request is over: answered, given up, or never sent. A second time changes nothing."""
        with self._lock:
            now = self._clock()
            for quota in place.quotas:
                if place.under_way:
                    quota.under_way -= 1
                    quota.answered.append(now)
                elif place in quota.waiting:
                    quota.waiting.remove(place)
            place.under_way = False

    def throttled(self, place: Place, retry_after: float) -> None:
        """Klaviyo answered 429: nothing leaves for this endpoint before `retry_after` seconds have passed."""
        with self._lock:
            place.quota.blocked_until = max(place.quota.blocked_until, self._clock() + retry_after)

    def answered(self, place: Place, headers: Mapping[str, str]) -> None:
        """What an answer says of the quota goes before what is documented and before our own count.

        `RateLimit-Limit` states the limits. `RateLimit-Remaining: 0` says that the window is used up, perhaps by
        another program with a key of the same account: nothing leaves before `RateLimit-Reset` seconds are over.
        """
        limits = parse_limits(headers.get("RateLimit-Limit", ""))
        used_up = headers.get("RateLimit-Remaining") == "0"
        reset = headers.get("RateLimit-Reset", "")
        self.settle(place)
        with self._lock:
            quota = place.quota
            if limits is not None:
                quota.limits = limits
            if used_up and _SECONDS.fullmatch(reset) and int(reset) <= MINUTE:
                quota.blocked_until = max(quota.blocked_until, self._clock() + int(reset))

    def remaining(self, endpoint: Endpoint, params: Mapping[str, str]) -> tuple[int, int]:
        """Requests that may still leave within a minute from the oldest one counted, and how many a minute has."""
        with self._lock:
            quota = self._quota(endpoint, endpoint.limits_for(params))
            start = self._clock() - MINUTE
            taken = (
                len(quota.waiting) + quota.under_way + sum(1 for answered in quota.answered if answered > start)
            )
            count = max(1, int(quota.limits.steady * self._share))
            return max(0, count - taken), count

    def _quota(self, endpoint: Endpoint, limits: Limits) -> _Quota:
        return self._quotas.setdefault((endpoint.operation, limits), _Quota(limits))

    def _earliest(self, quota: _Quota, place: Place, now: float) -> float:
        horizon = now - (DAY if quota.limits.daily else MINUTE)
        while quota.answered and quota.answered[0] <= horizon:
            quota.answered.popleft()
        ahead = [max(other.leaves, now) for other in quota.waiting[: quota.waiting.index(place)]]
        ahead.sort(reverse=True)
        start = quota.blocked_until
        for count, seconds in self._windows(quota.limits):
            # The latest first: who waits ahead, what is under way, what was answered. The window is free again
            # when the `count`-th of these is as long ago as the window is.
            if count <= len(ahead):
                start = max(start, ahead[count - 1] + seconds)
            elif count <= len(ahead) + quota.under_way:
                start = max(start, now + seconds)
            elif count <= len(ahead) + quota.under_way + len(quota.answered):
                start = max(start, quota.answered[len(ahead) + quota.under_way - count] + seconds)
        return start

    def _windows(self, limits: Limits) -> list[tuple[int, float]]:
        counts = [(limits.burst, SECOND), (limits.steady, MINUTE), (limits.daily, DAY)]
        return [(max(1, int(count * self._share)), seconds) for count, seconds in counts if count]
