"""Whose a state is: each stream that keeps one says of which account it is, and another account's is refused.

What a state says (a bookmark, ids that were emitted, days that were read) is true of one account. With another
one's state a stream would take as read what it never saw, and end well.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tap_klaviyo_engagement.times import iso

ACCOUNT = "account"
"""Where the state of a stream holds the account's id. One of an older version holds none: it is taken as it is."""

EXTRACTION = "extraction"
"""Where it holds when the first of the runs that went on from each other began, and the number of the last one."""

_REMEDY = (
    "give the key of that account; or give this one a state of its own (a Meltano environment, or "
    "`--state-id-suffix`) and a warehouse of its own; or remove the state, to read everything anew"
)


def owners(bookmarks: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Names of the streams by the account that their states are of; those that do not tell are left out."""
    found: dict[str, list[str]] = {}
    for stream, state in bookmarks.items():
        if ACCOUNT in state:
            found.setdefault(str(state[ACCOUNT]), []).append(stream)
    return found


def claim(state: dict[str, Any], account: str | None, now: datetime) -> None:
    """Write into a stream's state whose it is, and count the runs that went on from each other.

    A loader that keeps the greatest number beside its rows can tell whether it holds what the next run takes for
    loaded: `target-duckdb` does.

    Args:
        state: The stream's; written in place.
        account: Whose the key is; None where that is not told.
        now: When the first of these runs began, by which they are told from others.
    """
    if account is not None:
        state[ACCOUNT] = account
    match state.get(EXTRACTION):
        case {"begun": str(begun), "run": int(run)}:
            state[EXTRACTION] = {"begun": begun, "run": run + 1}
        case _:
            state[EXTRACTION] = {"begun": iso(now), "run": 1}


def foreign(owned: Mapping[str, list[str]], account: str) -> str:
    """What is wrong if streams are of other accounts than that of the key; empty if none is."""
    others = {owner: streams for owner, streams in owned.items() if owner != account}
    if not others:
        return ""
    told = "; ".join(f"{owner} ({', '.join(streams)})" for owner, streams in others.items())
    return f"the state is of another account, {told}, than the key, which is of {account}: {_REMEDY}"


def untold(owned: Mapping[str, list[str]], reason: str) -> str:
    """What is wrong if streams have an owner, and nobody tells whose the key is."""
    return (
        f"the state is of the account {' and '.join(owned)}, and nobody tells whose the key is ({reason}): "
        "add the scope `accounts:read` to the key; or, if you know that it is of this account, remove "
        f"`{ACCOUNT}` from the streams of the state"
    )
