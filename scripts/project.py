"""What meltano.yml, the plugins' definitions and `.env` say: jobs, environments, homes, warehouses, settings."""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import yaml
from dotenv import dotenv_values
from home import VARIABLES

ROOT = Path(__file__).parent.parent
SYSTEM = ROOT / ".meltano"
"""Where Meltano keeps the plugins, and by default its database and what plugins need while they run."""
BIN = Path(sys.executable).parent
TAP, TARGET = "tap-klaviyo-engagement", "target-klaviyo-profiles"
EXPERIMENTS = "tap-experiments"
ANSWERS = {"pushed": "answer", "postgres-pushed": "postgres-answer"}
"""The job that follows another one, where that has read anything that wants an answer."""
ASKS = frozenset({"flow_requests", "orders", "consent_statements"})
"""The streams whose rows want one."""
WAREHOUSE = "klaviyo.duckdb"
"""The warehouse of DuckDB in a home."""
INBOX_TAP = "tap-klaviyo-inbox"
INBOX = "inbox.sqlite"
"""The receiver's store in a home; the definition of tap-klaviyo-inbox reads it there."""
PROCESSING_LOG = "processing.jsonl"
"""The log of processing in a home; the definition of tap-subject-requests reads it there."""

_OF_A_WAREHOUSE = re.compile(r"\b(?:tap|target)-(duckdb|postgres)\b")
_REPORT_OF_DUCKDB = "lift-report:page"


