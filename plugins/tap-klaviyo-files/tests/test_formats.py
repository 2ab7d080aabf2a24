from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import json
import lzma
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tap_klaviyo_files.faults import FileError, RowError
from tap_klaviyo_files.formats import Bytes, TextFormat, csv_rows, opened
from tap_klaviyo_files.formats.parquet_rows import ParquetRows

if TYPE_CHECKING:
    from collections.abc import Callable

Read = list[tuple[int, tuple[str, ...], Any]]


def rows(body: bytes, how: TextFormat = TextFormat()) -> Read:  # noqa: B008 - never changed
    """Rows with their cells; of those that cannot be read, what is wrong."""
    file: Bytes = io.BufferedReader(io.BytesIO(body))
    found = opened(file, how)
    return [
        (line, columns, cells.code if isinstance(cells, RowError) else list(cells))
        for line, columns, cells in found
    ]


def cells(body: bytes, how: TextFormat = TextFormat()) -> list[Any]:  # noqa: B008 - never changed
    return [found for _, _, found in rows(body, how)]


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    table=st.lists(st.lists(TEXTS, min_size=3, max_size=3), max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    chunk=st.sampled_from([1, 7, 1 << 20]),
)
@example([["a\u2028b", "c\x0bd", "e\rf"]], ",", "\n", 1)
def test_csv_is_read_as_it_was_written_and_each_row_has_its_line(
    table: list[list[str]], delimiter: str, end: str, chunk: int
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b", "c"])
    lines = []
    for row in table:
        before = text.getvalue()
        lines.append(1 + before.count("\n") + before.count("\r") - before.count("\r\n"))
        writer.writerow(row)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_rows, "_CHUNK", chunk)
        found = rows(text.getvalue().encode())
    assert [(line, cells) for line, _, cells in found] == list(zip(lines, table, strict=True))
    assert {columns for _, columns, _ in found} <= {("a", "b", "c")}


@settings(max_examples=60, deadline=None)
@given(body=st.text(st.sampled_from('ab,"\n\r'), max_size=60), chunk=st.sampled_from([1, 1 << 20]))
def test_whatever_is_in_a_file_every_line_of_it_is_read_or_put_aside(body: str, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_rows, "_CHUNK", chunk)
        found = rows(f"a,b\n{body}\nlast,row\n".encode())
    assert [line for line, _, _ in found] == sorted({line for line, _, _ in found}), "in order, none twice"
    assert found, "the last line is one"
    if body.count('"') == 0:
        assert found[-1][2] == ["last", "row"]


@pytest.mark.parametrize("chunk", [1, 1 << 20])
def test_a_quotation_mark_that_nothing_closes_costs_its_line(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "_CHUNK", chunk)
    body = b'a,b\n1,one\n2,"two\n3,three\n4,"fo\nur"\n5,"x"y\n6,six\n7,"'
    assert [(line, cells) for line, _, cells in rows(body)] == [
        (2, ["1", "one"]),
        (3, "quotes"),
        (4, ["3", "three"]),
        (5, ["4", "fo\nur"]),
        (7, "quotes"),
        (8, ["6", "six"]),
        (9, "quotes"),
    ]


def test_ragged_rows() -> None:
    body = b"\n\na,b,c\n1\n1,2,3,,\n1,2,3,4\n\n,,\n"
    assert [(line, cells) for line, _, cells in rows(body)] == [
        (4, ["1", "", ""]),
        (5, ["1", "2", "3"]),
        (6, "cells"),
        (8, ["", "", ""]),
    ]


@pytest.mark.parametrize("body", [b"", b"\n\n", b"a,b\n", b"a,b", codecs.BOM_UTF8])
def test_a_file_without_rows(body: bytes) -> None:
    assert rows(body) == []


def test_names_of_columns_that_come_again_get_a_number() -> None:
    [(_, columns, _)] = rows(b"a, a ,b,a\n1,2,3,4\n")
    assert columns == ("a", "a (2)", "b", "a (3)")


@pytest.mark.parametrize(
    ("body", "how"),
    [
        (codecs.BOM_UTF8 + "é,b\nü,2\n".encode(), TextFormat()),
        ("é,b\nü,2\n".encode("utf-16"), TextFormat()),
        ("é,b\nü,2\n".encode("cp1252"), TextFormat("cp1252")),
        ("éxbyüx2".encode(), TextFormat("utf-8", "x")),
    ],
)
def test_encodings_and_delimiters(body: bytes, how: TextFormat) -> None:
    if how.delimiter:
        body = body.replace(b"y", b"\n")
    assert rows(body, how) == [(2, ("é", "b"), ["ü", "2"])]


