from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import accumulate, count
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klaviyo_wire.client import NO_PARAMS
from klaviyo_wire.endpoints import ENDPOINTS, Endpoint, Limits
from klaviyo_wire.ratelimit import Governor, Place, parse_limits

PROFILES = ENDPOINTS["get_profiles"]
ACCOUNTS = ENDPOINTS["get_accounts"]
PREDICTIVE = {"additional-fields[profile]": "subscriptions,predictive_analytics"}


Params = Mapping[str, str]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _take(governor: Governor, endpoint: Endpoint, params: Params = NO_PARAMS) -> float:
    """The wait of one more request, which leaves and is answered if it does not wait."""
    place = governor.reserve(endpoint, params)
    wait = place.wait()
    if wait == 0:
        place.answered({})
    return wait


def _answer(governor: Governor, headers: Params) -> None:
    """An answer that says something of the endpoint's quota, and takes none of it."""
    governor.reserve(PROFILES, {}).answered(headers)


def _throttle(governor: Governor, retry_after: float) -> None:
    with governor.reserve(PROFILES, {}) as place:
        place.throttled(retry_after)


def _most_in_any(window: float, times: list[float]) -> int:
    """The most requests that any half-open window of this length can hold."""
    return max(bisect_left(times, start + window) - bisect_left(times, start) for start in times)


@dataclass(frozen=True)
class Sent:
    """When a request left and when it was answered."""

    left: float
    answered: float


def _play(
    governor: Governor,
    clock: Clock,
    requests: list[tuple[float, float]],
    endpoint: Endpoint,
    params: Params = NO_PARAMS,
) -> list[Sent]:
    """What becomes of requests that are asked for at a time and take a while: each waits, leaves, is answered."""
    order = count()
    happenings: list[tuple[float, int, Place | None, float]] = [
        (clock.now + at, next(order), None, takes) for at, takes in requests
    ]
    heapify(happenings)
    left: dict[Place, float] = {}
    sent = []
    while happenings:
        clock.now, _, place, takes = heappop(happenings)
        if place is None:
            place = governor.reserve(endpoint, params)
        if place in left:
            place.answered({})
            sent.append(Sent(left[place], clock.now))
            continue
        wait = place.wait()
        if wait == 0:
            left[place] = clock.now
            wait = takes
        heappush(happenings, (clock.now + wait, next(order), place, takes))
    return sent


@settings(deadline=None, max_examples=80)
@given(
    requests=st.lists(st.tuples(st.floats(0, 3), st.sampled_from([0.0, 0.1, 2.0, 59.0, 200.0])), max_size=300),
    operation=st.sampled_from(["get_accounts", "get_campaigns", "render_template", "get_profiles"]),
    share=st.sampled_from([1.0, 0.5, 0.05]),
    counted=st.randoms(use_true_random=False),
)
def test_no_window_of_any_phase_is_ever_overfull(
    requests: list[tuple[float, float]], operation: str, share: float, counted: Random
) -> None:
    """Whenever between its departure and its answer Klaviyo counts a request."""
    clock, endpoint = Clock(), ENDPOINTS[operation]
    asked = list(accumulate((gap for gap, _ in requests)))
    sent = _play(
        Governor(clock, share=share), clock, [*zip(asked, (t for _, t in requests), strict=True)], endpoint
    )
    assert len(sent) == len(requests)
    if sent:
        for at in (
            lambda each: each.left,
            lambda each: each.answered,
            lambda each: counted.choice([each.left, each.answered]),
            lambda each: counted.uniform(each.left, each.answered),
        ):
            times = sorted(at(each) for each in sent)
            assert _most_in_any(1.0, times) <= max(1, int(endpoint.limits.burst * share))
            assert _most_in_any(60.0, times) <= max(1, int(endpoint.limits.steady * share))


@pytest.mark.parametrize(("takes", "lost"), [(0.0, 0.0), (0.1, 0.1), (3.0, 3.0)])
def test_a_slow_answer_costs_its_time_once_a_minute(takes: float, lost: float) -> None:
    clock = Clock()
    sent = _play(Governor(clock), clock, [(0.0, takes)] * 2_251, PROFILES)
    assert max(each.left for each in sent) == pytest.approx(1000 + 3 * (60.1 + lost), abs=0.01)


def test_who_asks_first_goes_first() -> None:
    clock = Clock()
    governor = Governor(clock)
    places = [governor.reserve(ACCOUNTS, {}) for _ in range(4)]
    assert [place.wait() for place in places] == [0, *(pytest.approx(1.02 * n) for n in range(1, 4))]
    places[0].answered({})
    clock.now += 1.02
    assert places[3].wait() > 2, "the two ahead have not left, although the first of them may"
    assert places[1].wait() == 0


def test_a_request_that_was_never_sent_gives_its_place_back() -> None:
    clock = Clock()
    governor = Governor(clock)
    _take(governor, ACCOUNTS)
    with governor.reserve(ACCOUNTS, {}) as given_up:
        assert given_up.wait() == pytest.approx(1.02)
        behind = governor.reserve(ACCOUNTS, {})
        assert behind.wait() == pytest.approx(2.04)
    assert behind.wait() == pytest.approx(1.02)


def test_a_request_without_an_answer_counts_until_it_was_given_up() -> None:
    clock = Clock()
    governor = Governor(clock)
    governor.answered(governor.reserve(PROFILES, {}), {"RateLimit-Limit": "1, 1;w=1, 1;w=60"})
    lost = governor.reserve(PROFILES, {})
    assert lost.wait() == 0
    clock.now += 30
    with pytest.raises(TimeoutError), lost:
        raise TimeoutError
    assert governor.reserve(PROFILES, {}).wait() == pytest.approx(60.1)


