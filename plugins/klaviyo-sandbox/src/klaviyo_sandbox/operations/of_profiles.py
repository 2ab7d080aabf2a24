"""What belongs to one profile: its lists and segments, its devices and conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_sandbox.model.errors import refuse_unknown
from klaviyo_sandbox.model.records import Conversation, GroupKind, PushToken
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.state.pages import Column, Page, listing_of

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Answer, Call

_TOKENS = listing_of(PushToken, filters={"profile.id": Column("profile_id")})


@operation
def get_push_tokens(call: Call) -> Answer:
    """A page of the devices of everybody, with their profiles if asked."""
    page = _TOKENS.page(call.store, call.query)
    tokens, asked = _TOKENS.records(page), "profile" in call.query.include
    names = call.fields("push-token")
    shown = [call.resources.push_token(each, names, with_profile=asked) for each in tokens]
    owners = [call.store.profile(key) for key in sorted({each.profile_id for each in tokens})] if asked else []
    included = [call.resources.profile(each, call.fields("profile")) for each in owners if each is not None]
    return call.many(shown, page=page, included=included if asked else None)


@operation
def get_lists_for_profile(call: Call) -> Answer:
    """The lists that a profile is in, all of them."""
    return _groups(call, GroupKind.LIST)


@operation
def get_segments_for_profile(call: Call) -> Answer:
    """The segments that a profile is in, all of them."""
    return _groups(call, GroupKind.SEGMENT)


@operation
def get_push_tokens_for_profile(call: Call) -> Answer:
    """The devices of a profile, all of them."""
    tokens = call.store.find(PushToken, "profile_id = ? order by id", [_profile_id(call)])
    return call.many([call.resources.push_token(each, call.fields("push-token")) for each in tokens])


@operation
def get_conversations_for_profile(call: Call) -> Answer:
    """The conversations with a profile, of every channel."""
    held = call.store.find(Conversation, "profile_id = ? order by id", [_profile_id(call)])
    return call.many([call.resources.conversation(each, call.fields("conversation")) for each in held])


def _groups(call: Call, kind: GroupKind) -> Answer:
    groups = call.store.groups_of(_profile_id(call), kind)
    # Links with a `next`, although there is no paging (recorded); those of devices and conversations have none.
    return call.many(
        [call.resources.group(each, call.fields(kind.value)) for each in groups], page=Page([], more=False)
    )


def _profile_id(call: Call) -> str:
    profile_id = call.path["id"]
    if call.store.profile(profile_id) is None:
        refuse_unknown(f"A profile with id {profile_id} does not exist.")
    return profile_id
