"""What Klaviyo documents about each operation: one table, read by the tap, the target and the sandbox.

Source of the entries of revision 2026-07-15: Klaviyo's OpenAPI document (limits, scopes, filters, page sizes,
sort fields, includes, sparse fieldsets); `tests/test_endpoints.py` compares the table with that document.
Source of those of 2026-10-15: Klaviyo's SDK of that revision, klaviyo-api 25.0.0 (parameters, limits, scopes,
filters, models). It does not say what `sort`, `include` and `fields[...]` accept: includes are the types that have
a `fields` parameter, fieldsets the attributes of their models, sorts the times that can be filtered by
(`-updated_at` and `-updated` were seen in use).
An operation is known by Klaviyo's own operation id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from klaviyo_wire import fields
from klaviyo_wire.fields import names
from klaviyo_wire.filters import Operator


@dataclass(frozen=True)
class Limits:
    """Requests an account may make of one endpoint: per second, per minute and, for a few, per day."""

    burst: int
    steady: int
    daily: int | None = None


XS = Limits(1, 15)
S = Limits(3, 60)
M = Limits(10, 150)
L = Limits(75, 750)
XL = Limits(350, 3500)
REPORTS = Limits(1, 2, 225)
DEFAULT_REVISION = "2026-07-15"
"""The API revision that entries describe which name no other."""
OMNICHANNEL = "2026-10-15"
"""From this revision on a campaign is another model: audiences, messages and variations, of every channel."""


class Value(StrEnum):
    """How a filter writes the value of a field."""

    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    NOTHING = "nothing"
    """`has(field)` takes no value."""


@dataclass(frozen=True)
class Filter:
    """A field that the endpoint can filter by, and the operators it allows there."""

    field: str
    operators: frozenset[Operator]
    value: Value


@dataclass(frozen=True)
class Page:
    """Rows per page: what the endpoint answers by default and at most.

    `maximum` is None where the endpoint pages by cursor but refuses `page[size]`. `cursor` is the query parameter
    that the cursor goes in; None: the request's body has it, as the attribute `page_cursor` beside `page_size`.
    """

    default: int | None
    maximum: int | None
    cursor: str | None = "page[cursor]"


CURSOR_ONLY = Page(None, None)
REPORT = Page(None, None, cursor="page_cursor")
IN_BODY = Page(500, None, cursor=None)


@dataclass(frozen=True)
class Reduction:
    """A query parameter that moves the request to a lower limit, counted apart from the endpoint's own."""

    parameter: str
    value: str
    limits: Limits


@dataclass(frozen=True)
class Endpoint:
    """The contract of one operation. `path` holds `{name}` for its path parameters."""

    operation: str
    method: str
    path: str
    limits: Limits
    scopes: tuple[str, ...]
    page: Page | None = None
    filters: tuple[Filter, ...] = ()
    filter_required: bool = False
    sort: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)
    additional_fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reductions: tuple[Reduction, ...] = ()
    bodiless: bool = False
    """A success has no body; anywhere else an empty body is a cut answer."""
    revision: str = DEFAULT_REVISION
    """The API revision that the entry describes, and that its requests name."""

    @property
    def key(self) -> str:
        """What the entry is found by: the operation id, with the revision where a later one changed it."""
        return self.operation if self.revision == DEFAULT_REVISION else f"{self.operation}@{self.revision}"

    @property
    def steady_order(self) -> str | None:
        """What to sort by so that a row keeps its place though it changes; None where there is nothing."""
        return next((each for each in ("id", "created_at", "created") if each in self.sort), None)

    def limits_for(self, params: Mapping[str, str]) -> Limits:
        """The lowest limits that a request with these query parameters draws on."""
        asked = {name: set(value.split(",")) for name, value in params.items()}
        lowered = [r.limits for r in self.reductions if r.value in asked.get(r.parameter, ())]
        return min(lowered, key=lambda limits: limits.steady, default=self.limits)


def _filter(name: str, operators: str, value: Value = Value.STRING) -> Filter:
    return Filter(name, frozenset(Operator(text) for text in operators.split()), value)


_OMNICHANNEL_CAMPAIGN = {
    "campaign-audience": fields.CAMPAIGN_AUDIENCE,
    "campaign-message": fields.OMNICHANNEL_MESSAGE,
    "campaign": fields.OMNICHANNEL_CAMPAIGN,
    "tag": fields.TAG,
}

