"""Polls jobs from acceptance to their end: one thread for all jobs of a run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

from klaviyo_wire import jsonapi
from klaviyo_wire.errors import CursorExpired, EndlessListing, NotFound, Retriable
from target_klaviyo_profiles.answers import told
from target_klaviyo_profiles.delivery import job_errors, poll_backoff
from target_klaviyo_profiles.rows import Outcome, bulk_route, klaviyos_reason

if TYPE_CHECKING:
    from target_klaviyo_profiles.delivery.context import DeliveryContext
    from target_klaviyo_profiles.rows import OpenJob
    from target_klaviyo_profiles.sinks.bulk_sink import BulkSink
    from target_klaviyo_profiles.values import Json

_log = logging.getLogger("target-klaviyo-profiles")

_QUOTA_SHARE = 0.5
"""Part of the requests a minute that polls may use: the more jobs there are, the less often each is polled."""
_BURST = 0.1
"""Part of the requests a minute that polls may use up at once."""
_VISIBLE_AFTER = 300.0
"""Seconds after acceptance in which a job may not be found yet; after that it does not exist."""
_ERRORS_DELAYS = (2.0, 10.0)
"""Seconds before each further reading of a job's errors, while they are fewer than the job counts."""

WhenDone = Callable[["Outcome | Exception"], None]


@dataclass
class _PolledBatch:
    """The jobs of one batch: `when_done` is called once the last of them has ended."""

    sink: BulkSink
    context: DeliveryContext
    outcome: Outcome
    when_done: WhenDone
    jobs_left: int


@dataclass
class _PolledJob:
    """A job, and when it is polled next."""

    batch: _PolledBatch
    job: OpenJob
    due: float
    deadline: float
    pause: float
    readings: int = 0
    """Times that its errors were read and were fewer than the job counts."""


class JobPoller:
    """Polls jobs until they end, then joins what they refused to the rows that were sent.

    Args:
        clock: Monotonic seconds.
        sleep: Lets seconds pass.
    """

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._clock = clock
        self._sleep = sleep
        self._arrivals: SimpleQueue[list[_PolledJob]] = SimpleQueue()
        self._jobs: list[_PolledJob] = []
        self._quota_used_until = 0.0
        """When the polls so far would have ended, had each taken its share of the quota one after the other."""
        self._thread: threading.Thread | None = None

    def poll(self, sink: BulkSink, context: DeliveryContext, outcome: Outcome, when_done: WhenDone) -> None:
        """Poll the open jobs of an outcome, at least one, and complete the outcome.

        Args:
            sink: Whose they are.
            context: The stream's.
            outcome: Its `open` is emptied; in the end it says of every row what became of it.
            when_done: Called on the poller's thread, once, with the outcome, or with what went wrong.
        """
        jobs, outcome.open = outcome.open, []
        batch = _PolledBatch(sink, context, outcome, when_done, len(jobs))
        first = poll_backoff.FIRST
        self._arrivals.put(
            [
                _PolledJob(batch, job, job.accepted_at + first, job.accepted_at + context.job_timeout, first)
                for job in jobs
            ]
        )
        if self._thread is None:
            # Daemon: a run that ends early does not wait for jobs that Klaviyo may take an hour to finish.
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            while not self._jobs or not self._arrivals.empty():
                self._jobs += self._arrivals.get()
            polled = min(self._jobs, key=lambda each: each.due)
            wait = max(polled.due - self._clock(), self._wait_for_quota())
            if wait > 0:
                self._sleep(min(wait, poll_backoff.FIRST))  # a job that arrives meanwhile is not due before that
                continue
            self._quota_used_until = max(self._quota_used_until, self._clock()) + self._quota_of_a_poll(polled)
            try:
                ended = _Poll(polled, self._clock).ended()
            except Exception as error:  # noqa: BLE001 - raised again on the run's own thread
                self._jobs = [each for each in self._jobs if each.batch is not polled.batch]
                polled.batch.when_done(error)
                continue
            if ended:
                self._jobs.remove(polled)
                polled.batch.jobs_left -= 1
                if not polled.batch.jobs_left:
                    polled.batch.when_done(polled.batch.outcome)
            else:
                self._reschedule(polled)

    def _quota_of_a_poll(self, polled: _PolledJob) -> float:
        """Seconds of the quota's share that one poll uses."""
        status = bulk_route(polled.job.group).status
        assert status is not None  # noqa: S101 - it is a job's route
        _, per_minute = polled.batch.context.client.remaining(status)
        return 60 / (per_minute * _QUOTA_SHARE)

    def _wait_for_quota(self) -> float:
        return self._quota_used_until - self._clock() - 60 * _BURST / _QUOTA_SHARE

    def _reschedule(self, polled: _PolledJob) -> None:
        pause = _ERRORS_DELAYS[polled.readings - 1] if polled.readings else polled.pause
        now = self._clock()
        polled.pause = poll_backoff.longer(polled.pause)
        polled.due = min(now + pause, max(polled.deadline, now))