class JobFailed(Exception):  # noqa: N818 - named for what a reader is told
    """A job ended before its time; the text is one line for a person, `warnings` are what was said before."""

    def __init__(self, text: str, warnings: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.warnings = warnings


class NotStarted(JobFailed):
    """A job cannot begin, so that no log says more of it."""


def read_dotenv(root: Path = ROOT) -> None:
    """Take the variables of `.env` into this process's own, as Meltano does; those of the shell come first."""
    for name, value in dotenv_values(root / ".env").items():
        if value is not None:
            os.environ.setdefault(name, value)


def meltano_yml(root: Path = ROOT) -> dict[str, Any]:
    """The project's meltano.yml, which is not to be changed in place."""
    return _read(root / "meltano.yml")


def _read(path: Path) -> dict[str, Any]:
    return _parsed(path, path.stat().st_mtime_ns)


@cache
def _parsed(path: Path, _changed: int) -> dict[str, Any]:
    """Each file once: together they take YAML's parser half a second."""
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def raw_tables(root: Path = ROOT) -> dict[str, str]:
    """What raw tables are called that have another name than in the dbt project: its variable of this name."""
    found: dict[str, str] = _read(root / "transform" / "dbt_project.yml")["vars"]["raw_tables"]
    return found


def tasks_of(job: str, root: Path = ROOT) -> list[str]:
    """The tasks of a job in meltano.yml.

    Raises:
        NotStarted: there is no such job.
    """
    jobs = {each["name"]: each["tasks"] for each in meltano_yml(root)["jobs"]}
    if job not in jobs:
        msg = f"meltano.yml has no job {job!r}; it has {', '.join(jobs)}"
        raise NotStarted(msg)
    return list(jobs[job])


def plugins_of(job: str) -> list[str]:
    """The plugins of a job, each once, in order."""
    words = (word.partition(":")[0] for task in tasks_of(job) for word in task.split())
    return list(dict.fromkeys(words))


def environment_of(name: str) -> dict[str, Any]:
    """An environment of meltano.yml.

    Raises:
        NotStarted: there is no such environment.
    """
    environments: dict[str, dict[str, Any]] = {each["name"]: each for each in meltano_yml()["environments"]}
    if name not in environments:
        msg = f"meltano.yml has no environment {name!r}; it has {', '.join(environments)}"
        raise NotStarted(msg)
    return environments[name]


def home_of(environment: str, variables: Mapping[str, str]) -> Path:
    """Where an environment of meltano.yml has its warehouse and all that a run leaves behind.

    Raises:
        NotStarted: there is no such environment, or it names a variable that is not set.
    """
    home = Template(environment_of(environment)["env"]["KLAVIYO_LOOP_HOME"])
    known = {**variables, "MELTANO_PROJECT_ROOT": str(ROOT)}
    if unset := [name for name in home.get_identifiers() if not known.get(name)]:
        msg = f"the environment {environment!r} has its home where the variable {unset[0]} says, which is not set"
        raise NotStarted(msg)
    return Path(home.substitute(known))


def meltano_database(variables: Mapping[str, str]) -> str:
    """Where Meltano keeps its runs and its state, as its setting `database_uri` gives it."""
    given = variables.get("MELTANO_DATABASE_URI") or meltano_yml().get("database_uri")
    known = {**variables, "MELTANO_PROJECT_ROOT": str(ROOT), "MELTANO_SYS_DIR_ROOT": str(SYSTEM)}
    return Template(given or "sqlite:///$MELTANO_SYS_DIR_ROOT/meltano.db").safe_substitute(known)


def warehouse_of(environment: str, variables: Mapping[str, str]) -> str:
    """The kind of warehouse of an environment: an output of transform/profiles.yml."""
    return setting("dbt", "target", environment, variables) or "duckdb"


def accounts_of(environment: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """The accounts that dbt is to read as one in an environment: its variable `accounts`.

    Raises:
        NotStarted: dbt's variables cannot be read.
    """
    try:
        given = yaml.safe_load(variables_in(environment, variables).get(VARIABLES) or "{}")
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        msg = f"{VARIABLES} of the environment {environment!r} is not YAML: {problem}; correct it in meltano.yml"
        raise NotStarted(msg) from error
    own = _read(ROOT / "transform" / "dbt_project.yml")["vars"]["accounts"]
    found: dict[str, Any] = (given.get("accounts") if isinstance(given, dict) else None) or own or {}
    return found


def processing_log(home: Path, variables: Mapping[str, str]) -> Path:
    """The log of processing: in a home, unless a variable says where else."""
    given = variables.get("SUBJECT_REQUESTS_LOG_PATH") or variables.get("TAP_SUBJECT_REQUESTS_LOG_PATH")
    return ROOT / given if given else home / PROCESSING_LOG


def inbox_store(home: Path, variables: Mapping[str, str]) -> str:
    """The receiver's store: in a home, unless a variable says where else; a path, or the URL of a database."""
    given = (variables.get(name, "") for name in ("KLAVIYO_INBOX_STORE", "TAP_KLAVIYO_INBOX_STORE"))
    return next((each for each in given if each.strip()), str(home / INBOX))


def controller_of(variables: Mapping[str, str]) -> Path:
    """The file that says who is responsible for the data."""
    return ROOT / (variables.get("SUBJECT_REQUESTS_CONTROLLER_PATH") or "privacy/controller.yml")


def lacks_warehouse(file: Path) -> bool:
    """Whether there is no DuckDB file yet; an empty one is what a kill left, and the loader makes it anew."""
    return not file.exists() or (file.is_file() and not file.stat().st_size)


def warehouses_of(job: str) -> set[str]:
    """The kinds of warehouses that a job loads, reads, or reports of without asking dbt; none: any."""
    tasks = tasks_of(job)
    found = {match for task in tasks for match in _OF_A_WAREHOUSE.findall(task)}
    return found | ({"duckdb"} if _REPORT_OF_DUCKDB in tasks else set())


def setting(plugin: str, name: str, environment: str, variables: Mapping[str, str]) -> str:
    """What a setting of a plugin is set to, by a variable or in a definition; empty: nothing but its default.

    What Meltano keeps in its database (`meltano config set --store=db`) is not looked at.
    """
    variables = variables_in(environment, variables)
    for each in _ancestry(plugin):
        if given := variables.get(f"{each}_{name}".replace("-", "_").upper()):
            return given
    configured = environment_of(environment).get("config", {}).get("plugins", {})
    for each in _ancestry(plugin):
        for definition in [*_named(each, configured), *_named(each, *_defined())]:
            value = definition.get("config", {}).get(name)
            if value not in (None, ""):
                return Template(str(value)).safe_substitute(variables)
    return ""


def variables_in(environment: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Variables, and those that an environment of meltano.yml sets, which come before them, as in Meltano."""
    given = environment_of(environment).get("env", {})
    known = defaultdict(str, {**variables, "MELTANO_PROJECT_ROOT": str(ROOT)})
    return {**variables, **{name: Template(str(value)).safe_substitute(known) for name, value in given.items()}}


def definition_of(plugin: str) -> Mapping[str, Any]:
    """What the definitions here say of a plugin, its settings and capabilities with it."""
    return _named(plugin, *_defined())[0]


def selected(plugin: str) -> set[str]:
    """The streams that an extractor selects by its definition."""
    patterns = [each.get("select", []) for each in _named(plugin, *_defined())]
    return {str(pattern).partition(".")[0] for chosen in patterns for pattern in chosen}


class ExperimentSettings(NamedTuple):
    """What tap-experiments is set to in an environment."""

    folder: Path
    property_format: str
    catalogue: Path
    account: str


def experiments_of(environment: str, variables: Mapping[str, str]) -> ExperimentSettings:
    """What tap-experiments reads in an environment, and whose."""

    def given(name: str, default: str) -> str:
        known = {**variables, "MELTANO_PROJECT_ROOT": str(ROOT)}
        return setting(EXPERIMENTS, name, environment, known) or default

    folder = ROOT / given("path", "experiments")
    catalogue = ROOT / given("outcome_metrics", "transform/seeds/outcome_metrics.csv")
    return ExperimentSettings(folder, given("property_format", "list"), catalogue, given("account", ""))


def _ancestry(plugin: str) -> Iterator[str]:
    """A plugin, what it inherits from, and so on."""
    name: str | None = plugin
    while name:
        yield name
        name = next((each.get("inherit_from") for each in _named(name, *_defined())), None)


def origin(plugin: str) -> str:
    """The plugin whose code runs."""
    return list(_ancestry(plugin))[-1]


def _named(name: str, *kinds: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [each for kind in kinds for plugins in kind.values() for each in plugins if each["name"] == name]


def included(root: Path = ROOT) -> list[Path]:
    """The files that meltano.yml includes."""
    patterns = meltano_yml(root).get("include_paths", [])
    return [path for pattern in patterns for path in sorted(root.glob(pattern)) if path.is_file()]


def _defined() -> list[dict[str, list[dict[str, Any]]]]:
    files = [meltano_yml(), *map(_read, included())]
    return [file.get("plugins", {}) for file in files]
