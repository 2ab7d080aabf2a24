"""What an event is credited to."""

from __future__ import annotations

import hashlib
from typing import NamedTuple


class Attribution(NamedTuple):
    """An event is credited to another, and to the message that this was of; `flow_id` is None for a campaign's."""

    event_id: str
    attributed_event_id: str
    message_id: str
    flow_id: str | None
    campaign_id: str | None

    @property
    def id(self) -> str:
        """Klaviyo's look like this; what they are made of it does not say."""
        return hashlib.md5(f"{self.event_id} {self.attributed_event_id}".encode()).hexdigest()  # noqa: S324
