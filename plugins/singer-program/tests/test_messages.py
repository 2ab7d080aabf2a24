from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from contextlib import redirect_stdout
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from singer_sdk.singerlib import RecordMessage, StateMessage

from singer_program.errors import InputError
from singer_program.output import StdoutError
from singer_program.reader import MessageReader, UnreadableRecord
from singer_program.writer import MessageWriter

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
READ = datetime(2026, 9, 4, 13, 38, 55, tzinfo=UTC)


class Decimals(MessageReader):
    """Of a target that has columns of decimals."""

    decimals = True


def written(write: Callable[[MessageWriter], None]) -> bytes:
    raw = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(raw, write_through=True)):
        write(MessageWriter())
        sys.stdout.flush()
        return raw.getvalue()


def read(lines: bytes, reader: type[MessageReader] = MessageReader) -> list[Json]:
    messages: list[Json] = []
    callbacks = dict.fromkeys(("RECORD", "STATE", "SCHEMA"), messages.append)
    reader().process_lines(io.BytesIO(lines), callbacks)
    return messages


RECORDS = st.dictionaries(
    st.text(),
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False) | st.lists(st.integers()),
    max_size=5,
)  # fmt: skip


@settings(deadline=None)  # a busy machine is no fault
@given(st.lists(RECORDS, max_size=5))
def test_records_written_at_once_are_those_written_one_by_one(records: list[Json]) -> None:
    at_once = written(lambda writer: writer.write_records("s", records, extracted=READ.isoformat()))

    def one_by_one(writer: MessageWriter) -> None:
        for record in records:
            writer.write_message(RecordMessage(stream="s", record=record, time_extracted=READ))

    def loads(lines: bytes) -> list[Json]:
        messages = [json.loads(line, parse_float=Decimal) for line in lines.splitlines()]
        for message in messages:
            message["time_extracted"] = datetime.fromisoformat(message["time_extracted"])
        return messages

    assert loads(at_once) == loads(written(one_by_one))


@settings(deadline=None)  # a busy machine is no fault
@given(st.integers() | st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_comes_out_with_the_digits_it_went_in_with(number: int | Decimal) -> None:
    lines = written(lambda writer: writer.write_message(RecordMessage(stream="s", record={"n": number})))
    [message] = read(lines, Decimals)
    value = message["record"]["n"]
    assert value == number
    assert isinstance(value, int | Decimal)


@settings(deadline=None)  # a busy machine is no fault
@given(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
def test_without_decimals_whole_numbers_stay_whole_and_fractions_are_floats(whole: int, fraction: float) -> None:
    line = json.dumps({"type": "RECORD", "stream": "s", "record": {"w": whole, "f": fraction}})
    [message] = read(line.encode())
    assert message["record"] == {"w": whole, "f": fraction}
    assert [type(value) for value in message["record"].values()] == [int, float]


@pytest.mark.parametrize("reader", [MessageReader, Decimals])
def test_what_is_no_json_but_written_by_taps_is_read(reader: type[MessageReader]) -> None:
    odd = b'{"a": NaN, "b": -Infinity, "c": "\\ud800", "d": 1e400, "e": 0.1}'
    [message] = read(b'{"type": "RECORD", "stream": "s", "record": %s}' % odd, reader)
    record = message["record"]
    assert record["a"] != record["a"]
    assert (record["b"], record["c"]) == (float("-inf"), "\ud800")
    assert (record["d"], record["e"]) == (
        (Decimal("1e400"), Decimal("0.1")) if reader is Decimals else (float("inf"), 0.1)
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"ada@example.net", "line 2 of the input is not JSON (character 1): does the tap print something?"),
        (b"\xff\xfe", "line 2 of the input is not UTF-8 (byte 3)"),
        (b"[1]", "line 2 of the input is JSON, but not a Singer message"),
        (b'{"type": 1}', "line 2 of the input is not a Singer message: its `type` is of the wrong type"),
        (b'{"stream": "s"}', "a Singer message of the input lacks `type`"),
        (b'{"type": "HELLO"}', "line 2 of the input is a message of an unknown type, 'HELLO'"),
        (b'{"a":' * 100_000, "line 2 of the input is nested too deeply to be read"),
    ],
)
def test_a_line_that_is_no_message_is_named_by_its_number_alone(line: bytes, said: str) -> None:
    with pytest.raises(InputError) as error:
        read(b'{"type": "STATE", "value": {}}\n' + line + b"\n")
    assert error.value.lines == (said,)


