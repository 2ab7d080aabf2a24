"""Answers of another shape: what Klaviyo does not tell costs its rows in a line, and is never taken for a no."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from klaviyo_sandbox.http.faults import Status
from klaviyo_sandbox.model.records import Profile, Template
from klaviyo_sandbox.state.campaigns import draft
from target_klaviyo_profiles.client import StreamClient
from target_klaviyo_profiles.errors import RunFailed
from target_klaviyo_profiles.sinks.subscriptions import Channel, _is_subscribed_since, _untold

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
Load = Callable[..., Any]
Answer = Callable[[str, Callable[[Json], object]], None]

ADA = {"channel": "email", "email": "ada@b.co", "phone_number": "+14155552671", "consent": "SUBSCRIBED"}
GONE = object()


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Change the documents that an operation is answered with."""
    changes: dict[str, Callable[[Json], object]] = {}
    fetch = StreamClient.fetch

    def changed(
        self: StreamClient,
        operation: str,
        decode: Callable[[bytes], Json],
        **options: Any,  # noqa: ANN401
    ) -> Json:
        def decoded(body: bytes) -> Json:
            document = decode(body)
            if operation in changes and document:
                changes[operation](document)
            return document

        return fetch(self, operation, decoded, **options)

    monkeypatch.setattr(StreamClient, "fetch", changed)
    return changes.__setitem__


@pytest.fixture
def write(load: Load, messages: Load) -> Load:
    return lambda records, stream="profiles", **settings: load(messages(records, stream=stream), **settings)


def _put(held: Json, name: str, value: object) -> None:
    held.pop(name, None)
    if value is not GONE:
        held[name] = value


def _attribute(name: str, value: object) -> Callable[[Json], None]:
    """Changes an attribute of every resource of a document."""

    def change(document: Json) -> None:
        data = document["data"]
        for resource in data if isinstance(data, list) else [data]:
            _put(resource["attributes"], name, value)

    return change


def _marketing(**marketing: object) -> Json:
    full: Json = {"consent": "NEVER_SUBSCRIBED", "suppression": [], "list_suppressions": [], **marketing}
    return {"marketing": {name: value for name, value in full.items() if value is not GONE}}


EVERY_CHANNEL: list[object] = [
    7,
    "x",
    [],
    {},
    {"marketing": {}},
    {"marketing": "x"},
    {"marketing": []},
    {"elsewhere": {"consent": "NEVER_SUBSCRIBED"}},
    _marketing(consent=GONE),
    _marketing(consent=None),
    _marketing(consent=7),
    _marketing(consent="NO_MORE"),
    _marketing(consent="UNSUBSCRIBED", consent_timestamp=7),
    _marketing(consent="UNSUBSCRIBED", consent_timestamp="soon"),
]
OF_EMAIL: list[object] = [
    {"marketing": {"consent": "NEVER_SUBSCRIBED"}},
    _marketing(suppression=GONE),
    _marketing(list_suppressions=GONE),
    _marketing(suppression="x"),
    _marketing(suppression=["x"]),
    _marketing(suppression=[{"reason": ["UNSUBSCRIBE"]}]),
    _marketing(list_suppressions=[{"reason": "UNSUBSCRIBE", "timestamp": "soon"}]),
]


@pytest.mark.parametrize(
    ("channel", "held"),
    [
        *((channel, held) for channel in Channel for held in EVERY_CHANNEL),
        *((Channel.EMAIL, each) for each in OF_EMAIL),
    ],
)
def test_what_is_not_told_of_a_channel_is_no_never(channel: Channel, held: object) -> None:
    profile = {"subscriptions": {channel.shown: _for(channel, held)}}
    assert _untold(profile, channel)
    assert not _is_subscribed_since(profile, channel, datetime.min.replace(tzinfo=UTC))


@pytest.mark.parametrize("channel", Channel)
def test_what_openapi_has_nullable_may_be_null(channel: Channel) -> None:
    bare = _marketing(suppression=None, list_suppressions=None, consent_timestamp=None, last_updated=None)
    for held in (None, {"marketing": None}, bare):
        assert _untold({"subscriptions": {channel.shown: _for(channel, held)}}, channel) is None


def _for(channel: Channel, held: object) -> object:
    """The same of what the channel is done for."""
    if not isinstance(held, dict):
        return held
    return {channel.purpose if name == "marketing" else name: each for name, each in held.items()}


