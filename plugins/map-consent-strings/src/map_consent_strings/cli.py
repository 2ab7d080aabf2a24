"""The command `map-consent-strings`."""

from __future__ import annotations

from map_consent_strings.mapper import MapConsentStrings
from singer_program.plugin import run_plugin


def main() -> int:
    """Run the mapper with the arguments of the process; returns the exit status."""
    return run_plugin(MapConsentStrings)
