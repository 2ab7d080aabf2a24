"""Whose a key is: the account that Klaviyo names when it is asked with that key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from klaviyo_wire.jsonapi import resources

NOT_NAMED = "it does not name one account"
"""Why the owner is not known where Klaviyo answers, and not with one account."""


def owner(document: Mapping[str, Any]) -> str | None:
    """Id of the account in an answer to `get_accounts`; None if it does not name one."""
    try:
        (account,) = resources(document)
        return str(account["id"])
    except (ValueError, TypeError, KeyError):
        return None
