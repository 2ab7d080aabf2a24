"""The coupons of the seeded shop: codes in stock, and those that one person in ten was given."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

from klaviyo_sandbox.model.records import Coupon, CouponCode
from klaviyo_sandbox.seed.people import DAY, a_few, chance

if TYPE_CHECKING:
    from klaviyo_sandbox.state.store import Store

_COUPONS = {"10OFF": "10 % off for orders over 50 €", "WELCOME": None}
_IN_STOCK = 20


def add_coupons(store: Store, people: Iterable[str], rng: Random, now: int) -> None:
    """Fill the account with coupons, and give some people a code of one, or of each.

    Args:
        store: the account.
        people: their ids.
        rng: decides who.
        now: the present, seconds.
    """
    store.add([Coupon(id=each, description=text) for each, text in _COUPONS.items()])
    owners = [(coupon, each) for each in a_few(people, rng) for coupon in _COUPONS if chance(rng, 0.6)]
    stock: list[tuple[str, str | None]] = [(coupon, None) for coupon in _COUPONS for _ in range(_IN_STOCK)]
    store.add([_code(coupon, each, rng, now) for coupon, each in [*owners, *stock]])


def _code(coupon: str, profile_id: str | None, rng: Random, now: int) -> CouponCode:
    text = rng.randbytes(10).hex().upper()
    status = "UNASSIGNED"
    if profile_id is not None:
        status = "USED" if chance(rng, 0.3) else "ASSIGNED_TO_PROFILE"
    return CouponCode(
        id=f"{coupon}-{text}",
        coupon_id=coupon,
        profile_id=profile_id,
        unique_code=text,
        status=status,
        expires_at=datetime.fromtimestamp(now + rng.randrange(DAY, 365 * DAY), UTC),
    )
