"""A bookmark never passes what is safe."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_klaviyo_engagement.state.bookmarks import Bookmark
from tap_klaviyo_engagement.times import iso

MOMENTS = st.datetimes(datetime(2012, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


@settings(deadline=None)
@given(before=st.none() | MOMENTS, limit=MOMENTS, rows=st.lists(MOMENTS))
def test_a_bookmark_is_the_greatest_safe_cursor_emitted(
    before: datetime | None, limit: datetime, rows: list[datetime]
) -> None:
    stored = iso(min(before, limit)) if before else None
    bookmark = Bookmark(stored, iso(limit))
    for row in rows:
        bookmark.saw([iso(row)])
    assert bookmark.value == stored, "an incomplete window moves nothing"
    bookmark.complete()
    safe = [row for row in rows if row <= limit] + ([min(before, limit)] if before else [])
    assert bookmark.value == (iso(max(safe)) if safe else None)


@pytest.mark.parametrize("stored", [None, "2026-09-01T00:00:00+00:00"])
def test_rows_without_a_cursor_move_no_bookmark(stored: str | None) -> None:
    bookmark = Bookmark(stored, "2026-09-04T13:38:55+00:00")
    bookmark.saw([None])
    bookmark.complete()
    assert bookmark.value == stored
