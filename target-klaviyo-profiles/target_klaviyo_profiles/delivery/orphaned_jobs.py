"""Jobs that Klaviyo made of a submission that it did not answer: waits for them, before rows are sent again."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from klaviyo_wire import jsonapi
from klaviyo_wire.endpoints import ENDPOINTS
from klaviyo_wire.filters import Operator
from target_klaviyo_profiles.answers import told, untold
from target_klaviyo_profiles.delivery import poll_backoff
from target_klaviyo_profiles.rows import Unsettled

if TYPE_CHECKING:
    from klaviyo_wire.endpoints import Endpoint
    from target_klaviyo_profiles.delivery.context import DeliveryContext
    from target_klaviyo_profiles.rows import BulkRoute

_log = logging.getLogger("target-klaviyo-profiles")

_CLOCK_MARGIN = timedelta(minutes=2)
"""What this machine's clock and Klaviyo's may differ by."""

_OPEN = ("queued", "processing")
_SORT = "-created_at"
_OF = "a job that may be one whose submission was not answered"


def await_orphaned_jobs(
    route: BulkRoute, rows: int, since: datetime, context: DeliveryContext, *, but: str | None = None
) -> None:
    """Return once no job is open that may be one whose submission was not answered.

    Such a job has as many rows, was made since then, and is in no ledger. Somebody else's job may look the same.
    So it is not taken for ours, and the rows are sent again. But first it has to end: a profile must not be in two
    open jobs. If it was somebody else's, only time is lost.

    Args:
        route: How the rows were submitted; it has a `listing`.
        rows: How many there were.
        since: When the first attempt left, UTC.
        context: The stream's.
        but: A job that is known to be ours by now.

    Raises:
        Unsettled: such a job does not end within `job_timeout`, or Klaviyo does not tell which jobs may be such.
        KlaviyoError: the jobs cannot be listed.
    """
    pause, deadline = poll_backoff.FIRST, context.clock() + context.job_timeout
    known = context.ledger.jobs() | {but}
    while found := [job for job in _open_jobs(route, rows, since, context) if job not in known]:
        if context.clock() >= deadline:
            msg = f"job {found[0]}, whose submission was not answered, did not end within `job_timeout`"
            raise Unsettled(msg)
        _log.info("waiting for job %s, which may be one whose submission was not answered", found[0])
        context.sleep(pause)
        pause = poll_backoff.longer(pause)


def _open_jobs(route: BulkRoute, rows: int, since: datetime, context: DeliveryContext) -> list[str]:
    """Jobs of so many rows that were made since then and have not ended."""
    assert route.listing is not None  # noqa: S101 - the caller's part
    newest_first = _SORT.removeprefix("-") in ENDPOINTS[route.listing].sort
    found: dict[str, None] = {}
    for params in _questions(ENDPOINTS[route.listing]):
        for page in context.client.pages(route.listing, params=params):
            jobs = jsonapi.resources(page)
            recent = [job for job in jobs if _made_at(job) >= since - _CLOCK_MARGIN]
            sizes = {told(job, _OF, id=str)["id"]: told(job, _OF, total_count=int | None) for job in recent}
            found |= {job_id: None for job_id, job in sizes.items() if job["total_count"] == rows}
            if newest_first and len(recent) < len(jobs):
                break
    return list(found)


def _questions(endpoint: Endpoint) -> list[dict[str, str]]:
    """The query parameters, of those that Klaviyo takes there, by which a listing tells its open jobs."""
    params = {}
    if _SORT.removeprefix("-") in endpoint.sort:
        params["sort"] = _SORT
    if endpoint.page and endpoint.page.maximum:
        params["page[size]"] = str(endpoint.page.maximum)
    by_status = next(filter_.operators for filter_ in endpoint.filters if filter_.field == "status")
    if Operator.ANY in by_status:
        return [{"filter": Operator.ANY("status", _OPEN), **params}]
    # In the order of a job's life: one that goes on between two requests is found by the second.
    return [{"filter": Operator.EQUALS("status", status), **params} for status in _OPEN]


def _made_at(job: object) -> datetime:
    try:
        moment = datetime.fromisoformat(told(job, _OF, created_at=str)["created_at"])
    except ValueError:
        raise untold(_OF, "created_at") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
