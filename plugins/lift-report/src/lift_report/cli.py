"""The command `lift-report`: writes the page and prints the verdicts. An error is one line with its remedy."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lift_report.formatting import one_line
from lift_report.page import render
from lift_report.results import read
from lift_report.summary import as_json, as_text
from lift_report.tables import TABLES
from singer_program.command import run_command, to_stderr
from singer_program.private import beside
from singer_program.warehouse import DuckDB, Printed, printed_by_dbt

_NAME = "lift-report"


def main() -> int:
    """Write the page and print the verdicts; returns the exit code."""
    return run_command(command, _NAME, output="the verdicts")


@click.command()
@click.option("--warehouse", type=click.Path(path_type=Path), help="DuckDB file with the results.")
@click.option("--schema", default="marts", show_default=True, help="Where the results are in it.")
@click.option(
    "--definitions-schema",
    default="staging",
    show_default=True,
    help="Where the definitions of the experiments are in it.",
)
@click.option(
    "--dbt",
    type=click.Path(path_type=Path),
    help="Instead: the command of dbt, which reads them from any warehouse.",
)
@click.option("--dbt-project", type=click.Path(path_type=Path), help="With --dbt: the folder of its project.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Where to write the page.")
@click.option(
    "--json",
    "results",
    type=click.Path(path_type=Path),
    help="Where to write everything the page shows as JSON, too.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Of what is printed.",
)
def command(  # noqa: PLR0913, PLR0917 - options
    warehouse: Path | None,
    schema: str,
    definitions_schema: str,
    dbt: Path | None,
    dbt_project: Path | None,
    output: Path,
    results: Path | None,
    form: str,
) -> None:
    """Write the results of experiments as one HTML page."""
    if (warehouse is None) == (dbt is None) or (dbt is None) != (dbt_project is None):
        message = "give either --warehouse, or --dbt and --dbt-project"
        raise click.UsageError(message)
    if warehouse is not None:
        with DuckDB(warehouse, schema, definitions_schema) as database:
            report = read(database)
    elif dbt is not None and dbt_project is not None:
        report = read(Printed(printed_by_dbt(dbt, dbt_project, [table.TABLE for table in TABLES])))
    _put(output, render(report))
    if results:
        _put(results, as_json(report, output))
    click.echo((as_json if form == "json" else as_text)(report, output).encode())
    sys.stdout.flush()  # what is missing is said after the verdicts, and only once those are out
    if report.absent:
        lacks = "; ".join(f"`{table}` {lack}" for table, lack in report.absent.items())
        build = f"dbt build --select {' '.join(report.absent)}"
        to_stderr(f"{_NAME}: parts of the page are missing: {one_line(lacks)}. Build: {build}")


def _put(path: Path, text: str) -> None:
    try:
        write(path, text.encode(errors="replace"))
    except OSError as error:
        message = f"`{path}` cannot be written: {error.strerror or error}"
        raise click.ClickException(message) from error


def write(path: Path, content: bytes) -> None:
    """Put the content in place at once: a reader sees the old file or the new one, never a part.

    Raises:
        OSError: If it cannot be written; an old page is still there.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():  # a device or pipe, which cannot be replaced
        path.write_bytes(content)
        return
    unfinished = beside(path)
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
