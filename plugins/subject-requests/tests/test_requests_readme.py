"""The commands that the README shows do what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_example(sandbox: Sandbox, tmp_path: Path) -> None:
    shown = re.search(r"<!-- example -->\n```\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    lines = [line.removeprefix("$ ") for line in shown[1].splitlines()]
    assert len(lines) == 4
    here = tmp_path / "bin"
    here.mkdir()
    program = here / "subject-requests"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m subject_requests "$@"\n')
    program.chmod(0o700)
    environment = {
        **os.environ,
        "PATH": f"{here}:{os.environ['PATH']}",
        "SUBJECT_REQUESTS_API_KEY": sandbox.api_key,
        "SUBJECT_REQUESTS_API_URL": sandbox.url,
    }
    script = " && ".join(lines)
    done = subprocess.run(  # noqa: S602 - our own README
        script, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr  # unseen
    assert (tmp_path / "ada" / "manifest.json").exists()
    assert '"state": "unseen"' in done.stdout
    assert len((tmp_path / "forgotten.txt").read_text().split()) == 1
