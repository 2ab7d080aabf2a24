"""Removes what the receiver's store has held for longer than the controller says, and tells it in the log."""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from project import BIN, INBOX, JobFailed, home_of, inbox_store

from singer_program.errors import ProgramError
from subject_requests import controller, retention
from subject_requests.processing_log import Entry, ProcessingLog
from subject_requests.settings import PROGRAM, RequestSettings

SOURCE = "klaviyo-inbox"


def prune(words: Sequence[str], environment: str, variables: Mapping[str, str]) -> None:
    """Do for the receiver's store what `subject-requests retention` does for the warehouse.

    Args:
        words: Those of that command, after its name.
        environment: Of meltano.yml: its home holds the store, unless a variable says otherwise.
        variables: Of the process, with the settings of `subject-requests`.

    Raises:
        JobFailed: it cannot be done, or cannot be told.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config", action="append", default=[])
    parser.add_argument("--dry-run", action="store_true")
    asked, _ = parser.parse_known_args(words)
    now = datetime.now(UTC)
    try:
        settings = RequestSettings.read(PROGRAM, asked.config, variables)
        found = controller.read(Path(settings.controller_path))
        said = found and retention.elsewhere(retention.DELIVERIES, found.retention, now)
        if not said:
            return
        home = home_of(environment, variables)
        store = inbox_store(home, variables)
        if store == str(home / INBOX) and not Path(store).exists():
            print("deliveries: the receiver has no store here", flush=True)
            return
        before, because = said
        pruning = _Pruning(store, (now - before) / timedelta(days=1), variables)
        counted = pruning.counted(dry_run=True)
        if any(counted.values()) and not asked.dry_run:
            log = ProcessingLog(Path(settings.log_path or ""), run=f"{PROGRAM} retention {now.isoformat()}")
            log.append(*_entries("erasing", counted, because), now=now)
            counted = pruning.counted()
            log.append(*_entries("erased", counted, because), now=datetime.now(UTC))
    except ProgramError as error:
        raise JobFailed(str(error)) from error
    for what, number in counted.items():
        verb = "would be deleted" if asked.dry_run else "deleted"
        print(f"deliveries, {what}: {number:,} before {before:%Y-%m-%d} {verb}", flush=True)


class _Pruning:
    """The receiver's own program, which alone knows its store."""

    def __init__(self, store: str, days: float, variables: Mapping[str, str]) -> None:
        self._command = [str(BIN / SOURCE), "prune", "--json", "--days", str(days)]
        self._variables = {**variables, "KLAVIYO_INBOX_STORE": store}

    def counted(self, *, dry_run: bool = False) -> dict[str, int]:
        """How much of what is too old, and is removed unless it is only tried.

        Raises:
            JobFailed: it ended with an error, which it told.
        """
        command = [*self._command, "--dry-run"] if dry_run else self._command
        done = subprocess.run(command, env=self._variables, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own program
        if done.returncode:
            message = f"`{SOURCE} prune` ended with an error: what is old in its store was not removed"
            raise JobFailed(message)
        return {name.replace("_", " "): int(number) for name, number in json.loads(done.stdout).items()}


def _entries(did: str, counted: Mapping[str, int], because: str) -> list[Entry]:
    return [Entry(did, SOURCE, number, because=because, what=what) for what, number in counted.items() if number]
