"""Tags and their groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from klaviyo_sandbox.model.records import Tag, TagGroup
from klaviyo_sandbox.state.pages import Column, Kind, Listing

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Answer, Call

_TAGS = Listing(
    source="tags", columns="record", id="id", filters={"name": Column("name")}, sorts={"id": "id", "name": "name"}
)
_GROUPS = Listing(
    source="tag_groups",
    columns="record",
    id="id",
    filters={
        "name": Column("name"),
        "exclusive": Column("exclusive", Kind.FLAG),
        "default": Column('"default"', Kind.FLAG),
    },
    sorts={"id": "id", "name": "name"},
)


def get_tags(call: Call) -> Answer:
    """A page of tags, with their groups if asked."""
    page = _TAGS.page(call.store, call.query)
    tags = [msgspec.json.decode(row[0], type=Tag) for row in page.rows]
    resources, names = call.resources, call.fields("tag")
    asked = "tag-group" in call.query.include
    included = None
    if asked:
        groups = call.store.tag_groups(sorted({each.group_id for each in tags}))
        included = [resources.tag_group(each, call.fields("tag-group")) for each in groups]
    return call.many([resources.tag(each, names, with_group=asked) for each in tags], page=page, included=included)


def get_tag_groups(call: Call) -> Answer:
    """A page of tag groups."""
    page = _GROUPS.page(call.store, call.query)
    groups = [msgspec.json.decode(row[0], type=TagGroup) for row in page.rows]
    return call.many([call.resources.tag_group(each, call.fields("tag-group")) for each in groups], page=page)
