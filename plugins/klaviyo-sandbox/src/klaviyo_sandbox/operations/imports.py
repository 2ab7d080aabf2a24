"""Bulk imports of profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from klaviyo_sandbox.model.errors import Problem, Refusal, problem, refuse, refuse_unknown
from klaviyo_sandbox.model.records import Group, GroupKind, ImportFailure, ImportJob, Json
from klaviyo_sandbox.operations.profiles import no_identifier, present
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.protocol import bodies
from klaviyo_sandbox.protocol.bodies import MOST_PROFILE_BYTES, MOST_PROFILES, BulkImport, ProfileImport
from klaviyo_sandbox.protocol.resources import identifiers, import_error
from klaviyo_sandbox.state import profile_writes
from klaviyo_sandbox.state.import_jobs import ImportRow
from klaviyo_sandbox.state.pages import Listing, listing_of
from klaviyo_sandbox.state.profile_store import SHOWN_COLUMNS

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Answer, Call

_ROWS = "/data/attributes/profiles/data"
_MOST_PROBLEMS = 100

_JOBS = listing_of(ImportJob)
_PROFILES = Listing(
    source="import_profiles join profiles on profiles.id = import_profiles.profile_id",
    columns=SHOWN_COLUMNS,
    id="import_profiles.profile_id",
    where="import_profiles.job_id = ?",
)
_FAILURES = Listing(
    source="import_failures",
    columns="record",
    # Text, as a page's id must be, of a width that keeps the order.
    id="printf('%05d', position)",
    where="job_id = ?",
)
_STATUSES = {"queued", "processing", "complete", "cancelled"}


@operation
def bulk_import_profiles(call: Call) -> Answer:
    """Accept a job, or refuse all of it for one malformed row."""
    data = call.read(BulkImport)
    sent = data.attributes.profiles.data
    if not 1 <= len(sent) <= MOST_PROFILES:
        refuse(f"Between 1 and {MOST_PROFILES:,} profiles are allowed per request.", pointer=_ROWS)
    rows: list[ImportRow] = []
    problems: list[Problem] = []
    for position, row in enumerate(sent):
        checked = _row(row, f"{_ROWS}/{position}")
        if isinstance(checked, ImportRow):
            rows.append(checked)
        else:
            problems += checked
    if problems:
        raise Refusal(400, problems[:_MOST_PROBLEMS])
    list_ids = [each.id for each in data.relationships.lists.data]
    for list_id in list_ids:
        if call.store.group(list_id, GroupKind.LIST) is None:
            refuse_unknown(f"A list with id `{list_id}` does not exist.")
    now = call.account.clock.now()
    job = call.account.imports.submit(rows, list_ids, now)
    call.took(len(rows))
    return call.one(call.written(now).import_job(job, call.fields("profile-bulk-import-job")), status=202)


@operation
def get_bulk_import_profiles_jobs(call: Call) -> Answer:
    """A page of jobs."""
    for value in call.query.values_of("status") or ():
        if value not in _STATUSES:
            refuse(f"'{value}' is not a valid status.", parameter="filter")
    page = _JOBS.page(call.store, call.query)
    jobs = _JOBS.records(page)
    names = call.fields("profile-bulk-import-job")
    return call.many([call.resources.import_job(each, names) for each in jobs], page=page)


@operation
def get_bulk_import_profiles_job(call: Call) -> Answer:
    """One job."""
    job = _found(call, "job_id")
    included = [call.resources.group(each, call.fields("list")) for each in _lists(call, job)]
    resource = call.resources.import_job(job, call.fields("profile-bulk-import-job"))
    return call.one(resource, included=included if call.query.include else None)


@operation
def get_errors_for_bulk_import_profiles_job(call: Call) -> Answer:
    """A page of the rows that a job refused."""
    page = _FAILURES.page(call.store, call.query, [_found(call).id])
    failures = [msgspec.json.decode(row[0], type=ImportFailure) for row in page.rows]
    return call.many([import_error(each, call.fields("import-error")) for each in failures], page=page)


@operation
def get_profiles_for_bulk_import_profiles_job(call: Call) -> Answer:
    """A page of the profiles that a job wrote."""
    page = _PROFILES.page(call.store, call.query, [_found(call).id])
    return call.many(present(call, page.rows), page=page)


@operation
def get_profile_ids_for_bulk_import_profiles_job(call: Call) -> Answer:
    """A page of the ids of the profiles that a job wrote."""
    page = _PROFILES.page(call.store, call.query, [_found(call).id])
    data: list[Json] = identifiers("profile", (row[0] for row in page.rows))
    return call.many(data, page=page)


@operation
def get_list_for_bulk_import_profiles_job(call: Call) -> Answer:
    """The lists that a job adds its profiles to."""
    groups = _lists(call, _found(call))
    return call.many([call.resources.group(each, call.fields("list")) for each in groups])


def _row(row: msgspec.Raw, at: str) -> ImportRow | list[Problem]:
    if len(row) > MOST_PROFILE_BYTES:
        return [problem("The maximum allowed payload size per profile is 100KB.", pointer=at)]
    profile = bodies.read_row(row, ProfileImport, at)
    if isinstance(profile, Problem):
        return [profile]
    problems = bodies.malformed_identifiers(profile.attributes, f"{at}/attributes")
    if not profile_writes.has_identifier(profile.id, profile.attributes):
        problems += no_identifier(f"{at}/attributes").problems
    return problems or ImportRow(profile, row)


def _found(call: Call, parameter: str = "id") -> ImportJob:
    job = call.store.get(ImportJob, call.path[parameter])
    if job is None:
        refuse_unknown("Invalid job id")
    return job


def _lists(call: Call, job: ImportJob) -> list[Group]:
    groups = [call.store.group(each, GroupKind.LIST) for each in job.list_ids]
    return [each for each in groups if each is not None]