def _profiles(node: object) -> Iterator[Json]:
    if isinstance(node, dict):
        if "subscriptions" in (node.get("attributes") or {}):
            yield node["attributes"]
        for inner in node.values():
            yield from _profiles(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _profiles(inner)


def test_every_recorded_profile_tells_of_every_channel(reference: Path) -> None:
    recordings = sorted((reference / "reference/recorded").glob("*.2*.json"))
    answers = [json.loads(each.read_text())["response"]["body"] for each in recordings]
    found = [each for body in answers for each in _profiles(body)]
    assert len(found) >= 4
    assert {_untold(each, channel) for each in found for channel in Channel} == {None}


@pytest.mark.parametrize(
    ("channel", "held"),
    [
        ("email", {}),
        ("email", {"marketing": {}}),
        ("email", 7),
        ("email", {"marketing": "x"}),
        ("email", {"marketing": {"consent": "NEVER_SUBSCRIBED"}}),
        ("sms", {"marketing": {}}),
        ("whatsapp", {"marketing": {}}),
    ],
)
def test_nobody_is_subscribed_by_an_answer_of_another_shape(
    sandbox: Sandbox, write: Load, answer: Answer, channel: str, held: object
) -> None:
    ada = Profile(id=f"01J{0:023}", email="ada@b.co", phone_number="+14155552671", created=0, updated=0)
    sandbox.store.add_profiles([ada])
    answer("get_profiles", _attribute("subscriptions", {channel: held}))
    neighbour = {"email": "new@b.co", "phone_number": "+14155552672"}
    run = write([{**ADA, "channel": channel}, {**ADA, **neighbour, "channel": channel}], stream="subscriptions")
    assert isinstance(run.error, RunFailed)
    assert run.states == []
    assert f"not settled 1: Klaviyo did not tell whether they opted out of {channel} (`{channel}`: " in run.log
    assert run.tallies["subscriptions"].accepted == 1
    assert "Traceback" not in run.log


@pytest.mark.parametrize("email", [GONE, 7])
def test_nobody_is_subscribed_where_it_is_not_told_who_has_which_consent(
    sandbox: Sandbox, write: Load, answer: Answer, email: object
) -> None:
    sandbox.store.add_profiles([Profile(id=f"01J{0:023}", email="ada@b.co", created=0, updated=0)])
    answer("get_profiles", _attribute("email", email))
    run = write([ADA], stream="subscriptions")
    assert isinstance(run.error, RunFailed)
    assert "not settled 1: Klaviyo did not tell `email` of a profile: start again" in run.log
    assert sandbox.requests["bulk_subscribe_profiles 202"] == 0


@pytest.mark.parametrize("put", [("editor_type", GONE), ("name", GONE), ("name", 7), ("html", GONE), ("text", 7)])
@pytest.mark.parametrize("stream", ["templates", "campaign_message_templates"])
def test_a_template_that_is_not_told_costs_its_record(
    sandbox: Sandbox, write: Load, answer: Answer, stream: str, put: tuple[str, object]
) -> None:
    campaign, message = draft(Random(1), "Spring", [], sandbox.clock.seconds())  # noqa: S311
    sandbox.store.put(campaign)
    sandbox.store.put(message)
    html = "<p>one</p>"
    sandbox.store.put(
        Template(id="TPL001", name="spring", editor_type="CODE", html=html, text="", created=0, updated=0)
    )
    answer("get_templates", _attribute(*put))
    records = {
        "templates": [{"name": "spring", "html": "<p>two</p>"}, {"name": "new", "html": html}],
        "campaign_message_templates": [{"campaign_message_id": message.id, "template_name": "spring"}],
    }
    run = write(records[stream], stream=stream)
    assert isinstance(run.error, RunFailed)
    assert f"Klaviyo did not tell `{put[0]}` of a template, asked for by the name 'spring': start again" in run.log
    assert run.tallies[stream].unsettled.total() == 1
    assert run.tallies[stream].accepted == len(records[stream]) - 1
    assert run.states == []


_STATUS = "`status` of the campaign of the message"


def _campaign(change: Callable[[Json], object]) -> Callable[[Json], None]:
    def changed(document: Json) -> None:
        for each in document["included"]:
            change(each)

    return changed


ODD_MESSAGES: dict[str, tuple[Callable[[Json], object], str]] = {
    "no_status": (_campaign(lambda each: _put(each["attributes"], "status", GONE)), _STATUS),
    "null_status": (_campaign(lambda each: _put(each["attributes"], "status", None)), _STATUS),
    "no_attributes": (_campaign(lambda each: _put(each, "attributes", "x")), _STATUS),
    "no_campaign": (lambda document: _put(document, "included", GONE), _STATUS),
    "odd_campaign": (lambda document: _put(document, "included", ["x"]), _STATUS),
    "null": (lambda document: _put(document, "data", None), "`id` of the message"),
    "text": (lambda document: _put(document, "data", "x"), "`id` of the message"),
    "odd_relationships": (
        lambda document: _put(document["data"], "relationships", "x"),
        "`relationships` of the message",
    ),
}


@pytest.mark.parametrize("odd", ODD_MESSAGES)
def test_a_message_that_is_not_told_costs_its_record(
    sandbox: Sandbox, write: Load, answer: Answer, odd: str
) -> None:
    change, what = ODD_MESSAGES[odd]
    campaign, message = draft(Random(1), "Spring", [], sandbox.clock.seconds())  # noqa: S311
    sandbox.store.put(campaign)
    sandbox.store.put(message)
    sandbox.store.put(
        Template(id="TPL001", name="spring", editor_type="CODE", html="<p></p>", text="", created=0, updated=0)
    )
    answer("get_campaign_message", change)
    record = {"campaign_message_id": message.id, "template_name": "spring"}
    run = write([record], stream="campaign_message_templates")
    assert isinstance(run.error, RunFailed)
    assert f"not settled 1: Klaviyo did not tell {what} {message.id}: start again" in run.log
    assert sandbox.requests["assign_template_to_campaign_message 200"] == 0


def test_a_written_template_of_which_nothing_is_told_is_written(write: Load, answer: Answer) -> None:
    answer("create_template", lambda document: _put(document["data"], "attributes", "x"))
    run = write([{"name": "spring", "html": "<p></p>"}], stream="templates")
    assert run.error is None
    assert run.tallies["templates"].accepted == 1


@pytest.mark.parametrize("data", [None, "x", {"type": "profile"}])
def test_a_cleared_profile_whose_id_is_not_told_joins_no_list(write: Load, answer: Answer, data: object) -> None:
    answer("create_or_update_profile", lambda document: _put(document, "data", data))
    record = {"external_id": "crm-1", "title": None, "list_id": "LIST01"}
    run = write([record], clearable_fields=["title"])
    assert isinstance(run.error, RunFailed)
    assert (
        "not settled 1: Klaviyo did not tell `id` of a profile that was written, and so joins no list" in run.log
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("created_at", GONE), ("created_at", "soon"), ("total_count", GONE), ("total_count", "x")],
)
def test_a_job_that_may_be_ours_and_is_not_told_is_waited_for_in_the_next_run(
    sandbox: Sandbox, write: Load, answer: Answer, name: str, value: object
) -> None:
    sandbox.faults.add(Status(operation="bulk_import_profiles", worked=True))
    answer("get_bulk_import_profiles_jobs", _attribute(name, value))
    run = write([{"external_id": "crm-1", "title": "Dr"}])
    assert isinstance(run.error, RunFailed)
    assert f"Klaviyo did not tell `{name}` of a job that may be one whose submission was not answered" in run.log
    assert run.states == []


