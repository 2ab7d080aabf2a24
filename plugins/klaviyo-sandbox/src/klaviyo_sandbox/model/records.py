"""What the sandbox holds: one record per resource, each with the declaration of its table.

To add one: a class here with a `table`, its look in `protocol/resources.py`, its handlers in `operations/`.

Times: Klaviyo keeps whole seconds on profiles, events, metrics, lists, segments, templates, flows and forms, so
these are `int` seconds since the epoch; consent, suppressions, campaigns and webhooks have microseconds and are
aware `datetime`s in UTC.
Fields that Klaviyo answers as objects are plain JSON dictionaries.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal

from msgspec import Struct, field

from klaviyo_sandbox.model.tables import Column, Key, Table

Json = dict[str, Any]


class ConsentState(StrEnum):
    """Klaviyo's consent values."""

    SUBSCRIBED = "SUBSCRIBED"
    UNSUBSCRIBED = "UNSUBSCRIBED"
    NEVER_SUBSCRIBED = "NEVER_SUBSCRIBED"


class Origin(Struct, frozen=True, omit_defaults=True):
    """How somebody was subscribed through the API: when they consented, where, and whether they confirmed it."""

    consented_at: datetime
    source: str | None = None
    confirmed: bool = False


class Consent(Struct, frozen=True):
    """Consent of one profile on one channel; `origin` is that of a subscribe through the API."""

    state: ConsentState = ConsentState.NEVER_SUBSCRIBED
    changed_at: datetime | None = None
    origin: Origin | None = None


NEVER = Consent()


class SuppressionReason(StrEnum):
    """Why a profile gets no mail."""

    HARD_BOUNCE = "HARD_BOUNCE"
    INVALID_EMAIL = "INVALID_EMAIL"
    SPAM_COMPLAINT = "SPAM_COMPLAINT"
    UNSUBSCRIBE = "UNSUBSCRIBE"
    USER_SUPPRESSED = "USER_SUPPRESSED"


class Suppression(Struct, frozen=True):
    """A suppression of a profile; of one list only when `list_id` is set."""

    table: ClassVar = Table("suppressions", unique=("profile_id, reason, coalesce(list_id, '')",), counts={})

    profile_id: Column[str]
    reason: Column[SuppressionReason]
    at: Column[datetime]
    list_id: Column[str | None] = None


class Integration(Struct, frozen=True):
    """Where a metric's events come from. Klaviyo's own messages have the key `klaviyo`, the API `api`."""

    id: str
    key: str
    name: str
    category: str


API = Integration("7FtS4J", "api", "API", "API")
"""What writes its events through the API."""
KLAVIYO = Integration("0rG4eQ", "klaviyo", "Klaviyo", "Internal")
"""Klaviyo itself, of messages and consent."""


class Metric(Struct, frozen=True, kw_only=True):
    """A kind of event."""

    table: ClassVar = Table(
        "metrics",
        derived={
            "integration_name": lambda metric: metric.integration.name,
            "integration_category": lambda metric: metric.integration.category,
            "integration_key": lambda metric: metric.integration.key,
        },
    )

    id: Key[str]
    name: Column[str]
    created: int
    updated: int
    integration: Integration


class Event(Struct, frozen=True, kw_only=True):
    """Something a profile did at `timestamp`. A deleted profile or an unknown metric is None."""

    table: ClassVar = Table("events", made_by_hand=True)

    id: str
    uuid: str
    timestamp: int
    metric_id: str | None
    profile_id: str | None
    properties: Json


class Profile(Struct, frozen=True, kw_only=True):
    """A person."""

    table: ClassVar = Table("profiles", made_by_hand=True)

    id: str
    email: str | None = None
    phone_number: str | None = None
    external_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    organization: str | None = None
    locale: str | None = None
    title: str | None = None
    image: str | None = None
    created: int
    updated: int
    last_event_date: int | None = None
    location: Json = field(default_factory=dict)
    properties: Json = field(default_factory=dict)
    email_marketing: Consent = NEVER
    sms_marketing: Consent = NEVER
    whatsapp_marketing: Consent = NEVER
    push_marketing: Consent = NEVER
    email_open_tracking: Consent = NEVER
    email_click_tracking: Consent = NEVER
    sms_transactional: Consent = NEVER
    whatsapp_transactional: Consent = NEVER
    predictive_analytics: Json = field(default_factory=dict)


