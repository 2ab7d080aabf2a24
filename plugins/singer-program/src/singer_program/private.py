"""Files that a program makes hold people: they are for the user who runs it, and for nobody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

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
