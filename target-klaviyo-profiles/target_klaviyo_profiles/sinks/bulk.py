"""Writing many rows a request: fill, mend what is refused, and leave jobs to be followed."""

from __future__ import annotations

import logging
import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from typing_extensions import override

from klaviyo_wire import bulk, jsonapi
from klaviyo_wire.errors import NotFound, Problem, Refused, Retriable, Unreachable
from klaviyo_wire.redaction import redact
from target_klaviyo_profiles.mending import Mending
from target_klaviyo_profiles.sinks.base import (
    Batch,
    Group,
    Line,
    OpenJob,
    Outcome,
    Reason,
    Route,
    Sink,
    Unsettled,
)
from target_klaviyo_profiles.sinks.ghosts import await_ghosts

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

_ROWS_AT_FAULT = frozenset({400, 404, 409, 413, 422})
_AGAIN = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 32.0, 32.0)
"""Seconds before a job is submitted again whose submission was not answered."""
_FIRST_CONTACT = 3
"""Of them, how many are waited for a host that has never answered."""


@dataclass(frozen=True, eq=False)
class Bulk(Route):
    """A route of many rows a request.

    Attributes:
        status: Operation that says how a job is getting on (path parameter `job_id`); None where a request is
            taken (202, 204) and no more is ever known.
        errors: Operation that lists the rows a job refused; None where there is no such list.
        listing: Operation that lists jobs, by which one is found whose answer was lost; None where there is none,
            or where sending again does no harm however late the first one is worked.
        finds_rows: Whether the request looks for what its rows name, so that 404 may be about one of them;
            otherwise it is about what the group shares.
        repeatable: False where the same request does something else the second time: it leaves once, and when its
            answer is lost its rows are unsettled.
    """

    status: str | None = None
    errors: str | None = None
    listing: str | None = None
    finds_rows: bool = False
    repeatable: bool = True

    @override
    def operations(self) -> tuple[str, ...]:
        return tuple(each for each in (self.operation, self.status, self.errors, self.listing) if each)


class BulkSink(Sink):
    """A sink whose routes are `Bulk`."""

    @abstractmethod
    def envelope(self, group: Group) -> Json:
        """The request of a group, with `ROWS` in place of the array of rows, and nothing of a record's before it.

        The place of `ROWS` is also how pointers of refusals are read: `<pointer of ROWS>/<number of the row>`.
        """

    def path(self, group: Group) -> Mapping[str, str]:  # noqa: ARG002 - for sinks to override
        """The path parameters of a group's request."""
        return {}

    def keys_of(self, sent: Mapping[str, object]) -> list[Key]:  # noqa: ARG002 - for sinks to override
        """The keys that a row may have been known by, from the `original_payload` of a job's error."""
        return []

    def screened(self, batch: Batch, line: Line) -> Outcome:  # noqa: ARG002 - for sinks to override
        """Rows that must not be sent as things stand in Klaviyo: `rejected`, `unchanged` or `unsettled`.

        Called before the batch is sent, on the delivery's thread; may ask Klaviyo (operations in `reads`).
        """
        return Outcome()

    def had_already(self, problem: Problem) -> bool:  # noqa: ARG002 - for sinks to override
        """Whether a refused row is refused because Klaviyo holds it, so that it counts as unchanged."""
        return False

    @override
    def envelope_size(self, group: Group) -> int:
        return _around(self, group).size

    @override
    def deliver(self, batch: Batch, line: Line) -> Outcome:
        outcome = self.screened(batch, line)
        _Submission(self, batch, line, outcome).run()
        batch.payloads.clear()
        return outcome

    def body(self, group: Group, payloads: Sequence[bytes]) -> bytes:
        """A request, encoded."""
        around = _around(self, group)
        return around.before + b",".join(payloads) + around.after

    def position(self, group: Group, pointer: str | None) -> int | None:
        """The row of a request that a JSON pointer names, counted from 0; None when it names none."""
        match = _around(self, group).row.match(pointer or "")
        return int(match[1]) if match else None


def route_of(group: Group) -> Bulk:
    """The group's route, which is one of many rows a request."""
    assert isinstance(group.route, Bulk)  # noqa: S101 - a sink's batches are of its routes
    return group.route


def reason_for(
    code: str, detail: str, pointer: str | None, *, job: str | None = None, sent: object = None
) -> Reason:
    """Why Klaviyo refused a row, with what can be done about it."""
    return Reason(code, detail, REMEDIES.get(code, _REMEDY), pointer, job, sent)


