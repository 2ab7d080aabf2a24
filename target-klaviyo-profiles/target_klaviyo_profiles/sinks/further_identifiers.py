"""Identifiers that a profile gets beside the one that it is known by.

Klaviyo merges profiles, for good, where one request names several; so none does. The profile is written by one of
its identifiers, and gets each other one by a request of its own, about its id, once Klaviyo has told that the
profile has none of the kind and that nobody else has this one. Should somebody else get it in between, Klaviyo
refuses: 409 `duplicate_profile` (recorded of `POST /api/profiles`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from klaviyo_wire import jsonapi
from klaviyo_wire.filters import Operator
from target_klaviyo_profiles import identifiers
from target_klaviyo_profiles.answers import told
from target_klaviyo_profiles.fields import Field, Kind, coerced
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import REMEDIES, Reason, Rejected
from target_klaviyo_profiles.sinks.record_sink import record_call

if TYPE_CHECKING:
    from target_klaviyo_profiles.sinks.context import SinkContext
    from target_klaviyo_profiles.values import Json

FURTHER_IDENTIFIERS = "further_identifiers"
KINDS = tuple(kind for kind in identifiers.PRECEDENCE if kind != "id")
READS = ("get_profile", "get_profiles", "update_profile")
"""Operations that are called for a record that has some."""
FIELD = Field(
    FURTHER_IDENTIFIERS,
    Kind.OBJECT,
    "Any of `external_id`, `email`, `phone_number` that the profile gets where it has none of the kind and nobody "
    "else has it",
)
_DUPLICATE = "duplicate_profile"
_HELD = "identifier_held"
_ELSE_WRITTEN = "what else the record says is written"


def wanted(record: Json, key: Key) -> dict[str, str]:
    """What the profile is to get, by kind; blank text is none.

    Raises:
        Rejected: something in it is no identifier's kind, no text, or of the kind that the record is known by.
    """
    found: dict[str, str] = {}
    for kind, value in record.get(FURTHER_IDENTIFIERS, {}).items():
        pointer = f"/{FURTHER_IDENTIFIERS}/{kind}"
        if kind not in KINDS:
            detail = f"`{FURTHER_IDENTIFIERS}` has `{kind}`, which is no kind of identifier"
            raise Rejected(Reason("invalid_value", detail, f"Give any of {', '.join(KINDS)}.", pointer))
        try:
            text = str(coerced(Kind.TEXT, value)).strip()
        except TypeError as fault:
            detail = f"`{FURTHER_IDENTIFIERS}.{kind}` {fault}"
            raise Rejected(Reason("invalid_value", detail, f"Correct `{kind}`.", pointer)) from None
        if kind == key.kind:
            detail = f"`{FURTHER_IDENTIFIERS}` has `{kind}`, which the record is known by"
            raise Rejected(Reason("contradiction", detail, "Give the profile's `id`, or leave it out.", pointer))
        if text:
            found[kind] = text
    return found


def add(resource: object, further: Mapping[str, str], context: SinkContext) -> bool:
    """Give a profile what it has not; whether there was anything to give.

    Args:
        resource: The profile, as Klaviyo has just told it.
        further: Identifiers by kind, as the record has them.
        context: What the sink may use.

    Raises:
        Rejected: one cannot be one, the profile has another, or somebody else has it. The others are given.
        Unsettled: Klaviyo does not tell what the profile has, or who has the identifier.
        KlaviyoError: Klaviyo cannot be asked.
    """
    kinds = dict.fromkeys(further, str | None)
    profile = told(resource, "a profile that was to get a further identifier", id=str, **kinds)
    refusals: list[Reason] = []
    given = False
    for kind, value in further.items():
        try:
            given |= _give(profile, Key(kind, value), context)
        except Rejected as rejected:
            refusals.append(rejected.reason)
    if refusals:
        first = refusals[0]
        detail = "; ".join([each.detail for each in refusals] + [_ELSE_WRITTEN])
        raise Rejected(Reason(first.code, detail, first.remedy, first.pointer, in_part=True))
    return given


def _give(profile: Json, key: Key, context: SinkContext) -> bool:
    kind, pointer = key.kind, f"/{FURTHER_IDENTIFIERS}/{key.kind}"
    try:
        sent = Key(kind, identifiers.sent_as(key))
    except identifiers.InvalidIdentifier as fault:
        detail, remedy = f"`{kind}`: {fault}", f"Correct `{kind}`, or leave it out."
        raise Rejected(Reason(f"invalid_{kind}", detail, remedy, pointer)) from None
    held = str(profile[kind] or "").strip()
    if identifiers.compared(Key(kind, held)) == identifiers.compared(sent):
        return False
    if held:
        detail = f"the profile has another `{kind}`, which it keeps"
        raise Rejected(Reason(_HELD, detail, "If that one is wrong, correct it in Klaviyo.", pointer))
    owner = _owner(sent, context)
    if owner not in (None, profile["id"]):
        detail = f"`{kind}` belongs to the profile {owner}"
        raise Rejected(Reason(_DUPLICATE, detail, REMEDIES[_DUPLICATE], pointer))
    body = {"data": {"type": "profile", "id": profile["id"], "attributes": {kind: sent.value}}}
    record_call("update_profile", context, body, path={"id": profile["id"]}, remedy=REMEDIES[_DUPLICATE])
    return True


def _owner(key: Key, context: SinkContext) -> str | None:
    """The id of a profile that has the identifier."""
    params = {"filter": Operator.ANY(key.kind, [key.value]), "fields[profile]": key.kind}
    for page in context.client.pages("get_profiles", params=params):
        for resource in jsonapi.resources(page):
            return str(told(resource, "a profile that has an identifier", id=str)["id"])
    return None