_JOB, _ERRORS = "get_bulk_import_profiles_job", "get_errors_for_bulk_import_profiles_job"
ODD_JOBS: dict[str, tuple[str, Callable[[Json], object]]] = {
    "no_attributes": (_JOB, lambda document: _put(document["data"], "attributes", "x")),
    "no_resource": (_JOB, lambda document: _put(document, "data", "x")),
    "odd_count": (_JOB, _attribute("failed_count", "many")),
    "odd_error": (_ERRORS, lambda document: _put(document, "data", ["x"])),
    "bare_error": (_ERRORS, lambda document: _put(document, "data", [{"id": "1"}])),
}


@pytest.mark.parametrize("odd", ODD_JOBS)
def test_a_job_of_which_it_is_not_told_what_it_refused_is_not_settled(
    write: Load, answer: Answer, odd: str
) -> None:
    answer(*ODD_JOBS[odd])
    run = write([{"external_id": "crm-1", "title": "Dr"}])
    assert isinstance(run.error, RunFailed)
    assert run.tallies["profiles"].unsettled.total() == 1
    assert "did not end within `job_timeout`" in run.log
    assert run.states == []


@pytest.mark.parametrize("data", ["x", None, {"type": "job"}])
def test_a_job_that_is_accepted_without_its_id_is_not_settled(write: Load, answer: Answer, data: object) -> None:
    answer("bulk_import_profiles", lambda document: _put(document, "data", data))
    run = write([{"external_id": "crm-1", "title": "Dr"}])
    assert run.error is not None
    assert "Klaviyo accepted a job and did not say which" in f"{run.error} {run.log}"
    assert run.states == []
