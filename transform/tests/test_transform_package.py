"""The project as a package in a team's own dbt project, over tables of a loader that is not ours.

What the README shows, under "As a package in your own dbt project", is the team's project: its files and commands
are taken from there.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest
import yaml
from dbt.cli.main import dbtRunner
from dbt_common.exceptions import DbtBaseException
from transform_engines import Engine, chosen_among
from transform_project import ASSIGN, PROJECT, Outcome, Project, Row, Warehouse, small_world

ON_ENGINES = chosen_among("duckdb", "postgres")
"""Databases of Spark share their schemas with the other tests'."""

LOADERS = {"klaviyo": "klaviyo_landed", "experiments": "experiments_landed"}
CALLED = {"events": "klaviyo_events"}
NOT_LANDED = {"lists", "list_memberships", "resource_ids", "profile_ids", "templates", "metrics"}
COLUMNS_NOT_LANDED = {("profiles", "title"), ("experiments", "dimensions")}
POSTGRES = {"varchar": "text", "double": "double precision", "json": "jsonb", "hugeint": "bigint"}


def shown() -> tuple[dict[str, str], list[str]]:
    """Files by path, and commands."""
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## As a package in your own dbt project\n")[1].split("\n## ")[0]
    files = dict(re.findall(r'```\w+ title="(\S+)"\n(.*?)```', section, re.DOTALL))
    [commands] = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    return files, commands.splitlines()


def make_team(folder: Path, engine: Engine) -> Path:
    """The team's project, in a folder beside a checkout of this one, with a profile of its own."""
    (folder / "klaviyo-loop").symlink_to(PROJECT.parent)
    team = folder / "shop"
    files, _ = shown()
    files["dbt_project.yml"] = "name: shop\nprofile: shop\n" + files["dbt_project.yml"]
    files["models/calendar.sql"] = "select 1 as day\n"
    told = {"the session was told": "current_setting('jit') = 'off'"}
    checks = told if engine.name == "postgres" else {}
    integrity = {"klaviyo_loop.integrity": {"arguments": {"key": ["day"], "checks": checks}}}
    files["models/calendar.yml"] = yaml.safe_dump({"models": [{"name": "calendar", "data_tests": [integrity]}]})
    profile = yaml.safe_load((PROJECT / "profiles.yml").read_text(encoding="utf-8"))["klaviyo_loop"]
    output = profile["outputs"][engine.name] | {"schema": "dbt_alice"}
    files["profiles.yml"] = yaml.safe_dump({"shop": {"target": engine.name, "outputs": {engine.name: output}}})
    for name, text in files.items():
        path = team / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return team


