from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from file_runs import NOW, Read, Run

from tap_klaviyo_files.tap import TapKlaviyoFiles

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "exports"
    path.mkdir()
    return path


@pytest.fixture
def rejects(tmp_path: Path) -> Path:
    return tmp_path / "rejects" / "files.jsonl"


@pytest.fixture
def read(folder: Path, rejects: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Read:
    """Run the tap at `NOW` on a folder of events, unless told otherwise."""

    def run(
        files: list[dict[str, Any]] | None = None, state: dict[str, Any] | None = None, **config: object
    ) -> Run:
        tap = TapKlaviyoFiles(
            config={
                "files": files or [{"path": str(folder), "stream": "events"}],
                "rejects_path": str(rejects),
                **config,
            },
            state=state,
        )
        tap.run.now = lambda: NOW
        capfdbinary.readouterr()
        tap.sync_all()
        return Run([json.loads(line) for line in capfdbinary.readouterr().out.splitlines()], tap.run.faults)

    return run
