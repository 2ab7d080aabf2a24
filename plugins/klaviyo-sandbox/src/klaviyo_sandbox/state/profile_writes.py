"""How a write changes a profile: who it is about, what null means, what moves `updated`.

`updated` moves when something about the profile changed and stays when a write brought nothing new.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from klaviyo_sandbox.model import ids
from klaviyo_sandbox.model.records import Json, Profile

if TYPE_CHECKING:
    from klaviyo_sandbox.model.deferred_work import Identifier
    from klaviyo_sandbox.protocol.bodies import Attributes, ImportAttributes, PatchProperties, ProfileMeta
    from klaviyo_sandbox.state.store import Store

_BY_PRECEDENCE = ("external_id", "email", "phone_number")
_STANDARD = (*_BY_PRECEDENCE, "first_name", "last_name", "organization", "locale", "title", "image")
_DEEPEST = 10
_LARGEST = 2**63 - 1


class Nulls(Enum):
    """What null does to a field."""

    CLEAR = auto()
    IGNORE = auto()
    """In bulk imports."""


def identifiers(attributes: Attributes) -> dict[str, str]:
    """The identifiers that are given, the one that counts most first."""
    given = {name: getattr(attributes, name) for name in _BY_PRECEDENCE}
    return {name: value.strip() for name, value in given.items() if isinstance(value, str)}


def names(profile_id: str | None, attributes: Attributes) -> Iterator[Identifier]:
    """Every identifier that is given, with its kind, as Klaviyo compares it: addresses without regard to case."""
    if profile_id is not None:
        yield "id", profile_id
    for kind, value in identifiers(attributes).items():
        yield kind, value.lower() if kind == "email" else value


def has_identifier(profile_id: str | None, attributes: ImportAttributes) -> bool:
    """Whether the row says who it is about. No cookie is held, so `_kx` says nothing."""
    return profile_id is not None or bool(identifiers(attributes))


def owners(store: Store, attributes: Attributes) -> list[Profile]:
    """The profiles that have one of the identifiers, each once, the one that counts most first."""
    found: dict[str, Profile] = {}
    for name, value in identifiers(attributes).items():
        profile = store.profile_by(name, value)
        if profile is not None:
            found.setdefault(profile.id, profile)
    return list(found.values())


def new_profile(rng: Random, now: float) -> Profile:
    """A profile without attributes."""
    return Profile(id=ids.ulid(rng, now), created=int(now), updated=int(now))


def changed(profile: Profile, attributes: Attributes, meta: ProfileMeta, nulls: Nulls, now: int) -> Profile:
    """The profile after a write; the very same one when nothing is new."""
    changes: Json = {}
    for name in _STANDARD:
        value = getattr(attributes, name)
        if value is not UNSET and (value is not None or nulls is Nulls.CLEAR):
            changes[name] = value.strip() if isinstance(value, str) else value
    if attributes.location is not UNSET:
        location = msgspec.structs.asdict(attributes.location)
        changes["location"] = _merged(profile.location, location, nulls)
    changes["properties"] = _patched(
        _properties(profile.properties, attributes.properties, nulls), meta.patch_properties
    )
    after = msgspec.structs.replace(profile, **changes)
    return profile if after == profile else msgspec.structs.replace(after, updated=now)


def unstorable(properties: object) -> str | None:
    """Why a property cannot be stored, as a message; None when all can."""
    if not isinstance(properties, dict):
        return None
    for name, value in properties.items():
        if not name:
            return "A property name must not be empty"
        if any(depth > _DEEPEST for depth, _ in walk(value, 1)):
            return f"The value of property '{name}' is nested more than {_DEEPEST} levels deep"
        if any(too_large(each) for _, each in walk(value, 1)):
            return f"The value of property '{name}' is a number that cannot be stored"
    return None


def too_large(value: object) -> bool:
    """Whether a value is a whole number of more than 64 bits."""
    return isinstance(value, int) and abs(value) > _LARGEST


def walk(value: object, depth: int) -> Iterator[tuple[int, object]]:
    """A value and every value nested in it, each with its depth."""
    yield depth, value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from walk(each, depth + 1)


def _merged(before: Json, given: Json, nulls: Nulls) -> Json:
    after = dict(before)
    for name, value in given.items():
        if value is None and nulls is Nulls.CLEAR:
            after.pop(name, None)
        elif value is not None and value is not UNSET:
            after[name] = value
    return after


def _properties(before: Json, given: Any, nulls: Nulls) -> Json:  # noqa: ANN401 - an object, null or absent
    if given is UNSET or (given is None and nulls is Nulls.IGNORE):
        return before
    return {} if given is None else _merged(before, given, nulls)


def _patched(before: Json, patch: PatchProperties) -> Json:
    after = dict(before)
    for name, value in (patch.append or {}).items():
        held = _as_list(after.get(name))
        after[name] = held + [each for each in _as_list(value) if each not in held]
    for name, value in (patch.unappend or {}).items():
        removed = _as_list(value)
        if name in after:
            after[name] = [each for each in _as_list(after[name]) if each not in removed]
    for name in [patch.unset] if isinstance(patch.unset, str) else patch.unset or []:
        after.pop(name, None)
    return after


def _as_list(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