class WrittenEvent(Struct, frozen=True, kw_only=True):
    """What is known of an event that came through the API, beyond what is readable.

    `key` is the writer's `unique_id`, or without one the second it happened, as text: a profile's metric has one
    event of each key. `flows` says whether flows were told of it, that is, whether it came without `backfill`.
    """

    table: ClassVar = Table("written_events", counts={})

    event_id: Column[str]
    profile_id: Key[str]
    metric_id: Key[str]
    key: Key[str]
    timestamp: Column[int]
    received_at: Column[int]
    flows: Column[bool]


class GroupKind(StrEnum):
    """The two kinds of audience."""

    LIST = "list"
    SEGMENT = "segment"


class Group(Struct, frozen=True, kw_only=True):
    """A list or a segment. `opt_in_process` is a list's; `definition` and the flags are a segment's."""

    table: ClassVar = Table("groups", counts={"lists": "kind = 'list'", "segments": "kind = 'segment'"})

    id: Key[str]
    kind: Column[GroupKind]
    name: Column[str]
    created: Column[int]
    updated: Column[int]
    opt_in_process: str = "single_opt_in"
    definition: Json = field(default_factory=dict)
    is_active: Column[bool] = True
    is_processing: bool = False
    is_starred: Column[bool] = False


class Membership(Struct, frozen=True):
    """A profile in a group, since `joined`."""

    table: ClassVar = Table(
        "members",
        indexes=("group_id, joined, profile_id", "profile_id"),
        counts={
            "list_memberships": "group_id in (select id from groups where kind = 'list')",
            "segment_memberships": "group_id in (select id from groups where kind = 'segment')",
        },
    )

    group_id: Key[str]
    profile_id: Key[str]
    joined: Column[int]


class PushToken(Struct, frozen=True, kw_only=True):
    """A profile's device that may be written to. `metadata` is what the app told of it."""

    table: ClassVar = Table("push_tokens", indexes=("profile_id",))

    id: Key[str]
    profile_id: Column[str]
    token: str
    platform: Column[str] = "ios"
    vendor: str = "APNs"
    enablement_status: Column[str] = "AUTHORIZED"
    background: str = "AVAILABLE"
    created: Column[int]
    recorded_date: int
    metadata: Json = field(default_factory=dict)


class Conversation(Struct, frozen=True, kw_only=True):
    """A profile's conversation with the shop in one channel; what is said in it is not kept."""

    table: ClassVar = Table("conversations", indexes=("profile_id",))

    id: Key[str]
    profile_id: Column[str]
    channel: Column[str] = "sms"


class Coupon(Struct, frozen=True, kw_only=True):
    """A coupon; its id is the one that it has in the shop's system."""

    table: ClassVar = Table("coupons")

    id: Key[str]
    description: str | None = None
    monitor_configuration: Json | None = None


class CouponCode(Struct, frozen=True, kw_only=True):
    """A code of a coupon; with a profile, once somebody was given it. Its id is the coupon's with the code."""

    table: ClassVar = Table("coupon_codes", indexes=("profile_id", "coupon_id"))

    id: Key[str]
    coupon_id: Column[str]
    profile_id: Column[str | None] = None
    unique_code: Column[str]
    status: Column[str] = "UNASSIGNED"
    expires_at: Column[datetime | None] = None


class Campaign(Struct, frozen=True, kw_only=True):
    """A campaign of one channel (`email`, `sms` or `mobile_push`)."""

    table: ClassVar = Table("campaigns")

    id: Key[str]
    name: Column[str]
    channel: Column[str] = "email"
    status: Column[str] = "Draft"
    archived: Column[bool] = False
    audiences: Json
    send_options: Json
    tracking_options: Json | None = None
    send_strategy: Json
    created_at: Column[datetime]
    updated_at: Column[datetime]
    scheduled_at: Column[datetime | None] = None
    send_time: datetime | None = None


class CampaignMessage(Struct, frozen=True, kw_only=True):
    """One message of a campaign; `template_id` names the copy made when a template was assigned."""

    table: ClassVar = Table("messages", indexes=("campaign_id, created_at",), counts={"campaign_messages": "true"})

    id: Key[str]
    campaign_id: Column[str]
    channel: str = "email"
    label: Column[str]
    content: Json
    template_id: Column[str | None] = None
    send_times: list[Json] = field(default_factory=list)
    created_at: Column[datetime]
    updated_at: Column[datetime]


class Template(Struct, frozen=True, kw_only=True):
    """An e-mail template. The copy that belongs to a campaign message has `reusable` false and is not listed."""

    table: ClassVar = Table("templates", counts={"templates": "reusable"})

    id: Key[str]
    name: Column[str]
    editor_type: str = "CODE"
    html: str
    text: str | None = None
    amp: str | None = None
    created: Column[int]
    updated: Column[int]
    reusable: Column[bool] = True


