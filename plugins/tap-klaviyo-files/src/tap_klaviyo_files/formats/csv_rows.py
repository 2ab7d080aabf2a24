"""CSV by the standard library's reader: it tells the line of every row, and a damaged one costs no other.

Rows that have fewer cells than the header are taken, the rest of them empty; more are too many, unless they are
empty. A quotation mark that nothing closes costs its line: reading goes on with the next one.
"""

from __future__ import annotations

import codecs
import csv
import io
from itertools import chain
from typing import TYPE_CHECKING, Any

from tap_klaviyo_files.faults import FileError, RowError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_klaviyo_files.formats.row import Columns, Row

LONGEST_CELL = 32 << 20
"""Characters that are held in memory for one cell."""
_CHUNK = 1 << 20
_DELIMITERS = ",;\t|"
_MENDED = "mend the row, or have the file written anew"
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class CsvRows:
    """The rows of a CSV file.

    Args:
        file: Its bytes.
        encoding: Of its text, if it does not begin with a byte order mark.
        delimiter: What is between cells; None finds it out of the header.
    """

    def __init__(self, file: io.BufferedReader[Any], encoding: str, delimiter: str | None) -> None:
        start = file.peek(len(codecs.BOM_UTF8))
        self._encoding = next((name for bom, name in _BOMS.items() if start.startswith(bom)), encoding)
        self._file = file
        self._delimiter = delimiter
        self.whole = True

    def __iter__(self) -> Iterator[Row]:
        """Each row.

        Raises:
            FileError: it has no header, or an encoding that there is not.
        """
        csv.field_size_limit(LONGEST_CELL)
        try:
            text = io.TextIOWrapper(self._file, self._encoding, errors="surrogateescape", newline="")
        except LookupError:
            fault = f"there is no encoding {self._encoding!r}: name one that Python knows, such as utf-8 or cp1252"
            raise FileError(fault) from None
        lines = _Lines(text)
        head = lines.first()
        if head is None:
            return
        delimiter = self._delimiter or max(_DELIMITERS, key=head.count)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        columns = _header(reader)
        width = len(columns)
        while True:
            lines.begin(reader.line_num)
            begun = lines.row
            try:
                for cells in reader:
                    if len(cells) == width and not lines.undecoded:
                        yield begun, columns, cells
                    elif cells:
                        held = lines.held(reader.line_num) if lines.undecoded else ()
                        yield begun, columns, self._odd(cells, width, held)
                    lines.row = begun = lines.base + reader.line_num
            except csv.Error as error:
                fault = f"its quotation marks do not match ({error})"
                yield begun, columns, RowError(fault, code="quotes", remedy=_MENDED)
                lines.give_back()
                reader = csv.reader(lines, delimiter=delimiter, strict=True)
            else:
                break
        self.whole = lines.ended

    def _odd(self, cells: list[str], width: int, lines: Iterable[str]) -> list[str] | RowError:
        """The cells of a row that has too few or too many, or may have bytes that are no characters."""
        try:
            for line in lines:
                line.encode()
        except UnicodeEncodeError:
            fault = f"it is not {self._encoding}"
            return RowError(fault, code="encoding", remedy="name the file's `encoding` in the setting `files`")
        if any(cells[width:]):
            fault = f"it has {len(cells)} cells, and the header {width}: a cell with a delimiter is not quoted"
            return RowError(fault, code="cells", remedy=_MENDED)
        return [*cells[:width], *[""] * (width - len(cells))]


class _Lines:
    """The lines of a text for a reader, which may be given back.

    Args:
        text: The text, with its line ends as they are.

    Attributes:
        base: The number of the line that a reader's first line is.
        row: The number of the line that the row begins in.
        undecoded: Whether among the last lines that were read some may have bytes that are no characters.
        ended: Whether the last line had an end.
    """

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._chunks: list[list[str]] = []
        self._held_from = 1
        self.base = self.row = 1
        self.undecoded = self._bad = False
        self.ended = True

    def first(self) -> str | None:
        """The first line that is not blank, from which a reader begins; None if there is none."""
        for lines in iter(self._next, []):
            for number, line in enumerate(lines):
                if line.strip():
                    self._chunks = [lines[number:]]
                    self.base = self.row = self._held_from = self._held_from + number
                    return line
            self._held_from += len(lines)
            self.base = self._held_from
        return None

    def __iter__(self) -> Iterator[str]:
        """The lines that are held, and those that follow."""
        return chain.from_iterable(self._all(list(self._chunks)))

    def _all(self, held: list[list[str]]) -> Iterator[list[str]]:
        yield from held
        while lines := self._next():
            # Lines before the row are not asked for again.
            while len(self._chunks) > 1 and self._held_from + len(self._chunks[0]) <= self.row:
                self._held_from += len(self._chunks.pop(0))
            self._chunks.append(lines)
            yield lines

    def _next(self) -> list[str]:
        lines = self._text.readlines(_CHUNK)
        if lines:
            self.ended = lines[-1][-1] in "\r\n"
            bad = not all(map(str.isascii, lines)) and _is_undecoded(lines)
            self.undecoded, self._bad = bad or self._bad, bad  # a row may begin in the chunk before
        return lines

    def begin(self, taken: int) -> None:
        """A row begins after so many lines of the reader."""
        self.row = self.base + taken

    def held(self, taken: int) -> list[str]:
        """The lines of the row, if the reader has taken so many."""
        start, end = self.row - self._held_from, self.base + taken - self._held_from
        return list(chain.from_iterable(self._chunks))[start:end]

    def give_back(self) -> None:
        """All lines after the first of the row come again."""
        self._chunks = [list(chain.from_iterable(self._chunks))[self.row + 1 - self._held_from :]]
        self.base = self._held_from = self.row + 1
        self.undecoded = self._bad = _is_undecoded(self._chunks[0])


def _is_undecoded(lines: Iterable[str]) -> bool:
    try:
        "".join(lines).encode()
    except UnicodeEncodeError:
        return True
    return False


def _header(reader: Iterator[list[str]]) -> Columns:
    """The names of the columns; one that comes again gets a number.

    Raises:
        FileError: there is none.
    """
    try:
        names = [name.strip() for name in next(reader)]
    except csv.Error as error:
        fault = f"its header cannot be read ({error}): is it CSV?"
        raise FileError(fault) from error
    seen: dict[str, int] = {}
    for position, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            names[position] = f"{name} ({seen[name]})"
    return tuple(names)
