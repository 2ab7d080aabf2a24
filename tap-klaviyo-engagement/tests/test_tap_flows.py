"""Flows, their actions and messages: nothing that changed is skipped, and little is asked for twice."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from werkzeug import Request, Response

from klaviyo_sandbox import Sandbox
from klaviyo_sandbox.model.clock import Clock
from klaviyo_sandbox.model.records import Flow, FlowAction
from tap_klaviyo_engagement.streams.flows import PAGE, SENDS_NOTHING

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer

    from klaviyo_sandbox.model.records import FlowMessage

Json = dict[str, Any]
RunTap = Callable[..., Any]

NOW = datetime(2026, 9, 4, 13, 38, 55, tzinfo=UTC)
STREAMS = ["flows", "flow_actions", "flow_messages"]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(profiles=10, events=0, seed=5, clock=Clock(lambda: NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def config(sandbox: Sandbox) -> Json:
    return {"api_key": sandbox.api_key, "api_url": sandbox.url}


def _now() -> datetime:
    return NOW


def _later() -> datetime:
    return NOW + timedelta(hours=1)


def _messages(sandbox: Sandbox) -> list[FlowMessage]:
    actions = sandbox.store.read("select id from flow_actions order by id")
    return [message for (action,) in actions for message in sandbox.store.messages_of_action(action)]


def _action(sandbox: Sandbox, message: FlowMessage) -> FlowAction:
    action = sandbox.store.get(FlowAction, message.action_id)
    assert action is not None
    return action


def test_everything_of_every_flow_is_read_archived_or_not(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    records = run_tap(config, STREAMS, now=_now).records
    assert {flow["archived"] for flow in records["flows"]} == {True, False}
    for stream in STREAMS:
        held = sandbox.store.read(f"select id from {stream}")  # noqa: S608
        assert sorted(record["id"] for record in records[stream]) == sorted(row[0] for row in held)
    flow_of = {action["id"]: action["flow_id"] for action in records["flow_actions"]}
    assert set(flow_of.values()) <= {flow["id"] for flow in records["flows"]}
    for message in records["flow_messages"]:
        assert flow_of[message["flow_action_id"]] == message["flow_id"]
        assert (message["template_id"] is not None) == (message["channel"] == "Email")


def test_messages_are_asked_for_where_there_may_be_some(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    before = Counter(sandbox.requests)
    run_tap(config, ["flow_actions"], now=_now)
    assert sandbox.requests - before == {"get_flows 200": 2}
    before = Counter(sandbox.requests)
    run_tap(config, ["flow_messages"], now=_now)
    sending = sandbox.store.read("select count(*) from flow_actions where action_type like 'send%'")[0][0]
    asked = {"get_flows 200": 2, "get_flow_action_messages 200": sending}
    assert sandbox.requests - before == asked | {"get_accounts 200": 1}


def test_a_second_run_asks_for_next_to_nothing(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    first = run_tap(config, STREAMS, now=_now)
    before = Counter(sandbox.requests)
    second = run_tap(config, STREAMS, state=first.state, now=_later)
    assert (sandbox.requests - before)["get_flow_action_messages 200"] <= 1
    assert len(second.records["flows"]) <= 1
    assert second.marks == first.marks


def test_an_action_that_changes_alone_brings_its_messages(sandbox: Sandbox, config: Json, run_tap: RunTap) -> None:
    """Neither the message's own time nor the flow's tells that its template is another one."""
    first = run_tap(config, STREAMS, now=_now)
    message = next(each for each in _messages(sandbox) if each.template_id)
    sandbox.store.put(replace(message, template_id="TNEW00"))
    action = replace(_action(sandbox, message), updated=int(_later().timestamp()) - 600)
    sandbox.store.put(action)
    second = run_tap(config, ["flow_messages"], state=first.state, now=_later)
    assert {each["id"]: each["template_id"] for each in second.records["flow_messages"]}[message.id] == "TNEW00"


def test_a_message_edited_without_a_trace_is_in_the_definition_of_its_action(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    first = run_tap(config, STREAMS, now=_now)
    action = _action(sandbox, _messages(sandbox)[0])
    sandbox.store.put(replace(action, definition={**action.definition, "data": {"message": "new"}}))
    second = run_tap(config, STREAMS, state=first.state, now=_later)
    held = {record["id"]: record["definition"] for record in second.records["flow_actions"]}
    assert held[action.id]["data"] == {"message": "new"}


def test_an_action_deleted_while_flows_are_read_is_left_out(
    sandbox: Sandbox,
    config: Json,
    run_tap: RunTap,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Klaviyo lists them all; a moment later an action is gone."""
    gone, *others = _messages(sandbox)
    there = sandbox.store.get
    monkeypatch.setattr(
        sandbox.store, "get", lambda kind, key: None if key == gone.action_id else there(kind, key)
    )
    extract = run_tap(config, ["flow_messages"], now=_now)
    assert extract.failed == []
    assert {record["id"] for record in extract.records["flow_messages"]} == {each.id for each in others}
    assert f"The flow action {gone.action_id} was deleted while it was read" in caplog.text


