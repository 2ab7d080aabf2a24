"""Compares the warehouse with Klaviyo, metric by metric and day by day, and reads again the days that differ."""

from __future__ import annotations

import argparse
import csv
import os
import re
import sys
from datetime import date
from pathlib import Path

import duckdb
from home import keep_private
from pipeline import Run, holding, one_line_errors, progress, run_job
from project import JobFailed, home_of, lacks_warehouse, read_dotenv

PLUGIN = "tap-klaviyo-reconcile"
_COUNTS = """
    select metric_id, cast(datetime as date), count(*)
    from klaviyo_raw.events
    where metric_id is not null
    group by all
    order by all
"""
_ROW = re.compile(r" {2,}difference$| {2,}[+-][\d,]+$")
_TOLD = re.compile(r"metrics and days differ|still differs|does not count|not compared")


def export(warehouse: Path, to: Path) -> None:
    """Write how many events the warehouse holds of each metric and day (UTC).

    Raises:
        JobFailed: it holds none yet, or cannot be opened.
    """
    if lacks_warehouse(warehouse):
        msg = f"there is no warehouse {warehouse}: run the pipeline first"
        raise JobFailed(msg)
    try:
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            rows = connection.sql(_COUNTS).fetchall()
    except duckdb.Error as error:
        msg = f"cannot count the events of {warehouse}: {str(error).splitlines()[0]}"
        raise JobFailed(msg) from error
    with to.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["metric_id", "day", "events"])
        writer.writerows(rows)


def reconcile(  # noqa: PLR0913
    home: Path,
    environment: str,
    log: Path,
    *,
    first: date | None = None,
    last: date | None = None,
    extra: dict[str, str] | None = None,
) -> Run:
    """Compare, and read again what differs.

    Args:
        home: What the environment of meltano.yml calls KLAVIYO_LOOP_HOME.
        environment: Of meltano.yml.
        log: Meltano's output is appended here.
        first: First day compared; by default what the tap says.
        last: Last day compared.
        extra: Environment variables on top of this process's own.

    Raises:
        JobFailed: as one line.
    """
    days = {"RECONCILE_FROM": first, "RECONCILE_TO": last}
    variables = {f"TAP_KLAVIYO_RECONCILE_{name}": day.isoformat() for name, day in days.items() if day}
    with holding("reconcile", environment, extra):
        export(home / "klaviyo.duckdb", home / "counts.csv")  # where the plugin's definition looks for it
        return run_job("reconcile", environment, log, tell=progress, extra=variables | (extra or {}))


def said(run: Run) -> list[str]:
    """What a person wants to know of a run: the days that differed, and what to make of them."""
    lines = [line.rstrip() for line in run.said.get(PLUGIN, ())]
    return [line for line in lines if _ROW.search(line) or _TOLD.search(line)]


def main() -> None:
    """Command line: an environment of meltano.yml, and the days."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", default="dev", help="an environment of meltano.yml")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, help="first day, UTC")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, help="last day, UTC")
    arguments = parser.parse_args()
    keep_private()
    read_dotenv()
    with one_line_errors():
        home = home_of(arguments.environment, os.environ)
    with one_line_errors(home / "log.jsonl"):
        run = reconcile(
            home, arguments.environment, home / "log.jsonl", first=arguments.first, last=arguments.last
        )
    sys.stdout.write("\n".join(["", *said(run), ""]))


if __name__ == "__main__":
    main()
