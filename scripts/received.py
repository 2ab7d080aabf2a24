"""Removes from the receiver's store what is too old, or of people who were erased, and tells it in the log."""

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
    asked = _asked(words)
    now = datetime.now(UTC)
    try:
        settings = RequestSettings.read(PROGRAM, asked.config, variables)
        found = controller.read(Path(settings.controller_path))
        said = found and retention.elsewhere(retention.DELIVERIES, found.retention, now)
        if not said:
            return
        before, because = said
        if store := _store(environment, variables):
            days = str((now - before) / timedelta(days=1))
            pruning = _Pruning(store, ["--days", days], variables)
            _remove(pruning, settings, f"before {before:%Y-%m-%d}", because, "retention", dry_run=asked.dry_run)
    except ProgramError as error:
        raise JobFailed(str(error)) from error


def erase(words: Sequence[str], environment: str, variables: Mapping[str, str]) -> None:
    """Do for the receiver's store what `subject-requests erase` does for the warehouse, of all on the list.

    Args:
        words: Those of that command, after its name.
        environment: Of meltano.yml: its home holds the store, unless a variable says otherwise.
        variables: Of the process, with the settings of `subject-requests`.

    Raises:
        JobFailed: it cannot be done, or cannot be told.
    """
    asked = _asked(words)
    try:
        settings = RequestSettings.read(PROGRAM, asked.config, variables)
        if store := _store(environment, variables):
            listed = {
                "KLAVIYO_INBOX_FORGOTTEN_PATH": settings.forgotten_path or "",
                "KLAVIYO_INBOX_FORGOTTEN_KEY": settings.forgotten_key or "",
            }
            because = asked.because or f"request {asked.request}"
            pruning = _Pruning(store, ["--forgotten"], {**variables, **listed})
            _remove(pruning, settings, "of who was forgotten", because, "erase", dry_run=asked.dry_run)
    except ProgramError as error:
        raise JobFailed(str(error)) from error


def _asked(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config", action="append", default=[])
    parser.add_argument("--because")
    parser.add_argument("--request")
    parser.add_argument("--dry-run", action="store_true")
    return parser.parse_known_args(words)[0]


def _store(environment: str, variables: Mapping[str, str]) -> str:
    """The receiver's store; empty where there is none, which is told."""
    home = home_of(environment, variables)
    store = inbox_store(home, variables)
    if store == str(home / INBOX) and not Path(store).exists():
        print("deliveries: the receiver has no store here", flush=True)
        return ""
    return store


def _remove(  # noqa: PLR0913 - what is told of it
    pruning: _Pruning, settings: RequestSettings, which: str, because: str, command: str, *, dry_run: bool
) -> None:
    counted = pruning.counted(dry_run=True)
    if any(counted.values()) and not dry_run:
        now = datetime.now(UTC)
        log = settings.log_path and ProcessingLog(
            Path(settings.log_path), run=f"{PROGRAM} {command} {now.isoformat()}"
        )
        if log:
            log.append(*_entries("erasing", counted, because), now=now)
        counted = pruning.counted()
        if log:
            log.append(*_entries("erased", counted, because), now=datetime.now(UTC))
    for what, number in counted.items():
        verb = "would be deleted" if dry_run else "deleted"
        print(f"deliveries, {what}: {number:,} {which} {verb}", flush=True)


class _Pruning:
    """The receiver's own program, which alone knows its store."""

    def __init__(self, store: str, options: Sequence[str], variables: Mapping[str, str]) -> None:
        self._command = [str(BIN / SOURCE), "prune", "--json", *options]
        self._variables = {**variables, "KLAVIYO_INBOX_STORE": store}

    def counted(self, *, dry_run: bool = False) -> dict[str, int]:
        """How much is meant, and is removed unless it is only tried.

        Raises:
            JobFailed: it ended with an error, which it told.
        """
        command = [*self._command, "--dry-run"] if dry_run else self._command
        done = subprocess.run(command, env=self._variables, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own program
        if done.returncode:
            message = f"`{SOURCE} prune` ended with an error: what was to be removed from its store is still there"
            raise JobFailed(message)
        return {name.replace("_", " "): int(number) for name, number in json.loads(done.stdout).items()}


def _entries(did: str, counted: Mapping[str, int], because: str) -> list[Entry]:
    return [Entry(did, SOURCE, number, because=because, what=what) for what, number in counted.items() if number]
