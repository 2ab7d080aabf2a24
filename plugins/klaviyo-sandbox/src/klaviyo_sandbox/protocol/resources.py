"""How each resource looks in an answer. Shapes are those of recorded answers, undocumented keys included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from klaviyo_sandbox.model import times
from klaviyo_sandbox.model.ids import COMPANY_ID
from klaviyo_sandbox.model.records import (
    NEVER,
    Campaign,
    CampaignMessage,
    Consent,
    ConsentState,
    Conversation,
    Coupon,
    CouponCode,
    Flow,
    FlowAction,
    FlowMessage,
    Form,
    Group,
    GroupKind,
    ImportFailure,
    ImportJob,
    Json,
    Metric,
    Profile,
    PushToken,
    Suppression,
    SuppressionJob,
    Tag,
    TagGroup,
    Template,
    Webhook,
)

if TYPE_CHECKING:
    from klaviyo_sandbox.model.attribution import Attribution

Names = frozenset[str] | None
"""A sparse fieldset; None: all."""

Related = list[Json] | Json | UnsetType | None
"""A relationship's identifiers; unset: not loaded, so that only links are shown."""

Row = tuple[Any, ...]

TIMEZONE = "Europe/Copenhagen"
IMPORTS_KEPT = timedelta(days=7)
_LOCATION = ("address1", "address2", "city", "country", "latitude", "longitude", "region", "zip", "timezone", "ip")
_OF_PROFILES = ("lists", "segments", "push-tokens")
_NOWHERE: Json = dict.fromkeys(_LOCATION)
_PREDICTIVE = (
    "historic_number_of_orders",
    "predicted_number_of_orders",
    "average_days_between_orders",
    "average_order_value",
    "historic_clv",
    "predicted_clv",
    "total_clv",
    "churn_probability",
    "expected_date_of_next_order",
    "ranked_channel_affinity",
)

_EVENT = (
    b'{"type":"event","id":"%b","attributes":%b,"relationships":{'
    b'"profile":{"data":%b,"links":{"self":"%b/relationships/profile/","related":"%b/profile/"}},'
    b'"metric":{"data":%b,"links":{"self":"%b/relationships/metric/","related":"%b/metric/"}}%b},'
    b'"links":{"self":"%b/"}}'
)
_ATTRIBUTIONS = (
    b',"attributions":{"data":%b,"links":{"self":"%b/relationships/attributions/","related":"%b/attributions/"}}'
)
_PROFILE = b'{"type":"profile","id":"%b"}'
_METRIC = b'{"type":"metric","id":"%b"}'
_PROFILE_ROW = b'{"type":"profile","id":"%b","attributes":%b,"relationships":%b,"links":{"self":"%b/"}}'
_PROFILE_ATTRIBUTES = (
    b'{%b,"anonymous_id":null,"whatsapp_bsuid":null,"created":"%b","updated":"%b","last_event_date":%b,%b}'
)
_NULL = b"null"
_OWN = b"<own>"


_encode = msgspec.json.encode


class _Identifiers(Struct):
    email: str | None
    phone_number: str | None
    external_id: str | None


def identifier(kind: str, resource_id: str) -> Json:
    """`{"type": ..., "id": ...}`."""
    return {"type": kind, "id": resource_id}


def identifiers(kind: str, ids: Iterable[str]) -> list[Json]:
    """A list of identifiers of one type."""
    return [identifier(kind, each) for each in ids]


