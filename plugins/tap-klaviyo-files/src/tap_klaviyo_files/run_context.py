"""What the streams of a run share."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singer_program.errors import ProgramError
from singer_program.people_list import PeopleLists, forgotten
from tap_klaviyo_files import settings
from tap_klaviyo_files.places import Place, place_of
from tap_klaviyo_files.rejects import Rejects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tap_klaviyo_files.settings import Source


class RunContext:
    """What the streams of a run share.

    Args:
        config: The settings.

    Attributes:
        now: The wall clock.
        faults: What could not be read: a line each, told at the end.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.faults: list[str] = []

    @cached_property
    def sources(self) -> list[Source]:
        """What is read.

        Raises:
            ProgramError: the setting `files` is wrong.
        """
        return settings.sources(self.config)

    @cached_property
    def rejects(self) -> Rejects:
        """Takes rows that cannot be read."""
        return Rejects(Path(self.config["rejects_path"]).expanduser(), self.config["max_rejects"], self.now)

    @cached_property
    def forgotten(self) -> PeopleLists | None:
        """Who asked to be forgotten; None where nobody has.

        Raises:
            ProgramError: it is not known who.
        """
        return forgotten(self.config)

    def places(self, stream: str) -> Iterator[tuple[Source, Place, str]]:
        """The entries of the setting for a stream, each with where its files are.

        A place that cannot be reached is told at the end of the run.
        """
        for source in self.sources:
            if source.stream != stream:
                continue
            try:
                place, path = place_of(source.path, self.config)
            except ProgramError as error:
                self.faults += error.lines
                continue
            try:
                yield source, place, path
            finally:
                place.close()
