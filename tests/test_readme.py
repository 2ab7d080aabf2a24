"""Every command and query of a README or of a page in docs/ works, against a sandbox where it needs Klaviyo."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import duckdb
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not find a test's neighbours

from crontab import Crontab
from newcomer import PIPELINE, Place

ROOT = Path(__file__).parent.parent
READMES = sorted([*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("plugins/*/README.md")])
PAGES = sorted(ROOT.glob("docs/*.md"))
BLOCK = re.compile(r"^( *)```(sh|sql)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)  # indented inside a list

# Commands that run the tests cannot be run by a test: what they are is compared instead.
TESTING = {"make test", "make check", "make unit"}


def _texts(path: Path, language: str) -> list[str]:
    return [dedent(text) for _, found, text in BLOCK.findall(path.read_text()) if found == language]


def _blocks(path: Path) -> list[list[str]]:
    return [
        [line for line in block.replace("\\\n", " ").splitlines() if line.strip()] for block in _texts(path, "sh")
    ]


COMMANDS = [
    (path.relative_to(ROOT).as_posix(), line)
    for path in (*READMES, *PAGES)
    for block in _blocks(path)
    for line in block
]
QUERIES = [
    pytest.param(text, id=f"{path.stem}-{number}")
    for path in PAGES
    for number, text in enumerate(_texts(path, "sql"))
]
# By tests of their own: test_packages.py, test_hub_definitions.py, test_transform_build.py and those below.
RUN_ALONE = re.compile(
    r"export |make demo|make forwarding-preview|make exposures|make pipeline|make resend|make wheels|meltano add "
    r"|python3 -m venv |[\w-]+-venv/bin/pip "
    r"|KLAVIYO_LOOP_WAREHOUSE=\S+ dbt "
)


def test_there_are_commands_to_run() -> None:
    assert {path for path, _ in COMMANDS} >= {"README.md", "tap-klaviyo-engagement/README.md"}


def test_the_pipeline_runs_on_an_account_by_environment_variables_alone(place: Place, piped: str) -> None:
    """The root README's third command. The sandbox stands in for the account; only its address is added."""
    block = next(block for block in _blocks(ROOT / "README.md") if "make pipeline" in " ".join(block))
    *exports, command = block
    assert [line.split("=")[0] for line in exports] == [
        "export TAP_KLAVIYO_ENGAGEMENT_API_KEY",
        "export TARGET_KLAVIYO_PROFILES_API_KEY",
    ]
    assert command == PIPELINE
    assert re.search(r"^profiles: [\d,]+ received, [\d,]+ accepted", piped, re.MULTILINE)
    assert (place.home / "report.html").is_file()
    # What the pipeline left behind is what the plugins' own commands are shown on.
    shutil.copy(place.home / "klaviyo.duckdb", place.root / "warehouse.duckdb")


