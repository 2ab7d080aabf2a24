"""Campaigns, their messages, and sending them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from klaviyo_sandbox.model import ids
from klaviyo_sandbox.model.errors import refuse, refuse_unknown
from klaviyo_sandbox.model.records import Campaign, CampaignMessage, Json, Template
from klaviyo_sandbox.operations import related, templates
from klaviyo_sandbox.operations.call import Answer, Call
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.protocol.bodies import AssignTemplate, CampaignCreate, MessageUpdate, SendJob
from klaviyo_sandbox.simulation import sending
from klaviyo_sandbox.simulation.send_schedule import Timing
from klaviyo_sandbox.state.campaigns import copy_of
from klaviyo_sandbox.state.pages import Column, Page, listing_of

_CHANNELS = {"email", "sms", "mobile_push"}
_CAMPAIGNS = listing_of(Campaign, filters={"messages.channel": Column("channel")})


@operation
def get_campaigns(call: Call) -> Answer:
    """A page of campaigns of one channel; archived ones only when asked for."""
    channels = call.query.values_of("messages.channel")
    if channels is None:
        refuse("A channel filter is required to list campaigns.", parameter="filter")
    for channel in channels:
        if channel not in _CHANNELS:
            refuse(f"'{channel}' is not a valid channel.", parameter="filter")
    archived = call.query.values_of("archived")
    page = _CAMPAIGNS.page(call.store, call.query, more=(lambda _: "not archived") if archived is None else None)
    found = _CAMPAIGNS.records(page)
    if archived == (True,):
        found = out_of_order(found)
    return _campaigns(call, found, page)


@operation
def get_campaign(call: Call) -> Answer:
    """One campaign."""
    campaign = found_campaign(call, call.path["id"])
    messages, tags = call.store.messages_of(campaign.id), related.tags_of(call, [campaign.id])
    return call.one(_campaign(call, campaign, messages, tags), included=_included(call, messages, tags))


@operation
def create_campaign(call: Call) -> Answer:
    """A new draft with its messages."""
    attributes = call.read(CampaignCreate).attributes
    for group_id in (*attributes.audiences.included, *attributes.audiences.excluded):
        if call.store.group(group_id) is None:
            refuse(f"A list or segment with id {group_id} does not exist.", pointer="/data/attributes/audiences")
    now, rng = call.account.clock.now(), call.account.rng
    definitions = [each.attributes.definition for each in attributes.campaign_messages.data]
    channels = {type(each).__struct_config__.tag for each in definitions}
    if len(channels) > 1:
        refuse("All messages of a campaign have one channel.", pointer="/data/attributes/campaign-messages")
    (channel,) = map(str, channels)
    tracking: Json = {"add_tracking_params": False, "custom_tracking_params": []}
    if channel == "email":
        tracking |= {"is_tracking_clicks": True, "is_tracking_opens": True}
    if attributes.tracking_options is not UNSET:
        tracking |= msgspec.to_builtins(attributes.tracking_options)
    campaign = Campaign(
        id=ids.ulid(rng, now.timestamp()),
        name=attributes.name,
        channel=channel,
        audiences=msgspec.to_builtins(attributes.audiences),
        send_options=msgspec.to_builtins(attributes.send_options),
        tracking_options=tracking,
        send_strategy=msgspec.to_builtins(attributes.send_strategy),
        created_at=now,
        updated_at=now,
    )
    messages = [
        CampaignMessage(
            id=ids.ulid(rng, now.timestamp()),
            campaign_id=campaign.id,
            channel=channel,
            label=getattr(each, "label", None) or attributes.name,
            content=msgspec.to_builtins(each.content),
            created_at=now,
            updated_at=now,
        )
        for each in definitions
    ]
    with call.store.transaction():
        call.store.put(campaign)
        for message in messages:
            call.store.put(message)
    resource = call.written(now).campaign(campaign, [each.id for each in messages], call.fields("campaign"))
    return call.one(resource, status=201)


@operation
def delete_campaign(call: Call) -> Answer:
    """Remove a campaign with its messages and their copies of templates."""
    campaign = found_campaign(call, call.path["id"])
    with call.store.transaction():
        for message in call.store.messages_of(campaign.id):
            if message.template_id:
                call.store.delete(Template, message.template_id)
            call.store.delete(CampaignMessage, message.id)
        call.store.delete(Campaign, campaign.id)
    return Answer(204)


@operation
def get_messages_for_campaign(call: Call) -> Answer:
    """A campaign's messages, all at once."""
    campaign = found_campaign(call, call.path["id"])
    messages = call.store.messages_of(campaign.id)
    return call.many(
        [_message(call, each) for each in messages],
        included=_included_of_messages(call, messages),
    )


@operation
def get_campaign_message(call: Call) -> Answer:
    """One message."""
    message = found_message(call, call.path["id"])
    return call.one(_message(call, message), included=_included_of_messages(call, [message]))


@operation
def update_campaign_message(call: Call) -> Answer:
    """Change a message of a draft; what is not given stays."""
    data = call.read(MessageUpdate)
    call.same_id(data.id)
    message = found_message(call, data.id)
    given = msgspec.to_builtins(data.attributes.definition)
    if given["channel"] != message.channel:
        refuse(f"The channel of the message is {message.channel}.", pointer="/data/attributes/definition/channel")
    campaign = found_campaign(call, message.campaign_id)
    if campaign.status != "Draft":
        refuse(
            f"The message cannot be changed: the status of its campaign is {campaign.status}.", pointer="/data/id"
        )
    message = msgspec.structs.replace(
        message,
        label=given.get("label") or message.label,
        content=message.content | given["content"],
        updated_at=call.account.clock.now(),
    )
    call.store.put(message)
    return call.one(_message(call, message))


