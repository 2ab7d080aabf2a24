"""Bulk imports: accepted at once, done later, row by row.

A job is `queued`, then `processing`, and `complete` after `delay` seconds of the sandbox's clock. Nothing about
order is promised, so chance decides it: that of the rows of a job, and that of the jobs that are due together. A
client that sends a profile twice cannot know which values it gets; `stats` counts that.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from msgspec import Raw

from klaviyo_sandbox.model import ids
from klaviyo_sandbox.model.deferred_work import Identifier, OpenRequests
from klaviyo_sandbox.model.records import ImportFailure, ImportJob, Membership, Profile
from klaviyo_sandbox.protocol.bodies import MOST_PROFILES
from klaviyo_sandbox.protocol.resources import IMPORTS_KEPT
from klaviyo_sandbox.state import profile_writes
from klaviyo_sandbox.state.profile_writes import Nulls

if TYPE_CHECKING:
    from klaviyo_sandbox.protocol.bodies import ProfileImport
    from klaviyo_sandbox.state.store import Store

_QUEUED_SHARE = 0.3


class Outcome(StrEnum):
    """How a bulk job ends."""

    COMPLETE = "complete"
    CANCELLED = "cancelled"
    """After half of its rows."""
    STUCK = "stuck"
    """Never: it stays `processing`."""


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A row, decoded and as it was sent."""

    profile: ProfileImport
    sent: Raw


@dataclass(frozen=True, slots=True)
class _Waiting:
    job: ImportJob
    rows: Sequence[ImportRow]
    names: set[Identifier]
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class _Refused:
    code: str
    title: str
    detail: str
    where: str = ""


class Imports:
    """The import jobs of the account."""

    def __init__(self, store: Store, rng: Random, delay: float, order: Random) -> None:
        self.delay = delay
        self.outcomes: list[Outcome] = []
        """How the next jobs end; those after them complete."""
        self.stats: Counter[str] = Counter()
        self._store = store
        self._rng = rng
        self._order = order
        self._waiting: dict[str, _Waiting] = {}
        self._open = OpenRequests()

    def submit(self, rows: Sequence[ImportRow], list_ids: Sequence[str], now: datetime) -> ImportJob:
        """Accept a job for rows that passed every check."""
        words = (f"{ids.COMPANY_ID}_maintenance", *list_ids[:1], str(int(now.timestamp())), ids.short(self._rng))
        job = ImportJob(
            id=base64.urlsafe_b64encode(".".join(words).encode()).decode().rstrip("="),
            status="queued",
            created_at=now,
            total_count=len(rows),
            list_ids=list(list_ids),
        )
        names = self._count_repeats(rows)
        self._open.enter(names)
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome.COMPLETE
        self._store.put(job)
        self._waiting[job.id] = _Waiting(job, rows, names, outcome)
        return job

    def advance(self, now: datetime) -> None:
        """Work the jobs that are due, and forget those that have expired.

        Of large jobs that are due together, each call finishes one, so that no single request waits for all.
        """
        room = MOST_PROFILES
        for waiting in self._shuffled():
            age = (now - waiting.job.created_at).total_seconds()
            if age >= self.delay and waiting.outcome is not Outcome.STUCK:
                room -= len(waiting.rows)
                if room >= 0:
                    del self._waiting[waiting.job.id]
                    self._finish(waiting, now)
            elif age >= self.delay * _QUEUED_SHARE and waiting.job.status == "queued":
                job = msgspec.structs.replace(waiting.job, status="processing", started_at=now)
                self._waiting[job.id] = replace(waiting, job=job)
                self._store.put(job)
        self._store.delete_import_jobs(now - IMPORTS_KEPT)

    def settle(self, now: datetime) -> None:
        """Work all jobs now, whether or not they are due, except for those that are stuck."""
        for waiting in self._shuffled():
            if waiting.outcome is not Outcome.STUCK:
                del self._waiting[waiting.job.id]
                self._finish(waiting, now)

    def _shuffled(self) -> list[_Waiting]:
        waiting = list(self._waiting.values())
        self._order.shuffle(waiting)
        return waiting

    def _finish(self, waiting: _Waiting, now: datetime) -> None:
        job, rows = waiting.job, list(enumerate(waiting.rows))
        self._open.leave(waiting.names)
        self._order.shuffle(rows)
        if waiting.outcome is Outcome.CANCELLED:
            rows = rows[len(rows) // 2 :]
        written: list[str] = []
        failures: list[ImportFailure] = []
        with self._store.transaction():
            for position, row in rows:
                result = self._write(row.profile, now)
                if isinstance(result, Profile):
                    written.append(result.id)
                else:
                    failures.append(self._failure(position, row, result))
            joined = int(now.timestamp())
            self._store.add_members(Membership(group, each, joined) for group in job.list_ids for each in written)
            done = msgspec.structs.replace(
                job,
                status=waiting.outcome.value,
                completed_count=len(written),
                failed_count=len(failures),
                started_at=job.started_at or now,
                completed_at=now,
            )
            self._store.finish_import_job(done, written, failures)

    def _write(self, row: ProfileImport, now: datetime) -> Profile | _Refused:
        reason = profile_writes.unstorable(row.attributes.properties)
        if reason:
            return _Refused("invalid", "Invalid input.", reason, "/attributes/properties")
        owners = profile_writes.owners(self._store, row.attributes)
        if row.id is not None:
            subject = self._store.profile(row.id)
            if subject is None:
                return _Refused("not_found", "Not found.", f"A profile with id {row.id} does not exist.", "/id")
        else:
            subject = owners[0] if owners else profile_writes.new_profile(self._rng, now.timestamp())
        if any(each.id != subject.id for each in owners):
            detail = "The identifiers belong to more than one profile."
            return _Refused("duplicate_profile", "Conflict.", detail, "/attributes")
        after = profile_writes.changed(subject, row.attributes, row.meta, Nulls.IGNORE, int(now.timestamp()))
        if after is not subject:
            self._store.put_profile(after)
        return after

    def _failure(self, position: int, row: ImportRow, refused: _Refused) -> ImportFailure:
        return ImportFailure(
            position=position,
            id=str(UUID(int=self._rng.getrandbits(128), version=4)),
            code=refused.code,
            title=refused.title,
            detail=refused.detail,
            pointer=f"/data/attributes/profiles/data/{position}{refused.where}",
            original_payload=msgspec.json.decode(row.sent),
        )

    def _count_repeats(self, rows: Sequence[ImportRow]) -> set[Identifier]:
        """The identifiers in a job; those repeated in it, or in another open job, are counted."""
        seen: set[Identifier] = set()
        for row in rows:
            names = list(profile_writes.names(row.profile.id, row.profile.attributes))
            self.stats["profiles_repeated_in_a_job"] += not seen.isdisjoint(names)
            self.stats["profiles_in_two_open_jobs"] += self._open.any(names)
            seen.update(names)
        return seen
