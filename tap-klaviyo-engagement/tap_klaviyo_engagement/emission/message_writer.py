"""Writes Singer messages to standard output, records many at a time."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib.encoding import SingerMessageType
from singer_sdk.singerlib.encoding.simple import Message
from typing_extensions import override

_log = logging.getLogger("tap-klaviyo-engagement")


class _RecordLine(msgspec.Struct, tag_field="type", tag="RECORD"):
    """Singer's RECORD message."""

    stream: str
    record: dict[str, Any]
    time_extracted: str


class MessageWriter(MsgSpecWriter):
    """Writes messages, and ends the run in one line if nobody can take them: the disk is full, the reader is gone.

    Records may wait in the buffer; any other message, STATE among them, is handed over at once with all before it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines = msgspec.json.Encoder()

    @override
    def write_message(self, message: Message) -> None:
        self.send(self.format_message(message), flush=message.type != SingerMessageType.RECORD)

    def write_records(self, stream: str, records: Sequence[dict[str, Any]], *, extracted: str) -> None:
        """Write a RECORD message for each: what `write_message` would write, many at a time.

        Args:
            stream: Its name.
            records: JSON values by column; `msgspec.Raw` stands for one.
            extracted: When they were read.
        """
        self.send(self._lines.encode_lines([_RecordLine(stream, record, extracted) for record in records]))

    def send(self, lines: bytes | bytearray, *, flush: bool = False) -> None:
        """Hand over whole lines.

        Raises:
            SystemExit: nobody takes them.
        """
        try:
            sys.stdout.buffer.write(lines)
            if flush:
                sys.stdout.flush()
        except OSError as error:
            reader_gone = error.errno == errno.EPIPE
            reason = "whoever read it stopped reading" if reader_gone else os.strerror(error.errno or 0)
            _log.log(logging.ERROR, "cannot write to standard output: %s", reason)
            # What is still buffered would fail again when the interpreter ends, with a traceback.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(1) from error
