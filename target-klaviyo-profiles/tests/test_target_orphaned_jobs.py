"""Jobs of unanswered submissions are looked for with what each listing of jobs takes, and waited for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from klaviyo_wire.bulk import BulkLimits
from klaviyo_wire.endpoints import ENDPOINTS
from target_klaviyo_profiles.delivery.context import DeliveryContext
from target_klaviyo_profiles.delivery.ledger import Ledger
from target_klaviyo_profiles.delivery.orphaned_jobs import await_orphaned_jobs
from target_klaviyo_profiles.rows import BulkRoute, Unsettled

SENT = datetime(2026, 11, 1, 12, tzinfo=UTC)
SORTED, UNSORTED = "get_bulk_import_profiles_jobs", "get_bulk_suppress_profiles_jobs"
"""The first takes several statuses, a page's size and an order by `created_at`; the second none of them."""


@dataclass
class Job:
    """An open job, until it ends."""

    id: str
    rows: int = 3
    made: timedelta = timedelta(0)
    ends: float = 0.0
    status: str = "queued"


@dataclass
class Klaviyo:
    """Lists open jobs, two a page, and refuses what the operation does not take."""

    jobs: list[Job]
    time: float = 0.0
    asked: list[str] = field(default_factory=list)
    pages_read: int = 0

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def pages(self, operation: str, *, params: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        endpoint = ENDPOINTS[operation]
        operator, field_name, given = re.fullmatch(r"(\w+)\((\w+),(.*)\)", params["filter"]).groups()  # type: ignore[union-attr]
        assert any(each.field == field_name and operator in each.operators for each in endpoint.filters)
        assert params.get("sort", "").removeprefix("-") in {"", *endpoint.sort}
        assert endpoint.page
        assert params.keys() <= {"filter", "sort", *(["page[size]"] if endpoint.page.maximum else [])}
        self.asked.append(given)
        statuses = re.findall(r'"(\w+)"', given)
        found = [job for job in self.jobs if job.status in statuses and self.time < job.ends]
        if params.get("sort") == "-created_at":
            found.sort(key=lambda job: job.made, reverse=True)
        for start in range(0, len(found) or 1, 2):
            self.pages_read += 1
            yield {"data": [_resource(job) for job in found[start : start + 2]]}


def _resource(job: Job) -> dict[str, Any]:
    attributes = {"status": job.status, "created_at": (SENT + job.made).isoformat(), "total_count": job.rows}
    return {"type": "job", "id": job.id, "attributes": attributes}


def _wait(klaviyo: Klaviyo, listing: str, *, timeout: float = 600.0, but: str | None = None) -> float:
    """Seconds that were waited."""

    def now() -> datetime:
        return SENT

    context = DeliveryContext(
        client=cast("Any", klaviyo),
        clock=lambda: klaviyo.time,
        sleep=klaviyo.sleep,
        now=now,
        job_timeout=timeout,
        ledger=Ledger(None, "pk_x", now),
    )
    await_orphaned_jobs(BulkRoute("any", BulkLimits(10), listing=listing), 3, SENT, context, but=but)
    return klaviyo.time


@pytest.mark.parametrize("listing", [SORTED, UNSORTED])
@pytest.mark.parametrize("status", ["queued", "processing"])
def test_a_job_that_may_be_ours_is_waited_for(listing: str, status: str) -> None:
    assert 60 <= _wait(Klaviyo([Job("J", ends=60.0, status=status)]), listing) < 120


@pytest.mark.parametrize("listing", [SORTED, UNSORTED])
def test_it_is_found_behind_older_jobs(listing: str) -> None:
    older = [Job(f"old{hours}", made=-timedelta(hours=hours), ends=9e9) for hours in (1, 2, 3)]
    klaviyo = Klaviyo([*older, Job("J", ends=60.0)])
    assert 60 <= _wait(klaviyo, listing) < 120


@pytest.mark.parametrize("listing", [SORTED, UNSORTED])
def test_no_other_job_is_waited_for(listing: str) -> None:
    others = [
        Job("earlier", made=-timedelta(minutes=3), ends=9e9),
        Job("of another size", rows=4, ends=9e9),
        Job("known", ends=9e9),
        Job("ended", status="complete", ends=9e9),
    ]
    assert _wait(Klaviyo(others), listing, but="known") == 0


@pytest.mark.parametrize("listing", [SORTED, UNSORTED])
def test_one_that_does_not_end_leaves_the_rows_unsettled(listing: str) -> None:
    with pytest.raises(Unsettled, match=r"job J, .* did not end"):
        _wait(Klaviyo([Job("J", ends=9e9)]), listing, timeout=30.0)


def test_where_the_newest_come_first_the_older_pages_are_left_alone() -> None:
    jobs = [Job(f"old{hours}", made=-timedelta(hours=hours), ends=9e9) for hours in range(1, 9)]
    klaviyo = Klaviyo(jobs)
    _wait(klaviyo, SORTED)
    assert klaviyo.pages_read == 1


def test_statuses_that_cannot_be_asked_for_together_are_asked_for_in_the_order_of_a_jobs_life() -> None:
    """A job that goes on from one to the other between the two requests is found by the second."""
    klaviyo = Klaviyo([])
    _wait(klaviyo, UNSORTED)
    assert klaviyo.asked == ['"queued"', '"processing"']
