"""One thread polls every job: how often, until when, and what it makes of the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any, cast

import pytest

from klaviyo_wire.errors import MissingScope, NotFound, Retriable
from target_klaviyo_profiles.delivery.context import DeliveryContext
from target_klaviyo_profiles.delivery.job_poller import JobPoller
from target_klaviyo_profiles.delivery.ledger import Ledger
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import BulkRoute, ErrorsEndpoint, Group, OpenJob, Outcome
from target_klaviyo_profiles.sinks.profiles import IMPORT, Profiles

Json = dict[str, Any]
KEYS = [Key("external_id", str(number)) for number in range(3)]


class Clock:
    """Time that passes only while it is waited for."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@dataclass
class Klaviyo:
    """Jobs that end at a moment, each look counted."""

    clock: Clock
    ends: float = 0.0
    answers: list[Exception] = field(default_factory=list)
    """Raised instead of the next answers."""
    error_pages: list[list[list[Json]]] = field(default_factory=list)
    """The pages of each reading of the errors."""
    failed: int = 0
    status: str = "complete"
    looks: list[tuple[float, str]] = field(default_factory=list)

    def call(self, operation: str, *, path: Mapping[str, str]) -> Json:
        assert operation == IMPORT.status
        self.looks.append((self.clock.now, path["job_id"]))
        if self.answers:
            raise self.answers.pop(0)
        status = self.status if self.clock.now >= self.ends else "processing"
        attributes = {"status": status, "failed_count": self.failed}
        return {"data": {"type": "job", "id": path["job_id"], "attributes": attributes}}

    def pages(self, operation: str, *, path: Mapping[str, str], params: Mapping[str, str]) -> Iterator[Json]:
        assert (ErrorsEndpoint(operation), params) == (IMPORT.errors, {"page[size]": "100"})
        assert path["id"]
        for page in self.error_pages.pop(0) if self.error_pages else []:
            yield {"data": page}

    def remaining(self, operation: str) -> tuple[int, int]:
        assert operation == IMPORT.status
        return 150, 150


def _error(number: int, **more: object) -> Json:
    sent = {"attributes": {"external_id": str(number)}}
    return {"type": "import-error", "attributes": {"code": "bad", "original_payload": sent, **more}}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def klaviyo(clock: Clock) -> Klaviyo:
    return Klaviyo(clock)


def _polled(klaviyo: Klaviyo, *jobs: OpenJob, timeout: float = 3600.0) -> Outcome | Exception:
    def now() -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC)

    context = DeliveryContext(
        client=cast("Any", klaviyo),
        clock=klaviyo.clock,
        sleep=klaviyo.clock.sleep,
        now=now,
        job_timeout=timeout,
        ledger=Ledger(None, "pk_x", now),
    )
    results: SimpleQueue[Outcome | Exception] = SimpleQueue()
    JobPoller(klaviyo.clock, klaviyo.clock.sleep).poll(Profiles(), context, Outcome(open=list(jobs)), results.put)
    return results.get(timeout=10)


def _job(name: str = "J", route: BulkRoute = IMPORT) -> OpenJob:
    return OpenJob(name, Group(route), KEYS, 0.0)


def test_fifty_jobs_leave_half_of_the_looks_to_others(klaviyo: Klaviyo, clock: Clock) -> None:
    klaviyo.ends = 600.0
    outcome = _polled(klaviyo, *(_job(f"J{number}") for number in range(50)))
    assert isinstance(outcome, Outcome)
    times = [at for at, _ in klaviyo.looks]
    for start in times:
        assert sum(start <= at < start + 60 for at in times) <= 75 + 16
    each = Counter(name for _, name in klaviyo.looks)
    assert max(each.values()) - min(each.values()) <= 2
    assert clock.now <= 600 + 41  # the last end is seen within a round


def test_a_lone_job_is_looked_at_soon_and_then_ever_less(klaviyo: Klaviyo) -> None:
    klaviyo.ends = 300.0
    _polled(klaviyo, _job())
    times = [at for at, _ in klaviyo.looks]
    pauses = [after - before for before, after in zip([0.0, *times], times, strict=False)]
    assert pauses[0] == 1
    assert pauses == sorted(pauses)
    assert max(pauses) == 30


