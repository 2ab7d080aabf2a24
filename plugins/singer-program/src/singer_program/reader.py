"""Read Singer messages from standard input, fast; no error repeats a line, which may hold personal data."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from select import select
from typing import IO, Any, ClassVar, cast

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from typing_extensions import override

from singer_program.errors import InputError
from singer_program.lines import record_stream

_with_floats = msgspec.json.Decoder().decode
_with_decimals = msgspec.json.Decoder(float_hook=Decimal).decode
_IDLE = 1.0
"""Seconds without input after which there is time for something else."""
_CHUNK = 1 << 18
_KINDS = {"type": str, "stream": str, "record": dict, "schema": dict}


class UnreadableRecord(dict[str, Any]):
    """Stands for a record whose line cannot be read; empty.

    Attributes:
        reason: Why, and which line it is; without a value of it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class MessageReader(GenericSingerReader[bytes]):
    """Reads messages; an error names the number of the line, counted from 1. Whole numbers keep every digit."""

    decimals: ClassVar[bool] = False
    """Whether a number with a fraction or an exponent becomes a `Decimal`, with every digit, and not a `float`.

    For a target that has columns of decimals. NaN and the infinities, which are no JSON, stay floats.
    """

    gives_unreadable_records: ClassVar[bool] = False
    """Whether a RECORD that cannot be read is given as an `UnreadableRecord`, instead of ending the run."""

    def __init__(self) -> None:
        super().__init__()
        self._line = 0
        self._decode = _with_decimals if self.decimals else _with_floats
        self.tick: Callable[[], None] = lambda: None
        """Called about once a second, whether input comes or not, and after every so many bytes of it."""

    @property
    @override
    def default_input(self) -> IO[bytes]:
        return cast("IO[bytes]", self._lines(sys.stdin.buffer))

    def _lines(self, file: IO[bytes]) -> Iterator[bytes]:
        """The lines of a file; where it is one that can be waited for, `tick` is called meanwhile."""
        try:
            descriptor = file.fileno()
            select([descriptor], [], [], 0)
        except (OSError, ValueError):  # no descriptor, or one of a platform that cannot wait for it
            yield from file
            return
        rest: list[bytes] = []
        while True:
            while not select([descriptor], [], [], _IDLE)[0]:
                self.tick()
            chunk = os.read(descriptor, _CHUNK)
            if not chunk:
                break
            head, newline, tail = chunk.partition(b"\n")
            rest.append(head)
            if newline:
                yield b"".join(rest)
                *lines, last = tail.split(b"\n")
                yield from lines
                rest = [last]
            self.tick()
        if last := b"".join(rest):
            yield last

    @override
    def deserialize_json(self, line: bytes | str) -> dict[str, Any]:
        """The message in a line.

        Raises:
            InputError: it holds none.
        """
        self._line += 1
        try:
            message = self._decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            try:
                message = self._what_is_no_json(line)
            except InputError as error:
                stream = self._stream_of(line) if self.gives_unreadable_records else None
                if stream is None:
                    raise
                return {"type": "RECORD", "stream": stream, "record": UnreadableRecord(error.lines[0])}
        if type(message) is dict and _is_plain_record(message):
            return message
        if not isinstance(message, dict):
            msg = f"line {self._line} of the input is JSON, but not a Singer message"
            raise InputError(msg)
        for name, kind in _KINDS.items():
            if name in message and not isinstance(message[name], kind):
                msg = f"line {self._line} of the input is not a Singer message: its `{name}` is of the wrong type"
                raise InputError(msg)
        return message

    def _what_is_no_json(self, line: bytes | str) -> Any:  # noqa: ANN401 - any value
        """The value of a line with NaN, infinities or lone surrogates: whoever takes the record judges it alone.

        Raises:
            InputError: it holds none.
        """
        try:
            return json.loads(line, parse_float=Decimal if self.decimals else None)
        except ValueError as error:
            where = f" (character {error.pos + 1})" if isinstance(error, json.JSONDecodeError) else ""
            msg = f"line {self._line} of the input is not JSON{where}: does the tap print something?"
            if isinstance(error, UnicodeDecodeError):
                msg = f"line {self._line} of the input is not UTF-8 (byte {error.start + 1})"
            elif not where:
                msg = f"line {self._line} of the input has a number of more digits than can be read"
            raise InputError(msg) from None
        except RecursionError:
            msg = f"line {self._line} of the input is nested too deeply to be read"
            raise InputError(msg) from None

    @staticmethod
    def _stream_of(line: bytes | str) -> str | None:
        """The stream of a line that is a RECORD from its beginning to its end, whatever lies between."""
        text = line.encode("utf-8", "replace") if isinstance(line, str) else line
        return record_stream(text) if text.rstrip().endswith(b"}") else None  # a line that was cut is no record

    @staticmethod
    @override
    def assert_line_requires(line_dict: dict[str, Any], requires: set[str]) -> None:
        """Refuse a message that lacks a key.

        Raises:
            InputError: it does.
        """
        if requires <= line_dict.keys():
            return
        keys = ", ".join(f"`{key}`" for key in sorted(requires - line_dict.keys()))
        kind = line_dict.get("type")
        msg = f"a {kind if isinstance(kind, str) else 'Singer'} message of the input lacks {keys}"
        raise InputError(msg)

    @override
    def _process_unknown_message(self, message_dict: dict[str, Any]) -> None:
        """Refuse a message of a type that is not Singer's.

        Raises:
            InputError: always.
        """
        msg = f"line {self._line} of the input is a message of an unknown type, {message_dict['type'][:20]!r}"
        raise InputError(msg)


def _is_plain_record(message: dict[str, Any]) -> bool:
    """Whether it is a RECORD with nothing wrong, as nearly every message is: this is asked of each."""
    return (
        message.get("type") == "RECORD"
        and type(message.get("record")) is dict
        and type(message.get("stream")) is str
        and "schema" not in message
    )
