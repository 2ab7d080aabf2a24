"""Rows that are mostly passed on as bytes are the records that reading them whole would give."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.singerlib import RecordMessage

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.model.clock import Clock
from klaviyo_sandbox.model.records import Event
from klaviyo_wire import jsonapi
from tap_klaviyo_engagement.emission.message_writer import MessageWriter
from tap_klaviyo_engagement.errors import Unreadable
from tap_klaviyo_engagement.extraction.record_decoder import (
    RecordDecoder,
    decode,
    plain,
    read_document,
)
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement
from tap_klaviyo_engagement.times import normalised

Json = dict[str, Any]
RunTap = Callable[..., Any]

COLUMNS = (
    "id",
    "name",
    "updated",
    "created",
    "properties",
    "profile_id",
    "flow_message_id",
    "city",
    "code",
    "extra",
)
TIMES = ("updated", "created")
RELATIONSHIPS = ("profile", "flow-message")
SOURCES = {"city": ("location", "city"), "code": ("location", "a", "b"), "group": ("id",)}
CONSTANTS = {"extra": {"of": "the listing"}}


def _shape(*columns: str, cursor: str | None = "updated") -> RecordDecoder:
    return RecordDecoder(
        "thing", columns, times=TIMES, keys=("id",), cursor=cursor, relationships=RELATIONSHIPS, sources=SOURCES
    )


SHAPE = _shape(*COLUMNS, "group")

# Text that is cut off in the middle of an emoji is what some systems send.
TEXT = st.text(max_size=8) | st.sampled_from(["\ud83d", "a\udc00b", "\ud83d\ude00", "\u2028", "\x00", '"\\/', "é"])
NUMBERS = st.one_of(
    st.integers(),
    st.integers(2**63, 2**200),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([5e-324, 1e308, -0.0]),
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
MOMENTS = st.none() | st.sampled_from(
    [
        "2026-09-04T13:38:55+00:00",
        "2026-09-04T13:38:55.123456+00:00",
        "2026-09-04T13:38:55Z",
        "2026-09-04 13:38:55",
        "2026-09-04T15:38:55+02:00",
        "2026-09-04",
    ]
)
LOCATIONS = JSON | st.fixed_dictionaries(
    {}, optional={"city": JSON, "a": JSON | st.fixed_dictionaries({"b": JSON})}
)
REFERENCES: st.SearchStrategy[Any] = (
    st.none() | st.just([]) | st.fixed_dictionaries({"type": TEXT, "id": TEXT}, optional={"meta": JSON})
)
RELATED: st.SearchStrategy[Any] = (
    st.none() | st.just([]) | st.fixed_dictionaries({}, optional={"data": REFERENCES, "links": JSON})
)


@st.composite
def resources(draw: st.DrawFn) -> Json:
    """Resources as Klaviyo may send them: whatever is absent, empty, or more than is wanted."""
    attributes = st.fixed_dictionaries(
        {},
        optional={
            "name": JSON,
            "updated": MOMENTS,
            "created": MOMENTS,
            "properties": JSON,
            "location": LOCATIONS,
            "id": JSON,
            "unwanted": JSON,
            "profile_id": JSON,
        },
    )
    relationships = st.fixed_dictionaries({}, optional=dict.fromkeys((*RELATIONSHIPS, "other"), RELATED))
    return draw(
        st.fixed_dictionaries(
            {"type": TEXT, "id": TEXT},
            optional={
                "attributes": st.none() | attributes,
                "relationships": st.none() | st.just([]) | relationships,
                "links": JSON,
            },
        )
    )


def _text(value: Any) -> Any:  # noqa: ANN401 - JSON
    """JSON whose texts can be encoded: half a surrogate pair is U+FFFD, two halves are one character."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_text(each) for each in value]
    return {_text(key): _text(each) for key, each in value.items()} if isinstance(value, dict) else value


