"""Cycles of pages, however long and wherever they begin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_wire import paging
from klaviyo_wire.paging import REMEMBERED, PagesAsked


def asked(begins: int, length: int, most: int) -> int | None:
    """How many pages are asked for until the cycle is found."""
    pages = PagesAsked()
    for count in range(most):
        number = count if count < begins else begins + (count - begins) % length
        if pages.again({"page[cursor]": str(number), "fields[list]": "name"}):
            return count
    return None


@given(begins=st.integers(0, 50), length=st.integers(1, 60))
def test_a_cycle_is_found_when_its_first_page_is_named_again(begins: int, length: int) -> None:
    assert asked(begins, length, 200) == begins + length


@pytest.mark.parametrize(("begins", "length"), [(0, 41), (100, 57), (3, 1_000), (1_500, 11)])
def test_of_a_long_one_little_is_remembered(begins: int, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "REMEMBERED", 10)
    found = asked(begins, length, 10_000)
    assert found is not None
    assert found <= 2 * max(begins, length) + length


def test_a_listing_without_a_cycle_ends_by_itself() -> None:
    pages = PagesAsked()
    assert not any(pages.again({"page[cursor]": str(number)}) for number in range(3 * REMEMBERED))
    assert not pages.again({"page[size]": "1"})
