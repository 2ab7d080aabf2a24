"""The people of the seeded shop: plausible in the mass, awkward here and there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from klaviyo_sandbox.model import ids
from klaviyo_sandbox.model.records import NEVER, Consent, ConsentState, Profile

if TYPE_CHECKING:
    from klaviyo_sandbox.model.records import Json

DAY = 86_400
HISTORY = 180 * DAY
_FEW, _MOST_OF_FEW = 0.1, 200

# Ids do not depend on the present, so that one seed gives the same people, and the same assignments, on every day.
_ID_EPOCH = 1_700_000_000

_FIRST = (
    "Ada", "Björn", "Chloé", "Dimitri", "Elif", "Farid", "Grace", "Hanna", "Ines", "Jürgen", "Kwame", "Lucía",
    "Mei", "Nuño", "Oğuz", "Priya", "Quinn", "Renée", "Søren", "Tomás", "Uma", "Víctor",
    "Wanda", "Ximena", "Yūki", "Zoë", "美咲", "Алексей", "محمد", "D'Arcy",
)  # fmt: skip
_LAST = (
    "Andersson", "Brontë", "Çelik", "Dvořák", "Eriksen", "Fernández", "García", "Håkansson", "Ivanova",
    "Jørgensen", "Kovács", "Li", "Müller", "Nguyễn", "O'Neil", "Pereira", "Quispe", "Rossi", "Smith",
    "Tanaka", "Ünal", "van der Berg", "Wójcik", "Xu", "Yağmur", "Zhang-Łęcki",
)  # fmt: skip
# Reserved for documentation, and not among the domains whose events Klaviyo drops (example.com, test.com).
_DOMAINS = ("mail.example.net", "post.example.net", "inbox.example.org", "work.example.edu")
_PLACES = (
    ("Copenhagen", "Capital Region", "Denmark", "2300", "Europe/Copenhagen", 55.66, 12.57),
    ("São Paulo", "SP", "Brazil", "01310-100", "America/Sao_Paulo", -23.5614, -46.6559),
    ("Boston", "Massachusetts", "United States", "02108", "America/New_York", 42.3572, -71.0637),
    ("東京", "東京都", "Japan", "100-0001", "Asia/Tokyo", 35.6852, 139.7528),
    ("Nairobi", "Nairobi County", "Kenya", "00100", "Africa/Nairobi", -1.2864, 36.8172),
    ("Auckland", "Auckland", "New Zealand", "1010", "Pacific/Auckland", -36.8485, 174.7633),
)
_LOCALES = ("en-US", "da-DK", "pt-BR", "ja-JP", None)
_AREAS = (
    201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229, 231,
    234, 239, 240, 248, 251, 252, 253, 254, 256, 260, 262, 267, 269, 270, 276, 281, 301, 302, 303, 304, 305, 307,
    308, 309, 310, 312, 313, 314, 315, 316, 317, 318,
)  # fmt: skip
_CATEGORIES = ("outdoor", "home", "kids", "garden", "travel")

# What makes loaders and models stumble; each is carried by a few profiles.
AWKWARD: tuple[Json, ...] = (
    {"Big number": 9_223_372_036_854_775_807, "just above double": 9_007_199_254_740_993},
    {"tiny": 5e-324, "minus zero": -0.0, "tenth": 0.1},
    {"empty text": "", "empty list": [], "empty object": {}, "nothing": None},
    {"nested": {"a": {"b": [1, {"c": [None, True, "x"]}]}}},
    {"emoji 🎁": "👩‍👩‍👧‍👦 family", "rtl": "שלום עולם"},
    {"quotes": 'she said "hi" \\ it\'s <b>bold</b> & more', "lines": "one\ntwo\r\nthree\ttab"},
    {"Number as text": "5", "date as text": "May 5, 2021", "bool as text": "False", "zip": "00501"},
    {"Prop With Space": 1, "dotted.key": 2, "$dollar": 3, "": 4, "ключ": 5},
    {"mixed list": [1, "1", 1.0, True, None, {"k": []}]},
    {"long": "x" * 5_000},
)


def people(count: int, rng: Random, now: int) -> Iterator[Profile]:
    """That many profiles, none younger than an hour; many share the second of their creation or update."""
    imports = [_age(rng) for _ in range(count // 1_000 + 1)]
    syncs = [rng.randrange(3_600, 30 * DAY) for _ in range(count // 2_000 + 1)]
    # One in ten was one great import: with 100,000 people, thousands in its second.
    syncs[::10] = syncs[:1] * len(syncs[::10])
    legacy_ids: set[str] = set()
    for index in range(count):
        age = rng.choice(imports) if chance(rng, 0.4) else _age(rng)
        changed = int(age * rng.random())
        if chance(rng, 0.3):
            changed = rng.choice(syncs)
        yield _person(index, rng, now - age, now - min(age, max(changed, 3_600)), legacy_ids)


def chance(rng: Random, share: float) -> bool:
    """True for this share of the draws."""
    return rng.random() < share


def a_few(people: Iterable[str], rng: Random) -> list[str]:
    """One person in ten; of a large account few, for what nothing is measured by."""
    return [each for each in people if chance(rng, _FEW)][:_MOST_OF_FEW]


def _age(rng: Random) -> int:
    """Seconds since somebody became known: nine in ten before the history of events begins."""
    if chance(rng, 0.9):
        return HISTORY + rng.randrange(900 * DAY)
    return rng.randrange(3_600, HISTORY)


def _person(index: int, rng: Random, created: int, updated: int, legacy_ids: set[str]) -> Profile:
    profile_id = _profile_id(index, rng, legacy_ids)
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    has_email = chance(rng, 0.94)
    has_phone = chance(rng, 0.35) or (not has_email and chance(rng, 0.9))
    has_name = chance(rng, 0.85)
    return Profile(
        id=profile_id,
        email=_email(index, rng, first) if has_email else None,
        phone_number=_phone(index) if has_phone else None,
        external_id=f"cust-{index:07d}" if chance(rng, 0.6) or not (has_email or has_phone) else None,
        first_name=first if has_name else None,
        last_name=last if has_name else None,
        organization="Ærø & Søn A/S" if chance(rng, 0.02) else None,
        locale=rng.choice(_LOCALES),
        created=created,
        updated=updated,
        location=_location(rng) if chance(rng, 0.7) else {},
        properties=_properties(rng),
        email_marketing=_consent(rng, created, updated, 0.64, 0.72) if has_email else NEVER,
        sms_marketing=_consent(rng, created, updated, 0.4, 0.45) if has_phone else NEVER,
        predictive_analytics=_predictions(rng) if chance(rng, 0.2) else {},
    )


def _profile_id(index: int, rng: Random, legacy_ids: set[str]) -> str:
    if not chance(rng, 0.04):
        return ids.ulid(rng, _ID_EPOCH + index)
    legacy = ids.short(rng)
    while legacy in legacy_ids:
        legacy = ids.short(rng)
    legacy_ids.add(legacy)
    return legacy


def _email(index: int, rng: Random, first: str) -> str:
    name = first.lower() if first.isascii() and first.isalpha() else "customer"
    tag = "+news" if chance(rng, 0.05) else ""
    return f"{name}.{index}{tag}@{rng.choice(_DOMAINS)}"


def _phone(index: int) -> str:
    """A number of its own, in exchanges kept for fiction where possible."""
    block, line = divmod(index, 10_000)
    return f"+1{_AREAS[block % len(_AREAS)]}{555 + block // len(_AREAS)}{line:04d}"


def _consent(rng: Random, created: int, updated: int, subscribed: float, unsubscribed: float) -> Consent:
    luck = rng.random()
    at = datetime.fromtimestamp(created, UTC) + timedelta(seconds=(updated - created) * rng.random())
    if luck < subscribed:
        return Consent(ConsentState.SUBSCRIBED, at)
    return Consent(ConsentState.UNSUBSCRIBED, at) if luck < unsubscribed else NEVER


def _location(rng: Random) -> Json:
    city, region, country, code, timezone, latitude, longitude = rng.choice(_PLACES)
    latitude = round(latitude + rng.random() / 10, 4)
    longitude = round(longitude + rng.random() / 10, 4)
    text = chance(rng, 0.5)  # the API answers coordinates as text for some profiles and as numbers for others
    return {
        "address1": f"{rng.randrange(1, 200)} Example Street" if chance(rng, 0.3) else None,
        "city": city,
        "region": region,
        "country": country,
        "zip": code,
        "timezone": timezone,
        "latitude": str(latitude) if text else latitude,
        "longitude": str(longitude) if text else longitude,
    }


def _properties(rng: Random) -> Json:
    properties: Json = {"Loyalty Points": rng.randrange(500)}
    if chance(rng, 0.6):
        properties["favourite_category"] = rng.choice(_CATEGORIES)
    if chance(rng, 0.3):
        properties["VIP"] = chance(rng, 0.2)
    if chance(rng, 0.25):
        properties["tags"] = rng.sample(_CATEGORIES, rng.randrange(4))
    if chance(rng, 0.03):
        properties.update(rng.choice(AWKWARD))
    return properties


def _predictions(rng: Random) -> Json:
    orders, value = rng.randrange(1, 12), round(20 + 100 * rng.random(), 2)
    return {
        "historic_number_of_orders": orders,
        "predicted_number_of_orders": round(3 * rng.random(), 2),
        "average_days_between_orders": round(10 + 90 * rng.random(), 1),
        "average_order_value": value,
        "historic_clv": round(orders * value, 2),
        "predicted_clv": round(value * rng.random(), 2),
        "total_clv": round((orders + 1) * value, 2),
        "churn_probability": round(rng.random(), 3),
    }
