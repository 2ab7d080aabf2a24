"""A copy of the repository in which its commands are run, with a sandbox that stands in for the account."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.simulation import truth

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package

from project import environment_of  # noqa: E402

DBT = ".meltano/utilities/dbt/venv/bin"
PIPELINE = "make pipeline ENVIRONMENT=prod"
TRUTH = truth.load(ROOT / "scripts" / "demo_truth.yml")
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


@dataclass
class Place:
    """A copy of the repository as a newcomer has it, without anything of the developer's own."""

    root: Path
    environment: dict[str, str]
    sandbox: Sandbox

    @property
    def home(self) -> Path:
        """What `PIPELINE` leaves behind."""
        return self.root / "output" / "prod"

    def install(self) -> None:
        """Install what the pipeline needs; Meltano's plugins are those that `make setup` installed here."""
        self.run("make .venv/.run")
        for plugin in (ROOT / ".meltano").glob("*/*/venv"):
            link = self.root / plugin.relative_to(ROOT)
            link.parent.mkdir(parents=True)
            link.symlink_to(plugin)
        (self.root / ".meltano" / ".ready").touch()
        # Where Meltano keeps its state unless told otherwise, as here: what a page says of it is only copied.
        (self.root / ".meltano" / "meltano.db").touch()

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


def copy_of_repository(root: Path) -> None:
    """What git knows of the repository, as it is here: with what is not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)


@contextmanager
def newcomer(root: Path) -> Iterator[Place]:
    """Copy what git lists into `root`, and start an account for it."""
    copy_of_repository(root)
    # The experiment that a newcomer would have written, set live and locked by now.
    shutil.copytree(root / "demo" / "experiments" / "spring_hero", root / "experiments" / "spring_hero")
    # The sandbox plays days in seconds. The same variables as the demo's let dbt parse the project once for both.
    environments, name = (root / "meltano.yml").read_text(), "KLAVIYO_LOOP_VARS"
    (root / "meltano.yml").write_text(
        environments.replace(f'{name}: "{{}}"', f'{name}: "{environment_of("demo")["env"][name]}"')
    )
    (root / "profiles.jsonl").write_text("".join(json.dumps(message) + "\n" for message in PROFILES))
    refused = {"stream": "profiles", "code": "invalid_email", "remedy": "Correct `email`."}
    (root / "output" / "dev" / "rejects.jsonl").write_text(json.dumps(refused) + "\n")
    (root / "mended.jsonl").write_text('{"stream": "profiles", "given": {"email": "eve@customers.example.org"}}\n')
    (root / "truth.yml").write_text("baseline: {click: 0.1}\n")
    (root / "body.json").write_text('{"profile_id": "{{ person.KlaviyoID }}"}')
    with duckdb.connect(str(root / "warehouse.duckdb")) as warehouse:
        warehouse.execute("create schema klaviyo_raw; create schema publish")
        warehouse.execute("create table publish.pub_klaviyo_profiles as select 'P1' as id")
    with Sandbox(profiles=6_000, events=9_000, segments=3, seed=11, truth=TRUTH) as sandbox:
        settings = {"api_key": sandbox.api_key, "api_url": sandbox.url}
        (root / "config.json").write_text(json.dumps(settings))
        elsewhere = [folder for folder in os.environ["PATH"].split(os.pathsep) if not folder.startswith(str(ROOT))]
        environment = {
            # The machine's own settings stay (certificates, proxies, a package index); what a developer set goes.
            **{name: value for name, value in os.environ.items() if not name.startswith(DEVELOPERS)},
            "PATH": os.pathsep.join([str(root / ".venv" / "bin"), str(root / DBT), *elsewhere]),
            "URL": sandbox.url,
            "PERSON": sandbox.store.read("select min(id) from profiles")[0][0],
            "MELTANO_DATABASE_URI": f"sqlite:///{root}/meltano.db",
        }
        for prefix in ("TAP_KLAVIYO_ENGAGEMENT", "TARGET_KLAVIYO_PROFILES"):
            environment[f"{prefix}_API_KEY"] = sandbox.api_key
            environment[f"{prefix}_API_URL"] = sandbox.url
        yield Place(root, environment, sandbox)