@operation
def assign_template_to_campaign_message(call: Call) -> Answer:
    """Give a message its own copy of a template."""
    data = call.read(AssignTemplate)
    message = found_message(call, data.id)
    message, copy = with_copy(call, message, data.relationships.template.data.id)
    with call.store.transaction():
        call.store.put(copy)
        call.store.put(message)
    written = call.written(message.updated_at)
    resource = written.assigned_message(message, call.fields("campaign-message"))
    return call.one(resource, included=[written.template(copy)])


def with_copy(call: Call, message: CampaignMessage, template_id: str) -> tuple[CampaignMessage, Template]:
    """The message with a copy of a template, and the copy; neither is stored yet.

    Raises:
        Refusal: there is no such template.
    """
    original = templates.found(call, template_id)
    now = call.account.clock.now()
    copy = copy_of(original, call.account.rng, int(now.timestamp()))
    return msgspec.structs.replace(message, template_id=copy.id, updated_at=now), copy


@operation
def get_template_for_campaign_message(call: Call) -> Answer:
    """A message's copy of its template; `{"data": null}` and no links when it has none (recorded)."""
    template = _template_of(call, found_message(call, call.path["id"]))
    if template is None:
        return Answer(200, {"data": None})
    return call.one(call.resources.template(template, call.fields("template")))


@operation
def send_campaign(call: Call) -> Answer:
    """Send a draft: plays the send with the truth of the account."""
    campaign = found_campaign(call, call.read(SendJob).id)
    if campaign.status != "Draft":
        refuse(f"The campaign cannot be sent: its status is {campaign.status}.", pointer="/data/id")
    if campaign.channel != "email":
        refuse(f"The sandbox does not send {campaign.channel} campaigns.", pointer="/data/id")
    now = call.account.clock.seconds()
    try:
        with call.store.transaction():
            for message in call.store.messages_of(campaign.id):
                seed = call.account.rng.getrandbits(32)
                sending.play(call.store, message.id, call.account.truth, Timing(at=now, now=now), seed=seed)
    except sending.SEND_ERRORS as error:
        refuse(str(error), pointer="/data/id")
    return call.one(call.resources.send_job(campaign, call.fields("campaign-send-job")), status=202)


@operation
def get_campaign_send_job(call: Call) -> Answer:
    """How far the sending of a campaign is; the job has the campaign's id."""
    campaign = found_campaign(call, call.path["id"])
    if campaign.status != "Sent":
        refuse_unknown(f"A campaign with id '{campaign.id}' does not exist.")
    return call.one(call.resources.send_job(campaign, call.fields("campaign-send-job")))


def out_of_order(campaigns: Sequence[Campaign]) -> list[Campaign]:
    """Archived campaigns can come slightly out of the order asked for (reported): neighbours are swapped."""
    swapped = list(campaigns)
    swapped[:-1:2], swapped[1::2] = campaigns[1::2], campaigns[:-1:2]
    return swapped


def _campaigns(call: Call, campaigns: Sequence[Campaign], page: Page) -> Answer:
    resources: list[Json] = []
    messages: list[CampaignMessage] = []
    tags = related.tags_of(call, [each.id for each in campaigns])
    for each in campaigns:
        own = call.store.messages_of(each.id)
        resources.append(_campaign(call, each, own, tags))
        messages += own
    return call.many(resources, page=page, included=_included(call, messages, tags))


def _campaign(call: Call, campaign: Campaign, messages: Sequence[CampaignMessage], tags: related.Related) -> Json:
    message_ids, asked = [each.id for each in messages], call.query.include
    return call.resources.campaign(
        campaign, message_ids, call.fields("campaign"), included=asked, tag_ids=tags.get(campaign.id, ())
    )


def _included(call: Call, messages: Sequence[CampaignMessage], tags: related.Related) -> list[Json] | None:
    asked, names = call.query.include, call.fields("campaign-message")
    if not asked:
        return None
    shown = messages if "campaign-messages" in asked else ()
    return [*(call.resources.message(each, names) for each in shown), *related.included(call, tags)]


def _message(call: Call, message: CampaignMessage) -> Json:
    return call.resources.message(message, call.fields("campaign-message"), included=call.query.include)


def _included_of_messages(call: Call, messages: Sequence[CampaignMessage]) -> list[Json] | None:
    asked = call.query.include
    if not asked:
        return None
    included: list[Json] = []
    for message in messages:
        campaign = call.store.get(Campaign, message.campaign_id)
        if "campaign" in asked and campaign is not None:
            own = [each.id for each in call.store.messages_of(campaign.id)]
            included.append(call.resources.campaign(campaign, own, call.fields("campaign")))
        template = _template_of(call, message)
        if "template" in asked and template is not None:
            included.append(call.resources.template(template, call.fields("template")))
    return included


def _template_of(call: Call, message: CampaignMessage) -> Template | None:
    return call.store.get(Template, message.template_id) if message.template_id else None


def found_campaign(call: Call, campaign_id: str) -> Campaign:
    """The campaign of this id.

    Raises:
        Refusal: there is none.
    """
    campaign = call.store.get(Campaign, campaign_id)
    if campaign is None:
        refuse_unknown(f"A campaign with id '{campaign_id}' does not exist.")
    return campaign


def found_message(call: Call, message_id: str) -> CampaignMessage:
    """The campaign message of this id.

    Raises:
        Refusal: there is none.
    """
    message = call.store.get(CampaignMessage, message_id)
    if message is None:
        refuse_unknown(f"A message with id '{message_id}' does not exist.")
    return message
