"""No value changes: whatever a record holds is what the table holds."""

# ruff: noqa: DTZ001 - DuckDB gives times in UTC without a zone
from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loading import held, lines_of, load, record, schema, types

from target_duckdb.columns import column_names

# Everything but halves of surrogate pairs, which are no characters.
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    [
        "",
        "'VIP'",
        '"',
        '""',
        "a,b",
        "a\nb",
        "a\r\n",
        "\\",
        "\\N",
        "NULL",
        "null",
        "\0",
        "\u2028",
        "  ",
        "é😀",
        "{}",
        "1",
    ]
)
INTEGERS = st.integers(-(2**127), 2**127 - 1) | st.integers(-10, 10)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | FLOATS
    | st.decimals(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda each: st.lists(each, max_size=4) | st.dictionaries(TEXTS, each, max_size=4),
    max_leaves=12,
)
TIMES = st.datetimes(
    datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC) | st.builds(
        timezone, st.integers(-14 * 60, 14 * 60).map(lambda minutes: timedelta(minutes=minutes))
    )
)  # fmt: skip


def dumps(value: object) -> str:
    """JSON, with every digit of a decimal."""
    if isinstance(value, Decimal):
        return f"{value:f}" if abs(value.adjusted()) < 400 else f"{value:e}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {dumps(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(dumps, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def same(text: str) -> object:
    return json.loads(text, parse_float=Decimal)


