"""Events of revision 2026-10-15; the handler has the name of the older operation that it replaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_sandbox.operations import events
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.protocol.event_bodies import EventCreateWithMeta
from klaviyo_wire.endpoints import OMNICHANNEL

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Answer, Call


@operation(revision=OMNICHANNEL)
def create_event(call: Call) -> Answer:
    """Accept an event, whose profile is as in a bulk entry; whether it is kept is never said."""
    return events.created(call, EventCreateWithMeta)