def _record(resource: Json, columns: tuple[str, ...] = (*COLUMNS, "group")) -> Json:
    """The record of a resource, as the simplest reading gives it."""
    lifted = jsonapi.lift(resource, RELATIONSHIPS)
    record = {name: lifted.get(name) for name in columns} | CONSTANTS
    location = lifted.get("location")
    place = location if isinstance(location, dict) else {}
    inner = place.get("a")
    record |= {"city": place.get("city"), "code": inner.get("b") if isinstance(inner, dict) else None}
    record |= {"group": resource["id"]}
    return {
        name: normalised(value) if name in TIMES and isinstance(value, str) else value
        for name, value in record.items()
    }


FORMS: Mapping[str, Callable[[Any], bytes]] = {
    "ascii": lambda value: json.dumps(value).encode(),
    "utf-8": lambda value: json.dumps(_text(value), ensure_ascii=False, separators=(",", ":")).encode(),
    "pretty": lambda value: json.dumps(value, indent=2).encode(),
    "crlf": lambda value: json.dumps(_text(value), indent=1, ensure_ascii=False).replace("\n", "\r\n").encode(),
}


def _written(record: Json) -> str:
    """The line that goes out, read by somebody who takes numbers as text."""
    line = msgspec.json.encode(record)
    assert b"\n" not in line
    assert b"\r" not in line
    return _exactly(line)


def _exactly(line: bytes) -> str:
    """JSON in one form, each number as it was written."""
    number = lambda text: f"number {text}"  # noqa: E731
    value = json.loads(line.decode(), parse_int=number, parse_float=number)
    return json.dumps(value, sort_keys=True)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=120, deadline=None)
@given(rows=st.lists(resources(), max_size=3))
@example(
    rows=[{"type": "thing", "id": "1", "attributes": {"name": "\ud83d", "properties": {"\ud83d": ["\ude00"]}}}]
)
@example(rows=[{"type": "thing", "id": "1", "attributes": {"location": {"city": 2**70, "a": {"b": 1e400}}}}])
@example(
    rows=[{"type": "thing", "id": "1", "attributes": {"location": {"city": 2**64, "a": {"b": -(2**63) - 1}}}}]
)
def test_records_are_what_reading_the_whole_row_gives(form: str, rows: list[Json]) -> None:
    rows = json.loads(json.dumps(rows).replace("Infinity", "1e308"))
    body = FORMS[form]({"data": rows, "links": {"self": "x", "next": "https://n"}})
    page = SHAPE.page(body)
    assert (page.following, page.size) == ("https://n", len(body))
    records = [SHAPE.record(row, CONSTANTS) for row in page.rows]
    expected = _text([_record(row) for row in rows])
    assert [json.loads(msgspec.json.encode(record)) for record in records] == expected
    for record, row in zip(records, expected, strict=True):
        _written(record)
        assert plain(record) == row
        assert list(record).index("id") == 0
        assert record.keys() == {*COLUMNS, "group"}


@settings(deadline=None)
@given(rows=st.lists(resources(), min_size=1, max_size=3))
def test_a_row_of_a_document_read_otherwise_gives_the_same_record(rows: list[Json]) -> None:
    for row in _text(rows):
        record = SHAPE.record(SHAPE.row(row), CONSTANTS)
        assert plain(record) == _record(row)


