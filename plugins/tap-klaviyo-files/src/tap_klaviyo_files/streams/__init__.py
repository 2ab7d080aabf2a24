"""The streams that are made of rows of files: declarations, each with its name in `KINDS`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_klaviyo_files.streams.events import Events
from tap_klaviyo_files.streams.memberships import LIST_MEMBERSHIPS, SEGMENT_MEMBERSHIPS
from tap_klaviyo_files.streams.profiles import Profiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_klaviyo_files.streams.kind import Kind

KINDS: Mapping[str, Kind] = {
    kind.name: kind for kind in (Events(), Profiles(), LIST_MEMBERSHIPS, SEGMENT_MEMBERSHIPS)
}
