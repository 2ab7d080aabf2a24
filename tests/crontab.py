"""Reads a crontab and runs its commands as cron does: by its shell, with what it sets and nothing else."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_ASSIGNMENT = re.compile(r"(\w+)\s*=\s*(.*)")
_ENTRY = re.compile(r"((?:\S+\s+){4}\S+)\s+(.+)")


@dataclass
class Crontab:
    """Variables, and commands with their intervals, in order."""

    variables: dict[str, str]
    entries: list[tuple[str, str]]

    @classmethod
    def read(cls, path: Path) -> Crontab:
        """Read a file; a line that cron would refuse is an error."""
        table = cls({}, [])
        for line in filter(None, map(str.strip, path.read_text().splitlines())):
            if line.startswith("#"):
                continue
            if match := _ASSIGNMENT.fullmatch(line):
                table.variables[match[1]] = match[2]
                continue
            match = _ENTRY.fullmatch(line)
            assert match, line
            assert "%" not in match[2], "cron makes line breaks of it"
            table.entries.append((match[1], match[2]))
        return table

    def run(self, command: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a person's home, with some variables changed; the answer's output is what is mailed."""
        given = {"HOME": str(home), "LOGNAME": "somebody", "USER": "somebody"} | self.variables | variables
        return subprocess.run(  # noqa: S603 - the crontab's own command
            [given["SHELL"], "-c", command],
            cwd=home,
            env=given,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
