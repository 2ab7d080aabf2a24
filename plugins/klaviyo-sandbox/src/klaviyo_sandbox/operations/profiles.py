"""Profiles: reading, and writing one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import Raw

from klaviyo_sandbox.model.errors import Refusal, duplicate_profile, problem, refuse, refuse_unknown
from klaviyo_sandbox.model.records import GroupKind, Json, Profile
from klaviyo_sandbox.model.times import seconds
from klaviyo_sandbox.operations.call import Answer, Call
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.protocol import bodies
from klaviyo_sandbox.protocol.bodies import (
    MOST_PROFILE_BYTES,
    Attributes,
    ProfileCreate,
    ProfileImport,
    ProfileMeta,
    ProfileUpdate,
)
from klaviyo_sandbox.protocol.consent_bodies import DeletionRequest
from klaviyo_sandbox.protocol.resources import identifiers, predictive_analytics, subscriptions
from klaviyo_sandbox.state import profile_writes
from klaviyo_sandbox.state.pages import Column, Kind, Listing, Nothing, Values
from klaviyo_sandbox.state.profile_store import SHOWN_COLUMNS, profile_of
from klaviyo_sandbox.state.profile_writes import Nulls

if TYPE_CHECKING:
    from klaviyo_sandbox.protocol.filters import Condition
    from klaviyo_sandbox.state.database import Row

_MARKETING = "subscriptions.email.marketing."
_NEWEST = "coalesce((select max(at) from suppressions where profile_id = profiles.id and list_id is {}null), '')"

_PROFILES = Listing(
    source="profiles",
    columns=SHOWN_COLUMNS,
    id="profiles.id",
    filters={
        "id": Column("profiles.id"),
        "email": Column("profiles.email"),
        "phone_number": Column("profiles.phone_number"),
        "external_id": Column("profiles.external_id"),
        "_kx": Nothing(),
        "created": Column("profiles.created"),
        "updated": Column("profiles.updated"),
    },
    sorts={
        "created": "profiles.created",
        "email": "coalesce(profiles.email, '')",
        "id": "profiles.id",
        "updated": "profiles.updated",
        f"{_MARKETING}suppression.timestamp": _NEWEST.format(""),
        f"{_MARKETING}list_suppressions.timestamp": _NEWEST.format("not "),
    },
)
_SUPPRESSION_COLUMNS = {
    "reason": Column("suppressions.reason"),
    "timestamp": Column("suppressions.at", Kind.MICROSECONDS),
    "list_id": Column("suppressions.list_id"),
}


@operation
def get_profiles(call: Call) -> Answer:
    """A page of profiles."""
    own = [each for each in call.query.conditions if each.field.startswith(_MARKETING)]
    rest = [each for each in call.query.conditions if not each.field.startswith(_MARKETING)]
    suppressed = _suppressed(own)
    page = _PROFILES.page(call.store, replace(call.query, conditions=rest), more=suppressed)
    return call.many(present(call, page.rows, "conversations"), page=page, included=_included(call, None))


@operation
def get_profile(call: Call) -> Answer:
    """One profile, with its lists and segments if asked."""
    profile = _found(call)
    related: dict[str, list[Json]] = {}
    included: list[Json] = []
    for name, kind in (("lists", GroupKind.LIST), ("segments", GroupKind.SEGMENT)):
        if name in call.query.include:
            groups = call.store.groups_of(profile.id, kind)
            related[name] = identifiers(kind.value, [each.id for each in groups])
            included += [call.resources.group(each, call.fields(kind.value)) for each in groups]
    resource = call.resources.profile(
        profile,
        call.fields("profile"),
        additional=additional(call, [profile])[profile.id],
        conversation="conversations",
        related=related,
    )
    return call.one(resource, included=_included(call, included))


@operation
def create_profile(call: Call) -> Answer:
    """A new profile; 409 when one of its identifiers is taken."""
    _check_size(call)
    attributes = call.read(ProfileCreate).attributes
    _check(attributes)
    if not profile_writes.identifiers(attributes):
        raise no_identifier()
    owners = profile_writes.owners(call.store, attributes)
    if owners:
        raise duplicate_profile(owners[0].id)
    new = profile_writes.new_profile(call.account.rng, call.account.clock.now().timestamp())
    return _write(call, new, attributes, ProfileMeta(), created=True)


@operation
def update_profile(call: Call) -> Answer:
    """Change a profile; null clears."""
    _check_size(call)
    data = call.read(ProfileUpdate)
    call.same_id(data.id)
    _check(data.attributes)
    profile = _found(call)
    _check_owners(call, data.attributes, profile)
    return _write(call, profile, data.attributes, data.meta, created=False)


@operation
def create_or_update_profile(call: Call) -> Answer:
    """Change the profile that the identifiers name, or make it; null clears."""
    _check_size(call)
    data = call.read(ProfileImport)
    _check(data.attributes)
    if not profile_writes.has_identifier(data.id, data.attributes):
        raise no_identifier()
    owners = profile_writes.owners(call.store, data.attributes)
    if data.id is not None:
        profile = call.store.profile(data.id)
        if profile is None:
            refuse_unknown(f"A profile with id {data.id} does not exist.")
    elif owners:
        profile = owners[0]
    else:
        new = profile_writes.new_profile(call.account.rng, call.account.clock.now().timestamp())
        return _write(call, new, data.attributes, data.meta, created=True)
    _check_owners(call, data.attributes, profile)
    return _write(call, profile, data.attributes, data.meta, created=False)


@operation
def request_profile_deletion(call: Call) -> Answer:
    """Delete whoever has the one identifier that is given, some time later; 404 when nobody has it."""
    asked = call.read(DeletionRequest).attributes.profile.data
    given = {
        name: value.strip()
        for name, value in (
            ("id", asked.id),
            ("email", asked.attributes.email),
            ("phone_number", asked.attributes.phone_number),
        )
        if isinstance(value, str)
    }
    if len(given) != 1:
        refuse("Exactly one profile identifier must be provided.", pointer="/data/attributes/profile/data")
    ((name, value),) = given.items()
    profile = call.store.profile_by(name, value)
    if profile is None:
        refuse_unknown(f'No profile with {name} "{value}" found.  The profile may have already been deleted.')
    alias = f"redacted.{UUID(int=call.account.rng.getrandbits(128), version=4)}@example.com"

    def work(_: datetime) -> None:
        held = call.store.profile(profile.id)
        if held is not None:
            call.store.delete_profile(held, alias)

    call.account.deferred_work.add(call.account.clock.now(), work)
    return Answer(202)


def present(call: Call, rows: Sequence[Row], conversation: str = "conversation", joined: int | None = None) -> Raw:
    """The resources of the profiles in these rows, with the additional fields that are asked for.

    Args:
        call: the request.
        rows: they begin with `SHOWN_COLUMNS`.
        conversation: the relationship's name.
        joined: the column that has `joined_group_at`, if any.
    """
    names, resources = call.fields("profile"), call.resources
    asked = call.query.additional.get("profile")
    extra: dict[str, Json] = additional(call, [profile_of(row) for row in rows]) if asked else {}
    if joined is not None and (names is None or "joined_group_at" in names):
        extra = {row[0]: extra.get(row[0], {}) | {"joined_group_at": seconds(row[joined])} for row in rows}
    return Raw(
        b"[%b]" % b",".join(resources.profile_row(row, conversation, names, extra.get(row[0], {})) for row in rows)
    )


def additional(call: Call, profiles: Sequence[Profile]) -> dict[str, Json]:
    """By profile id: the attributes that come only when asked for."""
    asked = call.query.additional.get("profile", frozenset())
    extra: dict[str, Json] = {each.id: {} for each in profiles}
    if "subscriptions" in asked:
        held = call.store.suppressions(list(extra))
        for each in profiles:
            extra[each.id]["subscriptions"] = subscriptions(
                each, [one for one in held if one.profile_id == each.id]
            )
    if "predictive_analytics" in asked:
        for each in profiles:
            extra[each.id]["predictive_analytics"] = predictive_analytics(each)
    return extra


def no_identifier(pointer: str = "/data/attributes") -> Refusal:
    """400: the profile cannot be known."""
    detail = "One or more profile identifiers (id, email, phone_number, external_id) must be provided."
    return Refusal(400, [problem(detail, pointer=pointer)])


def _found(call: Call) -> Profile:
    profile = call.store.profile(call.path["id"])
    if profile is None:
        refuse_unknown(f"A profile with id {call.path['id']} does not exist.")
    return profile


def _check_size(call: Call) -> None:
    if len(call.body) > MOST_PROFILE_BYTES:
        refuse("The maximum allowed payload size is 100KB.")


def _check(attributes: Attributes) -> None:
    problems = bodies.malformed_identifiers(attributes, "/data/attributes")
    if problems:
        raise Refusal(400, problems)
    reason = profile_writes.unstorable(attributes.properties)
    if reason:
        refuse(reason, pointer="/data/attributes/properties")


def _check_owners(call: Call, attributes: Attributes, profile: Profile) -> None:
    for owner in profile_writes.owners(call.store, attributes):
        if owner.id != profile.id:
            raise duplicate_profile(owner.id)


def _write(call: Call, profile: Profile, attributes: Attributes, meta: ProfileMeta, *, created: bool) -> Answer:
    now = call.account.clock.now()
    after = profile_writes.changed(profile, attributes, meta, Nulls.CLEAR, int(now.timestamp()))
    if not any((after.email, after.phone_number, after.external_id)):
        raise no_identifier()
    call.store.put_profile(after)
    resource = call.written(now).profile(
        after, call.fields("profile"), additional=additional(call, [after])[after.id]
    )
    if created and "properties" in resource["attributes"]:
        # `company_id` appears some time after a profile is made (recorded).
        del resource["attributes"]["properties"]["company_id"]
    return call.one(resource, status=201 if created else 200)


def _included(call: Call, found: list[Json] | None) -> list[Json] | None:
    """Conversations and push tokens are not held."""
    return (found or []) if call.query.include else None


def _suppressed(conditions: Sequence[Condition]) -> Callable[[Values], str] | None:
    """The suppression filters as one condition: they must hold of the same suppression."""
    if not conditions:
        return None
    kinds = {each.field.removeprefix(_MARKETING).partition(".")[0] for each in conditions}
    names = [each.field.rpartition(".")[2] for each in conditions]
    if len(kinds) > 1:
        refuse("List and global suppression filters cannot be mixed.", parameter="filter")
    of_list = kinds == {"list_suppressions"}
    if of_list and "list_id" not in names:
        refuse("list_suppressions filters need a list_id.", parameter="filter")
    if names.count("timestamp") > 1:
        refuse("Only one date filter is allowed.", parameter="filter")

    def clause(values: Values) -> str:
        tests = [
            _SUPPRESSION_COLUMNS[name].condition(each, values)
            for name, each in zip(names, conditions, strict=True)
        ]
        tests.append(f"suppressions.list_id is {'not ' if of_list else ''}null")
        return (
            "exists (select 1 from suppressions where suppressions.profile_id = profiles.id"  # noqa: S608
            f" and {' and '.join(tests)})"
        )

    return clause
