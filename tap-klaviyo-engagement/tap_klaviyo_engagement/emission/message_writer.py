"""Writes Singer messages to standard output, records many at a time."""

from __future__ import annotations

import errno

from typing_extensions import override

from singer_program import writer


class MessageWriter(writer.MessageWriter):
    """The shared writer, in the words of this tap when nobody takes the messages."""

    @override
    def fault(self, error: OSError) -> str:
        reason = "whoever read it stopped reading" if error.errno == errno.EPIPE else error.strerror
        return f"cannot write to standard output: {reason}"
