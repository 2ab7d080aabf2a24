"""Singer's rules: keys, SCHEMA amid a stream, STATE after the rows before it, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loading import held, load, record, run, schema, types

from singer_program.errors import InputError, ProgramError
from target_duckdb.columns import column_names, marked_name
from target_duckdb.loader import Loader
from target_duckdb.warehouse import Rows, WarehouseError

ID, TEXT, WHOLE = {"type": "integer"}, {"type": ["string", "null"]}, {"type": ["integer", "null"]}


def state(value: object) -> dict[str, Any]:
    return {"type": "STATE", "value": value}


@pytest.mark.parametrize("batch_rows", [1, 2, 100])
def test_the_last_row_of_a_key_wins_within_a_batch_and_between_them(batch_rows: int, tmp_path: Path) -> None:
    messages = [schema("s", {"a": ID, "b": TEXT, "v": TEXT}, ["a", "b"])]
    messages += [record("s", a=n % 3, b=f"{n % 2}", v=f"{n}") for n in range(20)]
    load(tmp_path / "w", messages, batch_rows=batch_rows, at_a_time=1)
    load(tmp_path / "w", [messages[0], record("s", a=0, b="0")], batch_rows=batch_rows)
    found = {(row["a"], row["b"]): row["v"] for row in held(tmp_path / "w", "s")}
    assert len(held(tmp_path / "w", "s")) == 6
    assert found == {
        (0, "0"): None,
        (1, "1"): "19",
        (0, "1"): "15",
        (2, "0"): "14",
        (1, "0"): "16",
        (2, "1"): "17",
    }


def test_keys_are_the_same_as_their_column_holds_them(tmp_path: Path) -> None:
    """Two spellings of a time or a number are one key."""
    kinds = {"at": {"type": "string", "format": "date-time"}, "n": {"type": "integer"}, "v": TEXT}
    lines: list[Any] = [schema("s", kinds, ["at", "n"])]
    lines += [b'{"type":"RECORD","stream":"s","record":{"at":"2026-01-01T00:00:00Z","n":1,"v":"a"}}']
    lines += [b'{"type":"RECORD","stream":"s","record":{"at":"2026-01-01T01:00:00+01:00","n":1.0,"v":"b"}}']
    load(tmp_path / "w", lines)
    assert [row["v"] for row in held(tmp_path / "w", "s")] == ["b"]


def test_without_a_key_rows_are_appended(tmp_path: Path) -> None:
    messages = [schema("s", {"v": TEXT}, []), record("s", v="a"), record("s", v="a")]
    for _ in range(2):
        load(tmp_path / "w", messages)
    assert len(held(tmp_path / "w", "s")) == 4


def test_a_row_without_its_key_is_refused(tmp_path: Path) -> None:
    done = load(
        tmp_path / "w",
        [schema("s", {"id": ID, "v": TEXT}), record("s", v="a"), record("s", id=None), record("s", id=1)],
    )
    assert [row["id"] for row in held(tmp_path / "w", "s")] == [1]
    assert done.rejects == {"s": 2}
    assert "its key `id` is missing or null" in done.told[0]


def test_a_schema_amid_a_stream_adds_columns_and_widens_types(tmp_path: Path) -> None:
    messages = [
        schema("s", {"id": ID, "n": WHOLE, "code": WHOLE, "any": TEXT}),
        record("s", id=1, n=2, code=7, any="x"),
        schema(
            "s",
            {"id": ID, "n": {"type": "number"}, "code": TEXT, "any": {"type": ["object", "string"]}, "new": TEXT},
        ),
        record("s", id=2, n=2.5, code="07", any={"a": 1}, new="y"),
        schema("s", {"id": ID, "n": WHOLE}),
        record("s", id=3, n=5),
    ]
    load(tmp_path / "w", messages)
    assert held(tmp_path / "w", "s", "id") == [
        {"id": 1, "n": 2.0, "code": "7", "any": '"x"', "new": None},
        {"id": 2, "n": 2.5, "code": "07", "any": '{"a": 1}', "new": "y"},
        {"id": 3, "n": 5.0, "code": None, "any": None, "new": None},
    ]
    assert list(types(tmp_path / "w", "s").values())[1:4] == ["DOUBLE", "VARCHAR", "JSON"]


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        (TEXT, "x", WHOLE),
        (TEXT, "2026-01-01", {"type": "string", "format": "date-time"}),
        ({"type": "number"}, 1.5, TEXT),
        ({"type": "boolean"}, True, WHOLE),
        (WHOLE, 2**53 + 1, {"type": "number"}),
    ],
)
def test_a_type_that_would_change_a_value_ends_the_run(
    before: dict[str, Any], value: object, after: dict[str, Any], tmp_path: Path
) -> None:
    load(tmp_path / "w", [schema("s", {"id": ID, "v": before}), record("s", id=1, v=value)])
    with pytest.raises(WarehouseError, match=r"the stream `s` now declares .* in the column `v`, which holds"):
        load(tmp_path / "w", [schema("s", {"id": ID, "v": after}), record("s", id=2)])
    assert held(tmp_path / "w", "s") == [{"id": 1, "v": value}]


def test_a_whole_number_that_its_column_of_doubles_would_change_costs_its_row(tmp_path: Path) -> None:
    load(tmp_path / "w", [schema("s", {"id": ID, "v": {"type": "number"}})])
    done = load(
        tmp_path / "w",
        [schema("s", {"id": ID, "v": WHOLE}), record("s", id=1, v=2**60), record("s", id=2, v=2**60 + 1)],
    )
    assert held(tmp_path / "w", "s") == [{"id": 1, "v": float(2**60)}]
    assert done.rejects == {"s": 1}


def test_tables_that_others_made_are_taken_as_they_are(tmp_path: Path) -> None:
    """By the models, with some columns; by the former loader, with lower-case names and a primary key."""
    with duckdb.connect(str(tmp_path / "w")) as warehouse:
        warehouse.execute("CREATE SCHEMA raw")
        warehouse.execute('CREATE TABLE raw."Events" (id VARCHAR PRIMARY KEY, lastname VARCHAR, small SMALLINT)')
        warehouse.execute("INSERT INTO raw.events VALUES ('a', 'x', 1), ('b', 'y', 2)")
    kinds = {"id": {"type": "string"}, "lastName": TEXT, "small": WHOLE, "held": {"type": "object"}}
    messages = [schema("events", kinds), record("events", id="a", lastName="z", small=70_000, held={"q": 1})]
    for _ in range(2):
        load(tmp_path / "w", messages, batch_rows=1)
    assert held(tmp_path / "w", "Events") == [
        {"id": "a", "lastname": "z", "small": 70_000, "held": '{"q": 1}'},
        {"id": "b", "lastname": "y", "small": 2, "held": None},
    ]


def test_names_that_differ_by_case_are_columns_of_their_own_in_every_run(tmp_path: Path) -> None:
    load(
        tmp_path / "w",
        [schema("s", {"id": ID, "Name": TEXT, "name": TEXT}), record("s", id=1, Name="A", name="a")],
    )
    load(
        tmp_path / "w",
        [schema("s", {"id": ID, "name": TEXT, "Name": TEXT}), record("s", id=2, Name="B", name="b")],
    )
    load(tmp_path / "w", [schema("s", {"id": ID, "name": TEXT}), record("s", id=3, name="c")])
    marked = marked_name("name")
    assert held(tmp_path / "w", "s", "id") == [
        {"id": 1, "Name": "A", marked: "a"},
        {"id": 2, "Name": "B", marked: "b"},
        {"id": 3, "Name": None, marked: "c"},
    ]


@given(st.lists(st.text("aAbB_é", max_size=3), unique=True), st.lists(st.text("aAbB_é", max_size=3)))
def test_no_two_properties_share_a_column(properties: list[str], others: list[str]) -> None:
    names = column_names(properties, list({name.lower(): name for name in others if name}.values()), ["_a"])
    assert len({name.lower() for name in names.values()}) == len(properties)
    assert "" not in names.values()


def test_streams_whose_names_differ_by_case_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="differ by case only"):
        load(tmp_path / "w", [schema("s", {"id": ID}), schema("S", {"id": ID})])


@pytest.mark.parametrize("name", ["a b", 'a"b', "select", "a-b", "é", "a\\b", "a'b;--"])
def test_odd_names_of_streams(name: str, tmp_path: Path) -> None:
    load(tmp_path / "w", [schema(name, {"id": ID}), record(name, id=1), record(name, id=2)])
    assert held(tmp_path / "w", name) == [{"id": 1}, {"id": 2}]


def test_a_state_is_emitted_after_the_rows_before_it_of_every_stream() -> None:
    """A writer that says what was committed when each STATE came out."""
    committed: dict[str, int] = {"a": 0, "b": 0}
    seen: list[tuple[Any, dict[str, int]]] = []

    class Counting:
        def check(self, told: object) -> None:
            """Nothing is told."""

        def remember(self, told: object) -> None:
            """Nothing is told."""

        def write(self, parts: Sequence[Rows]) -> None:
            for part in parts:
                committed[part.layout.stream] += sum(batch.num_rows for batch in part.batches)

        def interrupt(self) -> None:
            """Nothing to end."""

    lines = [json.dumps(schema(name, {"id": ID})).encode() for name in committed]
    sent, last = {"a": 0, "b": 0}, {"a": 0, "b": 0}
    for n in range(200):
        name = "a" if n % 7 else "b"
        sent[name] += 1
        lines.append(json.dumps(record(name, id=n)).encode())
        if n % 5 == 0:
            last = dict(sent)
            lines.append(json.dumps(state(last)).encode())
    loader = Loader(
        lambda: Counting(),  # noqa: PLW0108 - the type checker wants a function
        batch_rows=13,
        batch_bytes=3_000,
        fail_on_reject=False,
        emit=lambda value: seen.append((json.loads(value), dict(committed))),
        tell=lambda _: None,
    )
    loader.load([line] for line in lines)
    assert len(seen) > 5
    for told, then in seen:
        assert all(then[name] >= count for name, count in told.items())
    assert seen[-1][0] == last
    assert committed == sent


def test_a_state_without_rows_is_emitted_at_once_and_as_it_is(tmp_path: Path) -> None:
    done = load(tmp_path / "w", [b'{"type": "STATE", "value": {"a": 1.10, "b":  [12345678901234567890123]}}'])
    assert done.states == [b'{"a": 1.10, "b":  [12345678901234567890123]}']
    assert not (tmp_path / "w").exists(), "nothing was to be written"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"type": "ACTIVATE_VERSION", "stream": "s", "version": 1}, "the tap sends ACTIVATE_VERSION"),
        ({"type": "BATCH", "stream": "s", "encoding": {}, "manifest": []}, "the tap sends BATCH"),
        ({"type": "RECORD", "stream": "t", "record": {}}, "the stream `t` comes before its SCHEMA"),
        ({"type": "OTHER"}, "unknown type, 'OTHER'"),
        ({"type": "SCHEMA", "stream": "", "schema": {}}, "names no stream"),
        ({"type": "SCHEMA", "stream": "s"}, "a SCHEMA message of the input is not as Singer says"),
        (b'{"some": "json"}', "is JSON, but not a Singer message"),
        (b"[1]", "is JSON, but not a Singer message"),
        (b"Traceback (most recent call last):", "is not JSON: does the tap print something?"),
        (b'{"type": "RECORD", "stream": "s", "record": {"id": 2', "is not JSON"),
    ],
)
def test_what_is_no_message_ends_the_run_before_any_state(message: Any, said: str, tmp_path: Path) -> None:  # noqa: ANN401
    before = [schema("s", {"id": ID}), record("s", id=1), state(1)]
    with pytest.raises((InputError, ProgramError)) as raised:
        load(tmp_path / "w", [*before, message, record("s", id=3)])
    assert said in str(raised.value)


def test_a_setting_lets_a_refused_row_end_the_run(tmp_path: Path) -> None:
    messages = [schema("s", {"id": ID, "v": TEXT}), record("s", id=1), state(1), record("s", id=2, v=5)]
    with pytest.raises(ProgramError, match=r"key \{\"id\": 2\}.*is refused.*setting `on_reject`"):
        load(tmp_path / "w", messages, fail_on_reject=True)


def test_ten_refused_rows_are_told_one_by_one(tmp_path: Path) -> None:
    done = load(tmp_path / "w", [schema("s", {"id": ID, "v": TEXT}), *(record("s", id=n, v=5) for n in range(50))])
    assert len(done.told) == 10
    assert done.rejects == {"s": 50}


def test_properties_that_no_schema_declares_are_told_once(tmp_path: Path) -> None:
    done = load(
        tmp_path / "w", [schema("s", {"id": ID}), *(record("s", id=n, extra=n) for n in range(30))], batch_rows=5
    )
    assert len(held(tmp_path / "w", "s")) == 30
    [told] = done.told
    assert "properties that its SCHEMA does not declare, such as `extra`" in told


def test_columns_of_the_loader(tmp_path: Path) -> None:
    line = b'{"type":"RECORD","stream":"s","record":{"id":1},"time_extracted":"2026-01-01T02:00:00+02:00"}'
    load(tmp_path / "w", [schema("s", {"id": ID}), line, record("s", id=2)])
    with duckdb.connect(str(tmp_path / "w")) as warehouse:
        rows = warehouse.execute(
            "SELECT id, _sdc_extracted_at::VARCHAR,"
            " _sdc_batched_at > now() AT TIME ZONE 'UTC' - INTERVAL 1 HOUR FROM raw.s ORDER BY id"
        ).fetchall()
    assert rows == [(1, "2026-01-01 00:00:00", True), (2, None, True)]


@given(
    order=st.lists(st.sampled_from(["a", "b"]), max_size=30),
    batch_rows=st.integers(1, 7),
    at_a_time=st.integers(1, 9),
    space=st.sampled_from(["", " "]),
)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_interleaved_streams_however_their_messages_are_written(
    order: list[str], batch_rows: int, at_a_time: int, space: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("interleaved") / "w"
    lines: list[Any] = [schema("a", {"id": ID, "v": WHOLE}), schema("b", {"id": ID, "v": WHOLE})]
    forms = [
        '{%s"type":%s"RECORD",%s"stream":%s"NAME",%s"record":VALUE}',
        '{%s"record":%sVALUE,%s"stream":%s"NAME",%s"type":"RECORD"}',
    ]
    for n, name in enumerate(order):
        form = forms[n % 2] % ((space,) * 5)
        lines.append(form.replace("NAME", name).replace("VALUE", f'{{"id":{n % 4},"v":{n}}}').encode())
    load(path, lines, batch_rows=batch_rows, at_a_time=at_a_time)
    for name in "ab":
        wanted = {n % 4: n for n, each in enumerate(order) if each == name}
        assert {row["id"]: row["v"] for row in held(path, name)} == wanted


def test_the_command_loads_and_says_what_was_refused(tmp_path: Path) -> None:
    done = run(
        tmp_path / "w",
        [schema("s", {"id": ID, "v": TEXT}), record("s", id=1, v="a"), record("s", id=2, v=1), state({"a": 1})],
    )
    assert done.returncode == 0
    assert done.stdout == b'{"a": 1}\n'
    assert held(tmp_path / "w", "s") == [{"id": 1, "v": "a"}]
    assert b"1 rows of the stream `s` were refused; all others are loaded" in done.stderr


@pytest.mark.parametrize(
    ("path", "settings", "said"),
    [
        ("none/w", {}, b"its folder does not exist"),
        ("w", {"batch_rows": 0}, b"wrong settings"),
        ("w", {"on_reject": "perhaps"}, b"wrong settings"),
        ("text", {}, b"it is no DuckDB file"),
    ],
)
def test_wrong_settings_end_in_a_line(path: str, settings: dict[str, object], said: bytes, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database" * 1_000)
    done = run(tmp_path / path, [schema("s", {"id": ID}), record("s", id=1)], **settings)
    assert done.returncode == 1
    assert said in done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""
