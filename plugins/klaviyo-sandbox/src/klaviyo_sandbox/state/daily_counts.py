"""What reports on segments and forms count within a span of time.

Nobody is seen to leave a segment: the sandbox keeps who is in it, and since when. No form is filled in either:
whoever changed is taken to have done so at a form, which follows from their id, and to have seen it twice.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from klaviyo_sandbox.model.records import FormVersion

if TYPE_CHECKING:
    from klaviyo_sandbox.state.aggregates import Range
    from klaviyo_sandbox.state.store import Store

Counted = Mapping[str, float]

_VIEWS = 2
FORM_STATISTICS: Mapping[str, Callable[[int], float]] = {
    **dict.fromkeys(("submits", "submitted_form_step", "submitted_form_step_uniques"), float),
    **dict.fromkeys(
        ("qualified_form", "viewed_form", "viewed_form_step"), lambda submits: float(_VIEWS * submits)
    ),
    **dict.fromkeys(("qualified_form_uniques", "viewed_form_uniques", "viewed_form_step_uniques"), float),
    **dict.fromkeys(("closed_form", "closed_form_uniques"), float),
    "submit_rate": lambda submits: 1 / _VIEWS if submits else 0.0,
}


def of_segments(store: Store, within: Range) -> dict[str, Counted]:
    """Of every segment: who came in, who left, and who was in it at the end."""
    sql = (
        "select groups.id, sum(joined >= ? and joined < ?), sum(joined < ?) from groups"
        " left join members on members.group_id = groups.id where kind = 'segment' group by groups.id"
    )
    first, last = within.start.timestamp(), within.end.timestamp()
    return {
        key: {
            "members_added": float(added or 0),
            "members_removed": 0.0,
            "net_members_changed": float(added or 0),
            "total_members": float(total or 0),
        }
        for key, added, total in store.read(sql, [first, last, last])
    }


def of_forms(store: Store, within: Range) -> dict[tuple[str, str], int]:
    """How often each version of a form was submitted, of those that were: by form and version."""
    versions = store.find(FormVersion, "true order by id")
    counted: defaultdict[tuple[str, str], int] = defaultdict(int)
    span = [within.start.timestamp(), within.end.timestamp()]
    for (key,) in (
        store.read("select id from profiles where updated >= ? and updated < ?", span) if versions else ()
    ):
        version = versions[zlib.crc32(key.encode()) % len(versions)]
        counted[version.form_id, version.id] += 1
    return dict(counted)
