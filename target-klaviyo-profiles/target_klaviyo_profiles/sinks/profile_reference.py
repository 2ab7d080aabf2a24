"""The profile that a record names: by its id, its address, its number or your own id.

Only in `profiles` is a profile's id the record's own `id`; everywhere else it is `profile_id`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from target_klaviyo_profiles import identifiers
from target_klaviyo_profiles.identifiers import Key
from target_klaviyo_profiles.rows import Reason, Rejected

if TYPE_CHECKING:
    from target_klaviyo_profiles.values import Json

PROFILE_ID = "profile_id"


def profile_key(record: Json, kinds: Sequence[str]) -> Key:
    """The first identifier of these kinds that the record has, as Klaviyo compares it.

    Raises:
        Rejected: it has none, or one that cannot be an identifier of its kind.
    """
    key = identifiers.first(record, kinds)
    if key is None:
        names = ", ".join(f"`{kind}`" for kind in kinds)
        none_of = f"none of {names}" if len(kinds) > 1 else f"no {names}"
        raise Rejected(Reason("no_identifier", f"the record has {none_of}", "Give one."))
    if key.kind in identifiers.OWN:
        return key
    try:
        return identifiers.compared(Key(key.kind, identifiers.sent_as(key)))
    except identifiers.InvalidIdentifier as fault:
        remedy = f"Correct `{key.kind}`, or leave the record out."
        reason = Reason(f"invalid_{key.kind}", f"`{key.kind}`: {fault}", remedy, f"/{key.kind}")
        raise Rejected(reason, key) from None


def profile_resource(key: Key, record: Json) -> Json:
    """The profile of a request, with this one identifier and no other."""
    if key.kind == PROFILE_ID:
        return {"type": "profile", "id": key.value, "attributes": {}}
    # As given, not as compared: Klaviyo keeps the spelling of a new profile's address.
    value = record["email"].strip() if key.kind == "email" else key.value
    return {"type": "profile", "attributes": {key.kind: value}}
