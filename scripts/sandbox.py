"""Opens a shell in which a local Klaviyo stands in for the account; it ends with the shell."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from home import empty, keep_private
from pipeline import holding, one_line_errors, rehearsal
from project import BIN, ROOT, NotStarted, read_dotenv
from serving import serving

HOME = ROOT / "output" / "sandbox"
SEED = "7"
SIZE = ("--profiles", "6000", "--events", "12000", "--segments", "3", "--seed", SEED)
"""The account that is made up, in the demo as well."""
_READY = "sandbox.json"
_SECONDS_TO_ANSWER = 5
_OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")


@contextmanager
def local_klaviyo(home: Path) -> Iterator[tuple[str, str]]:
    """Start a sandbox on a free port: its address and a key that may do everything. Afterwards it is gone.

    Raises:
        JobFailed: it did not start.
    """
    command = [str(BIN / "klaviyo-sandbox"), *SIZE, "--port", "0"]
    with serving("sandbox", command, home / _READY) as told:
        yield told["url"], told["api_key"]


def variables(url: str, api_key: str) -> dict[str, str]:
    """What makes every command of a shell use the local Klaviyo, and a home and a state of its own."""
    own = rehearsal(HOME, url, api_key)
    experiments = os.environ.get("TAP_EXPERIMENTS_PATH") or str(ROOT / "experiments")
    return own | {
        "TAP_EXPERIMENTS_PATH": experiments,
        "ENVIRONMENT": "demo",
        "KLAVIYO_SANDBOX_URL": url,
        "KLAVIYO_LOOP_NOTIFY_URL": "",  # nobody is to hear of a rehearsal
        "KLAVIYO_LOOP_NOTIFY_COMMAND": "",
    }


def _refuse_two() -> None:
    """Two would empty each other's home."""
    try:
        url = json.loads((HOME / _READY).read_text())["url"]
        with urllib.request.urlopen(f"{url}/sandbox/counts", timeout=_SECONDS_TO_ANSWER):  # noqa: S310 - our own
            pass
    except (OSError, ValueError, KeyError):  # none was started, or the last one has ended
        return
    msg = f"there is a shell with a local Klaviyo at {url} already: use that one, or leave it with `exit`"
    raise NotStarted(msg)


@contextmanager
def rehearsing() -> Iterator[dict[str, str]]:
    """The variables of a shell beside a local Klaviyo, whose home was emptied of what was before.

    Raises:
        JobFailed: there is one already, or it did not start.
    """
    HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        with holding("a new sandbox", "demo", rehearsal(HOME, "http://127.0.0.1", "unused")):
            _refuse_two()
            empty(HOME)
            url, api_key = stack.enter_context(local_klaviyo(HOME))
        yield variables(url, api_key)


def run(command: Sequence[str], own: Mapping[str, str]) -> int:
    """Run a shell, or a command, with the variables and the programs of this checkout; returns its status."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_MAKE}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    everything = {**kept, **own, "PATH": path}
    return subprocess.run(list(command), env=everything, cwd=ROOT, check=False).returncode  # noqa: S603


def main() -> None:
    """Command line: nothing, for a shell; or a command that is run in its place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what is run instead of a shell")
    command = parser.parse_args().command or [os.environ.get("SHELL") or "/bin/sh"]
    keep_private()
    read_dotenv()
    with one_line_errors(), rehearsing() as own:
        url = own["KLAVIYO_SANDBOX_URL"]
        print(f"a local Klaviyo at {url} stands in for the account of all commands in this shell")
        print(f"its home is {os.path.relpath(HOME)}; `exit` ends it", flush=True)
        sys.exit(run(command, own))


if __name__ == "__main__":
    main()