@pytest.mark.parametrize("chunk", [1, 1 << 20])
def test_a_row_in_another_encoding_costs_itself(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "_CHUNK", chunk)
    body = "a,b\n1,é\n".encode() + b'2,"\xe9\nx"\n3,x\n' + "4,ü\n".encode()
    assert cells(body) == [["1", "é"], "encoding", ["3", "x"], ["4", "ü"]]
    with pytest.raises(FileError, match="no encoding 'klingon'"):
        rows(body, TextFormat("klingon"))


def test_a_header_that_is_none() -> None:
    with pytest.raises(FileError, match="header"):
        rows(b'a,"b\n1,2\n')


def packed(body: bytes, codec: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as out:
        out.write(body)
    return bytes(sink.getvalue())


PACKS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda body: packed(body, "zstd"),
    "lz4": lambda body: packed(body, "lz4"),
}


@pytest.mark.parametrize("text", [b"a,b\n1,2\n", b'{"a": "1", "b": "2"}\n'], ids=["csv", "json"])
@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_a_compressed_file_is_unpacked_whatever_it_is_called(text: bytes, pack: Callable[[bytes], bytes]) -> None:
    assert rows(pack(text)) == [(1 + text.startswith(b"a"), ("a", "b"), ["1", "2"])]
    more = b"3,4\n" if text.startswith(b"a") else b'{"a": "3", "b": "4"}'
    assert cells(pack(text) + pack(more)) == [["1", "2"], ["3", "4"]], "one that was appended to"


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_a_file_that_was_cut_cannot_be_read_to_its_end(pack: Callable[[bytes], bytes]) -> None:
    from tap_klaviyo_files.formats import UNREADABLE  # noqa: PLC0415

    body = pack(b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(9_999)))
    with pytest.raises((*UNREADABLE, FileError)):
        rows(body[: len(body) // 2])


@pytest.mark.parametrize(
    "start",
    [b"PK\x03\x04", b"\xd0\xcf\x11\xe0", gzip.compress(b"PAR1"), b"\x1f\x8b\x08broken"],
    ids=["zip", "excel", "parquet", "damaged"],
)
def test_what_is_no_table_is_refused_with_what_would_be(start: bytes) -> None:
    with pytest.raises(FileError, match=r"CSV, JSON lines or Parquet|unpack"):
        rows(start)


def test_json_lines() -> None:
    body = b'{"a": 1, "b": {"c": 1.50}}\n\nnot\n[1]\n{"b": null}\n{"a": "\\u2028"}'
    assert [(line, cells) for line, _, cells in rows(codecs.BOM_UTF8 + body)] == [
        (1, [1, {"c": Decimal("1.50")}]),
        (3, "json"),
        (4, "json"),
        (5, [None]),
        (6, ["\u2028"]),
    ]
    deep = b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert cells(b"{}\n" + deep) == [[], "json"]


def test_whether_the_last_row_had_its_end() -> None:
    for body, whole in ((b"a\n1\n", True), (b"a\n1", False), (b'{"a":1}\n', True), (b'{"a":1}', False)):
        file: Bytes = io.BufferedReader(io.BytesIO(body))
        found = opened(file, TextFormat())
        assert len(list(found)) == 1
        assert found.whole is whole


def parquet(table: pa.Table, **options: object) -> io.BytesIO:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return io.BytesIO(file.getvalue())


def test_parquet_with_its_types() -> None:
    at = datetime(2026, 11, 30, 13, 34, 8, 123456, UTC)
    table = pa.table(
        {
            "at": pa.array([at, None], pa.timestamp("ns", "UTC")),
            "day": pa.array([date(2026, 11, 30), None]),
            "value": pa.array([Decimal("1.10"), None], pa.decimal128(9, 2)),
            "inner": pa.array([{"a": [1]}, None]),
        }
    )
    for codec in ("zstd", "snappy", "none"):
        assert [cells for _, _, cells in ParquetRows(parquet(table, compression=codec))] == [
            (at, date(2026, 11, 30), Decimal("1.10"), {"a": [1]}),
            (None,) * 4,
        ]


def test_rows_of_parquet_have_numbers_and_a_damaged_file_is_told() -> None:
    table = pa.table({"n": list(range(12_000))})
    file = parquet(table, row_group_size=7_000)
    assert [(number, cells[0]) for number, _, cells in ParquetRows(file)] == [(n + 1, n) for n in range(12_000)]  # type: ignore[index]
    with pytest.raises(FileError, match="Parquet"):
        list(ParquetRows(io.BytesIO(file.getvalue()[:-30])))


def test_json_of_any_columns_shares_their_names() -> None:
    body = "\n".join(json.dumps({"a": n, "b": n}) for n in range(3)).encode()
    found = rows(body)
    assert len({id(columns) for _, columns, _ in found}) == 1
