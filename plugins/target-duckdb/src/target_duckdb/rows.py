"""Lines with RECORD messages as columns in memory, with every value as it was written.

A document is never made anew: the bytes between its braces are what the table holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from math import isinf
from operator import attrgetter
from typing import Any, Literal, cast

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from singer_program.errors import InputError
from singer_program.json_text import without_lone_surrogates
from target_duckdb.columns import Kind, Layout, Property

Values = list[Any]
_NULL = msgspec.Raw(b"null")
_EXACT_FLOAT = 2**53
"""Up to here every whole number is a float."""
_EXACT_DIGITS = 15
"""A number in so many characters is what its nearest double is printed as."""
_TIMESTAMP = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?$"
"""What is a time: DuckDB alone would also take `infinity` and times without an hour."""
_TYPES: Mapping[Kind, Any] = {
    Kind.TEXT: str | None,
    Kind.TIME: str | None,
    Kind.BOOLEAN: bool | None,
    Kind.INTEGER: int | float | None,
    Kind.NUMBER: msgspec.Raw,
    Kind.JSON: msgspec.Raw,
}

EXTRACTED = "extracted"
"""The column with the time at which the tap read a record."""


class RowError(Exception):
    """A row cannot be held; the text says why and what to do, without a value of it."""


class Decoder:
    """Makes columns of the lines of a stream, as one SCHEMA message declared it.

    Column n holds the property n of the layout; the last one is `EXTRACTED`.
    """

    def __init__(self, layout: Layout, refuse: Callable[[str, str], None], tell: Callable[[str], None]) -> None:
        """Prepare.

        Args:
            layout: What is expected of a record.
            refuse: Takes the key of a record that is refused, and the reason.
            tell: Takes a line that is told once.
        """
        self._layout = layout
        self._refuse = refuse
        self._tell = tell
        self._inexact: set[str] = set()
        self._replaced = False
        self._keys = tuple(n for n, each in enumerate(layout.properties) if each.name in layout.keys)
        self._decode, self._decode_any = _record_decoders(layout)
        names = [f"c{n}" for n in range(len(layout.properties))]
        self._values = [attrgetter(name) for name in names]
        self._schema_names = [*names, EXTRACTED]

    def columns(self, lines: Sequence[bytes]) -> pa.RecordBatch:
        """The rows of some lines that can be held; every other one is refused.

        Raises:
            InputError: a line is no JSON.
        """
        try:
            return self._columns(lines)
        except _UNFIT:
            return self._columns(list(self._fit(lines)))

    def _fit(self, lines: Sequence[bytes]) -> Iterator[bytes]:
        """The lines that can be held, one tried after the other."""
        for given in lines:
            line = self._repaired(given)
            try:
                self._columns([line])
            except _UNFIT as error:
                self._refuse(key_of(line, self._layout.keys), _reason(line, error, self._layout))
            else:
                yield line

    def _repaired(self, line: bytes) -> bytes:
        """The line with U+FFFD for what is no character; undeclared properties are told, and passed then on."""
        repaired = without_lone_surrogates(line)
        if repaired != line and not self._replaced:
            self._replaced = True
            self._tell(
                f"texts of the stream `{self._layout.stream}` hold what is no character (bytes beyond UTF-8 or"
                " half a surrogate pair); each became U+FFFD"
            )
        if self._decode is not self._decode_any:
            try:
                self._decode(repaired)
            except msgspec.ValidationError as error:
                if unknown := re.search(r"contains unknown field `(.*)`", str(error), re.DOTALL):
                    self._decode = self._decode_any
                    self._tell(
                        f"records of the stream `{self._layout.stream}` have properties that its SCHEMA does not"
                        f" declare, such as `{unknown[1]}`: they are not loaded; let the tap declare them"
                    )
            except (msgspec.MsgspecError, RecursionError):
                pass
        return repaired

    def _columns(self, lines: Sequence[bytes]) -> pa.RecordBatch:
        messages = list(map(self._decode, lines))
        rows = list(map(_record_of, messages))
        arrays = [
            self._array(each, list(map(value, rows)))
            for each, value in zip(self._layout.properties, self._values, strict=True)
        ]
        for n in self._keys:
            if arrays[n].null_count:
                message = f"its key `{self._layout.properties[n].name}` is missing or null; let the tap give one"
                raise RowError(message)
        arrays.append(pa.array(list(map(_extracted_of, messages)), pa.string()))
        return pa.RecordBatch.from_arrays(arrays, names=self._schema_names)

    def _array(self, column: Property, values: Values) -> pa.Array:
        """The values of a column.

        Raises:
            RowError: one cannot be held.
        """
        match column.kind:
            case Kind.TEXT:
                return pa.array(values, pa.string())
            case Kind.BOOLEAN:
                return pa.array(values, pa.bool_())
            case Kind.JSON:
                documents: list[bytes | None] = list(map(bytes, values))
                if b"null" in documents:
                    documents = [None if text == b"null" else text for text in documents]
                return pa.array(documents, pa.string())
            case Kind.TIME:
                texts = pa.array(values, pa.string())
                if pc.all(pc.match_substring_regex(texts, _TIMESTAMP)).as_py() is False:
                    message = f"`{column.name}` is no time in ISO 8601; let the tap write one, or declare a string"
                    raise RowError(message)
                return texts
            case Kind.INTEGER:
                return _integers(column.name, values)
            case Kind.NUMBER:
                return self._numbers(column.name, values)

    def _numbers(self, name: str, values: Values) -> pa.Array:
        texts = [bytes(raw) for raw in values]
        numbers = [None if text == b"null" else _number(name, text) for text in texts]
        if name not in self._inexact and any(
            (len(text) > _EXACT_DIGITS or number == 0)
            and number is not None
            and Decimal(repr(number)) != Decimal(text.decode())
            for text, number in zip(texts, numbers, strict=True)
        ):
            self._inexact.add(name)
            self._tell(
                f"numbers of `{name}` in the stream `{self._layout.stream}` have more digits than a DOUBLE: the"
                " nearest one is held; let the tap declare a string to keep every digit"
            )
        return pa.array(numbers, pa.float64())


def _number(name: str, text: bytes) -> float:
    if text[:1] not in b"-0123456789":
        message = f"`{name}` is no number, as its SCHEMA declares it; correct the tap or the SCHEMA"
        raise RowError(message)
    number = float(text)
    if isinf(number):
        message = f"`{name}` is beyond the range of a DOUBLE; let the tap declare a string"
        raise RowError(message)
    return number


def _integers(name: str, values: Values) -> pa.Array:
    if float in set(map(type, values)):
        values = [_whole(name, value) if isinstance(value, float) else value for value in values]
    try:
        return pa.array(values, pa.int64())
    except OverflowError:
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _whole(name: str, value: float) -> int:
    if value.is_integer() and abs(value) <= _EXACT_FLOAT:
        return int(value)
    message = f"`{name}` is no whole number, as its SCHEMA declares it; let the tap declare a number"
    raise RowError(message)


_record_of, _extracted_of = attrgetter("record"), attrgetter("time_extracted")

_UNFIT = (RowError, msgspec.MsgspecError, pa.ArrowException, RecursionError, UnicodeDecodeError, ValueError)
"""What a row that cannot be held raises."""


class _Record(msgspec.Struct, tag_field="type", tag="RECORD", gc=False):
    """What is read of a RECORD message."""

    time_extracted: str | None = None


def _record_decoders(layout: Layout) -> tuple[Callable[[bytes], Any], Callable[[bytes], Any]]:
    """What reads a line, refusing properties that are not declared; and what reads it without them."""
    names = {f"c{n}": each.name for n, each in enumerate(layout.properties)}
    fields = [
        (f"c{n}", _TYPES[each.kind], _NULL if _TYPES[each.kind] is msgspec.Raw else None)
        for n, each in enumerate(layout.properties)
    ]

    def decoder(*, strict: bool) -> Callable[[bytes], Any]:
        row = msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=strict, gc=False)
        stream: Any = Literal.__getitem__(layout.stream)
        record = msgspec.defstruct("Record", [("record", row), ("stream", stream)], bases=(_Record,), kw_only=True)
        return msgspec.json.Decoder(record).decode

    if any(re.search(r'["\\\x00-\x1f\ud800-\udfff]', name) for name in names.values()):
        read = _OddNames(layout).decode
        return read, read
    return decoder(strict=True), decoder(strict=False)


class _Values:
    """A row whose properties have names that msgspec takes for no field."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)


