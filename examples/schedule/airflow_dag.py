"""The pipeline under Airflow 3: a DAG for each schedule of meltano.yml, to be copied into the folder of DAGs.

The workers need the checkout, set up by `make setup`, and its `.env`. A run that waits for another one says so in
its log; a run that failed is repeated once, and goes on where it stopped.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

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

for name, (job, interval) in SCHEDULES.items():
    with DAG(
        dag_id=f"klaviyo_loop_{name}",
        schedule=interval,
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),  # noqa: UP017 - for an older Python
        catchup=False,  # a run reads all since the last one, so that one is enough after a pause
        max_active_runs=1,
        tags=["klaviyo-loop"],
    ) as dag:
        BashOperator(
            task_id=job,
            bash_command=f"make -s pipeline ENVIRONMENT={ENVIRONMENT} JOB={job}",
            cwd=CHECKOUT,
            append_env=True,
            retries=1,
            retry_delay=timedelta(minutes=5),
        )
    globals()[dag.dag_id] = dag  # where Airflow looks for it
