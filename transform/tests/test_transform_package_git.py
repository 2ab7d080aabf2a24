"""The package out of git, in a project that names schemas by a macro of its own, over tables of another database.

Part of `make test-oldest`: it parses the project once more.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from unittest import mock

from dbt.cli.main import dbtRunner
from test_transform_package import make_team
from transform_engines import Engine
from transform_project import PROJECT, Project

ON_ENGINES = ["duckdb"]
NAMING = """
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ 'team_' ~ (custom_schema_name or 'own') | trim }}
{%- endmacro %}
"""


def commit(folder: Path) -> None:
    """What is in a folder, as the branch `main` of a repository there."""
    author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    for words in (("init", "--initial-branch=main"), ("add", "--all"), (*author, "commit", "--message", "All")):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607


def test_the_root_project_s_macro_names_the_package_s_schemas(engine: Engine, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    shutil.copytree(PROJECT, repository / "transform", ignore=shutil.ignore_patterns("target", "logs", "tests"))
    commit(repository)
    team = make_team(tmp_path, engine)
    package = f"packages:\n  - git: {repository.as_uri()}\n    subdirectory: transform\n    revision: main\n"
    (team / "packages.yml").write_text(package)
    (team / "macros").mkdir()
    (team / "macros" / "generate_schema_name.sql").write_text(NAMING)
    project = team / "dbt_project.yml"
    project.write_text(project.read_text().replace("    raw_schema:", "    raw_database: landed\n    raw_schema:"))
    options = ["--project-dir", str(team), "--profiles-dir", str(team), "--quiet", "--log-level-file", "none"]
    with mock.patch.dict(os.environ, engine.environment()):
        outcome = dbtRunner().invoke(["deps", *options])
    assert outcome.success, outcome.exception
    assert (team / "dbt_packages" / "klaviyo_loop" / "selectors.yml").is_file()
    manifest = Project.parse(engine, tmp_path / "artifacts", team).manifest
    nodes = manifest.nodes
    assert {
        (source.database, source.schema) for source in manifest.sources.values() if source.name == "events"
    } == {("landed", "klaviyo_landed")}
    assert "landed" not in {node.database for node in nodes.values()}
    schemas = {node.name: node.schema for node in nodes.values() if node.resource_type in ("model", "seed")}
    assert {name: schemas[name] for name in ("calendar", "stg_klaviyo__events", "fct_assignments")} == {
        "calendar": "team_own",
        "stg_klaviyo__events": "team_staging",
        "fct_assignments": "team_lift",
    }
    assert schemas["pub_klaviyo_profiles"] == "to_klaviyo"  # by the variable, which goes before it
