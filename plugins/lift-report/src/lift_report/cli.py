"""The command: a page, and a line for each slot. What a person can mend ends in one line on standard error."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lift_report.page import render
from lift_report.results import ResultsError, Slot, read_slots
from lift_report.words import count, one_line

if TYPE_CHECKING:
    from datetime import datetime


def main() -> int:
    """Write the page and print the verdicts; returns the exit code."""
    arguments = _parser().parse_args()
    try:
        slots = read_slots(arguments.warehouse)
        page = render(slots).encode()
    except ResultsError as error:
        return _fail(str(error))
    try:
        write(arguments.output, page)
    except OSError as error:
        return _fail(f"`{arguments.output}` cannot be written: {error.strerror or error}")
    try:
        said = (
            _as_json(slots, arguments.output) if arguments.format == "json" else _as_text(slots, arguments.output)
        )
        sys.stdout.buffer.write(f"{said}\n".encode())
        sys.stdout.flush()
    except OSError as error:
        # Python would try once more to write what could not be written, and complain, when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _fail(f"the verdicts could not be written to standard output: {error.strerror or error}")
    return 0


def write(path: Path, content: bytes) -> None:
    """Put the content in place at once: a reader sees the old page or the new one, never a part.

    Raises:
        OSError: If it cannot be written; an old page is still there.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():  # a device or pipe, which cannot be replaced
        path.write_bytes(content)
        return
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lift-report", description="Write the results of experiments as one HTML page."
    )
    parser.add_argument(
        "--warehouse", type=Path, required=True, metavar="PATH", help="DuckDB file with the results"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="PATH", help="where to write the page")
    parser.add_argument(
        "--format", choices=["text", "json"], default="text", help="of what is printed (default: text)"
    )
    return parser


def _as_text(slots: list[Slot], output: Path) -> str:
    lines = [
        f"{slot.experiment} v{slot.version} {slot.slot}: {slot.verdict}. {slot.reason} "
        f"({count(slot.units)} assigned, {count(slot.received)} received)"
        for slot in slots
    ] or ["no results yet"]
    return "\n".join(one_line(line) for line in [*lines, f"report: {output}"])


def _as_json(slots: list[Slot], output: Path) -> str:
    return json.dumps({"report": str(output), "slots": [asdict(slot) for slot in slots]}, default=_utc)


def _utc(value: datetime) -> str:
    """The warehouse keeps moments in UTC."""
    return f"{value.isoformat()}Z"


def _fail(message: str) -> int:
    sys.stderr.write(f"lift-report: {one_line(message)}\n")
    return 1
