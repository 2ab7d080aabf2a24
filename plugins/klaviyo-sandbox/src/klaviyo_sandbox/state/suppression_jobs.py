"""Bulk suppressions and their lifting: jobs with a status, done later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from klaviyo_sandbox.model import ids
from klaviyo_sandbox.model.records import Profile, Suppression, SuppressionJob, SuppressionReason
from klaviyo_sandbox.state.consent_events import Change, ConsentEvents
from klaviyo_sandbox.state.import_jobs import Outcome

if TYPE_CHECKING:
    from klaviyo_sandbox.model.deferred_work import DeferredWork
    from klaviyo_sandbox.model.records import Group
    from klaviyo_sandbox.state.store import Store

Kind = Literal["create", "delete"]


class Suppressions:
    """The suppression jobs of the account."""

    def __init__(self, store: Store, rng: Random, deferred_work: DeferredWork, events: ConsentEvents) -> None:
        self.outcomes: list[Outcome] = []
        """How the next jobs end; those after them complete."""
        self._store = store
        self._rng = rng
        self._deferred_work = deferred_work
        self._events = events

    def submit(self, kind: Kind, whom: Sequence[str] | Group, now: datetime) -> SuppressionJob:
        """Accept a job for these e-mail addresses, or for all who are in a list or segment when it is done.

        It says `processing`, with a `completed_at` and with counts of 0 (recorded).
        """
        job = SuppressionJob(
            id=ids.ulid(self._rng, now.timestamp()),
            kind=kind,
            status="processing",
            created_at=now,
            completed_at=now,
        )
        if not isinstance(whom, Sequence):
            job = replace(job, **{f"{whom.kind.value}_id": whom.id})
        self._store.put(job)
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome.COMPLETE
        if outcome is not Outcome.STUCK:
            self._deferred_work.add(now, lambda moment: self._finish(job, whom, outcome, moment))
        return job

    def _finish(self, job: SuppressionJob, whom: Sequence[str] | Group, outcome: Outcome, now: datetime) -> None:
        people = self._people(whom)
        worked = people[len(people) // 2 :] if outcome is Outcome.CANCELLED else people
        change: Callable[[Profile, datetime], bool] = self._suppress if job.kind == "create" else self._unsuppress
        with self._store.transaction():
            done = sum(each is not None and change(each, now) for each in worked)
            self._store.put(
                replace(
                    job,
                    status=outcome.value,
                    total_count=len(people),
                    completed_count=done,
                    skipped_count=len(worked) - done,
                    completed_at=now,
                )
            )

    def _people(self, whom: Sequence[str] | Group) -> Sequence[Profile | None]:
        if isinstance(whom, Sequence):
            return [self._store.profile_by("email", each.strip()) for each in whom]
        return self._store.members_of(whom.id)

    def _suppress(self, profile: Profile, now: datetime) -> bool:
        """Suppress a profile. Answers whether it was not suppressed before."""
        if self._has(profile):
            return False
        self._store.suppress([Suppression(profile.id, SuppressionReason.USER_SUPPRESSED, now)])
        self._events.write(Change.SUPPRESSED, profile, now)
        return True

    def _unsuppress(self, profile: Profile, now: datetime) -> bool:
        """Lift a profile's manual suppression. Answers whether it had one."""
        if not self._store.lift(profile.id, [SuppressionReason.USER_SUPPRESSED]):
            return False
        self._events.write(Change.UNSUPPRESSED, profile, now)
        return True

    def _has(self, profile: Profile) -> bool:
        held = self._store.suppressions([profile.id])
        return any(each.reason is SuppressionReason.USER_SUPPRESSED and each.list_id is None for each in held)
