"""Fixtures of the dbt project's tests: warehouses in the states that the tests begin with."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

from transform_engines import DuckDB, Engine, Postgres, Spark, chosen_engines
from transform_project import Outcome, Project, Selects, Warehouse, World, small_world
from transform_snowflake import Snowflake

ENGINES: dict[str, Callable[[Path], Engine]] = {
    engine.name: engine for engine in (DuckDB, Postgres, Snowflake, Spark)
}

PIPELINE = "pipeline"
"""Chosen like an engine: Meltano's plugins around the project, on PostgreSQL."""
collect_ignore = [] if PIPELINE in chosen_engines() else ["test_transform_pipeline.py"]
if not os.environ.get("KLAVIYO_LOOP_TEST_OLDEST"):
    collect_ignore.append("test_transform_package_git.py")


DIALECTS = os.environ.get("KLAVIYO_LOOP_TEST_DIALECTS", "").split()
"""Those whose grammar is checked, of the warehouses that nobody runs here; all if none is named."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the dialects that were not chosen: to compile the project for one and read it takes seconds."""
    if not DIALECTS:
        return
    left = [
        item
        for item in items
        if isinstance(item, pytest.Function)
        and item.path.name == "test_transform_dialects.py"
        and "statements" in item.fixturenames
        and item.callspec.params["statements"] not in DIALECTS
    ]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The rates that simulated sends were judged with, as a table."""
    reports = [report for held in ("passed", "failed") for report in terminalreporter.stats.get(held, ())]
    rows = sorted(
        row for report in reports for name, row in getattr(report, "user_properties", ()) if name == "truth"
    )
    if rows:
        write = terminalreporter.write_line
        write("")
        write("| scenario | what | experiments | seen | promised | CPU s |")
        write("|---|---|---|---|---|---|")
        for scenario, what, experiments, count, limit, seconds in rows:
            share = f"{count / experiments:.2%}"
            write(f"| {scenario} | {what} | {experiments} | {share} | ≤ {limit:.1%} | {seconds:.0f} |")


@pytest.fixture
def world() -> World:
    return small_world()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test runs on each chosen engine; a module may name its own in `ON_ENGINES`."""
    if "engine" in metafunc.fixturenames:
        engines = getattr(metafunc.module, "ON_ENGINES", [name for name in chosen_engines() if name in ENGINES])
        metafunc.parametrize("engine", engines, indirect=True, scope="session")


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Each engine in turn, started for the session and stopped after it."""
    started = ENGINES[request.param](tmp_path_factory.mktemp(request.param))
    yield started
    started.close()


@pytest.fixture(scope="session")
def project(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project.parse(engine, tmp_path_factory.mktemp("artifacts"))
    # What is parsed stays to the end: to look through it for garbage, again and again, takes a tenth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*engine.garbage)
    return project


@pytest.fixture(scope="session")
def first_jobs(project: Project) -> tuple[Warehouse, dict[str, set[str]]]:
    """After jobs that came too early: not even a raw table is there. With the models that each job built."""
    warehouse = Warehouse.empty(project)
    built = {}
    for job in ("deletions", "measure", "publish", "forwarding", "exposures", "assign", "measure_after_assign"):
        built[job] = warehouse.dbt("build", "--selector", job, "--exclude-resource-type", "test").built()
    return warehouse, built


@pytest.fixture(scope="session")
def first_run(first_jobs: tuple[Warehouse, dict[str, set[str]]]) -> Warehouse:
    """Every model built on an empty account. To be read, not changed."""
    return first_jobs[0]


@pytest.fixture(scope="session")
def whole_build(first_run: Warehouse) -> tuple[Warehouse, Outcome]:
    """`dbt build` on the small world, its unit tests included."""
    warehouse = first_run.copy()
    small_world().land(warehouse)
    return warehouse, warehouse.dbt("build")


@pytest.fixture(scope="session")
def built(whole_build: tuple[Warehouse, Outcome]) -> Warehouse:
    """The small world after `dbt build`. To be read, not changed."""
    return whole_build[0]


@pytest.fixture
def warehouse(built: Warehouse) -> Warehouse:
    """The small world after `dbt build`, to be changed."""
    return built.copy()


@pytest.fixture(scope="session")
def selects(whole_build: tuple[Warehouse, Outcome]) -> Selects:
    """What a run would build of each model, in milliseconds."""
    return Selects(*whole_build)
