"""Seeds load wherever the project lies, and over those of another version."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
from transform_project import Project, Warehouse

PROJECT = Path(__file__).parent.parent
ON_ENGINES = ["duckdb"]  # Spark's test databases share the definitions of tables
MACROS = ("duckdb__load_csv_rows.sql", "lf_literal.sql")


def test_a_seed_loads_from_a_path_with_an_apostrophe(tmp_path: Path) -> None:
    """A project of that seed alone, which dbt parses in a moment."""
    project = tmp_path / "it's a path"
    for folder in ("macros", "seeds"):
        (project / folder).mkdir(parents=True)
    for name in MACROS:
        shutil.copy(PROJECT / "macros" / "warehouse" / name, project / "macros")
    shutil.copy(PROJECT / "seeds" / "metric_roles.csv", project / "seeds")
    shutil.copy(PROJECT / "profiles.yml", project)
    (project / "dbt_project.yml").write_text("name: seeds\nprofile: klaviyo_loop\n")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DBT_")},
        "KLAVIYO_LOOP_WAREHOUSE": str(project / "klaviyo.duckdb"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    done = subprocess.run(  # noqa: S603
        [Path(sys.executable).parent / "dbt", "seed", "--project-dir", project, "--profiles-dir", project],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    with duckdb.connect(str(project / "klaviyo.duckdb"), read_only=True) as warehouse:
        [[loaded]] = warehouse.execute("select count(*) from metric_roles").fetchall()
    assert loaded == len((PROJECT / "seeds" / "metric_roles.csv").read_text().splitlines()) - 1


def test_a_seed_whose_columns_an_earlier_version_had_otherwise_is_made_anew(project: Project) -> None:
    warehouse = Warehouse.empty(project)
    warehouse.query("create schema staging")
    warehouse.query("create table staging.event_roles as select 'opened' as role, 1 as of_old")
    warehouse.query("create table staging.metric_roles as select 'kept as it is' as of_old")

    warehouse.dbt("seed", "--select", "event_roles")

    columns = (PROJECT / "seeds" / "event_roles.csv").read_text().splitlines()[0].split(",")
    assert list(warehouse.rows("select * from staging.event_roles")[0]) == columns
    assert warehouse.rows("select * from staging.metric_roles") == [{"of_old": "kept as it is"}]
