"""Makes drafts of campaigns, and the copies of templates that belong to messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

from msgspec.structs import replace

from klaviyo_sandbox.model import ids
from klaviyo_sandbox.model.records import Campaign, CampaignMessage, Template

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Group, Json, Template
    from klaviyo_sandbox.state.store import Store

_CONTENT: dict[str, Json] = {
    "email": {
        "preview_text": "",
        "from_email": "hello@shop.example",
        "from_label": "The shop",
        "reply_to_email": "hello@shop.example",
        "cc_email": "",
        "bcc_email": "",
    },
    "sms": {"media_url": ""},
    "mobile_push": {},
}


def draft(
    rng: Random, name: str, audience_ids: Sequence[str], at: int, channel: str = "email"
) -> tuple[Campaign, CampaignMessage]:
    """A campaign that is not sent yet, and its message; the name is the subject, or the text, too.

    Args:
        rng: decides the ids.
        name: of the campaign.
        audience_ids: lists and segments to send to.
        at: when it is made, seconds.
        channel: `email`, `sms` or `mobile_push`.
    """
    moment = datetime.fromtimestamp(at, UTC).replace(microsecond=rng.randrange(1_000_000))
    campaign = Campaign(
        id=ids.ulid(rng, at),
        name=name,
        channel=channel,
        audiences={"included": list(audience_ids), "excluded": []},
        send_options={"use_smart_sending": False, "ignore_unsubscribes": False},
        tracking_options={
            "add_tracking_params": False,
            "custom_tracking_params": [],
            "is_tracking_clicks": True,
            "is_tracking_opens": True,
        },
        send_strategy={"method": "immediate"},
        created_at=moment,
        updated_at=moment,
    )
    message = CampaignMessage(
        id=ids.ulid(rng, at),
        campaign_id=campaign.id,
        channel=channel,
        label=name,
        content={("subject" if channel == "email" else "body"): name, **_CONTENT[channel]},
        created_at=moment,
        updated_at=moment,
    )
    return campaign, message


def copy_of(template: Template, rng: Random, at: int) -> Template:
    """The copy that Klaviyo makes when a template is assigned to a message; later edits do not reach it."""
    name = f"Clone of {template.id}"
    return replace(template, id=ids.short(rng), name=name, created=at, updated=at, reusable=False)


def create_campaign(store: Store, template: Template, audience: Group, *, name: str, at: int) -> CampaignMessage:
    """Make an e-mail campaign that is ready to send.

    Args:
        store: the account.
        template: what to send.
        audience: whom to send it to.
        name: of the campaign.
        at: when it is made, seconds. The ids come from the name and this.

    Returns:
        The campaign's message.
    """
    rng = Random(f"{name}:{at}")  # noqa: S311 - a simulation
    campaign, message = draft(rng, name, [audience.id], at)
    copy = copy_of(template, rng, at)
    message = replace(message, template_id=copy.id)
    with store.transaction():
        store.put(copy)
        store.put(replace(campaign, status="Scheduled", scheduled_at=campaign.created_at))
        store.put(message)
    return message
