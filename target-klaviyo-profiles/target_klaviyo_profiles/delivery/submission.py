"""Sends one batch: as bulk requests, which `bisection` divides where one is refused, or a request per record."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from klaviyo_wire import jsonapi
from klaviyo_wire.errors import NotFound, Problem, Refused, Retriable, Unreachable
from klaviyo_wire.redaction import redact
from target_klaviyo_profiles.delivery.bisection import Bisection
from target_klaviyo_profiles.delivery.orphaned_jobs import await_orphaned_jobs
from target_klaviyo_profiles.rows import (
    RECORD_AT_FAULT,
    BulkRoute,
    OpenJob,
    Outcome,
    Rejected,
    Row,
    Unsettled,
    bulk_route,
    klaviyos_reason,
)
from target_klaviyo_profiles.sinks.bulk_sink import BulkSink
from target_klaviyo_profiles.sinks.record_sink import RecordSink

if TYPE_CHECKING:
    from target_klaviyo_profiles.delivery.context import DeliveryContext
    from target_klaviyo_profiles.rows import Batch
    from target_klaviyo_profiles.sinks.base import Sink
    from target_klaviyo_profiles.values import Json

_log = logging.getLogger("target-klaviyo-profiles")

_RESUBMIT_DELAYS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 32.0, 32.0)
"""Seconds before each further attempt to submit a job, where the last one was not answered."""
_UNREACHABLE_ATTEMPTS = 3
"""Attempts after the first that are made at a host that has never answered."""


def deliver(sink: Sink, batch: Batch, context: DeliveryContext) -> Outcome:
    """Write the batch. What became of each row is in the outcome, or is decided by the jobs in `Outcome.open`.

    Raises:
        KlaviyoError: nothing more can be written to this stream, or to Klaviyo at all.
    """
    if not isinstance(batch.group.route, BulkRoute):
        assert isinstance(sink, RecordSink)  # noqa: S101 - the base class of such routes
        return _write_each(sink, batch, context)
    assert isinstance(sink, BulkSink)  # noqa: S101 - the base class of bulk routes
    outcome = sink.preflight(batch, context)
    _Submission(sink, batch, context, outcome).run()
    batch.payloads.clear()
    return outcome


def _write_each(sink: RecordSink, batch: Batch, context: DeliveryContext) -> Outcome:
    outcome = Outcome()
    rows = list(zip(batch.keys, batch.payloads, strict=True))
    for key, payload in rows:
        try:
            if not sink.write(Row(key, batch.group, payload), context):
                outcome.unchanged.add(key)
        except Rejected as rejected:
            outcome.rejected[key] = rejected.reason
        except Unsettled as fault:
            outcome.unsettled[key] = str(fault)
    if outcome.rejected and sink.refusals_last:
        context.ledger.refuse(sink.stream, batch.group, [row for row in rows if row[0] in outcome.rejected])
    if isinstance(sink, BulkSink):
        # Or else a bulk request before it would be taken for the last that was sent for a key.
        outcome.entries.append(context.ledger.sent(sink.stream, batch.group, batch.keys, batch.payloads))
    return outcome


class _Submission:
    """Sends a batch of a bulk route, in parts where Klaviyo refuses the whole, until it has all good rows."""

    def __init__(self, sink: BulkSink, batch: Batch, context: DeliveryContext, outcome: Outcome) -> None:
        self._sink = sink
        self._batch = batch
        self._context = context
        self._outcome = outcome
        self._route = bulk_route(batch.group)
        self._rows = (
            [row for row, key in enumerate(batch.keys) if not outcome.decided(key)]
            if outcome.rejected or outcome.unchanged or outcome.unsettled
            else list(range(len(batch.keys)))
        )

    def run(self) -> None:
        """Return when every row is accepted or refused.

        Raises:
            Refused: neither a row is at fault nor what the group shares: no such request is ever accepted.
        """
        group = self._batch.group
        bisection = Bisection(len(self._rows), lambda pointer: self._sink.position(group, pointer))
        while self._rows and (part := bisection.next_part()) is not None:
            rows = [self._rows[number] for number in part]
            try:
                self._send(rows)
            except Refused as refusal:
                if self._is_the_groups(refusal):
                    # All rows of the batch share what is at fault, so all that are left are refused for it.
                    left = [part, *iter(bisection.next_part, None)]
                    problem = _first(self._outside_the_rows(refusal) or refusal.problems, refusal)
                    self._reject({self._rows[number]: problem for each in left if each for number in each})
                    return
                if refusal.status not in RECORD_AT_FAULT:
                    raise
                blamed = bisection.refused(refusal.problems)
                if blamed is None:
                    raise
                self._reject({self._rows[row]: problem or _first((), refusal) for row, problem in blamed.items()})
                self._remember([self._rows[row] for row in blamed])
            else:
                bisection.accepted()

    def _send(self, rows: list[int]) -> None:
        batch, ledger = self._batch, self._context.ledger
        keys, payloads = [batch.keys[row] for row in rows], [batch.payloads[row] for row in rows]
        sent = (self._sink.stream, batch.group, keys, payloads)
        if self._route.status is None:
            try:
                self._call(payloads, repeatable=self._route.repeatable)
            except Retriable as fault:
                if self._route.repeatable:
                    raise
                self._outcome.unsettled.update(dict.fromkeys(keys, f"it may have been done: {fault}"))
            else:
                self._outcome.entries.append(ledger.sent(*sent))
            return
        entry = ledger.intend(*sent)
        try:
            job_id = self._submit(payloads)
        except Refused:
            ledger.drop([entry])
            raise
        except Unsettled as fault:
            self._outcome.unsettled.update(dict.fromkeys(keys, str(fault)))
            return
        ledger.accepted(entry, job_id)
        self._outcome.entries.append(entry)
        self._outcome.jobs += 1
        self._outcome.open.append(OpenJob(job_id, batch.group, keys, self._context.clock()))

    def _submit(self, payloads: list[bytes]) -> str:
        """The id of the job that Klaviyo made of the rows.

        A submission that is not answered is repeated: importing the same values twice has the effect of importing
        them once. But Klaviyo may have made a job of it nevertheless, and that has to end first.

        Raises:
            Unsettled: it does not end.
        """
        if self._route.listing is None:
            return _job_id(self._call(payloads))
        since, count = self._context.now(), len(payloads)
        for attempt, pause in enumerate((*_RESUBMIT_DELAYS, None)):
            try:
                job_id = _job_id(self._call(payloads, repeatable=False))
            except Retriable as fault:
                gives_up = isinstance(fault, Unreachable) and attempt == _UNREACHABLE_ATTEMPTS
                if pause is None or fault.throttled or gives_up:
                    raise
                _log.warning("%s; try %d, again in %.1f s", fault, attempt + 1, pause)
                self._context.sleep(max(pause, fault.retry_after or 0.0))
                if not isinstance(fault, Unreachable):
                    self._await_orphaned_jobs(count, since, fault)
            else:
                if attempt:  # an orphan may have shown up only now
                    await_orphaned_jobs(self._route, count, since, self._context, but=job_id)
                return job_id
        raise AssertionError

    def _await_orphaned_jobs(self, count: int, since: datetime, fault: Retriable) -> None:
        try:
            await_orphaned_jobs(self._route, count, since, self._context)
        except Retriable:
            raise fault from None  # the listing is not answered either: the message names the submission

    def _call(self, payloads: list[bytes], *, repeatable: bool = True) -> Json:
        group = self._batch.group
        body, path = self._sink.body(group, payloads), self._sink.path(group)
        return self._context.client.call(self._route.operation, path=path, body=body, repeatable=repeatable)

    def _is_the_groups(self, refusal: Refused) -> bool:
        """Whether what the group shares is at fault."""
        if not self._batch.group.shared:
            return False
        not_there = isinstance(refusal, NotFound) and not self._route.finds_rows
        # Nor is a row at fault where Klaviyo refuses by a status that speaks of none, such as 405 of a path.
        unexpected = refusal.status not in RECORD_AT_FAULT and not isinstance(refusal, NotFound)
        return not_there or unexpected or bool(self._outside_the_rows(refusal))

    def _outside_the_rows(self, refusal: Refused) -> list[Problem]:
        """The problems whose pointers lead neither to a row nor to something that all rows are in."""
        rows = self._sink.rows_pointer(self._batch.group)
        return [
            problem
            for problem in refusal.problems
            if (pointer := problem.pointer)
            and pointer.startswith("/")
            and not f"{rows}/".startswith(f"{pointer.rstrip('/')}/")
            and self._sink.position(self._batch.group, pointer) is None
        ]

    def _reject(self, problems: Mapping[int, Problem]) -> None:
        for row, problem in problems.items():
            key = self._batch.keys[row]
            if self._sink.already_held(problem):
                self._outcome.unchanged.add(key)
            else:
                detail = problem.detail or problem.title
                sent = self._batch.payloads[row]
                self._outcome.rejected[key] = klaviyos_reason(problem.code, detail, problem.pointer, sent=sent)
        for example in list(problems.values())[:1]:
            said = redact(example.detail or example.title)
            _log.warning("Klaviyo refuses %d of the %s in a request: %s", len(problems), self._sink.stream, said)

    def _remember(self, blamed: Iterable[int]) -> None:
        """Keep which rows were refused for what they say, not for what their group shares."""
        if self._sink.refusals_last:
            rows = ((self._batch.keys[row], self._batch.payloads[row]) for row in blamed)
            refused = [row for row in rows if row[0] in self._outcome.rejected]
            self._context.ledger.refuse(self._sink.stream, self._batch.group, refused)


def _first(problems: Sequence[Problem], refusal: Refused) -> Problem:
    return problems[0] if problems else Problem("refused", "", str(refusal))


def _job_id(document: Json) -> str:
    job = next(iter(jsonapi.resources(document)), None)
    job_id = job.get("id") if isinstance(job, dict) else None
    if not isinstance(job_id, str):
        msg = "Klaviyo accepted a job and did not say which"
        raise Retriable(msg)
    return job_id
