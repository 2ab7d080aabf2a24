"""What the command does beside being a tap: start an experiment, check it, show it, lock what was promised."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from singer_program.definitions.commands import as_file, counted, see_name
from singer_program.private import private_files
from tap_experiments.definitions import preregistration
from tap_experiments.definitions.experiment_reader import DEFINITION
from tap_experiments.definitions.iteration import iteration, written
from tap_experiments.definitions.model import Experiment, PropertyFormat
from tap_experiments.definitions.outcome_metrics import SEED, Catalogue, read_catalogue
from tap_experiments.definitions.scaffold import scaffold
from tap_experiments.definitions.schema import json_schema
from tap_experiments.project import load
from tap_experiments.tap import DEFAULT_PATH
from tap_experiments.templating.flow_webhook import flow_webhook
from tap_experiments.templating.preview import write_preview
from tap_experiments.templating.property_tag import Shown, property_tag

_path = click.option(
    "--path",
    type=click.Path(path_type=Path),
    default=DEFAULT_PATH,
    envvar="TAP_EXPERIMENTS_PATH",
    show_default=True,
    show_envvar=True,
    help="Folder that holds one folder per experiment.",
)


_property_format = click.option(
    "--property-format",
    type=click.Choice([option.value for option in PropertyFormat]),
    default=PropertyFormat.LIST.value,
    envvar="TAP_EXPERIMENTS_PROPERTY_FORMAT",
    show_default=True,
    show_envvar=True,
    help="How profiles hold their assignments.",
)


_outcome_metrics = click.option(
    "--outcome-metrics",
    "catalogue",
    type=click.Path(path_type=Path),
    envvar="TAP_EXPERIMENTS_OUTCOME_METRICS",
    show_envvar=True,
    callback=lambda _context, _option, path: read_catalogue(path),
    help=f"CSV file of the outcome metrics; without it {SEED}, if there, else those that come with the tap.",
)


def _kinds(count: int) -> str:
    return f"{count} kinds of profiles are" if count != 1 else "every profile is"


@click.group()
def commands() -> None:
    """Experiments kept as files."""


@commands.command()
@click.argument("name")
@_path
@_outcome_metrics
def new(name: str, path: Path, catalogue: Catalogue) -> None:
    """Write a draft experiment to begin with."""
    see_name(name)
    try:
        definition, *others = scaffold(path, name, catalogue)
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
@click.argument("key")
@_path
@_outcome_metrics
def iterate(key: str, path: Path, catalogue: Catalogue) -> None:
    """Begin the next version of the experiment KEY, which has ended: its winner becomes the control."""
    before = load(path, PropertyFormat.LIST, catalogue)
    try:
        experiment = _named(key, [experiment for experiment, _ in before.pairs], path)
        found = iteration(path, experiment)
        with written(path, experiment, found):
            load(path, PropertyFormat.LIST, catalogue)
    except FileExistsError as error:
        problem = f"{error} exists already; move it away, it would be overwritten"
        raise click.ClickException(problem) from error
    except OSError as error:
        problem = f"{error.filename} cannot be read or written: {error.strerror}; make its folder writable"
        raise click.ClickException(problem) from error
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    winners = ", ".join(f"`{slot.winner}`" for slot in experiment.slots)
    click.echo(
        f"{path / key / DEFINITION}: a draft of version {found.version}; the control is {winners}, against"
        f" `{found.challenger}`"
    )
    for file in found.contents:
        click.echo(f"{file}: shows what the control shows; write here what is to be tried")
    if found.taken_out:
        click.echo(f"taken out, since they were of version {experiment.version}: {', '.join(found.taken_out)}")
    click.echo("Then `make preview`, `status: live` and `make preregister`.")


@commands.command()
@_path
@_outcome_metrics
def lock(path: Path, catalogue: Catalogue) -> None:
    """Lock the pre-registration of every live experiment whose version is not locked yet."""
    project = load(path, PropertyFormat.LIST, catalogue, locking=True)
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
@_path
@_property_format
@_outcome_metrics
@click.option("--strict", is_flag=True, help="End with 1 if there is anything to say at all.")
def lint(path: Path, property_format: str, catalogue: Catalogue, *, strict: bool) -> None:
    """Check every definition and content: what would be refused, and what may go wrong in a mailbox."""
    project = load(path, PropertyFormat(property_format), catalogue)
    for warning in project.warnings:
        click.echo(warning)
    arms = sum(len(slot.arms) for experiment, _ in project.pairs for slot in experiment.slots)
    counts = (
        counted(len(project.pairs), "experiment"),
        counted(arms, "arm"),
        counted(len(project.warnings), "warning"),
    )
    click.echo("{}, {}: sound, {}".format(*counts))
    if strict and project.warnings:
        raise click.exceptions.Exit(1)


@commands.command()
@_path
@_property_format
@_outcome_metrics
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default="output/preview",
    show_default=True,
    help="Folder to write to.",
)
def preview(path: Path, property_format: str, catalogue: Catalogue, output: Path) -> None:
    """Write what Klaviyo gets, to be read or pasted, and what each arm looks like."""
    project = load(path, PropertyFormat(property_format), catalogue)
    for experiment, template in project.pairs:
        folder = output / experiment.key
        try:
            with private_files():
                count = write_preview(folder, experiment, template, PropertyFormat(property_format))
        except OSError as error:
            problem = f"{folder} cannot be written: {error.strerror}; give another folder with `--output`"
            raise click.ClickException(problem) from error
        click.echo(f"{folder}/: {template.name}, and what {_kinds(count)} shown")


@commands.command()
@click.argument("name")
@click.option("--default", "otherwise", required=True, help="What a profile without the property is shown.")
@click.option(
    "--plain", "shown", flag_value=Shown.PLAIN, help="For a subject line or a text message, which are no HTML."
)
@click.option(
    "--html", "shown", flag_value=Shown.HTML, help="For a property that holds HTML and that nobody else can write."
)
def snippet(name: str, otherwise: str, shown: Shown | None) -> None:
    """Print what shows a profile property in a content, a subject line or a text message."""
    try:
        click.echo(property_tag(name, otherwise, shown or Shown.TEXT))
    except ValueError as error:
        raise click.ClickException(str(error)) from error


@commands.command()
@click.argument("key")
@click.option(
    "--receiver",
    default="https://inbox.example.com",
    show_default=True,
    help="Where Klaviyo reaches `klaviyo-inbox`.",
)
@_path
@_outcome_metrics
def webhook(key: str, receiver: str, path: Path, catalogue: Catalogue) -> None:
    """Print what is typed into a flow so that it asks for the content of the experiment KEY."""
    experiments = [experiment for experiment, _ in load(path, PropertyFormat.LIST, catalogue).pairs]
    try:
        click.echo(flow_webhook(_named(key, experiments, path), receiver))
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _named(key: str, experiments: Sequence[Experiment], path: Path) -> Experiment:
    """The experiment of that key.

    Raises:
        ValueError: there is none.
    """
    for experiment in experiments:
        if experiment.key == key:
            return experiment
    message = (
        f"{path} holds no experiment `{key}`; there are {', '.join(each.key for each in experiments) or 'none'}"
    )
    raise ValueError(message)


@commands.command()
@_outcome_metrics
def schema(catalogue: Catalogue) -> None:
    """Print the JSON Schema of an experiment.yml, for editors."""
    click.echo(schema_text(catalogue), nl=False)


def schema_text(catalogue: Catalogue | None = None) -> str:
    """The JSON Schema as it is kept in a file; see `json_schema`."""
    return as_file(json_schema(catalogue))
