"""Singer messages into the warehouse: rows wait until there are enough, and STATE until they are committed."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]

from singer_program.errors import InputError, ProgramError
from singer_program.lines import record_stream
from singer_program.output import give_up
from target_duckdb.columns import Layout, folded, layout_of
from target_duckdb.extractions import Extraction, extractions
from target_duckdb.rows import Decoder
from target_duckdb.warehouse import Rows

_DECODED_BYTES = 4 << 20
"""Lines of a stream that are decoded at a time: some thousand, so that a batch of columns is worth its making."""
_LONGEST_WAIT = 30.0
"""Seconds that rows wait while the input is slow."""
_TOLD_ROWS = 10
"""Refused rows of a stream that are told one by one."""

_ROUTE = re.compile(rb'\{\s*"type"\s*:\s*"RECORD"\s*,\s*"stream"\s*:\s*"[^"\\,]*"\Z')
"""A line that begins like this is a record of that stream: whoever decodes the whole of it sees to that again."""


class _Header(msgspec.Struct):
    """What says where a message goes."""

    type: str
    stream: str | None = None


class _Schema(msgspec.Struct):
    stream: str
    schema: dict[str, Any]
    key_properties: list[str] | None = None


class _State(msgspec.Struct):
    value: msgspec.Raw


_header = msgspec.json.Decoder(_Header).decode
_schema = msgspec.json.Decoder(_Schema).decode
_state = msgspec.json.Decoder(_State).decode


class Writes(Protocol):
    """What commits rows."""

    def write(self, parts: Sequence[Rows]) -> None:
        """Commit them, together."""

    def check(self, told: Mapping[str, Extraction]) -> None:
        """Refuse a run that goes on from others which are not loaded, or of another account."""

    def remember(self, told: Mapping[str, Extraction]) -> None:
        """Keep which runs are loaded."""

    def interrupt(self) -> None:
        """End what is under way in another thread."""


class Loader:
    """Takes lines, and commits their rows in batches while further lines are read."""

    def __init__(  # noqa: PLR0913 - settings, and three ways out
        self,
        warehouse: Callable[[], Writes],
        *,
        batch_rows: int,
        batch_bytes: int,
        fail_on_reject: bool,
        emit: Callable[[bytes], None],
        tell: Callable[[str], None],
    ) -> None:
        """Prepare.

        Args:
            warehouse: Opens it, when there is something to write.
            batch_rows: Rows of a batch, of all streams.
            batch_bytes: Bytes of the lines of a batch.
            fail_on_reject: Whether a refused row ends the run.
            emit: Takes the STATE that is reached.
            tell: Takes a line for whoever runs the program.
        """
        self._open = warehouse
        self._warehouse: Writes | None = None
        self._batch_rows = batch_rows
        self._batch_bytes = batch_bytes
        self._fail_on_reject = fail_on_reject
        self._emit = emit
        self._tell = tell
        self._streams: dict[str, _Stream] = {}
        self._routes: dict[bytes, _Stream] = {}
        self._rows = 0
        self._bytes = 0
        self._since = 0.0
        self._state: bytes | None = None
        self._changed: dict[str, _Stream] = {}
        self._rejects: dict[str, int] = {}
        self._told: dict[str, Extraction] = {}
        self._worker = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    @property
    def rejects(self) -> dict[str, int]:
        """Refused rows by stream."""
        return self._rejects

    def load(self, chunks: Iterable[Sequence[bytes] | None]) -> None:
        """Load all lines of the input.

        Args:
            chunks: Whole lines, as they come; None when a while has passed without any.

        Raises:
            ProgramError: something a person can mend; what no STATE was emitted for comes again.
        """
        try:
            for lines in chunks:
                if lines:
                    self._take(lines)
                    self._bytes += sum(map(len, lines))
                if self._is_due():
                    self._flush()
            self._flush()
            self._wait()
        finally:
            self._end()

    def _is_due(self) -> bool:
        """Whether what waits is written now."""
        if not self._rows:  # nothing came before a STATE that is not written, or being written
            return self._state is not None
        now = time.monotonic()
        self._since = self._since or now
        return (
            self._rows >= self._batch_rows or self._bytes >= self._batch_bytes or now - self._since > _LONGEST_WAIT
        )

    def _end(self) -> None:
        """Let nothing go on: after an error or a signal, what is under way is given up."""
        if self._writing and not self._writing.done() and self._warehouse:
            self._warehouse.interrupt()
        self._worker.shutdown()

    def _take(self, lines: Sequence[bytes]) -> None:
        routes = self._routes
        stream: _Stream | None = None
        prefix = b"\0"
        for line in lines:
            if not line.startswith(prefix):
                # Where the name of the stream ends, if the line begins as nearly all do.
                prefix = line[: line.find(b",", line.find(b",") + 1)]
                stream = routes.get(prefix)
                if stream is None:
                    stream, prefix = self._read(line, prefix)
                    if stream is None:
                        continue
            assert stream is not None  # noqa: S101 - a line begins with no NUL
            stream.lines.append(line)
            stream.bytes += len(line)
            self._rows += 1
            if stream.bytes >= _DECODED_BYTES:
                stream.decode()
                self._changed[stream.layout.stream] = stream

    def _read(self, line: bytes, prefix: bytes) -> tuple[_Stream | None, bytes]:
        """Do what a line says that is no record of a known route; of a record, tell its stream and its route."""
        none = (None, b"\0")
        if not line.strip():
            return none
        try:
            header = _header(line)
        except (msgspec.MsgspecError, RecursionError):
            header = self._header_of_odd_line(line)
        if header.type == "RECORD":
            stream = self._streams.get(header.stream or "")
            if stream is None:
                message = f"a record of the stream `{header.stream}` comes before its SCHEMA: correct the tap"
                raise InputError(message)
            if _ROUTE.match(prefix) is None:
                stream.lines.append(line)
                stream.bytes += len(line)
                self._rows += 1
                return none
            self._routes[prefix] = stream
            return stream, prefix
        try:
            self._obey(header.type, line)
        except (msgspec.MsgspecError, RecursionError) as error:
            message = f"a {header.type} message of the input is not as Singer says: {error}"
            raise InputError(message) from None
        return none

    @staticmethod
    def _header_of_odd_line(line: bytes) -> _Header:
        """The header of a line with a number or text that is not JSON's: whoever decodes the record judges it.

        Raises:
            InputError: it is no message.
        """
        stream = record_stream(line)
        if stream is not None:
            return _Header("RECORD", stream)
        try:
            msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError):
            message = "a line of the input is not JSON: does the tap print something?"
        else:
            message = "a line of the input is JSON, but not a Singer message"
        raise InputError(message)

    def _obey(self, kind: str, line: bytes) -> None:
        match kind:
            case "STATE":
                self._state = bytes(_state(line).value)
            case "SCHEMA":
                told = _schema(line)
                self._declare(layout_of(told.stream, told.schema, told.key_properties or ()))
            case "ACTIVATE_VERSION" | "BATCH":
                message = (
                    f"the tap sends {kind}, which this target does not do: it deletes no rows, and reads no files."
                    f" Switch it off in the tap ({_SWITCHES[kind]})"
                )
                raise ProgramError(message)
            case _:
                message = f"a message of the input is of an unknown type, {kind[:20]!r}"
                raise InputError(message)

    def _declare(self, layout: Layout) -> None:
        """Follow a SCHEMA: rows that wait under another one are written first."""
        if not layout.stream:
            message = "a SCHEMA message names no stream: correct the tap"
            raise InputError(message)
        known = self._streams.get(layout.stream)
        if known is not None and known.layout == layout:
            return
        for name in self._streams:
            if name != layout.stream and folded(name) == folded(layout.stream):
                message = (
                    f"the streams `{name}` and `{layout.stream}` differ by case only, and DuckDB holds one"
                    " table of both names: rename one, with a stream map of the tap"
                )
                raise ProgramError(message)
        if known is not None:
            self._flush()
        refuse = self.refuser(layout.stream)
        stream = self._streams[layout.stream] = _Stream(layout, Decoder(layout, refuse, self._tell))
        self._changed[layout.stream] = stream
        for prefix in [prefix for prefix, each in self._routes.items() if each is known]:
            del self._routes[prefix]

    def refuser(self, stream: str) -> Callable[[str, str], None]:
        """What takes the rows of a stream that are refused."""
        return lambda key, reason: self.refuse(stream, key, reason)

    def refuse(self, stream: str, key: str, reason: str) -> None:
        """Take a row that is refused.

        Raises:
            ProgramError: the run ends with it.
        """
        count = self._rejects[stream] = self._rejects.get(stream, 0) + 1
        told = f"a row of the stream `{stream}` ({key}) is refused: {reason}"
        if self._fail_on_reject:
            message = f"{told}. What came after the last STATE comes again (setting `on_reject`)"
            raise ProgramError(message)
        if count <= _TOLD_ROWS:
            self._tell(told)

    def _flush(self) -> None:
        """Have everything that waits written, and the STATE behind it emitted, while reading goes on."""
        for stream in self._streams.values():
            if stream.lines:
                stream.decode()
                self._changed[stream.layout.stream] = stream
        parts = [stream.taken() for stream in self._changed.values()]
        state, self._state = self._state, None
        self._changed = {}
        self._rows = self._bytes = 0
        self._since = 0.0
        self._wait()
        told = extractions(state) if state is not None else {}
        if (parts or told) and self._warehouse is None:
            self._warehouse = self._open()
        if fresh := {stream: each for stream, each in told.items() if self._told.get(stream) != each}:
            assert self._warehouse is not None  # noqa: S101 - opened above
            self._warehouse.check(fresh)
            self._told |= fresh
        if parts or state is not None:
            self._writing = self._worker.submit(self._write, parts, state, fresh)

    def _wait(self) -> None:
        """Wait for what is being written; its error is raised here."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _write(self, parts: Sequence[Rows], state: bytes | None, told: Mapping[str, Extraction]) -> None:
        if parts and self._warehouse is not None:
            self._warehouse.write(parts)
        if told and self._warehouse is not None:
            self._warehouse.remember(told)
        if state is not None:
            self._emit(state)


_SWITCHES = {
    "ACTIVATE_VERSION": "`emit_activate_version_messages: false`, or another replication method",
    "BATCH": "remove its `batch_config`",
}


class _Stream:
    """What waits of a stream."""

    def __init__(self, layout: Layout, decoder: Decoder) -> None:
        self.layout = layout
        self.lines: list[bytes] = []
        self.bytes = 0
        self._decoder = decoder
        self._batches: list[pa.RecordBatch] = []

    def decode(self) -> None:
        """Make columns of the lines that came."""
        batch = self._decoder.columns(self.lines)
        self.lines, self.bytes = [], 0
        if batch.num_rows:
            self._batches.append(batch)

    def taken(self) -> Rows:
        """What waits, which it then does no more."""
        batches, self._batches = self._batches, []
        return Rows(self.layout, batches)


def write_state(value: bytes) -> None:
    """Print a STATE message, at once.

    Raises:
        StdoutError: nobody takes it.
    """
    try:
        sys.stdout.buffer.write(value + b"\n")
        sys.stdout.buffer.flush()
    except OSError as error:
        give_up(f"the STATE could not be written to standard output: {error.strerror}")