@pytest.mark.parametrize(
    "number",
    ["1.10", "1e5", "1E+2", "-0", "-0.0", "123456789012345678901234567890", "0.1000000000000000055511", "1e400"],
)
def test_a_number_is_written_as_it_came(number: str) -> None:
    body = f'{{"data":[{{"id":"1","attributes":{{"name":{number},"properties":{{"n":[{number}]}}}}}}]}}'
    (row,) = SHAPE.page(body.encode()).rows
    line = msgspec.json.encode(SHAPE.record(row, CONSTANTS)).decode()
    assert f'"name":{number},' in line
    assert f'"properties":{{"n":[{number}]}}' in line


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ('{"id":"1"}', {}),
        ('{"id":"1","attributes":null,"relationships":null}', {}),
        ('{"id":"1","attributes":[],"relationships":[]}', {}),
        ('{"id":"1","attributes":{"name":1,"name":2}}', {"name": 2}),
        ('{"id":"0","id":"1","attributes":{"name":1},"attributes":{"name":2}}', {"name": 2}),
        ('{"id":"1","attributes":{"n\\u0061me":"\\u00e9"}}', {"name": "é"}),
        ('{"id":"1","relationships":{"profile":[]}}', {}),
        ('{"id":"1","relationships":{"profile":{"data":[]}}}', {}),
        ('{"id":"1","relationships":{"profile":{"data":[{"type":"profile","id":"p"}]}}}', {}),
        ('{"id":"1","relationships":{"profile":{"links":{}}}}', {}),
        ('{"id":"1","relationships":{"flow-message":{"data":{"type":"x","id":"f"}}}}', {"flow_message_id": "f"}),
        ('{"id":"1","relationships":{"profile":{"data":{"type":"profile","id":null}}}}', {}),
        ('{"id":"1","relationships":{"profile":{"data":{"type":"profile"}}}}', {}),
    ],
)
def test_what_is_absent_is_null_and_what_is_there_twice_is_the_last(row: str, columns: Json) -> None:
    (found,) = SHAPE.page(f'{{"data":[{row}]}}'.encode()).rows
    record = plain(SHAPE.record(found, {}))
    present = {name: value for name, value in record.items() if value is not None}
    assert present == {"id": "1", "group": "1"} | columns


BROKEN = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"<html>",
    b'{"data":null}',
    b'{"data":{}}',
    b'{"data":{"id":"1"}}',
    b'{"data":[{"id":"1"}]',
    b'{"data":[{"id":"1"},]}',
    b'{"data":[{"id":"1"},,{"id":"2"}]}',
    b'{"data":[{"id":"1"}]}{"data":[]}',
    b'{"data":[{"id":"1","attributes":{"name":"',
    b'{"data":[{"id":"1","attributes":{"name":"a"}}',
    b'{"data":[{"id":"1"}}]',
    b'{"data":[],"links":{"next":NaN}}',
    b'{"data":[],"links":{"next":7}}',
]
"""Pages of which it is not known which rows they have, or what follows them."""

UNREADABLE = [
    (b"null", None, "no_resource"),
    (b"[]", None, "no_resource"),
    (b"{}", None, "no_resource"),
    (b'{"id":1}', None, "no_resource"),
    (b'{"id":null}', None, "no_resource"),
    (b'{"id":"1","attributes":7}', "1", "no_resource"),
    (b'{"id":"1","attributes":{"name":NaN}}', "1", "invalid_json"),
    (b'{"id":"1","attributes":{"name":[-Infinity]}}', "1", "invalid_json"),
    (b'{"id":"1","attributes":{"name":01}}', "1", "invalid_json"),
    (b'{"id":"1","attributes":{"name":tru}}', "1", "invalid_json"),
    (b'{"id":"1","attributes":{"name":"a\nb"}}', "1", "invalid_json"),
    (b'{"id":"1","attributes":{"name":"a\x01b"}}', "1", "invalid_json"),
    (b'{"id":"1","attributes":{"name":"\\x41"}}', "1", "invalid_json"),
    (b'{"id":"1","attributes":{"name":1,}}', "1", "invalid_json"),
    (b'{"id":"1","attributes":{"name":"\xff"}}', "1", "invalid_utf8"),
    (b'{"id":"1\xc3"}', "1\ufffd", "invalid_utf8"),
    (b'{"id":"1","attributes":{"name":' + b"[" * 3_000 + b"]" * 3_000 + b"}}", "1", "nested_too_deeply"),
    (
        b'{"attributes":{"unwanted":' + b'{"a":' * 9_000 + b"1" + b"}" * 9_000 + b'},"id":"1"}',
        "1",
        "nested_too_deeply",
    ),
]


@pytest.mark.parametrize("body", BROKEN, ids=repr)
def test_a_broken_page_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the request loop takes it for a broken answer
        SHAPE.page(body)


