"""Request documents, as Klaviyo's OpenAPI describes them. A key that is not described is refused."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from klaviyo_sandbox.model.errors import Problem, Refusal, problem, refuse
from klaviyo_sandbox.model.records import Json  # noqa: TC001 - msgspec reads annotations

T = TypeVar("T")
Text = str | UnsetType | None

MOST_PROFILES = 10_000
MOST_MEMBERS = 1_000
MOST_BYTES = 5_000_000
MOST_PROFILE_BYTES = 100_000
"""Klaviyo says 5 MB and 100 KB and does not say which kilobyte; the smaller one is enforced."""

_EMAIL = re.compile(r"[^\s@,;<>()\"\\]+@[^\s@,;<>()\"\\.]+(\.[^\s@,;<>()\"\\.]+)+")
_MOST_EMAIL = 100
_PHONE = re.compile(r"\+[1-9]\d{6,14}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_PLACE = re.compile(r"^(?P<text>.*?)(?: - at `\$?(?P<path>.*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.+)`")
_MISSING = re.compile(r"Object missing required field `(.+)`")
_STEP = re.compile(r"\.(\w+(?:-\w+)*)|\[(\d+)\]")


class Strict(Struct, forbid_unknown_fields=True):
    """An object with exactly the keys declared."""


class _Reachable(Protocol):
    """Attributes that an e-mail address and a phone number are among."""

    @property
    def email(self) -> Text: ...
    @property
    def phone_number(self) -> Text: ...


class Document(Strict, Generic[T]):
    """`{"data": ...}`."""

    data: T


# profiles


class Location(Strict):
    """A profile's location."""

    address1: Text = UNSET
    address2: Text = UNSET
    city: Text = UNSET
    country: Text = UNSET
    latitude: str | float | UnsetType | None = UNSET
    longitude: str | float | UnsetType | None = UNSET
    region: Text = UNSET
    zip: Text = UNSET
    timezone: Text = UNSET
    ip: Text = UNSET


class Attributes(Strict, kw_only=True):
    """Attributes of a profile; absent, null and given are three things."""

    email: Text = UNSET
    phone_number: Text = UNSET
    external_id: Text = UNSET
    first_name: Text = UNSET
    last_name: Text = UNSET
    organization: Text = UNSET
    locale: Text = UNSET
    title: Text = UNSET
    image: Text = UNSET
    location: Location | UnsetType = UNSET
    properties: dict[str, Any] | UnsetType | None = UNSET


class ImportAttributes(Attributes, kw_only=True):
    """As `Attributes`, where a cookie may identify the profile too."""

    kx: Text = field(default=UNSET, name="_kx")


class PatchProperties(Strict):
    """Changes of custom properties that are not a plain write."""

    append: dict[str, Any] | None = None
    unappend: dict[str, Any] | None = None
    unset: str | list[str] | None = None


class ProfileMeta(Strict):
    """Beside `attributes`. Secondary addresses (`patch_identifiers`) are not held, so they are refused."""

    patch_properties: PatchProperties = field(default_factory=PatchProperties)


class ProfileCreate(Strict):
    """`POST /api/profiles`."""

    type: Literal["profile"]
    attributes: Attributes


class ProfileUpdate(Strict):
    """`PATCH /api/profiles/{id}`."""

    type: Literal["profile"]
    id: str
    attributes: Attributes
    meta: ProfileMeta = field(default_factory=ProfileMeta)


class ProfileImport(Strict):
    """`POST /api/profile-import`, and each row of a bulk import."""

    type: Literal["profile"]
    attributes: ImportAttributes
    id: str | None = None
    meta: ProfileMeta = field(default_factory=ProfileMeta)


class Rows(Strict):
    """`{"data": [...]}`; each row is decoded by itself, so that every malformed one can be named."""

    data: list[Raw]


class _BulkAttributes(Strict):
    profiles: Rows


class ListIdentifier(Strict):
    """A list."""

    type: Literal["list"]
    id: str


class _Lists(Strict):
    data: list[ListIdentifier] = field(default_factory=list)


class _BulkRelationships(Strict):
    lists: _Lists = field(default_factory=_Lists)


class BulkImport(Strict):
    """`POST /api/profile-bulk-import-jobs`; rows are still undecoded."""

    type: Literal["profile-bulk-import-job"]
    attributes: _BulkAttributes
    relationships: _BulkRelationships = field(default_factory=_BulkRelationships)


class ProfileIdentifier(Strict):
    """A profile."""

    type: Literal["profile"]
    id: str


# lists


class _ListAttributes(Strict):
    name: str
    opt_in_process: Literal["double_opt_in", "single_opt_in"] | None = None


