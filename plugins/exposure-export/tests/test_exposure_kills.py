"""A run that is killed between any two changes of the disk leaves old hours and new ones, and nothing for good."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are not a package

from exposure_table import Table, at, listing, read_hours, row, run

KILLED = """
import os, shutil, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from exposure_table import run
from test_exposure_kills import AFTER, BEFORE
from exposure_export.hours import Window
from exposure_table import at, read_hours, listing

root = Path(sys.argv[2])
left = 0

def seam(call):
    def counted(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os._exit(137)
        done = call(*args, **kwargs)
        left -= 1
        if left == 0:
            os._exit(137)
        return done
    return counted

# All by which the program changes what is on disk, but for what it writes into files that nobody looks at yet.
for name in ("rename", "replace", "unlink", "rmdir", "mkdir", "chmod", "open"):
    setattr(os, name, seam(getattr(os, name)))
shutil.rmtree = seam(shutil.rmtree)
os.fsync = lambda _: None
seams = 0
while True:
    seams += 1
    place = root.with_name(f"{root.name}-{seams}")
    shutil.copytree(root, place)
    pid = os.fork()
    if not pid:
        left = seams
        run(AFTER, place, Window(at(0), at(8)))
        os._exit(0)
    if os.waitpid(pid, 0)[1] == 0:
        shutil.rmtree(place)
        break
"""
"""Exports to copies of the folder in processes that end, without cleaning up, at one seam after the other."""

BEFORE = Table([row(number, at(number)) for number in (1, 2, 3)])
AFTER = Table([row(1, at(1)), row(2, at(2), arm_key="plain"), row("new", at(5))])


def test_killed_at_any_seam(tmp_path: Path) -> None:
    root = tmp_path / "folder"
    run(BEFORE, root)
    script = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(root)]
    subprocess.run(script, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})  # noqa: S603
    old, new = BEFORE.files(), AFTER.files()
    assert read_hours(root) == old
    killed = sorted(tmp_path.glob("folder-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    assert len(killed) > 40
    states = []
    for place in killed:
        found = read_hours(place)  # which holds every file against the manifest beside it
        for hour in old.keys() | new.keys():
            assert found.get(hour) in (old.get(hour), new.get(hour)), f"{place.name}, {hour}"
        states.append([found.get(hour) == new.get(hour) for hour in sorted(old.keys() | new.keys())])
        run(AFTER, place)
        assert read_hours(place) == new, place.name
        assert {path.rpartition("/")[2] for path in listing(place)} == {"exposures.parquet", "_manifest.json"}
        assert sorted(path.name for path in place.iterdir()) == ["2026", "_lock"]
    # The first hour is the same before and after.
    assert states[0] == [True, False, False, False]
    assert states[-1] == [True] * 4
    assert any({*state[1:]} == {True, False} for state in states), "some hours were new and others old"


@pytest.mark.parametrize("changed", ["back", "away"])
def test_an_hour_that_was_being_replaced_is_done_again_whatever_the_table_says_by_then(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its manifest says what the table says once more, but the file may be another."""
    run(BEFORE, tmp_path)

    class Killed(BaseException):
        pass

    replace = Path.replace

    def stop_after_data(self: Path, target: Path) -> Path:
        done = replace(self, target)
        if target.name == "exposures.parquet":
            raise Killed
        return done

    monkeypatch.setattr(Path, "replace", stop_after_data)
    with pytest.raises(Killed):
        run(AFTER, tmp_path, None)
    monkeypatch.undo()
    assert read_hours(tmp_path)[at(2)] == AFTER.files()[at(2)]
    table = BEFORE if changed == "back" else Table([row(1, at(1))])
    run(table, tmp_path)
    assert read_hours(tmp_path) == table.files()