_TABLE = (
    # accounts
    Endpoint(
        "get_accounts",
        "GET",
        "/api/accounts",
        limits=XS,
        scopes=("accounts:read",),
        fields={"account": fields.ACCOUNT},
    ),
    Endpoint(
        "get_account",
        "GET",
        "/api/accounts/{id}",
        limits=XS,
        scopes=("accounts:read",),
        fields={"account": fields.ACCOUNT},
    ),
    # events
    Endpoint(
        "get_events",
        "GET",
        "/api/events",
        limits=XL,
        scopes=("events:read",),
        page=Page(200, 1000),
        filters=(
            _filter("metric_id", "equals"),
            _filter("profile_id", "equals"),
            _filter("profile", "has", Value.NOTHING),
            _filter("metric", "has", Value.NOTHING),
            _filter("datetime", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("timestamp", "greater-or-equal greater-than less-or-equal less-than", Value.NUMBER),
        ),
        sort=("datetime", "timestamp"),
        include=("attributions", "metric", "profile"),
        fields={
            "attribution": fields.ATTRIBUTION,
            "event": fields.EVENT,
            "metric": fields.METRIC,
            "profile": fields.EMBEDDED_PROFILE,
        },
    ),
    Endpoint(
        "get_event",
        "GET",
        "/api/events/{id}",
        limits=M,
        scopes=("events:read",),
        include=("attributions", "metric", "profile"),
        fields={
            "attribution": fields.ATTRIBUTION,
            "event": fields.EVENT,
            "metric": fields.METRIC,
            "profile": fields.EMBEDDED_PROFILE,
        },
    ),
    Endpoint("create_event", "POST", "/api/events", limits=XL, scopes=("events:write",), bodiless=True),
    Endpoint(
        "create_event",
        "POST",
        "/api/events",
        limits=XL,
        scopes=("events:write",),
        bodiless=True,
        revision=OMNICHANNEL,
    ),
    Endpoint(
        "bulk_create_events",
        "POST",
        "/api/event-bulk-create-jobs",
        limits=M,
        scopes=("events:write",),
        bodiless=True,
    ),
    # metrics
    Endpoint(
        "get_metrics",
        "GET",
        "/api/metrics",
        limits=M,
        scopes=("metrics:read",),
        page=CURSOR_ONLY,
        filters=(
            _filter("integration.name", "equals"),
            _filter("integration.category", "equals"),
        ),
        include=("flow-triggers",),
        fields={"flow": fields.FLOW, "metric": fields.METRIC},
    ),
    Endpoint(
        "get_metric",
        "GET",
        "/api/metrics/{id}",
        limits=M,
        scopes=("metrics:read",),
        include=("flow-triggers",),
        fields={"flow": fields.FLOW, "metric": fields.METRIC},
    ),
    Endpoint(
        "get_properties_for_metric",
        "GET",
        "/api/metrics/{id}/metric-properties",
        limits=XS,
        scopes=("metrics:read",),
        fields={"metric-property": fields.METRIC_PROPERTY},
        additional_fields={"metric-property": ("sample_values",)},
    ),
    Endpoint(
        "query_metric_aggregates",
        "POST",
        "/api/metric-aggregates",
        limits=S,
        scopes=("metrics:read",),
        page=IN_BODY,
        fields={"metric-aggregate": names("data dates id")},
    ),
    # reports
    Endpoint(
        "query_campaign_values",
        "POST",
        "/api/campaign-values-reports",
        limits=REPORTS,
        scopes=("campaigns:read",),
        page=REPORT,
        fields={"campaign-values-report": fields.VALUES_REPORT},
    ),
    Endpoint(
        "query_flow_values",
        "POST",
        "/api/flow-values-reports",
        limits=REPORTS,
        scopes=("flows:read",),
        page=REPORT,
        fields={"flow-values-report": fields.VALUES_REPORT},
    ),
    Endpoint(
        "query_segment_values",
        "POST",
        "/api/segment-values-reports",
        limits=REPORTS,
        scopes=("segments:read",),
        fields={"segment-values-report": fields.VALUES_REPORT},
    ),
    Endpoint(
        "query_form_values",
        "POST",
        "/api/form-values-reports",
        limits=REPORTS,
        scopes=("forms:read",),
        fields={"form-values-report": fields.VALUES_REPORT},
    ),
    Endpoint(
        "query_flow_series",
        "POST",
        "/api/flow-series-reports",
        limits=REPORTS,
        scopes=("flows:read",),
        page=REPORT,
        fields={"flow-series-report": fields.SERIES_REPORT},
    ),
    Endpoint(
        "query_segment_series",
        "POST",
        "/api/segment-series-reports",
        limits=REPORTS,
        scopes=("segments:read",),
        fields={"segment-series-report": fields.SERIES_REPORT},
    ),
    Endpoint(
        "query_form_series",
        "POST",
        "/api/form-series-reports",
        limits=REPORTS,
        scopes=("forms:read",),
        fields={"form-series-report": fields.SERIES_REPORT},
    ),
    # profiles
    Endpoint(
        "get_profiles",
        "GET",
        "/api/profiles",
        limits=L,
        scopes=("profiles:read",),
        page=Page(20, 100),
        filters=(
            _filter("id", "any equals"),
            _filter("email", "any equals"),
            _filter("phone_number", "any equals"),
            _filter("external_id", "any equals"),
            _filter("_kx", "equals"),
            _filter("created", "greater-than less-than", Value.DATETIME),
            _filter("updated", "greater-than less-than", Value.DATETIME),
            _filter("subscriptions.email.marketing.list_suppressions.reason", "equals"),
            _filter(
                "subscriptions.email.marketing.list_suppressions.timestamp",
                "greater-or-equal greater-than less-or-equal less-than",
                Value.DATETIME,
            ),
            _filter("subscriptions.email.marketing.list_suppressions.list_id", "equals"),
            _filter("subscriptions.email.marketing.suppression.reason", "equals"),
            _filter(
                "subscriptions.email.marketing.suppression.timestamp",
                "greater-or-equal greater-than less-or-equal less-than",
                Value.DATETIME,
            ),
        ),
        sort=(
            "created",
            "email",
            "id",
            "subscriptions.email.marketing.list_suppressions.timestamp",
            "subscriptions.email.marketing.suppression.timestamp",
            "updated",
        ),
        include=("conversations", "push-tokens"),
        fields={
            "conversation": fields.CONVERSATION,
            "profile": fields.PROFILE,
            "push-token": fields.PUSH_TOKEN,
        },
        additional_fields={"profile": ("subscriptions", "predictive_analytics")},
        reductions=(Reduction("additional-fields[profile]", "predictive_analytics", M),),
    ),
    Endpoint(
        "get_profile",
        "GET",
        "/api/profiles/{id}",
        limits=L,
        scopes=("profiles:read",),
        include=("conversations", "lists", "push-tokens", "segments"),
        fields={
            "conversation": fields.CONVERSATION,
            "list": fields.LIST,
            "profile": fields.PROFILE,
            "push-token": fields.PUSH_TOKEN,
            "segment": fields.SEGMENT,
        },
        additional_fields={"profile": ("subscriptions", "predictive_analytics")},
        reductions=(
            Reduction("include", "lists", XS),
            Reduction("include", "segments", XS),
        ),
    ),
    Endpoint(
        "get_lists_for_profile",
        "GET",
        "/api/profiles/{id}/lists",
        limits=S,
        scopes=("lists:read", "profiles:read"),
        fields={"list": fields.LIST},
    ),
    Endpoint(
        "get_segments_for_profile",
        "GET",
        "/api/profiles/{id}/segments",
        limits=S,
        scopes=("profiles:read", "segments:read"),
        fields={"segment": fields.SEGMENT},
    ),
    Endpoint(
        "get_push_tokens_for_profile",
        "GET",
        "/api/profiles/{id}/push-tokens",
        limits=M,
        scopes=("profiles:read",),
        fields={"push-token": fields.PUSH_TOKEN},
    ),
    Endpoint(
        "get_conversations_for_profile",
        "GET",
        "/api/profiles/{id}/conversations",
        limits=S,
        scopes=("conversations:read", "profiles:read"),
        fields={"conversation": fields.CONVERSATION},
    ),
    Endpoint(
        "get_coupon_codes",
        "GET",
        "/api/coupon-codes",
        limits=XL,
        scopes=("coupon-codes:read",),
        page=Page(100, 100),
        filters=(
            _filter("expires_at", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("status", "equals"),
            _filter("coupon.id", "any equals"),
            _filter("profile.id", "any equals"),
        ),
        filter_required=True,
        include=("coupon",),
        fields={"coupon-code": fields.COUPON_CODE, "coupon": fields.COUPON},
    ),
    Endpoint(
        "create_profile",
        "POST",
        "/api/profiles",
        limits=L,
        scopes=("profiles:write",),
        fields={"profile": fields.PROFILE},
        additional_fields={"profile": ("subscriptions", "predictive_analytics")},
    ),
    Endpoint(
        "update_profile",
        "PATCH",
        "/api/profiles/{id}",
        limits=L,
        scopes=("profiles:write",),
        fields={"profile": fields.PROFILE},
        additional_fields={"profile": ("subscriptions", "predictive_analytics")},
    ),
    Endpoint(
        "create_or_update_profile",
        "POST",
        "/api/profile-import",
        limits=L,
        scopes=("profiles:write",),
        fields={"profile": fields.PROFILE},
        additional_fields={"profile": ("subscriptions", "predictive_analytics")},
    ),
    # bulk import
    Endpoint(
        "bulk_import_profiles",
        "POST",
        "/api/profile-bulk-import-jobs",
        limits=M,
        scopes=("lists:write", "profiles:write"),
        fields={"profile-bulk-import-job": fields.PROFILE_BULK_IMPORT_JOB},
    ),
    Endpoint(
        "get_bulk_import_profiles_jobs",
        "GET",
        "/api/profile-bulk-import-jobs",
        limits=M,
        scopes=("lists:read", "profiles:read"),
        page=Page(20, 100),
        filters=(_filter("status", "any equals"),),
        sort=("created_at",),
        fields={"profile-bulk-import-job": fields.PROFILE_BULK_IMPORT_JOB},
    ),
    Endpoint(
        "get_bulk_import_profiles_job",
        "GET",
        "/api/profile-bulk-import-jobs/{job_id}",
        limits=M,
        scopes=("lists:read", "profiles:read"),
        include=("lists",),
        fields={"list": fields.LIST, "profile-bulk-import-job": fields.PROFILE_BULK_IMPORT_JOB},
    ),
    Endpoint(
        "get_errors_for_bulk_import_profiles_job",
        "GET",
        "/api/profile-bulk-import-jobs/{id}/import-errors",
        limits=M,
        scopes=("profiles:read",),
        page=Page(20, 100),
        fields={"import-error": names("code detail id original_payload source source.pointer title")},
    ),
    Endpoint(
        "get_profiles_for_bulk_import_profiles_job",
        "GET",
        "/api/profile-bulk-import-jobs/{id}/profiles",
        limits=M,
        scopes=("profiles:read",),
        page=Page(20, 100),
        fields={"profile": fields.PROFILE},
        additional_fields={"profile": ("subscriptions", "predictive_analytics")},
    ),
    Endpoint(
        "get_profile_ids_for_bulk_import_profiles_job",
        "GET",
        "/api/profile-bulk-import-jobs/{id}/relationships/profiles",
        limits=M,
        scopes=("profiles:read",),
        page=Page(20, 100),
    ),
    Endpoint(
        "get_list_for_bulk_import_profiles_job",
        "GET",
        "/api/profile-bulk-import-jobs/{id}/lists",
        limits=M,
        scopes=("lists:read",),
        fields={"list": fields.LIST},
    ),
    # consent, suppression, deletion
    Endpoint(
        "bulk_subscribe_profiles",
        "POST",
        "/api/profile-subscription-bulk-create-jobs",
        limits=L,
        scopes=("lists:write", "profiles:write", "subscriptions:write"),
        bodiless=True,
    ),
    Endpoint(
        "bulk_unsubscribe_profiles",
        "POST",
        "/api/profile-subscription-bulk-delete-jobs",
        limits=L,
        scopes=("lists:write", "profiles:write", "subscriptions:write"),
        bodiless=True,
    ),
    Endpoint(
        "bulk_subscribe_profiles",
        "POST",
        "/api/profile-subscription-bulk-create-jobs",
        limits=L,
        scopes=("lists:write", "profiles:write", "subscriptions:write"),
        bodiless=True,
        revision=OMNICHANNEL,
    ),
    Endpoint(
        "bulk_unsubscribe_profiles",
        "POST",
        "/api/profile-subscription-bulk-delete-jobs",
        limits=L,
        scopes=("lists:write", "profiles:write", "subscriptions:write"),
        bodiless=True,
        revision=OMNICHANNEL,
    ),
    Endpoint(
        "bulk_suppress_profiles",
        "POST",
        "/api/profile-suppression-bulk-create-jobs",
        limits=L,
        scopes=("profiles:write", "subscriptions:write"),
        fields={"profile-suppression-bulk-create-job": fields.PROFILE_SUPPRESSION_JOB},
    ),
    Endpoint(
        "get_bulk_suppress_profiles_jobs",
        "GET",
        "/api/profile-suppression-bulk-create-jobs",
        limits=L,
        scopes=("subscriptions:read",),
        page=CURSOR_ONLY,
        filters=(_filter("status", "equals"), _filter("list_id", "equals"), _filter("segment_id", "equals")),
        sort=("created",),
        fields={"profile-suppression-bulk-create-job": fields.PROFILE_SUPPRESSION_JOB},
    ),
    Endpoint(
        "get_bulk_suppress_profiles_job",
        "GET",
        "/api/profile-suppression-bulk-create-jobs/{job_id}",
        limits=L,
        scopes=("subscriptions:read",),
        fields={"profile-suppression-bulk-create-job": fields.PROFILE_SUPPRESSION_JOB},
    ),
    Endpoint(
        "bulk_unsuppress_profiles",
        "POST",
        "/api/profile-suppression-bulk-delete-jobs",
        limits=L,
        scopes=("subscriptions:write",),
        fields={"profile-suppression-bulk-delete-job": fields.PROFILE_SUPPRESSION_JOB},
    ),
    Endpoint(
        "get_bulk_unsuppress_profiles_jobs",
        "GET",
        "/api/profile-suppression-bulk-delete-jobs",
        limits=L,
        scopes=("subscriptions:read",),
        page=CURSOR_ONLY,
        filters=(_filter("status", "equals"), _filter("list_id", "equals"), _filter("segment_id", "equals")),
        sort=("created",),
        fields={"profile-suppression-bulk-delete-job": fields.PROFILE_SUPPRESSION_JOB},
    ),
    Endpoint(
        "get_bulk_unsuppress_profiles_job",
        "GET",
        "/api/profile-suppression-bulk-delete-jobs/{job_id}",
        limits=L,
        scopes=("subscriptions:read",),
        fields={"profile-suppression-bulk-delete-job": fields.PROFILE_SUPPRESSION_JOB},
    ),
    Endpoint(
        "request_profile_deletion",
        "POST",
        "/api/data-privacy-deletion-jobs",
        limits=S,
        scopes=("data-privacy:write",),
        bodiless=True,
    ),
    # lists
    Endpoint(
        "get_lists",
        "GET",
        "/api/lists",
        limits=L,
        scopes=("lists:read",),
        page=Page(10, 10),
        filters=(
            _filter("name", "any equals"),
            _filter("id", "any equals"),
            _filter("created", "greater-than", Value.DATETIME),
            _filter("updated", "greater-than", Value.DATETIME),
        ),
        sort=("created", "id", "name", "updated"),
        include=("flow-triggers", "tags"),
        fields={"flow": fields.FLOW, "list": fields.LIST, "tag": fields.TAG},
    ),
    Endpoint(
        "get_list",
        "GET",
        "/api/lists/{id}",
        limits=L,
        scopes=("lists:read",),
        include=("flow-triggers", "tags"),
        fields={"flow": fields.FLOW, "list": fields.LIST | {"profile_count"}, "tag": fields.TAG},
        additional_fields={"list": ("profile_count",)},
        reductions=(Reduction("additional-fields[list]", "profile_count", XS),),
    ),
    Endpoint(
        "create_list",
        "POST",
        "/api/lists",
        limits=replace(M, daily=150),
        scopes=("lists:write",),
        fields={"list": fields.LIST},
    ),
    Endpoint("delete_list", "DELETE", "/api/lists/{id}", limits=M, scopes=("lists:write",), bodiless=True),
    Endpoint(
        "get_profiles_for_list",
        "GET",
        "/api/lists/{id}/profiles",
        limits=L,
        scopes=("lists:read", "profiles:read"),
        page=Page(20, 100),
        filters=(
            _filter("email", "any equals"),
            _filter("phone_number", "any equals"),
            _filter("push_token", "any equals"),
            _filter("_kx", "equals"),
            _filter("joined_group_at", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
        ),
        sort=("joined_group_at",),
        fields={"profile": fields.MEMBER},
        additional_fields={"profile": ("subscriptions", "predictive_analytics")},
        reductions=(Reduction("additional-fields[profile]", "predictive_analytics", M),),
    ),
    Endpoint(
        "get_profile_ids_for_list",
        "GET",
        "/api/lists/{id}/relationships/profiles",
        limits=L,
        scopes=("lists:read", "profiles:read"),
        page=Page(20, 100),
        filters=(
            _filter("email", "any equals"),
            _filter("phone_number", "any equals"),
            _filter("push_token", "any equals"),
            _filter("_kx", "equals"),
            _filter("joined_group_at", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
        ),
        sort=("joined_group_at",),
        reductions=(Reduction("additional-fields[profile]", "predictive_analytics", M),),
    ),
    Endpoint(
        "add_profiles_to_list",
        "POST",
        "/api/lists/{id}/relationships/profiles",
        limits=M,
        scopes=("lists:write", "profiles:write"),
        bodiless=True,
    ),
    Endpoint(
        "remove_profiles_from_list",
        "DELETE",
        "/api/lists/{id}/relationships/profiles",
        limits=M,
        scopes=("lists:write", "profiles:write"),
        bodiless=True,
    ),
    # segments
    Endpoint(
        "get_segments",
        "GET",
        "/api/segments",
        limits=L,
        scopes=("segments:read",),
        page=Page(10, 10),
        filters=(
            _filter("name", "any equals"),
            _filter("id", "any equals"),
            _filter("created", "greater-than", Value.DATETIME),
            _filter("updated", "greater-than", Value.DATETIME),
            _filter("is_active", "any equals", Value.BOOLEAN),
            _filter("is_starred", "equals", Value.BOOLEAN),
        ),
        sort=("created", "id", "name", "updated"),
        include=("flow-triggers", "tags"),
        fields={"flow": fields.FLOW, "segment": fields.SEGMENT, "tag": fields.TAG},
    ),
    Endpoint(
        "get_segment",
        "GET",
        "/api/segments/{id}",
        limits=L,
        scopes=("segments:read",),
        include=("flow-triggers", "tags"),
        fields={"flow": fields.FLOW, "segment": fields.SEGMENT | {"profile_count"}, "tag": fields.TAG},
        additional_fields={"segment": ("profile_count",)},
        reductions=(Reduction("additional-fields[segment]", "profile_count", XS),),
    ),
    Endpoint(
        "delete_segment", "DELETE", "/api/segments/{id}", limits=S, scopes=("segments:write",), bodiless=True
    ),
    Endpoint(
        "get_profiles_for_segment",
        "GET",
        "/api/segments/{id}/profiles",
        limits=L,
        scopes=("profiles:read", "segments:read"),
        page=Page(20, 100),
        filters=(
            _filter("profile_id", "any equals"),
            _filter("email", "any equals"),
            _filter("phone_number", "any equals"),
            _filter("push_token", "any equals"),
            _filter("_kx", "equals"),
            _filter("joined_group_at", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
        ),
        sort=("joined_group_at",),
        fields={"profile": fields.MEMBER},
        additional_fields={"profile": ("subscriptions", "predictive_analytics")},
    ),
    Endpoint(
        "get_profile_ids_for_segment",
        "GET",
        "/api/segments/{id}/relationships/profiles",
        limits=L,
        scopes=("profiles:read", "segments:read"),
        page=Page(20, 100),
        filters=(
            _filter("profile_id", "any equals"),
            _filter("email", "any equals"),
            _filter("phone_number", "any equals"),
            _filter("push_token", "any equals"),
            _filter("_kx", "equals"),
            _filter("joined_group_at", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
        ),
        sort=("joined_group_at",),
    ),
    # campaigns
    Endpoint(
        "get_campaigns",
        "GET",
        "/api/campaigns",
        limits=M,
        scopes=("campaigns:read",),
        page=Page(100, 100),
        filters=(
            _filter("id", "any"),
            _filter("messages.channel", "equals"),
            _filter("name", "contains"),
            _filter("status", "any equals"),
            _filter("archived", "equals", Value.BOOLEAN),
            _filter("created_at", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("scheduled_at", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("updated_at", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
        ),
        filter_required=True,
        sort=("created_at", "id", "name", "scheduled_at", "updated_at"),
        include=("campaign-messages", "tags"),
        fields={"campaign-message": fields.CAMPAIGN_MESSAGE, "campaign": fields.CAMPAIGN, "tag": fields.TAG},
    ),
    Endpoint(
        "get_campaign",
        "GET",
        "/api/campaigns/{id}",
        limits=M,
        scopes=("campaigns:read",),
        include=("campaign-messages", "tags"),
        fields={"campaign-message": fields.CAMPAIGN_MESSAGE, "campaign": fields.CAMPAIGN, "tag": fields.TAG},
    ),
    Endpoint(
        "delete_campaign", "DELETE", "/api/campaigns/{id}", limits=M, scopes=("campaigns:write",), bodiless=True
    ),
    Endpoint(
        "create_campaign",
        "POST",
        "/api/campaigns",
        limits=M,
        scopes=("campaigns:write",),
        fields={"campaign": fields.CAMPAIGN},
    ),
    Endpoint(
        "get_messages_for_campaign",
        "GET",
        "/api/campaigns/{id}/campaign-messages",
        limits=M,
        scopes=("campaigns:read",),
        include=("campaign", "image", "template"),
        fields={
            "campaign-message": fields.CAMPAIGN_MESSAGE,
            "campaign": fields.CAMPAIGN,
            "image": fields.IMAGE,
            "template": fields.EMBEDDED_TEMPLATE,
        },
    ),
    Endpoint(
        "get_campaign_message",
        "GET",
        "/api/campaign-messages/{id}",
        limits=M,
        scopes=("campaigns:read",),
        include=("campaign", "image", "template"),
        fields={
            "campaign-message": fields.CAMPAIGN_MESSAGE,
            "campaign": fields.CAMPAIGN,
            "image": fields.IMAGE,
            "template": fields.EMBEDDED_TEMPLATE,
        },
    ),
    Endpoint(
        "update_campaign_message",
        "PATCH",
        "/api/campaign-messages/{id}",
        limits=M,
        scopes=("campaigns:write",),
        fields={"campaign-message": fields.CAMPAIGN_MESSAGE},
    ),
    Endpoint(
        "assign_template_to_campaign_message",
        "POST",
        "/api/campaign-message-assign-template",
        limits=M,
        scopes=("campaigns:write",),
        fields={"campaign-message": fields.ASSIGNED_CAMPAIGN_MESSAGE},
    ),
    Endpoint(
        "get_template_for_campaign_message",
        "GET",
        "/api/campaign-messages/{id}/template",
        limits=M,
        scopes=("campaigns:read", "templates:read"),
        fields={"template": fields.EMBEDDED_TEMPLATE},
    ),
    Endpoint(
        "send_campaign",
        "POST",
        "/api/campaign-send-jobs",
        limits=M,
        scopes=("campaigns:write",),
        fields={"campaign-send-job": fields.CAMPAIGN_SEND_JOB},
    ),
    Endpoint(
        "get_campaign_send_job",
        "GET",
        "/api/campaign-send-jobs/{id}",
        limits=M,
        scopes=("campaigns:read",),
        fields={"campaign-send-job": fields.CAMPAIGN_SEND_JOB},
    ),
    # campaigns from 2026-10-15
    Endpoint(
        "get_campaigns",
        "GET",
        "/api/campaigns",
        limits=M,
        scopes=("campaigns:read",),
        page=Page(100, 100),
        filters=(
            _filter("id", "any"),
            _filter("name", "contains"),
            _filter("archived", "equals", Value.BOOLEAN),
            _filter("builder", "equals"),
            _filter("created_at", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("updated_at", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
        ),
        sort=("created_at", "updated_at"),
        include=("campaign-audiences", "campaign-messages", "tags"),
        fields=_OMNICHANNEL_CAMPAIGN,
        revision=OMNICHANNEL,
    ),
    Endpoint(
        "get_campaign",
        "GET",
        "/api/campaigns/{id}",
        limits=M,
        scopes=("campaigns:read",),
        include=("campaign-audiences", "campaign-messages", "tags"),
        fields=_OMNICHANNEL_CAMPAIGN,
        revision=OMNICHANNEL,
    ),
    Endpoint(
        "get_campaign_audiences_for_campaign",
        "GET",
        "/api/campaigns/{id}/campaign-audiences",
        limits=M,
        scopes=("campaigns:read",),
        fields={"campaign-audience": fields.CAMPAIGN_AUDIENCE},
        revision=OMNICHANNEL,
    ),
    Endpoint(
        "get_campaign_audience",
        "GET",
        "/api/campaign-audiences/{id}",
        limits=M,
        scopes=("campaigns:read",),
        include=("campaign", "campaign-messages"),
        fields={
            "campaign-audience": fields.CAMPAIGN_AUDIENCE,
            "campaign-message": fields.OMNICHANNEL_MESSAGE,
            "campaign": fields.OMNICHANNEL_CAMPAIGN,
        },
        revision=OMNICHANNEL,
    ),
    Endpoint(
        "get_campaign_messages",
        "GET",
        "/api/campaign-messages",
        limits=M,
        scopes=("campaigns:read",),
        page=Page(20, 100),
        filters=(
            _filter("id", "any equals"),
            _filter("campaign_id", "equals"),
            _filter("name", "contains"),
            _filter("status", "equals"),
            _filter("created", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("updated", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
        ),
        sort=("created", "updated"),
        include=("campaign",),
        fields={"campaign-message": fields.OMNICHANNEL_MESSAGE, "campaign": fields.OMNICHANNEL_CAMPAIGN},
        revision=OMNICHANNEL,
    ),
    Endpoint(
        "get_campaign_message",
        "GET",
        "/api/campaign-messages/{id}",
        limits=M,
        scopes=("campaigns:read",),
        include=("campaign", "campaign-variations"),
        fields={
            "campaign-message": fields.OMNICHANNEL_MESSAGE,
            "campaign-variation": fields.CAMPAIGN_VARIATION,
            "campaign": fields.OMNICHANNEL_CAMPAIGN,
        },
        revision=OMNICHANNEL,
    ),
    Endpoint(
        "get_messages_for_campaign",
        "GET",
        "/api/campaigns/{id}/campaign-messages",
        limits=M,
        scopes=("campaigns:read",),
        page=CURSOR_ONLY,
        include=("campaign",),
        fields={"campaign-message": fields.OMNICHANNEL_MESSAGE, "campaign": fields.OMNICHANNEL_CAMPAIGN},
        revision=OMNICHANNEL,
    ),
    Endpoint(
        "get_variations_for_campaign_message",
        "GET",
        "/api/campaign-messages/{id}/campaign-variations",
        limits=M,
        scopes=("campaigns:read",),
        fields={"campaign-variation": fields.CAMPAIGN_VARIATION},
        revision=OMNICHANNEL,
    ),
    Endpoint(
        "get_campaign_variation",
        "GET",
        "/api/campaign-variations/{id}",
        limits=M,
        scopes=("campaigns:read",),
        include=("campaign-message", "image", "translation"),
        fields={
            "campaign-message": fields.OMNICHANNEL_MESSAGE,
            "campaign-variation": fields.CAMPAIGN_VARIATION,
            "image": fields.IMAGE,
            "translation": names("id"),
        },
        revision=OMNICHANNEL,
    ),
    Endpoint(
        "update_campaign_variation",
        "PATCH",
        "/api/campaign-variations/{id}",
        limits=M,
        scopes=("campaigns:write",),
        fields={"campaign-variation": fields.CAMPAIGN_VARIATION},
        revision=OMNICHANNEL,
    ),
    # flows
    Endpoint(
        "get_flows",
        "GET",
        "/api/flows",
        limits=S,
        scopes=("flows:read",),
        page=Page(50, 50),
        filters=(
            _filter("id", "any"),
            _filter("name", "contains ends-with equals starts-with"),
            _filter("status", "equals"),
            _filter("archived", "equals", Value.BOOLEAN),
            _filter("created", "equals greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("updated", "equals greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("trigger_type", "equals"),
        ),
        sort=("created", "id", "name", "status", "trigger_type", "updated"),
        include=("flow-actions", "tags"),
        fields={"flow-action": fields.FLOW_ACTION, "flow": fields.FLOW, "tag": fields.TAG},
    ),
    Endpoint(
        "get_flow",
        "GET",
        "/api/flows/{id}",
        limits=S,
        scopes=("flows:read",),
        include=("flow-actions", "tags"),
        fields={"flow-action": fields.FLOW_ACTION, "flow": fields.FLOW_DETAIL, "tag": fields.TAG},
        additional_fields={"flow": ("definition",)},
    ),
    Endpoint(
        "get_actions_for_flow",
        "GET",
        "/api/flows/{id}/flow-actions",
        limits=S,
        scopes=("flows:read",),
        page=Page(50, 50),
        filters=(
            _filter("id", "any"),
            _filter("action_type", "any equals"),
            _filter("status", "equals"),
            _filter("created", "equals greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("updated", "equals greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
        ),
        sort=("action_type", "created", "id", "status", "updated"),
        fields={"flow-action": fields.FLOW_ACTION},
    ),
    Endpoint(
        "get_flow_action",
        "GET",
        "/api/flow-actions/{id}",
        limits=S,
        scopes=("flows:read",),
        include=("flow", "flow-messages"),
        fields={
            "flow-action": fields.FLOW_ACTION,
            "flow-message": fields.FLOW_MESSAGE,
            "flow": fields.FLOW,
        },
    ),
    Endpoint(
        "get_flow_action_messages",
        "GET",
        "/api/flow-actions/{id}/flow-messages",
        limits=S,
        scopes=("flows:read",),
        page=Page(50, 50),
        filters=(
            _filter("id", "any"),
            _filter("name", "contains ends-with equals starts-with"),
            _filter("created", "equals greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("updated", "equals greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
        ),
        sort=("created", "id", "name", "updated"),
        fields={"flow-message": fields.FLOW_MESSAGE},
    ),
    Endpoint(
        "get_flow_message",
        "GET",
        "/api/flow-messages/{id}",
        limits=S,
        scopes=("flows:read",),
        include=("flow-action", "template"),
        fields={
            "flow-action": fields.FLOW_ACTION,
            "flow-message": fields.FLOW_MESSAGE,
            "template": fields.EMBEDDED_TEMPLATE,
        },
    ),
    # tags, forms, webhooks
    Endpoint(
        "get_tags",
        "GET",
        "/api/tags",
        limits=S,
        scopes=("tags:read",),
        page=Page(50, 50),
        filters=(_filter("name", "contains ends-with equals starts-with"),),
        sort=("id", "name"),
        include=("tag-group",),
        fields={"tag-group": fields.TAG_GROUP, "tag": fields.TAG},
    ),
    Endpoint(
        "get_tag_groups",
        "GET",
        "/api/tag-groups",
        limits=S,
        scopes=("tags:read",),
        page=Page(25, 25),
        filters=(
            _filter("name", "contains ends-with equals starts-with"),
            _filter("exclusive", "equals", Value.BOOLEAN),
            _filter("default", "equals", Value.BOOLEAN),
        ),
        sort=("id", "name"),
        fields={"tag-group": fields.TAG_GROUP},
    ),
    Endpoint(
        "get_forms",
        "GET",
        "/api/forms",
        limits=S,
        scopes=("forms:read",),
        page=Page(20, 100),
        filters=(
            _filter("id", "any equals"),
            _filter("name", "any contains equals"),
            _filter("ab_test", "equals", Value.BOOLEAN),
            _filter("updated_at", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("created_at", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("status", "equals"),
        ),
        sort=("created_at", "updated_at"),
        fields={"form": names("ab_test created_at id name status updated_at")},
    ),
    Endpoint(
        "get_webhooks",
        "GET",
        "/api/webhooks",
        limits=XS,
        scopes=("webhooks:read",),
        include=("webhook-topics",),
        fields={"webhook-topic": fields.WEBHOOK_TOPIC, "webhook": fields.WEBHOOK},
    ),
    Endpoint(
        "get_webhook",
        "GET",
        "/api/webhooks/{id}",
        limits=XS,
        scopes=("webhooks:read",),
        include=("webhook-topics",),
        fields={"webhook-topic": fields.WEBHOOK_TOPIC, "webhook": fields.WEBHOOK},
    ),
    Endpoint(
        "create_webhook",
        "POST",
        "/api/webhooks",
        limits=XS,
        scopes=("webhooks:write",),
        fields={"webhook": fields.WEBHOOK},
    ),
    Endpoint(
        "update_webhook",
        "PATCH",
        "/api/webhooks/{id}",
        limits=XS,
        scopes=("webhooks:write",),
        fields={"webhook": fields.WEBHOOK},
    ),
    Endpoint(
        "delete_webhook", "DELETE", "/api/webhooks/{id}", limits=XS, scopes=("webhooks:write",), bodiless=True
    ),
    Endpoint(
        "get_webhook_topics",
        "GET",
        "/api/webhook-topics",
        limits=XS,
        scopes=("webhooks:read",),
        fields={"webhook-topic": fields.WEBHOOK_TOPIC},
    ),
    Endpoint(
        "get_webhook_topic",
        "GET",
        "/api/webhook-topics/{id}",
        limits=XS,
        scopes=("webhooks:read",),
        fields={"webhook-topic": fields.WEBHOOK_TOPIC},
    ),
    # templates
    Endpoint(
        "get_templates",
        "GET",
        "/api/templates",
        limits=L,
        scopes=("templates:read",),
        page=Page(10, 10),
        filters=(
            _filter("id", "any equals"),
            _filter("name", "any contains equals"),
            _filter("created", "equals greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("updated", "equals greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
        ),
        sort=("created", "id", "name", "updated"),
        fields={"template": fields.TEMPLATE},
        additional_fields={"template": ("definition",)},
    ),
    Endpoint(
        "get_template",
        "GET",
        "/api/templates/{id}",
        limits=L,
        scopes=("templates:read",),
        fields={"template": fields.TEMPLATE},
        additional_fields={"template": ("definition",)},
    ),
    Endpoint(
        "create_template",
        "POST",
        "/api/templates",
        limits=L,
        scopes=("templates:write",),
        fields={"template": fields.TEMPLATE},
        additional_fields={"template": ("definition",)},
    ),
    Endpoint(
        "update_template",
        "PATCH",
        "/api/templates/{id}",
        limits=L,
        scopes=("templates:write",),
        fields={"template": fields.TEMPLATE},
        additional_fields={"template": ("definition",)},
    ),
    Endpoint(
        "delete_template", "DELETE", "/api/templates/{id}", limits=L, scopes=("templates:write",), bodiless=True
    ),
    Endpoint(
        "render_template",
        "POST",
        "/api/template-render",
        limits=S,
        scopes=("templates:read",),
        fields={"template": fields.EMBEDDED_TEMPLATE},
    ),
    Endpoint(
        "clone_template",
        "POST",
        "/api/template-clone",
        limits=L,
        scopes=("templates:write",),
        fields={"template": fields.EMBEDDED_TEMPLATE},
    ),
    # coupons
    Endpoint(
        "get_coupons",
        "GET",
        "/api/coupons",
        limits=L,
        scopes=("coupons:read",),
        page=Page(100, 100),
        fields={"coupon": fields.COUPON},
    ),
    Endpoint(
        "get_bulk_create_coupon_code_jobs",
        "GET",
        "/api/coupon-code-bulk-create-jobs",
        limits=L,
        scopes=("coupon-codes:read",),
        page=CURSOR_ONLY,
        filters=(_filter("status", "equals"),),
        fields={"coupon-code-bulk-create-job": fields.COUPON_CODE_BULK_CREATE_JOB},
    ),
    # catalog
    Endpoint(
        "get_catalog_items",
        "GET",
        "/api/catalog-items",
        limits=XL,
        scopes=("catalogs:read",),
        page=Page(100, 100),
        filters=(
            _filter("ids", "any"),
            _filter("category.id", "equals"),
            _filter("title", "contains"),
            _filter("published", "equals", Value.BOOLEAN),
        ),
        sort=("created",),
        include=("variants",),
        fields={"catalog-item": fields.CATALOG_ITEM, "catalog-variant": fields.CATALOG_VARIANT},
    ),
    Endpoint(
        "get_catalog_variants",
        "GET",
        "/api/catalog-variants",
        limits=XL,
        scopes=("catalogs:read",),
        page=Page(100, 100),
        filters=(
            _filter("ids", "any"),
            _filter("item.id", "equals"),
            _filter("sku", "equals"),
            _filter("title", "contains"),
            _filter("published", "equals", Value.BOOLEAN),
        ),
        sort=("created",),
        fields={"catalog-variant": fields.CATALOG_VARIANT},
    ),
    Endpoint(
        "get_catalog_categories",
        "GET",
        "/api/catalog-categories",
        limits=XL,
        scopes=("catalogs:read",),
        page=Page(100, 100),
        filters=(
            _filter("ids", "any"),
            _filter("item.id", "equals"),
            _filter("name", "contains"),
        ),
        sort=("created",),
        fields={"catalog-category": fields.CATALOG_CATEGORY},
    ),
    Endpoint(
        "get_items_for_catalog_category",
        "GET",
        "/api/catalog-categories/{id}/items",
        limits=XL,
        scopes=("catalogs:read",),
        page=Page(100, 100),
        filters=(
            _filter("ids", "any"),
            _filter("category.id", "equals"),
            _filter("title", "contains"),
            _filter("published", "equals", Value.BOOLEAN),
        ),
        sort=("created",),
        include=("variants",),
        fields={"catalog-item": fields.CATALOG_ITEM, "catalog-variant": fields.CATALOG_VARIANT},
    ),
    # reviews
    Endpoint(
        "get_reviews",
        "GET",
        "/api/reviews",
        limits=M,
        scopes=("reviews:read",),
        page=Page(20, 100),
        filters=(
            _filter("created", "greater-or-equal less-or-equal", Value.DATETIME),
            _filter("rating", "any equals greater-or-equal less-or-equal", Value.INTEGER),
            _filter("id", "any equals"),
            _filter("item.id", "any equals"),
            _filter("content", "contains"),
            _filter("status", "equals"),
            _filter("review_type", "equals"),
            _filter("verified", "equals", Value.BOOLEAN),
        ),
        sort=(
            "created",
            "rating",
            "updated",
        ),
        include=("events",),
        fields={"event": fields.EVENT, "review": fields.REVIEW},
    ),
    # versions of forms
    Endpoint(
        "get_versions_for_form",
        "GET",
        "/api/forms/{id}/form-versions",
        limits=S,
        scopes=("forms:read",),
        page=Page(20, 100),
        filters=(
            _filter("form_type", "any equals"),
            _filter("status", "equals"),
            _filter("updated_at", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("created_at", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
        ),
        sort=(
            "created_at",
            "updated_at",
        ),
        fields={"form-version": fields.FORM_VERSION},
    ),
    # content
    Endpoint(
        "get_images",
        "GET",
        "/api/images",
        limits=M,
        scopes=("images:read",),
        page=Page(20, 100),
        filters=(
            _filter("id", "any equals"),
            _filter("updated_at", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("format", "any equals"),
            _filter("name", "any contains ends-with equals starts-with"),
            _filter("size", "greater-or-equal greater-than less-or-equal less-than", Value.INTEGER),
            _filter("hidden", "any equals", Value.BOOLEAN),
        ),
        sort=(
            "format",
            "id",
            "name",
            "size",
            "updated_at",
        ),
        fields={"image": fields.IMAGE},
    ),
    Endpoint(
        "get_all_universal_content",
        "GET",
        "/api/template-universal-content",
        limits=L,
        scopes=("templates:read",),
        page=Page(20, 100),
        filters=(
            _filter("id", "any equals"),
            _filter("name", "any equals"),
            _filter("created", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("updated", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("definition.content_type", "equals"),
            _filter("definition.type", "equals"),
        ),
        sort=(
            "created",
            "id",
            "name",
            "updated",
        ),
        fields={"template-universal-content": fields.TEMPLATE_UNIVERSAL_CONTENT},
    ),
    Endpoint(
        "get_web_feeds",
        "GET",
        "/api/web-feeds",
        limits=XS,
        scopes=("web-feeds:read",),
        page=Page(5, 20),
        filters=(
            _filter("name", "any contains equals"),
            _filter("created", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
            _filter("updated", "greater-or-equal greater-than less-or-equal less-than", Value.DATETIME),
        ),
        sort=(
            "created",
            "name",
            "updated",
        ),
        fields={"web-feed": fields.WEB_FEED},
    ),
    Endpoint(
        "get_tracking_settings",
        "GET",
        "/api/tracking-settings",
        limits=M,
        scopes=("tracking-settings:read",),
        page=Page(1, 1),
        fields={"tracking-setting": fields.TRACKING_SETTING},
    ),
    # custom and mapped metrics
    Endpoint(
        "get_custom_metrics",
        "GET",
        "/api/custom-metrics",
        limits=S,
        scopes=("metrics:read",),
        include=("metrics",),
        fields={"custom-metric": fields.CUSTOM_METRIC, "metric": fields.METRIC},
    ),
    Endpoint(
        "get_mapped_metrics",
        "GET",
        "/api/mapped-metrics",
        limits=S,
        scopes=("metrics:read",),
        include=(
            "custom-metric",
            "metric",
        ),
        fields={
            "custom-metric": fields.CUSTOM_METRIC,
            "mapped-metric": fields.MAPPED_METRIC,
            "metric": fields.METRIC,
        },
    ),
    # devices
    Endpoint(
        "get_push_tokens",
        "GET",
        "/api/push-tokens",
        limits=M,
        scopes=(
            "profiles:read",
            "push-tokens:read",
        ),
        page=Page(20, 100),
        filters=(
            _filter("id", "equals"),
            _filter("profile.id", "equals"),
            _filter("enablement_status", "equals"),
            _filter("platform", "equals"),
        ),
        include=("profile",),
        fields={"profile": fields.EMBEDDED_PROFILE, "push-token": fields.PUSH_TOKEN},
    ),
    # custom objects
    Endpoint(
        "get_object_types",
        "GET",
        "/api/object-types",
        limits=S,
        scopes=("custom-objects:read",),
        filters=(_filter("namespace", "equals"),),
        include=(
            "current-schema",
            "draft-schema",
        ),
        fields={"object-schema": fields.OBJECT_SCHEMA, "object-type": fields.OBJECT_TYPE},
    ),
    Endpoint(
        "get_schema_versions_for_object_type",
        "GET",
        "/api/object-types/{id}/schema-versions",
        limits=S,
        scopes=("custom-objects:read",),
        fields={"object-schema": fields.OBJECT_SCHEMA},
    ),
    Endpoint(
        "get_records_for_object_type",
        "GET",
        "/api/object-types/{id}/object-records",
        limits=S,
        scopes=("custom-objects:read",),
        page=Page(20, 100),
        fields={"object-record": fields.OBJECT_RECORD},
    ),
    Endpoint(
        "get_ingestion_logs_for_object_type",
        "GET",
        "/api/object-types/{id}/object-ingestion-logs",
        limits=XS,
        scopes=("custom-objects:read",),
        page=CURSOR_ONLY,
        filters=(
            _filter("record_id", "equals"),
            _filter("status", "any equals"),
            _filter("event_type", "any equals"),
            _filter("timestamp", "greater-or-equal less-than", Value.DATETIME),
        ),
        include=("object-record", "object-type"),
        fields={
            "object-ingestion-log": fields.OBJECT_INGESTION_LOG,
            "object-record": fields.OBJECT_RECORD,
            "object-type": fields.OBJECT_TYPE,
        },
    ),
    Endpoint(
        "get_data_sources",
        "GET",
        "/api/data-sources",
        limits=S,
        scopes=("custom-objects:read",),
        page=Page(20, 100),
        fields={"data-source": fields.DATA_SOURCE},
    ),
    # brands and billing, from 2026-10-15
    Endpoint(
        "get_brand_buttons",
        "GET",
        "/api/brand-buttons",
        limits=M,
        scopes=("brands:read",),
        fields={"brand-button": fields.BRAND_BUTTON},
        revision=OMNICHANNEL,
    ),
    Endpoint(
        "get_brand_colors",
        "GET",
        "/api/brand-colors",
        limits=M,
        scopes=("brands:read",),
        fields={"brand-color": fields.BRAND_COLOR},
        revision=OMNICHANNEL,
    ),
    Endpoint(
        "get_brand_logos",
        "GET",
        "/api/brand-logos",
        limits=M,
        scopes=("brands:read",),
        include=("image",),
        fields={"brand-logo": fields.BRAND_LOGO, "image": fields.IMAGE},
        revision=OMNICHANNEL,
    ),
    Endpoint(
        "get_brand_social_groups",
        "GET",
        "/api/brand-social-groups",
        limits=M,
        scopes=("brands:read",),
        fields={"brand-social-group": fields.BRAND_SOCIAL_GROUP},
        revision=OMNICHANNEL,
    ),
    Endpoint(
        "list_billing_usage",
        "GET",
        "/api/billing-usage",
        limits=M,
        scopes=("usage:read",),
        filters=(_filter("id", "any"),),
        fields={"billing-usage": fields.BILLING_USAGE},
        revision=OMNICHANNEL,
    ),
)

ENDPOINTS: Mapping[str, Endpoint] = MappingProxyType({entry.key: entry for entry in _TABLE})
"""Every operation the project uses, by `Endpoint.key`."""
