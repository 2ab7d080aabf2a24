"""The list that a record names."""

from __future__ import annotations

from target_klaviyo_profiles.rows import Reason

LIST_ID = "list_id"


def no_such_list(list_id: str) -> Reason:
    """Why a record of a list that does not exist is refused."""
    remedy = f"Correct `{LIST_ID}`, or make the list."
    return Reason("not_found", f"there is no list `{list_id}`", remedy, f"/{LIST_ID}")
