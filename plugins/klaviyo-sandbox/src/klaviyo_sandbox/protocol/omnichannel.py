"""Campaigns as revision 2026-10-15 shows them: campaign, audiences, messages, variations.

They are the stored campaigns of one channel, seen through the newer model: a campaign has one audience, a message
one variation. Shapes are those of the models of Klaviyo's SDK of that revision (klaviyo-api 25.0.0), which leaves
a variation's `details` open; those are what the campaigns overview of the beta revision lists per channel.

Which relationships name what they lead to is not known. Here a resource names what it belongs to; the rest is
named only when included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import UNSET

from klaviyo_sandbox.model import times
from klaviyo_sandbox.model.records import Campaign, CampaignMessage
from klaviyo_sandbox.protocol.resources import Names, Related, Resources, identifier, identifiers

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Campaign, CampaignMessage, Json

STATUS = "lower(substr(campaigns.status, 1, instr(campaigns.status || ':', ':') - 1))"
"""SQL for what `status` says."""

_STRATEGIES = {"immediate": "static", "throttled": "throttled", "smart_send_time": "send_time_optimization"}
_TIME = 10  # characters of a ULID that tell its time


def other_id(known: str) -> str:
    """The id of a campaign's audience, or of a message's variation; each is made of the other by `known_id`."""
    return known[:_TIME] + known[_TIME + 1 :] + known[_TIME : _TIME + 1]


def known_id(other: str) -> str:
    """The id of the campaign, or of the message, that an audience's or a variation's id was made of."""
    return other[:_TIME] + other[_TIME:][-1:] + other[_TIME:-1]


def status(campaign: Campaign) -> str:
    """`draft`, `scheduled`, `sending`, `sent` or `cancelled`; the reason of a cancellation is left out."""
    return campaign.status.partition(":")[0].lower()


class OmnichannelResources(Resources):
    """Renders campaigns of revision 2026-10-15."""

    def whole_campaign(
        self,
        campaign: Campaign,
        message_ids: Sequence[str],
        names: Names = None,
        *,
        included: frozenset[str] = frozenset(),
        tag_ids: Sequence[str] = (),
    ) -> Json:
        """A campaign."""
        attributes = {
            "created_at": times.micros(campaign.created_at),
            "updated_at": times.micros(campaign.updated_at),
            "definition": {
                "name": campaign.name,
                "builder": "wizard",
                "archived": campaign.archived,
                "color": None,
                "description": None,
                "send_settings": {
                    "send_timezone": "UTC",
                    "send_strategy": _strategy(campaign),
                    "send_passed_rltz_immediately": _options(campaign).get(
                        "send_past_recipients_immediately", False
                    ),
                    "exit_condition_enabled": False,
                    "exit_condition_conversion_metric_id": None,
                },
            },
        }
        related: dict[str, Related] = {
            "campaign-audiences": [identifier("campaign-audience", other_id(campaign.id))],
            "campaign-messages": identifiers("campaign-message", message_ids),
            "tags": identifiers("tag", tag_ids),
        }
        relationships = {name: data if name in included else UNSET for name, data in related.items()}
        return self._resource("campaign", campaign.id, attributes, names, relationships)

    def audience(
        self,
        campaign: Campaign,
        message_ids: Sequence[str],
        names: Names = None,
        *,
        included: frozenset[str] = frozenset(),
    ) -> Json:
        """The audience of a campaign."""
        attributes = {
            "created": times.micros(campaign.created_at),
            "updated": times.micros(campaign.updated_at),
            "definition": {
                "name": campaign.name,
                "included": campaign.audiences["included"],
                "excluded": campaign.audiences["excluded"],
                "priority": 1,
            },
        }
        messages = identifiers("campaign-message", message_ids) if "campaign-messages" in included else UNSET
        relationships: dict[str, Related] = {
            "campaign": identifier("campaign", campaign.id),
            "campaign-messages": messages,
        }
        return self._resource("campaign-audience", other_id(campaign.id), attributes, names, relationships)

    def whole_message(
        self,
        message: CampaignMessage,
        campaign: Campaign,
        names: Names = None,
        *,
        included: frozenset[str] = frozenset(),
    ) -> Json:
        """A message. Its status is the campaign's, so what changes that updates the message."""
        tracking, options = campaign.tracking_options or {}, campaign.send_options
        attributes = {
            "created": times.micros(message.created_at),
            "updated": times.micros(max(message.updated_at, campaign.updated_at)),
            "definition": {
                "name": message.label,
                "status": status(campaign),
                "tracking_options": {
                    "is_add_utm": tracking.get("add_tracking_params", False),
                    "is_tracking_clicks": tracking.get("is_tracking_clicks"),
                    "is_tracking_opens": tracking.get("is_tracking_opens"),
                },
                "send_options": {
                    "send_time": times.maybe_micros(campaign.send_time),
                    "send_times": None,
                    "send_strategy": _strategy(campaign),
                    "recipient_percentage": campaign.send_strategy.get("throttle_percentage"),
                    "throttling_type": "none",
                    "throttle_unit": None,
                    "is_ignoring_unsubscribes": options.get("ignore_unsubscribes", False),
                },
                "ab_test": None,
            },
        }
        variations = [identifier("campaign-variation", other_id(message.id))]
        relationships: dict[str, Related] = {
            "campaign": identifier("campaign", campaign.id),
            "campaign-audience": identifier("campaign-audience", other_id(campaign.id)),
            "campaign-variations": variations if "campaign-variations" in included else UNSET,
        }
        return self._resource("campaign-message", message.id, attributes, names, relationships)

    def variation(
        self, message: CampaignMessage, names: Names = None, *, included: frozenset[str] = frozenset()
    ) -> Json:
        """The variation of a message: what it says."""
        attributes = {
            "created": times.micros(message.created_at),
            "updated": times.micros(message.updated_at),
            "definition": {"name": message.label, "details": _details(message)},
        }
        relationships: dict[str, Related] = {
            "campaign-message": identifier("campaign-message", message.id),
            "translation": None if "translation" in included else UNSET,
            "image": None if "image" in included else UNSET,
        }
        return self._resource("campaign-variation", other_id(message.id), attributes, names, relationships)


def _options(campaign: Campaign) -> Json:
    options: Json = campaign.send_strategy.get("options", {})
    return options


def _strategy(campaign: Campaign) -> str:
    if _options(campaign).get("is_local"):
        return "local_timezone"
    return _STRATEGIES.get(campaign.send_strategy["method"], "static")


def _details(message: CampaignMessage) -> Json:
    content = message.content
    if message.channel == "email":
        return {"channel": "email", "template_id": message.template_id, **content}
    if message.channel == "sms":
        told = {"body": content.get("body"), "shorten_links": True, "include_contact_card": False}
        return {"channel": "sms", "template_id": message.template_id, **told}
    told = {"title": content.get("title"), "body": content.get("body"), "static_asset_id": None}
    return {
        "channel": "push",
        **told,
        "ios_deep_link": None,
        "android_deep_link": None,
        "sound": False,
        "badge": False,
    }
