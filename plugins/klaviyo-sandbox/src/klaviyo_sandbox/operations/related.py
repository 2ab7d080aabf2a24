"""What a listing tells of its records' relations to others, where it is asked to: tags, and flows they trigger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from klaviyo_sandbox.model.records import Flow, Tag, TagLink
from klaviyo_sandbox.state.database import marks

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Json
    from klaviyo_sandbox.operations.call import Call

Related = Mapping[str, Sequence[str]]
"""Ids of what each record is related to, by the record's id; one that is missing is related to nothing."""


def tags_of(call: Call, ids: Sequence[str]) -> Related:
    """The tags of campaigns, flows, lists or segments; nothing if they are not asked for."""
    if "tags" not in call.query.include or not ids:
        return {}
    links = call.store.find(TagLink, f"resource_id in ({marks(len(ids))}) order by tag_id", ids)
    there = {each.id for each in call.store.get_all(Tag, sorted({link.tag_id for link in links}))}
    return _by_first([(link.resource_id, link.tag_id) for link in links if link.tag_id in there])


def flows_triggered_by(call: Call, kind: str, ids: Sequence[str]) -> Related:
    """The flows that lists, segments or metrics trigger; nothing if they are not asked for."""
    if "flow-triggers" not in call.query.include:
        return {}
    found = [
        (trigger["id"], flow.id)
        for flow in call.store.find(Flow, "true order by id")
        for trigger in flow.triggers
        if trigger.get("type") == kind and trigger.get("id") in ids
    ]
    return _by_first(found)


def included(call: Call, *related: Related) -> list[Json]:
    """The tags and flows that are named, as resources."""
    ids = sorted({each for found in related for several in found.values() for each in several})
    tags = [call.resources.tag(each, call.fields("tag")) for each in call.store.get_all(Tag, ids)]
    flows = [call.resources.flow(each, names=call.fields("flow")) for each in call.store.get_all(Flow, ids)]
    return [*tags, *flows]


def _by_first(pairs: Sequence[tuple[str, str]]) -> Related:
    found: dict[str, list[str]] = {}
    for one, other in pairs:
        found.setdefault(one, []).append(other)
    return found
