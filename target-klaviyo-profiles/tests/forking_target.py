"""Starts the target often and fast: imports it once, then forks a process per line of standard input.

A line is `{"config": …, "input": path, "output": path}`; it is answered by the new process's id, then, once it
has ended, by its exit code. The id stays the process's until another line, so that a late kill strikes no other.
What takes seconds elsewhere takes hundredths here, and a request holds at most five rows.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path

from target_klaviyo_profiles.delivery import job_poller, poll_backoff, submission
from target_klaviyo_profiles.sinks import SINKS, templates
from target_klaviyo_profiles.target import TargetKlaviyoProfiles


def _run(config: dict[str, object], source: Path, sink: Path) -> None:
    output = os.open(sink, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(os.open(f"{sink}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    with source.open("rb") as lines:
        TargetKlaviyoProfiles(config=config).listen(lines)  # type: ignore[arg-type]


def main() -> None:
    poll_backoff.FIRST, poll_backoff.GROWTH = 0.02, 1.0
    job_poller._QUOTA_SHARE = 1e9
    submission._RESUBMIT_DELAYS = (0.02,) * 8
    templates._LOOKUP_DELAYS = (0.0, 0.1, 0.3)
    for route in (route for sink in SINKS for route in sink.routes):
        few = replace(route.limits, items=min(route.limits.items, 5))
        object.__setattr__(route, "limits", few)  # routes are compared by identity: a copy would not do
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _run(asked["config"], Path(asked["input"]), Path(asked["output"]))
                code = 0
            finally:
                os._exit(code)
        print(child, flush=True)  # noqa: T201
        ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        print(ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status, flush=True)  # noqa: T201
        sys.stdin.readline()
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
