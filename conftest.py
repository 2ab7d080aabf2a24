"""Fixtures shared by every package's tests, and how tests are shared out among processes."""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import settings
from typing_extensions import override
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

REFERENCE = Path(__file__).parent.parent / "shared"

# No test depends on how busy the machine is: an example may take as long as it takes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of outside truths: Klaviyo's OpenAPI document, recorded responses, published vectors."""
    if not REFERENCE.is_dir():
        pytest.skip("the reference folder `../shared` is not beside this checkout")
    return REFERENCE


@pytest.fixture
def answers_by_drops() -> Iterator[str]:
    """The address of a server that answers one request, a byte each twentieth of a second, until it is left."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=_by_drops, args=[listener])
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def _by_drops(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection, suppress(OSError):
        connection.recv(65_536)
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 400:
            time.sleep(0.05)
            connection.sendall(bytes([byte]))


@pytest.fixture(scope="session")
def database() -> Iterator[Callable[[], str]]:
    """Makes an empty database of a PostgreSQL of our own, and tells its URL."""
    binaries = pytest.importorskip("pgserver", reason="PostgreSQL's binaries come with the package pgserver")
    psycopg = pytest.importorskip("psycopg")
    folder = tempfile.mkdtemp(prefix="tests-")  # a socket's path must be short
    server = binaries.get_server(folder, cleanup_mode=None)
    numbers = count()

    def make() -> str:
        name = f"tests_{next(numbers)}"
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return str(server.get_uri(name))

    yield make
    binaries.pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=server.pgdata, user=server.system_user)
    shutil.rmtree(folder)


NEWCOMER = ("tests/test_pipeline.py", "tests/test_readme.py")
"""They share an installation and a warehouse: what the first finds there, the second's commands add to."""
LONGEST = (*NEWCOMER, "transform/", "tests/")
"""Begun first, so that nobody waits for one of them at the end."""


class ByWarehouse(LoadScopeScheduling):  # type: ignore[misc]
    """A module's tests stay together, and those of several that need the same warehouse filled."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith("transform/"):
            return next((name for name in ("postgres", "spark") if name in nodeid.partition("[")[2]), "duckdb")
        return NEWCOMER[0] if nodeid.startswith(NEWCOMER) else str(super()._split_scope(nodeid))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first; `--no-loadscope-reorder` keeps this order."""
    items.sort(
        key=lambda item: next((i for i, name in enumerate(LONGEST) if item.nodeid.startswith(name)), len(LONGEST))
    )


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:  # noqa: ANN401
    """What `--dist loadscope` means here."""
    return ByWarehouse(config, log) if config.getvalue("dist") == "loadscope" else None
