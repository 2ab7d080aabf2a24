"""The commands that the README shows do what it says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from people_warehouse import execute, filled

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

PAGE = (Path(__file__).parents[3] / "docs/privacy.md").read_text(encoding="utf-8")
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


def test_the_erasure(run: Callable[..., Any], tmp_path: Path) -> None:
    shown = re.search(r"^```\n(subject-requests erase .*)\n```$", README, re.MULTILINE)
    assert shown is not None
    settings = {
        "warehouse": filled(tmp_path / "warehouse.duckdb"),
        "erased_schemas": '["klaviyo_raw", "marts"]',
        "forgotten_path": "forgotten.txt",
        "forgotten_key": "a key that no test would guess, of 32",
    }
    assert run("forget", "--email", "ada@shop.example", "--because", "request 17", **settings).status == 0
    done = run(*shlex.split(shown[1])[1:], **settings)
    assert (done.status, done.out) == (0, "0 rows would be erased; nothing was\n"), done.err


def test_the_life_of_a_request_on_the_page_of_privacy(run: Callable[..., Any], tmp_path: Path) -> None:
    lines = [
        line
        for block in re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    assert [line.split()[1] for line in lines] == [
        "note", "export", "note", "forget", "note", "erase", "erase", "verify", "log", "log", "unforget"
    ]  # fmt: skip
    place = filled(tmp_path / "warehouse.duckdb")
    execute(
        place,
        "CREATE TABLE klaviyo_raw.privacy_requests (request_id text, kind text, email text,"
        " verified_at timestamp)",
        "INSERT INTO klaviyo_raw.privacy_requests VALUES ('17', 'access', 'ada@shop.example', NULL),"
        " ('18', 'deletion', 'ada@shop.example', NULL)",
    )
    settings = {
        "warehouse": place,
        "erased_schemas": '["klaviyo_raw", "marts"]',
        "forgotten_path": "forgotten.txt",
        "forgotten_key": "a key that no test would guess, of 32",
        "log_path": "log.jsonl",
    }
    done = [run(*shlex.split(line)[1:], **settings) for line in lines]
    assert [each.status for each in done] == [0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0], [each.err for each in done]
    assert (tmp_path / "ada" / "manifest.json").exists()
    assert re.match(r"\d+ [0-9a-f]{64}\n", done[8].out)
    assert '"did": "erased"' in done[9].out