class _Submission:
    """Sends a batch, in parts where Klaviyo refuses the whole, until it has taken every good row."""

    def __init__(self, sink: BulkSink, batch: Batch, line: Line, outcome: Outcome) -> None:
        self._sink = sink
        self._batch = batch
        self._line = line
        self._outcome = outcome
        self._route = route_of(batch.group)
        kept = (outcome.rejected, outcome.unchanged, outcome.unsettled)
        self._rows = [row for row, key in enumerate(batch.keys) if not any(key in each for each in kept)]

    def run(self) -> None:
        """Return when every row is taken or refused.

        Raises:
            Refused: no row is to blame, nor what the group shares: no such request is ever taken.
        """
        group = self._batch.group
        mending = Mending(len(self._rows), lambda pointer: self._sink.position(group, pointer))
        while self._rows and (part := mending.part()) is not None:
            rows = [self._rows[number] for number in part]
            try:
                self._send(rows)
            except Refused as refusal:
                if self._is_the_groups(refusal):
                    # The rows are only together because they share the group: each of them has the same fault.
                    left = [part, *iter(mending.part, None)]
                    problem = _first(self._outside(refusal) or refusal.problems, refusal)
                    self._reject({self._rows[number]: problem for each in left if each for number in each})
                    return
                if refusal.status not in _ROWS_AT_FAULT:
                    raise
                blamed = mending.refused(refusal.problems)
                if blamed is None:
                    raise
                self._reject({self._rows[row]: problem or _first((), refusal) for row, problem in blamed.items()})
            else:
                mending.taken()

    def _send(self, rows: list[int]) -> None:
        batch, ledger = self._batch, self._line.ledger
        keys, payloads = [batch.keys[row] for row in rows], [batch.payloads[row] for row in rows]
        sent = (self._sink.stream, batch.group, keys, payloads)
        if self._route.status is None:
            try:
                self._call(payloads, repeatable=self._route.repeatable)
            except Retriable as lost:
                if self._route.repeatable:
                    raise
                self._outcome.unsettled.update(dict.fromkeys(keys, f"it may have been done: {lost}"))
            else:
                self._outcome.entries.append(ledger.sent(*sent))
            return
        entry = ledger.intend(*sent)
        try:
            job_id = self._submit(payloads)
        except Refused:
            ledger.drop([entry])
            raise
        except Unsettled as lost:
            self._outcome.unsettled.update(dict.fromkeys(keys, str(lost)))
            return
        ledger.accepted(entry, job_id)
        self._outcome.entries.append(entry)
        self._outcome.jobs += 1
        self._outcome.open.append(OpenJob(job_id, batch.group, keys, self._line.clock()))

    def _submit(self, payloads: list[bytes]) -> str:
        """The id of the job that Klaviyo made of the rows.

        Where the answer is lost, submitting is repeated: importing the same values twice leaves what importing
        them once leaves. But Klaviyo may have made a job all the same: first that must have ended.

        Raises:
            Unsettled: it does not end.
        """
        if self._route.listing is None:
            return _job_id(self._call(payloads))
        since, count = self._line.now(), len(payloads)
        for tried, pause in enumerate((*_AGAIN, None)):
            try:
                job_id = _job_id(self._call(payloads, repeatable=False))
            except Retriable as lost:
                if pause is None or lost.throttled or (isinstance(lost, Unreachable) and tried == _FIRST_CONTACT):
                    raise
                _log.warning("%s; try %d, again in %.1f s", lost, tried + 1, pause)
                self._line.sleep(max(pause, lost.retry_after or 0.0))
                if not isinstance(lost, Unreachable):
                    self._await_ghosts(count, since, lost)
            else:
                if tried:  # one may have shown up late
                    await_ghosts(self._route, count, since, self._line, but=job_id)
                return job_id
        raise AssertionError

    def _await_ghosts(self, count: int, since: datetime, lost: Retriable) -> None:
        try:
            await_ghosts(self._route, count, since, self._line)
        except Retriable:
            raise lost from None  # nothing is answered: say what was wanted

    def _call(self, payloads: list[bytes], *, repeatable: bool = True) -> Json:
        group = self._batch.group
        body, path = self._sink.body(group, payloads), self._sink.path(group)
        return self._line.client.call(self._route.operation, path=path, body=body, repeatable=repeatable)

    def _is_the_groups(self, refusal: Refused) -> bool:
        if not self._batch.group.shared:
            return False
        not_there = isinstance(refusal, NotFound) and not self._route.finds_rows
        return not_there or bool(self._outside(refusal))

    def _outside(self, refusal: Refused) -> list[Problem]:
        """The problems that are neither a row's nor the whole request's."""
        rows = _around(self._sink, self._batch.group).pointer
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
            if self._sink.had_already(problem):
                self._outcome.unchanged.add(key)
            else:
                detail = problem.detail or problem.title
                sent = self._batch.payloads[row]
                self._outcome.rejected[key] = reason_for(problem.code, detail, problem.pointer, sent=sent)
        for example in list(problems.values())[:1]:
            said = redact(example.detail or example.title)
            _log.warning("Klaviyo refuses %d of the %s in a request: %s", len(problems), self._sink.stream, said)


def _first(problems: Sequence[Problem], refusal: Refused) -> Problem:
    return problems[0] if problems else Problem("refused", "", str(refusal))


def _job_id(document: Json) -> str:
    job_id = next(iter(jsonapi.resources(document)), {}).get("id")
    if not isinstance(job_id, str):
        msg = "Klaviyo accepted a job and did not say which"
        raise Retriable(msg)
    return job_id


@dataclass(frozen=True)
class _Around:
    """A group's request without its rows: the bytes before and after them, and how they are pointed to."""

    before: bytes
    after: bytes
    pointer: str
    row: re.Pattern[str]
    size: int


@lru_cache(maxsize=1024)
def _around(sink: BulkSink, group: Group) -> _Around:
    envelope = sink.envelope(group)
    before, _, after = bulk.encode(envelope).partition(bulk.encode(ROWS))
    pointer = next(_pointers(envelope, ""))
    # Klaviyo did not document the pointer of a refused row: the index is read with or without the last `data`.
    row = re.compile(rf"^{re.escape(pointer.removesuffix('/data'))}(?:/data)?/(\d+)(?:/|$)")
    return _Around(before + b"[", b"]" + after, pointer, row, len(before) + len(after) + 2)


def _pointers(node: object, at: str) -> Iterator[str]:
    if node == ROWS:
        yield at
    elif isinstance(node, dict):
        for name, inner in node.items():
            yield from _pointers(inner, f"{at}/{name}")