@pytest.mark.parametrize(("row", "key", "code"), UNREADABLE, ids=lambda each: repr(each)[:60])
def test_a_row_that_cannot_be_read_costs_no_other(row: bytes, key: str | None, code: str) -> None:
    good = b'{"id":"0","attributes":{"name":{"n":1.10}}}', b'{"id":"2","attributes":{"name":"\\ud83d]}"}}'
    for rows in ((row, *good), (good[0], row, good[1]), (*good, row)):
        page = SHAPE.page(b'{"data":[' + b" ,\n".join(rows) + b'],"links":{"next":"https://n"},"meta":{}}')
        assert page.following == "https://n"
        names = [msgspec.json.encode(SHAPE.record(each, {})["name"]) for each in page.rows]
        assert names == [b'{"n":1.10}', '"\ufffd]}"'.encode()]
        (fault,) = page.unreadable
        assert (fault.id, fault.code) == (key, code)
        document = read_document(b'{"data":[' + b",".join(rows) + b'],"included":[' + row + b"]}")
        assert [each["id"] for each in document.value["data"]] == ["0", "2"]
        assert document.value["included"] == []
        assert [each.id for each in document.unreadable] == [key, key]


@settings(deadline=None)
@given(rows=st.lists(resources(), max_size=3), form=st.sampled_from(sorted(FORMS)))
def test_a_page_that_is_taken_apart_gives_the_same_rows(rows: list[Json], form: str) -> None:
    rows = json.loads(json.dumps(rows).replace("Infinity", "1e308"))
    body = FORMS[form]({"data": rows, "links": {"next": "https://n"}, "included": [{"id": '"]},{['}]})
    whole, apart = SHAPE.page(body), SHAPE.page(body[:-1].rstrip() + b', "odd": NaN}')
    assert apart.unreadable == []
    assert apart.following == whole.following
    records = [[plain(SHAPE.record(row, CONSTANTS)) for row in page.rows] for page in (whole, apart)]
    assert records[0] == records[1]


def test_half_a_surrogate_pair_in_bytes_is_mended_too() -> None:
    (row,) = SHAPE.page(b'{"data":[{"id":"1","attributes":{"name":"\xed\xa0\xbd"}}]}').rows
    assert plain(SHAPE.record(row, {}))["name"] == "\ufffd"


@pytest.mark.parametrize("time", ["soon", "", 7, True, [], {}, "24:00", "P1D"])
def test_a_time_that_cannot_be_read_is_told_with_its_column(time: object) -> None:
    (row,) = SHAPE.page(json.dumps({"data": [{"id": "1", "attributes": {"updated": time}}]}).encode()).rows
    with pytest.raises(Unreadable, match="`updated` of thing 1 is not a time"):
        SHAPE.record(row, {})


@pytest.mark.parametrize(
    "links", [b"", b',"links":null', b',"links":[]', b',"links":{}', b',"links":{"next":null}']
)
def test_the_last_page_has_no_next_one(links: bytes) -> None:
    assert SHAPE.page(b'{"data":[]' + links + b"}").following is None


def test_a_cursor_that_is_no_column_is_only_looked_at() -> None:
    shape = _shape("name")
    (row,) = shape.page(b'{"data":[{"id":"1","attributes":{"name":"n","updated":"2026-09-04 13:38:55Z"}}]}').rows
    with pytest.raises(KeyError):
        shape.identity(shape.record(row, {}))  # `id` is the key: without it as a column rows cannot be told apart
    shape = _shape("id", "name")
    (row,) = shape.page(b'{"data":[{"id":"1","attributes":{"name":"n","updated":"2026-09-04 13:38:55Z"}}]}').rows
    record = shape.record(row, {})
    changed = [{**record, "id": "2"}, {**record, "updated": "2026-09-04T13:38:56+00:00"}, {**record, "name": "m"}]
    assert [shape.identity(each) == shape.identity(record) for each in changed] == [False, False, True]
    assert shape.cursor(record) == "2026-09-04T13:38:55+00:00"
    assert plain(record) == {"id": "1", "name": "n"}
    assert _shape("id", cursor=None).cursor({"id": "1"}) is None


@settings(deadline=None)
@given(value=JSON)
def test_decoding_gives_text_that_can_be_written(value: Any) -> None:  # noqa: ANN401
    for form in FORMS.values():
        assert decode(form(value)) == _text(value)
        msgspec.json.encode(decode(form(value)))


# Messages


