"""The sinks, one module each. A new one is its module and its line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_klaviyo_profiles.sinks.campaign_message_templates import CampaignMessageTemplates
from target_klaviyo_profiles.sinks.events import Events
from target_klaviyo_profiles.sinks.list_members import ListMembers
from target_klaviyo_profiles.sinks.profile_deletions import ProfileDeletions
from target_klaviyo_profiles.sinks.profiles import Profiles
from target_klaviyo_profiles.sinks.subscriptions import Subscriptions
from target_klaviyo_profiles.sinks.suppressions import Suppressions
from target_klaviyo_profiles.sinks.templates import Templates

if TYPE_CHECKING:
    from target_klaviyo_profiles.sinks.base import Sink

SINKS: tuple[type[Sink], ...] = (
    Profiles,
    Events,
    ListMembers,
    Subscriptions,
    Suppressions,
    Templates,
    CampaignMessageTemplates,
    ProfileDeletions,
)
"""Every sink; the stream each takes is its `stream`."""
