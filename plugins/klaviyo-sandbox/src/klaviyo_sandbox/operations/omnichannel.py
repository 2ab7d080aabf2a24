"""Campaigns of revision 2026-10-15; the handlers have the names of the older operations that they replace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace as replace_record

from klaviyo_sandbox.model.errors import refuse, refuse_unknown
from klaviyo_sandbox.model.records import Campaign, CampaignMessage, Json
from klaviyo_sandbox.operations import related
from klaviyo_sandbox.operations.campaigns import found_campaign, found_message, out_of_order, with_copy
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.protocol.bodies import VariationUpdate
from klaviyo_sandbox.protocol.omnichannel import STATUS, OmnichannelResources, known_id, status
from klaviyo_sandbox.state.pages import Column, Kind, Listing, listing_of
from klaviyo_wire.endpoints import OMNICHANNEL

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Answer, Call

_OPEN = {"draft", "scheduled"}
_UPDATED = "max(messages.updated_at, campaigns.updated_at)"
_CAMPAIGNS = listing_of(Campaign, filters={"builder": Column("'wizard'")})
_MESSAGES = Listing(
    source="messages join campaigns on campaigns.id = messages.campaign_id",
    columns="messages.record, campaigns.record",
    id="messages.id",
    filters={
        "id": Column("messages.id"),
        "campaign_id": Column("messages.campaign_id"),
        "name": Column("messages.label"),
        "status": Column(STATUS),
        "created": Column("messages.created_at", Kind.MICROSECONDS),
        "updated": Column(_UPDATED, Kind.MICROSECONDS),
    },
    sorts={"created": "messages.created_at", "updated": _UPDATED},
)
_MESSAGES_OF = replace(_MESSAGES, where="messages.campaign_id = ?")


@operation(revision=OMNICHANNEL)
def get_campaigns(call: Call) -> Answer:
    """A page of campaigns of every channel; archived ones only when asked for, and then not quite in order."""
    archived = call.query.values_of("archived")
    page = _CAMPAIGNS.page(call.store, call.query, more=(lambda _: "not archived") if archived is None else None)
    found = _CAMPAIGNS.records(page)
    if archived == (True,):
        found = out_of_order(found)
    return call.many(
        [_campaign(call, each) for each in found], page=page, included=_included_of_campaigns(call, found)
    )


@operation(revision=OMNICHANNEL)
def get_campaign(call: Call) -> Answer:
    """One campaign."""
    campaign = found_campaign(call, call.path["id"])
    return call.one(_campaign(call, campaign), included=_included_of_campaigns(call, [campaign]))


@operation(revision=OMNICHANNEL)
def get_campaign_audiences_for_campaign(call: Call) -> Answer:
    """A campaign's audiences, all at once."""
    return call.many([_audience(call, found_campaign(call, call.path["id"]))])


@operation(revision=OMNICHANNEL)
def get_campaign_audience(call: Call) -> Answer:
    """One audience."""
    campaign = call.store.get(Campaign, known_id(call.path["id"]))
    if campaign is None:
        refuse_unknown(f"An audience with id '{call.path['id']}' does not exist.")
    included = None
    if call.query.include:
        included = [_campaign(call, campaign)] if "campaign" in call.query.include else []
        if "campaign-messages" in call.query.include:
            included += [_message(call, each, campaign) for each in call.store.messages_of(campaign.id)]
    return call.one(_audience(call, campaign), included=included)


@operation(revision=OMNICHANNEL)
def get_campaign_messages(call: Call) -> Answer:
    """A page of the account's messages, those of archived campaigns among them."""
    page = _MESSAGES.page(call.store, call.query)
    rows = [
        (msgspec.json.decode(row[0], type=CampaignMessage), msgspec.json.decode(row[1], type=Campaign))
        for row in page.rows
    ]
    included = None
    if call.query.include:
        included = [_campaign(call, campaign) for _, campaign in rows]
    return call.many([_message(call, *row) for row in rows], page=page, included=included)


@operation(revision=OMNICHANNEL)
def get_messages_for_campaign(call: Call) -> Answer:
    """A campaign's messages, in pages of a size that cannot be asked for."""
    campaign = found_campaign(call, call.path["id"])
    page = _MESSAGES_OF.page(call.store, call.query, [campaign.id])
    messages = [msgspec.json.decode(row[0], type=CampaignMessage) for row in page.rows]
    included = [_campaign(call, campaign)] if call.query.include else None
    return call.many([_message(call, each, campaign) for each in messages], page=page, included=included)


