from __future__ import annotations

from bisect import bisect_left, bisect_right

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klaviyo_wire.endpoints import ENDPOINTS, Limits
from klaviyo_wire.ratelimit import Governor, parse_limits

PROFILES = ENDPOINTS["get_profiles"]
ACCOUNTS = ENDPOINTS["get_accounts"]
PREDICTIVE = {"additional-fields[profile]": "subscriptions,predictive_analytics"}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _most_in_any(window: float, times: list[float]) -> int:
    """The most requests that any half-open window of this length can hold."""
    return max(bisect_left(times, start + window) - bisect_left(times, start) for start in times)


@settings(deadline=None, max_examples=60)
@given(
    gaps=st.lists(st.floats(0, 3), min_size=1, max_size=300),
    operation=st.sampled_from(["get_accounts", "get_campaigns", "render_template", "get_profiles"]),
    share=st.sampled_from([1.0, 0.5, 0.05]),
)
def test_no_window_of_any_phase_is_ever_overfull(gaps: list[float], operation: str, share: float) -> None:
    clock, endpoint = Clock(), ENDPOINTS[operation]
    governor = Governor(clock, share=share)
    times = []
    for gap in gaps:
        clock.now += gap
        times.append(clock.now + governor.reserve(endpoint, {}))
    times.sort()
    assert _most_in_any(1.0, times) <= max(1, int(endpoint.limits.burst * share))
    assert _most_in_any(60.0, times) <= max(1, int(endpoint.limits.steady * share))


def test_the_steady_limit_is_used_up_not_stretched() -> None:
    """A caller that asks as fast as it may gets the whole minute's quota within that minute."""
    clock = Clock()
    governor = Governor(clock)
    times = [clock.now + governor.reserve(PROFILES, {}) for _ in range(751)]
    assert bisect_right(times, clock.now + 12) == 750
    assert times[-1] > clock.now + 60


def test_endpoints_do_not_share_a_quota() -> None:
    governor = Governor(Clock())
    assert governor.reserve(ACCOUNTS, {}) == 0
    assert governor.reserve(ACCOUNTS, {}) > 0
    assert governor.reserve(PROFILES, {}) == 0


def test_a_lowering_parameter_draws_on_both_quotas() -> None:
    clock = Clock()
    governor = Governor(clock)
    waits = [governor.reserve(PROFILES, PREDICTIVE) for _ in range(11)]
    assert waits[:10] == [0.0] * 10
    assert waits[10] > 1
    assert governor.reserve(PROFILES, {}) == 0, "the endpoint's own quota is far from used up"


def test_a_throttled_endpoint_waits_for_everybody() -> None:
    clock = Clock()
    governor = Governor(clock)
    governor.throttled(PROFILES, {}, 40)
    assert governor.reserve(PROFILES, {}) == 40
    assert governor.reserve(ACCOUNTS, {}) == 0
    clock.now += 41
    assert governor.reserve(PROFILES, {}) == 0


def test_a_shorter_wait_does_not_lift_a_longer_one() -> None:
    governor = Governor(Clock())
    governor.throttled(PROFILES, {}, 40)
    governor.throttled(PROFILES, {}, 1)
    assert governor.reserve(PROFILES, {}) == 40


def test_the_limits_in_the_headers_replace_the_documented_ones() -> None:
    governor = Governor(Clock())
    governor.answered(PROFILES, {}, {"RateLimit-Limit": "2, 2;w=1, 20;w=60"})
    assert [governor.reserve(PROFILES, {}) for _ in range(2)] == [0, 0]
    assert governor.reserve(PROFILES, {}) > 1


@pytest.mark.parametrize(
    ("header", "limits"),
    [
        ("75, 75;w=1, 750;w=60", Limits(75, 750)),
        ("1, 1;w=1, 2;w=60, 225;w=86400", Limits(1, 2, 225)),
        ("75", None),
        ("", None),
        ("a;w=b", None),
    ],
)
def test_limit_headers(header: str, limits: Limits | None) -> None:
    assert parse_limits(header) == limits


@pytest.mark.parametrize("share", [0, -1, 1.01, float("nan")])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="rate_limit_share"):
        Governor(Clock(), share=share)
