"""Coupons, and their codes by the coupon or by who was given them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_sandbox.model.errors import refuse
from klaviyo_sandbox.model.records import Coupon, CouponCode
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.state.pages import Column, listing_of

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Answer, Call

_OWNERS = {"coupon.id": Column("coupon_id"), "profile.id": Column("profile_id")}
_CODES = listing_of(CouponCode, filters=_OWNERS)
_COUPONS = listing_of(Coupon)


@operation
def get_coupons(call: Call) -> Answer:
    """A page of coupons."""
    page = _COUPONS.page(call.store, call.query)
    coupons = _COUPONS.records(page)
    return call.many([call.resources.coupon(each, call.fields("coupon")) for each in coupons], page=page)


@operation
def get_coupon_codes(call: Call) -> Answer:
    """A page of the codes of some coupons or profiles, with their coupons if asked."""
    if all(call.query.values_of(each) is None for each in _OWNERS):
        refuse("Coupon codes are listed of coupons or of profiles: filter by either.", parameter="filter")
    page = _CODES.page(call.store, call.query)
    codes = _CODES.records(page)
    names, asked = call.fields("coupon-code"), "coupon" in call.query.include
    included = None
    if asked:
        coupons = call.store.get_all(Coupon, sorted({each.coupon_id for each in codes}))
        included = [call.resources.coupon(each, call.fields("coupon")) for each in coupons]
    shown = [call.resources.coupon_code(each, names, with_coupon=asked) for each in codes]
    return call.many(shown, page=page, included=included)
