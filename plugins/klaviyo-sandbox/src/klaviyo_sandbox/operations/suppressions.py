"""Bulk suppressions and their lifting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from klaviyo_sandbox.model.errors import Problem, Refusal, problem, refuse, refuse_unknown
from klaviyo_sandbox.model.records import Group, GroupKind, SuppressionJob
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.protocol import bodies
from klaviyo_sandbox.protocol.consent_bodies import MOST_SUPPRESSED, Addressee, Suppress, Unsuppress
from klaviyo_sandbox.state.pages import listing_of

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Answer, Call
    from klaviyo_sandbox.state.suppression_jobs import Kind

_ROWS = "/data/attributes/profiles/data"
_JOBS = listing_of(SuppressionJob, where="kind = ?", sorts={"created": "created_at"})
_STATUSES = {"queued", "processing", "complete", "cancelled"}
_WORDS = {"create": "suppression", "delete": "unsuppression"}


@operation
def bulk_suppress_profiles(call: Call) -> Answer:
    """Accept a job that suppresses."""
    return _submit(call, "create", call.read(Suppress))


@operation
def bulk_unsuppress_profiles(call: Call) -> Answer:
    """Accept a job that lifts manual suppressions."""
    return _submit(call, "delete", call.read(Unsuppress))


@operation
def get_bulk_suppress_profiles_jobs(call: Call) -> Answer:
    """A page of jobs that suppress."""
    return _listing(call, "create")


@operation
def get_bulk_unsuppress_profiles_jobs(call: Call) -> Answer:
    """A page of jobs that lift suppressions."""
    return _listing(call, "delete")


@operation
def get_bulk_suppress_profiles_job(call: Call) -> Answer:
    """One job that suppresses."""
    return _one(call, "create")


@operation
def get_bulk_unsuppress_profiles_job(call: Call) -> Answer:
    """One job that lifts suppressions."""
    return _one(call, "delete")


def _submit(call: Call, kind: Kind, data: Suppress | Unsuppress) -> Answer:
    sent, of_list, of_segment = (
        data.attributes.profiles,
        data.relationships.list.data,
        data.relationships.segment.data,
    )
    if sum((sent is not None, of_list is not UNSET, of_segment is not UNSET)) != 1:
        refuse("Either e-mail addresses, or one list, or one segment must be provided.", pointer="/data")
    whom: Sequence[str] | Group
    if sent is not None:
        whom = _addresses(sent.data)
        call.took(len(whom))
    elif of_list is not UNSET:
        whom = _group(call, of_list.id, GroupKind.LIST)
    else:
        assert of_segment is not UNSET  # noqa: S101 - one of the three is given
        whom = _group(call, of_segment.id, GroupKind.SEGMENT)
    job = call.account.suppressions.submit(kind, whom, call.account.clock.now())
    return call.one(call.resources.suppression_job(job, _names(call, kind)), status=202)


def _addresses(sent: Sequence[msgspec.Raw]) -> list[str]:
    if not 1 <= len(sent) <= MOST_SUPPRESSED:
        refuse(f"Between 1 and {MOST_SUPPRESSED} profiles are allowed per request.", pointer=_ROWS)
    addresses: list[str] = []
    problems: list[Problem] = []
    for position, raw in enumerate(sent):
        row = bodies.read_row(raw, Addressee, f"{_ROWS}/{position}")
        if isinstance(row, Problem):
            problems.append(row)
        elif not bodies.is_email(row.attributes.email):
            problems.append(problem("Invalid email address", pointer=f"{_ROWS}/{position}/attributes/email"))
        else:
            addresses.append(row.attributes.email)
    if problems:
        raise Refusal(400, problems)
    return addresses


def _group(call: Call, group_id: str, kind: GroupKind) -> Group:
    group = call.store.group(group_id, kind)
    if group is None:
        refuse_unknown(f"A {kind.value} with id `{group_id}` does not exist.")
    return group


def _listing(call: Call, kind: Kind) -> Answer:
    for value in call.query.values_of("status") or ():
        if value not in _STATUSES:
            refuse(f"'{value}' is not a valid status.", parameter="filter")
    page = _JOBS.page(call.store, call.query, [kind])
    jobs = _JOBS.records(page)
    return call.many([call.resources.suppression_job(each, _names(call, kind)) for each in jobs], page=page)


def _one(call: Call, kind: Kind) -> Answer:
    job_id = call.path["job_id"]
    job = call.store.first(SuppressionJob, "id = ? and kind = ?", [job_id, kind])
    if job is None:
        refuse_unknown(f"A bulk profile {_WORDS[kind]} job with the id '{job_id}' does not exist.")
    return call.one(call.resources.suppression_job(job, _names(call, kind)))


def _names(call: Call, kind: Kind) -> frozenset[str] | None:
    return call.fields(f"profile-suppression-bulk-{kind}-job")
