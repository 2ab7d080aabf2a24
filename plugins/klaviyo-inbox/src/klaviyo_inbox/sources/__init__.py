"""The sources, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from klaviyo_inbox.sources.flows import FLOWS
from klaviyo_inbox.sources.klaviyo_webhooks import KLAVIYO_WEBHOOKS

if TYPE_CHECKING:
    from klaviyo_inbox.source import Source

SOURCES: Sequence[Source] = (
    KLAVIYO_WEBHOOKS,
    FLOWS,
)
