"""The target: its settings, and the way of the input into the warehouse."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from select import select
from typing import IO, TYPE_CHECKING, ClassVar, cast

from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import PluginCapabilities
from typing_extensions import override

from singer_program.plugin import ProgramTarget

if TYPE_CHECKING:
    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from target_duckdb.warehouse import Warehouse

_CHUNK = 1 << 20
_IDLE = 1.0
"""Seconds without input after which it is looked whether something waits for too long."""


class TargetDuckDB(ProgramTarget):
    """Loads streams into a DuckDB file, fast and without changing a value.

    The SDK reads settings and the command line. Its sinks are not used: they take each record by itself.
    """

    name = "target-duckdb"
    package_name = "target-duckdb"
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    config_jsonschema = th.PropertiesList(
        th.Property(
            "path", th.StringType, required=True, title="Path", description="DuckDB file; made if there is none"
        ),
        th.Property(
            "default_target_schema",
            th.StringType,
            default="klaviyo_raw",
            title="Schema",
            description="Schema of the tables; made if there is none",
        ),
        th.Property(
            "batch_rows",
            th.IntegerType(minimum=1),
            default=122_880,  # a row group of DuckDB: of fewer, all is written twice, first to its log
            title="Rows of a batch",
            description="Rows, of all streams together, that are committed at once",
        ),
        th.Property(
            "batch_bytes",
            th.IntegerType(minimum=1),
            default=176 << 20,
            title="Bytes of a batch",
            description="Bytes of input after which a batch is committed, however few its rows are",
        ),
        th.Property(
            "lock_timeout",
            th.NumberType(minimum=0),
            default=300.0,
            title="Lock timeout",
            description="Seconds to wait for another process that has the file open",
        ),
        th.Property(
            "on_reject",
            th.StringType,
            allowed_values=["warn", "fail"],
            default="warn",
            title="On reject",
            description="Whether a row that cannot be held is told and left out (`warn`) or ends the run (`fail`)",
        ),
    ).to_dict()

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, object]) -> None:
        """Add nothing: the SDK's settings are those of its sinks."""

    @override  # type: ignore[misc]
    def listen(self, file_input: IO[str] | None = None) -> None:
        """Load the input; the SDK's own loop, which this takes the place of, reads each record by itself.

        Raises:
            ProgramError: something a person can mend.
        """
        # DuckDB and Arrow take half a second to import, which a look at the settings need not wait for.
        from target_duckdb.loader import Loader, write_state  # noqa: PLC0415
        from target_duckdb.warehouse import Warehouse  # noqa: PLC0415

        opened: list[Warehouse] = []

        def warehouse() -> Warehouse:
            opened.append(
                Warehouse(
                    self.config["path"],
                    self.config["default_target_schema"],
                    float(self.config["lock_timeout"]),
                    tell=self.logger.warning,
                    refuse=loader.refuse,
                )
            )
            return opened[0]

        loader = Loader(
            warehouse,
            batch_rows=self.config["batch_rows"],
            batch_bytes=self.config["batch_bytes"],
            fail_on_reject=self.config["on_reject"] == "fail",
            emit=write_state,
            tell=self.logger.warning,
        )
        try:
            file = sys.stdin if file_input is None else file_input
            loader.load(chunks(cast("IO[bytes]", cast("TextIOWrapper", file).buffer)))
        finally:
            for each in opened:
                each.close()
        for stream, count in loader.rejects.items():
            self.logger.warning("%d rows of the stream `%s` were refused; all others are loaded", count, stream)


def chunks(file: IO[bytes]) -> Iterator[Sequence[bytes] | None]:
    """The lines of a file, many at a time; None after each second in which nothing came."""
    try:
        descriptor = file.fileno()
        select([descriptor], [], [], 0)
    except (OSError, ValueError):  # no descriptor, or one of a platform that cannot wait for it
        descriptor = -1
    rest: list[bytes] = []
    while True:
        if descriptor >= 0:
            while not select([descriptor], [], [], _IDLE)[0]:
                yield None
        chunk = os.read(descriptor, _CHUNK) if descriptor >= 0 else file.read(_CHUNK)
        if not chunk:
            break
        head, newline, tail = chunk.partition(b"\n")
        rest.append(head)
        if newline:
            first = b"".join(rest)
            *lines, last = tail.split(b"\n")
            rest = [last]
            yield [first, *lines]
    if last := b"".join(rest):
        yield [last]