def _last_line_of_make(*words: str) -> str:
    """What make would run last; it runs nothing."""
    told = subprocess.run(  # noqa: S603 - our own arguments
        ["make", "--no-print-directory", "-n", *words],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return told.splitlines()[-1]


@pytest.mark.parametrize(("given", "job"), [((), "publish"), (("JOB=answer",), "answer")])
def test_what_is_mended_is_sent_without_a_day_between(given: tuple[str, ...], job: str) -> None:
    """The command of `docs/rejects.md`, as make would run it: the job runs in tests of its own."""
    assert _last_line_of_make("resend", "ENVIRONMENT=prod", *given) == (
        "TARGET_KLAVIYO_PROFILES_RESEND_REFUSED_AFTER=0 .venv/bin/python scripts/pipeline.py"
        f" --environment prod {job}"
    )


@pytest.mark.parametrize(
    ("given", "variables"),
    [
        ((), 'EXPOSURE_EXPORT_FROM="" EXPOSURE_EXPORT_TO=""'),
        (("FROM=2026-11-01",), 'EXPOSURE_EXPORT_FROM="2026-11-01" EXPOSURE_EXPORT_TO=""'),
    ],
)
def test_a_range_of_exposures_reaches_the_job(given: tuple[str, ...], variables: str) -> None:
    """The commands of `plugins/exposure-export/README.md`, as make would run them."""
    assert _last_line_of_make("exposures", "ENVIRONMENT=prod", *given) == (
        f"{variables} .venv/bin/python scripts/pipeline.py --environment prod exposures"
    )


def test_cron_reaches_the_pipeline_with_its_bare_environment(place: Place) -> None:
    """Up to the environment, which does not exist here."""
    table = Crontab.read(ROOT / "examples" / "schedule" / "crontab")
    for _, command in table.entries:
        done = table.run(command, place.root.parent, CHECKOUT=str(place.root), ENVIRONMENT="nowhere")
        assert done.returncode == 1
        assert "failed: meltano.yml has no environment 'nowhere'; it has dev, prod" in done.stdout


def test_the_demo(place: Place) -> None:
    said = place.run("make demo")
    topics = [line.split()[0] for line in said.splitlines() if not line.startswith("Installing")]
    shown = re.search(r"<!-- demo -->\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown is not None
    assert topics == [line.split()[0] for line in shown[1].splitlines()]
    assert len(topics) <= 17
    assert not re.search(r"^written .*profiles: 0 received", said, re.MULTILINE)
    assert "spring_hero v1 hero: bold is ahead; its safety is open." in said
    assert re.search(r"^next +control \d+ %, bold \d+ %", said, re.MULTILINE)
    assert re.search(
        r"^order .* came twice: Klaviyo holds 1 Placed Order and 1 Ordered Product ", said, re.MULTILINE
    )
    assert re.search(
        r"^flow .*: the profile holds welcome_offer:offer:(control|gift) \d+ s later$", said, re.MULTILINE
    )
    unsubscribed = re.search(r"^unsubscribe +(\d+) left .*: (\d+) rows of fct_consent_changes", said, re.MULTILINE)
    assert unsubscribed is not None
    assert unsubscribed[1] == unsubscribed[2] != "0"
    left = subprocess.run(["ps", "ax", "-o", "command"], capture_output=True, text=True, check=True).stdout  # noqa: S607
    assert str(place.root / ".demo") not in left


def test_the_jobs_and_environments_that_pages_name_are_there() -> None:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    known = {kind: {each["name"] for each in project[f"{kind}s"]} for kind in ("job", "environment")}
    text = "".join(path.read_text() for path in (*READMES, *PAGES))
    known["environment"] |= set(re.findall(r"(?m)^- name: ([\w-]+)\n  env:", text))  # as pages make them
    assert set(re.findall(r"\bJOB=(\w[\w-]*)", text)) <= known["job"]
    assert set(re.findall(r"\bENVIRONMENT=(\w[\w-]*)", text)) <= known["environment"]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query(query: str, place: Place, piped: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a copy of what the pipeline filled, under its name; and nobody's question has an empty answer."""
    assert piped
    shutil.copy(place.home / "klaviyo.duckdb", tmp_path)
    monkeypatch.chdir(tmp_path)  # what is exported lands here
    with duckdb.connect("klaviyo.duckdb") as warehouse:
        assert warehouse.execute(query).fetchall()


def _serve(place: Place, command: str) -> None:
    """A command that goes on until it is stopped."""
    with subprocess.Popen(["/bin/bash", "-c", f"exec {command}"], cwd=place.root, env=place.environment) as server:  # noqa: S603
        for _ in range(600):
            if (place.root / "ready.json").exists():
                break
            time.sleep(0.05)
        assert set(json.loads((place.root / "ready.json").read_text())) == {"url", "api_key"}
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0


def _stated(command: str) -> None:
    """`meltano run` of tasks: they are tasks of the pipeline, which tests/test_pipeline.py runs."""
    jobs = yaml.safe_load((ROOT / "meltano.yml").read_text())["jobs"]
    tasks = [task for job in jobs for task in job["tasks"]]
    assert command.removeprefix("meltano run ") in tasks


def _end(definition: Path) -> None:
    """Let the draft have been sent and decided, as the page says before its next version."""
    text, count = re.subn("(?m)^status: draft.*$", "status: ended\nwinner: bold", definition.read_text())
    assert count == 1
    definition.write_text(text)


@pytest.mark.parametrize(
    ("readme", "command"),
    [(readme, command) for readme, command in COMMANDS if not RUN_ALONE.match(command)],
)
def test_a_command(readme: str, command: str, place: Place, repository: str) -> None:
    command = command.split("  #", maxsplit=1)[0].strip()
    if command in TESTING:
        assert re.search(rf"^{command.removeprefix('make ')}:", (ROOT / "Makefile").read_text(), re.MULTILINE), (
            readme
        )
    elif command.startswith("meltano run "):
        _stated(command)
    elif "--ready-file" in command:
        _serve(place, command)
    else:
        address = f'"api_url": "{place.environment["URL"]}"'
        key = place.environment["TAP_KLAVIYO_ENGAGEMENT_API_KEY"]
        if command.startswith("make iterate "):
            _end(place.root / "experiments" / command.partition("name=")[2] / "experiment.yml")
        place.environment["KLAVIYO_LOOP_REPOSITORY"] = repository
        place.run(command.replace('"api_key": "pk_…"', f'"api_key": "{key}", {address}'))


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert "make test" in [command for readme, command in COMMANDS if readme == "README.md"]
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("exec make test")
