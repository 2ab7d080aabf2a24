"""The sinks, one module each. A new one is its module and its line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_wire.revisions import newest
from target_klaviyo_profiles.sinks.campaign_message_templates import (
    CampaignMessageTemplates,
    CampaignVariationTemplates,
)
from target_klaviyo_profiles.sinks.events import Events
from target_klaviyo_profiles.sinks.list_members import ListMembers
from target_klaviyo_profiles.sinks.profile_deletions import ProfileDeletions
from target_klaviyo_profiles.sinks.profiles import Profiles
from target_klaviyo_profiles.sinks.subscriptions import Subscriptions, SubscriptionsWithClicks
from target_klaviyo_profiles.sinks.suppressions import Suppressions
from target_klaviyo_profiles.sinks.templates import Templates

if TYPE_CHECKING:
    from target_klaviyo_profiles.sinks.base import Sink

SINKS: tuple[type[Sink], ...] = (
    Profiles,
    Events,
    ListMembers,
    Subscriptions,
    SubscriptionsWithClicks,
    Suppressions,
    Templates,
    CampaignMessageTemplates,
    CampaignVariationTemplates,
    ProfileDeletions,
)
"""Every declaration; the stream each takes is its `stream`. Those of one stream are of different API revisions."""


def sinks_for(revision: str) -> tuple[type[Sink], ...]:
    """The sinks there are at an API revision: of the declarations of one stream the newest that is not newer.

    Raises:
        ConfigurationError: the revision is none, or older than every declaration.
    """
    return newest(SINKS, revision, name=lambda sink: sink.stream, since=lambda sink: sink.revision())
