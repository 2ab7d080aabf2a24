"""The tests of this package import what they share by its name, and leave the process's log as it was."""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parent / "tests"))


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """A command's log goes to the standard error of its test, which is closed afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def database() -> Iterator[Callable[[], str]]:
    """Makes an empty database of a PostgreSQL of our own, and tells its URL."""
    binaries = pytest.importorskip("pgserver", reason="PostgreSQL's binaries come with the package pgserver")
    folder = tempfile.mkdtemp(prefix="inbox-")  # a socket's path must be short
    server = binaries.get_server(folder, cleanup_mode=None)
    numbers = count()

    def make() -> str:
        name = f"inbox_{next(numbers)}"
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return str(server.get_uri(name))

    yield make
    binaries.pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=server.pgdata, user=server.system_user)
    shutil.rmtree(folder)
