"""The command `tap-experiments`: a tap, and what authors of experiments do beside it."""

from __future__ import annotations

from singer_program.plugin import run_plugin
from tap_experiments.commands import commands
from tap_experiments.tap import TapExperiments


def main() -> int:
    """Run the tap, or the command named first, with the arguments of the process; returns the exit status."""
    return run_plugin(TapExperiments, commands=commands)
