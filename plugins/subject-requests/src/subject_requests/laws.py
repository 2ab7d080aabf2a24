"""The clocks of the laws: until when a request is to be answered. Which law counts decides who answers."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

_CCPA_DAYS = 45


def a_month_later(moment: datetime) -> datetime:
    """The same day of the next month, or its last day where it has none such."""
    year, month = moment.year + moment.month // 12, moment.month % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))


CLOCKS: Mapping[str, Callable[[datetime], datetime]] = {
    "gdpr": a_month_later,
    "uk_gdpr": a_month_later,
    "ccpa": lambda received: received + timedelta(days=_CCPA_DAYS),
}
"""By law: when a request that was received then is due, without an extension."""
DEFAULT = "gdpr"
"""The law of a request whose own is told nowhere, or not known here; as in the warehouse."""
