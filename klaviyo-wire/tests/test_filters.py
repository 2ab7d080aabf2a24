from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klaviyo_wire.filters import Operator, all_of, before, since

NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (Operator.EQUALS("name", 'A "b" \\ c'), 'equals(name,"A \\"b\\" \\\\ c")'),
        (Operator.EQUALS("email", "a+b@shop.co"), 'equals(email,"a+b@shop.co")'),
        (Operator.EQUALS("archived", value=True), "equals(archived,true)"),
        (Operator.ANY("id", ["A", "B"]), 'any(id,["A","B"])'),
        (Operator.LESS_THAN("timestamp", 1788529134), "less-than(timestamp,1788529134)"),
        (Operator.HAS("profile"), "has(profile)"),
        (before("datetime", NOON), "less-than(datetime,2026-11-20T12:00:00Z)"),
    ],
)
def test_grammar(written: str, expected: str) -> None:
    assert written == expected


def test_a_moment_of_any_zone_is_written_in_utc_without_a_plus() -> None:
    moment = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert Operator.GREATER_THAN("updated", moment) == "greater-than(updated,2026-11-20T12:00:00Z)"


def test_an_inclusive_bound_is_used_where_allowed_and_emulated_where_not() -> None:
    both = frozenset({Operator.GREATER_THAN, Operator.GREATER_OR_EQUAL})
    assert since("datetime", NOON, both) == "greater-or-equal(datetime,2026-11-20T12:00:00Z)"
    only = frozenset({Operator.GREATER_THAN})
    assert since("updated", NOON, only) == "greater-than(updated,2026-11-20T11:59:59Z)"
    late = NOON + timedelta(microseconds=999_999)
    assert since("updated", late, only) == "greater-than(updated,2026-11-20T11:59:59Z)"


def test_values_where_they_belong() -> None:
    with pytest.raises(ValueError, match="takes no value"):
        Operator.HAS("profile", "x")
    with pytest.raises(ValueError, match="needs a value"):
        Operator.EQUALS("name")


def test_conjunction_leaves_out_what_is_empty() -> None:
    assert all_of("", 'equals(a,"b")', "", "has(c)") == 'equals(a,"b"),has(c)'


@given(st.text())
def test_a_quoted_string_ends_where_it_should(text: str) -> None:
    """No text can close its own quotes and smuggle in a second condition."""
    body = Operator.EQUALS("name", text).removeprefix('equals(name,"').removesuffix('")')
    assert body.replace("\\\\", "").replace('\\"', "").count('"') == 0