def test_only_selected_columns_are_asked_for_and_emitted(config: Json, run_tap: RunTap) -> None:
    columns = {"flow_actions": ["action_type"], "flow_messages": ["flow_id"]}
    extract = run_tap(config, columns, now=_now)
    assert all(record.keys() == {"id", "action_type"} for record in extract.records["flow_actions"])
    assert all(record.keys() == {"id", "updated", "flow_id"} for record in extract.records["flow_messages"])


# What an include may leave out


def _flow(relationship: Json) -> Json:
    return {"type": "flow", "id": "F", "attributes": {}, "relationships": {"flow-actions": relationship}}


def _delay(number: int) -> Json:
    return {"type": "flow-action", "id": str(number), "attributes": {"definition": {"type": "time-delay"}}}


def _references(*numbers: int) -> Json:
    return {"data": [{"type": "flow-action", "id": str(number)} for number in numbers]}


@pytest.mark.parametrize(
    ("relationship", "held", "asked_again"),
    [
        pytest.param(_references(1, 2), [1, 2], False, id="all there"),
        pytest.param(_references(), [], False, id="no actions"),
        pytest.param(_references(1, 2), [1], True, id="one is not included"),
        pytest.param({"links": {}}, [], True, id="the ids are not told"),
        pytest.param(_references(*range(PAGE)), list(range(PAGE)), True, id="as many as a page holds"),
    ],
)
def test_actions_are_listed_where_those_included_may_not_be_all(
    relationship: Json, held: list[int], *, asked_again: bool, httpserver: HTTPServer, run_tap: RunTap
) -> None:
    asked: list[str] = []

    def flows(request: Request) -> Response:
        archived = "true" in request.args["filter"]
        document: Json = {"data": [], "included": []}
        if not archived:
            document = {"data": [_flow(relationship)], "included": [_delay(number) for number in held]}
        return _json(document)

    def actions(request: Request) -> Response:
        cursor = request.args.get("page[cursor]")
        asked.append(cursor or "")
        following = None if cursor else httpserver.url_for("/api/flows/F/flow-actions?page%5Bcursor%5D=2")
        numbers = range(PAGE, PAGE + 10) if cursor else range(PAGE)
        return _json({"data": [_delay(number) for number in numbers], "links": {"next": following}})

    httpserver.expect_request("/api/flows").respond_with_handler(flows)
    httpserver.expect_request("/api/flows/F/flow-actions").respond_with_handler(actions)
    config = {"api_key": "pk_test_0123456789", "api_url": httpserver.url_for("")}
    extract = run_tap(config, ["flow_actions"], now=_now)
    assert extract.failed == []
    found = [record["id"] for record in extract.records["flow_actions"]]
    assert found == [str(number) for number in (range(PAGE + 10) if asked_again else held)]
    assert asked == (["", "2"] if asked_again else [])


