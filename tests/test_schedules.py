"""The loop closes unattended, no two schedules of an environment start together, and the examples say the same."""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Self

import pytest
import yaml

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package
sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

import preflight  # noqa: E402
from crontab import Crontab  # noqa: E402
from project import ANSWERS  # noqa: E402

PROJECT = yaml.safe_load((ROOT / "meltano.yml").read_text())
JOBS = {job["name"]: job["tasks"] for job in PROJECT["jobs"]}
EXAMPLES = ROOT / "examples" / "schedule"
KEYS = {"TAP_KLAVIYO_ENGAGEMENT_API_KEY": "pk_reads", "TARGET_KLAVIYO_PROFILES_API_KEY": "pk_writes"}
SETS = {"prod": "", "postgres": "postgres-"}
PUSHED = ("pushed", "* * * * *")
FORWARDED = ("hourly-forwarding", "20 * * * *")
OPTIONAL = dict([PUSHED, FORWARDED])
"""The schedules of those who have a receiver or files of forwarding; in the examples they are comments."""


def schedules(environment: str) -> dict[str, tuple[str, str]]:
    """Job and interval of each schedule for an environment, by its name there."""
    prefix, others = SETS[environment], [each for each in SETS.values() if each != SETS[environment]]
    return {
        each["name"].removeprefix(prefix): (each["job"], each["interval"])
        for each in PROJECT["schedules"]
        if each["name"].startswith(prefix)
        and not any(other and each["name"].startswith(other) for other in others)
        and each["interval"] != PUSHED[1]
    }


def starts(interval: str) -> Iterator[tuple[int, int, int]]:
    """When a schedule starts in a week: day, hour and minute."""
    minute, hour, day, month, weekday = interval.split()
    assert (day, month) == ("*", "*")
    for each in range(7) if weekday == "*" else [int(weekday)]:
        for hours in range(24) if hour == "*" else [int(hour)]:
            yield each, hours, int(minute)


@pytest.mark.parametrize("environment", SETS)
def test_a_schedule_reads_defines_assigns_publishes_and_measures(environment: str) -> None:
    tasks = [JOBS[job] for job, _ in schedules(environment).values()]
    words = (
        "tap-klaviyo-",
        "tap-experiments",
        "dbt:assign",
        "target-klaviyo-profiles",
        "dbt:measure",
        "lift-report:",
    )
    assert [each for each in tasks if all(any(word in task for task in each) for word in words)]
    assert [each for each in tasks if any("tap-klaviyo-sweep" in task for task in each)]


@pytest.mark.parametrize("environment", SETS)
def test_every_schedule_may_run_in_its_environment(environment: str) -> None:
    assert len(schedules(environment)) == 4
    for job, _ in schedules(environment).values():
        preflight.check(job, environment, KEYS)


@pytest.mark.parametrize("environment", SETS)
def test_no_two_start_in_one_minute_nor_when_everybody_does_nor_when_clocks_change(environment: str) -> None:
    intervals = [interval for _, interval in schedules(environment).values()]
    moments = [moment for interval in intervals for moment in starts(interval)]
    assert len(moments) == len(set(moments))
    assert not {minute for *_, minute in moments} & {0, 30}
    assert not [interval for interval in intervals if interval.split()[1] in ("1", "2")]


@pytest.mark.parametrize(("environment", "prefix"), SETS.items())
def test_what_is_pushed_has_a_schedule_and_a_job_that_answers(environment: str, prefix: str) -> None:
    job, interval = f"{prefix}{PUSHED[0]}", PUSHED[1]
    assert {"name": job, "job": job, "interval": interval} in PROJECT["schedules"]
    preflight.check(job, environment, {})  # which reads no account
    preflight.check(ANSWERS[job], environment, KEYS)
    [read] = [task for task in JOBS[job] if task.startswith("tap-klaviyo-inbox")]
    assert {task.split()[-1] for task in JOBS[ANSWERS[job]]} >= {read.split()[-1], "target-klaviyo-profiles"}