class Resources:
    """Renders records as JSON:API resources whose links begin with `base`.

    `written_at` is the moment of the write that is being answered: such answers show its microseconds, later reads
    whole seconds (recorded).
    """

    def __init__(self, base: str, written_at: datetime | None = None) -> None:
        self._base = base
        self._events = f"{base}/api/events/".encode()
        self._profiles = f"{base}/api/profiles/".encode()
        self._written_at = written_at

    def _moment(self, timestamp: int) -> str:
        written = self._written_at
        return (
            times.micros(written)
            if written and int(written.timestamp()) == timestamp
            else times.seconds(timestamp)
        )

    def event(
        self,
        event_id: bytes,
        profile_id: bytes | None,
        metric_id: bytes | None,
        attributes: bytes,
        attribution_ids: Sequence[str] = (),
    ) -> bytes:
        """An event as JSON, put around the attributes that were encoded when it was written.

        An event without attributions has no relationship to any (recorded).
        """
        own = self._events + event_id
        attributed = _encode(identifiers("attribution", attribution_ids))
        return _EVENT % (
            event_id,
            attributes,
            _NULL if profile_id is None else _PROFILE % profile_id,
            own,
            own,
            _NULL if metric_id is None else _METRIC % metric_id,
            own,
            own,
            _ATTRIBUTIONS % (attributed, own, own) if attribution_ids else b"",
            own,
        )

    def attribution(self, attribution: Attribution) -> Json:
        """What an event is credited to: ids alone, of what there is."""
        of_flow = attribution.flow_id is not None
        related = {
            "event": ("event", attribution.event_id),
            "attributed-event": ("event", attribution.attributed_event_id),
            "campaign": ("campaign", attribution.campaign_id),
            "campaign-message": ("campaign-message", None if of_flow else attribution.message_id),
            "flow": ("flow", attribution.flow_id),
            "flow-message": ("flow-message", attribution.message_id if of_flow else None),
        }
        own = f"{self._base}/api/attributions/{attribution.id}"
        return {
            "type": "attribution",
            "id": attribution.id,
            "relationships": {
                name: {
                    "data": identifier(kind, key),
                    "links": {"self": f"{own}/relationships/{name}/", "related": f"{own}/{name}/"},
                }
                for name, (kind, key) in related.items()
                if key is not None
            },
            "links": {"self": f"{own}/"},
        }

    def metric(self, metric: Metric, names: Names = None, *, flow_ids: Sequence[str] | None = None) -> Json:
        """A metric; the flows that it triggers are named only when given."""
        source = metric.integration
        attributes = {
            "name": metric.name,
            "created": times.seconds(metric.created),
            "updated": times.seconds(metric.updated),
            "integration": {
                "object": "integration",
                "id": source.id,
                "key": source.key,
                "name": source.name,
                "category": source.category,
            },
        }
        return self._resource(
            "metric",
            metric.id,
            attributes,
            names,
            {"flow-triggers": UNSET if flow_ids is None else identifiers("flow", flow_ids)},
        )

    def profile(
        self,
        profile: Profile,
        names: Names = None,
        *,
        additional: Json | None = None,
        conversation: str = "conversation",
        related: Mapping[str, list[Json]] | None = None,
    ) -> Json:
        """A profile.

        Args:
            profile: the record.
            names: sparse fieldset.
            additional: attributes beyond the sparse fieldset.
            conversation: the relationship's name differs from endpoint to endpoint (recorded).
            related: identifiers of the included `lists` and `segments`.
        """
        attributes = {
            "email": profile.email,
            "phone_number": profile.phone_number,
            "external_id": profile.external_id,
            "anonymous_id": None,
            "whatsapp_bsuid": None,
            "created": self._moment(profile.created),
            "updated": self._moment(profile.updated),
            "last_event_date": times.maybe_seconds(profile.last_event_date),
            **stored_attributes(profile),
        }
        relationships: dict[str, Related] = dict.fromkeys((*_OF_PROFILES, conversation), UNSET)
        relationships.update(related or {})
        resource = self._resource("profile", profile.id, attributes, names, relationships)
        resource["attributes"].update(additional or {})
        return resource

    def profile_row(self, row: Row, conversation: str, names: Names, additional: Json) -> bytes:
        """As `profile`, as JSON, put around what was encoded when the profile was written.

        Args:
            row: begins with `store.SHOWN_COLUMNS`.
            conversation: the relationship's name.
            names: sparse fieldset.
            additional: attributes beyond the sparse fieldset.
        """
        attributes = _PROFILE_ATTRIBUTES % (
            _encode(_Identifiers(row[1], row[2], row[3]))[1:-1],
            times.seconds(row[4]).encode(),
            times.seconds(row[5]).encode(),
            _encode(times.maybe_seconds(row[6])),
            row[12][1:-1],
        )
        if names is not None:
            attributes = _encode(sparse(msgspec.json.decode(attributes), names))
        if additional:
            comma = b"" if attributes == b"{}" else b","
            attributes = attributes[:-1] + comma + _encode(additional)[1:]
        profile_id = row[0].encode()
        own = self._profiles + profile_id
        relationships = _not_loaded(*_OF_PROFILES, conversation).replace(_OWN, own)
        return _PROFILE_ROW % (profile_id, attributes, relationships, own)

    def group(
        self,
        group: Group,
        names: Names = None,
        *,
        related: Mapping[str, Sequence[str]] | None = None,
        count: int | None = None,
    ) -> Json:
        """A list or a segment; `related` holds the ids of its tags and the flows that it triggers, if included."""
        attributes: Json = {"name": group.name}
        if group.kind is GroupKind.SEGMENT:
            attributes["definition"] = group.definition
        attributes["created"] = self._moment(group.created)
        attributes["updated"] = self._moment(group.updated)
        if group.kind is GroupKind.LIST:
            attributes["opt_in_process"] = group.opt_in_process
        else:
            attributes |= {
                "is_active": group.is_active,
                "is_processing": group.is_processing,
                "is_starred": group.is_starred,
            }
        relationships: dict[str, Related] = {
            name: identifiers(kind, related[name]) if related and name in related else UNSET
            for name, kind in {"profiles": "profile", "tags": "tag", "flow-triggers": "flow"}.items()
        }
        resource = self._resource(group.kind.value, group.id, attributes, names, relationships)
        if count is not None:
            resource["attributes"]["profile_count"] = count
        return resource

    def push_token(self, token: PushToken, names: Names = None, *, with_profile: bool = False) -> Json:
        """A device of a profile, which is named only when included."""
        attributes = {
            "created": times.seconds(token.created),
            "token": token.token,
            "enablement_status": token.enablement_status,
            "platform": token.platform,
            "vendor": token.vendor,
            "background": token.background,
            "recorded_date": times.seconds(token.recorded_date),
            "metadata": token.metadata,
        }
        owner: Related = identifier("profile", token.profile_id) if with_profile else UNSET
        return self._resource("push-token", token.id, attributes, names, {"profile": owner})

    def conversation(self, conversation: Conversation, names: Names = None) -> Json:
        """A conversation with a profile."""
        attributes = {"channel": conversation.channel}
        return self._resource("conversation", conversation.id, attributes, names, {"profile": UNSET})

    def coupon(self, coupon: Coupon, names: Names = None) -> Json:
        """A coupon."""
        attributes = {
            "external_id": coupon.id,
            "description": coupon.description,
            "monitor_configuration": coupon.monitor_configuration,
        }
        return self._resource("coupon", coupon.id, attributes, names)

    def coupon_code(self, code: CouponCode, names: Names = None, *, with_coupon: bool = False) -> Json:
        """A code of a coupon; the coupon is named only when included, who was given it always."""
        attributes = {
            "unique_code": code.unique_code,
            "expires_at": times.maybe_micros(code.expires_at),
            "status": code.status,
        }
        relationships: dict[str, Related] = {
            "coupon": identifier("coupon", code.coupon_id) if with_coupon else UNSET,
            "profile": identifier("profile", code.profile_id) if code.profile_id else UNSET,
        }
        return self._resource("coupon-code", code.id, attributes, names, relationships)

    def campaign(
        self,
        campaign: Campaign,
        message_ids: Sequence[str],
        names: Names = None,
        *,
        included: frozenset[str] = frozenset(),
        tag_ids: Sequence[str] = (),
    ) -> Json:
        """A campaign; its messages' identifiers are always there (recorded)."""
        attributes = {
            "name": campaign.name,
            "status": campaign.status,
            "archived": campaign.archived,
            "audiences": campaign.audiences,
            "send_options": campaign.send_options
            if self._written_at
            else {"ignore_unsubscribes": False, **campaign.send_options},
            "tracking_options": campaign.tracking_options,
            "send_strategy": campaign.send_strategy,
            "created_at": times.micros(campaign.created_at),
            "scheduled_at": times.maybe_micros(campaign.scheduled_at),
            "updated_at": times.micros(campaign.updated_at),
            "send_time": times.maybe_micros(campaign.send_time),
        }
        relationships: dict[str, Related] = {
            "campaign-messages": identifiers("campaign-message", message_ids),
            "tags": identifiers("tag", tag_ids) if "tags" in included else UNSET,
        }
        return self._resource("campaign", campaign.id, attributes, names, relationships)

    def message(
        self, message: CampaignMessage, names: Names = None, *, included: frozenset[str] = frozenset()
    ) -> Json:
        """A campaign message; its template and image are loaded only when included."""
        definition: Json = {"channel": message.channel, "label": message.label, "content": message.content}
        if message.channel == "mobile_push":
            definition["notification_type"] = "standard"
        attributes = {
            "definition": definition,
            "send_times": message.send_times,
            "created_at": times.micros(message.created_at),
            "updated_at": times.micros(message.updated_at),
        }
        template = identifier("template", message.template_id) if message.template_id else None
        relationships: dict[str, Related] = {
            "campaign": identifier("campaign", message.campaign_id),
            "template": template if "template" in included else UNSET,
            "image": None if "image" in included else UNSET,
        }
        return self._resource("campaign-message", message.id, attributes, names, relationships)

    def assigned_message(self, message: CampaignMessage, names: Names = None) -> Json:
        """A message as `assign_template_to_campaign_message` answers it: the older, flat form (recorded)."""
        attributes = {
            "label": message.label,
            "channel": message.channel,
            "content": message.content,
            "send_times": message.send_times,
            "render_options": None,
            "created_at": times.micros(message.created_at),
            "updated_at": times.micros(message.updated_at),
        }
        relationships: dict[str, Related] = {
            "campaign": identifier("campaign", message.campaign_id),
            "template": identifier("template", message.template_id) if message.template_id else None,
        }
        return self._resource("campaign-message", message.id, attributes, names, relationships)

    def template(self, template: Template, names: Names = None) -> Json:
        """A template."""
        attributes = {
            "name": template.name,
            "editor_type": template.editor_type,
            "html": template.html,
            "text": template.text,
            "amp": template.amp,
            "created": self._moment(template.created),
            "updated": self._moment(template.updated),
        }
        return self._resource("template", template.id, attributes, names)

    def send_job(self, campaign: Campaign, names: Names = None) -> Json:
        """The sending of a campaign; it has the campaign's id."""
        status = "complete" if campaign.status == "Sent" else "queued"
        return self._resource("campaign-send-job", campaign.id, {"status": status}, names)

    def import_job(self, job: ImportJob, names: Names = None) -> Json:
        """A bulk import. Here it is the read that shows microseconds (recorded)."""
        created_at = (
            times.seconds(int(job.created_at.timestamp())) if self._written_at else times.micros(job.created_at)
        )
        attributes = {
            "status": job.status,
            "created_at": created_at,
            "total_count": job.total_count,
            "completed_count": job.completed_count,
            "failed_count": job.failed_count,
            "completed_at": times.maybe_micros(job.completed_at),
            "expires_at": times.seconds(int((job.created_at + IMPORTS_KEPT).timestamp())),
            "started_at": times.maybe_micros(job.started_at),
        }
        relationships: dict[str, Related] = {
            "lists": identifiers("list", job.list_ids),
            "profiles": UNSET,
            "import-errors": UNSET,
        }
        resource = self._resource("profile-bulk-import-job", job.id, attributes, names, relationships)
        # There is no relationship endpoint for errors (recorded).
        del resource["relationships"]["import-errors"]["links"]["self"]
        return resource

    def suppression_job(self, job: SuppressionJob, names: Names = None) -> Json:
        """A suppression job; the list or segment is named only when the job is for one (recorded)."""
        attributes = {
            "status": job.status,
            "created_at": times.micros(job.created_at),
            "total_count": job.total_count,
            "completed_count": job.completed_count,
            "completed_at": times.maybe_micros(job.completed_at),
            "skipped_count": job.skipped_count,
        }
        relationships: dict[str, Related] = {
            "lists": identifiers("list", [job.list_id]) if job.list_id else UNSET,
            "segments": identifiers("segment", [job.segment_id]) if job.segment_id else UNSET,
        }
        kind = f"profile-suppression-bulk-{job.kind}-job"
        return self._resource(kind, job.id, attributes, names, relationships)

    def metric_aggregate(self, query_id: str, attributes: Json, names: Names = None) -> Json:
        """Metric aggregates; the id is the query's, and the link has none (recorded)."""
        return {
            "type": "metric-aggregate",
            "id": query_id,
            "attributes": sparse(attributes, names),
            "links": {"self": f"{self._base}/api/metric-aggregates/"},
        }

    def flow(
        self,
        flow: Flow,
        action_ids: Sequence[str] = (),
        names: Names = None,
        *,
        included: frozenset[str] = frozenset(),
        tag_ids: Sequence[str] = (),
    ) -> Json:
        """A flow; its actions and tags are named only when included."""
        attributes = {
            "name": flow.name,
            "status": flow.status,
            "archived": flow.archived,
            "created": times.seconds(flow.created),
            "updated": times.seconds(flow.updated),
            "trigger_type": flow.trigger_type,
        }
        relationships: dict[str, Related] = {
            "flow-actions": identifiers("flow-action", action_ids) if "flow-actions" in included else UNSET,
            "tags": identifiers("tag", tag_ids) if "tags" in included else UNSET,
        }
        return self._resource("flow", flow.id, attributes, names, relationships)

    def flow_action(
        self, action: FlowAction, message_ids: Sequence[str] | None = None, names: Names = None
    ) -> Json:
        """An action; its flow is always named, its messages only when given."""
        attributes = {
            "created": times.seconds(action.created),
            "updated": times.seconds(action.updated),
            "definition": action.definition,
        }
        relationships: dict[str, Related] = {
            "flow": identifier("flow", action.flow_id),
            "flow-messages": UNSET if message_ids is None else identifiers("flow-message", message_ids),
        }
        return self._resource("flow-action", action.id, attributes, names, relationships)

    def flow_message(self, message: FlowMessage, names: Names = None) -> Json:
        """A message of a flow; its action and its template are always named (recorded)."""
        attributes = {
            "channel": message.channel,
            "definition": message.definition,
            "created": times.seconds(message.created),
            "updated": times.seconds(message.updated),
        }
        relationships: dict[str, Related] = {
            "flow-action": identifier("flow-action", message.action_id),
            "template": identifier("template", message.template_id) if message.template_id else None,
            "image": UNSET,
        }
        return self._resource("flow-message", message.id, attributes, names, relationships)

    def tag(self, tag: Tag, names: Names = None, *, with_group: bool = False) -> Json:
        """A tag; its group is named only when included."""
        relationships: dict[str, Related] = {
            "tag-group": identifier("tag-group", tag.group_id) if with_group else UNSET,
            "lists": UNSET,
            "segments": UNSET,
            "campaigns": UNSET,
            "flows": UNSET,
        }
        return self._resource("tag", tag.id, {"name": tag.name}, names, relationships)

    def tag_group(self, group: TagGroup, names: Names = None) -> Json:
        """A group of tags."""
        attributes = {"name": group.name, "exclusive": group.exclusive, "default": group.default}
        return self._resource("tag-group", group.id, attributes, names, {"tags": UNSET})

    def form(self, form: Form, names: Names = None) -> Json:
        """A form; with a sparse fieldset its relationships are left out (recorded)."""
        attributes = {
            "name": form.name,
            "status": form.status,
            "ab_test": form.ab_test,
            "created_at": times.seconds(form.created_at),
            "updated_at": times.seconds(form.updated_at),
        }
        relationships = {"form-versions": identifiers("form-version", form.version_ids)} if names is None else None
        return self._resource("form", form.id, attributes, names, relationships)

    def webhook(self, webhook: Webhook, names: Names = None) -> Json:
        """A webhook; its address is masked, its topics are always named and have no links (recorded)."""
        attributes = {
            "name": webhook.name,
            "description": webhook.description,
            "endpoint_url": urljoin(webhook.endpoint_url, "/*****"),
            "enabled": webhook.enabled,
            "created_at": times.micros(webhook.created_at),
            "updated_at": times.micros(webhook.updated_at),
        }
        resource = self._resource("webhook", webhook.id, attributes, names)
        resource["relationships"] = {"webhook-topics": {"data": identifiers("webhook-topic", webhook.topics)}}
        return resource

    def webhook_topic(self, topic: str) -> Json:
        """What a webhook can be called for; it has nothing but its id."""
        return self._resource("webhook-topic", topic, {}, None)

    def values_report(self, kind: str, report_id: str, attributes: Json, names: Names = None) -> Json:
        """A values report; it has no links (recorded)."""
        return {"type": kind, "id": report_id, "attributes": sparse(attributes, names)}

    def account(self, account_id: str, names: Names = None) -> Json:
        """The one account."""
        attributes = {
            "test_account": True,
            "contact_information": {
                "default_sender_name": "Sandbox Shop",
                "default_sender_email": "shop@sandbox.example",
                "website_url": "https://shop.sandbox.example",
                "organization_name": "Sandbox Shop",
                "street_address": {
                    "address1": "1 Example Street",
                    "address2": None,
                    "city": "Copenhagen",
                    "region": None,
                    "country": "Denmark",
                    "zip": "2300",
                },
            },
            "industry": "Software / SaaS",
            "timezone": TIMEZONE,
            "preferred_currency": "DKK",
            "public_api_key": account_id,
            "locale": "en-US",
        }
        return self._resource("account", account_id, attributes, names)

    def _resource(
        self,
        kind: str,
        resource_id: str,
        attributes: Json,
        names: Names,
        relationships: Mapping[str, list[Json] | Json | UnsetType | str | None] | None = None,
    ) -> Json:
        own = f"{self._base}/api/{kind}s/{resource_id}"
        resource: Json = {"type": kind, "id": resource_id, "attributes": sparse(attributes, names)}
        if relationships and all(data is UNSET for data in relationships.values()):
            resource["relationships"] = Raw(_not_loaded(*relationships).replace(_OWN, own.encode()))
        elif relationships:
            resource["relationships"] = {
                name: ({} if data is UNSET else {"data": data})
                | {"links": {"self": f"{own}/relationships/{name}/", "related": f"{own}/{name}/"}}
                for name, data in relationships.items()
            }
        resource["links"] = {"self": f"{own}/"}
        return resource