class Flow(Struct, frozen=True, kw_only=True):
    """A flow: `draft`, `manual` or `live`. `triggers` and `profile_filter` are as its definition shows them."""

    table: ClassVar = Table(
        "flows",
        derived={"triggered_by": lambda flow: flow.triggers[0]["type"] if flow.triggers else ""},
        counts={
            "flows": "true",
            "list_flow_triggers": "triggered_by = 'list'",
            "segment_flow_triggers": "triggered_by = 'segment'",
            "metric_flow_triggers": "triggered_by = 'metric'",
        },
    )

    id: Key[str]
    name: Column[str]
    status: Column[str] = "draft"
    archived: Column[bool] = False
    created: Column[int]
    updated: Column[int]
    trigger_type: Column[str] = "Unconfigured"
    triggers: list[Json] = field(default_factory=list)
    profile_filter: Json | None = None


class FlowAction(Struct, frozen=True, kw_only=True):
    """A step of a flow; `status` is that of actions that send or write. The id is a number, written as text."""

    table: ClassVar = Table("flow_actions", indexes=("flow_id, id",))

    id: Key[str]
    flow_id: Column[str]
    action_type: Column[str]
    status: Column[str | None] = None
    created: Column[int]
    updated: Column[int]
    definition: Json


class FlowMessage(Struct, frozen=True, kw_only=True):
    """What an action sends; `template_id` names the copy of a template that belongs to it."""

    table: ClassVar = Table("flow_messages", indexes=("action_id, id",))

    id: Key[str]
    action_id: Column[str]
    name: Column[str]
    channel: str = "Email"
    template_id: str | None = None
    created: Column[int]
    updated: Column[int]
    definition: Json


class Tag(Struct, frozen=True, kw_only=True):
    """A tag of a group."""

    table: ClassVar = Table("tags")

    id: Key[str]
    name: Column[str]
    group_id: Column[str]


class TagLink(Struct, frozen=True):
    """A tag of a campaign, flow, list or segment: ids of these are of one space."""

    table: ClassVar = Table(
        "tag_links",
        indexes=("resource_id, tag_id",),
        counts={
            "campaign_tags": "resource_id in (select id from campaigns)",
            "flow_tags": "resource_id in (select id from flows)",
            "list_tags": "resource_id in (select id from groups where kind = 'list')",
            "segment_tags": "resource_id in (select id from groups where kind = 'segment')",
        },
    )

    tag_id: Key[str]
    resource_id: Key[str]


class TagGroup(Struct, frozen=True, kw_only=True):
    """Tags of a kind; of an exclusive group a thing has at most one tag."""

    table: ClassVar = Table("tag_groups")

    id: Key[str]
    name: Column[str]
    exclusive: Column[bool] = False
    default: Column[bool] = False


class Form(Struct, frozen=True, kw_only=True):
    """A sign-up form, `draft` or `live`. The ids of its versions are numbers, written as text."""

    table: ClassVar = Table("forms")

    id: Key[str]
    name: Column[str]
    status: Column[str] = "draft"
    ab_test: Column[bool] = False
    created_at: Column[int]
    updated_at: Column[int]
    version_ids: list[str] = field(default_factory=list)


class Webhook(Struct, frozen=True, kw_only=True):
    """A webhook and the topics it is called for. Its address is shown masked, its secret never."""

    table: ClassVar = Table("webhooks")

    id: Key[str]
    name: str
    description: str | None = None
    endpoint_url: str
    secret_key: str
    enabled: bool = True
    created_at: datetime
    updated_at: datetime
    topics: list[str] = field(default_factory=list)
    called_up_to: int = 0
    """The place of the last recorded event that it need not be called for any more."""


class FormVersion(Struct, frozen=True, kw_only=True):
    """A version of a form, which is what people see."""

    table: ClassVar = Table("form_versions", indexes=("form_id",))

    id: Key[str]
    form_id: Column[str]
    form_type: Column[str] = "popup"
    variation_name: str
    ab_test: Json | None = None
    status: Column[str] = "draft"
    created_at: Column[datetime]
    updated_at: Column[datetime]


class CatalogItem(Struct, frozen=True, kw_only=True):
    """A product of the catalogue."""

    table: ClassVar = Table("catalog_items")

    id: Key[str]
    external_id: str
    title: Column[str]
    description: str
    price: float | None = None
    url: str
    image_full_url: str | None = None
    image_thumbnail_url: str | None = None
    images: list[str] = field(default_factory=list)
    custom_metadata: Json = field(default_factory=dict)
    published: Column[bool] = True
    created: Column[datetime]
    updated: datetime
    variant_ids: list[str] = field(default_factory=list)


