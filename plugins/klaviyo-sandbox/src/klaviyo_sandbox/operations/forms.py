"""Forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_sandbox.model.records import Form
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.state.pages import listing_of

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Answer, Call

_FORMS = listing_of(Form)


@operation
def get_forms(call: Call) -> Answer:
    """A page of forms."""
    page = _FORMS.page(call.store, call.query)
    forms = _FORMS.records(page)
    return call.many([call.resources.form(each, call.fields("form")) for each in forms], page=page)
