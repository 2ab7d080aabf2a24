"""Jobs, from acceptance to their end: one thread looks at all of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from klaviyo_wire import jsonapi
from klaviyo_wire.errors import CursorExpired, NotFound, Retriable
from target_klaviyo_profiles import pauses
from target_klaviyo_profiles.sinks.bulk import BulkSink, reason_for, route_of

if TYPE_CHECKING:
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.sinks.base import Line, OpenJob, Outcome, Reason
    from target_klaviyo_profiles.values import Json

_log = logging.getLogger("target-klaviyo-profiles")

_SHARE, _BURST = 0.5, 0.1
"""Of the looks that a minute allows, those that are used, and those of them that may come at once: the more jobs
there are, the less often is each looked at."""
_VISIBLE = 300.0
"""Seconds after which a job that is not there is not merely late."""
_PATIENCE = (2.0, 10.0)
"""Seconds between readings of errors that are fewer than the job counts."""

Told = Callable[["Outcome | Exception"], None]


@dataclass
class _Flight:
    """The jobs of one batch: `told` is called once the last has ended."""

    sink: BulkSink
    line: Line
    outcome: Outcome
    told: Told
    left: int


@dataclass
class _Followed:
    """A job, and when it is looked at next."""

    flight: _Flight
    job: OpenJob
    due: float
    deadline: float
    pause: float
    readings: int = 0


class Follower:
    """Looks at jobs until they end, then joins what they refused to the rows that were sent.

    Args:
        clock: Monotonic seconds.
        sleep: Lets seconds pass.
    """

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._clock = clock
        self._sleep = sleep
        self._arrivals: SimpleQueue[list[_Followed]] = SimpleQueue()
        self._jobs: list[_Followed] = []
        self._taken_up = 0.0
        """Until when the looks that were taken would have lasted, had they been evenly spread."""
        self._thread: threading.Thread | None = None

    def follow(self, sink: BulkSink, line: Line, outcome: Outcome, told: Told) -> None:
        """Follow the open jobs of an outcome, at least one, and complete it.

        Args:
            sink: Whose they are.
            line: The sink's.
            outcome: Its `open` is emptied; afterwards every row of it has a fate, or is known to have none.
            told: Called on the follower's thread, once, with the outcome, or with what went wrong.
        """
        jobs, outcome.open = outcome.open, []
        flight = _Flight(sink, line, outcome, told, len(jobs))
        self._arrivals.put(
            [
                _Followed(flight, job, job.at + pauses.FIRST, job.at + line.job_timeout, pauses.FIRST)
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
            followed = min(self._jobs, key=lambda each: each.due)
            wait = max(followed.due - self._clock(), self._before_the_next())
            if wait > 0:
                self._sleep(min(wait, pauses.FIRST))  # others may arrive, and are due then at the earliest
                continue
            self._taken_up = max(self._taken_up, self._clock()) + self._apart(followed)
            try:
                ended = _Look(followed, self._clock).ended()
            except Exception as error:  # noqa: BLE001 - raised again on the run's own thread
                self._jobs = [each for each in self._jobs if each.flight is not followed.flight]
                followed.flight.told(error)
                continue
            if ended:
                self._jobs.remove(followed)
                followed.flight.left -= 1
                if not followed.flight.left:
                    followed.flight.told(followed.flight.outcome)
            else:
                self._put_off(followed)

    def _apart(self, followed: _Followed) -> float:
        status = route_of(followed.job.group).status
        assert status is not None  # noqa: S101 - it is a job's route
        _, a_minute = followed.flight.line.client.remaining(status)
        return 60 / (a_minute * _SHARE)

    def _before_the_next(self) -> float:
        return self._taken_up - self._clock() - 60 * _BURST / _SHARE

    def _put_off(self, followed: _Followed) -> None:
        pause = _PATIENCE[followed.readings - 1] if followed.readings else followed.pause
        now = self._clock()
        followed.pause = pauses.longer(followed.pause)
        followed.due = min(now + pause, max(followed.deadline, now))


class _Look:
    """One look at a job, and what follows from it."""

    def __init__(self, followed: _Followed, clock: Callable[[], float]) -> None:
        self._followed = followed
        self._clock = clock
        self._job = followed.job
        self._route = route_of(followed.job.group)
        self._line = followed.flight.line
        self._sink = followed.flight.sink
        self._outcome = followed.flight.outcome
        self._path = {"id": self._job.id, "job_id": self._job.id}

    def ended(self) -> bool:
        """Whether the fate of every row is in the outcome."""
        try:
            state = self._state()
            status = state.get("status")
            if status == "complete" and self._errors_read(int(state.get("failed_count") or 0)):
                return True
            if status == "cancelled":
                return self._unsettled("was cancelled")
        except (Retriable, CursorExpired) as fault:  # a lost look costs a pause, not the job
            _log.warning("cannot see job %s of %s now: %s", self._job.id, self._sink.stream, fault)
        except NotFound as fault:  # a job may be visible only after a while
            _log.warning("cannot see job %s of %s: %s", self._job.id, self._sink.stream, fault)
            if self._clock() - self._job.at > _VISIBLE:
                return self._unsettled("is not there (any more)")
        if self._clock() >= self._followed.deadline:
            return self._unsettled(f"did not end within `job_timeout` ({self._line.job_timeout:g} s)")
        return False

    def _state(self) -> Json:
        status = self._route.status
        assert status is not None  # noqa: S101 - it is a job's route
        document = self._line.client.call(status, path=self._path)
        return next(iter(jsonapi.resources(document)), {}).get("attributes") or {}

    def _errors_read(self, failed: int) -> bool:
        """Read every page of the errors; False when they are fewer than Klaviyo counts, and may yet come."""
        named, unnamed = self._errors()
        missing = failed - len(named) - len(unnamed)
        late = self._clock() >= self._followed.deadline
        if missing > 0 and self._followed.readings < len(_PATIENCE) and not late:
            self._followed.readings += 1
            return False
        detail = f"Klaviyo counts {failed} failures in the job and names {failed - missing}"
        unnamed += [reason_for("unnamed_failure", detail, None, job=self._job.id)] * missing
        self._outcome.rejected.update(named)
        self._outcome.unnamed += unnamed[: len(self._job.keys) - len(named)]
        return True

    def _errors(self) -> tuple[dict[Key, Reason], list[Reason]]:
        named: dict[Key, Reason] = {}
        unnamed: list[Reason] = []
        if self._route.errors is None:
            return named, unnamed
        waiting = set(self._job.keys)
        pages = self._line.client.pages(self._route.errors, path=self._path, params={"page[size]": "100"})
        for error in (error for page in pages for error in jsonapi.resources(page)):
            attributes: dict[str, Any] = error["attributes"]
            pointer = (attributes.get("source") or {}).get("pointer")
            detail = attributes.get("detail") or attributes.get("title") or ""
            sent = attributes.get("original_payload")
            reason = reason_for(attributes.get("code") or "unknown", detail, pointer, job=self._job.id, sent=sent)
            key = self._row(sent, pointer, waiting)
            if key is None:
                unnamed.append(reason)
            else:
                named.setdefault(key, reason)
        return named, unnamed

    def _row(self, sent: object, pointer: str | None, waiting: set[Key]) -> Key | None:
        """The row an error is about: by the payload Klaviyo gives back, else by the position it points to."""
        if isinstance(sent, Mapping):
            for key in self._sink.keys_of(sent):
                if (known := self._job.known_as(key)) in waiting:
                    return known
        position = self._sink.position(self._job.group, pointer)
        return self._job.keys[position] if position is not None and position < len(self._job.keys) else None

    def _unsettled(self, why: str) -> bool:
        self._outcome.unsettled.update(dict.fromkeys(self._job.keys, f"job {self._job.id} {why}"))
        return True
