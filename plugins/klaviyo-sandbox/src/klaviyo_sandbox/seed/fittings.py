"""What else people set up in the seeded shop: catalogue, reviews, images and feeds, custom metrics and objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

from klaviyo_sandbox.model import ids, metric_names
from klaviyo_sandbox.model.records import (
    BillingUsage,
    BrandButton,
    BrandColor,
    BrandLogo,
    BrandSocialGroup,
    CatalogCategory,
    CatalogItem,
    CatalogPlace,
    CatalogVariant,
    CouponCodeJob,
    CustomMetric,
    DataSource,
    Form,
    FormVersion,
    Image,
    MappedMetric,
    ObjectRecord,
    ObjectSchema,
    ObjectType,
    Review,
    UniversalContent,
    WebFeed,
)
from klaviyo_sandbox.seed.people import DAY, chance

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Json
    from klaviyo_sandbox.seed.history import Person
    from klaviyo_sandbox.state.store import Store

_SHOP = "https://shop.sandbox.example"
_CATEGORIES = {
    "Coats": ("Rain coat", "Wool coat", "Wintermantel ❄️"),
    "Shoes": ("Boots", "Trainers"),
    "New in": ("Rain coat", "Trainers", "Größe-wählbar-Schal"),
    "Empty shelf": (),
}
_SIZES = ("S", "M", "L")
_STATUSES = ("published", "published", "featured", "pending", "unpublished", "rejected")
_ROLES = {
    "revenue": metric_names.ORDERED,
    "viewed_product": metric_names.VIEWED,
    "added_to_cart": metric_names.ADDED,
    "started_checkout": metric_names.CHECKOUT,
    "ordered_product": None,
    "cancelled_sales": None,
    "refunded_sales": None,
}


def add_fittings(
    store: Store, people: Sequence[Person], metrics: Mapping[str, str], rng: Random, now: int
) -> None:
    """Fill the account.

    Args:
        store: the account.
        people: some of them wrote reviews.
        metrics: ids by name.
        rng: decides the rest.
        now: the present, seconds.
    """
    items = list(_catalogue(store, rng, now))
    store.add(list(_reviews(store, items, people, rng, now)))
    for form in store.find(Form, "true order by id"):
        store.add(list(_versions(form)))
    for status, failed in (("complete", 0), ("complete", 1), ("processing", 0)):
        store.put(_job(status, failed, rng, now))
    for place in range(7):
        _, updated = _lifetime(rng, now)
        store.put(
            Image(
                id=str(1_000_000 + place),
                name=f"Banner {place} 🖼️",
                image_url=f"{_SHOP}/images/{place}.png",
                size=rng.randrange(10_000, 900_000),
                hidden=place == 0,
                updated_at=updated,
            )
        )
    for name, kind in (("Footer", "text"), ("Öffnungszeiten", "html"), ("Buy now", "button")):
        created, updated = _lifetime(rng, now)
        definition = {"content_type": "block", "type": kind, "data": _block(kind)}
        store.put(
            UniversalContent(
                id=_uuid(rng).replace("-", ""), name=name, definition=definition, created=created, updated=updated
            )
        )
    for name in ("Blog_posts", "Bestsellers"):
        created, updated = _lifetime(rng, now)
        store.put(
            WebFeed(id=_uuid(rng), name=name, url=f"{_SHOP}/feeds/{name}.json", created=created, updated=updated)
        )
    _add_metrics(store, metrics, rng, now)
    _add_objects(store, rng, now)
    _add_brand(store, rng, now)


def _catalogue(store: Store, rng: Random, now: int) -> Iterator[CatalogItem]:
    titles = dict.fromkeys(title for titles in _CATEGORIES.values() for title in titles)
    known: dict[str, CatalogItem] = {}
    for place, title in enumerate(titles):
        created, updated = _lifetime(rng, now)
        external, price = f"P-{place:04d}", rng.randrange(10, 400) + 0.95
        url = f"{_SHOP}/products/{external}"
        variants = [
            CatalogVariant(
                id=_compound(f"{external}-{size}"),
                item_id=_compound(external),
                external_id=f"{external}-{size}",
                title=f"{title}, {size}",
                description=title,
                sku=f"{external}-{size}",
                inventory_policy=rng.randrange(3),
                inventory_quantity=float(rng.randrange(50)),
                price=price,
                url=f"{url}?size={size}",
                created=created,
                updated=updated,
            )
            for size in (_SIZES if chance(rng, 0.8) else ())
        ]
        store.add(variants)
        known[title] = CatalogItem(
            id=_compound(external),
            external_id=external,
            title=title,
            description=f"{title}, as shown",
            price=price if place else None,
            url=url,
            image_full_url=f"{url}.jpg",
            image_thumbnail_url=f"{url}-small.jpg",
            images=[f"{url}.jpg"],
            custom_metadata={"Material": "Wool"},
            published=place != 1,
            created=created,
            updated=updated,
            variant_ids=[each.id for each in variants],
        )
    store.add(list(known.values()))
    for name, found in _CATEGORIES.items():
        created, updated = _lifetime(rng, now)
        external = name.lower().replace(" ", "-")
        category = CatalogCategory(
            id=_compound(external), external_id=external, name=name, created=created, updated=updated
        )
        store.put(category)
        store.add([CatalogPlace(category.id, known[title].id) for title in found])
    yield from known.values()


def _reviews(
    store: Store, items: Sequence[CatalogItem], people: Sequence[Person], rng: Random, now: int
) -> Iterator[Review]:
    for place, person in enumerate(islice(people, 12)):
        item = rng.choice(items)
        created, updated = _lifetime(rng, now)
        profile = store.profile(person.id)
        yield Review(
            id=str(5_000_000 + place),
            item_id=item.id if place else None,
            email=profile.email if profile else None,
            author=profile.first_name if profile else None,
            title="Très bien" if place % 2 else None,
            content=f"Wears well, {place} times already 👍",
            rating=rng.randrange(1, 6),
            review_type="review" if place else "store",
            status=_STATUSES[place % len(_STATUSES)],
            verified=chance(rng, 0.5),
            images=[f"{_SHOP}/reviews/{place}.jpg"] if place % 3 == 0 else [],
            product={
                "url": item.url,
                "name": item.title,
                "image_url": item.image_full_url,
                "external_id": item.external_id,
            }
            if place
            else None,
            public_reply={"content": "Thank you", "author": "The shop", "updated": updated.isoformat()}
            if place == 1
            else None,
            created=created,
            updated=updated,
        )


def _versions(form: Form) -> Iterator[FormVersion]:
    for place, key in enumerate(form.version_ids):
        yield FormVersion(
            id=key,
            form_id=form.id,
            form_type=("popup", "flyout")[place % 2],
            variation_name=f"V{place + 1}",
            ab_test={"variation_name": f"V{place + 1}"} if form.ab_test else None,
            status=form.status,
            created_at=datetime.fromtimestamp(form.created_at, UTC),
            updated_at=datetime.fromtimestamp(form.updated_at, UTC),
        )


def _job(status: str, failed: int, rng: Random, now: int) -> CouponCodeJob:
    created, completed = _lifetime(rng, now)
    error: Json = {
        "id": _uuid(rng),
        "code": "duplicate",
        "title": "Duplicate code",
        "detail": "The code exists.",
        "source": {"pointer": "/data/attributes/coupon-codes/data/0"},
    }
    return CouponCodeJob(
        id=ids.ulid(rng, created.timestamp()),
        status=status,
        created_at=created,
        total_count=20,
        completed_count=20 - failed if status == "complete" else 0,
        failed_count=failed,
        completed_at=completed if status == "complete" else None,
        errors=[error] * failed,
    )


def _block(kind: str) -> Json | None:
    display: Json = {"display_options": {}}
    if kind == "text":
        return {"content": "<p>Until soon</p>", "styles": {}, **display}
    return {"content": "<b>9 to 5</b>", **display} if kind == "html" else None


def _add_metrics(store: Store, metrics: Mapping[str, str], rng: Random, now: int) -> None:
    created, updated = _lifetime(rng, now)
    ordered, fulfilled = metrics[metric_names.ORDERED], metrics[metric_names.FULFILLED]
    groups: list[Json] = [
        {"metric_id": ordered, "metric_filters": [], "value_property": "$value"},
        {"metric_id": fulfilled, "metric_filters": [], "value_property": None},
    ]
    custom = CustomMetric(
        id=ids.ulid(rng, created.timestamp()),
        name="Net revenue",
        definition={"aggregation_method": "value", "metric_groups": groups},
        created=created,
        updated=updated,
        metric_ids=[ordered, fulfilled],
    )
    store.put(custom)
    for role, name in _ROLES.items():
        _, changed = _lifetime(rng, now)
        store.put(
            MappedMetric(
                id=role,
                metric_id=metrics[name] if name and role != "revenue" else None,
                custom_metric_id=custom.id if role == "revenue" else None,
                updated=changed,
            )
        )


def _add_objects(store: Store, rng: Random, now: int) -> None:
    created, updated = _lifetime(rng, now)
    at = created.timestamp()
    store.put(DataSource(id=ids.ulid(rng, at), title="Stable", description="Where pets live", namespace="pets"))
    for title, held in (("Pet", 5), ("Subscription box", 0)):
        kind = ObjectType(
            id=ids.ulid(rng, at), title=title, namespace="pets", created_at=created, updated_at=updated
        )
        store.put(kind)
        store.put(
            ObjectSchema(
                id=ids.ulid(rng, at),
                object_type_id=kind.id,
                title=title,
                properties=[{"id": 1, "name": "name", "type": "string", "description": None}],
                required=["name"],
                published_at=created,
            )
        )
        for place in range(held):
            properties: Json = {"name": f"Rex {place} 🐕", "owner": {"email": f"owner{place}@shop.example"}}
            store.put(
                ObjectRecord(id=ids.ulid(rng, at + place), object_type_id=kind.id, record_properties=properties)
            )


def _add_brand(store: Store, rng: Random, now: int) -> None:
    """The library of the brand, and what was used of the plan since the first day of the month."""
    store.put(BrandColor(id=_uuid(rng), name="Herbst 🍂", colors=[{"name": "Rost", "hex": "#A84300"}]))
    store.put(BrandLogo(id=_uuid(rng), name="Wide", image_id="1000001", width=300, height=80, alt_text="The shop"))
    store.put(BrandLogo(id=_uuid(rng), name="Without an image"))
    store.put(BrandButton(id=_uuid(rng), name="Buy", is_primary=True, style={"background_color": "#A84300"}))
    link: Json = {"network": "instagram", "url": f"{_SHOP}/instagram"}
    store.put(BrandSocialGroup(id=_uuid(rng), name="Footer", social_links=[link]))
    as_of = datetime.fromtimestamp(now, UTC)
    start = as_of.replace(day=1, hour=0, minute=0, second=0)
    end = (start + timedelta(days=32)).replace(day=1)
    for key, unit in (("active_profiles", "profiles"), ("email", "messages"), ("sms", "credits")):
        store.put(
            BillingUsage(
                id=key,
                usage_used=rng.randrange(10_000) / 4,
                usage_max=5_000,
                unit=unit,
                period_start=start,
                period_end=end,
                as_of=as_of,
            )
        )


def _compound(external_id: str) -> str:
    return f"$custom:::$default:::{external_id}"


def _lifetime(rng: Random, now: int) -> tuple[datetime, datetime]:
    """When something was made, in the past two years, and when it was last changed."""
    created = now - rng.randrange(30 * DAY, 700 * DAY)
    updated = created + rng.randrange(1, 29 * DAY)
    made, changed = (
        datetime.fromtimestamp(each, UTC).replace(microsecond=rng.randrange(1_000_000))
        for each in (created, updated)
    )
    return made, changed


def _uuid(rng: Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))
