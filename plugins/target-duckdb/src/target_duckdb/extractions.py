"""What a STATE says of the runs that went on from each other, by which a file is known to hold what came before.

A tap that goes on from a state takes for loaded what the runs before read. Whether this file holds that, the tap
cannot know: the file may have been deleted, or put back to an older copy, while the state was kept. So a tap may
write into the state of a stream (`bookmarks.<stream>`) which run it is, and of which account:

    "extraction": {"begun": "2026-11-20T12:00:00+00:00", "run": 3}, "account": "AbC123"

The file keeps the greatest number it has loaded. One less than a tap's is wanted, and no other account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Extraction:
    """The runs of a stream that went on from each other, up to one of them.

    Attributes:
        begun: When the first of them began, by which they are told from others.
        run: The number of this one, counted from 1.
        account: Whose data they read; None where that is not told.
    """

    begun: str
    run: int
    account: str | None


def extractions(state: bytes) -> dict[str, Extraction]:
    """What the value of a STATE says, by stream; of one that says nothing, nothing."""
    match msgspec.json.decode(state):
        case {"bookmarks": dict(bookmarks)}:
            found = {stream: _extraction(told) for stream, told in bookmarks.items()}
            return {stream: told for stream, told in found.items() if told is not None}
    return {}


def _extraction(told: object) -> Extraction | None:
    match told:
        case {"extraction": {"begun": str(begun), "run": int(run)}, **rest}:
            account = rest.get("account")
            return Extraction(begun, run, account if isinstance(account, str) else None)
    return None


def lacking(told: Mapping[str, Extraction], loaded: Mapping[tuple[str, str], int]) -> list[str]:
    """The streams of which a run before is not loaded.

    Args:
        told: What a STATE says.
        loaded: The greatest number that is loaded, by stream and beginning.
    """
    return [stream for stream, each in told.items() if each.run > loaded.get((stream, each.begun), 0) + 1]
