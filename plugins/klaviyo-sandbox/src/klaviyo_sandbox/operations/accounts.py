"""The account itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_sandbox.model.errors import refuse_unknown
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.state.pages import Page

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Answer, Call


@operation
def get_accounts(call: Call) -> Answer:
    """The one account; its links have a `next` although there is no paging (recorded)."""
    return call.many([call.resources.account(call.account.id, call.fields("account"))], page=Page([], more=False))


@operation
def get_account(call: Call) -> Answer:
    """The one account, by its id."""
    if call.path["id"] != call.account.id:
        refuse_unknown(f"Account with id {call.path['id']} not found.")
    return call.one(call.resources.account(call.account.id, call.fields("account")))
