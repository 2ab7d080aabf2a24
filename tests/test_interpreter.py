"""Which Python everything is installed for: `scripts/interpreter.sh`, among programs that stand in for others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "interpreter.sh"


def chosen(folder: Path, *named: str) -> str | None:
    """What the script prints where PATH is `first` and `second` of that folder; nothing where it refuses."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    for tool in ("awk", "sh"):
        found = shutil.which(tool)
        assert found is not None
        (tools / tool).unlink(missing_ok=True)
        (tools / tool).symlink_to(found)
    path = os.pathsep.join(
        [str(folder / "first"), str(folder / "no such folder"), str(folder / "second"), str(tools)]
    )
    done = subprocess.run(  # noqa: S603
        ["/bin/sh", str(SCRIPT), *named], env={"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.returncode == (0 if done.stdout else 1)
    return done.stdout.removesuffix("\n") or None


def stand_in(program: Path, microseconds: int | None) -> Path:
    """A program that says it needs that long; without a time, one that does not fit."""
    program.parent.mkdir(parents=True, exist_ok=True)
    does = "exit 1" if microseconds is None else f'echo "{microseconds} $0"'
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        (100, 100, "first"),
        (100, 90, "first"),  # within what a measurement may differ by, the order of PATH decides
        (100, 70, "second"),
        (None, 9_000, "second"),
        (9_000, None, "first"),
        (None, None, None),
    ],
)
def test_the_first_is_taken_unless_another_is_much_faster(
    tmp_path: Path, first: int | None, second: int | None, taken: str | None
) -> None:
    folder = tmp_path / "a folder's"
    programs = {
        "first": stand_in(folder / "first" / "python3", first),
        "second": stand_in(folder / "second" / "python3.12", second),
    }
    assert chosen(folder) == (taken and str(programs[taken]))


def test_one_that_is_named_is_taken_or_refused(tmp_path: Path) -> None:
    stand_in(tmp_path / "first" / "python3", 10)
    mine = stand_in(tmp_path / "mine" / "python", 9_000)
    assert chosen(tmp_path, str(mine)) == str(mine)
    assert chosen(tmp_path, str(stand_in(mine, None))) is None
    assert chosen(tmp_path, str(tmp_path / "nothing")) is None


def test_a_real_one_fits_and_is_named_by_its_own_path(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "python3.11").symlink_to(sys.executable)
    assert chosen(tmp_path) == str(tmp_path / "first" / "python3.11")
