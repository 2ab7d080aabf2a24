"""Rate limits: fixed windows on the sandbox's clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.http.rate_limits import RateLimiter
from klaviyo_sandbox.model.errors import Refusal
from klaviyo_sandbox.model.records import GroupKind
from klaviyo_wire.endpoints import ENDPOINTS

if TYPE_CHECKING:
    from klaviyo_sandbox.model.clock import Clock

ACCOUNTS = ENDPOINTS["get_accounts"]  # 1/s, 15/m
LISTS = ENDPOINTS["create_list"]  # 10/s, 150/m, 150/d
MINUTE = 60.0 * 28_000_000  # the start of one, seconds since the epoch


@pytest.fixture
def limiter() -> RateLimiter:
    return RateLimiter(enforced=True)


def refusal(limiter: RateLimiter, now: float) -> int:
    """Seconds to wait."""
    with pytest.raises(Refusal) as caught:
        limiter.take(ACCOUNTS, {}, now)
    return int(caught.value.headers["Retry-After"])


def test_headers_are_a_structured_list_of_the_windows(limiter: RateLimiter) -> None:
    assert limiter.take(ACCOUNTS, {}, MINUTE) == {
        "RateLimit-Limit": "1, 1;w=1, 15;w=60",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "1",
    }
    daily = limiter.take(LISTS, {}, MINUTE + 0.5)
    assert daily["RateLimit-Limit"] == "10, 10;w=1, 150;w=60, 150;w=86400"
    assert (daily["RateLimit-Remaining"], daily["RateLimit-Reset"]) == ("9", "0")


def test_the_burst_window_opens_again_with_the_next_second(limiter: RateLimiter) -> None:
    limiter.take(ACCOUNTS, {}, MINUTE + 0.1)
    assert refusal(limiter, MINUTE + 0.2) == 1
    assert limiter.take(ACCOUNTS, {}, MINUTE + 1.2)


def test_a_retry_before_retry_after_is_refused_although_the_window_is_open(limiter: RateLimiter) -> None:
    limiter.take(ACCOUNTS, {}, MINUTE + 0.1)
    assert refusal(limiter, MINUTE + 0.7) == 1
    assert refusal(limiter, MINUTE + 1.1) == 1, "the window opened at 1.0, but the wait lasts until 1.7"
    assert limiter.take(ACCOUNTS, {}, MINUTE + 1.7)


def test_the_steady_window_is_the_longer_wait(limiter: RateLimiter) -> None:
    for second in range(15):
        limiter.take(ACCOUNTS, {}, MINUTE + second)
    assert refusal(limiter, MINUTE + 20) == 40
    assert limiter.take(ACCOUNTS, {}, MINUTE + 60)


def test_the_daily_cap_is_the_longest(limiter: RateLimiter) -> None:
    midnight = MINUTE // 86_400 * 86_400
    for number in range(150):
        limiter.take(LISTS, {}, midnight + 60 * number)
    with pytest.raises(Refusal) as caught:
        limiter.take(LISTS, {}, midnight + 60 * 150)
    assert int(caught.value.headers["Retry-After"]) == 86_400 - 60 * 150


def test_a_refused_request_uses_nothing_up(limiter: RateLimiter) -> None:
    limiter.take(ACCOUNTS, {}, MINUTE)
    for _ in range(30):
        refusal(limiter, MINUTE)
    for second in range(1, 15):
        limiter.take(ACCOUNTS, {}, MINUTE + second)


def test_endpoints_have_quotas_of_their_own(limiter: RateLimiter) -> None:
    limiter.take(ACCOUNTS, {}, MINUTE)
    assert limiter.take(ENDPOINTS["get_metrics"], {}, MINUTE)


def test_a_reduced_request_draws_on_both_quotas(limiter: RateLimiter) -> None:
    endpoint, reduced = ENDPOINTS["get_list"], {"additional-fields[list]": "profile_count"}
    assert limiter.take(endpoint, reduced, MINUTE)["RateLimit-Limit"] == "1, 1;w=1, 15;w=60"
    with pytest.raises(Refusal):
        limiter.take(endpoint, reduced, MINUTE + 0.5)
    plain = limiter.take(endpoint, {}, MINUTE + 1.5)
    assert plain["RateLimit-Remaining"] == "74"
    assert limiter.take(endpoint, reduced, MINUTE + 1.5)["RateLimit-Remaining"] == "0"
    assert limiter.take(endpoint, {}, MINUTE + 1.5)["RateLimit-Remaining"] == "72"


def test_without_enforcement_nothing_is_refused() -> None:
    limiter = RateLimiter(enforced=False)
    answers = [limiter.take(ACCOUNTS, {}, MINUTE) for _ in range(100)]
    assert all(each["RateLimit-Remaining"] == "1" for each in answers)


@pytest.fixture
def limited(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(profiles=5, events=0, segments=0, clock=clock, rate_limits="real") as sandbox:
        yield sandbox


def test_a_throttled_answer_is_as_recorded(limited: Sandbox, reference: Path) -> None:
    headers = {"Authorization": f"Klaviyo-API-Key {limited.api_key}", "revision": "2026-07-15"}
    url = f"{limited.url}/api/accounts"
    first = requests.get(url, headers=headers, timeout=5)
    second = requests.get(url, headers=headers, timeout=5)
    assert first.status_code == 200
    assert second.status_code == 429
    ours = {name.lower() for name in second.headers}
    assert ours == {"retry-after", "content-length", "date", "server"}
    recording = json.loads((reference / "reference/recorded/get_accounts.429.json").read_text())
    (recorded,) = recording["response"]["body"]["errors"]
    (found,) = second.json()["errors"]
    assert {**found, "id": "", "meta": []} == {**recorded, "id": ""}
    limited.clock.freeze(limited.clock.now() + timedelta(seconds=1))
    assert requests.get(url, headers=headers, timeout=5).status_code == 200


def test_all_keys_draw_on_the_quota_of_the_account(limited: Sandbox) -> None:
    group = limited.store.group_named("Newsletter", GroupKind.LIST)
    assert group
    url = f"{limited.url}/api/lists/{group.id}?additional-fields[list]=profile_count"
    keys = [limited.api_key, limited.key(["lists:read"])]
    statuses = [
        requests.get(
            url, headers={"Authorization": f"Klaviyo-API-Key {key}", "revision": "2026-07-15"}, timeout=5
        ).status_code
        for key in keys
    ]
    assert statuses == [200, 429]