def import_error(failure: ImportFailure, names: Names = None) -> Json:
    """What an import refused, and why."""
    attributes = {
        "code": failure.code,
        "title": failure.title,
        "detail": failure.detail,
        "source": {"pointer": failure.pointer},
        "original_payload": failure.original_payload,
    }
    return {"type": "import-error", "id": failure.id, "attributes": sparse(attributes, names)}


def stored_attributes(profile: Profile) -> Json:
    """The attributes of a profile that only a write to it changes.

    Custom properties come back as from Klaviyo: lists in another order (recorded), here always turned round, and
    `company_id` added.
    """
    return {
        "first_name": profile.first_name,
        "last_name": profile.last_name,
        "organization": profile.organization,
        "locale": profile.locale,
        "title": profile.title,
        "image": profile.image,
        "location": {**_NOWHERE, **profile.location},
        "properties": {"company_id": COMPANY_ID}
        | {name: value[::-1] if isinstance(value, list) else value for name, value in profile.properties.items()},
    }


def subscriptions(profile: Profile, suppressions: Sequence[Suppression]) -> Json:
    """A profile's `subscriptions` object."""
    everywhere = [each for each in suppressions if each.list_id is None]
    email = profile.email_marketing
    changes = [each.at for each in suppressions] + ([email.changed_at] if email.changed_at else [])
    subscribed = email.state is ConsentState.SUBSCRIBED
    unwanted = email.state is ConsentState.UNSUBSCRIBED
    unmailable = unwanted or bool(everywhere) or profile.email is None
    origin = email.origin
    on_whatsapp = {profile.whatsapp_marketing, profile.whatsapp_transactional}
    marketing = {
        "can_receive_email_marketing": not unmailable,
        "consent": email.state.value,
        "consent_timestamp": _given_at(email) if subscribed else None,
        "last_updated": times.maybe_micros(max(changes, default=None)),
        "method": "API" if origin else None,
        "method_detail": None,
        "custom_method_detail": origin.source if origin else None,
        "double_optin": origin.confirmed if origin else None,
        "suppression": [{"reason": each.reason.value, "timestamp": times.micros(each.at)} for each in everywhere],
        "list_suppressions": [
            {"list_id": each.list_id, "reason": each.reason.value, "timestamp": times.micros(each.at)}
            for each in suppressions
            if each.list_id is not None
        ],
    }
    return {
        "email": {
            "marketing": marketing,
            "open_tracking": _recorded(profile.email_open_tracking),
            "click_tracking": _recorded(profile.email_click_tracking),
        },
        "sms": {
            "marketing": _sms(profile.sms_marketing, "marketing"),
            "transactional": _sms(profile.sms_transactional, "transactional"),
        },
        "mobile_push": {
            "marketing": {
                "can_receive_push_marketing": False,  # without tokens
                "consent": profile.push_marketing.state.value,
                "consent_timestamp": _given_at(profile.push_marketing),
            }
        },
        "whatsapp": None
        if on_whatsapp == {NEVER}
        else {
            "marketing": _whatsapp(profile, profile.whatsapp_marketing),
            "transactional": _whatsapp(profile, profile.whatsapp_transactional),
        },
    }


