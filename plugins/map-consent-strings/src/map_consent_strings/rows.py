"""The row that a string becomes: numbers as texts in lists, as the rules of forwarding have them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

from map_consent_strings.decoding.choices import Choices, Restriction, Scheme, TcfChoices, UndecodableError
from map_consent_strings.decoding.strings import decode, scheme_of

if TYPE_CHECKING:
    from collections.abc import Mapping

STREAM, KEY = "consent_strings", "string_sha256"
_TEXT, _TEXT_OR_NULL = th.StringType(nullable=False), th.StringType(nullable=True)
_INTEGER, _BOOLEAN = th.IntegerType(nullable=True), th.BooleanType(nullable=True)
_MOMENT = th.DateTimeType(nullable=True)
_TEXTS = th.ArrayType(_TEXT, nullable=True)
_RANGE = th.ArrayType(th.IntegerType(nullable=False), nullable=False)
_RESTRICTION = th.ObjectType(
    th.Property("purpose", _TEXT, required=True),
    th.Property("type", _TEXT, required=True),
    th.Property("vendors", th.ArrayType(_RANGE, nullable=False), required=True),
    nullable=False,
)
PROPERTIES: tuple[th.Property[Any], ...] = (
    th.Property(
        KEY, _TEXT, required=True, description="SHA-256 of the string as it was given, in hexadecimal digits"
    ),
    th.Property(
        "scheme", _TEXT_OR_NULL, description="`tcf`, `gpp` or `us_privacy`, by its beginning; null: none of them"
    ),
    th.Property(
        "error",
        _TEXT_OR_NULL,
        description="Why it cannot be decoded; then there is no consent, and all that it might say is null",
    ),
    th.Property("decoded_at", th.DateTimeType(nullable=False), required=True, description="When this run began"),
    th.Property("version", _INTEGER, description="Of the specification it is written by"),
    th.Property(
        "opted_out",
        _TEXTS,
        description="Any of `sale`, `sharing`, `targeted_advertising`, `gpc` (their browser asks for it) and "
        "`known_child` (nobody agreed for them); empty: of nothing; null: nothing in the string would say so",
    ),
    th.Property(
        "sections", _TEXTS, description="Of a GPP string: its sections, such as `tcfeuv2`, `usnat`, `usca`"
    ),
    th.Property(
        "purposes",
        _TEXTS,
        description="Numbers of the purposes that have consent; null: no TC string, nor a section that is one",
    ),
    th.Property(
        "vendors",
        _TEXTS,
        description="Numbers of the vendors that have consent; of a string that says who was shown, only those",
    ),
    th.Property(
        "refused",
        _TEXTS,
        description="`<vendor>:<purpose>`: both have consent, which the publisher's restrictions make void",
    ),
    th.Property(
        "legitimate_interest_purposes",
        _TEXTS,
        description="Purposes served without consent, to which nobody objected",
    ),
    th.Property(
        "legitimate_interest_vendors",
        _TEXTS,
        description="Vendors that may do so; `restrictions` is not subtracted",
    ),
    th.Property(
        "special_features",
        _TEXTS,
        description="Special features agreed to: 1 is the exact place, 2 the device",
    ),
    th.Property(
        "disclosed_vendors",
        _TEXTS,
        description="Vendors that were shown to the person; null: the string does not say",
    ),
    th.Property(
        "restrictions",
        th.ArrayType(_RESTRICTION, nullable=True),
        description="The publisher's, whole: `purpose`, `type` (`not_allowed`, `require_consent`, "
        "`require_legitimate_interest`), `vendors` as pairs of the first and the last number",
    ),
    th.Property("created_at", _MOMENT, description="When the string was made first"),
    th.Property("updated_at", _MOMENT, description="When the person chose last"),
    th.Property("cmp_id", _INTEGER, description="Number of the consent management platform"),
    th.Property("cmp_version", _INTEGER, description="Its version"),
    th.Property("vendor_list_version", _INTEGER, description="Of the Global Vendor List"),
    th.Property("policy_version", _INTEGER, description="Of TCF's policy: 4 is TCF 2.2, 5 is TCF 2.3"),
    th.Property("is_service_specific", _BOOLEAN, description="The choice is for one site, not for all"),
    th.Property(
        "purpose_one_treatment",
        _BOOLEAN,
        description="Purpose 1 was not asked for, by the law of the publisher's country",
    ),
    th.Property("publisher_country", _TEXT_OR_NULL, description="Two letters"),
)
"""The columns of the stream."""
SCHEMA: dict[str, Any] = th.PropertiesList(*PROPERTIES).to_dict()
_NOTHING: Mapping[str, None] = dict.fromkeys(each.name for each in PROPERTIES)


def row(text: str, now: datetime) -> dict[str, Any]:
    """What a string says; one that cannot be decoded says why.

    Args:
        text: The string.
        now: When the run began.
    """
    told = {**_NOTHING, KEY: _sha256(text), "decoded_at": now.isoformat()}
    try:
        choices = decode(text)
    except UndecodableError as error:
        return {**told, "scheme": scheme_of(text), "error": str(error)}
    return {**told, **_of(choices), **(_of_tcf(choices.tcf) if choices.tcf else {})}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _of(choices: Choices) -> dict[str, Any]:
    return {
        "scheme": choices.scheme.value,
        "version": choices.version,
        "opted_out": None if choices.opted_out is None else sorted(choices.opted_out),
        "sections": [*choices.sections] if choices.scheme is Scheme.GPP else None,
    }


def _of_tcf(choices: TcfChoices) -> dict[str, Any]:
    disclosed = choices.disclosed_vendors
    return {
        "purposes": _texts(choices.purposes),
        "vendors": _texts(choices.vendors),
        "refused": [f"{vendor}:{purpose}" for vendor, purpose in choices.refused],
        "legitimate_interest_purposes": _texts(choices.legitimate_interest_purposes),
        "legitimate_interest_vendors": _texts(choices.legitimate_interest_vendors),
        "special_features": _texts(choices.special_features),
        "disclosed_vendors": None if disclosed is None else _texts(disclosed),
        "restrictions": [_restriction(each) for each in choices.restrictions],
        "created_at": choices.created_at.isoformat(),
        "updated_at": choices.updated_at.isoformat(),
        "cmp_id": choices.cmp_id,
        "cmp_version": choices.cmp_version,
        "vendor_list_version": choices.vendor_list_version,
        "policy_version": choices.policy_version,
        "is_service_specific": choices.is_service_specific,
        "purpose_one_treatment": choices.purpose_one_treatment,
        "publisher_country": choices.publisher_country,
    }


def _restriction(restriction: Restriction) -> dict[str, Any]:
    return {
        "purpose": str(restriction.purpose),
        "type": restriction.type.name.lower(),
        "vendors": [[*each] for each in restriction.vendors],
    }


def _texts(numbers: Iterable[int]) -> list[str]:
    return [str(number) for number in numbers]
