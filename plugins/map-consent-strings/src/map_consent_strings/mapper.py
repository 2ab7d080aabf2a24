"""The mapper: what it takes out of a stream of strings, and the stream that it makes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, cast
from weakref import finalize

from singer_sdk import typing as th
from singer_sdk.singerlib import RecordMessage, SchemaMessage, StateMessage
from typing_extensions import override

from map_consent_strings.rows import KEY, SCHEMA, STREAM, row
from singer_program.errors import ProgramError
from singer_program.plugin import ProgramMapper
from singer_program.reader import MessageReader, UnreadableRecord
from singer_program.writer import MessageWriter

if TYPE_CHECKING:
    from singer_sdk.singerlib import Message

_SOME = 3
"""How many records that cannot be read are told of one by one."""


_IN_MEMORY, _CHUNK = 16 << 20, 1 << 20
"""Bytes of messages that are held in memory; more go to a file that has no name and ends with the process."""


class _Reader(MessageReader):
    """A line that cannot be read costs that line."""

    gives_unreadable_records = True


class _HeldWriter(MessageWriter):
    """Holds what is written until the input has ended.

    Tap and target may share a DuckDB file, which nobody can read while somebody writes it: then the tap would wait
    for the target to take its rows, and the target for the tap to close the file.
    """

    def __init__(self) -> None:
        super().__init__()
        self._held = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed with the writer
        finalize(self, self._held.close)

    @override
    def send(self, lines: bytes | bytearray, *, flush: bool = False) -> None:
        self._held.write(lines)

    def hand_over(self) -> None:
        """Write everything.

        Raises:
            StdoutError: nobody takes it.
        """
        self._held.seek(0)
        while lines := self._held.read(_CHUNK):
            super().send(lines)
        super().send(b"", flush=True)


class MapConsentStrings(ProgramMapper):
    """Decodes the IAB's consent strings (TCF, GPP, US Privacy) of a stream into rows."""

    name = "map-consent-strings"
    package_name = "map-consent-strings"
    message_reader_class = _Reader
    message_writer_class = _HeldWriter
    config_jsonschema = th.PropertiesList(
        th.Property(
            "property",
            th.StringType,
            default="consent_string",
            title="Property",
            description="Column of the input that holds the strings; every stream of it must have it",
        ),
    ).to_dict()

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - the SDK's own
        super().__init__(**options)
        self._now = datetime.now(UTC)
        self._seen: Counter[str] = Counter()

    @override
    def map_schema_message(self, message_dict: dict[str, Any]) -> Iterable[Message]:
        """Announce the stream of what is decoded.

        Raises:
            ProgramError: the stream has no such column.
        """
        stream, name = message_dict["stream"], self.config["property"]
        columns = message_dict["schema"].get("properties") or {}
        if name not in columns:
            has = ", ".join(f"`{column}`" for column in columns) or "none"
            message = (
                f"setting `property`: the stream `{stream}` of the input has no column `{name}`; it has {has}. "
                "Name the one that holds the strings, or select no other stream"
            )
            raise ProgramError(message)
        yield SchemaMessage(stream=STREAM, schema=SCHEMA, key_properties=[KEY])

    @override
    def map_record_message(self, message_dict: dict[str, Any]) -> Iterator[Message]:
        """Decode the string of a record; a record without one is left out."""
        record = message_dict["record"]
        if isinstance(record, UnreadableRecord):
            self._put_aside(record.reason)
            return
        text = record.get(self.config["property"])
        if text is None:
            self._seen["without a string"] += 1
            return
        if not isinstance(text, str):
            self._put_aside(f"the value of `{self.config['property']}` is no text in a record")
            return
        found = row(text, self._now)
        self._seen["undecodable" if found["error"] else "decoded"] += 1
        yield RecordMessage(
            stream=STREAM,
            record=found,
            time_extracted=_moment(message_dict.get("time_extracted")) or self._now,
        )

    @override
    def map_state_message(self, message_dict: dict[str, Any]) -> Iterable[Message]:
        """Pass STATE on: everything before it is passed on, too."""
        yield StateMessage(value=message_dict["value"])

    @override
    def map_activate_version_message(self, message_dict: dict[str, Any]) -> Iterable[Message]:
        """Pass nothing on: what a run does not decode again is no less true."""
        return ()

    @override
    def map_batch_message(self, message_dict: dict[str, Any]) -> Iterable[Message]:
        """Refuse records in files.

        Raises:
            ProgramError: always.
        """
        message = "BATCH messages are not read; take the setting `batch_config` off the tap"
        raise ProgramError(message)

    @override
    def process_endofpipe(self) -> None:
        """Hand everything over, and say what became of the strings, without one of them."""
        cast("_HeldWriter", self.message_writer).hand_over()
        told = ", ".join(f"{count:,} {what}" for what, count in sorted(self._seen.items()))
        self.logger.info("Consent strings: %s", told or "none")

    def _put_aside(self, reason: str) -> None:
        self._seen["unreadable"] += 1
        if self._seen["unreadable"] <= _SOME:
            self.logger.warning("A record is left out: %s", reason)


def _moment(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(cast("str", text))
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