class ListCreate(Strict):
    """`POST /api/lists`."""

    type: Literal["list"]
    attributes: _ListAttributes


# templates


class _TemplateAttributes(Strict, kw_only=True):
    name: str
    editor_type: str
    html: str | None = None
    text: str | None = None
    amp: str | None = None
    definition: Json | UnsetType = UNSET


class TemplateCreate(Strict):
    """`POST /api/templates`."""

    type: Literal["template"]
    attributes: _TemplateAttributes


class _TemplateChanges(Strict):
    name: Text = UNSET
    html: Text = UNSET
    text: Text = UNSET
    amp: Text = UNSET
    definition: Json | UnsetType = UNSET


class TemplateUpdate(Strict):
    """`PATCH /api/templates/{id}`."""

    type: Literal["template"]
    id: str
    attributes: _TemplateChanges


class _RenderAttributes(Strict):
    context: Json


class TemplateRender(Strict):
    """`POST /api/template-render`."""

    type: Literal["template"]
    id: str
    attributes: _RenderAttributes


class _CloneAttributes(Strict):
    name: str | None = None


class TemplateClone(Strict):
    """`POST /api/template-clone`."""

    type: Literal["template"]
    id: str
    attributes: _CloneAttributes = field(default_factory=_CloneAttributes)


# webhooks


class _TopicIdentifier(Strict):
    type: Literal["webhook-topic"]
    id: str


class _Topics(Strict):
    data: list[_TopicIdentifier]


class _WebhookRelationships(Strict):
    topics: _Topics = field(name="webhook-topics")


class _WebhookAttributes(Strict, kw_only=True):
    name: str
    endpoint_url: str
    secret_key: str
    description: str | None = None


class WebhookCreate(Strict):
    """`POST /api/webhooks`."""

    type: Literal["webhook"]
    attributes: _WebhookAttributes
    relationships: _WebhookRelationships


class _WebhookChanges(Strict):
    name: str | None = None
    endpoint_url: str | None = None
    secret_key: str | None = None
    enabled: bool | None = None
    description: str | None = None


class WebhookUpdate(Strict):
    """`PATCH /api/webhooks/{id}`."""

    type: Literal["webhook"]
    id: str
    attributes: _WebhookChanges
    relationships: _WebhookRelationships | UnsetType = UNSET


# campaigns


class _Audiences(Strict):
    included: list[str]
    excluded: list[str] = field(default_factory=list)


class _SendOptions(Strict):
    use_smart_sending: bool | None = True


class _TrackingParameter(Strict):
    type: Literal["dynamic", "static"]
    value: str
    name: str


class _TrackingOptions(Strict, omit_defaults=True):
    add_tracking_params: bool | UnsetType | None = UNSET
    custom_tracking_params: list[_TrackingParameter] | UnsetType = UNSET
    is_tracking_clicks: bool | UnsetType | None = UNSET
    is_tracking_opens: bool | UnsetType | None = UNSET


class _LocalOptions(Strict):
    is_local: bool
    send_past_recipients_immediately: bool | UnsetType = UNSET


class _StaticStrategy(Strict, tag_field="method", tag="static"):
    datetime: str
    options: _LocalOptions | UnsetType = UNSET


class _ThrottledStrategy(Strict, tag_field="method", tag="throttled"):
    datetime: str
    throttle_percentage: Literal[1, 2, 5, 10, 11, 13, 14, 17, 20, 25, 33, 50]


class _ImmediateStrategy(Strict, tag_field="method", tag="immediate"):
    pass


class _SmartSendTimeStrategy(Strict, tag_field="method", tag="smart_send_time"):
    date: str


Strategy = _StaticStrategy | _ThrottledStrategy | _ImmediateStrategy | _SmartSendTimeStrategy


class _EmailContent(Strict):
    subject: str | None = None
    preview_text: str | None = None
    from_email: str | None = None
    from_label: str | None = None
    reply_to_email: str | None = None
    cc_email: str | None = None
    bcc_email: str | None = None


class _EmailDefinition(Strict, tag_field="channel", tag="email"):
    label: str | None = None
    content: _EmailContent = field(default_factory=_EmailContent)


class _SmsContent(Strict):
    body: str | None = None


class _RenderOptions(Strict):
    shorten_links: bool | None = True
    add_org_prefix: bool | None = True
    add_info_link: bool | None = True
    add_opt_out_language: bool | None = False


class _SmsDefinition(Strict, tag_field="channel", tag="sms"):
    content: _SmsContent = field(default_factory=_SmsContent)
    render_options: _RenderOptions = field(default_factory=_RenderOptions)


class _PushContent(Strict):
    body: str
    title: str | None = None


class _PushDefinition(Strict, tag_field="channel", tag="mobile_push"):
    content: _PushContent
    notification_type: Literal["standard"] = "standard"


