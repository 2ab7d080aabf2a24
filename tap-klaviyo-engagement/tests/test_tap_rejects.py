"""A row that cannot be read is put aside and named, whatever is wrong with it; its neighbours are emitted."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug import Response

from klaviyo_wire.errors import ConfigurationError
from tap_klaviyo_engagement.errors import StreamFault, Unreadable
from tap_klaviyo_engagement.rejects import Rejects
from tap_klaviyo_engagement.streams.lists import Lists
from tap_klaviyo_engagement.tap import TapKlaviyoEngagement

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer
    from werkzeug import Request

Json = dict[str, Any]
RunTap = Callable[..., Any]

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = "2026-11-01T00:00:00+00:00"
SECRET = "ada@mail.example.net"

FAULTS: dict[str, tuple[str, str]] = {
    "NaN": ('"attributes":{%s,"x":NaN}', "invalid_json"),
    "infinity": ('"attributes":{%s,"x":[-Infinity]}', "invalid_json"),
    "control character": ('"attributes":{%s,"x":"a\x01"}', "invalid_json"),
    "invalid UTF-8": ('"attributes":{%s,"x":"\udcff"}', "invalid_utf8"),
    "deep": ('"attributes":{%s,"x":' + "[" * 3_000 + "]" * 3_000 + "}", "nested_too_deeply"),
    "no attributes": ('"attributes":"x%.0s"', "no_resource"),
    "no relationships": ('"attributes":{%s},"relationships":7', "no_resource"),
}
"""What may stand in a row behind its id; `%s` is what its stream needs."""


def _body(*rows: str, included: str = "") -> bytes:
    more = f',"included":[{included}]' if included else ""
    text = f'{{"data":[{",".join(rows)}]{more},"links":{{"next":null}}}}'
    return text.encode(errors="surrogateescape")


def _row(kind: str, key: str, rest: str) -> str:
    return f'{{"type":"{kind}","id":"{key}",{rest}}}'


def _serve(server: HTTPServer, answers: dict[str, bytes]) -> None:
    """Answers by path; everything else is an empty list."""

    def answer(request: Request) -> Response:
        return Response(answers.get(request.path, _body()), content_type="application/vnd.api+json")

    for path in answers:
        server.expect_request(path).respond_with_handler(answer)
    server.expect_request("/api/metrics").respond_with_handler(answer)


@pytest.fixture
def config(httpserver: HTTPServer, tmp_path: Path) -> Json:
    return {
        "api_key": "pk_test_0123456789",
        "api_url": httpserver.url_for(""),
        "rejects_path": str(tmp_path / "home" / "rejects.jsonl"),
    }


def _lines(config: Json) -> list[Json]:
    path = Path(config["rejects_path"])
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# Every kind of stream: path of its listing, type of its rows, what they need

LISTED = {
    "events": ("/api/events", "event", f'"datetime":"{DAY}"'),
    "profiles": ("/api/profiles", "profile", f'"updated":"{DAY}"'),
    "metrics": ("/api/metrics", "metric", '"name":"x"'),
    "lists": ("/api/lists", "list", f'"updated":"{DAY}"'),
    "templates": ("/api/templates", "template", f'"updated":"{DAY}"'),
    "campaigns": ("/api/campaigns", "campaign", f'"updated_at":"{DAY}"'),
    "flows": ("/api/flows", "flow", f'"updated":"{DAY}"'),
    "profile_import_jobs": ("/api/profile-bulk-import-jobs", "profile-bulk-import-job", f'"created_at":"{DAY}"'),
    "accounts": ("/api/accounts", "account", '"timezone":"UTC"'),
}


def _bad(kind: str, needs: str) -> list[str]:
    """A row with each fault; their ids are the faults."""
    return [_row(kind, fault, rest % needs) for fault, (rest, _) in FAULTS.items()]


CODES = {fault: code for fault, (_, code) in FAULTS.items()}


@pytest.mark.parametrize("stream", LISTED)
def test_a_bad_row_costs_itself(
    stream: str, httpserver: HTTPServer, run_tap: RunTap, config: Json, caplog: pytest.LogCaptureFixture
) -> None:
    path, kind, needs = LISTED[stream]
    good = [_row(kind, key, f'"attributes":{{{needs}}}') for key in ("a", "c")]
    _serve(httpserver, {path: _body(good[0], *_bad(kind, needs), good[1])})
    extract = run_tap(config, [stream], now=lambda: NOW)
    assert extract.failed == []
    assert {record["id"] for record in extract.records[stream]} == {"a", "c"}
    told = _lines(config)
    assert {line["key"]["id"]: line["code"] for line in told} == CODES
    assert len(told) == len(CODES)
    assert all(line["stream"] == stream and line["remedy"] for line in told)
    assert f"were put aside, and are missing in the warehouse: {len(CODES)} of {stream}" in caplog.text
    if needs.startswith('"updated'):
        assert extract.bookmark(stream) == DAY


TIMES = [
    "9999-12-31T23:59:59-12:00",
    "0001-01-01T00:00:00+14:00",
    "soon",
    "2026-02-30T00:00:00Z",
    "P99999999999D",
    "x" * 5_000,
    7,
    10**400,
    True,
    [DAY],
    {"$date": DAY},
]


@pytest.mark.parametrize(
    ("stream", "column", "remedy"),
    [
        ("events", "datetime", "the stream goes by `datetime`"),
        ("profiles", "updated", "the stream goes by `updated`"),
        ("profiles", "created", "deselect the column `created`"),
        ("campaigns", "created_at", "deselect the column `created_at`"),
    ],
)
def test_a_time_that_cannot_be_read_costs_its_row(  # noqa: PLR0913
    stream: str, column: str, remedy: str, *, httpserver: HTTPServer, run_tap: RunTap, config: Json
) -> None:
    path, kind, needs = LISTED[stream]
    rows = [_row(kind, key, f'"attributes":{{{needs}}}') for key in ("a", "c")]
    for number, time in enumerate(TIMES):
        odd = json.loads(f"{{{needs}}}") | {column: time}
        rows.insert(1, json.dumps({"type": kind, "id": f"b{number}", "attributes": odd}))
    _serve(httpserver, {path: _body(*rows)})
    extract = run_tap(config, [stream], now=lambda: NOW)
    assert extract.failed == []
    assert {record["id"] for record in extract.records[stream]} == {"a", "c"}
    told = _lines(config)
    assert {line["key"]["id"] for line in told} == {f"b{number}" for number in range(len(TIMES))}
    assert sum(remedy in line["remedy"] for line in told) >= len(TIMES) - 1, "digits beyond all bounds are no JSON"


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00", "0001-01-02T00:00:00+14:00"]
)
def test_the_first_and_the_last_moment_pass(
    time: str, httpserver: HTTPServer, run_tap: RunTap, config: Json
) -> None:
    """Through two runs, the second of which looks back."""
    rows = [_row("event", key, f'"attributes":{{"datetime":"{at}"}}') for key, at in (("a", time), ("b", DAY))]
    _serve(httpserver, {"/api/events": _body(*rows)})
    first = run_tap(config, ["events"], now=lambda: NOW)
    assert {record["id"] for record in first.records["events"]} == {"a", "b"}
    second = run_tap(config, ["events"], state=first.state, now=lambda: NOW)
    assert first.failed == second.failed == _lines(config) == []


@pytest.mark.parametrize("bookmark", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"])
def test_a_bookmark_outside_all_time_is_told(
    bookmark: str, httpserver: HTTPServer, run_tap: RunTap, config: Json
) -> None:
    _serve(httpserver, {"/api/events": _body()})
    state = {"bookmarks": {"events": {"replication_key": "datetime", "replication_key_value": bookmark}}}
    assert run_tap(config, ["events"], state=state, now=lambda: NOW).failed == ["events"]


@pytest.mark.parametrize("stream", ["events", "lists", "profile_import_jobs", "segments"])
def test_the_first_moment_as_a_bookmark_means_everything(
    stream: str, httpserver: HTTPServer, run_tap: RunTap, config: Json
) -> None:
    cursor = {"events": "datetime", "profile_import_jobs": "created_at"}.get(stream, "updated")
    path, kind, needs = LISTED.get(stream, ("/api/segments", "segment", f'"updated":"{DAY}"'))
    _serve(httpserver, {path: _body(_row(kind, "a", f'"attributes":{{{needs}}}'))})
    kept = {"replication_key": cursor, "replication_key_value": "0001-01-01T00:00:00Z"}
    extract = run_tap(config, [stream], state={"bookmarks": {stream: kept}}, now=lambda: NOW)
    assert extract.failed == []
    assert len(extract.records[stream]) == 1


# Rows that belong to others


def test_a_member_that_cannot_be_read_leaves_the_list_without_a_snapshot(
    httpserver: HTTPServer, run_tap: RunTap, config: Json
) -> None:
    """Else it would count as having left."""
    joined = f'"joined_group_at":"{DAY}"'
    good = _row("profile", "a", f'"attributes":{{{joined}}}')
    _serve(
        httpserver,
        {
            "/api/lists": _body(*(_row("list", key, '"attributes":{"name":"x"}') for key in ("L1", "L2"))),
            "/api/lists/L1/profiles": _body(good, *_bad("profile", joined)),
            "/api/lists/L2/profiles": _body(good),
        },
    )
    extract = run_tap(config, ["list_memberships", "membership_snapshots"], now=lambda: NOW)
    assert extract.failed == []
    found = {(each["list_id"], each["profile_id"]) for each in extract.records["list_memberships"]}
    assert found == {("L1", "a"), ("L2", "a")}
    assert [each["group_id"] for each in extract.records["membership_snapshots"]] == ["L2"]
    assert {(line["key"]["list_id"], line["key"]["id"]) for line in _lines(config)} == {
        ("L1", each) for each in CODES
    }


def test_a_profile_that_the_sweep_cannot_read_leaves_it_incomplete(
    httpserver: HTTPServer, run_tap: RunTap, config: Json
) -> None:
    _serve(httpserver, {"/api/profiles": _body('{"type":"profile","id":"a"}', '{"type":"profile","id":7}')})
    extract = run_tap(config, ["profile_ids", "membership_snapshots"], now=lambda: NOW)
    assert [each["id"] for each in extract.records["profile_ids"]] == ["a"]
    assert extract.records["membership_snapshots"] == []
    assert len(_lines(config)) == 1


def test_a_list_of_which_the_name_cannot_be_read_costs_itself(
    httpserver: HTTPServer, run_tap: RunTap, config: Json
) -> None:
    member = _row("profile", "a", f'"attributes":{{"joined_group_at":"{DAY}"}}')
    lists = _body(*_bad("list", '"name":"x"'), _row("list", "L2", '"attributes":{"name":"x"}'))
    _serve(httpserver, {"/api/lists": lists, "/api/lists/L2/profiles": _body(member)})
    extract = run_tap(config, ["list_memberships"], now=lambda: NOW)
    assert extract.failed == []
    assert [each["list_id"] for each in extract.records["list_memberships"]] == ["L2"]
    assert {line["key"]["id"] for line in _lines(config)} == CODES.keys()


def _flow(key: str, actions: str = "[]") -> str:
    related = f'"relationships":{{"flow-actions":{{"data":{actions}}},"tags":{{"data":[]}}}}'
    return _row("flow", key, f'"attributes":{{"updated":"{DAY}"}},{related}')


ACTION = f'"updated":"{DAY}","definition":{{"type":"send-email"}}'


@pytest.mark.parametrize("stream", ["flow_actions", "flow_messages"])
def test_a_flow_or_action_that_cannot_be_read_costs_itself(
    stream: str, httpserver: HTTPServer, run_tap: RunTap, config: Json
) -> None:
    ids = [f"A {fault}" for fault in FAULTS] + ["A2"]
    actions = [_row("flow-action", f"A {fault}", rest % ACTION) for fault, (rest, _) in FAULTS.items()]
    actions.append(_row("flow-action", "A2", f'"attributes":{{{ACTION}}}'))
    references = json.dumps([{"type": "flow-action", "id": key} for key in ids])
    flows = [*_bad("flow", f'"updated":"{DAY}"'), _flow("F1", references)]
    message = _row("flow-message", "M", f'"attributes":{{"updated":"{DAY}"}}')
    _serve(
        httpserver,
        {
            "/api/flows": _body(*flows, included=",".join(actions)),
            "/api/flows/F1/flow-actions": _body(*actions),
            "/api/flow-actions/A2/flow-messages": _body(message),
        },
    )
    extract = run_tap(config, [stream], now=lambda: NOW)
    assert extract.failed == []
    assert {each["id"] for each in extract.records[stream]} == ({"A2"} if stream == "flow_actions" else {"M"})
    assert {line["key"]["id"] for line in _lines(config)} == {*CODES, *ids} - {"A2"}


REFERENCES: list[Any] = [7, "x", {"a": 1}, [7], [None], [{}], [{"id": 7}]]


@pytest.mark.parametrize("stream", ["flows", "flow_actions", "campaigns", "campaign_messages"])
def test_references_that_are_none_cost_their_row(
    stream: str, httpserver: HTTPServer, run_tap: RunTap, config: Json
) -> None:
    def row(kind: str, key: str, related: object) -> str:
        names = ("tags", "flow-actions", "campaign-messages")
        return json.dumps(
            {
                "type": kind,
                "id": key,
                "attributes": {"updated": DAY, "updated_at": DAY},
                "relationships": {name: {"data": related} for name in names},
            }
        )

    def rows(kind: str) -> bytes:
        bad = [row(kind, f"b{number}", data) for number, data in enumerate(REFERENCES)]
        return _body(*bad, row(kind, "a", []))

    messages = {"/api/campaigns/a/campaign-messages": _body()}
    _serve(httpserver, {"/api/flows": rows("flow"), "/api/campaigns": rows("campaign"), **messages})
    extract = run_tap(config, [stream], now=lambda: NOW)
    assert extract.failed == []
    assert {each["id"] for each in extract.records[stream]} == (
        {"a"} if stream in {"flows", "campaigns"} else set()
    )
    assert {line["key"]["id"] for line in _lines(config)} == {f"b{number}" for number in range(len(REFERENCES))}


# The file, the limit, what is told


def test_a_line_names_the_row_and_holds_nothing_of_it(
    httpserver: HTTPServer, run_tap: RunTap, config: Json, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        _row("profile", "a", f'"attributes":{{"updated":"{SECRET}","email":"{SECRET}"}}'),
        _row("profile", "b", f'"attributes":{{"updated":"{DAY}","email":"{SECRET}\x01"}}'),
        _row("profile", SECRET, '"attributes":7'),
        '{"attributes":7}',
    ]
    _serve(httpserver, {"/api/profiles": _body(*rows)})
    run_tap(config, ["profiles"], now=lambda: NOW)
    path = Path(config["rejects_path"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    told = _lines(config)
    assert {str(line["key"] and line["key"]["id"]) for line in told} == {"a", "b", SECRET, "None"}
    assert all(SECRET not in line["detail"] + line["remedy"] for line in told)
    assert SECRET not in caplog.text
    assert "were put aside, and are missing in the warehouse: 4 of profiles" in caplog.text


def test_too_many_rows_stop_their_stream_and_no_other(
    httpserver: HTTPServer, run_tap: RunTap, config: Json, caplog: pytest.LogCaptureFixture
) -> None:
    bad = [_row("event", f"e{number}", '"attributes":{"datetime":"soon"}') for number in range(7)]
    good = _row("event", "a", f'"attributes":{{"datetime":"{DAY}"}}')
    lists = _row("list", "L", f'"attributes":{{"updated":"{DAY}"}}')
    _serve(httpserver, {"/api/events": _body(good, *bad), "/api/lists": _body(lists)})
    enough = run_tap(config | {"max_rejects": 7}, ["events", "lists"], now=lambda: NOW)
    assert enough.failed == []
    assert enough.bookmark("events") == DAY
    stopped = run_tap(config | {"max_rejects": 6}, ["events", "lists"], now=lambda: NOW)
    assert stopped.failed == ["events"]
    assert stopped.bookmark("events") is None
    assert stopped.bookmark("lists") == DAY
    assert "the setting `max_rejects` allows 6" in caplog.text


def test_a_row_that_is_met_again_counts_once(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "rejects.jsonl", 100, lambda: NOW)
    for _ in range(3):
        for mark in (None, 1, 2):
            fault = Unreadable("odd", id=None if mark else "b", code="x", remedy="r", mark=mark)
            rejects.put_aside("events", {"id": fault.id} if fault.id else {}, fault)
    assert rejects.counts == {"events": 3}
    assert len(rejects.path.read_text().splitlines()) == 3


def test_where_nothing_can_be_put_aside_the_stream_stops(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    rejects = Rejects(tmp_path / "file" / "rejects.jsonl", 100, lambda: NOW)
    with pytest.raises(StreamFault, match="could not be named"):
        rejects.put_aside("events", {"id": "b"}, Unreadable("odd", id="b", code="x", remedy="r"))


def test_a_folder_is_no_file_for_rejects(tmp_path: Path) -> None:
    tap = TapKlaviyoEngagement(config={"api_key": "pk_x", "rejects_path": str(tmp_path)})
    with pytest.raises(ConfigurationError, match=r"`rejects_path` is .* which is a folder"):
        _ = tap.run.settings


def test_rows_put_aside_are_tried_again_within_the_lookback(
    httpserver: HTTPServer, run_tap: RunTap, config: Json
) -> None:
    """And emitted, once Klaviyo answers something that can be read."""
    good = _row("event", "a", f'"attributes":{{"datetime":"{DAY}"}}')
    bad = _row("event", "b", f'"attributes":{{"datetime":"{DAY}","event_properties":{{"x":NaN}}}}')
    answers = {"/api/events": _body(good, bad)}
    _serve(httpserver, answers)
    first = run_tap(config, ["events"], now=lambda: NOW)
    assert [each["id"] for each in first.records["events"]] == ["a"]
    again = run_tap(config, ["events"], state=first.state, now=lambda: NOW)
    assert again.records["events"] == []
    assert [line["key"] for line in _lines(config)] == [{"id": "b"}] * 2
    answers["/api/events"] = _body(good, bad.replace("NaN", "1"))
    mended = run_tap(config, ["events"], state=again.state, now=lambda: NOW)
    assert [each["id"] for each in mended.records["events"]] == ["b"]


# What is no row's fault


@pytest.mark.parametrize(
    "error", [KeyError(SECRET), RecursionError(), OverflowError(SECRET), MemoryError()], ids=repr
)
def test_whatever_goes_wrong_stops_one_stream_and_is_told_in_a_line(  # noqa: PLR0913
    error: Exception,
    *,
    httpserver: HTTPServer,
    run_tap: RunTap,
    config: Json,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Lists, "params", fail)
    _serve(httpserver, {"/api/events": _body(_row("event", "a", f'"attributes":{{"datetime":"{DAY}"}}'))})
    extract = run_tap(config, ["lists", "events"], now=lambda: NOW)
    assert extract.failed == ["lists"]
    assert len(extract.records["events"]) == 1
    assert "lists stopped and keeps its bookmark" in caplog.text
    assert "Traceback" not in caplog.text
    assert SECRET not in caplog.text