def test_the_steady_limit_is_used_up_not_stretched() -> None:
    """A caller that asks as fast as it may gets the whole minute's quota within that minute."""
    clock = Clock()
    times = [each.left for each in _play(Governor(clock), clock, [(0.0, 0.0)] * 751, PROFILES)]
    assert bisect_right(times, 1000 + 12) == 750
    assert times[-1] > 1000 + 60


def test_endpoints_do_not_share_a_quota() -> None:
    governor = Governor(Clock())
    assert _take(governor, ACCOUNTS) == 0
    assert _take(governor, ACCOUNTS) > 0
    assert _take(governor, PROFILES) == 0


def test_a_lowering_parameter_draws_on_both_quotas() -> None:
    clock = Clock()
    governor = Governor(clock)
    waits = [_take(governor, PROFILES, PREDICTIVE) for _ in range(11)]
    assert waits[:10] == [0.0] * 10
    assert waits[10] > 1
    assert _take(governor, PROFILES) == 0, "the endpoint's own quota is far from used up"


def test_a_throttled_endpoint_waits_for_everybody() -> None:
    clock = Clock()
    governor = Governor(clock)
    _throttle(governor, 40)
    assert _take(governor, PROFILES) == 40
    assert _take(governor, ACCOUNTS) == 0
    clock.now += 41
    assert _take(governor, PROFILES) == 0


def test_a_shorter_wait_does_not_lift_a_longer_one() -> None:
    governor = Governor(Clock())
    _throttle(governor, 40)
    _throttle(governor, 1)
    assert _take(governor, PROFILES) == 40


def test_the_limits_in_the_headers_replace_the_documented_ones() -> None:
    governor = Governor(Clock())
    _answer(governor, {"RateLimit-Limit": "2, 2;w=1, 20;w=60"})
    assert [_take(governor, PROFILES) for _ in range(2)] == [0, 0]
    assert _take(governor, PROFILES) > 1


@pytest.mark.parametrize("reset", ["1", "30", "60"])
def test_what_another_program_used_up_is_waited_for(reset: str) -> None:
    clock = Clock()
    governor = Governor(clock)
    _answer(governor, {"RateLimit-Remaining": "0", "RateLimit-Reset": reset})
    assert _take(governor, PROFILES) == int(reset)
    assert _take(governor, ACCOUNTS) == 0, "another endpoint's is not used up"
    clock.now += int(reset)
    assert _take(governor, PROFILES) == 0


def test_a_shorter_reset_does_not_lift_a_longer_wait() -> None:
    governor = Governor(Clock())
    _throttle(governor, 40)
    _answer(governor, {"RateLimit-Remaining": "0", "RateLimit-Reset": "1"})
    _answer(governor, {"RateLimit-Remaining": "700", "RateLimit-Reset": "1"})
    assert _take(governor, PROFILES) == 40


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
    _answer(governor, headers)
    assert _take(governor, PROFILES) == 0
    assert governor.remaining(PROFILES, {}) == (749, 750)


@given(header=st.text("0123456789;w=, \u00b2", max_size=40), reset=st.text("0123456789- \u00b2e", max_size=6))
def test_no_header_is_an_error_or_stops_an_endpoint_for_long(header: str, reset: str) -> None:
    clock = Clock()
    governor = Governor(clock)
    headers = {"RateLimit-Limit": header, "RateLimit-Remaining": "0", "RateLimit-Reset": reset}
    _answer(governor, headers)
    assert _take(governor, PROFILES) <= 60.2


def test_how_many_requests_remain_in_a_minute() -> None:
    clock = Clock()
    governor = Governor(clock, share=0.5)
    assert governor.remaining(PROFILES, {}) == (375, 375)
    for _ in range(5):
        _take(governor, PROFILES)
    clock.now += 30
    _take(governor, PROFILES)
    assert governor.remaining(PROFILES, {}) == (369, 375)
    assert governor.remaining(ACCOUNTS, {})[0] == governor.remaining(ACCOUNTS, {})[1]
    clock.now += 31
    assert governor.remaining(PROFILES, {}) == (374, 375)
    for _ in range(1_000):
        _take(governor, PROFILES)
    assert governor.remaining(PROFILES, {}) == (0, 375), "those still waiting count too"
    governor.reserve(ACCOUNTS, {}).answered({"RateLimit-Limit": "2, 2;w=1, 20;w=60"})
    assert governor.remaining(ACCOUNTS, {}) == (10, 10)


@settings(deadline=None, max_examples=10)
@given(threads=st.integers(2, 8), each=st.integers(5, 20), share=st.sampled_from([1.0, 0.3]))
def test_threads_share_the_windows(threads: int, each: int, share: float) -> None:
    """With a clock that runs a thousand times as fast."""
    governor = Governor(lambda: time.monotonic() * 1000, share=share)
    sent: list[Sent] = []
    together = threading.Barrier(threads)

    def ask() -> None:
        together.wait()
        for _ in range(each):
            with governor.reserve(ACCOUNTS, {}) as place:
                while (wait := place.wait()) > 0:
                    time.sleep(wait / 1000)
                time.sleep(0.0005)
                before = time.monotonic() * 1000
                place.answered({})
            sent.append(Sent(place.leaves, before))

    asking = [threading.Thread(target=ask) for _ in range(threads)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(sent) == threads * each
    for times in [one.left for one in sent], [one.answered for one in sent]:
        assert _most_in_any(1.0, sorted(times)) <= max(1, int(ACCOUNTS.limits.burst * share))
        assert _most_in_any(60.0, sorted(times)) <= max(1, int(ACCOUNTS.limits.steady * share))


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
