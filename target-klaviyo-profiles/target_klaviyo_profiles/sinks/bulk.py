"""Writing through bulk jobs: submit, mend or bisect what is refused, follow to the end, read the errors."""

from __future__ import annotations

import logging
import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from klaviyo_wire import bulk, jsonapi
from klaviyo_wire.errors import NotFound, Problem, Refused, Retriable
from klaviyo_wire.redaction import redact
from target_klaviyo_profiles.sinks.base import Batch, Line, Outcome, Reason, Sink

if TYPE_CHECKING:
    from target_klaviyo_profiles.identifiers import Key
    from target_klaviyo_profiles.values import Json

_log = logging.getLogger("target-klaviyo-profiles")

ROWS = "<rows>"
"""Where an envelope holds its rows."""

REMEDIES: Mapping[str, str] = {
    "duplicate_profile": "Its identifier belongs to another profile: merge the two in Klaviyo, or use its `id`.",
    "not_found": "The account has no such profile, or no longer: read the ids again, or use another identifier.",
}
_REMEDY = "Correct what the detail and the pointer name, then send the record again."

FIRST_PAUSE, PAUSE_GROWTH, LONGEST_PAUSE = 1.0, 1.5, 30.0
"""Seconds between two looks at a job. At 30 s, fifty jobs take 100 of the endpoint's 150 requests a minute."""

# Klaviyo did not document the pointer of a refused row; the index after `profiles` (or `profiles/data`) is read.
_ROW_POINTER = re.compile(r"^/data/attributes/[\w-]+/(?:data/)?(\d+)(?:/|$)")
_OUTSIDE = "/data/relationships"
_ROWS_AT_FAULT = frozenset({400, 409, 413, 422})
_LONE_REFUSALS = 100
"""Rows refused one by one, none accepted in between, after which the fault is not in the rows."""
_PATIENCE = (2.0, 10.0)
"""Seconds between readings of errors that are fewer than the job counts."""


@dataclass(frozen=True)
class Job:
    """The operations of one kind of job: to submit it, to look at it, to list what it refused."""

    submit: str
    status: str
    errors: str


class BulkJobSink(Sink):
    """A sink whose batches are jobs."""

    job: ClassVar[Job]

    @abstractmethod
    def envelope(self, group: str | None) -> Json:
        """The request of a group, with `ROWS` in place of the rows, and nothing of the record's before it."""

    @abstractmethod
    def keys_of(self, sent: Mapping[str, object]) -> list[Key]:
        """The keys that a row may have been known by, from the `original_payload` of an import error."""

    @override
    def envelope_size(self, group: str | None) -> int:
        return sum(map(len, _around(self, group)))

    @override
    def deliver(self, batch: Batch, line: Line) -> Outcome:
        outcome = Outcome()
        accepted = list(_Submission(self, batch, line, outcome).jobs())
        batch.payloads.clear()
        line.handed_over()
        outcome.jobs = len(accepted)
        for job in accepted:
            _Following(self, line, outcome, job).to_the_end()
        return outcome

    def body(self, group: str | None, payloads: Sequence[bytes]) -> bytes:
        """A request, encoded."""
        before, after = _around(self, group)
        return before + b",".join(payloads) + after


@dataclass(frozen=True)
class _Accepted:
    """A job that Klaviyo took, its rows in the order they were sent, and when (the line's clock)."""

    id: str
    keys: list[Key]
    at: float


class _Submission:
    """Sends a batch, in parts where Klaviyo refuses the whole, until every good row is in a job."""

    def __init__(self, sink: BulkJobSink, batch: Batch, line: Line, outcome: Outcome) -> None:
        self._sink = sink
        self._batch = batch
        self._line = line
        self._outcome = outcome
        self._parts = [list(range(len(batch.keys)))]
        self._lone_refusals = 0

    def jobs(self) -> Iterator[_Accepted]:
        """The jobs, each as soon as Klaviyo has it; refused rows go into the outcome.

        Submitting is repeated freely: importing the same values twice leaves what importing them once leaves.
        """
        batch = self._batch
        while self._parts:
            rows = self._parts.pop()
            body = self._sink.body(batch.group, [batch.payloads[row] for row in rows])
            try:
                document = self._line.client.call(self._sink.job.submit, body=body)
            except Refused as refusal:
                self._mend(rows, refusal)
            else:
                self._lone_refusals = 0
                yield _Accepted(_job_id(document), [batch.keys[row] for row in rows], self._line.clock())

    def _mend(self, rows: list[int], refusal: Refused) -> None:
        group = self._batch.group
        outside = [problem for problem in refusal.problems if (problem.pointer or "").startswith(_OUTSIDE)]
        if group is not None and (outside or isinstance(refusal, NotFound)):
            # The rows are only together because they share the group: each of them has the same fault.
            self._reject(dict.fromkeys(rows, _first([*outside, *refusal.problems], refusal)))
            return
        if refusal.status not in _ROWS_AT_FAULT:
            raise refusal
        if blamed := _blamed(rows, refusal.problems):
            self._reject(blamed)
            self._resend([row for row in rows if row not in blamed])
        elif len(rows) > 1:
            middle = len(rows) // 2
            self._resend(rows[middle:])
            self._resend(rows[:middle])
        else:
            self._lone_refusals += 1
            if self._lone_refusals == _LONE_REFUSALS:
                raise refusal
            self._reject({rows[0]: _first(refusal.problems, refusal)})

    def _resend(self, rows: list[int]) -> None:
        if rows:
            self._parts.append(rows)

    def _reject(self, problems: Mapping[int, Problem]) -> None:
        for row, problem in problems.items():
            detail = problem.detail or problem.title
            self._outcome.rejected[self._batch.keys[row]] = _reason(problem.code, detail, problem.pointer)
        example = next(iter(problems.values()))
        said = redact(example.detail or example.title)
        _log.warning("Klaviyo refuses %d of the %s in a request: %s", len(problems), self._sink.stream, said)


