"""The command. What a person can mend ends in one line on standard error, not in a traceback."""

from __future__ import annotations

import os
import sys

import click
from singer_sdk.exceptions import ConfigValidationError

from tap_duckdb.source import SourceError
from tap_duckdb.tap import TapDuckDB


def main() -> int:
    """Run the tap with the arguments of the process; returns the exit code."""
    command = TapDuckDB.cli
    try:
        try:
            with command.make_context(TapDuckDB.name, sys.argv[1:]) as context:
                # Not the SDK's `invoke`: it reports a wrong setting in two lines and all else as a crash.
                click.Command.invoke(command, context)
        finally:
            sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        fault = error.format_message()
    except ConfigValidationError as error:
        fault = f"wrong settings: {'; '.join(error.errors)}"
    except SourceError as error:
        fault = str(error)
    except OSError as error:
        # Python would try once more to write what could not be written, and complain, when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fault = f"the records could not be written to standard output: {error.strerror or error}"
    else:
        return 0
    TapDuckDB.logger.critical(fault)
    return 1
