"""What Klaviyo answered, read so that what it did not tell stops a row, and never passes for a no."""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING

from target_klaviyo_profiles.rows import Unsettled

if TYPE_CHECKING:
    from target_klaviyo_profiles.values import Json


def told(resource: object, of: str, **kinds: type | UnionType) -> Json:
    """The attributes of a resource, and its `id`; those that are named are there and of their kinds.

    Args:
        resource: As Klaviyo gave it; what is no JSON:API resource tells nothing.
        of: What it is, for the message; nothing personal.
        kinds: What is read of it.

    Raises:
        Unsettled: one of them is not told.
    """
    whole = resource if isinstance(resource, dict) else {}
    attributes = whole.get("attributes")
    flat: Json = {**(attributes if isinstance(attributes, dict) else {}), "id": whole.get("id")}
    for name, kind in kinds.items():
        if name not in flat or not isinstance(flat[name], kind):
            raise untold(of, name)
    return flat


def untold(of: str, name: str) -> Unsettled:
    """That Klaviyo did not tell something, or told it in another shape."""
    return Unsettled(f"Klaviyo did not tell `{name}` of {of}: start again; if it stays so, report it")
