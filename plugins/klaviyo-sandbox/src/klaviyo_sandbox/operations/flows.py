"""Flows, their actions, and the messages that these send."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from klaviyo_sandbox.model.errors import refuse, refuse_unknown
from klaviyo_sandbox.model.records import Flow, FlowAction, FlowMessage, Json, Template
from klaviyo_sandbox.operations import related
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.state.pages import Column, listing_of

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Answer, Call

_DATES = {"created": Column("created"), "updated": Column("updated")}
_FLOWS = listing_of(Flow)
_ACTIONS = listing_of(FlowAction, where="flow_id = ?")
_MESSAGES = listing_of(FlowMessage, where="action_id = ?")


@operation
def get_flows(call: Call) -> Answer:
    """A page of flows; archived ones only when asked for."""
    _check_dates(call)
    archived = call.query.values_of("archived")
    page = _FLOWS.page(call.store, call.query, more=(lambda _: "not archived") if archived is None else None)
    flows = _FLOWS.records(page)
    actions = [_actions_of(call, each) for each in flows]
    tags = related.tags_of(call, [each.id for each in flows])
    resources = [_flow(call, flow, own, tags) for flow, own in zip(flows, actions, strict=True)]
    return call.many(
        resources, page=page, included=_included(call, [each for own in actions for each in own], tags)
    )


@operation
def get_flow(call: Call) -> Answer:
    """One flow, with its definition if asked."""
    flow = _found_flow(call, call.path["id"])
    actions = _actions_of(call, flow)
    tags = related.tags_of(call, [flow.id])
    resource = _flow(call, flow, actions, tags)
    if "definition" in call.query.additional.get("flow", ()):
        resource["attributes"]["definition"] = {
            "triggers": flow.triggers,
            "profile_filter": flow.profile_filter,
            "actions": [each.definition for each in actions],
            "entry_action_id": min((each.id for each in actions), default=None),
        }
    return call.one(resource, included=_included(call, actions, tags))


@operation
def get_actions_for_flow(call: Call) -> Answer:
    """A page of a flow's actions."""
    flow = _found_flow(call, call.path["id"])
    page = _ACTIONS.page(call.store, call.query, [flow.id])
    found = _ACTIONS.records(page)
    names = call.fields("flow-action")
    return call.many([call.resources.flow_action(each, names=names) for each in found], page=page)


@operation
def get_flow_action(call: Call) -> Answer:
    """One action, with its flow and its messages if asked."""
    action, asked = _found_action(call), call.query.include
    messages = call.store.messages_of_action(action.id) if "flow-messages" in asked else None
    included: list[Json] = []
    if "flow" in asked:
        flow = _found_flow(call, action.flow_id)
        included.append(call.resources.flow(flow, names=call.fields("flow")))
    names = call.fields("flow-message")
    included += [call.resources.flow_message(each, names) for each in messages or ()]
    message_ids = None if messages is None else [each.id for each in messages]
    resource = call.resources.flow_action(action, message_ids, call.fields("flow-action"))
    return call.one(resource, included=included if asked else None)


@operation
def get_flow_action_messages(call: Call) -> Answer:
    """A page of an action's messages."""
    action = _found_action(call)
    page = _MESSAGES.page(call.store, call.query, [action.id])
    found = _MESSAGES.records(page)
    names = call.fields("flow-message")
    return call.many([call.resources.flow_message(each, names) for each in found], page=page)


@operation
def get_flow_message(call: Call) -> Answer:
    """One message, with its action and its template if asked."""
    message, asked = call.store.get(FlowMessage, call.path["id"]), call.query.include
    if message is None:
        refuse_unknown(f"A flow message with id {call.path['id']} does not exist.")
    included: list[Json] = []
    action = call.store.get(FlowAction, message.action_id)
    if "flow-action" in asked and action is not None:
        included.append(call.resources.flow_action(action, names=call.fields("flow-action")))
    template = call.store.get(Template, message.template_id) if message.template_id else None
    if "template" in asked and template is not None:
        included.append(call.resources.template(template, call.fields("template")))
    resource = call.resources.flow_message(message, call.fields("flow-message"))
    return call.one(resource, included=included if asked else None)


def _check_dates(call: Call) -> None:
    """Refuse what the listing refuses (recorded): a date ahead, and an order by anything but the date filtered."""
    now = call.account.clock.now()
    for each in call.query.conditions:
        if each.field not in _DATES:
            continue
        if any(isinstance(value, datetime) and value > now for value in each.values):
            refuse(f"The date of the filter on {each.field} is in the future.", parameter="filter")
        if call.query.sort != each.field:
            refuse(f"A listing that is filtered by {each.field} must be sorted by it.", parameter="sort")


def _actions_of(call: Call, flow: Flow) -> list[FlowAction]:
    """Its actions if the answer shows them, the latest first (recorded)."""
    shown = "flow-actions" in call.query.include or "definition" in call.query.additional.get("flow", ())
    return call.store.actions_of(flow.id)[::-1] if shown else []


def _flow(call: Call, flow: Flow, actions: Sequence[FlowAction], tags: related.Related) -> Json:
    action_ids, names = [each.id for each in actions], call.fields("flow")
    return call.resources.flow(flow, action_ids, names, included=call.query.include, tag_ids=tags.get(flow.id, ()))


def _included(call: Call, actions: Sequence[FlowAction], tags: related.Related) -> list[Json] | None:
    asked, names = call.query.include, call.fields("flow-action")
    if not asked:
        return None
    shown = actions if "flow-actions" in asked else ()
    return [*(call.resources.flow_action(each, names=names) for each in shown), *related.included(call, tags)]


def _found_flow(call: Call, flow_id: str) -> Flow:
    flow = call.store.get(Flow, flow_id)
    if flow is None:
        refuse_unknown(f"A flow with id {flow_id} does not exist.")
    return flow


def _found_action(call: Call) -> FlowAction:
    action = call.store.get(FlowAction, call.path["id"])
    if action is None:
        refuse_unknown(f"An action with id {call.path['id']} does not exist.")
    return action
