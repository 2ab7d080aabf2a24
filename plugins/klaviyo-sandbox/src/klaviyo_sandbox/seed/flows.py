"""The flows of the seeded shop: what is sent to one person at a time, because of what the person did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from klaviyo_sandbox.model import ids
from klaviyo_sandbox.model.metric_names import ORDERED
from klaviyo_sandbox.model.records import Flow, FlowAction, FlowMessage, Template
from klaviyo_sandbox.seed.people import DAY
from klaviyo_sandbox.state.campaigns import copy_of

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Group, Json, Template
    from klaviyo_sandbox.simulation.engagement import Sending
    from klaviyo_sandbox.state.store import Store

# Klaviyo's, in its order of magnitude (recorded).
_ACTION_IDS = range(100_000_000, 200_000_000)
# "Email" is recorded; the others are written alike.
_CHANNELS = {"send-email": "Email", "send-sms": "SMS", "send-mobile-push": "Push"}
_SENT: dict[str, Json] = {
    "send-email": {
        "from_email": "hello@shop.example",
        "from_label": "The shop",
        "reply_to_email": "hello@shop.example",
        "cc_email": None,
        "bcc_email": None,
        "preview_text": "",
        "smart_sending_enabled": True,
        "transactional": False,
        "add_tracking_params": False,
        "custom_tracking_params": None,
        "additional_filters": None,
    },
    "send-sms": {
        "image_id": None,
        "dynamic_image": None,
        "message_hierarchy": None,
        "shorten_links": True,
        "include_contact_card": False,
        "add_org_prefix": True,
        "add_info_link": True,
        "add_opt_out_language": False,
        "smart_sending_enabled": True,
        "sms_quiet_hours_enabled": True,
        "transactional": False,
        "add_tracking_params": False,
        "custom_tracking_params": None,
        "template_id": None,
        "additional_filters": None,
    },
    "send-mobile-push": {"sound": False, "badge": False, "on_open": "home", "push_type": "standard"},
}
"""What a message of a kind of action says beside its text."""
_DONE: dict[str, Json] = {
    "time-delay": {"unit": "hours", "value": 4, "secondary_value": 0, "timezone": "profile"},
    "conditional-split": {
        "profile_filter": {
            "condition_groups": [
                {
                    "conditions": [
                        {
                            "type": "profile-property",
                            "property": "properties['VIP']",
                            "filter": {"type": "boolean", "operator": "equals", "value": True},
                        }
                    ]
                }
            ]
        }
    },
    "update-profile": {
        "profile_operations": [
            {"operator": "update", "property_type": "string", "property_key": "Journey", "property_value": "buyer"}
        ],
        "status": "live",
    },
}
"""What the other kinds of action do."""


_SEGMENT = "segment"
"""A trigger that Klaviyo has no type of its own for: such a flow is shown as one that a list triggers."""


class _Plan(NamedTuple):
    """A flow: its name, trigger, steps, and how many days ago it was made and last changed."""

    name: str
    trigger: str
    steps: str
    made: int
    changed: int
    status: str = "live"
    archived: bool = False


# The first ones, older than the history of events, sent the mails of it.
_PLANS = (
    _Plan("Welcome", "Added to List", "time-delay send-email conditional-split send-sms", 700, 40),
    _Plan("After the first order", "Metric", "send-email update-profile", 650, 12),
    _Plan("Abandoned cart", "Metric", "time-delay send-email time-delay send-sms send-mobile-push", 600, 12),
    _Plan("Win-back", "Metric", "time-delay send-email", 400, 90),
    _Plan("Herzlichen Glückwunsch 🎂", "Date Based", "send-email", 300, 150, "manual"),
    _Plan("Price drop", "Price Drop", "send-email send-mobile-push", 120, 100, "draft"),
    _Plan("Nearly gone", "Low Inventory", "send-email", 90, 2, "manual"),
    _Plan("Half-finished flow", "Unconfigured", "", 5, 5, "draft"),
    _Plan("Old welcome", _SEGMENT, "time-delay send-email", 1_000, 700, "draft", archived=True),
    _Plan("Last year's sale", "Metric", "send-email send-sms", 500, 12, "manual", archived=True),
)


def add_flows(  # noqa: PLR0913
    store: Store,
    mails: Sequence[Sending],
    *,
    template: Template,
    newsletter: Group,
    audience: Group,
    metrics: Mapping[str, str],
    rng: Random,
    now: int,
) -> None:
    """Fill the account with flows.

    Args:
        store: the account.
        mails: what flows sent in the history of events: one mail of each of the first flows.
        template: what mails are made of.
        newsletter: whose new members are welcomed.
        audience: a segment that a flow begins with, too.
        metrics: ids by name.
        rng: decides the rest.
        now: the present, seconds.
    """
    triggers = _triggers(newsletter.id, metrics) | {_SEGMENT: {"type": "segment", "id": audience.id}}
    sent = dict(zip(_PLANS, mails, strict=False))
    first_id = rng.choice(_ACTION_IDS)
    for plan in _PLANS:
        mail = sent.get(plan)
        flow = Flow(
            id=(mail and mail.flow_id) or ids.short(rng),
            name=plan.name,
            status=plan.status,
            archived=plan.archived,
            created=now - plan.made * DAY,
            updated=now - plan.changed * DAY,
            trigger_type="Added to List" if plan.trigger == _SEGMENT else plan.trigger,
            triggers=[triggers[plan.trigger]] if plan.trigger in triggers else [],
        )
        store.put(flow)
        steps = plan.steps.split()
        for place, step in enumerate(steps, first_id):
            created = flow.created + place - first_id
            action = FlowAction(
                id=str(place),
                flow_id=flow.id,
                action_type=step,
                status=_DONE.get(step, {}).get("status"),
                created=created,
                # What a flow consists of can be changed without the flow's own date telling.
                updated=created + int((now - 3_600 - created) * rng.random()),
                definition=_definition(step, place, last=first_id + len(steps) - 1),
            )
            if step in _CHANNELS:
                action = _sending(store, action, plan=plan, mail=mail, template=template, rng=rng)
            store.put(action)
        first_id += len(steps)


def _triggers(newsletter_id: str, metrics: Mapping[str, str]) -> dict[str, Json]:
    """What starts a flow, by its type of trigger."""
    return {
        "Added to List": {"type": "list", "id": newsletter_id},
        "Metric": {"type": "metric", "id": metrics[ORDERED], "trigger_filter": None},
        "Date Based": {
            "type": "date",
            "date_field_type": "profile-property",
            "date_profile_property": "Birthday",
            "timedelta_unit_before_date": "days",
            "timedelta_value_before_date": 0,
            "recurrence_frequency": "annually",
            "timezone": "profile",
            "trigger_time": "09:00:00",
        },
        "Price Drop": {
            "type": "price-drop",
            "trigger_filter": None,
            "price_drop_amount_value": 10,
            "price_drop_amount_unit": "percent",
            "audience": ["viewed"],
            "timeframe_days": 30,
        },
        "Low Inventory": {
            "type": "low-inventory",
            "product_level": "product",
            "trigger_filter": None,
            "inventory_count": 5,
            "audience": ["viewed"],
            "timeframe_days": 30,
        },
    }


def _definition(step: str, number: int, *, last: int) -> Json:
    """What an action is, in a chain of numbered ones; who does not meet a condition leaves the flow."""
    following = None if number == last else str(number + 1)
    split = step == "conditional-split"
    return {
        "id": str(number),
        "type": step,
        "data": _DONE.get(step, {}),
        "links": {"next_if_true": following, "next_if_false": None} if split else {"next": following},
    }


def _sending(  # noqa: PLR0913
    store: Store, action: FlowAction, *, plan: _Plan, mail: Sending | None, template: Template, rng: Random
) -> FlowAction:
    """The action with its message, which is stored, with its copy of the template."""
    is_mail = action.action_type == "send-email"
    template_id = None
    if is_mail:
        copy = copy_of(template, rng, action.created)
        store.put(copy)
        template_id = copy.id
    channel = _CHANNELS[action.action_type]
    text = mail.subject if mail and is_mail else f"{plan.name}: a word from the shop"
    message = FlowMessage(
        id=mail.message_id if mail and is_mail else ids.short(rng),
        action_id=action.id,
        name=mail.name if mail and is_mail else f"{plan.name}, {channel}",
        channel=channel,
        template_id=template_id,
        created=action.created,
        updated=action.updated,
        definition={},
    )
    own = {"subject_line": text, "template_id": template_id} if is_mail else {"body": text}
    definition = {**_SENT[action.action_type], **own, "name": message.name, "id": message.id}
    store.put(replace(message, definition=definition))
    data = {"message": definition, "status": plan.status}
    return replace(action, status=plan.status, definition={**action.definition, "data": data})