@pytest.mark.parametrize(("job", "interval"), [PUSHED, ("forwarding", FORWARDED[1])])
@pytest.mark.parametrize("example", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_the_examples_have_the_optional_ones_as_comments(example: Path, job: str, interval: str) -> None:
    lines = [
        line
        for line in example.read_text().splitlines()
        if re.search(rf"\b{job}\b", line) and re.search(rf"(^|[\" ]){re.escape(interval)}", line)
    ]
    assert [line.lstrip().startswith("# ") for line in lines] == [True]


def test_both_kinds_of_warehouse_have_the_same_rhythm() -> None:
    duckdb, postgres = (
        {name: interval for name, (_, interval) in schedules(each).items()} for each in ("prod", "postgres")
    )
    assert duckdb == postgres


# the examples


def wanted() -> set[tuple[str, str]]:
    """Interval and command of every schedule for DuckDB."""
    return {
        (interval, f"make -s pipeline ENVIRONMENT=prod JOB={job}")
        for name, (job, interval) in schedules("prod").items()
        if name not in OPTIONAL
    }


CRONTAB = Crontab.read(EXAMPLES / "crontab")


def test_the_crontab_has_every_schedule_of_meltano() -> None:
    environment = CRONTAB.variables["ENVIRONMENT"]
    found = {
        (interval, command.partition("$(")[2].partition(" 2>&1)")[0].replace('"$ENVIRONMENT"', environment))
        for interval, command in CRONTAB.entries
    }
    assert found == wanted()


@pytest.mark.parametrize("command", [command for _, command in CRONTAB.entries])
def test_cron_mails_what_was_said_of_a_failure_and_nothing_else(command: str, tmp_path: Path) -> None:
    checkout = tmp_path / "a checkout"
    checkout.mkdir()
    makefile = (
        "pipeline:\n\t@echo $(JOB) in $(ENVIRONMENT) waits >&2\n\t@echo 'failed: 100 %'\n\t@exit $(STATUS)\n"
    )
    (checkout / "Makefile").write_text(makefile)
    good = CRONTAB.run(command, tmp_path, CHECKOUT=str(checkout), STATUS="0")
    assert (good.returncode, good.stdout) == (0, "")
    bad = CRONTAB.run(command, tmp_path, CHECKOUT=str(checkout), STATUS="3")
    assert bad.returncode == 1
    assert " in prod waits\nfailed: 100 %\n" in bad.stdout
    assert CRONTAB.run(command, tmp_path, CHECKOUT=str(tmp_path / "none")).returncode != 0


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **contents: object) -> None:
    """A module that is not installed for tests, being as large as all else together."""
    module = ModuleType(name)
    module.__dict__.update(contents)
    monkeypatch.setitem(sys.modules, name, module)


def test_the_dags_of_airflow_run_every_schedule_of_meltano(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[Any] = []

    class Dag(SimpleNamespace):
        def __enter__(self) -> Self:
            entered.append(self)
            self.tasks: list[dict[str, Any]] = []
            return self

        def __exit__(self, *_: object) -> None:
            pass

    def operator(**options: object) -> None:
        entered[-1].tasks.append(options)

    for name in (
        "airflow",
        "airflow.providers",
        "airflow.providers.standard",
        "airflow.providers.standard.operators",
    ):
        stand_in(monkeypatch, name)
    stand_in(monkeypatch, "airflow.providers.standard.operators.bash", BashOperator=operator)
    stand_in(monkeypatch, "airflow.sdk", DAG=Dag)
    found = runpy.run_path(str(EXAMPLES / "airflow_dag.py"))
    dags = [each for each in found.values() if isinstance(each, Dag)]
    assert {each.dag_id for each in dags} >= {
        f"klaviyo_loop_{name}" for name in schedules("prod") if name not in OPTIONAL
    }
    assert {(dag.schedule, task["bash_command"]) for dag in dags for task in dag.tasks} == wanted()
    assert all(dag.max_active_runs == 1 and dag.catchup is False for dag in dags)


def test_the_jobs_of_dagster_run_every_schedule_of_meltano(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    class Popen:
        returncode = 0

        def __init__(self, command: list[str], **options: object) -> None:
            assert options["cwd"]
            ran.append(" ".join(command))
            self.stdout = ["a line\n"]

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    def op(**_: object) -> Callable[[Callable[[Any], None]], Callable[[], None]]:
        context = SimpleNamespace(log=SimpleNamespace(info=lambda _: None))
        return lambda function: lambda: function(context)

    def job(**_: object) -> Callable[[Callable[[], None]], Callable[[], None]]:
        return lambda function: function

    kinds = ("Definitions", "JobDefinition", "OpExecutionContext", "RetryPolicy", "ScheduleDefinition")
    stand_in(
        monkeypatch,
        "dagster",
        DefaultScheduleStatus=SimpleNamespace(RUNNING=1),
        Failure=RuntimeError,
        op=op,
        job=job,
        **dict.fromkeys(kinds, SimpleNamespace),
    )
    monkeypatch.setattr("subprocess.Popen", Popen)
    defs = runpy.run_path(str(EXAMPLES / "dagster_jobs.py"))["defs"]
    found = set()
    for each in defs.schedules:
        each.job()
        found.add((each.cron_schedule, ran[-1]))
    assert found == wanted()
    Popen.returncode = 2
    with pytest.raises(RuntimeError):
        defs.schedules[0].job()
