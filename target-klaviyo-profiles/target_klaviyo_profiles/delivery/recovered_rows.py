"""The rows of a stream that a killed run had sent, by what `recovery` found: so they are not sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from target_klaviyo_profiles.identifiers import Key

if TYPE_CHECKING:
    from target_klaviyo_profiles.delivery.ledger import Entry, Ledger
    from target_klaviyo_profiles.rows import Outcome, Reason, Row

_COUNTED = 0
"""Stands for an entry's id once the row has come again."""


class SentRow(NamedTuple):
    """What became of a row that was sent: `reason` is None where Klaviyo accepted it."""

    reason: Reason | None


_ACCEPTED = SentRow(None)


class RecoveredRows:
    """The last row that was sent for each key, where it is known what became of it.

    Args:
        ledger: Hashes keys and rows.
        done: Called with an entry once all of its rows have come again: the next STATE covers them.
    """

    def __init__(self, ledger: Ledger, done: Callable[[int], None]) -> None:
        self._ledger = ledger
        self._done = done
        self._last: dict[bytes, tuple[bytes, int]] = {}
        """By hashed key: the hashed row, and the entry it is in."""
        self._left: dict[int, int] = {}
        """By entry: how many of its rows have not come again."""
        self._reasons: dict[bytes, Reason] = {}

    def add(self, entry: Entry, outcome: Outcome) -> None:
        """Take a request whose job, if it was one, has ended; the outcome's keys are those of `hashed_key`.

        To be called in the order of the requests: a later one replaces an earlier one of the same key, also where
        nothing is known of the later one.
        """
        for key, row in entry.rows:
            self._forget(key)
            hashed = hashed_key(key)
            if hashed in outcome.unsettled:
                continue
            self._last[key] = row, entry.id
            self._left[entry.id] = self._left.get(entry.id, 0) + 1
            if (reason := outcome.rejected.get(hashed)) is not None:
                self._reasons[key] = reason
        if entry.id not in self._left:
            self._done(entry.id)

    def sent(self, row: Row) -> SentRow | None:
        """What became of a row, if it is the last that was sent for its key; None if it is to be sent."""
        key = self._ledger.hashed(row.key)
        last = self._last.get(key)
        if last is None or last[0] != self._ledger.hashed_row(row.group, row.payload):
            return None
        self._last[key] = last[0], _COUNTED
        self._count(last[1])
        reason = self._reasons.get(key)
        return _ACCEPTED if reason is None else SentRow(reason)

    def superseded(self, key: Key) -> None:
        """A newer row is being sent for the key."""
        self._forget(self._ledger.hashed(key))

    def _forget(self, key: bytes) -> None:
        _, entry = self._last.pop(key, (b"", _COUNTED))
        self._reasons.pop(key, None)
        self._count(entry)

    def _count(self, entry: int) -> None:
        if entry == _COUNTED:
            return
        self._left[entry] -= 1
        if not self._left[entry]:
            self._done(entry)


def hashed_key(hashed: bytes) -> Key:
    """The key of a row of which only the ledger's hash is left."""
    return Key("hash", hashed.hex())