KINDS: dict[str, tuple[dict[str, Any], st.SearchStrategy[Any], Callable[[Any], Any]]] = {
    "text": ({"type": ["string", "null"]}, TEXTS, lambda value: value),
    "whole": ({"type": ["integer", "null"]}, INTEGERS, lambda value: value),
    "number": ({"type": ["number", "null"]}, FLOATS | st.integers(-(2**53), 2**53), float),
    "flag": ({"type": ["boolean", "null"]}, st.booleans(), lambda value: value),
    "time": (
        {"type": ["string", "null"], "format": "date-time"},
        TIMES.map(datetime.isoformat),
        lambda value: datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None),
    ),
    "document": (
        {"type": ["object", "array", "string", "number", "boolean", "null"]},
        DOCUMENTS.filter(lambda value: value is not None),
        lambda value: same(dumps(value)),
    ),
}
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    [
        "select",
        "ORDER",
        "a b",
        'a"b',
        "a\\b",
        "",
        "Name",
        "name",
        "NAME",
        "é",
        "É",
        "a.b",
        "_sdc_batched_at",
        "a\0b",
        "n",
        "stage",
    ]
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Properties with their kinds, and records that hold some of them."""
    names = draw(st.lists(NAMES.filter(lambda name: name != "id"), unique=True, max_size=6))
    kinds = {name: draw(st.sampled_from(sorted(KINDS))) for name in names}
    rows = draw(
        st.lists(
            st.fixed_dictionaries(
                {"id": st.integers(0, 5)},
                optional={name: st.none() | KINDS[kind][1] for name, kind in kinds.items()},
            ),
            max_size=12,
        )
    )
    return kinds, rows


@given(streams(), st.integers(1, 13), st.booleans(), st.integers(1, 20))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_value_of_every_record_is_held_as_it_is(
    stream: tuple[dict[str, str], list[dict[str, Any]]],
    batch_rows: int,
    has_key: bool,  # noqa: FBT001
    at_a_time: int,
) -> None:
    kinds, rows = stream
    properties = {"id": {"type": "integer"}, **{name: KINDS[kind][0] for name, kind in kinds.items()}}
    messages = [schema("things", properties, ["id"] if has_key else [])]
    lines = [f'{{"type": "RECORD", "stream": "things", "record": {dumps(row)}}}'.encode() for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.duckdb"
        done = load(path, [*lines_of(messages), *lines], batch_rows=batch_rows, at_a_time=at_a_time)
        assert done.rejects == {}, done.told
        found = held(path, "things", order="id")
    columns = column_names(list(properties), [], ["_sdc_extracted_at", "_sdc_batched_at"])

    def given_as(row: dict[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {"id": row["id"]}
        for name, kind in kinds.items():
            value = row.get(name)
            values[columns[name]] = None if value is None else KINDS[kind][2](value)
        return values

    def read(row: dict[str, Any]) -> dict[str, Any]:
        for name, kind in kinds.items():
            if kind == "document" and row[columns[name]] is not None:
                row[columns[name]] = same(row[columns[name]])
        return row

    wanted = [given_as(row) for row in rows]
    if has_key:
        wanted = list({row["id"]: row for row in wanted}.values())
    assert sorted(map(told, map(read, found))) == sorted(map(told, wanted))


def told(row: dict[str, Any]) -> str:
    """A row as text that tells -0.0 from 0.0, and 1 from True."""
    return repr(sorted(row.items()))


def load_one(path: Path, kind: dict[str, Any], text: str) -> Any:  # noqa: ANN401 - any value
    line = b'{"type":"RECORD","stream":"s","record":{"id":1,"v":%s}}' % text.encode()
    done = load(path, [schema("s", {"id": {"type": "integer"}, "v": kind}), line])
    rows = held(path, "s")
    return rows[0]["v"] if rows else done.told


@pytest.mark.parametrize("size", [3_000_000, 20_000_000])
def test_a_row_of_many_megabytes(size: int, tmp_path: Path) -> None:
    text = ("x'\"\\\n,é" * (size // 8))[:size]
    kinds = {"id": {"type": "integer"}, "v": {"type": "string"}, "d": {"type": "object"}}
    load(tmp_path / "w", [schema("s", kinds), record("s", id=1, v=text, d={"html": text})], batch_bytes=1 << 20)
    [row] = held(tmp_path / "w", "s")
    assert row["v"] == text
    assert json.loads(row["d"]) == {"html": text}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "1.0", 1),
        ("integer", "1e2", 100),
        ("integer", str(2**127 - 1), 2**127 - 1),
        ("integer", str(-(2**127)), -(2**127)),
        ("number", "1e308", 1e308),
        ("number", "5e-324", 5e-324),
        ("number", "-0.0", -0.0),
        ("number", "0.1", 0.1),
        ("object", '{"a": 1.10, "b" :1E5,"c":123456789012345678901234567890.12345678901234567890}', None),
        ("object", r'{"a": "\ud83d\ude00 \u0000 \/", "a": 2}', None),
    ],
)
def test_numbers_and_documents_at_their_edges(kind: str, text: str, value: object, tmp_path: Path) -> None:
    found = load_one(tmp_path / "w", {"type": kind}, text)
    assert repr(found) == repr(text if value is None else value), "a document is held byte by byte"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02T03:04:05.123456+02:00", datetime(2026, 1, 2, 1, 4, 5, 123456)),
        ("2026-01-02 03:04:05", datetime(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02T03:04:05.123456789-12:30", datetime(2026, 1, 2, 15, 34, 5, 123456)),
        ("2026-01-02", datetime(2026, 1, 2)),
    ],
)
def test_times_are_held_in_utc(written: str, read: datetime, tmp_path: Path) -> None:
    """What is behind the microsecond is cut, as documented; a time without a zone is taken as UTC."""
    assert load_one(tmp_path / "w", {"type": "string", "format": "date-time"}, json.dumps(written)) == read


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ({"type": "integer"}, "1.5", "`v` is no whole number, as its SCHEMA declares it"),
        ({"type": "integer"}, '"1"', "Expected `int | float | null`, got `str` - at `$.record.v`"),
        ({"type": "integer"}, str(2**127), "`v` is beyond the range of whole numbers"),
        ({"type": "integer"}, "1e23", "`v` is no whole number"),
        ({"type": "number"}, "1e400", "`v` is beyond the range of a DOUBLE; let the tap declare a string"),
        ({"type": "number"}, "true", "`v` is no number"),
        ({"type": "number"}, "NaN", "NaN or an infinity"),
        ({"type": "string"}, "5", "Expected `str | null`, got `int` - at `$.record.v`"),
        ({"type": "boolean"}, "1", "Expected `bool | null`, got `int`"),
        ({"type": "object"}, '{"a": [-Infinity]}', "NaN or an infinity"),
        ({"type": "object"}, "[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ({"type": "string", "format": "date-time"}, '"yesterday"', "`v` is no time in ISO 8601"),
        ({"type": "string", "format": "date-time"}, '"infinity"', "`v` is no time in ISO 8601"),
        ({"type": "string", "format": "date-time"}, '"2026-02-30T00:00:00Z"', "`v` is a time that does not exist"),
        ({"type": "string", "format": "date-time"}, '"2026-02-03T00:00:60Z"', "`v` is a time that does not exist"),
    ],
)
def test_a_value_that_cannot_be_held_costs_its_row(
    kind: dict[str, Any], text: str, reason: str, tmp_path: Path
) -> None:
    bad = b'{"type":"RECORD","stream":"s","record":{"id":"b","secret":"a@b.c","v":%s}}' % text.encode()
    others = [record("s", id="a"), record("s", id="c")]
    properties = {"id": {"type": "string"}, "secret": {"type": "string"}, "v": kind}
    done = load(tmp_path / "w", [schema("s", properties), others[0], bad, others[1]])
    assert [row["id"] for row in held(tmp_path / "w", "s")] == ["a", "c"]
    assert done.rejects == {"s": 1}
    [line] = done.told
    assert reason in line
    assert "`s`" in line
    assert '{"id": "b"}' in line or "nested" in line
    assert "a@b.c" not in line


def test_what_is_no_character_is_replaced_and_told(tmp_path: Path) -> None:
    lines = [rb'"\ud800"', rb'"\udc00\ud83d\ude00"', rb'"\\ud800"', b'"\xff"']
    line = b'{"type":"RECORD","stream":"s","record":{"id":%d,"v":%s,"d":{"a":%s}}}'
    kinds = {"id": {"type": "integer"}, "v": {"type": "string"}, "d": {"type": "object"}}
    done = load(tmp_path / "w", [schema("s", kinds), *(line % (n, each, each) for n, each in enumerate(lines))])
    rows = held(tmp_path / "w", "s")
    wanted = ["\ufffd", "\ufffd😀", "\\ud800", "\ufffd"]
    assert [row["v"] for row in rows] == wanted
    assert [json.loads(row["d"])["a"] for row in rows] == wanted
    [told] = done.told
    assert "U+FFFD" in told


def test_digits_beyond_a_double_are_told(tmp_path: Path) -> None:
    lines = [b'{"type":"RECORD","stream":"s","record":{"id":%d,"v":12345678901234567890.5}}' % n for n in range(3)]
    done = load(tmp_path / "w", [schema("s", {"id": {"type": "integer"}, "v": {"type": "number"}}), *lines])
    assert {row["v"] for row in held(tmp_path / "w", "s")} == {1.2345678901234567e19}
    [told] = done.told
    assert "`v`" in told
    assert "declare a string" in told


def test_types_are_those_of_the_models_sources(tmp_path: Path) -> None:
    kinds = {
        "id": {"type": "string"},
        "at": {"type": ["string", "null"], "format": "date-time"},
        "held": {"type": ["object", "null"]},
        "all": {"type": ["array", "null"]},
        "count": {"type": ["integer", "null"]},
        "value": {"type": ["number", "null"]},
        "is": {"type": ["boolean", "null"]},
        "either": {"type": ["string", "integer"]},
        "any": {},
        "chosen": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        "both": {"type": ["number", "integer"]},
    }
    load(tmp_path / "w", [schema("s", kinds)])
    found = types(tmp_path / "w", "s")
    assert list(found.values()) == [
        *(
            "VARCHAR",
            "TIMESTAMP",
            "JSON",
            "JSON",
            "HUGEINT",
            "DOUBLE",
            "BOOLEAN",
            "JSON",
            "JSON",
            "TIMESTAMP",
            "DOUBLE",
        ),
        *("TIMESTAMP", "TIMESTAMP"),
    ]
    assert list(found)[-2:] == ["_sdc_extracted_at", "_sdc_batched_at"]


def test_nan_is_no_json() -> None:
    assert math.isnan(json.loads("NaN")), "Python's own reader takes it, which is why taps write it"
