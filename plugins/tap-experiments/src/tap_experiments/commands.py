"""What the command does beside being a tap: start an experiment, lock what was promised, print the JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path

import click

from tap_experiments import preregistration
from tap_experiments.model import PropertyFormat
from tap_experiments.project import load
from tap_experiments.scaffold import scaffold
from tap_experiments.schema import json_schema
from tap_experiments.tap import DEFAULT_PATH
from tap_experiments.yaml_values import KEY

_path = click.option(
    "--path",
    type=click.Path(path_type=Path),
    default=DEFAULT_PATH,
    envvar="TAP_EXPERIMENTS_PATH",
    show_default=True,
    show_envvar=True,
    help="Folder that holds one folder per experiment.",
)


@click.group()
def commands() -> None:
    """Experiments kept as files."""


@commands.command()
@click.argument("name")
@_path
def new(name: str, path: Path) -> None:
    """Write a draft experiment to begin with."""
    if not KEY.fullmatch(name):
        remedy = "use 1 to 40 small letters, digits and underscores, beginning with a letter"
        problem = f"`{name}` cannot be used as a name; {remedy}"
        raise click.ClickException(problem)
    try:
        definition, *others = scaffold(path, name)
    except FileExistsError as error:
        problem = f"{path}/{name} exists already; choose another name, or remove it"
        raise click.ClickException(problem) from error
    except OSError as error:
        problem = (
            f"{path}/{name} cannot be written: {error.strerror}; give the folder of experiments with `--path`"
        )
        raise click.ClickException(problem) from error
    click.echo(f"{definition}: a draft; describe the experiment here")
    click.echo(f"{definition.parent}/: {', '.join(file.name for file in others)}")


@commands.command()
@_path
def lock(path: Path) -> None:
    """Lock the pre-registration of every live experiment whose version is not locked yet."""
    project = load(path, PropertyFormat.LIST, locking=True)
    pending = [pair[0] for pair in project.pairs if preregistration.needs_lock(path, pair[0])]
    for experiment in pending:
        file = path / experiment.key / preregistration.LOCK
        try:
            file.write_text(preregistration.lock_text(experiment), encoding="utf-8")
        except OSError as error:
            problem = f"{file} cannot be written: {error.strerror}; make its folder writable"
            raise click.ClickException(problem) from error
        click.echo(f"{file}: version {experiment.version} is locked; commit it")
    if not pending:
        click.echo("every live experiment is locked")


@commands.command()
def schema() -> None:
    """Print the JSON Schema of an experiment.yml, for editors."""
    click.echo(schema_text(), nl=False)


def schema_text() -> str:
    """The JSON Schema as it is kept in a file."""
    return json.dumps(json_schema(), indent=2) + "\n"
