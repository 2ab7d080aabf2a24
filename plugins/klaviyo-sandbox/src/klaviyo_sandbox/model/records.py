"""What the sandbox holds: one typed row per resource.

Times: Klaviyo keeps whole seconds on profiles, events, metrics, lists, segments, templates, flows and forms, so
these are `int` seconds since the epoch; consent, suppressions, campaigns and webhooks have microseconds and are
aware `datetime`s in UTC.
Fields that Klaviyo answers as objects are plain JSON dictionaries.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from msgspec import Struct, field

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
    """Marketing consent of one profile on one channel; `origin` is that of a subscribe through the API."""

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

    profile_id: str
    reason: SuppressionReason
    at: datetime
    list_id: str | None = None


class Profile(Struct, frozen=True, kw_only=True):
    """A person."""

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
    predictive_analytics: Json = field(default_factory=dict)


class Integration(Struct, frozen=True):
    """Where a metric's events come from. Klaviyo's own messages have the key `klaviyo`, the API `api`."""

    id: str
    key: str
    name: str
    category: str


API = Integration("7FtS4J", "api", "API", "API")
"""What writes its events through the API."""


class Metric(Struct, frozen=True, kw_only=True):
    """A kind of event."""

    id: str
    name: str
    created: int
    updated: int
    integration: Integration


class Event(Struct, frozen=True, kw_only=True):
    """Something a profile did at `timestamp`. A deleted profile or an unknown metric is None."""

    id: str
    uuid: str
    timestamp: int
    metric_id: str | None
    profile_id: str | None
    properties: Json


class WrittenEvent(Struct, frozen=True, kw_only=True):
    """What is known of an event that came through the API, beyond what is readable.

    `key` is the writer's `unique_id`, or without one the second it happened, as text: a profile's metric has one
    event of each key. `flows` says whether flows were told of it, that is, whether it came without `backfill`.
    """

    event_id: str
    profile_id: str
    metric_id: str
    key: str
    timestamp: int
    received_at: int
    flows: bool


class GroupKind(StrEnum):
    """The two kinds of audience."""

    LIST = "list"
    SEGMENT = "segment"


class Group(Struct, frozen=True, kw_only=True):
    """A list or a segment. `opt_in_process` is a list's; `definition` and the flags are a segment's."""

    id: str
    kind: GroupKind
    name: str
    created: int
    updated: int
    opt_in_process: str = "single_opt_in"
    definition: Json = field(default_factory=dict)
    is_active: bool = True
    is_processing: bool = False
    is_starred: bool = False


class Membership(Struct, frozen=True):
    """A profile in a group, since `joined`."""

    group_id: str
    profile_id: str
    joined: int


class Template(Struct, frozen=True, kw_only=True):
    """An e-mail template. The copy that belongs to a campaign message has `reusable` false and is not listed."""

    id: str
    name: str
    editor_type: str = "CODE"
    html: str
    text: str | None = None
    amp: str | None = None
    created: int
    updated: int
    reusable: bool = True


class Campaign(Struct, frozen=True, kw_only=True):
    """A campaign of one channel (`email`, `sms` or `mobile_push`)."""

    id: str
    name: str
    channel: str = "email"
    status: str = "Draft"
    archived: bool = False
    audiences: Json
    send_options: Json
    tracking_options: Json | None = None
    send_strategy: Json
    created_at: datetime
    updated_at: datetime
    scheduled_at: datetime | None = None
    send_time: datetime | None = None


class CampaignMessage(Struct, frozen=True, kw_only=True):
    """One message of a campaign; `template_id` names the copy made when a template was assigned."""

    id: str
    campaign_id: str
    channel: str = "email"
    label: str
    content: Json
    template_id: str | None = None
    send_times: list[Json] = field(default_factory=list)
    created_at: datetime
    updated_at: datetime


class Flow(Struct, frozen=True, kw_only=True):
    """A flow: `draft`, `manual` or `live`. `triggers` and `profile_filter` are as its definition shows them."""

    id: str
    name: str
    status: str = "draft"
    archived: bool = False
    created: int
    updated: int
    trigger_type: str = "Unconfigured"
    triggers: list[Json] = field(default_factory=list)
    profile_filter: Json | None = None


class FlowAction(Struct, frozen=True, kw_only=True):
    """A step of a flow; `status` is that of actions that send or write. The id is a number, written as text."""

    id: str
    flow_id: str
    action_type: str
    status: str | None = None
    created: int
    updated: int
    definition: Json


class FlowMessage(Struct, frozen=True, kw_only=True):
    """What an action sends; `template_id` names the copy of a template that belongs to it."""

    id: str
    action_id: str
    name: str
    channel: str = "Email"
    template_id: str | None = None
    created: int
    updated: int
    definition: Json


class TagGroup(Struct, frozen=True, kw_only=True):
    """Tags of a kind; of an exclusive group a thing has at most one tag."""

    id: str
    name: str
    exclusive: bool = False
    default: bool = False


class Tag(Struct, frozen=True, kw_only=True):
    """A tag of a group."""

    id: str
    name: str
    group_id: str


class Form(Struct, frozen=True, kw_only=True):
    """A sign-up form, `draft` or `live`. The ids of its versions are numbers, written as text."""

    id: str
    name: str
    status: str = "draft"
    ab_test: bool = False
    created_at: int
    updated_at: int
    version_ids: list[str] = field(default_factory=list)


class Webhook(Struct, frozen=True, kw_only=True):
    """A webhook and the topics it is called for; Klaviyo shows its address masked."""

    id: str
    name: str
    description: str | None = None
    endpoint_url: str
    enabled: bool = True
    created_at: datetime
    updated_at: datetime
    topics: list[str] = field(default_factory=list)


class ImportJob(Struct, frozen=True, kw_only=True):
    """A bulk import of profiles: `queued`, `processing`, then `complete` or `cancelled`."""

    id: str
    status: str
    created_at: datetime
    total_count: int
    completed_count: int = 0
    failed_count: int = 0
    started_at: datetime | None = None
    completed_at: datetime | None = None
    list_ids: list[str] = field(default_factory=list)


class SuppressionJob(Struct, frozen=True, kw_only=True):
    """A bulk suppression (`create`) or its lifting (`delete`): `processing`, then `complete` or `cancelled`."""

    id: str
    kind: Literal["create", "delete"]
    status: str
    created_at: datetime
    total_count: int = 0
    completed_count: int = 0
    skipped_count: int = 0
    completed_at: datetime | None = None
    list_id: str | None = None
    segment_id: str | None = None


class ImportFailure(Struct, frozen=True, kw_only=True):
    """A row an import refused; `position` is its place in the request."""

    position: int
    id: str
    code: str
    title: str
    detail: str
    pointer: str
    original_payload: Json
