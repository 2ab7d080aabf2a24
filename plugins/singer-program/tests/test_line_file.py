"""Lines that are appended are whole, whatever a crash left before them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from singer_program.line_file import Tail, append, tail


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("held", "found"),
    [
        (b"", Tail(0, None, b"")),
        (b"cut", Tail(0, None, b"cut")),
        (b"one\n", Tail(4, b"one", b"")),
        (b"\n", Tail(1, b"", b"")),
        (b"one\ntwo\ncu", Tail(8, b"two", b"cu")),
        (b"a" * 70_000 + b"\n" + b"b" * 140_000, Tail(70_001, b"a" * 70_000, b"b" * 140_000)),
        (b"x\n" + b"a" * 65_535 + b"\n", Tail(65_538, b"a" * 65_535, b"")),
    ],
    ids=["empty", "cut alone", "whole", "blank", "cut", "long", "as long as is read at once"],
)
def test_the_end_of_a_file(held: bytes, found: Tail, tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(held)
    with _opened(tmp_path / "lines") as descriptor:
        assert tail(descriptor) == found


def test_what_was_cut_off_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"one\ncu")
    with _opened(path) as descriptor:
        append(descriptor, b"two\nthree\n")
        append(descriptor, b"four\n")
    assert path.read_bytes() == b"one\ncu\ntwo\nthree\nfour\n"


def test_a_write_that_takes_only_a_part_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain: Callable[[int, memoryview], int] = os.write
    monkeypatch.setattr("os.write", lambda descriptor, content: plain(descriptor, content[:2]))
    with _opened(tmp_path / "lines") as descriptor:
        append(descriptor, b"seven\n")
    assert (tmp_path / "lines").read_bytes() == b"seven\n"
