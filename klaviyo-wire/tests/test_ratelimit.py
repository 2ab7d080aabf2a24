from __future__ import annotations

import threading
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


@pytest.mark.parametrize("reset", ["1", "30", "60"])
def test_what_another_program_used_up_is_waited_for(reset: str) -> None:
    clock = Clock()
    governor = Governor(clock)
    governor.answered(PROFILES, {}, {"RateLimit-Remaining": "0", "RateLimit-Reset": reset})
    assert governor.reserve(PROFILES, {}) == int(reset)
    assert governor.reserve(ACCOUNTS, {}) == 0, "another endpoint's is not used up"
    clock.now += int(reset)
    assert governor.reserve(PROFILES, {}) == 0


def test_a_shorter_reset_does_not_lift_a_longer_wait() -> None:
    governor = Governor(Clock())
    governor.throttled(PROFILES, {}, 40)
    governor.answered(PROFILES, {}, {"RateLimit-Remaining": "0", "RateLimit-Reset": "1"})
    governor.answered(PROFILES, {}, {"RateLimit-Remaining": "700", "RateLimit-Reset": "1"})
    assert governor.reserve(PROFILES, {}) == 40


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"RateLimit-Reset": "50"},
        {"RateLimit-Remaining": "0"},
        {"RateLimit-Remaining": "1", "RateLimit-Reset": "50"},
        {"RateLimit-Remaining": "-1", "RateLimit-Reset": "50"},
        {"RateLimit-Remaining": "nothing", "RateLimit-Reset": "50"},
        {"RateLimit-Remaining": "0", "RateLimit-Reset": ""},
        {"RateLimit-Remaining": "0", "RateLimit-Reset": "-5"},
        {"RateLimit-Remaining": "0", "RateLimit-Reset": "soon"},
        {"RateLimit-Remaining": "0", "RateLimit-Reset": "1e9"},
        {"RateLimit-Remaining": "0", "RateLimit-Reset": "86400"},
        {"RateLimit-Remaining": "0", "RateLimit-Reset": "9" * 5_000},
        {"RateLimit-Remaining": "0", "RateLimit-Reset": "\u00b2"},
        {"RateLimit-Limit": "9" * 5_000 + ";w=1, 1;w=60"},
        {"RateLimit-Limit": "1;w=" + "9" * 5_000},
    ],
    ids=lambda headers: ascii(headers)[:70],
)
def test_headers_that_say_nothing_sensible_neither_stop_nor_hurt(headers: dict[str, str]) -> None:
    governor = Governor(Clock())
    governor.answered(PROFILES, {}, headers)
    assert governor.reserve(PROFILES, {}) == 0
    assert governor.remaining(PROFILES, {}) == (749, 750)


@given(header=st.text("0123456789;w=, \u00b2", max_size=40), reset=st.text("0123456789- \u00b2e", max_size=6))
def test_no_header_is_an_error_or_stops_an_endpoint_for_long(header: str, reset: str) -> None:
    clock = Clock()
    governor = Governor(clock)
    headers = {"RateLimit-Limit": header, "RateLimit-Remaining": "0", "RateLimit-Reset": reset}
    governor.answered(PROFILES, {}, headers)
    assert governor.reserve(PROFILES, {}) <= 60.2


def test_how_many_requests_remain_in_a_minute() -> None:
    clock = Clock()
    governor = Governor(clock, share=0.5)
    assert governor.remaining(PROFILES, {}) == (375, 375)
    for _ in range(5):
        governor.reserve(PROFILES, {})
    clock.now += 30
    governor.reserve(PROFILES, {})
    assert governor.remaining(PROFILES, {}) == (369, 375)
    assert governor.remaining(ACCOUNTS, {})[0] == governor.remaining(ACCOUNTS, {})[1]
    clock.now += 31
    assert governor.remaining(PROFILES, {}) == (374, 375)
    for _ in range(1_000):
        governor.reserve(PROFILES, {})
    assert governor.remaining(PROFILES, {}) == (0, 375), "those still waiting count too"
    governor.answered(ACCOUNTS, {}, {"RateLimit-Limit": "2, 2;w=1, 20;w=60"})
    assert governor.remaining(ACCOUNTS, {}) == (10, 10)


@settings(deadline=None, max_examples=15)
@given(threads=st.integers(2, 8), each=st.integers(10, 60), share=st.sampled_from([1.0, 0.3]))
def test_threads_share_the_windows(threads: int, each: int, share: float) -> None:
    clock = Clock()
    governor = Governor(clock, share=share)
    times: list[float] = []
    together = threading.Barrier(threads)

    def ask() -> None:
        together.wait()
        times.extend(clock.now + governor.reserve(ACCOUNTS, {}) for _ in range(each))

    asking = [threading.Thread(target=ask) for _ in range(threads)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    times.sort()
    assert len(times) == threads * each
    assert _most_in_any(1.0, times) <= max(1, int(ACCOUNTS.limits.burst * share))
    assert _most_in_any(60.0, times) <= max(1, int(ACCOUNTS.limits.steady * share))


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
