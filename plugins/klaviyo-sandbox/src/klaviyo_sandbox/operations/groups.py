"""Lists, segments, and who is in them."""

from __future__ import annotations

from collections.abc import Sequence

from klaviyo_sandbox.model import ids
from klaviyo_sandbox.model.errors import refuse, refuse_unknown
from klaviyo_sandbox.model.records import Group, GroupKind, Json, Membership
from klaviyo_sandbox.operations.call import Answer, Call
from klaviyo_sandbox.operations.profiles import present
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.operations.related import flows_triggered_by, included, tags_of
from klaviyo_sandbox.protocol.bodies import MOST_MEMBERS, ListCreate, ProfileIdentifier
from klaviyo_sandbox.protocol.resources import identifiers
from klaviyo_sandbox.state.pages import Column, Ignored, Listing, Nothing, listing_of
from klaviyo_sandbox.state.profile_store import SHOWN_COLUMNS

_GROUPS = listing_of(
    Group,
    where="kind = ?",
    # Taken and not applied (recorded: a segment that is not starred came back).
    filters={"is_starred": Ignored()},
)
_MEMBERS = Listing(
    source="members join profiles on profiles.id = members.profile_id",
    columns=f"{SHOWN_COLUMNS}, members.joined",
    id="members.profile_id",
    where="members.group_id = ?",
    filters={
        "profile_id": Column("members.profile_id"),
        "email": Column("profiles.email"),
        "phone_number": Column("profiles.phone_number"),
        "push_token": Nothing(),
        "_kx": Nothing(),
        "joined_group_at": Column("members.joined"),
    },
    sorts={"joined_group_at": "members.joined"},
)
_JOINED = 13  # its place among the columns of `_MEMBERS`


@operation
def get_lists(call: Call) -> Answer:
    """A page of lists."""
    return _listing(call, GroupKind.LIST)


@operation
def get_segments(call: Call) -> Answer:
    """A page of segments."""
    return _listing(call, GroupKind.SEGMENT)


@operation
def get_list(call: Call) -> Answer:
    """One list."""
    return _one(call, GroupKind.LIST)


@operation
def get_segment(call: Call) -> Answer:
    """One segment."""
    return _one(call, GroupKind.SEGMENT)


@operation
def get_profiles_for_list(call: Call) -> Answer:
    """A page of a list's profiles."""
    return _members(call, GroupKind.LIST)


@operation
def get_profiles_for_segment(call: Call) -> Answer:
    """A page of a segment's profiles."""
    return _members(call, GroupKind.SEGMENT)


@operation
def get_profile_ids_for_list(call: Call) -> Answer:
    """A page of the ids of a list's profiles."""
    return _member_ids(call, GroupKind.LIST)


@operation
def get_profile_ids_for_segment(call: Call) -> Answer:
    """A page of the ids of a segment's profiles."""
    return _member_ids(call, GroupKind.SEGMENT)


@operation
def create_list(call: Call) -> Answer:
    """A new list."""
    attributes = call.read(ListCreate).attributes
    now = call.account.clock.now()
    group = Group(
        id=ids.short(call.account.rng),
        kind=GroupKind.LIST,
        name=attributes.name,
        created=int(now.timestamp()),
        updated=int(now.timestamp()),
        opt_in_process=attributes.opt_in_process or "single_opt_in",
    )
    call.store.put(group)
    return call.one(call.written(now).group(group, call.fields("list")), status=201)


@operation
def delete_list(call: Call) -> Answer:
    """Remove a list. Who was in it stays in the account."""
    return _delete(call, GroupKind.LIST)


@operation
def delete_segment(call: Call) -> Answer:
    """Remove a segment. Who was in it stays in the account."""
    return _delete(call, GroupKind.SEGMENT)


@operation
def add_profiles_to_list(call: Call) -> Answer:
    """Put profiles into a list."""
    group = found(call, GroupKind.LIST)
    joined = call.account.clock.seconds()
    profile_ids = _profile_ids(call)
    call.store.add_members(Membership(group.id, each, joined) for each in profile_ids)
    call.took(len(profile_ids))
    return Answer(204)


@operation
def remove_profiles_from_list(call: Call) -> Answer:
    """Take profiles out of a list."""
    group = found(call, GroupKind.LIST)
    profile_ids = _profile_ids(call)
    call.store.remove_members(group.id, profile_ids)
    call.took(len(profile_ids))
    return Answer(204)


def found(call: Call, kind: GroupKind) -> Group:
    """The list or segment the path names.

    Raises:
        Refusal: there is none.
    """
    group = call.store.group(call.path["id"], kind)
    if group is None:
        refuse_unknown(f"A {kind.value} with id `{call.path['id']}` does not exist.")
    return group


def _listing(call: Call, kind: GroupKind) -> Answer:
    page = _GROUPS.page(call.store, call.query, [kind.value])
    resources, related = _shown(call, kind, _GROUPS.records(page))
    return call.many(resources, page=page, included=related)


def _one(call: Call, kind: GroupKind) -> Answer:
    group = found(call, kind)
    count = None
    if "profile_count" in call.query.additional.get(kind.value, ()):
        count = call.store.read("select count(*) from members where group_id = ?", [group.id])[0][0]
    (resource,), related = _shown(call, kind, [group], count)
    return call.one(resource, included=related)


def _shown(
    call: Call, kind: GroupKind, groups: Sequence[Group], count: int | None = None
) -> tuple[list[Json], list[Json] | None]:
    """Groups as resources, and what is included with them."""
    ids, names, asked = [each.id for each in groups], call.fields(kind.value), call.query.include
    tags, flows = tags_of(call, ids), flows_triggered_by(call, kind.value, ids)
    found = {name: each for name, each in (("tags", tags), ("flow-triggers", flows)) if name in asked}
    resources = [
        call.resources.group(
            each, names, related={name: of.get(each.id, ()) for name, of in found.items()}, count=count
        )
        for each in groups
    ]
    return resources, included(call, tags, flows) if asked else None


def _delete(call: Call, kind: GroupKind) -> Answer:
    call.store.delete_group(found(call, kind).id)
    return Answer(204)


def _members(call: Call, kind: GroupKind) -> Answer:
    page = _MEMBERS.page(call.store, call.query, [found(call, kind).id])
    return call.many(present(call, page.rows, joined=_JOINED), page=page)


def _member_ids(call: Call, kind: GroupKind) -> Answer:
    page = _MEMBERS.page(call.store, call.query, [found(call, kind).id])
    data: list[Json] = identifiers("profile", (row[0] for row in page.rows))
    return call.many(data, page=page)


def _profile_ids(call: Call) -> list[str]:
    profile_ids = [each.id for each in call.read(list[ProfileIdentifier])]
    if not 1 <= len(profile_ids) <= MOST_MEMBERS:
        refuse(f"Between 1 and {MOST_MEMBERS} profiles are allowed per request.")
    known = {each.id for each in call.store.profiles(profile_ids)}
    for each in profile_ids:
        if each not in known:
            refuse_unknown(f"A profile with id {each} does not exist.")
    return profile_ids
