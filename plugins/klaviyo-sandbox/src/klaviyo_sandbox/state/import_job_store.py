"""What import jobs wrote and refused, as the store keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from klaviyo_sandbox.model import times
from klaviyo_sandbox.model.records import ImportFailure, ImportJob
from klaviyo_sandbox.state.repository import Repository


class ImportJobStore(Repository):
    """Writes import jobs that are done."""

    schema = """
        create table import_profiles (
            job_id text not null, profile_id text not null, primary key (job_id, profile_id)
        ) without rowid;
        create table import_failures (
            job_id text not null, position integer not null, record blob not null, primary key (job_id, position)
        ) without rowid;
    """

    def finish_import_job(
        self, job: ImportJob, profile_ids: Iterable[str], failures: Iterable[ImportFailure]
    ) -> None:
        """Record what a job wrote and what it refused."""
        with self.transaction():
            self.put(job)
            self.insert("import_profiles", ((job.id, each) for each in profile_ids), clash="ignore")
            refused = ((job.id, each.position, msgspec.json.encode(each)) for each in failures)
            self.insert("import_failures", refused)

    def delete_import_jobs(self, created_before: datetime) -> None:
        """Forget old jobs and their errors."""
        old = "created_at <= ?"
        bound = [times.micros(created_before)]
        if self.first(ImportJob, old, bound):
            with self.transaction():
                for table in ("import_profiles", "import_failures"):
                    jobs = f"select id from import_jobs where {old}"  # noqa: S608
                    self.write(f"delete from {table} where job_id in ({jobs})", [bound])  # noqa: S608
                self.write(f"delete from import_jobs where {old}", [bound])  # noqa: S608
