"""TC strings of the IAB's Transparency & Consent Framework, version 2.

Source: IAB Tech Lab, "Consent string and vendor list formats v2", with the segment of disclosed vendors that
TCF 2.3 asks for.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from map_consent_strings.decoding.bits import Bits, merged
from map_consent_strings.decoding.choices import (
    Ranges,
    Restriction,
    RestrictionType,
    TcfChoices,
    UndecodableError,
)

VERSION = 2
MAX_VENDORS = 10_000
"""Of a list; the Global Vendor List has some 1,500 in all. A few characters can name 65,535."""
_SPECIAL_FEATURES, _PURPOSES = 12, 24
_POLICY_OF_2_3 = 5
"""From then on every string says who was shown; an empty list of an older one says nothing."""
_DISCLOSED, _ALLOWED, _PUBLISHER = 1, 2, 3
"""What the segments behind the first are called by: who was shown, who may be served elsewhere, the site's own."""


def decode(text: str) -> TcfChoices:
    """What a TC string says.

    Raises:
        UndecodableError: It is none of version 2.
    """
    core, *others = text.split(".")
    segments: dict[int, Bits] = {}
    for other in others:
        bits = Bits(other)
        kind = bits.integer(3)
        if kind not in {_DISCLOSED, _ALLOWED, _PUBLISHER} or kind in segments:
            message = "it has a segment that is not known, or one twice"
            raise UndecodableError(message)
        segments[kind] = bits
    disclosed = _vendors(segments[_DISCLOSED]) if _DISCLOSED in segments else None
    return _core(Bits(core), disclosed)


def _core(bits: Bits, disclosed: tuple[int, ...] | None) -> TcfChoices:
    version = bits.integer(6)
    if version != VERSION:
        message = f"it is a TC string of version {version}, and not of version {VERSION}"
        raise UndecodableError(message)
    created, updated = bits.moment(), bits.moment()
    cmp_id, cmp_version = bits.integer(12), bits.integer(12)
    bits.integer(6)  # the screen on which the person chose
    bits.integer(12)  # and its language
    list_version, policy_version = bits.integer(12), bits.integer(6)
    is_service_specific = bits.flag()
    bits.flag()  # texts other than the standard's
    features = bits.numbers(_SPECIAL_FEATURES)
    purposes, interests = bits.numbers(_PURPOSES), bits.numbers(_PURPOSES)
    purpose_one_treatment = bits.flag()
    country = bits.letters(2)
    vendors, interest_vendors = _vendors(bits), _vendors(bits)
    restrictions = tuple(_restriction(bits) for _ in range(bits.integer(12)))
    bits.end()
    if disclosed or (disclosed is not None and policy_version >= _POLICY_OF_2_3):
        vendors, interest_vendors = _shown(vendors, disclosed), _shown(interest_vendors, disclosed)
    return TcfChoices(
        version=version,
        created_at=created,
        updated_at=updated,
        cmp_id=cmp_id,
        cmp_version=cmp_version,
        vendor_list_version=list_version,
        policy_version=policy_version,
        is_service_specific=is_service_specific,
        purpose_one_treatment=purpose_one_treatment,
        publisher_country=country,
        special_features=features,
        purposes=purposes,
        legitimate_interest_purposes=interests,
        vendors=vendors,
        legitimate_interest_vendors=interest_vendors,
        disclosed_vendors=disclosed,
        restrictions=restrictions,
        refused=tuple(_refused(restrictions, vendors, purposes)),
    )


def _restriction(bits: Bits) -> Restriction:
    purpose, kind = bits.integer(6), bits.integer(2)
    vendors: Ranges = bits.ranges()
    if kind not in {*RestrictionType}:
        message = "it has a publisher's restriction of a type that is not known"
        raise UndecodableError(message)
    return Restriction(purpose, RestrictionType(kind), vendors)


def _refused(
    restrictions: Iterable[Restriction], vendors: tuple[int, ...], purposes: tuple[int, ...]
) -> list[tuple[int, int]]:
    """Where a publisher says no, or that the vendor may not ask for consent; of what has consent."""
    found: list[tuple[int, int]] = []
    for purpose in purposes:
        against = [
            each
            for restriction in restrictions
            if restriction.purpose == purpose and restriction.type is not RestrictionType.REQUIRE_CONSENT
            for each in restriction.vendors
        ]
        for first, last in merged(against):
            hit = vendors[bisect_left(vendors, first) : bisect_right(vendors, last)]
            found += [(vendor, purpose) for vendor in hit]
            if len(found) > MAX_VENDORS:
                message = f"its publisher restricts more than {MAX_VENDORS:,} pairs of a vendor and a purpose"
                raise UndecodableError(message)
    return sorted(found)


def _vendors(bits: Bits) -> tuple[int, ...]:
    ranges = bits.vendors()
    if sum(last - first + 1 for first, last in ranges) > MAX_VENDORS:
        message = f"it names more than {MAX_VENDORS:,} vendors"
        raise UndecodableError(message)
    return tuple(vendor for first, last in ranges for vendor in range(first, last + 1))


def _shown(vendors: tuple[int, ...], disclosed: tuple[int, ...]) -> tuple[int, ...]:
    """Whoever was not shown to the person has nothing of them."""
    shown = {*disclosed}
    return tuple(vendor for vendor in vendors if vendor in shown)