@pytest.fixture(scope="module")
def team(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Ready to build: what the commands do before the first build is done."""
    folder = make_team(tmp_path_factory.mktemp("team"), engine)
    for command in shown()[1]:
        program, *arguments = shlex.split(command)
        if program == "cp":
            subprocess.run([program, *arguments], cwd=folder, check=True)  # noqa: S603
        elif arguments == ["deps"]:
            options = ["--project-dir", str(folder), "--profiles-dir", str(folder), "--quiet"]
            with mock.patch.dict(os.environ, engine.environment()):
                outcome = dbtRunner().invoke([*arguments, *options, "--log-level-file", "none"])
            assert outcome.success, outcome.exception
    return Project.parse(engine, tmp_path_factory.mktemp("artifacts"), folder)


def columns(warehouse: Warehouse) -> dict[str, set[tuple[str, str]]]:
    """Tables and their columns by schema."""
    found: dict[str, set[tuple[str, str]]] = {}
    for schema, table, column in warehouse.query(
        "select table_schema, table_name, column_name from information_schema.columns"
        " where table_schema not in ('information_schema', 'pg_catalog')"
    ):
        found.setdefault(str(schema), set()).add((str(table), str(column)))
    return found


def land(warehouse: Warehouse) -> None:
    """The small world, as somebody else's loader lands it: other names, columns of its own, and not everything."""
    engine, world = warehouse.project.engine, vars(small_world())
    kinds = POSTGRES if engine.name == "postgres" else {}
    for schema in LOADERS.values():
        engine.execute(warehouse.database, f"create schema {schema}")
    for source in warehouse.project.manifest.sources.values():
        if source.source_name not in LOADERS or source.name in NOT_LANDED:
            continue
        declared = [
            f"{name} {kinds.get(str(column.data_type), column.data_type)}"
            for name, column in source.columns.items()
            if (source.name, name) not in COLUMNS_NOT_LANDED and name != "_sdc_batched_at"
        ]
        listed = ", ".join([*declared, "_sdc_batched_at timestamp", "_sdc_sequence bigint"])
        schema, table = LOADERS[source.source_name], CALLED.get(source.name, source.name)
        engine.execute(warehouse.database, f"create table {schema}.{table} ({listed})")
        rows: list[Row] = [
            {name: value for name, value in row.items() if (source.name, name) not in COLUMNS_NOT_LANDED}
            for row in world.get(source.name, [])
        ]
        warehouse.land(table, rows, schema)
    metrics = ", ".join(
        f"('{row['id']}', '{row['name']}', '{row['integration']['key']}')" for row in world["metrics"]
    )
    engine.execute(
        warehouse.database,
        "create table klaviyo_landed.all_metrics as"  # noqa: S608
        f" select * from (values {metrics}) as metrics (metric_id, metric_title, integration)",
    )


class Built(NamedTuple):
    """A warehouse after the commands of the README, what was in it before them, and what each did."""

    warehouse: Warehouse
    before: dict[str, set[tuple[str, str]]]
    outcomes: list[Outcome]


@pytest.fixture(scope="module")
def built(team: Project) -> Built:
    warehouse = Warehouse.empty(team)
    land(warehouse)
    before = columns(warehouse)
    builds = [shlex.split(command)[1:] for command in shown()[1] if command.startswith("dbt build")]
    # Data tests are half of the time, and are run with PostgreSQL.
    without = ["--exclude-resource-type", "test"] if team.engine.name == "duckdb" else []
    return Built(warehouse, before, [warehouse.dbt(*arguments, *without) for arguments in builds])


def test_the_commands_of_the_readme_assign_and_measure(built: Built) -> None:
    warehouse, _, _ = built
    arms = warehouse.query(
        "select slot_key, count(*), count(distinct profile_id) from dbt_alice_lift.fct_assignments"
        " where experiment_key = 'spring' group by slot_key order by slot_key"
    )
    assert arms == [("footer", 240, 240), ("hero", 240, 240)]
    verdicts = (
        "select slot_key, verdict from dbt_alice_lift.fct_experiment_verdicts where experiment_key = 'spring'"
    )
    assert sorted(warehouse.query(verdicts)) == [("footer", "too_early"), ("hero", "too_early")]
    assert warehouse.query("select count(*) from to_klaviyo.pub_klaviyo_profiles") == [(240,)]


def test_the_loaders_schemas_are_left_alone(built: Built) -> None:
    warehouse, before, outcomes = built
    after = columns(warehouse)
    assert {schema: after[schema] for schema in before} == before
    made = {"dbt_alice_staging", "dbt_alice_intermediate", "dbt_alice_lift", "to_klaviyo"}
    assert set(after) - set(before) - {"dbt_alice"} == made
    [told] = [each for each in outcomes[0].warnings if "Read as empty" in each]
    columns_missing = ("klaviyo_landed.profiles.title", "experiments_landed.experiments.dimensions")
    for name in ("klaviyo_landed.lists", *columns_missing):
        assert name in told
    assert "klaviyo_events" not in told


def test_the_next_run_finds_the_ledger(built: Built) -> None:
    warehouse, _, _ = built
    counted = "select count(*) from dbt_alice_lift.fct_assignments"
    before = warehouse.query(counted)
    warehouse.dbt(*ASSIGN, "shown_arms")
    assert warehouse.query(counted) == before
    assert sum(count for (count,) in warehouse.query("select profiles from dbt_alice.shown_arms")) == before[0][0]
    said = warehouse.dbt("run-operation", "print_results", "--args", "{models: [fct_experiment_verdicts]}").said
    assert [json.loads(line)["table"] for line in said] == ["fct_experiment_verdicts"]


def test_a_warehouse_without_raw_tables_is_refused(team: Project) -> None:
    """And a command for the team's own models alone makes nothing of the package's."""
    warehouse = Warehouse.empty(team)
    warehouse.dbt("run", "--select", "calendar")
    assert set(columns(warehouse)) == {"dbt_alice"}
    with pytest.raises((AssertionError, DbtBaseException), match="None of the raw tables is there"):
        warehouse.dbt("run", "--select", "stg_klaviyo__lists")


def test_a_server_that_compiles_statements_is_told_not_to(team: Project) -> None:
    """PostgreSQL does so as it comes, and takes minutes for what is evaluated in milliseconds."""
    warehouse = Warehouse.empty(team)
    if team.engine.name == "postgres":
        warehouse.query(
            "do $$ begin execute format('alter database %I set jit = on', current_database()); end $$; select 1"
        )
        assert warehouse.query("select current_setting('jit')") == [("on",)]
    warehouse.dbt("build", "--select", "calendar")


def test_where_no_account_is_named_there_is_nothing_to_read_as_one(team: Project, project: Project) -> None:
    assert team.selected("accounts") == set()
    assert project.selected("accounts")  # where one is
    outcome = Warehouse.empty(team).dbt("build", "--selector", "accounts")
    assert outcome.results == []
    assert any("Nothing to do" in each for each in outcome.warnings)


@pytest.mark.parametrize("job", ["publish", "measure_after_assign"])
def test_a_job_selects_the_same_as_here(job: str, team: Project, project: Project) -> None:
    """The second is made of the other two."""
    there, here = team.selected(job), project.selected(job)
    own = {
        name for name in here if "stg_klaviyo__metrics" in name or name == "source:klaviyo_loop.klaviyo.metrics"
    }
    assert here - there <= own
    assert there - here <= {"shop.stg_klaviyo__metrics"}
    assert there
