"""The command `tap-klaviyo-files`."""

from __future__ import annotations

from singer_program.plugin import run_plugin
from tap_klaviyo_files.tap import TapKlaviyoFiles


def main() -> int:
    """Run the tap with the arguments of the process; returns the exit status."""
    return run_plugin(TapKlaviyoFiles)