def _lines(write: Callable[[], object]) -> list[bytes]:
    """What is written to standard output."""
    raw = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(raw))
        write()
        sys.stdout.flush()
        lines = raw.getvalue()
    assert lines.endswith(b"\n") or not lines
    return lines.splitlines()


@settings(max_examples=60, deadline=None)
@given(records=st.lists(st.dictionaries(TEXT.map(_text), JSON.map(_text), max_size=4), max_size=4))
def test_a_record_is_written_as_the_sdk_would(records: list[Json]) -> None:
    read = datetime(2026, 9, 4, 13, 38, 55, 123456, tzinfo=UTC)

    def one_by_one() -> None:
        for record in records:
            MsgSpecWriter().write_message(RecordMessage(stream="things", record=record, time_extracted=read))

    at_once = _lines(lambda: MessageWriter().write_records("things", records, extracted=read.isoformat()))
    for ours, theirs, record in zip(at_once, _lines(one_by_one), records, strict=True):
        message, expected = json.loads(ours), json.loads(theirs)
        assert datetime.fromisoformat(message.pop("time_extracted")) == read
        assert datetime.fromisoformat(expected.pop("time_extracted")) == read
        assert message == expected == {"type": "RECORD", "stream": "things", "record": record}


def test_bytes_in_a_record_are_written_as_they_are() -> None:
    records: list[Json] = [{"id": "1", "n": msgspec.Raw(b'{"a":1.10}')}, {"id": "2"}]
    output = MessageWriter()
    first, second = _lines(lambda: output.write_records("things", records, extracted="2026-09-04T13:38:55+00:00"))
    assert b'"record":{"id":"1","n":{"a":1.10}}' in first
    assert b'"record":{"id":"2"}' in second


# Through the tap

