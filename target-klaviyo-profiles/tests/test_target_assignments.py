"""Templates assigned to campaign messages against the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from klaviyo_sandbox.http.faults import AnyFault, Reset, Status, Throttle
from klaviyo_sandbox.model.records import Campaign, CampaignMessage, Template
from klaviyo_sandbox.state.campaigns import draft

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

Json = dict[str, Any]
Load = Callable[..., Any]


def _template(template_id: str, name: str, html: str = "<p>one</p>", text: str | None = "one") -> Template:
    return Template(id=template_id, name=name, editor_type="CODE", html=html, text=text, created=0, updated=0)


@pytest.fixture
def message_id(sandbox: Sandbox) -> str:
    """The message of a draft; `spring` is the template."""
    campaign, message = draft(Random(1), "Spring", [], sandbox.clock.seconds())  # noqa: S311
    sandbox.store.put(campaign)
    sandbox.store.put(message)
    sandbox.store.put(_template("TPL001", "spring"))
    return message.id


@pytest.fixture
def assign(load: Load, messages: Callable[..., list[Json]]) -> Load:
    def assign(*pairs: tuple[str, str], **settings: object) -> Any:  # noqa: ANN401
        records = ({"campaign_message_id": each, "template_name": name} for each, name in pairs)
        return load(messages(records, stream="campaign_message_templates"), **settings)

    return assign


def _copy(sandbox: Sandbox, message_id: str) -> Template | None:
    message = sandbox.store.get(CampaignMessage, message_id)
    assert message is not None
    return sandbox.store.get(Template, message.template_id) if message.template_id else None


def _status(sandbox: Sandbox, message_id: str, status: str) -> None:
    message = sandbox.store.get(CampaignMessage, message_id)
    assert message is not None
    campaign = sandbox.store.get(Campaign, message.campaign_id)
    assert campaign is not None
    sandbox.store.put(replace(campaign, status=status))


def test_a_message_gets_a_copy_and_gets_it_once(sandbox: Sandbox, assign: Load, message_id: str) -> None:
    run = assign((message_id, "spring"))
    assert run.error is None
    assert run.tallies["campaign_message_templates"].accepted == 1
    copy = _copy(sandbox, message_id)
    assert copy is not None
    assert "<p>one</p>" in copy.html
    assert copy.id != "TPL001"

    run = assign((message_id, "spring"), ledger_path=None)
    assert run.tallies["campaign_message_templates"].unchanged == 1
    assert _copy(sandbox, message_id) == copy


@pytest.mark.parametrize("no_id", [".", ".."])
def test_an_id_that_is_a_path_costs_its_own_record_only(
    sandbox: Sandbox, assign: Load, message_id: str, no_id: str
) -> None:
    run = assign((no_id, "spring"), (message_id, "spring"))
    assert run.error is None
    assert run.states == [{"at": "end"}]
    assert [each["code"] for each in run.rejects] == ["not_found"]
    assert run.tallies["campaign_message_templates"].accepted == 1
    assert _copy(sandbox, message_id) is not None
    assert not [name for name in sandbox.requests if name.endswith((" 404", " 405"))]


@pytest.mark.parametrize("change", [{"html": "<p>two</p>"}, {"text": "two"}])
def test_a_change_of_the_template_reaches_the_message(
    sandbox: Sandbox, assign: Load, message_id: str, change: Json
) -> None:
    assign((message_id, "spring"))
    source = sandbox.store.get(Template, "TPL001")
    assert source is not None
    sandbox.store.put(replace(source, **change))
    run = assign((message_id, "spring"), ledger_path=None)
    assert run.tallies["campaign_message_templates"].accepted == 1
    copy = _copy(sandbox, message_id)
    assert copy is not None
    assert all(value in (getattr(copy, name) or "") for name, value in change.items())


def test_a_change_made_by_hand_in_the_message_is_undone(sandbox: Sandbox, assign: Load, message_id: str) -> None:
    assign((message_id, "spring"))
    copy = _copy(sandbox, message_id)
    assert copy is not None
    sandbox.store.put(replace(copy, html="<p>by hand</p>"))
    assign((message_id, "spring"))
    again = _copy(sandbox, message_id)
    assert again is not None
    assert "<p>one</p>" in again.html


@pytest.mark.parametrize("status", ["Sent", "Sending", "Cancelled", "Variations Sent"])
def test_a_campaign_that_is_sent_keeps_what_it_was_sent_with(
    sandbox: Sandbox, assign: Load, message_id: str, status: str
) -> None:
    assign((message_id, "spring"))
    _status(sandbox, message_id, status)
    assert assign((message_id, "spring")).tallies["campaign_message_templates"].unchanged == 1

    sandbox.store.put(_template("TPL002", "autumn", "<p>two</p>"))
    run = assign((message_id, "autumn"))
    assert [(each["code"], each["key"]) for each in run.rejects] == [
        ("campaign_not_open", {"campaign_message_id": message_id})
    ]
    assert status in run.rejects[0]["detail"]
    copy = _copy(sandbox, message_id)
    assert copy is not None
    assert "<p>one</p>" in copy.html


def test_names_and_messages_that_are_not_there_or_not_one_are_refused(
    sandbox: Sandbox, assign: Load, message_id: str
) -> None:
    for template_id in ("TPL002", "TPL003"):
        sandbox.store.put(_template(template_id, "twice"))
    for name, code in (("twice", "ambiguous_name"), ("Spring", "no_template")):
        run = assign((message_id, name))
        assert [each["code"] for each in run.rejects][-1:] == [code]
    run = assign(("NOPE01", "spring"))
    assert [each["code"] for each in run.rejects][-1:] == ["not_found"]
    assert all(each["remedy"] for each in run.rejects)
    assert _copy(sandbox, message_id) is None


def test_the_last_template_of_a_message_counts(sandbox: Sandbox, assign: Load, message_id: str) -> None:
    sandbox.store.put(_template("TPL002", "autumn", "<p>two</p>"))
    run = assign((message_id, "spring"), (message_id, "autumn"))
    assert run.error is None
    copy = _copy(sandbox, message_id)
    assert copy is not None
    assert "<p>two</p>" in copy.html


@pytest.mark.parametrize("missing", ["campaign_message_id", "template_name"])
def test_both_fields_are_needed(load: Load, messages: Callable[..., list[Json]], missing: str) -> None:
    record = {"campaign_message_id": "M", "template_name": "t", missing: " "}
    run = load(messages([record], stream="campaign_message_templates"))
    assert [(each["code"], each["pointer"]) for each in run.rejects] == [("missing_field", f"/{missing}")]


@pytest.mark.parametrize(
    "fault",
    [
        Status(operation="assign_template_to_campaign_message", worked=True),
        Reset(operation="get_campaign_message"),
        Throttle(operation="get_templates", retry_after=2, times=3),
    ],
)
def test_no_fault_loses_an_assignment(sandbox: Sandbox, assign: Load, message_id: str, fault: AnyFault) -> None:
    sandbox.faults.add(fault)
    assert assign((message_id, "spring")).error is None
    assert _copy(sandbox, message_id) is not None
