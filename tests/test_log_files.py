"""What every run appends to stays bounded, private, and readable while it is put aside."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package

import log_files  # noqa: E402
from log_files import GENERATIONS, generation, log_of_a_run, rotate, rotate_rejects  # noqa: E402


def test_a_log_is_bounded_however_many_runs_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "LOG_BYTES", 100)
    log = tmp_path / "log.jsonl"
    for number in range(40):
        with log_of_a_run(log) as write:
            write(f"run {number:02} " + 32 * "x" + "\n")
    files = sorted(tmp_path.iterdir())
    assert files == sorted(generation(log, number) for number in range(GENERATIONS + 1))
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    assert all(path.stat().st_size <= 120 for path in files)
    newest_first = [
        line.split()[1]
        for number in range(GENERATIONS + 1)
        for line in reversed(generation(log, number).read_text().splitlines())
    ]
    assert newest_first == [f"{number:02}" for number in range(39, 39 - len(newest_first), -1)], (
        "no line between is lost"
    )


def test_a_run_that_does_not_stop_talking_is_bounded_too_and_says_where_it_began(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with log_of_a_run(log, limit=1_000) as write:
        for _ in range(1_000):
            write(49 * "x" + "\n")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < (GENERATIONS + 1) * 1_300
    assert "what was before is in log.1.jsonl" in log.read_text().splitlines()[0]


def test_who_reads_the_log_while_it_is_put_aside_reads_on(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("first\nsecond\n")
    with log.open() as reader:
        assert reader.readline() == "first\n"
        assert rotate(log, 1)
        assert reader.readline() == "second\n"
    assert not log.exists()


def test_what_cannot_be_put_aside_fails_no_run(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("x" * 10)
    (tmp_path / "log.jsonl").symlink_to(target)
    assert not rotate(tmp_path / "log.jsonl", 1), "what lies elsewhere is not this home's"
    assert not rotate(tmp_path / "none", 0)
    (tmp_path / "a.jsonl").write_text("x")
    generation(tmp_path / "a.jsonl", GENERATIONS - 1).write_text("x")
    generation(tmp_path / "a.jsonl", GENERATIONS).mkdir()
    assert not rotate(tmp_path / "a.jsonl", 1)


def test_files_of_rejects_are_bounded_and_the_proof_of_deletions_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "REJECTS_BYTES", 10)
    for name in ("tap-rejects.jsonl", "rejects.jsonl", "deletions.jsonl"):
        (tmp_path / name).write_text("x" * 20)
    (tmp_path / "small-rejects.jsonl").write_text("x")
    rotate_rejects(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "deletions.jsonl",
        "rejects.1.jsonl",
        "small-rejects.jsonl",
        "tap-rejects.1.jsonl",
    ]
