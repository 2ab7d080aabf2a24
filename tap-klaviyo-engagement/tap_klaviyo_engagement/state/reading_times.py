"""When readings of everything there is began, each later than the one before: what only an older one saw left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tap_klaviyo_engagement.times import iso, moment

BEGAN = "reading_began"
"""Where a stream's state holds when its last reading began: a time, or times by what was read."""
_ODD = timedelta(minutes=5)
"""Clocks are corrected by less than this every day."""


def later(now: datetime, before: Any, warn: Callable[[str], None]) -> str:  # noqa: ANN401 - a state is anybody's
    """The moment of a reading that begins now; later than the one before, though the clock was set back meanwhile.

    Args:
        now: What the clock says.
        before: What the state holds of the reading before; anything else than a time counts as none.
        warn: Told of that moment where the clock is or was wrong.
    """
    try:
        after = moment(before) + timedelta(microseconds=1) if before else now
    except (ValueError, TypeError, AttributeError, OverflowError):
        after = now
    if after - now > _ODD:
        warn(before)
    return iso(max(now, after))
