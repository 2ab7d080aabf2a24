"""What a flow's webhook action calls, for whom, and how often it tries."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klaviyo_sandbox.cli import main
from klaviyo_sandbox.http.flow_webhook_calls import HOURS, RETRIES, TRIED_AGAIN, FlowRun, FlowRunError, FlowWebhook
from klaviyo_sandbox.simulation.rendering import TemplateError

sys.path.insert(0, str(Path(__file__).parent))  # tests are not a package

from local_receiver import LocalReceiver

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox
    from klaviyo_sandbox.http.flow_webhook_calls import FlowOutcome

Json = dict[str, Any]
FLOW = "Welcome series"
BODY = """{
  "profile_id": "{{ person.KlaviyoID }}",
  "request_id": "{{ person.KlaviyoID }}/{{ event|lookup:'$event_id' }}",
  "attrs": {"basket": "{{ event|lookup:'basket' }}"}
}"""


@pytest.fixture
def receiver() -> Iterator[LocalReceiver]:
    receiver = LocalReceiver()
    with receiver.serving():
        yield receiver


@pytest.fixture
def webhook(receiver: LocalReceiver) -> FlowWebhook:
    return FlowWebhook(receiver.url, {"X-Inbox-Token": "a secret of the flow's"}, BODY)


@pytest.fixture
def people(sandbox: Sandbox) -> tuple[str, ...]:
    return tuple(row[0] for row in sandbox.store.read("select id from profiles order by id limit 3"))


def run(webhook: FlowWebhook, *people: str, **more: Json | float) -> FlowRun:
    return FlowRun(flow=FLOW, webhook=webhook, profiles=people, **more)  # type: ignore[arg-type]


def moment(outcome: FlowOutcome) -> datetime:
    return datetime.fromisoformat(outcome.at)


def test_each_of_those_who_enter_is_called_for(
    sandbox: Sandbox, receiver: LocalReceiver, webhook: FlowWebhook, people: tuple[str, ...]
) -> None:
    event = {"$event_id": "e1", "basket": "Käse & 🌱"}
    outcomes = sandbox.call_flow_webhooks(run(webhook, *people, event=event))
    assert [(each.profile_id, each.attempt, each.status, each.end) for each in outcomes] == [
        (each, 1, 200, "taken") for each in people
    ]
    assert [json.loads(body) for _, body in receiver.got] == [
        {"profile_id": each, "request_id": f"{each}/e1", "attrs": {"basket": "Käse &amp; 🌱"}} for each in people
    ]
    for headers, _ in receiver.got:
        assert headers["X-Inbox-Token"] == "a secret of the flow's"
        assert not [name for name in headers if name.startswith("Klaviyo")], "it is not signed"
    assert sandbox.call_flow_webhooks() == [], "nothing is due any more"


def test_a_flow_that_no_event_starts_asks_without_one(
    sandbox: Sandbox, receiver: LocalReceiver, webhook: FlowWebhook, people: tuple[str, ...]
) -> None:
    sandbox.call_flow_webhooks(run(webhook, people[0]))
    assert json.loads(receiver.got[0][1])["request_id"] == f"{people[0]}/"


@pytest.mark.parametrize("status", sorted(TRIED_AGAIN))
def test_what_is_not_taken_comes_again_for_a_day(
    sandbox: Sandbox, receiver: LocalReceiver, webhook: FlowWebhook, people: tuple[str, ...], status: int
) -> None:
    receiver.statuses = [status] * 30
    entered = sandbox.clock.now()
    outcomes = sandbox.call_flow_webhooks(run(webhook, people[0], hours=HOURS + 1))
    assert [each.attempt for each in outcomes] == list(range(1, RETRIES + 2)) == list(range(1, 19))
    assert [each.end for each in outcomes] == ["due_again"] * RETRIES + ["given_up"]
    assert len({body for _, body in receiver.got}) == 1, "with the same body"
    assert [each.next_at for each in outcomes[:-1]] == [each.at for each in outcomes[1:]]
    waits = [moment(after) - moment(before) for before, after in pairwise(outcomes)]
    assert all(after / before == pytest.approx(2, rel=1e-3) for before, after in pairwise(waits))
    assert moment(outcomes[-1]) - entered == pytest.approx(timedelta(hours=HOURS), abs=timedelta(seconds=1))
    assert sandbox.call_flow_webhooks(FlowRun(hours=1_000)) == []


@given(status=st.integers(200, 599))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_four_statuses_are_tried_again(
    sandbox: Sandbox, receiver: LocalReceiver, webhook: FlowWebhook, people: tuple[str, ...], status: int
) -> None:
    receiver.statuses = [status]
    outcomes = sandbox.call_flow_webhooks(run(webhook, people[0], hours=HOURS))
    if status in TRIED_AGAIN:
        assert [each.end for each in outcomes] == ["due_again", "taken"]
    else:
        assert [each.end for each in outcomes] == ["taken" if status < 300 else "skipped"]


def test_nobody_answers_and_it_is_skipped(sandbox: Sandbox, people: tuple[str, ...]) -> None:
    (outcome,) = sandbox.call_flow_webhooks(run(FlowWebhook("http://127.0.0.1:1/"), people[0], hours=HOURS))
    assert (outcome.status, outcome.end) == (None, "skipped")


def test_the_clock_says_what_is_due(
    sandbox: Sandbox, receiver: LocalReceiver, webhook: FlowWebhook, people: tuple[str, ...]
) -> None:
    receiver.statuses = [503] * 14
    began = sandbox.clock.now()
    sandbox.call_flow_webhooks(run(webhook, *people[:2]))
    assert sandbox.clock.now() == began
    assert sandbox.call_flow_webhooks() == []
    sandbox.clock.advance(1)
    assert [each.attempt for each in sandbox.call_flow_webhooks()] == [2, 2]
    outcomes = sandbox.call_flow_webhooks(FlowRun(hours=0.5))
    assert [each.end for each in outcomes].count("taken") == 2
    assert [each.attempt for each in outcomes if each.end == "taken"] == [8, 8]
    assert moment(outcomes[-1]) == sandbox.clock.now() < began + timedelta(hours=0.5)


def test_the_flow_is_there_with_its_action(
    sandbox: Sandbox, api: requests.Session, receiver: LocalReceiver, webhook: FlowWebhook, people: tuple[str, ...]
) -> None:
    sandbox.call_flow_webhooks(run(webhook, people[0]))
    (flow,) = api.get("/api/flows", params={"filter": f'equals(name,"{FLOW}")'}).json()["data"]
    path = f"/api/flows/{flow['id']}/flow-actions"
    (before,) = api.get(path).json()["data"]
    assert before["attributes"]["definition"]["type"] == "send-webhook"
    message = before["attributes"]["definition"]["data"]["message"]
    assert (message["url"], message["headers"], message["body"]) == (webhook.url, webhook.headers, BODY)
    sandbox.call_flow_webhooks(FlowRun(flow=FLOW, profiles=people[:1]))
    sandbox.call_flow_webhooks(run(FlowWebhook(receiver.url, {}, "{}"), people[0]))
    assert [body for _, body in receiver.got][1:] == [receiver.got[0][1], b"{}"]
    (after,) = api.get(path).json()["data"]
    assert after["id"] == before["id"]
    assert after["attributes"]["definition"]["data"]["message"] == message | {"headers": {}, "body": "{}"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (FlowRun(profiles=("a",)), "give the flow's name"),
        (FlowRun(flow=FLOW), "with a webhook"),
        (FlowRun(flow="Welcome", profiles=()), "with a webhook"),
        (run(FlowWebhook("https://shop.example/x")), "of another machine"),
        (run(FlowWebhook("http://[::1")), "of another machine"),
        (run(FlowWebhook("http://127.0.0.1/"), "nobody"), "there is no profile `nobody`"),
    ],
)
def test_what_cannot_be_played_is_told(sandbox: Sandbox, asked: FlowRun, said: str) -> None:
    with pytest.raises(FlowRunError, match=said):
        sandbox.call_flow_webhooks(asked)


def test_a_body_of_another_language_is_told_and_changes_nothing(
    sandbox: Sandbox, webhook: FlowWebhook, people: tuple[str, ...]
) -> None:
    with pytest.raises(TemplateError):
        sandbox.call_flow_webhooks(run(FlowWebhook(webhook.url, {}, "{% assign a = 1 %}"), people[0]))
    with pytest.raises(FlowRunError, match="with a webhook"):
        sandbox.call_flow_webhooks(FlowRun(flow=FLOW, profiles=people))


def test_the_command_plays_it(
    sandbox: Sandbox, receiver: LocalReceiver, people: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "body").write_text(BODY)
    (tmp_path / "event").write_text('{"$event_id": "e2"}')
    (tmp_path / "text").write_text("{{ event }}")
    receiver.statuses = [503]
    command = ["call-flow-webhook", "--url", sandbox.url]
    webhook = ["--to", receiver.url, "--header", "X-Inbox-Token: of: the flow", "--body", str(tmp_path / "body")]
    more = ["--flow", FLOW, "--profile", people[0], "--event", str(tmp_path / "event"), "--hours", "1"]
    result = CliRunner().invoke(main, [*command, *webhook, *more])
    assert result.exit_code == 0, result.output
    assert [each["status"] for each in json.loads(result.output)] == [503, 200]
    assert receiver.got[0][0]["X-Inbox-Token"] == "of: the flow"
    assert json.loads(receiver.got[1][1])["request_id"] == f"{people[0]}/e2"
    for options, said in (
        ([], "[]"),
        (["--header", "a: b"], "with --to"),
        (["--to", receiver.url, "--header", "ab"], "Name: value"),
        (["--to", receiver.url, "--body", str(tmp_path / "gone")], "No such file"),
        (["--event", str(tmp_path / "text"), "--flow", FLOW], "is no JSON"),
        (["--flow", "of nobody"], "with a webhook"),
        (["--hours", "-1"], "hours"),
    ):
        assert said in CliRunner().invoke(main, [*command, *options]).output
