"""The command. What a person can mend ends in one line per fault on standard error, not in a traceback."""

from __future__ import annotations

import os
import sys

import click
from singer_sdk.exceptions import ConfigValidationError

from tap_experiments.commands import commands
from tap_experiments.faults import DefinitionError
from tap_experiments.tap import TapExperiments


def main() -> int:
    """Run the tap, or the command named first, with the arguments of the process; returns the exit code."""
    is_tap = len(sys.argv) < 2 or sys.argv[1] not in commands.commands  # noqa: PLR2004
    try:
        try:
            if not is_tap:
                with commands.make_context(TapExperiments.name, sys.argv[1:]) as context:
                    commands.invoke(context)
            else:
                tap = TapExperiments.cli
                tap.epilog = f"Beside the tap: {', '.join(commands.commands)}; each with --help."
                with tap.make_context(TapExperiments.name, sys.argv[1:]) as context:
                    # Not the SDK's `invoke`: it reports a wrong setting in two lines and all else as a crash.
                    click.Command.invoke(tap, context)
        finally:
            sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        faults = [error.format_message()]
    except ConfigValidationError as error:
        faults = [f"wrong settings: {'; '.join(error.errors)}"]
    except DefinitionError as error:
        faults = [str(fault) for fault in error.faults]
    except OSError as error:
        # Python would try once more to write what could not be written, and complain, when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        what = "the records" if is_tap else "the answer"
        faults = [f"{what} could not be written to standard output: {error.strerror or error}"]
    else:
        return 0
    for fault in faults:
        if is_tap:
            TapExperiments.logger.critical(fault)
        else:  # the SDK sets logging up for the tap alone
            click.echo(fault, err=True)
    return 1
