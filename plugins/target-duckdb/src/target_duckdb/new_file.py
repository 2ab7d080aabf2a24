"""The making of a DuckDB file, so that a kill in the middle leaves none that no later run can open."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import duckdb

if sys.platform != "win32":
    import fcntl

_OF_DUCKDB = (":memory:", "~")
"""How a path begins that DuckDB reads in a way of its own."""


def made(path: str) -> bool:
    """Make the file if there is none; an empty one, as a killed process leaves it, counts as none.

    DuckDB refuses an empty file, and half of a header. So the file is made as `PATH.new` and renamed, while the
    empty file at `path` is held by the lock that DuckDB itself takes: whoever makes the file there at the same
    time is waited for. What else stands at `path`, or a log beside it, is left to DuckDB.

    Returns:
        False if another process is making the file: try again.

    Raises:
        OSError: It cannot be made.
        duckdb.Error: Likewise.
    """
    if sys.platform == "win32" or path.startswith(_OF_DUCKDB) or "\0" in path:
        return True
    place = Path(os.path.realpath(path))  # a link stays one
    if not _lacks(place) or Path(f"{path}.wal").exists() or not place.parent.is_dir():
        return True
    file = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        held = os.fstat(file)
        if not _is(place, held) or held.st_size:
            return False  # somebody was faster
        new = place.with_name(f"{place.name}.new")
        for left in (new, Path(f"{new}.wal")):
            left.unlink(missing_ok=True)
        duckdb.connect(new).close()
        new.chmod(stat.S_IMODE(held.st_mode))
        new.replace(place)
    finally:
        os.close(file)
    return True


def _lacks(place: Path) -> bool:
    try:
        found = place.stat()
    except FileNotFoundError:
        empty = True
    else:
        empty = stat.S_ISREG(found.st_mode) and not found.st_size
    return empty and not Path(f"{place}.wal").exists()


def _is(place: Path, held: os.stat_result) -> bool:
    try:
        return os.path.samestat(place.stat(), held)
    except FileNotFoundError:
        return False
