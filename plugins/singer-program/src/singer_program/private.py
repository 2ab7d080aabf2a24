"""Files that a program makes hold people: they are for the user who runs it, and for nobody else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

OTHERS = 0o077
"""What group and others may not do with them."""


@contextmanager
def private_files() -> Iterator[None]:
    """While this lasts, files that are made get no mode for group and others; those that exist keep theirs."""
    before = os.umask(OTHERS)
    os.umask(before | OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def replace_file(path: Path, lines: Iterable[str]) -> None:
    """Put a whole new file in a file's place, on disk: who reads it meanwhile sees the old one or the new one.

    It keeps the mode of the old one; where there is none, it is its owner's alone.

    Args:
        path: The file.
        lines: What the new one holds, each without its end.

    Raises:
        OSError: it cannot be written; the old one is as it was.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        unfinished.chmod(mode)
        unfinished.replace(path)
        sync_folder(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Return when it is on disk what the folder holds, and by which names.

    Raises:
        OSError: it cannot be.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
