"""Every command in a README works: each `sh` block is run, against a sandbox where it needs Klaviyo."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
import yaml

from klaviyo_sandbox import Sandbox

ROOT = Path(__file__).parent.parent
DBT = ".meltano/utilities/dbt/venv/bin"
READMES = sorted([*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("plugins/*/README.md")])
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)

# Commands that run the tests cannot be run by a test: what they are is compared instead.
TESTING = {"make test", "make check", "make unit"}


def _blocks(path: Path) -> list[list[str]]:
    return [
        [line for line in block.replace("\\\n", " ").splitlines() if line.strip()]
        for block in BLOCK.findall(path.read_text())
    ]


COMMANDS = [
    (path.relative_to(ROOT).as_posix(), line) for path in READMES for block in _blocks(path) for line in block
]
PROFILES = [
    {
        "type": "SCHEMA",
        "stream": "profiles",
        "schema": {"properties": {"email": {"type": "string"}}},
        "key_properties": [],
    },
    {"type": "RECORD", "stream": "profiles", "record": {"email": "ada@customers.example.org"}},
]
DEVELOPERS = ("DBT_", "KLAVIYO_", "MAKE", "MELTANO_", "MFLAGS", "PYTEST_", "TAP_", "TARGET_", "VIRTUAL_ENV")
RUN_ALONE = ("export ", "make demo", "make pipeline")  # by tests of their own


@dataclass
class Place:
    """A copy of the repository as a newcomer has it: nothing installed, nothing of the developer's own."""

    root: Path
    environment: dict[str, str]

    def run(self, command: str) -> str:
        done = subprocess.run(  # noqa: S602 - the README's own commands
            command,
            shell=True,
            executable="/bin/bash",
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("place") / "klaviyo-loop"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S607
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    (root / "profiles.jsonl").write_text("".join(json.dumps(message) + "\n" for message in PROFILES))
    (root / "truth.yml").write_text("baseline: {click: 0.1}\n")
    with duckdb.connect(str(root / "warehouse.duckdb")) as warehouse:
        warehouse.execute("create schema klaviyo_raw; create schema publish")
        warehouse.execute("create table publish.pub_klaviyo_profiles as select 'P1' as id")
    with Sandbox(profiles=600, events=900, segments=1, seed=2) as sandbox:
        settings = {"api_key": sandbox.api_key, "api_url": sandbox.url}
        (root / "config.json").write_text(json.dumps(settings))
        elsewhere = [folder for folder in os.environ["PATH"].split(os.pathsep) if not folder.startswith(str(ROOT))]
        environment = {
            # The machine's own settings stay (certificates, proxies, a package index); what a developer set goes.
            **{name: value for name, value in os.environ.items() if not name.startswith(DEVELOPERS)},
            "PATH": os.pathsep.join([str(root / ".venv" / "bin"), str(root / DBT), *elsewhere]),
            "URL": sandbox.url,
            "MELTANO_DATABASE_URI": f"sqlite:///{root}/meltano.db",
        }
        for prefix in ("TAP_KLAVIYO_ENGAGEMENT", "TARGET_KLAVIYO_PROFILES"):
            environment[f"{prefix}_API_KEY"] = sandbox.api_key
            environment[f"{prefix}_API_URL"] = sandbox.url
        yield Place(root, environment)


def test_there_are_commands_to_run() -> None:
    assert {path for path, _ in COMMANDS} >= {"README.md", "tap-klaviyo-engagement/README.md"}


def test_the_pipeline_runs_on_an_account_by_environment_variables_alone(place: Place) -> None:
    """The root README's third command. The sandbox stands in for the account; only its address is added."""
    block = next(block for block in _blocks(ROOT / "README.md") if "make pipeline" in " ".join(block))
    *exports, command = block
    assert [line.split("=")[0] for line in exports] == [
        "export TAP_KLAVIYO_ENGAGEMENT_API_KEY",
        "export TARGET_KLAVIYO_PROFILES_API_KEY",
    ]
    said = place.run(command)
    assert re.search(r"^profiles: [\d,]+ received, [\d,]+ accepted", said, re.MULTILINE)
    assert (place.root / "output" / "prod" / "report.html").is_file()
    # What the pipeline left behind is what the plugins' own commands are shown on.
    shutil.copy(place.root / "output" / "prod" / "klaviyo.duckdb", place.root / "warehouse.duckdb")


def test_the_demo(place: Place) -> None:
    said = place.run("make demo")
    topics = [line.split()[0] for line in said.splitlines() if not line.startswith("Installing")]
    shown = re.search(r"<!-- demo -->\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown is not None
    assert topics == [line.split()[0] for line in shown[1].splitlines()]
    assert len(topics) <= 13
    assert not re.search(r"^written .*profiles: 0 received", said, re.MULTILINE)
    assert "spring_hero v1 hero: bold is ahead; its safety is open." in said
    assert re.search(r"^next +control \d+ %, bold \d+ %", said, re.MULTILINE)
    left = subprocess.run(["ps", "ax", "-o", "command"], capture_output=True, text=True, check=True).stdout  # noqa: S607
    assert str(place.root / ".demo") not in left


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


@pytest.mark.parametrize(
    ("readme", "command"),
    [
        (readme, command)
        for readme, command in COMMANDS
        if not command.startswith(("export ", "make demo", "make pipeline"))
    ],
)
def test_a_command(readme: str, command: str, place: Place) -> None:
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
        place.run(command.replace('"api_key": "pk_…"', f'"api_key": "{key}", {address}'))


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert "make test" in [command for readme, command in COMMANDS if readme == "README.md"]
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("exec make test")
