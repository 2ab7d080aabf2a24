"""Errors that end a program in a line or more on standard error, instead of a traceback."""

from __future__ import annotations


class ProgramError(Exception):
    """The program cannot go on, and a person can mend it.

    Attributes:
        lines: What is wrong and what to do about it, one line each. They go to the log: nothing secret or personal
            may stand in them.
    """

    def __init__(self, *faults: object) -> None:
        self.lines = tuple(one_line(str(fault)) for fault in faults)
        super().__init__("\n".join(self.lines))


class InputError(ProgramError):
    """What came in is not a Singer message."""


def one_line(text: str) -> str:
    """The text as one line, whatever it is made of: a file's name may hold line breaks and terminal codes."""
    joined = " ".join(text.splitlines())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in joined)
