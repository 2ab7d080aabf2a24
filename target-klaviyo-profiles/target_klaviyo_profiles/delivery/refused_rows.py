"""The rows that Klaviyo refused in earlier runs, so that they are not sent again at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_klaviyo_profiles.delivery.ledger import Ledger
    from target_klaviyo_profiles.rows import Row


class RefusedRows:
    """Of each key the last row that Klaviyo refused, while that is not long ago.

    Args:
        ledger: Keeps them, as hashes.
        stream: Their stream.
        seconds: How long they count.
    """

    def __init__(self, ledger: Ledger, stream: str, seconds: float) -> None:
        self._ledger = ledger
        self._rows = ledger.refused(stream, seconds)
        """By hashed key: the hashed row."""

    def __bool__(self) -> bool:
        return bool(self._rows)

    def has(self, row: Row) -> bool:
        """Whether the row, as it is, was the last of its key that was refused."""
        refused = self._rows.get(self._ledger.hashed(row.key))
        return refused is not None and refused == self._ledger.hashed_row(row.group, row.payload)
