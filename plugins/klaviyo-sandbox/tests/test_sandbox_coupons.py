"""Codes of coupons: of whom, of which, and in pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from klaviyo_sandbox.model.records import Coupon, CouponCode

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox


@pytest.fixture(autouse=True)
def _codes(sandbox: Sandbox) -> None:
    sandbox.store.read("delete from coupon_codes")
    sandbox.store.put(Coupon(id="TEN", description="10 %"))
    for place in range(5):
        owner = f"P{place % 2}" if place < 4 else None
        status = "USED" if place == 1 else "ASSIGNED_TO_PROFILE"
        code = CouponCode(
            id=f"TEN-{place}", coupon_id="TEN", profile_id=owner, unique_code=str(place), status=status
        )
        sandbox.store.put(code)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('equals(profile.id,"P0")', ["TEN-0", "TEN-2"]),
        ('any(profile.id,["P0","P1"])', ["TEN-0", "TEN-1", "TEN-2", "TEN-3"]),
        ('equals(coupon.id,"TEN")', ["TEN-0", "TEN-1", "TEN-2", "TEN-3", "TEN-4"]),
        ('equals(coupon.id,"TEN"),equals(status,"USED")', ["TEN-1"]),
        ('equals(profile.id,"nobody")', []),
    ],
)
def test_codes_are_those_of_a_coupon_or_a_person(
    api: requests.Session, expression: str, expected: list[str]
) -> None:
    params = {"filter": expression, "page[size]": "2"}
    url: str | None = "/api/coupon-codes"
    found: list[str] = []
    while url is not None:
        page = api.get(url, params=params).json()
        found += [each["id"] for each in page["data"]]
        url, params = page["links"]["next"], {}
    assert found == expected


def test_a_code_names_who_was_given_it_and_its_coupon_when_that_is_included(api: requests.Session) -> None:
    params = {"filter": 'equals(profile.id,"P0")'}
    (plain, _) = api.get("/api/coupon-codes", params=params).json()["data"]
    assert plain["relationships"]["profile"]["data"]["id"] == "P0"
    assert "data" not in plain["relationships"]["coupon"]
    whole = api.get("/api/coupon-codes", params={**params, "include": "coupon"}).json()
    assert {each["relationships"]["coupon"]["data"]["id"] for each in whole["data"]} == {"TEN"}
    assert [each["attributes"]["description"] for each in whole["included"]] == ["10 %"]


@pytest.mark.parametrize("params", [{}, {"filter": 'equals(status,"USED")'}])
def test_codes_of_everybody_are_not_listed(api: requests.Session, params: dict[str, str]) -> None:
    answer = api.get("/api/coupon-codes", params=params)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"]["parameter"] == "filter"


def test_a_code_outlives_the_profile_that_had_it(sandbox: Sandbox, api: requests.Session) -> None:
    profile = sandbox.store.read("select id from profiles")[0][0]
    sandbox.store.put(CouponCode(id="TEN-9", coupon_id="TEN", profile_id=profile, unique_code="9"))
    held = sandbox.store.profile(profile)
    assert held is not None
    sandbox.store.delete_profile(held, "redacted")
    assert api.get("/api/coupon-codes", params={"filter": f'equals(profile.id,"{profile}")'}).json()["data"] == []
    listed = api.get("/api/coupon-codes", params={"filter": 'equals(coupon.id,"TEN")'}).json()["data"]
    assert {each["id"]: "data" in each["relationships"]["profile"] for each in listed}["TEN-9"] is False