NOW = datetime(2026, 9, 4, 13, 38, 55, tzinfo=UTC)
AWKWARD = {
    "beyond 64 bits": 2**80,
    "half an emoji": "\ud83d",
    "emoji": "👩‍👩‍👧‍👦",
    "lines": "one\ntwo\x00",
    "nested": {"a": [1, "1", None, {"b": []}], "": 5e-324},
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(profiles=150, events=400, seed=3, clock=Clock(lambda: NOW)) as sandbox:
        metric = sandbox.store.read("select id from metrics limit 1")[0][0]
        sandbox.store.add_events(
            [
                Event(
                    id="awkward",
                    uuid="u",
                    timestamp=int(NOW.timestamp()) - 3_600,
                    metric_id=metric,
                    profile_id=None,
                    properties=_text(AWKWARD),
                )
            ]
        )
        yield sandbox


@pytest.fixture
def config(sandbox: Sandbox) -> Json:
    return {"api_key": sandbox.api_key, "api_url": sandbox.url}


STREAMS = ["profiles", "events", "lists", "campaigns", "list_memberships", "membership_snapshots"]


def _by_key(records: list[Json]) -> list[str]:
    return sorted(json.dumps(record, sort_keys=True) for record in records)


@pytest.fixture(scope="module")
def as_read(sandbox: Sandbox, run_tap: RunTap) -> Mapping[str, list[Json]]:
    """What is written without any map."""
    keys = {"api_key": sandbox.api_key, "api_url": sandbox.url}
    records: Mapping[str, list[Json]] = run_tap(keys, STREAMS, now=lambda: NOW).records
    return records


def test_the_sdk_s_own_path_gives_the_same_records(
    as_read: Mapping[str, list[Json]], config: Json, run_tap: RunTap
) -> None:
    """A map that changes nothing, for every stream."""
    maps = {stream: {"same": "'x'"} for stream in STREAMS}
    mapped = run_tap(config | {"stream_maps": maps}, STREAMS, now=lambda: NOW)
    assert mapped.failed == []
    for stream in STREAMS:
        assert len(as_read[stream]) > 0, stream
        assert _by_key(mapped.records[stream]) == _by_key([each | {"same": "x"} for each in as_read[stream]])
    read = run_tap(config, STREAMS, now=lambda: NOW)
    assert _extracted(mapped) == _extracted(read), (
        "a stream does not tell times otherwise because another is mapped"
    )


def _extracted(extract: Any) -> set[str]:  # noqa: ANN401 - conftest's
    return {each["time_extracted"] for each in extract.messages if each["type"] == "RECORD"}


def test_bookmarks_do_not_depend_on_maps(config: Json, run_tap: RunTap) -> None:
    plainly = run_tap(config, STREAMS, now=lambda: NOW)
    mapped = run_tap(config | {"stream_maps": {"events": {"x": "'x'"}}}, STREAMS, now=lambda: NOW)
    assert mapped.state == plainly.state


def test_a_map_may_rename_hash_and_filter(
    as_read: Mapping[str, list[Json]], config: Json, run_tap: RunTap
) -> None:
    maps = {
        "profiles": {
            "__alias__": "people",
            "__filter__": "email is not None",
            "__else__": None,
            "id": "id",
            "mail": "md5(email)",
            "updated": "updated",
        },
        "events": {"when": "datetime", "uuid": None},
    }
    mapped = run_tap(config | {"stream_maps": maps}, ["profiles", "events"], now=lambda: NOW)
    assert mapped.failed == []
    with_mail = [each for each in as_read["profiles"] if each["email"] is not None]
    assert len(with_mail) > 0
    people = mapped.records["people"]
    assert {each["id"] for each in people} == {each["id"] for each in with_mail}
    assert all(each.keys() == {"id", "mail", "updated"} for each in people)
    assert all(re.fullmatch("[0-9a-f]{32}", each["mail"]) for each in people)
    expected = [
        {name: value for name, value in each.items() if name != "uuid"} | {"when": each["datetime"]}
        for each in as_read["events"]
    ]
    assert _by_key(mapped.records["events"]) == _by_key(expected)


def test_flattening_gives_the_same_values_in_more_columns(
    as_read: Mapping[str, list[Json]], config: Json, run_tap: RunTap
) -> None:
    settings_ = {"flattening_enabled": True, "flattening_max_depth": 1}
    flat = run_tap(config | settings_, ["profiles", "events", "lists"], now=lambda: NOW)
    assert flat.failed == []
    for stream in ("profiles", "events", "lists"):
        assert {each["id"] for each in flat.records[stream]} == {each["id"] for each in as_read[stream]}
        by_id = {each["id"]: each for each in as_read[stream]}
        for record in flat.records[stream]:
            for name, value in record.items():
                column, _, part = name.partition("__")
                original = by_id[record["id"]][column]
                original = original[part] if part else original
                if isinstance(original, dict | list) and not isinstance(value, dict | list):
                    assert json.loads(value) == original
                else:
                    assert value == original


def test_what_is_known_of_an_object_has_columns_of_its_own_if_flattened(
    as_read: Mapping[str, list[Json]], config: Json, run_tap: RunTap
) -> None:
    flat = run_tap(config | {"flattening_enabled": True, "flattening_max_depth": 1}, ["profiles"], now=lambda: NOW)
    assert {"location__city", "location__latitude"} <= flat.schemas["profiles"]["properties"].keys()
    cities = {each["id"]: each["location"]["city"] for each in as_read["profiles"] if each["location"]}
    assert any(cities.values())
    assert {each["id"]: each.get("location__city") for each in flat.records["profiles"]} == cities


@pytest.mark.parametrize("flattened", [False, True])
def test_a_part_that_is_deselected_is_never_written(sandbox: Sandbox, run_tap: RunTap, *, flattened: bool) -> None:
    flattening = {"flattening_enabled": True, "flattening_max_depth": 1}
    config = {"api_key": sandbox.api_key, "api_url": sandbox.url}
    catalog = TapKlaviyoEngagement(config=config | flattening).catalog_dict
    for entry in catalog["streams"]:
        for each in entry["metadata"]:
            crumb = list(each["breadcrumb"])
            each["metadata"]["selected"] = entry["stream"] == "profiles" and crumb[-1:] != ["city"]
    run = run_tap(config | (flattening if flattened else {}), catalog, now=lambda: NOW)
    records = run.records["profiles"]
    assert len(records) > 0
    assert run.failed == []
    if flattened:
        assert all("location__city" not in each and "location__country" in each for each in records)
    else:
        assert all("city" not in each["location"] and "country" in each["location"] for each in records)