@operation(revision=OMNICHANNEL)
def get_campaign_message(call: Call) -> Answer:
    """One message."""
    message = found_message(call, call.path["id"])
    campaign = found_campaign(call, message.campaign_id)
    included = None
    if call.query.include:
        included = [_campaign(call, campaign)] if "campaign" in call.query.include else []
        if "campaign-variations" in call.query.include:
            included.append(_variation(call, message))
    return call.one(_message(call, message, campaign), included=included)


@operation(revision=OMNICHANNEL)
def get_variations_for_campaign_message(call: Call) -> Answer:
    """A message's variations, all at once."""
    return call.many([_variation(call, found_message(call, call.path["id"]))])


@operation(revision=OMNICHANNEL)
def get_campaign_variation(call: Call) -> Answer:
    """One variation. No image and no translation is held."""
    message = _message_of_variation(call)
    included: list[Json] | None = None
    if call.query.include:
        included = []
        if "campaign-message" in call.query.include:
            included.append(_message(call, message, found_campaign(call, message.campaign_id)))
    return call.one(_variation(call, message), included=included)


@operation(revision=OMNICHANNEL)
def update_campaign_variation(call: Call) -> Answer:
    """Change an e-mail's variation until it is sent. `details` are replaced as a whole; a template is copied.

    Klaviyo documents neither. Both are the stricter of what it may do: what is left out is lost.
    """
    data = call.read(VariationUpdate)
    call.same_id(data.id)
    message = _message_of_variation(call)
    if message.channel != "email":
        refuse("The sandbox changes variations of e-mail only.", pointer="/data/attributes/definition/details")
    state = status(found_campaign(call, message.campaign_id))
    if state not in _OPEN:
        refuse(f"The variation cannot be changed: the status of its message is {state}.", pointer="/data/id")
    definition = data.attributes.definition
    message = replace_record(message, label=definition.name or message.label, updated_at=call.account.clock.now())
    with call.store.transaction():
        if definition.details is not None:
            content = msgspec.to_builtins(definition.details)
            del content["channel"]
            template_id = content.pop("template_id")
            message = replace_record(message, content=content)
            if template_id is None:
                message = replace_record(message, template_id=None)
            elif template_id != message.template_id:
                message, copy = with_copy(call, message, template_id)
                call.store.put(copy)
        call.store.put(message)
    return call.one(_variation(call, message))


def _message_of_variation(call: Call) -> CampaignMessage:
    message = call.store.get(CampaignMessage, known_id(call.path["id"]))
    if message is None:
        refuse_unknown(f"A variation with id '{call.path['id']}' does not exist.")
    return message


def _included_of_campaigns(call: Call, campaigns: Sequence[Campaign]) -> list[Json] | None:
    asked = call.query.include
    if not asked:
        return None
    included: list[Json] = []
    for campaign in campaigns:
        if "campaign-audiences" in asked:
            included.append(_audience(call, campaign))
        if "campaign-messages" in asked:
            included += [_message(call, each, campaign) for each in call.store.messages_of(campaign.id)]
    return included + related.included(call, related.tags_of(call, [each.id for each in campaigns]))


def _resources(call: Call) -> OmnichannelResources:
    return OmnichannelResources(call.account.url)


def _ids(call: Call, campaign: Campaign) -> list[str]:
    return [each.id for each in call.store.messages_of(campaign.id)]


def _campaign(call: Call, campaign: Campaign) -> Json:
    ids, names = _ids(call, campaign), call.fields("campaign")
    tags = related.tags_of(call, [campaign.id]).get(campaign.id, ())
    return _resources(call).whole_campaign(campaign, ids, names, included=call.query.include, tag_ids=tags)


def _audience(call: Call, campaign: Campaign) -> Json:
    ids, names = _ids(call, campaign), call.fields("campaign-audience")
    return _resources(call).audience(campaign, ids, names, included=call.query.include)


def _message(call: Call, message: CampaignMessage, campaign: Campaign) -> Json:
    names = call.fields("campaign-message")
    return _resources(call).whole_message(message, campaign, names, included=call.query.include)


def _variation(call: Call, message: CampaignMessage) -> Json:
    return _resources(call).variation(message, call.fields("campaign-variation"), included=call.query.include)
