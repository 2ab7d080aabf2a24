"""Files that a program makes hold people: they are for the user who runs it, and for nobody else."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
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


def beside(path: Path) -> Path:
    """Where this process makes what is to take the place of a file or folder: hidden, and beside it.

    What was left there by a process that was killed is removed first.

    Raises:
        OSError: it cannot be removed.
    """
    remove_unfinished(path)
    return path.with_name(f".{path.name}.{os.getpid()}")


def remove_unfinished(path: Path) -> None:
    """Remove what processes that were killed left beside a file or folder: it may hold what was erased since.

    Raises:
        OSError: it cannot be removed.
    """
    for each in path.parent.glob(f".{glob.escape(path.name)}.*"):
        with suppress(FileNotFoundError):  # another process has removed it
            if not _is_left(each):
                continue
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each)
            else:
                each.unlink()


def _is_left(path: Path) -> bool:
    """Whether a process of this user made it that is not there any more; its number ends the name."""
    process = path.name.rpartition(".")[2]
    return (
        process.isdecimal()
        and path.lstat().st_uid == os.getuid()
        and (int(process) == os.getpid() or not _is_running(int(process)))
    )


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def replace_file(path: Path, lines: Iterable[str]) -> None:
    """Put a whole new file in a file's place, on disk: who reads it meanwhile sees the old one or the new one.

    It keeps the mode of the old one; where there is none, it is its owner's alone.

    Args:
        path: The file.
        lines: What the new one holds, each without its end.

    Raises:
        OSError: it cannot be written; the old one is as it was.
    """
    unfinished = beside(path)
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
