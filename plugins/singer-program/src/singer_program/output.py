"""Tell a failed write to standard output from one to another file, and leave nothing that fails again at exit."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from typing_extensions import override


class StdoutError(SystemExit):
    """Nobody takes what is written to standard output: the disk is full, or the reader is gone.

    A `SystemExit`, because the SDK reports any `Exception` that passes it in a line of its own.
    """


def give_up(fault: str) -> NoReturn:
    """End the program, for a write to standard output has failed; nothing more can be written there.

    Args:
        fault: What could not be written, and why.

    Raises:
        StdoutError: always.
    """
    _discard()
    raise StdoutError(fault)


def _discard() -> None:
    """Let what is left to write go nowhere: Python tries again when it exits, and complains with a traceback."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def flushed_output(what: str) -> Iterator[None]:
    """Flush standard output at the end, whatever the end is: what was printed is handed over.

    Args:
        what: What is printed, said when it cannot be written.

    Raises:
        StdoutError: nobody takes it.
    """
    if sys.stdout is None:
        fault = f"{what} could not be written to standard output: it is closed"
        raise StdoutError(fault)
    printed = sys.stdout
    buffer = getattr(printed, "buffer", None)  # what a test puts in its place may have none
    if buffer is None:
        yield
        return
    printed.flush()
    sys.stdout = output = _Output(buffer, printed.encoding, printed.errors, line_buffering=printed.isatty())
    try:
        try:
            yield
        except Exception as error:
            if isinstance(error.__cause__, _WriteError):  # the program says it in words of its own
                _discard()
            raise
        finally:
            output.flush()
    except _WriteError as error:
        give_up(f"{what} could not be written to standard output: {error.strerror}")
    finally:
        sys.stdout = printed
        output.detach()


class _WriteError(OSError):
    """A write to standard output has failed."""


class _Output(io.TextIOWrapper):
    """Standard output, with errors that tell it from other files.

    Not a raw file below the buffer: a signal that is handled there, after the write, makes the buffer write again.
    """

    @override
    def write(self, text: str, /) -> int:
        with _told():
            return super().write(text)

    @override
    def flush(self) -> None:
        with _told():
            super().flush()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _WriteError(error.errno, error.strerror) from error
