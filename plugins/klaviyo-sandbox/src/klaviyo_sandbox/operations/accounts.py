"""The account itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_sandbox.pages import Page

if TYPE_CHECKING:
    from klaviyo_sandbox.account import Answer, Call


def get_accounts(call: Call) -> Answer:
    """The one account; its links have a `next` although there is no paging (recorded)."""
    return call.many([call.resources.account(call.fields("account"))], page=Page([], more=False))