def _first(problems: Sequence[Problem], refusal: Refused) -> Problem:
    return problems[0] if problems else Problem("refused", "", str(refusal))


def _blamed(rows: Sequence[int], problems: Sequence[Problem]) -> dict[int, Problem]:
    """The rows that the pointers name: pointers count within the request, `rows` are indices of the batch."""
    named: dict[int, Problem] = {}
    for problem in problems:
        position = _position(problem.pointer)
        if position is not None and position < len(rows):
            named.setdefault(rows[position], problem)
    return named


class _Following:
    """Looks at a job until it ends, then joins what it refused to the rows that were sent."""

    def __init__(self, sink: BulkJobSink, line: Line, outcome: Outcome, job: _Accepted) -> None:
        self._sink = sink
        self._line = line
        self._outcome = outcome
        self._job = job
        self._path = {"id": job.id, "job_id": job.id}

    def to_the_end(self) -> None:
        """Return when the fate of every row is in the outcome."""
        pause, deadline = FIRST_PAUSE, self._job.at + self._line.job_timeout
        while True:
            self._line.sleep(max(0.0, min(pause, deadline - self._line.clock())))
            state = self._look()
            if state.get("status") == "complete":
                self._read_errors(int(state.get("failed_count") or 0))
                return
            if state.get("status") == "cancelled":
                self._unsettled("was cancelled")
                return
            if self._line.clock() >= deadline:
                self._unsettled(f"did not end within `job_timeout` ({self._line.job_timeout:g} s)")
                return
            pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE)

    def _look(self) -> Json:
        """The job's attributes; empty when they cannot be had now: a lost look costs a pause, not the job."""
        try:
            document = self._line.client.call(self._sink.job.status, path=self._path)
        except (Retriable, NotFound) as fault:  # a job may be visible only after a while
            _log.warning("cannot see job %s of %s yet: %s", self._job.id, self._sink.stream, fault)
            return {}
        return _data(document).get("attributes") or {}

    def _read_errors(self, failed: int) -> None:
        """Every page of the errors; again when they are fewer than Klaviyo counts."""
        named: dict[Key, Reason] = {}
        unnamed: list[Reason] = []
        for pause in (0.0, *_PATIENCE):
            self._line.sleep(pause)
            named, unnamed = self._errors()
            if len(named) + len(unnamed) >= failed:
                break
        missing = max(0, failed - len(named) - len(unnamed))
        detail = f"Klaviyo counts {failed} failures in the job and names {failed - missing}"
        unnamed += [_reason("unnamed_failure", detail, None, self._job.id)] * missing
        self._outcome.rejected.update(named)
        self._outcome.unnamed += unnamed[: len(self._job.keys) - len(named)]

    def _errors(self) -> tuple[dict[Key, Reason], list[Reason]]:
        waiting = set(self._job.keys)
        named: dict[Key, Reason] = {}
        unnamed: list[Reason] = []
        pages = self._line.client.pages(self._sink.job.errors, path=self._path, params={"page[size]": "100"})
        for error in (error for page in pages for error in jsonapi.resources(page)):
            attributes: dict[str, Any] = error["attributes"]
            pointer = (attributes.get("source") or {}).get("pointer")
            detail = attributes.get("detail") or attributes.get("title") or ""
            reason = _reason(attributes.get("code") or "unknown", detail, pointer, self._job.id)
            key = self._row(attributes.get("original_payload"), pointer, waiting)
            if key is None:
                unnamed.append(reason)
            else:
                named.setdefault(key, reason)
        return named, unnamed

    def _row(self, sent: object, pointer: str | None, waiting: set[Key]) -> Key | None:
        """The row an error is about: by the payload Klaviyo gives back, else by the position it points to."""
        if isinstance(sent, Mapping):
            for key in self._sink.keys_of(sent):
                if key in waiting:
                    return key
        position = _position(pointer)
        return self._job.keys[position] if position is not None and position < len(self._job.keys) else None

    def _unsettled(self, why: str) -> None:
        self._outcome.unsettled.update(dict.fromkeys(self._job.keys, f"job {self._job.id} {why}"))


def _data(document: Json) -> Json:
    return next(iter(jsonapi.resources(document)), {})


def _job_id(document: Json) -> str:
    job_id = _data(document).get("id")
    if not isinstance(job_id, str):
        msg = "Klaviyo accepted a job and did not say which"
        raise Retriable(msg)
    return job_id


def _position(pointer: str | None) -> int | None:
    match = _ROW_POINTER.match(pointer or "")
    return int(match[1]) if match else None


def _reason(code: str, detail: str, pointer: str | None, job: str | None = None) -> Reason:
    return Reason(code, detail, REMEDIES.get(code, _REMEDY), pointer, job)


@lru_cache(maxsize=1024)
def _around(sink: BulkJobSink, group: str | None) -> tuple[bytes, bytes]:
    """The bytes of a group's request before and after its comma-separated rows."""
    before, _, after = bulk.encode(sink.envelope(group)).partition(bulk.encode(ROWS))
    return before + b"[", b"]" + after
