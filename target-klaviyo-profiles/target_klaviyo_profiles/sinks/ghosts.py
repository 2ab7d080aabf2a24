"""Jobs whose submission was carried out and not answered."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from klaviyo_wire import jsonapi
from klaviyo_wire.filters import Operator
from target_klaviyo_profiles import pauses
from target_klaviyo_profiles.sinks.base import Unsettled

if TYPE_CHECKING:
    from target_klaviyo_profiles.sinks.base import Line
    from target_klaviyo_profiles.sinks.bulk import Bulk

_log = logging.getLogger("target-klaviyo-profiles")

_MARGIN = timedelta(minutes=2)
"""What two clocks may differ by."""


def await_ghosts(route: Bulk, rows: int, since: datetime, line: Line, *, but: str | None = None) -> None:
    """Return once no job is open that may be one whose submission was not answered.

    Those are the jobs of as many rows, made since then, that are in no ledger. That does not tell them from
    somebody else's: so they are not counted on, and their rows are sent again; but not before they have ended,
    lest a profile be in two jobs. Waiting for one too many costs time only.

    Args:
        route: How the rows were submitted; it has a `listing`.
        rows: How many there were.
        since: When the first try left, UTC.
        line: The stream's.
        but: A job that is known after all.

    Raises:
        Unsettled: one of them does not end within `job_timeout`.
        KlaviyoError: the jobs cannot be listed.
    """
    pause, deadline = pauses.FIRST, line.clock() + line.job_timeout
    known = line.ledger.jobs() | {but}
    while found := [job for job in _open_jobs(route, rows, since, line) if job not in known]:
        if line.clock() >= deadline:
            msg = f"job {found[0]}, whose submission was not answered, did not end within `job_timeout`"
            raise Unsettled(msg)
        _log.info("waiting for job %s, which may be one whose submission was not answered", found[0])
        line.sleep(pause)
        pause = pauses.longer(pause)


def _open_jobs(route: Bulk, rows: int, since: datetime, line: Line) -> list[str]:
    assert route.listing is not None  # noqa: S101 - the caller's part
    found: list[str] = []
    params = {
        "filter": Operator.ANY("status", ["queued", "processing"]),
        "sort": "-created_at",
        "page[size]": "100",
    }
    for page in line.client.pages(route.listing, params=params):
        for job in jsonapi.resources(page):
            attributes = job["attributes"]
            if datetime.fromisoformat(attributes["created_at"]) < since - _MARGIN:
                return found
            if attributes["total_count"] == rows:
                found.append(job["id"])
    return found