Definition = _EmailDefinition | _SmsDefinition | _PushDefinition


class _MessageAttributes(Strict):
    definition: Definition


class _MessageCreate(Strict):
    type: Literal["campaign-message"]
    attributes: _MessageAttributes


class _Messages(Strict):
    data: Annotated[list[_MessageCreate], Meta(min_length=1)]


class _CampaignAttributes(Strict, kw_only=True):
    name: str
    audiences: _Audiences
    send_strategy: Strategy = field(default_factory=_ImmediateStrategy)
    send_options: _SendOptions = field(default_factory=_SendOptions)
    tracking_options: _TrackingOptions | UnsetType = UNSET
    campaign_messages: _Messages = field(name="campaign-messages")


class CampaignCreate(Strict):
    """`POST /api/campaigns`."""

    type: Literal["campaign"]
    attributes: _CampaignAttributes


class _EmailContentChanges(Strict):
    subject: Text = UNSET
    preview_text: Text = UNSET
    from_email: Text = UNSET
    from_label: Text = UNSET
    reply_to_email: Text = UNSET
    cc_email: Text = UNSET
    bcc_email: Text = UNSET


class _EmailChanges(Strict, tag_field="channel", tag="email"):
    label: Text = UNSET
    content: _EmailContentChanges = field(default_factory=_EmailContentChanges)


class _SmsContentChanges(Strict):
    body: Text = UNSET


class _SmsChanges(Strict, tag_field="channel", tag="sms"):
    content: _SmsContentChanges = field(default_factory=_SmsContentChanges)


class _PushContentChanges(Strict):
    title: Text = UNSET
    body: Text = UNSET


class _PushChanges(Strict, tag_field="channel", tag="mobile_push"):
    content: _PushContentChanges = field(default_factory=_PushContentChanges)
    notification_type: Literal["standard"] = "standard"


class _MessageChanges(Strict):
    definition: _EmailChanges | _SmsChanges | _PushChanges


class MessageUpdate(Strict):
    """`PATCH /api/campaign-messages/{id}`."""

    type: Literal["campaign-message"]
    id: str
    attributes: _MessageChanges


class _EmailDetails(Strict, tag_field="channel", tag="email"):
    template_id: str | None = None
    from_label: str = ""
    from_email: str = ""
    reply_to_email: str = ""
    cc_email: str = ""
    bcc_email: str = ""
    subject: str = ""
    preview_text: str = ""


class _VariationDefinition(Strict):
    name: str | None = None
    details: _EmailDetails | None = None


class _VariationAttributes(Strict):
    definition: _VariationDefinition


class VariationUpdate(Strict):
    """`PATCH /api/campaign-variations/{id}`, of e-mail."""

    type: Literal["campaign-variation"]
    id: str
    attributes: _VariationAttributes


class _TemplateIdentifier(Strict):
    type: Literal["template"]
    id: str


class _ToTemplate(Strict):
    data: _TemplateIdentifier


class _AssignRelationships(Strict):
    template: _ToTemplate


class AssignTemplate(Strict):
    """`POST /api/campaign-message-assign-template`."""

    type: Literal["campaign-message"]
    id: str
    relationships: _AssignRelationships


class SendJob(Strict):
    """`POST /api/campaign-send-jobs`; the id is the campaign's."""

    type: Literal["campaign-send-job"]
    id: str


# metric aggregates


class _AggregateAttributes(Strict, kw_only=True):
    metric_id: str
    measurements: Annotated[list[Literal["count", "sum_value", "unique"]], Meta(min_length=1)]
    filter: list[str]
    interval: Literal["day", "hour", "month", "week"] | None = "day"
    by: list[str] | None = None
    timezone: str | None = "UTC"
    page_size: int | None = 500
    page_cursor: str | None = None
    return_fields: list[str] | None = None
    sort: str | None = None


class AggregateQuery(Strict):
    """`POST /api/metric-aggregates`."""

    type: Literal["metric-aggregate"]
    attributes: _AggregateAttributes


# reports


class Timeframe(Strict):
    """Either a key, or a start and an end."""

    key: (
        Literal[
            "last_12_months",
            "last_30_days",
            "last_365_days",
            "last_3_months",
            "last_7_days",
            "last_90_days",
            "last_month",
            "last_week",
            "last_year",
            "this_month",
            "this_week",
            "this_year",
            "today",
            "yesterday",
        ]
        | None
    ) = None
    start: str | None = None
    end: str | None = None


class ValuesAttributes(Strict, kw_only=True):
    """What a values report is to say."""

    statistics: Annotated[list[str], Meta(min_length=1)]
    timeframe: Timeframe
    conversion_metric_id: str
    group_by: list[str] | None = None
    filter: str | None = None


