"""A shell in which a local Klaviyo stands in for the account: what it is told, and what is refused there."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))  # scripts are not a package

import preflight  # noqa: E402
import sandbox  # noqa: E402
from project import NotStarted  # noqa: E402

PAGE = ROOT / "docs" / "stand-in.md"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sandbox, "HOME", tmp_path / "sandbox")
    monkeypatch.setattr(sandbox, "SIZE", ("--profiles", "5", "--events", "0", "--segments", "1"))
    monkeypatch.setenv("TAP_KLAVIYO_ENGAGEMENT_API_KEY", "pk_of_the_account")
    monkeypatch.setenv("KLAVIYO_LOOP_NOTIFY_COMMAND", "tell-everybody")
    return tmp_path / "sandbox"


def test_the_shell_has_the_local_klaviyo_in_the_account_s_place(home: Path) -> None:
    home.mkdir()
    (home / "klaviyo.duckdb").write_text("of a sandbox that is gone")
    with sandbox.rehearsing() as own:
        assert not (home / "klaviyo.duckdb").exists()
        preflight.check("pipeline", "demo", {**os.environ, **own})
        with pytest.raises(NotStarted, match=r"'prod' is for: leave ENVIRONMENT out, or this shell, with `exit`"):
            preflight.check("pipeline", "prod", {**os.environ, **own})
        seen = home / "seen"
        names = "$TAP_KLAVIYO_ENGAGEMENT_API_KEY $ENVIRONMENT $TAP_EXPERIMENTS_PATH <$KLAVIYO_LOOP_NOTIFY_COMMAND>"
        script = f'set -e; klaviyo-sandbox counts; echo "{names} <$MAKEFLAGS>" > {seen}; exit 7'
        assert sandbox.run(["/bin/sh", "-c", script], own) == 7
        key = own["TARGET_KLAVIYO_PROFILES_API_KEY"]
        assert seen.read_text() == f"{key} demo {ROOT / 'experiments'} <> <>\n"
        assert key != "pk_of_the_account"
        with pytest.raises(NotStarted, match="already"), sandbox.rehearsing():
            pass
    with sandbox.rehearsing():  # the address that the last one left does not answer any more
        pass


def test_the_page_is_typed_into_the_shell_of_the_command() -> None:
    commands = "".join(re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    assert commands
    assert "make sandbox" in PAGE.read_text()
    assert "ENVIRONMENT" not in commands  # the shell has it
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{name}:", makefile, re.MULTILINE) for name in re.findall(r"^make (\w+)", commands))
