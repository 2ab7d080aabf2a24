"""The command `tap-forwarding`: a tap, and what authors of rules do beside it."""

from __future__ import annotations

from singer_program.plugin import run_plugin
from tap_forwarding.commands import commands
from tap_forwarding.tap import TapForwarding


def main() -> int:
    """Run the tap, or the command named first, with the arguments of the process; returns the exit status."""
    return run_plugin(TapForwarding, commands=commands)
