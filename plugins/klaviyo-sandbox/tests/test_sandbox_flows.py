"""Flows, their actions and their messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from msgspec.structs import replace

from klaviyo_sandbox.model.records import Flow, FlowAction, FlowMessage

if TYPE_CHECKING:
    from klaviyo_sandbox import Sandbox

T0 = 1_780_000_000  # 2026-05-28T20:26:40Z


def flow(flow_id: str, **attributes: Any) -> Flow:  # noqa: ANN401 - those of `Flow`
    return Flow(**{"id": flow_id, "name": f"flow {flow_id}", "created": T0, "updated": T0, **attributes})


@pytest.fixture
def five(sandbox: Sandbox) -> list[str]:
    """Five flows alone in the account: `A` to `C` changed in one second, `D` later, `E` is archived."""
    sandbox.store.read("delete from flows")
    for each in (
        flow("B", status="live", name="50% off_"),
        flow("A", trigger_type="Metric"),
        flow("C"),
        flow("D", updated=T0 + 60, created=T0 - 60),
        flow("E", archived=True, status="live"),
    ):
        sandbox.store.put(each)
    return ["A", "B", "C", "D"]


def ids(api: requests.Session, path: str, **query: str) -> list[str]:
    response = api.get(path, params=query)
    assert response.ok, response.text
    return [each["id"] for each in response.json()["data"]]


def refused(api: requests.Session, path: str, **query: str) -> dict[str, Any]:
    response = api.get(path, params=query)
    assert response.status_code == 400, response.text
    return dict(response.json()["errors"][0])


def test_archived_flows_are_left_out_unless_asked_for(api: requests.Session, five: list[str]) -> None:
    assert ids(api, "/api/flows") == five
    assert ids(api, "/api/flows", filter="equals(archived,false)") == five
    assert ids(api, "/api/flows", filter="equals(archived,true)") == ["E"]
    assert ids(api, "/api/flows", filter='equals(status,"live")') == ["B"]
    assert api.get("/api/flows/E").json()["data"]["attributes"]["archived"] is True


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('any(id,["A","D","E"])', ["A", "D"]),
        ('equals(name,"flow C")', ["C"]),
        ('contains(name,"low ")', ["A", "C", "D"]),
        ('starts-with(name,"flow")', ["A", "C", "D"]),
        ('starts-with(name,"low")', []),
        ('starts-with(name,"50%")', ["B"]),
        ('ends-with(name,"off_")', ["B"]),
        ('ends-with(name,"a very long name that ends with flow C")', []),
        ('ends-with(name,"w D")', ["D"]),
        ('ends-with(name,"%")', []),
        ('equals(trigger_type,"Metric")', ["A"]),
    ],
)
def test_flows_are_filtered(api: requests.Session, expression: str, expected: list[str]) -> None:
    assert ids(api, "/api/flows", filter=expression) == expected


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("greater-or-equal(updated,2026-05-28T20:26:40Z)", ["A", "B", "C", "D"]),
        ("greater-than(updated,2026-05-28T20:26:40Z)", ["D"]),
        ("equals(updated,2026-05-28T20:26:40Z)", ["A", "B", "C"]),
        ("less-or-equal(updated,2026-05-28T20:26:40Z)", ["A", "B", "C"]),
        ("greater-than(updated,2026-05-28T20:26:39Z),less-than(updated,2026-05-28T20:27:40Z)", ["A", "B", "C"]),
    ],
)
def test_a_date_filter_goes_with_its_sort(api: requests.Session, expression: str, expected: list[str]) -> None:
    assert ids(api, "/api/flows", filter=expression, sort="updated") == expected
    assert ids(api, "/api/flows", filter=expression, sort="-updated") == expected[::-1]
    for sort in ({}, {"sort": "created"}, {"sort": "id"}):
        assert refused(api, "/api/flows", filter=expression, **sort)["source"] == {"parameter": "sort"}


def test_two_date_fields_have_no_sort(api: requests.Session) -> None:
    both = "less-than(updated,2026-05-28T20:26:40Z),less-than(created,2026-05-28T20:26:40Z)"
    assert refused(api, "/api/flows", filter=both, sort="updated")["source"] == {"parameter": "sort"}


@pytest.mark.parametrize("operator", ["less-than", "less-or-equal", "greater-than", "greater-or-equal", "equals"])
def test_a_date_after_now_is_refused(sandbox: Sandbox, api: requests.Session, operator: str) -> None:
    query = {"filter": f"{operator}(updated,2026-11-02T09:30:00Z)", "sort": "updated"}
    assert api.get("/api/flows", params=query).ok
    query["filter"] = f"{operator}(updated,2026-11-02T09:30:01Z)"
    assert refused(api, "/api/flows", **query)["source"] == {"parameter": "filter"}
    sandbox.clock.advance(1)
    assert api.get("/api/flows", params=query).ok


def test_flows_page_through_a_second(api: requests.Session, five: list[str]) -> None:
    found: list[str] = []
    url: str | None = "/api/flows?sort=updated&page[size]=2&filter=greater-or-equal(updated,2026-05-28T20:26:40Z)"
    while url:
        document = api.get(url).json()
        found += [each["id"] for each in document["data"]]
        url = document["links"]["next"]
    assert found == five


def test_actions_come_with_the_listing_of_flows(sandbox: Sandbox, api: requests.Session) -> None:
    plain = api.get("/api/flows").json()
    assert "included" not in plain
    assert all("data" not in each["relationships"]["flow-actions"] for each in plain["data"])
    document = api.get("/api/flows", params={"include": "flow-actions"}).json()
    named = [one["id"] for each in document["data"] for one in each["relationships"]["flow-actions"]["data"]]
    assert sorted(named) == sorted(each["id"] for each in document["included"])
    for each in document["included"]:
        assert each["id"].isdecimal()
        message = each["attributes"]["definition"]["data"].get("message")
        if message:
            stored = sandbox.store.get(FlowMessage, message["id"])
            assert stored
            assert (stored.action_id, stored.definition) == (each["id"], message)


def test_a_definition_is_the_chain_of_actions(sandbox: Sandbox, api: requests.Session) -> None:
    (welcome,) = ids(api, "/api/flows", filter='equals(name,"Welcome")')
    query = {"additional-fields[flow]": "definition", "fields[flow]": "name"}
    definition = api.get(f"/api/flows/{welcome}", params=query).json()["data"]["attributes"]["definition"]
    by_id = {each["id"]: each for each in definition["actions"]}
    chain, following = [], definition["entry_action_id"]
    while following is not None:
        chain.append(by_id[following]["type"])
        links = by_id[following]["links"]
        following = links["next"] if "next" in links else links["next_if_true"]
    assert chain == ["time-delay", "send-email", "conditional-split", "send-sms"]
    assert [each.action_type for each in sandbox.store.actions_of(welcome)] == chain
    assert "definition" not in api.get(f"/api/flows/{welcome}").json()["data"]["attributes"]


def test_an_empty_flow_has_an_empty_definition(api: requests.Session) -> None:
    (half,) = ids(api, "/api/flows", filter='equals(trigger_type,"Unconfigured")')
    query = {"additional-fields[flow]": "definition", "include": "flow-actions"}
    document = api.get(f"/api/flows/{half}", params=query).json()
    definition = document["data"]["attributes"]["definition"]
    assert definition == {"triggers": [], "profile_filter": None, "actions": [], "entry_action_id": None}
    assert document["included"] == []


@pytest.fixture
def acting(sandbox: Sandbox) -> str:
    """A flow of three actions, the last one with two messages."""
    sandbox.store.put(flow("F"))
    for place, (kind, status) in enumerate((("send-sms", "live"), ("time-delay", None), ("send-email", "draft"))):
        at = T0 + place
        sandbox.store.put(
            FlowAction(
                id=str(7 + place),
                flow_id="F",
                action_type=kind,
                status=status,
                created=at,
                updated=at,
                definition={"id": str(7 + place), "type": kind},
            )
        )
    for name in ("one", "two"):
        sandbox.store.put(
            FlowMessage(id=name, action_id="9", name=f"mail {name}", created=T0, updated=T0, definition={})
        )
    return "/api/flows/F/flow-actions"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["7", "8", "9"]),
        ({"sort": "-created"}, ["9", "8", "7"]),
        ({"sort": "action_type"}, ["9", "7", "8"]),
        ({"sort": "status"}, ["8", "9", "7"]),
        ({"filter": "any(action_type,['send-sms','send-email'])"}, ["7", "9"]),
        ({"filter": "equals(status,'draft')"}, ["9"]),
        ({"filter": "greater-than(updated,2026-05-28T20:26:40Z)"}, ["8", "9"]),
    ],
)
def test_actions_are_listed(
    api: requests.Session, acting: str, query: dict[str, str], expected: list[str]
) -> None:
    assert ids(api, acting, **query) == expected


@pytest.mark.usefixtures("acting")
def test_messages_of_an_action_are_listed(api: requests.Session) -> None:
    assert ids(api, "/api/flow-actions/9/flow-messages", sort="-name") == ["two", "one"]
    assert ids(api, "/api/flow-actions/9/flow-messages", filter="ends-with(name,'two')") == ["two"]
    assert ids(api, "/api/flow-actions/8/flow-messages") == []
    action = api.get("/api/flow-actions/9", params={"include": "flow,flow-messages"}).json()
    assert action["data"]["relationships"]["flow-messages"]["data"] == [
        {"type": "flow-message", "id": "one"},
        {"type": "flow-message", "id": "two"},
    ]
    assert [each["type"] for each in action["included"]] == ["flow", "flow-message", "flow-message"]
    message = api.get("/api/flow-messages/one", params={"include": "template"}).json()
    assert message["data"]["relationships"]["template"]["data"] is None
    assert message["included"] == []


@pytest.mark.usefixtures("acting")
def test_flows_actions_and_messages_can_be_changed(sandbox: Sandbox, api: requests.Session) -> None:
    changed = sandbox.store.get(Flow, "F")
    assert changed
    sandbox.store.put(replace(changed, status="manual", updated=T0 + 5))
    attributes = api.get("/api/flows/F").json()["data"]["attributes"]
    assert (attributes["status"], attributes["updated"]) == ("manual", "2026-05-28T20:26:45+00:00")


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/api/flows/NOPE01", "A flow with id NOPE01 does not exist."),
        ("/api/flows/NOPE01/flow-actions", "A flow with id NOPE01 does not exist."),
        ("/api/flow-actions/1", "An action with id 1 does not exist."),
        ("/api/flow-actions/1/flow-messages", "An action with id 1 does not exist."),
        ("/api/flow-messages/NOPE01", "A flow message with id NOPE01 does not exist."),
    ],
)
def test_what_does_not_exist_is_told_as_recorded(api: requests.Session, path: str, detail: str) -> None:
    response = api.get(path)
    assert response.status_code == 404
    assert response.json()["errors"][0]["detail"] == detail