class _OddMessage(_Record):
    """A RECORD message whose properties are read one by one."""

    stream: str = ""
    record: dict[str, msgspec.Raw] = {}


class _OddNames:
    """Reads records with names that hold quotes, backslashes or control characters: rare, and slower."""

    def __init__(self, layout: Layout) -> None:
        self._decode = msgspec.json.Decoder(_OddMessage).decode
        self._fields = [
            (f"c{n}", each.name, msgspec.json.Decoder(_TYPES[each.kind]).decode)
            for n, each in enumerate(layout.properties)
        ]

    def decode(self, line: bytes) -> Any:  # noqa: ANN401 - what a struct of the fields is
        message = self._decode(line)
        given = message.record
        message.record = cast(
            "Any", _Values({key: decode(given.get(name, _NULL)) for key, name, decode in self._fields})
        )
        return message


def key_of(line: bytes, keys: Sequence[str]) -> str:
    """The key of a record as it is told: no other property of it."""
    try:
        record = json.loads(line)["record"]
        told = json.dumps({name: record.get(name) for name in keys})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "unknown key"
    return f"key {told[:200]}" if keys else "no key"


def _reason(line: bytes, error: Exception, layout: Layout) -> str:
    """Why a line is refused, and what to do about it.

    Raises:
        InputError: it is no JSON at all.
    """
    if isinstance(error, RowError):
        return str(error)
    if isinstance(error, RecursionError):
        return "it is nested too deeply; let the tap write it as text"
    try:
        json.loads(line)
    except RecursionError:
        return "it is nested too deeply; let the tap write it as text"
    except ValueError:
        message = (
            f"a line of the stream `{layout.stream}` is not JSON: does the tap print something, or was it ended?"
        )
        raise InputError(message) from None
    if isinstance(error, msgspec.ValidationError):
        return f"{error}; correct the tap or the SCHEMA"
    return "it holds a number that is none of JSON's (NaN or an infinity); let the tap write null or a text"