class CatalogVariant(Struct, frozen=True, kw_only=True):
    """A size or colour in which a product is sold. `inventory_policy` is 0, 1 or 2."""

    table: ClassVar = Table("catalog_variants")

    id: Key[str]
    item_id: Column[str]
    external_id: str
    title: Column[str]
    description: str
    sku: Column[str]
    inventory_policy: int = 0
    inventory_quantity: float = 0
    price: float | None = None
    url: str
    image_full_url: str | None = None
    image_thumbnail_url: str | None = None
    images: list[str] = field(default_factory=list)
    custom_metadata: Json = field(default_factory=dict)
    published: Column[bool] = True
    created: Column[datetime]
    updated: datetime


class CatalogCategory(Struct, frozen=True, kw_only=True):
    """A category of the catalogue."""

    table: ClassVar = Table("catalog_categories")

    id: Key[str]
    external_id: str
    name: Column[str]
    created: Column[datetime]
    updated: datetime


class CatalogPlace(Struct, frozen=True):
    """A product in a category; it may be in several."""

    table: ClassVar = Table("catalog_category_items", indexes=("item_id",))

    category_id: Key[str]
    item_id: Key[str]


class Review(Struct, frozen=True, kw_only=True):
    """What somebody wrote of a product, or of the shop."""

    table: ClassVar = Table("reviews")

    id: Key[str]
    item_id: Column[str | None] = None
    email: str | None = None
    author: str | None = None
    title: str | None = None
    content: Column[str | None] = None
    rating: Column[int | None] = None
    review_type: Column[str] = "review"
    status: Column[str] = "published"
    verified: Column[bool] = False
    smart_quote: str | None = None
    images: list[str] = field(default_factory=list)
    product: Json | None = None
    public_reply: Json | None = None
    created: Column[datetime]
    updated: Column[datetime]


class CouponCodeJob(Struct, frozen=True, kw_only=True):
    """A making of many codes at once."""

    table: ClassVar = Table("coupon_code_jobs")

    id: Key[str]
    status: Column[str]
    created_at: Column[datetime]
    total_count: int
    completed_count: int = 0
    failed_count: int = 0
    completed_at: datetime | None = None
    errors: list[Json] = field(default_factory=list)
    expires_at: datetime | None = None


class Image(Struct, frozen=True, kw_only=True):
    """An image of the account's library. The id is a number, written as text."""

    table: ClassVar = Table("images")

    id: Key[str]
    name: Column[str]
    image_url: str
    format: Column[str] = "png"
    size: Column[int]
    hidden: Column[bool] = False
    updated_at: Column[datetime]


class UniversalContent(Struct, frozen=True, kw_only=True):
    """A block that several templates show."""

    table: ClassVar = Table(
        "universal_content",
        derived={
            "content_type": lambda content: content.definition["content_type"],
            "block_type": lambda content: content.definition["type"],
        },
    )

    id: Key[str]
    name: Column[str]
    definition: Json
    created: Column[datetime]
    updated: Column[datetime]
    screenshot_status: str = "never_generated"
    screenshot_url: str = ""


class WebFeed(Struct, frozen=True, kw_only=True):
    """Where templates get content that is not in Klaviyo."""

    table: ClassVar = Table("web_feeds")

    id: Key[str]
    name: Column[str]
    url: str
    request_method: str = "get"
    content_type: str = "json"
    status: str | None = "ok"
    created: Column[datetime]
    updated: Column[datetime]


class TrackingSetting(Struct, frozen=True, kw_only=True):
    """What is added to links; the id is the account's."""

    table: ClassVar = Table("tracking_settings")

    id: Key[str]
    auto_add_parameters: bool = False
    utm_source: Json
    utm_medium: Json
    utm_campaign: Json | None = None
    utm_id: Json | None = None
    utm_term: Json | None = None
    custom_parameters: list[Json] | None = None


class MetricProperty(Struct, frozen=True, kw_only=True):
    """What events of a metric hold."""

    table: ClassVar = Table("metric_properties", indexes=("metric_id",))

    id: Key[str]
    metric_id: Column[str]
    label: str
    property: str
    inferred_type: str
    sample_values: list[str] | None = None


class CustomMetric(Struct, frozen=True, kw_only=True):
    """A metric put together from others."""

    table: ClassVar = Table("custom_metrics")

    id: Key[str]
    name: str
    definition: Json
    created: datetime
    updated: datetime
    metric_ids: list[str] = field(default_factory=list)


class MappedMetric(Struct, frozen=True, kw_only=True):
    """Which metric plays a role, such as `revenue`, which is the id; a metric, a custom metric or none."""

    table: ClassVar = Table("mapped_metrics")

    id: Key[str]
    metric_id: str | None = None
    custom_metric_id: str | None = None
    updated: datetime