def test_a_flow_deleted_while_flows_are_read_is_left_out(
    httpserver: HTTPServer, run_tap: RunTap, caplog: pytest.LogCaptureFixture
) -> None:
    problem = {"errors": [{"status": 404, "code": "not_found", "detail": "A flow with id F does not exist."}]}
    untold = _flow({"links": {}})
    httpserver.expect_request("/api/flows").respond_with_json({"data": [untold], "included": []})
    httpserver.expect_request("/api/flows/F/flow-actions").respond_with_json(problem, status=404)
    config = {"api_key": "pk_test_0123456789", "api_url": httpserver.url_for("")}
    extract = run_tap(config, ["flow_actions"], now=_now)
    assert extract.failed == []
    assert extract.records["flow_actions"] == []
    assert "The flow F was deleted while it was read" in caplog.text


def _json(document: Json) -> Response:
    return Response(json.dumps(document), content_type="application/vnd.api+json")


def test_a_type_of_action_that_is_not_known_is_asked_for_messages(
    sandbox: Sandbox, config: Json, run_tap: RunTap
) -> None:
    message = _messages(sandbox)[0]
    action = _action(sandbox, message)
    sandbox.store.put(replace(action, definition={**action.definition, "type": "send-by-pigeon"}))
    assert "send-by-pigeon" not in SENDS_NOTHING
    extract = run_tap(config, ["flow_messages"], now=_now)
    assert message.id in {record["id"] for record in extract.records["flow_messages"]}


# Runs cut anywhere


@dataclass
class Step:
    """What changes before a run, and where the run is cut."""

    hours: float
    actions: list[int] = field(default_factory=list)
    flows: list[int] = field(default_factory=list)
    cut_after: int | None = None


WHOLE = int(os.environ.get("CHAOS_KILLS", "25")) >= 25
"""Whether as many accounts are tried as by `make chaos`; `make test` takes a sample, the same each time."""
WHICH = st.lists(st.integers(0, 13), max_size=4)
HOURS = st.sampled_from([0.0, 0.01, 1.0, 30.0])
STEPS = st.lists(st.builds(Step, HOURS, WHICH, WHICH, st.none() | st.integers(0, 20)), min_size=1, max_size=5)


class Time:
    """The time of both the account and the tap."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@settings(max_examples=20 if WHOLE else 5, derandomize=not WHOLE, deadline=None)
@given(steps=STEPS)
def test_no_change_of_a_message_is_lost(steps: list[Step], run_tap: RunTap) -> None:
    """Each change moves the time of the action or of the flow alone, never that of the message."""
    time = Time()
    with Sandbox(profiles=1, events=0, seed=5, clock=Clock(time)) as sandbox:
        config = {"api_key": sandbox.api_key, "api_url": sandbox.url}
        latest: dict[str, str | None] = {}
        state: Json = {}
        for position, step in enumerate([*steps, Step(hours=1)]):
            time.now += timedelta(hours=step.hours)
            at = int(time.now.timestamp())
            messages = _messages(sandbox)
            for way, which in (("action", step.actions), ("flow", step.flows)):
                for message in (messages[number] for number in which):
                    action = _action(sandbox, message)
                    flow = sandbox.store.get(Flow, action.flow_id)
                    assert flow is not None
                    sandbox.store.put(replace(message, template_id=f"T{position}{way}"))
                    if way == "action":
                        sandbox.store.put(replace(action, updated=at))
                    else:
                        sandbox.store.put(replace(flow, updated=at))
            extract = run_tap(config, ["flow_messages"], state=state, now=time, breaks_after=step.cut_after)
            latest |= {each["id"]: each["template_id"] for each in extract.records.get("flow_messages", ())}
            state = extract.state or state
        assert latest == {message.id: message.template_id for message in _messages(sandbox)}
