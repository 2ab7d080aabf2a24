"""Messages to standard output."""

from __future__ import annotations

import errno
import logging
import os
import sys

from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib.encoding import SingerMessageType
from singer_sdk.singerlib.encoding.simple import Message
from typing_extensions import override

_log = logging.getLogger("tap-klaviyo-engagement")


class Output(MsgSpecWriter):
    """Writes messages, and ends the run in one line if nobody can take them: the disk is full, the reader is gone.

    Records may wait in the buffer; any other message, STATE among them, is handed over at once with all before it.
    """

    @override
    def write_message(self, message: Message) -> None:
        try:
            sys.stdout.buffer.write(self.format_message(message))
            if message.type != SingerMessageType.RECORD:
                sys.stdout.flush()
        except OSError as error:
            reader_gone = error.errno == errno.EPIPE
            reason = "whoever read it stopped reading" if reader_gone else os.strerror(error.errno or 0)
            _log.log(logging.ERROR, "cannot write to standard output: %s", reason)
            # What is still buffered would fail again when the interpreter ends, with a traceback.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(1) from error