class BrandColor(Struct, frozen=True, kw_only=True):
    """A palette of the brand."""

    table: ClassVar = Table("brand_colors")

    id: Key[str]
    name: str
    colors: list[Json] = field(default_factory=list)


class BrandLogo(Struct, frozen=True, kw_only=True):
    """A logo of the brand."""

    table: ClassVar = Table("brand_logos")

    id: Key[str]
    name: str
    image_id: str | None = None
    width: int | None = None
    height: int | None = None
    alt_text: str | None = None
    link_url: str | None = None


class BrandButton(Struct, frozen=True, kw_only=True):
    """A button of the brand."""

    table: ClassVar = Table("brand_buttons")

    id: Key[str]
    name: str
    is_primary: bool = False
    style: Json = field(default_factory=dict)
    border: Json | None = None
    spacing: Json | None = None
    text: Json | None = None
    preview_page_hex: str | None = None


class BrandSocialGroup(Struct, frozen=True, kw_only=True):
    """Links to social networks."""

    table: ClassVar = Table("brand_social_groups")

    id: Key[str]
    name: str
    social_links: list[Json] = field(default_factory=list)


class BillingUsage(Struct, frozen=True, kw_only=True):
    """What was used of the plan in the current period; the id says of what."""

    table: ClassVar = Table("billing_usage")

    id: Key[str]
    usage_used: float
    usage_max: int
    unit: str
    period_start: datetime
    period_end: datetime
    as_of: datetime


class DataSource(Struct, frozen=True, kw_only=True):
    """Where records of custom objects come from."""

    table: ClassVar = Table("data_sources")

    id: Key[str]
    title: str
    visibility: str = "private"
    description: str = ""
    namespace: str


class ObjectType(Struct, frozen=True, kw_only=True):
    """A kind of custom object."""

    table: ClassVar = Table("object_types")

    id: Key[str]
    title: str
    description: str = ""
    status: str = "active"
    namespace: Column[str]
    created_at: datetime
    updated_at: datetime


class ObjectSchema(Struct, frozen=True, kw_only=True):
    """A version of what an object of a type holds."""

    table: ClassVar = Table("object_schemas", indexes=("object_type_id",))

    id: Key[str]
    object_type_id: Column[str]
    title: str
    description: str = ""
    status: str = "active"
    properties: list[Json] = field(default_factory=list)
    required: list[str] = field(default_factory=list)
    published_at: datetime | None = None
    visibility: str = "private"


class ObjectRecord(Struct, frozen=True, kw_only=True):
    """A custom object."""

    table: ClassVar = Table("object_records", indexes=("object_type_id",))

    id: Key[str]
    object_type_id: Column[str]
    record_properties: Json = field(default_factory=dict)


class ObjectIngestionLog(Struct, frozen=True, kw_only=True):
    """What was wrong with a record of a custom object that was not taken."""

    table: ClassVar = Table("object_ingestion_logs", indexes=("object_type_id",))

    id: Key[str]
    object_type_id: Column[str]
    record_id: Column[str | None] = None
    status: Column[str] = "error"
    event_type: Column[str] = "validation_error"
    timestamp: Column[datetime]
    summary: str
    errors: list[Json] = field(default_factory=list)


class ImportJob(Struct, frozen=True, kw_only=True):
    """A bulk import of profiles: `queued`, `processing`, then `complete` or `cancelled`."""

    table: ClassVar = Table("import_jobs", counts={})

    id: Key[str]
    status: Column[str]
    created_at: Column[datetime]
    total_count: int
    completed_count: int = 0
    failed_count: int = 0
    started_at: datetime | None = None
    completed_at: datetime | None = None
    list_ids: list[str] = field(default_factory=list)


class SuppressionJob(Struct, frozen=True, kw_only=True):
    """A bulk suppression (`create`) or its lifting (`delete`): `processing`, then `complete` or `cancelled`."""

    table: ClassVar = Table("suppression_jobs", counts={})

    id: Key[str]
    kind: Column[Literal["create", "delete"]]
    status: Column[str]
    created_at: Column[datetime]
    total_count: int = 0
    completed_count: int = 0
    skipped_count: int = 0
    completed_at: datetime | None = None
    list_id: Column[str | None] = None
    segment_id: Column[str | None] = None


class ImportFailure(Struct, frozen=True, kw_only=True):
    """A row an import refused; `position` is its place in the request."""

    position: int
    id: str
    code: str
    title: str
    detail: str
    pointer: str
    original_payload: Json
