"""The tap: its streams, and how a run begins and ends."""

from __future__ import annotations

import json
from functools import cached_property
from typing import IO, TYPE_CHECKING, ClassVar

from singer_sdk import Stream, Tap
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from typing_extensions import override

from singer_program.errors import ProgramError
from singer_program.plugin import ProgramTap
from singer_program.state import next_run
from tap_klaviyo_files import settings
from tap_klaviyo_files.run_context import RunContext
from tap_klaviyo_files.stream import FileStream, MetricStream, SnapshotStream, TellingStream
from tap_klaviyo_files.streams import KINDS
from tap_klaviyo_files.values import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.plugin_base import _ConfigInput


EXTRACTION = "extraction"
"""Where the state of a stream tells which of the runs that went on from each other this is: `target-duckdb`
refuses to go on in a file that does not hold what came before."""


class TapKlaviyoFiles(ProgramTap):
    """Events, profiles and members of lists and segments out of files."""

    name = "tap-klaviyo-files"
    package_name = "tap-klaviyo-files"
    config_jsonschema = settings.SCHEMA
    # Not `batch` and not `activate-version`: what a run does not read is not gone.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    @override
    def discover_streams(self) -> Sequence[Stream]:
        """The streams that the setting `files` names, and what tells of them."""
        named = {source.stream for source in self.run.sources}
        read: list[Stream] = [FileStream(self, self.run, kind) for kind in KINDS.values() if kind.name in named]
        if "events" in named:
            read.append(MetricStream(self, self.run))
        if any(KINDS[name].group for name in named):
            read.append(SnapshotStream(self, self.run))
        return read

    @property
    @override
    def streams(self) -> dict[str, Stream]:
        """The streams by name, in the order in which they are read: the last ones tell what others did."""
        if self._streams is None:
            found = super().streams
            self._streams = dict(sorted(found.items(), key=lambda each: isinstance(each[1], TellingStream)))
        return self._streams

    @cached_property
    def run(self) -> RunContext:
        """What the streams of this run share."""
        return RunContext(self.config)

    @override
    def _set_compatible_replication_methods(self) -> None:
        """Look at everything that would end the run, and count it, before the first message.

        Raises:
            ProgramError: a setting or the state is wrong.
        """
        super()._set_compatible_replication_methods()
        _ = self.run.sources, self.run.forgotten
        for stream in self.streams.values():
            if isinstance(stream, FileStream) and stream.selected:
                stream.ledger()
                stream.stream_state[EXTRACTION] = next_run(
                    stream.stream_state.get(EXTRACTION), iso(self.run.now())
                )

    @classmethod
    @override
    def invoke(  # type: ignore[override]  # as in the SDK's own class
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
    ) -> None:
        """Read everything, and then tell what could not be.

        Raises:
            ProgramError: a setting or the state is wrong, or something could not be read.
        """
        super(Tap, cls).invoke(about=about, about_format=about_format)
        cls.print_version(print_fn=cls.logger.info)
        tap = cls(
            config=config.config if config else None,
            state=json.load(state) if state else None,  # the SDK would make decimals of times of files
            catalog=json.load(catalog) if catalog else None,
            parse_env_config=bool(config and config.parse_env),
            validate_config=True,
        )
        tap.sync_all()
        if tap.run.faults:
            raise ProgramError(*tap.run.faults)
