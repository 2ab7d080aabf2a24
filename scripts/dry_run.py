"""Runs a job on a copy of an environment's home, with a target that writes nothing; says what it would have done.

Meltano runs in a copy of the project whose home lies inside the real one and is removed at the end: so warehouse,
ledger, Meltano's state and Klaviyo stay as they were, and the log alone grows.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from copy import deepcopy
from pathlib import Path

import duckdb
import yaml
from pipeline import command_line, holding, one_line_errors, progress, run_job, tell_warnings, tell_written
from preflight import ON_A_SERVER
from project import (
    INBOX_TAP,
    ROOT,
    TARGET,
    WAREHOUSE,
    NotStarted,
    environment_of,
    home_of,
    included,
    lacks_warehouse,
    meltano_database,
    meltano_yml,
    origin,
    plugins_of,
    warehouse_of,
)

KEPT = (
    WAREHOUSE,
    f"{WAREHOUSE}.wal",
    "ledger.sqlite",
    "ledger.sqlite-wal",
    "ledger.sqlite-shm",
    "deletions.jsonl",
)
"""The files of a home that a run goes on with."""
EXPORT = "exposure-export"
"""The plugin that writes files."""
PREFIX = "dry-run-of-"
"""How the folders of copies begin."""
REJECTS = "dry-run-rejects.jsonl"
"""What a dry run leaves beside its lines in the log, if it would refuse records."""
_SQLITE = re.compile(r"sqlite:///(?P<path>[^?]+)")
_ASSIGNED = """
    select experiment_key, experiment_version, slot_key, arm_key, count(*)
    from marts.fct_assignments
    group by all
    order by all
"""

Assigned = dict[tuple[str, int, str, str], int]
"""How many rows the ledger of assignments has, by experiment, version, slot and arm."""


@contextmanager
def copied(job: str, environment: str) -> Iterator[Path]:
    """A copy of this Meltano project, whose environment has a copy of the home, which is held; removed at the end.

    Raises:
        NotStarted: warehouse or state lie where they cannot be copied from, or what the job reads or writes does.
    """
    _refuse(job)
    home = home_of(environment, os.environ)
    database = _database(environment)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in home.glob(f"{PREFIX}*"):  # by a dry run that was killed
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
    root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home)).resolve()
    try:
        (root / "home").mkdir()
        for name in KEPT:
            if (home / name).exists():
                shutil.copy2(home / name, root / "home" / name)
        for name in ("scripts", "transform", "experiments", "forwarding", "demo", "constraints.txt", ".env"):
            if (ROOT / name).exists():
                (root / name).symlink_to((ROOT / name).resolve())
        for file in included():  # Meltano takes none that lies elsewhere
            copy = root / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, copy)
        (root / "meltano.yml").write_text(yaml.safe_dump(_definition(job, environment, root), sort_keys=False))
        if database.exists():
            with (
                closing(sqlite3.connect(database)) as source,
                closing(sqlite3.connect(root / "meltano.db")) as copy_of_it,
            ):
                source.backup(copy_of_it)
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _refuse(job: str) -> None:
    if INBOX_TAP in map(origin, plugins_of(job)):
        msg = (
            f"the job {job!r} reads the receiver, which goes on receiving and is not copied for a dry run: what "
            "was read of it before is answered on a copy by `make pipeline JOB=answer DRY=1`"
        )
        raise NotStarted(msg)
    if EXPORT in plugins_of(job):
        msg = (
            f"the job {job!r} writes files, and nothing to Klaviyo: for a trial, name a folder of its own by "
            "EXPOSURE_EXPORT_DESTINATION and run it"
        )
        raise NotStarted(msg)


def _database(environment: str) -> Path:
    if warehouse_of(environment, os.environ) != "duckdb":
        msg = (
            f"the environment {environment!r} has its warehouse on a server, which is not copied for a dry run: "
            f"{ON_A_SERVER}"
        )
        raise NotStarted(msg)
    given = os.environ.get("MELTANO_STATE_BACKEND_URI") or meltano_yml().get("state_backend", {}).get("uri")
    given = given if given not in (None, "systemdb") else ""
    match = _SQLITE.match(meltano_database(os.environ))
    if given or not match:
        msg = "Meltano's state lies on a server, which is not copied for a dry run: it needs the state in SQLite"
        raise NotStarted(msg)
    return Path(match["path"])


def _definition(job: str, environment: str, root: Path) -> dict[str, object]:
    """This meltano.yml, with another home, and the job ended where it has written."""
    project = deepcopy(meltano_yml())
    for each in project["environments"]:
        if each["name"] == environment:
            each["env"]["KLAVIYO_LOOP_HOME"] = str(root / "home")
    for each in project["jobs"]:
        writing = [i for i, task in enumerate(each["tasks"]) if TARGET in map(origin, task.split())]
        if each["name"] == job and writing:
            each["tasks"] = each["tasks"][: writing[-1] + 1]
    return project


def assigned(warehouse: Path) -> Assigned:
    """The ledger of assignments, counted; nothing where there is none yet."""
    if lacks_warehouse(warehouse):
        return {}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        try:
            rows = connection.execute(_ASSIGNED).fetchall()
        except duckdb.CatalogException:
            return {}
    return {(experiment, version, slot, arm): count for experiment, version, slot, arm, count in rows}


def would_assign(before: Assigned, after: Assigned) -> list[str]:
    """A line for each slot of which people would be assigned."""
    arms: dict[str, list[str]] = {}
    for (experiment, version, slot, arm), count in after.items():
        if new := count - before.get((experiment, version, slot, arm), 0):
            arms.setdefault(f"{experiment} v{version} {slot}", []).append(f"{arm} {new:,}")
    return [f"would assign {slot}: {', '.join(told)}" for slot, told in arms.items()]


def main() -> None:
    """Command line: a job and an environment of meltano.yml."""
    job, environment, log = command_line(__doc__)
    with one_line_errors(log):
        environment_of(environment)
        with holding(f"a dry run of {job}", environment), copied(job, environment) as root:
            warehouse = root / "home" / WAREHOUSE
            before = assigned(warehouse)
            prefix = TARGET.replace("-", "_").upper()
            extra = {
                "MELTANO_DATABASE_URI": f"sqlite:///{root}/meltano.db",
                f"{prefix}_DRY_RUN": "true",
                f"{prefix}_REJECTS_PATH": str(log.with_name(REJECTS)),
            }
            run = run_job(job, environment, log, tell=progress, extra=extra, root=root)
            lines = would_assign(before, assigned(warehouse))
    tell_warnings(run.warnings)
    for line in lines or ["would assign nobody"]:
        print(line)
    tell_written(run)
    sys.stdout.write("nothing was written: warehouse, ledger, state and Klaviyo are as they were\n")


if __name__ == "__main__":
    main()
