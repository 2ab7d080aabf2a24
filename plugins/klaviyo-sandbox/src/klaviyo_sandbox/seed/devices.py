"""The devices and conversations of the seeded shop: of one person in ten, who has the app."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

from klaviyo_sandbox.model.records import Conversation, PushToken
from klaviyo_sandbox.seed.people import DAY, a_few, chance

if TYPE_CHECKING:
    from klaviyo_sandbox.state.store import Store

_SYSTEMS = {"ios": ("APNs", "Apple", "swift"), "android": ("FCM", "Samsung", "android")}


def add_devices(store: Store, people: Iterable[str], rng: Random, now: int) -> None:
    """Give some people the app, and some of those a conversation.

    Args:
        store: the account.
        people: their ids.
        rng: decides who.
        now: the present, seconds.
    """
    with_app = a_few(people, rng)
    store.add([_token(profile_id, rng, now) for profile_id in with_app])
    channels = ("sms", "whatsapp", "instagram")
    store.add(
        [
            Conversation(id=_uuid(rng), profile_id=each, channel=rng.choice(channels))
            for each in with_app
            if chance(rng, 0.5)
        ]
    )


def _token(profile_id: str, rng: Random, now: int) -> PushToken:
    platform = rng.choice(tuple(_SYSTEMS))
    vendor, manufacturer, sdk = _SYSTEMS[platform]
    created = now - rng.randrange(DAY, 300 * DAY)
    return PushToken(
        id=_uuid(rng),
        profile_id=profile_id,
        token=rng.randbytes(32).hex(),
        platform=platform,
        vendor=vendor,
        created=created,
        recorded_date=created,
        metadata={
            "device_id": _uuid(rng),
            "klaviyo_sdk": sdk,
            "os_name": platform,
            "os_version": "17.1",
            "manufacturer": manufacturer,
            "app_name": "Shop",
            "environment": "release",
        },
    )


def _uuid(rng: Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))