class _Poll:
    """One look at a job, and what follows from it."""

    def __init__(self, polled: _PolledJob, clock: Callable[[], float]) -> None:
        self._polled = polled
        self._clock = clock
        self._job = polled.job
        self._context = polled.batch.context
        self._sink = polled.batch.sink
        self._outcome = polled.batch.outcome

    def ended(self) -> bool:
        """Whether the outcome now says of every row of the job what became of it."""
        try:
            attributes = self._attributes()
            status = attributes.get("status")
            if status == "complete" and self._errors_read(attributes):
                return True
            if status == "cancelled":
                return self._unsettled("was cancelled")
        except (Retriable, CursorExpired, EndlessListing) as fault:  # a poll that fails costs a pause, not the job
            _log.warning("cannot see job %s of %s now: %s", self._job.id, self._sink.stream, fault)
        except NotFound as fault:  # a job may be visible only after a while
            _log.warning("cannot see job %s of %s: %s", self._job.id, self._sink.stream, fault)
            if self._clock() - self._job.accepted_at > _VISIBLE_AFTER:
                return self._unsettled("is not there (any more)")
        if self._clock() >= self._polled.deadline:
            return self._unsettled(f"did not end within `job_timeout` ({self._context.job_timeout:g} s)")
        return False

    def _attributes(self) -> Json:
        status = bulk_route(self._job.group).status
        assert status is not None  # noqa: S101 - it is a job's route
        document = self._context.client.call(status, path=job_errors.path_of(self._job))
        job = next(iter(jsonapi.resources(document)), None)
        return told(job, "a job")

    def _errors_read(self, attributes: Json) -> bool:
        """Take in the job's errors; False when they are fewer than Klaviyo counts, and more may come."""
        try:
            failed = int(attributes.get("failed_count") or 0)
        except (TypeError, ValueError):
            msg = "Klaviyo did not tell how many failed"
            raise Retriable(msg) from None
        found = job_errors.refusals(self._sink, self._job, attributes, self._context.client)
        missing = failed - found.count
        late = self._clock() >= self._polled.deadline
        if missing > 0 and self._polled.readings < len(_ERRORS_DELAYS) and not late:
            self._polled.readings += 1
            return False
        detail = f"Klaviyo counts {failed} failures in the job and names {failed - missing}"
        unnamed = found.unnamed + [klaviyos_reason("unnamed_failure", detail, None, job=self._job.id)] * missing
        self._outcome.rejected.update(found.rejected)
        self._outcome.unchanged |= found.held
        self._outcome.unnamed += unnamed[: len(self._job.keys) - len(found.rejected) - len(found.held)]
        return True

    def _unsettled(self, why: str) -> bool:
        self._outcome.unsettled.update(dict.fromkeys(self._job.keys, f"job {self._job.id} {why}"))
        return True
