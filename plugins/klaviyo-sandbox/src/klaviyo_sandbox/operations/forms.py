"""Forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from klaviyo_sandbox.model.records import Form
from klaviyo_sandbox.state.pages import Column, Kind, Listing

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Answer, Call

_FORMS = Listing(
    source="forms",
    columns="record",
    id="id",
    filters={
        "id": Column("id"),
        "name": Column("name"),
        "ab_test": Column("ab_test", Kind.FLAG),
        "updated_at": Column("updated_at", Kind.SECONDS),
        "created_at": Column("created_at", Kind.SECONDS),
        "status": Column("status"),
    },
    sorts={"created_at": "created_at", "updated_at": "updated_at"},
)


def get_forms(call: Call) -> Answer:
    """A page of forms."""
    page = _FORMS.page(call.store, call.query)
    forms = [msgspec.json.decode(row[0], type=Form) for row in page.rows]
    return call.many([call.resources.form(each, call.fields("form")) for each in forms], page=page)
