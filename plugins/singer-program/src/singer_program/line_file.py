"""Files to which lines are appended, and what of a line a crash or a full disk leaves at their end."""

from __future__ import annotations

import os
from typing import NamedTuple

_READ_AT_ONCE = 65_536


class Tail(NamedTuple):
    """The end of a file.

    Attributes:
        end: Where its last whole line ends, in bytes.
        last: That line, without its end; None where there is none.
        cut: What follows it: the beginning of a line that was never finished.
    """

    end: int
    last: bytes | None
    cut: bytes


def tail(descriptor: int) -> Tail:
    """The end of an open file, by a look at as much of it as holds a line.

    Raises:
        OSError: it cannot be read.
    """
    size = start = os.fstat(descriptor).st_size
    content = b""
    while start and content.count(b"\n") < 2:  # noqa: PLR2004 - the end of the line before, and of the last
        length = min(_READ_AT_ONCE, start)
        start -= length
        content = os.pread(descriptor, length, start) + content
    whole, newline, cut = content.rpartition(b"\n")
    return Tail(size - len(cut), whole.rpartition(b"\n")[2] if newline else None, cut)


def append(descriptor: int, lines: bytes) -> None:
    """Append whole lines, on disk before this returns.

    What is left of a line that was never finished gets an end first, so that it spoils none of these. That is one
    write with them: programs that append at once do not tear each other's lines.

    Args:
        descriptor: Of a file that was opened to be read and appended to.
        lines: With their ends.

    Raises:
        OSError: they cannot be written, or a part of them alone was.
    """
    size = os.fstat(descriptor).st_size
    is_cut = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
    rest = memoryview(b"\n" * is_cut + lines)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)
