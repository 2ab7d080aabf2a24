"""Keeps in the log of processing what a run of the pipeline read and wrote, how much of it, and what for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from project import TARGET, controller_of, processing_log

from singer_program.errors import ProgramError
from subject_requests import controller
from subject_requests.processing_log import Entry, ProcessingLog

DELETIONS = "profile_deletions"
"""The target's stream whose rows are profiles that Klaviyo is to delete."""
_WRITTEN = {"accepted": "written", "in part": "written", "withheld": "withheld"}
"""By what became of records: what is told of it. Of what was not sent, nothing is."""


class Did(Protocol):
    """What is known of a run."""

    job: str
    environment: str
    began: str
    read_by: dict[str, dict[str, int]]
    written: dict[str, dict[str, int]]


def fault(home: Path, variables: Mapping[str, str]) -> str | None:
    """Why what a run does could not be kept, if it could not."""
    try:
        ProcessingLog(processing_log(home, variables)).end()
    except ProgramError as error:
        return str(error)
    return None


def keep(did: Did, home: Path, variables: Mapping[str, str]) -> str | None:
    """Add a line for each stream of which anything was read or written; why it cannot be done, if it cannot."""
    run = f"{did.environment} {did.job} {did.began}"
    try:
        log = ProcessingLog(processing_log(home, variables), run=run)
        log.append(*_entries(did, purpose(did.job, variables)), now=datetime.now(UTC))
    except ProgramError as error:
        return str(error)
    return None


def purpose(job: str, variables: Mapping[str, str]) -> str:
    """What a job is for, as the controller says; else, its name."""
    with suppress(ProgramError):  # `subject-requests controller` says what is wrong with it
        if found := controller.read(controller_of(variables)):
            named = [each.name for each in found.purposes if job in each.jobs]
            return ", ".join(named) or f"job {job}"
    return f"job {job}"


def _entries(did: Did, because: str) -> Iterator[Entry]:
    for plugin, streams in did.read_by.items():
        for stream, number in streams.items():
            if number:
                yield Entry("read", plugin, number, because=because, what=stream)
    for stream, counts in did.written.items():
        told: dict[str, int] = {}
        for name, number in counts.items():
            if name in _WRITTEN:
                told[_WRITTEN[name]] = told.get(_WRITTEN[name], 0) + number
        for name, number in told.items():
            verb = "deleted" if stream == DELETIONS and name == "written" else name
            if number:
                yield Entry(verb, TARGET, number, because=because, what=stream)
