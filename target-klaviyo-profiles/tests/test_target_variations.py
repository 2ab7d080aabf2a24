"""Templates assigned to campaign messages at revision 2026-10-15, where their variations have them."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from klaviyo_sandbox.http.faults import AnyFault, Reset, Status
from klaviyo_sandbox.model.records import Campaign, CampaignMessage, Template
from klaviyo_sandbox.protocol.omnichannel import other_id
from klaviyo_sandbox.state.campaigns import draft
from klaviyo_wire.endpoints import OMNICHANNEL
from target_klaviyo_profiles.client import StreamClient

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
Load = Callable[..., Any]
STREAM = "campaign_message_templates"
READ = f"get_campaign_message@{OMNICHANNEL}"
CHANGE = f"update_campaign_variation@{OMNICHANNEL}"


def _template(template_id: str, name: str, html: str) -> Template:
    return Template(id=template_id, name=name, editor_type="CODE", html=html, text="x", created=0, updated=0)


@pytest.fixture
def message(sandbox: Sandbox) -> CampaignMessage:
    """The message of a draft; `spring` is the template."""
    campaign, message = draft(Random(1), "Spring", [], sandbox.clock.seconds())  # noqa: S311
    sandbox.store.put(campaign)
    sandbox.store.put(message)
    sandbox.store.put(_template("TPL001", "spring", "<p>one</p>"))
    return message


@pytest.fixture
def assign(load: Load, messages: Load) -> Load:
    def assign(*records: Json, **settings: object) -> Any:  # noqa: ANN401
        made = ({"template_name": "spring", **each} for each in records)
        return load(messages(made, stream=STREAM), **{"revision": OMNICHANNEL, **settings})

    return assign


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Json], object]], None]:
    """Change what is told of a message."""
    fetch = StreamClient.fetch

    def changes(change: Callable[[Json], object]) -> None:
        def changed(self: StreamClient, operation: str, decode: Callable[[bytes], Json], **options: Any) -> Json:  # noqa: ANN401
            document = fetch(self, operation, decode, **options)
            if operation == READ:
                change(document)
            return document

        monkeypatch.setattr(StreamClient, "fetch", changed)

    return changes


def _held(sandbox: Sandbox, message: CampaignMessage) -> CampaignMessage:
    held = sandbox.store.get(CampaignMessage, message.id)
    assert held is not None
    return held


def _html(sandbox: Sandbox, message: CampaignMessage) -> str | None:
    held = _held(sandbox, message)
    copy = sandbox.store.get(Template, held.template_id) if held.template_id else None
    return copy.html if copy else None


def _named(message: CampaignMessage) -> Json:
    return {"campaign_message_id": message.id, "campaign_variation_id": other_id(message.id)}


def test_the_only_variation_gets_a_copy_and_gets_it_once(
    sandbox: Sandbox, assign: Load, message: CampaignMessage
) -> None:
    record = {"campaign_message_id": message.id}
    assert assign(record).tallies[STREAM].accepted == 1
    assert _html(sandbox, message) == "<p>one</p>"
    assert _held(sandbox, message).template_id != "TPL001"
    assert assign(record, ledger_path=None).tallies[STREAM].unchanged == 1
    assert assign(_named(message), ledger_path=None).tallies[STREAM].unchanged == 1

    sandbox.store.put(_template("TPL001", "spring", "<p>two</p>"))
    assert assign(record, ledger_path=None).tallies[STREAM].accepted == 1
    assert _html(sandbox, message) == "<p>two</p>"
    assert sandbox.requests["assign_template_to_campaign_message 200"] == 2
    assert not any(name.startswith(CHANGE) for name in sandbox.requests)


def test_what_a_named_variation_says_beside_its_template_is_kept(
    sandbox: Sandbox, assign: Load, message: CampaignMessage
) -> None:
    """What a change leaves out may be lost: all of it is sent."""
    content = {**message.content, "subject": "Größe ☀ 50 %", "preview_text": "only today", "cc_email": "c@b.co"}
    sandbox.store.put(replace(message, content=content, label="kept"))
    assert assign(_named(message)).tallies[STREAM].accepted == 1
    held = _held(sandbox, message)
    assert (held.content, held.label) == (content, "kept")
    assert _html(sandbox, message) == "<p>one</p>"
    assert assign(_named(message), ledger_path=None).tallies[STREAM].unchanged == 1


def _second(document: Json) -> None:
    """The message has a second variation."""
    (named,) = document["data"]["relationships"]["campaign-variations"]["data"]
    document["data"]["relationships"]["campaign-variations"]["data"].append({**named, "id": "VAR002"})
    other = deepcopy(next(each for each in document["included"] if each["type"] == "campaign-variation"))
    document["included"].append({**other, "id": "VAR002"})


def test_of_several_variations_one_has_to_be_named(
    sandbox: Sandbox, assign: Load, message: CampaignMessage, answer: Load
) -> None:
    answer(_second)
    record = {"campaign_message_id": message.id}
    run = assign(record, {**record, "campaign_variation_id": "VAR003"}, _named(message))
    assert run.error is None
    assert {(each["code"], each["pointer"]) for each in run.rejects} == {
        ("ambiguous_variation", "/campaign_variation_id"),
        ("not_found", "/campaign_variation_id"),
    }
    assert all(other_id(message.id) in each["detail"] for each in run.rejects if each["code"][0] == "a")
    assert run.tallies[STREAM].accepted == 1
    assert sandbox.requests[f"{CHANGE} 200"] == 1
    assert sandbox.requests["assign_template_to_campaign_message 200"] == 0


@pytest.mark.parametrize("channel", ["sms", "mobile_push"])
def test_only_e_mail_has_a_template_here(sandbox: Sandbox, assign: Load, channel: str) -> None:
    campaign, text = draft(Random(2), "Text", [], sandbox.clock.seconds(), channel)  # noqa: S311
    sandbox.store.put(campaign)
    sandbox.store.put(text)
    sandbox.store.put(_template("TPL001", "spring", "<p>one</p>"))
    run = assign({"campaign_message_id": text.id}, _named(text))
    assert run.states == [{"at": "end"}]
    assert [each["code"] for each in run.rejects] == ["not_possible"] * 2


@pytest.mark.parametrize("status", ["Sent", "Sending", "Cancelled: No Recipients"])
def test_a_message_that_is_sent_keeps_what_it_was_sent_with(
    sandbox: Sandbox, assign: Load, message: CampaignMessage, status: str
) -> None:
    assign({"campaign_message_id": message.id})
    campaign = sandbox.store.get(Campaign, message.campaign_id)
    assert campaign is not None
    sandbox.store.put(replace(campaign, status=status))
    assert assign(_named(message)).tallies[STREAM].unchanged == 1
    sandbox.store.put(_template("TPL002", "autumn", "<p>two</p>"))
    run = assign(
        {"campaign_message_id": message.id, "template_name": "autumn"},
        {**_named(message), "template_name": "autumn"},
    )
    assert [each["code"] for each in run.rejects] == ["campaign_not_open"] * 2
    assert _html(sandbox, message) == "<p>one</p>"


def test_a_copy_that_is_gone_is_made_anew(sandbox: Sandbox, assign: Load, message: CampaignMessage) -> None:
    sandbox.store.put(replace(message, template_id="GONE01"))
    assert assign({"campaign_message_id": message.id}).tallies[STREAM].accepted == 1
    assert _html(sandbox, message) == "<p>one</p>"


def _set(path: str, to: object) -> Callable[[Json], object]:
    """Put something else where the path leads: in `variation` that of the included resource."""

    def change(document: Json) -> None:
        *above, last = path.split()
        place: Any = document
        if above[:1] == ["variation"]:
            place, above = document["included"][0], above[1:]
        for step in above:
            place = place[step]
        place[last] = to

    return change


DETAILS = "variation attributes definition details"
VARIATIONS = "data relationships campaign-variations"


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("data", None),
        ("data", []),
        ("data attributes", "x"),
        ("data attributes definition", None),
        ("data attributes definition status", None),
        ("data relationships", None),
        (VARIATIONS, None),
        (f"{VARIATIONS} data", None),
        (f"{VARIATIONS} data", [{"type": "campaign-variation"}]),
        (f"{VARIATIONS} data", [{"id": ["V"]}]),
        (f"{VARIATIONS} data", ["V"]),
        ("included", None),
        ("included", [7, None, {"type": "campaign-variation", "id": ["V"]}]),
        ("variation attributes definition", None),
        (DETAILS, None),
        (f"{DETAILS} channel", None),
        (f"{DETAILS} template_id", 7),
        (DETAILS, {"channel": "email"}),
        (DETAILS, {"channel": "email", "template_id": None, "subject": "x"}),
        (f"{DETAILS} from_email", None),
    ],
)
def test_what_is_not_told_of_a_variation_stops_its_record(  # noqa: PLR0913, PLR0917
    sandbox: Sandbox, assign: Load, message: CampaignMessage, answer: Load, place: str, told: object
) -> None:
    answer(_set(place, told))
    run = assign(_named(message))
    assert run.tallies[STREAM].accepted == 0
    assert "Klaviyo did not tell" in str(run.error)
    assert run.states == []
    assert _held(sandbox, message) == message


@pytest.mark.parametrize(
    "fault", [Status(operation=CHANGE, worked=True), Reset(operation=READ), Reset(operation=CHANGE)]
)
def test_no_fault_loses_a_change(
    sandbox: Sandbox, assign: Load, message: CampaignMessage, fault: AnyFault
) -> None:
    sandbox.faults.add(fault)
    assert assign(_named(message)).error is None
    assert _html(sandbox, message) == "<p>one</p>"


def test_before_the_revision_there_is_no_such_field(assign: Load, message: CampaignMessage) -> None:
    run = assign(_named(message), revision="2026-07-15")
    assert "campaign_variation_id" in str(run.error or run.rejects)


@pytest.mark.parametrize(
    ("revision", "said"),
    [("2026-04-15", "the oldest one supported is 2026-07-15"), ("soon", "such as 2026-07-15")],
)
def test_a_revision_that_is_not_supported_ends_the_run_before_it_begins(
    sandbox: Sandbox, assign: Load, message: CampaignMessage, revision: str, said: str
) -> None:
    with pytest.raises(Exception, match="`revision`") as caught:
        assign({"campaign_message_id": message.id}, revision=revision)
    assert said in str(caught.value)
    assert not sandbox.requests
