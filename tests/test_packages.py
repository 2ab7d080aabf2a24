"""Every package works as others would install it: built as a wheel, in an empty environment, without the rest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UV = Path(sys.executable).parent / "uv"
FOLDERS = (
    "klaviyo-wire",
    "tap-klaviyo-engagement",
    "target-klaviyo-profiles",
    "plugins/exposure-export",
    "plugins/klaviyo-inbox",
    "plugins/klaviyo-sandbox",
    "plugins/lift-report",
    "plugins/map-consent-strings",
    "plugins/singer-program",
    "plugins/subject-requests",
    "plugins/tap-duckdb",
    "plugins/tap-experiments",
    "plugins/tap-forwarding",
    "plugins/tap-klaviyo-files",
    "plugins/target-duckdb",
)


def _run(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    _run("make", "-C", ROOT, "wheels", f"DIST={folder}")
    assert len(list(folder.glob("*.whl"))) == len(FOLDERS)
    return folder


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_wheel_works_by_itself(folder: str, wheels: Path, tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    module = project["name"].replace("-", "_")
    _run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    # By its file: another package of the name may be published, in a later version.
    [wheel] = wheels.glob(f"{module}-*.whl")
    _run(
        UV, "pip", "install", "--quiet", "--python", python, "--constraint", ROOT / "constraints.txt",
        "--find-links", wheels, wheel,
    )  # fmt: skip
    where = _run(python, "-c", f"import {module}, pathlib; print(pathlib.Path({module}.__file__).parent)").strip()
    assert str(tmp_path) in where, "the installed wheel, not the checkout"
    assert (Path(where) / "py.typed").is_file()
    for program in project.get("scripts", {}):
        assert program in _run(python.parent / program, "--help")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_package_says_what_it_is(folder: str) -> None:
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"
    assert project["requires-python"] == ">=3.11"
    assert project["description"]
    assert (ROOT / folder / project["readme"]).read_text().startswith(f"# {project['name']}")


BLOCK = re.compile(r"<!-- install -->\n(.*?)<!-- /install -->", re.DOTALL)
AS_WRITTEN = os.environ.get("KLAVIYO_LOOP_TEST_INSTALL") == "pip"
"""Otherwise uv stands in for pip, which takes seven times as long over the same."""


WAYS = [
    (name, way)
    for name in ("tap-klaviyo-engagement", "target-klaviyo-profiles")
    for way in ("out of git", "from wheels")
]


@pytest.mark.parametrize(("name", "way"), WAYS if AS_WRITTEN else WAYS[::3])
def test_a_package_is_installed_as_its_readme_says(
    name: str, way: str, repository: str, wheels: Path, tmp_path: Path
) -> None:
    [told] = BLOCK.findall((ROOT / name / "README.md").read_text())
    out_of_git, from_wheels = re.findall(r"```sh\n(.*?)```", told, re.DOTALL)
    new, pip = f"python3 -m venv {name}-venv", f"{name}-venv/bin/pip install"
    assert out_of_git.startswith(f"{new}\n{pip}")
    assert from_wheels.startswith(f"make wheels\n{pip}")
    # What its `make wheels` has built is there.
    (tmp_path / "dist").symlink_to(wheels)
    script = out_of_git if way == "out of git" else from_wheels.replace("make wheels", new)
    if not AS_WRITTEN:
        script = script.replace(new, f"'{UV}' venv --quiet --python '{sys.executable}' {name}-venv").replace(
            pip, f"'{UV}' pip install --quiet --python {name}-venv/bin/python -c '{ROOT / 'constraints.txt'}'"
        )
    done = subprocess.run(  # noqa: S603
        ["/bin/bash", "-euc", script],
        cwd=tmp_path,
        env=os.environ | {"KLAVIYO_LOOP_REPOSITORY": repository},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert name in _run(tmp_path / f"{name}-venv" / "bin" / name, "--version")
