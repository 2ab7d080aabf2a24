"""The tap: its settings, and what it reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from singer_sdk import typing as th
from typing_extensions import override

from singer_program.definitions.streams import DefinitionTap
from tap_forwarding.project import load
from tap_forwarding.streams import STREAMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk import Stream


DEFAULT_PATH = "forwarding"


class TapForwarding(DefinitionTap):
    """The rules by which site events and orders are forwarded to Klaviyo, kept as files."""

    name = "tap-forwarding"
    package_name = "tap-forwarding"
    declared = STREAMS
    config_jsonschema = th.PropertiesList(
        th.Property(
            "path",
            th.StringType,
            default=DEFAULT_PATH,
            title="Path",
            description="Folder that holds one file <name>.yml per definition",
        ),
    ).to_dict()

    @override
    def discover_streams(self) -> Sequence[Stream]:
        """Every stream, over definitions read and checked here: before anything is emitted.

        Raises:
            DefinitionError: If anything is wrong with the definitions.
        """
        project = load(Path(self.config["path"] or DEFAULT_PATH))
        for warning in project.warnings:
            self.logger.warning(warning)
        return [stream(self, project) for stream in STREAMS]
