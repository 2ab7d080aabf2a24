"""What the command does beside being a tap: start a definition, check all of them, print their JSON Schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from singer_program.definitions.commands import as_file, counted, see_name
from tap_forwarding.definitions.scaffold import scaffold
from tap_forwarding.definitions.schema import json_schema
from tap_forwarding.project import load
from tap_forwarding.tap import DEFAULT_PATH

if TYPE_CHECKING:
    from tap_forwarding.definitions.model import Definition

_path = click.option(
    "--path",
    type=click.Path(path_type=Path),
    default=DEFAULT_PATH,
    envvar="TAP_FORWARDING_PATH",
    show_default=True,
    show_envvar=True,
    help="Folder that holds one file per definition.",
)


@click.group()
def commands() -> None:
    """Rules of forwarding kept as files."""


@commands.command()
@click.argument("name")
@_path
def new(name: str, path: Path) -> None:
    """Write a draft definition to begin with."""
    see_name(name)
    try:
        definition = scaffold(path, name)
    except FileExistsError as error:
        problem = f"{error.filename} exists already; choose another name, or remove it"
        raise click.ClickException(problem) from error
    except OSError as error:
        problem = f"{path}/{name}.yml cannot be written: {error.strerror}; give the folder with `--path`"
        raise click.ClickException(problem) from error
    click.echo(f"{definition}: a draft; say here what is forwarded")


@commands.command()
@_path
@click.option("--strict", is_flag=True, help="End with 1 if there is anything to say at all.")
def lint(path: Path, *, strict: bool) -> None:
    """Check every definition, and say what each makes of which events."""
    project = load(path)
    for warning in project.warnings:
        click.echo(warning)
    for definition in project.definitions:
        click.echo(f"{definition.file}: {definition.status}, from {_source(definition)}")
        for rule in definition.rules:
            event = f"`{rule.event}`" if rule.event else f"any {rule.type}"
            each = f", one for each of {rule.per}" if rule.per else ""
            preset = f" (preset {rule.preset})" if rule.preset else ""
            click.echo(f"  {event} becomes `{rule.metric}`{each}{preset}")
    warned = counted(len(project.warnings), "warning")
    click.echo(f"{counted(len(project.definitions), 'definition')}: sound, {warned}")
    if strict and project.warnings:
        raise click.exceptions.Exit(1)


@commands.command()
def schema() -> None:
    """Print the JSON Schema of a definition, for editors."""
    click.echo(schema_text(), nl=False)


def schema_text() -> str:
    """The JSON Schema as it is kept in a file; see `json_schema`."""
    return as_file(json_schema())


def _source(definition: Definition) -> str:
    source = definition.source
    return ".".join(source.relation) or f"the receiver's {source.table}"