def _sms(held: Consent, purpose: str) -> Json:
    return {
        f"can_receive_sms_{purpose}": held.state is ConsentState.SUBSCRIBED,
        "consent": held.state.value,
        "consent_timestamp": _given_at(held),
        "method": "API" if held.origin else None,
        "method_detail": None,
        "last_updated": times.maybe_micros(held.changed_at),
    }


def _recorded(held: Consent) -> Json:
    return {
        "consent": held.state.value,
        "consent_timestamp": _given_at(held),
        "last_updated": times.maybe_micros(held.changed_at),
        "created_timestamp": None,
        "metadata": None,
        "can_receive": held.state is ConsentState.SUBSCRIBED,
        "valid_until": None,
    }


def _whatsapp(profile: Profile, held: Consent) -> Json:
    return {**_recorded(held), "phone_number": profile.phone_number}


def _given_at(consent: Consent) -> str | None:
    """When somebody consented, or else when that was written down."""
    return times.maybe_micros(consent.origin.consented_at if consent.origin else consent.changed_at)


def predictive_analytics(profile: Profile) -> Json:
    """A profile's `predictive_analytics` object; unset values are null."""
    return {key: profile.predictive_analytics.get(key) for key in _PREDICTIVE}


def sparse(attributes: Json, names: Names) -> Json:
    """The attributes that a sparse fieldset asks for; a dotted name asks for one key inside an object."""
    if names is None:
        return attributes
    kept: Json = {}
    for key, value in attributes.items():
        if key in names:
            kept[key] = value
        elif isinstance(value, dict):
            inner = frozenset(name.removeprefix(f"{key}.") for name in names if name.startswith(f"{key}."))
            if inner:
                kept[key] = sparse(value, inner)
    return kept


@cache
def _not_loaded(*names: str) -> bytes:
    """Relationships of which only links are shown, as JSON; `_OWN` stands for the address of the resource."""
    own = _OWN.decode()
    return msgspec.json.encode(
        {name: {"links": {"self": f"{own}/relationships/{name}/", "related": f"{own}/{name}/"}} for name in names}
    )