def test_a_job_that_never_ends_is_reported_at_its_timeout(klaviyo: Klaviyo, clock: Clock) -> None:
    klaviyo.ends = 1e9
    outcome = _polled(klaviyo, _job(), timeout=100)
    assert isinstance(outcome, Outcome)
    assert set(outcome.unsettled) == set(KEYS)
    assert "did not end within `job_timeout` (100 s)" in outcome.unsettled[KEYS[0]]
    assert clock.now == 100


def test_of_two_jobs_of_a_batch_one_may_hang_and_the_other_counts(klaviyo: Klaviyo) -> None:
    other = OpenJob("K", Group(IMPORT), [Key("external_id", "k")], -1000.0)
    klaviyo.ends = 50.0
    outcome = _polled(klaviyo, _job(), other, timeout=900)
    assert isinstance(outcome, Outcome)
    assert set(outcome.unsettled) == {Key("external_id", "k")}


def test_lost_looks_cost_pauses_only(klaviyo: Klaviyo) -> None:
    klaviyo.answers = [Retriable("503"), NotFound("404", status=404), Retriable("cut")]
    outcome = _polled(klaviyo, _job())
    assert isinstance(outcome, Outcome)
    assert not outcome.unsettled
    assert len(klaviyo.looks) == 4


def test_a_job_that_is_gone_is_not_waited_for_until_its_timeout(klaviyo: Klaviyo, clock: Clock) -> None:
    klaviyo.answers = [NotFound("404", status=404)] * 1000
    outcome = _polled(klaviyo, _job())
    assert isinstance(outcome, Outcome)
    assert "is not there (any more)" in outcome.unsettled[KEYS[0]]
    assert 300 < clock.now < 340


def test_every_page_of_errors_is_read_and_each_finds_its_row(klaviyo: Klaviyo) -> None:
    klaviyo.failed = 2
    klaviyo.error_pages = [[[_error(2)], [], [_error(0, source={"pointer": "/data/x"})]]]
    outcome = _polled(klaviyo, _job())
    assert isinstance(outcome, Outcome)
    assert set(outcome.rejected) == {KEYS[0], KEYS[2]}
    assert outcome.rejected[KEYS[0]].job == "J"
    assert outcome.unnamed == []


def test_errors_that_come_late_are_waited_for(klaviyo: Klaviyo, clock: Clock) -> None:
    klaviyo.failed = 2
    klaviyo.error_pages = [[], [[_error(1)]], [[_error(1)], [_error(2)]]]
    outcome = _polled(klaviyo, _job())
    assert isinstance(outcome, Outcome)
    assert set(outcome.rejected) == {KEYS[1], KEYS[2]}
    assert clock.now == 1 + 2 + 10


def test_errors_that_have_expired_are_counted_without_a_name(klaviyo: Klaviyo) -> None:
    klaviyo.failed = 2
    klaviyo.error_pages = [[], [], [[_error(1)]]]
    outcome = _polled(klaviyo, _job())
    assert isinstance(outcome, Outcome)
    assert set(outcome.rejected) == {KEYS[1]}
    assert [reason.code for reason in outcome.unnamed] == ["unnamed_failure"]


def test_of_a_job_without_a_list_of_errors_only_the_end_counts(klaviyo: Klaviyo) -> None:
    route = BulkRoute("x", IMPORT.limits, status=IMPORT.status)
    outcome = _polled(klaviyo, _job(route=route))
    assert isinstance(outcome, Outcome)
    assert not outcome.rejected
    assert not outcome.unsettled


def test_a_cancelled_job_leaves_its_rows_unsettled(klaviyo: Klaviyo) -> None:
    klaviyo.status = "cancelled"
    outcome = _polled(klaviyo, _job())
    assert isinstance(outcome, Outcome)
    assert set(outcome.unsettled) == set(KEYS)


def test_what_ends_the_stream_is_reported(klaviyo: Klaviyo) -> None:
    klaviyo.answers = [MissingScope("no")]
    assert isinstance(_polled(klaviyo, _job(), _job("K")), MissingScope)
