"""Answers a person's request: `subject-requests` with the variables of `.env` and the places of an environment."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import received
from home import make_private
from log_files import GENERATIONS, generation
from pipeline import holding, one_line_errors
from project import BIN, WAREHOUSE, home_of, processing_log, raw_tables, read_dotenv, warehouse_of

PREFIX = "SUBJECT_REQUESTS_"
ALONE = {"erase": received.erase, "retention": received.prune}
"""What is done while no job runs, as others wait; and what does the same in the receiver's store after it."""
_REJECTS = ("rejects.jsonl", "tap-rejects.jsonl")


def places(environment: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Settings that an environment of meltano.yml gives, as variables: what is set already stays.

    Raises:
        NotStarted: there is no such environment.
    """
    home = home_of(environment, variables)
    make_private(home)
    found = {
        "LOG_PATH": str(processing_log(home, variables)),
        "REJECTS_PATHS": json.dumps([str(path) for path in _rejects(home)]),
        "RAW_TABLES": json.dumps(raw_tables()) if raw_tables() else "",
    }
    if warehouse_of(environment, variables) == "postgres":
        found["WAREHOUSE"] = _server(variables)
    elif (home / WAREHOUSE).is_file():
        found["WAREHOUSE"] = str(home / WAREHOUSE)
    return {PREFIX + name: value for name, value in found.items() if value and not variables.get(PREFIX + name)}


def _rejects(home: Path) -> list[Path]:
    """The files of refused rows, and the older ones that were put aside."""
    newest = [home / name for name in _REJECTS]
    older = [generation(path, number) for path in newest for number in range(1, GENERATIONS + 1)]
    return [*newest, *(path for path in older if path.exists())]


def _server(variables: Mapping[str, str]) -> str:
    """The address of the PostgreSQL that the jobs `postgres-…` use; nothing where it is not told."""
    user, password, host, port, database = (
        quote(variables.get(f"KLAVIYO_LOOP_POSTGRES_{name}", ""), safe="")
        for name in ("USER", "PASSWORD", "HOST", "PORT", "DATABASE")
    )
    if not host or not database:
        return ""
    return f"postgresql://{user}{f':{password}' if password else ''}@{host}{f':{port}' if port else ''}/{database}"


def main() -> None:
    """Command line: the environment, and the words of `subject-requests`."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=False, allow_abbrev=False)
    parser.add_argument("--environment", default="dev")
    asked, words = parser.parse_known_args()
    read_dotenv()
    command = [str(BIN / "subject-requests"), *words]
    with one_line_errors():
        os.environ.update(places(asked.environment, os.environ))
        if words and words[0] in ALONE:
            with holding(f"subject-requests {words[0]}", asked.environment):
                status = subprocess.run(command, check=False).returncode  # noqa: S603 - our own program
                if status == 0 and "--help" not in words:
                    ALONE[words[0]](words[1:], asked.environment, os.environ)
                sys.exit(status)
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
