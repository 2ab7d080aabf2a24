"""Consent of revision 2026-10-15; the handlers have the names of the older operations that they replace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klaviyo_sandbox.operations import consent
from klaviyo_sandbox.operations.registry import operation
from klaviyo_sandbox.protocol.consent_bodies import SubscriberWithClicks, UnsubscriberWithClicks
from klaviyo_wire.endpoints import OMNICHANNEL

if TYPE_CHECKING:
    from klaviyo_sandbox.operations.call import Answer, Call


@operation(revision=OMNICHANNEL)
def bulk_subscribe_profiles(call: Call) -> Answer:
    """Accept a subscribe, which may be to the tracking of clicks, or refuse all of it for one row."""
    return consent.subscribed(call, SubscriberWithClicks)


@operation(revision=OMNICHANNEL)
def bulk_unsubscribe_profiles(call: Call) -> Answer:
    """Accept an unsubscribe, which may be from the tracking of clicks, or refuse all of it for one row."""
    return consent.unsubscribed(call, UnsubscriberWithClicks)
