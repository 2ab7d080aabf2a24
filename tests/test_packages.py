"""Every package works as others would install it: built as a wheel, in an empty environment, without the rest."""

from __future__ import annotations

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
    "plugins/klaviyo-sandbox",
    "plugins/lift-report",
    "plugins/singer-program",
    "plugins/tap-duckdb",
    "plugins/tap-experiments",
    "plugins/target-duckdb",
)


def _run(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for name in FOLDERS:
        _run(UV, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT / name)
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
