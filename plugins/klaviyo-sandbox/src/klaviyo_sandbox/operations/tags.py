"""Tags and their groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_sandbox.model.records import Tag, TagGroup
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.state.pages import listing_of

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Answer, Call

_TAGS = listing_of(Tag)
_GROUPS = listing_of(TagGroup)


@operation
def get_tags(call: Call) -> Answer:
    """A page of tags, with their groups if asked."""
    page = _TAGS.page(call.store, call.query)
    tags = _TAGS.records(page)
    resources, names = call.resources, call.fields("tag")
    asked = "tag-group" in call.query.include
    included = None
    if asked:
        groups = call.store.get_all(TagGroup, sorted({each.group_id for each in tags}))
        included = [resources.tag_group(each, call.fields("tag-group")) for each in groups]
    return call.many([resources.tag(each, names, with_group=asked) for each in tags], page=page, included=included)


@operation
def get_tag_groups(call: Call) -> Answer:
    """A page of tag groups."""
    page = _GROUPS.page(call.store, call.query)
    groups = _GROUPS.records(page)
    return call.many([call.resources.tag_group(each, call.fields("tag-group")) for each in groups], page=page)
