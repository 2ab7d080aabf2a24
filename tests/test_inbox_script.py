"""`make inbox`: the receiver with the variables of `.env`, and its store where the tap looks for it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "scripts" / "inbox.py"


def _run(*arguments: str, **variables: str) -> str:
    environment = {**os.environ, **variables}
    command = [sys.executable, str(SCRIPT), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode != 0
    return done.stderr.strip()


@pytest.mark.parametrize("given", ["", "elsewhere"])
def test_the_store_lies_in_the_home_that_its_owner_alone_can_read(given: str, tmp_path: Path) -> None:
    """Seen by what it cannot do: listen at an address of nobody."""
    home = tmp_path / "home"
    variables = {"KLAVIYO_LOOP_DEMO_HOME": str(home), "KLAVIYO_INBOX_FLOW_TOKEN": "a-token-of-some-length"}
    if given:
        variables["KLAVIYO_INBOX_STORE"] = str(tmp_path / given)
    said = _run("--environment", "demo", "--host", "203.0.113.1", **variables)
    assert said.startswith("klaviyo-inbox: --host 203.0.113.1 --port 8080: ")
    assert home.exists() == (not given)
    if not given:
        assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_an_environment_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert _run("--environment", "nowhere", HOME=str(tmp_path)).startswith(
        "meltano.yml has no environment 'nowhere'"
    )
