"""The commands that the README shows answer what it shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from inbox_door import TOKEN

README = (Path(__file__).parent.parent / "README.md").read_text()
BIN = Path(sys.executable).parent


def _block(before: str) -> list[str]:
    found = re.search(rf"{re.escape(before)}\n+```\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1].splitlines()


def test_the_example(tmp_path: Path) -> None:
    """The receiver as it is started there, on a free port."""
    _, serve = (line.removeprefix("$ ") for line in _block("## Start it"))
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "KLAVIYO_INBOX_STORE": "inbox.sqlite",
        **{f"KLAVIYO_INBOX_{name}_TOKEN": TOKEN for name in ("FLOW", "FORM", "ORDER")},
    }
    command = f"exec {serve.replace('8080', '0')} --ready-file ready.json"
    with subprocess.Popen(command, shell=True, cwd=tmp_path, env=environment, stderr=subprocess.PIPE) as receiver:  # noqa: S602
        try:
            while not (tmp_path / "ready.json").exists():
                assert receiver.poll() is None
                time.sleep(0.02)
            url = json.loads((tmp_path / "ready.json").read_text())["url"]
            *lines, tap = _block("<!-- example -->")
            lines += _block("<!-- form and shop -->")
            for shown, answer in zip(lines[::2], lines[1::2], strict=True):
                call = shown.removeprefix("$ ").replace("http://127.0.0.1:8080", url)
                said = subprocess.check_output(call, shell=True, cwd=tmp_path, env=environment, text=True)  # noqa: S602
                assert said == answer
            read = subprocess.check_output(  # noqa: S602
                tap.removeprefix("$ "), shell=True, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL
            )
        finally:
            receiver.terminate()
    records = [json.loads(line) for line in read.splitlines() if b'"RECORD"' in line]
    found = {each["stream"]: each["record"] for each in records}
    assert len(records) == len(found) == 3
    assert found["flow_requests"]["request_id"] == "welcome:01ABC/77"
    assert found["consent_statements"]["consent"] == "given"
    assert found["orders"]["lines"][0]["name"] == "Linen shirt"