class SegmentValuesAttributes(Strict, kw_only=True):
    """What a report on segments is to say."""

    statistics: Annotated[list[str], Meta(min_length=1)]
    timeframe: Timeframe
    filter: str | None = None


class FormValuesAttributes(SegmentValuesAttributes, kw_only=True):
    """What a report on forms is to say."""

    group_by: list[str] | None = None


Interval = Literal["daily", "hourly", "monthly", "weekly"]


class FlowSeriesAttributes(ValuesAttributes, kw_only=True):
    """What a series of values is to say."""

    interval: Interval


class SegmentSeriesAttributes(SegmentValuesAttributes, kw_only=True):
    """What a series of counts of segments is to say."""

    interval: Interval


class FormSeriesAttributes(FormValuesAttributes, kw_only=True):
    """What a series of counts of forms is to say."""

    interval: Interval


class SegmentValues(Strict):
    """`POST /api/segment-values-reports`."""

    type: Literal["segment-values-report"]
    attributes: SegmentValuesAttributes


class FormValues(Strict):
    """`POST /api/form-values-reports`."""

    type: Literal["form-values-report"]
    attributes: FormValuesAttributes


class CampaignValues(Strict):
    """`POST /api/campaign-values-reports`."""

    type: Literal["campaign-values-report"]
    attributes: ValuesAttributes


class FlowValues(Strict):
    """`POST /api/flow-values-reports`."""

    type: Literal["flow-values-report"]
    attributes: ValuesAttributes


class FlowSeries(Strict):
    """`POST /api/flow-series-reports`."""

    type: Literal["flow-series-report"]
    attributes: FlowSeriesAttributes


class SegmentSeries(Strict):
    """`POST /api/segment-series-reports`."""

    type: Literal["segment-series-report"]
    attributes: SegmentSeriesAttributes


class FormSeries(Strict):
    """`POST /api/form-series-reports`."""

    type: Literal["form-series-report"]
    attributes: FormSeriesAttributes


# reading


def read(body: bytes, kind: type[T], resource: str) -> T:
    """The `data` of a request document.

    Args:
        body: the request.
        kind: what `data` must be.
        resource: the type that messages name.

    Raises:
        Refusal: the body is not of this form.
    """
    try:
        return msgspec.json.decode(body, type=Document[kind]).data  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        raise Refusal(400, [_problem(error, resource)]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        refuse(f"The request body is not JSON: {error}")


def read_row(row: Raw, kind: type[T], at: str, resource: str = "profile") -> T | Problem:
    """A row of a bulk request, or why it cannot be one; `at` is its pointer."""
    try:
        return msgspec.json.decode(row, type=kind)
    except msgspec.ValidationError as error:
        return _problem(error, resource, at)


def malformed_identifiers(attributes: _Reachable, at: str) -> list[Problem]:
    """What is wrong with the e-mail address and the phone number; `at` is the pointer of the attributes."""
    problems = []
    email, phone_number = attributes.email, attributes.phone_number
    if isinstance(email, str) and not is_email(email):
        problems.append(problem("Invalid email address", pointer=f"{at}/email"))
    if isinstance(phone_number, str) and not is_phone_number(phone_number):
        problems.append(
            problem(
                "Invalid phone number format (Example of a valid format: +12345678901)",
                pointer=f"{at}/phone_number",
            )
        )
    return problems


def is_email(text: str) -> bool:
    """Whether an e-mail address can be one."""
    return len(text) <= _MOST_EMAIL and _EMAIL.fullmatch(text.strip()) is not None


def is_phone_number(text: str) -> bool:
    """Whether a phone number is in the form of E.164."""
    return _PHONE.fullmatch(text) is not None


def moment(text: str) -> datetime | None:
    """The moment in a date-time as the OpenAPI document has it (RFC 3339, with an offset); None if it is none."""
    try:
        return datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
    except ValueError:  # such as a 13th month
        return None


def _problem(error: msgspec.ValidationError, resource: str, at: str = "") -> Problem:
    match = _PLACE.match(str(error))
    text, path = (match["text"], match["path"] or "") if match else (str(error), "")
    pointer = at + "".join(f"/{name or index}" for name, index in _STEP.findall(path))
    if unknown := _UNKNOWN.fullmatch(text):
        return problem(
            f"'{unknown[1]}' is not a valid field for the resource '{resource}'.",
            pointer=f"{pointer}/{unknown[1]}",
        )
    if missing := _MISSING.fullmatch(text):
        return problem(
            f"'{missing[1]}' is a required field for the resource '{resource}'.", pointer=f"{pointer}/{missing[1]}"
        )
    return problem(f"{text}.", pointer=pointer or "/data")
