"""Templates assigned to campaign messages, and assigned again when the template has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec
from typing_extensions import override

from klaviyo_wire import jsonapi
from klaviyo_wire.endpoints import OMNICHANNEL
from klaviyo_wire.errors import NotFound
from target_klaviyo_profiles.answers import told, untold
from target_klaviyo_profiles.fields import Field, Kind
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import ONE_RECORD, Group, Reason, Rejected, Resource, Route, Row
from target_klaviyo_profiles.sinks.record_sink import RecordSink, record_call
from target_klaviyo_profiles.sinks.stored_templates import content_told, same_content, template_named

if TYPE_CHECKING:
    from types import UnionType

    from target_klaviyo_profiles.sinks.context import SinkContext
    from target_klaviyo_profiles.values import Json

MESSAGE, VARIATION, TEMPLATE = "campaign_message_id", "campaign_variation_id", "template_name"
_ASSIGN = Route("assign_template_to_campaign_message", ONE_RECORD)
_CHANGE = Route(f"update_campaign_variation@{OMNICHANNEL}", ONE_RECORD)
_WITH_VARIATIONS = f"get_campaign_message@{OMNICHANNEL}"
_OPEN = frozenset({"draft", "scheduled"})
"""What the status is, in small letters, while messages can still change."""
_DETAILS = (
    *("from_label", "from_email", "reply_to_email", "cc_email", "bcc_email"),
    *("subject", "preview_text"),
)
"""What an e-mail says beside its template. Whether a change keeps what it leaves out is not documented."""


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
        source = _template(msgspec.json.decode(row.payload)[TEMPLATE], context)
        status = _status_unless_held(row.key.value, source["attributes"], context)
        if status is None:
            return False
        _check_open(status)
        record_call(_ASSIGN.operation, context, assignment(row.key.value, source["id"]))
        return True


class CampaignVariationTemplates(RecordSink):
    """Gives campaign messages their templates from revision 2026-10-15 on, where their variations have them.

    A message with one variation is assigned a copy, as before. Which of several would get it is not documented: a
    record names it, and the variation itself is changed. The templates are compared as Klaviyo holds them.
    """

    stream: ClassVar[str] = CampaignMessageTemplates.stream
    routes: ClassVar[tuple[Route, ...]] = (_ASSIGN, _CHANGE)
    reads: ClassVar[tuple[str, ...]] = ("get_templates", "get_template", _WITH_VARIATIONS)
    fields: ClassVar[tuple[Field, ...]] = (
        *CampaignMessageTemplates.fields,
        Field(VARIATION, Kind.TEXT, "Klaviyo's id of one of the message's variations, where it has several"),
    )

    @override
    def identify(self, record: Json) -> Key:
        variation = record.get(VARIATION, "").strip()
        return Key(VARIATION, variation) if variation else Key(MESSAGE, record.get(MESSAGE, "").strip())

    @override
    def to_resource(self, record: Json, key: Key) -> Resource | None:
        body = {MESSAGE: record[MESSAGE].strip(), TEMPLATE: record[TEMPLATE].strip()}
        if key.kind == MESSAGE:
            return Resource(body, Group(_ASSIGN))
        return Resource({**body, VARIATION: key.value}, Group(_CHANGE))

    @override
    def write(self, row: Row, context: SinkContext) -> bool:
        record = msgspec.json.decode(row.payload)
        source = _template(record[TEMPLATE], context)
        status, variations = _status_and_variations(record[MESSAGE], context)
        variation_id, definition = _chosen(variations, record.get(VARIATION))
        of = f"the variation {variation_id}"
        details = _inside(definition, of, details=dict)["details"]
        channel = _inside(details, of, channel=str)["channel"]
        if channel != "email":
            detail = f"the message is sent by {channel}, and only e-mail is given a template here"
            raise Rejected(Reason("not_possible", detail, "Leave the record out.", f"/{MESSAGE}"))
        held = _inside(details, of, template_id=str | None)["template_id"]
        if held is not None and _holds(held, source, context):
            return False
        _check_open(status)
        if row.group.route is _ASSIGN:
            record_call(_ASSIGN.operation, context, assignment(record[MESSAGE], source["id"]))
        else:
            _inside(details, of, **dict.fromkeys(_DETAILS, str))
            body = change(variation_id, definition, source["id"])
            record_call(_CHANGE.operation, context, body, path={"id": variation_id})
        return True


def assignment(message_id: str, template_id: str) -> Json:
    """The request that copies a template to a message."""
    template: Json = {"template": {"data": {"type": "template", "id": template_id}}}
    return {"data": {"type": "campaign-message", "id": message_id, "relationships": template}}


def change(variation_id: str, definition: Json, template_id: str) -> Json:
    """The request that gives a variation a template, and keeps all else that its definition says."""
    details = {**definition["details"], "template_id": template_id}
    attributes = {"definition": {**definition, "details": details}}
    return {"data": {"type": "campaign-variation", "id": variation_id, "attributes": attributes}}


def _template(name: str, context: SinkContext) -> Json:
    """The template of that name, as Klaviyo holds it.

    Raises:
        Rejected: there is none, or several.
        Unsettled: Klaviyo does not tell what it holds.
    """
    source = template_named(name, context)
    if source is None:
        detail = f"there is no template named {name!r}"
        raise Rejected(Reason("no_template", detail, "Correct the name, or make the template.", f"/{TEMPLATE}"))
    return source


def _check_open(status: str) -> None:
    if status.lower() not in _OPEN:
        detail = f"the status of its campaign is {status!r}"
        remedy = "Leave the record out: what is sent keeps the template that it was sent with."
        raise Rejected(Reason("campaign_not_open", detail, remedy, f"/{MESSAGE}"))


def _read(operation: str, message_id: str, params: dict[str, str], context: SinkContext) -> Json:
    """The document of a message.

    Raises:
        Rejected: there is no such message.
    """
    try:
        return context.client.call(operation, path={"id": message_id}, params=params)
    except NotFound:
        detail = "there is no such message, or no longer"
        raise Rejected(Reason("not_found", detail, f"Correct `{MESSAGE}`.", f"/{MESSAGE}")) from None


def _status_unless_held(message_id: str, wanted: Json, context: SinkContext) -> str | None:
    """The status of the message's campaign; None when the message has the template's content already.

    Raises:
        Rejected: there is no such message.
        Unsettled: Klaviyo does not tell what it holds.
    """
    params = {
        "include": "campaign,template",  # without which the relationships are links only
        "fields[campaign-message]": "updated_at",
        "fields[campaign]": "status",
        "fields[template]": "name",
    }
    document = _read("get_campaign_message", message_id, params, context)
    of = f"the message {message_id}"
    message = next(iter(jsonapi.resources(document)), {})
    told(message, of, id=str)
    if not isinstance(message.get("relationships") or {}, dict):
        raise untold(of, "relationships")
    if jsonapi.lift(message, ["template"])["template_id"] is not None:
        params = {"fields[template]": "html,text"}
        copies = jsonapi.resources(
            context.client.call("get_template_for_campaign_message", path={"id": message_id}, params=params)
        )
        if any(same_content(wanted, content_told(copy, f"the template of {of}")) for copy in copies):
            return None
    campaign = next((each for each in _included(document) if each.get("type") == "campaign"), None)
    return str(told(campaign, f"the campaign of {of}", status=str)["status"])


def _status_and_variations(message_id: str, context: SinkContext) -> tuple[str, dict[str, Json]]:
    """The status of the message, and what its variations are, by id.

    Raises:
        Rejected: there is no such message.
        Unsettled: Klaviyo does not tell it, or not of each of them.
    """
    params = {
        "include": "campaign-variations",
        "fields[campaign-message]": "definition.status",
        "fields[campaign-variation]": "definition",
    }
    document = _read(_WITH_VARIATIONS, message_id, params, context)
    of = f"the message {message_id}"
    message = next(iter(jsonapi.resources(document)), {})
    status = _inside(told(message, of, id=str, definition=dict)["definition"], of, status=str)["status"]
    named: object = message
    for name in ("relationships", "campaign-variations", "data"):
        named = named.get(name) if isinstance(named, dict) else None
    if not isinstance(named, list):
        raise untold(of, "campaign-variations")
    found: dict[str, Json] = {}
    for each in (each for each in _included(document) if each.get("type") == "campaign-variation"):
        variation = told(each, f"a variation of {of}", id=str, definition=dict)
        found[variation["id"]] = variation["definition"]
    ids = [told(each, f"a variation of {of}", id=str)["id"] for each in named]
    if not found.keys() >= set(ids):
        raise untold(of, "campaign-variations")
    return str(status), {each: found[each] for each in ids}


def _included(document: Json) -> list[Json]:
    included = document.get("included")
    return [each for each in included if isinstance(each, dict)] if isinstance(included, list) else []


def _inside(part: Json, of: str, **kinds: type | UnionType) -> Json:
    """What a part of a resource holds, of the kinds named.

    Raises:
        Unsettled: one of them is not told.
    """
    return told({"attributes": part}, of, **kinds)


def _chosen(variations: dict[str, Json], wanted: str | None) -> tuple[str, Json]:
    """The id and the definition of the variation that a record is about.

    Raises:
        Rejected: the message does not have the one that is named; or none is, and it has none or several.
    """
    if wanted is not None:
        if wanted not in variations:
            detail = "the message has no such variation, or no longer"
            raise Rejected(Reason("not_found", detail, f"Correct `{VARIATION}`.", f"/{VARIATION}"))
        return wanted, variations[wanted]
    if len(variations) == 1:
        return next(iter(variations.items()))
    if variations:
        detail = f"the message has {len(variations)} variations: {', '.join(variations)}"
        remedy = f"Say by `{VARIATION}` which of them gets the template."
        raise Rejected(Reason("ambiguous_variation", detail, remedy, f"/{VARIATION}"))
    detail = "the message has no variation yet"
    raise Rejected(Reason("no_variation", detail, "Give it an e-mail in Klaviyo.", f"/{MESSAGE}"))


def _holds(template_id: str, wanted: Json, context: SinkContext) -> bool:
    """Whether the template that a variation has says what is wanted; one that is not there does not."""
    if template_id == wanted["id"]:
        return True
    params = {"fields[template]": "html,text"}
    try:
        document = context.client.call("get_template", path={"id": template_id}, params=params)
    except NotFound:
        return False
    copy = next(iter(jsonapi.resources(document)), {})
    return same_content(wanted["attributes"], content_told(copy, f"the template {template_id}"))
