"""Every stream of the tap, in the order in which they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_klaviyo_engagement.streams.campaigns import CampaignMessages, Campaigns
from tap_klaviyo_engagement.streams.events import Events
from tap_klaviyo_engagement.streams.lists import Lists
from tap_klaviyo_engagement.streams.memberships import ListMemberships, MembershipSnapshots, SegmentMemberships
from tap_klaviyo_engagement.streams.metrics import Metrics
from tap_klaviyo_engagement.streams.profiles import Profiles
from tap_klaviyo_engagement.streams.segments import Segments
from tap_klaviyo_engagement.streams.templates import Templates

if TYPE_CHECKING:
    from tap_klaviyo_engagement.client import KlaviyoStream

STREAMS: tuple[type[KlaviyoStream], ...] = (
    Metrics,
    Lists,
    Segments,
    Templates,
    Campaigns,
    CampaignMessages,
    Profiles,
    Events,
    ListMemberships,
    SegmentMemberships,
    MembershipSnapshots,  # last: it tells what the two before it did
)
