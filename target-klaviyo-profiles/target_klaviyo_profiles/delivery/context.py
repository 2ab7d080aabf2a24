"""What a stream's batches are delivered with: Klaviyo, the clock, and the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_klaviyo_profiles.sinks.context import SinkContext

if TYPE_CHECKING:
    from target_klaviyo_profiles.delivery.ledger import Ledger


@dataclass(frozen=True, kw_only=True)
class DeliveryContext(SinkContext):
    """One per stream; safe to share between threads.

    Attributes:
        clock: Monotonic seconds.
        job_timeout: Seconds that a job may take.
        ledger: Knows what was sent, and what a sink wants to know in the next run.
    """

    clock: Callable[[], float]
    job_timeout: float
    ledger: Ledger
