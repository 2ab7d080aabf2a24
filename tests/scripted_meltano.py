"""A script in the place of Meltano, and the command behind `make pipeline` that runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package

import pipeline  # noqa: E402
from notify import COMMAND, URL  # noqa: E402


@contextmanager
def meltano(folder: Path, script: str) -> Iterator[None]:
    """Instead of Meltano: a shell script."""
    program = folder / "bin" / "meltano"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "BIN", program.parent)
        patch.setenv("KLAVIYO_LOOP_DEMO_HOME", str(folder / "home"))
        patch.setenv("MELTANO_DATABASE_URI", "sqlite:///none")
        for name in ("KLAVIYO_LOOP_TICKET", URL, COMMAND):
            patch.delenv(name, raising=False)
        yield


ENDED = '{"event": "Block run completed", "success": true, "duration_seconds": 1.5}'


COMMAND_LINE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import pipeline
pipeline.BIN = Path(sys.argv[2])
sys.argv = ["pipeline", "--environment=demo", sys.argv[3]]
pipeline.main()
"""


def started(folder: Path, job: str) -> subprocess.Popen[str]:
    """The command behind `make pipeline`, with the Meltano of this folder."""
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", COMMAND_LINE, str(ROOT / "scripts"), str(folder / "bin"), job],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
