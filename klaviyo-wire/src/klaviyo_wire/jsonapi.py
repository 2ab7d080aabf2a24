"""JSON:API documents as Klaviyo writes them, turned into flat records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]


def lift(resource: Mapping[str, Any], relationships: Iterable[str] = ()) -> Json:
    """A resource object as one flat record: `id`, its attributes, and `<name>_id` for each to-one relationship.

    A relationship that is absent, not loaded, empty (`null`, `[]`) or to-many gives None: Klaviyo leaves out
    the key of a requested but empty one (recorded), so absent and empty must mean the same.
    An attribute named like the id does not displace it.
    """
    record: Json = {**(resource.get("attributes") or {}), "id": resource["id"]}
    held = resource.get("relationships") or {}
    for name in relationships:
        # An empty object may be printed as `[]`.
        relationship = held.get(name) or {}
        data = relationship.get("data") if isinstance(relationship, Mapping) else None
        record[f"{name.replace('-', '_')}_id"] = data.get("id") if isinstance(data, Mapping) else None
    return record


def resources(document: Mapping[str, Any]) -> list[Json]:
    """The primary data of a document as a list; `data: null` (an empty to-one) is an empty list."""
    data = document.get("data")
    if data is None:
        return []
    return list(data) if isinstance(data, list) else [data]


def included(document: Mapping[str, Any], resource_type: str) -> list[Json]:
    """The included resources of one type; none when the document has no `included`."""
    return [item for item in document.get("included") or () if item.get("type") == resource_type]


def next_link(document: Mapping[str, Any]) -> str | None:
    """URL of the next page, or None on the last one. `prev` is never followed: it can be bogus (recorded)."""
    links = document.get("links") or {}
    following = links.get("next") if isinstance(links, Mapping) else None
    return following or None
