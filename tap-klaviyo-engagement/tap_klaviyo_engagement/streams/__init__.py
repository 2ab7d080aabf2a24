"""Every stream of the tap, in the order in which they are read, and which of them an API revision has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from klaviyo_wire.endpoints import ENDPOINTS
from klaviyo_wire.revisions import newest
from tap_klaviyo_engagement.streams.accounts import Accounts
from tap_klaviyo_engagement.streams.billing import BillingUsage
from tap_klaviyo_engagement.streams.brands import BrandButtons, BrandColors, BrandLogos, BrandSocialGroups
from tap_klaviyo_engagement.streams.campaigns import CampaignMessages, Campaigns
from tap_klaviyo_engagement.streams.catalog import (
    CatalogCategories,
    CatalogCategoryItems,
    CatalogItems,
    CatalogVariants,
)
from tap_klaviyo_engagement.streams.content import Images, TrackingSettings, UniversalContent, WebFeeds
from tap_klaviyo_engagement.streams.coupons import CouponCodeJobs, CouponCodes, Coupons
from tap_klaviyo_engagement.streams.events import Events
from tap_klaviyo_engagement.streams.flows import (
    FlowActions,
    FlowMessages,
    Flows,
    ListFlowTriggers,
    MetricFlowTriggers,
    SegmentFlowTriggers,
)
from tap_klaviyo_engagement.streams.forms import Forms, FormVersions
from tap_klaviyo_engagement.streams.imports import ProfileImportErrors, ProfileImportJobs
from tap_klaviyo_engagement.streams.lists import Lists
from tap_klaviyo_engagement.streams.memberships import ListMemberships, MembershipSnapshots, SegmentMemberships
from tap_klaviyo_engagement.streams.metrics import CustomMetrics, MappedMetrics, MetricProperties, Metrics
from tap_klaviyo_engagement.streams.objects import (
    DataSources,
    ObjectIngestionLogs,
    ObjectRecords,
    ObjectSchemas,
    ObjectTypes,
)
from tap_klaviyo_engagement.streams.omnichannel import (
    CampaignAudiences,
    CampaignVariations,
    OmnichannelCampaignMessages,
    OmnichannelCampaigns,
)
from tap_klaviyo_engagement.streams.profiles import ProfileIds, ProfilePredictiveAnalytics, Profiles
from tap_klaviyo_engagement.streams.push_tokens import PushTokens
from tap_klaviyo_engagement.streams.reports import (
    CampaignValues,
    FlowSeries,
    FlowValues,
    FormSeries,
    FormValues,
    SegmentSeries,
    SegmentValues,
)
from tap_klaviyo_engagement.streams.resource_ids import ResourceIds
from tap_klaviyo_engagement.streams.reviews import Reviews
from tap_klaviyo_engagement.streams.segments import Segments
from tap_klaviyo_engagement.streams.tags import (
    CampaignTags,
    FlowTags,
    ListTags,
    OmnichannelCampaignTags,
    SegmentTags,
    TagGroups,
    Tags,
)
from tap_klaviyo_engagement.streams.templates import Templates
from tap_klaviyo_engagement.streams.webhooks import Webhooks

if TYPE_CHECKING:
    from tap_klaviyo_engagement.stream_kinds.listed_stream import KlaviyoStream

STREAMS: tuple[type[KlaviyoStream], ...] = (
    Accounts,
    Metrics,
    CustomMetrics,
    MappedMetrics,
    MetricProperties,
    Tags,
    TagGroups,
    Lists,
    Segments,
    Forms,
    FormVersions,
    Webhooks,
    Templates,
    UniversalContent,
    Images,
    WebFeeds,
    TrackingSettings,
    BrandColors,
    BrandLogos,
    BrandButtons,
    BrandSocialGroups,
    BillingUsage,
    Campaigns,
    OmnichannelCampaigns,
    CampaignAudiences,
    CampaignMessages,
    OmnichannelCampaignMessages,
    CampaignVariations,
    Flows,
    FlowActions,
    FlowMessages,
    CampaignTags,
    OmnichannelCampaignTags,
    FlowTags,
    ListTags,
    SegmentTags,
    ListFlowTriggers,
    SegmentFlowTriggers,
    MetricFlowTriggers,
    Profiles,
    ProfilePredictiveAnalytics,
    Events,
    ListMemberships,
    SegmentMemberships,
    ProfileIds,
    ProfileImportJobs,
    ProfileImportErrors,
    PushTokens,
    CatalogItems,
    CatalogVariants,
    CatalogCategories,
    CatalogCategoryItems,
    Coupons,
    CouponCodes,
    CouponCodeJobs,
    Reviews,
    DataSources,
    ObjectTypes,
    ObjectSchemas,
    ObjectRecords,
    ObjectIngestionLogs,
    CampaignValues,
    FlowValues,
    FlowSeries,
    SegmentValues,
    SegmentSeries,
    FormValues,
    FormSeries,
    ResourceIds,  # after all that it tells of
    MembershipSnapshots,  # last: it tells what others did
)
"""Every declaration. Those of one name are of different API revisions."""

SWITCHED: Mapping[type[KlaviyoStream], str] = {ProfilePredictiveAnalytics: "include_predictive_analytics"}
"""Streams that exist only while a setting is on."""


def revision_of(stream: type[KlaviyoStream]) -> str:
    """The API revision a declaration is written for; empty if it makes no request."""
    return ENDPOINTS[stream.operation].revision if stream.operation else ""


def streams_for(revision: str) -> tuple[type[KlaviyoStream], ...]:
    """The streams there are at an API revision: of the declarations with one name the newest that is not newer.

    Raises:
        ConfigurationError: the revision is none, or older than every declaration.
    """
    return newest(STREAMS, revision, name=lambda stream: stream.name, since=revision_of)
