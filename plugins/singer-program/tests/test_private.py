"""What is made beside a file, and what is left there of who was killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from singer_program.private import beside, remove_unfinished, replace_file


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("name", ["list.txt", "a[b]*?.jsonl", ".hidden", "ünï ✉.txt"])
def test_what_the_dead_left_goes_and_all_else_stays(name: str, dead: int, tmp_path: Path) -> None:
    path = tmp_path / name
    left = [tmp_path / f".{name}.{dead}", tmp_path / f".{name}.{os.getpid()}", tmp_path / f".{name}.{2**80}"]
    for each in left[:2]:
        each.write_text("of somebody")
    left[2].mkdir()
    (left[2] / "within").write_text("of somebody")
    stays = [tmp_path / f".{name}.{os.getppid()}", tmp_path / f".{name}.old", tmp_path / f".other.{dead}"]
    for each in (*stays, path):
        each.write_text("kept")
    remove_unfinished(path)
    assert {*tmp_path.iterdir()} == {path, *stays}


def test_a_link_is_removed_and_not_what_it_leads_to(dead: int, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("kept")
    (tmp_path / f".list.{dead}").symlink_to(elsewhere)
    remove_unfinished(tmp_path / "list")
    assert [each.name for each in elsewhere.iterdir()] == ["kept"]
    assert not (tmp_path / f".list.{dead}").is_symlink()


def test_a_file_is_replaced_whole_with_its_mode_and_nothing_is_left_beside(dead: int, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    (tmp_path / f".list.txt.{dead}").write_text("half")
    replace_file(path, ["one"])
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    replace_file(path, ["one", "zwei ✉"])
    assert path.read_text(encoding="utf-8") == "one\nzwei ✉\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [*tmp_path.iterdir()] == [path]
    assert beside(path).parent == tmp_path
