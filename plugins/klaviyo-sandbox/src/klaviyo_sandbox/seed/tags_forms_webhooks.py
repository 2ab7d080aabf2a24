"""The tags, forms and webhooks of the seeded shop."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

from klaviyo_sandbox.model import ids
from klaviyo_sandbox.model.records import Campaign, Flow, Form, Group, Tag, TagGroup, TagLink, Webhook
from klaviyo_sandbox.seed.people import DAY, chance

if TYPE_CHECKING:
    from klaviyo_sandbox.state.store import Store

_DEFAULT, _EXCLUSIVE = "Ungrouped Tags", "Season"
_TAGS = {
    _DEFAULT: ("evergreen", "to be checked"),
    _EXCLUSIVE: ("Spring 🌱", "Summer", "Black Friday"),
    "Team": ("CRM", "Büro Köln"),
}
_FORMS = {
    "Welcome pop-up": "live",
    "Footer sign-up": "live",
    "Back in stock": "live",
    "Glücksrad 🎡": "draft",
    "Half-finished form": "draft",
}
_WEBHOOKS = {
    "Consent to the warehouse": (
        "event:klaviyo.subscribed_to_email_marketing",
        "event:klaviyo.unsubscribed_from_email_marketing",
    ),
    "Suppressions to support": (
        "event:klaviyo.manually_suppressed_from_email_marketing",
        "event:klaviyo.manually_unsuppressed_from_email_marketing",
    ),
}


def add_tags_forms_webhooks(store: Store, rng: Random, now: int) -> None:
    """Fill the account with tags, forms and webhooks; `now` is the present, seconds."""
    for group_name, names in _TAGS.items():
        group = TagGroup(
            id=_uuid(rng),
            name=group_name,
            exclusive=group_name == _EXCLUSIVE,
            default=group_name == _DEFAULT,
        )
        store.put(group)
        for name in names:
            store.put(Tag(id=_uuid(rng), name=name, group_id=group.id))
    for name, status in _FORMS.items():
        created, updated = _lifetime(rng, now)
        tested = chance(rng, 0.3)
        store.put(
            Form(
                id=ids.short(rng),
                name=name,
                status=status,
                ab_test=tested,
                created_at=created,
                updated_at=updated,
                version_ids=[str(rng.randrange(10**7, 10**8)) for _ in range(2 if tested else 1)],
            )
        )
    for name, topics in _WEBHOOKS.items():
        created, updated = _lifetime(rng, now)
        store.put(
            Webhook(
                id=ids.ulid(rng, created),
                name=name,
                description=", ".join(topics),
                endpoint_url="https://hooks.shop.example/klaviyo/webhooks",
                secret_key=f"{name}, says nobody else",
                created_at=_moment(rng, created),
                updated_at=_moment(rng, updated),
                topics=list(topics),
            )
        )


def add_tag_links(store: Store, rng: Random) -> None:
    """Give some campaigns, flows, lists and segments tags, some of them several; some tags are of nothing."""
    groups = [
        store.find(Tag, "group_id = ? order by name", [each.id])
        for each in store.find(TagGroup, "true order by name")
    ]
    things = [
        *(each.id for each in store.find(Campaign, "true order by id")),
        *(each.id for each in store.find(Flow, "true order by id")),
        *(each.id for each in store.find(Group, "true order by id")),
    ]
    for thing in things:
        for tags in rng.sample(groups, rng.choice((0, 0, 1, 1, 2))):  # of one group, one: it may be exclusive
            store.put(TagLink(tag_id=rng.choice(tags[:-1]).id, resource_id=thing))


def _lifetime(rng: Random, now: int) -> tuple[int, int]:
    """When something was made, in the past two years, and when it was last changed."""
    created = now - rng.randrange(30 * DAY, 700 * DAY)
    return created, created + rng.randrange(1, 29 * DAY)


def _moment(rng: Random, at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC).replace(microsecond=rng.randrange(1_000_000))


def _uuid(rng: Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))
