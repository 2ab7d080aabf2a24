"""Bounds the files of a home that every run appends to: the oldest lines go, a whole file at a time."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from home import open_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GENERATIONS = 5
"""Older files that are kept: `log.1.jsonl` is the newest of them."""
LOG_BYTES = 8 * 2**20
"""Of a log before a run begins; a run writes some 0.2 MB."""
RUN_BYTES = 64 * 2**20
"""Of the log of a run that does not stop talking."""
REJECTS_BYTES = 32 * 2**20
"""Of a file of rejects before a run begins; what stays refused is in each newer one again."""


def generation(path: Path, number: int) -> Path:
    """Where the lines of a file are that were put aside `number` times; 0: the file itself."""
    return path.with_name(f"{path.stem}.{number}{path.suffix}") if number else path


def rotate(path: Path, limit: int) -> bool:
    """Put a file of `limit` bytes or more aside, the oldest one being dropped; whoever calls holds the home.

    Names only are changed: a reader who has the file open reads on.

    Returns:
        Whether it was put aside; also false where it cannot be, since a run matters more than its log.
    """
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size < limit:
            return False
        for number in reversed(range(GENERATIONS)):
            older = generation(path, number)
            if older.exists():
                older.replace(generation(path, number + 1))
    except OSError:
        return False
    return True


def rotate_rejects(home: Path) -> None:
    """Put the files of rejects aside that have grown large; that of deletions is a proof, and stays."""
    for path in home.glob("*rejects.jsonl"):
        rotate(path, REJECTS_BYTES)


@contextmanager
def log_of_a_run(path: Path, limit: int = RUN_BYTES) -> Iterator[Callable[[str], object]]:
    """The log of a home that is held, to append lines to; where it is large, it begins anew, also in the midst.

    Yields:
        Takes a line with its end.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    rotate(path, LOG_BYTES)
    file: IO[str] = open_private(path, "a")
    left = limit

    def write(line: str) -> None:
        nonlocal file, left
        file.write(line)
        left -= len(line)
        if left < 0:
            left = limit
            file.close()
            was_put_aside = rotate(path, 0)
            file = open_private(path, "a")
            if was_put_aside:
                event = f"the log of this run goes on here; what was before is in {generation(path, 1).name}"
                file.write(json.dumps({"event": event}) + "\n")

    try:
        yield write
    finally:
        file.close()
