"""The sinks, one module each. A new one is its module and its line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_klaviyo_profiles.sinks.profiles import Profiles
from target_klaviyo_profiles.sinks.templates import Templates

if TYPE_CHECKING:
    from target_klaviyo_profiles.sinks.base import Sink

SINKS: tuple[type[Sink], ...] = (
    Profiles,
    Templates,
)
"""Every sink; the stream each takes is its `stream`."""
