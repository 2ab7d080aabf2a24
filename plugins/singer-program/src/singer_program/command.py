"""Run a command line that ends in a line on standard error and status 1, where a person can mend what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import click

from singer_program.errors import ProgramError, one_line
from singer_program.output import StdoutError, flushed_output
from singer_program.private import private_files
from singer_program.signals import ended_by_signals

Tell = Callable[[str], object]
"""Takes one line for whoever runs the program."""

_HELP: tuple[type[click.ClickException], ...] = (
    (click.exceptions.NoArgsIsHelpError,) if hasattr(click.exceptions, "NoArgsIsHelpError") else ()
)
"""What click from 8.2 on raises when a group is called without a command."""

config_option = click.option(
    "--config",
    multiple=True,
    metavar="FILE",
    help="JSON file with settings; of several the last one counts, and a variable of the environment before all.",
)
"""The option `--config` of a click command, for `Settings.read`."""


def run_command(
    command: click.Command, name: str, *, errors: tuple[type[Exception], ...] = (), output: str = "the answer"
) -> int:
    """Run a click command, or a group of them, with the arguments of the process. Files it makes are private.

    Args:
        command: The command.
        name: The program's, which begins every line on standard error.
        errors: Those of other packages that a person can mend, told by their text.
        output: See `run`.

    Returns:
        The exit status.
    """
    tell = lambda line: to_stderr(f"{name}: {line}")  # noqa: E731 - too short for a name
    with private_files():
        return run(lambda: invoke(command, name), tell, errors=errors, output=output)


def invoke(command: click.Command, name: str) -> None:
    """Do what the arguments of the process ask of a command, and let its errors pass."""
    with command.make_context(name, sys.argv[1:]) as context:
        command.invoke(context)


def to_stderr(line: str) -> None:
    """Print a line on standard error."""
    click.echo(line, err=True)


def run(
    call: Callable[[], object],
    tell: Tell,
    *,
    errors: tuple[type[Exception], ...] = (),
    output: str = "the answer",
) -> int:
    """Call something until it ends, by itself, by an error or by a signal; what was printed is flushed.

    An error that is none of `ProgramError`, click's, the system's or `errors` is a defect and keeps its traceback.

    Args:
        call: What to do.
        tell: Takes every line about what went wrong.
        errors: More of those that a person can mend.
        output: What goes to standard output, said when that cannot be written.

    Returns:
        The exit status: 0, 1 after an error, or what click was asked to exit with.
    """
    try:
        with ended_by_signals(), flushed_output(output):
            call()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except (Exception, StdoutError) as error:
        lines = _lines(error, errors)
        if lines is None:
            raise
        for line in lines:
            tell(line)
        return 1
    return 0


def _lines(error: BaseException, errors: tuple[type[Exception], ...]) -> Sequence[str] | None:
    """What is told of an error; nothing of a defect."""
    if isinstance(error, ProgramError):
        return error.lines
    if isinstance(error, _HELP):
        return error.format_message().splitlines()
    if isinstance(error, click.ClickException):
        return [one_line(error.format_message())]
    if isinstance(error, (*errors, StdoutError)):
        return [one_line(str(error))]
    if isinstance(error, OSError) and error.errno is not None:  # without: a library's, which calls its errors so
        return [one_line(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror))]
    return None
