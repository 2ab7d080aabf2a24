"""What can be wrong with a file, and with a row of it. Neither text holds a value: both are told in logs."""

from __future__ import annotations


class FileError(Exception):
    """A file cannot be read, or not to its end. It counts as unread, and other files go on."""


class RowError(Exception):
    """A row cannot be read. It is put aside, and the rows beside it go on.

    Args:
        detail: What is wrong, for people: names of columns, and no values.
        code: What is wrong, for programs.
        remedy: What can be done.
    """

    def __init__(self, detail: str, *, code: str, remedy: str) -> None:
        super().__init__(detail)
        self.code = code
        self.remedy = remedy
