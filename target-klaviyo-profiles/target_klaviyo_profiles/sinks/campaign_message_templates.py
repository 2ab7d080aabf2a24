"""Templates assigned to campaign messages, and assigned again when the template has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec
from typing_extensions import override

from klaviyo_wire import jsonapi
from klaviyo_wire.errors import NotFound
from target_klaviyo_profiles.answers import told, untold
from target_klaviyo_profiles.fields import Field, Kind
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import ONE_RECORD, Group, Reason, Rejected, Resource, Route, Row
from target_klaviyo_profiles.sinks.record_sink import RecordSink, record_call
from target_klaviyo_profiles.sinks.stored_templates import content_told, same_content, template_named

if TYPE_CHECKING:
    from target_klaviyo_profiles.sinks.context import SinkContext
    from target_klaviyo_profiles.values import Json

MESSAGE, TEMPLATE = "campaign_message_id", "template_name"
_ASSIGN = Route("assign_template_to_campaign_message", ONE_RECORD)
_OPEN = frozenset({"Draft", "Scheduled"})
"""What a campaign's status is while its messages can still change."""


class CampaignMessageTemplates(RecordSink):
    """Gives campaign messages their templates.

    Klaviyo gives the message a copy of the template, and later changes of the template do not reach the copy. So
    the two are compared as Klaviyo holds them, and the template is assigned again where they differ. Nothing needs
    to be remembered from earlier runs.
    """

    stream: ClassVar[str] = "campaign_message_templates"
    routes: ClassVar[tuple[Route, ...]] = (_ASSIGN,)
    reads: ClassVar[tuple[str, ...]] = (
        "get_templates",
        "get_campaign_message",
        "get_template_for_campaign_message",
    )
    fields: ClassVar[tuple[Field, ...]] = (
        Field(MESSAGE, Kind.TEXT, "Klaviyo's id of the message of a campaign that is not sent yet", required=True),
        Field(TEMPLATE, Kind.TEXT, "Name of the template, which only one has", required=True),
    )

    @override
    def identify(self, record: Json) -> Key:
        return Key(MESSAGE, record.get(MESSAGE, "").strip())

    @override
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        # The template's id is not known before the record is written.
        return Resource({MESSAGE: key.value, TEMPLATE: record[TEMPLATE].strip()}, Group(_ASSIGN))

    @override
    def write(self, row: Row, context: SinkContext) -> bool:
        name = msgspec.json.decode(row.payload)[TEMPLATE]
        source = template_named(name, context)
        if source is None:
            detail = f"there is no template named {name!r}"
            raise Rejected(
                Reason("no_template", detail, "Correct the name, or make the template.", f"/{TEMPLATE}")
            )
        status = _status_unless_held(row.key.value, source["attributes"], context)
        if status is None:
            return False
        if status not in _OPEN:
            detail = f"the status of its campaign is {status!r}"
            remedy = "Leave the record out: what is sent keeps the template that it was sent with."
            raise Rejected(Reason("campaign_not_open", detail, remedy, f"/{MESSAGE}"))
        record_call(_ASSIGN.operation, context, assignment(row.key.value, source["id"]))
        return True


def assignment(message_id: str, template_id: str) -> Json:
    """The request that copies a template to a message."""
    template: Json = {"template": {"data": {"type": "template", "id": template_id}}}
    return {"data": {"type": "campaign-message", "id": message_id, "relationships": template}}


def _status_unless_held(message_id: str, wanted: Json, context: SinkContext) -> str | None:
    """The status of the message's campaign; None when the message has the template's content already.

    Raises:
        Rejected: there is no such message.
        Unsettled: Klaviyo does not tell what it holds.
    """
    path = {"id": message_id}
    params = {
        "include": "campaign,template",  # without which the relationships are links only
        "fields[campaign-message]": "updated_at",
        "fields[campaign]": "status",
        "fields[template]": "name",
    }
    try:
        document = context.client.call("get_campaign_message", path=path, params=params)
    except NotFound:
        detail = "there is no such message, or no longer"
        raise Rejected(Reason("not_found", detail, f"Correct `{MESSAGE}`.", f"/{MESSAGE}")) from None
    of = f"the message {message_id}"
    message = next(iter(jsonapi.resources(document)), {})
    told(message, of, id=str)
    if not isinstance(message.get("relationships") or {}, dict):
        raise untold(of, "relationships")
    if jsonapi.lift(message, ["template"])["template_id"] is not None:
        params = {"fields[template]": "html,text"}
        copies = jsonapi.resources(
            context.client.call("get_template_for_campaign_message", path=path, params=params)
        )
        if any(same_content(wanted, content_told(copy, f"the template of {of}")) for copy in copies):
            return None
    included = document.get("included")
    resources = [each for each in included if isinstance(each, dict)] if isinstance(included, list) else []
    campaign = next((each for each in resources if each.get("type") == "campaign"), None)
    return str(told(campaign, f"the campaign of {of}", status=str)["status"])
