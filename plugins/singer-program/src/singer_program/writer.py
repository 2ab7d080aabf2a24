"""Write Singer messages to standard output: many records at a time, flushed at every message that is none."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from singer_sdk.contrib.msgspec import MsgSpecWriter, enc_hook
from singer_sdk.singerlib.encoding import SingerMessageType
from singer_sdk.singerlib.encoding.simple import Message
from typing_extensions import override

from singer_program.output import give_up


class _Record(msgspec.Struct, tag_field="type", tag="RECORD"):
    """Singer's RECORD message."""

    stream: str
    record: dict[str, Any]
    time_extracted: str


class MessageWriter(MsgSpecWriter):
    """Writes messages as lines; whole numbers of any size and decimals keep every digit.

    Records may wait in the buffer; any other message, STATE among them, is handed over at once with all before it.
    A line that ends in a newline is whole: a signal cuts at most the last one, which then has none.
    """

    def __init__(self) -> None:
        super().__init__()
        self._records = msgspec.json.Encoder(enc_hook=enc_hook, decimal_format="number")

    @override
    def write_message(self, message: Message) -> None:
        self.send(self.format_message(message), flush=message.type != SingerMessageType.RECORD)

    def write_records(self, stream: str, records: Sequence[dict[str, Any]], *, extracted: str) -> None:
        """Write a RECORD message for each: what `write_message` would write, many at a time.

        Args:
            stream: Its name.
            records: JSON values by column; `msgspec.Raw` stands for one.
            extracted: When they were read, with a time zone, in ISO 8601.
        """
        self.send(self._records.encode_lines([_Record(stream, record, extracted) for record in records]))

    def send(self, lines: bytes | bytearray, *, flush: bool = False) -> None:
        """Hand over whole lines.

        Raises:
            StdoutError: nobody takes them.
        """
        try:
            sys.stdout.buffer.write(lines)
            if flush:
                sys.stdout.flush()
        except OSError as error:
            give_up(self.fault(error))

    def fault(self, error: OSError) -> str:
        """What is told when nobody takes the lines."""
        return f"the records could not be written to standard output: {os.strerror(error.errno or 0)}"
