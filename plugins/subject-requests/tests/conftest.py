"""An account, a command in the test's process, and warehouses of both kinds."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest
from people_warehouse import filled

from klaviyo_sandbox import Sandbox
from subject_requests.cli import main


class Run(NamedTuple):
    """What a run of the command ended with, and what it said."""

    status: int
    out: str
    err: str


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    monkeypatch.setattr("backoff._sync.time.sleep", lambda _: None)
    with Sandbox(profiles=40, events=600, segments=2, seed=3, rate_limits="off") as sandbox:
        sandbox.clock.freeze()
        yield sandbox


@pytest.fixture
def run(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Run]:
    """Run the command with words; settings go by keyword."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, **settings: object) -> Run:
        given = {"api_key": sandbox.api_key, "api_url": sandbox.url, **settings}
        for name, value in given.items():
            monkeypatch.setenv(f"SUBJECT_REQUESTS_{name.upper()}", str(value))
        monkeypatch.setattr(sys, "argv", ["subject-requests", *words])
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main()
        return Run(status, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "duckdb":
        return filled(tmp_path / "warehouse.duckdb")
    return filled(request.getfixturevalue("database")())
