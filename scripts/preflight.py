"""What can be known to go wrong before a job runs: cheap to look at, so every job is looked at."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from home import VARIABLES
from project import (
    BIN,
    EXPERIMENTS,
    ROOT,
    TAP,
    TARGET,
    NotStarted,
    accounts_of,
    experiments_of,
    home_of,
    meltano_yml,
    origin,
    plugins_of,
    setting,
    tasks_of,
    warehouse_of,
    warehouses_of,
)

from singer_program.errors import ProgramError
from tap_experiments.definitions.model import PropertyFormat
from tap_experiments.definitions.outcome_metrics import read_catalogue
from tap_experiments.project import load

KEYS = {TAP: "a private key that reads", TARGET: "a private key that writes"}
"""The plugins that need a key, and which."""
ON_A_SERVER = (
    "copy the database, name the copy in an environment of its own, and there run the jobs `postgres-extract`, "
    f"`assign`, and `postgres-publish` with {TARGET.replace('-', '_').upper()}_DRY_RUN=true"
)
"""How to see what a job would do where the warehouse cannot be copied for it."""
_ACCOUNTS, _ASSIGN = "dbt:accounts", "dbt:assign"
_TRUE = {"1", "on", "t", "true", "y", "yes"}


def check(job: str, environment: str, variables: Mapping[str, str], *, dry: bool = False) -> None:
    """Look at whether a job can run at all in an environment.

    Args:
        job: Of meltano.yml.
        environment: Of meltano.yml.
        variables: Those that Meltano will have.
        dry: Whether it runs on a copy of the home, where whatever it does is undone.

    Raises:
        NotStarted: there is no such job or environment, they do not fit each other or this shell, a key is
            missing, a definition that it would read has a fault, no account is named for it to read, or it would
            assign for good what a dry target does not write.
    """
    tasks_of(job)
    _check_place(environment, variables)
    _check_warehouse(job, environment, variables)
    _check_keys(job, environment, variables)
    _check_definitions(job, environment, variables)
    if _ACCOUNTS in tasks_of(job) and not accounts_of(environment, variables):
        msg = (
            f"the environment {environment!r} names no accounts, so there is nothing to build: say where each "
            f"lies by `accounts` in its {VARIABLES}, as docs/several-accounts.md shows"
        )
        raise NotStarted(msg)
    if not dry and _ASSIGN in tasks_of(job) and is_dry(environment, variables) and TARGET in plugins_of(job):
        is_local = warehouse_of(environment, variables) == "duckdb"
        instead = "run `make pipeline DRY=1`, which leaves everything as it was" if is_local else ON_A_SERVER
        msg = (
            f"`dry_run` of {TARGET} is set, and this job would still assign people for good: {instead}, or take "
            "the setting back"
        )
        raise NotStarted(msg)


def is_dry(environment: str, variables: Mapping[str, str]) -> bool:
    """Whether the target is told to write nothing."""
    return setting(TARGET, "dry_run", environment, variables).lower() in _TRUE


def _check_place(environment: str, variables: Mapping[str, str]) -> None:
    """Whether the environment has its home, and is not the account's where a local Klaviyo stands in for that."""
    home, stand_in = home_of(environment, variables), variables.get("KLAVIYO_LOOP_DEMO_HOME")
    if stand_in and str(home) != stand_in:
        msg = (
            f"here a local Klaviyo stands in for the account, which the environment {environment!r} is for: leave "
            "ENVIRONMENT out, or this shell, with `exit`"
        )
        raise NotStarted(msg)


def _check_warehouse(job: str, environment: str, variables: Mapping[str, str]) -> None:
    used, has = warehouses_of(job), warehouse_of(environment, variables)
    if used - {has}:
        fit = [each["name"] for each in meltano_yml()["jobs"] if warehouses_of(each["name"]) == {has}]
        remedy = f"of its jobs there are {', '.join(fit)}" if fit else "no job of meltano.yml loads such a one"
        msg = (
            f"the job {job!r} is for a warehouse of the kind {' and '.join(sorted(used))}, and the environment "
            f"{environment!r} has one of the kind {has}: {remedy}"
        )
        raise NotStarted(msg)


def _check_keys(job: str, environment: str, variables: Mapping[str, str]) -> None:
    without = {origin(each): each for each in plugins_of(job) if origin(each) in KEYS}
    missing = [name for name, plugin in without.items() if not key_of(plugin, environment, variables)]
    if missing:
        wanted = " and ".join(f"{variable(name)} ({KEYS[name]})" for name in missing)
        msg = f"no key: set {wanted}, in the shell or in .env, as .env.example shows"
        raise NotStarted(msg)


def _check_definitions(job: str, environment: str, variables: Mapping[str, str]) -> None:
    """The tap would say the same, when events and members have been read for it."""
    if EXPERIMENTS not in map(origin, plugins_of(job)):
        return
    folder, form, catalogue, account = experiments_of(environment, variables)
    if form not in list(PropertyFormat):
        msg = f"{variable(EXPERIMENTS, 'property_format')} is {form!r}: set it to {', '.join(PropertyFormat)}"
        raise NotStarted(msg)
    try:
        metrics = read_catalogue(Path(os.path.relpath(catalogue)))
        load(Path(os.path.relpath(folder)), PropertyFormat(form), metrics).of(account)
    except ProgramError as error:
        more = f" (and {len(error.lines) - 1} more: `make preview` lists them)" if len(error.lines) > 1 else ""
        msg = f"{error.lines[0]}{more}"
        raise NotStarted(msg) from error


def variable(plugin: str, name: str = "api_key") -> str:
    """The environment variable of a setting."""
    return f"{plugin}_{name}".replace("-", "_").upper()


def key_of(plugin: str, environment: str, variables: Mapping[str, str]) -> str:
    """The key of a plugin, wherever it is set; empty if nowhere.

    Meltano itself is asked last, since that takes it seconds.
    """
    return setting(plugin, "api_key", environment, variables) or _asked(plugin, environment, variables)


def _asked(plugin: str, environment: str, variables: Mapping[str, str]) -> str:
    done = subprocess.run(  # noqa: S603 - our own arguments
        [str(BIN / "meltano"), f"--environment={environment}", "config", "print", plugin],
        cwd=ROOT,
        env=dict(variables),
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return str(json.loads(done.stdout).get("api_key") or "")
    except (ValueError, AttributeError):
        return ""
