"""What a sink may use while its rows are written: Klaviyo, time, and a memory from one run to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from target_klaviyo_profiles.client import StreamClient
    from target_klaviyo_profiles.identifiers import Key


class SinkMemory(Protocol):
    """Short facts about keys that last from one run to the next."""

    def recall(self, stream: str, key: Key) -> str | None:
        """What was remembered of a key, by this run or an earlier one."""

    def remember(self, stream: str, keys: Iterable[Key], value: str) -> None:
        """Keep something short about keys for later runs: an id, a hash or a time, nothing personal."""


@dataclass(frozen=True, kw_only=True)
class SinkContext:
    """Handed to a sink with every batch or row; safe to share between threads.

    Attributes:
        client: Calls Klaviyo, and counts the calls of the stream.
        sleep: Lets seconds pass.
        now: The present moment, UTC.
        ledger: Remembers what the sink wants to know in the next run.
    """

    client: StreamClient
    sleep: Callable[[float], None]
    now: Callable[[], datetime]
    ledger: SinkMemory
