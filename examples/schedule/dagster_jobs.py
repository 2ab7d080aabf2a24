"""The pipeline under Dagster: a job for each schedule of meltano.yml; `dagster dev -f dagster_jobs.py` shows them.

Dagster's machine needs the checkout, set up by `make setup`, and its `.env`. A run that waits for another one says
so in its log; a run that failed is repeated once, and goes on where it stopped.
"""

import os
import subprocess

from dagster import (
    DefaultScheduleStatus,
    Definitions,
    Failure,
    JobDefinition,
    OpExecutionContext,
    RetryPolicy,
    ScheduleDefinition,
    job,
    op,
)

CHECKOUT = os.environ.get("KLAVIYO_LOOP_CHECKOUT", "/srv/klaviyo-loop")
ENVIRONMENT = os.environ.get("KLAVIYO_LOOP_ENVIRONMENT", "prod")
SCHEDULES = {
    "hourly-changes": ("changes", "40 * * * *"),
    "nightly-pipeline": ("pipeline", "10 3 * * *"),
    "weekly-sweep": ("sweep", "50 4 * * 0"),
    # and, where `forwarding/` has files, "hourly-forwarding": ("forwarding", "20 * * * *")
    # and, where a receiver runs (`make inbox`), "pushed": ("pushed", "* * * * *")
}
"""As in meltano.yml: the job, and when. PostgreSQL has its own there, `postgres-…`."""


def run(name: str, log: OpExecutionContext) -> None:
    """Run a job of meltano.yml; what it says is in Dagster's log."""
    command = ["make", "-s", "pipeline", f"ENVIRONMENT={ENVIRONMENT}", f"JOB={name}"]
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            log.log.info(line.rstrip())
    if process.returncode:
        message = f"{name} failed: see the lines above"
        raise Failure(message)


def job_of(name: str) -> JobDefinition:
    """A job of Dagster that runs one of meltano.yml."""

    @op(name=f"run_{name}", retry_policy=RetryPolicy(max_retries=1, delay=300))
    def run_it(context: OpExecutionContext) -> None:
        run(name, context)

    @job(name=f"klaviyo_loop_{name}")
    def whole() -> None:
        run_it()

    return whole


JOBS = {name: job_of(name) for name, _ in SCHEDULES.values()}
defs = Definitions(
    jobs=list(JOBS.values()),
    schedules=[
        ScheduleDefinition(
            name=name.replace("-", "_"),
            job=JOBS[of],
            cron_schedule=interval,
            default_status=DefaultScheduleStatus.RUNNING,
        )
        for name, (of, interval) in SCHEDULES.items()
    ],
)