@settings(deadline=None)  # a busy machine is no fault
@given(st.lists(st.binary().map(lambda line: line.replace(b"\n", b"")), max_size=5), st.integers(1, 9))
def test_the_lines_of_a_pipe_are_those_that_were_written(lines: list[bytes], size: int) -> None:
    """However they are cut into chunks, and whether the last one ends in a newline or not."""
    out, into = os.pipe()
    content = b"\n".join(lines)

    def write() -> None:
        with open(into, "wb", buffering=0) as file:  # noqa: PTH123
            file.writelines(content[start : start + size] for start in range(0, len(content), size))

    thread = threading.Thread(target=write)
    thread.start()
    with open(out, "rb") as file:  # noqa: PTH123
        found = list(MessageReader()._lines(file))
    thread.join()
    assert found == content.split(b"\n")[: None if content.rpartition(b"\n")[2] else -1]


def test_while_nothing_comes_there_is_time_for_something_else() -> None:
    out, into = os.pipe()
    ticks: list[float] = []
    reader = MessageReader()

    def tick() -> None:
        ticks.append(time.monotonic())
        os.close(into)

    reader.tick = tick
    with open(out, "rb") as file:  # noqa: PTH123
        assert list(reader._lines(file)) == []
    assert len(ticks) == 1


def test_records_wait_for_the_state_behind_them() -> None:
    raw = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(io.BufferedWriter(raw))):
        writer = MessageWriter()
        writer.write_message(RecordMessage(stream="s", record={"n": 1}))
        assert raw.getvalue() == b""
        writer.write_message(StateMessage(value={"at": 1}))
        assert raw.getvalue().count(b"\n") == 2


class Own(MessageWriter):
    def fault(self, error: OSError) -> str:
        return f"own words: {error.strerror}"


@pytest.mark.parametrize(
    ("writer", "said"), [(MessageWriter, "the records could not be written to"), (Own, "own w")]
)
def test_nobody_takes_the_lines(writer: type[MessageWriter], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out, into = os.pipe()
    os.close(out)
    with open(into, "w") as gone:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", gone)
        with pytest.raises(StdoutError, match=said):
            writer().write_message(StateMessage(value={}))
        monkeypatch.undo()


def test_a_value_may_be_json_already() -> None:
    record = {"a": msgspec.Raw(b'{"b": 1.50}')}
    line = written(lambda writer: writer.write_records("s", [record], extracted=READ.isoformat()))
    assert b'"record":{"a":{"b": 1.50}}' in line


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b'{"n": ' + b"9" * 5_000 + b"}", "line 2 of the input has a number of more digits than can be read"),
        (b'{"name": "Zo\xeb"}', "line 2 of the input is not UTF-8 (byte 69)"),
        (b'{"a":' * 9_000 + b"1" + b"}" * 9_000, "line 2 of the input is nested too deeply to be read"),
        (
            b'{"email": "ada@example.net" "x"}',
            "line 2 of the input is not JSON (character 85): does the tap print",
        ),
    ],
)
def test_a_record_that_cannot_be_read_may_be_left_to_whoever_takes_it(record: bytes, reason: str) -> None:
    class Reader(MessageReader):
        gives_unreadable_records = True

    line = b'{"type": "RECORD", "stream": "pro\\u0066iles", "record": ' + record + b"}\n"
    reader = Reader()
    reader.deserialize_json(b'{"type": "STATE", "value": {}}')
    message = reader.deserialize_json(line)
    assert (message["type"], message["stream"], message["record"]) == ("RECORD", "profiles", {})
    assert isinstance(message["record"], UnreadableRecord)
    assert message["record"].reason.startswith(reason)
    with pytest.raises(InputError):
        MessageReader().deserialize_json(line)


@pytest.mark.parametrize(
    "line",
    [
        b'{"type": "RECORD", "stream": "profiles", "record": {"id": "1", "na',
        b'{"type": "STATE", "value": {"n": ' + b"9" * 5_000 + b"}}",
        b"Loading 100 records }",
    ],
)
def test_what_is_no_whole_record_ends_the_run(line: bytes) -> None:
    class Reader(MessageReader):
        gives_unreadable_records = True

    with pytest.raises(InputError):
        Reader().deserialize_json(line)
