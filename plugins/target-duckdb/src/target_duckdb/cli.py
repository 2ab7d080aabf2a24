"""The command `target-duckdb`."""

from __future__ import annotations

from singer_program.plugin import run_plugin
from target_duckdb.target import TargetDuckDB


def main() -> int:
    """Run the target with the arguments of the process; returns the exit status."""
    return run_plugin(TargetDuckDB)
