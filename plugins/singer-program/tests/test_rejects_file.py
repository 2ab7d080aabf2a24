"""Lines of a rejects file are whole, private, and on disk when they are said to be."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from singer_program.errors import ProgramError
from singer_program.rejects_file import RejectsFile


def test_the_first_line_makes_the_file_for_its_owner_alone(tmp_path: Path) -> None:
    file = RejectsFile(tmp_path / "rejects.jsonl")
    file.sync()
    assert not file.path.exists()
    file.append({"n": 1})
    assert file.waiting == 1
    assert not file.path.exists()
    file.close()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert file.waiting == 0


def test_a_line_that_was_cut_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    path.write_text('{"n": 0}\n{"n"')
    file = RejectsFile(path)
    for n in (1, 2):
        file.append({"n": n})
        file.sync()
    assert [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] == [
        {"n": n} for n in range(3)
    ]


def test_what_cannot_be_written_is_told_and_kept(tmp_path: Path) -> None:
    file = RejectsFile(tmp_path / "no" / "rejects.jsonl")
    assert "does not exist" in file.fault()
    assert "is a folder" in RejectsFile(tmp_path).fault()
    file.append({"n": 1})
    with pytest.raises(ProgramError, match="`rejects_path`"):
        file.sync()
    (tmp_path / "no").mkdir()
    assert file.fault() == ""
    file.close()
    assert json.loads(file.path.read_text()) == {"n": 1}
