"""Bulk imports of profiles: what was written, and what Klaviyo refused of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from singer_sdk import typing as th
from typing_extensions import override

from tap_klaviyo_engagement.stream_kinds.composed_stream import (
    LinkedStream,
    NestedStream,
    may_be_since,
    understood,
)
from tap_klaviyo_engagement.stream_kinds.listed_stream import (
    OPEN,
    Json,
    Record,
    StreamSlice,
    earlier,
    resources,
)

LIFE = timedelta(days=7)
"""How long after its creation Klaviyo works on a job and keeps its errors: `expires_at` (recorded)."""


class ProfileImportJobs(LinkedStream):
    """Bulk imports. Klaviyo lists them whole; those that are done with are emitted once."""

    name = "profile_import_jobs"
    rhythm = "account"
    operation = "get_bulk_import_profiles_jobs"
    resource = "profile-bulk-import-job"
    links: ClassVar[Mapping[str, str]] = {"list_ids": "lists"}
    primary_keys = ("id",)
    replication_key = "created_at"
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True, description="Job id"),
        th.Property("status", th.StringType, description="queued, processing, complete or cancelled"),
        th.Property("total_count", th.IntegerType, description="Profiles handed over"),
        th.Property(
            "completed_count", th.IntegerType, description="Profiles done with, refused ones not among them"
        ),
        th.Property("failed_count", th.IntegerType, description="Profiles refused: see `profile_import_errors`"),
        th.Property("created_at", th.DateTimeType, description="When the job was handed over"),
        th.Property("started_at", th.DateTimeType, description="When Klaviyo began"),
        th.Property("completed_at", th.DateTimeType, description="When it was done"),
        th.Property("expires_at", th.DateTimeType, description="When its errors are forgotten"),
        th.Property("list_ids", th.ArrayType(th.StringType), description="Lists that the profiles are added to"),
    ).to_dict()

    @override
    def compose(self, stream_slice: StreamSlice) -> Iterator[Record]:
        # A job changes until it expires; one that had expired at the bookmark was emitted as it stays.
        start = earlier(stream_slice.window.start, LIFE) if stream_slice.window.start else None
        rows = super().compose(StreamSlice(stream_slice.listing))
        return (record for record in rows if may_be_since(start, record["created_at"]))


class ProfileImportErrors(NestedStream):
    """Rows that bulk imports refused, with what they held.

    Not selected by default: they hold personal data that may be in no profile, and of which a deletion in Klaviyo
    takes nothing away.
    """

    name = "profile_import_errors"
    rhythm = "refusals"
    about_people = "by anything"
    selected_by_default = False
    operation = "get_errors_for_bulk_import_profiles_job"
    resource = "import-error"
    parent = "get_bulk_import_profiles_jobs"
    owner = "profile import job"
    sources: ClassVar[Mapping[str, tuple[str, ...]]] = {"pointer": ("source", "pointer")}
    primary_keys = ("profile_import_job_id", "id")
    replication_key = "created_at"
    given_columns = ("created_at", "profile_import_job_id")
    schema = th.PropertiesList(
        th.Property("profile_import_job_id", th.StringType, required=True, description="The job it belongs to"),
        th.Property("id", th.StringType, required=True, description="Error id"),
        th.Property("created_at", th.DateTimeType, description="When the job was handed over"),
        th.Property("code", th.StringType, description="Kind of error"),
        th.Property("title", th.StringType, description="The kind in words"),
        th.Property("detail", th.StringType, description="What was wrong"),
        th.Property("pointer", th.StringType, description="JSON pointer to what was wrong"),
        th.Property("original_payload", OPEN, description="The row as it was handed over: personal data"),
    ).to_dict()

    @override
    def compose(self, stream_slice: StreamSlice) -> Iterator[Record]:
        params = {
            "fields[profile-bulk-import-job]": "completed_at,created_at,expires_at,failed_count",
            "page[size]": "100",
            "sort": "created_at",
        }
        for document in self.documents(self.parent, params=params):
            for job in resources(document):
                yield from self.of_owner(self.errors_of(job, stream_slice.window.start))

    def errors_of(self, job: Json, start: datetime | None) -> Iterator[Record]:
        """The errors of a job, if it may have some that were not emitted before `start`."""
        attributes = job["attributes"]
        if understood(job, lambda: self.is_due(attributes, start)):
            columns = {"profile_import_job_id": job["id"], "created_at": attributes.get("created_at")}
            yield from self.rows_of(job["id"], columns)

    def is_due(self, job: Json, start: datetime | None) -> bool:
        """Whether a job has errors that it still tells and that a run before may not have seen.

        A job that is complete gets no more of them, and the bookmark is older than the run that saw them.
        """
        return (
            job.get("failed_count") != 0
            and may_be_since(self.run.now(), job.get("expires_at"))
            and may_be_since(start, job.get("completed_at"))
        )
