"""The command `lift-report`: writes the page and prints the verdicts. An error is one line with its remedy."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from lift_report.formatting import one_line
from lift_report.page import render
from lift_report.results import read
from lift_report.summary import as_json, as_text
from lift_report.warehouse import DuckDB, ReportError


def main() -> int:
    """Write the page and print the verdicts; returns the exit code."""
    arguments = _parser().parse_args()
    try:
        with DuckDB(arguments.warehouse, arguments.schema) as warehouse:
            report = read(warehouse)
    except ReportError as error:
        return _fail(str(error))
    page = render(report).encode(errors="replace")
    try:
        write(arguments.output, page)
    except OSError as error:
        return _fail(f"`{arguments.output}` cannot be written: {error.strerror or error}")
    try:
        said = (as_json if arguments.format == "json" else as_text)(report, arguments.output)
        sys.stdout.buffer.write(f"{said}\n".encode())
        sys.stdout.flush()
    except OSError as error:
        # Python would try once more to write what could not be written, and complain, when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _fail(f"the verdicts could not be written to standard output: {error.strerror or error}")
    if report.absent:
        lacks = "; ".join(f"`{table}` {lack}" for table, lack in report.absent.items())
        sys.stderr.write(
            f"lift-report: parts of the page are missing: {one_line(lacks)}."
            f" Build: dbt build --select {' '.join(report.absent)}\n"
        )
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
    parser.add_argument(
        "--schema", default="marts", metavar="NAME", help="where the results are in it (default: marts)"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="PATH", help="where to write the page")
    parser.add_argument(
        "--format", choices=["text", "json"], default="text", help="of what is printed (default: text)"
    )
    return parser


def _fail(message: str) -> int:
    sys.stderr.write(f"lift-report: {one_line(message)}\n")
    return 1
