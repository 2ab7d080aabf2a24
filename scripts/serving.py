"""Starts a program that serves until it is stopped, and stops it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from project import JobFailed


@contextmanager
def serving(
    name: str, command: Sequence[str], ready: Path, environment: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """Start a program: what it wrote into its ready file. Afterwards it is gone.

    Args:
        name: What a person calls it.
        command: Starts it, but for the option `--ready-file`, which it must have.
        ready: The file that it writes once it listens; what it says lies beside it, in `<the same name>.log`.
        environment: Its variables, if they are not those of this process.

    Raises:
        JobFailed: it did not start.
    """
    log = ready.with_suffix(".log")
    ready.unlink(missing_ok=True)
    with (
        log.open("w") as said,
        subprocess.Popen(  # noqa: S603 - our own programs
            [*command, "--ready-file", str(ready)], stdout=said, stderr=said, env=environment
        ) as process,
    ):
        try:
            while not ready.exists():
                if process.poll() is not None:
                    msg = f"the {name} did not start: {log.read_text().strip()[-500:]}"
                    raise JobFailed(msg)
                time.sleep(0.05)
            yield json.loads(ready.read_text())
        finally:
            process.send_signal(signal.SIGTERM)
