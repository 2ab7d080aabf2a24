"""The command `exposure-export`: an error is one line with its remedy."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from exposure_export.export import LeftOut, export
from exposure_export.hours import asked_for
from exposure_export.settings import PROGRAM, ExportSettings
from exposure_export.source import Exposures, OfDbt, OfDuckDB
from exposure_export.stores import store_of
from singer_program.command import config_option, run_command
from singer_program.errors import ProgramError
from singer_program.people_list import PeopleLists, read_list, settings_faults
from singer_program.warehouse import DuckDB

_MEMORY = "500MB"
"""What DuckDB holds of a piece and of the file at most. Measured: ten million rows are no slower by it."""


def main() -> int:
    """Write the hours; returns the exit status."""
    return run_command(command, PROGRAM, output="what was done")


@click.command()
@config_option
@click.option(
    "--from",
    "first",
    envvar="EXPOSURE_EXPORT_FROM",
    help="First hour of a range that is written anew, UTC: 2026-11-02 or 2026-11-02T08:00.",
)
@click.option(
    "--to",
    "until",
    envvar="EXPOSURE_EXPORT_TO",
    help="First hour after the range; without it, the one that has not ended yet.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Of what is printed.",
)
def command(config: tuple[str, ...], first: str | None, until: str | None, form: str) -> None:
    """Write who was shown what as Parquet files by the hour: what changed, or a range anew."""
    settings = ExportSettings.read(PROGRAM, config)
    asked = asked_for(first or None, until or None, datetime.now(UTC))
    left_out = people_left_out(settings)
    store = store_of(settings)
    with ExitStack() as opened:
        outcome = export(
            exposures_of(settings, opened),
            store,
            asked or (timedelta(hours=settings.look_back_hours) or None),
            lambda: datetime.now(UTC),
            left_out,
        )
    told = outcome.as_json(store.address) if form == "json" else outcome.as_text(store.address)
    click.echo(told)
    if outcome.faults:
        raise ProgramError(*outcome.faults)


def exposures_of(settings: ExportSettings, opened: ExitStack) -> Exposures:
    """What the settings name as the warehouse.

    Args:
        settings: The settings.
        opened: Closes what is opened.

    Raises:
        ProgramError: it cannot be read.
    """
    if settings.dbt is not None and settings.dbt_project is not None:
        return OfDbt(Path(settings.dbt), Path(settings.dbt_project))
    path = Path(settings.warehouse or "").expanduser()
    return OfDuckDB(opened.enter_context(DuckDB(path, settings.schema, memory=_MEMORY)))


def people_left_out(settings: ExportSettings) -> LeftOut | None:
    """Whose rows are not written; None where nobody's are left out.

    Raises:
        ProgramError: it is not known who.
    """
    paths = {"forgotten": settings.forgotten_path, "restricted": settings.restricted_path}
    named = {f"{name}_path": path for name, path in paths.items()}
    if faults := settings_faults("forgotten_key", settings.forgotten_key, named):
        raise ProgramError(*faults)
    given = {name: Path(path) for name, path in paths.items() if path}
    if not given or settings.forgotten_key is None:
        return None
    lists = {name: read_list(path, f"{name}_path") for name, path in given.items()}
    people = PeopleLists(settings.forgotten_key, lists)
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in given.values())).hexdigest()
    return LeftOut(lambda profile: people.about({"profile_id": profile}) is not None, digest)
