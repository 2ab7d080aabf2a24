"""What a string says of a person's choices, and what is told of one that says nothing that can be read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum


class UndecodableError(Exception):
    """A string is none of the specification's; the text says why, with nothing of the string in it."""


class Scheme(StrEnum):
    """Whose string it is."""

    TCF = "tcf"
    GPP = "gpp"
    US_PRIVACY = "us_privacy"


class OptOut(StrEnum):
    """What a person of the United States has opted out of; or why it counts as if they had."""

    SALE = "sale"
    SHARING = "sharing"
    TARGETED_ADVERTISING = "targeted_advertising"
    GPC = "gpc"  # their browser asks for it: Global Privacy Control
    KNOWN_CHILD = "known_child"  # of an age at which somebody must agree, and nobody has


class RestrictionType(IntEnum):
    """What a publisher says of some vendors and a purpose."""

    NOT_ALLOWED = 0
    REQUIRE_CONSENT = 1
    REQUIRE_LEGITIMATE_INTEREST = 2


Ranges = tuple[tuple[int, int], ...]
"""First and last of each, both belonging to it; in ascending order, and with a gap between any two."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """Of a purpose, by the publisher."""

    purpose: int
    type: RestrictionType
    vendors: Ranges


@dataclass(frozen=True, slots=True)
class TcfChoices:
    """What a TC string says. Numbers of purposes, features and vendors are those of the Global Vendor List.

    Attributes:
        vendors: Who has consent; of a string that says who was shown, only those.
        disclosed_vendors: Who was shown to the person; none, if the string does not say.
        refused: Vendor and purpose, both of which have consent, where by the publisher's restrictions it does not
            count.
    """

    version: int
    created_at: datetime
    updated_at: datetime
    cmp_id: int
    cmp_version: int
    vendor_list_version: int
    policy_version: int
    is_service_specific: bool
    purpose_one_treatment: bool
    publisher_country: str | None
    special_features: tuple[int, ...]
    purposes: tuple[int, ...]
    legitimate_interest_purposes: tuple[int, ...]
    vendors: tuple[int, ...]
    legitimate_interest_vendors: tuple[int, ...]
    disclosed_vendors: tuple[int, ...] | None
    restrictions: tuple[Restriction, ...]
    refused: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Choices:
    """What a string says.

    Attributes:
        scheme: Whose string it is.
        version: Of the specification it is written by.
        tcf: Of a TC string, or of the section of a GPP string that is one.
        opted_out: What the person has opted out of; none, if the string has nothing that would say so.
        sections: Of a GPP string: the sections' names, in their order.
    """

    scheme: Scheme
    version: int
    tcf: TcfChoices | None = None
    opted_out: frozenset[OptOut] | None = None
    sections: tuple[str, ...] = ()
