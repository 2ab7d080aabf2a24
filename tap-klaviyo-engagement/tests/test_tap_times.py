"""Times as Klaviyo writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_klaviyo_engagement.times import iso, moment, normalised

MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-09-04T13:38:55+00:00", "2026-09-04T13:38:55+00:00"),
        ("2026-09-04T13:38:44.935203+00:00", "2026-09-04T13:38:44.935203+00:00"),
        ("2026-09-04T13:38:44.9+00:00", "2026-09-04T13:38:44.900000+00:00"),
        ("2026-09-04T13:38:44.000000+00:00", "2026-09-04T13:38:44+00:00"),
        ("2026-09-04T13:38:55Z", "2026-09-04T13:38:55+00:00"),
        ("2023-08-10 07:21:56+00:00", "2023-08-10T07:21:56+00:00"),
        ("2025-01-01T00:00:00", "2025-01-01T00:00:00+00:00"),
        ("2025-01-01T02:00:00+02:00", "2025-01-01T00:00:00+00:00"),
        ("2025-01-01", "2025-01-01T00:00:00+00:00"),
        ("Thu, 04 Jan 2024 18:05:25 GMT", "2024-01-04T18:05:25+00:00"),
    ],
)
def test_times_are_read_leniently_and_written_one_way(written: str, meant: str) -> None:
    assert normalised(written) == meant


@pytest.mark.parametrize("text", ["", "NOPE", "12:30", "P1D", "1788529135", "2026-13-45T00:00:00+00:00"])
def test_what_is_not_a_time_is_not_guessed_at(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        normalised(text)


@given(MOMENTS, MOMENTS)
def test_normalised_times_sort_as_the_moments_they_stand_for(one: datetime, other: datetime) -> None:
    assert (iso(one) < iso(other)) == (one < other)


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_normalising_keeps_the_moment(at: datetime, minutes: int) -> None:
    written = at.astimezone(timezone(timedelta(minutes=minutes))).isoformat(sep=" ")
    assert moment(normalised(written)) == at
    assert normalised(normalised(written)) == normalised(written)
